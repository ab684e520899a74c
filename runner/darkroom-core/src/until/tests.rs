use serde_json::{Value as Json, json};

use super::*;
use crate::cell::CellId;
use crate::event::{Event, Excuse, Look, RunStarted};
use crate::statistics::{StoppedBy, seed_of};

const A: &str = "a.x86_64.512mb.photos.direct.warm.c1";
const B: &str = "b.x86_64.512mb.photos.direct.warm.c1";
const COLD: &str = "a.x86_64.512mb.photos.direct.cold.c1";

fn run(metric: &str, cells: &[&str]) -> RunStarted {
    let cell = |id: &&str| {
        json!({
            "id": id, "variant": "v", "architecture": "x86_64", "memory_mb": 512, "image_set": "photos",
            "trigger": "direct", "input": "chained", "start": if id.contains("cold") { "cold" } else { "warm" },
            "concurrency": 1, "model": null, "sample": null, "not_runnable": null,
        })
    };
    let until = json!({ "metric": metric, "ci_half_width": 0.05, "min": 10, "max": 40 });
    serde_json::from_value(json!({
        "journal_version": 3, "run_id": "r", "at": "", "experiment": "t", "pipeline": "p", "stages": ["one", "two"],
        "seed": 562, "target": "local", "region": "us-east-1", "isolation": "none", "manifest_sha256": "",
        "repetitions": 40, "until": until, "warm_up": 1, "deployments": 1, "order": "interleaved",
        "cells": cells.iter().map(cell).collect::<Vec<_>>(), "image_sets": {}, "machine": {}, "darkroom_version": "0",
    }))
    .unwrap()
}

/// What a pass came to.
#[derive(Clone, Copy)]
struct Made {
    cell: &'static str,
    repetition: u32,
    attempt: u32,
    warm_up: bool,
    ms: f64,
    init_ms: Option<f64>,
    /// The stage that failed.
    failed: Option<usize>,
    again: bool,
    wrong: bool,
}

fn made(cell: &'static str, repetition: u32, ms: f64) -> Made {
    Made {
        cell,
        repetition,
        attempt: 1,
        warm_up: false,
        ms,
        init_ms: None,
        failed: None,
        again: false,
        wrong: false,
    }
}

fn facts(made: Made) -> Vec<Event> {
    let Made {
        cell,
        repetition,
        attempt,
        warm_up,
        ms,
        init_ms,
        failed,
        again,
        wrong,
    } = made;
    let key = json!({
        "cell_id": cell, "deployment": 1, "image": "i", "warm_up": warm_up, "repetition": repetition, "attempt": attempt,
    });
    let with = |more: Json| -> Event {
        let mut fact = key.clone();
        fact.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::from_value(fact).unwrap()
    };
    let mut events = Vec::new();
    for stage in 0..=failed.unwrap_or(1) {
        let (well, name) = (failed != Some(stage), ["one", "two"][stage]);
        let report = json!({
            "duration_ms": ms, "billed_ms": 1, "memory_mb": 512, "max_memory_mb": 90, "init_ms": init_ms,
        });
        events.push(with(json!({
            "event": "invocation_finished", "stage": name, "stage_index": stage, "function": "f",
            "sequence": repetition * 10 + attempt, "scheduled_at": "", "started_at": "", "client_ms": ms,
            "status": if well { "ok" } else { "function_error" }, "error_type": null, "error": null, "request_id": null,
            "report": report, "environment_id": null, "code_sha256": "", "bytes_in": null, "bytes_out": null,
            "handler_reported_ms": null,
        })));
    }
    events.push(with(json!({
        "event": "output_checked", "stage": "one", "stage_index": 0, "output_sha256": null, "input_sha256": null,
        "verdict": { "pass": !wrong, "reason": null, "detail": null, "format": null, "mode": null, "width": null,
            "height": null, "mse": null, "psnr_db": null, "ssim": null, "max_abs": null, "mean_out": null,
            "mean_reference": null, "levels": null, "orientation": null },
    })));
    events.push(with(json!({
        "event": "pipeline_finished", "started_at": format!("2026-11-25T00:00:{repetition:02}.000Z"),
        "turnaround_s": failed.is_none().then_some(ms / 500.0), "resolution_ms": 0.0, "complete": failed.is_none(),
        "failed_stage": null, "again": if again { json!("wrong_start") } else { Json::Null },
        "input_bytes": [], "output_bytes": [],
    })));
    events
}

fn watch(metric: &str, cells: &[&str], passes: impl IntoIterator<Item = Made>) -> Watch {
    let mut watch = Watch::new(&run(metric, cells)).unwrap();
    passes
        .into_iter()
        .flat_map(facts)
        .for_each(|fact| watch.take(&fact));
    watch
}

