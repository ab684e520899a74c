//! What a handler uses is counted and held whatever it tries: work after the answer, a blinded
//! watch, memory that belongs to no process alone. As root with control groups, and as an ordinary
//! user without any.

use super::{Answer, ECHO, Stage, alone, processes_of_sandboxes, state_of, wait_until};
use darkroom_cloud::sandbox::Means;
use serde_json::{Value, json};
use std::time::Duration;

/// What this machine gives root, with control groups and without, and what an ordinary user gets.
fn modes() -> [(&'static str, Means); 3] {
    let ordinary = Means {
        user_namespace_only: true,
        cgroups: false,
        ..Means::default()
    };
    [
        ("root", Means::default()),
        (
            "root without control groups",
            Means {
                cgroups: false,
                ..Means::default()
            },
        ),
        ("ordinary user", ordinary),
    ]
}

async fn stage(means: Means) -> Stage {
    Stage::with(|config| {
        config.means = means;
        config.freeze_after = Some(Duration::from_millis(10));
    })
    .await
}

/// CPU time of all processes of sandboxes, in ticks of 10 ms.
fn ticks() -> u64 {
    let ticks_of = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let number = |index: usize| {
            fields
                .as_ref()
                .and_then(|fields| fields.get(index)?.parse::<u64>().ok())
                .unwrap_or(0)
        };
        number(11) + number(12)
    };
    // Darkroom's own processes look at the others, which costs some.
    let ours = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("__darkroom-sandbox")
    };
    processes_of_sandboxes()
        .into_iter()
        .filter(|pid| !ours(pid))
        .map(ticks_of)
        .sum()
}

/// Wakes itself by everything that can send a signal to a process that is stopped, and burns what
/// it gets.
const SLEEPLESS: &str = r#"
import ctypes, fcntl, json, mmap, os, signal, socket, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
class Sigevent(ctypes.Structure):
    _fields_ = [("value", ctypes.c_void_p), ("signo", ctypes.c_int), ("notify", ctypes.c_int), ("pad", ctypes.c_char * 48)]
class Times(ctypes.Structure):
    _fields_ = [("interval_s", ctypes.c_long), ("interval_ns", ctypes.c_long), ("s", ctypes.c_long), ("ns", ctypes.c_long)]
def timer():
    timer_id, event = ctypes.c_void_p(), Sigevent(signo=signal.SIGCONT, notify=0)
    assert libc.timer_create(1, ctypes.byref(event), ctypes.byref(timer_id)) == 0
    assert libc.timer_settime(timer_id, 0, ctypes.byref(Times(0, 2_000_000, 0, 2_000_000)), None) == 0
