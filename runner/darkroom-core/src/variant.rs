//! A variant: one author's implementation of every stage (`functions/<name>/variant.toml`).
//!
//! Text of `variant.toml` → [`Variant`]. The packaging code checks whether the named files exist,
//! and makes the zip.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::adapt::Adapt;
use crate::cell::Architecture;
use crate::data_file::{DataFile, DataFileError};
use crate::outcome::Outcome;
use crate::pipeline::{Pipeline, Transport};
use crate::prompt;

/// What `variant.toml` says. The folder's name is the variant's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    pub description: String,
    /// Lambda runtime, for example `python3.13` or `provided.al2023`.
    pub runtime: String,
    pub architectures: Vec<Architecture>,
    /// How the code becomes a zip.
    pub build: Build,
    /// Stage name → Lambda handler, for example `greyscale.handler`.
    #[serde(default)]
    pub handlers: BTreeMap<String, String>,
    /// Stages that `model` was asked for and gave no usable code for, with what came instead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, Outcome>,
    /// LLM that wrote the code, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Which independent sample of that model's answers, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<u32>,
    /// Name of the prompt that the model was asked with; absent: the standard one, `plain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// How its handlers get and give images: of the pipelines with this transport it is a variant.
    #[serde(default)]
    pub transport: Transport,
    /// It is wrong on purpose: that the gate finds it is no failure of a run, and that the gate
    /// does not is one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrong_on_purpose: bool,
    /// Habits of handlers that were not written for this project.
    #[serde(default)]
    pub adapt: Adapt,
    /// sha256 of files as they were when they were imported, hex: those that `darkroom import`
    /// copied.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub imported: BTreeMap<String, String>,
}

/// How a variant's folder becomes a deployment package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Build {
    /// `*.py` as written; `requirements` (hash-pinned) becomes a layer.
    Python {
        #[serde(default)]
        requirements: Option<String>,
    },
    /// A Cargo project whose binary `bin` becomes `bootstrap`.
    Cargo { bin: String },
}

impl Variant {
    /// Returns the variant that `text` spells. `file` is its name for messages.
    ///
    /// Refuses unknown keys, an empty list of architectures, a variant without any stage, and a
    /// runtime that can't run the build.
    pub fn parse(file: &str, text: &str) -> Result<Self, DataFileError> {
        let file = DataFile { name: file, text };
        let variant: Self = file.parse()?;
        match variant.mistake() {
            Some((key, message)) => Err(file.error_at_key(&(0..text.len()), key, message, None)),
            None => Ok(variant),
        }
    }

    /// Returns the pipeline's stages that this variant says nothing of, in order: neither a handler
    /// nor why there is none.
    pub fn stages_without_handler<'a>(&self, pipeline: &'a Pipeline) -> Vec<&'a str> {
        let names = pipeline.stages.iter().map(|stage| stage.name.as_str());
        let is_told =
            |name: &str| self.handlers.contains_key(name) || self.missing.contains_key(name);
        names.filter(|name| !is_told(name)).collect()
    }

    /// Returns the name of the prompt that a model wrote it from; `None` where none did.
    pub fn prompt_name(&self) -> Option<&str> {
        self.model.as_ref()?;
        Some(self.prompt.as_deref().unwrap_or(prompt::PLAIN))
    }

    fn mistake(&self) -> Option<(&'static str, String)> {
        if self.architectures.is_empty() {
            return Some((
                "architectures",
                "is empty: write \"x86_64\", \"arm64\" or both".into(),
            ));
        }
        let mut architectures = self.architectures.clone();
        architectures.sort_unstable();
        architectures.dedup();
        if architectures.len() != self.architectures.len() {
            return Some(("architectures", "names an architecture twice".into()));
        }
        if self.handlers.is_empty() && self.missing.is_empty() {
            return Some((
                "handlers",
                "is empty: a variant handles at least one stage".into(),
            ));
        }
        let both = |stage: &&String| self.handlers.contains_key(*stage);
        if let Some(stage) = self.missing.keys().find(both) {
            return Some((
                "missing",
                format!("names stage `{stage}`, which has a handler"),
            ));
        }
        if !self.missing.is_empty() && self.model.is_none() {
            return Some((
                "missing",
                "says what a `model` did not give, and none is named".into(),
            ));
        }
        if self.sample.is_some() && self.model.is_none() {
            return Some((
                "sample",
                "`sample` needs `model`; add the model whose answers it is".into(),
            ));
        }
        if self.prompt.is_some() && self.model.is_none() {
            return Some((
                "prompt",
                "`prompt` needs `model`; add the model that was asked with it".into(),
            ));
        }
        if let Some(mistake) = self.adapt.mistake() {
            return Some(mistake);
        }
        if let Some(stage) = self
            .adapt
            .stages
            .keys()
            .find(|stage| !self.handlers.contains_key(*stage))
        {
            return Some((
                "stages",
                format!("adapts stage `{stage}`, which has no handler"),
            ));
        }
        match &self.build {
            Build::Python {
                requirements: Some(file),
            } if file.contains(char::is_control) => {
                let help = "use single quotes or forward slashes";
                Some((
                    "requirements",
                    format!("{file:?} holds a control character: {help}"),
                ))
            }
            Build::Python {
                requirements: Some(file),
            } if !is_within(file) => Some((
                "requirements",
                format!("`{file}` is not in the variant's folder: copy it there"),
            )),
            Build::Python { .. } => self.mistake_in_python(),
            Build::Cargo { bin } => self.mistake_in_cargo(bin),
        }
    }

    fn mistake_in_python(&self) -> Option<(&'static str, String)> {
        let version = self
            .runtime
            .strip_prefix("python3.")
            .filter(|minor| minor.parse::<u32>().is_ok());
        if version.is_none() {
            let message = format!(
                "`{}` does not run Python; use python3.13 or another python3.N",
                self.runtime
            );
            return Some(("runtime", message));
        }
        let is_python = |handler: &str| {
            handler
                .rsplit_once('.')
                .is_some_and(|(module, function)| is_module(module) && is_identifier(function))
        };
        let (stage, handler) = self
            .handlers
            .iter()
            .find(|(_, handler)| !is_python(handler))?;
        let help = "use letters, digits, `_` and, in a file's name, `-`";
        Some((
            "handlers",
            format!("`{handler}` of stage `{stage}` is not module.function: {help}"),
        ))
    }

    fn mistake_in_cargo(&self, bin: &str) -> Option<(&'static str, String)> {
        if !self.runtime.starts_with("provided.") {
            let message = format!(
                "`{}` does not run a bootstrap; use provided.al2023",
                self.runtime
            );
            return Some(("runtime", message));
        }
        let plain = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if !plain(bin) {
            return Some(("bin", format!("`{bin}` is not the name of a Cargo binary")));
        }
        let (stage, handler) = self.handlers.iter().find(|(_, handler)| !plain(handler))?;
        Some((
            "handlers",
            format!("`{handler}` of stage `{stage}` is not letters, digits, - and _"),
        ))
    }
}

