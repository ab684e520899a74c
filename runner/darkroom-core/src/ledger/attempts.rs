//! The ledger: every repetition of a run with its attempts, entered fact by fact.
//!
//! It answers which repetitions are done and which attempt is next. `counting.rs` decides what the
//! attempts and their rows count as.

use std::collections::HashMap;

use super::counting::Ending;
use super::start::StartKind;
use crate::cell::CellId;
use crate::event::{Again, Event, PassKey, PassKind, RunStarted};

/// An attempt's place in the order in which attempts were first heard of, from 0.
pub type AttemptId = u32;

/// What all attempts of one repetition have in common, its names as numbers of the ledger's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Repetition {
    /// Place in the run's cells.
    pub cell: u32,
    /// From 1.
    pub deployment: u32,
    /// [`Ledger::image`] says its name.
    pub image: u32,
    pub kind: PassKind,
    /// From 1.
    pub number: u32,
}

/// One attempt of one repetition.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own; none excludes another"
)]
pub(super) struct Attempt {
    pub(super) repetition: Repetition,
    pub(super) number: u32,
    /// How often the cell had been measured again (`--cell`) when the attempt was first heard of.
    pub(super) epoch: u32,
    /// An attempt of the same repetition that is not as late, by epoch and number.
    pub(super) before: Option<AttemptId>,
    /// No later one is known.
    pub(super) last: bool,
    /// `None`: cut off, or still in progress.
    pub(super) ended: Option<AttemptEnd>,
    /// A row ended well, but of another start than the cell asks for.
    pub(super) wrong_start: bool,
    /// A row ended well, in an environment that was initialised before the call.
    pub(super) proactive: bool,
    /// A row ended well, and nothing tells how it started.
    pub(super) no_report: bool,
    /// Another harness measured it, row by row.
    pub(super) imported: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct AttemptEnd {
    pub(super) complete: bool,
    pub(super) again: Option<Again>,
}

/// What the ledger knows of a repetition.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The latest attempt; `None` before its first fact.
    last: Option<AttemptId>,
    /// The highest number of an attempt so far, announced ones included.
    highest: u32,
    /// The epoch in which an attempt ended that need not be made again.
    done_in: Option<u32>,
}

/// The facts of a run as far as counting depends on them.
#[derive(Clone, Debug)]
pub struct Ledger {
    cells: HashMap<CellId, u32>,
    pub(super) books: Vec<Book>,
    images: HashMap<String, u32>,
    names: Vec<String>,
    repetitions: HashMap<Repetition, Entry>,
    pub(super) attempts: Vec<Attempt>,
}

/// What the ledger knows of a cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Book {
    pub(super) asked: StartKind,
    /// How often the cell was measured again.
    pub(super) epoch: u32,
}

impl Ledger {
    /// The ledger of a run of which nothing was observed.
    pub fn new(run: &RunStarted) -> Self {
        Self {
            cells: (0..)
                .zip(&run.cells)
                .map(|(place, planned)| (planned.id.clone(), place))
                .collect(),
            books: run
                .cells
                .iter()
                .map(|planned| Book {
                    asked: StartKind::asked(&planned.cell),
                    epoch: 0,
                })
                .collect(),
            images: HashMap::new(),
            names: Vec::new(),
            repetitions: HashMap::new(),
            attempts: Vec::new(),
        }
    }

    /// Takes one further fact into account. Returns the attempt that it is of; `None` for a fact of
    /// no attempt, or of a cell that the run does not have.
    pub fn take(&mut self, event: &Event) -> Option<AttemptId> {
        match event {
            Event::InvocationFinished(invocation) => {
                self.take_row(&invocation.pass, Ending::from(invocation))
            }
            Event::RowImported(row) => {
                let id = self.take_row(&row.pass, Ending::from(row))?;
                self.attempts[id as usize].imported = true;
                Some(id)
            }
            Event::OutputChecked(check) => self.attempt(&check.pass),
            Event::PipelineFinished(pass) => {
                let id = self.attempt(&pass.pass)?;
                self.end(id, pass.complete, pass.again);
                Some(id)
            }
            Event::CellsSuperseded { cells, .. } => {
                for cell in cells {
                    if let Some(place) = self.cells.get(cell) {
                        self.books[*place as usize].epoch += 1;
                    }
                }
                None
            }
            _ => None,
        }
    }

    /// Ends an attempt: after its last fact, where that does not say so itself.
    pub fn end(&mut self, id: AttemptId, complete: bool, again: Option<Again>) {
        let attempt = &mut self.attempts[id as usize];
        attempt.ended = Some(AttemptEnd { complete, again });
        if again.is_none()
            && let Some(entry) = self.repetitions.get_mut(&attempt.repetition)
        {
            entry.done_in = entry.done_in.max(Some(attempt.epoch));
        }
    }

