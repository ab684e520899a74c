//! Handlers that misbehave (`manifests/misbehaving.toml`): the run ends, names each of them, and
//! leaves nothing behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use darkroom::record::read;
use darkroom_core::event::{Event, Invocation, Status};

use crate::story::{HOST, Project};

/// Copies the repository's folder into the project.
fn copied(project: &Project, folder: &str) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for entry in fs::read_dir(repository.join(folder))
        .unwrap()
        .map(Result::unwrap)
    {
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copied(project, &path),
            _ => drop(project.write(&path, fs::read(entry.path()).unwrap())),
        }
    }
}

/// Processes in whose environment `token` stands: ours by what they inherited, handlers by the
/// names of their functions.
fn processes(token: &str) -> Vec<PathBuf> {
    let all = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let ours = |path: &PathBuf| {
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        environment
            .windows(token.len())
            .any(|window| window == token.as_bytes())
    };
    all.filter(ours).collect()
}

/// Control groups that the local cloud of process `pid` made.
fn control_groups(pid: u32) -> Vec<PathBuf> {
    let prefix = format!("darkroom-{pid}-");
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from("/sys/fs/cgroup")]);
    while let Some(folder) = folders.pop() {
        let inner = fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in inner.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                found.push(entry.path());
            }
            folders.push(entry.path());
        }
    }
    found
}

/// How a run was isolated, and the counted invocations of a variant by stage.
fn measured(run: &Path, variant: &str) -> (String, BTreeMap<String, Invocation>) {
    let (mut isolation, mut invocations) = (String::new(), BTreeMap::new());
    let counts =
        |it: &Invocation| !it.pass.warm_up && it.pass.cell_id.as_str().starts_with(variant);
    for event in read(&run.join("journal.ndjson"))
        .unwrap()
        .map(Result::unwrap)
    {
        match event {
            Event::RunStarted(started) => isolation = started.isolation,
            Event::InvocationFinished(it) if counts(&it) => {
                drop(invocations.insert(it.stage.clone(), it));
            }
            _ => {}
        }
    }
    (isolation, invocations)
}

/// The stages that fail in a sandbox of this kind, and what is said of each.
fn expected(isolation: &str) -> Vec<(&'static str, &'static str)> {
    let mut expected = vec![
        ("hang", "Task timed out after 2.00 seconds"),
        ("exit", "Runtime.ExitError"),
        ("out-of-memory", "Runtime.OutOfMemory"),
        ("fork-storm", "1 × "),
        ("fill-tmp", "No space left on device"),
        ("big-response", "Function.ResponseSizeTooLarge"),
        ("list-bucket", "AccessDenied"),
        ("copy-reference", "found of the right answer: nothing"),
        ("create-function", "AccessDenied"),
        ("replace-code", "AccessDenied"),
        ("write-log", "AccessDenied"),
        ("forge-metric", "AccessDenied"),
        ("delete-input", "AccessDenied"),
        ("borrow-keys", "UnrecognizedClient"),
        ("short-lived-children", "of a core"),
        (
            "remember-a-name",
            "of 1 objects of earlier events could be read: none",
        ),
        ("write-beside", "written beside OUTPUT_PREFIX: nothing"),
        (
            "read-by-range",
            "seen by a range that nobody can read: nothing",
        ),
        ("colour-the-terminal", "\\u{1b}[2J\\u{1b}[31m"),
    ];
    if isolation.contains("cgroup") || isolation.contains("watch") {
        let hoards = ["hoard-memfd", "hoard-shared-mapping", "hoard-segments"];
        expected.extend(hoards.map(|stage| (stage, "Runtime.OutOfMemory")));
    }
    if isolation.contains("seccomp") {
        expected.extend([
            ("blind-the-watch", "reached of the watch: nothing"),
            ("open-sockets", "sockets of: nothing"),
        ]);
    }
    if isolation.contains("ns") {
        expected.extend([
            ("write-outside", "written outside /tmp: nowhere"),
            ("open-network", "network open to nothing"),
            ("read-host", "of the host is visible: nothing"),
            ("link-to-host", "led to by links: nothing"),
            ("use-descriptors", "descriptors that lead out: none"),
            ("leave-namespaces", "left: nothing"),
            ("kill-the-watch", "killed of the watch: nothing"),
        ]);
    }
    expected
}

fn failures_are_recorded(isolation: &str, invocations: &BTreeMap<String, Invocation>) {
    let limited = isolation.contains("cgroup");
    let how = |stage: &str| {
        (
            invocations[stage].status,
            invocations[stage].error_type.as_deref(),
        )
    };
    assert_eq!(how("hang"), (Status::Timeout, Some("Sandbox.Timedout")));
    assert_eq!(
        how("exit"),
        (Status::FunctionError, Some("Runtime.ExitError"))
    );
    assert_eq!(
        how("big-response"),
        (Status::FunctionError, Some("Function.ResponseSizeTooLarge"))
    );
    if limited {
        assert_eq!(
            how("out-of-memory"),
            (Status::FunctionError, Some("Runtime.OutOfMemory"))
        );
        // It comes to its last process or to its last byte, by how much of a process this Python
        // shares with its children.
        let storm = &invocations["fork-storm"];
        let refused = storm
            .error
            .as_deref()
            .is_some_and(|error| error.starts_with("no process after "));
        match storm.error_type.as_deref() {
            Some("RuntimeError") => assert!(refused, "{storm:?}"),
            other => assert_eq!(other, Some("Runtime.OutOfMemory"), "{storm:?}"),
        }
    }
    let memory = invocations["out-of-memory"]
        .report
        .as_ref()
        .unwrap()
        .max_memory_mb;
    assert!(!limited || memory <= 512, "{memory} MB of 512");

    if limited || isolation.contains("watch") {
        let told = invocations["short-lived-children"]
            .error
            .as_deref()
            .unwrap_or_default();
        let had = told
            .split(' ')
            .find_map(|word| word.parse::<f64>().ok())
            .unwrap();
        assert!(had < 0.5, "512 MB buy 0.29 of a core: {told}");
    }
}

