//! One execution environment: a sandbox with a runtime, and one invocation at a time from start to
//! report.
//!
//! Lifecycle as in FACTS.md, section 5: INIT before the first invocation, and again inside an
//! invocation after the runtime died or failed to initialise. `/tmp` stays, globals do not.
//! [`super::pool`] chooses the environment.

use super::failure::{self, RunFailure};
use super::gauge::MemoryGauge;
use super::launch;
use super::lines::{self, LogLines};
use super::types::{FunctionSpec, InvokeOutcome, InvokeRequest, Misdeeds, Report, Status};
use crate::access::{Lease, Work};
use crate::lambda::runtime_api::{Invocation, RuntimeApi, RuntimeEvent};
use crate::lineage::{Lineage, Working};
use crate::sandbox::Sandbox;
use crate::sandbox::protocol::{Exit, FROZEN_ALLOWANCE, News, Offence, Order, Program};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::unix::pipe;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// How long processes may take to die once they are killed.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// How long a runtime that has reported an init error may take to exit before it is killed.
const EXIT_GRACE: Duration = Duration::from_secs(1);

/// How often memory is counted while something is waited for: what a process had that has ended
/// shows in no other way.
const COUNT_MEMORY_EVERY: Duration = Duration::from_millis(20);

/// What fits in a pipe: after reading this much, what was written before the runtime's answer has
/// been read.
const PIPE_BYTES: usize = 64 << 10;

/// An execution environment.
pub struct Environment {
    pub spec: Arc<FunctionSpec>,
    pub sandbox: Sandbox,
    pub api: Arc<RuntimeApi>,
    pub events: mpsc::UnboundedReceiver<RuntimeEvent>,
    /// Serves the Runtime API and the way to the local cloud; ends with the environment.
    pub servers: JoinSet<()>,
    /// Tells connections from inside which chain of events they belong to.
    pub working: Working,
    /// Its keys, which end with it.
    pub lease: Option<Lease>,
    pub program: Program,
    pub lines: LogLines,
    pub gauge: MemoryGauge,
    pub misdeeds: Arc<Misdeeds>,
    pub init_limit: Duration,
    pub stopping: watch::Receiver<bool>,
    /// The folder that plays `/tmp` where there is no root of its own.
    pub tmp: Option<tempfile::TempDir>,
    pub state: EnvironmentState,
}

/// Where an environment is in its life.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts that do not exclude each other"
)]
pub struct EnvironmentState {
    /// INIT has been tried once.
    pub tried: bool,
    /// The runtime process runs.
    pub running: bool,
    /// The sandbox itself is unusable.
    pub broken: bool,
    pub frozen: bool,
    /// CPU time used when its control group began to stop it, until all of it stands still.
    pub settling: Option<Duration>,
}

/// What became of freezing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settling {
    Still,
    NotYet,
    /// It goes on working.
    Never,
}

/// What an environment waits for.
enum Happening {
    Runtime(RuntimeEvent),
    Started,
    Exited(Exit),
    NotStarted {
        missing: bool,
        message: String,
    },
    TimeUp,
    /// The local cloud stops.
    Stop,
    SandboxGone(String),
}

/// What an environment deals with by itself while it waits.
enum Woken {
    News(std::io::Result<News>),
    MemoryExhausted,
    TimeToCount,
    Printed,
    Framed,
}

/// What an invocation came to, before it is written down.
struct Finished {
    result: Result<Bytes, RunFailure>,
    /// Bytes that went to the caller before the end.
    streamed: usize,
    duration: Duration,
}

