//! When a pass is repeated, how often, and after which pause.

use std::time::Duration;

use darkroom_core::event::Again;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

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

#[cfg(test)]
mod tests {
    use super::*;

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
