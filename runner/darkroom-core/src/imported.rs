//! Measurements of another tool, as facts of a run. A value that it did not record is `None`.

use serde::{Deserialize, Serialize};

use crate::event::{PassKey, Status};

/// Target of runs whose rows were measured elsewhere.
pub const IMPORTED: &str = "imported";

/// Where imported rows come from, and what was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultsImported {
    pub at: String,
    pub files: Vec<ImportedFile>,
    /// Columns of the files that no field of the map names.
    pub unused_columns: Vec<String>,
    /// Who judged the outputs, in words; `None` where the files do not say which were right.
    #[serde(default)]
    pub outputs_checked_by: Option<String>,
    /// Rows that were not taken, every one.
    pub refused: Vec<RefusedRow>,
}

/// One file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedFile {
    pub name: String,
    /// Hex.
    pub sha256: String,
    pub rows: usize,
    pub taken: usize,
}

/// A row that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRow {
    /// For example `results.csv:12`.
    pub at: String,
    pub reason: String,
}

/// One invocation that another harness measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportedRow {
    #[serde(flatten)]
    pub pass: PassKey,
    pub stage: String,
    /// Position among the imported rows, from 0.
    pub sequence: u64,
    /// Where it stood, for example `results.csv:12`.
    pub from: String,
    pub started_at: Option<String>,
    pub status: Status,
    /// `None` where it failed.
    pub duration_ms: Option<f64>,
    pub billed_ms: Option<u64>,
    pub init_ms: Option<f64>,
    pub cold: Option<bool>,
    pub max_memory_mb: Option<u32>,
    pub client_ms: Option<f64>,
    pub handler_reported_ms: Option<f64>,
    /// Of the pass that the row belongs to.
    pub turnaround_s: Option<f64>,
    pub error_type: Option<String>,
    pub error: Option<String>,
    pub request_id: Option<String>,
    pub environment_id: Option<String>,
    pub cpu_model: Option<String>,
    /// Whether its output was right, as the other harness judged it.
    #[serde(default)]
    pub output_ok: Option<bool>,
}
