//! Frames → Parquet files with their provenance, each replaced as a whole or not at all.
//!
//! Written beside the target under a hidden name, flushed to disk, then renamed over it. A file
//! that was not finished is removed. Knows nothing of what the columns mean.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use darkroom_core::cost::{OF_TABLES, PriceTable};
use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{
    DataFrame, KeyValueMetadata, ParquetCompression, ParquetWriter, PolarsError, Schema,
};

use crate::columns::Table;
use crate::facts::JournalFacts;
use crate::frames::data_type;
use crate::sessions::Times;
use crate::{SCHEMA_VERSION, TableFile, TablesError};

/// One table's file in progress.
pub struct TableWriter {
    table: &'static Table,
    path: PathBuf,
    partial: Partial,
    file: File,
    writer: BatchedWriter<File>,
    rows: usize,
}

/// The hidden file, removed on drop unless it was renamed.
struct Partial(Option<PathBuf>);

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl TableWriter {
    /// Opens `<dir>/<table>.parquet` for replacement.
    pub fn create(
        dir: &Path,
        table: &'static Table,
        provenance: &[(String, String)],
    ) -> Result<Self, TablesError> {
        let path = dir.join(format!("{}.parquet", table.name));
        let hidden = dir.join(format!(
            ".{}.parquet.{}.partial",
            table.name,
            std::process::id()
        ));
        let io = |source| TablesError::Io {
            action: "create",
            path: path.clone(),
            source,
        };
        let file = File::create(&hidden).map_err(io)?;
        let partial = Partial(Some(hidden));
        let writer = ParquetWriter::new(file.try_clone().map_err(io)?)
            .with_compression(ParquetCompression::Zstd(None))
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(provenance.to_vec())))
            .batched(&schema(table))
            .map_err(|error| failed("create", &path, &error))?;
        Ok(Self {
            table,
            path,
            partial,
            file,
            writer,
            rows: 0,
        })
    }

    /// Appends the rows of `frame` as one row group.
    pub fn write(&mut self, mut frame: DataFrame) -> Result<(), TablesError> {
        frame.rechunk_mut();
        self.rows += frame.height();
        self.writer
            .write_batch(&frame)
            .map_err(|error| failed("write", &self.path, &error))
    }

    /// Puts the finished file in its place.
    pub fn finish(mut self) -> Result<TableFile, TablesError> {
        self.writer
            .finish()
            .map_err(|error| failed("write", &self.path, &error))?;
        let io = |source| TablesError::Io {
            action: "write",
            path: self.path.clone(),
            source,
        };
        self.file.sync_all().map_err(io)?;
        if let Some(partial) = &self.partial.0 {
            std::fs::rename(partial, &self.path).map_err(io)?;
        }
        self.partial.0 = None;
        Ok(TableFile {
            name: self.table.name.into(),
            path: self.path,
            rows: self.rows,
        })
    }
}

/// Writes a table that fits one frame.
pub fn write(
    dir: &Path,
    table: &'static Table,
    frame: DataFrame,
    provenance: &[(String, String)],
) -> Result<TableFile, TablesError> {
    let mut writer = TableWriter::create(dir, table, provenance)?;
    writer.write(frame)?;
    writer.finish()
}

/// Returns the key-value metadata of every table of a run.
pub fn provenance(facts: &JournalFacts, prices: &PriceTable) -> Vec<(String, String)> {
    let run = &facts.run;
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    let fixed = [
        ("schema_version", SCHEMA_VERSION.to_string()),
        ("run_id", run.run_id.clone()),
        ("experiment", run.experiment.clone()),
        ("pipeline", run.pipeline.clone()),
        ("seed", run.seed.to_string()),
        ("manifest_sha256", run.manifest_sha256.clone()),
        (
            "pipeline_sha256",
            run.pipeline_sha256.clone().unwrap_or_default(),
        ),
        (
            "code_sha256",
            json(serde_json::to_string(&facts.code_hashes())),
        ),
        ("version", run.darkroom_version.clone()),
        ("tables_version", env!("CARGO_PKG_VERSION").into()),
        ("machine", json(serde_json::to_string(&run.machine))),
        ("target", run.target.clone()),
        ("region", run.region.clone()),
        ("endpoint", run.endpoint.clone().unwrap_or_default()),
        ("transport", run.transport.as_str().to_owned()),
        ("isolation", run.isolation.clone()),
        ("order", run.order.clone()),
        ("price_region", prices.region.clone()),
        ("price_date", prices.date.clone()),
    ];
    let sessions = [
        ("sessions", json(serde_json::to_string(&facts.sessions))),
        (
            "measured",
            json(serde_json::to_string(&Times::of(facts).by_id(facts))),
        ),
    ];
    let until = run
        .until
        .map(|until| ("until", json(serde_json::to_string(&until))));
    let look = facts
        .last_look
        .as_ref()
        .map(|look| ("last_look", json(serde_json::to_string(look))));
    let imported = facts
        .imported
        .as_ref()
        .map(|imported| ("imported", json(serde_json::to_string(imported))));
    let damaged = (!facts.damaged.is_empty())
        .then(|| ("damaged", json(serde_json::to_string(&facts.damaged))));
    let unconfirmed = prices
        .unconfirmed(OF_TABLES)
        .map(|keys| ("prices_unconfirmed", keys));
    let not_checked = (!run.not_checked.is_empty())
        .then(|| ("not_checked", json(serde_json::to_string(&run.not_checked))));
    let pairs = fixed
        .into_iter()
        .chain(sessions)
        .chain(until)
        .chain(look)
        .chain(imported)
        .chain(damaged)
        .chain(unconfirmed);
    let vary_inputs = run.vary_inputs.then(|| ("vary_inputs", "true".to_owned()));
    let refused = crate::overview::refused_calls(facts);
    let refused =
        (!refused.is_empty()).then(|| ("refused_calls", json(serde_json::to_string(&refused))));
    let misdeeds = crate::overview::misdeeds(facts);
    let misdeeds =
        (!misdeeds.is_empty()).then(|| ("misdeeds", json(serde_json::to_string(&misdeeds))));
    let pairs = pairs
        .chain(not_checked)
        .chain(refused)
        .chain(misdeeds)
        .chain(vary_inputs);
    pairs
        .map(|(key, value)| (format!("darkroom.{key}"), value))
        .collect()
}

/// Returns `error`, said of a table file.
pub fn failed(action: &'static str, path: &Path, error: &PolarsError) -> TablesError {
    TablesError::Table {
        action,
        path: path.into(),
        message: error.to_string(),
    }
}

fn schema(table: &Table) -> Arc<Schema> {
    let fields = table
        .columns
        .iter()
        .map(|column| (column.name.into(), data_type(column.kind)));
    Arc::new(fields.collect())
}
