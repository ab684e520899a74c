//! What counts as the sample, and how what does not is counted and named.

use std::collections::HashSet;

use darkroom_core::cell::{Architecture, Cell, SnapStart, Start};
use darkroom_core::event::{Again, Restore};

use crate::journal::{Journal, Pass, cell};
use crate::{Run, everything, float, integer, text, texts};

#[test]
fn the_sample_is_the_last_attempt_of_the_right_start_and_everything_else_is_counted() {
    let run = Run::of(&everything());
    let pillow = cell("pillow");
    let row = run.summary(&pillow, "greyscale", "duration_ms");
    // 10 repetitions, 11 and 13 at their second attempt, 12 whose greyscale stage ended well.
    assert_eq!(integer(&row, "n"), Some(13));
    assert_eq!(integer(&row, "n_warm_up"), Some(1));
    assert_eq!(integer(&row, "n_wrong_start"), Some(1));
    assert_eq!(
        integer(&row, "n_superseded"),
        Some(2),
        "the cell's first life and the pass that was cut off"
    );
    assert_eq!(integer(&row, "n_missing"), Some(1), "no REPORT line");
    assert_eq!(integer(&row, "n_failed"), Some(0));
    let row = run.summary(&pillow, "resize", "duration_ms");
    assert_eq!(integer(&row, "n_failed"), Some(1));
    assert!(
        text(&row, "note")
            .unwrap()
            .contains("1 of 14 failed: the sample has only the successful ones")
    );
    let row = run.summary(&cell("rust"), "greyscale", "duration_ms");
    assert_eq!(
        (
            integer(&row, "n"),
            integer(&row, "n_failed"),
            integer(&row, "n_superseded")
        ),
        (Some(11), Some(0), Some(1))
    );
}

#[test]
fn n_and_its_companions_add_up_to_all_rows_of_every_group() {
    let run = Run::of(&everything());
    let summary = run.table("summary");
    let parts = [
        "n",
        "n_failed",
        "n_wrong_start",
        "n_proactive",
        "n_warm_up",
        "n_superseded",
        "n_missing",
    ];
    let counts = parts.map(|name| summary.column(name).unwrap().i64().unwrap());
    let total = |row: usize| {
        counts
            .iter()
            .map(|count| count.get(row))
            .sum::<Option<i64>>()
    };
    let invocations = run.table("invocations");
    let pipelines = run.table("pipelines");
    let rows = |cell_id: &str, stage: &str| {
        let (frame, of_stage) = if stage == "pipeline" {
            (&pipelines, None)
        } else {
            (&invocations, Some(stage))
        };
        let cells = texts(frame, "cell_id");
        let stages = of_stage.map(|_| texts(frame, "stage"));
        let hit = |i: usize| {
            cells[i] == cell_id && of_stage.is_none_or(|stage| stages.as_ref().unwrap()[i] == stage)
        };
        (0..frame.height()).filter(|&i| hit(i)).count() as i64
    };
    let mut seen = HashSet::new();
    let groups = texts(&summary, "cell_id")
        .into_iter()
        .zip(texts(&summary, "stage"));
    for (row, (cell_id, stage)) in groups.enumerate() {
        assert_eq!(
            total(row),
            Some(rows(&cell_id, &stage)),
            "{cell_id} {stage}"
        );
        seen.insert((cell_id, stage));
    }
    assert_eq!(
        seen.len(),
        5 * 3,
        "five cells of two stages and the pipeline"
    );
}

#[test]
fn a_last_attempt_of_the_wrong_start_is_not_a_sample_though_nobody_repeated_it() {
    let pillow = cell("pillow");
    let mut journal = Journal::of(std::slice::from_ref(&pillow));
    journal.pass(&Pass::of(&pillow, 1, 100.0)).pass(&Pass {
        init_ms: Some(80.0),
        ..Pass::of(&pillow, 2, 100.0)
    });
    let run = Run::of(&journal);
    for (stage, metric) in [("greyscale", "duration_ms"), ("pipeline", "turnaround_s")] {
        let row = run.summary(&pillow, stage, metric);
        assert_eq!(
            (integer(&row, "n"), integer(&row, "n_wrong_start")),
            (Some(1), Some(1)),
            "{stage}"
        );
    }
}

