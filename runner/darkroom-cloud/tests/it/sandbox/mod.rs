//! Real handlers in real environments: what a caller gets, what is logged, what a handler can and
//! can't do.

mod accounts;
mod answers;
mod limits;
mod lives;
mod walls;

use bytes::Bytes;
use darkroom_cloud::lambda::environment::{
    Environments, EnvironmentsConfig, FunctionSpec, InvokeOutcome, InvokeRequest, LogFormat,
    LogSink,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// Every event, in order.
#[derive(Default)]
struct Events(Mutex<Vec<String>>);

impl LogSink for Events {
    fn append(&self, _group: &str, _stream: &str, _timestamp_ms: i64, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

/// One local cloud's environments, and functions to run in them.
struct Stage {
    environments: Environments,
    events: Arc<Events>,
    folder: TempDir,
    next: AtomicU64,
}

impl Stage {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut EnvironmentsConfig)) -> Self {
        let events = Arc::new(Events::default());
        let program = std::env::var_os("DARKROOM_TEST_SANDBOX").map(PathBuf::from);
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_darkroom-sandbox").into());
        let mut config =
            EnvironmentsConfig::new(program, cache_dir(), "http://127.0.0.1:9".to_owned());
        change(&mut config);
        let sink: Arc<dyn LogSink> = Arc::<Events>::clone(&events);
        let environments = Environments::start(config, sink).await.unwrap();
        Self {
            environments,
            events,
            folder: tempfile::tempdir().unwrap(),
            next: AtomicU64::new(1),
        }
    }

    /// Makes a Python function out of its module's text.
    fn python(&self, code: &str) -> FunctionSpec {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let code_dir = self.folder.path().join(format!("code-{number}"));
        std::fs::create_dir(&code_dir).unwrap();
        std::fs::write(code_dir.join("handler.py"), code).unwrap();
        let name = format!("function-{number}");
        FunctionSpec {
            arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{name}"),
            log_group: format!("/aws/lambda/{name}"),
            name,
            version: "$LATEST".into(),
            runtime: "python3.13".into(),
            runtime_version_arn: "arn:aws:lambda:us-east-1::runtime:0".into(),
            handler: "handler.handler".into(),
            code_dir,
            layer_dirs: Vec::new(),
            environment: BTreeMap::new(),
            memory_mb: 1769,
            timeout_s: 10,
            ephemeral_mb: 512,
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

    async fn invoke(&self, spec: &FunctionSpec, event: Value) -> Answer {
        let request = InvokeRequest {
            request_id: format!(
                "00000000-0000-0000-0000-{:012}",
                self.next.fetch_add(1, Ordering::Relaxed)
            ),
            payload: Bytes::from(event.to_string()),
            invoked_arn: spec.arn.clone(),
            client_context: None,
            chain: darkroom_cloud::lineage::Lineage::default(),
            stream: None,
        };
        Answer(
            self.environments
                .invoke(Arc::new(spec.clone()), request)
                .await,
        )
    }

    /// Writes an executable `bootstrap` in bash, which can speak HTTP by itself.
    fn bootstrap(&self, code: &str) -> FunctionSpec {
        let mut spec = self.python("");
        let text = spec.code_dir.join("text");
        std::fs::write(&text, format!("#!/bin/bash\n{BASH_RUNTIME}{code}")).unwrap();
        // Another process writes the executable, so that no fork of this one holds it open when it
        // is run.
        let target = spec.code_dir.join("bootstrap");
        assert!(
            std::process::Command::new("install")
                .args(["-m755"])
                .args([&text, &target])
                .status()
                .unwrap()
                .success()
        );
        spec.runtime = "provided.al2023".into();
        spec
    }

    fn events(&self) -> Vec<String> {
        self.events.0.lock().unwrap().clone()
    }
}

struct Answer(InvokeOutcome);

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.0.payload)
            .unwrap_or_else(|_| panic!("not JSON: {:?}", self.0.payload))
    }

    /// The answer of a function that did not fail.
    fn ok(&self) -> Value {
        assert_eq!(
            self.0.function_error,
            None,
            "{:?}\n{}",
            self.0.payload,
            self.tail()
        );
        self.json()
    }

    /// The error document of a function that did.
    fn error(&self) -> Value {
        assert_eq!(
            self.0.function_error.as_deref(),
            Some("Unhandled"),
            "{:?}",
            self.0.payload
        );
        self.json()
    }

    fn tail(&self) -> String {
        String::from_utf8_lossy(&self.0.log_tail).into_owned()
    }
}

/// The runtime is installed once for all tests; the target folder is as good a cache as any.
fn cache_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("darkroom-cache")
}

const ECHO: &str = "def handler(event, context):\n    return event\n";

/// `next` puts an event into $id and $event, `respond` answers it.
const BASH_RUNTIME: &str = r#"
api=${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API#*:}
request() {
  exec 3<>/dev/tcp/$api
  printf '%s %s HTTP/1.1\r\nHost: api\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' "$1" "/2018-06-01/runtime/$2" "${#3}" "$3" >&3
  answer=$(tr -d '\r' <&3)
}
next() {
  request GET invocation/next ''
  id=$(grep -i '^lambda-runtime-aws-request-id:' <<<"$answer" | cut -d' ' -f2)
  event=${answer#*$'\n\n'}
}
respond() { request POST "invocation/$id/response" "$1"; }
"#;

/// Runs the test of that name in a process of its own, so that it may count processes; true in that
/// process.
fn alone(name: &str) -> bool {
    if std::env::var_os("DARKROOM_TEST_ALONE").is_some() {
        return true;
    }
    again(
        std::process::Command::new(std::env::current_exe().unwrap()),
        name,
    );
    false
}

/// Runs one test, ignored or not, by `command`, which is this program.
fn again(mut command: std::process::Command, name: &str) {
    command
        .args([&format!("sandbox::{name}"), "--exact", "--include-ignored"])
        .env("DARKROOM_TEST_ALONE", "1");
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    assert!(
        text(&output.stdout).contains("1 passed"),
        "{}",
        text(&output.stdout)
    );
}

/// Polls until `condition` holds; the test fails after a time no machine should need.
async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(
            std::time::Instant::now() < deadline,
            "not so after a minute: {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Everything that descends from this process; see [`alone`].
fn processes_of_sandboxes() -> Vec<u32> {
    descendants(std::process::id())
        .into_iter()
        .filter(|pid| state_of(*pid) != "Z")
        .collect()
}

fn descendants(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let list = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in list
            .split_whitespace()
            .filter_map(|child| child.parse().ok())
        {
            found.push(child);
            found.extend(descendants(child));
        }
    }
    found
}

/// `R`, `S`, `T`, `Z`, ... or nothing if there is no such process.
fn state_of(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .and_then(|(_, rest)| rest.split(' ').next())
        .unwrap_or_default()
        .to_owned()
}

/// The control groups that server `pid` has made, wherever they are mounted.
fn own_groups(pid: u32) -> Vec<PathBuf> {
    let prefix = format!("darkroom-{pid}-");
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy().starts_with(&prefix) {
                    found.push(entry.path());
                }
                folders.push(entry.path());
            }
        }
    }
    found
}
