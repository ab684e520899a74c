//! One session of a run, from a valid manifest to tables: the only room that calls all the others.
//!
//! target → package → deploy → execute → aggregate → show. A run may take several sessions; what makes them one run is
//! its folder. Nothing is measured before everything that can be known to be wrong has been looked at.

mod begin;
pub mod check;
mod differences;
pub mod estimate;
mod images;
mod leftovers;
mod money;
mod names;
mod prepare;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use darkroom_core::capability::Capability;
use darkroom_core::cell::{Cell, CellId};
use darkroom_core::event::{ClockOffset, CodeExamined, Event, PassKey, PlannedCell};
use darkroom_core::manifest::{Known, Manifest};
use darkroom_core::plan::Plan;
use darkroom_core::schedule::{PlannedPass, Schedule};
use tokio::sync::watch;

use crate::advice;
use crate::cli::Globals;
use crate::display::progress::{Extent, Progress};
use crate::execute::{Ended, ExecuteError, Finished, Keep, Pictures, Setup, Stopping, execute, now};
use crate::exit::{Failure, Outcome};
use crate::project::Project;
use crate::record::{Earlier, History, JournalError, Recorder};
use crate::results;
use crate::target::Target;
use begin::Begun;
pub use begin::{before, fingerprint, what_differs, with_count};

/// What a session is to do.
pub struct Job<'a> {
    pub project: &'a Project,
    pub manifest: &'a Manifest,
    pub known: &'a Known,
    pub capability: &'a Capability,
    pub begin: Begin,
    /// Someone has agreed to what it costs.
    pub yes: bool,
    /// What a whole run deployed stays, whatever the manifest says.
    pub keep: bool,
}

/// How the session relates to earlier ones.
pub enum Begin {
    /// A new run of these cells, or of all.
    Anew { cells: Option<Vec<CellId>> },
    /// An earlier run is to be carried on.
    GoOn(Earlier),
    /// A run of `from` repetitions is to have as many as the manifest now says. Where it has them already, it goes on.
    Extend { earlier: Earlier, from: u32 },
    /// Some cells of an earlier run are to be measured again.
    Again { earlier: Earlier, cells: Vec<CellId> },
}

impl Begin {
    /// Returns the run that is gone on with; `None` of a new one.
    pub const fn earlier(&self) -> Option<&Earlier> {
        match self {
            Self::Anew { .. } => None,
            Self::GoOn(earlier) | Self::Extend { earlier, .. } | Self::Again { earlier, .. } => Some(earlier),
        }
    }
}

/// Carries out the session and shows its result.
pub fn run(job: &Job<'_>, globals: Globals) -> Result<Outcome, Failure> {
    let progress = Progress::new(globals, std::env::var_os("CI").is_some());
    let plan = Plan::new(job.manifest, job.known, job.capability);
    money::may_begin(job, &plan)?;
    let begun = begin::begin(job, plan.planned_cells().collect())?;
    let path = begun.dir().path().to_owned();
    let (ended, left) = if begun.cells_to_measure().is_empty() {
        begun.record_nothing_to_measure(job)?;
        (Ended::Whole, None)
    } else {
        let session = Session { job, plan: &plan, begun: &begun, progress: &progress };
        session.measure().inspect_err(|_| {
            begun.discard_if_nothing_recorded();
        })?
    };
    if begun.discard_if_nothing_recorded() {
        progress.step("interrupted before anything was measured; nothing is left behind");
        return Ok(Outcome::Interrupted);
    }
    let shown = results::show_tables(&path, Some(job.project), globals)?;
    match ended {
        Ended::Whole => return left.map_or(Ok(shown), Err),
        Ended::Interrupted => progress.step("interrupted"),
        Ended::OutOfTime => progress.step("budget.minutes is used up"),
        Ended::OutOfMoney => progress.step(&format!("budget.usd is used up; {}", money::more(job, &path)?)),
    }
    Ok(Outcome::Interrupted)
}

/// Where further facts are put for what decides when to stop.
type Facts = mpsc::Sender<Arc<Event>>;

/// What the steps of a session share.
struct Session<'a> {
    job: &'a Job<'a>,
    plan: &'a Plan<'a>,
    begun: &'a Begun<'a>,
    progress: &'a Progress,
}

/// Takes from the history what decides whether the run has measured enough, and makes where to put further facts; `None` for a
/// run whose number of repetitions is fixed or settled.
fn stopping(history: &mut History) -> Option<(Stopping, Facts)> {
    let watch = history.watch.take().filter(|_| history.settled.is_none())?;
    let (sender, facts) = mpsc::channel();
    Some((Stopping { watch, facts }, sender))
}

