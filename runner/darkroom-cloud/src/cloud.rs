//! The local cloud as one value: start it, ask for its address, stop it.

use crate::access::{Access, OwnNames, Refusal};
use crate::bridges::{Buckets, Functions, Inside};
use crate::emulator::Emulator;
use crate::iam::Iam;
use crate::keys::{Keys, random_pair};
use crate::lambda::environment::{Environments, EnvironmentsConfig, Misdeed};
use crate::lambda::{self, Lambda, UnreadableStore};
use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::s3::{self, S3};
use crate::sandbox::Isolation;
use crate::scratch::{self, Scratch};
use crate::server::{Server, Services};
use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How a local cloud is set up. Start from [`Config::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The loopback port; `None` takes a free one.
    pub port: Option<u16>,
    /// Where functions and objects live and survive a restart; `None` is a temporary folder that
    /// [`LocalCloud::stop`] removes.
    pub data_dir: Option<PathBuf>,
    /// Where language runtimes are installed once and kept.
    pub cache_dir: PathBuf,
    /// The region in every ARN.
    pub region: String,
    /// An executable whose `main` first calls [`crate::sandbox::run_if_asked`].
    pub sandbox_program: PathBuf,
    /// The waits before the second, third, ... run of an asynchronous invocation whose function
    /// failed. AWS: 1 minute, then 2 minutes.
    pub retry_delays: Vec<Duration>,
    /// After which an environment that has not initialised is made to do it again, within its
    /// first invocation. AWS: 10 s.
    pub init_limit: Duration,
    /// Concurrent executions of the account. AWS: 1000.
    pub concurrent_executions: u32,
    /// The access key and secret that clients must sign with; `None` lets every key in, with itself
    /// for a secret: then whoever reaches the port can sign.
    pub key: Option<(String, String)>,
    /// What runs functions of another processor than this machine's; `None` runs them as they are.
    pub emulator: Option<Emulator>,
}

impl Config {
    /// Returns AWS's own limits and delays in `us-east-1`, on a free port, over a temporary folder.
    pub fn new(sandbox_program: PathBuf, cache_dir: PathBuf) -> Self {
        Self {
            port: None,
            data_dir: None,
            cache_dir,
            region: "us-east-1".to_owned(),
            sandbox_program,
            retry_delays: vec![Duration::from_mins(1), Duration::from_mins(2)],
            init_limit: Duration::from_secs(10),
            concurrent_executions: lambda::limits::CONCURRENT_EXECUTIONS,
            key: None,
            emulator: None,
        }
    }

    /// Has clients sign with a key that is made now and known to nobody else.
    #[must_use]
    pub fn with_secret(self) -> Self {
        Self {
            key: Some(random_pair("LOCAL")),
            ..self
        }
    }
}

/// Why a local cloud did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "cannot listen on 127.0.0.1:{port}: {source}; set another --port, or none for a free one"
    )]
    Listen { port: u16, source: std::io::Error },
    #[error("cannot use the data folder {}: {source}", path.display())]
    DataDir {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("another local cloud uses the data folder {}; stop it, or set another folder", path.display())]
    InUse { path: PathBuf },
    #[error("cannot read the function store {}: {source}; move the file away to start empty", path.display())]
    Store {
        path: PathBuf,
        source: UnreadableStore,
    },
    #[error("cannot open the buckets: {0}")]
    Buckets(#[from] s3::StoreError),
    #[error("cannot open the roles, logs and metrics in {}: {source}", path.display())]
    Records {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot start the execution environments: {0}")]
    Environments(#[source] std::io::Error),
}

/// The pair of AWS's documentation: an open cloud knows it beside those that are their own secrets.
const DOCUMENTED: (&str, &str) = (
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
);

/// How often metrics are written to a folder that lasts; a minute's sums are small.
const SAVE_METRICS_EVERY: Duration = Duration::from_secs(10);

/// A running local cloud. Dropping it without [`LocalCloud::stop`] closes the port but waits for
/// nothing.
pub struct LocalCloud {
    server: Server,
    lambda: Arc<Lambda>,
    environments: Arc<Environments>,
    logs: Logs,
    metrics: Metrics,
    endpoint_url: String,
    access: Access,
    /// Writes the metrics of a lasting folder now and then; ends when dropped.
    saving: JoinSet<()>,
    /// Held for their drop: the lock on the data folder, and what removes a temporary one.
    _lock: File,
    _temporary: Option<Scratch>,
}

impl LocalCloud {
    /// Binds the port, loads what the data folder holds, and answers from then on.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let _ = tokio::task::spawn_blocking(scratch::sweep).await;
        let (data_dir, temporary) = data_dir(config.data_dir.as_deref())?;
        let lock = lock(&data_dir)?;
        let listener = listen(config.port.unwrap_or(0))?;
        let address = listener
            .local_addr()
            .map_err(|source| StartError::Listen { port: 0, source })?;
        let endpoint_url = format!("http://{address}");
        let (functions, inside) = (Functions::default(), Inside::default());
        let keys = Arc::new(match &config.key {
            Some((id, secret)) => Keys::closed([(id.as_str(), secret.as_str())]),
            None => Keys::open([DOCUMENTED]),
        });
        let roles = data_dir.join("iam");
        let iam = Iam::open(&roles).map_err(|source| StartError::Records {
            path: roles,
            source,
        })?;
        let access = Access::new(iam.clone(), Arc::clone(&keys));
        let s3 = S3::open(s3::S3Config {
            folder: data_dir.join("s3"),
            region: config.region.clone(),
            keys: Arc::clone(&keys),
            access: Some(access.clone()),
            functions: Arc::new(functions.clone()),
            events: Arc::new(functions.clone()),
        })?;
        let (logs, metrics) = records(&data_dir, &config.region)?;
        let settings = EnvironmentsConfig {
            serve: Some(inside.serve()),
            access: Some(access.clone()),
            init_limit: config.init_limit,
            emulator: config.emulator,
            ..EnvironmentsConfig::new(
                config.sandbox_program,
                config.cache_dir,
                endpoint_url.clone(),
            )
        };
        let environments = Environments::start(settings, Arc::new(logs.clone()))
            .await
            .map_err(StartError::Environments)?;
        let environments = Arc::new(environments);
        let lambda = Arc::new(Lambda::open(lambda::LambdaSettings {
            folder: data_dir.join("lambda"),
            region: config.region.clone(),
            endpoint_url: endpoint_url.clone(),
            retry_delays: config.retry_delays,
            concurrent_executions: config.concurrent_executions,
            environments: Arc::clone(&environments),
            metrics: Arc::new(metrics.clone()),
            objects: Arc::new(Buckets(s3.clone())),
            keys: Arc::clone(&keys),
            access: access.clone(),
        })?);
        functions.set(&lambda);
        let services = Arc::new(Services {
            keys,
            lambda: Arc::clone(&lambda),
            s3,
            logs: logs.clone(),
            metrics: metrics.clone(),
            iam,
            access: access.clone(),
            region: config.region,
        });
        let server = Server::start(listener, Arc::clone(&services));
        inside.set(&services, server.stopped());
        let mut saving = JoinSet::new();
        if temporary.is_none() {
            saving.spawn(save_now_and_then(metrics.clone()));
        }
        Ok(Self {
            server,
            lambda,
            environments,
            logs,
            metrics,
            endpoint_url,
            access,
            saving,
            _lock: lock,
            _temporary: temporary,
        })
    }

    /// The base URL of every service, for example `http://127.0.0.1:4566`.
    pub fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    /// What limits handlers on this host, and how well.
    pub fn isolation(&self) -> &Isolation {
        self.environments.isolation()
    }

    /// Ends every environment for good, and returns what functions did that no honest one does.
    pub async fn end_environments(&self) -> Vec<Misdeed> {
        self.environments.stop().await;
        self.environments.misdeeds()
    }

    /// Holds the code of the function of this name to object names of its own, and those that its
    /// events tell. Functions of which nobody said any may use what their role allows.
    pub fn hold_to(&self, function: &str, names: OwnNames) {
        self.access.hold_to(function, names);
    }

    /// Returns the calls of functions' code that were refused since the last time.
    pub fn take_refusals(&self) -> Vec<Refusal> {
        self.access.take_refusals()
    }

    /// Stops accepting, ends every environment, lets open requests finish for a moment, and removes
    /// a temporary folder.
    pub async fn stop(self) {
        self.server.stop_accepting();
        self.lambda.stop_queue();
        self.environments.stop().await;
        self.server.finish().await;
        if let Err(error) = self.lambda.close().await {
            tracing::warn!("cannot write the function store: {error}");
        }
        drop(self.saving);
        self.logs.flush();
        if let Err(error) = self.metrics.flush() {
            tracing::warn!("cannot write the metrics: {error}");
        }
    }
}

