//! How far the platform's clock is ahead of the runner's, from all requests of a session.
//!
//! Each request gives an interval. The function logged its START, by the platform's clock, after
//! the runner sent the call and before the runner had the answer. So the offset is at least START
//! minus answered, and at most START minus sent.

use std::sync::{Mutex, PoisonError};

use darkroom_core::event::ClockOffset;

/// Times are written down in whole milliseconds, cut off: the true one is up to this much later,
/// ms.
pub const CUT_OFF_MS: f64 = 1.0;

/// The intersection of all intervals so far.
#[derive(Default)]
pub struct Clocks {
    bounds: Mutex<Option<Bounds>>,
}

#[derive(Clone, Copy)]
struct Bounds {
    at_least_ms: f64,
    at_most_ms: f64,
    samples: u64,
}

impl Clocks {
    /// Takes a START as logged (epoch ms, cut off), and the runner's times (epoch ms, cut off)
    /// around it.
    pub fn saw(&self, start_ms: f64, sent_ms: f64, answered_ms: f64) {
        self.narrow(
            start_ms - (answered_ms + CUT_OFF_MS),
            start_ms + CUT_OFF_MS - sent_ms,
        );
    }

    /// Takes the ends of an interval that come from two STARTs of one chain.
    pub fn narrow(&self, at_least_ms: f64, at_most_ms: f64) {
        let mut bounds = self.bounds.lock().unwrap_or_else(PoisonError::into_inner);
        let before = bounds.unwrap_or(Bounds {
            at_least_ms,
            at_most_ms,
            samples: 0,
        });
        *bounds = Some(Bounds {
            at_least_ms: before.at_least_ms.max(at_least_ms),
            at_most_ms: before.at_most_ms.min(at_most_ms),
            samples: before.samples + 1,
        });
    }

    /// Returns the middle of what the intervals have in common; where hosts disagree they may have
    /// nothing in common, and the gap between them is the uncertainty. `None` when no request told.
    pub fn offset(&self) -> Option<ClockOffset> {
        let Bounds {
            at_least_ms,
            at_most_ms,
            samples,
        } = (*self.bounds.lock().unwrap_or_else(PoisonError::into_inner))?;
        let offset_ms = f64::midpoint(at_least_ms, at_most_ms);
        Some(ClockOffset {
            offset_ms,
            uncertainty_ms: (at_most_ms - at_least_ms).abs() / 2.0,
            samples,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_narrow_the_offset_to_what_all_of_them_allow() {
        let clocks = Clocks::default();
        assert_eq!(clocks.offset(), None);
        // The platform is 500 ms ahead; calls take 100 ms, and START comes early in one and late in
        // the other.
        clocks.saw(1510.0, 1000.0, 1100.0);
        clocks.saw(2595.0, 2000.0, 2100.0);
        let offset = clocks.offset().unwrap();
        assert_eq!(offset.samples, 2);
        assert!(
            (offset.offset_ms - 500.0).abs() <= offset.uncertainty_ms,
            "{offset:?}"
        );
        assert!(offset.uncertainty_ms < 10.0, "{offset:?}");
    }

    #[test]
    fn hosts_that_disagree_leave_their_gap_as_uncertainty() {
        let clocks = Clocks::default();
        clocks.saw(1000.0, 1000.0, 1001.0);
        clocks.saw(2100.0, 2000.0, 2001.0);
        let offset = clocks.offset().unwrap();
        assert!(
            offset.uncertainty_ms > 40.0 && offset.offset_ms > 40.0 && offset.offset_ms < 60.0,
            "{offset:?}"
        );
    }
}
