//! Handlers that exist, taken in as variants without being edited.

use std::path::{Path, PathBuf};

use darkroom_core::event::Event;
use sha2::{Digest, Sha256};

use crate::story::{HOST, Project};

fn foreign(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/imported")
        .join(kind)
}

fn project() -> Project {
    let project = Project::study("payload-pipeline", &["pillow"]);
    project.scenes(&[(160, 120), (90, 120)]);
    project
}

/// A folder beside the project's own with one of these handlers changed.
fn changed(project: &Project, kind: &str, file: &str, from: &str, to: &str) -> String {
    project.copy_to(&foreign(kind), &format!("theirs/{kind}"));
    let path = format!("theirs/{kind}/{file}");
    let text = std::fs::read_to_string(foreign(kind).join(file)).unwrap();
    assert!(text.contains(from), "the test changes nothing");
    project.write(&path, text.replace(from, to));
    format!("theirs/{kind}")
}

fn run(project: &Project, pipeline: &str, variant: &str, code: i32) -> (String, Vec<Event>) {
    project.write(
        "m.toml",
        format!(
            "[experiment]\nname = \"test\"\npipeline = \"{pipeline}\"\n\n[matrix]\nvariants = [\"{variant}\"]\n\
             image_sets = [\"photos\"]\narchitectures = [\"{HOST}\"]\n\n[repetitions]\ncount = 1\nwarm_up = 1\n"
        ),
    );
    let shown = project.darkroom(&["run", "m.toml"]).exits(code).stdout();
    let journal = project.root().join("outputs/test/latest/journal.ndjson");
    (
        shown,
        darkroom::record::read(&journal)
            .unwrap()
            .map(Result::unwrap)
            .collect(),
    )
}