impl Environment {
    /// Runs one invocation, answers `reply`, and returns once the environment can take the next;
    /// its `state` says whether it can. `place` is given up once a new environment is initialised;
    /// `answering` is called right before the answer.
    pub async fn run(
        &mut self,
        request: InvokeRequest,
        reply: oneshot::Sender<InvokeOutcome>,
        place: Option<OwnedSemaphorePermit>,
        answering: impl FnOnce(),
    ) {
        // Before INIT, which the invocation causes too.
        self.working.begin(request.chain.clone());
        // What the event tells is told with the event.
        self.works_on(None);
        self.thaw();
        self.catch_up();
        let timeout = Duration::from_secs(u64::from(self.spec.timeout_s));
        let mut init_ms = None;
        if !self.state.tried {
            init_ms = self.first_init().await;
        }
        drop(place);
        // Fails only if the sandbox is gone, which shows at once.
        let _ = self.sandbox.throttle(true).await;
        self.lines.begin_tail();
        let started = Instant::now();
        let deadline = started + timeout;
        let again = if self.state.running {
            Ok(())
        } else {
            self.init_again(deadline).await
        };
        self.lines.start(&request.request_id, &self.spec.version);
        let mut finished = match again {
            Ok(()) => self.serve(&request, started, deadline).await,
            Err(failure) => Finished {
                result: Err(failure),
                streamed: 0,
                duration: started.elapsed(),
            },
        };
        if let Err(RunFailure::Timeout { .. }) = finished.result {
            finished.duration = timeout;
        }
        let outcome = self.write_down(&request, finished, init_ms).await;
        // Before the caller can come with the next invocation.
        answering();
        // The caller may have gone; the invocation has happened all the same.
        let _ = reply.send(outcome);
        self.come_to_rest(deadline).await;
    }

    /// Initialises a new environment, unthrottled; returns the milliseconds if the runtime came up.
    async fn first_init(&mut self) -> Option<f64> {
        self.state.tried = true;
        let started = Instant::now();
        match self.init("init", started + self.init_limit).await {
            Ok(init_ms) => {
                self.lines.init_report(init_ms, "init", None);
                Some(init_ms)
            }
            Err(failure) => {
                self.report_failed_init(started, "init", &failure);
                self.end_runtime().await;
                None
            }
        }
    }

    /// Initialises inside an invocation, on its time.
    async fn init_again(&mut self, deadline: Instant) -> Result<(), RunFailure> {
        let started = Instant::now();
        let result = self.init("invoke", deadline).await;
        match &result {
            Ok(init_ms) => self.lines.init_report(*init_ms, "invoke", None),
            Err(failure) => self.report_failed_init(started, "invoke", failure),
        }
        result.map(drop)
    }

    fn report_failed_init(&mut self, started: Instant, phase: &str, failure: &RunFailure) {
        let status = if matches!(failure, RunFailure::Timeout { .. }) {
            "timeout"
        } else {
            "error"
        };
        let error_type = failure.error_type().filter(|_| status == "error");
        let error_type = error_type.as_deref().map(platform_error_type);
        let report = lines::InitFailure {
            status,
            error_type: error_type.as_deref(),
        };
        self.lines
            .init_report(milliseconds(started.elapsed()), phase, Some(&report));
    }

    /// Starts the runtime and waits until it asks for its first event; returns the milliseconds.
    async fn init(&mut self, phase: &str, deadline: Instant) -> Result<f64, RunFailure> {
        self.lines
            .init_start(&self.spec, &launch::version_text(&self.spec.runtime), phase);
        self.api.reset();
        while self.events.try_recv().is_ok() {}
        let started = Instant::now();
        let order = Order::Start(self.program.clone());
        if let Err(error) = self.sandbox.control.order(&order).await {
            self.state.broken = true;
            return Err(RunFailure::Unavailable(format!(
                "the sandbox ended: {error}"
            )));
        }
        // A quick runtime may ask for its first event before the sandbox has said that it runs.
        let mut ready = None;
        loop {
            if let Some(at) = ready.filter(|_| self.state.running) {
                return Ok(milliseconds(at - started));
            }
            match self.happening(deadline).await {
                Happening::Runtime(RuntimeEvent::Ready(at)) => ready = Some(at),
                Happening::Runtime(RuntimeEvent::InitError {
                    error_type,
                    payload,
                }) => {
                    self.await_exit(Instant::now() + EXIT_GRACE).await;
                    return Err(RunFailure::Reported {
                        error_type,
                        document: payload,
                    });
                }
                Happening::Runtime(_) | Happening::Started => {}
                Happening::Exited(exit) => return Err(RunFailure::Exited(exit)),
                Happening::NotStarted { missing, message } => {
                    return Err(self.not_started(missing, &message));
                }
                Happening::TimeUp => {
                    return Err(RunFailure::Timeout {
                        seconds: self.spec.timeout_s,
                    });
                }
                Happening::Stop => return Err(stopped()),
                Happening::SandboxGone(reason) => return Err(RunFailure::Unavailable(reason)),
            }
        }
    }

