//! Decides what runs next: warm-ups, then the schedule, and repeated attempts of passes that did
//! not match their cell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use darkroom_core::cell::{CellId, Trigger};
use darkroom_core::event::{Again, ClockOffset, Event, PassKey, PassKind};
use darkroom_core::schedule::{PlannedPass, Schedule, Step};
use darkroom_core::until::Watch;
use futures::{StreamExt, TryStreamExt};
use tokio::sync::{Barrier, watch};
use tokio::task::JoinSet;

use super::clocks::Clocks;
use super::collect_logs::Served;
use super::gate::Gate;
use super::own_image::{NoOwnImage, own_image};
use super::pacing::{Pauses, Tried};
use super::pass::{self, Bench, Pass};
use super::reconcile::{self, ByFunction, Recorded};
use super::trigger_s3::Memory;
use super::{Function, MoneyBudget, Patience, Setup, cold, objects};
use crate::advice;
use crate::record::{Emitter, History};

/// Functions whose environments are renewed at the same time: Lambda's control plane takes 15
/// requests a second.
const RENEWALS_AT_ONCE: usize = 4;

/// Why execution could not continue. Failures of handlers are facts, never one of these.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    #[error("cannot upload the input object {key}: {reason}")]
    Upload { key: String, reason: String },
    #[error(
        "cannot remove what an earlier run left in bucket {bucket}: {reason}; empty it, then run again"
    )]
    Leftovers { bucket: String, reason: String },
    #[error("cannot renew the environments of {function}: {reason}")]
    Renew { function: String, reason: String },
    #[error("cannot read the logs of {function}: {reason}")]
    Logs { function: String, reason: String },
    #[error(
        "{function} keeps starting itself, and cannot be stopped or reset: {reason}; set its \
         reserved concurrency to 0, or remove it with {}",
        advice::clean(None, region)
    )]
    Loop {
        function: String,
        region: String,
        reason: String,
    },
    #[error(
        "cannot change the pixels of image {image}: {source}; remove it from the image set, or \
         remove repetitions.vary_inputs"
    )]
    OwnPixels { image: String, source: NoOwnImage },
    #[error("{function} cannot be called any more: {reason}")]
    InVain { function: String, reason: String },
    #[error("the journal cannot be written")]
    Recording,
    #[error("a pass panicked; please report this as a bug in Darkroom: {0}")]
    Panic(String),
}

/// Between two tries of a first warm-up.
const FIRST_READY_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_READY_PAUSE: Duration = Duration::from_secs(15);

/// What decides whether enough has been measured, and the recorded facts that it has not seen yet.
pub struct Stopping {
    pub watch: Watch,
    pub facts: mpsc::Receiver<Arc<Event>>,
}

/// How execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every repetition that is due has an attempt that counts.
    Whole,
    /// The user interrupted it.
    Interrupted,
    /// `budget.minutes` is used up.
    OutOfTime,
    /// `budget.usd` is used up.
    OutOfMoney,
}

/// What a session came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    pub ended: Ended,
    /// Invocations whose environment the logs did not show in time.
    pub without_environment: usize,
    /// The same of earlier sessions, which were killed before they could look.
    pub earlier_without_environment: usize,
    /// What the session's requests say of the platform's clock.
    pub clock_offset: Option<ClockOffset>,
    /// Cells whose functions were not ready at once.
    pub late: Vec<Late>,
}

/// Functions that refused their first warm-up, or that S3 did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    pub cell_id: CellId,
    /// What the last failure said.
    pub reason: String,
    /// How long the warm-up was repeated.
    pub waited: Duration,
    pub ready: bool,
}