#[test]
fn a_run_of_misbehaving_handlers_ends_names_each_and_leaves_nothing_behind() {
    let project = Project::new();
    copied(&project, "functions/misbehaving");
    copied(&project, "functions/well-behaved");
    copied(&project, "experiments/misbehaving");
    project.share_runtimes();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests/misbehaving.toml");
    project.write("m.toml", fs::read(manifest).unwrap());
    let token = format!("m{}", uuid::Uuid::new_v4().simple());
    let (name, host) = (
        format!("experiment.name={token}"),
        format!("matrix.architectures=[\"{HOST}\"]"),
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
    command
        .args(["run", "m.toml", "--set", &name, "--set", &host])
        .current_dir(project.root());
    command.env("DARKROOM_CANARY", &token);
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    assert!(
        !processes(&token).is_empty(),
        "a process can be found by what it inherited"
    );
    let output = child.wait_with_output().unwrap();
    let (shown, said) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(1), "{shown}\n{said}");

    // Nothing is left: no process, no control group, no file.
    assert_eq!(processes(&token), Vec::<PathBuf>::new());
    assert_eq!(control_groups(pid), Vec::<PathBuf>::new());
    for path in [
        "/tmp/darkroom-misbehaving-fill",
        "/darkroom-misbehaving-outside",
        "/dev/shm/darkroom-misbehaving-outside",
    ] {
        assert!(!Path::new(path).exists(), "{path} was written");
    }

    let run = project.root().join("outputs").join(&token).join("latest");
    let (isolation, invocations) = measured(&run, "misbehaving");
    let line = |stage: &str, word: &str| {
        let of_stage = format!(" · {stage}: ");
        let found = shown
            .lines()
            .find(|line| line.starts_with(word) && line.contains(&of_stage));
        found.unwrap_or_else(|| panic!("{word} {stage} is missing from:\n{shown}\n{said}"))
    };
    for (stage, error) in expected(&isolation) {
        let line = line(stage, "FAILED");
        assert!(line.contains(error), "{error:?} is not said in {line:?}");
    }
    for stage in ["background-thread", "wake-by-timer"] {
        assert!(line(stage, "WRONG").contains("missing"));
    }
    for (action, stage) in [
        ("s3:ListBucket", "list-bucket"),
        ("s3:GetBucketPolicy", "read-by-range"),
        ("s3:PutObject", "write-beside"),
        ("s3:DeleteObject", "delete-input"),
        ("lambda:CreateFunction", "create-function"),
        ("lambda:UpdateFunctionCode", "replace-code"),
        ("logs:PutLogEvents", "write-log"),
        ("cloudwatch:PutMetricData", "forge-metric"),
    ] {
        let refused = shown
            .split("REFUSED  misbehaving tried to call\n")
            .nth(1)
            .and_then(|part| part.split("\n\n").next());
        let named = refused.is_some_and(|calls| {
            calls.lines().any(|line| {
                line.trim_start().starts_with(&format!("{action} ")) && line.contains(stage)
            })
        });
        assert!(named, "{action} of {stage} is not named in:\n{shown}");
    }
    for (stage, what) in [
        ("flood-log", "printed more than 16 MB in one invocation"),
        ("print-50-mb", "printed more than 16 MB in one invocation"),
        (
            "imitate-report",
            "printed lines that imitate the platform's",
        ),
        ("report-later", "printed lines that imitate the platform's"),
        (
            "leave-a-daemon",
            "left a process behind that had detached itself",
        ),
    ] {
        let named = |line: &str| {
            line.starts_with("MISBEHAVED") && line.contains(stage) && line.contains(what)
        };
        assert!(
            shown.lines().any(named),
            "{stage} is not named in:\n{shown}"
        );
    }
    failures_are_recorded(&isolation, &invocations);

    // These do their work, and what they print, write and leave behind changes nothing of what is
    // recorded.
    for stage in [
        "print-50-mb",
        "imitate-report",
        "report-later",
        "leave-a-daemon",
        "flood-log",
        "write-many-objects",
    ] {
        let invocation = &invocations[stage];
        assert_eq!(invocation.status, Status::Ok, "{invocation:?}");
        let report = invocation
            .report
            .as_ref()
            .expect("the platform's own REPORT is found");
        assert!(
            report.duration_ms > 0.5 && report.max_memory_mb > 1,
            "{report:?}"
        );
        let fails =
            |line: &str| !line.starts_with("MISBEHAVED") && line.contains(&format!(" · {stage}: "));
        assert!(!shown.lines().any(fails), "{shown}");
    }
    assert!(
        invocations
            .values()
            .all(|it| it.pass == invocations["hang"].pass),
        "one pass holds all"
    );
    assert_eq!(invocations.len(), 39);
    assert!(
        shown.contains("agrees with CloudWatch's metrics: 78 functions, 156 invocations"),
        "{shown}"
    );

    // The honest variant beside them has nothing to be named for.
    let (_, honest) = measured(&run, "well-behaved");
    assert_eq!(honest.len(), 39);
    for invocation in honest.values() {
        assert_eq!(invocation.status, Status::Ok, "{invocation:?}");
    }
    let named = |line: &str| {
        ["FAILED", "WRONG", "REFUSED", "MISBEHAVED"]
            .iter()
            .any(|word| line.starts_with(word))
    };
    assert!(
        !shown
            .lines()
            .any(|line| named(line) && line.contains("well-behaved")),
        "{shown}"
    );
}
