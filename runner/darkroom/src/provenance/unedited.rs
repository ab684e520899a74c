//! Compares a generated variant with its provenance, and refuses it if the code is not what the
//! model answered.
//!
//! A variant's folder → what changed in it since `darkroom generate` wrote it. The handlers are
//! extracted from the stored answers again, by the rules of [`darkroom_core::answer`], and compared
//! to the byte. Reads files; changes none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use darkroom_core::adapt::Adapt;
use darkroom_core::answer::{self, Look};
use darkroom_core::data_file::DataFile;
use darkroom_core::manifest::Fault;
use darkroom_core::outcome::Outcome;
use darkroom_core::prompt::{self, HANDLER};
use darkroom_core::variant::{Build, Variant};

use super::answers::{Ask, PROVENANCE, Provenance, REQUIREMENTS, hash};
use crate::package;

/// Returns what speaks against ascribing the code in `folder` to the model that its `variant.toml`
/// names.
///
/// `shown` is the folder as the user knows it. Empty where no model is named and there is no
/// provenance.
pub fn edits(folder: &Path, shown: &str, variant: &Variant) -> Vec<Fault> {
    let place = Place { folder, shown };
    let text = match fs::read_to_string(folder.join(PROVENANCE)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return place.without_provenance(variant);
        }
        Err(error) => return vec![format!("cannot read {shown}/{PROVENANCE}: {error}").into()],
    };
    match (DataFile {
        name: &place.name(PROVENANCE),
        text: &text,
    })
    .parse::<Provenance>()
    {
        Ok(provenance) => place.edits(variant, &provenance),
        Err(error) => vec![error.into()],
    }
}

/// Returns what was asked and answered for the code in `folder`; nothing where its provenance can't
/// be read, which [`edits`] says.
///
/// No two variants have the same: also an answer that comes twice comes at another time.
pub fn asks(folder: &Path) -> Vec<Ask> {
    Provenance::read(folder)
        .map(|provenance| provenance.asks)
        .unwrap_or_default()
}

struct Place<'a> {
    folder: &'a Path,
    shown: &'a str,
}

