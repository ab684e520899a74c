//! How many of a model's samples are right: from facts to the rows of `correctness`.

use std::collections::BTreeMap;

use darkroom_core::event::{Event, Status};
use darkroom_core::outcome::{Kind, Outcome};

use crate::journal::{Journal, Pass, STAGES, cell};
use crate::{Run, float, integer, rows, text};

/// Six samples of one model, and a variant by hand. One is right; the second stage of the others is
/// wrong, or not there, or not reached, as the first one raises; the last one was not measured.
pub fn of_models() -> Journal {
    let names = ["m-s1", "m-s2", "m-s3", "m-s4", "m-s5", "by-hand"];
    let cells = names.map(cell);
    let mut journal = Journal::of(&cells);
    if let Some(Event::RunStarted(run)) = journal.events.first_mut() {
        for (planned, number) in run.cells.iter_mut().zip(1..=5) {
            planned.model = Some("m".to_owned());
            planned.sample = Some(number);
        }
        let gap = Outcome::new(Kind::CutOff, "after 9 tokens");
        run.cells[2].missing = BTreeMap::from([(STAGES[1].to_owned(), gap)]);
    }
    let pass = |place: usize| Pass::of(&cells[place], 1, 10.0);
    for place in [0, 5] {
        journal.pass(&pass(place)).check_all(&cells[place]);
    }
    journal.pass(&pass(1)).check(&pass(1), 0, None);
    journal.check(&pass(1), 1, Some("blank"));
    // The third one's chain ends at its gap.
    let mut to_the_gap = pass(2);
    to_the_gap.status[1] = Status::Throttled;
    journal.pass(&to_the_gap).check(&pass(2), 0, None);
    let mut raises = pass(3);
    raises.status[0] = Status::FunctionError;
    journal.pass(&raises);
    journal
}

#[test]
fn every_sample_counts_and_a_stage_without_code_is_not_right() {
    let run = Run::of(&of_models());
    let table = run.table("correctness");
    assert_eq!(table.height(), 3, "one model, two stages and the pipeline");
    let of = |stage: &str| rows(&table, &[("model", "m"), ("stage", stage)]);
    let counts = |stage: &str| {
        ["right", "n", "n_unknown"].map(|column| integer(&of(stage), column).unwrap())
    };
    assert_eq!(counts(STAGES[0]), [3, 4, 1]);
    assert_eq!(counts(STAGES[1]), [1, 3, 2], "the fourth never reached it");
    assert_eq!(counts("pipeline"), [1, 4, 1]);
    let kinds = |stage: &str| {
        ["n_cut_off", "n_raises", "n_wrong_output"]
            .map(|column| integer(&of(stage), column).unwrap())
    };
    assert_eq!(kinds(STAGES[0]), [0, 1, 0]);
    assert_eq!(kinds(STAGES[1]), [1, 0, 1]);
    assert_eq!(kinds("pipeline"), [1, 1, 1]);
    assert_eq!(
        text(&of(STAGES[1]), "commonest_failure").unwrap(),
        "cut off (after 9 tokens)",
        "of two alike the first on the way"
    );
    assert_eq!(
        text(&of(STAGES[0]), "commonest_failure").unwrap(),
        "raises (ValueError)"
    );
    // scipy 1.18.1: binomtest(1, 4).proportion_ci(0.95, "wilson").
    let pipeline = of("pipeline");
    for (column, expected) in [
        ("rate", 0.25),
        ("rate_ci_low", 0.045_587_260_809_700_55),
        ("rate_ci_high", 0.699_358_157_417_598_1),
        ("pass_at_1", 0.25),
        ("pass_at_3", 0.75),
    ] {
        let found = float(&pipeline, column).unwrap();
        assert!((found - expected).abs() < 1e-12, "{column}: {found}");
    }
    assert_eq!(float(&pipeline, "pass_at_5"), None, "null beyond n");
}

#[test]
fn a_stage_without_code_is_a_row_of_code_and_of_summary() {
    let run = Run::of(&of_models());
    let code = rows(&run.table("code"), &[("variant", "m-s3")]);
    assert_eq!(text(&code, "missing").unwrap(), "cut_off");
    assert_eq!(
        text(&code, "note").unwrap(),
        "not there: cut off (after 9 tokens)"
    );
    let summary = rows(
        &run.table("summary"),
        &[
            ("variant", "m-s3"),
            ("stage", STAGES[1]),
            ("metric", "duration_ms"),
        ],
    );
    assert!(
        text(&summary, "note")
            .unwrap()
            .starts_with("not there: cut off")
    );
    assert_eq!(
        text(&summary, "reason").unwrap(),
        format!("{}: not there: cut off (after 9 tokens)", STAGES[1])
    );
}

#[test]
fn a_run_without_models_has_no_rows() {
    let mut journal = Journal::of(&[cell("pillow")]);
    journal.pass(&Pass::of(&cell("pillow"), 1, 10.0));
    journal.check_all(&cell("pillow"));
    assert_eq!(Run::of(&journal).table("correctness").height(), 0);
}
