//! The timed part when S3 starts the chain: one upload, then waiting for the final object.
//!
//! The runner sees only the two ends; the functions' logs, read after the pass, show the rest. In
//! the functions of a deployment one pass runs at a time, whatever other lanes do, so every request
//! id that its functions logged for the first time since the upload belongs to this pass. The
//! contract allows one delivery per stage and image; waiting for more is limited, see [`loops`].
//!
//! Polls wait for nothing else: all lanes share the pace of log reads, so what asks the logs goes on
//! beside them, and its queue is no part of a turnaround.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::primitives::ByteStream;
use darkroom_core::event::{Invocation, NOT_SEEN, PassKey, RECURSIVE_LOOP, Status};
use tokio::time::Instant;

use super::clocks::CUT_OFF_MS;
use super::gate::{Look, look};
use super::log_lines::{self, Logged};
use super::loops::{self, Loop};
use super::pass::{Bench, Keys, Pass, PassMeasured, clear};
use super::told_starts;
use super::whole_logs::{Bounds, LOG_SETTLE_TIME, until_whole};
use super::{ExecuteError, Function};
use crate::error_text::error_message;

/// Added to the stages' timeouts: cold starts, notifications and the queues between.
const SLACK: Duration = Duration::from_secs(30);
/// A chain that is this much slower than it has ever been is looked into; a look disturbs it, so
/// not before.
const SLOWER: f64 = 3.0;
const NEVER_BEFORE: Duration = Duration::from_secs(5);
/// Within the time that a delivery may take, it is asked after so often.
const DELIVERY_LOOKS: u32 = 8;
/// Polls come this often in a turnaround, so that they are at most 1% late.
const POLLS: f64 = darkroom_core::besides::POLLS;
/// A timer's resolution.
const SHORTEST_POLL: Duration = Duration::from_millis(1);
/// Share of the fastest turnaround so far from which on a chain may be over.
const MAY_BE_OVER: f64 = 0.7;
/// Logs of the functions are read from this long before the upload: clocks differ, ms.
const CLOCKS_APART_MS: i64 = 60_000;

/// What a session remembers from one pass to the next.
#[derive(Default)]
pub struct Memory {
    /// The fastest measured turnaround so far, by cell and image; cold warm-ups say nothing of it.
    fastest: Mutex<HashMap<(usize, usize), Duration>>,
}

impl Memory {
    fn fastest(&self, pass: &Pass) -> Option<Duration> {
        let fastest = self.fastest.lock().unwrap_or_else(PoisonError::into_inner);
        fastest.get(&(pass.cell_index, pass.image_index)).copied()
    }

    fn saw(&self, pass: &Pass, turnaround: Duration) {
        let mut fastest = self.fastest.lock().unwrap_or_else(PoisonError::into_inner);
        let so_far = fastest
            .entry((pass.cell_index, pass.image_index))
            .or_insert(turnaround);
        *so_far = turnaround.min(*so_far);
    }
}

/// How the wait for the final object ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Arrival {
    Seen {
        turnaround: Duration,
        late_by_at_most: Duration,
    },
    Stopped,
    /// S3 has not started this stage in time; only first warm-ups ask.
    Undelivered(usize),
}