def timers():
    # One after another, since stopping again drops those that are due.
    for number in range(1, 31):
        timer_id, event = ctypes.c_void_p(), Sigevent(signo=signal.SIGCONT, notify=0)
        assert libc.timer_create(1, ctypes.byref(event), ctypes.byref(timer_id)) == 0
        when = Times(0, 0, number // 10, number % 10 * 100_000_000)
        assert libc.timer_settime(timer_id, 0, ctypes.byref(when), None) == 0
def interval():
    signal.signal(signal.SIGALRM, lambda *a: os.kill(-1, signal.SIGCONT))
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
def alarm():
    signal.signal(signal.SIGALRM, lambda *a: (os.kill(-1, signal.SIGCONT), signal.alarm(1)))
    signal.alarm(1)
def descriptor():
    ours, theirs = socket.socketpair()
    F_SETSIG = 10
    fcntl.fcntl(ours, F_SETSIG, signal.SIGCONT)
    fcntl.fcntl(ours, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    def talk():
        while True:
            try: theirs.send(b"x")
            except OSError: pass
    threading.Thread(target=talk, daemon=True).start()
def child():
    parent = os.getpid()
    if os.fork() == 0:
        os.setsid()
        timer()
        while True:
            os.kill(parent, signal.SIGCONT)
WAYS = {"timer": timer, "timers": timers, "interval": interval, "alarm": alarm, "descriptor": descriptor, "child": child, "plain": lambda: None}
begun = False
def handler(event, context):
    global begun
    if not begun:
        begun = True
        armed, arm = os.pipe()
        if os.fork() == 0:
            if event in ("child", "descriptor"): os.setsid()
            signal.signal(signal.SIGCONT, lambda *a: None)
            WAYS[event]()
            os.write(arm, b"x")
            while True: pass
        os.read(armed, 1)
    return "armed"
"#;

/// Answers and goes on working; returns how many milliseconds of CPU time it got in half a second.
async fn work_after_answer(stage: &Stage, way: &str) -> u64 {
    let sleepless = stage.python(SLEEPLESS);
    assert_eq!(stage.invoke(&sleepless, json!(way)).await.ok(), "armed");
    let frozen = || {
        let states: Vec<String> = processes_of_sandboxes().into_iter().map(state_of).collect();
        // Stopped, frozen, or ended already.
        states
            .iter()
            .any(|state| ["T", "D"].contains(&state.as_str()))
            || states.len() <= 2
    };
    wait_until("the environment is frozen", frozen).await;
    let before = ticks();
    // Not to wait for something, but the time in which nothing may happen.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let used = ticks().saturating_sub(before) * 10;
    stage.environments.retire(&sleepless.arn);
    wait_until("nothing of it is left", || {
        processes_of_sandboxes().is_empty()
    })
    .await;
    used
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_works_after_the_answer_however_it_wakes_itself() {
    if !alone("accounts::nothing_works_after_the_answer_however_it_wakes_itself") {
        return;
    }
    for (mode, means) in modes() {
        let stage = stage(means).await;
        for way in ["plain", "timer", "interval", "alarm", "descriptor", "child"] {
            let used = work_after_answer(&stage, way).await;
            assert!(used <= 60, "{mode}, {way}: {used} ms of 500");
        }
        stage.environments.stop().await;
    }
    assert_eq!(processes_of_sandboxes(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_control_groups_an_environment_that_wakes_itself_is_ended_and_named() {
    if !alone(
        "accounts::without_control_groups_an_environment_that_wakes_itself_is_ended_and_named",
    ) {
        return;
    }
    let stage = stage(modes()[2].1).await;
    let sleepless = stage.python(SLEEPLESS);
    assert_eq!(
        stage.invoke(&sleepless, json!("timers")).await.ok(),
        "armed"
    );
    wait_until("only Darkroom's processes are left", || {
        processes_of_sandboxes().len() == 2
    })
    .await;
    let next = stage.invoke(&sleepless, json!("plain")).await;
    // The news of the end may come while an invocation has just begun, which then fails for it.
    let next = if next.0.function_error.is_some() {
        assert!(
            next.error()["errorMessage"]
                .as_str()
                .unwrap()
                .contains("CPU time after its answer"),
            "{}",
            next.tail()
        );
        stage.invoke(&sleepless, json!("plain")).await
    } else {
        next
    };
    // The runtime was started anew.
    assert_eq!(next.ok(), "armed");
    assert!(
        stage
            .events()
            .iter()
            .any(|line| line.contains("CPU time after its answer")),
        "{:#?}",
        stage.events()
    );
    let misdeeds = stage.environments.misdeeds();
    assert_eq!(misdeeds.len(), 1);
    assert_eq!(misdeeds[0].function, sleepless.name);
    assert!(
        misdeeds[0].what.contains("CPU time after its answer"),
        "{misdeeds:?}"
    );
    stage.environments.stop().await;
}

/// Answers while its threads are in system calls, which no freezer and no signal stops half-way:
/// they wait for one file, and each writes 512 MB to it.
const IN_CALLS: &str = r#"
import os, threading, time
parts = [memoryview(bytearray(32 << 20))] * 16
file = os.open("/tmp/file", os.O_RDWR | os.O_CREAT)
begun = False
def handler(event, context):
    global begun
    if not begun:
        begun = True
        for _ in range(200): threading.Thread(target=os.pwritev, args=(file, parts, 0), daemon=True).start()
    return os.getpid()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn system_calls_that_outlast_the_answer_end_the_environment() {
    if !alone("accounts::system_calls_that_outlast_the_answer_end_the_environment") {
        return;
    }
    for (mode, means) in modes() {
        let stage = stage(means).await;
        let mut works = stage.python(IN_CALLS);
        works.ephemeral_mb = 1024;
        stage.invoke(&works, json!({})).await.ok();
        // Without control groups the news is read with the next invocation.
        wait_until("its processes are ended", || {
            processes_of_sandboxes().len() <= 2
        })
        .await;
        stage.invoke(&works, json!({})).await;
        let misdeeds = stage.environments.misdeeds();
        assert!(
            misdeeds[0].what.contains("CPU time after its answer"),
            "{mode}: {misdeeds:?}"
        );
        stage.environments.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_environment_answers_again_and_ends_when_it_must() {
    if !alone("accounts::a_frozen_environment_answers_again_and_ends_when_it_must") {
        return;
    }
    for (mode, means) in modes() {
        let stage = stage(means).await;
        let spins = stage.python(
            "import threading\nticks = 0\ndef spin():\n    global ticks\n    while True:\n        ticks += 1\n\
             threading.Thread(target=spin, daemon=True).start()\ndef handler(event, context):\n    return ticks\n",
        );
        for round in 0..5 {
            let answer = stage.invoke(&spins, json!({})).await;
            assert_eq!(
                answer.0.report.init_ms.is_some(),
                round == 0,
                "{mode}: {:?}",
                stage.events()
            );
            answer.ok();
            let states = || {
                processes_of_sandboxes()
                    .into_iter()
                    .map(state_of)
                    .collect::<Vec<_>>()
            };
            wait_until("it stands still", || {
                states()
                    .iter()
                    .any(|state| ["T", "D"].contains(&state.as_str()))
            })
            .await;
        }
        assert_eq!(stage.environments.misdeeds().len(), 0, "{mode}");
        stage.environments.stop().await;
        assert_eq!(processes_of_sandboxes(), Vec::<u32>::new(), "{mode}");
    }
}

/// Tries everything that touches the process that watches over it, and its threads.
const MEDDLE: &str = r#"
import ctypes, errno, os, platform, resource, signal
libc = ctypes.CDLL(None, use_errno=True)
numbers = {"x86_64": {"setparam": 142, "setattr": 314, "ioprio": 251, "readv": 310, "kcmp": 312, "pidfd_open": 434},
           "aarch64": {"setparam": 118, "setattr": 274, "ioprio": 30, "readv": 270, "kcmp": 272, "pidfd_open": 434}}[platform.machine()]
def attempt(action):
    try:
        action()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
def call(*arguments):
    def action():
        if libc.syscall(*arguments) == -1:
            raise OSError(ctypes.get_errno(), "")
    return action
zero, attributes = ctypes.byref(ctypes.c_int(0)), ctypes.create_string_buffer(b"\x30\x00\x00\x00" + bytes(60))
def overwrite(path):
    def action():
        with open(path, "wb", buffering=0) as file:
            file.write(b"1")
    return action
def handler(event, context):
    watcher = sorted(int(thread) for thread in os.listdir("/proc/1/task"))
    tries = {}
    # Those whose permissions let anybody write check more when they are written to.
    files = [f"/proc/{thread}{below}" for thread in watcher for below in ("", f"/task/{thread}")]
    for folder in ["/proc/1", "/proc/1/task/1", "/proc/1/attr", *files]:
        names = os.listdir(folder) if os.path.isdir(folder) else []
        paths = [f"{folder}/{name}" for name in names if not os.path.islink(f"{folder}/{name}")]
        tries |= {path: attempt(overwrite(path)) for path in paths if os.path.isfile(path)}
    for thread in watcher:
        tries |= {f"{name} {thread}": attempt(action) for name, action in {
            "prlimit": lambda: resource.prlimit(thread, resource.RLIMIT_NOFILE, (0, 0)),
            "setpriority": lambda: os.setpriority(os.PRIO_PROCESS, thread, 19),
            "sched_setaffinity": lambda: os.sched_setaffinity(thread, {0}),
            "sched_setscheduler": lambda: os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0)),
            "sched_setparam": call(numbers["setparam"], thread, zero),
            "sched_setattr": call(numbers["setattr"], thread, attributes, 0),
            "ioprio_set": call(numbers["ioprio"], 1, thread, 7),
            "process_vm_readv": call(numbers["readv"], thread, None, 0, None, 0, 0),
            "kcmp": call(numbers["kcmp"], os.getpid(), thread, 0, 0, 0),
            "pidfd_open": call(numbers["pidfd_open"], thread, 0),
        }.items()}
    tries |= {
        "its group's priority": attempt(lambda: os.setpriority(os.PRIO_PGRP, 0, 19)),
        "its user's priority": attempt(lambda: os.setpriority(os.PRIO_USER, 0, 19)),
        "its group's ioprio": attempt(call(numbers["ioprio"], 2, 0, 7)),
        "its user's ioprio": attempt(call(numbers["ioprio"], 3, 0, 7)),
    }
    for number in [signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL]:
        attempt(lambda: os.kill(1, number))
    me = os.getpid()
    own = {
        "prlimit": attempt(lambda: resource.prlimit(me, resource.RLIMIT_CORE, (0, 0))),
        "setrlimit": attempt(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, 1024))),
        "its limits": attempt(lambda: resource.getrlimit(resource.RLIMIT_NOFILE)),
        "affinity": attempt(lambda: os.sched_setaffinity(me, os.sched_getaffinity(0))),
        "affinity of 0": attempt(lambda: os.sched_setaffinity(0, os.sched_getaffinity(0))),
        "nice": attempt(lambda: os.nice(1)),
        "priority": attempt(lambda: os.setpriority(os.PRIO_PROCESS, me, os.getpriority(os.PRIO_PROCESS, me))),
        "scheduler": attempt(lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))),
    }
    return {"watcher": len(watcher), "tries": tries, "own": own}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_can_not_be_blinded_or_slowed() {
    for (mode, means) in modes() {
        let stage = stage(means).await;
        let meddles = stage.python(MEDDLE);
        let seen = stage.invoke(&meddles, json!({})).await.ok();
        assert!(seen["watcher"].as_u64().unwrap() >= 3, "{mode}: {seen}");
        assert!(
            seen["tries"]["/proc/1/oom_score_adj"].is_string(),
            "{mode}: {seen}"
        );
        for (what, result) in seen["tries"].as_object().unwrap() {
            assert!(
                result == "EPERM" || result == "EACCES" || result == "EROFS",
                "{mode}: {what}: {result}"
            );
        }
        for (what, result) in seen["own"].as_object().unwrap() {
            assert_eq!(result, "done", "{mode}: {what}");
        }
        stage.invoke(&meddles, json!({})).await.ok();
        stage.environments.stop().await;
    }
}

/// Burns CPU in ways that hide from a sum over the processes that live, for `seconds`; returns what
/// was really used.
const HIDES: &str = r#"
import os, resource, signal, time
def burn(seconds):
    began = time.process_time()
    while time.process_time() - began < seconds: pass
def children(seconds):
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        pid = os.fork()
        if pid == 0:
            burn(0.003)
            os._exit(0)
        os.waitpid(pid, 0)
def daemons(seconds):
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        pid = os.fork()
        if pid == 0:
            if os.fork() == 0:
                os.setsid()
                burn(0.003)
            os._exit(0)
        os.waitpid(pid, 0)
        time.sleep(0.001)
def ignored(seconds):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    began, read_end = time.monotonic(), None
    while time.monotonic() - began < seconds:
        read_end, write_end = os.pipe()
        if os.fork() == 0:
            os.close(read_end)
            began_cpu = time.process_time()
            burn(0.003)
            os._exit(0)
        os.close(write_end)
        os.read(read_end, 1)
        os.close(read_end)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
def handler(event, context):
    way, seconds = event
    count = 0
    # How many children of 3 ms each there could be says how much CPU time there was.
    real = os.fork
    def counting():
        nonlocal count
        pid = real()
        if pid: count += 1
        return pid
    os.fork = counting
    try: {"children": children, "daemons": daemons, "ignored": ignored}[way](seconds)
    finally: os.fork = real
    return count
"#;

#[tokio::test(flavor = "multi_thread")]
async fn short_lived_children_count_towards_the_share_of_cpu() {
    for (mode, means) in modes() {
        let stage = stage(means).await;
        let mut hides = stage.python(HIDES);
        // A quarter of a core: 500 ms of CPU in 2 s, and a burst. Unhindered there would be 500
        // children and more.
        (hides.memory_mb, hides.timeout_s) = (442, 60);
        for way in ["children", "daemons", "ignored"] {
            let count = stage
                .invoke(&hides, json!([way, 2.0]))
                .await
                .ok()
                .as_u64()
                .unwrap();
            assert!(
                count <= 260,
                "{mode}, {way}: {count} children of 3 ms in 2 s"
            );
            assert!(count >= 5, "{mode}, {way}: {count} children of 3 ms in 2 s");
        }
        stage.environments.stop().await;
    }
}

/// Holds `megabytes` in a place that belongs to no process alone.
const HOARDS: &str = r#"
import ctypes, mmap, os, platform, socket, time
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
block = b"x" * (1 << 20)
kept = []
def memfd(megabytes):
    fd = os.memfd_create("hoard")
    kept.append(fd)
    for _ in range(megabytes): os.write(fd, block)
def sealed(megabytes):
    import fcntl
    fd = os.memfd_create("hoard", os.MFD_ALLOW_SEALING)
    kept.append(fd)
    for _ in range(megabytes): os.write(fd, block)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
def mapped(megabytes):
    area = mmap.mmap(-1, megabytes << 20)
    kept.append(area)
    for at in range(0, megabytes << 20, 4096): area[at] = 1
def untouched_by_its_owner(megabytes):
    area = mmap.mmap(-1, megabytes << 20)
    kept.append(area)
    for part in range(0, megabytes, 16):
        pid = os.fork()
        if pid == 0:
            for at in range(part << 20, min(part + 16, megabytes) << 20, 4096): area[at] = 1
            os._exit(0)
        os.waitpid(pid, 0)
def closed(megabytes):
    fd = os.memfd_create("hoard")
    os.ftruncate(fd, megabytes << 20)
    area = mmap.mmap(fd, megabytes << 20)
    os.close(fd)
    kept.append(area)
    for at in range(0, megabytes << 20, 4096): area[at] = 1
def segment(megabytes):
    ident = libc.shmget(0, megabytes << 20, 0o1600)
    assert ident >= 0, ctypes.get_errno()
    at = libc.shmat(ident, None, 0)
    ctypes.memset(at, 1, megabytes << 20)
    libc.shmdt(ctypes.c_void_p(at))
def orphaned_thread(megabytes):
    # A process whose first thread has ended shows nothing of its memory but through another thread.
    import threading
    read_end, write_end = os.pipe()
    def hold():
        time.sleep(0.05)
        kept.append(block * megabytes)
        os.write(write_end, b"x")
        time.sleep(60)
    if os.fork() == 0:
        threading.Thread(target=hold).start()
        libc.syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
    os.read(read_end, 1)
WAYS = {way.__name__: way for way in [memfd, sealed, mapped, untouched_by_its_owner, closed, segment, orphaned_thread]}
def handler(event, context):
    way, megabytes = event
    if megabytes:
        WAYS[way](megabytes)
        # Long enough to be looked at.
        time.sleep(0.15)
    return "kept"
"#;

const HOARDING: [&str; 7] = [
    "memfd",
    "sealed",
    "mapped",
    "untouched_by_its_owner",
    "closed",
    "segment",
    "orphaned_thread",
];

fn killed_for_memory(answer: &Answer) -> bool {
    let killed = |error: &Value| {
        error["errorMessage"]
            .as_str()
            .is_some_and(|text| text.ends_with("signal: killed"))
    };
    answer.0.report.error_type.as_deref() == Some("Runtime.OutOfMemory") && killed(&answer.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_of_no_process_counts_and_an_environment_beyond_its_size_is_killed() {
    for (mode, means) in modes() {
        let stage = stage(means).await;
        for way in HOARDING {
            let mut hoards = stage.python(HOARDS);
            (hoards.memory_mb, hoards.timeout_s) = (256, 30);
            let fits = stage.invoke(&hoards, json!([way, 100])).await;
            assert_eq!(fits.ok(), "kept", "{mode}, {way}");
            let used = fits.0.report.max_memory_used_mb;
            assert!((105..=200).contains(&used), "{mode}, {way}: {used} MB");
            let hungry = stage.invoke(&hoards, json!([way, 600])).await;
            assert!(
                killed_for_memory(&hungry),
                "{mode}, {way}: {}\n{}",
                hungry.json(),
                hungry.tail()
            );
            assert_eq!(hungry.0.report.max_memory_used_mb, 256, "{mode}, {way}");
            assert!(
                hungry.0.report.duration_ms < 15_000.0,
                "{mode}, {way}: killed, not hung"
            );
            assert_eq!(
                stage.invoke(&hoards, json!([way, 0])).await.ok(),
                "kept",
                "{mode}, {way}"
            );
            stage.environments.retire(&hoards.arn);
        }
        stage.environments.stop().await;
    }
}

/// Asks for a thread whose descriptors `/proc` does not show with its process's.
const APART: &str = r#"
import ctypes, errno, threading
libc = ctypes.CDLL(None, use_errno=True)
libc.clone.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
VM, FILES, SIGHAND, THREAD = 0x100, 0x400, 0x800, 0x10000
kept = []
def clone(flags):
    stack = ctypes.create_string_buffer(1 << 16)
    kept.append(stack)
    pause = ctypes.cast(libc.pause, ctypes.c_void_p)
    made = libc.clone(pause, ctypes.addressof(stack) + (1 << 16) - 64, flags, None)
    return "made" if made > 0 else errno.errorcode[ctypes.get_errno()]
def unshare():
    return "done" if libc.close_range(1000, 1001, 2) == 0 else errno.errorcode[ctypes.get_errno()]
def handler(event, context):
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    return [clone(VM | SIGHAND | THREAD), clone(VM | SIGHAND | THREAD | FILES), unshare(), libc.close_range(1000, 1001, 0)]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn no_thread_has_descriptors_of_its_own() {
    for (mode, means) in modes() {
        let stage = stage(means).await;
        let seen = stage.invoke(&stage.python(APART), json!({})).await.ok();
        assert_eq!(seen, json!(["EPERM", "made", "EPERM", 0]), "{mode}");
        stage.environments.stop().await;
    }
}

/// Makes its processes slow to read, so that memory would be counted late.
const SLOW_TO_READ: &str = r#"
import ctypes, os, time
libc = ctypes.CDLL(None)
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
def handler(event, context):
    ready, tell = os.pipe()
    for _ in range(event):
        if os.fork() == 0:
            for number in range(60_000): libc.mmap(None, 4096, 1 + number % 2 * 2, 0x22, -1, 0)
            os.write(tell, b"x")
            time.sleep(60)
    for _ in range(event): os.read(ready, 1)
    time.sleep(2)
    return "not ended"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_to_read_is_ended() {
    // A control group counts by itself, where one can be made.
    for (mode, means) in modes().into_iter().skip(1) {
        let stage = stage(means).await;
        let mut slow = stage.python(SLOW_TO_READ);
        slow.timeout_s = 60;
        let answer = stage.invoke(&slow, json!(6)).await;
        assert_eq!(
            answer.0.report.error_type.as_deref(),
            Some("Darkroom.Unwatchable"),
            "{mode}: {}\n{}",
            answer.json(),
            answer.tail()
        );
        stage.environments.stop().await;
    }
}

/// Asks for huge pages of the host's pool, which no limit counts.
const HUGE: &str = r#"
import ctypes, errno, os, mmap
libc = ctypes.CDLL(None, use_errno=True)
def attempt(action):
    try:
        action()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
def segment():
    if libc.shmget(0, 2 << 20, 0o5600) == -1:
        raise OSError(ctypes.get_errno(), "")
def handler(event, context):
    return [attempt(lambda: os.memfd_create("huge", os.MFD_HUGETLB)),
            attempt(lambda: mmap.mmap(-1, 2 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)),
            attempt(segment)]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn huge_pages_are_not_to_be_had() {
    let stage = Stage::new().await;
    assert_eq!(
        stage.invoke(&stage.python(HUGE), json!({})).await.ok(),
        json!(["ENOMEM", "ENOMEM", "ENOMEM"])
    );
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_tmp_do_not_count_beside_shared_memory() {
    for (mode, means) in modes() {
        let stage = stage(means).await;
        let mut both = stage.python(&format!(
            "{HOARDS}\ndef handler(event, context):\n    with open('/tmp/full', 'wb') as file:\n        \
             for _ in range(300): file.write(block)\n    memfd(50)\n    time.sleep(0.15)\n    os.remove('/tmp/full')\n    \
             time.sleep(0.1)\n    return 'kept'\n"
        ));
        (both.memory_mb, both.timeout_s) = (256, 30);
        let answer = stage.invoke(&both, json!({})).await;
        assert_eq!(answer.ok(), "kept", "{mode}");
        assert!(
            answer.0.report.max_memory_used_mb < 200,
            "{mode}: {}",
            answer.tail()
        );
        let echo = stage.python(ECHO);
        assert_eq!(stage.invoke(&echo, json!(1)).await.ok(), 1);
        stage.environments.stop().await;
    }
}
