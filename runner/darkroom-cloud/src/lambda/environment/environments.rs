//! All environments of one local cloud: takes an invocation, gives it one, and keeps them tidy.

use super::failure::RunFailure;
use super::pool::{Pool, Pools};
use super::run::Environment;
use super::types::{self, FunctionSpec, InvokeOutcome, InvokeRequest, LogSink, Misdeed};
use super::{layers, open};
use crate::access::Access;
use crate::emulator::Emulator;
use crate::lineage::Working;
use crate::sandbox::{Host, Isolation, Means};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, RwLock, Semaphore, oneshot, watch};
use tokio::task::JoinSet;

/// Serves a connection that a handler has opened to the local cloud's endpoint, knowing what the
/// handler works on.
pub type ServeConnection = Arc<dyn Fn(TcpStream, Working) + Send + Sync>;

/// How environments are made and kept.
#[derive(Clone)]
pub struct EnvironmentsConfig {
    /// An executable whose `main` first calls [`crate::sandbox::run_if_asked`].
    pub sandbox_program: PathBuf,
    /// Where language runtimes are installed once and kept, for example AWS's `/var/runtime` for
    /// Python.
    pub cache_dir: PathBuf,
    /// The local cloud's base URL, for example `http://127.0.0.1:4566`; handlers get it as
    /// `AWS_ENDPOINT_URL`.
    pub endpoint_url: String,
    /// Serves what handlers send to the endpoint; `None` passes it on to `endpoint_url` byte by
    /// byte.
    pub serve: Option<ServeConnection>,
    /// Gives each environment keys of its own; `None` gives all of them the same, which nobody
    /// checks.
    pub access: Option<Access>,
    /// What to isolate handlers by, where the host has it.
    pub means: Means,
    /// An idle environment is stopped after this time.
    pub reap_after: Duration,
    /// An idle environment is frozen after this time; `None` never freezes.
    pub freeze_after: Option<Duration>,
    /// The INIT phase may take this long before it is run again inside the invocation.
    pub init_limit: Duration,
    /// What runs functions of its processor; `None` runs all functions as they are.
    pub emulator: Option<Emulator>,
}

impl EnvironmentsConfig {
    /// Returns AWS's limits with idle times that suit one machine: frozen after 50 ms, reaped after
    /// 10 minutes.
    pub fn new(sandbox_program: PathBuf, cache_dir: PathBuf, endpoint_url: String) -> Self {
        Self {
            sandbox_program,
            cache_dir,
            endpoint_url,
            serve: None,
            access: None,
            means: Means::default(),
            reap_after: Duration::from_mins(10),
            freeze_after: Some(Duration::from_millis(50)),
            init_limit: Duration::from_secs(10),
            emulator: None,
        }
    }
}

/// All execution environments of one local cloud.
pub struct Environments {
    shared: Arc<Shared>,
}

/// What every invocation needs.
pub(super) struct Shared {
    pub(super) config: EnvironmentsConfig,
    pub(super) logs: Arc<dyn LogSink>,
    pub(super) misdeeds: Arc<types::Misdeeds>,
    pub(super) host: Host,
    pub(super) pools: Pools,
    pub(super) layers: layers::Layers,
    pub(super) runtimes: open::Runtimes,
    pub(super) stopping: watch::Sender<bool>,
    /// How many environments may be starting at once: were it all of a burst, all would be too slow
    /// for INIT's limit.
    pub(super) starting: Arc<Semaphore>,
    /// Read while an invocation or a closing is running.
    pub(super) busy: Arc<RwLock<()>>,
    /// Something has become idle.
    pub(super) idle: Arc<Notify>,
}

impl Environments {
    /// Probes what this host can isolate and makes an empty set of environments.
    pub async fn start(config: EnvironmentsConfig, logs: Arc<dyn LogSink>) -> io::Result<Self> {
        let host = Host::probe(&config.sandbox_program, config.means).await?;
        let shared = Arc::new(Shared {
            config,
            logs,
            misdeeds: Arc::default(),
            host,
            pools: Pools::default(),
            layers: layers::Layers::new()?,
            runtimes: open::Runtimes::default(),
            stopping: watch::Sender::new(false),
            starting: Arc::new(Semaphore::new(
                std::thread::available_parallelism().map_or(8, |cores| cores.get() * 4),
            )),
            busy: Arc::default(),
            idle: Arc::default(),
        });
        tokio::spawn(keep_tidy(Arc::downgrade(&shared)));
        Ok(Self { shared })
    }

    /// Finds, and if need be installs, what `runtime` (`python3.13`) needs, so that the first
    /// invocation need not wait.
    ///
    /// An error says what is missing and how to fix it.
    pub async fn prepare(&self, runtime: &str) -> Result<(), String> {
        self.shared
            .runtimes
            .get(runtime, &self.shared.config.cache_dir, None)
            .await
            .map(drop)
    }

