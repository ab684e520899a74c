//! Decides what runs next: warm-ups, then the schedule, attempts repeated where a pass was not what its cell asked for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use darkroom_core::event::{Again, Event, PassKey};
use darkroom_core::schedule::{PlannedPass, Schedule};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Setup;
use super::collect_logs::{LATE, Served};
use super::gate::Gate;
use super::pass::{self, Bench, Pass};
use super::reconcile::{self, Recorded};
use super::trigger_s3::Memory;
use crate::record::{Emitter, History, Repetition};

/// Attempts of one repetition in one session, after which the last one stands, whatever it was.
const MOST_ATTEMPTS: u32 = 5;

/// Why execution could not go on. Failures of handlers are facts, never one of these.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    #[error("cannot upload the input object {key}: {reason}")]
    Upload { key: String, reason: String },
    #[error("cannot renew the environments of {function}: {reason}")]
    Renew { function: String, reason: String },
    #[error("cannot read the logs of {function}: {reason}")]
    Logs { function: String, reason: String },
    #[error("the journal cannot be written")]
    Recording,
    #[error("a pass ended in a panic, which is a bug in darkroom: {0}")]
    Panic(String),
}

/// How execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every planned repetition has an attempt that counts.
    Whole,
    /// The user interrupted it.
    Interrupted,
    /// `budget.minutes` is used up.
    OutOfTime,
}

/// What a session came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    pub ended: Ended,
    /// Invocations whose environment the logs did not show in time.
    pub without_environment: usize,
}

/// Runs what is left of the schedule.
///
/// What `history` holds as done is passed over. `interrupt` turns true when the user asks to stop: the passes in flight
/// are abandoned and will be done again.
pub async fn execute(
    setup: Setup,
    history: History,
    schedule: &Schedule,
    emitter: Emitter,
    mut interrupt: watch::Receiver<bool>,
) -> Result<Finished, ExecuteError> {
    let since_ms = jiff::Timestamp::now().as_millisecond();
    let deadline = setup.time_budget.and_then(|budget| Instant::now().checked_add(budget));
    let bench = Arc::new(Bench {
        setup,
        gate: Gate::default(),
        served: Served::default(),
        recorded: Recorded::default(),
        triggered: Memory::default(),
        sequence: AtomicU64::new(history.sequence),
        emitter,
    });
    let names = function_names(&bench.setup);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let before = reconcile::counted(&bench.setup.metrics, &names, since_ms).await;
    let mut dispatcher = Dispatcher { bench: bench.clone(), history, deadline };
    let ended = tokio::select! {
        biased;
        _ = interrupt.wait_for(|stop| *stop) => Ok(Ended::Interrupted),
        ended = dispatcher.run(schedule) => ended,
    }?;
    // Whoever interrupts does not want to wait.
    let patience = if ended == Ended::Interrupted { Duration::ZERO } else { LATE };
    let without_environment =
        bench.served.emit_environments(&bench.setup.logs, &bench.emitter, since_ms, patience).await;
    let figures = match (ended, before) {
        (Ended::Interrupted, _) => {
            bench.recorded.alone(&names, "interrupted: what was under way then was not recorded")
        }
        (_, Err(reason)) => bench.recorded.alone(&names, &reason),
        (_, Ok(before)) => bench.recorded.reconcile(&bench.setup.metrics, &names, since_ms, &before, LATE).await,
    };
    for figure in figures {
        bench.emitter.emit(Event::Reconciled(figure));
    }
    Ok(Finished { ended, without_environment })
}

/// Returns the names of the functions under test, each once.
fn function_names(setup: &Setup) -> BTreeSet<String> {
    let functions = setup.cells.iter().flat_map(|cell| cell.deployments.iter().flatten());
    functions.map(|function| function.name.clone()).collect()
}

struct Dispatcher {
    bench: Arc<Bench>,
    history: History,
    deadline: Option<Instant>,
}

impl Dispatcher {
    async fn run(&mut self, schedule: &Schedule) -> Result<Ended, ExecuteError> {
        let session: Vec<PlannedPass> = schedule.session(|p| self.history.is_done(&self.repetition(p))).collect();
        // Passes of a cell wait here until as many are due as the cell runs at once.
        let mut waiting: Vec<Vec<PlannedPass>> = vec![Vec::new(); self.bench.setup.cells.len()];
        for planned in session {
            if self.out_of_time() {
                return Ok(Ended::OutOfTime);
            }
            if planned.warm_up {
                self.warm_up(&planned).await?;
                continue;
            }
            let batch = &mut waiting[planned.cell];
            batch.push(planned);
            if batch.len() == self.concurrency(planned.cell) as usize {
                let batch = std::mem::take(batch);
                self.measure(batch).await?;
            }
        }
        for batch in waiting.into_iter().filter(|batch| !batch.is_empty()) {
            self.measure(batch).await?;
        }
        Ok(Ended::Whole)
    }

    fn concurrency(&self, cell: usize) -> u32 {
        self.bench.setup.cells[cell].cell.concurrency
    }

    fn repetition(&self, planned: &PlannedPass) -> Repetition {
        self.bench.setup.cells[planned.cell].repetition(planned)
    }

    fn out_of_time(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Warms up as many environments as the cell uses at once.
    async fn warm_up(&mut self, planned: &PlannedPass) -> Result<(), ExecuteError> {
        let concurrency = self.concurrency(planned.cell);
        let batch = (0..concurrency).map(|slot| {
            let repetition = (planned.repetition - 1) * concurrency + slot + 1;
            self.pass(&PlannedPass { repetition, ..*planned })
        });
        let batch = batch.collect();
        self.at_once(batch, false).await?;
        Ok(())
    }

    /// Measures passes of one cell at once, and those again that were not what the cell asked for.
    async fn measure(&mut self, batch: Vec<PlannedPass>) -> Result<(), ExecuteError> {
        let mut due = batch;
        for attempt in 1..=MOST_ATTEMPTS {
            let passes = due.iter().map(|planned| self.pass(planned)).collect();
            let ended = self.at_once(passes, attempt < MOST_ATTEMPTS).await?;
            if ended.contains(&Some(Again::Throttled)) {
                tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
            }
            let mut ended = ended.into_iter();
            due.retain(|_| ended.next().flatten().is_some());
            if due.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Makes the next attempt of a repetition.
    fn pass(&self, planned: &PlannedPass) -> Pass {
        let repetition = self.repetition(planned);
        let attempt = self.history.next_attempt(&repetition);
        let Repetition { cell_id, deployment, image, warm_up, repetition } = repetition;
        let key = PassKey { cell_id, deployment, image, warm_up, repetition, attempt };
        Pass { cell_index: planned.cell, image_index: planned.image, key, scheduled_at: super::now() }
    }

    /// Runs passes at once and waits for all; returns of each, in order, whether it is to be done again.
    async fn at_once(&mut self, passes: Vec<Pass>, may_repeat: bool) -> Result<Vec<Option<Again>>, ExecuteError> {
        for pass in &passes {
            self.history.saw_attempt(&pass.key);
        }
        let mut ended = vec![None; passes.len()];
        let mut running = JoinSet::new();
        for (index, pass) in passes.into_iter().enumerate() {
            let bench = self.bench.clone();
            running.spawn(async move { (index, pass::run(&bench, &pass, may_repeat).await) });
        }
        while let Some(joined) = running.join_next().await {
            let (index, result) = joined.map_err(|error| ExecuteError::Panic(error.to_string()))?;
            let pass_ended = result?;
            self.history.saw_attempt(&pass_ended.key);
            ended[index] = pass_ended.again;
        }
        Ok(ended)
    }
}
