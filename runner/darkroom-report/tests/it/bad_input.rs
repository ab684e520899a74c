//! Runs that lack something: the page renders, shows what there is, and says what there is not.

use std::fs;

use darkroom_core::cell::Cell;
use darkroom_core::event::{Event, Status};
use darkroom_report::{Run, html};

use crate::journal::{Journal, Pass, cell};
use crate::{Made, journal, started, with_status};

#[test]
fn a_single_repetition_has_its_value_and_no_interval() {
    let mut journal = Journal::of(&[cell("pillow"), cell("rust")]);
    for (of, ms) in [("pillow", 100.0), ("rust", 10.0)] {
        journal
            .pass(&Pass::of(&cell(of), 1, ms))
            .check_all(&cell(of));
    }
    let page = Made::of(&journal).html();
    assert!(page.contains("A single measurement has no SD and no interval"));
    assert!(page.contains("data-value=\"100\""), "its duration");
    assert!(!page.contains(">NaN") && !page.contains("\"NaN") && !page.contains(">inf"));
    assert!(!page.contains("faster by"), "is not compared");
}

#[test]
fn cells_that_all_failed_are_named_with_how_many_and_the_others_shown() {
    let mut journal = with_status(
        &[(cell("rust"), 10.0)],
        20,
        1,
        |_| 1.0,
        |_| Status::FunctionError,
    );
    let page = Made::of(&journal).html();
    assert!(
        page.contains("Failed in every pass, 1 cell: 40 of 40 passes failed, in greyscale"),
        "the reason is given"
    );
    assert!(!page.contains("Not measured"), "it was tried");
    assert!(
        !page.contains("<svg") || page.contains("id=\"timeline\""),
        "nothing is drawn but the failures"
    );

    let good = crate::journal(
        &[(cell("pillow"), 100.0), (cell("rust"), 10.0)],
        20,
        1,
        |_| 1.0,
    );
    journal
        .events
        .retain(|event| !matches!(event, darkroom_core::event::Event::OutputChecked(_)));
    let mut both = good;
    both.events.retain(|event| !about(event, "rust"));
    both.events.extend(
        journal
            .events
            .into_iter()
            .filter(|event| about(event, "rust")),
    );
    let page = Made::of(&both).html();
    assert!(page.contains("data-cell=\"pillow."));
    let answer = &page[page.find("id=\"answer\"").unwrap()..page.find("<details").unwrap()];
    assert!(
        answer.contains("All 4 outputs checked meet the contract"),
        "{answer}"
    );
    assert!(
        answer.contains(
            "FAILED in every pass, so not ranked: rust (40 of 40 passes failed, in greyscale)."
        ),
        "who has failed belongs to the answer: {answer}"
    );
}

#[test]
fn a_cell_that_failed_in_some_passes_is_named_beside_what_its_other_passes_gave() {
    let cells = [(cell("pillow"), 100.0), (cell("rust"), 10.0)];
    let fails = |at: crate::At| {
        if at.cell == 1 && at.place % 5 < 2 {
            Status::FunctionError
        } else {
            Status::Ok
        }
    };
    let page = Made::of(&with_status(&cells, 15, 1, |_| 1.0, fails)).html();
    let screen = &page[..page.find("id=\"matrix\"").unwrap()];
    assert!(
        screen.contains(
            "meet the contract. FAILED in some passes: rust (12 of 30); its means are of the \
             others.</p>"
        ),
        "{screen}"
    );
    assert!(
        screen.contains(" times faster than pillow</b>"),
        "the claim that it stands beside: {screen}"
    );
    let none = Made::of(&journal(&cells, 15, 1, |_| 1.0)).html();
    assert!(!none.contains("FAILED in"), "nothing failed");
}

#[test]
fn a_cell_whose_last_stage_always_fails_has_its_stages_times_and_is_named_as_failed() {
    let mut journal = Journal::of(&[cell("pillow"), cell("rust")]);
    for repetition in 1..=3 {
        journal.pass(&Pass::of(&cell("pillow"), repetition, 100.0));
        let status = [Status::Ok, Status::FunctionError];
        journal.pass(&Pass {
            status,
            ..Pass::of(&cell("rust"), repetition, 10.0)
        });
    }
    let page = Made::of(&journal).html();
    assert!(
        page.contains("not ranked: rust (3 of 3 passes failed, in resize)."),
        "{page:.3000}"
    );
    assert!(page.contains(
        "data-cell=\"rust.x86_64.512mb.photos.direct.warm.c1\" data-stage=\"greyscale\""
    ));
}

