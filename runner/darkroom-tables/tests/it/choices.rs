//! What is chosen among cells: the Pareto front and the memory size.

use darkroom_core::cell::Cell;

use crate::journal::{Journal, Pass, cell};
use crate::{Run, texts};

fn of_size(memory_mb: u32) -> Cell {
    Cell {
        memory_mb,
        ..cell("pillow")
    }
}

/// Sizes with their durations, a little noise on each repetition.
fn run(of: &[(Cell, f64)]) -> Run {
    let cells: Vec<Cell> = of.iter().map(|(cell, _)| cell.clone()).collect();
    let mut journal = Journal::of(&cells);
    for repetition in 1..=12 {
        for (index, (cell, ms)) in of.iter().enumerate() {
            let noise = 1.0 + 0.002 * f64::from((repetition * 5 + index as u32 * 3) % 7);
            journal.pass(&Pass::of(cell, repetition, ms * noise));
        }
    }
    for cell in &cells {
        journal.check_all(cell);
    }
    Run::of(&journal)
}

fn truths(run: &Run, column: &str) -> Vec<Option<bool>> {
    run.table("choices")
        .column(column)
        .unwrap()
        .bool()
        .unwrap()
        .iter()
        .collect()
}

#[test]
fn memory_is_chosen_cheapest_fastest_and_balanced_with_what_it_is_not_told_from() {
    // 512 MB: 0.4 s of 0.5 GB; 1024: 0.18 s of 1 GB; 2048: 0.1799 s of 2 GB, which is as fast and
    // twice as dear.
    let run = run(&[
        (of_size(512), 400.0),
        (of_size(1024), 180.0),
        (of_size(2048), 179.9),
    ]);
    assert_eq!(
        truths(&run, "cheapest"),
        [Some(false), Some(true), Some(false)]
    );
    assert_eq!(
        truths(&run, "fastest"),
        [Some(false), Some(false), Some(true)]
    );
    assert_eq!(
        truths(&run, "balanced"),
        [Some(false), Some(true), Some(false)]
    );
    assert_eq!(
        truths(&run, "on_front"),
        [Some(false), Some(true), Some(true)]
    );
    let choices = run.table("choices");
    assert_eq!(
        texts(&choices, "cheapest_not_told_from_mb"),
        ["null", "", "null"]
    );
    assert_eq!(
        texts(&choices, "fastest_not_told_from_mb"),
        ["null", "null", "1024"]
    );
    let number = |column: &str, row: usize| {
        choices
            .column(column)
            .unwrap()
            .f64()
            .unwrap()
            .get(row)
            .unwrap()
    };
    for row in 0..3 {
        assert!(number("turnaround_ci_low_s", row) <= number("turnaround_s", row));
        assert!(number("cost_usd_per_100k_ci_high", row) >= number("cost_usd_per_100k", row));
    }
}

#[test]
fn wrong_cells_are_not_chosen_and_a_single_size_is_no_choice() {
    let (good, wrong, lone) = (of_size(512), of_size(1024), cell("rust"));
    let mut journal = Journal::of(&[good.clone(), wrong.clone(), lone.clone()]);
    for repetition in 1..=3 {
        journal.pass(&Pass::of(&good, repetition, 100.0 + f64::from(repetition)));
        journal.pass(&Pass::of(&wrong, repetition, 1.0));
        journal.pass(&Pass::of(&lone, repetition, 200.0));
    }
    journal
        .check_all(&good)
        .check_all(&lone)
        .check(&Pass::of(&wrong, 1, 1.0), 1, Some("blank"));
    let run = Run::of(&journal);
    assert_eq!(truths(&run, "on_front"), [Some(true), None, Some(false)]);
    assert_eq!(truths(&run, "cheapest"), [None, None, None]);
    let notes = texts(&run.table("choices"), "note");
    assert!(notes[0].contains("the only memory size"), "{notes:?}");
    assert!(
        notes[1].contains("outputs wrong: not recommended"),
        "{notes:?}"
    );
}
