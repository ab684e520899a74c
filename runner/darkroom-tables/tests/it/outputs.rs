//! Whether a cell's outputs are right, and what is withheld where they are not.

use darkroom_core::event::Status;

use crate::journal::{Journal, Pass, cell};
use crate::{Run, float, integer, text};

#[test]
fn wrong_outputs_are_shown_with_their_reason_and_never_ranked() {
    let (pillow, rust, unchecked) = (cell("pillow"), cell("rust"), cell("numpy"));
    let mut journal = Journal::of(&[pillow.clone(), rust.clone(), unchecked.clone()]);
    for (cell, ms) in [(&pillow, 100.0), (&rust, 10.0), (&unchecked, 50.0)] {
        journal.pass(&Pass::of(cell, 1, ms));
    }
    journal.check_all(&pillow);
    let wrong = Pass::of(&rust, 1, 10.0);
    journal
        .check(&wrong, 0, None)
        .check(&wrong, 1, Some("blank"));
    let run = Run::of(&journal);
    let fast = run.summary(&rust, "greyscale", "duration_ms");
    assert_eq!(
        fast.column("outputs_ok").unwrap().bool().unwrap().get(0),
        Some(false)
    );
    assert_eq!(text(&fast, "reason").unwrap(), "resize: blank (1 of 1)");
    assert_eq!(
        (float(&fast, "mean"), integer(&fast, "rank")),
        (Some(10.0), None)
    );
    assert_eq!(
        integer(&run.summary(&pillow, "greyscale", "duration_ms"), "rank"),
        None,
        "alone"
    );
    let unknown = run.summary(&unchecked, "greyscale", "duration_ms");
    assert_eq!(
        unknown.column("outputs_ok").unwrap().bool().unwrap().get(0),
        None
    );
    assert_eq!(integer(&unknown, "rank"), None);
    assert_eq!(run.summary.wrong_outputs.len(), 1);
    assert_eq!(
        run.summary.wrong_outputs[0].detail.as_deref(),
        Some("it is blank")
    );
    assert!(run.summary.has_failures());
}

#[test]
fn checks_of_a_cell_measured_anew_no_longer_decide() {
    let rust = cell("rust");
    let mut journal = Journal::of(std::slice::from_ref(&rust));
    let pass = Pass::of(&rust, 1, 10.0);
    journal
        .pass(&pass)
        .check(&pass, 0, Some("blank"))
        .supersede(&rust);
    journal.pass(&pass).check(&pass, 0, None);
    let run = Run::of(&journal);
    assert_eq!(run.summary.cells[0].outputs_ok, Some(true));
    assert!(run.summary.wrong_outputs.is_empty());
    assert_eq!(run.table("outputs").height(), 2);
}

#[test]
fn a_cell_that_never_ends_well_with_one_of_its_images_is_not_right() {
    let cell = cell("rust");
    let mut journal = Journal::of(std::slice::from_ref(&cell));
    journal.pass(&Pass::of(&cell, 1, 40.0)).check_all(&cell);
    let failing = Pass {
        image: "chelsea.png",
        status: [Status::Ok, Status::FunctionError],
        ..Pass::of(&cell, 1, 40.0)
    };
    journal.pass(&failing);
    let found = |journal: &Journal| {
        let cells = Run::of(journal).summary.cells;
        (cells[0].outputs_ok, cells[0].reason.clone())
    };
    assert_eq!(
        found(&journal),
        (Some(false), Some("no output of 1 of 2 images".into()))
    );
    // Once is enough to show that it can.
    journal.pass(&Pass {
        status: [Status::Ok; 2],
        repetition: 2,
        ..failing
    });
    assert_eq!(found(&journal), (Some(true), None));
}
