//! The journal: one fact per line, only appended to.
//!
//! A line is written with one call, so a killed process leaves at most one torn line, the last.
//! Opening the journal for writing cuts that line off; reading skips it.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use darkroom_core::event::{Event, JOURNAL_VERSION};
use rayon::prelude::*;

/// Why a journal could not be written or read. Every case names the file.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum JournalError {
    #[error("cannot {action} the journal {}: {source}", path.display())]
    #[diagnostic(code(journal::io))]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{}:{line}: this version of Darkroom does not know this fact: {source}", path.display())]
    #[diagnostic(code(journal::line))]
    Line {
        path: PathBuf,
        line: usize,
        source: serde_json::Error,
    },
    #[error("{}: the journal has version {found}, but this Darkroom reads up to \
        {JOURNAL_VERSION}; use the version that wrote it", path.display())]
    #[diagnostic(code(journal::version))]
    Version { path: PathBuf, found: u32 },
    #[error("{}: the journal does not begin with its run", path.display())]
    #[diagnostic(code(journal::no_run))]
    NoRun { path: PathBuf },
}

/// An open journal, positioned at its end.
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Creates an empty journal; fails when one is there.
    pub fn create(path: &Path) -> Result<Self, JournalError> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)
            .map_err(|e| io_error("create", path, e))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Opens a journal to continue it, cutting off a last line that a kill left torn.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let fail = |e| io_error("open", path, e);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(path)
            .map_err(fail)?;
        let whole = length_of_whole_lines(&mut file).map_err(fail)?;
        file.set_len(whole).map_err(fail)?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Appends one fact as one line, handed to the operating system before this returns.
    pub fn append(&mut self, event: &Event) -> Result<(), JournalError> {
        let mut line = serde_json::to_vec(event)
            .expect("facts hold only strings, numbers and maps with string keys");
        line.push(b'\n');
        let start = self
            .file
            .metadata()
            .map_err(|e| io_error("write", &self.path, e))?
            .len();
        self.file.write_all(&line).map_err(|source| {
            // A full disk may have taken half a line: give it back, so that what was measured stays
            // readable.
            let _ = self.file.set_len(start);
            io_error("write", &self.path, source)
        })
    }

    /// Waits until what was appended is on the disk.
    pub fn sync(&self) -> Result<(), JournalError> {
        self.file
            .sync_data()
            .map_err(|e| io_error("flush", &self.path, e))
    }
}

/// Lines that are parsed together, on all cores.
const BATCH: usize = 4096;

