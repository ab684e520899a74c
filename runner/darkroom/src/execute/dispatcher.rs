//! Lets lanes take what the schedule's queue gives them: warm-ups, passes, and repeated attempts of
//! passes that did not match their cell. Budgets, throttles and Ctrl-C hold for all lanes together.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use darkroom_core::cell::{CellId, Trigger};
use darkroom_core::event::{Again, ClockOffset, Event, PassKey, PassKind};
use darkroom_core::schedule::lanes::Width;
use darkroom_core::schedule::{Next, PassBatch, PlannedPass, Schedule, Step};
use darkroom_core::until::Watch;
use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryStreamExt};
use tokio::sync::{Barrier, Notify, watch};
use tokio::task::JoinSet;

use super::clocks::Clocks;
use super::collect_logs::Served;
use super::gate::Gate;
use super::late_time::LateTime;
use super::lateness::Lateness;
use super::own_image::{NoOwnImage, own_image};
use super::pacing::{Pauses, Tried};
use super::pass::{self, Bench, Pass};
use super::reconcile::{self, ByFunction, Recorded};
use super::trigger_s3::Memory;
use super::{Function, MoneyBudget, Patience, Setup, cold, objects};
use crate::advice;
use crate::record::{Emitter, History};

/// Functions whose environments are renewed at the same time; [`Setup::control_pace`] keeps their
/// calls apart.
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

/// How long passes that are under way may still take when the user asks to stop.
const GOODBYE: Duration = Duration::from_secs(20);
/// Between two tries of a first warm-up.
const FIRST_READY_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_READY_PAUSE: Duration = Duration::from_secs(15);

/// What decides whether enough has been measured, and the recorded facts that it has not seen yet.
pub struct Stopping {
    pub watch: Watch,
    pub facts: mpsc::Receiver<Arc<Event>>,
}

/// How execution ended: the last thing that ends all lanes.
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
    /// Passes under way that an interrupt did not wait for; they are made again.
    pub left: u32,
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
/// finds enough. `interrupt` turns true when the user asks to stop: no further pass begins, and
/// those under way end, unless they take too long.
pub async fn execute(
    setup: Setup,
    history: History,
    schedule: &Schedule,
    emitter: Emitter,
    stopping: Option<Stopping>,
    interrupt: watch::Receiver<bool>,
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
    let lateness = Lateness::watch();
    let dispatcher = Dispatcher {
        bench: bench.clone(),
        deadline,
        interrupt: interrupt.clone(),
        shared: RefCell::new(Shared {
            history,
            pauses,
            width: bench.setup.lanes,
            passes: 0,
            busy: 0,
            not_before: None,
            reserved_usd: 0.0,
            warmed_up: BTreeSet::new(),
            late_time: LateTime::default(),
            late: Vec::new(),
            broken: false,
        }),
        freed: Notify::new(),
    };
    let (ended, left) = tokio::select! {
        biased;
        ended = dispatcher.run(schedule, stopping) => (ended?, 0),
        left = dispatcher.left_behind() => (Ended::Interrupted, left),
    };
    if let Some(late) = lateness.end().await {
        bench.emitter.emit(Event::RunnerLate(late));
    }
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
        (Ended::Interrupted, _) if left > 0 => bench
            .recorded
            .alone(&names, "interrupted: passes in progress were not recorded"),
        (Ended::Interrupted, _) => bench.recorded.alone(&names, "interrupted"),
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
        left,
        late: dispatcher.shared.into_inner().late,
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
    deadline: Option<Instant>,
    /// Turns true when the user asks to stop.
    interrupt: watch::Receiver<bool>,
    /// What the lanes know together. They are futures of one task: nobody holds it while waiting.
    shared: RefCell<Shared>,
    /// Told when a lane may begin that could not before.
    freed: Notify,
}