/// Uploads the source, waits for the final object, and gathers what the logs say of the stages
/// between.
pub async fn measure(
    bench: &Bench,
    functions: &[Function],
    pass: &Pass,
    keys: &Keys,
) -> Result<PassMeasured, ExecuteError> {
    // A pass that was cut off and had this number may have left its objects.
    clear(bench, keys).await;
    let chain = Chain {
        bench,
        functions,
        pass,
        keys,
        before: earlier_requests(bench, functions).await?,
    };
    let started_at = super::now();
    let started_ms = jiff::Timestamp::now().as_millisecond();
    let clock = Instant::now();
    let answered = chain.upload().await?;
    let (upload_ms, uploaded_at_ms) = (clock.elapsed().as_secs_f64() * 1e3, utc_ms());
    if !answered && !chain.is_uploaded().await? {
        return Ok(unstarted(pass, started_at));
    }
    let mut polls = 0;
    let arrival = chain.wait(clock, started_ms, &mut polls).await;
    let stopped_at = match arrival {
        Arrival::Seen { .. } => None,
        Arrival::Stopped => Some(chain.first_absent().await.unwrap_or(functions.len())),
        Arrival::Undelivered(stage) => Some(stage),
    };
    let ran = match arrival {
        Arrival::Undelivered(stage) => stage,
        _ => stopped_at.map_or(functions.len(), |stage| (stage + 1).min(functions.len())),
    };
    let Gathered {
        mut logged,
        looped,
        stopped,
    } = chain.gather(started_ms, ran).await?;
    for (function, runs) in functions.iter().zip(&mut logged) {
        for run in runs {
            told_starts::complete(bench, &function.name, run).await;
        }
    }
    let own = own(&logged, stopped_at);
    if let (Arrival::Seen { turnaround, .. }, Some(Some(first)), Some(Some(last))) =
        (arrival, own.first(), own.last())
    {
        let seen_ms = started_ms as f64 + turnaround.as_secs_f64() * 1e3;
        let at_least_ms = last.started_ms as f64 - (seen_ms + CUT_OFF_MS);
        bench.clocks.narrow(
            at_least_ms,
            first.started_ms as f64 + CUT_OFF_MS - started_ms as f64,
        );
    }
    let mut invocations = chain.facts(&own, ran, stopped_at, &started_at);
    if let Some(looped) = &looped {
        chain.blame(looped, &mut invocations);
    }
    for (invocation, delay_ms) in invocations
        .iter_mut()
        .zip(trigger_delays_ms(&own, uploaded_at_ms))
    {
        invocation.trigger_delay_ms = delay_ms;
    }
    let well = answered
        && stopped_at.is_none()
        && invocations
            .iter()
            .all(|invocation| invocation.status == Status::Ok);
    let (turnaround_s, resolution_ms) = match arrival {
        Arrival::Seen {
            turnaround,
            late_by_at_most,
        } => {
            if well && !pass.key.warm_up {
                bench.triggered.saw(pass, turnaround);
            }
            (
                well.then_some(turnaround.as_secs_f64()),
                late_by_at_most.as_secs_f64() * 1e3,
            )
        }
        Arrival::Stopped | Arrival::Undelivered(_) => (None, 0.0),
    };
    let attempt = chain.emit(invocations, &surplus(&logged, &own));
    let Attempt { key, invocations } = attempt;
    Ok(PassMeasured {
        key,
        invocations,
        started_at,
        turnaround_s,
        resolution_ms,
        upload_ms: Some(upload_ms),
        polls,
        upload_unanswered: !answered,
        answers: Vec::new(),
        undelivered: match arrival {
            Arrival::Undelivered(stage) => Some(chain.undelivered(stage)),
            Arrival::Seen { .. } | Arrival::Stopped => None,
        },
        stopped,
    })
}

/// Returns the requests that the functions have logged by now: none of them is of a pass that has
/// not begun.
async fn earlier_requests(
    bench: &Bench,
    functions: &[Function],
) -> Result<HashSet<String>, ExecuteError> {
    let since_ms = jiff::Timestamp::now().as_millisecond() - 2 * CLOCKS_APART_MS;
    let reads = functions
        .iter()
        .map(|function| logged(bench, function, since_ms));
    let all = futures::future::try_join_all(reads).await?;
    Ok(all
        .into_iter()
        .flatten()
        .map(|logged| logged.request_id)
        .collect())
}

async fn logged(
    bench: &Bench,
    function: &Function,
    since_ms: i64,
) -> Result<Vec<Logged>, ExecuteError> {
    let lines = bench.setup.logs.lines(&function.name, since_ms, None).await;
    let lines = lines.map_err(|reason| ExecuteError::Logs {
        function: function.name.clone(),
        reason,
    })?;
    Ok(log_lines::invocations(&lines))
}