    fn not_started(&self, missing: bool, message: &str) -> RunFailure {
        if missing && launch::wrapper(&self.spec).is_some() {
            // On AWS a shell executes the wrapper and fails with this.
            return RunFailure::Exited(Exit {
                code: Some(127),
                ..Exit::default()
            });
        }
        RunFailure::Entrypoint(format!(
            "fork/exec {}: {message}",
            self.program.path.display()
        ))
    }

    /// Hands the event over and waits for how it ends.
    async fn serve(
        &mut self,
        request: &InvokeRequest,
        started: Instant,
        deadline: Instant,
    ) -> Finished {
        self.works_on(Some(Work::new(
            request.payload.clone(),
            request.chain.clone(),
        )));
        self.api.deliver(Invocation {
            request_id: request.request_id.clone(),
            deadline_ms: (lines::now_ms() + (deadline - Instant::now()).as_millis() as i64)
                .cast_unsigned(),
            invoked_arn: request.invoked_arn.clone(),
            trace_id: trace_id(&request.chain),
            client_context: request.client_context.clone(),
            payload: request.payload.clone(),
            stream: request.stream.clone(),
        });
        let mut streamed = 0;
        let (result, at) = loop {
            match self.happening(deadline).await {
                Happening::Runtime(RuntimeEvent::Response { payload, at }) => {
                    break (Ok(payload), at);
                }
                Happening::Runtime(RuntimeEvent::Streamed { bytes, at }) => {
                    streamed = bytes;
                    break (Ok(Bytes::new()), at);
                }
                Happening::Runtime(RuntimeEvent::ResponseTooLarge { at }) => {
                    break (Err(RunFailure::TooLarge), at);
                }
                Happening::Runtime(RuntimeEvent::Error {
                    error_type,
                    payload,
                    at,
                }) => {
                    break (
                        Err(RunFailure::Reported {
                            error_type,
                            document: payload,
                        }),
                        at,
                    );
                }
                Happening::Runtime(RuntimeEvent::Ready(_) | RuntimeEvent::InitError { .. })
                | Happening::Started
                | Happening::NotStarted { .. } => {}
                Happening::Exited(exit) => break (Err(RunFailure::Exited(exit)), Instant::now()),
                Happening::TimeUp => {
                    break (
                        Err(RunFailure::Timeout {
                            seconds: self.spec.timeout_s,
                        }),
                        deadline,
                    );
                }
                Happening::Stop => break (Err(stopped()), Instant::now()),
                Happening::SandboxGone(reason) => {
                    break (Err(RunFailure::Unavailable(reason)), Instant::now());
                }
            }
        };
        if let Some(lease) = &self.lease {
            lease.caller.answers();
        }
        Finished {
            result,
            streamed,
            duration: at.saturating_duration_since(started),
        }
    }