/// Runs what is left of the schedule.
///
/// What `history` holds as done is passed over. With `stopping` the schedule ends at a look that
/// finds enough. `interrupt` turns true when the user asks to stop: the passes in flight are
/// abandoned and will be done again.
pub async fn execute(
    setup: Setup,
    history: History,
    schedule: &Schedule,
    emitter: Emitter,
    stopping: Option<Stopping>,
    mut interrupt: watch::Receiver<bool>,
) -> Result<Finished, ExecuteError> {
    let earlier_without_environment = look_up_earlier(&setup, &history, &emitter).await;
    objects::begin_empty(&setup).await?;
    let since_ms = jiff::Timestamp::now().as_millisecond();
    let deadline = setup
        .time_budget
        .and_then(|budget| Instant::now().checked_add(budget));
    let bench = Arc::new(Bench {
        gate: Gate::new(setup.pictures.clone()),
        setup,
        served: Served::default(),
        recorded: Recorded::default(),
        triggered: Memory::default(),
        clocks: Clocks::default(),
        sequence: AtomicU64::new(history.sequence),
        emitter,
    });
    let names = function_names(&bench.setup);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let before = reconcile::counted(&bench.setup.metrics, &names, since_ms).await;
    let others = others_before(&bench.setup, &names, since_ms).await;
    let pauses = Pauses::new(bench.setup.seed);
    let mut dispatcher = Dispatcher {
        bench: bench.clone(),
        history,
        stopping,
        deadline,
        pauses,
        warmed_up: BTreeSet::new(),
        refused: None,
        late: Vec::new(),
    };
    let ended = tokio::select! {
        biased;
        _ = interrupt.wait_for(|stop| *stop) => Ok(Ended::Interrupted),
        ended = dispatcher.run(schedule) => ended,
    }?;
    // Whoever interrupts does not want to wait.
    let patience = if ended == Ended::Interrupted {
        Duration::ZERO
    } else {
        bench.setup.patience.logs
    };
    let without_environment = bench
        .served
        .emit_environments(&bench, since_ms, patience)
        .await;
    let clock_offset = bench.clocks.offset();
    if let Some(offset) = clock_offset {
        bench.emitter.emit(Event::ClocksCompared(offset));
    }
    let figures = match (ended, before) {
        (Ended::Interrupted, _) => bench
            .recorded
            .alone(&names, "interrupted: passes in progress were not recorded"),
        (_, Err(reason)) => bench.recorded.alone(&names, &reason),
        (_, Ok(before)) => {
            let Setup {
                metrics, patience, ..
            } = &bench.setup;
            bench
                .recorded
                .reconcile(metrics, &names, since_ms, &before, *patience)
                .await
        }
    };
    let strangers = match (ended, others) {
        (Ended::Interrupted, _) | (_, None) => Vec::new(),
        // Nobody else has the functions under test: what is not known of others takes nothing from
        // what is known of them.
        (_, Some(before)) => {
            reconcile::of_strangers(&bench.setup.metrics, &names, since_ms, &before)
                .await
                .unwrap_or_default()
        }
    };
    for figure in figures.into_iter().chain(strangers) {
        bench.emitter.emit(Event::Reconciled(figure));
    }
    if let Some(spent) = bench.setup.money_budget.as_ref().map(MoneyBudget::now) {
        let (usd, invocations) = (spent.usd(), spent.invocations());
        bench.emitter.emit(Event::Spent {
            at: super::now(),
            usd,
            invocations,
        });
    }
    Ok(Finished {
        ended,
        without_environment,
        earlier_without_environment,
        clock_offset,
        late: dispatcher.late,
    })
}

/// Returns what functions that the run did not deploy have done so far. Not asked on AWS, where an
/// account is shared with whoever else uses it, and each look is billed.
async fn others_before(setup: &Setup, ours: &[&str], since_ms: i64) -> Option<ByFunction> {
    if !setup.patience.alone {
        return None;
    }
    let names = reconcile::strangers(&setup.metrics, ours).await.ok()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    reconcile::counted(&setup.metrics, &names, since_ms)
        .await
        .ok()
}

/// Emits the environments of requests of sessions that were killed; returns how many the logs do
/// not have (any more).
async fn look_up_earlier(setup: &Setup, history: &History, emitter: &Emitter) -> usize {
    if history.without_environment.is_empty() {
        return 0;
    }
    let began: Option<jiff::Timestamp> = history.run.at.parse().ok();
    let since_ms = began.map_or(0, jiff::Timestamp::as_millisecond);
    let earlier = Served::of(history.without_environment.clone());
    // They are old: what is not there by now does not come.
    earlier
        .emit_environments_of(&setup.logs, emitter, since_ms, Duration::ZERO, None)
        .await
}

/// Returns the names of the functions under test, each once.
fn function_names(setup: &Setup) -> BTreeSet<String> {
    let functions = setup
        .cells
        .iter()
        .flat_map(|cell| cell.deployments.iter().flatten().flatten());
    functions.map(|function| function.name.clone()).collect()
}