/// Whether a path stays in the folder that it is relative to.
fn is_within(path: &str) -> bool {
    use std::path::{Component, Path};
    let inner = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    !path.is_empty() && Path::new(path).components().all(inner)
}

/// Lambda separates the folders of a Python module by `/` or `.`, and imports by name: also names
/// that a statement can't spell.
fn is_module(module: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    module.split(['/', '.']).all(is_name)
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PILLOW: &str = r#"
description = "Pillow"
runtime = "python3.13"
architectures = ["x86_64", "arm64"]

[build]
kind = "python"
requirements = "requirements.txt"

[handlers]
greyscale = "greyscale.handler"
"#;

    fn refusal(from: &str, to: &str) -> String {
        assert!(PILLOW.contains(from), "the test replaces nothing");
        Variant::parse("functions/v/variant.toml", &PILLOW.replace(from, to))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_variant_is_read() {
        let variant = Variant::parse("variant.toml", PILLOW).unwrap();
        assert_eq!(variant.handlers["greyscale"], "greyscale.handler");
        assert_eq!(
            variant.build,
            Build::Python {
                requirements: Some("requirements.txt".into())
            }
        );
    }

    #[test]
    fn a_mistake_is_told_with_file_line_and_key() {
        assert_eq!(
            refusal("python3.13", "provided.al2023"),
            "functions/v/variant.toml:3: runtime: `provided.al2023` does not run Python; use python3.13 or another python3.N"
        );
        assert!(
            refusal(
                "architectures = [\"x86_64\", \"arm64\"]",
                "architectures = []"
            )
            .contains(":4: architectures: ")
        );
        assert!(refusal("\"arm64\"", "\"x86_64\"").contains("twice"));
        for outside in [
            "/etc/passwd",
            "../requirements.txt",
            "a/../../requirements.txt",
            "",
        ] {
            assert!(
                refusal("requirements.txt", outside).contains("not in the variant's folder"),
                "{outside}"
            );
        }
        assert!(
            refusal("requirements.txt", "r\\new.txt").contains("single quotes or forward slashes")
        );
        assert!(refusal("greyscale.handler", "greyscale").contains("not module.function"));
        assert!(refusal("greyscale.handler", "../x.handler").contains("not module.function"));
    }

    #[test]
    fn a_stage_that_a_model_gave_no_code_for_is_told_and_a_variant_may_have_none() {
        let missing =
            "[missing]\nresize = { outcome = \"cut_off\", detail = \"after 9 tokens\" }\n";
        let written = PILLOW.replace("[build]", "model = \"m\"\nsample = 1\n[build]");
        let variant = Variant::parse("variant.toml", &format!("{written}{missing}")).unwrap();
        assert_eq!(
            variant.missing["resize"].to_string(),
            "cut off (after 9 tokens)"
        );
        let none = written.replace("greyscale = \"greyscale.handler\"\n", "");
        assert!(Variant::parse("variant.toml", &none).is_err());
        assert!(Variant::parse("variant.toml", &format!("{none}{missing}")).is_ok());
        let refused = |text: &str| Variant::parse("v", text).unwrap_err().to_string();
        let both = format!("{written}{missing}").replace("resize =", "greyscale =");
        assert!(refused(&both).contains("`greyscale`, which has a handler"));
        assert!(refused(&format!("{PILLOW}{missing}")).contains("none is named"));
        let unknown = format!("{written}{missing}").replace("cut_off", "lost");
        assert!(refused(&unknown).contains("lost"));
    }

    #[test]
    fn an_unknown_key_or_architecture_is_refused_with_the_known_ones() {
        assert!(refusal("runtime =", "runtme =").contains("runtime"));
        assert!(refusal("arm64", "arm").contains("arm64"));
    }
}
