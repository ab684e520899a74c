//! Journal facts to Parquet tables, and the summary that the terminal shows. The only crate that names Polars, and it
//! names it only inside: nothing below has a Polars type in it.
//!
//! [`Event`]s → `invocations`, `pipelines`, `outputs` (facts with their derived columns) → `summary`, `costs`
//! (conclusions) → [`Summary`]. Needs the journal and a price table and nothing else; makes no call and reads no clock, so
//! the same journal gives the same rows byte for byte. What a column means is said once, in [`columns`].

mod summary;

use std::path::{Path, PathBuf};

use darkroom_core::cost::PriceTable;
use darkroom_core::event::Event;

pub use summary::{CellSummary, Failure, StageSummary, Statistic, Summary, TableFile, WrongOutput};

/// Version of the tables' columns, in every file's metadata. Raised when a column is added, removed or changes meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// Tables could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    #[error("journal does not start with `run_started`, so nothing says what run its facts belong to")]
    NoRunStarted,
    #[error("journal speaks of cell `{cell_id}`, which its `run_started` does not plan")]
    UnknownCell { cell_id: String },
    #[error("journal speaks of stage `{stage}` of cell `{cell_id}`, which its `run_started` does not list")]
    UnknownStage { cell_id: String, stage: String },
    #[error("`{value}` in the journal is not a UTC time such as 2026-11-24T18:00:00.000Z")]
    Timestamp { value: String },
    #[error("failed to {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("failed to {action} {}: {message}", path.display())]
    Table { action: &'static str, path: PathBuf, message: String },
}

/// Writes every table of a run into `out_dir` (made if absent) and returns what the terminal shows.
///
/// `events` are the journal's facts in their order; they are taken one by one and need not fit in memory. Each file is
/// replaced as a whole or not at all.
pub fn aggregate(
    events: impl Iterator<Item = Event>,
    prices: &PriceTable,
    out_dir: &Path,
) -> Result<Summary, TablesError> {
    let _ = (events, prices, out_dir);
    todo!("numbers: being built on this branch")
}
