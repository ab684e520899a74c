//! Decides which facts of a run count, and as what. No other code does.
//!
//! [`Event`](crate::event::Event)s in, one at a time; out: what each attempt and each of its rows
//! counts as ([`CountsAs`]), which repetitions are done, and the number of the next attempt.
//! Resume, `until`, progress and the tables ask it. It keeps a small entry for each attempt, and
//! knows nothing about times, costs or statistics.

mod attempts;
mod counting;
mod start;

pub use attempts::{AttemptId, Ledger, Repetition};
pub use counting::{CountsAs, Ending};
pub use start::{LONGEST_GAP_MS, LONGEST_INIT_MS, StartKind, init_gap_ms};

#[cfg(test)]
mod tests;