    /// Writes what a finished invocation leaves in the log, and makes the caller's answer.
    async fn write_down(
        &mut self,
        request: &InvokeRequest,
        finished: Finished,
        init_ms: Option<f64>,
    ) -> InvokeOutcome {
        let failure = finished.result.as_ref().err();
        self.count_memory();
        let mut max_memory_used_mb = self.gauge.read_mb(self.spec.memory_mb);
        if failure.is_some_and(RunFailure::is_fatal) {
            self.end_runtime().await;
            max_memory_used_mb = self.gauge.read_mb(self.spec.memory_mb);
        }
        self.pump();
        self.lines.finish_line();
        let request_id = request.request_id.as_str();
        match failure {
            Some(RunFailure::Timeout { seconds }) => self.lines.timed_out(request_id, *seconds),
            Some(RunFailure::Exited(exit)) => {
                if exit.killed_for == Some(Offence::OutOfMemory) {
                    max_memory_used_mb = self.spec.memory_mb;
                }
                let failure = RunFailure::Exited(*exit);
                self.lines
                    .exited(&failure.sentence(request_id), "Runtime.ExitError");
            }
            Some(failure @ (RunFailure::Entrypoint(_) | RunFailure::Unavailable(_))) => {
                self.lines.exited(
                    &failure.sentence(request_id),
                    &failure.error_type().unwrap_or_default(),
                );
            }
            _ => {}
        }
        let duration_ms = milliseconds(finished.duration);
        let report = Report {
            request_id: request_id.to_owned(),
            duration_ms,
            billed_duration_ms: (init_ms.unwrap_or(0.0) + duration_ms).ceil() as u64,
            memory_mb: self.spec.memory_mb,
            max_memory_used_mb,
            init_ms,
            status: failure.map_or(Status::Success, RunFailure::status),
            error_type: failure.and_then(RunFailure::error_type),
            log_stream: self.lines.stream.clone(),
        };
        let function_error = failure.map(|_| "Unhandled".to_owned());
        let payload = finished
            .result
            .unwrap_or_else(|failure| failure.document(request_id));
        self.lines.end(&report, payload.len() + finished.streamed);
        for (kind, what) in self.lines.take_oddities() {
            self.misdeeds.note(&self.spec.name, kind, what);
        }
        InvokeOutcome {
            payload,
            function_error,
            log_tail: self.lines.take_tail(),
            report,
        }
    }

    /// Waits until the runtime asks for the next event, or ends it when its time is up.
    async fn come_to_rest(&mut self, deadline: Instant) {
        while self.state.running && !self.state.broken {
            match self.happening(deadline).await {
                Happening::Runtime(RuntimeEvent::Ready(_)) => return,
                Happening::TimeUp | Happening::Stop => self.end_runtime().await,
                _ => {}
            }
        }
    }

    /// Ends the runtime and everything it started, if it runs.
    async fn end_runtime(&mut self) {
        if self.state.running && self.sandbox.control.order(&Order::Kill).await.is_err() {
            self.state.broken = true;
        }
        self.await_exit(Instant::now() + KILL_LIMIT).await;
        if self.state.running {
            // What can't be killed can't be used again.
            self.state.broken = true;
        }
        self.api.reset();
    }

    /// Waits until the runtime has exited, at most until `deadline`.
    async fn await_exit(&mut self, deadline: Instant) {
        while self.state.running && !self.state.broken {
            if let Happening::TimeUp = self.happening_unless_stopped(deadline, false).await {
                return;
            }
        }
    }

    /// Waits for the next thing that matters, writing down what the runtime prints meanwhile.
    async fn happening(&mut self, deadline: Instant) -> Happening {
        self.happening_unless_stopped(deadline, true).await
    }

