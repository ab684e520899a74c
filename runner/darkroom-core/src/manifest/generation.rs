//! Models among `[matrix] variants`: an entry for a model stands for the variants that it is to
//! write, one a sample and prompt.
//!
//! Entries → names of variants, always the same ones, and what each must have been made with. Knows
//! no files and asks nobody: whether a variant is there is for [`super::Known`] to say.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::check::check;
use super::known::{Known, KnownVariant};
use super::mistake::{Mistake, suggestion};
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
const LONGEST_NAME: usize = 60;

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
    fn declared(&self) -> Vec<Declared> {
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

    /// Returns what all samples of a prompt begin with.
    fn stem(&self, prompt: &str) -> String {
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
    entry: ModelEntry,
    node: Node,
}

impl Written {
    fn place(&self, key: &str) -> &Place {
        let entry = self.node.entry(key);
        entry.map_or(&self.node.at, |entry| &entry.node.at)
    }

    fn place_of_prompt(&self, prompt: &str) -> &Place {
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
    let mut written = Vec::new();
    let names = |item: Node| match Written::read(&item, schema) {
        None => vec![item],
        Some(read) => {
            let names = read.entry.declared();
            written.push(read);
            let spelt = names.iter().map(|declared| item.spelt(&declared.variant));
            spelt.collect()
        }
    };
    *items = std::mem::take(items).into_iter().flat_map(names).collect();
    written
}

/// The entries of a manifest against what is there.
pub(super) struct Entries<'a> {
    pub written: &'a [Written],
    pub known: &'a Known,
    pub pipeline: &'a str,
}

impl Entries<'_> {
    /// Returns what the entries come to. `listed` is every variant of the matrix.
    pub fn generation(&self, listed: &[String]) -> Generation {
        let mut generation = Generation::default();
        for Written { entry, .. } in self.written {
            let made = |declared: Declared| Declared {
                made: self.known.variants.contains_key(&declared.variant),
                ..declared
            };
            let declared = entry.declared();
            generation.declared.extend(declared.into_iter().map(made));
            for prompt in &entry.prompts {
                let stem = entry.stem(prompt);
                let beyond = |name: &&String| is_beyond(name, &stem, entry.samples);
                let names = self.known.variants.keys().filter(beyond);
                let names = names.filter(|name| !listed.contains(name));
                generation.left_alone.extend(names.cloned());
            }
        }
        let mut seen = BTreeSet::new();
        let left = &mut generation.left_alone;
        left.retain(|name| seen.insert(name.clone()));
        generation
    }

    /// Returns what is wrong with the entries, beside what the schema says.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let of_entry = |written: &Written| {
            let mut mistakes = self.unknown(written);
            mistakes.extend(bad_name(written));
            for declared in written.entry.declared() {
                if let Some(found) = self.known.variants.get(&declared.variant) {
                    mistakes.extend(self.made_otherwise(written, &declared, found));
                }
            }
            mistakes
        };
        self.written.iter().flat_map(of_entry).collect()
    }

    /// Says of each entry which variants are still to be made, and the command that makes them.
    pub fn not_made(&self, command: &str) -> Vec<Mistake> {
        let of_entry = |written: &Written| {
            let missing = self.missing(written);
            let first = missing.first()?;
            let what = match missing.len() {
                1 => format!("variant `{}` is not made yet", first.variant),
                number => format!("{number} variants of `{}` are not made yet", first.model),
            };
            let names: Vec<&str> = missing.iter().map(|it| it.variant.as_str()).collect();
            let label = shortened(&names);
            let mistake = Mistake::new("not_generated", what, &written.node.at, label);
            Some(mistake.help(format!("run {command} to make all that are missing")))
        };
        self.written.iter().filter_map(of_entry).collect()
    }

    fn missing(&self, written: &Written) -> Vec<Declared> {
        let is_missing = |it: &Declared| !self.known.variants.contains_key(&it.variant);
        let declared = written.entry.declared().into_iter();
        declared.filter(is_missing).collect()
    }

    /// Names that nothing bears. Of an entry whose variants are all there nobody is asked.
    fn unknown(&self, written: &Written) -> Vec<Mistake> {
        let missing = self.missing(written);
        let Some(pipeline) = self.known.pipelines.get(self.pipeline) else {
            return Vec::new();
        };
        let mut mistakes = Vec::new();
        let (model, place) = (&written.entry.model, written.place("model"));
        let file = format!("experiments/{}/models.toml", self.pipeline);
        if !missing.is_empty() && !pipeline.models.contains(model) {
            let known = pipeline.models.iter().map(String::as_str);
            let mistake = match &pipeline.models_fault {
                Some(fault) => Mistake::new(
                    "models_file",
                    format!("model `{model}` cannot be asked: {fault}"),
                    place,
                    "named here",
                ),
                None => Mistake::new(
                    "unknown_model",
                    format!("unknown model `{model}`"),
                    place,
                    format!("no entry in {file}"),
                )
                .help(suggestion(model, known, "known models")),
            };
            mistakes.push(mistake);
        }
        for prompt in written.entry.prompts.iter().filter(|name| *name != PLAIN) {
            let needed = missing.iter().any(|declared| declared.prompt == *prompt);
            if needed && !pipeline.prompts.contains_key(prompt) {
                let known = [PLAIN].into_iter();
                let known = known.chain(pipeline.prompts.keys().map(String::as_str));
                let message = format!("unknown prompt `{prompt}`");
                let label = format!("no file experiments/{}/prompts/{prompt}.md", self.pipeline);
                let place = written.place_of_prompt(prompt);
                mistakes.push(
                    Mistake::new("unknown_prompt", message, place, label).help(suggestion(
                        prompt,
                        known,
                        "known prompts",
                    )),
                );
            }
        }
        mistakes
    }

    /// A folder of that name that is another variant, or that was made otherwise.
    fn made_otherwise(
        &self,
        written: &Written,
        declared: &Declared,
        found: &KnownVariant,
    ) -> Option<Mistake> {
        // One that can't be read has been complained about.
        let variant = found.variant.as_ref()?;
        let name = &declared.variant;
        let (model, sample) = (&declared.model, declared.sample);
        let mistake = |message: String, place: &Place, help: String| {
            let label = format!("stands for functions/{name}");
            Some(Mistake::new("made_otherwise", message, place, label).help(help))
        };
        if variant.model.as_ref() != Some(model) || variant.sample != Some(sample) {
            let who = match (&variant.model, variant.sample) {
                (Some(model), Some(sample)) => format!("sample {sample} of model `{model}`"),
                (Some(model), None) => format!("code of model `{model}`, without a sample"),
                (None, _) => "not generated".to_owned(),
            };
            let message = format!("functions/{name} is {who}, not sample {sample} of `{model}`");
            let help = format!("rename functions/{name}; Darkroom never overwrites a variant");
            return mistake(message, &written.node.at, help);
        }
        let asked = [
            (
                "prompts",
                "prompt",
                variant.prompt_name().unwrap_or(PLAIN).to_owned(),
                declared.prompt.clone(),
            ),
            (
                "python",
                "Python",
                variant.runtime.trim_start_matches("python").to_owned(),
                declared.python.clone(),
            ),
            (
                "repair",
                "rounds of repair",
                found.repair.unwrap_or(declared.repair).to_string(),
                declared.repair.to_string(),
            ),
        ];
        let generate = "remove or rename the folder, then generate it again";
        if let Some((key, what, was, is)) = asked.into_iter().find(|(_, _, was, is)| was != is) {
            let message =
                format!("functions/{name} was made with {what} {was}, the manifest says {is}");
            let help = format!("write `{key}` as it was made; or {generate}");
            return mistake(message, written.place(key), help);
        }
        self.other_version(declared, found).and_then(|file| {
            let message = format!(
                "functions/{name} was made with another version of prompt `{}`",
                declared.prompt
            );
            let help = format!(
                "{file} was edited since: put it back, or give the new text a name of its own; \
                 or {generate}"
            );
            mistake(message, written.place_of_prompt(&declared.prompt), help)
        })
    }

    /// Returns the file of a prompt whose text is not the one that a variant was made with.
    fn other_version(&self, declared: &Declared, found: &KnownVariant) -> Option<String> {
        let prompts = &self.known.pipelines.get(self.pipeline)?.prompts;
        let (is, was) = (
            prompts.get(&declared.prompt)?,
            found.prompt_template_sha256.as_ref()?,
        );
        let file = || {
            format!(
                "experiments/{}/prompts/{}.md",
                self.pipeline, declared.prompt
            )
        };
        (is != was).then(file)
    }
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

