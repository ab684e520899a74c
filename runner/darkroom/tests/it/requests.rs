//! What is found out before anything happens: `validate`, `cells`, `plan`, `schema`, `--help`, and
//! wrong requests.

use std::path::Path;

use serde_json::Value as Json;

use crate::story::{Answer, HOST, OTHER, Project};

const BOTH: &str = "variants = [\"pillow\", \"rust\"]\nimage_sets = [\"photos\"]";
/// Commands that take a manifest, all of which must refuse a wrong one.
const COMMANDS: [&str; 4] = ["validate", "cells", "plan", "run"];

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn every_command_refuses_a_wrong_manifest_before_any_effect() {
    let project = Project::new();
    project.manifest("variants = [\"pilow\"]\nimage_sets = [\"photo\"]\nmemory_mb = [64]");
    for command in COMMANDS {
        project
            .darkroom(&[command, "m.toml"])
            .exits(2)
            .before_any_effect()
            .says("m.toml has 3 mistakes")
            .says("did you mean `pillow`?")
            .says("did you mean `photos`?")
            .says("64 is out of range for `matrix.memory_mb`");
    }
}

#[test]
fn a_manifest_that_is_not_there_is_named_with_those_that_are() {
    let project = Project::new();
    project
        .manifest(BOTH)
        .darkroom(&["plan", "n.toml"])
        .exits(2)
        .before_any_effect()
        .says("choose from: m.toml");
}

#[test]
fn a_manifest_outside_a_project_is_refused() {
    let project = Project::new();
    project.manifest(BOTH);
    std::fs::remove_dir_all(project.root().join("functions")).unwrap();
    project
        .darkroom(&["validate", "m.toml"])
        .exits(2)
        .says("m.toml is not in a project");
}

#[test]
fn a_handler_file_that_is_absent_is_named() {
    let project = Project::new();
    project.manifest(BOTH).remove("functions/rust/resize.py");
    project.darkroom(&["run", "m.toml"]).exits(2).before_any_effect().says(
        "variant `rust` can't be used: functions/rust/resize.py is missing: it must hold resize.handler for stage resize",
    );
}

#[test]
fn a_cargo_variant_without_a_project_is_named() {
    let project = Project::new();
    let variant = "description = \"r\"\nruntime = \"provided.al2023\"\narchitectures = [\"x86_64\", \"arm64\"]\n\
                   build = { kind = \"cargo\", bin = \"bootstrap\" }\n\
                   handlers = { greyscale = \"greyscale\", resize = \"resize\" }\n";
    project
        .manifest(BOTH)
        .write("functions/rust/variant.toml", variant);
    project
        .darkroom(&["plan", "m.toml"])
        .exits(2)
        .says("functions/rust/Cargo.toml is missing");
}

#[test]
fn a_variant_that_handles_not_every_stage_is_named() {
    let project = Project::new();
    let variant =
        std::fs::read_to_string(project.root().join("functions/rust/variant.toml")).unwrap();
    let variant = variant.replace(", resize = \"resize.handler\"", "");
    project
        .manifest(BOTH)
        .write("functions/rust/variant.toml", variant);
    project
        .darkroom(&["plan", "m.toml"])
        .exits(2)
        .says("names no handler for stage resize of image-pipeline");
}

#[test]
fn a_variant_that_cannot_be_read_is_named_with_its_line() {
    let project = Project::new();
    project.manifest(BOTH).write(
        "functions/rust/variant.toml",
        "description = \"r\"\nruntme = \"python3.13\"\n",
    );
    project
        .darkroom(&["plan", "m.toml"])
        .exits(2)
        .says("variant `rust` can't be used: functions/rust/variant.toml:2:");
}

#[test]
fn an_image_that_does_not_decode_is_named() {
    let project = Project::new();
    let torn = project.file("torn", b"\x89PNG\r\n\x1a\n and then nothing");
    project.manifest(BOTH).write(
        "experiments/image-pipeline/image-sets/photos.toml",
        format!("description = \"for tests\"\n{torn}"),
    );
    project
        .darkroom(&["run", "m.toml"])
        .exits(2)
        .before_any_effect()
        .says("`photos/torn.png` does not decode");
}

