//! Runs every planned repetition and emits what it observes.
//!
//! Owns the timed part. Prints nothing, writes no file, draws no conclusion: facts go to an
//! [`Emitter`](crate::record::Emitter), and `aggregate` draws the conclusions. Knows endpoints and
//! functions, not which cloud is behind them.

mod cell_under_test;
mod clocks;
mod cold;
mod collect_logs;
mod dispatcher;
pub mod event_shape;
mod gate;
mod invoke;
mod late_time;
mod lateness;
mod log_lines;
mod loops;
mod money_budget;
mod not_ready;
mod now;
mod objects;
mod one_by_one;
mod own_image;
mod pacing;
mod pass;
mod payload;
mod pictures;
pub(crate) mod reconcile;
mod setup;
mod told_starts;
mod trigger_s3;
mod whole_logs;

pub use cell_under_test::{CellUnderTest, Function, Image};
pub use collect_logs::LogReader;
pub use dispatcher::{Ended, ExecuteError, Finished, Late, Stopping, execute};
pub use event_shape::GIVEN;
pub use money_budget::MoneyBudget;
pub use now::now;
pub use one_by_one::one_by_one;
pub use pictures::{Keep, Pictures};
pub use setup::{Patience, Setup};
