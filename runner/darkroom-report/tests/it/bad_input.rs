//! Runs that lack something: the page renders, shows what there is, and says what there is not.

use std::fs;

use darkroom_core::event::Status;
use darkroom_report::{Run, html};

use crate::journal::{Journal, Pass, cell};
use crate::{Made, journal, with_status};

#[test]
fn a_single_repetition_has_its_value_and_no_interval() {
    let mut journal = Journal::of(&[cell("pillow"), cell("rust")]);
    for (of, ms) in [("pillow", 100.0), ("rust", 10.0)] {
        journal.pass(&Pass::of(&cell(of), 1, ms)).check_all(&cell(of));
    }
    let page = Made::of(&journal).html();
    assert!(page.contains("A single measurement has no SD and no interval"));
    assert!(page.contains("data-value=\"100\""), "its duration");
    assert!(!page.contains(">NaN") && !page.contains("\"NaN") && !page.contains(">inf"));
    assert!(!page.contains("faster by"), "nothing is claimed of it");
}

#[test]
fn cells_that_all_failed_are_named_with_how_many_and_the_others_shown() {
    let mut journal = with_status(&[(cell("rust"), 10.0)], 20, 1, |_| 1.0, |_| Status::FunctionError);
    let page = Made::of(&journal).html();
    assert!(page.contains("Not measured, 1 cell"), "the reason is given");
    assert!(page.contains("40 of 40 failed"), "{}", &page[..3000]);
    assert!(!page.contains("<svg") || page.contains("id=\"timeline\""), "nothing is drawn but the failures");

    let good = crate::journal(&[(cell("pillow"), 100.0), (cell("rust"), 10.0)], 20, 1, |_| 1.0);
    journal.events.retain(|event| !matches!(event, darkroom_core::event::Event::OutputChecked(_)));
    let mut both = good;
    both.events.retain(|event| !about(event, "rust"));
    both.events.extend(journal.events.into_iter().filter(|event| about(event, "rust")));
    let page = Made::of(&both).html();
    assert!(page.contains("40 of 40 failed") && page.contains("data-cell=\"pillow."));
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
    assert!(page.contains("No output was checked"));
    assert!(!page.contains(">NaN") && !page.contains("\"NaN"));
}

#[test]
fn findings_of_verify_are_named_on_the_page_and_long_lists_are_cut_with_their_number() {
    let made = Made::of(&journal(&[(cell("pillow"), 100.0)], 3, 1, |_| 1.0));
    let findings: Vec<String> = (0..11).map(|row| format!("summary.parquet: row {row}, mean: 1 in the file")).collect();
    let page = html(&made.run, &findings);
    assert!(page.contains("NOT what the journal says") && page.contains("summary.parquet: row 7, mean"));
    assert!(page.contains("3 more: darkroom verify lists them") && !page.contains("row 8, mean"));
    assert!(!made.html().contains("NOT what the journal says"));
}

#[test]
fn a_run_from_before_there_were_choices_and_builds_renders_and_says_what_is_not_known() {
    let sizes = [512, 1024].map(|memory_mb| (darkroom_core::cell::Cell { memory_mb, ..cell("pillow") }, 100.0));
    let made = Made::of(&journal(&sizes, 10, 1, |_| 1.0));
    assert!(made.html().contains("Which memory size"));
    for table in ["choices", "builds"] {
        fs::remove_file(made.dir.path().join(format!("{table}.parquet"))).unwrap();
    }
    let mut old = Run::read(made.dir.path()).unwrap();
    old.about.insert("schema_version".into(), "1".into());
    let page = html(&old, &[]);
    assert!(page.contains("These tables are of schema 1"), "its age");
    assert!(page.contains("The Pareto front is not marked") && page.contains("Code: not recorded"));
    assert!(!page.contains("Which memory size"));
}
