//! Log groups, streams and events: one append-only file of JSON lines, and an index in memory.
//!
//! Every change is a line, and opening replays the lines. An event takes 24 bytes of memory; its
//! text is read from the file. Lines are buffered. They are written at [`BUFFER`] bytes, with the
//! first line a second after the last write, before a read, and on drop; a `kill -9` loses the
//! lines since then.

mod compact;

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::reader::{Reader, Window};
use crate::disk;

/// Lines are written to the file in pieces of about this many bytes.
const BUFFER: usize = 64 * 1024;
/// Or with the first line after this time: what a killed run's next session may look up.
const FLUSH_AFTER_MS: i64 = 20;
/// A read takes this many bytes at once, since neighbouring events are read together.
const WINDOW: usize = 64 * 1024;

/// What can go wrong with a request for logs.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LogError {
    #[error("The specified log group does not exist.")]
    NoSuchGroup,
    #[error("The specified log stream does not exist.")]
    NoSuchStream,
    #[error("The specified log group already exists")]
    GroupExists,
    #[error("The specified log stream already exists")]
    StreamExists,
    #[error("the log file cannot be read or written: {0}")]
    Disk(String),
}

/// All groups, by name.
#[derive(Debug)]
pub struct LogStore(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    groups: BTreeMap<String, LogGroup>,
    /// Streams that went with their group. What an environment of before still says has nowhere to
    /// go: it made its stream once, and does not make the group again.
    gone: HashSet<(String, String)>,
    file: File,
    folder: PathBuf,
    /// What must stay free on the disk, bytes.
    reserve: u64,
    /// Bytes of lines that are in the file.
    written: u64,
    /// Lines that are not.
    buffer: Vec<u8>,
    /// When lines were last written, in milliseconds since the epoch.
    flushed_ms: i64,
    /// The last thing that the disk refused; reads then say so.
    failure: Option<String>,
}

/// One log group.
#[derive(Debug, Clone, Default)]
pub struct LogGroup {
    pub created_ms: i64,
    pub retention_days: Option<i64>,
    pub tags: BTreeMap<String, String>,
    pub class: Option<String>,
    pub streams: BTreeMap<String, Stream>,
}

/// One log stream: where its events are.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    pub created_ms: i64,
    pub last_ingestion_ms: Option<i64>,
    /// In order of [`Entry::key`].
    entries: Arc<Vec<Entry>>,
}

/// Where one event's line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub timestamp_ms: i64,
    pub offset: u64,
    pub length: u32,
    pub lag_ms: u32,
}

/// Orders events by time, then by arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub timestamp_ms: i64,
    pub offset: u64,
}

/// One event as it was logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    pub key: Key,
    pub ingestion_ms: i64,
    pub message: String,
}

impl Entry {
    pub fn key(&self) -> Key {
        Key {
            timestamp_ms: self.timestamp_ms,
            offset: self.offset,
        }
    }
}

impl Stream {
    pub fn first_event_ms(&self) -> Option<i64> {
        self.entries.first().map(|entry| entry.timestamp_ms)
    }

    pub fn last_event_ms(&self) -> Option<i64> {
        self.entries.last().map(|entry| entry.timestamp_ms)
    }

    fn add(&mut self, entry: Entry) {
        self.last_ingestion_ms = Some(entry.timestamp_ms + i64::from(entry.lag_ms));
        let entries = Arc::make_mut(&mut self.entries);
        let at = entries.partition_point(|earlier| earlier.key() < entry.key());
        entries.insert(at, entry);
    }
}

/// One line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line<'a> {
    Group {
        name: &'a str,
        at: i64,
        class: Option<String>,
    },
    GroupGone {
        name: &'a str,
    },
    Retention {
        name: &'a str,
        days: Option<i64>,
    },
    Tags {
        name: &'a str,
        tags: BTreeMap<String, String>,
    },
    Stream {
        group: &'a str,
        name: &'a str,
        at: i64,
    },
    StreamGone {
        group: &'a str,
        name: &'a str,
    },
    Event {
        #[serde(borrow)]
        group: std::borrow::Cow<'a, str>,
        #[serde(borrow)]
        stream: std::borrow::Cow<'a, str>,
        t: i64,
        lag: u32,
        #[serde(borrow)]
        m: std::borrow::Cow<'a, str>,
    },
}

