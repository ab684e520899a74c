//! How long a session has waited for functions that are not ready: the time, not the lanes, counts.

use std::time::{Duration, Instant};

/// Time in which some lane waited.
#[derive(Clone, Copy, Debug, Default)]
pub struct LateTime {
    so_far: Duration,
    /// The end of the latest wait.
    until: Option<Instant>,
}

impl LateTime {
    /// Takes note of a wait that has just ended. What another lane waited meanwhile counts once.
    pub fn add(&mut self, from: Instant, to: Instant) {
        let from = self.until.map_or(from, |until| until.max(from));
        self.so_far += to.saturating_duration_since(from);
        self.until = self.until.max(Some(to));
    }

    pub const fn so_far(&self) -> Duration {
        self.so_far
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_minute_on_eight_lanes_counts_once_and_a_pause_between_waits_does_not() {
        let (mut time, began) = (LateTime::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        (0..8).for_each(|_| time.add(at(0), at(60)));
        assert_eq!(time.so_far(), Duration::from_mins(1));
        time.add(at(30), at(70));
        assert_eq!(time.so_far(), Duration::from_secs(70));
        time.add(at(1000), at(1005));
        assert_eq!(time.so_far(), Duration::from_secs(75));
    }
}
