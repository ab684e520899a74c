//! CloudWatch metrics: observations gathered into one-minute sums, and read back as statistics.
//!
//! [`store`] gathers; [`statistics`] is the arithmetic; [`api`] answers in whichever of the three
//! protocols a client speaks ([`wire`]); [`emf`] finds metrics in log lines. Knows no function and
//! no experiment.

mod api;
mod emf;
mod expression;
mod service;
mod statistics;
mod store;
mod wire;

pub use service::Metrics;
pub(crate) use wire::query;