impl LogStore {
    /// Opens `<folder>/logs.ndjson`. A last line that was cut short is dropped, and so is what no
    /// longer counts.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join("logs.ndjson");
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        let mut inner = Inner {
            groups: BTreeMap::new(),
            gone: HashSet::new(),
            file,
            folder: folder.to_owned(),
            reserve: disk::RESERVE,
            written: 0,
            buffer: Vec::new(),
            flushed_ms: 0,
            failure: None,
        };
        inner.replay()?;
        inner.tidy(&path, now_ms())?;
        Ok(Self(Mutex::new(inner)))
    }

    /// Adds one event, making group and stream if they are not there and never were. Fails only
    /// silently: see [`Inner::failure`].
    pub fn append(&self, group: &str, stream: &str, timestamp_ms: i64, message: &str) {
        let now = now_ms();
        let mut inner = self.0.lock();
        if inner.failure.is_some() {
            return;
        }
        if !inner.gone.is_empty() && inner.gone.contains(&(group.to_owned(), stream.to_owned())) {
            return;
        }
        inner.ensure(group, stream, now);
        inner.event(group, stream, timestamp_ms, now, message);
        inner.flush_if_due(now);
    }

    /// Adds events to a stream that must exist.
    pub fn put(&self, group: &str, stream: &str, events: &[(i64, String)]) -> Result<(), LogError> {
        let now = now_ms();
        let mut inner = self.0.lock();
        inner.stream(group, stream)?;
        for (timestamp_ms, message) in events {
            inner.event(group, stream, *timestamp_ms, now, message);
        }
        inner.flush_if_due(now);
        Ok(())
    }

    pub fn create_group(
        &self,
        name: &str,
        class: Option<String>,
        tags: BTreeMap<String, String>,
    ) -> Result<(), LogError> {
        let mut inner = self.0.lock();
        if inner.groups.contains_key(name) {
            return Err(LogError::GroupExists);
        }
        inner.write(&Line::Group {
            name,
            at: now_ms(),
            class,
        });
        if !tags.is_empty() {
            inner.write(&Line::Tags { name, tags });
        }
        Ok(())
    }

    pub fn delete_group(&self, name: &str) -> Result<(), LogError> {
        self.change_group(name, |_| Line::GroupGone { name })
    }

    pub fn set_retention(&self, name: &str, days: Option<i64>) -> Result<(), LogError> {
        self.change_group(name, |_| Line::Retention { name, days })
    }

    pub fn change_tags(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<(), LogError> {
        self.change_group(name, |group| {
            let mut tags = group.tags.clone();
            change(&mut tags);
            Line::Tags { name, tags }
        })
    }

    fn change_group<'a>(
        &self,
        name: &str,
        line: impl FnOnce(&LogGroup) -> Line<'a>,
    ) -> Result<(), LogError> {
        let mut inner = self.0.lock();
        let line = line(inner.groups.get(name).ok_or(LogError::NoSuchGroup)?);
        inner.write(&line);
        Ok(())
    }

    pub fn create_stream(&self, group: &str, name: &str) -> Result<(), LogError> {
        let mut inner = self.0.lock();
        match inner.stream(group, name) {
            Ok(_) => Err(LogError::StreamExists),
            Err(LogError::NoSuchStream) => {
                inner.write(&Line::Stream {
                    group,
                    name,
                    at: now_ms(),
                });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    pub fn delete_stream(&self, group: &str, name: &str) -> Result<(), LogError> {
        let mut inner = self.0.lock();
        inner.stream(group, name)?;
        inner.write(&Line::StreamGone { group, name });
        Ok(())
    }

    /// Gives every group to a reader, by name.
    pub fn with_groups<T>(&self, read: impl FnOnce(&BTreeMap<String, LogGroup>) -> T) -> T {
        read(&self.0.lock().groups)
    }

    pub fn with_group<T>(
        &self,
        name: &str,
        read: impl FnOnce(&LogGroup) -> T,
    ) -> Result<T, LogError> {
        self.0
            .lock()
            .groups
            .get(name)
            .map(read)
            .ok_or(LogError::NoSuchGroup)
    }

    /// Returns a reader of one stream as it is now.
    pub fn stream(&self, group: &str, stream: &str) -> Result<Reader<'_>, LogError> {
        let entries = Arc::clone(&self.0.lock().stream(group, stream)?.entries);
        Ok(Reader::new(self, entries))
    }

    pub fn flush(&self) {
        self.0.lock().flush();
    }

    /// Reads the file from an entry on, as far as a window goes.
    pub fn read_window(&self, entry: &Entry, window: &mut Window) -> Result<(), LogError> {
        let mut inner = self.0.lock();
        if entry.offset + u64::from(entry.length) > inner.written {
            inner.flush();
        }
        if let Some(failure) = &inner.failure {
            return Err(LogError::Disk(failure.clone()));
        }
        let left =
            usize::try_from(inner.written.saturating_sub(entry.offset)).unwrap_or(usize::MAX);
        window
            .bytes
            .resize(left.min(WINDOW.max(entry.length as usize)), 0);
        window.start = entry.offset;
        let read = inner.file.read_exact_at(&mut window.bytes, entry.offset);
        read.map_err(|error| LogError::Disk(error.to_string()))
    }
}

impl Drop for LogStore {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Inner {
    fn stream(&self, group: &str, stream: &str) -> Result<&Stream, LogError> {
        self.groups
            .get(group)
            .ok_or(LogError::NoSuchGroup)?
            .streams
            .get(stream)
            .ok_or(LogError::NoSuchStream)
    }

    fn ensure(&mut self, group: &str, stream: &str, now: i64) {
        match self.stream(group, stream) {
            Ok(_) => return,
            Err(LogError::NoSuchGroup) => self.write(&Line::Group {
                name: group,
                at: now,
                class: None,
            }),
            Err(_) => {}
        }
        self.write(&Line::Stream {
            group,
            name: stream,
            at: now,
        });
    }

    fn event(&mut self, group: &str, stream: &str, timestamp_ms: i64, now: i64, message: &str) {
        let lag = u32::try_from(now.saturating_sub(timestamp_ms)).unwrap_or(0);
        self.write(&Line::Event {
            group: group.into(),
            stream: stream.into(),
            t: timestamp_ms,
            lag,
            m: message.into(),
        });
    }

    /// Appends a line to the buffer, and does what it says to the index.
    fn write(&mut self, line: &Line<'_>) {
        let offset = self.written + self.buffer.len() as u64;
        serde_json::to_writer(&mut self.buffer, line)
            .expect("plain data with text keys is always JSON");
        self.buffer.push(b'\n');
        let length = self.written + self.buffer.len() as u64 - offset;
        self.apply(line, offset, length);
    }

    fn apply(&mut self, line: &Line<'_>, offset: u64, length: u64) {
        match line {
            Line::Group { name, at, class } => {
                let group = LogGroup {
                    created_ms: *at,
                    class: class.clone(),
                    ..LogGroup::default()
                };
                self.groups.insert((*name).to_owned(), group);
            }
            Line::GroupGone { name } => {
                let streams = self
                    .groups
                    .remove(*name)
                    .map(|group| group.streams)
                    .unwrap_or_default();
                self.gone.extend(
                    streams
                        .into_keys()
                        .map(|stream| ((*name).to_owned(), stream)),
                );
            }
            Line::Retention { name, days } => {
                self.on_group(name, |group| group.retention_days = *days);
            }
            Line::Tags { name, tags } => self.on_group(name, |group| group.tags.clone_from(tags)),
            Line::Stream { group, name, at } => self.on_group(group, |group| {
                group.streams.insert(
                    (*name).to_owned(),
                    Stream {
                        created_ms: *at,
                        ..Stream::default()
                    },
                );
            }),
            Line::StreamGone { group, name } => {
                self.on_group(group, |group| drop(group.streams.remove(*name)));
            }
            Line::Event {
                group,
                stream,
                t,
                lag,
                ..
            } => {
                let stream = self
                    .groups
                    .get_mut(&**group)
                    .and_then(|group| group.streams.get_mut(&**stream));
                if let (Some(stream), Ok(length)) = (stream, u32::try_from(length)) {
                    stream.add(Entry {
                        timestamp_ms: *t,
                        offset,
                        length,
                        lag_ms: *lag,
                    });
                }
            }
        }
    }

    fn on_group(&mut self, name: &str, change: impl FnOnce(&mut LogGroup)) {
        if let Some(group) = self.groups.get_mut(name) {
            change(group);
        }
    }

    fn flush_if_due(&mut self, now: i64) {
        if self.buffer.len() >= BUFFER || now - self.flushed_ms >= FLUSH_AFTER_MS {
            self.flushed_ms = now;
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let room = disk::leaves(&self.folder, self.reserve);
        if let Err(error) = room.and_then(|()| self.file.write_all_at(&self.buffer, self.written)) {
            self.failure = Some(error.to_string());
        }
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
    }

    fn replay(&mut self) -> io::Result<()> {
        let mut reader = io::BufReader::with_capacity(1024 * 1024, self.file.try_clone()?);
        let mut text = Vec::new();
        loop {
            text.clear();
            let read = io::BufRead::read_until(&mut reader, b'\n', &mut text)?;
            let whole = text.last() == Some(&b'\n');
            if let (true, Ok(line)) = (whole, serde_json::from_slice::<Line<'_>>(&text)) {
                self.apply(&line, self.written, read as u64);
            }
            if !whole {
                // The end, or a line that was cut short: what comes next is written over it.
                return self.file.set_len(self.written);
            }
            self.written += read as u64;
        }
    }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn messages(store: &LogStore, group: &str, stream: &str) -> Vec<String> {
        let (reader, mut window) = (store.stream(group, stream).unwrap(), Window::default());
        (0..reader.len())
            .map(|index| reader.event(index, &mut window).unwrap().message)
            .collect()
    }

    #[test]
    fn events_come_back_in_order_of_time_then_arrival() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = LogStore::open(folder.path()).unwrap();
        for (at, message) in [(2, "b"), (1, "a"), (2, "c\n\u{0}\"")] {
            store.append("g", "s", at, message);
        }
        assert_eq!(messages(&store, "g", "s"), ["a", "b", "c\n\u{0}\""]);
    }

    #[test]
    fn before_the_disk_is_full_nothing_more_is_written_and_reads_say_so() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = LogStore::open(folder.path()).unwrap();
        store.append("g", "s", 1, "kept");
        store.flush();
        store.0.lock().reserve = u64::MAX;
        let length = || {
            fs::metadata(folder.path().join("logs.ndjson"))
                .unwrap()
                .len()
        };
        let kept = length();
        for _ in 0..10_000 {
            store.append("g", "s", 2, "a line of a handler that prints without end");
        }
        store.flush();
        assert_eq!(length(), kept);
        let (reader, mut window) = (store.stream("g", "s").unwrap(), Window::default());
        let error = reader.event(0, &mut window).unwrap_err().to_string();
        assert!(error.contains("stops writing below"), "{error}");
    }

    #[test]
    fn everything_is_there_after_a_restart() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = LogStore::open(folder.path()).unwrap();
        // Of now: what is older than the group's retention is forgotten at the opening.
        let now = now_ms();
        for index in 0..3000 {
            store.append(
                "g",
                if index % 2 == 0 { "even" } else { "odd" },
                now + index,
                &format!("event {index}"),
            );
        }
        store.create_group("gone", None, BTreeMap::new()).unwrap();
        store.delete_group("gone").unwrap();
        store.set_retention("g", Some(7)).unwrap();
        drop(store);
        let store = LogStore::open(folder.path()).unwrap();
        let even = messages(&store, "g", "even");
        assert_eq!((even.len(), even[1499].as_str()), (1500, "event 2998"));
        assert_eq!(
            store.with_group("g", |group| group.retention_days),
            Ok(Some(7))
        );
        assert_eq!(store.with_group("gone", |_| ()), Err(LogError::NoSuchGroup));
    }

    #[test]
    fn a_last_line_that_was_cut_short_is_dropped() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = LogStore::open(folder.path()).unwrap();
        store.append("g", "s", 1, "first");
        store.append("g", "s", 2, "second");
        drop(store);
        let path = folder.path().join("logs.ndjson");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let store = LogStore::open(folder.path()).unwrap();
        store.append("g", "s", 3, "third");
        assert_eq!(messages(&store, "g", "s"), ["first", "third"]);
        drop(store);
        assert_eq!(
            messages(&LogStore::open(folder.path()).unwrap(), "g", "s"),
            ["first", "third"]
        );
    }

    #[test]
    fn a_deleted_group_takes_its_events_with_it() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = LogStore::open(folder.path()).unwrap();
        store.append("g", "s", 1, "old");
        store.delete_group("g").unwrap();
        store.append("g", "t", 2, "new");
        assert_eq!(messages(&store, "g", "t"), ["new"]);
    }

    #[test]
    fn a_late_line_of_a_stream_that_went_with_its_group_does_not_make_the_group_anew() {
        let folder = tempfile::tempdir().unwrap();
        let store = LogStore::open(folder.path()).unwrap();
        store.append("g", "s", 1, "before");
        store.delete_group("g").unwrap();
        store.append("g", "s", 2, "late");
        assert!(store.0.lock().groups.is_empty());
        store.append("g", "of a new environment", 3, "first");
        assert_eq!(store.0.lock().groups["g"].streams.len(), 1);
    }

    #[test]
    fn a_long_message_is_read_whole() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = LogStore::open(folder.path()).unwrap();
        let long = "x".repeat(3 * WINDOW);
        store.append("g", "s", 1, "before");
        store.append("g", "s", 2, &long);
        store.append("g", "s", 3, "after");
        assert_eq!(messages(&store, "g", "s"), ["before", &long, "after"]);
    }
}
