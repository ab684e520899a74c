//! Handlers that start their own chain again: named, stopped, and no burden on the cells beside
//! them.

use std::collections::BTreeMap;

use darkroom_core::event::{Event, Invocation, RECURSIVE_LOOP};

use crate::runs::{COPY, facts, latest, manifest, project, variant};
use crate::story::{HOST, Project};

const S3: [&str; 4] = ["run", "m.toml", "--set", "matrix.trigger=[\"s3\"]"];

/// One image, and stages that have time on a busy machine: a run that is cut off would end its
/// loop.
fn patient_project() -> Project {
    let project = project();
    project.images(&["one"]);
    let pipeline = "experiments/image-pipeline/pipeline.toml";
    let stages = std::fs::read_to_string(project.root().join(pipeline)).unwrap();
    project.write(
        pipeline,
        stages.replace("timeout_s = 2\n", "timeout_s = 30\n"),
    );
    project
}

/// "Mark as done": the input is copied onto itself with new metadata.
fn marking() -> String {
    COPY.to_owned()
        + "    s3.copy_object(Bucket=bucket, Key=key, CopySource={\"Bucket\": bucket, \"Key\": key}, \
           Metadata={\"done\": \"yes\"}, MetadataDirective=\"REPLACE\")\n"
}

/// Writes its input under a new name each time, where the input lies.
fn renaming() -> String {
    COPY.to_owned()
        + "    s3.put_object(Bucket=bucket, Key=key.replace(\".png\", \"x.png\"), Body=data)\n"
}

/// The second stage, which puts its result where the first one is started from.
fn back_to_the_start() -> String {
    COPY.to_owned()
        + "    group, _, name = key.split(\"/\")\n    s3.put_object(Bucket=bucket, Key=f\"upload/{group}/{name}\", Body=data)\n"
}

/// Lets deployed functions run in loops, as their owner may: `RecursiveLoop = Allow`. No handler
/// has the right to.
fn allow_loops(project: &Project, of: &str) {
    let path = project.root().join(".darkroom/cloud/lambda/functions.json");
    let mut kept: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let functions = kept["functions"].as_object_mut().unwrap().iter_mut();
    let allowed = functions
        .filter(|(name, _)| name.contains(of))
        .map(|(_, function)| {
            function["recursive_loop"] = "Allow".into();
        });
    assert!(allowed.count() > 0, "no function of {of}");
    std::fs::write(path, kept.to_string()).unwrap();
}

/// Runs of every stage for each image, by cell; warm-ups too.
fn runs_by_pass(facts: &[Event]) -> BTreeMap<(String, bool, u32, String), usize> {
    let mut runs = BTreeMap::new();
    for event in facts {
        if let Event::InvocationFinished(Invocation { pass, stage, .. }) = event {
            let key = (
                pass.cell_id.to_string(),
                pass.warm_up,
                pass.repetition,
                stage.clone(),
            );
            *runs.entry(key).or_default() += 1;
        }
    }
    runs
}

/// Returns what is said of the failures of a variant.
fn failure<'a>(shown: &'a str, variant: &str) -> &'a str {
    let found = shown
        .lines()
        .find(|line| line.starts_with(&format!("FAILED {variant}.")));
    found.unwrap_or_else(|| panic!("no failure of {variant} in:\n{shown}"))
}

/// Objects that the local cloud still has, whatever the bucket.
pub fn left_behind(project: &Project) -> Vec<String> {
    let mut left = Vec::new();
    let mut folders = vec![project.root().join(".darkroom/cloud/s3/buckets")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.parent().unwrap().ends_with("blobs") {
                left.push(path.display().to_string());
            }
        }
    }
    left
}

