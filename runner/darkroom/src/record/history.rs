//! What a journal already holds, so that a run can go on: which repetitions count, and the next attempt of each.

use std::collections::{HashMap, HashSet};

use darkroom_core::cell::CellId;
use darkroom_core::event::{Event, FunctionDeployed, PassKey, RunStarted, Status};

use super::journal::JournalError;

/// One planned repetition of one image in one deployment of one cell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Repetition {
    pub cell_id: CellId,
    pub deployment: u32,
    pub image: String,
    pub warm_up: bool,
    pub probe: bool,
    pub repetition: u32,
}

impl From<&PassKey> for Repetition {
    fn from(key: &PassKey) -> Self {
        Self {
            cell_id: key.cell_id.clone(),
            deployment: key.deployment,
            image: key.image.clone(),
            warm_up: key.warm_up,
            probe: key.probe,
            repetition: key.repetition,
        }
    }
}

/// Returns what a function runs, as one text: code, layers, runtime and handler.
pub fn running(function: &FunctionDeployed) -> String {
    let FunctionDeployed { code_sha256, layers_sha256, runtime, handler, .. } = function;
    format!("{code_sha256} {} {runtime} {handler}", layers_sha256.join(" "))
}

/// The state a run is in, as its journal tells it.
#[derive(Debug)]
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
    done: HashSet<Repetition>,
    attempts: HashMap<Repetition, u32>,
    /// Requests that ran in an environment that no session has looked up, with their functions.
    pub without_environment: HashMap<String, String>,
    /// Function name → what it runs, as [`running`] says it.
    pub code: HashMap<String, String>,
}

impl History {
    /// Replays `events`, the first of which must be the run's start.
    pub fn replay(mut events: impl Iterator<Item = Result<Event, JournalError>>) -> Result<Option<Self>, JournalError> {
        let Some(Event::RunStarted(run)) = events.next().transpose()? else { return Ok(None) };
        let mut history = Self::new(run);
        for event in events {
            history.take(&event?);
        }
        Ok(Some(history))
    }

    /// The history of a run that has just begun.
    pub fn new(run: RunStarted) -> Self {
        Self {
            run,
            finished: false,
            extended: false,
            sequence: 0,
            looked: 0,
            settled: None,
            done: HashSet::new(),
            attempts: HashMap::new(),
            without_environment: HashMap::new(),
            code: HashMap::new(),
        }
    }

    /// Takes one further fact into account.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::InvocationFinished(invocation) => {
                self.sequence = self.sequence.max(invocation.sequence + 1);
                self.saw_attempt(&invocation.pass);
                let ran = !matches!(invocation.status, Status::Throttled | Status::CallError);
                if let (true, None, Some(id)) = (ran, &invocation.environment_id, &invocation.request_id) {
                    self.without_environment.insert(id.clone(), invocation.function.clone());
                }
            }
            Event::EnvironmentSeen { request_id, .. } => {
                self.without_environment.remove(request_id);
            }
            Event::PipelineFinished(pass) => {
                self.saw_attempt(&pass.pass);
                if pass.again.is_none() {
                    self.done.insert(Repetition::from(&pass.pass));
                }
            }
            Event::CellsSuperseded { cells, .. } => {
                self.finished = false;
                self.done.retain(|repetition| !cells.contains(&repetition.cell_id));
            }
            Event::Looked(look) => {
                self.looked = self.looked.max(look.repetitions);
                self.settled = look.stopped_by.map(|_| look.repetitions);
            }
            Event::FunctionDeployed(function) => {
                self.code.insert(function.function.clone(), running(function));
            }
            Event::RunExtended(extension) => {
                (self.finished, self.extended) = (false, true);
                self.run.repetitions = extension.to;
                self.run.manifest_sha256.clone_from(&extension.manifest_sha256);
            }
            Event::RunFinished { .. } => self.finished = true,
            _ => {}
        }
    }

    /// Counts an attempt that has begun.
    pub fn saw_attempt(&mut self, key: &PassKey) {
        let attempt = self.attempts.entry(Repetition::from(key)).or_default();
        *attempt = key.attempt.max(*attempt);
    }

    /// True when a repetition has an attempt that counts.
    pub fn is_done(&self, repetition: &Repetition) -> bool {
        self.done.contains(repetition)
    }

    /// Returns the number of the next attempt of `repetition`, from 1.
    pub fn next_attempt(&self, repetition: &Repetition) -> u32 {
        self.attempts.get(repetition).map_or(1, |last| last + 1)
    }
}
