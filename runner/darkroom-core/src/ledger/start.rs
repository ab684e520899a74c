//! How an invocation started: cold, warm, or in an environment that was initialised before anybody
//! called (`method.md` section 1).

use crate::cell::{Cell, Start};
use crate::event::{Invocation, Report};

/// The longest time from the end of an initialisation to START in which the call may still have
/// waited for it, ms.
///
/// In five logs of AWS's cold starts, in public repositories, it is 1 to 4 ms. A longer time can
/// only mean that the environment stood ready: START follows at once where a call waits. A whole
/// second leaves room for a machine that is busy.
pub const LONGEST_GAP_MS: f64 = 1_000.0;
/// The longest initialisation on demand, ms: one that began earlier ended before START. Source: AWS
/// Lambda developer guide, "Understanding the Lambda execution environment lifecycle", "Init phase".
pub const LONGEST_INIT_MS: f64 = 10_000.0;

/// How an invocation started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartKind {
    /// It caused the initialisation of its environment, and waited for it.
    Cold,
    /// Its environment had served before.
    Warm,
    /// Its environment was restored for it from a snapshot of an initialised one.
    Restored,
    /// It is the first of an environment that the platform had made ready ahead of it.
    Proactive,
}

impl StartKind {
    /// Returns the word for it in the tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
            Self::Restored => "restored",
            Self::Proactive => "proactive",
        }
    }

    /// Returns the kind of start that a cell asks for.
    pub fn asked(cell: &Cell) -> Self {
        match cell.start {
            Start::Warm => Self::Warm,
            Start::Cold if cell.snapstart.is_on() => Self::Restored,
            Start::Cold => Self::Cold,
        }
    }

    /// Says whether a cell that asks for `asked` must not count a start of this kind. One in an
    /// environment that stood ready is told apart, and is no wrong one.
    pub fn is_wrong(self, asked: Self) -> bool {
        self != asked && self != Self::Proactive
    }

    /// Decides it from REPORT, and from the time between `INIT_START` or `RESTORE_START` and START
    /// where the log was read for it. Without that time, REPORT alone decides.
    pub fn of(report: &Report, init_to_start_ms: Option<f64>) -> Self {
        let ready_ms = report.ready_ms();
        let ahead = match (init_gap_ms(ready_ms, init_to_start_ms), ready_ms) {
            (Some(gap_ms), _) => gap_ms > LONGEST_GAP_MS,
            (None, None) => init_to_start_ms.is_some_and(|ms| ms > LONGEST_INIT_MS),
            (None, Some(_)) => false,
        };
        match (ahead, report.restore, report.init_ms) {
            (true, ..) => Self::Proactive,
            (false, Some(_), _) => Self::Restored,
            (false, None, Some(_)) => Self::Cold,
            (false, None, None) => Self::Warm,
        }
    }

    /// Decides it of an invocation; `None` where no REPORT came.
    pub fn of_invocation(invocation: &Invocation) -> Option<Self> {
        let report = invocation.report.as_ref()?;
        Some(Self::of(report, invocation.init_to_start_ms))
    }
}

/// Returns the time from the end of an environment's initialisation or restore to START, ms;
/// slightly negative where both times are rounded. `None` unless both are known.
pub fn init_gap_ms(ready_ms: Option<f64>, init_to_start_ms: Option<f64>) -> Option<f64> {
    Some(init_to_start_ms? - ready_ms?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::{Architecture, Input, SnapStart, Trigger};
    use crate::event::Restore;

    fn report(init_ms: Option<f64>, restore_ms: Option<f64>) -> Report {
        Report {
            duration_ms: 9.0,
            billed_ms: 9,
            memory_mb: 512,
            max_memory_mb: 90,
            init_ms,
            restore: restore_ms.map(|ms| Restore {
                ms,
                billed_ms: None,
            }),
        }
    }

    fn start(init_ms: Option<f64>, init_to_start_ms: Option<f64>) -> StartKind {
        StartKind::of(&report(init_ms, None), init_to_start_ms)
    }

    #[test]
    fn a_restored_environment_is_neither_cold_nor_warm() {
        let start = |until_start_ms| StartKind::of(&report(None, Some(412.13)), until_start_ms);
        assert_eq!(start(None), StartKind::Restored);
        assert_eq!(start(Some(415.0)), StartKind::Restored);
        assert_eq!(start(Some(60_000.0)), StartKind::Proactive);
        let kinds = [StartKind::Warm, StartKind::Cold, StartKind::Restored];
        for asked in kinds {
            for kind in kinds {
                assert_eq!(kind.is_wrong(asked), kind != asked);
            }
            assert!(!StartKind::Proactive.is_wrong(asked));
        }
    }

    #[test]
    fn with_snapstart_a_cold_cell_asks_for_restored_starts() {
        let mut cell = Cell {
            variant: "pillow".into(),
            runtime: None,
            architecture: Architecture::X86_64,
            memory_mb: 512,
            image_set: "photos".into(),
            trigger: Trigger::Direct,
            input: Input::Chained,
            start: Start::Cold,
            snapstart: SnapStart::Off,
            concurrency: 1,
        };
        assert_eq!(StartKind::asked(&cell), StartKind::Cold);
        cell.snapstart = SnapStart::On;
        assert_eq!(StartKind::asked(&cell), StartKind::Restored);
        cell.start = Start::Warm;
        assert_eq!(StartKind::asked(&cell), StartKind::Warm);
    }

    #[test]
    fn report_alone_decides_where_the_log_was_not_read() {
        assert_eq!(start(Some(100.0), None), StartKind::Cold);
        assert_eq!(start(None, None), StartKind::Warm);
    }

    #[test]
    fn an_environment_that_stood_ready_is_no_cold_start() {
        // As AWS logged it: INIT_START at 56.909 s, START at 57.781 s, Init Duration 868.19 ms.
        assert_eq!(start(Some(868.19), Some(872.0)), StartKind::Cold);
        // Rounded to the millisecond, it may have begun before the end.
        assert_eq!(start(Some(868.19), Some(868.0)), StartKind::Cold);
        assert_eq!(start(Some(868.19), Some(1_868.0)), StartKind::Cold);
        assert_eq!(start(Some(868.19), Some(1_869.0)), StartKind::Proactive);
        assert_eq!(start(Some(868.19), Some(360_000.0)), StartKind::Proactive);
        assert_eq!(start(Some(9_500.0), Some(9_503.0)), StartKind::Cold);
    }

    #[test]
    fn without_an_init_duration_only_what_began_too_early_was_ahead_of_the_call() {
        assert_eq!(start(None, Some(10_000.0)), StartKind::Warm);
        assert_eq!(start(None, Some(10_001.0)), StartKind::Proactive);
    }

    #[test]
    fn the_gap_needs_both_times() {
        assert_eq!(init_gap_ms(Some(100.0), Some(103.0)), Some(3.0));
        assert_eq!(init_gap_ms(None, Some(103.0)), None);
        assert_eq!(init_gap_ms(Some(100.0), None), None);
    }
}