/// Returns the facts in order. A torn last line is passed over; any other line that is not a fact
/// is an error.
pub fn read(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Event, JournalError>> + use<>, JournalError> {
    let file = File::open(path).map_err(|e| io_error("read", path, e))?;
    let mut lines = Lines {
        reader: BufReader::with_capacity(1 << 20, file),
        number: 0,
        over: false,
    };
    let path = path.to_owned();
    // Who wants only the first fact does not wait for thousands.
    let (mut ready, mut batch) = (VecDeque::new(), 1);
    Ok(std::iter::from_fn(move || {
        if ready.is_empty() {
            let taken: Vec<_> = lines.by_ref().take(batch).collect();
            batch = (batch * 4).min(BATCH);
            let parsed = taken.into_par_iter().map(|(number, line)| match line {
                Ok(line) => parse(&line, &path, number),
                Err(source) => Err(io_error("read", &path, source)),
            });
            ready = parsed.collect::<Vec<_>>().into();
        }
        ready.pop_front()
    }))
}

/// The whole lines of a file with their numbers, from 1, to the end or the first that can't be
/// read.
struct Lines {
    reader: BufReader<File>,
    number: usize,
    over: bool,
}

impl Iterator for Lines {
    type Item = (usize, io::Result<Vec<u8>>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let mut line = Vec::new();
        self.number += 1;
        match self.reader.read_until(b'\n', &mut line) {
            Ok(_) if line.last() == Some(&b'\n') => Some((self.number, Ok(line))),
            Ok(_) => None,
            Err(error) => {
                self.over = true;
                Some((self.number, Err(error)))
            }
        }
    }
}

fn parse(line: &[u8], path: &Path, number: usize) -> Result<Event, JournalError> {
    let event = Event::from_line(line).map_err(|source| JournalError::Line {
        path: path.to_owned(),
        line: number,
        source,
    })?;
    match (&event, number) {
        (Event::RunStarted(run), 1) if run.journal_version > JOURNAL_VERSION => {
            Err(JournalError::Version {
                path: path.to_owned(),
                found: run.journal_version,
            })
        }
        (Event::RunStarted(_), 1) => Ok(event),
        (_, 1) => Err(JournalError::NoRun {
            path: path.to_owned(),
        }),
        _ => Ok(event),
    }
}

fn length_of_whole_lines(file: &mut File) -> io::Result<u64> {
    const BLOCK: u64 = 1 << 16;
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        Read::by_ref(file)
            .take(end - start)
            .read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(at: &str) -> Event {
        Event::RunFinished { at: at.into() }
    }

    fn started() -> Event {
        serde_json::from_value(serde_json::json!({
            "event": "run_started", "journal_version": JOURNAL_VERSION, "run_id": "r", "at": "t", "experiment": "e",
            "pipeline": "p", "stages": [], "seed": 1, "target": "local", "region": "x", "isolation": "none",
            "manifest_sha256": "", "repetitions": 1, "warm_up": 0, "deployments": 1, "order": "interleaved",
            "cells": [], "image_sets": {}, "machine": {}, "darkroom_version": "0",
        }))
        .unwrap()
    }

    fn facts(path: &Path) -> Vec<Event> {
        read(path).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn a_torn_last_line_is_passed_over_and_cut_off_before_going_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.ndjson");
        let mut journal = Journal::create(&path).unwrap();
        journal.append(&started()).unwrap();
        journal.append(&finished("1")).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let last_line = whole.len()
            - 1
            - whole[..whole.len() - 1]
                .iter()
                .rposition(|byte| *byte == b'\n')
                .unwrap();
        for cut in 1..=last_line {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            assert_eq!(facts(&path), [started()]);
            Journal::open(&path)
                .unwrap()
                .append(&finished("2"))
                .unwrap();
            assert_eq!(facts(&path), [started(), finished("2")]);
        }
    }

    #[test]
    fn what_was_appended_stays_as_the_beginning_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.ndjson");
        let mut journal = Journal::create(&path).unwrap();
        journal.append(&started()).unwrap();
        let mut before = std::fs::read(&path).unwrap();
        for session in ["1", "2"] {
            let mut journal = Journal::open(&path).unwrap();
            journal.append(&finished(session)).unwrap();
            let after = std::fs::read(&path).unwrap();
            assert!(after.starts_with(&before) && after.len() > before.len());
            before = after;
        }
    }

    #[test]
    fn a_torn_line_longer_than_a_block_is_cut_off_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.ndjson");
        Journal::create(&path).unwrap().append(&started()).unwrap();
        let mut text = std::fs::read(&path).unwrap();
        text.extend(std::iter::repeat_n(b'x', 200_000));
        std::fs::write(&path, text).unwrap();
        Journal::open(&path).unwrap();
        assert_eq!(facts(&path), [started()]);
    }

    #[test]
    fn a_damaged_line_in_the_middle_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.ndjson");
        let mut journal = Journal::create(&path).unwrap();
        journal.append(&started()).unwrap();
        let mut text = std::fs::read(&path).unwrap();
        text.extend(b"{\"event\":\"run_fini\n{}\n");
        std::fs::write(&path, text).unwrap();
        let error = read(&path)
            .unwrap()
            .find_map(Result::err)
            .unwrap()
            .to_string();
        assert!(
            error.contains("journal.ndjson:2: this version of Darkroom does not know this fact"),
            "{error}"
        );
    }

    #[test]
    fn a_journal_is_never_created_over_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.ndjson");
        Journal::create(&path).unwrap();
        assert!(Journal::create(&path).is_err());
    }
}