#[test]
fn an_image_that_is_not_the_declared_one_is_named() {
    let project = Project::new();
    project.manifest(BOTH);
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(5, 5)
        .write_to(&mut png, image::ImageFormat::Png)
        .unwrap();
    project.write(
        "experiments/image-pipeline/image-sets/photos/one.png",
        png.into_inner(),
    );
    project
        .darkroom(&["validate", "m.toml"])
        .exits(2)
        .says("image set `photos` can't be used")
        .says("declares");
}

#[test]
fn what_the_manifest_does_not_name_need_not_be_right() {
    let project = Project::new();
    project.manifest("variants = [\"pillow\"]\nimage_sets = [\"photos\"]");
    project.write("functions/rust/variant.toml", "nonsense");
    project.darkroom(&["validate", "m.toml"]).exits(0);
}

#[test]
fn a_mistake_in_an_option_is_shown_in_that_option() {
    let project = Project::new();
    project.manifest(BOTH);
    project
        .darkroom(&["plan", "m.toml", "--set", "repetitions.count=0"])
        .exits(2)
        .says("[--set:1:19]")
        .says("expected a whole number from 1 to 1000000");
    project
        .darkroom(&["plan", "m.toml", "--target", "azure"])
        .exits(2)
        .says("possible values: local, aws");
}

#[test]
fn errors_are_json_when_asked_and_plain_text_when_not_on_a_terminal() {
    let project = Project::new();
    project.manifest("variants = [\"pilow\"]\nimage_sets = [\"photos\"]");
    let answer = project
        .darkroom(&["validate", "m.toml", "--json"])
        .exits(2)
        .before_any_effect();
    let error: Json = serde_json::from_str(&answer.stderr()).unwrap();
    assert_eq!(error["related"][0]["code"], "manifest::unknown_variant");
    assert_eq!(error["related"][0]["labels"][0]["span"]["offset"], 49);
    let answer = project.darkroom(&["validate", "m.toml"]).exits(2);
    assert!(
        !answer.stderr().contains('\u{1b}'),
        "no colours: {:?}",
        answer.stderr()
    );
}

#[test]
fn validate_says_so_or_nothing_or_everything() {
    let project = Project::new();
    project.manifest(BOTH);
    assert_eq!(
        project.darkroom(&["validate", "m.toml"]).exits(0).stdout(),
        "m.toml is valid: 2 cells\n"
    );
    assert_eq!(
        project
            .darkroom(&["validate", "m.toml", "--quiet"])
            .exits(0)
            .stdout(),
        ""
    );
    let answer = project
        .darkroom(&[
            "validate",
            "m.toml",
            "--json",
            "--set",
            "repetitions.count=7",
        ])
        .exits(0);
    let resolved: Json = serde_json::from_str(&answer.stdout()).unwrap();
    assert_eq!(resolved["repetitions"]["count"], 7);
    assert_eq!(
        resolved["matrix"]["memory_mb"][0], 1769,
        "defaults are filled in"
    );
}

#[test]
fn cells_are_listed_and_chosen_by_id_or_glob() {
    let project = Project::new();
    project.manifest(BOTH);
    let all =
        "pillow.x86_64.1769mb.photos.direct.warm.c1\nrust.x86_64.1769mb.photos.direct.warm.c1\n";
    assert_eq!(
        project.darkroom(&["cells", "m.toml"]).exits(0).stdout(),
        all
    );
    let chosen = project
        .darkroom(&["cells", "m.toml", "--cell", "rust.*"])
        .exits(0)
        .stdout();
    assert_eq!(chosen, "rust.x86_64.1769mb.photos.direct.warm.c1\n");
    let json = project
        .darkroom(&["cells", "m.toml", "--cell", "rust.*", "--json"])
        .exits(0)
        .stdout();
    let cells: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(cells[0]["memory_mb"], 1769);
    project
        .darkroom(&["cells", "m.toml", "--cell", "rst.*"])
        .exits(2)
        .says("no cell matches `rst.*`");
    project
        .darkroom(&["cells", "m.toml", "--cell", "rust.["])
        .exits(2)
        .says("is not a cell id or a glob");
}