#[track_caller]
fn all_right(events: &[Event]) {
    let checks: Vec<_> = events
        .iter()
        .filter_map(|e| {
            if let Event::OutputChecked(c) = e {
                Some(c)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(checks.len(), 10);
    assert!(checks.iter().all(|check| check.verdict.pass), "{checks:?}");
}

fn reported(events: &[Event], stage: &str) -> Vec<Option<f64>> {
    let of = |event: &Event| match event {
        Event::InvocationFinished(invocation) if invocation.stage == stage => {
            Some(invocation.handler_reported_ms)
        }
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

#[test]
fn s3_handlers_with_names_and_keys_of_their_own_run_through_the_image_pipeline() {
    let project = project();
    let folder = foreign("s3");
    let said = project
        .darkroom(&["import", folder.to_str().unwrap(), "--variant", "theirs"])
        .exits(0)
        .stdout();
    for line in [
        "greyscale     make_grey.py:lambda_handler",
        "convert       to_png.py:convert_handler",
    ] {
        assert!(said.contains(line), "{line} is missing from:\n{said}");
    }
    for (name, sha256) in std::fs::read_dir(&folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (
            path.file_name().unwrap().to_str().unwrap().to_owned(),
            hex::encode(Sha256::digest(std::fs::read(path).unwrap())),
        )
    }) {
        let copied = std::fs::read(project.root().join("functions/theirs").join(&name)).unwrap();
        assert_eq!(
            hex::encode(Sha256::digest(copied)),
            sha256,
            "{name} is as it was"
        );
        let toml =
            std::fs::read_to_string(project.root().join("functions/theirs/variant.toml")).unwrap();
        assert!(toml.contains(&sha256), "{name} is recorded");
    }
    let (_, events) = run(&project, "image-pipeline", "theirs", 0);
    all_right(&events);
    assert!(
        reported(&events, "greyscale")
            .iter()
            .all(|ms| ms.is_some_and(|ms| ms > 0.0 && ms < 10_000.0))
    );
    assert!(reported(&events, "convert").iter().all(Option::is_none));
    project.darkroom(&["check", "theirs"]).exits(0);
    // Their folders are hard-coded: no upload can start the next stage from there.
    let said = project
        .darkroom(&["validate", "m.toml", "--set", "matrix.trigger=[\"s3\"]"])
        .exits(2);
    said.says("cannot start variant `theirs`: its outputs land outside the prefix");
}

#[test]
fn payload_handlers_with_bodies_of_their_own_run_through_the_payload_pipeline() {
    let project = project();
    let folder = foreign("payload");
    let said = project
        .darkroom(&[
            "import",
            folder.to_str().unwrap(),
            "--variant",
            "theirs",
            "--yes",
        ])
        .exits(0)
        .stdout();
    assert!(
        said.contains("resize        s2_resample.py:main")
            && said.contains("--pipeline payload-pipeline"),
        "{said}"
    );
    let (_, events) = run(&project, "payload-pipeline", "theirs", 0);
    all_right(&events);
    assert!(
        reported(&events, "greyscale")
            .iter()
            .all(|ms| ms.is_some_and(|ms| ms > 0.0 && ms < 10_000.0))
    );
    project
        .darkroom(&["import", folder.to_str().unwrap(), "--variant", "theirs"])
        .exits(2)
        .says("exists already");
}

#[test]
fn what_can_not_be_told_or_had_is_said_with_its_place_and_nothing_is_written() {
    let project = project();
    let refused = |folder: &str, more: &[&str], words: &str| {
        let arguments: Vec<&str> = ["import", folder, "--variant", "x"]
            .iter()
            .chain(more)
            .copied()
            .collect();
        project.darkroom(&arguments).exits(2).says(words);
        assert!(!project.root().join("functions/x").exists());
    };
    let hard = changed(
        &project,
        "s3",
        "quarter_turn.py",
        "os.environ[\"DEST_BUCKET_NAME\"]",
        "\"my-own-bucket\"",
    );
    refused(
        &hard,
        &[],
        "quarter_turn.py:18 names the bucket `my-own-bucket`",
    );
    let key = changed(
        &project,
        "s3",
        "quarter_turn.py",
        "\"turned/\" + path + \".jpg\"",
        "made_up(path)",
    );
    refused(
        &key,
        &[],
        "quarter_turn.py:18: Darkroom cannot tell which key stage rotate writes to",
    );
    let needs = changed(
        &project,
        "s3",
        "to_png.py",
        "client = boto3",
        "TOKEN = os.environ[\"API_TOKEN\"]\nclient = boto3",
    );
    refused(&needs, &[], "API_TOKEN");
    std::fs::rename(
        project.root().join("theirs/s3/quarter_turn.py"),
        project.root().join("theirs/s3/step_four.py"),
    )
    .unwrap();
    project.write(
        "theirs/s3/step_four.py",
        "def handler(event, context):\n    pass\n",
    );
    project.write(
        "theirs/s3/step_six.py",
        "def handler(event, context):\n    pass\n",
    );
    refused(
        &needs,
        &[],
        "Darkroom cannot tell which handler serves rotate",
    );
    refused(
        &needs,
        &["--map", "rotate=step_four.py:hander"],
        "has no handler `step_four.py:hander`",
    );
    refused(
        &needs,
        &["--map", "turn=step_four.py:handler"],
        "has no stage `turn`",
    );
}

#[test]
fn the_run_goes_on_with_a_handler_that_can_not_be_imported() {
    let project = project();
    let folder = changed(
        &project,
        "s3",
        "quarter_turn.py",
        "def handler(event, context):",
        "def handler(event, context)",
    );
    let arguments = [
        "import",
        &folder,
        "--variant",
        "theirs",
        "--output-key",
        "rotate=turned/{name}.jpg",
    ];
    let said = project.darkroom(&arguments).exits(0).stdout();
    assert!(said.contains("does not parse: line 10"), "{said}");
    let (shown, events) = run(&project, "image-pipeline", "theirs", 1);
    assert!(
        shown.contains("rotate: 2 × Runtime.UserCodeSyntaxError"),
        "{shown}"
    );
    let before = |event: &&Event| matches!(event, Event::OutputChecked(check) if check.stage == "colour-depth");
    assert_eq!(
        events.iter().filter(before).count(),
        2,
        "what comes before it is measured and checked"
    );
    let ended = |event: &Event| matches!(event, Event::RunFinished { .. });
    assert!(events.iter().any(ended), "the run goes on to its end");
    let summary = project
        .darkroom(&["aggregate", "outputs/test/latest", "--json"])
        .exits(1)
        .stdout();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["cells"][0]["reason"], "no output of 2 of 2 images");
    let stages = summary["cells"][0]["stages"].as_array().unwrap();
    assert!(
        stages
            .iter()
            .all(|stage| stage["time_ms"]["rank"].is_null()),
        "shown, not ranked"
    );
}