/// One pass on its way.
struct Chain<'a> {
    bench: &'a Bench,
    functions: &'a [Function],
    pass: &'a Pass,
    keys: &'a Keys,
    /// Request ids that are not this pass's.
    before: HashSet<String>,
}

/// What the logs have of a pass.
struct Gathered {
    /// By stage index.
    logged: Vec<Vec<Logged>>,
    looped: Option<Loop>,
    /// Functions that were stopped because of it.
    stopped: Option<Vec<String>>,
}

/// The attempt that counts, with its invocations in stage order.
struct Attempt {
    key: PassKey,
    invocations: Vec<Invocation>,
}

impl Chain<'_> {
    /// Puts the source, once: a second try of the same upload would start the chain twice. Returns
    /// whether it was answered: of one that was not, or with a server's error, it is not known
    /// whether it took effect.
    async fn upload(&self) -> Result<bool, ExecuteError> {
        let setup = &self.bench.setup;
        let image = self.pass.image(&setup.cells[self.pass.cell_index]);
        let key = &self.keys.inputs[0];
        let put = setup
            .s3
            .put_object()
            .bucket(&setup.bucket)
            .key(key)
            .body(ByteStream::from(image.bytes.clone()));
        let once = aws_sdk_s3::config::Builder::new().retry_config(RetryConfig::disabled());
        match put.customize().config_override(once).send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .raw_response()
                    .is_none_or(|answer| answer.status().is_server_error()) =>
            {
                Ok(false)
            }
            Err(error) => {
                let reason = error_message(&error);
                Err(ExecuteError::Upload {
                    key: key.clone(),
                    reason,
                })
            }
        }
    }

    /// Says whether the source is there: then its chain has been started.
    async fn is_uploaded(&self) -> Result<bool, ExecuteError> {
        let key = &self.keys.inputs[0];
        let there = self
            .look(key)
            .await
            .map_err(|reason| ExecuteError::Upload {
                key: key.clone(),
                reason,
            })?;
        Ok(there.is_some())
    }

    /// Waits for the final object until it is there, the chain has stopped, or no stage can be
    /// running any more.
    async fn wait(&self, clock: Instant, started_ms: i64, polls: &mut u32) -> Arrival {
        let fastest = self.bench.triggered.fastest(self.pass);
        tokio::select! {
            biased;
            arrival = self.poll(clock, fastest, polls) => arrival,
            stage = Box::pin(self.is_owed(clock, started_ms)) => Arrival::Undelivered(stage),
            () = Box::pin(self.stops(clock, started_ms, fastest)) => Arrival::Stopped,
        }
    }

    /// Polls for the final object, as long as a stage may be running.
    async fn poll(&self, clock: Instant, fastest: Option<Duration>, polls: &mut u32) -> Arrival {
        let timeouts = self
            .bench
            .setup
            .pipeline
            .stages
            .iter()
            .map(|stage| u64::from(stage.timeout_s))
            .sum();
        let deadline = Duration::from_secs(timeouts) + SLACK;
        let last = self.keys.outputs.last().expect("a pipeline has a stage");
        // The object was not there when the last look that missed it was sent.
        let mut absent_at = Duration::ZERO;
        loop {
            let sent = clock.elapsed();
            let looked = self.look(last).await;
            *polls += 1;
            let cost = clock.elapsed().saturating_sub(sent);
            match looked {
                Ok(Some(_)) => {
                    let turnaround = clock.elapsed();
                    return Arrival::Seen {
                        turnaround,
                        late_by_at_most: turnaround.saturating_sub(absent_at),
                    };
                }
                Ok(None) => absent_at = sent,
                Err(_) => {} // Whether it is there is not known: the resolution grows until it is.
            }
            if sent >= deadline {
                return Arrival::Stopped;
            }
            match interval(fastest, clock.elapsed(), cost) {
                Duration::ZERO => {}
                pause => tokio::time::sleep(pause).await,
            }
        }
    }

    /// Completes with the stage that S3 has not started in time, where the pass asks for that.
    async fn is_owed(&self, clock: Instant, started_ms: i64) -> usize {
        let Some(limit) = self.pass.delivery else {
            return std::future::pending().await;
        };
        let mut owed = (0, Duration::ZERO);
        loop {
            if let Some(stage) = self.owes(limit, &mut owed, clock, started_ms).await {
                return stage;
            }
            tokio::time::sleep(limit / DELIVERY_LOOKS).await;
        }
    }

    /// Completes when the chain has stopped. It is asked after when it is slow, and then ever more
    /// seldom.
    async fn stops(&self, clock: Instant, started_ms: i64, fastest: Option<Duration>) {
        let mut inquiry = fastest.map_or(NEVER_BEFORE, |fastest| {
            fastest.mul_f64(SLOWER).max(NEVER_BEFORE)
        });
        loop {
            tokio::time::sleep_until(clock + inquiry).await;
            if self.has_stopped(started_ms).await {
                return;
            }
            inquiry = clock.elapsed() * 2;
        }
    }

    async fn look(&self, key: &str) -> Look {
        look(&self.bench.setup.s3, &self.bench.setup.bucket, key).await
    }

    /// Returns the stage that S3 has not started within `limit` of the output before it. `owed` is
    /// the first stage without an output, and since when that is known.
    async fn owes(
        &self,
        limit: Duration,
        owed: &mut (usize, Duration),
        clock: Instant,
        started_ms: i64,
    ) -> Option<usize> {
        let stage = self.first_absent().await?;
        let now = clock.elapsed();
        if owed.0 != stage {
            *owed = (stage, now);
        }
        if now.saturating_sub(owed.1) < limit {
            return None;
        }
        // A log that can't be read says nothing against it.
        let logged = self.logged_of(&self.functions[stage], started_ms).await;
        if logged.is_ok_and(|runs| runs.is_empty()) {
            return Some(stage);
        }
        owed.1 = clock.elapsed();
        None
    }

    fn undelivered(&self, stage: usize) -> String {
        let name = &self.bench.setup.pipeline.stages[stage].name;
        let seconds = self.pass.delivery.unwrap_or_default().as_secs();
        format!("S3 did not start stage `{name}` within {seconds} s")
    }

    /// Returns whether the first stage without an output has ended, or it or one before it runs in
    /// an endless loop.
    async fn has_stopped(&self, started_ms: i64) -> bool {
        let Some(stage) = self.first_absent().await else {
            return false;
        };
        let logs = self.functions[..=stage]
            .iter()
            .map(|function| self.logged_of(function, started_ms));
        let Ok(logs) = futures::future::try_join_all(logs).await else {
            return false;
        };
        if logs.iter().any(|runs| runs.len() > loops::UNSTOPPED) {
            return true;
        }
        let runs = &logs[stage];
        let are_over = !runs.is_empty() && runs.iter().all(Logged::is_over);
        // Once more: an output is written before its invocation ends.
        are_over && matches!(self.look(&self.keys.outputs[stage]).await, Ok(None))
    }

    /// Returns the first stage whose output is known not to be there.
    async fn first_absent(&self) -> Option<usize> {
        for (stage, key) in self.keys.outputs.iter().enumerate() {
            if matches!(self.look(key).await, Ok(None)) {
                return Some(stage);
            }
        }
        None
    }

    /// Returns what a function's log has of this pass so far.
    async fn logged_of(
        &self,
        function: &Function,
        started_ms: i64,
    ) -> Result<Vec<Logged>, ExecuteError> {
        let mut found = logged(self.bench, function, started_ms - CLOCKS_APART_MS).await?;
        found.retain(|logged| !self.before.contains(&logged.request_id));
        Ok(found)
    }

    /// Waits until every stage that ran has its REPORT, and gives what there is when patience is at
    /// its end.
    ///
    /// A loop is left to the platform to stop; then, or if the platform does not, it is made sure
    /// that it has ended.
    async fn gather(&self, started_ms: i64, ran: usize) -> Result<Gathered, ExecuteError> {
        let until = |rest, most| {
            let patience = self.bench.setup.patience.logs;
            let bounds = Bounds {
                ran,
                patience,
                rest,
                most,
            };
            until_whole(self.functions.len(), bounds, |stage| {
                self.logged_of(&self.functions[stage], started_ms)
            })
        };
        let (logged, _) = until(LOG_SETTLE_TIME, loops::UNSTOPPED).await;
        if !loops::may_go_on(&logged, &self.triggers()) {
            return Ok(Gathered {
                logged,
                looped: None,
                stopped: None,
            });
        }
        let quiet = loops::quiet(&self.bench.setup);
        let deadline = Instant::now() + self.bench.setup.patience.logs;
        let (mut logged, mut at_rest) = until(quiet, loops::UNSTOPPED).await;
        while loops::owes(&logged, &self.triggers()) && Instant::now() < deadline {
            (logged, at_rest) = until(quiet, loops::UNSTOPPED).await;
        }
        if self.find_loop(&logged).is_none() {
            return Ok(Gathered {
                logged,
                looped: None,
                stopped: None,
            });
        }
        let stopped = loops::stop(&self.bench.setup, self.functions, &logged, !at_rest).await?;
        // A run that had begun may be in its cold start, which no log shows.
        let (logged, _) = until(quiet, usize::MAX).await;
        let looped = self.find_loop(&logged);
        Ok(Gathered {
            logged,
            looped,
            stopped: Some(stopped),
        })
    }

    fn find_loop(&self, logged: &[Vec<Logged>]) -> Option<Loop> {
        loops::find(logged, &self.triggers())
    }

    fn triggers(&self) -> Vec<Option<&str>> {
        self.functions
            .iter()
            .map(|function| function.triggered_by.as_deref())
            .collect()
    }

    /// Lets the stage that was started over and over stand as failed. One that failed by itself
    /// keeps its error's type.
    fn blame(&self, looped: &Loop, invocations: &mut [Invocation]) {
        let stages: Vec<&str> = self
            .bench
            .setup
            .pipeline
            .stages
            .iter()
            .map(|stage| stage.name.as_str())
            .collect();
        let told = looped.in_words(&stages);
        let last = invocations.len().saturating_sub(1);
        let Some(invocation) = invocations.get_mut(looped.stage.min(last)) else {
            return;
        };
        invocation.error = Some(match &invocation.error {
            Some(error) => format!("{told} Its first run failed: {error}"),
            None => told,
        });
        if invocation.status == Status::Ok {
            invocation.status = Status::FunctionError;
            invocation.error_type = Some(RECURSIVE_LOOP.to_owned());
        }
    }

    /// Returns one invocation of each stage that ran, in order.
    fn facts(
        &self,
        own: &[Option<&Logged>],
        ran: usize,
        stopped_at: Option<usize>,
        started_at: &str,
    ) -> Vec<Invocation> {
        (0..ran)
            .map(|stage| self.fact(stage, own[stage], stopped_at == Some(stage), started_at))
            .collect()
    }

    /// Returns what is known of one invocation. Of one that the logs do not show, only its output
    /// is.
    fn fact(
        &self,
        stage: usize,
        logged: Option<&Logged>,
        stopped: bool,
        started_at: &str,
    ) -> Invocation {
        let function = &self.functions[stage];
        let failure = logged.and_then(|logged| logged.failure.clone());
        let (status, error_type, error) = match (logged, failure) {
            (_, Some(failure)) if failure.timed_out => {
                (Status::Timeout, failure.error_type, failure.error)
            }
            (_, Some(failure)) => (Status::FunctionError, failure.error_type, failure.error),
            (None, None) if stopped => {
                let patience_s = self.bench.setup.patience.logs.as_secs();
                let error =
                    format!("no log of it appeared within {patience_s} s after the wait ended");
                (Status::CallError, Some(NOT_SEEN.to_owned()), Some(error))
            }
            _ => (Status::Ok, None, None),
        };
        Invocation {
            pass: self.pass.key.clone(),
            stage: self.bench.setup.pipeline.stages[stage].name.clone(),
            stage_index: stage as u32,
            function: function.name.clone(),
            sequence: 0,
            scheduled_at: self.pass.scheduled_at.clone(),
            started_at: logged
                .and_then(|logged| utc(logged.started_ms))
                .unwrap_or_else(|| started_at.to_owned()),
            ended_at: logged.and_then(|logged| utc(logged.ended_ms?)),
            trigger_delay_ms: None,
            client_ms: None,
            status,
            error_type,
            error,
            error_at: None,
            request_id: logged.map(|logged| logged.request_id.clone()),
            report: logged.and_then(|logged| logged.report.clone()),
            init_to_start_ms: logged.and_then(|logged| logged.init_to_start_ms),
            environment_id: logged.map(|logged| logged.stream.clone()),
            environment_round: self.pass.round,
            code_sha256: function.code_sha256.clone(),
            bytes_in: None,
            bytes_out: None,
            handler_reported_ms: None,
            profile: logged.and_then(|logged| logged.profile.clone()),
        }
    }

    /// Emits the invocations. Surplus ones are rows of an attempt that does not count, so the pass
    /// takes the next number.
    fn emit(&self, mut invocations: Vec<Invocation>, surplus: &[(usize, &Logged)]) -> Attempt {
        let mut key = self.pass.key.clone();
        let surplus: Vec<Invocation> = surplus
            .iter()
            .map(|(stage, run)| self.fact(*stage, Some(run), false, &self.pass.scheduled_at))
            .collect();
        if !surplus.is_empty() {
            key.attempt += 1;
        }
        for invocation in &mut invocations {
            invocation.pass = key.clone();
        }
        let mut emitted = Vec::with_capacity(invocations.len());
        for (counts, mut invocation) in surplus
            .into_iter()
            .map(|it| (false, it))
            .chain(invocations.into_iter().map(|it| (true, it)))
        {
            invocation.sequence = self.bench.sequence.fetch_add(1, Ordering::Relaxed);
            self.bench.emit_invocation(invocation.clone());
            if counts {
                emitted.push(invocation);
            }
        }
        Attempt {
            key,
            invocations: emitted,
        }
    }
}

