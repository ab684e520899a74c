//! What a journal already holds, so that a run can continue. The ledger says which repetitions are
//! done.

use std::collections::HashMap;

use std::path::{Path, PathBuf};

use darkroom_core::event::{Event, FunctionDeployed, RunStarted, Status};
use darkroom_core::ledger::Ledger;
use darkroom_core::spending::Billed;
use darkroom_core::until::Watch;

use super::journal::{JournalError, read};

/// Returns what a function runs, as one text: code, layers, runtime and handler.
pub fn running(function: &FunctionDeployed) -> String {
    let FunctionDeployed {
        code_sha256,
        layers_sha256,
        runtime,
        handler,
        ..
    } = function;
    format!(
        "{code_sha256} {} {runtime} {handler}",
        layers_sha256.join(" ")
    )
}

/// A run's folder, and what its journal holds.
#[derive(Debug)]
pub struct Earlier {
    pub run: PathBuf,
    pub history: History,
    /// Bytes of the journal when it was read.
    length: u64,
}

impl Earlier {
    /// Reads what there is of the run in this folder.
    pub fn read(run: PathBuf) -> Result<Self, JournalError> {
        let journal = run.join("journal.ndjson");
        let length = length(&journal);
        Ok(Self {
            history: History::read(&journal)?,
            run,
            length,
        })
    }

    /// Says whether the journal is still what was read: asked when nobody else can write to it any
    /// more.
    pub fn is_unchanged(&self) -> bool {
        length(&self.run.join("journal.ndjson")) == self.length
    }
}

/// Bytes of a file; 0 of one that can't be read, which reading it says.
fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |about| about.len())
}

/// The state a run is in, as its journal tells it.
#[derive(Clone, Debug)]
pub struct History {
    pub run: RunStarted,
    pub finished: bool,
    /// It has more repetitions than it was begun with.
    pub extended: bool,
    /// Invocations so far: the next one's `sequence`.
    pub sequence: u64,
    /// Repetitions after which the intervals were last looked at (`repetitions.until`); 0: not yet.
    pub looked: u32,
    /// Repetitions at which that ended the run.
    pub settled: Option<u32>,
    pub ledger: Ledger,
    /// What decides when to stop; `None` of a run with a fixed number of repetitions.
    pub watch: Option<Watch>,
    pub billed: Billed,
    /// Requests that ran in an environment that no session has looked up, with their functions.
    pub without_environment: HashMap<String, String>,
    /// Function name → what it runs, as [`running`] says it.
    pub code: HashMap<String, String>,
}

impl History {
    /// Reads a run's journal, once.
    pub fn read(journal: &Path) -> Result<Self, JournalError> {
        let mut events = read(journal)?;
        let Some(Event::RunStarted(run)) = events.next().transpose()? else {
            return Err(JournalError::NoRun {
                path: journal.to_owned(),
            });
        };
        let mut history = Self::new(run);
        for event in events {
            history.take(&event?);
        }
        Ok(history)
    }

    /// The history of a run that has just begun.
    pub fn new(run: RunStarted) -> Self {
        Self {
            ledger: Ledger::new(&run),
            watch: Watch::new(&run),
            billed: Billed::default(),
            run,
            finished: false,
            extended: false,
            sequence: 0,
            looked: 0,
            settled: None,
            without_environment: HashMap::new(),
            code: HashMap::new(),
        }
    }

    /// Takes one further fact into account.
    pub fn take(&mut self, event: &Event) {
        self.ledger.take(event);
        self.billed.take(event);
        if let Some(watch) = &mut self.watch {
            watch.take(event);
        }
        match event {
            Event::InvocationFinished(invocation) => {
                self.sequence = self.sequence.max(invocation.sequence + 1);
                let ran = !matches!(invocation.status, Status::Throttled | Status::CallError);
                if let (true, None, Some(id)) =
                    (ran, &invocation.environment_id, &invocation.request_id)
                {
                    self.without_environment
                        .insert(id.clone(), invocation.function.clone());
                }
            }
            Event::EnvironmentSeen { request_id, .. } => {
                self.without_environment.remove(request_id);
            }
            Event::CellsSuperseded { .. } => self.finished = false,
            Event::Looked(look) => {
                self.looked = self.looked.max(look.repetitions);
                self.settled = look.stopped_by.map(|_| look.repetitions);
            }
            Event::FunctionDeployed(function) => {
                self.code
                    .insert(function.function.clone(), running(function));
            }
            Event::RunExtended(extension) => {
                (self.finished, self.extended) = (false, true);
                self.run.repetitions = extension.to;
                self.run
                    .manifest_sha256
                    .clone_from(&extension.manifest_sha256);
            }
            Event::RunFinished { .. } => self.finished = true,
            _ => {}
        }
    }
}