    /// Runs one invocation in a free environment of `spec`'s revision, or in a new one.
    ///
    /// Never fails: whatever the handler does is an [`InvokeOutcome`], worded as AWS words it.
    /// Dropping the future does not stop the invocation, as a caller that hangs up does not on AWS.
    pub async fn invoke(&self, spec: Arc<FunctionSpec>, request: InvokeRequest) -> InvokeOutcome {
        let (reply, answer) = oneshot::channel();
        let unanswered = (Arc::clone(&spec), request.request_id.clone());
        tokio::spawn(run_one(Arc::clone(&self.shared), spec, request, reply));
        answer.await.unwrap_or_else(|_| {
            let failure = RunFailure::Unavailable("the local cloud has stopped".to_owned());
            open::not_opened(&self.shared, &unanswered.0, &unanswered.1, &failure)
        })
    }

    /// Retires every environment of the function (any version) after its current work.
    /// `function_arn` is unqualified.
    pub fn retire(&self, function_arn: &str) {
        close_all(&self.shared, self.shared.pools.retire(function_arn));
    }

    /// Stops every environment now and waits until no handler process is left.
    pub async fn stop(&self) {
        self.shared.stopping.send_replace(true);
        let mut closing = JoinSet::new();
        for environment in self.shared.pools.retire_all() {
            closing.spawn(environment.close());
        }
        closing.join_all().await;
        // Waits for the last invocation and the last closing that began before.
        drop(self.shared.busy.write().await);
        let late: JoinSet<()> = self
            .shared
            .pools
            .retire_all()
            .into_iter()
            .map(Environment::close)
            .collect();
        late.join_all().await;
        self.shared.host.settled().await;
    }

    /// Returns what functions did so far that no honest one does. What an environment did while
    /// idle is known when it is next used or closed.
    pub fn misdeeds(&self) -> Vec<Misdeed> {
        self.shared.misdeeds.all()
    }

    /// Says what limits handlers here, and how.
    pub fn isolation(&self) -> &Isolation {
        self.shared.host.isolation()
    }
}

/// Runs one invocation from environment to answer, then puts the environment where it belongs.
async fn run_one(
    shared: Arc<Shared>,
    spec: Arc<FunctionSpec>,
    request: InvokeRequest,
    reply: oneshot::Sender<InvokeOutcome>,
) {
    let _busy = Arc::clone(&shared.busy).read_owned().await;
    if *shared.stopping.borrow() {
        return;
    }
    let (pool, old) = shared.pools.of(&spec);
    close_all(&shared, old);
    let (mut environment, place) = match free_or_new(&shared, &pool, &spec).await {
        Ok(found) => found,
        Err(failure) => {
            let _ = reply.send(open::not_opened(
                &shared,
                &spec,
                &request.request_id,
                &failure,
            ));
            return;
        }
    };
    environment
        .run(request, reply, place, || pool.finishing())
        .await;
    match pool.give_back(environment) {
        Some(environment) => environment.close().await,
        None => shared.idle.notify_one(),
    }
}

/// Returns a free environment, or a new one with the place in which it may be initialised.
async fn free_or_new(
    shared: &Arc<Shared>,
    pool: &Pool,
    spec: &Arc<FunctionSpec>,
) -> Result<(Environment, Option<OwnedSemaphorePermit>), RunFailure> {
    if let Some(environment) = pool.take().await {
        return Ok((environment, None));
    }
    // The semaphore is never closed.
    let place = Arc::clone(&shared.starting).acquire_owned().await.ok();
    // While this one waited, another may have become free.
    if let Some(environment) = pool.take_idle() {
        return Ok((environment, None));
    }
    Ok((open::environment(shared, spec).await?, place))
}

/// Closes environments in the background; [`Environments::stop`] waits for it.
fn close_all(shared: &Arc<Shared>, environments: Vec<Environment>) {
    for environment in environments {
        let busy = Arc::clone(&shared.busy);
        tokio::spawn(async move {
            let _busy = busy.read_owned().await;
            environment.close().await;
        });
    }
}

/// Freezes and reaps idle environments for as long as there are any.
async fn keep_tidy(shared: Weak<Shared>) {
    loop {
        let Some(strong) = shared.upgrade() else {
            return;
        };
        if *strong.stopping.borrow() {
            return;
        }
        let (freeze_after, reap_after) = (strong.config.freeze_after, strong.config.reap_after);
        let (reaped, awake) = strong.pools.tidy(freeze_after, reap_after);
        close_all(&strong, reaped);
        let pause = match freeze_after {
            Some(freeze_after) if awake => freeze_after / 2,
            // Often enough to reap in time and to see that the local cloud is gone.
            _ => reap_after.min(Duration::from_secs(1)),
        };
        let idle = Arc::clone(&strong.idle);
        drop(strong);
        tokio::select! {
            () = tokio::time::sleep(pause.max(Duration::from_millis(1))) => {}
            // While something is awake the short pause is short enough.
            () = idle.notified(), if !awake => {}
        }
    }
}
