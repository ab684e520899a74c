//! The order of a run's passes, from the seed; and what is left of it after a journal.
//!
//! Counts and a seed → [`PlannedPass`]es. Pure and lazy: it holds one block at a time, and the same
//! seed gives the same order on every machine and in every version. Cells are numbers here.
//! `session` adds warm-ups, renewals and looks; `queue` says which passes a lane takes.
//!
//! Interleaved is RMIT (randomised multiple interleaved trials): block r holds repetition r of
//! every (cell, deployment, image), in a fresh Fisher-Yates order. Measuring one cell after another
//! would confound cell with hour.

pub mod lanes;
mod order;
mod probes;
mod queue;
mod session;
mod shuffle;
pub mod simulated;

pub use order::{CellShape, PlannedPass, Schedule};
pub use probes::{FEWEST_PASSES, probes};
pub use queue::{Next, PassBatch, Queue};
pub use session::Step;

#[cfg(test)]
mod tests;