#[test]
fn a_plan_says_what_would_be_done_and_what_cannot_be_and_why() {
    let project = Project::new();
    project.manifest(&format!(
        "{BOTH}\narchitectures = [\"{HOST}\", \"{OTHER}\"]\nmemory_mb = [512, 1769]\n\n\
         [repetitions]\ncount = 10\nwarm_up = 2\ndeployments = 2\n\n[budget]\nusd = 5\nminutes = 90"
    ));
    let without = project
        .darkroom(&["plan", "m.toml", "--summary"])
        .exits(0)
        .stdout();
    let large = [
        "plan",
        "m.toml",
        "--summary",
        "--set",
        "matrix.memory_mb=[512, 3009]",
        "--target",
        "aws",
    ];
    let large = project.darkroom(&large).exits(0).stdout();
    assert!(
        large.contains("memory       3009 MB: new accounts refuse more than 3008"),
        "{large}"
    );
    assert!(!without.contains("new accounts"), "{without}");
    assert!(
        without.contains("unknown for us-east-1"),
        "no cost is invented: {without}"
    );
    let prices =
        std::fs::read_to_string(repository().join("experiments/prices/us-east-1.toml")).unwrap();
    project.write("experiments/prices/us-east-1.toml", prices);
    let plan = project.darkroom(&["plan", "m.toml"]).exits(0);
    insta::assert_snapshot!(Answer::on_any_machine(&plan.stdout()));
    assert!(
        !project.root().join("outputs").exists(),
        "a plan writes nothing"
    );
}

#[test]
fn every_price_table_says_its_region_and_where_its_prices_come_from() {
    let tables = std::fs::read_dir(repository().join("experiments/prices")).unwrap();
    let mut regions = 0;
    for path in tables.map(|entry| entry.unwrap().path()) {
        let text = std::fs::read_to_string(&path).unwrap();
        let table = darkroom_core::cost::PriceTable::parse(&text)
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(
            Some(table.region.as_str()),
            path.file_stem().and_then(|stem| stem.to_str())
        );
        let prices = text
            .lines()
            .filter(|line| line.starts_with("usd =") || line.starts_with("requests ="))
            .count();
        let sources = text
            .lines()
            .filter(|line| line.starts_with("source = \"") && line.len() > 30)
            .count();
        assert_eq!(prices, sources, "{}", path.display());
        regions += 1;
    }
    assert!(regions >= 5, "{regions} regions");
}

#[test]
fn a_plan_for_scripts_holds_totals_and_cells() {
    let project = Project::new();
    project.manifest(&format!(
        "{BOTH}\narchitectures = [\"{HOST}\", \"{OTHER}\"]"
    ));
    let whole: Json = serde_json::from_str(
        &project
            .darkroom(&["plan", "m.toml", "--json"])
            .exits(0)
            .stdout(),
    )
    .unwrap();
    assert_eq!(
        (whole["cells"].as_u64(), whole["runnable"].as_u64()),
        (Some(4), Some(2))
    );
    let reasons: Vec<bool> = whole["plan"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cell| cell["not_runnable"].is_string())
        .collect();
    assert_eq!(reasons, [false, true, false, true]);
    let totals = project
        .darkroom(&["plan", "m.toml", "--json", "--summary"])
        .exits(0)
        .stdout();
    assert!(
        serde_json::from_str::<Json>(&totals)
            .unwrap()
            .get("plan")
            .is_none()
    );
}

#[test]
fn the_schema_is_the_committed_one() {
    let printed = Project::new().darkroom(&["schema"]).exits(0).stdout();
    let committed =
        std::fs::read_to_string(repository().join("manifests/manifest.schema.json")).unwrap();
    let json = |text: &str| serde_json::from_str::<Json>(text).unwrap();
    assert!(
        json(&printed) == json(&committed),
        "run: darkroom schema > manifests/manifest.schema.json"
    );
}

#[test]
fn every_committed_manifest_is_valid() {
    let project = Project::new();
    let folder = repository().join("manifests");
    let manifests: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    assert!(manifests.len() >= 3, "{manifests:?}");
    for manifest in manifests {
        if manifest.ends_with("llm-study.toml") && !repository().join("functions/gpt-5").exists() {
            continue; // Its variants are not in the repository: see the next test.
        }
        project
            .darkroom(&["validate", manifest.to_str().unwrap()])
            .exits(0);
    }
}