/// A pass whose chain was never started.
fn unstarted(pass: &Pass, started_at: String) -> PassMeasured {
    PassMeasured {
        key: pass.key.clone(),
        invocations: Vec::new(),
        started_at,
        turnaround_s: None,
        resolution_ms: 0.0,
        answers: Vec::new(),
        upload_ms: None,
        polls: 0,
        upload_unanswered: true,
        undelivered: None,
        stopped: None,
    }
}

/// Returns the invocation of each stage that belongs to the chain: the first that did not start
/// before its predecessor.
///
/// Delivery is at least once, so there may be more; one that started earlier is a late delivery of
/// an earlier pass. So is one that failed where another wrote the output: what it was to read had
/// been cleared away. Of several in one environment the longest is taken: code that runs before its
/// invocation can print one of its own, and make it as short as it likes.
fn own(logged: &[Vec<Logged>], stopped_at: Option<usize>) -> Vec<Option<&Logged>> {
    let mut since_ms = i64::MIN;
    let mut own = Vec::with_capacity(logged.len());
    for (stage, runs) in logged.iter().enumerate() {
        let wrote = stopped_at.is_none_or(|stopped| stage < stopped);
        let mut late_enough = runs.iter().filter(|run| run.started_ms >= since_ms);
        let first = late_enough.clone().next();
        let run = late_enough
            .find(|run| wrote && run.failure.is_none())
            .or(first)
            .map(|run| longest(run, runs, since_ms));
        since_ms = run.map_or(since_ms, |run| run.started_ms);
        own.push(run);
    }
    own
}

