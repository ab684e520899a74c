//! What the ledger says about a row, and which values of a sample are outliers.
//!
//! [`JournalFacts`] → verdicts on their rows.

use std::collections::HashMap;

use darkroom_core::ledger::{CountsAs, Ending};
use darkroom_core::statistics::{is_outlier, outlier_fences};

use super::{InvocationFact, JournalFacts, ReportFact};

impl InvocationFact {
    pub(super) fn ending(&self) -> Ending {
        Ending {
            status: self.status,
            reported: self.report.is_some(),
            start: self.report.and_then(|report| report.start),
        }
    }
}

impl JournalFacts {
    /// Decides what one invocation counts as.
    pub fn invocation_counts_as(&self, row: &InvocationFact) -> CountsAs {
        self.ledger.row_counts_as(row.pass, row.ending())
    }

    /// Returns the outlier fences of the headline time of every (cell, stage) sample.
    pub fn time_fences(&self, counts: &[CountsAs]) -> HashMap<(u32, u32), (f64, f64)> {
        let mut samples: HashMap<(u32, u32), Vec<f64>> = HashMap::new();
        for (row, &counts_as) in self.invocations.iter().zip(counts) {
            if let (CountsAs::Sample, Some(ms)) =
                (counts_as, row.report.and_then(ReportFact::headline_ms))
            {
                samples
                    .entry((self.cell_of(row.pass), row.stage))
                    .or_default()
                    .push(ms);
            }
        }
        fences(samples)
    }

    /// Returns the outlier fences of every cell's turnaround.
    pub fn turnaround_fences(&self) -> HashMap<u32, (f64, f64)> {
        let mut samples: HashMap<u32, Vec<f64>> = HashMap::new();
        for (id, pass) in (0..).zip(&self.passes) {
            let turnaround = pass
                .finished
                .as_ref()
                .and_then(|finished| finished.turnaround_s);
            if let (CountsAs::Sample, Some(s)) = (self.ledger.pass_counts_as(id), turnaround) {
                samples.entry(self.cell_of(id)).or_default().push(s);
            }
        }
        fences(samples)
    }
}

fn fences<K: Eq + std::hash::Hash>(samples: HashMap<K, Vec<f64>>) -> HashMap<K, (f64, f64)> {
    let sorted = samples.into_iter().map(|(key, mut values)| {
        values.sort_unstable_by(f64::total_cmp);
        (key, values)
    });
    sorted
        .filter_map(|(key, values)| Some((key, outlier_fences(&values)?)))
        .collect()
}

/// Says whether a sample's value is beyond its fences; `None` for a row that is not in a sample.
pub fn outlier_flag(
    counts_as: CountsAs,
    value: Option<f64>,
    fences: Option<&(f64, f64)>,
) -> Option<bool> {
    let value = value.filter(|_| counts_as == CountsAs::Sample)?;
    Some(is_outlier(value, fences.copied()))
}