    async fn happening_unless_stopped(&mut self, deadline: Instant, stoppable: bool) -> Happening {
        let deadline = tokio::time::Instant::from_std(deadline);
        loop {
            let cgroup = self.sandbox.cgroup.as_ref();
            let exhausted = async {
                match cgroup {
                    Some(cgroup) => cgroup.memory_exhausted().await,
                    None => std::future::pending().await,
                }
            };
            let woken = tokio::select! {
                biased;
                Some(event) = self.events.recv() => return Happening::Runtime(event),
                news = self.sandbox.control.news() => Woken::News(news),
                () = exhausted => Woken::MemoryExhausted,
                () = tokio::time::sleep(COUNT_MEMORY_EVERY), if cgroup.is_some() => Woken::TimeToCount,
                _ = self.sandbox.logs.readable() => Woken::Printed,
                _ = self.sandbox.telemetry.readable() => Woken::Framed,
                _ = self.stopping.wait_for(|stopping| *stopping), if stoppable => return Happening::Stop,
                () = tokio::time::sleep_until(deadline) => return Happening::TimeUp,
            };
            match woken {
                Woken::News(news) => {
                    if let Some(happening) = self.learn(news) {
                        return happening;
                    }
                }
                Woken::MemoryExhausted => self.memory_exhausted().await,
                Woken::TimeToCount => self.count_memory(),
                Woken::Printed => read_ready(&self.sandbox.logs, |bytes| self.lines.printed(bytes)),
                Woken::Framed => {
                    read_ready(&self.sandbox.telemetry, |bytes| self.lines.framed(bytes));
                }
            }
        }
    }

    /// Takes in what the sandbox says; returns it if somebody waits for it.
    fn learn(&mut self, news: std::io::Result<News>) -> Option<Happening> {
        match news {
            Ok(News::Ready) => None,
            Ok(News::Memory(memory)) => {
                self.gauge.take(memory);
                None
            }
            Ok(News::Started(pid)) => {
                self.state.running = true;
                self.gauge.watch(self.sandbox.host_pid(pid));
                Some(Happening::Started)
            }
            Ok(News::NotStarted { missing, message }) => {
                Some(Happening::NotStarted { missing, message })
            }
            Ok(News::Exited(mut exit)) => {
                self.state.running = false;
                let for_memory = self
                    .sandbox
                    .killed_for_memory()
                    .then_some(Offence::OutOfMemory);
                exit.killed_for = exit.killed_for.or(for_memory);
                self.note_offence(exit.killed_for);
                // System V segments outlive every process. What they leave no room in can't be used
                // again.
                self.state.broken |=
                    exit.killed_for == Some(Offence::OutOfMemory) && self.gauge.is_shared();
                self.gauge.take_peak(exit.peak_kb);
                self.gauge.watch(None);
                self.pump();
                Some(Happening::Exited(exit))
            }
            Ok(News::Failed(reason)) => {
                self.state.broken = true;
                self.state.running = false;
                Some(Happening::SandboxGone(reason))
            }
            Err(error) => {
                self.state.broken = true;
                self.state.running = false;
                Some(Happening::SandboxGone(error.to_string()))
            }
        }
    }

    /// Names an offence that AWS does not know. One during an invocation is told by its failure
    /// too.
    fn note_offence(&mut self, offence: Option<Offence>) {
        let Some(offence) = offence else { return };
        let text = failure::ended_for(offence);
        let kind = match offence {
            Offence::OutOfMemory => return,
            Offence::Unwatchable => "unwatchable",
            Offence::WorkedWhileFrozen { .. } => {
                self.lines.ended_by_darkroom(&text);
                "worked-after-answer"
            }
        };
        self.misdeeds.note(&self.spec.name, kind, text);
    }

    /// Ends the runtime if its processes are too big, or makes room for the files in `/tmp`.
    async fn memory_exhausted(&mut self) {
        if self.sandbox.is_out_of_memory() {
            // An error means that the sandbox is gone, which `news` tells.
            let _ = self.sandbox.control.order(&Order::Kill).await;
        }
    }

    /// Reads how much memory is used now.
    fn count_memory(&mut self) {
        if let Some(memory) = self.sandbox.memory() {
            self.gauge.take(memory);
        }
    }

    /// Takes in what happened since the last invocation, without waiting.
    fn catch_up(&mut self) {
        while let Some(news) = self.sandbox.control.news_now().transpose() {
            self.learn(news);
            if self.state.broken {
                break;
            }
        }
        self.pump();
    }