struct Dispatcher {
    bench: Arc<Bench>,
    history: History,
    stopping: Option<Stopping>,
    deadline: Option<Instant>,
    pauses: Pauses,
    /// (cell, deployment) whose first warm-up is over.
    warmed_up: BTreeSet<(usize, u32)>,
    /// Why the last passes found a function that is not ready.
    refused: Option<String>,
    late: Vec<Late>,
}

impl Dispatcher {
    async fn run(&mut self, schedule: &Schedule) -> Result<Ended, ExecuteError> {
        let session: Vec<Step> = schedule
            .session(|p| self.history.ledger.is_done(&self.key(p)))
            .collect();
        // Passes wait here until as many are due of a (cell, deployment) as the cell runs at once.
        let mut waiting: BTreeMap<(usize, u32), Vec<PlannedPass>> = BTreeMap::new();
        for step in session {
            if let Some(ended) = self.over_budget() {
                return Ok(ended);
            }
            let planned = match step {
                Step::Pass(planned) => planned,
                Step::Renew { of, round } => {
                    if let Some(ended) = self
                        .measure_all(std::mem::take(&mut waiting), schedule)
                        .await?
                    {
                        return Ok(ended);
                    }
                    self.renew(&of, round).await?;
                    continue;
                }
                Step::Look { repetitions } => {
                    if let Some(ended) = self
                        .measure_all(std::mem::take(&mut waiting), schedule)
                        .await?
                    {
                        return Ok(ended);
                    }
                    if self.finds_enough(repetitions).await? {
                        return Ok(Ended::Whole);
                    }
                    continue;
                }
            };
            let round = schedule.round_of(&planned);
            if planned.probe {
                if let Some(ended) = self.measure(vec![planned], round).await? {
                    return Ok(ended);
                }
                continue;
            }
            if planned.warm_up {
                if let Some(ended) = self
                    .measure_all(std::mem::take(&mut waiting), schedule)
                    .await?
                {
                    return Ok(ended);
                }
                self.warm_up(&planned, round).await?;
                continue;
            }
            let batch = waiting
                .entry((planned.cell, planned.deployment))
                .or_default();
            batch.push(planned);
            if batch.len() == self.concurrency(planned.cell) as usize {
                let batch = std::mem::take(batch);
                if let Some(ended) = self.measure(batch, round).await? {
                    return Ok(ended);
                }
            }
        }
        Ok(self
            .measure_all(waiting, schedule)
            .await?
            .unwrap_or(Ended::Whole))
    }

    /// Looks at the intervals, where no earlier session has at this place; says whether that ends
    /// the run.
    async fn finds_enough(&mut self, repetitions: u32) -> Result<bool, ExecuteError> {
        let Some(Stopping { watch, facts }) = self
            .stopping
            .as_mut()
            .filter(|_| repetitions > self.history.looked)
        else {
            return Ok(false);
        };
        self.bench
            .emitter
            .settle()
            .await
            .map_err(|_| ExecuteError::Recording)?;
        for fact in facts.try_iter() {
            watch.take(&fact);
        }
        // Nothing is running meanwhile that this could disturb.
        let look = tokio::task::block_in_place(|| watch.look(repetitions, super::now()));
        let ends = look.stopped_by.is_some();
        self.bench.emitter.emit(Event::Looked(look));
        Ok(ends)
    }

    /// Measures batches that did not become full, like [`Self::measure`].
    async fn measure_all(
        &mut self,
        waiting: BTreeMap<(usize, u32), Vec<PlannedPass>>,
        schedule: &Schedule,
    ) -> Result<Option<Ended>, ExecuteError> {
        for batch in waiting.into_values().filter(|batch| !batch.is_empty()) {
            let round = schedule.round_of(&batch[0]);
            if let Some(ended) = self.measure(batch, round).await? {
                return Ok(Some(ended));
            }
        }
        Ok(None)
    }

    fn concurrency(&self, cell: usize) -> u32 {
        self.bench.setup.cells[cell].cell.concurrency
    }

    /// Names what a planned pass is a repetition of, before it has an attempt.
    fn key(&self, planned: &PlannedPass) -> PassKey {
        self.bench.setup.cells[planned.cell].key(planned, 0)
    }

