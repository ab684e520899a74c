//! Execution environments: from an accepted invocation to its answer, log lines and report.
//!
//! The control plane counts concurrency and resolves qualifiers, then calls
//! [`Environments::invoke`]. From there an invocation goes through `pool` (a free environment or a
//! new one) → `open` (`launch`, `layers`, then the sandbox) → `run` (init, event, answer) →
//! `lines`. This module never speaks the public Lambda API.

mod environments;
mod failure;
mod gauge;
mod launch;
mod layers;
mod lines;
mod open;
mod pool;
mod run;
mod types;

pub use environments::{Environments, EnvironmentsConfig, ServeConnection};
pub use launch::RUNTIME_API_ADDRESS;
pub use types::{
    DiscardLogs, FunctionSpec, InvokeOutcome, InvokeRequest, LogFormat, LogSink, MetricSink,
    Misdeed, Report, Status,
};
