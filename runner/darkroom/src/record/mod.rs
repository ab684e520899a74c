//! A run's folder, its lock and its journal.
//!
//! Owns the files under `outputs/`. Knows nothing about clouds and draws no conclusions
//! (`darkroom-tables` does).

mod facts;
mod history;
pub mod journal;
mod recorder;
pub mod run_dir;

pub use facts::complete;
pub use history::{Earlier, History, running};
pub use journal::{Journal, JournalError, read};
pub use recorder::{Emitter, Recorder};
pub use run_dir::{RunDir, RunDirError};