#[test]
fn failed_calls_of_a_cell_without_whole_passes_are_not_called_never_tried() {
    let mut journal = Journal::of(&[cell("pillow"), cell("rust")]);
    started(&mut journal).target = "imported".into();
    journal.pass(&Pass::of(&cell("pillow"), 1, 100.0));
    journal
        .events
        .extend((1..=3).map(|repetition| imported_failure(&cell("rust"), repetition)));
    let made = Made::of(&journal);
    let costs = made
        .run
        .costs
        .iter()
        .find(|row| row.text("variant") == Some("rust"))
        .unwrap();
    assert_eq!(
        costs.text("note"),
        Some("no complete pass: 3 of its calls failed")
    );
    let page = made.html();
    assert!(
        page.contains("not ranked: rust (3 of 3 calls of greyscale failed)."),
        "{page:.3000}"
    );
    assert!(!page.contains("Not measured"));
}

/// A row of the first stage, whose pass has no other.
fn imported_failure(cell: &Cell, repetition: u32) -> Event {
    let row = serde_json::json!({
        "event": "row_imported", "cell_id": cell.id(), "deployment": 1, "image": "astronaut.png", "warm_up": false,
        "repetition": repetition, "attempt": 1, "stage": "greyscale", "sequence": repetition, "from": "results.csv:2",
        "status": "function_error",
    });
    serde_json::from_value(row).unwrap()
}

fn about(event: &darkroom_core::event::Event, variant: &str) -> bool {
    use darkroom_core::event::Event;
    let of = |key: &darkroom_core::event::PassKey| key.cell_id.as_str().starts_with(variant);
    match event {
        Event::InvocationFinished(of_it) => of(&of_it.pass),
        Event::PipelineFinished(of_it) => of(&of_it.pass),
        _ => false,
    }
}

#[test]
fn a_run_without_any_pass_is_a_page_that_says_so() {
    let page = Made::of(&Journal::of(&[cell("pillow")])).html();
    assert!(page.contains("Not measured, 1 cell: not measured"));
    assert!(
        page.contains("No output was checked") && !page.contains("FAILED"),
        "it was never tried"
    );
    assert!(!page.contains(">NaN") && !page.contains("\"NaN"));
}

#[test]
fn findings_of_verify_are_named_on_the_page_and_long_lists_are_cut() {
    let made = Made::of(&journal(&[(cell("pillow"), 100.0)], 3, 1, |_| 1.0));
    let findings: Vec<String> = (0..11)
        .map(|row| format!("summary.parquet: row {row}, mean: 1 in the file"))
        .collect();
    let page = html(&made.run, &findings);
    assert!(
        page.contains("DIFFERS from the journal") && page.contains("summary.parquet: row 7, mean")
    );
    assert!(
        page.contains("3 more: run darkroom verify to list them") && !page.contains("row 8, mean")
    );
    assert!(!made.html().contains("DIFFERS from the journal"));
}

#[test]
fn an_old_run_without_choices_and_builds_renders_and_says_what_is_not_known() {
    let sizes = [512, 1024].map(|memory_mb| {
        (
            darkroom_core::cell::Cell {
                memory_mb,
                ..cell("pillow")
            },
            100.0,
        )
    });
    let made = Made::of(&journal(&sizes, 10, 1, |_| 1.0));
    assert!(made.html().contains("Which memory size"));
    for table in ["choices", "builds"] {
        fs::remove_file(made.dir.path().join(format!("{table}.parquet"))).unwrap();
    }
    let mut old = Run::read(made.dir.path()).unwrap();
    old.about.insert("schema_version".into(), "1".into());
    let page = html(&old, &[]);
    assert!(page.contains("These tables have schema 1"), "its age");
    assert!(page.contains("The Pareto front is not marked") && page.contains("Code: not recorded"));
    assert!(!page.contains("Which memory size"));
}
