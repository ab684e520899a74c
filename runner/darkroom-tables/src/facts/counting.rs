//! Which rows are a sample, decided here and nowhere else ([`CountsAs`]), and which of a sample's values are outliers.
//!
//! [`Facts`] → verdicts on their rows. Knows nothing of how the facts were read, nor of what becomes of a sample.

use std::collections::HashMap;

use darkroom_core::cell::Start;
use darkroom_core::event::{Again, Status};
use darkroom_core::statistics::{is_outlier, outlier_fences};

use super::{CheckFact, Facts, InvocationFact, Pass, ReportFact};

/// Why a row is or is not part of its group's sample. Each row is exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CountsAs {
    Sample,
    /// Measured anew since, or another attempt of the repetition took its place, or its pass was cut off.
    Superseded,
    WarmUp,
    /// Would be in the sample, but has pixels of its own.
    Probe,
    /// Ended well, but cold where the cell asked for warm or the reverse.
    WrongStart,
    Failed,
    /// Ended well, but no REPORT line came: its start kind is unknown, so it can't be trusted to be the cell's.
    NoReport,
}

impl CountsAs {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Superseded => "superseded",
            Self::WarmUp => "warm_up",
            Self::Probe => "probe",
            Self::WrongStart => "wrong_start",
            Self::Failed => "failed",
            Self::NoReport => "no_report",
        }
    }
}

impl Facts {
    /// Says whether the facts of this pass were measured anew since, by `--cell`.
    pub fn is_old(&self, pass: &Pass) -> bool {
        pass.key.epoch != self.epochs[pass.key.cell as usize]
    }

    fn is_last_attempt(&self, pass: &Pass) -> bool {
        self.last_attempts.get(&pass.key) == Some(&pass.attempt)
    }

    pub(super) fn is_wrong_start(&self, row: &InvocationFact) -> bool {
        let asked_cold = self.run.cells[self.passes[row.pass as usize].key.cell as usize].cell.start == Start::Cold;
        row.status == Status::Ok && row.report.and_then(|report| report.cold).is_some_and(|cold| cold != asked_cold)
    }

    /// Decides what one invocation counts as; the first that applies, in the order of the code.
    pub fn invocation_counts_as(&self, row: &InvocationFact) -> CountsAs {
        let pass = &self.passes[row.pass as usize];
        let ok = row.status == Status::Ok;
        if self.is_old(pass) {
            CountsAs::Superseded
        } else if pass.key.warm_up && !pass.key.probe {
            CountsAs::WarmUp
        } else if self.is_wrong_start(row) {
            CountsAs::WrongStart
        } else if !self.is_last_attempt(pass) || (pass.finished.is_none() && pass.imported.is_none()) {
            CountsAs::Superseded
        } else if !ok {
            CountsAs::Failed
        } else if row.report.is_none() {
            CountsAs::NoReport
        } else if pass.key.probe {
            CountsAs::Probe
        } else {
            CountsAs::Sample
        }
    }

    /// Decides what one pass counts as. Its start is that of its invocations, not what `again` says: the last attempt
    /// allowed stands, whatever it was, and may be of the wrong start.
    pub fn pass_counts_as(&self, pass: &Pass) -> CountsAs {
        let Some(finished) = &pass.finished else {
            return CountsAs::Superseded;
        };
        if self.is_old(pass) {
            CountsAs::Superseded
        } else if pass.key.warm_up && !pass.key.probe {
            CountsAs::WarmUp
        } else if pass.wrong_start || finished.again == Some(Again::WrongStart) {
            CountsAs::WrongStart
        } else if !self.is_last_attempt(pass) {
            CountsAs::Superseded
        } else if !finished.complete || finished.again.is_some() {
            CountsAs::Failed
        } else if pass.no_report {
            CountsAs::NoReport
        } else if pass.key.probe {
            CountsAs::Probe
        } else {
            CountsAs::Sample
        }
    }

    /// Says whether a check counts: its pass is the last attempt and was not measured anew. Warm-ups count too.
    pub fn check_counts(&self, check: &CheckFact) -> bool {
        let pass = &self.passes[check.pass as usize];
        !self.is_old(pass) && self.is_last_attempt(pass)
    }

    /// Returns the outlier fences of the headline time of every (cell, stage) sample.
    pub fn time_fences(&self, counts: &[CountsAs]) -> HashMap<(u32, u32), (f64, f64)> {
        let mut samples: HashMap<(u32, u32), Vec<f64>> = HashMap::new();
        for (row, &counts_as) in self.invocations.iter().zip(counts) {
            if let (CountsAs::Sample, Some(ms)) = (counts_as, row.report.and_then(ReportFact::headline_ms)) {
                samples.entry((self.passes[row.pass as usize].key.cell, row.stage)).or_default().push(ms);
            }
        }
        fences(samples)
    }

    /// Returns the outlier fences of every cell's turnaround.
    pub fn turnaround_fences(&self) -> HashMap<u32, (f64, f64)> {
        let mut samples: HashMap<u32, Vec<f64>> = HashMap::new();
        for pass in &self.passes {
            let turnaround = pass.finished.as_ref().and_then(|finished| finished.turnaround_s);
            if let (CountsAs::Sample, Some(s)) = (self.pass_counts_as(pass), turnaround) {
                samples.entry(pass.key.cell).or_default().push(s);
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
    sorted.filter_map(|(key, values)| Some((key, outlier_fences(&values)?))).collect()
}

/// Says whether a sample's value is beyond its fences; `None` for a row that is not in a sample.
pub fn outlier_flag(counts_as: CountsAs, value: Option<f64>, fences: Option<&(f64, f64)>) -> Option<bool> {
    let value = value.filter(|_| counts_as == CountsAs::Sample)?;
    Some(is_outlier(value, fences.copied()))
}