/// Returns the longest run of the environment that `run` is of, among those that ended like it.
fn longest<'a>(run: &'a Logged, runs: &'a [Logged], since_ms: i64) -> &'a Logged {
    let ms = |run: &Logged| run.report.as_ref().map_or(0.0, |report| report.duration_ms);
    let like = |other: &&Logged| {
        other.stream == run.stream
            && other.started_ms >= since_ms
            && other.failure.is_none() == run.failure.is_none()
    };
    runs.iter().filter(like).fold(run, |longest, other| {
        if ms(other) > ms(longest) {
            other
        } else {
            longest
        }
    })
}

/// Returns how long each stage of a chain took to start: from the upload's end, or from the END of
/// the stage before, to its START, ms; `None` where the log lacks one of the two.
///
/// The clocks are those of the runner and of the platform's hosts. What they disagree in is part of
/// the figure, which may be negative (a handler continues after its PUT, too) and is never clamped.
fn trigger_delays_ms(own: &[Option<&Logged>], uploaded_at_ms: f64) -> Vec<Option<f64>> {
    let ended = own
        .iter()
        .map(|run| run.and_then(|run| run.ended_ms).map(|ms| ms as f64));
    let before = std::iter::once(Some(uploaded_at_ms)).chain(ended);
    own.iter()
        .zip(before)
        .map(|(run, before)| Some(run.as_ref()?.started_ms as f64 - before?))
        .collect()
}

