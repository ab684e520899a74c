//! What a plan will take, judged by what the same cells took before.
//!
//! Facts of an earlier run → [`Rates`]; [`Rates`] × passes → [`Effort`]. Never guesses: a cell that was not measured
//! has no rate.

use std::collections::HashMap;

use serde::Serialize;

use crate::cell::{Cell, CellId};
use crate::cost::{FREE_EPHEMERAL_MB, PriceTable, Usage, cost};
use crate::event::{Event, Invocation};

/// Time and money. Hosting cost only: S3 requests are the same for every variant and are counted apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Effort {
    /// Time in which invocations are under way, s.
    pub seconds: f64,
    /// What AWS bills for these durations, USD; `None` without a price table for the region.
    pub usd: Option<f64>,
}

/// Mean effort of a pass of each cell of an earlier run.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    pub run_id: String,
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
                    rates.run_id = run.run_id;
                    let tally = |cell| Tally { cell, passes: 0, seconds: 0.0, usd: 0.0 };
                    rates.cells = run.cells.into_iter().map(|planned| (planned.id, tally(planned.cell))).collect();
                }
                Event::InvocationFinished(invocation) => rates.add(&invocation, prices),
                Event::PipelineFinished(pass) => {
                    if let Some(tally) = rates.cells.get_mut(&pass.pass.cell_id) {
                        tally.passes += 1;
                    }
                }
                _ => {}
            }
        }
        rates
    }

    fn add(&mut self, invocation: &Invocation, prices: Option<&PriceTable>) {
        let Some(tally) = self.cells.get_mut(&invocation.pass.cell_id) else { return };
        tally.seconds += invocation.client_ms / 1000.0;
        if let (Some(prices), Some(report)) = (prices, &invocation.report) {
            tally.usd += hosting_usd(&tally.cell, report.billed_ms, prices);
        }
    }

    /// Returns the mean seconds and USD of one pass of a cell, if it has been measured.
    pub fn pass(&self, cell: &CellId) -> Option<(f64, f64)> {
        let tally = self.cells.get(cell).filter(|tally| tally.passes > 0)?;
        Some((tally.seconds / tally.passes as f64, tally.usd / tally.passes as f64))
    }

    pub fn is_empty(&self) -> bool {
        self.cells.values().all(|tally| tally.passes == 0)
    }
}

/// Returns the hosting cost of one invocation of a cell's function that is billed for `billed_ms`, USD.
pub fn hosting_usd(cell: &Cell, billed_ms: u64, prices: &PriceTable) -> f64 {
    let usage = Usage {
        architecture: cell.architecture,
        memory_mb: cell.memory_mb,
        billed_ms,
        duration_ms: billed_ms as f64,
        ephemeral_mb: FREE_EPHEMERAL_MB,
        s3_puts: 0,
        s3_gets: 0,
    };
    cost(&usage, prices).hosting()
}
