//! When a pass is repeated, how often, and after which pause; how fast calls may follow each other.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use darkroom_core::event::Again;
use darkroom_core::schedule::lanes::CONTROL_CALLS_APART_MS;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use tokio::time::Instant;

/// The longest pause before a first repetition; it doubles with each further one.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(20);

/// How often a session has tried a repetition.
#[derive(Clone, Copy)]
pub struct Tried {
    /// With the attempt in progress, from 1.
    pub attempts: u32,
    /// Attempts before it that met a throttle: they tell nothing of how the repetition starts or
    /// answers.
    pub throttled: u32,
}

impl Tried {
    /// Of a pass that is made once, whatever comes of it.
    pub const ONCE: Self = Self {
        attempts: u32::MAX,
        throttled: 0,
    };

    pub const fn is_once(self) -> bool {
        self.attempts == Self::ONCE.attempts
    }

    /// Says whether a repetition that ended so is tried again in this session; if not, its last
    /// attempt stands, whatever it was.
    pub const fn once_more(self, again: Again) -> bool {
        match again {
            // To ask for another start costs an invocation each time, and a handler that dies is
            // never warm.
            Again::WrongStart | Again::Proactive | Again::Unanswered => {
                self.attempts - self.throttled < 5
            }
            // A limit on what runs at once may take a minute to give way.
            Again::Throttled => self.attempts < 8,
        }
    }
}

/// Draws pauses: anything up to a bound that doubles ("full jitter"), so that callers that were
/// refused together do not come back together. The same seed draws the same pauses.
pub struct Pauses {
    generator: ChaCha20Rng,
}

impl Pauses {
    pub fn new(seed: u64) -> Self {
        Self {
            generator: ChaCha20Rng::seed_from_u64(seed),
        }
    }

    /// Returns how long to wait before the attempt after the `tried`-th. Another start is asked for
    /// at once.
    pub fn before_next(&mut self, tried: u32, again: Again) -> Duration {
        if matches!(again, Again::WrongStart | Again::Proactive) {
            return Duration::ZERO;
        }
        let bound = FIRST
            .saturating_mul(1 << tried.saturating_sub(1).min(16))
            .min(LONGEST);
        bound.mul_f64(f64::from(self.generator.next_u32()) / f64::from(u32::MAX))
    }
}

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
}

impl ControlPace {
    /// For a cloud that takes as many as come.
    pub const fn unbounded() -> Self {
        Self {
            calls: Pace::new(Duration::ZERO),
            get_function: Pace::new(Duration::ZERO),
        }
    }

    /// A little slower than AWS allows, 15 and 100 calls a second: others of the account call too.
    /// Source: AWS Lambda developer guide, "Lambda quotas", API requests.
    pub const fn of_aws() -> Self {
        Self {
            calls: Pace::new(Duration::from_millis(CONTROL_CALLS_APART_MS)),
            get_function: Pace::new(Duration::from_millis(12)),
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

    #[test]
    fn throttles_take_no_attempt_from_a_start_that_was_not_asked_for() {
        let after = |attempts, throttled| Tried {
            attempts,
            throttled,
        };
        assert!(
            after(4, 0).once_more(Again::WrongStart) && !after(5, 0).once_more(Again::WrongStart)
        );
        assert!(
            after(11, 7).once_more(Again::WrongStart) && !after(12, 7).once_more(Again::WrongStart)
        );
        assert!(
            after(7, 7).once_more(Again::Throttled) && !after(8, 7).once_more(Again::Throttled)
        );
        assert!(
            ![
                Again::Throttled,
                Again::WrongStart,
                Again::Proactive,
                Again::Unanswered
            ]
            .map(|it| Tried::ONCE.once_more(it))
            .contains(&true)
        );
    }

    #[test]
    fn pauses_are_drawn_from_the_seed_within_a_bound_that_doubles_to_its_end() {
        let draw = |seed| {
            let mut pauses = Pauses::new(seed);
            (1..=10)
                .map(|tried| pauses.before_next(tried, Again::Throttled))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        for seed in 0..200 {
            for (tried, pause) in (1_u32..).zip(draw(seed)) {
                assert!(
                    pause <= (FIRST * 2_u32.pow(tried - 1)).min(LONGEST),
                    "{tried}: {pause:?}"
                );
            }
        }
        let long = (0..200)
            .filter(|seed| draw(*seed)[7] > Duration::from_secs(10))
            .count();
        assert!(
            (60..140).contains(&long),
            "half of the pauses are in the upper half: {long} of 200"
        );
        assert_eq!(
            Pauses::new(1).before_next(3, Again::WrongStart),
            Duration::ZERO
        );
    }
}
