//! The measurement of one session: package → deploy → execute → record. The cloud is gone when it
//! returns.
//!
//! Everything that can be known to be wrong is checked before anything is measured.

use std::convert::Infallible;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use darkroom_core::cell::Cell;
use darkroom_core::event::{ClockOffset, CodeExamined, Event, PassKey, PlannedCell};
use darkroom_core::plan::Plan;
use darkroom_core::schedule::lanes::{NEW_ACCOUNT_CONCURRENCY, Width};
use darkroom_core::schedule::{PlannedPass, Schedule};
use tokio::sync::watch;

use super::configuration::Configuration;
use super::job::Job;
use super::run_handle::RunHandle;
use super::{leftovers, money, prepare};
use crate::advice;
use crate::deploy;
use crate::display;
use crate::display::progress::{Extent, Progress};
use crate::execute::{
    Ended, ExecuteError, Finished, Keep, Late, Pictures, Setup, Stopping, execute, now,
};
use crate::exit::Failure;
use crate::record::{History, JournalError, Recorder};
use crate::results;
use crate::target::{self, Target};
use crate::threads;

/// How a session's measuring ended.
pub struct Measured {
    pub ended: Ended,
    /// What it deployed and could not remove.
    pub left: Option<Failure>,
}

/// Measures what the run needs; `None` where it was interrupted before a first fact and left
/// nothing behind.
pub fn measure(
    job: &Job<'_>,
    plan: &Plan<'_>,
    run: &RunHandle<'_>,
    progress: &Progress,
) -> Result<Option<Measured>, Failure> {
    let (ended, left) = if run.cells_to_measure().is_empty() {
        run.record_nothing_to_measure(job.configuration)?;
        (Ended::Whole, None)
    } else {
        let session = Session {
            configuration: job.configuration,
            keep: job.keep,
            plan,
            run,
            progress,
        };
        session.measure().inspect_err(|_| {
            run.discard_if_nothing_recorded();
        })?
    };
    if run.discard_if_nothing_recorded() {
        progress.step("interrupted before anything was measured; nothing was left behind");
        return Ok(None);
    }
    Ok(Some(Measured { ended, left }))
}

/// Where further facts are put for what decides when to stop.
type FactSender = mpsc::Sender<Arc<Event>>;

/// What the steps of a session share.
struct Session<'a> {
    configuration: Configuration<'a>,
    /// What a whole run deployed stays, whatever the manifest says.
    keep: bool,
    plan: &'a Plan<'a>,
    run: &'a RunHandle<'a>,
    progress: &'a Progress,
}

/// Says that functions were not ready when they were first called.
fn of_late(late: &Late) -> String {
    let seconds = late.waited.as_secs_f64();
    let Late {
        cell_id, reason, ..
    } = late;
    if late.ready {
        format!("{cell_id} was ready after {seconds:.0} s; its first warm-up failed: {reason}")
    } else {
        format!("{cell_id} was not ready after {seconds:.0} s; its warm-up failed: {reason}")
    }
}

/// Takes from the history what decides whether the run has measured enough, and makes where to put
/// further facts; `None` for a run whose number of repetitions is fixed or settled.
fn stopping(history: &mut History) -> Option<(Stopping, FactSender)> {
    let watch = history.watch.take().filter(|_| history.settled.is_none())?;
    let (sender, facts) = mpsc::channel();
    Some((Stopping { watch, facts }, sender))
}