impl Place<'_> {
    fn name(&self, file: &str) -> String {
        format!("{}/{file}", self.shown)
    }

    fn without_provenance(&self, variant: &Variant) -> Vec<Fault> {
        let Some(model) = &variant.model else {
            return Vec::new();
        };
        vec![self.in_variant_toml(
            "model",
            &format!(
                "names `{model}` as the author, but {} is missing, so nothing proves it",
                self.name(PROVENANCE)
            ),
            &format!("put {PROVENANCE} back, or delete `model` and `sample` to name no author"),
        )]
    }

    fn edits(&self, variant: &Variant, provenance: &Provenance) -> Vec<Fault> {
        let mut faults = self.edits_of_description(variant, provenance);
        let last = last_with_code(provenance);
        faults.extend(last.values().filter_map(|ask| self.edit_of_handler(ask)));
        let unused = provenance.asks.iter().filter(|ask| ask.missing.is_some());
        faults.extend(unused.filter_map(|ask| self.edit_of_answer(ask)));
        faults.extend(self.edit_of_requirements(provenance));
        faults.extend(self.edit_of_template(provenance));
        let written: Vec<String> = last.keys().map(|stage| file_of(stage)).collect();
        faults.extend(self.added(&written));
        faults
    }

    /// What `variant.toml` says otherwise than `darkroom generate` wrote it. Its description is
    /// anyone's to write.
    fn edits_of_description(&self, variant: &Variant, provenance: &Provenance) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut differs = |key: &str, now: String, was: String| {
            if now != was {
                let what =
                    format!("changed after generation: it says {now}, but {PROVENANCE} says {was}");
                faults.push(self.in_variant_toml(key, &what, &self.mend("variant.toml")));
            }
        };
        let said = |text: Option<&str>| {
            text.map_or_else(|| "nothing".to_owned(), |text| format!("`{text}`"))
        };
        differs(
            "model",
            said(variant.model.as_deref()),
            said(Some(&provenance.model)),
        );
        let sample = variant.sample.map(|number| number.to_string());
        differs(
            "sample",
            said(sample.as_deref()),
            said(Some(&provenance.sample.to_string())),
        );
        differs(
            "prompt",
            said(variant.prompt.as_deref()),
            said(provenance.prompt.as_deref()),
        );
        differs(
            "runtime",
            said(Some(&variant.runtime)),
            said(Some(&format!("python{}", provenance.python))),
        );
        let requirements = match &variant.build {
            Build::Python { requirements } => requirements.as_deref(),
            Build::Cargo { .. } => None,
        };
        differs("requirements", said(requirements), said(Some(REQUIREMENTS)));
        let with_code = last_with_code(provenance);
        let stages = variant.handlers.keys().map(String::as_str);
        let stages: BTreeSet<&str> = stages.chain(with_code.keys().copied()).collect();
        for stage in stages {
            let now = variant.handlers.get(stage).map(String::as_str);
            let was = with_code
                .contains_key(stage)
                .then(|| format!("{}.{HANDLER}", prompt::module(stage)));
            differs(stage, said(now), said(was.as_deref()));
        }
        let missing = without_code(provenance);
        let stages: BTreeSet<&String> = variant.missing.keys().chain(missing.keys()).collect();
        for stage in stages {
            let of = |all: &BTreeMap<String, Outcome>| all.get(stage).map(ToString::to_string);
            let (now, was) = (of(&variant.missing), of(&missing));
            differs(stage, said(now.as_deref()), said(was.as_deref()));
        }
        if variant.adapt != Adapt::default() {
            differs(
                "adapt",
                "how its handlers are called otherwise".to_owned(),
                "nothing".to_owned(),
            );
        }
        faults
    }

    /// Points at the first line of a handler that the model did not write.
    fn edit_of_handler(&self, ask: &Ask) -> Option<Fault> {
        let answer = match fs::read_to_string(self.folder.join(&ask.answer)) {
            Ok(answer) => answer,
            Err(error) => {
                let file = self.name(&ask.answer);
                let mend = format!(
                    "Put it back: it proves {}.",
                    self.name(&file_of(&ask.stage))
                );
                return Some(
                    format!("cannot read the model's answer {file}: {error}. {mend}").into(),
                );
            }
        };
        if hash(answer.as_bytes()) != ask.answered.answer_sha256 {
            return Some(self.other_sha256(&ask.answer));
        }
        // What was Python when it was generated is Python still.
        let given = answer::code(&answer, HANDLER, |_| Look::Defines)
            .map(|code| code.text)
            .unwrap_or_default();
        let file = file_of(&ask.stage);
        // One that is not there is said by whoever looks for files.
        let bytes = fs::read(self.folder.join(&file)).ok()?;
        if bytes == given.as_bytes() {
            return None;
        }
        let now = String::from_utf8_lossy(&bytes);
        let message = format!(
            "edited after generation: here it differs from the model's answer in {}",
            ask.answer
        );
        let name = self.name(&file);
        let shown = DataFile {
            name: &name,
            text: &now,
        };
        Some(
            shown
                .error(
                    first_difference(&now, &given),
                    "",
                    message,
                    Some(self.mend(&file)),
                )
                .into(),
        )
    }

    /// An answer without code is the evidence for what its stage counts as.
    fn edit_of_answer(&self, ask: &Ask) -> Option<Fault> {
        match fs::read(self.folder.join(&ask.answer)) {
            Ok(answer) if hash(&answer) == ask.answered.answer_sha256 => None,
            Ok(_) => Some(self.other_sha256(&ask.answer)),
            Err(error) => {
                let file = self.name(&ask.answer);
                let mend = self.mend(&ask.answer);
                Some(format!("cannot read the model's answer {file}: {error}. {mend}").into())
            }
        }
    }

    fn edit_of_requirements(&self, provenance: &Provenance) -> Option<Fault> {
        let was = provenance.requirements_sha256.as_ref()?;
        let bytes = fs::read(self.folder.join(REQUIREMENTS)).ok()?;
        (hash(&bytes) != *was).then(|| self.other_sha256(REQUIREMENTS))
    }

    /// The text of a named prompt is the version that it was.
    fn edit_of_template(&self, provenance: &Provenance) -> Option<Fault> {
        let was = provenance.prompt_template_sha256.as_ref()?;
        let file = provenance.prompt_template.as_ref()?;
        let bytes = fs::read(self.folder.join(file)).unwrap_or_default();
        (hash(&bytes) != *was).then(|| self.other_sha256(file))
    }

    fn other_sha256(&self, file: &str) -> Fault {
        let what =
            format!("was edited after generation: its sha256 differs from the one in {PROVENANCE}");
        format!("{} {what}. {}", self.name(file), self.mend(file)).into()
    }

    /// Files that would be packaged and that no answer holds: a module of that name could stand in
    /// for a library's.
    fn added(&self, written: &[String]) -> Vec<Fault> {
        let files = package::packaged_files(self.folder, Some(REQUIREMENTS));
        let added = files.into_iter().filter(|file| !written.contains(file));
        added
            .map(|file| {
                let name = self.name(&file);
                let mend = format!("Delete it, or {}.", self.as_ones_own());
                format!(
                    "{name} was added after generation: it is in no answer of the model. {mend}"
                )
                .into()
            })
            .collect()
    }

    fn in_variant_toml(&self, key: &str, what: &str, mend: &str) -> Fault {
        let name = self.name("variant.toml");
        let text = fs::read_to_string(self.folder.join("variant.toml")).unwrap_or_default();
        DataFile {
            name: &name,
            text: &text,
        }
        .error_at_key(&(0..text.len()), key, what, Some(mend.to_owned()))
        .into()
    }

    fn mend(&self, file: &str) -> String {
        let restore = format!(
            "git checkout {}",
            darkroom_core::shell::quoted(&self.name(file))
        );
        format!(
            "Put the file back, for example with `{restore}`; or {}.",
            self.as_ones_own()
        )
    }

    /// How edited code may be measured: under a name of its own, ascribed to nobody.
    fn as_ones_own(&self) -> String {
        format!(
            "copy {} to a new name, and delete {PROVENANCE}, `model` and `sample` there: edited \
             code counts as yours",
            self.shown
        )
    }
}

