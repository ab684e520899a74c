//! Estimates how long a plan will take, from earlier measurements of the same cells.
//!
//! Facts of an earlier run → [`Rates`]; [`Rates`] × passes → [`Effort`]. A cell that was not
//! measured has no rate.

use std::collections::HashMap;

use serde::Serialize;

use crate::cell::{Cell, CellId, Trigger};
use crate::cost::{FREE_EPHEMERAL_MB, PriceTable, Usage, cost};
use crate::event::{Event, Invocation};

/// Time and money. Hosting cost only: S3 requests are the same for every variant and are counted
/// apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Effort {
    /// Time in which invocations are running, s.
    pub seconds: f64,
    /// What AWS bills for these durations, USD; `None` without a price table for the region.
    pub usd: Option<f64>,
}

/// Mean effort of a pass of each cell of an earlier run.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    pub run_id: String,
    /// As in [`crate::event::RunStarted::target`].
    pub target: String,
    cells: HashMap<CellId, Tally>,
}

#[derive(Clone, Debug)]
struct Tally {
    cell: Cell,
    passes: u64,
    seconds: f64,
    usd: f64,
}

impl Rates {
    /// Takes the facts of a run, which begin with its start. Without that there are no rates.
    pub fn of(events: impl IntoIterator<Item = Event>, prices: Option<&PriceTable>) -> Self {
        let mut rates = Self::default();
        for event in events {
            match event {
                Event::RunStarted(run) => {
                    (rates.run_id, rates.target) = (run.run_id, run.target);
                    let tally = |cell| Tally {
                        cell,
                        passes: 0,
                        seconds: 0.0,
                        usd: 0.0,
                    };
                    rates.cells = run
                        .cells
                        .into_iter()
                        .map(|planned| (planned.id, tally(planned.cell)))
                        .collect();
                }
                Event::InvocationFinished(invocation) => rates.add(&invocation, prices),
                Event::PipelineFinished(pass) => {
                    if let Some(tally) = rates.cells.get_mut(&pass.pass.cell_id) {
                        tally.passes += 1;
                        if tally.cell.trigger == Trigger::S3 {
                            tally.seconds += pass.turnaround_s.unwrap_or_default();
                        }
                    }
                }
                _ => {}
            }
        }
        rates
    }

    fn add(&mut self, invocation: &Invocation, prices: Option<&PriceTable>) {
        let Some(tally) = self.cells.get_mut(&invocation.pass.cell_id) else {
            return;
        };
        tally.seconds += invocation.client_ms.unwrap_or_default() / 1000.0;
        if let (Some(prices), Some(report)) = (prices, &invocation.report) {
            tally.usd += hosting_usd(&tally.cell, report.billed_ms, prices);
        }
    }

    /// Returns the mean seconds and USD of one pass of a cell, if it has been measured.
    pub fn pass(&self, cell: &CellId) -> Option<(f64, f64)> {
        let tally = self.cells.get(cell).filter(|tally| tally.passes > 0)?;
        Some((
            tally.seconds / tally.passes as f64,
            tally.usd / tally.passes as f64,
        ))
    }

    pub fn is_empty(&self) -> bool {
        self.cells.values().all(|tally| tally.passes == 0)
    }
}