/// Durations that spread by a few per cent, always the same ones.
fn noise(repetition: u32) -> f64 {
    100.0 + f64::from(repetition * 7 % 11)
}

fn steady(cell: &'static str, upto: u32) -> impl Iterator<Item = Made> {
    (1..=upto).map(move |repetition| made(cell, repetition, noise(repetition)))
}

fn look(watch: &Watch, repetitions: u32) -> Look {
    watch.look(repetitions, String::new())
}

/// The sample of one cell of the run, by its place.
fn values(watch: &Watch, cell: u32, stage: Option<usize>, repetitions: u32) -> Vec<f64> {
    watch
        .values(&watch.standing(repetitions).passes[&cell], stage)
        .0
}

#[test]
fn a_run_of_a_fixed_number_of_repetitions_is_not_watched() {
    assert!(
        Watch::new(&RunStarted {
            until: None,
            ..run("turnaround", &[A])
        })
        .is_none()
    );
}

#[test]
fn the_widest_interval_of_every_cell_decides_and_is_named() {
    let wild = (1..=20).map(|r| made(B, r, if r % 2 == 0 { 50.0 } else { 400.0 }));
    let watch = watch("turnaround", &[A, B], steady(A, 20).chain(wild));
    let found = look(&watch, 20);
    assert_eq!((found.samples, found.wider, found.stopped_by), (2, 1, None));
    assert_eq!((found.cell_id.unwrap().as_str(), found.stage), (B, None));
    // 50 and 400 by turns: sd 180 of a mean of 225, and blocks of alternating values average out.
    assert!(found.widest.unwrap() > 0.05, "{:?}", found.widest);
}

#[test]
fn a_width_is_that_of_the_interval_that_summary_shows() {
    let watch = watch("turnaround", &[A], steady(A, 20));
    let values: Vec<f64> = (1..=20).map(|r| noise(r) / 500.0).collect();
    let interval =
        crate::statistics::intervals(&values, &[], seed_of(562, &[A, "pipeline", "turnaround_s"]))
            .mean
            .unwrap();
    let expected = (interval.high - interval.low) / (2.0 * values.iter().sum::<f64>() / 20.0);
    assert!((look(&watch, 20).widest.unwrap() - expected).abs() < 1e-12);
    assert_eq!(look(&watch, 20).stopped_by, Some(StoppedBy::CiHalfWidth));
}

#[test]
fn durations_are_looked_at_stage_by_stage_with_the_init_of_a_cold_start() {
    let cold = (1..=10).map(|r| Made {
        init_ms: Some(100.0),
        ..made(COLD, r, noise(r))
    });
    let watch = watch("duration", &[A, COLD], steady(A, 10).chain(cold));
    assert_eq!(look(&watch, 10).samples, 4);
    assert!((values(&watch, 1, Some(1), 10)[0] - (noise(1) + 100.0)).abs() < 1e-9);
}

#[test]
fn a_look_sees_whole_blocks_and_the_last_attempts_in_whatever_order() {
    let mut passes: Vec<Made> = steady(A, 10).collect();
    // Repetition 3 met a cold start first, 4 failed, a warm-up and the next block do not belong.
    passes.insert(
        0,
        Made {
            init_ms: Some(900.0),
            again: true,
            ..made(A, 3, 1.0)
        },
    );
    passes[3].attempt = 2;
    passes[4].failed = Some(1);
    passes.push(Made {
        warm_up: true,
        ..made(A, 1, 9_000.0)
    });
    passes.push(made(A, 11, 9_000.0));
    let one = watch("turnaround", &[A], passes.clone());
    let expected: Vec<f64> = (1..=10)
        .filter(|r| *r != 4)
        .map(|r| noise(r) / 500.0)
        .collect();
    assert_eq!(values(&one, 0, None, 10), expected);
    passes.reverse();
    let other = watch("turnaround", &[A], passes);
    assert_eq!(look(&other, 10), look(&one, 10));
}