    /// Says which budget is used up, if one is.
    fn over_budget(&self) -> Option<Ended> {
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            return Some(Ended::OutOfTime);
        }
        self.bench
            .setup
            .money_budget
            .as_ref()
            .filter(|budget| budget.is_empty())
            .map(|_| Ended::OutOfMoney)
    }

    /// Retires the environments of these (cell, deployment), each function once, and waits until
    /// that is in force.
    async fn renew(&self, of: &[(usize, u32)], round: u32) -> Result<(), ExecuteError> {
        let Setup {
            cells,
            control,
            run_id,
            ..
        } = &self.bench.setup;
        let deployed = of
            .iter()
            .flat_map(|&(cell, deployment)| &cells[cell].deployments[deployment as usize - 1])
            .flatten();
        let functions: BTreeMap<&str, &Function> =
            deployed.map(|it| (it.name.as_str(), it)).collect();
        let nonce = format!("{run_id}/{}", self.bench.sequence.load(Ordering::Relaxed));
        let renewals = functions
            .into_values()
            .map(|function| cold::renew(control, function, &nonce));
        futures::stream::iter(renewals)
            .buffer_unordered(RENEWALS_AT_ONCE)
            .try_collect::<()>()
            .await?;
        for &(cell, deployment) in of {
            let cell_id = cells[cell].id.clone();
            self.bench.emitter.emit(Event::EnvironmentsRenewed {
                at: super::now(),
                cell_id,
                deployment,
                round,
            });
        }
        Ok(())
    }

    /// Warms up, the first time again and again until the functions are ready, and S3 has started
    /// every stage that it is to start, or patience ends.
    async fn warm_up(
        &mut self,
        planned: &PlannedPass,
        round: Option<u32>,
    ) -> Result<(), ExecuteError> {
        let began = Instant::now();
        let first = self.warmed_up.insert((planned.cell, planned.deployment));
        let Patience {
            ready, delivered, ..
        } = self.bench.setup.patience;
        let by_s3 = self.bench.setup.cells[planned.cell].cell.trigger == Trigger::S3;
        let patience = if by_s3 { ready.max(delivered) } else { ready };
        // A session waits so long in all: what is still refused then is refused for good.
        let patience = patience.saturating_sub(self.late.iter().map(|late| late.waited).sum());
        // Where nothing is late, a refusal is the code's own.
        let waits = first && !patience.is_zero();
        let mut pause = FIRST_READY_PAUSE;
        let mut late = None;
        loop {
            self.refused = None;
            self.warm_up_once(planned, round, waits && by_s3).await?;
            let refused = self.refused.take();
            let ready = refused.is_none();
            late = refused.or(late);
            if ready || !waits || began.elapsed() >= patience || self.over_budget().is_some() {
                let cell_id = self.bench.setup.cells[planned.cell].id.clone();
                self.late.extend(late.filter(|_| waits).map(|reason| Late {
                    cell_id,
                    reason,
                    waited: began.elapsed(),
                    ready,
                }));
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_READY_PAUSE);
        }
    }

    /// Warms up as many environments as the cell uses at once.
    async fn warm_up_once(
        &mut self,
        planned: &PlannedPass,
        round: Option<u32>,
        may_be_lost: bool,
    ) -> Result<(), ExecuteError> {
        let patience = self.bench.setup.patience;
        let may_be_lost = may_be_lost && !patience.delivered.is_zero();
        let concurrency = self.concurrency(planned.cell);
        let together = (concurrency > 1).then(|| Arc::new(Barrier::new(concurrency as usize)));
        let batch = (0..concurrency).map(|slot| {
            let repetition = (planned.repetition - 1) * concurrency + slot + 1;
            Pass {
                together: together.clone(),
                delivery: may_be_lost.then_some(patience.delivery),
                ..self.pass(
                    &PlannedPass {
                        repetition,
                        ..*planned
                    },
                    round,
                )
            }
        });
        let batch = batch.collect();
        self.at_once(batch, Tried::ONCE).await?;
        Ok(())
    }

    /// Measures passes of one (cell, deployment) at once, and those again that were not what the
    /// cell asked for.
    ///
    /// Where fewer are due than the cell runs at once, uncounted ones keep them company: the load
    /// is the same for all. Returns which budget was used up while some still had no attempt that
    /// counts: they wait for the next session.
    async fn measure(
        &mut self,
        batch: Vec<PlannedPass>,
        round: Option<u32>,
    ) -> Result<Option<Ended>, ExecuteError> {
        let mut due = batch;
        let mut tried = Tried {
            attempts: 1,
            throttled: 0,
        };
        loop {
            let company = due.len()..self.concurrency(due[0].cell) as usize;
            let company = company.map(|slot| {
                let repetition = slot as u32 + 1;
                PlannedPass {
                    warm_up: true,
                    probe: false,
                    repetition,
                    ..due[0]
                }
            });
            let mut passes = Vec::new();
            for planned in due.iter().copied().chain(company) {
                let pass = self.pass(&planned, round);
                match self.with_own_image(pass).await {
                    Ok(pass) => passes.push(pass),
                    // The probe is left out, and the report says that there is none.
                    Err(_) if planned.probe => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
            let ended = self.at_once(passes, tried).await?;
            let pause = ended
                .iter()
                .flatten()
                .map(|again| self.pauses.before_next(tried.attempts, *again))
                .max();
            tried.throttled += u32::from(
                ended
                    .iter()
                    .flatten()
                    .any(|again| *again == Again::Throttled),
            );
            tried.attempts += 1;
            let mut ended = ended.into_iter();
            due.retain(|_| ended.next().flatten().is_some());
            if due.is_empty() {
                break;
            }
            if let Some(ended) = self.over_budget() {
                return Ok(Some(ended));
            }
            tokio::time::sleep(pause.unwrap_or_default()).await;
        }
        Ok(None)
    }

    /// Makes the next attempt of a repetition.
    fn pass(&self, planned: &PlannedPass, round: Option<u32>) -> Pass {
        let mut key = self.key(planned);
        key.attempt = self.history.ledger.next_attempt(&key);
        let (cell_index, image_index) = (planned.cell, planned.image);
        Pass {
            cell_index,
            image_index,
            key,
            scheduled_at: super::now(),
            round,
            together: None,
            delivery: None,
            image: None,
        }
    }

    /// Gives a pass its own pixels, if it is one that has them.
    async fn with_own_image(&self, pass: Pass) -> Result<Pass, ExecuteError> {
        let setup = &self.bench.setup;
        let own = match pass.key.kind() {
            PassKind::Probe => true,
            PassKind::Measured => setup.vary_inputs,
            PassKind::WarmUp => false,
        };
        if !own {
            return Ok(pass);
        }
        let images = &setup.cells[pass.cell_index].images;
        let own = own_image(setup, images, pass.image_index, &pass.key).await;
        let name = || images[pass.image_index].name.clone();
        let own = own.map_err(|source| ExecuteError::OwnPixels {
            image: name(),
            source,
        })?;
        // Released when it can begin, not when its pixels were asked for.
        Ok(Pass {
            image: Some(own),
            scheduled_at: super::now(),
            ..pass
        })
    }

    /// Runs passes at once and waits for all; returns of each, in order, whether it is to be done
    /// again.
    async fn at_once(
        &mut self,
        passes: Vec<Pass>,
        tried: Tried,
    ) -> Result<Vec<Option<Again>>, ExecuteError> {
        for pass in &passes {
            self.history.ledger.announce(&pass.key);
        }
        let mut ended = vec![None; passes.len()];
        let mut failed = None;
        // Those that wait for one another would wait for one that failed.
        let alone = passes.iter().all(|pass| pass.together.is_none());
        let mut running = JoinSet::new();
        for (index, pass) in passes.into_iter().enumerate() {
            let bench = self.bench.clone();
            running.spawn(async move { (index, pass::run(&bench, &pass, tried).await) });
        }
        while let Some(joined) = running.join_next().await {
            let (index, result) = joined.map_err(|error| ExecuteError::Panic(error.to_string()))?;
            match result {
                Ok(pass_ended) => {
                    self.history.ledger.announce(&pass_ended.key);
                    ended[index] = pass_ended.again;
                    self.refused = self.refused.take().or(pass_ended.not_ready);
                }
                // What else is running still ends, and is recorded.
                Err(error) if alone => failed = failed.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        failed.map_or(Ok(ended), Err)
    }
}