struct Shared {
    history: History,
    pauses: Pauses,
    width: Width,
    /// Passes that are under way, over all lanes; a lane that waits between attempts has none.
    passes: u32,
    /// Lanes with passes under way.
    busy: usize,
    /// No lane begins before this: some call was throttled.
    not_before: Option<Instant>,
    /// What the batches that are taken may cost, USD.
    reserved_usd: f64,
    /// (cell, deployment) whose first warm-up is over.
    warmed_up: BTreeSet<(usize, u32)>,
    late_time: LateTime,
    late: Vec<Late>,
    /// An error ends the session: no lane begins anything more.
    broken: bool,
}

/// What became of passes that were made at once.
struct AtOnce {
    /// Of each, in order, why it is to be done again.
    again: Vec<Option<Again>>,
    /// Why the last of them found a function that is not ready.
    refused: Option<String>,
}

/// A lane that may begin; gives way when dropped.
struct Busy<'a> {
    of: &'a Dispatcher,
    passes: u32,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut shared = self.of.shared.borrow_mut();
        shared.busy -= 1;
        shared.passes -= self.passes;
        self.of.freed.notify_waiters();
    }
}

/// Completes when the user asks to stop, and never where nobody can.
async fn interrupted(mut interrupt: watch::Receiver<bool>) {
    if interrupt.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Dispatcher {
    /// Lets the lanes take all that is left, until it is over or a budget or the user ends it. What
    /// is under way then still ends.
    async fn run(
        &self,
        schedule: &Schedule,
        mut stopping: Option<Stopping>,
    ) -> Result<Ended, ExecuteError> {
        let is_done = |planned: &PlannedPass| {
            let key = self.key(planned);
            self.shared.borrow().history.ledger.is_done(&key)
        };
        let mut queue = schedule.queue(self.bench.setup.lanes.most(), is_done);
        let mut under_way = FuturesUnordered::new();
        let mut came_to: Option<Result<Ended, ExecuteError>> = None;
        let interrupted = interrupted(self.interrupt.clone());
        tokio::pin!(interrupted);
        loop {
            while came_to.is_none() && under_way.len() < self.shared.borrow().width.now() {
                if let Some(ended) = self.over() {
                    came_to = Some(Ok(ended));
                    break;
                }
                if !under_way.is_empty() && self.may_be_spent() {
                    break;
                }
                match queue.give() {
                    Next::Take(batch) => {
                        // At once: a lane does nothing before it is waited for.
                        let usd = self.expected_usd(&batch);
                        self.shared.borrow_mut().reserved_usd += usd;
                        under_way.push(self.lane(batch, usd, schedule));
                    }
                    Next::Wait => break,
                    Next::Over => came_to = Some(Ok(Ended::Whole)),
                    Next::Alone(step) => {
                        came_to = self.alone(step, &mut stopping).await.transpose();
                    }
                }
            }
            let may_stop = !matches!(came_to, Some(Err(_) | Ok(Ended::Interrupted)));
            let ended = tokio::select! {
                biased;
                () = &mut interrupted, if may_stop => {
                    came_to = Some(Ok(Ended::Interrupted));
                    continue;
                }
                ended = under_way.next() => ended,
            };
            match ended {
                Some((batch, Ok(None))) => queue.ended(&batch),
                Some((batch, Ok(Some(ended)))) => {
                    queue.ended(&batch);
                    came_to = came_to.or(Some(Ok(ended)));
                }
                Some((_, Err(error))) if !matches!(came_to, Some(Err(_))) => {
                    self.shared.borrow_mut().broken = true;
                    came_to = Some(Err(error));
                }
                Some((_, Err(_))) => {}
                None => {
                    if let Some(came_to) = came_to {
                        return came_to;
                    }
                }
            }
        }
    }

    /// Waits for an interrupt, and then as long as passes under way may still take; returns how
    /// many do not end.
    async fn left_behind(&self) -> u32 {
        interrupted(self.interrupt.clone()).await;
        tokio::time::sleep(GOODBYE).await;
        self.shared.borrow().passes
    }

    /// One lane's work: a batch, from its first attempt to the one that counts. Gives back the `usd`
    /// that are reserved for it.
    async fn lane(
        &self,
        batch: PassBatch,
        usd: f64,
        schedule: &Schedule,
    ) -> (PassBatch, Result<Option<Ended>, ExecuteError>) {
        let round = schedule.round_of(&batch.passes[0]);
        let ended = if batch.is_warm_up() {
            let warmed_up = self.warm_up(&batch.passes[0], round).await;
            warmed_up.map(|()| None)
        } else {
            self.measure(batch.passes.clone(), round).await
        };
        self.shared.borrow_mut().reserved_usd -= usd;
        (batch, ended)
    }

    /// Does what is done while nothing is under way; says whether that ends the run.
    async fn alone(
        &self,
        step: Step,
        stopping: &mut Option<Stopping>,
    ) -> Result<Option<Ended>, ExecuteError> {
        match step {
            Step::Renew { of, round } => self.renew(&of, round).await.map(|()| None),
            Step::Look { repetitions } => {
                let enough = self.finds_enough(repetitions, stopping).await?;
                Ok(enough.then_some(Ended::Whole))
            }
            Step::Pass(_) => unreachable!("the queue gives passes to lanes"),
        }
    }

    /// Looks at the intervals, where no earlier session has at this place; says whether that ends
    /// the run.
    async fn finds_enough(
        &self,
        repetitions: u32,
        stopping: &mut Option<Stopping>,
    ) -> Result<bool, ExecuteError> {
        let looked = self.shared.borrow().history.looked;
        let Some(Stopping { watch, facts }) = stopping.as_mut().filter(|_| repetitions > looked)
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

    fn concurrency(&self, cell: usize) -> u32 {
        self.bench.setup.cells[cell].cell.concurrency
    }

    /// Names what a planned pass is a repetition of, before it has an attempt.
    fn key(&self, planned: &PlannedPass) -> PassKey {
        self.bench.setup.cells[planned.cell].key(planned, 0)
    }

    /// Says what ends the session before its work is done: the user, or a budget that is used up.
    ///
    /// After an error nothing more begins either; the session then comes to that error, whatever is
    /// said here.
    fn over(&self) -> Option<Ended> {
        if *self.interrupt.borrow() || self.shared.borrow().broken {
            return Some(Ended::Interrupted);
        }
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

    /// Says whether what is under way may use up the budget of money: another lane begins when it
    /// is known.
    fn may_be_spent(&self) -> bool {
        let reserved_usd = self.shared.borrow().reserved_usd;
        let budget = self.bench.setup.money_budget.as_ref();
        budget.is_some_and(|budget| budget.is_empty_after(reserved_usd))
    }

    fn expected_usd(&self, batch: &PassBatch) -> f64 {
        let cell = &self.bench.setup.cells[batch.passes[0].cell];
        let budget = self.bench.setup.money_budget.as_ref();
        let of_pass = budget.map_or(0.0, |budget| budget.of_next_pass(&cell.id));
        of_pass * f64::from(cell.cell.concurrency)
    }

    /// Waits until one more lane may be busy, with so many passes at once: as many lanes are as may
    /// be, or some call was throttled a moment ago.
    async fn turn(&self, passes: u32) -> Busy<'_> {
        loop {
            let freed = self.freed.notified();
            let not_before = {
                let mut shared = self.shared.borrow_mut();
                let not_before = shared.not_before.filter(|at| *at > Instant::now());
                if not_before.is_none() && shared.busy < shared.width.now() {
                    shared.busy += 1;
                    shared.passes += passes;
                    return Busy { of: self, passes };
                }
                not_before
            };
            match not_before {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => freed.await,
            }
        }
    }

    /// Lets all lanes pause after a throttle, and fewer of them go on. Throttles within a pause are
    /// of the same moment.
    fn slow_down(&self, tried: Tried) {
        let mut shared = self.shared.borrow_mut();
        let now = Instant::now();
        if shared.not_before.is_none_or(|at| at <= now) {
            shared.width.throttled();
            // A warm-up is tried once, and says nothing of how long the storm has lasted.
            let tried = if tried.is_once() { 1 } else { tried.attempts };
            let pause = shared.pauses.before_next(tried, Again::Throttled);
            shared.not_before = Some(now + pause);
        }
    }

    /// Waits, but not for somebody who wants to stop.
    async fn pause(&self, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = interrupted(self.interrupt.clone()) => {}
        }
    }

    /// Retires the environments of these (cell, deployment), each function once, and waits until
    /// that is in force.
    async fn renew(&self, of: &[(usize, u32)], round: u32) -> Result<(), ExecuteError> {
        let Setup { cells, run_id, .. } = &self.bench.setup;
        let deployed = of
            .iter()
            .flat_map(|&(cell, deployment)| &cells[cell].deployments[deployment as usize - 1])
            .flatten();
        let functions: BTreeMap<&str, &Function> =
            deployed.map(|it| (it.name.as_str(), it)).collect();
        let nonce = format!("{run_id}/{}", self.bench.sequence.load(Ordering::Relaxed));
        let renewals = functions
            .into_values()
            .map(|function| cold::renew(&self.bench.setup, function, &nonce));
        futures::stream::iter(renewals)
            .buffer_unordered(RENEWALS_AT_ONCE)
            .try_collect::<()>()
            .await?;
        for &(cell, deployment) in of {
            let cell_id = cells[cell].id.clone();
            self.bench.emit(Event::EnvironmentsRenewed {
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
    async fn warm_up(&self, planned: &PlannedPass, round: Option<u32>) -> Result<(), ExecuteError> {
        let at = (planned.cell, planned.deployment);
        let first = self.shared.borrow_mut().warmed_up.insert(at);
        let Patience {
            ready, delivered, ..
        } = self.bench.setup.patience;
        let by_s3 = self.bench.setup.cells[planned.cell].cell.trigger == Trigger::S3;
        let patience = if by_s3 { ready.max(delivered) } else { ready };
        // A session waits so long in all: what is still refused then is refused for good. Where
        // nothing is late, a refusal is the code's own.
        let is_patient = || self.shared.borrow().late_time.so_far() < patience;
        let waits = first && is_patient();
        let mut pause = FIRST_READY_PAUSE;
        let (mut late, mut waited, mut ready) = (None, Duration::ZERO, false);
        loop {
            let busy = self.turn(self.concurrency(planned.cell)).await;
            if self.over().is_some() {
                break;
            }
            let began = Instant::now();
            let may_be_lost = waits && by_s3;
            let refused = self.warm_up_once(planned, round, may_be_lost, busy).await?;
            ready = refused.is_none();
            late = refused.or(late);
            if waits && late.is_some() {
                waited += self.was_late(began);
            }
            if ready || !waits || !is_patient() || self.over().is_some() {
                break;
            }
            let began = Instant::now();
            self.pause(pause).await;
            waited += self.was_late(began);
            pause = (pause * 2).min(LONGEST_READY_PAUSE);
        }
        let late = late.filter(|_| waits).map(|reason| Late {
            cell_id: self.bench.setup.cells[planned.cell].id.clone(),
            reason,
            waited,
            ready,
        });
        self.shared.borrow_mut().late.extend(late);
        Ok(())
    }

    /// Takes note that a lane has waited for late functions since then; returns how long.
    fn was_late(&self, since: Instant) -> Duration {
        let now = Instant::now();
        self.shared.borrow_mut().late_time.add(since, now);
        now - since
    }

    /// Warms up as many environments as the cell uses at once; says why a function was not ready.
    async fn warm_up_once(
        &self,
        planned: &PlannedPass,
        round: Option<u32>,
        may_be_lost: bool,
        busy: Busy<'_>,
    ) -> Result<Option<String>, ExecuteError> {
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
        let ended = self.at_once(batch.collect(), Tried::ONCE, busy).await?;
        Ok(ended.refused)
    }

    /// Measures passes of one (cell, deployment) at once, and those again that were not what the
    /// cell asked for.
    ///
    /// Where fewer are due than the cell runs at once, uncounted ones keep them company: the load
    /// is the same for all. Returns which budget was used up while some still had no attempt that
    /// counts: they wait for the next session.
    async fn measure(
        &self,
        batch: Vec<PlannedPass>,
        round: Option<u32>,
    ) -> Result<Option<Ended>, ExecuteError> {
        let mut due = batch;
        let mut tried = Tried {
            attempts: 1,
            throttled: 0,
        };
        loop {
            let concurrency = self.concurrency(due[0].cell);
            let busy = self.turn(concurrency).await;
            if let Some(ended) = self.over() {
                return Ok(Some(ended));
            }
            let company = due.len()..concurrency as usize;
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
            let again = self.at_once(passes, tried, busy).await?.again;
            let mut pause = Duration::ZERO;
            for again in again.iter().flatten() {
                let mut shared = self.shared.borrow_mut();
                pause = pause.max(shared.pauses.before_next(tried.attempts, *again));
            }
            let throttled = again.contains(&Some(Again::Throttled));
            tried.throttled += u32::from(throttled);
            tried.attempts += 1;
            let mut ended = again.into_iter();
            due.retain(|_| ended.next().flatten().is_some());
            if due.is_empty() {
                break;
            }
            if let Some(ended) = self.over() {
                return Ok(Some(ended));
            }
            self.pause(pause).await;
        }
        Ok(None)
    }

    /// Makes the next attempt of a repetition.
    fn pass(&self, planned: &PlannedPass, round: Option<u32>) -> Pass {
        let mut key = self.key(planned);
        key.attempt = self.shared.borrow().history.ledger.next_attempt(&key);
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
            others_under_way: 0,
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

    /// Runs passes at once and waits for all. The lane is `busy` with them until then.
    async fn at_once(
        &self,
        passes: Vec<Pass>,
        tried: Tried,
        busy: Busy<'_>,
    ) -> Result<AtOnce, ExecuteError> {
        let others_under_way = {
            let mut shared = self.shared.borrow_mut();
            for pass in &passes {
                shared.history.ledger.announce(&pass.key);
            }
            shared.passes - busy.passes
        };
        let mut came_to = AtOnce {
            again: vec![None; passes.len()],
            refused: None,
        };
        let (mut failed, mut throttled) = (None, false);
        // Those that wait for one another would wait for one that failed.
        let alone = passes.iter().all(|pass| pass.together.is_none());
        let mut running = JoinSet::new();
        for (index, pass) in passes.into_iter().enumerate() {
            let bench = self.bench.clone();
            let pass = Pass {
                others_under_way,
                ..pass
            };
            running.spawn(async move { (index, pass::run(&bench, &pass, tried).await) });
        }
        while let Some(joined) = running.join_next().await {
            let (index, result) = joined.map_err(|error| ExecuteError::Panic(error.to_string()))?;
            match result {
                Ok(ended) => {
                    let mut shared = self.shared.borrow_mut();
                    shared.history.ledger.announce(&ended.key);
                    came_to.again[index] = ended.again;
                    came_to.refused = came_to.refused.or(ended.not_ready);
                    throttled |= ended.throttled;
                }
                // What else is running still ends, and is recorded.
                Err(error) if alone => failed = failed.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        if throttled {
            self.slow_down(tried);
        } else {
            self.shared.borrow_mut().width.went_well();
        }
        failed.map_or(Ok(came_to), Err)
    }
}
