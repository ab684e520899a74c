//! Reads events back: one stream as it was at one time, through pieces of the file that readers
//! share.

use std::sync::Arc;

use super::store::{Entry, Key, Line, LogError, LogEvent, LogStore};

/// A piece of the file that was read. Readers that go through the file side by side share one.
#[derive(Debug, Default)]
pub struct Window {
    pub bytes: Vec<u8>,
    pub start: u64,
}

impl Window {
    fn line(&self, entry: &Entry) -> Option<&[u8]> {
        let start = usize::try_from(entry.offset.checked_sub(self.start)?).ok()?;
        self.bytes.get(start..start + entry.length as usize)
    }
}

/// Reads one stream, as it was when the reader was made.
pub struct Reader<'a> {
    store: &'a LogStore,
    entries: Arc<Vec<Entry>>,
}

impl<'a> Reader<'a> {
    pub fn new(store: &'a LogStore, entries: Arc<Vec<Entry>>) -> Self {
        Self { store, entries }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn key(&self, index: usize) -> Key {
        self.entries[index].key()
    }

    /// Returns how long the event's line is: what its message takes, and about 100 bytes more.
    pub fn line_bytes(&self, index: usize) -> usize {
        self.entries[index].length as usize
    }

    /// Returns the index of the first event at or behind `key`.
    pub fn position(&self, key: Key) -> usize {
        self.entries.partition_point(|entry| entry.key() < key)
    }

    /// Returns the event at `index`, which must be below [`Reader::len`].
    pub fn event(&self, index: usize, window: &mut Window) -> Result<LogEvent, LogError> {
        let entry = self.entries[index];
        match serde_json::from_slice(self.line(&entry, window)?) {
            Ok(Line::Event { m, .. }) => Ok(LogEvent {
                key: entry.key(),
                ingestion_ms: entry.timestamp_ms + i64::from(entry.lag_ms),
                message: m.into_owned(),
            }),
            _ => Err(LogError::Disk(format!(
                "no event at byte {} of the log file",
                entry.offset
            ))),
        }
    }

    /// Tells whether all of `needles` stand in the line of the event at `index`.
    pub fn holds(
        &self,
        index: usize,
        needles: &[&str],
        window: &mut Window,
    ) -> Result<bool, LogError> {
        let line =
            std::str::from_utf8(self.line(&self.entries[index], window)?).unwrap_or_default();
        Ok(needles.iter().all(|needle| line.contains(needle)))
    }

    fn line<'w>(&self, entry: &Entry, window: &'w mut Window) -> Result<&'w [u8], LogError> {
        if window.line(entry).is_none() {
            self.store.read_window(entry, window)?;
        }
        Ok(window.line(entry).unwrap_or_default())
    }
}
