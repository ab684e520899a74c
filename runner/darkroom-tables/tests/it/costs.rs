//! What passes and 100,000 images cost.

use darkroom_core::cell::{Cell, Input, SnapStart, Start};
use darkroom_core::event::Restore;

use crate::journal::{Journal, Pass, cell};
use crate::{Run, everything, float, integer};

#[test]
fn stages_that_ran_independently_have_a_cost_and_no_turnaround() {
    let run = Run::of(&everything());
    let reference = Cell {
        input: Input::Reference,
        ..cell("rust")
    };
    assert_eq!(
        run.summary(&reference, "pipeline", "turnaround_s").height(),
        0
    );
    assert_eq!(run.summary.cells[4].turnaround_s, None);
    assert_eq!(run.summary.cells[4].cost_usd_per_100k.n, 10);
}

#[test]
fn a_restore_is_a_part_of_the_cost() {
    let on = Cell {
        start: Start::Cold,
        snapstart: SnapStart::On,
        ..cell("pillow")
    };
    let mut journal = Journal::of(std::slice::from_ref(&on));
    journal.pass(&Pass {
        ms: [99.2, 99.2],
        restore: Some(Restore {
            ms: 300.0,
            billed_ms: Some(180),
        }),
        ..Pass::of(&on, 1, 0.0)
    });
    let run = Run::of(&journal);
    let costs = run.table("costs");
    let usd = |column: &str| float(&costs, &format!("{column}_usd_per_100k")).unwrap();
    // As a cold start of the method's example, and 0.5 GB restored in each of two stages.
    let restore = 2.0 * 0.5 * 0.000_139_799_8 * 1e5;
    assert!((usd("restore") - restore).abs() < 1e-9);
    assert!((usd("cost") - 2.0 * 0.253_333_8 - restore).abs() < 1e-9);
    let parts = ["compute", "init", "request", "ephemeral", "restore"].map(usd);
    assert!((parts.iter().sum::<f64>() - usd("cost")).abs() < 1e-12);
}

#[test]
fn costs_are_the_worked_ones_by_part() {
    let (warm, cold) = (
        cell("pillow"),
        Cell {
            start: Start::Cold,
            ..cell("pillow")
        },
    );
    let mut journal = Journal::of(&[warm.clone(), cold.clone()]);
    journal.pass(&Pass {
        ms: [99.2, 99.2],
        ..Pass::of(&warm, 1, 0.0)
    });
    journal.pass(&Pass {
        ms: [99.2, 99.2],
        init_ms: Some(180.3),
        ..Pass::of(&cold, 1, 0.0)
    });
    let run = Run::of(&journal);
    let costs = run.table("costs");
    let usd = |column: &str, row: usize| {
        costs
            .column(column)
            .unwrap()
            .f64()
            .unwrap()
            .get(row)
            .unwrap()
    };
    // Two stages of the method's one-stage examples.
    assert!((usd("cost_usd_per_100k", 0) - 2.0 * 0.103_333_5).abs() < 1e-9);
    assert!((usd("cost_usd_per_100k", 1) - 2.0 * 0.253_333_8).abs() < 1e-9);
    for row in 0..2 {
        let parts = ["compute", "init", "request", "ephemeral"]
            .map(|part| usd(&format!("{part}_usd_per_100k"), row));
        assert!((parts.iter().sum::<f64>() - usd("cost_usd_per_100k", row)).abs() < 1e-12);
        assert!((usd("s3_usd_per_100k", row) - 2.0 * 0.54).abs() < 1e-9);
    }
    assert!(usd("init_usd_per_100k", 0) == 0.0 && usd("init_usd_per_100k", 1) > 0.29);
    let stage = run.summary(&warm, "greyscale", "cost_usd_per_100k");
    assert!((float(&stage, "mean").unwrap() - 0.103_333_5).abs() < 1e-9);
}

#[test]
fn a_pass_with_a_stage_that_was_never_billed_has_no_cost() {
    let pillow = cell("pillow");
    let mut journal = Journal::of(std::slice::from_ref(&pillow));
    journal.pass(&Pass::of(&pillow, 1, 100.0)).pass(&Pass {
        report: false,
        ..Pass::of(&pillow, 2, 100.0)
    });
    let run = Run::of(&journal);
    let row = run.summary(&pillow, "pipeline", "cost_usd");
    assert_eq!(
        (integer(&row, "n"), integer(&row, "n_missing")),
        (Some(1), Some(1))
    );
}