/// In a copy of this project, where no model has been asked yet.
#[test]
fn the_study_says_which_command_makes_its_variants_and_is_valid_without_them() {
    let project = Project::new();
    project.write(
        "m.toml",
        std::fs::read(repository().join("manifests/llm-study.toml")).unwrap(),
    );
    let models =
        std::fs::read(repository().join("experiments/image-pipeline/models.toml")).unwrap();
    project.write("experiments/image-pipeline/models.toml", models);
    let mut answer = project
        .darkroom(&["run", "m.toml"])
        .exits(2)
        .before_any_effect()
        .says("has 3 mistakes")
        .says("run `darkroom generate m.toml` to make all that are missing");
    for name in ["gpt-5", "gemini-2.5-pro", "deepseek"] {
        answer = answer.says(&format!("5 variants of `{name}` are not made yet"));
    }
    let cells = project.darkroom(&["cells", "m.toml"]).exits(0).stdout();
    assert_eq!(cells.lines().count(), 3 * 5 * 2, "{cells}");
    assert!(
        cells
            .lines()
            .all(|cell| cell.contains(".512mb.photos.s3.warm.")),
        "{cells}"
    );
    let resolved = project
        .darkroom(&["validate", "m.toml", "--json"])
        .exits(0)
        .stdout();
    assert_eq!(
        serde_json::from_str::<Json>(&resolved).unwrap()["repetitions"]["count"],
        100
    );
    project
        .manifest("variants = [\"gpt-5\", \"gpt-5-s3\", \"gpt-5-sx\"]\nimage_sets = [\"photos\"]");
    let answer = project
        .darkroom(&["plan", "m.toml"])
        .exits(2)
        .says("has 3 mistakes");
    answer.says("`darkroom generate --model gpt-5 --variant gpt-5 --samples 3` to create it");
}

#[test]
fn the_studys_successors_are_models_that_can_be_asked_beside_those_that_they_follow() {
    let project = Project::new();
    let study = std::fs::read_to_string(repository().join("manifests/llm-study.toml")).unwrap();
    let successors = "    # { model = ";
    assert_eq!(study.matches(successors).count(), 2, "{study}");
    project.write("m.toml", study.replace(successors, "    { model = "));
    let models =
        std::fs::read(repository().join("experiments/image-pipeline/models.toml")).unwrap();
    project.write("experiments/image-pipeline/models.toml", models);
    let cells = project.darkroom(&["cells", "m.toml"]).exits(0).stdout();
    assert_eq!(cells.lines().count(), (3 * 5 + 2 * 6) * 2, "{cells}");
    for name in ["gpt-5-s5.", "gpt-6.1-sol-s6.", "gemini-3.8-flash-s6."] {
        assert!(cells.contains(name), "{name} in {cells}");
    }
}

#[test]
fn the_help_page_reads_like_a_page_of_the_readme() {
    insta::assert_snapshot!(Project::new().darkroom(&["--help"]).exits(0).stdout());
}

#[test]
fn every_example_on_the_help_page_is_a_command_that_this_repository_can_follow() {
    let help = Project::new().darkroom(&["--help"]).exits(0).stdout();
    let examples: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  darkroom "))
        .collect();
    assert_eq!(examples.len(), 6, "{help}");
    for example in examples {
        // What a comment says begins after two spaces or more.
        let words = example.split("  ").next().unwrap().replace('\'', "");
        let words: Vec<&str> = words.split(' ').collect();
        darkroom::cli::command()
            .try_get_matches_from(std::iter::once("darkroom").chain(words.iter().copied()))
            .unwrap_or_else(|error| panic!("{example}: {error}"));
        for file in words.iter().filter(|word| word.starts_with("manifests/")) {
            assert!(repository().join(file).is_file(), "{example}");
        }
    }
}

#[test]
fn no_command_and_an_unknown_command_are_wrong_requests() {
    let project = Project::new();
    project
        .darkroom(&[])
        .exits(2)
        .before_any_effect()
        .says("Usage: darkroom");
    project
        .darkroom(&["runn", "m.toml"])
        .exits(2)
        .before_any_effect()
        .says("a similar subcommand exists: 'run'");
}

#[test]
fn completions_name_the_commands() {
    let script = Project::new()
        .darkroom(&["completions", "bash"])
        .exits(0)
        .stdout();
    assert!(script.contains("validate") && script.contains("aggregate"));
}
