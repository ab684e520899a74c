//! The entries for models of a manifest against what is there: what they come to, and what is wrong
//! with them.
//!
//! Entries and [`Known`] → [`Generation`] or mistakes at the entries' places. What an entry stands
//! for is [`super::generation`]'s to say.

use std::collections::BTreeSet;

use super::generation::{
    Declared, Generation, LETTERS, LONGEST_NAME, ModelEntry, Written, is_letter, is_name, is_plain,
};
use super::known::{Known, KnownVariant};
use super::mistake::{Mistake, suggestion};
use super::tree::Place;
use crate::prompt::PLAIN;

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
        let mut mistakes = self.unusable_models();
        for (index, written) in self.written.iter().enumerate() {
            mistakes.extend(self.stands_before(index));
            mistakes.extend(self.unknown_model(written));
            mistakes.extend(self.unknown_prompts(written));
            mistakes.extend(self.bad_name(written));
            for declared in written.entry.declared() {
                if let Some(found) = self.known.variants.get(&declared.variant) {
                    mistakes.extend(self.made_otherwise(written, &declared, found));
                }
            }
        }
        mistakes
    }

    /// Says of an entry that one before it stands for some of its variants.
    fn stands_before(&self, index: usize) -> Option<Mistake> {
        let (before, own) = (&self.written[..index], &self.written[index]);
        let names = own.entry.names();
        let (first, both) = before.iter().find_map(|first| {
            let mut both = first.entry.names();
            both.retain(|name| names.contains(name));
            (!both.is_empty()).then_some((first, both))
        })?;
        let both: Vec<&str> = both.iter().map(String::as_str).collect();
        let variant = if both.len() == 1 {
            "variant"
        } else {
            "variants"
        };
        let message = format!(
            "two entries stand for the same {variant}: {}",
            shortened(&both)
        );
        let label = format!("the other entry is in line {}", first.node.at.line());
        Some(
            Mistake::new("duplicate", message, &own.node.at, label).help(
                "remove one of the two: `samples` of the other says how many variants there are, and \
                 another `prompts`, `repair` or `python` makes them variants of their own",
            ),
        )
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

    /// Says why models can't be asked that are to be: once of the file, or once of each entry of it.
    fn unusable_models(&self) -> Vec<Mistake> {
        let Some(pipeline) = self.known.pipelines.get(self.pipeline) else {
            return Vec::new();
        };
        let asked = self
            .written
            .iter()
            .filter(|it| !self.missing(it).is_empty());
        if let Some(fault) = &pipeline.models_fault {
            let file = self.models_file();
            let of =
                |it: &Written| Mistake::of_fault("models_file", &file, fault, it.place("model"));
            return asked.take(1).map(of).collect();
        }
        let mut told = BTreeSet::new();
        let first = asked.filter(|written| told.insert(&written.entry.model));
        let of = |written: &Written| {
            let model = &written.entry.model;
            let (fault, what) = (
                pipeline.broken_models.get(model)?,
                format!("model `{model}`"),
            );
            let place = written.place("model");
            Some(Mistake::of_fault("models_file", &what, fault, place))
        };
        first.filter_map(of).collect()
    }

    fn models_file(&self) -> String {
        format!("experiments/{}/models.toml", self.pipeline)
    }

    /// A model that has no entry. Of an entry whose variants are all there nobody is asked.
    fn unknown_model(&self, written: &Written) -> Option<Mistake> {
        let pipeline = self.known.pipelines.get(self.pipeline)?;
        let model = &written.entry.model;
        let known = || pipeline.model_names();
        let is_known = pipeline.models_fault.is_some() || known().any(|name| name == model);
        if is_known || self.missing(written).is_empty() {
            return None;
        }
        let help = match pipeline.model_meant(model) {
            Some(name) => format!("write `{name}`: `{model}` is what its vendor calls it"),
            None => suggestion(model, known(), "known models"),
        };
        let help = if is_plain(model) {
            help
        } else {
            format!("{help}; an entry's name has {LETTERS}")
        };
        let message = format!("unknown model `{model}`");
        let label = format!("no entry in {}", self.models_file());
        Some(Mistake::new("unknown_model", message, written.place("model"), label).help(help))
    }

    /// Prompts that have no file, of variants that are to be made.
    fn unknown_prompts(&self, written: &Written) -> Vec<Mistake> {
        let Some(pipeline) = self.known.pipelines.get(self.pipeline) else {
            return Vec::new();
        };
        let missing = self.missing(written);
        let is_unknown = |prompt: &&String| {
            let needed = missing.iter().any(|declared| declared.prompt == **prompt);
            let is_there = *prompt == PLAIN || pipeline.prompts.contains_key(*prompt);
            needed && !is_there && is_plain(prompt)
        };
        let mistake = |prompt: &String| {
            let known = pipeline.prompts.keys().map(String::as_str);
            let help = suggestion(prompt, [PLAIN].into_iter().chain(known), "known prompts");
            let label = format!("no file experiments/{}/prompts/{prompt}.md", self.pipeline);
            let (message, place) = (
                format!("unknown prompt `{prompt}`"),
                written.place_of_prompt(prompt),
            );
            Mistake::new("unknown_prompt", message, place, label).help(help)
        };
        let prompts = written.entry.prompts.iter();
        prompts.filter(is_unknown).map(mistake).collect()
    }

    /// Says which part of a variant's name no name can have, or that the name is too long.
    fn bad_name(&self, written: &Written) -> Vec<Mistake> {
        let ModelEntry { model, prompts, .. } = &written.entry;
        let pipeline = self.known.pipelines.get(self.pipeline);
        let has_model = pipeline.is_some_and(|it| it.model_names().any(|name| name == model));
        let mistake = |name: &str, what: &str, place: &Place, help: String| {
            let message = format!("{what} `{name}` cannot be part of a variant's name");
            Mistake::new("bad_name", message, place, format!("use {LETTERS}")).help(help)
        };
        let of_model = (has_model && !is_plain(model)).then(|| {
            let help = format!(
                "rename [models.{model:?}] in {}{}; its `id` can stay as it is",
                self.models_file(),
                for_example(model)
            );
            mistake(model, "model", written.place("model"), help)
        });
        let of_prompt = |prompt: &String| {
            let folder = format!("experiments/{}/prompts", self.pipeline);
            let help = match prompt.rsplit_once('/') {
                Some((_, name)) => {
                    format!("a prompt is a file in {folder}: name it without a folder, `{name}`")
                }
                None => format!("rename {folder}/{prompt}.md{}", for_example(prompt)),
            };
            mistake(prompt, "prompt", written.place_of_prompt(prompt), help)
        };
        let bad_prompts = prompts.iter().filter(|prompt| !is_plain(prompt));
        let bad: Vec<Mistake> = of_model
            .into_iter()
            .chain(bad_prompts.map(of_prompt))
            .collect();
        if !bad.is_empty() || !is_plain(model) {
            return bad;
        }
        let names = written.entry.names();
        let too_long = names.iter().find(|name| !is_name(name)).map(|name| {
            let message = format!("`{name}` cannot be the name of a variant");
            let label = format!("at most {LONGEST_NAME} letters");
            Mistake::new("bad_name", message, &written.node.at, label)
                .help("shorten the name in models.toml or of the prompt's file")
        });
        too_long.into_iter().collect()
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

/// An example of a name like this one that can be part of a variant's, for the end of an advice.
fn for_example(name: &str) -> String {
    let plain = |letter: char| if is_letter(letter) { letter } else { '-' };
    let example: String = name.chars().map(plain).collect();
    match example.trim_matches(['-', '.']) {
        "" => String::new(),
        example => format!(", for example to {example}"),
    }
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
    use super::super::generation::tests::{in_words, read, said, text, world};
    use super::super::{Override, validate};
    use super::*;
    use crate::shell;

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
        let found = said("[{ model = \"gpt-5-2025\" }]", &world(&[]));
        assert_eq!(
            found,
            ["unknown model `gpt-5-2025`; write `gpt-5`: `gpt-5-2025` is what its vendor calls it"]
        );
    }

    #[test]
    fn a_models_file_or_an_entry_that_cannot_be_used_is_said_once_and_only_where_it_is_asked() {
        let twice = "[{ model = \"gpt-5\" }, { model = \"gpt-5\", repair = 2 }]";
        let mut broken = world(&[]);
        let pipeline = broken.pipelines.get_mut("image-pipeline").unwrap();
        pipeline.models.clear();
        pipeline.models_fault = Some("models.toml:3: no".into());
        assert_eq!(
            said(twice, &broken),
            ["experiments/image-pipeline/models.toml can't be used: models.toml:3: no; "]
        );
        let mut made = broken.clone();
        made.variants.extend(world(&["gpt-5-s1"]).variants);
        read("[{ model = \"gpt-5\" }]", &made).expect("nobody is asked for what is made");

        let pipeline = broken.pipelines.get_mut("image-pipeline").unwrap();
        pipeline.models_fault = None;
        pipeline.models = [("other".to_owned(), "other".to_owned())].into();
        pipeline.broken_models = [("gpt-5".to_owned(), "lacks `id`".into())].into();
        assert_eq!(
            said(twice, &broken),
            ["model `gpt-5` can't be used: lacks `id`; "]
        );
        read("[{ model = \"other\" }]", &broken).expect("another entry's mistake is not its own");
        assert!(
            said("[{ model = \"gpt5\" }]", &broken)[0].contains("did you mean `gpt-5`?"),
            "an entry that can't be used is there"
        );
    }

    #[test]
    fn a_letter_that_no_variant_can_have_is_said_of_the_model_or_the_prompt_that_has_it() {
        let mut known = world(&[]);
        let pipeline = known.pipelines.get_mut("image-pipeline").unwrap();
        pipeline.models = [("qwen/coder 3".to_owned(), "qwen/coder".to_owned())].into();
        let letters = "letters, digits, `-`, `_` and `.`";
        for (entry, expected) in [
            (
                "{ model = \"qwen/coder 3\", samples = 3 }",
                "model `qwen/coder 3` cannot be part of a variant's name; rename [models.\"qwen/coder 3\"] in experiments/image-pipeline/models.toml, for example to qwen-coder-3; its `id` can stay as it is".to_owned(),
            ),
            (
                "{ model = \"qwen/other\" }",
                format!("unknown model `qwen/other`; known models: qwen/coder 3; an entry's name has {letters}"),
            ),
        ] {
            assert_eq!(said(&format!("[{entry}]"), &known), [expected]);
        }
        for (prompt, expected) in [
            (
                "prompts/hints",
                "a prompt is a file in experiments/image-pipeline/prompts: name it without a folder, `hints`",
            ),
            (
                "my hints",
                "rename experiments/image-pipeline/prompts/my hints.md, for example to my-hints",
            ),
        ] {
            let entry = format!("[{{ model = \"gpt-5\", samples = 2, prompts = [\"{prompt}\"] }}]");
            assert_eq!(
                said(&entry, &world(&[])),
                [format!(
                    "prompt `{prompt}` cannot be part of a variant's name; {expected}"
                )]
            );
        }
        let long = "m".repeat(LONGEST_NAME);
        let pipeline = known.pipelines.get_mut("image-pipeline").unwrap();
        pipeline.models = [(long.clone(), String::new())].into();
        let found = said(&format!("[{{ model = \"{long}\", samples = 9 }}]"), &known);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].ends_with("shorten the name in models.toml or of the prompt's file"));
    }

    #[test]
    fn two_entries_for_the_same_variants_are_one_mistake_whatever_their_number() {
        let entries =
            "[{ model = \"gpt-5\", samples = 50 }, \"rust\",\n{ model = \"gpt-5\", samples = 40 }]";
        let found = said(entries, &world(&[]));
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(
            found[0].starts_with(
                "two entries stand for the same variants: gpt-5-s1, gpt-5-s2, gpt-5-s3 and 37 more; \
                 remove one of the two"
            ),
            "{found:#?}"
        );
        let error = read(entries, &world(&[])).unwrap_err();
        let labels = miette::Diagnostic::labels(&error.mistakes()[0]).unwrap();
        let labels: Vec<_> = labels
            .filter_map(|it| it.label().map(str::to_owned))
            .collect();
        assert_eq!(labels, ["the other entry is in line 4"]);
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