/// Returns the other invocations, with their stages.
fn surplus<'a>(logged: &'a [Vec<Logged>], own: &[Option<&Logged>]) -> Vec<(usize, &'a Logged)> {
    let of_stage = |(stage, runs): (usize, &'a Vec<Logged>)| {
        let own = own[stage].map(|own| own.request_id.clone());
        runs.iter()
            .filter(move |run| own.as_ref() != Some(&run.request_id))
            .map(move |run| (stage, run))
    };
    logged.iter().enumerate().flat_map(of_stage).collect()
}

/// Returns how long to wait before the next look: a hundredth of the fastest turnaround so far, or
/// of the wait so far.
///
/// Once the chain may be over, what a look costs is taken off: the object can be late by the pause
/// and two looks, the one that missed it and the one that saw it. Where that leaves less than a
/// timer can, looks follow one another.
fn interval(fastest: Option<Duration>, elapsed: Duration, cost: Duration) -> Duration {
    let wanted = fastest.unwrap_or(elapsed).div_f64(POLLS);
    if fastest.is_none_or(|fastest| elapsed < fastest.mul_f64(MAY_BE_OVER)) {
        return wanted.max(SHORTEST_POLL);
    }
    let left = wanted.saturating_sub(cost * 2);
    if left < SHORTEST_POLL {
        Duration::ZERO
    } else {
        left
    }
}

