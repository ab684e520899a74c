//! All functions and layers, in memory, and their copy on disk.
//!
//! The lock is held only for lookups and changes, never across an await. A change marks the store
//! as changed; one task writes it to disk, so no request waits for the disk, and a burst of changes
//! is written once.

use super::code::Code;
use super::error::{ApiError, ApiResult};
use super::function::{Function, Statement};
use super::names::{FunctionRef, Home};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The form in which records are written. Raised when an older program could not read what a newer
/// one writes; fields that may be absent need no raise.
const FORMAT: u32 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Records {
    /// See [`FORMAT`]; 1 when absent.
    #[serde(default = "first_format")]
    format: u32,
    pub functions: BTreeMap<String, Function>,
    pub layers: BTreeMap<String, Layer>,
}

/// A layer: its versions, by number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Layer {
    pub versions: BTreeMap<u64, LayerVersion>,
    /// Numbers are never reused.
    pub next_version: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LayerVersion {
    pub number: u64,
    pub code: Code,
    pub description: String,
    pub license: Option<String>,
    pub created: String,
    /// `None` when not given: then the API doesn't show it.
    pub architectures: Option<Vec<String>>,
    pub runtimes: Option<Vec<String>>,
    pub policy: Vec<Statement>,
    pub policy_revision: String,
}

fn first_format() -> u32 {
    1
}

impl Default for Records {
    fn default() -> Self {
        Self {
            format: FORMAT,
            functions: BTreeMap::new(),
            layers: BTreeMap::new(),
        }
    }
}

impl Records {
    /// Returns the function, or AWS's error for one that isn't there, which names what was asked
    /// for.
    pub fn function(&mut self, home: &Home, wanted: &FunctionRef) -> ApiResult<&mut Function> {
        let missing = || ApiError::function_not_found(&wanted.arn(home));
        self.functions.get_mut(&wanted.name).ok_or_else(missing)
    }

    pub fn layer_version(&self, name: &str, number: u64) -> Option<&LayerVersion> {
        self.layers.get(name)?.versions.get(&number)
    }

    /// Bytes of all zips that count against the account.
    pub fn total_code_size(&self) -> u64 {
        let functions: u64 = self.functions.values().map(Function::code_size).sum();
        let layers = self
            .layers
            .values()
            .flat_map(|layer| layer.versions.values());
        functions + layers.map(|version| version.code.size).sum::<u64>()
    }
}

/// The records behind their lock, with the task that writes them down.
pub(crate) struct FunctionStore {
    records: Arc<Mutex<Records>>,
    dirty: Arc<Notify>,
    file: Arc<Mutex<PathBuf>>,
    writer: JoinHandle<()>,
}

impl FunctionStore {
    /// Loads `file`, or starts empty if there is none.
    pub fn open(file: PathBuf) -> Result<Self, UnreadableStore> {
        let records = match std::fs::read(&file) {
            Ok(json) => read(&json)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Records::default(),
            Err(error) => return Err(error.into()),
        };
        let records = Arc::new(Mutex::new(records));
        let dirty = Arc::new(Notify::new());
        // One writer at a time, each with what the records are by then: an older state never
        // replaces a newer one.
        let file = Arc::new(Mutex::new(file));
        let writer = tokio::spawn(write_when_dirty(
            Arc::clone(&records),
            Arc::clone(&dirty),
            Arc::clone(&file),
        ));
        Ok(Self {
            records,
            dirty,
            file,
            writer,
        })
    }

    /// Locks the records for reading, or for changes that need not be written down.
    pub fn read(&self) -> MutexGuard<'_, Records> {
        lock(&self.records)
    }

    /// Locks the records for a change, which will be written down.
    pub fn change(&self) -> RecordsChange<'_> {
        RecordsChange {
            records: lock(&self.records),
            dirty: &self.dirty,
        }
    }

    /// Writes the last changes down. Later ones are lost.
    pub async fn close(&self) -> io::Result<()> {
        self.writer.abort();
        let (records, file) = (Arc::clone(&self.records), Arc::clone(&self.file));
        tokio::task::spawn_blocking(move || write(&records, &file))
            .await
            .map_err(io::Error::other)?
    }
}

/// Why the file of the functions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableStore {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Damaged(#[from] serde_json::Error),
    #[error("it has format {format}, but this program reads up to {FORMAT}")]
    TooNew { format: u32 },
}

fn read(json: &[u8]) -> Result<Records, UnreadableStore> {
    let records: Records = serde_json::from_slice(json)?;
    if records.format > FORMAT {
        return Err(UnreadableStore::TooNew {
            format: records.format,
        });
    }
    Ok(records)
}

/// The records locked for a change; marks them dirty when it ends, so that what is written down has
/// the change in it.
pub(crate) struct RecordsChange<'a> {
    records: MutexGuard<'a, Records>,
    dirty: &'a Notify,
}

impl Deref for RecordsChange<'_> {
    type Target = Records;
    fn deref(&self) -> &Records {
        &self.records
    }
}

impl DerefMut for RecordsChange<'_> {
    fn deref_mut(&mut self) -> &mut Records {
        &mut self.records
    }
}

impl Drop for RecordsChange<'_> {
    fn drop(&mut self) {
        self.dirty.notify_one();
    }
}

/// A panic while the lock was held left whole records behind: each change is one assignment or
/// insertion.
fn lock(records: &Mutex<Records>) -> MutexGuard<'_, Records> {
    records.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(records: &Mutex<Records>, file: &Mutex<PathBuf>) -> io::Result<()> {
    let file = file.lock().unwrap_or_else(PoisonError::into_inner);
    let json = serde_json::to_vec(&*lock(records)).map_err(io::Error::other)?;
    replace(&file, &json)
}

async fn write_when_dirty(
    records: Arc<Mutex<Records>>,
    dirty: Arc<Notify>,
    file: Arc<Mutex<PathBuf>>,
) {
    loop {
        dirty.notified().await;
        let (records, file) = (Arc::clone(&records), Arc::clone(&file));
        let written = tokio::task::spawn_blocking(move || write(&records, &file)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("cannot write the function store: {error}"),
            Err(error) => tracing::warn!("cannot write the function store: {error}"),
        }
    }
}

/// Replaces a file in one step: a reader, or a restart after a crash, sees the old or the new one.
fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut partial = tempfile::NamedTempFile::new_in(folder)?;
    partial.write_all(content)?;
    partial.persist(file).map_err(|error| error.error)?;
    Ok(())
}

/// A policy document as the API gives it: JSON in a string.
pub(crate) fn policy_document(statements: &[Statement]) -> String {
    let statements: Vec<&Value> = statements.iter().map(|statement| &statement.body).collect();
    serde_json::json!({ "Version": "2012-10-17", "Id": "default", "Statement": statements })
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused_and_an_absent_one_is_the_first() {
        assert!(read(br#"{"functions":{},"layers":{}}"#).is_ok());
        assert!(
            read(br#"{"format":99,"functions":{},"layers":{}}"#)
                .unwrap_err()
                .to_string()
                .contains("format 99")
        );
    }

    #[tokio::test]
    async fn what_is_changed_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("functions.json");
        let store = FunctionStore::open(file.clone()).unwrap();
        let function = super::super::function::tests::function();
        store.change().functions.insert("f".to_owned(), function);
        store.close().await.unwrap();
        assert!(
            FunctionStore::open(file)
                .unwrap()
                .read()
                .functions
                .contains_key("f")
        );
    }
}