#[test]
fn a_restored_start_is_no_cold_one_nor_a_cold_one_a_restored_one() {
    let off = Cell {
        start: Start::Cold,
        ..cell("pillow")
    };
    let on = Cell {
        snapstart: SnapStart::On,
        ..off.clone()
    };
    let mut journal = Journal::of(&[off.clone(), on.clone()]);
    let restore = Some(Restore {
        ms: 412.13,
        billed_ms: Some(430),
    });
    for cell in [&off, &on] {
        journal.pass(&Pass {
            init_ms: Some(80.0),
            ..Pass::of(cell, 1, 100.0)
        });
        journal.pass(&Pass {
            restore,
            ..Pass::of(cell, 2, 100.0)
        });
    }
    let run = Run::of(&journal);
    for (cell, ms) in [(&off, 180.0), (&on, 512.13)] {
        let row = run.summary(cell, "greyscale", "cold_total_ms");
        let counts = (integer(&row, "n"), integer(&row, "n_wrong_start"));
        assert_eq!(counts, (Some(1), Some(1)), "{row}");
        assert_eq!(float(&row, "mean"), Some(ms), "{row}");
    }
    let snapshots = run.summary.snapshots;
    assert_eq!(snapshots.restores, 4, "of two stages");
    assert_eq!(snapshots.taken, 4, "of two passes; the other cell has none");
}

#[test]
fn a_start_in_an_environment_that_stood_ready_is_shown_apart_and_no_wrong_start() {
    let cold = Cell {
        start: Start::Cold,
        ..cell("pillow")
    };
    let mut journal = Journal::of(std::slice::from_ref(&cold));
    let pass = |repetition, init_to_start_ms| Pass {
        init_ms: Some(80.0),
        init_to_start_ms,
        ..Pass::of(&cold, repetition, 100.0)
    };
    journal.pass(&pass(1, None)).pass(&pass(2, Some(82.5)));
    journal.pass(&Pass {
        again: Some(Again::Proactive),
        ..pass(3, Some(6_080.0))
    });
    journal.pass(&Pass {
        attempt: 2,
        ..pass(3, Some(81.0))
    });
    // The last attempt allowed, which nobody repeats.
    journal.pass(&pass(4, Some(60_080.0)));
    let run = Run::of(&journal);
    for (stage, metric) in [("greyscale", "cold_total_ms"), ("pipeline", "turnaround_s")] {
        let row = run.summary(&cold, stage, metric);
        let counts = ["n", "n_proactive", "n_wrong_start", "n_superseded"];
        let counts = counts.map(|name| integer(&row, name));
        assert_eq!(counts, [Some(3), Some(2), Some(0), Some(0)], "{stage}");
        let note = text(&row, "note").unwrap();
        assert!(note.contains("2 not counted: the platform had"), "{note}");
    }
    let rows = run.table("invocations");
    let greyscale = texts(&rows, "stage");
    let of = |name: &str| -> Vec<Option<f64>> {
        let values = rows.column(name).unwrap().f64().unwrap();
        let rows = (0..rows.height()).filter(|row| greyscale[*row] == "greyscale");
        rows.map(|row| values.get(row)).collect()
    };
    assert_eq!(
        of("init_gap_ms"),
        [None, Some(2.5), Some(6_000.0), Some(1.0), Some(60_000.0)]
    );
    let kinds = texts(&rows, "start_kind").into_iter().zip(&greyscale);
    let kinds: Vec<String> = kinds
        .filter_map(|(kind, stage)| (stage == "greyscale").then_some(kind))
        .collect();
    assert_eq!(kinds, ["cold", "cold", "proactive", "cold", "proactive"]);
}

