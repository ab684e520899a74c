//! Models among `[matrix] variants`: an entry for a model stands for the variants that it is to
//! write, one a sample and prompt.
//!
//! Entries → names of variants, always the same ones, and what each must have been made with. Knows
//! no files and asks nobody: what is there, and what is wrong with an entry, [`super::entries`] says.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::check::check;
use super::known::KnownVariant;
use super::tree::{Node, Place, Value};
use crate::adapt::Adapt;
use crate::cell::Architecture;
use crate::pipeline::{Pipeline, Stage};
use crate::prompt::{self, HANDLER, PLAIN};
use crate::shell;
use crate::variant::{Build, Variant};

/// Python of generated code unless an entry says otherwise.
pub const PYTHON: &str = "3.13";
/// Longest name that a generated variant may have.
pub(super) const LONGEST_NAME: usize = 60;
/// What it may be spelt with.
pub(super) const LETTERS: &str = "letters, digits, `-`, `_` and `.`";

/// A variant, or a model that is to write some.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "the schema of an item is made of it")]
pub(super) enum Level {
    /// A folder under `functions/`, or a glob.
    Name(String),
    Model(ModelEntry),
}

/// A model, for the variants that it writes: one for each sample and prompt. `darkroom generate
/// MANIFEST` makes those that are missing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// Entry of the pipeline's `models.toml`.
    pub model: String,
    /// Independent sets of answers; each becomes a variant, `<model>-s1` and so on. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub samples: u32,
    /// Python version of the functions. Default: 3.13.
    #[serde(default = "python")]
    #[schemars(extend("enum" = ["3.13", "3.14"]))]
    pub python: String,
    /// Rounds in which failed checks are sent back to the model, at most. Default: 0, the first
    /// answer counts.
    #[serde(default)]
    #[schemars(range(max = 10))]
    pub repair: u32,
    /// Prompts to compare: `plain` is the standard one, any other a template
    /// `experiments/<pipeline>/prompts/<name>.md`. Default: `plain` only.
    #[serde(default = "plain")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub prompts: Vec<String>,
}

const fn one() -> u32 {
    1
}
fn python() -> String {
    PYTHON.to_owned()
}
fn plain() -> Vec<String> {
    vec![PLAIN.to_owned()]
}

/// A variant that an entry stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its folder under `functions/`.
    pub variant: String,
    pub model: String,
    /// From 1.
    pub sample: u32,
    pub prompt: String,
    /// For example `3.13`.
    pub python: String,
    pub repair: u32,
    /// Its folder is there.
    pub made: bool,
}

impl Declared {
    /// Returns the variant as its model would make it if it gave code for every stage: what a plan
    /// counts with until it is made.
    pub fn presumed(&self, pipeline: &Pipeline) -> KnownVariant {
        let handler = |stage: &Stage| {
            let module = prompt::module(&stage.name);
            (stage.name.clone(), format!("{module}.{HANDLER}"))
        };
        let variant = Variant {
            description: String::new(),
            runtime: format!("python{}", self.python),
            architectures: Architecture::ALL.to_vec(),
            build: Build::Python { requirements: None },
            handlers: pipeline.stages.iter().map(handler).collect(),
            missing: BTreeMap::new(),
            model: Some(self.model.clone()),
            sample: Some(self.sample),
            prompt: Some(self.prompt.clone()).filter(|name| name != PLAIN),
            transport: pipeline.transport,
            wrong_on_purpose: false,
            adapt: Adapt::default(),
            imported: BTreeMap::new(),
        };
        KnownVariant {
            variant: Some(variant),
            ..KnownVariant::default()
        }
    }
}

/// What a manifest's entries for models come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generation {
    /// Entry by entry, prompt by prompt, sample by sample.
    pub declared: Vec<Declared>,
    /// Further samples that are there and that the manifest no longer asks for. They are left
    /// alone, and not measured.
    pub left_alone: Vec<String>,
}

impl Generation {
    pub fn missing(&self) -> impl Iterator<Item = &Declared> {
        self.declared.iter().filter(|declared| !declared.made)
    }
}