/// UTC now, epoch ms with its fraction to the microsecond.
fn utc_ms() -> f64 {
    jiff::Timestamp::now().as_microsecond() as f64 / 1e3
}

fn utc(ms: i64) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(ms).ok()?;
    Some(at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::log_lines::only_begun as run;

    #[test]
    fn a_hop_is_from_the_stage_before_to_this_one_and_may_be_negative() {
        let ended = |id: &str, started_ms, ended_ms| Logged {
            ended_ms,
            ..run(id, started_ms)
        };
        let [a, b, c] = [
            ended("a", 1_010, Some(1_050)),
            ended("b", 1_045, None),
            ended("c", 1_100, Some(1_101)),
        ];
        // The upload ended after the first stage had begun, and the second began before the first
        // had ended.
        let delays = trigger_delays_ms(&[Some(&a), Some(&b), Some(&c), None], 1_010.25);
        assert_eq!(delays, [Some(-0.25), Some(-5.0), None, None]);
        assert_eq!(trigger_delays_ms(&[None, Some(&c)], 1_000.0), [None, None]);
    }

    #[test]
    fn of_several_deliveries_the_first_after_the_predecessor_is_the_chains() {
        let logged = [
            vec![run("a", 100)],
            // Delivered twice.
            vec![run("b", 200), run("b again", 210)],
            // The first is left over from an earlier pass.
            vec![run("left over", 150), run("c", 300)],
            vec![],
        ];
        let own = own(&logged, None);
        let ids: Vec<Option<&str>> = own
            .iter()
            .map(|run| run.map(|run| run.request_id.as_str()))
            .collect();
        assert_eq!(ids, [Some("a"), Some("b"), Some("c"), None]);
        let others: Vec<(usize, &str)> = surplus(&logged, &own)
            .into_iter()
            .map(|(stage, run)| (stage, run.request_id.as_str()))
            .collect();
        assert_eq!(others, [(1, "b again"), (2, "left over")]);
    }

    #[test]
    fn an_invocation_that_code_prints_before_its_own_is_not_the_chains() {
        let reported = |id: &str, started_ms, duration_ms| Logged {
            report: Some(darkroom_core::event::Report {
                duration_ms,
                billed_ms: 9,
                memory_mb: 512,
                max_memory_mb: 60,
                init_ms: None,
                restore: None,
            }),
            ..run(id, started_ms)
        };
        let logged = [vec![
            reported("phantom", 100, 0.01),
            reported("a", 101, 250.0),
        ]];
        let own = own(&logged, None);
        assert_eq!(own[0].map(|run| run.request_id.as_str()), Some("a"));
        assert_eq!(
            surplus(&logged, &own).len(),
            1,
            "the other is told as a further delivery"
        );
    }

    #[test]
    fn a_late_delivery_that_failed_is_not_the_chains_where_another_wrote_the_output() {
        let failed = |id: &str, started_ms| {
            let failure = Some(log_lines::LoggedFailure {
                timed_out: false,
                error_type: None,
                error: None,
            });
            Logged {
                failure,
                ..run(id, started_ms)
            }
        };
        let logged = [
            vec![run("a", 100)],
            vec![failed("of an earlier pass", 110), run("b", 200)],
        ];
        let ids = |stopped_at| own(&logged, stopped_at)[1].map(|run| run.request_id.as_str());
        assert_eq!(ids(None), Some("b"));
        assert_eq!(
            ids(Some(1)),
            Some("of an earlier pass"),
            "where the output is missing, what failed is the reason"
        );
        let alone = [vec![run("a", 100)], vec![failed("b", 110)]];
        assert_eq!(
            own(&alone, None)[1].map(|run| run.request_id.as_str()),
            Some("b")
        );
    }

    #[test]
    fn polls_are_a_hundredth_apart_or_without_a_pause_below_the_timers_step() {
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        assert_eq!(interval(Some(s(3)), ms(5), ms(1)), ms(30));
        assert_eq!(interval(Some(ms(40)), ms(27), ms(1)), ms(1));
        assert_eq!(
            interval(Some(ms(40)), ms(28), Duration::ZERO),
            Duration::ZERO
        );
        assert_eq!(interval(None, ms(5), ms(1)), ms(1));
        assert_eq!(interval(None, s(2), ms(1)), ms(20));
    }

    #[test]
    fn near_the_end_looks_that_cost_much_follow_one_another_sooner() {
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        assert_eq!(interval(Some(s(3)), ms(2100), ms(4)), ms(22));
        assert_eq!(interval(Some(s(3)), ms(2100), ms(15)), Duration::ZERO);
        assert_eq!(
            interval(Some(s(3)), ms(2000), ms(15)),
            ms(30),
            "not before it may be over"
        );
    }
}
