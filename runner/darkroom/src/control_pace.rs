//! How fast calls of a cloud may follow each other, whoever makes them. Knows no call itself.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use darkroom_core::schedule::lanes::CONTROL_CALLS_APART_MS;
use tokio::time::Instant;

/// Keeps calls apart, whoever makes them; those that wait go in the order in which they came.
pub struct Pace {
    /// Zero: all may begin at once.
    apart: Duration,
    /// When the next call may begin; `None` before the first.
    free_at: Mutex<Option<Instant>>,
}

impl Pace {
    pub const fn new(apart: Duration) -> Self {
        Self {
            apart,
            free_at: Mutex::new(None),
        }
    }

    /// Waits until a call may begin.
    pub async fn turn(&self) {
        let wait = self.reserve(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Gives the next free moment to who asks at `now`, and returns how long it is until then. What
    /// was not used is not caught up on.
    fn reserve(&self, now: Instant) -> Duration {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = free_at.map_or(now, |free_at| free_at.max(now));
        *free_at = Some(begins + self.apart);
        begins - now
    }
}

/// Keeps calls of Lambda's control plane below its quotas, over all lanes.
pub struct ControlPace {
    /// Any call but those of a quota of their own.
    pub calls: Pace,
    /// `GetFunction`.
    pub get_function: Pace,
    /// Before a second look at a version whose snapshot is being taken; it doubles with each further
    /// one.
    pub first_pause: Duration,
}

impl ControlPace {
    /// For a cloud that takes as many as come.
    pub const fn unbounded() -> Self {
        Self {
            calls: Pace::new(Duration::ZERO),
            get_function: Pace::new(Duration::ZERO),
            first_pause: Duration::from_millis(5),
        }
    }

    /// A little slower than AWS allows, 15 and 100 calls a second: others of the account call too.
    /// Source: AWS Lambda developer guide, "Lambda quotas", API requests.
    pub const fn of_aws() -> Self {
        Self {
            calls: Pace::new(Duration::from_millis(CONTROL_CALLS_APART_MS)),
            get_function: Pace::new(Duration::from_millis(12)),
            first_pause: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_keep_apart_however_many_ask_at_once_and_a_rest_saves_up_none() {
        let (pace, began) = (Pace::new(Duration::from_millis(250)), Instant::now());
        let asked_at = |ms, calls| {
            let now = began + Duration::from_millis(ms);
            (0..calls)
                .map(|_| pace.reserve(now).as_millis())
                .collect::<Vec<_>>()
        };
        assert_eq!(asked_at(0, 6), [0, 250, 500, 750, 1000, 1250]);
        assert_eq!(asked_at(1400, 2), [100, 350], "the sixth began at 1250");
        assert_eq!(asked_at(60_000, 3), [0, 250, 500]);
    }

    #[test]
    fn without_an_interval_nobody_waits() {
        let (pace, now) = (Pace::new(Duration::ZERO), Instant::now());
        assert!((0..100).all(|_| pace.reserve(now).is_zero()));
    }
}
