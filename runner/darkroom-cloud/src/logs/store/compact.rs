//! Rewrites the file without lines that no longer count: those of deleted groups and streams, and
//! events past their group's retention.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use super::{Inner, Line};

/// A file below this size is not worth the trouble, in bytes.
const WORTH_IT: u64 = 1024 * 1024;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Inner {
    /// Forgets the events that are too old at `now_ms`, and compacts the file at `path` if less
    /// than half of it counts.
    ///
    /// The new file takes the old one's place by a rename: a crash leaves one or the other.
    pub(super) fn tidy(&mut self, path: &Path, now_ms: i64) -> io::Result<()> {
        self.expire(now_ms);
        let streams = self
            .groups
            .values()
            .flat_map(|group| group.streams.values());
        let counts: u64 = streams
            .flat_map(|stream| stream.entries.iter())
            .map(|entry| u64::from(entry.length))
            .sum();
        if self.written < WORTH_IT || counts * 2 > self.written {
            return Ok(());
        }
        let new = path.with_extension("ndjson.new");
        self.write_anew(&new)?;
        fs::rename(&new, path)?;
        self.file = File::options().read(true).write(true).open(path)?;
        (self.groups, self.written) = (BTreeMap::new(), 0);
        self.replay()
    }

    fn expire(&mut self, now_ms: i64) {
        for group in self.groups.values_mut() {
            let Some(days) = group.retention_days else {
                continue;
            };
            for stream in group.streams.values_mut() {
                let kept = stream
                    .entries
                    .partition_point(|entry| entry.timestamp_ms < now_ms - days * DAY_MS);
                if kept > 0 {
                    Arc::make_mut(&mut stream.entries).drain(..kept);
                }
            }
        }
    }

    fn write_anew(&self, path: &Path) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        let line = |out: &mut BufWriter<File>, line: &Line<'_>| {
            serde_json::to_writer(&mut *out, line)?;
            out.write_all(b"\n")
        };
        let mut text = Vec::new();
        for (name, group) in &self.groups {
            line(
                &mut out,
                &Line::Group {
                    name,
                    at: group.created_ms,
                    class: group.class.clone(),
                },
            )?;
            if let Some(days) = group.retention_days {
                line(
                    &mut out,
                    &Line::Retention {
                        name,
                        days: Some(days),
                    },
                )?;
            }
            if !group.tags.is_empty() {
                line(
                    &mut out,
                    &Line::Tags {
                        name,
                        tags: group.tags.clone(),
                    },
                )?;
            }
            for (stream_name, stream) in &group.streams {
                line(
                    &mut out,
                    &Line::Stream {
                        group: name,
                        name: stream_name,
                        at: stream.created_ms,
                    },
                )?;
                for entry in stream.entries.iter() {
                    text.resize(entry.length as usize, 0);
                    self.file.read_exact_at(&mut text, entry.offset)?;
                    out.write_all(&text)?;
                }
            }
        }
        out.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::super::LogStore;
    use super::super::tests::messages;
    use super::*;

    #[test]
    fn what_was_deleted_leaves_the_file_at_the_next_opening() {
        let folder = tempfile::tempdir().unwrap();
        let size = || {
            fs::metadata(folder.path().join("logs.ndjson"))
                .unwrap()
                .len()
        };
        {
            let store = LogStore::open(folder.path()).unwrap();
            store.append("kept", "s", 1, "one");
            for number in 0..3 {
                store.append("gone", "s", number, &"x".repeat(WORTH_IT as usize / 2));
            }
            store.append("kept", "s", 2, "two");
            store.set_retention("kept", Some(3653)).unwrap();
            store.delete_group("gone").unwrap();
        }
        assert!(size() > WORTH_IT);
        let store = LogStore::open(folder.path()).unwrap();
        assert!(size() < 1000, "{}", size());
        assert!(store.with_group("gone", |_| ()).is_err());
        assert_eq!(
            store.with_group("kept", |group| group.retention_days),
            Ok(Some(3653))
        );
    }

    #[test]
    fn events_stay_in_order_and_new_ones_follow() {
        let folder = tempfile::tempdir().unwrap();
        let now = super::super::now_ms();
        {
            let store = LogStore::open(folder.path()).unwrap();
            store.append("g", "s", now - 1, "one");
            store.append("other", "s", now, &"x".repeat(2 * WORTH_IT as usize));
            store.append("g", "s", now, "two");
            store.delete_group("other").unwrap();
        }
        let store = LogStore::open(folder.path()).unwrap();
        store.append("g", "s", now + 1, "three");
        assert_eq!(messages(&store, "g", "s"), ["one", "two", "three"]);
    }

    #[test]
    fn events_older_than_their_group_keeps_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let now = super::super::now_ms();
        {
            let store = LogStore::open(folder.path()).unwrap();
            store.append("g", "s", now - 2 * DAY_MS, "old");
            store.append("g", "s", now, "new");
            store.set_retention("g", Some(1)).unwrap();
        }
        assert_eq!(
            messages(&LogStore::open(folder.path()).unwrap(), "g", "s"),
            ["new"]
        );
    }
}
