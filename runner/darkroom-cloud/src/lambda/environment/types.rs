//! The values that the control plane hands to the environments, and gets back.

use crate::lineage::Lineage;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tokio::sync::mpsc;

/// One revision of one version of a function: all that decides how its environments are made.
#[derive(Clone, Debug)]
pub struct FunctionSpec {
    /// The function's ARN without a qualifier.
    pub arn: String,
    pub name: String,
    /// `$LATEST` or a number.
    pub version: String,
    /// As the API names it: `python3.13`, `provided.al2023`.
    pub runtime: String,
    /// The ARN that `RuntimeVersionConfig` shows; `INIT_START` prints it.
    pub runtime_version_arn: String,
    pub handler: String,
    /// The unzipped code, never written again.
    pub code_dir: PathBuf,
    /// The unzipped layers in the order declared; a later one wins.
    pub layer_dirs: Vec<PathBuf>,
    /// The user's variables; reserved names were refused before.
    pub environment: BTreeMap<String, String>,
    pub memory_mb: u32,
    pub timeout_s: u32,
    /// Size of `/tmp`.
    pub ephemeral_mb: u32,
    pub log_group: String,
    pub log_format: LogFormat,
    /// `TRACE` .. `FATAL`, for JSON only.
    pub application_log_level: Option<String>,
    /// `DEBUG`, `INFO` or `WARN`, for JSON only.
    pub system_log_level: Option<String>,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// Same revision, same code and configuration. Another one for the same function and version
    /// retires the old environments after their current work.
    pub revision: String,
    pub region: String,
    pub account_id: String,
    /// The execution role.
    pub role_arn: String,
}

/// How a function's log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// One invocation, already accepted by the control plane.
#[derive(Clone, Debug)]
pub struct InvokeRequest {
    pub request_id: String,
    pub payload: Bytes,
    /// The ARN as invoked, with its qualifier if one was given.
    pub invoked_arn: String,
    /// The decoded JSON of `X-Amz-Client-Context`.
    pub client_context: Option<String>,
    /// The runs that led here, this one included: what the handler causes continues with it.
    pub chain: Lineage,
    /// Takes the pieces of a streamed answer as the handler writes them, for a caller that wants
    /// them so.
    pub stream: Option<mpsc::Sender<Bytes>>,
}

/// What an invocation came to.
#[derive(Clone, Debug)]
pub struct InvokeOutcome {
    /// The handler's answer, or the error document. Empty if the answer was streamed.
    pub payload: Bytes,
    /// `Unhandled` when the function failed; AWS sends nothing else today.
    pub function_error: Option<String>,
    /// The last 4 KB from START to REPORT, for `X-Amz-Log-Result`.
    pub log_tail: Vec<u8>,
    pub report: Report,
}

/// What the REPORT line says, as numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub request_id: String,
    pub duration_ms: f64,
    /// `init_ms + duration_ms`, rounded up.
    pub billed_duration_ms: u64,
    pub memory_mb: u32,
    pub max_memory_used_mb: u32,
    /// Only when this invocation started the environment.
    pub init_ms: Option<f64>,
    pub status: Status,
    /// For example `Runtime.ExitError`; `None` on success.
    pub error_type: Option<String>,
    /// The log stream, which names the environment: one stream per environment.
    pub log_stream: String,
}

/// What a function did that no honest one does, as far as Darkroom saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misdeed {
    pub function: String,
    /// One word, for example `unwatchable`.
    pub kind: &'static str,
    /// A sentence without its full stop, that of the first time.
    pub what: String,
    pub times: u32,
}

/// The misdeeds of all functions of one local cloud: one entry a function and kind.
#[derive(Default)]
pub struct Misdeeds(parking_lot::Mutex<Vec<Misdeed>>);

impl Misdeeds {
    /// Notes a misdeed of this kind.
    pub fn note(&self, function: &str, kind: &'static str, what: String) {
        let mut misdeeds = self.0.lock();
        match misdeeds
            .iter_mut()
            .find(|misdeed| misdeed.kind == kind && misdeed.function == function)
        {
            Some(misdeed) => misdeed.times += 1,
            None => misdeeds.push(Misdeed {
                function: function.to_owned(),
                kind,
                what,
                times: 1,
            }),
        }
    }

    pub fn all(&self) -> Vec<Misdeed> {
        self.0.lock().clone()
    }
}

/// How an invocation ended, in the words of `platform.report`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Success,
    /// The handler reported an error.
    Error,
    /// The runtime died.
    Failure,
    Timeout,
}

/// Where log events go. Called from the invocation's path: must return at once and bound its own
/// memory.
pub trait LogSink: Send + Sync {
    /// Appends one event; group and stream are made if they don't exist.
    fn append(&self, group: &str, stream: &str, timestamp_ms: i64, message: &str);
}

/// Where metrics go. The control plane publishes `AWS/Lambda` from [`Report`] and its own throttle
/// counts, since only it knows the qualifier an invocation came by.
pub trait MetricSink: Send + Sync {
    /// Adds one observation. `unit` is CloudWatch's name for it: `Count`, `Milliseconds`.
    fn put(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &[(&str, &str)],
        value: f64,
        unit: &str,
        timestamp_ms: i64,
    );
}

/// A [`LogSink`] that keeps nothing.
pub struct DiscardLogs;

impl LogSink for DiscardLogs {
    fn append(&self, _group: &str, _stream: &str, _timestamp_ms: i64, _message: &str) {}
}

/// A function to test with.
#[cfg(test)]
pub(super) fn example() -> FunctionSpec {
    FunctionSpec {
        arn: "arn:aws:lambda:us-east-1:000000000000:function:echo".into(),
        name: "echo".into(),
        version: "$LATEST".into(),
        runtime: "python3.13".into(),
        runtime_version_arn: "arn:aws:lambda:us-east-1::runtime:0".into(),
        handler: "handler.handler".into(),
        code_dir: "/code".into(),
        layer_dirs: Vec::new(),
        environment: BTreeMap::new(),
        memory_mb: 128,
        timeout_s: 3,
        ephemeral_mb: 512,
        log_group: "/aws/lambda/echo".into(),
        log_format: LogFormat::Text,
        application_log_level: None,
        system_log_level: None,
        architecture: "x86_64".into(),
        revision: "1".into(),
        region: "us-east-1".into(),
        account_id: "000000000000".into(),
        role_arn: "arn:aws:iam::000000000000:role/r".into(),
    }
}