/// Writes the metrics every [`SAVE_METRICS_EVERY`], so that a `kill -9` loses no more than that; a
/// folder that goes with the cloud needs none of it.
async fn save_now_and_then(metrics: Metrics) {
    loop {
        tokio::time::sleep(SAVE_METRICS_EVERY).await;
        let metrics = metrics.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || metrics.flush()).await {
            tracing::warn!("cannot write the metrics: {error}");
        }
    }
}

/// Opens the logs and the metrics of the data folder. Metrics that log lines embed are recorded
/// too.
fn records(data_dir: &Path, region: &str) -> Result<(Logs, Metrics), StartError> {
    let unusable = |path: PathBuf| move |source| StartError::Records { path, source };
    let (logs, metrics) = (data_dir.join("logs"), data_dir.join("metrics"));
    let metrics = Metrics::open(&metrics).map_err(unusable(metrics))?;
    let logs = Logs::open(&logs, region).map_err(unusable(logs))?;
    Ok((logs.with_embedded_metrics(metrics.clone()), metrics))
}

/// Returns the folder to use, made if need be, and the guard that removes it when it is temporary.
fn data_dir(wanted: Option<&Path>) -> Result<(PathBuf, Option<Scratch>), StartError> {
    if let Some(path) = wanted {
        let failed = |source| StartError::DataDir {
            path: path.to_owned(),
            source,
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        return Ok((path.canonicalize().map_err(failed)?, None));
    }
    let made = Scratch::new("cloud").map_err(|source| StartError::DataDir {
        path: std::env::temp_dir(),
        source,
    })?;
    Ok((made.path().to_owned(), Some(made)))
}

/// Keeps other local clouds out of the folder for as long as the file is open; the kernel lets go
/// of it after a crash.
fn lock(data_dir: &Path) -> Result<File, StartError> {
    let file = File::create(data_dir.join("lock"));
    let file = file.map_err(|source| StartError::DataDir {
        path: data_dir.to_owned(),
        source,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse {
            path: data_dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(StartError::DataDir {
            path: data_dir.to_owned(),
            source,
        }),
    }
}

/// Binds 127.0.0.1, never another interface, with room for a burst of connections.
fn listen(port: u16) -> Result<tokio::net::TcpListener, StartError> {
    let bind = || {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        socket.listen(4096)
    };
    bind().map_err(|source| StartError::Listen { port, source })
}