impl ModelEntry {
    /// Returns the variants that the entry stands for. Whatever is not as usual shows in the name.
    pub(super) fn declared(&self) -> Vec<Declared> {
        let of_prompt = |prompt: &String| {
            let stem = self.stem(prompt);
            let declared = |sample| Declared {
                variant: format!("{stem}-s{sample}"),
                model: self.model.clone(),
                sample,
                prompt: prompt.clone(),
                python: self.python.clone(),
                repair: self.repair,
                made: false,
            };
            (1..=self.samples).map(declared).collect::<Vec<_>>()
        };
        self.prompts.iter().flat_map(of_prompt).collect()
    }

    pub(super) fn names(&self) -> Vec<String> {
        let declared = self.declared().into_iter();
        declared.map(|declared| declared.variant).collect()
    }

    /// Returns what all samples of a prompt begin with.
    pub(super) fn stem(&self, prompt: &str) -> String {
        let unusual = [
            (prompt != PLAIN).then(|| prompt.to_owned()),
            (self.repair > 0).then(|| format!("repair{}", self.repair)),
            (self.python != PYTHON).then(|| format!("py{}", self.python)),
        ];
        let parts = [Some(self.model.clone())].into_iter().chain(unusual);
        parts.flatten().collect::<Vec<_>>().join("-")
    }
}

/// An entry, where it is written.
#[derive(Debug)]
pub(super) struct Written {
    pub entry: ModelEntry,
    pub node: Node,
}

impl Written {
    pub(super) fn place(&self, key: &str) -> &Place {
        let entry = self.node.entry(key);
        entry.map_or(&self.node.at, |entry| &entry.node.at)
    }

    pub(super) fn place_of_prompt(&self, prompt: &str) -> &Place {
        let items = self.node.entry("prompts").map(|entry| entry.node.items());
        let item = |item: &&Node| item.as_str() == Some(prompt);
        let found = items.and_then(|items| items.iter().find(item));
        found.map_or(&self.node.at, |item| &item.at)
    }

    /// Returns an entry that has no mistake by itself.
    fn read(node: &Node, schema: &Json) -> Option<Self> {
        if !matches!(node.value, Value::Table(_)) {
            return None;
        }
        let mut mistakes = Vec::new();
        let sound = check(&mut node.clone(), schema, "", &mut mistakes) && mistakes.is_empty();
        let entry = serde_json::from_value(node.to_json()).ok()?;
        let node = node.clone();
        sound.then_some(Self { entry, node })
    }
}

/// Puts the names of variants in the place of each entry. One with a mistake stays, for the schema
/// to complain about.
pub(super) fn expand(root: &mut Node, schema: &Json) -> Vec<Written> {
    let schema = &schema["properties"]["matrix"]["properties"]["variants"]["items"];
    let variants = root.get_mut("matrix").and_then(|it| it.get_mut("variants"));
    let Some(Value::Array(items)) = variants.map(|node| &mut node.value) else {
        return Vec::new();
    };
    let (mut written, mut standing) = (Vec::new(), BTreeSet::new());
    let names = |item: Node| match Written::read(&item, schema) {
        None => vec![item],
        Some(read) => {
            // What two entries stand for is one mistake of theirs, not one of each name.
            let mut names = read.entry.names();
            names.retain(|name| standing.insert(name.clone()));
            written.push(read);
            names.iter().map(|name| item.spelt(name)).collect()
        }
    };
    *items = std::mem::take(items).into_iter().flat_map(names).collect();
    written
}

/// The command that makes what a manifest's entries declare, in backticks.
pub fn generate_command(manifest: &str, sets: &[&str]) -> String {
    let sets = sets
        .iter()
        .map(|set| format!(" --set {}", shell::quoted(set)));
    let sets = sets.collect::<Vec<_>>().concat();
    let manifest = shell::quoted(manifest);
    format!("`darkroom generate {manifest}{sets}`")
}

/// Whether a name can be that of a generated variant.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && is_plain(name)
}

/// Whether a name has no letter that a generated variant's can't have.
pub(super) fn is_plain(name: &str) -> bool {
    !name.starts_with('.') && name.chars().all(is_letter)
}

