//! What a user writes, and what they are told: every fixture of
//! `runner/darkroom/tests/fixtures/manifests`.
//!
//! Also a manifest and a world for other rooms' tests: variants `pillow` and `rust`, two stages,
//! two images.

use crate::cell::{Architecture, Start};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use miette::{GraphicalReportHandler, GraphicalTheme};
use proptest::prelude::*;

use super::*;
use crate::pipeline::Pipeline;
use crate::variant::{Build, Variant};

const PIPELINE: &str = include_str!("../../tests/fixtures/two-stages.toml");

pub(crate) fn manifest(variants: &[&str], memory_mb: &[u32]) -> Manifest {
    Manifest {
        experiment: Experiment {
            name: "test".into(),
            pipeline: "image-pipeline".into(),
            seed: 562,
        },
        target: TargetKeys {
            cloud: Cloud::Local,
            region: "us-east-1".into(),
            role: None,
            keep: None,
        },
        matrix: crate::matrix::tests::matrix(variants, memory_mb),
        repetitions: Repetitions {
            count: 3,
            warm_up: 1,
            deployments: 1,
            ..Repetitions::default()
        },
        schedule: Schedule {
            order: Order::Interleaved,
            lanes: None,
        },
        budget: Budget::default(),
        profile: true,
        output: Output {
            dir: "outputs".into(),
        },
    }
}

pub(crate) fn known() -> Known {
    let variant = |runtime: &str| KnownVariant {
        variant: Some(Variant {
            description: String::new(),
            runtime: runtime.into(),
            architectures: Architecture::ALL.to_vec(),
            build: Build::Python { requirements: None },
            handlers: ["greyscale", "resize"]
                .map(|stage| (stage.into(), format!("{stage}.handler")))
                .into(),
            model: None,
            sample: None,
            prompt: None,
            transport: crate::pipeline::Transport::S3,
            wrong_on_purpose: false,
            missing: std::collections::BTreeMap::new(),
            adapt: crate::adapt::Adapt::default(),
            imported: BTreeMap::new(),
        }),
        ..KnownVariant::default()
    };
    let pipeline = Pipeline::parse("pipeline.toml", PIPELINE).expect("the fixture is right");
    let photos = KnownImageSet {
        images: vec!["a.png".into(), "b.jpg".into()],
        ..KnownImageSet::default()
    };
    Known {
        variants: [("pillow", "python3.13"), ("rust", "provided.al2023")]
            .map(|(name, runtime)| (name.to_owned(), variant(runtime)))
            .into(),
        pipelines: BTreeMap::from([(
            "image-pipeline".into(),
            KnownPipeline {
                pipeline: Some(pipeline),
                image_sets: BTreeMap::from([("photos".into(), photos)]),
                ..KnownPipeline::default()
            },
        )]),
    }
}

/// The world of [`known`], with things in it that exist and can't be used.
fn known_with_faults() -> Known {
    let mut known = known();
    let broken = KnownVariant {
        faults: vec!["functions/broken/variant.toml:3: no such runtime".into()],
        ..KnownVariant::default()
    };
    let mut partial = known.variants["pillow"].clone();
    partial.variant.as_mut().unwrap().handlers.remove("resize");
    partial.faults = vec!["functions/partial/greyscale.py is missing".into()];
    known.variants.extend([
        ("broken".to_owned(), broken),
        ("partial".to_owned(), partial),
    ]);
    let torn = KnownImageSet {
        images: vec!["a".into()],
        faults: vec!["photos/a.png does not decode: it ends early".into()],
        ..KnownImageSet::default()
    };
    let sets = &mut known
        .pipelines
        .get_mut("image-pipeline")
        .unwrap()
        .image_sets;
    sets.extend([
        ("torn".to_owned(), torn),
        ("empty".to_owned(), KnownImageSet::default()),
    ]);
    known
}