/// Returns the last ask of every stage whose answer has code, which is in the handler: a repair
/// comes after the first answer.
fn last_with_code(provenance: &Provenance) -> BTreeMap<&str, &Ask> {
    let asks = provenance.asks.iter().filter(|ask| ask.missing.is_none());
    asks.map(|ask| (ask.stage.as_str(), ask)).collect()
}

/// Returns the stages of which no answer has code, with what came last instead.
fn without_code(provenance: &Provenance) -> BTreeMap<String, Outcome> {
    let with_code = last_with_code(provenance);
    let asks = provenance.asks.iter();
    asks.filter(|ask| !with_code.contains_key(ask.stage.as_str()))
        .filter_map(|ask| Some((ask.stage.clone(), ask.missing.clone()?)))
        .collect()
}

fn file_of(stage: &str) -> String {
    format!("{}.py", prompt::module(stage))
}

/// Returns the first line of `now` that differs from that of `was`, without its line end.
fn first_difference(now: &str, was: &str) -> std::ops::Range<usize> {
    let (mut start, mut lines) = (0, was.split_inclusive('\n'));
    for line in now.split_inclusive('\n') {
        if lines.next() != Some(line) {
            return start..start + line.trim_end().len();
        }
        start += line.len();
    }
    // Lines at the end are gone.
    let last = now.trim_end().rfind('\n').map_or(0, |at| at + 1);
    last..now.trim_end().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_found_in_longer_shorter_and_equal_texts() {
        let at = |now: &str, was: &str| now[first_difference(now, was)].to_owned();
        assert_eq!(at("a\nB\nc\n", "a\nb\nc\n"), "B");
        assert_eq!(at("a\nb\nnew\n", "a\nb\n"), "new");
        assert_eq!(at("a\nb\n", "a\nb\nc\n"), "b");
        assert_eq!(at("", "a\n"), "");
    }
}