/// Returns the hosting cost of one invocation of a cell's function that is billed for `billed_ms`,
/// USD.
pub fn hosting_usd(cell: &Cell, billed_ms: u64, prices: &PriceTable) -> f64 {
    let usage = Usage {
        architecture: cell.architecture,
        memory_mb: cell.memory_mb,
        billed_ms,
        cold: false,
        restored: false,
        duration_ms: billed_ms as f64,
        ephemeral_mb: FREE_EPHEMERAL_MB,
        s3_puts: 0,
        s3_gets: 0,
    };
    // What was not restored has a price in every table.
    cost(&usage, prices).unwrap_or_default().hosting()
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::manifest::tests::{known, manifest};
    use crate::plan::Plan;
    use crate::plan::tests::local;

    fn event(json: Json) -> Event {
        serde_json::from_value(json).unwrap()
    }

    const PILLOW: &str = "pillow.x86_64.512mb.photos.direct.warm.c1";

    pub(crate) fn started() -> Event {
        let cell = |variant: &str| {
            json!({
                "id": format!("{variant}.x86_64.512mb.photos.direct.warm.c1"), "variant": variant,
                "architecture": "x86_64", "memory_mb": 512, "image_set": "photos", "trigger": "direct",
                "input": "chained", "start": "warm", "concurrency": 1,
                "model": null, "sample": null, "not_runnable": null,
            })
        };
        event(json!({
            "event": "run_started", "journal_version": 1, "run_id": "r1", "at": "2026-11-24T18:00:00.000Z",
            "experiment": "test", "pipeline": "image-pipeline", "stages": ["greyscale", "resize"], "seed": 562,
            "target": "local", "region": "us-east-1", "isolation": "none", "manifest_sha256": "", "repetitions": 3,
            "warm_up": 1, "deployments": 1, "order": "interleaved", "cells": [cell("pillow"), cell("rust")],
            "image_sets": {}, "machine": {}, "darkroom_version": "0",
        }))
    }

    fn pass(cell: &str) -> Json {
        json!({"cell_id": cell, "deployment": 1, "image": "a", "warm_up": false, "repetition": 1, "attempt": 1})
    }

    fn with(mut fact: Json, more: &Json) -> Event {
        for (key, value) in more.as_object().unwrap() {
            fact[key] = value.clone();
        }
        event(fact)
    }

    pub(crate) fn invoked(client_ms: f64, billed_ms: u64) -> Event {
        let report = json!({
            "duration_ms": billed_ms as f64, "billed_ms": billed_ms, "memory_mb": 512, "max_memory_mb": 90,
            "init_ms": null,
        });
        with(
            pass(PILLOW),
            &json!({
                "event": "invocation_finished", "stage": "greyscale", "stage_index": 0, "function": "f", "sequence": 0,
                "scheduled_at": "", "started_at": "", "client_ms": client_ms, "status": "ok", "error_type": null,
                "error": null, "request_id": null, "report": report, "environment_id": null, "code_sha256": "",
                "bytes_in": null, "bytes_out": null, "handler_reported_ms": null, "profile": null,
            }),
        )
    }

    pub(crate) fn passed() -> Event {
        with(
            pass(PILLOW),
            &json!({
                "event": "pipeline_finished", "started_at": "", "turnaround_s": 0.4, "resolution_ms": 0.0,
                "complete": true, "failed_stage": null, "again": null, "input_bytes": [], "output_bytes": [],
            }),
        )
    }

    pub(crate) fn prices() -> PriceTable {
        PriceTable::parse(include_str!("../../../experiments/prices/us-east-1.toml")).unwrap()
    }

    #[test]
    fn a_plan_takes_what_the_same_cells_took_before_and_says_for_how_many() {
        let events = [
            started(),
            invoked(250.0, 200),
            invoked(150.0, 100),
            passed(),
            invoked(600.0, 500),
            passed(),
        ];
        let rates = Rates::of(events, Some(&prices()));
        let manifest = manifest(&["pillow", "rust"], &[512]);
        let capability = local();
        let known = known();
        let plan = Plan::new(&manifest, &known, &capability);
        let expected = plan.expected(&rates, Some(&prices())).unwrap();
        assert_eq!(
            (expected.run_id.as_str(), expected.cells),
            ("r1", 1),
            "rust was not measured"
        );
        // A pass took 0.5 s and 400 ms were billed; there are 2 images x 3 repetitions + 1 warm-up.
        assert!((expected.effort.seconds - 7.0 * 0.5).abs() < 1e-9);
        let pass_usd = 0.5 * 0.4 * 0.000_016_666_7 + 1.5 * 0.20 / 1e6;
        assert!((expected.effort.usd.unwrap() - 7.0 * pass_usd).abs() < 1e-12);
        assert_eq!(plan.expected(&rates, None).unwrap().effort.usd, None);
    }

    #[test]
    fn nothing_is_expected_of_cells_that_were_never_measured() {
        let manifest = manifest(&["pillow"], &[1024]);
        let known = known();
        let capability = local();
        let plan = Plan::new(&manifest, &known, &capability);
        assert_eq!(plan.expected(&Rates::default(), None), None);
        assert_eq!(
            plan.expected(
                &Rates::of([started(), invoked(1.0, 1), passed()], None),
                None
            ),
            None
        );
    }
}