pub(super) fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-_.".contains(letter)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::known;
    use super::super::{
        InvalidManifest, Known, Manifest, Mistake, Override, mentioned, validate_declared,
    };
    use super::*;

    /// A manifest with these variants.
    pub fn text(variants: &str) -> String {
        format!(
            "[experiment]\nname = \"t\"\n[matrix]\nvariants = {variants}\nimage_sets = [\"photos\"]\n"
        )
    }

    /// A world whose pipeline knows the model `gpt-5` and the prompt `hints`, and where these
    /// samples of it are made.
    pub fn world(made: &[&str]) -> Known {
        let mut known = known();
        let pipeline = known.pipelines.get_mut("image-pipeline").unwrap();
        pipeline.models = [("gpt-5".to_owned(), "gpt-5-2025".to_owned())].into();
        pipeline.prompts = [("hints".to_owned(), "aa".to_owned())].into();
        for name in made {
            let mut variant = known.variants["pillow"].clone();
            let written = variant.variant.as_mut().unwrap();
            written.model = Some("gpt-5".into());
            written.sample = name.rsplit_once("-s").unwrap().1.parse().ok();
            variant.repair = Some(0);
            known.variants.insert((*name).to_owned(), variant);
        }
        known
    }

    pub fn read(variants: &str, known: &Known) -> Result<(Manifest, Generation), InvalidManifest> {
        validate_declared("m.toml", &text(variants), &[], known)
    }

    pub fn said(variants: &str, known: &Known) -> Vec<String> {
        let error = read(variants, known).unwrap_err();
        error.mistakes().iter().map(in_words).collect()
    }

    pub fn in_words(mistake: &Mistake) -> String {
        let help = miette::Diagnostic::help(mistake);
        format!(
            "{mistake}; {}",
            help.map(|help| help.to_string()).unwrap_or_default()
        )
    }

    #[test]
    fn an_entry_is_a_variant_for_each_sample_and_prompt_and_its_name_says_what_is_unusual() {
        let names = |entry: &str| read(entry, &world(&[])).unwrap().0.matrix.variants;
        assert_eq!(
            names("[\"rust\", { model = \"gpt-5\", samples = 2 }, \"pillow\"]"),
            ["rust", "gpt-5-s1", "gpt-5-s2", "pillow"]
        );
        assert_eq!(names("[{ model = \"gpt-5\" }]"), ["gpt-5-s1"]);
        assert_eq!(
            names("[{ model = \"gpt-5\", prompts = [\"plain\", \"hints\"], samples = 2 }]"),
            ["gpt-5-s1", "gpt-5-s2", "gpt-5-hints-s1", "gpt-5-hints-s2"]
        );
        assert_eq!(
            names("[{ model = \"gpt-5\", repair = 3, python = \"3.14\", prompts = [\"hints\"] }]"),
            ["gpt-5-hints-repair3-py3.14-s1"]
        );
        let of = [Override::set(
            "matrix.variants=[{ model = \"gpt-5\", samples = 2 }]",
        )];
        assert!(mentioned("m.toml", &text("[\"rust\"]"), &of).contains("gpt-5-s2"));
    }

    #[test]
    fn globs_and_excludes_name_variants_that_are_not_made_yet() {
        let variants = "[{ model = \"gpt-5\", samples = 2 }, \"rust\"]\n\
                        start = [\"warm\", \"cold\"]\nexclude = [{ variant = \"gpt-5-s*\", start = \"cold\" }]";
        let (manifest, _) = read(variants, &world(&[])).unwrap();
        assert_eq!(manifest.matrix.cells().count(), 2 + 2);
    }

    #[test]
    fn what_the_schema_refuses_in_an_entry_is_said_like_anywhere_else() {
        for (entry, words) in [
            (
                "[{ model = \"gpt-5\", samples = 0 }]",
                "0 is out of range for `matrix.variants.samples`",
            ),
            (
                "[{ model = \"gpt-5\", sample = 2 }]",
                "unknown key `sample`; did you mean `samples`?",
            ),
            ("[{ samples = 2 }]", "`matrix.variants.model` is missing"),
            (
                "[{ model = \"gpt-5\", python = \"3.1\" }]",
                "unknown value `3.1` for `matrix.variants.python`",
            ),
            (
                "[{ model = \"gpt-5\", prompts = [] }]",
                "`matrix.variants.prompts` is empty",
            ),
            ("[3]", "`matrix.variants` is a whole number"),
            (
                "[{ model = \"gpt-5\" }, \"gpt-5-s1\"]",
                "duplicate level \"gpt-5-s1\"",
            ),
            (
                "[{ model = \"gpt-5\" }, { model = \"gpt-5\", samples = 2 }]",
                "two entries stand for the same variant: gpt-5-s1",
            ),
        ] {
            let found = said(entry, &world(&[]));
            assert!(found[0].contains(words), "{entry}: {found:#?}");
        }
    }
}