#[test]
fn a_stage_that_starts_itself_is_named_and_the_cells_beside_it_are_measured_as_ever() {
    let project = patient_project();
    for (name, first, second) in [
        ("marks", marking(), COPY.to_owned()),
        ("renames", renaming(), COPY.to_owned()),
        ("last", COPY.to_owned(), marking()),
        ("back", COPY.to_owned(), back_to_the_start()),
    ] {
        variant(&project, name, &second);
        project.write(&format!("functions/{name}/first.py"), first);
    }
    let variants = "\"copy\", \"marks\", \"renames\", \"last\", \"back\"";
    manifest(&project, variants, &format!("\"{HOST}\""), 2);
    let answer = project.darkroom(&S3).exits(1);
    let (shown, noted) = (answer.stdout(), answer.stderr());
    for (variant, words) in [
        (
            "marks",
            " · first: 2 × RecursiveLoop: first wrote to its own trigger 16 times. Write to OUTPUT_PREFIX only.",
        ),
        (
            "renames",
            " · first: 2 × RecursiveLoop: first wrote to its own trigger 16 times. Write",
        ),
        (
            "last",
            " · second: 2 × RecursiveLoop: second wrote to its own trigger 16 times. Write",
        ),
        (
            "back",
            " · first: 2 × RecursiveLoop: second wrote to the trigger of first 16 times. Write",
        ),
    ] {
        let line = failure(&shown, variant);
        assert!(line.contains(words), "{line}");
    }
    assert!(
        !shown.contains("FAILED copy.") && !shown.contains("WRONG  copy."),
        "{shown}"
    );
    // A run that a busy machine takes seconds to begin may come after its pass: that is said, and
    // of looping cells alone.
    let mut differs = shown
        .lines()
        .chain(noted.lines())
        .filter(|line| line.starts_with("DIFFERS"));
    assert!(
        differs.all(|line| !line.contains("dkr-test-copy-")),
        "{noted}\n{shown}"
    );

    let facts = facts(&latest(&project));
    for ((cell, warm_up, repetition, stage), runs) in runs_by_pass(&facts) {
        // A warm-up's cold starts may hide that a loop goes on; what counts is whole.
        let expected =
            if cell.starts_with("copy.") || (cell.starts_with("last.") && stage == "first") {
                1
            } else {
                16
            };
        assert!(
            warm_up || runs == expected,
            "{cell} {stage} {repetition}: {runs} runs"
        );
    }
    for event in &facts {
        if let Event::PipelineFinished(pass) = event {
            assert!(
                pass.again.is_none(),
                "what is the code's fault is not tried again: {pass:?}"
            );
        }
    }
    assert_eq!(left_behind(&project), Vec::<String>::new());
}

#[test]
fn a_loop_that_the_platform_lets_run_is_stopped_and_its_functions_freed() {
    let project = patient_project();
    variant(&project, "endless", COPY);
    manifest(&project, "\"copy\", \"endless\"", &format!("\"{HOST}\""), 1);
    project.darkroom(&S3).exits(0);
    allow_loops(&project, "-endless-");
    project.write("functions/endless/first.py", marking());
    let shown = project.darkroom(&S3).exits(1).stdout();
    let line = failure(&shown, "endless");
    assert!(
        line.contains(" · first: 1 × RecursiveLoop: first wrote to its own trigger "),
        "{line}"
    );
    assert!(
        line.contains(" times; Darkroom stopped it. Write to OUTPUT_PREFIX only."),
        "{line}"
    );
    assert!(!shown.contains("FAILED copy."), "{shown}");
    for runs in runs_by_pass(&facts(&latest(&project))).into_values() {
        assert!(runs < 1000, "{runs} runs of one stage");
    }
    assert_eq!(left_behind(&project), Vec::<String>::new());

    // The same functions, with code that is right.
    project.write("functions/endless/first.py", COPY);
    let noted = project.darkroom(&S3).exits(0).stderr();
    assert!(!noted.contains("CloudWatch"), "{noted}");
}

#[test]
fn a_loop_without_an_output_ends_too() {
    let project = patient_project();
    variant(&project, "fruitless", COPY);
    let fruitless = marking();
    let (before, after) = fruitless.split_once("    s3.put_object(").unwrap();
    let after = after.split_once('\n').unwrap().1;
    project.write("functions/fruitless/first.py", format!("{before}{after}"));
    manifest(&project, "\"fruitless\"", &format!("\"{HOST}\""), 1);
    let mut arguments = S3.to_vec();
    arguments.extend(["--set", "repetitions.warm_up=0"]);
    let shown = project.darkroom(&arguments).exits(1).stdout();
    let line = failure(&shown, "fruitless");
    assert!(
        line.contains("first wrote to its own trigger 16 times"),
        "{line}"
    );
    let kinds = facts(&latest(&project));
    let rows = kinds
        .iter()
        .filter(|event| matches!(event, Event::InvocationFinished(it) if it.is_loop()));
    assert_eq!(
        rows.count(),
        1,
        "one row stands for the loop, as {RECURSIVE_LOOP}"
    );
}
