//! Real handlers in real environments: what a caller gets, what is logged, what a handler can and can't do.

use bytes::Bytes;
use darkroom_cloud::lambda::environment::{
    Environments, EnvironmentsConfig, FunctionSpec, InvokeOutcome, InvokeRequest, LogFormat, LogSink, Status,
};
use serde_json::{Value, json};
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
        let program = PathBuf::from(env!("CARGO_BIN_EXE_darkroom-sandbox"));
        let mut config = EnvironmentsConfig::new(program, cache_dir(), "http://127.0.0.1:9".to_owned());
        change(&mut config);
        let sink: Arc<dyn LogSink> = Arc::<Events>::clone(&events);
        let environments = Environments::start(config, sink).await.unwrap();
        Self { environments, events, folder: tempfile::tempdir().unwrap(), next: AtomicU64::new(1) }
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
        }
    }

    async fn invoke(&self, spec: &FunctionSpec, event: Value) -> Answer {
        let request = InvokeRequest {
            request_id: format!("00000000-0000-0000-0000-{:012}", self.next.fetch_add(1, Ordering::Relaxed)),
            payload: Bytes::from(event.to_string()),
            invoked_arn: spec.arn.clone(),
            client_context: None,
        };
        Answer(self.environments.invoke(Arc::new(spec.clone()), request).await)
    }

    fn events(&self) -> Vec<String> {
        self.events.0.lock().unwrap().clone()
    }
}

struct Answer(InvokeOutcome);

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.0.payload).unwrap_or_else(|_| panic!("not JSON: {:?}", self.0.payload))
    }

    /// The answer of a function that did not fail.
    fn ok(&self) -> Value {
        assert_eq!(self.0.function_error, None, "{:?}\n{}", self.0.payload, self.tail());
        self.json()
    }

    /// The error document of a function that did.
    fn error(&self) -> Value {
        assert_eq!(self.0.function_error.as_deref(), Some("Unhandled"), "{:?}", self.0.payload);
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

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_is_answered_and_reported() {
    let stage = Stage::new().await;
    let echo = stage.python(ECHO);
    let first = stage.invoke(&echo, json!({"n": 1})).await;
    assert_eq!(first.ok(), json!({"n": 1}));
    let report = &first.0.report;
    assert_eq!(report.status, Status::Success);
    assert!(report.init_ms.is_some());
    let second = stage.invoke(&echo, json!([2])).await;
    assert_eq!(second.ok(), json!([2]));
    assert_eq!(second.0.report.init_ms, None, "the second invocation is warm");
    assert_eq!(second.0.report.log_stream, report.log_stream, "in the same environment");
    println!("{:?}\n{}{}\n{:?}", stage.environments.isolation(), first.tail(), second.tail(), stage.events());
    stage.environments.stop().await;
}
