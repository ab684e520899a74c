//! The sandbox a handler runs in: what of the host it sees, how much it may use, and how it ends.

mod isolation;

pub use isolation::{Enforcement, Isolation, Limit};

use std::process::ExitCode;

/// Becomes the sandbox's first process if this program was started to be one.
///
/// Returns `None` in an ordinary start. The `main` of [`crate::lambda::environment::EnvironmentsConfig::sandbox_program`]
/// calls this before anything else and exits with the code it gives.
pub fn run_if_asked() -> Option<ExitCode> {
    None
}
