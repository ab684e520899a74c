//! The rules: what an attempt, a row and a check count as.

use super::attempts::{Attempt, AttemptId, Ledger};
use super::start::StartKind;
use crate::event::{Again, Invocation, PassKind, Status};
use crate::imported::ImportedRow;

/// Why a row or a pass is or is not part of its group's sample. Each is exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CountsAs {
    Sample,
    /// Measured again since; or another attempt of the repetition takes its place, or will; or its
    /// pass was cut off.
    Superseded,
    WarmUp,
    /// Would be in the sample, but has pixels of its own.
    Probe,
    /// Ended well, but cold where the cell asked for warm, or the reverse.
    WrongStart,
    /// Ended well, in an environment that the platform had initialised before the call: neither
    /// cold nor warm.
    Proactive,
    Failed,
    /// Ended well, but no REPORT line came: its start kind is unknown, so it can't be trusted to be
    /// the cell's.
    NoReport,
}

impl CountsAs {
    /// Returns the word for it in the tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Superseded => "superseded",
            Self::WarmUp => "warm_up",
            Self::Probe => "probe",
            Self::WrongStart => "wrong_start",
            Self::Proactive => "proactive",
            Self::Failed => "failed",
            Self::NoReport => "no_report",
        }
    }
}

/// How one invocation ended, as far as counting depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    pub status: Status,
    /// There is a REPORT line, or another harness's duration.
    pub reported: bool,
    /// `None`: not known.
    pub start: Option<StartKind>,
}

impl Ending {
    pub(super) fn is_without_report(self) -> bool {
        self.status == Status::Ok && !self.reported
    }

    pub(super) fn is_proactive(self) -> bool {
        self.status == Status::Ok && self.start == Some(StartKind::Proactive)
    }
}

impl From<&Invocation> for Ending {
    fn from(invocation: &Invocation) -> Self {
        Self {
            status: invocation.status,
            reported: invocation.report.is_some(),
            start: StartKind::of_invocation(invocation),
        }
    }
}

impl From<&ImportedRow> for Ending {
    fn from(row: &ImportedRow) -> Self {
        let reported = row.duration_ms.is_some();
        let cold = row.cold.or(row.init_ms.map(|_| true)).filter(|_| reported);
        Self {
            status: row.status,
            reported,
            start: cold.map(|cold| {
                if cold {
                    StartKind::Cold
                } else {
                    StartKind::Warm
                }
            }),
        }
    }
}

impl Ledger {
    /// Decides what one row of an attempt counts as; the first that applies, in the order of the
    /// code.
    pub fn row_counts_as(&self, id: AttemptId, ending: Ending) -> CountsAs {
        let attempt = &self.attempts[id as usize];
        if self.is_old(attempt) {
            CountsAs::Superseded
        } else if attempt.repetition.kind == PassKind::WarmUp {
            CountsAs::WarmUp
        } else if self.is_wrong_start(id, ending) {
            CountsAs::WrongStart
        } else if ending.is_proactive() {
            CountsAs::Proactive
        } else if !attempt.last || (attempt.ended.is_none() && !attempt.imported) {
            CountsAs::Superseded
        } else if ending.status != Status::Ok {
            CountsAs::Failed
        } else if attempt.ended.is_some_and(|ended| ended.again.is_some()) {
            // The repetition is to be made again: what went well in this attempt is no measurement
            // of it.
            CountsAs::Superseded
        } else if !ending.reported {
            CountsAs::NoReport
        } else {
            attempt.counted()
        }
    }

    /// Decides what one attempt counts as. Its start is that of its rows, not what `again` says:
    /// the last attempt allowed stands, whatever it was, and may be of the wrong start.
    pub fn pass_counts_as(&self, id: AttemptId) -> CountsAs {
        let attempt = &self.attempts[id as usize];
        let Some(ended) = attempt.ended else {
            return CountsAs::Superseded;
        };
        if self.is_old(attempt) {
            CountsAs::Superseded
        } else if attempt.repetition.kind == PassKind::WarmUp {
            CountsAs::WarmUp
        } else if attempt.wrong_start || ended.again == Some(Again::WrongStart) {
            CountsAs::WrongStart
        } else if ended.again == Some(Again::Proactive) || (attempt.proactive && ended.complete) {
            CountsAs::Proactive
        } else if !attempt.last {
            CountsAs::Superseded
        } else if !ended.complete || ended.again.is_some() {
            CountsAs::Failed
        } else if attempt.no_report {
            CountsAs::NoReport
        } else {
            attempt.counted()
        }
    }

    /// Says whether a check of an attempt's output counts: it is the last attempt and was not
    /// measured again. Warm-ups count too.
    pub fn check_counts(&self, id: AttemptId) -> bool {
        let attempt = &self.attempts[id as usize];
        attempt.last && !self.is_old(attempt)
    }

    /// Says whether an attempt is what its repetition came to, in whatever way: the last one,
    /// ended, and not to be made again.
    pub fn stands(&self, id: AttemptId) -> bool {
        let ended = self.attempts[id as usize].ended;
        self.check_counts(id) && ended.is_some_and(|ended| ended.again.is_none())
    }

    /// Says whether a row ended well, but of another start than its cell asks for.
    pub(super) fn is_wrong_start(&self, id: AttemptId, ending: Ending) -> bool {
        let cell = self.attempts[id as usize].repetition.cell;
        let asked = self.books[cell as usize].asked;
        ending.status == Status::Ok && ending.start.is_some_and(|start| start.is_wrong(asked))
    }

    /// Says whether the cell was measured again since.
    fn is_old(&self, attempt: &Attempt) -> bool {
        attempt.epoch != self.books[attempt.repetition.cell as usize].epoch
    }
}

impl Attempt {
    /// What an attempt counts as with which nothing is wrong.
    const fn counted(&self) -> CountsAs {
        match self.repetition.kind {
            PassKind::Measured => CountsAs::Sample,
            PassKind::WarmUp => CountsAs::WarmUp,
            PassKind::Probe => CountsAs::Probe,
        }
    }
}