impl Session<'_> {
    /// Packages, starts the cloud, and measures in it; the cloud is gone when this returns. Besides how it ended it says what
    /// it could not remove.
    fn measure(&self) -> Result<(Ended, Option<Failure>), Failure> {
        let cells = self.begun.cells_to_measure();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::broken(miette::miette!("cannot start threads: {error}")))?;
        let interrupt = runtime.block_on(async { interrupts() });
        // Ctrl-C reaches cargo and pip too: what then fails to be packaged was interrupted.
        let made = prepare::packages(self.job, &cells, self.progress);
        let made = made.map(|packages| (packages, prepare::code(self.job, &cells)));
        if *interrupt.borrow() {
            return Ok((Ended::Interrupted, None));
        }
        let (packages, code) = made?;
        self.begun.same_code(&prepare::intended(self.job, &cells, &packages))?;
        if let Some(said) = self.begun.extending(self.job) {
            self.progress.step(&said);
        }
        let images = prepare::images(self.job, &cells)?;
        runtime.block_on(async {
            let target = &self.job.manifest.target;
            let target =
                Target::open(target.cloud, &target.region, self.job.project.root()).await.map_err(Failure::broken)?;
            let ended = Box::pin(self.measure_in(&target, &cells, &packages, code, images, interrupt)).await;
            let came_to = ended.as_ref().ok().copied();
            let left = leftovers::tidy(self.job, self.begun.run_id(), &target, came_to, self.progress).await;
            target.close().await;
            Ok((ended?, left))
        })
    }

    async fn measure_in(
        &self,
        target: &Target,
        cells: &[PlannedCell],
        packages: &prepare::Packages,
        code: Vec<CodeExamined>,
        images: prepare::Images,
        mut interrupt: watch::Receiver<bool>,
    ) -> Result<Ended, Failure> {
        self.begun.same_place(&target.facts())?;
        target.notes.iter().for_each(|note| self.progress.step(note));
        prepare::within_account_limit(target, cells, self.progress).await?;
        let deployed = tokio::select! {
            _ = interrupt.wait_for(|stop| *stop) => return Ok(Ended::Interrupted),
            deployed = prepare::deploy(self.job, self.begun.run_id(), cells, target, packages, self.progress) => deployed?,
        };
        tokio::select! {
            _ = interrupt.wait_for(|stop| *stop) => return Ok(Ended::Interrupted),
            () = prepare::role_in_force(target, &deployed.deployment, self.progress) => {}
        }
        let cells = prepare::cells_under_test(self.job, cells, &deployed.deployment, images)?;
        let levels: Vec<_> = cells.iter().map(|cell| cell.cell.clone()).collect();
        let (journal, mut history) =
            self.begun.open_journal(self.job, &target.facts(), prepare::builds(packages), deployed.events, code)?;
        let schedule = self.schedule(&levels, &history);
        let is_done = |planned: &PlannedPass| history.ledger.is_done(&cells[planned.cell].key(planned, 0));
        let done = schedule.passes().filter(is_done).count() as u64;
        let others_done = self.others_done(&history);
        let purse = money::purse(self.job, &history)?;
        let (display, following) =
            self.progress.follow(self.extent(&schedule, &history), done, purse.as_ref(), self.job.capability.billed);
        let (stopping, watched) = stopping(&mut history).unzip();
        let recorder = Recorder::start(journal, [display].into_iter().chain(watched).collect());
        let setup = Setup {
            run_id: history.run.run_id.clone(),
            measured: target.measured_lambda(prepare::pipeline(self.job).longest_stage()),
            control: target.lambda(),
            s3: target.s3(),
            logs: target.logs(),
            metrics: target.metrics(),
            bucket: deployed.deployment.bucket,
            region: target.region.clone(),
            pipeline: prepare::pipeline(self.job).clone(),
            cells,
            // A budget beyond what a clock can count is none.
            time_budget: self
                .job
                .manifest
                .budget
                .minutes
                .and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok()),
            purse,
            patience: target.patience,
            seed: self.job.manifest.experiment.seed,
            vary_inputs: self.job.manifest.repetitions.vary_inputs,
            pictures: Some(Arc::new(Pictures::new(self.begun.dir().path().to_owned(), "pictures", Keep::FirstWrong))),
        };
        let finished = execute(setup, history, &schedule, recorder.emitter(), stopping, interrupt).await;
        let ended = finished.as_ref().map(|finished| finished.ended);
        for refused in target.take_refusals() {
            recorder.emitter().emit(Event::CallsRefused(refused));
        }
        for misbehaved in target.end_environments().await {
            recorder.emitter().emit(Event::Misbehaved(misbehaved));
        }
        recorder.emitter().emit(last_fact(&ended, others_done));
        let journal = recorder.finish();
        following.finish();
        self.say_what_is_missing(&finished);
        self.result(finished.map(|finished| finished.ended), journal)
    }

    /// The schedule of these cells: as many repetitions as the run has settled on, or as the manifest says.
    fn schedule(&self, cells: &[Cell], history: &History) -> Schedule {
        let schedule = self.plan.schedule(cells);
        match history.settled {
            Some(repetitions) => schedule.settled_at(repetitions),
            None => schedule,
        }
    }

    /// How many passes there will be in all.
    fn extent(&self, schedule: &Schedule, history: &History) -> Extent {
        let most = schedule.len();
        let until = self.job.manifest.repetitions.until.filter(|_| history.settled.is_none());
        let least = until.map(|until| most / u64::from(until.max) * u64::from(until.min));
        Extent { least: least.unwrap_or(most), most }
    }

    /// Says whether every repetition of the cells that this session leaves alone is done.
    fn others_done(&self, history: &History) -> bool {
        let others = self.begun.cells_left_alone();
        let levels: Vec<_> = others.iter().map(|cell| cell.cell.clone()).collect();
        let pipeline = &self.job.manifest.experiment.pipeline;
        let schedule = self.schedule(&levels, history);
        schedule.passes().all(|planned| {
            let cell = &others[planned.cell];
            history.ledger.is_done(&PassKey {
                cell_id: cell.id.clone(),
                deployment: planned.deployment,
                image: self.job.known.images(pipeline, &cell.cell.image_set)[planned.image].clone(),
                warm_up: false,
                probe: false,
                repetition: planned.repetition,
                attempt: 0,
            })
        })
    }

    fn say_what_is_missing(&self, finished: &Result<Finished, ExecuteError>) {
        let missing = finished.as_ref().map_or(0, |finished| finished.without_environment);
        if missing > 0 {
            self.progress.step(&format!("the logs do not show which environment served {missing} invocations"));
        }
        if let Some(apart) = finished.as_ref().ok().and_then(|finished| apart(finished.clock_offset.as_ref()?)) {
            self.progress.step(&apart);
        }
        let earlier = finished.as_ref().map_or(0, |finished| finished.earlier_without_environment);
        if earlier > 0 {
            self.progress.step(&format!(
                "which environment served {earlier} invocations of a killed session can't be known any more"
            ));
        }
    }

    /// A journal that can't be written outweighs whatever else happened.
    fn result(&self, ended: Result<Ended, ExecuteError>, journal: Result<(), JournalError>) -> Result<Ended, Failure> {
        let path = self.begun.dir().path().display().to_string();
        let help = format!("what was measured until then is kept; go on with {}", advice::darkroom(&["resume", &path]));
        journal.map_err(|error| Failure::broken(miette::miette!(help = help.clone(), "{error}")))?;
        ended.map_err(|error| Failure::broken(miette::miette!(help = help, "{error}")))
    }
}

