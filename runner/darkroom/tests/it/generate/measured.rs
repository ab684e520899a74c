//! Runs of generated variants: whole ones, wrong ones, and ones with gaps.

use std::path::PathBuf;

use darkroom::record::read;
use darkroom_core::event::Event;
use serde_json::{Value as Json, json};

use super::project::{
    KEY, fenced, files_with, generate, hand_written, right, text, whole_project, with_a_gap,
    with_black_colour_depth,
};
use crate::runs::{start, wait_for_lines};
use crate::scripted::{Endpoint, Reply};
use crate::story::{Answer, HOST, Project};

/// One cell that runs up to the gap, and one that runs each stage that is there.
const BOTH_INPUTS: &str = "input = [\"chained\", \"reference\"]";

/// Writes `m.toml`: `new` once on the project's images.
fn write_manifest(project: &Project, matrix: &str) {
    project.write(
        "m.toml",
        format!(
            "[experiment]\nname = \"test\"\n\n[matrix]\nvariants = [\"new\"]\narchitectures = [\"{HOST}\"]\n\
             image_sets = [\"photos\"]\n{matrix}\n\n[repetitions]\ncount = 1\n"
        ),
    );
}

/// Runs `new` once; returns the summary, with what it says on the terminal.
fn run_of_new(project: &Project, matrix: &str) -> (Json, Answer) {
    write_manifest(project, matrix);
    let answer = project.darkroom(&["run", "m.toml", "--json"]).exits(1);
    (serde_json::from_str(&answer.stdout()).unwrap(), answer)
}

/// How many measured calls each stage of a cell has.
fn calls_of(cell: &Json) -> Vec<u64> {
    let stages = cell["stages"].as_array().unwrap();
    let n = |stage: &Json| stage["time_ms"]["n"].as_u64().unwrap();
    stages.iter().map(n).collect()
}