    /// Counts an attempt that has begun and of which no fact is known yet.
    pub fn announce(&mut self, key: &PassKey) {
        if let Some(repetition) = self.repetition_of(key) {
            let entry = self.entry(repetition);
            entry.highest = entry.highest.max(key.attempt);
        }
    }

    /// Says whether an attempt of this key's repetition stands: ended, and not to be made again.
    /// Its `attempt` is not looked at.
    pub fn is_done(&self, key: &PassKey) -> bool {
        self.find(key)
            .is_some_and(|(entry, epoch)| entry.done_in == Some(epoch))
    }

    /// Returns the number of the next attempt of this key's repetition, from 1. Numbers continue
    /// where a cell is measured again.
    pub fn next_attempt(&self, key: &PassKey) -> u32 {
        self.find(key).map_or(1, |(entry, _)| entry.highest + 1)
    }

    /// Returns what an attempt is of.
    pub fn repetition(&self, id: AttemptId) -> Repetition {
        self.attempts[id as usize].repetition
    }

    /// Returns an attempt's number, from 1.
    pub fn number(&self, id: AttemptId) -> u32 {
        self.attempts[id as usize].number
    }

    /// Returns the names of all images, by their numbers.
    pub fn images(&self) -> &[String] {
        &self.names
    }

    /// Returns an image's name.
    pub fn image(&self, image: u32) -> &str {
        &self.names[image as usize]
    }

    fn take_row(&mut self, key: &PassKey, ending: Ending) -> Option<AttemptId> {
        let id = self.attempt(key)?;
        let wrong_start = self.is_wrong_start(id, ending);
        let attempt = &mut self.attempts[id as usize];
        attempt.wrong_start |= wrong_start;
        attempt.proactive |= ending.is_proactive();
        attempt.no_report |= ending.is_without_report();
        Some(id)
    }

    /// Finds the attempt of a key, or enters it.
    fn attempt(&mut self, key: &PassKey) -> Option<AttemptId> {
        let repetition = self.repetition_of(key)?;
        let epoch = self.books[repetition.cell as usize].epoch;
        let last = self.entry(repetition).last;
        let mut known = last;
        while let Some(id) = known {
            let attempt = &self.attempts[id as usize];
            if (attempt.epoch, attempt.number) == (epoch, key.attempt) {
                return Some(id);
            }
            known = attempt.before;
        }
        let id = self.attempts.len() as AttemptId;
        let later = |last: AttemptId| {
            let last = &self.attempts[last as usize];
            (last.epoch, last.number) < (epoch, key.attempt)
        };
        let is_last = last.is_none_or(later);
        self.attempts.push(Attempt {
            repetition,
            number: key.attempt,
            epoch,
            before: last,
            last: is_last,
            ended: None,
            wrong_start: false,
            proactive: false,
            no_report: false,
            imported: false,
        });
        if let Some(last) = last {
            self.link(last, id, is_last);
        }
        let entry = self.entry(repetition);
        entry.highest = entry.highest.max(key.attempt);
        if is_last {
            entry.last = Some(id);
        }
        Some(id)
    }

    /// Keeps the chain of attempts whole: a new one leads to the last, or stands behind it where it
    /// is not as late.
    fn link(&mut self, last: AttemptId, id: AttemptId, is_last: bool) {
        if is_last {
            self.attempts[last as usize].last = false;
        } else {
            self.attempts[id as usize].before = self.attempts[last as usize].before;
            self.attempts[last as usize].before = Some(id);
        }
    }

    fn entry(&mut self, repetition: Repetition) -> &mut Entry {
        self.repetitions.entry(repetition).or_insert(Entry {
            last: None,
            highest: 0,
            done_in: None,
        })
    }

    fn find(&self, key: &PassKey) -> Option<(&Entry, u32)> {
        let cell = *self.cells.get(&key.cell_id)?;
        let image = *self.images.get(&key.image)?;
        let repetition = Repetition {
            cell,
            deployment: key.deployment,
            image,
            kind: key.kind(),
            number: key.repetition,
        };
        Some((
            self.repetitions.get(&repetition)?,
            self.books[cell as usize].epoch,
        ))
    }

    fn repetition_of(&mut self, key: &PassKey) -> Option<Repetition> {
        let cell = *self.cells.get(&key.cell_id)?;
        let image = self.images.get(&key.image).copied().unwrap_or_else(|| {
            self.names.push(key.image.clone());
            let number = self.names.len() as u32 - 1;
            self.images.insert(key.image.clone(), number);
            number
        });
        Some(Repetition {
            cell,
            deployment: key.deployment,
            image,
            kind: key.kind(),
            number: key.repetition,
        })
    }
}