fn bad_name(written: &Written) -> Option<Mistake> {
    let declared = written.entry.declared();
    let bad = declared.iter().find(|it| !is_name(&it.variant))?;
    let message = format!("`{}` cannot be the name of a variant", bad.variant);
    let label = format!("use letters, digits, `-`, `_` and `.`, at most {LONGEST_NAME}");
    Some(
        Mistake::new("bad_name", message, &written.node.at, label)
            .help("shorten the name in models.toml or of the prompt's file"),
    )
}

/// Whether a name is that of a sample beyond the last that is asked for.
fn is_beyond(name: &str, stem: &str, samples: u32) -> bool {
    let number = name
        .strip_prefix(stem)
        .and_then(|rest| rest.strip_prefix("-s"));
    number
        .and_then(|number| number.parse::<u32>().ok())
        .is_some_and(|number| number > samples)
}

/// Whether a name can be that of a generated variant.
pub fn is_name(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && !name.starts_with('.')
        && name.chars().all(plain)
}

/// The first names of a list, and how many more there are.
fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len() - more].join(", ");
    match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::known;
    use super::super::{
        InvalidManifest, Manifest, Override, mentioned, validate, validate_declared,
    };
    use super::*;

    /// A manifest with these variants.
    fn text(variants: &str) -> String {
        format!(
            "[experiment]\nname = \"t\"\n[matrix]\nvariants = {variants}\nimage_sets = [\"photos\"]\n"
        )
    }

    /// A world whose pipeline knows the model `gpt-5` and the prompt `hints`, and where these
    /// samples of it are made.
    fn world(made: &[&str]) -> Known {
        let mut known = known();
        let pipeline = known.pipelines.get_mut("image-pipeline").unwrap();
        pipeline.models = vec!["gpt-5".into()];
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

    fn read(variants: &str, known: &Known) -> Result<(Manifest, Generation), InvalidManifest> {
        validate_declared("m.toml", &text(variants), &[], known)
    }

    fn said(variants: &str, known: &Known) -> Vec<String> {
        let error = read(variants, known).unwrap_err();
        error.mistakes().iter().map(in_words).collect()
    }

    fn in_words(mistake: &Mistake) -> String {
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
    fn variants_that_are_not_made_are_declared_and_a_run_is_told_the_one_command() {
        let variants = "[\"rust\", { model = \"gpt-5\", samples = 3 }]";
        let known = world(&["gpt-5-s2"]);
        let (_, generation) = read(variants, &known).unwrap();
        let missing: Vec<&str> = generation.missing().map(|it| it.variant.as_str()).collect();
        assert_eq!(missing, ["gpt-5-s1", "gpt-5-s3"]);
        let sets = [Override::set("matrix.variants=[{ model = \"gpt-5\" }]")];
        for (sets, what, command) in [
            (
                &[][..],
                "2 variants of `gpt-5` are not made yet",
                "`darkroom generate m.toml`".to_owned(),
            ),
            (
                &sets[..],
                "variant `gpt-5-s1` is not made yet",
                format!(
                    "`darkroom generate m.toml --set {}`",
                    shell::quoted("matrix.variants=[{ model = \"gpt-5\" }]")
                ),
            ),
        ] {
            let error = validate("m.toml", &text(variants), sets, &known).unwrap_err();
            let [mistake] = error.mistakes() else {
                panic!("{:?}", error.mistakes());
            };
            let said = in_words(mistake);
            assert!(said.contains(what) && said.contains(&command), "{said}");
        }
        let made = world(&["gpt-5-s1", "gpt-5-s2", "gpt-5-s3"]);
        validate("m.toml", &text(variants), &[], &made).unwrap();
    }

    #[test]
    fn globs_and_excludes_name_variants_that_are_not_made_yet() {
        let variants = "[{ model = \"gpt-5\", samples = 2 }, \"rust\"]\n\
                        start = [\"warm\", \"cold\"]\nexclude = [{ variant = \"gpt-5-s*\", start = \"cold\" }]";
        let (manifest, _) = read(variants, &world(&[])).unwrap();
        assert_eq!(manifest.matrix.cells().count(), 2 + 2);
    }

    #[test]
    fn names_that_nothing_bears_are_shown_with_the_nearest() {
        let entry = "[{ model = \"gpt5\", prompts = [\"hint\"] }]";
        let found = said(entry, &world(&[]));
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(
            found[0].starts_with("unknown model `gpt5`; did you mean `gpt-5`?"),
            "{found:#?}"
        );
        assert!(
            found[1].starts_with(
                "unknown prompt `hint`; did you mean `hints`? known prompts: plain, hints"
            ),
            "{found:#?}"
        );
        let mut broken = world(&[]);
        let pipeline = broken.pipelines.get_mut("image-pipeline").unwrap();
        pipeline.models.clear();
        pipeline.models_fault = Some("models.toml:3: no".into());
        let found = said("[{ model = \"gpt-5\" }]", &broken);
        assert_eq!(
            found[0],
            "model `gpt-5` cannot be asked: models.toml:3: no; "
        );
        let mut made = broken;
        made.variants.extend(world(&["gpt-5-s1"]).variants);
        read("[{ model = \"gpt-5\" }]", &made).expect("nobody is asked for what is made");
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
                "duplicate level",
            ),
        ] {
            let found = said(entry, &world(&[]));
            assert!(found[0].contains(words), "{entry}: {found:#?}");
        }
    }

    #[test]
    fn a_folder_that_is_another_variant_or_was_made_otherwise_is_refused() {
        let entry = "[{ model = \"gpt-5\" }]";
        let refused = |change: &dyn Fn(&mut KnownVariant), entry: &str, name: &str| {
            let mut known = world(&[name]);
            change(known.variants.get_mut(name).unwrap());
            said(entry, &known).join("\n")
        };
        let found = refused(
            &|it| it.variant.as_mut().unwrap().model = None,
            entry,
            "gpt-5-s1",
        );
        assert!(
            found.contains("functions/gpt-5-s1 is not generated, not sample 1 of `gpt-5`")
                && found.contains("rename functions/gpt-5-s1"),
            "{found}"
        );
        let found = refused(
            &|it| it.variant.as_mut().unwrap().sample = Some(2),
            entry,
            "gpt-5-s1",
        );
        assert!(
            found.contains("is sample 2 of model `gpt-5`, not sample 1"),
            "{found}"
        );
        let found = refused(
            &|it| it.variant.as_mut().unwrap().runtime = "python3.14".into(),
            entry,
            "gpt-5-s1",
        );
        assert!(
            found.contains("was made with Python 3.14, the manifest says 3.13"),
            "{found}"
        );
        let found = refused(&|it| it.repair = Some(2), entry, "gpt-5-s1");
        assert!(
            found.contains("was made with rounds of repair 2, the manifest says 0"),
            "{found}"
        );
        let hints = "[{ model = \"gpt-5\", prompts = [\"hints\"] }]";
        let found = refused(&|_| (), hints, "gpt-5-hints-s1");
        assert!(
            found.contains("was made with prompt plain, the manifest says hints"),
            "{found}"
        );
        let other = |it: &mut KnownVariant| {
            it.variant.as_mut().unwrap().prompt = Some("hints".into());
            it.prompt_template_sha256 = Some("bb".into());
        };
        let found = refused(&other, hints, "gpt-5-hints-s1");
        assert!(
            found.contains("made with another version of prompt `hints`")
                && found.contains("experiments/image-pipeline/prompts/hints.md was edited since"),
            "{found}"
        );
    }

    #[test]
    fn samples_beyond_those_that_are_asked_for_are_left_alone() {
        let known = world(&["gpt-5-s1", "gpt-5-s2", "gpt-5-s3", "gpt-5-s4"]);
        let (manifest, generation) = read("[{ model = \"gpt-5\", samples = 3 }]", &known).unwrap();
        assert_eq!(
            manifest.matrix.variants,
            ["gpt-5-s1", "gpt-5-s2", "gpt-5-s3"]
        );
        assert_eq!(generation.left_alone, ["gpt-5-s4"]);
        let listed = "[{ model = \"gpt-5\", samples = 3 }, \"gpt-5-s4\"]";
        let (_, generation) = read(listed, &known).unwrap();
        assert!(generation.left_alone.is_empty(), "named, and so measured");
    }
}
