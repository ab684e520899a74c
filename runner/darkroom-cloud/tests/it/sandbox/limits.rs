//! What a handler can and cannot do: memory, `/tmp`, files, network, processes, users.

use super::{Stage, again, alone, processes_of_sandboxes};
use serde_json::json;
use std::path::PathBuf;

const HUNGRY: &str = "def handler(event, context):\n    if event:\n        hoard = bytearray(event << 20)\n        \
                      for place in range(0, len(hoard), 4096):\n            hoard[place] = 1\n    return 'fed'\n";

async fn expect_memory_limit(stage: &Stage) {
    let mut hungry = stage.python(HUNGRY);
    hungry.memory_mb = 128;
    assert_eq!(stage.invoke(&hungry, json!(40)).await.ok(), "fed");
    let starved = stage.invoke(&hungry, json!(400)).await;
    assert_eq!(starved.error()["errorType"], "Runtime.ExitError");
    assert!(
        starved.error()["errorMessage"]
            .as_str()
            .unwrap()
            .ends_with("signal: killed"),
        "{}",
        starved.error()
    );
    assert_eq!(
        starved.0.report.error_type.as_deref(),
        Some("Runtime.OutOfMemory")
    );
    assert_eq!(starved.0.report.max_memory_used_mb, 128);
    assert_eq!(
        stage.invoke(&hungry, json!(0)).await.ok(),
        "fed",
        "the next invocation starts anew"
    );
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
    assert!(
        stage.environments.isolation().label.ends_with("+watch"),
        "{:?}",
        stage.environments.isolation()
    );
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
        assert!(
            (590..=600).contains(&answer[0].as_i64().unwrap()),
            "{answer}"
        );
    }
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
    let secrets = [
        stage.folder.path().to_owned(),
        env!("CARGO_MANIFEST_DIR").into(),
        "/root/.ssh".into(),
        "/home/x".into(),
    ];
    let seen = stage
        .invoke(&look, json!({"paths": secrets, "ports": [port]}))
        .await
        .ok();
    for path in secrets {
        assert_eq!(
            seen["sees"][path.to_str().unwrap()],
            false,
            "{}",
            path.display()
        );
    }
    assert_eq!(seen["user"][0], 1051);
    assert_eq!(seen["user"][1], 1051);
    assert_eq!(seen["directory"], "/var/task");
    for (path, result) in seen["writes"].as_object().unwrap() {
        let allowed = path == "/tmp/x";
        assert_eq!(result == "done", allowed, "{path}: {result}");
    }
    assert_eq!(
        seen["processes"].as_array().unwrap().len(),
        2,
        "PID 1 and the runtime"
    );
    assert_ne!(seen["first"], "done", "the environment of PID 1");
    assert_ne!(seen["root_again"], "done");
    assert_eq!(
        seen["connects"][port.to_string()],
        if reachable { "done" } else { "ECONNREFUSED" }
    );
    assert_eq!(seen["outside"], "ENETUNREACH");
    assert_eq!(seen["limits"], json!([1024, 1024]));
    let names: Vec<&str> = seen["environment"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    for name in [
        "HOME",
        "USER",
        "CARGO_MANIFEST_DIR",
        "SHELL",
        "HOSTNAME",
        "LOGNAME",
    ] {
        assert!(!names.contains(&name), "{name} of the host is visible");
    }
    assert_eq!(seen["environment"]["LAMBDA_TASK_ROOT"], "/var/task");
    assert_eq!(
        seen["environment"]["AWS_EXECUTION_ENV"],
        "AWS_Lambda_python3.13"
    );
    assert_eq!(
        seen["environment"]["AWS_LAMBDA_RUNTIME_API"],
        "169.254.100.1:9001"
    );
    assert_eq!(
        stage
            .invoke(&look, json!({"paths": [], "ports": []}))
            .await
            .0
            .report
            .init_ms,
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
    assert!(
        stage
            .environments
            .isolation()
            .label
            .starts_with("userns+netns"),
        "{:?}",
        stage.environments.isolation()
    );
    expect_isolation(&stage, false).await;
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn system_calls_that_no_handler_needs_are_refused_and_processes_and_threads_are_not() {
    const ASKS: &str = r#"
import ctypes, errno, os, platform, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)
def name(result):
    return "done" if result != -1 else errno.errorcode[ctypes.get_errno()]
def unshared():
    child = os.fork()
    if child == 0:
        os._exit(0 if libc.unshare(0x10000000) == 0 else ctypes.get_errno())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
def handler(event, context):
    thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
    return {
        "user namespace": errno.errorcode.get(unshared(), "done"),
        "ptrace": name(libc.ptrace(0, 0, 0, 0)),
        "io_uring": name(libc.syscall(425, 1, 0)),
        "keyring": name(libc.syscall({"x86_64": 250, "aarch64": 219}[platform.machine()], 0, -3, 0)),
        "a program": subprocess.run(["/bin/echo", "-n", "runs"], capture_output=True, text=True).stdout,
    }
"#;
    for user_namespace_only in [false, true] {
        let stage =
            Stage::with(|config| config.means.user_namespace_only = user_namespace_only).await;
        assert!(
            stage.environments.isolation().label.contains("+seccomp+"),
            "{:?}",
            stage.environments.isolation()
        );
        let seen = stage.invoke(&stage.python(ASKS), json!({})).await.ok();
        let refused = ["user namespace", "ptrace", "io_uring", "keyring"].map(|call| &seen[call]);
        assert_eq!(refused, ["EPERM"; 4], "{seen}");
        assert_eq!(seen["a program"], "runs");
        stage.environments.stop().await;
    }
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
                let _ = stream
                    .write_all(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\ncloud",
                    )
                    .await;
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
    if !alone("limits::a_fork_storm_is_contained_and_nothing_of_it_is_left") {
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
        answer.error()["errorType"] == "Sandbox.Timedout"
            || answer.error()["errorType"] == "Runtime.ExitError",
        "{}",
        answer.error()
    );
    assert_eq!(stage.invoke(&storm, json!("calm")).await.ok(), "calm");
    stage.environments.stop().await;
    assert_eq!(processes_of_sandboxes(), Vec::<u32>::new());
}

/// Not a test by itself: what the next one runs as another user.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by an_ordinary_user_can_isolate_handlers_too"]
async fn ordinary_user() {
    let stage = Stage::new().await;
    assert!(
        stage
            .environments
            .isolation()
            .label
            .starts_with("userns+netns"),
        "{:?}",
        stage.environments.isolation()
    );
    let looks = stage.bootstrap(
        "while true; do next; touch /tmp/x /var/task/x 2>/dev/null; respond \"[$UID,\\\"$(ls -d /tmp/x /var/task/x 2>/dev/null)\\\"]\"; done\n",
    );
    assert_eq!(
        stage.invoke(&looks, json!(0)).await.ok(),
        json!([1051, "/tmp/x"])
    );
    // What is about to end is not to be read by an ordinary user, and is no reason to end the rest.
    let mut forks = stage.bootstrap(
        "while true; do next; SECONDS=0; while [ $SECONDS -lt 3 ]; do (:) & (:) & wait; done; respond '\"forked\"'; done\n",
    );
    forks.timeout_s = 60;
    assert_eq!(stage.invoke(&forks, json!(0)).await.ok(), "forked");
    stage.environments.stop().await;
    assert_eq!(processes_of_sandboxes(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_user_can_isolate_handlers_too() {
    use std::os::unix::process::CommandExt;
    if !nix::unistd::geteuid().is_root() {
        return again(
            std::process::Command::new(std::env::current_exe().unwrap()),
            "limits::ordinary_user",
        );
    }
    // Another user may not be able to reach the folder this program was built in.
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    let [test, sandbox] = ["test", "sandbox"].map(|name| folder.path().join(name));
    // Another process writes the programs: were they open for writing here while another test's
    // thread forks, that fork would hold them open, and running them would fail as "text file
    // busy".
    for (from, to) in [
        (std::env::current_exe().unwrap(), &test),
        (
            PathBuf::from(env!("CARGO_BIN_EXE_darkroom-sandbox")),
            &sandbox,
        ),
    ] {
        assert!(
            std::process::Command::new("install")
                .arg("-m755")
                .arg(from)
                .arg(to)
                .status()
                .unwrap()
                .success()
        );
    }
    let mut command = std::process::Command::new(test);
    command
        .env("DARKROOM_TEST_SANDBOX", sandbox)
        .env("TMPDIR", folder.path())
        .uid(65534)
        .gid(65534);
    command.current_dir(folder.path());
    again(command, "limits::ordinary_user");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_namespaces_handlers_still_run_and_end_and_it_is_said_what_is_missing() {
    if !alone(
        "limits::without_namespaces_handlers_still_run_and_end_and_it_is_said_what_is_missing",
    ) {
        return;
    }
    let stage =
        Stage::with(|config| (config.means.namespaces, config.means.cgroups) = (false, false))
            .await;
    let isolation = stage.environments.isolation();
    assert!(isolation.label.starts_with("plain"), "{isolation:?}");
    let network = isolation
        .limits
        .iter()
        .find(|limit| limit.name == "network")
        .unwrap();
    assert_eq!(
        network.enforcement,
        darkroom_cloud::sandbox::Enforcement::Absent
    );
    let mut forks = stage.python(
        "import os, sys, time\ndef handler(event, context):\n    if event == 'hang':\n        if os.fork() == 0:\n            os.setsid()\n        \
         time.sleep(600)\n    return [os.getcwd(), [p for p in sys.path if 'site-packages' in p], 'HOME' in os.environ]\n",
    );
    forks.timeout_s = 2;
    let seen = stage.invoke(&forks, json!("")).await.ok();
    assert_eq!(seen, json!([forks.code_dir, [], false]));
    assert_eq!(
        stage.invoke(&forks, json!("hang")).await.error()["errorType"],
        "Sandbox.Timedout"
    );
    assert_eq!(stage.invoke(&forks, json!("")).await.ok(), seen);
    stage.environments.stop().await;
    assert_eq!(processes_of_sandboxes(), Vec::<u32>::new());
}