/// Says how far the clocks are apart, where times of the two beside one another would mislead.
fn apart(offset: &ClockOffset) -> Option<String> {
    const MISLEADING_MS: f64 = 100.0;
    let ClockOffset { offset_ms, uncertainty_ms, .. } = offset;
    (offset_ms.abs() - uncertainty_ms > MISLEADING_MS).then(|| {
        let which = if *offset_ms > 0.0 { "behind" } else { "ahead of" };
        let (by_s, give_or_take_s) = (offset_ms.abs() / 1e3, uncertainty_ms / 1e3);
        format!("this machine's clock is {by_s:.2} s {which} the platform's (give or take {give_or_take_s:.2} s)")
    })
}

fn last_fact(ended: &Result<Ended, &ExecuteError>, others_done: bool) -> Event {
    let at = now();
    let reason = match ended {
        Ok(Ended::Whole) if others_done => return Event::RunFinished { at },
        Ok(Ended::Whole) => "only some cells were asked for".to_owned(),
        Ok(Ended::Interrupted) => "interrupted".to_owned(),
        Ok(Ended::OutOfTime) => "budget.minutes".to_owned(),
        Ok(Ended::OutOfMoney) => results::OUT_OF_MONEY.to_owned(),
        Err(error) => error.to_string(),
    };
    Event::RunInterrupted { at, reason }
}

/// Turns true at the first Ctrl-C or SIGTERM; a second one ends the process at once.
fn interrupts() -> watch::Receiver<bool> {
    let (stop, receiver) = watch::channel(false);
    tokio::spawn(async move {
        wait_for_signal().await;
        let _ = stop.send(true);
        wait_for_signal().await;
        std::process::exit(130);
    });
    receiver
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