#[test]
fn cold_is_read_from_the_report_and_is_unknown_without_one() {
    let run = Run::of(&everything());
    let rows = run.table("invocations");
    let cold = rows.column("cold").unwrap().bool().unwrap().clone();
    let init = rows.column("init_ms").unwrap().f64().unwrap().clone();
    let duration = rows.column("duration_ms").unwrap().f64().unwrap().clone();
    for i in 0..rows.height() {
        assert_eq!(
            cold.get(i),
            duration.get(i).map(|_| init.get(i).is_some()),
            "row {i}"
        );
    }
    assert!((0..rows.height()).any(|i| cold.get(i).is_none()));
    let cold = Cell {
        start: Start::Cold,
        ..cell("rust")
    };
    let total = run.summary(&cold, "greyscale", "cold_total_ms");
    let (init, duration) = (
        run.summary(&cold, "greyscale", "init_ms"),
        run.summary(&cold, "greyscale", "duration_ms"),
    );
    assert_eq!(float(&init, "mean"), Some(20.0));
    let sum = float(&init, "mean").unwrap() + float(&duration, "mean").unwrap();
    assert!((float(&total, "mean").unwrap() - sum).abs() < 1e-9);
    assert_eq!(
        run.summary(&cell("pillow"), "greyscale", "init_ms")
            .height(),
        0,
        "a warm cell has no init to describe"
    );
    assert_eq!(run.summary.cells[2].stages[0].metric, "cold_total_ms");
}

#[test]
fn a_cell_that_cannot_run_here_is_listed_with_its_reason() {
    let run = Run::of(&everything());
    let arm = Cell {
        architecture: Architecture::Arm64,
        ..cell("rust")
    };
    let row = run.summary(&arm, "greyscale", "duration_ms");
    assert_eq!(integer(&row, "n"), Some(0));
    assert_eq!(float(&row, "mean"), None);
    assert_eq!(
        text(&row, "note").unwrap(),
        "cannot run here: this host is x86_64"
    );
    assert_eq!(run.summary.not_runnable().count(), 1);
    let costs = run.table("costs");
    assert_eq!(costs.height(), 5);
    assert!(
        texts(&costs, "note")
            .iter()
            .any(|note| note.contains("cannot run"))
    );
}

#[test]
fn a_cell_that_has_not_run_yet_is_listed_as_not_measured() {
    let (pillow, rust) = (cell("pillow"), cell("rust"));
    let mut journal = Journal::of(&[pillow.clone(), rust.clone()]);
    journal.pass(&Pass::of(&pillow, 1, 100.0));
    let run = Run::of(&journal);
    assert_eq!(
        text(&run.summary(&rust, "pipeline", "turnaround_s"), "note").unwrap(),
        "not measured"
    );
    assert!(!run.summary.has_failures());
}

#[test]
fn a_run_that_measured_nothing_yet_has_empty_tables_and_a_full_summary() {
    let run = Run::of(&Journal::of(&[cell("pillow")]));
    assert_eq!(run.table("invocations").height(), 0);
    assert_eq!(run.table("costs").height(), 1);
    assert_eq!(
        integer(&run.summary(&cell("pillow"), "resize", "duration_ms"), "n"),
        Some(0)
    );
}

#[test]
fn failures_are_named_with_cell_stage_and_message() {
    let run = Run::of(&everything());
    assert_eq!(run.summary.failures.len(), 1, "{:?}", run.summary.failures);
    let failure = &run.summary.failures[0];
    assert_eq!(
        (
            failure.stage.as_deref(),
            failure.status.as_str(),
            failure.count
        ),
        (Some("resize"), "function_error", 1)
    );
    assert_eq!(failure.error.as_deref(), Some("no such image"));
}
