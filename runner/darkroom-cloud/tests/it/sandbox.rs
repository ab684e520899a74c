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
        let program = std::env::var_os("DARKROOM_TEST_SANDBOX").map(PathBuf::from);
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_darkroom-sandbox").into());
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

    /// Writes an executable `bootstrap` in bash, which can speak HTTP by itself.
    fn bootstrap(&self, code: &str) -> FunctionSpec {
        let mut spec = self.python("");
        let text = spec.code_dir.join("text");
        std::fs::write(&text, format!("#!/bin/bash\n{BASH_RUNTIME}{code}")).unwrap();
        // Another process writes the executable, so that no fork of this one holds it open when it is run.
        let target = spec.code_dir.join("bootstrap");
        assert!(
            std::process::Command::new("install").args(["-m755"]).args([&text, &target]).status().unwrap().success()
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
    let report_line = second.tail().lines().last().unwrap().to_owned();
    assert!(report_line.starts_with("REPORT RequestId: ") && report_line.ends_with(" MB\t"), "{report_line}");
    let kinds: Vec<String> = stage.events().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["INIT_START", "START", "END", "REPORT", "START", "END", "REPORT"]);
    stage.environments.stop().await;
}

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

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_function_reach_the_caller_as_awslambdaric_words_them() {
    let stage = Stage::new().await;
    let raises = stage.python("def handler(event, context):\n    raise ValueError('no')\n");
    let error = stage.invoke(&raises, json!({})).await;
    assert_eq!(error.0.report.status, Status::Error);
    assert_eq!((&error.error()["errorType"], &error.error()["errorMessage"]), (&json!("ValueError"), &json!("no")));
    assert!(error.tail().contains("[ERROR] ValueError: no\nTraceback"), "{}", error.tail());
    assert_eq!(stage.invoke(&raises, json!({})).await.0.report.init_ms, None, "the environment survives an exception");

    let cases = [
        (
            "import nothing_like_it",
            "Runtime.ImportModuleError",
            "Unable to import module 'handler': No module named 'nothing_like_it'",
        ),
        ("def handler(:", "Runtime.UserCodeSyntaxError", "Syntax error in module 'handler'"),
        ("x = 1", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'handler'"),
        ("raise KeyError('k')", "KeyError", "'k'"),
    ];
    for (code, error_type, message) in cases {
        let answer = stage.invoke(&stage.python(code), json!({})).await;
        assert_eq!(answer.error()["errorType"], error_type);
        assert!(answer.error()["errorMessage"].as_str().unwrap().contains(message), "{}", answer.error());
        assert_eq!(answer.0.report.init_ms, None, "no init succeeded");
    }
    assert!(!stage.invoke(&stage.python("x = 1"), json!({})).await.tail().contains("INIT_START Runtime Version"));
    let reports = stage.events().into_iter().filter(|line| line.starts_with("INIT_REPORT")).collect::<Vec<_>>();
    assert_eq!(reports.len(), 10, "each failed init is tried again inside the invocation: {reports:?}");
    assert!(reports[1].contains("Phase: invoke\tStatus: error\tError Type: Runtime.ImportModuleError"), "{reports:?}");
    assert!(reports[6].contains("Phase: init\tStatus: error\tError Type: Runtime.Unknown"), "{reports:?}");
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_timeout_files_in_tmp_are_kept_and_globals_are_lost() {
    let stage = Stage::new().await;
    let mut slow = stage.python(
        "import os, time\ncount = 0\ndef handler(event, context):\n    global count\n    count += 1\n    \
         if event == 'hang':\n        open('/tmp/mark', 'w').close()\n        print('hanging')\n        time.sleep(60)\n    \
         return [count, os.path.exists('/tmp/mark'), context.get_remaining_time_in_millis()]\n",
    );
    slow.timeout_s = 2;
    assert_eq!(stage.invoke(&slow, json!("")).await.ok()[1], false);
    let hung = stage.invoke(&slow, json!("hang")).await;
    let message = format!("RequestId: {} Error: Task timed out after 2.00 seconds", hung.0.report.request_id);
    assert_eq!(hung.error(), json!({"errorType": "Sandbox.Timedout", "errorMessage": message}));
    assert_eq!((hung.0.report.duration_ms, hung.0.report.billed_duration_ms), (2000.0, 2000));
    assert!(hung.tail().contains("hanging\n"), "{}", hung.tail());
    assert!(hung.tail().contains("Task timed out after 2.00 seconds"), "{}", hung.tail());
    assert!(hung.tail().ends_with("Status: timeout\n"), "{}", hung.tail());
    let after = stage.invoke(&slow, json!("")).await;
    assert_eq!((&after.ok()[0], &after.ok()[1]), (&json!(1), &json!(true)));
    assert!(after.ok()[2].as_i64().unwrap() <= 2000);
    assert_eq!(after.0.report.log_stream, hung.0.report.log_stream, "the same environment");
    assert_eq!(after.0.report.init_ms, None, "a renewed init is part of the duration");
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_init_that_takes_too_long_is_tried_again_in_the_functions_own_time() {
    let stage = Stage::with(|config| config.init_limit = Duration::from_millis(700)).await;
    let mut slow = stage.python(
        "import os, time\nif not os.path.exists('/tmp/tried'):\n    open('/tmp/tried', 'w').close()\n    time.sleep(60)\n\
         def handler(event, context):\n    return 'up'\n",
    );
    slow.timeout_s = 10;
    let answer = stage.invoke(&slow, json!({})).await;
    assert_eq!(answer.ok(), "up");
    assert_eq!(answer.0.report.init_ms, None);
    let events = stage.events();
    assert!(events.iter().any(|line| line.contains("Phase: init\tStatus: timeout")), "{events:?}");
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_dies_is_named_and_replaced_in_the_same_environment() {
    let stage = Stage::new().await;
    let dies = stage.python(
        "import os, signal\ndef handler(event, context):\n    if event == 'kill':\n        os.kill(os.getpid(), signal.SIGKILL)\n    \
         if event == 'segv':\n        os.kill(os.getpid(), signal.SIGSEGV)\n    \
         if isinstance(event, int):\n        os._exit(event)\n    return 'alive'\n",
    );
    let cases = [
        (json!(0), "Runtime exited without providing a reason"),
        (json!(3), "Runtime exited with error: exit status 3"),
        (json!("kill"), "Runtime exited with error: signal: killed"),
        (json!("segv"), "Runtime exited with error: signal: segmentation fault"),
    ];
    let stream = stage.invoke(&dies, json!("")).await.0.report.log_stream;
    for (event, message) in cases {
        let answer = stage.invoke(&dies, event).await;
        let expected = format!("RequestId: {} Error: {message}", answer.0.report.request_id);
        assert_eq!(answer.error(), json!({"errorType": "Runtime.ExitError", "errorMessage": expected}));
        assert!(answer.tail().ends_with("Status: error\tError Type: Runtime.ExitError\n"), "{}", answer.tail());
        let next = stage.invoke(&dies, json!("")).await;
        assert_eq!(next.ok(), "alive");
        assert_eq!(next.0.report.log_stream, stream);
    }
    let at_import = stage.python("import os\nos._exit(1)\n");
    let answer = stage.invoke(&at_import, json!({})).await;
    assert_eq!(answer.error()["errorType"], "Runtime.ExitError");
    assert!(answer.error()["errorMessage"].as_str().unwrap().ends_with("exit status 1"));
    stage.environments.stop().await;
}

const HUNGRY: &str = "def handler(event, context):\n    if event:\n        hoard = bytearray(event << 20)\n        \
                      for place in range(0, len(hoard), 4096):\n            hoard[place] = 1\n    return 'fed'\n";

async fn expect_memory_limit(stage: &Stage) {
    let mut hungry = stage.python(HUNGRY);
    hungry.memory_mb = 128;
    assert_eq!(stage.invoke(&hungry, json!(40)).await.ok(), "fed");
    let starved = stage.invoke(&hungry, json!(400)).await;
    assert_eq!(starved.error()["errorType"], "Runtime.ExitError");
    assert!(starved.error()["errorMessage"].as_str().unwrap().ends_with("signal: killed"), "{}", starved.error());
    assert_eq!(starved.0.report.error_type.as_deref(), Some("Runtime.OutOfMemory"));
    assert_eq!(starved.0.report.max_memory_used_mb, 128);
    assert_eq!(stage.invoke(&hungry, json!(0)).await.ok(), "fed", "the next invocation starts anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_gets_its_memory_and_no_more() {
    let stage = Stage::new().await;
    expect_memory_limit(&stage).await;
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_control_groups_memory_is_watched() {
    let stage = Stage::with(|config| config.means.cgroups = false).await;
    assert!(stage.environments.isolation().label.ends_with("+watch"), "{:?}", stage.environments.isolation());
    expect_memory_limit(&stage).await;
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tmp_has_its_size_and_does_not_count_as_memory() {
    let stage = Stage::new().await;
    let mut filler = stage.python(
        "import os\ndef handler(event, context):\n    written = 0\n    block = bytes(1 << 20)\n    try:\n        \
         with open('/tmp/full', 'wb', buffering=0) as file:\n            while True:\n                written += file.write(block)\n    \
         except OSError as error:\n        os.remove('/tmp/full')\n        return [written >> 20, error.errno]\n",
    );
    (filler.memory_mb, filler.ephemeral_mb, filler.timeout_s) = (128, 600, 60);
    for _ in 0..2 {
        let answer = stage.invoke(&filler, json!({})).await.ok();
        assert_eq!(answer[1], 28, "ENOSPC");
        assert!((590..=600).contains(&answer[0].as_i64().unwrap()), "{answer}");
    }
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_may_have_six_megabytes_and_not_seven() {
    let stage = Stage::new().await;
    let big = stage.python("def handler(event, context):\n    return 'x' * event\n");
    let fits = stage.invoke(&big, json!(6_291_000)).await;
    assert_eq!(fits.ok().as_str().unwrap().len(), 6_291_000);
    let too_big = stage.invoke(&big, json!(7_000_000)).await;
    assert_eq!(
        too_big.error(),
        json!({
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        })
    );
    assert_eq!(stage.invoke(&big, json!(1)).await.ok(), "x");
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_megabytes_of_output_are_logged_and_the_tail_is_four_kilobytes() {
    let stage = Stage::new().await;
    let mut chatty = stage.python(
        "def handler(event, context):\n    line = 'y' * 1023\n    for _ in range(50 * 1024):\n        print(line)\n    return 'done'\n",
    );
    chatty.timeout_s = 120;
    let answer = stage.invoke(&chatty, json!({})).await;
    assert_eq!(answer.ok(), "done");
    assert_eq!(answer.0.log_tail.len(), 4096);
    let printed = stage.events().iter().filter(|line| line.starts_with('y')).map(String::len).sum::<usize>();
    assert_eq!(printed, 50 << 20);
    stage.environments.stop().await;
}

/// What a handler sees of its surroundings.
const LOOK: &str = r"
import errno, os, socket
def attempt(action):
    try:
        action()
        return 'done'
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
def write(path):
    return attempt(lambda: open(path, 'w').close())
def connect(address):
    with socket.socket() as s:
        s.settimeout(5)
        return attempt(lambda: s.connect(address))
def handler(event, context):
    return {
        'environment': dict(os.environ),
        'root': sorted(os.listdir('/')),
        'user': [os.getuid(), os.getgid(), os.getgroups()],
        'directory': os.getcwd(),
        'writes': {p: write(p) for p in ['/var/task/x', '/var/runtime/x', '/opt/x', '/usr/x', '/etc/x', '/x', '/proc/sys/kernel/hostname', '/tmp/x']},
        'sees': {p: os.path.exists(p) for p in event['paths']},
        'processes': sorted(int(p) for p in os.listdir('/proc') if p.isdigit()),
        'first': attempt(lambda: open('/proc/1/environ').read()),
        'kill': attempt(lambda: os.kill(1, 9)),
        'root_again': attempt(lambda: os.setuid(0)),
        'connects': {str(p): connect(('127.0.0.1', p)) for p in event['ports']},
        'outside': connect(('192.0.2.1', 80)),
        'limits': __import__('resource').getrlimit(__import__('resource').RLIMIT_NOFILE),
        'descriptors': sorted(os.listdir('/proc/self/fd')),
    }
";

async fn expect_isolation(stage: &Stage, reachable: bool) {
    let private = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = private.local_addr().unwrap().port();
    let look = stage.python(LOOK);
    let secrets =
        [stage.folder.path().to_owned(), env!("CARGO_MANIFEST_DIR").into(), "/root/.ssh".into(), "/home/x".into()];
    let seen = stage.invoke(&look, json!({"paths": secrets, "ports": [port]})).await.ok();
    for path in secrets {
        assert_eq!(seen["sees"][path.to_str().unwrap()], false, "{}", path.display());
    }
    assert_eq!(seen["user"][0], 1051);
    assert_eq!(seen["user"][1], 1051);
    assert_eq!(seen["directory"], "/var/task");
    for (path, result) in seen["writes"].as_object().unwrap() {
        let allowed = path == "/tmp/x";
        assert_eq!(result == "done", allowed, "{path}: {result}");
    }
    assert_eq!(seen["processes"].as_array().unwrap().len(), 2, "PID 1 and the runtime");
    assert_ne!(seen["first"], "done", "the environment of PID 1");
    assert_ne!(seen["root_again"], "done");
    assert_eq!(seen["connects"][port.to_string()], if reachable { "done" } else { "ECONNREFUSED" });
    assert_eq!(seen["outside"], "ENETUNREACH");
    assert_eq!(seen["limits"], json!([1024, 1024]));
    let names: Vec<&str> = seen["environment"].as_object().unwrap().keys().map(String::as_str).collect();
    for name in ["HOME", "USER", "CARGO_MANIFEST_DIR", "SHELL", "HOSTNAME", "LOGNAME"] {
        assert!(!names.contains(&name), "{name} of the host is visible");
    }
    assert_eq!(seen["environment"]["LAMBDA_TASK_ROOT"], "/var/task");
    assert_eq!(seen["environment"]["AWS_EXECUTION_ENV"], "AWS_Lambda_python3.13");
    assert_eq!(seen["environment"]["AWS_LAMBDA_RUNTIME_API"], "169.254.100.1:9001");
    assert_eq!(
        stage.invoke(&look, json!({"paths": [], "ports": []})).await.0.report.init_ms,
        None,
        "PID 1 was not killed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_sees_nothing_of_the_host() {
    let stage = Stage::new().await;
    expect_isolation(&stage, false).await;
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_sees_nothing_of_the_host_in_a_user_namespace_either() {
    let stage = Stage::with(|config| config.means.user_namespace_only = true).await;
    assert!(stage.environments.isolation().label.starts_with("userns+netns"), "{:?}", stage.environments.isolation());
    expect_isolation(&stage, false).await;
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_reaches_the_local_cloud_at_its_own_address() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\ncloud").await;
            });
        }
    });
    let stage = Stage::with(|config| config.endpoint_url = format!("http://{address}")).await;
    let asks = stage.python(
        "import os, urllib.request\ndef handler(event, context):\n    return urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL']).read().decode()\n",
    );
    assert_eq!(stage.invoke(&asks, json!({})).await.ok(), "cloud");
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_storm_is_contained_and_nothing_of_it_is_left() {
    if !alone("a_fork_storm_is_contained_and_nothing_of_it_is_left") {
        return;
    }
    let stage = Stage::new().await;
    let mut storm = stage.python(
        "import os, time\ndef handler(event, context):\n    if event == 'calm':\n        return 'calm'\n    while True:\n        try:\n            \
         if os.fork() == 0:\n                time.sleep(600)\n        except OSError:\n            print('no more')\n            time.sleep(600)\n",
    );
    (storm.timeout_s, storm.memory_mb) = (8, 3008);
    let answer = stage.invoke(&storm, json!("storm")).await;
    assert!(
        answer.error()["errorType"] == "Sandbox.Timedout" || answer.error()["errorType"] == "Runtime.ExitError",
        "{}",
        answer.error()
    );
    assert_eq!(stage.invoke(&storm, json!("calm")).await.ok(), "calm");
    stage.environments.stop().await;
    assert_eq!(processes_of_sandboxes(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logged_record_is_one_event_and_printed_lines_are_many() {
    let stage = Stage::new().await;
    let logs = stage.python(
        "import logging\nlogging.getLogger().setLevel('INFO')\ndef handler(event, context):\n    print('one\\ntwo')\n    logging.info('three\\nfour')\n    print('five', end='')\n",
    );
    let answer = stage.invoke(&logs, json!({})).await;
    assert_eq!(answer.0.payload, "null");
    let events = stage.events();
    for line in ["one\n", "two\n", "five"] {
        assert!(events.iter().any(|event| event == line), "{line:?} in {events:?}");
    }
    let record = events.iter().find(|event| event.starts_with("[INFO]\t")).unwrap();
    assert!(record.contains("three\nfour"), "{record:?}");
    assert!(record.contains(&answer.0.report.request_id));
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_logs_have_platform_records() {
    let stage = Stage::new().await;
    let mut logs =
        stage.python("import logging\ndef handler(event, context):\n    logging.getLogger().warning('careful')\n");
    logs.log_format = LogFormat::Json;
    let answer = stage.invoke(&logs, json!({})).await;
    answer.ok();
    let records: Vec<Value> = stage.events().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = records.iter().map(|record| record["type"].as_str().unwrap_or("application")).collect();
    assert_eq!(kinds, ["platform.initStart", "platform.start", "application", "platform.report"]);
    assert_eq!(records[2]["message"], "careful");
    assert_eq!(records[2]["requestId"], answer.0.report.request_id);
    let report = &records[3]["record"];
    assert_eq!(report["status"], "success");
    assert_eq!(report["metrics"]["memorySizeMB"], 1769);
    assert!(report["metrics"]["initDurationMs"].as_f64().unwrap() > 0.0);
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_come_after_the_code_and_before_the_runtime() {
    let stage = Stage::new().await;
    let layer = stage.folder.path().join("layer");
    std::fs::create_dir_all(layer.join("python")).unwrap();
    std::fs::write(layer.join("python/helper.py"), "WHO = 'layer'\n").unwrap();
    std::fs::write(layer.join("python/handler.py"), "raise ImportError('the code comes first')\n").unwrap();
    let mut uses = stage.python(
        "import boto3, helper, sys\ndef handler(event, context):\n    return [helper.WHO, open('/opt/python/helper.py').read(), boto3.__file__, sys.path]\n",
    );
    uses.layer_dirs = vec![layer];
    let answer = stage.invoke(&uses, json!({})).await.ok();
    assert_eq!((&answer[0], &answer[1]), (&json!("layer"), &json!("WHO = 'layer'\n")));
    assert!(answer[2].as_str().unwrap().starts_with("/var/runtime/"), "{answer}");
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_of_any_kind_is_served() {
    let stage = Stage::new().await;
    let echo = stage.bootstrap("while true; do next; respond \"[\\\"bash\\\",$event]\"; done\n");
    assert_eq!(stage.invoke(&echo, json!({"n": 1})).await.ok(), json!(["bash", {"n": 1}]));
    assert_eq!(stage.invoke(&echo, json!(2)).await.ok(), json!(["bash", 2]));

    let wrong_id = stage.bootstrap(
        "next\nreal=$id\nid=other\nrespond 1\nsaid=$answer\nid=$real\nrespond \"\\\"${said%%$'\\n'*}\\\"\"\nnext\n",
    );
    assert_eq!(stage.invoke(&wrong_id, json!(0)).await.ok(), "HTTP/1.1 400 Bad Request");

    let mut missing = stage.python(ECHO);
    missing.runtime = "provided.al2023".into();
    let answer = stage.invoke(&missing, json!(0)).await;
    assert_eq!(answer.error()["errorType"], "Runtime.InvalidEntrypoint");
    assert!(answer.tail().contains("Couldn't find valid bootstrap"), "{}", answer.tail());
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_runtime_is_said_to_be_unavailable() {
    let stage = Stage::new().await;
    let mut spec = stage.python(ECHO);
    spec.runtime = "cobol85".into();
    let answer = stage.invoke(&spec, json!(0)).await;
    assert_eq!(answer.error()["errorType"], "Darkroom.Unavailable");
    assert!(answer.error()["errorMessage"].as_str().unwrap().contains("cobol85"));
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_invocations_run_in_environments_of_their_own_which_are_then_reused() {
    let stage = Stage::new().await;
    let waits = stage.python("import time\ndef handler(event, context):\n    time.sleep(event)\n    return 'ok'\n");
    let (one, two) = tokio::join!(stage.invoke(&waits, json!(0.5)), stage.invoke(&waits, json!(0.5)));
    assert_ne!(one.0.report.log_stream, two.0.report.log_stream);
    let (three, four) = tokio::join!(stage.invoke(&waits, json!(0.2)), stage.invoke(&waits, json!(0.2)));
    let mut before = [one.0.report.log_stream, two.0.report.log_stream];
    let mut after = [three.0.report.log_stream, four.0.report.log_stream];
    before.sort();
    after.sort();
    assert_eq!(before, after);
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_revision_starts_anew_and_the_old_environments_go() {
    if !alone("another_revision_starts_anew_and_the_old_environments_go") {
        return;
    }
    let stage = Stage::new().await;
    let mut spec =
        stage.python("count = 0\ndef handler(event, context):\n    global count\n    count += 1\n    return count\n");
    assert_eq!(stage.invoke(&spec, json!({})).await.ok(), 1);
    assert_eq!(stage.invoke(&spec, json!({})).await.ok(), 2);
    spec.revision = "2".into();
    assert_eq!(stage.invoke(&spec, json!({})).await.ok(), 1);
    stage.environments.retire(&spec.arn);
    assert_eq!(stage.invoke(&spec, json!({})).await.ok(), 1);
    stage.environments.stop().await;
    assert_eq!(processes_of_sandboxes(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_background_thread_stands_still_while_its_environment_is_idle() {
    if !alone("a_background_thread_stands_still_while_its_environment_is_idle") {
        return;
    }
    let stage = Stage::with(|config| config.freeze_after = Some(Duration::from_millis(20))).await;
    let spins = stage.python(
        "import threading, time\nticks = 0\ndef spin():\n    global ticks\n    while True:\n        ticks += 1\n        time.sleep(0.001)\n\
         threading.Thread(target=spin, daemon=True).start()\ndef handler(event, context):\n    return ticks\n",
    );
    stage.invoke(&spins, json!({})).await.ok();
    let frozen = || {
        let states: Vec<String> = processes_of_sandboxes().into_iter().map(state_of).collect();
        states.iter().any(|state| state == "T")
    };
    wait_until("the runtime is stopped", frozen).await;
    assert!(stage.invoke(&spins, json!({})).await.ok().as_i64().unwrap() > 0, "it goes on when it is needed");
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_is_idle_for_long_is_reaped() {
    if !alone("an_environment_that_is_idle_for_long_is_reaped") {
        return;
    }
    let stage = Stage::with(|config| config.reap_after = Duration::from_millis(200)).await;
    let echo = stage.python(ECHO);
    stage.invoke(&echo, json!(1)).await.ok();
    wait_until("no process is left", || processes_of_sandboxes().is_empty()).await;
    assert!(stage.invoke(&echo, json!(1)).await.0.report.init_ms.is_some());
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_what_runs_and_leaves_no_process_and_no_control_group() {
    if !alone("stopping_ends_what_runs_and_leaves_no_process_and_no_control_group") {
        return;
    }
    let stage = Arc::new(Stage::new().await);
    let hangs = stage.python("import time\ndef handler(event, context):\n    print('began')\n    time.sleep(600)\n");
    let (running, spec) = (Arc::clone(&stage), hangs.clone());
    let invocation = tokio::spawn(async move { running.invoke(&spec, json!({})).await });
    wait_until("the handler runs", || stage.events().iter().any(|line| line == "began\n")).await;
    assert!(!own_groups(std::process::id()).is_empty() || !stage.environments.isolation().label.contains("cgroup"));
    stage.environments.stop().await;
    assert_eq!(invocation.await.unwrap().error()["errorType"], "Darkroom.Unavailable");
    assert_eq!(processes_of_sandboxes(), Vec::<u32>::new());
    assert_eq!(own_groups(std::process::id()), Vec::<PathBuf>::new());
}

/// Not a test by itself: a server that another test kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by a_killed_server_leaves_no_process_and_no_control_group"]
async fn server_to_be_killed() {
    let stage = Stage::new().await;
    let hangs = stage.python("import os, time\ndef handler(event, context):\n    os.fork()\n    time.sleep(600)\n");
    let idle = stage.python(ECHO);
    stage.invoke(&idle, json!({})).await.ok();
    let ready = stage.folder.path().to_owned();
    std::fs::write(std::env::var_os("DARKROOM_TEST_READY").unwrap(), ready.to_str().unwrap()).unwrap();
    stage.invoke(&hangs, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_no_process_and_no_control_group() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let mut server = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["sandbox::server_to_be_killed", "--exact", "--ignored"])
        .env("DARKROOM_TEST_READY", &ready)
        .env("TMPDIR", folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = server.id();
    wait_until("the server is ready", || ready.exists()).await;
    // The idle environment's two processes of ours and its runtime, and those of the one that hangs.
    wait_until("both environments run", || descendants(pid).len() >= 6).await;
    let family = descendants(pid);
    server.kill().unwrap();
    server.wait().unwrap();
    wait_until("no process is left", || family.iter().all(|pid| ["", "Z"].contains(&state_of(*pid).as_str()))).await;
    wait_until("no control group is left", || own_groups(pid).is_empty()).await;
}

/// Runs the test of that name in a process of its own, so that it may count processes; true in that process.
fn alone(name: &str) -> bool {
    if std::env::var_os("DARKROOM_TEST_ALONE").is_some() {
        return true;
    }
    again(std::process::Command::new(std::env::current_exe().unwrap()), name);
    false
}

/// Runs one test, ignored or not, by `command`, which is this program.
fn again(mut command: std::process::Command, name: &str) {
    command.args([&format!("sandbox::{name}"), "--exact", "--include-ignored"]).env("DARKROOM_TEST_ALONE", "1");
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "{}", text(&output.stdout));
}

/// Polls until `condition` holds; the test fails after a time no machine should need.
async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "not so after a minute: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Everything that descends from this process; see [`alone`].
fn processes_of_sandboxes() -> Vec<u32> {
    descendants(std::process::id()).into_iter().filter(|pid| state_of(*pid) != "Z").collect()
}

fn descendants(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let list = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in list.split_whitespace().filter_map(|child| child.parse().ok()) {
            found.push(child);
            found.extend(descendants(child));
        }
    }
    found
}

/// `R`, `S`, `T`, `Z`, ... or nothing if there is no such process.
fn state_of(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').next()).unwrap_or_default().to_owned()
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

#[tokio::test(flavor = "multi_thread")]
async fn revisions_that_follow_each_other_quickly_do_not_disturb_each_other() {
    if !alone("revisions_that_follow_each_other_quickly_do_not_disturb_each_other") {
        return;
    }
    let stage = Stage::new().await;
    let mut echo = stage.bootstrap("while true; do next; respond \"$event\"; done\n");
    for revision in 0..40 {
        echo.revision = revision.to_string();
        let answer = stage.invoke(&echo, json!(revision)).await;
        assert_eq!(answer.0.report.error_type, None, "revision {revision}: {}", answer.tail());
        assert_eq!(answer.ok(), revision);
    }
    stage.environments.stop().await;
    assert_eq!(processes_of_sandboxes(), Vec::<u32>::new());
    assert_eq!(own_groups(std::process::id()), Vec::<PathBuf>::new());
}

/// Not a test by itself: what the next one runs as another user.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by an_ordinary_user_can_isolate_handlers_too"]
async fn ordinary_user() {
    let stage = Stage::new().await;
    assert!(stage.environments.isolation().label.starts_with("userns+netns"), "{:?}", stage.environments.isolation());
    let looks = stage.bootstrap(
        "while true; do next; touch /tmp/x /var/task/x 2>/dev/null; respond \"[$UID,\\\"$(ls -d /tmp/x /var/task/x 2>/dev/null)\\\"]\"; done\n",
    );
    assert_eq!(stage.invoke(&looks, json!(0)).await.ok(), json!([1051, "/tmp/x"]));
    stage.environments.stop().await;
    assert_eq!(processes_of_sandboxes(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_user_can_isolate_handlers_too() {
    use std::os::unix::process::CommandExt;
    if !nix::unistd::geteuid().is_root() {
        return again(std::process::Command::new(std::env::current_exe().unwrap()), "ordinary_user");
    }
    // Another user may not be able to reach the folder this program was built in.
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let [test, sandbox] = ["test", "sandbox"].map(|name| folder.path().join(name));
    std::fs::copy(std::env::current_exe().unwrap(), &test).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_darkroom-sandbox"), &sandbox).unwrap();
    let mut command = std::process::Command::new(test);
    command.env("DARKROOM_TEST_SANDBOX", sandbox).env("TMPDIR", folder.path()).uid(65534).gid(65534);
    command.current_dir(folder.path());
    again(command, "ordinary_user");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_namespaces_handlers_still_run_and_end_and_it_is_said_what_is_missing() {
    if !alone("without_namespaces_handlers_still_run_and_end_and_it_is_said_what_is_missing") {
        return;
    }
    let stage = Stage::with(|config| (config.means.namespaces, config.means.cgroups) = (false, false)).await;
    let isolation = stage.environments.isolation();
    assert!(isolation.label.starts_with("plain"), "{isolation:?}");
    let network = isolation.limits.iter().find(|limit| limit.name == "network").unwrap();
    assert_eq!(network.enforcement, darkroom_cloud::sandbox::Enforcement::Absent);
    let mut forks = stage.python(
        "import os, sys, time\ndef handler(event, context):\n    if event == 'hang':\n        if os.fork() == 0:\n            os.setsid()\n        \
         time.sleep(600)\n    return [os.getcwd(), [p for p in sys.path if 'site-packages' in p], 'HOME' in os.environ]\n",
    );
    forks.timeout_s = 2;
    let seen = stage.invoke(&forks, json!("")).await.ok();
    assert_eq!(seen, json!([forks.code_dir, [], false]));
    assert_eq!(stage.invoke(&forks, json!("hang")).await.error()["errorType"], "Sandbox.Timedout");
    assert_eq!(stage.invoke(&forks, json!("")).await.ok(), seen);
    stage.environments.stop().await;
    assert_eq!(processes_of_sandboxes(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_served_though_not_all_of_it_can_start_at_once() {
    let stage = Stage::new().await;
    let echo = stage.python(ECHO);
    let calls = (0..60).map(|number| stage.invoke(&echo, json!(number)));
    for (number, answer) in futures::future::join_all(calls).await.into_iter().enumerate() {
        assert_eq!(answer.ok(), number);
    }
    stage.environments.stop().await;
}
