//! Chains that the platform starts: hops, parts of a turnaround, polls.

use darkroom_core::cell::{Cell, Trigger};
use darkroom_core::event::Status;

use crate::journal::{Journal, Pass, cell};
use crate::{Run, float, integer, text, texts};

#[test]
fn hops_are_a_metric_of_every_stage_and_a_turnaround_is_the_sum_of_its_parts() {
    let cell = Cell {
        trigger: Trigger::S3,
        ..cell("rust")
    };
    let mut journal = Journal::of(std::slice::from_ref(&cell));
    for repetition in 1..=4 {
        journal.pass(&Pass::of(&cell, repetition, 40.0));
    }
    journal.pass(&Pass {
        status: [Status::Ok, Status::FunctionError],
        ..Pass::of(&cell, 5, 40.0)
    });
    let run = Run::of(&journal);
    // Delays of -1.5, -0.5, 0.5 and 1.5 ms: what is negative stays so.
    let hop = run.summary(&cell, "resize", "trigger_delay_ms");
    assert_eq!(
        (
            integer(&hop, "n"),
            float(&hop, "min"),
            float(&hop, "p50"),
            float(&hop, "max")
        ),
        (Some(4), Some(-1.5), Some(0.0), Some(1.5))
    );
    assert!(text(&hop, "note").unwrap().contains("cross_clock"));
    let invocations = run.table("invocations");
    assert_eq!(
        invocations
            .column("trigger_delay_clock")
            .unwrap()
            .null_count(),
        0
    );
    assert_eq!(texts(&invocations, "trigger_delay_clock")[0], "cross_clock");
    let pipelines = run.table("pipelines");
    let part = |name: &str| {
        pipelines
            .column(name)
            .unwrap()
            .f64()
            .unwrap()
            .iter()
            .collect::<Vec<_>>()
    };
    // 40 + 20 ms and 3 ms of overhead, of which 2 ms are the upload and 2 x the delay are hops.
    for row in 0..4 {
        let [turnaround, upload, hops, running, remainder] = [
            "turnaround_s",
            "upload_ms",
            "trigger_delays_ms",
            "running_ms",
            "remainder_ms",
        ]
        .map(|name| part(name)[row]);
        assert_eq!((upload, running), (Some(2.0), Some(60.0)));
        assert_eq!(hops, Some(2.0 * (row as f64 + 1.0 - 2.5)));
        assert!(
            (remainder.unwrap() - (1.0 - hops.unwrap())).abs() < 1e-9,
            "{remainder:?}"
        );
        let sum = upload.unwrap() + hops.unwrap() + running.unwrap() + remainder.unwrap();
        assert!((turnaround.unwrap() * 1e3 - sum).abs() < 1e-9);
    }
    // The chain that broke has no turnaround to take apart.
    assert_eq!(part("remainder_ms")[4], None);
}

#[test]
fn a_cell_that_the_runner_calls_has_no_hops() {
    let cell = cell("rust");
    let mut journal = Journal::of(std::slice::from_ref(&cell));
    journal.pass(&Pass::of(&cell, 1, 40.0));
    let run = Run::of(&journal);
    assert_eq!(run.summary(&cell, "resize", "trigger_delay_ms").height(), 0);
    assert_eq!(
        run.table("invocations")
            .column("trigger_delay_clock")
            .unwrap()
            .null_count(),
        2
    );
    assert_eq!(run.summary.cells[0].stages[0].trigger_delay_ms, None);
}

#[test]
fn polls_more_than_two_hundredths_of_the_median_apart_are_said_and_flagged() {
    // 1.5 ms apart in turnarounds of 3 ms more than the stages' 1.5 x `ms`.
    for (ms, coarse, share) in [
        (47.0, Some(true), 1.5 / 73.5),
        (50.0, Some(false), 1.5 / 78.0),
    ] {
        let cell = Cell {
            trigger: Trigger::S3,
            ..cell("rust")
        };
        let mut journal = Journal::of(std::slice::from_ref(&cell));
        journal
            .pass(&Pass::of(&cell, 1, ms))
            .pass(&Pass::of(&cell, 2, ms));
        let run = Run::of(&journal);
        let row = run.summary(&cell, "pipeline", "turnaround_s");
        assert_eq!(row.column("coarse").unwrap().bool().unwrap().get(0), coarse);
        assert!((float(&row, "resolution_share").unwrap() - share).abs() < 1e-12);
        let warned = text(&row, "note")
            .unwrap_or_default()
            .contains("polling may add up to");
        assert_eq!(
            (warned, run.summary.cells[0].coarse_resolution.is_some()),
            (coarse == Some(true), coarse == Some(true))
        );
    }
}