#[test]
fn generated_variants_appear_with_model_and_sample_and_a_wrong_one_is_not_ranked() {
    let endpoint = Endpoint::new(
        right()
            .into_iter()
            .chain(with_black_colour_depth())
            .collect(),
    );
    let project = whole_project(&endpoint);
    generate(&project, &["--samples", "2", "--quiet"]).exits(0);
    let matrix = format!(
        "variants = [\"new-s1\", \"new-s2\"]\narchitectures = [\"{HOST}\"]\nimage_sets = [\"photos\"]"
    );
    let manifest = format!(
        "[experiment]\nname = \"test\"\n\n[matrix]\n{matrix}\n\n[repetitions]\ncount = 1\n"
    );
    project.write("m.toml", manifest);
    let answer = project.darkroom(&["run", "m.toml", "--json"]).exits(1);
    let summary: Json = serde_json::from_str(&answer.stdout()).unwrap();
    let cells = summary["cells"].as_array().unwrap();
    let found: Vec<_> = cells
        .iter()
        .map(|cell| (&cell["model"], &cell["sample"], &cell["outputs_ok"]))
        .collect();
    let model = json!("scripted");
    assert_eq!(
        found,
        [
            (&model, &json!(1), &json!(true)),
            (&model, &json!(2), &json!(false))
        ],
        "{summary:#}"
    );
    let reason = cells[1]["reason"].as_str().unwrap();
    assert!(
        reason.contains("colour-depth") && reason.contains("blank"),
        "{reason}"
    );
    let is_ranked = |cell: &Json| {
        cell["stages"]
            .as_array()
            .unwrap()
            .iter()
            .any(|stage| !stage["time_ms"]["rank"].is_null())
    };
    assert!(
        !cells.iter().any(is_ranked),
        "a sample is one draw of many: {summary:#}"
    );
    let run = project.root().join("outputs/test/latest");
    let prompt = endpoint.asked()[0]
        .words()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    for secret in [KEY, &prompt] {
        assert_eq!(
            files_with(&project.root().join("outputs"), secret),
            [""; 0].map(PathBuf::from)
        );
        assert!(!answer.stderr().contains(secret));
    }
    let looks = read(&run.join("journal.ndjson"))
        .unwrap()
        .map(Result::unwrap);
    let looks: Vec<_> = looks
        .filter_map(|event| {
            if let Event::CodeExamined(code) = event {
                Some(code)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(looks.len(), 10, "every stage of both");
    let resize = looks
        .iter()
        .find(|code| code.stage.as_deref() == Some("resize"))
        .unwrap();
    assert_eq!(
        (&resize.files[..], resize.functions),
        (&["resize.py".to_owned()][..], Some(4)),
        "{resize:?}"
    );
    assert!(
        resize.complexity_max == Some(1) && resize.lints.is_some() && resize.note.is_none(),
        "{resize:?}"
    );
    let checked = read(&run.join("journal.ndjson"))
        .unwrap()
        .map(Result::unwrap);
    let passed: Vec<bool> = checked
        .filter_map(|event| {
            if let Event::OutputChecked(check) = event {
                Some(check.verdict.pass)
            } else {
                None
            }
        })
        .collect();
    assert!(
        passed.len() >= 10 && passed.iter().any(|pass| !pass),
        "{passed:?}"
    );
}

#[test]
fn a_variant_with_a_gap_is_checked_and_measured_as_far_as_it_goes_and_is_not_right() {
    let project = whole_project(&Endpoint::new(with_a_gap()));
    generate(&project, &["--quiet"]).exits(1);
    let checked = project.darkroom(&["check", "new", "--json"]).exits(1);
    let report: Json = serde_json::from_str(&checked.stdout()).unwrap();
    let gap = json!({ "outcome": "cut_off", "detail": "after 500 tokens" });
    assert_eq!(report[0]["missing"], json!({ "colour-depth": gap }));
    let outputs = report[0]["outputs"].as_array().unwrap();
    let found: Vec<_> = outputs
        .iter()
        .map(|output| (output["stage"].as_str().unwrap(), output["outcome"].clone()))
        .collect();
    let right = || json!({ "outcome": "right" });
    assert_eq!(
        found,
        ["greyscale", "resize", "rotate", "convert"].map(|stage| (stage, right()))
    );
    let shown = project.darkroom(&["check", "new"]).exits(1).stdout();
    assert!(
        shown.contains("NOT THERE  colour-depth  cut off (after 500 tokens)")
            && shown.contains("1 of 5 stages NOT THERE"),
        "{shown}"
    );

    let (summary, _) = run_of_new(&project, BOTH_INPUTS);
    let cells = summary["cells"].as_array().unwrap();
    assert_eq!(calls_of(&cells[0]), [1, 1, 0, 0, 0], "up to the gap");
    assert_eq!(calls_of(&cells[1]), [1, 1, 0, 1, 1], "each that is there");
    for cell in cells {
        assert_eq!(cell["outputs_ok"], json!(false));
        let why = "colour-depth: not there: cut off (after 500 tokens)";
        assert_eq!(cell["reason"], json!(why));
        let note = cell["stages"][2]["time_ms"]["note"].as_str().unwrap();
        assert_eq!(note, "not there: cut off (after 500 tokens)");
    }
    let not_reached = cells[0]["stages"][3]["time_ms"]["note"].as_str().unwrap();
    assert_eq!(not_reached, "not reached: colour-depth is not there");
    let missing = json!([{
        "variant": "new", "stage": "colour-depth",
        "outcome": "cut_off", "detail": "after 500 tokens",
    }]);
    assert_eq!(summary["missing"], missing);
    assert_eq!(summary["failures"], json!([]), "said once, as what it is");
    let page = text(&project, "outputs/test/latest/report.html");
    assert!(page.contains("colour-depth is not there: cut off (after 500 tokens)"));
    let shown = project.darkroom(&["aggregate", "outputs/test/latest"]);
    let shown = shown.stdout();
    assert!(
        shown.contains("NOT THERE  new · colour-depth: cut off (after 500 tokens)"),
        "{shown}"
    );

    let (summary, _) = run_of_new(&project, "trigger = [\"s3\"]");
    assert_eq!(calls_of(&summary["cells"][0]), [1, 1, 0, 0, 0]);
    assert_eq!(summary["failures"], json!([]));
}

#[test]
fn a_cell_with_a_gap_is_incomplete_where_an_interrupt_came_before_its_first_measurement() {
    let mut replies = with_a_gap();
    replies[0] = fenced("import time\n\n\ndef handler(event, context):\n    time.sleep(600)\n");
    let project = whole_project(&Endpoint::new(replies));
    generate(&project, &["--quiet"]).exits(1);
    write_manifest(&project, BOTH_INPUTS);
    let mut child = start(&project, &["run", "m.toml"]);
    // What was asked and built; no stage is ever measured, for the first one never answers.
    wait_for_lines(&project, &mut child, 12);
    let id = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(id, nix::sys::signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let journal = read(&project.root().join("outputs/test/latest/journal.ndjson")).unwrap();
    let facts: Vec<Event> = journal.map(Result::unwrap).collect();
    assert!(
        matches!(facts.last(), Some(Event::RunInterrupted { .. })),
        "{:?}",
        facts.last()
    );
    assert!(
        !facts
            .iter()
            .any(|it| matches!(it, Event::PipelineFinished(_))),
        "nothing was measured"
    );
    let mut answer = project
        .darkroom(&["aggregate", "outputs/test/latest"])
        .exits(1);
    for input in ["direct", "direct.reference"] {
        answer = answer.says(&format!(".photos.{input}.warm.c1: 0 of 1 passes done"));
    }
    assert_eq!(answer.stderr().matches("INCOMPLETE").count(), 2);

    // The same cells, measured as far as they go.
    let project = whole_project(&Endpoint::new(with_a_gap()));
    generate(&project, &["--quiet"]).exits(1);
    let (summary, answer) = run_of_new(&project, BOTH_INPUTS);
    assert_eq!(summary["cells"].as_array().unwrap().len(), 2);
    for word in ["INCOMPLETE", "unfinished"] {
        assert!(!answer.stderr().contains(word), "{}", answer.stderr());
    }
}

#[test]
fn a_variant_whose_model_gave_no_code_at_all_is_a_row_that_is_not_right() {
    let project = whole_project(&Endpoint::new(vec![Reply::Text("No.".into()); 5]));
    generate(&project, &["--quiet"]).exits(1);
    let shown = project.darkroom(&["check", "new"]).exits(1).stdout();
    assert!(shown.contains("5 of 5 stages NOT THERE"), "{shown}");
    for matrix in [BOTH_INPUTS, "trigger = [\"s3\"]"] {
        let (summary, run) = run_of_new(&project, matrix);
        assert!(!run.stderr().contains("INCOMPLETE"), "{}", run.stderr());
        for cell in summary["cells"].as_array().unwrap() {
            assert_eq!(calls_of(cell), [0; 5]);
            assert_eq!(cell["outputs_ok"], json!(false));
        }
        assert_eq!(summary["missing"].as_array().unwrap().len(), 5);
    }
    let passes = read(&project.root().join("outputs/test/latest/journal.ndjson")).unwrap();
    let passes = passes.map(Result::unwrap);
    let ended = passes.filter(|event| matches!(event, Event::PipelineFinished(_)));
    assert!(
        ended.count() >= 1,
        "a pass is a fact also where nothing is called"
    );
}

#[test]
fn a_run_says_what_was_asked_what_a_repair_mended_and_which_line_failed() {
    let mut replies = with_black_colour_depth();
    // Right at the end by a repair; the last stage raises, also after it.
    let raises = "def handler(event, context):\n    return event[\"no such key\"]\n";
    replies[4] = fenced(raises);
    replies.push(fenced(&hand_written("pillow", "colour_depth")));
    replies.push(fenced(raises));
    let project = whole_project(&Endpoint::new(replies));
    generate(&project, &["--repair", "1", "--quiet"]).exits(0);
    let (summary, answer) = run_of_new(&project, "");
    let of = |stage: &str| {
        let rows = summary["correctness"].as_array().unwrap();
        rows.iter()
            .find(|row| row["stage"] == stage)
            .unwrap()
            .clone()
    };
    let mended = of("colour-depth");
    assert_eq!(
        [&mended["right"], &mended["right_first"], &mended["repairs"]],
        [&json!(1), &json!(0), &json!(1)]
    );
    let journal = read(&project.root().join("outputs/test/latest/journal.ndjson"))
        .unwrap()
        .map(Result::unwrap);
    let asked: Vec<_> = journal
        .filter_map(|event| match event {
            Event::ModelAsked(asked) => Some(asked),
            _ => None,
        })
        .collect();
    assert_eq!(asked.len(), 7, "five answers and two repairs");
    assert_eq!(asked[6].code.as_deref(), Some(raises));
    assert!(asked[6].sent_back.as_ref().unwrap().contains("KeyError"));
    assert_eq!(asked[0].model_asked, "scripted-model");
    let page = text(&project, "outputs/test/latest/report.html");
    for said in [
        "0 of 1 pipelines are right",
        "the handler raises KeyError, in 1 sample, after 1 round of repair.",
        "<code>return event[&quot;no such key&quot;]</code>",
        "That is the line (convert.py:2) in new.",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let shown = project
        .darkroom(&["aggregate", "outputs/test/latest"])
        .stdout();
    assert!(
        shown.contains(
            "colour-depth 1 of 1 (100%, 95% CI 21% to 100%), 0 of 1 with the first answer"
        ),
        "{shown}{}",
        answer.stderr()
    );
}