#[test]
fn wrong_and_always_failing_cells_are_measured_and_not_waited_for() {
    let wrong = (1..=10).map(|r| Made {
        wrong: r == 7,
        ..made(B, r, f64::from(r * r))
    });
    let watched = watch("turnaround", &[A, B], steady(A, 10).chain(wrong));
    let found = look(&watched, 10);
    assert_eq!(found.stopped_by, Some(StoppedBy::CiHalfWidth));
    assert_eq!(
        (
            found.excused[0].cell_id.as_str(),
            found.excused[0].reason.as_str()
        ),
        (B, "wrong outputs")
    );

    let failing = |cell| {
        (1..=10).map(move |r| Made {
            failed: Some(1),
            ..made(cell, r, f64::from(r * r))
        })
    };
    let found = look(
        &watch("turnaround", &[A, B], steady(A, 10).chain(failing(B))),
        10,
    );
    assert_eq!(
        (found.samples, found.stopped_by),
        (1, Some(StoppedBy::CiHalfWidth))
    );
    assert_eq!(found.excused[0].reason, "no value");
    // Of durations the stage before the failing one has values, and they are waited for.
    let found = look(&watch("duration", &[B], failing(B)), 10);
    assert_eq!((found.samples, found.wider, found.excused.len()), (1, 1, 1));
    let found = look(&watch("turnaround", &[B], failing(B)), 10);
    assert_eq!(
        (found.widest, found.stopped_by),
        (None, Some(StoppedBy::NoSample))
    );
}

#[test]
fn a_cell_that_fails_now_and_then_ends_at_max_at_the_latest() {
    let lucky = (1..=40).map(|r| Made {
        failed: (r != 5).then_some(0),
        ..made(A, r, 100.0)
    });
    let watch = watch("turnaround", &[A], lucky);
    let found = look(&watch, 30);
    assert_eq!(
        (found.samples, found.widest, found.stopped_by),
        (1, None, None),
        "one value has no interval"
    );
    assert_eq!(look(&watch, 40).stopped_by, Some(StoppedBy::Max));
}

#[test]
fn facts_of_a_cell_measured_anew_are_forgotten() {
    let mut watch = watch("turnaround", &[A], steady(A, 10));
    watch.take(&Event::CellsSuperseded {
        at: String::new(),
        cells: vec![CellId::from(A.to_owned())],
    });
    assert_eq!(look(&watch, 10).samples, 0);
}

#[test]
fn what_is_said_of_a_width_is_on_the_side_of_the_target_that_it_is_on() {
    for target in [0.001, 0.02, 0.0495, 0.05, 0.07, 0.1, 0.125] {
        for step in -2000..=2000 {
            let width = target * (1.0 + f64::from(step) * 1e-5);
            let told = beside(width, target);
            let number: f64 = told
                .trim_start_matches("just above ")
                .trim_matches(['±', '%'])
                .parse()
                .unwrap();
            let above = number > target * 100.0 + 1e-9 || told.starts_with("just above");
            assert_eq!(
                above,
                width * 100.0 > target * 100.0,
                "{width} beside {target}: {told}"
            );
        }
    }
    assert_eq!(beside(0.1002, 0.1), "±10.02%");
    assert_eq!(
        (beside(0.0312, 0.05), beside(0.1, 0.1), asked(0.07)),
        ("±3.1%".into(), "±10%".into(), "7%".into())
    );
    assert_eq!(beside(0.1 + 1e-12, 0.1), "just above ±10%");
}

#[test]
fn where_a_run_stands_is_said_in_a_sentence() {
    let until = run("turnaround", &[A]).until.unwrap();
    let base = look(&watch("turnaround", &[A], steady(A, 20)), 20);
    let base = Look {
        widest: Some(0.0312),
        ..base
    };
    let wrong = Excuse {
        cell_id: CellId::from(B.to_owned()),
        stage: None,
        reason: "wrong outputs".into(),
    };
    let said = [
        rule_in_words(&until, None),
        rule_in_words(
            &until,
            Some(&Look {
                excused: vec![wrong],
                ..base.clone()
            }),
        ),
        rule_in_words(
            &until,
            Some(&Look {
                stopped_by: Some(StoppedBy::Max),
                wider: 1,
                ..base.clone()
            }),
        ),
        rule_in_words(
            &until,
            Some(&Look {
                stopped_by: None,
                wider: 1,
                widest: None,
                stage: Some("one".into()),
                ..base
            }),
        ),
    ];
    let expected = [
        "The intervals were not checked yet: that happens after 10 repetitions.".to_owned(),
        format!(
            "Stopped after 20 repetitions: every interval is within ±5% of the mean turnaround; the widest is ±3.1% ({A}). Ignored: {B} (wrong outputs)."
        ),
        format!(
            "Stopped after 20 repetitions, the maximum: the only interval is wider than ±5% of the mean turnaround; the widest is ±3.1% ({A})."
        ),
        format!(
            "Not finished: at 20 repetitions the only interval was wider than ±5% of the mean turnaround; {A} one has no interval."
        ),
    ];
    assert_eq!(said, expected);
}
