//! Starts the threads for asynchronous work: the only file that builds a Tokio runtime.

use tokio::runtime::{Builder, Runtime};

use crate::exit::Failure;

/// Returns a runtime with one worker thread for each processor, and with clocks and sockets.
pub fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::broken(miette::miette!(
                help =
                    "close other programs, or raise this user's limit on processes (`ulimit -u`)",
                "cannot start threads: {error}"
            ))
        })
}