impl Session<'_> {
    /// Packages, starts the cloud, and measures in it; the cloud is gone when this returns. Besides
    /// how it ended it says what it could not remove.
    fn measure(&self) -> Result<(Ended, Option<Failure>), Failure> {
        let cells = self.run.cells_to_measure();
        let runtime = threads::runtime()?;
        let interrupt = runtime.block_on(async { interrupts() });
        // Ctrl-C reaches cargo and pip too: what then fails to be packaged was interrupted.
        let made = prepare::packages(self.configuration, &cells, self.progress);
        let made = made.map(|packages| {
            let _working = self.progress.working("looking at the code");
            (packages, prepare::code(self.configuration, &cells))
        });
        if *interrupt.borrow() {
            return Ok((Ended::Interrupted, None));
        }
        let (packages, code) = made?;
        self.run
            .same_code(&prepare::intended(self.configuration, &cells, &packages))?;
        if let Some(said) = self.run.extending(self.configuration) {
            self.progress.step(&said);
        }
        let working = self.progress.working("reading the images");
        let images = prepare::images(self.configuration, &cells)?;
        drop(working);
        runtime.block_on(async {
            let target = &self.configuration.manifest.target;
            let working = self.progress.working(target::opening(target.cloud));
            let target = Target::open(
                target.cloud,
                &target.region,
                self.configuration.project.root(),
            )
            .await
            .map_err(Failure::broken)?;
            drop(working);
            let ended =
                Box::pin(self.measure_in(&target, &cells, &packages, code, images, interrupt))
                    .await;
            let came_to = ended.as_ref().ok().copied();
            let left = leftovers::tidy(
                self.configuration,
                self.keep,
                self.run.run_id(),
                &target,
                came_to,
                self.progress,
            )
            .await;
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
        self.run.same_place(&target.facts())?;
        target
            .notes
            .iter()
            .for_each(|note| self.progress.step(note));
        prepare::starts_there(target, packages)?;
        let account = prepare::within_account_limit(target, cells, self.progress).await?;
        let deployed = tokio::select! {
            _ = interrupt.wait_for(|stop| *stop) => return Ok(Ended::Interrupted),
            deployed = prepare::deploy(self.configuration, self.run.run_id(), cells, target, packages, self.progress) => deployed?,
        };
        tokio::select! {
            _ = interrupt.wait_for(|stop| *stop) => return Ok(Ended::Interrupted),
            () = prepare::role_in_force(target, &deployed.deployment, self.progress) => {}
        }
        let cells =
            prepare::cells_under_test(self.configuration, cells, &deployed.deployment, images)?;
        let levels: Vec<_> = cells.iter().map(|cell| cell.cell.clone()).collect();
        let (journal, mut history) = self.run.open_journal(
            self.configuration,
            &target.facts(),
            prepare::builds(packages),
            deployed.events,
            code,
        )?;
        let schedule = self.schedule(&levels, &history);
        let lanes = self.lanes(&levels, account);
        let is_done =
            |planned: &PlannedPass| history.ledger.is_done(&cells[planned.cell].key(planned, 0));
        let done = schedule.passes().filter(is_done).count() as u64;
        let others_done = self.others_done(&history);
        let money_budget = money::budget(self.configuration, &history);
        let (display, following) = self.progress.follow(
            self.extent(&schedule, &history),
            done,
            money_budget.as_ref(),
            self.configuration.capability.billed,
        );
        let (stopping, watched) = stopping(&mut history).unzip();
        let recorder = Recorder::start(journal, [display].into_iter().chain(watched).collect());
        let bucket = deployed.deployment.bucket.clone();
        let setup = Setup {
            run_id: history.run.run_id.clone(),
            measured: target.measured_lambda(self.configuration.pipeline().longest_stage()),
            control: target.lambda(),
            control_pace: target.control_pace(),
            s3: target.s3(),
            logs: target.logs(),
            metrics: target.metrics(),
            bucket: deployed.deployment.bucket,
            region: target.region.clone(),
            pipeline: self.configuration.pipeline().clone(),
            cells,
            // A budget beyond what a clock can count is none.
            time_budget: self
                .configuration
                .manifest
                .budget
                .minutes
                .and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok()),
            money_budget,
            patience: target.patience,
            lanes,
            seed: self.configuration.manifest.experiment.seed,
            vary_inputs: self.configuration.manifest.repetitions.vary_inputs,
            pictures: Some(Arc::new(Pictures::new(
                self.run.dir().path().to_owned(),
                "pictures",
                Keep::FirstWrong,
            ))),
        };
        let stopping_is_said = self.say_who_is_waited_for(interrupt.clone());
        let still_there = async {
            if target.keeps {
                return std::future::pending().await;
            }
            let clients = target.clients();
            deploy::keep_under_way(&clients, &bucket, self.run.run_id()).await
        };
        let measured = execute(
            setup,
            history,
            &schedule,
            recorder.emitter(),
            stopping,
            interrupt,
        );
        let finished = tokio::select! {
            finished = measured => finished,
            never = still_there => match never {},
            never = stopping_is_said => match never {},
        };
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

    /// The schedule of these cells: as many repetitions as the run has settled on, or as the
    /// manifest says.
    fn schedule(&self, cells: &[Cell], history: &History) -> Schedule {
        let schedule = self.plan.schedule(cells);
        match history.settled {
            Some(repetitions) => schedule.settled_at(repetitions),
            None => schedule,
        }
    }

    /// How many lanes measure these cells; says so where there are several.
    fn lanes(&self, cells: &[Cell], account: Option<u32>) -> Width {
        // An account that does not tell is taken for a new one.
        let bounds = self.configuration.capability.account_bounds;
        let account = account.or(bounds.then_some(NEW_ACCOUNT_CONCURRENCY));
        let count = self.plan.lanes(cells, account);
        if count.lanes > 1 {
            self.progress.step(&display::plan::lanes(count, account));
        }
        Width::new(count.lanes)
    }

    /// Says at Ctrl-C what is waited for. Never completes.
    async fn say_who_is_waited_for(&self, mut interrupt: watch::Receiver<bool>) -> Infallible {
        if interrupt.wait_for(|stop| *stop).await.is_ok() {
            self.progress
                .step("stopping when the passes under way are over; Ctrl-C again stops at once");
        }
        std::future::pending().await
    }

    /// How many passes there will be in all.
    fn extent(&self, schedule: &Schedule, history: &History) -> Extent {
        let most = schedule.len();
        let until = self
            .configuration
            .manifest
            .repetitions
            .until
            .filter(|_| history.settled.is_none());
        let least = until.map(|until| most / u64::from(until.max) * u64::from(until.min));
        Extent {
            least: least.unwrap_or(most),
            most,
        }
    }

    /// Says whether every repetition of the cells that this session leaves alone is done.
    fn others_done(&self, history: &History) -> bool {
        let others = self.run.cells_left_alone();
        let levels: Vec<_> = others.iter().map(|cell| cell.cell.clone()).collect();
        let pipeline = &self.configuration.manifest.experiment.pipeline;
        let schedule = self.schedule(&levels, history);
        schedule.passes().all(|planned| {
            let cell = &others[planned.cell];
            history.ledger.is_done(&PassKey {
                cell_id: cell.id.clone(),
                deployment: planned.deployment,
                image: self
                    .configuration
                    .known
                    .images(pipeline, &cell.cell.image_set)[planned.image]
                    .clone(),
                warm_up: false,
                probe: false,
                repetition: planned.repetition,
                attempt: 0,
            })
        })
    }

    fn say_what_is_missing(&self, finished: &Result<Finished, ExecuteError>) {
        let missing = finished
            .as_ref()
            .map_or(0, |finished| finished.without_environment);
        if missing > 0 {
            self.progress.step(&format!(
                "the logs do not show which environment served {missing} invocations"
            ));
        }
        if let Some(apart) = finished
            .as_ref()
            .ok()
            .and_then(|finished| apart(finished.clock_offset.as_ref()?))
        {
            self.progress.step(&apart);
        }
        if let Some(left) = finished.as_ref().map(|it| it.left).ok().filter(|n| *n > 0) {
            let passes = display::count(u64::from(left), "pass");
            self.progress.step(&format!(
                "did not wait for {passes} under way; `darkroom resume` makes them again"
            ));
        }
        let late = finished.as_ref().map(|finished| finished.late.as_slice());
        for late in late.unwrap_or_default() {
            self.progress.step(&of_late(late));
        }
        let earlier = finished
            .as_ref()
            .map_or(0, |finished| finished.earlier_without_environment);
        if earlier > 0 {
            self.progress.step(&format!(
                "a killed session left {earlier} invocations whose environment is unknown"
            ));
        }
    }

    /// A journal that can't be written outweighs whatever else happened.
    fn result(
        &self,
        ended: Result<Ended, ExecuteError>,
        journal: Result<(), JournalError>,
    ) -> Result<Ended, Failure> {
        let path = self.run.dir().path().display().to_string();
        let help = format!(
            "results so far are kept; continue with {}",
            advice::darkroom(&["resume", &path])
        );
        journal
            .map_err(|error| Failure::broken(miette::miette!(help = help.clone(), "{error}")))?;
        ended.map_err(|error| Failure::broken(miette::miette!(help = help, "{error}")))
    }
}

/// Says how far the clocks are apart, where times of the two beside one another would mislead.
fn apart(offset: &ClockOffset) -> Option<String> {
    const MISLEADING_MS: f64 = 100.0;
    let ClockOffset {
        offset_ms,
        uncertainty_ms,
        ..
    } = offset;
    (offset_ms.abs() - uncertainty_ms > MISLEADING_MS).then(|| {
        let which = if *offset_ms > 0.0 {
            "behind"
        } else {
            "ahead of"
        };
        let (by_s, give_or_take_s) = (offset_ms.abs() / 1e3, uncertainty_ms / 1e3);
        format!(
            "this machine's clock is {by_s:.2} s {which} the platform's \
            (±{give_or_take_s:.2} s)"
        )
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
