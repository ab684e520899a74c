//! Decides at each look whether a run's intervals are narrow enough.
//!
//! [`Event`](crate::event::Event)s in, [`Look`](crate::event::Look) out. The [`crate::ledger`] says
//! what counts, as for the tables. A look uses whole blocks only, in an order of its own, so it
//! depends on the set of facts alone: a resumed run finds what it would have found without the
//! kill.
//!
//! Every cell is measured equally often. Three kinds of cells do not delay the end: those with wrong
//! outputs, which are never ranked, those with a stage without code, and those without any value at
//! the first look, which more repetitions will hardly give one.

mod watch;
mod words;

pub use watch::Watch;
pub use words::{asked, beside, rule_in_words};

#[cfg(test)]
mod tests;