    /// Writes down what the runtime has written so far.
    fn pump(&mut self) {
        read_now(&self.sandbox.logs, |bytes| self.lines.printed(bytes));
        read_now(&self.sandbox.telemetry, |bytes| self.lines.framed(bytes));
    }

    /// Stops the runtime's processes until the next invocation.
    pub fn freeze(&mut self) {
        if !self.state.frozen && self.state.running {
            self.state.frozen = self.sandbox.freeze().is_ok();
            self.state.settling = self.sandbox.unsettled();
        }
        if self.state.frozen {
            // An event of 6 MB is not kept for what asks for nothing.
            self.works_on(None);
        }
    }

    fn works_on(&self, work: Option<Work>) {
        if let Some(lease) = &self.lease {
            lease.caller.works_on(work);
        }
    }

    fn thaw(&mut self) {
        if self.state.frozen {
            self.state.frozen = self.sandbox.thaw().is_err();
            self.state.settling = None;
        }
    }

    /// Names processes that left the runtime for good and still live at the end. Those that it
    /// waits for, such as a pool's, stay below it.
    fn note_detached(&self) {
        if self.state.running && self.sandbox.detached() > 0 {
            let what = "left a process behind that had detached itself from the runtime";
            self.misdeeds
                .note(&self.spec.name, "left-a-daemon", what.to_owned());
        }
    }

    /// Looks whether what its control group has frozen stands still by now, or goes on in system
    /// calls that take long. Then it is to be closed.
    pub fn settles(&mut self) -> Settling {
        let Some(before) = self.state.settling else {
            return Settling::Still;
        };
        let Some(now) = self.sandbox.unsettled() else {
            self.state.settling = None;
            return Settling::Still;
        };
        let used = now.saturating_sub(before);
        if used <= FROZEN_ALLOWANCE {
            return Settling::NotYet;
        }
        let cpu_ms = used.as_millis() as u64;
        self.note_offence(Some(Offence::WorkedWhileFrozen { cpu_ms }));
        self.state.broken = true;
        Settling::Never
    }

    /// True if the environment can take an invocation.
    pub fn is_usable(&self) -> bool {
        !self.state.broken
    }

    /// Ends everything in it and waits until nothing is left.
    pub async fn close(mut self) {
        self.catch_up();
        self.lines.finish_line();
        self.note_detached();
        self.servers.abort_all();
        self.sandbox.close().await;
        drop(self.tmp);
    }
}

/// Reads from a pipe that Tokio says is readable, and tells it when there is no more.
fn read_ready(pipe: &pipe::Receiver, mut take: impl FnMut(&[u8])) {
    let mut buffer = [0; 16 << 10];
    for _ in 0..4 {
        match pipe.try_read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => take(&buffer[..count]),
        }
    }
}

/// Reads what is in a pipe now, past Tokio, which may not have heard of it yet.
fn read_now(pipe: &pipe::Receiver, mut take: impl FnMut(&[u8])) {
    let mut buffer = [0; 16 << 10];
    let mut total = 0;
    while total <= PIPE_BYTES {
        match rustix::io::read(pipe, &mut buffer[..]) {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                take(&buffer[..count]);
                total += count;
            }
        }
    }
}

fn stopped() -> RunFailure {
    RunFailure::Unavailable("the local cloud is stopping".to_owned())
}

/// Returns an error type as platform logs show it: the platform's own kinds as they are, others
/// hidden.
fn platform_error_type(error_type: &str) -> String {
    let known = ["Runtime.", "Function.", "Sandbox.", "Darkroom."]
        .iter()
        .any(|prefix| error_type.starts_with(prefix));
    if known {
        error_type.to_owned()
    } else {
        "Runtime.Unknown".to_owned()
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Returns a trace header for an invocation that nobody traces; it names the chain, which SDKs hand
/// on.
fn trace_id(chain: &Lineage) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let seconds = lines::now_ms() / 1000;
    format!(
        "Root=1-{seconds:08x}-{};Parent={};Sampled=0;Lineage={chain}",
        &random[..24],
        &random[16..]
    )
}
