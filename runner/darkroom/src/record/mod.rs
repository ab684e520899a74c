//! What a run leaves behind: its folder, its lock, its journal.
//!
//! Owns the files under `outputs/`; knows nothing of clouds and draws no conclusions (that is
//! `darkroom-tables`).

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
