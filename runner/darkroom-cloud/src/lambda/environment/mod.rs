//! Execution environments: from an accepted invocation to its answer, log lines and report.
//!
//! The control plane counts concurrency and resolves qualifiers, then calls [`Environments::invoke`]; everything from
//! there on happens here. This room never speaks the public Lambda API and never answers 4xx.

mod types;

pub use types::{
    DiscardLogs, FunctionSpec, InvokeOutcome, InvokeRequest, LogFormat, LogSink, MetricSink, Report, Status,
};

use crate::sandbox::Isolation;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How environments are made and kept.
#[derive(Clone, Debug)]
pub struct EnvironmentsConfig {
    /// An executable whose `main` first calls [`crate::sandbox::run_if_asked`].
    pub sandbox_program: PathBuf,
    /// Where language runtimes are installed once and kept, for example AWS's `/var/runtime` for Python.
    pub cache_dir: PathBuf,
    /// The local cloud's base URL, for example `http://127.0.0.1:4566`; handlers get it as `AWS_ENDPOINT_URL`.
    pub endpoint_url: String,
    /// An idle environment is stopped after this time.
    pub reap_after: Duration,
    /// An idle environment is frozen after this time; `None` never freezes.
    pub freeze_after: Option<Duration>,
    /// The INIT phase may take this long before it is run again inside the invocation.
    pub init_limit: Duration,
}

impl EnvironmentsConfig {
    /// Returns AWS's limits with idle times that suit one machine: frozen after 50 ms, reaped after 10 minutes.
    pub fn new(sandbox_program: PathBuf, cache_dir: PathBuf, endpoint_url: String) -> Self {
        Self {
            sandbox_program,
            cache_dir,
            endpoint_url,
            reap_after: Duration::from_mins(10),
            freeze_after: Some(Duration::from_millis(50)),
            init_limit: Duration::from_secs(10),
        }
    }
}

/// All execution environments of one local cloud.
pub struct Environments;

impl Environments {
    /// Probes what this host can isolate and makes an empty set of environments.
    #[expect(clippy::unused_async, clippy::needless_pass_by_value, reason = "face first: the body follows")]
    pub async fn start(_config: EnvironmentsConfig, _logs: Arc<dyn LogSink>) -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Runs one invocation in a free environment of `spec`'s revision, or in a new one.
    ///
    /// Never fails: whatever the handler does is an [`InvokeOutcome`], worded as AWS words it.
    #[expect(clippy::unused_async, reason = "face first: the body follows")]
    pub async fn invoke(&self, _spec: Arc<FunctionSpec>, _request: InvokeRequest) -> InvokeOutcome {
        unimplemented!("the environments are being built")
    }

    /// Retires every environment of the function (any version) after its current work. `function_arn` is unqualified.
    pub fn retire(&self, _function_arn: &str) {}

    /// Stops every environment now and waits until no handler process is left.
    #[expect(clippy::unused_async, reason = "face first: the body follows")]
    pub async fn stop(&self) {}

    /// Says what limits handlers here, and how.
    pub fn isolation(&self) -> &Isolation {
        unimplemented!("the environments are being built")
    }
}