fn told(error: &InvalidManifest) -> String {
    let mut text = String::new();
    let handler =
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    handler.render_report(&mut text, error).unwrap();
    text.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

fn read(text: &str, sets: &[&str]) -> Result<Manifest, String> {
    let overrides: Vec<_> = sets.iter().map(|set| Override::set(set)).collect();
    validate("m.toml", text, &overrides, &known_with_faults()).map_err(|error| told(&error))
}

#[expect(clippy::disallowed_methods, reason = "a test reads its fixtures")]
fn fixtures(kind: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../darkroom/tests/fixtures/manifests")
        .join(kind);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    files
        .iter()
        .map(|path| (name(path), std::fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn every_invalid_fixture_is_refused_with_its_places() {
    for (name, text) in fixtures("invalid") {
        insta::assert_snapshot!(name, read(&text, &[]).unwrap_err());
    }
}

#[test]
fn every_valid_fixture_resolves_with_its_defaults() {
    for (name, text) in fixtures("valid") {
        let manifest = read(&text, &[]).unwrap_or_else(|told| panic!("{name}: {told}"));
        insta::assert_snapshot!(
            format!("resolved_{name}"),
            toml::to_string_pretty(&manifest).unwrap()
        );
    }
}

#[test]
fn a_resolved_manifest_is_a_manifest_that_resolves_to_itself() {
    for (name, text) in fixtures("valid") {
        let manifest = read(&text, &[]).unwrap();
        let again = read(&toml::to_string(&manifest).unwrap(), &[])
            .unwrap_or_else(|told| panic!("{name}: {told}"));
        assert_eq!(again, manifest);
    }
}

const MINIMAL: &str = "[experiment]\nname = \"test\"\n\n[matrix]\nvariants = [\"pillow\"]\nimage_sets = [\"photos\"]\n";

#[test]
fn set_overrides_and_adds_keys() {
    let sets = [
        "repetitions.count=10",
        "target.cloud=aws",
        "matrix.memory_mb=[128, 256]",
        "experiment.name = other",
    ];
    let manifest = read(MINIMAL, &sets).unwrap();
    assert_eq!(manifest.repetitions.count, 10);
    assert_eq!(
        manifest.repetitions.warm_up, 3,
        "other keys of the table keep their defaults"
    );
    assert_eq!(manifest.target.cloud, Cloud::Aws);
    assert_eq!(manifest.matrix.memory_mb, [128, 256]);
    assert_eq!(manifest.experiment.name, "other");
}

#[test]
fn a_stopping_rule_that_is_set_stands_in_for_the_manifest_s_count() {
    let text = format!("{MINIMAL}[repetitions]\ncount = 5\nwarm_up = 2\n");
    let until =
        "repetitions.until={ metric = \"turnaround\", ci_half_width = 0.05, min = 10, max = 40 }";
    let manifest = read(&text, &[until]).unwrap();
    assert_eq!(manifest.repetitions.until.unwrap().max, 40);
    assert_eq!(
        (manifest.repetitions.count, manifest.repetitions.warm_up),
        (40, 2)
    );
    let both = read(&text, &[until, "repetitions.count=7"]).unwrap_err();
    assert!(
        both.contains("has both `count` and `until`"),
        "two overrides contradict: {both}"
    );
}

#[test]
fn the_last_of_two_overrides_of_a_key_wins() {
    assert_eq!(
        read(MINIMAL, &["repetitions.count=10", "repetitions.count=20"])
            .unwrap()
            .repetitions
            .count,
        20
    );
}

#[test]
fn an_option_that_stands_for_a_key_is_a_string_whatever_it_looks_like() {
    let change = Override::option("--output-dir", "output.dir", "3");
    assert_eq!(
        validate("m.toml", MINIMAL, &[change], &known())
            .unwrap()
            .output
            .dir,
        "3"
    );
}

#[test]
fn a_mistake_in_an_override_is_shown_in_the_argument() {
    let sets = [
        "repetitions.count=x",
        "repetitions.cuont=3",
        "matrix.memory_mb=[64",
        "matrix.variants=[\"pilow\"]",
        "experiment.name.first=\"a\"",
        "count",
        ".seed=3",
    ];
    insta::assert_snapshot!(read(MINIMAL, &sets).unwrap_err());
}

#[test]
fn mistakes_of_the_text_and_of_arguments_come_in_order() {
    let text = MINIMAL
        .replace("pillow", "pilow")
        .replace("photos", "photo");
    let error = validate("m.toml", &text, &[Override::set("a=1")], &known()).unwrap_err();
    let messages: Vec<_> = error.mistakes().iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "unknown variant `pilow`",
            "unknown image set `photo`",
            "unknown key `a`"
        ]
    );
}

#[test]
fn an_include_takes_the_only_level_of_a_list() {
    let text = format!("{MINIMAL}include = [{{ memory_mb = 512 }}]\n");
    let manifest = read(&text, &[]).unwrap();
    let ids: Vec<_> = manifest
        .matrix
        .cells()
        .map(|cell| cell.to_cell().id().to_string())
        .collect();
    assert_eq!(
        ids,
        [
            "pillow.x86_64.1769mb.photos.direct.warm.c1",
            "pillow.x86_64.512mb.photos.direct.warm.c1"
        ]
    );
}

#[test]
fn snapstart_multiplies_where_it_is_asked_for_and_is_not_mentioned_elsewhere() {
    let ids = |more: &str| -> Vec<String> {
        let manifest = read(&format!("{MINIMAL}{more}\n"), &[]).unwrap();
        let cells = manifest.matrix.cells();
        cells.map(|cell| cell.to_cell().id().to_string()).collect()
    };
    let off = "pillow.x86_64.1769mb.photos.direct.warm.c1";
    let on = "pillow.x86_64.1769mb.photos.direct.warm.snapstart.c1";
    assert_eq!(ids("snapstart = [\"off\", \"on\"]"), [off, on]);
    assert_eq!(ids("snapstarts = [\"on\"]"), [on]);
    let exclude = "exclude = [{ snapstart = \"off\" }]";
    assert_eq!(
        ids(&format!("snapstart = [\"off\", \"on\"]\n{exclude}")),
        [on]
    );
    let include = "include = [{ memory_mb = 512 }]";
    let with = read(&format!("{MINIMAL}{include}\n"), &[]).unwrap();
    assert!(!toml::to_string(&with).unwrap().contains("snapstart"));
    assert_eq!(ids(include)[1], off.replace("1769", "512"));
    let told = read(&format!("{MINIMAL}snapstart = [\"yes\"]\n"), &[]).unwrap_err();
    assert!(told.contains("snapstart"), "{told}");
}

/// Two variants, one of them not Python, with `runtimes` and what comes after them in `[matrix]`.
fn on_runtimes(runtimes: &str, more: &str) -> Result<Manifest, String> {
    let variants = "variants = [\"pillow\", \"rust\"]";
    let text = MINIMAL.replace("variants = [\"pillow\"]", variants);
    assert!(text.contains(variants), "the test replaces nothing");
    read(&format!("{text}runtimes = {runtimes}\n{more}\n"), &[])
}

#[test]
fn runtimes_multiply_python_and_leave_compiled_code_alone() {
    let ids = |more: &str| -> Vec<String> {
        let manifest = on_runtimes("[\"python3.13\", \"python3.14\"]", more).unwrap();
        let cells = manifest.matrix.cells();
        cells.map(|cell| cell.to_cell().id().to_string()).collect()
    };
    let both = [
        "pillow.python3.13.x86_64.1769mb.photos.direct.warm.c1",
        "pillow.python3.14.x86_64.1769mb.photos.direct.warm.c1",
        "rust.x86_64.1769mb.photos.direct.warm.c1",
    ];
    assert_eq!(ids(""), both);
    assert_eq!(ids("exclude = [{ runtime = \"python3.13\" }]"), both[1..]);
    assert_eq!(
        ids("include = [{ variant = \"rust\", memory_mb = 512 }]")
            .last()
            .unwrap(),
        "rust.x86_64.512mb.photos.direct.warm.c1"
    );
}

#[test]
fn a_runtime_that_is_not_pythons_or_has_no_effect_is_refused() {
    for (runtimes, more, said) in [
        (
            "[\"provided.al2023\"]",
            "",
            "`provided.al2023` is not a runtime of Python",
        ),
        ("[\"3.14\"]", "", "`3.14` is not a runtime of Python"),
        ("[]", "", "`matrix.runtimes` is empty"),
        (
            "[\"python3.13\", \"python3.14\"]",
            "include = [{ variant = \"pillow\", memory_mb = 512 }]",
            "`include` does not say `runtime`, but its list has 2 levels",
        ),
        (
            "[\"python3.14\"]",
            "include = [{ variant = \"rust\", runtime = \"python3.14\", memory_mb = 512 }]",
            "variant `rust` cannot run on python3.14",
        ),
        (
            "[\"python3.14\"]",
            "exclude = [{ runtime = \"python3.13\" }]",
            "`exclude` matches no cell: no cell has runtime python3.13",
        ),
    ] {
        let told = on_runtimes(runtimes, more).unwrap_err();
        assert!(told.contains(said), "{said} is not in:\n{told}");
    }
    let only_rust = MINIMAL.replace("pillow", "rust");
    let told = read(&format!("{only_rust}runtimes = [\"python3.14\"]\n"), &[]).unwrap_err();
    assert!(
        told.contains("no variant of the matrix is Python"),
        "{told}"
    );
    let beside = "include = [{ runtime = \"python3.14\" }]\n";
    let told = read(&format!("{MINIMAL}{beside}"), &[]).unwrap_err();
    assert!(told.contains("the matrix has no `runtimes`"), "{told}");
}

#[test]
fn what_a_manifest_mentions_includes_overrides_and_the_default_pipeline() {
    let mentioned = mentioned(
        "m.toml",
        MINIMAL,
        &[Override::set("matrix.image_sets=[\"big\"]")],
    );
    assert!(
        ["pillow", "big", "image-pipeline"]
            .iter()
            .all(|name| mentioned.contains(*name)),
        "{mentioned:?}"
    );
    assert!(
        !mentioned.contains("photos"),
        "what is overridden is not looked at"
    );
}

#[test]
fn the_committed_schema_is_current() {
    // As values: the order of keys depends on whether anything in the build asks serde_json to keep
    // it.
    let committed: serde_json::Value =
        serde_json::from_str(include_str!("../../../../manifests/manifest.schema.json")).unwrap();
    let current: serde_json::Value = serde_json::from_str(&schema_text()).unwrap();
    assert!(
        committed == current,
        "run: darkroom schema > manifests/manifest.schema.json"
    );
}

/// The schema is what a text is checked with, so a key without a description would be one without
/// documentation.
#[test]
fn every_key_of_the_manifest_says_what_it_is_and_its_default() {
    let schema = super::schema::schema();
    for (table, section) in schema["properties"].as_object().unwrap() {
        assert!(section["description"].is_string(), "{table}");
        let required = section["required"].as_array().cloned().unwrap_or_default();
        if section["type"] == "boolean" {
            assert!(
                section["description"]
                    .as_str()
                    .unwrap_or_default()
                    .contains("Default: "),
                "{table}"
            );
            continue;
        }
        for (key, property) in section["properties"].as_object().unwrap() {
            let description = property["description"].as_str().unwrap_or_default();
            let is_required = required.iter().any(|name| name == key);
            let said = description.contains("Default: ") || is_required || table == "budget";
            assert!(
                !description.is_empty() && said,
                "{table}.{key} does not say its default: {description}"
            );
        }
    }
}

proptest! {
    /// Whatever is written, the answer is a manifest or mistakes, never a panic.
    #[test]
    fn any_edit_of_a_manifest_is_answered(at in 0_usize..200, insert in "[\\[\\]{}=\"',.#a-z0-9\n-]{0,6}", cut in 0_usize..40) {
        let text = fixtures("valid")[0].1.clone();
        let start = at.min(text.len());
        let end = (start + cut).min(text.len());
        let edited = format!("{}{insert}{}", &text[..start], &text[end..]);
        let _ = validate("m.toml", &edited, &[], &known());
    }

    #[test]
    fn any_override_is_answered(argument in "[a-z._=\\[\\]{}\"0-9 -]{0,20}") {
        let _ = validate("m.toml", MINIMAL, &[Override::set(&argument)], &known());
    }
}

#[test]
fn a_windows_path_in_double_quotes_is_refused_with_what_to_write_instead() {
    let text = |dir: &str| format!("{MINIMAL}[output]\ndir = {dir}\n");
    let refusal = |dir: &str| told(&validate("m.toml", &text(dir), &[], &known()).unwrap_err());
    for (dir, holds) in [
        (r#""C:\new\results""#, "a line break (`\\n`)"),
        (r#""C:\temp""#, "a tab (`\\t`)"),
        (r#""C:\runs""#, "a carriage return (`\\r`)"),
        (r#""C:\bench""#, "a backspace (`\\b`)"),
        (r#""C:\figures""#, "a form feed (`\\f`)"),
        (r#""a\u0000b""#, "the control character U+0000"),
    ] {
        let said = refusal(dir);
        assert!(
            said.contains(&format!("`output.dir` holds {holds}")),
            "{said}"
        );
        assert!(
            said.contains("m.toml:") && said.contains("single quotes"),
            "{said}"
        );
    }
    assert!(
        refusal(r#""C:\new""#).contains(r"('C:\new')"),
        "{}",
        refusal(r#""C:\new""#)
    );
    assert!(
        refusal(r#""C:\Users\me""#).contains("single quotes"),
        "{}",
        refusal(r#""C:\Users\me""#)
    );
    for taken in [r"'C:\new\results'", r#""C:/new/results""#, r#""C:\\new""#] {
        validate("m.toml", &text(taken), &[], &known()).unwrap();
    }
    let said = told(
        &validate(
            "m.toml",
            MINIMAL,
            &[Override::set("output.dir=\"a\\tb\"")],
            &known(),
        )
        .unwrap_err(),
    );
    assert!(said.contains("a tab"), "{said}");
    let name = MINIMAL.replace("\"pillow\"", "\"pil\\tlow\"");
    assert!(
        told(&validate("m.toml", &name, &[], &known()).unwrap_err())
            .contains("`matrix.variants` holds a tab")
    );
}

fn mistakes_of(text: &str) -> Vec<String> {
    match validate("m.toml", text, &[], &known()) {
        Ok(_) => Vec::new(),
        Err(invalid) => invalid.mistakes().iter().map(ToString::to_string).collect(),
    }
}

const ONE: &str =
    "[experiment]\nname = \"t\"\n[matrix]\nvariants = [\"pillow\"]\nimage_sets = [\"photos\"]\n";

#[test]
fn every_list_of_the_matrix_is_known_in_singular_and_plural_and_only_once() {
    let text = "[experiment]\nname = \"t\"\n[matrix]\nvariant = [\"pillow\", \"rust\"]\narchitecture = [\"x86_64\"]\n\
                image_set = [\"photos\"]\ntriggers = [\"direct\"]\ninputs = [\"chained\"]\nstarts = [\"warm\", \"cold\"]\n\
                concurrencies = [2]\nexclude = [{ variants = \"rust\", starts = \"cold\" }]\n";
    let manifest = validate("m.toml", text, &[], &known()).unwrap();
    assert_eq!(manifest.matrix.start, [Start::Warm, Start::Cold]);
    assert_eq!(
        (
            manifest.matrix.concurrency.clone(),
            manifest.matrix.cells().count()
        ),
        (vec![2], 3)
    );
    let set = [
        Override::set("matrix.starts=[\"cold\"]"),
        Override::set("matrix.variant=[\"rust\"]"),
    ];
    let text = format!("{ONE}start = [\"warm\"]\n");
    let manifest = validate("m.toml", &text, &set, &known()).unwrap();
    assert_eq!(
        (manifest.matrix.start, manifest.matrix.variants),
        (vec![Start::Cold], vec!["rust".to_owned()])
    );
    let both = format!("{ONE}start = [\"warm\"]\nstarts = [\"cold\"]\n");
    assert_eq!(
        mistakes_of(&both),
        ["`start` and `starts` are the same key; remove one"]
    );
    assert!(
        mistakes_of(&format!("{ONE}startz = [\"warm\"]\n"))[0].contains("unknown key `startz`")
    );
}

#[test]
fn a_glob_stands_for_the_variants_that_it_matches() {
    let mut known = known();
    for name in ["gpt-5-s1", "gpt-5-s2", "gpt-5-mini-s1"] {
        known
            .variants
            .insert(name.into(), known.variants["pillow"].clone());
    }
    let variants = |list: &str| {
        let text = ONE.replace("[\"pillow\"]", list);
        validate("m.toml", &text, &[], &known).map(|manifest| manifest.matrix.variants)
    };
    assert_eq!(
        variants("[\"gpt-5-s*\"]").unwrap(),
        ["gpt-5-s1", "gpt-5-s2"]
    );
    assert_eq!(
        variants("[\"rust\", \"gpt-5-s2\", \"*-s?\"]").unwrap(),
        ["rust", "gpt-5-s2", "gpt-5-mini-s1", "gpt-5-s1"]
    );
    assert_eq!(variants("[\"{rust,pillow}\"]").unwrap(), ["pillow", "rust"]);
    let said = |list: &str| {
        variants(list)
            .unwrap_err()
            .mistakes()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    for list in ["[\"rust\", \"gpt-6*\"]", "[\"gpt-6*\"]"] {
        assert_eq!(said(list), ["no variant matches `gpt-6*`"], "said once");
    }
    assert!(said("[\"rust\", \"gpt-[5\"]")[0].contains("`gpt-[5` is not a glob"));
    let text = ONE.replace("[\"pillow\"]", "[\"*\"]")
        + "start = [\"warm\", \"cold\"]\nexclude = [{ variant = \"gpt*\", start = \"cold\" }]\n";
    let manifest = validate("m.toml", &text, &[], &known).unwrap();
    assert_eq!(manifest.matrix.cells().count(), 5 * 2 - 3);
    let all = std::collections::BTreeSet::from(["gpt-5-s*".to_owned(), "rust".to_owned()]);
    assert!(
        mentions(&all, "gpt-5-s7") && mentions(&all, "rust") && !mentions(&all, "gpt-5-mini-s1")
    );
}

#[test]
fn mistakes_of_a_stopping_rule_are_said_beside_its_other_mistakes() {
    let text = format!(
        "{ONE}[repetitions]\ncount = 5\nuntil = {{ metric = \"speed\", ci_half_width = 2.0, min = 40, max = 30 }}\n"
    );
    let said = mistakes_of(&text).join("\n");
    for words in [
        "has both `count` and `until`",
        "allows fewer repetitions (30)",
        "speed",
    ] {
        assert!(said.contains(words), "{words} is not in:\n{said}");
    }
}

#[test]
fn one_missing_bracket_is_one_mistake() {
    for (from, to) in [
        ("[\"pillow\"]", "[\"pillow\""),
        ("[matrix]", "[matrix"),
        ("[\"photos\"]", "\"photos\"]"),
    ] {
        let text = ONE.replace(from, to) + "memory_mb = [512]\n[repetitions]\ncount = 3\n";
        let said = mistakes_of(&text);
        assert!(
            said.len() == 1 && said[0].starts_with("not TOML: "),
            "{text}: {said:?}"
        );
    }
}
