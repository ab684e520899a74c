//! SnapStart as AWS has it, played between the runner and the local cloud, which has versions and
//! aliases but no snapshots.
//!
//! docs/aws.md says where each behaviour was read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_lambda::Client;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use darkroom::control_pace::{ControlPace, Pace};
use darkroom::deploy::published::{ALIAS, Before, Versions};
use darkroom_core::event::{Again, Event, FunctionDeployed, Invocation, Status};
use darkroom_core::ledger::StartKind;
use serde_json::Value;

use crate::aws::{nothing_is_left, with_endpoint, with_patience};
use crate::aws_quirks::{BOTH_TRIGGERS, copying, counted};
use crate::deploy::Account;
use crate::injector::{Injector, Kind, Quirk, Request, response, with_body};
use crate::runs::{COPY, each_once, facts, latest, manifest, project, run_on_aws, variant};
use crate::story::{HOST, Project};

/// What of the time of a restore AWS bills, ms: 18 to 21 in a public page's counts.
const BILLED_RESTORE_MS: u64 = 18;
/// How often a version is looked at before its snapshot is there.
const LOOKS: u32 = 3;

/// How the snapshots of some functions fail.
#[derive(Clone, Copy)]
struct Failing {
    /// Part of the functions' names.
    of: &'static str,
    /// The platform's own fault passes; the code's does not.
    code: Option<&'static str>,
    /// The version that the platform fails at, as a query ends that asks for it.
    version: &'static str,
}

/// AWS with snapshots that take time, may fail, and of which restores may be throttled.
#[derive(Clone, Default)]
struct Snapshots {
    /// Looks at a version, by the request's line.
    looks: Arc<Mutex<HashMap<String, u32>>>,
    failing: Option<Failing>,
    /// Calls of functions with snapshots that are throttled first.
    throttled: Arc<Mutex<u32>>,
}

fn is_snapped(name: &str) -> bool {
    name.contains("-snapstart")
}

/// Whether a request is a `GetFunction` of one version.
fn is_of_version(line: &str) -> bool {
    let last = line.rsplit('/').next().unwrap_or_default();
    is_snapped(last) && last.contains("?Qualifier=")
}

impl Quirk for Snapshots {
    fn before(&mut self, request: &Request) -> Option<String> {
        let line = request.line();
        if request.kind() != Kind::Invoke || !is_snapped(line) {
            return None;
        }
        assert!(line.contains("Qualifier=darkroom"), "{line}");
        let refused = |status: &str, code: &str| {
            let body = r#"{"Message": "quirk", "message": "quirk"}"#;
            response(status, &format!("x-amzn-errortype: {code}\r\n"), body)
        };
        let failing = self.failing.filter(|failing| line.contains(failing.of));
        if failing.is_some_and(|failing| failing.code.is_some()) {
            return Some(refused("409 Conflict", "ResourceConflictException"));
        }
        let mut left = self.throttled.lock().unwrap();
        let throttles = *left > 0;
        *left -= u32::from(throttles);
        throttles.then(|| refused("429 Too Many Requests", "TooManyRequestsException"))
    }

    fn after(&mut self, request: &Request, answer: Vec<u8>) -> Vec<u8> {
        let line = request.line().to_owned();
        match request.kind() {
            Kind::Invoke if is_snapped(&line) => with_tail(&answer),
            Kind::Logs if is_snapped(&request.body()) => with_body(&answer, with_restores),
            Kind::Control if line.starts_with("GET ") && is_of_version(&line) => {
                let looks = self.looked(&line);
                // The platform's own fault has passed by the next version.
                let fails = |it: &Failing| {
                    line.contains(it.of) && (it.code.is_some() || line.ends_with(it.version))
                };
                let failing = self.failing.filter(fails);
                with_body(&answer, |body| with_state(body, looks, failing))
            }
            _ => answer,
        }
    }
}

impl Snapshots {
    /// Counts a look at a version.
    fn looked(&self, line: &str) -> u32 {
        let mut looks = self.looks.lock().unwrap();
        let count = looks.entry(line.to_owned()).or_default();
        *count += 1;
        *count
    }
}

/// The state of a version whose snapshot is being taken, is there, or failed.
fn with_state(body: &str, looks: u32, failing: Option<Failing>) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    let now = &mut body["Configuration"];
    if looks < LOOKS {
        now["State"] = "Pending".into();
        now["StateReasonCode"] = "Creating".into();
    } else if let Some(Failing { code, .. }) = failing {
        now["State"] = "Failed".into();
        now["StateReasonCode"] = code.unwrap_or("InternalError").into();
        now["StateReason"] = "the quirk's reason".into();
    }
    body.to_string()
}

/// An answer to a call whose log ends with what a restored environment's does.
fn with_tail(answer: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(answer);
    let restored = |line: &str| match line.split_once(": ") {
        Some((name, tail)) if name.eq_ignore_ascii_case("x-amz-log-result") => {
            let tail = BASE64_STANDARD.decode(tail).unwrap();
            let tail = String::from_utf8_lossy(&tail);
            let lines: Vec<String> = tail.split('\n').map(restored_line).collect();
            format!("{name}: {}", BASE64_STANDARD.encode(lines.join("\n")))
        }
        _ => line.to_owned(),
    };
    let lines: Vec<String> = text.split("\r\n").map(restored).collect();
    lines.join("\r\n").into_bytes()
}

fn with_restores(body: &str) -> String {
    let Ok(mut body) = serde_json::from_str::<Value>(body) else {
        return body.to_owned();
    };
    for event in body["events"].as_array_mut().into_iter().flatten() {
        event["message"] = restored_line(event["message"].as_str().unwrap()).into();
    }
    body.to_string()
}

/// A line of the log of an initialised environment → that of a restored one.
fn restored_line(line: &str) -> String {
    if let Some(rest) = line.strip_prefix("INIT_START ") {
        return format!("RESTORE_START {rest}");
    }
    let figure = |name: &str| {
        let (_, after) = line.split_once(&format!("\t{name}: "))?;
        after.split_once(" ms")?.0.parse::<f64>().ok()
    };
    let (Some(duration), Some(billed), Some(init)) = (
        figure("Duration"),
        figure("Billed Duration"),
        figure("Init Duration").filter(|_| line.starts_with("REPORT ")),
    ) else {
        return line.to_owned();
    };
    let new = duration.ceil() as u64 + BILLED_RESTORE_MS;
    line.replace(
        &format!("Billed Duration: {billed} ms"),
        &format!("Billed Duration: {new} ms"),
    )
    .replace(
        &format!("Init Duration: {init:.2} ms"),
        &format!("Restore Duration: {init:.2} ms\tBilled Restore Duration: {BILLED_RESTORE_MS} ms"),
    )
}

/// `[matrix]` with SnapStart off and on.
const OFF_AND_ON: &str = "matrix.snapstart=[\"off\", \"on\"]";
const ON: &str = "matrix.snapstart=[\"on\"]";
const COLD: &str = "matrix.start=[\"cold\"]";

fn run(more: &[&'static str]) -> Vec<&'static str> {
    let mut all = run_on_aws(&["--keep"]);
    all.extend(more.iter().flat_map(|set| ["--set", *set]));
    all
}

fn deployed(project: &Project) -> Vec<FunctionDeployed> {
    let deployed = |event| match event {
        Event::FunctionDeployed(function) => Some(function),
        _ => None,
    };
    let facts = facts(&latest(project)).into_iter();
    facts.filter_map(deployed).collect()
}

/// Published versions of a function, and the one that the alias is on.
async fn versions(lambda: &Client, function: &str) -> (BTreeSet<String>, String) {
    let list = lambda.list_versions_by_function().function_name(function);
    let versions = list.send().await.unwrap();
    let numbers = versions.versions().iter().filter_map(|it| it.version());
    let published = numbers.filter(|version| *version != "$LATEST");
    let published = published.map(str::to_owned).collect();
    let alias = lambda.get_alias().function_name(function).name(ALIAS);
    let alias = alias.send().await.unwrap();
    (published, alias.function_version().unwrap().to_owned())
}

#[tokio::test]
async fn restored_starts_are_measured_by_both_triggers_and_are_no_cold_ones() {
    let account = Account::new().await;
    let injector = Injector::with(account.cloud.endpoint_url(), 1, Snapshots::default());
    let project = copying(1);
    project.images(&["one"]);
    let arguments = run(&[BOTH_TRIGGERS, COLD, OFF_AND_ON]);
    let (project, answer) = with_endpoint(&arguments, injector.url(), project).await;
    let said = answer.exits(0).stdout();
    let kinds = ["without SnapStart: only copy", "with SnapStart: only copy"];
    assert!(kinds.iter().all(|kind| said.contains(kind)), "{said}");
    each_once(&latest(&project), 4);

    for row in counted(&project) {
        let report = row.report.as_ref().unwrap();
        let on = row.pass.cell_id.as_str().contains(".snapstart.");
        let kind = StartKind::of_invocation(&row);
        if on {
            assert_eq!(kind, Some(StartKind::Restored), "{row:?}");
            let restore = report.restore.unwrap();
            assert_eq!((report.init_ms, restore.billed_ms), (None, Some(18)));
            assert_eq!(report.billed_ms, report.duration_ms.ceil() as u64 + 18);
            // From RESTORE_START to START: nobody had the environment before.
            let gap_ms = row.init_to_start_ms.unwrap() - restore.ms;
            assert!((-2.0..1_000.0).contains(&gap_ms), "{row:?}");
        } else {
            assert_eq!((kind, report.restore), (Some(StartKind::Cold), None));
        }
    }

    let clients = account.clients();
    for function in deployed(&project) {
        let name = function.function;
        assert_eq!(function.version.is_some(), is_snapped(&name), "{name}");
        if !is_snapped(&name) {
            continue;
        }
        // Of the last pass, and the one before it, to which a call could still have been on its
        // way.
        let (published, called) = versions(&clients.lambda, &name).await;
        assert_eq!(published.len(), 2, "{name}: {published:?}");
        assert_eq!(published.last(), Some(&called));
    }
    let bucket = "dkr-test-000000000000-us-east-1-an";
    let rules = clients.s3.get_bucket_notification_configuration();
    let rules = rules.bucket(bucket).send().await.unwrap();
    let rules = rules.lambda_function_configurations();
    assert_eq!(rules.len(), 4);
    for rule in rules {
        let arn = rule.lambda_function_arn();
        assert_eq!(arn.ends_with(":darkroom"), is_snapped(arn), "{arn}");
    }

    let clean = ["clean", "test", "--target", "aws", "--yes"];
    let (_, answer) = with_endpoint(&clean, injector.url(), project).await;
    answer.exits(0);
    nothing_is_left(&clients).await;
    drop(injector);
    account.cloud.stop().await;
}

#[tokio::test]
async fn a_throttled_restore_is_a_row_and_its_pass_is_made_again() {
    let account = Account::new().await;
    let quirk = Snapshots::default();
    *quirk.throttled.lock().unwrap() = 1;
    let injector = Injector::with(account.cloud.endpoint_url(), 1, quirk);
    let project = copying(1);
    project.images(&["one"]);
    let arguments = run(&[ON, COLD]);
    // The cloud's metrics know nothing of the throttle, and are not waited for long.
    let patience = Some("20");
    let (project, answer) = with_patience(patience, &arguments, injector.url(), project).await;
    answer.exits(0);
    each_once(&latest(&project), 1);
    let rows = counted(&project);
    let throttled = |row: &&Invocation| row.status == Status::Throttled;
    assert_eq!(rows.iter().filter(throttled).count(), 1);
    let again = |event: &Event| match event {
        Event::PipelineFinished(pass) => pass.again,
        _ => None,
    };
    let again: Vec<Again> = facts(&latest(&project)).iter().filter_map(again).collect();
    assert!(again.contains(&Again::Throttled), "{again:?}");
    drop(injector);
    account.cloud.stop().await;
}

#[tokio::test]
async fn changed_code_is_a_new_version_and_unchanged_code_the_same() {
    let account = Account::new().await;
    let injector = Injector::with(account.cloud.endpoint_url(), 1, Snapshots::default());
    let arguments = run(&[ON]);
    let (project, answer) = with_endpoint(&arguments, injector.url(), copying(1)).await;
    answer.exits(0);
    each_once(&latest(&project), 2);
    // Restored environments have warmed up; what counts ran in them a second time.
    let kinds: BTreeSet<_> = counted(&project)
        .iter()
        .map(|row| StartKind::of_invocation(row).unwrap().as_str())
        .collect();
    assert_eq!(kinds, BTreeSet::from(["warm"]));
    let of = |project: &Project| -> BTreeMap<String, String> {
        let pair = |it: FunctionDeployed| (it.function, it.version.unwrap());
        deployed(project).into_iter().map(pair).collect()
    };
    let first = of(&project);
    let (project, answer) = with_endpoint(&arguments, injector.url(), project).await;
    answer.exits(0);
    assert_eq!(of(&project), first, "nothing is published anew");

    project.write("functions/copy/second.py", format!("{COPY}\n# changed\n"));
    let (project, answer) = with_endpoint(&arguments, injector.url(), project).await;
    answer.exits(0);
    let clients = account.clients();
    let mut changed = 0;
    for (name, version) in of(&project) {
        changed += u32::from(first[&name] != version);
        let (published, called) = versions(&clients.lambda, &name).await;
        assert_eq!(published, BTreeSet::from([version.clone()]), "{name}");
        assert_eq!(called, version);
    }
    assert_eq!(changed, 2, "both stages are one package");
    drop(injector);
    account.cloud.stop().await;
}

#[tokio::test]
async fn a_snapshot_that_the_platform_fails_to_take_is_said_and_taken_by_the_next_run() {
    let account = Account::new().await;
    let quirk = Snapshots {
        failing: Some(Failing {
            of: "-first-",
            code: None,
            version: "=1",
        }),
        ..Snapshots::default()
    };
    let injector = Injector::with(account.cloud.endpoint_url(), 1, quirk);
    let arguments = run(&[ON]);
    let (project, answer) = with_endpoint(&arguments, injector.url(), copying(1)).await;
    let said = answer.exits(1).stderr();
    assert!(
        said.contains("could not take the snapshot of version") && said.contains("quirk's reason"),
        "{said}"
    );
    assert!(said.contains("deploy::snapshot"), "{said}");
    let (project, answer) = with_endpoint(&arguments, injector.url(), project).await;
    answer.exits(0);
    each_once(&latest(&project), 2);
    drop(injector);
    account.cloud.stop().await;
}

#[tokio::test]
async fn a_snapshot_that_the_platform_fails_to_take_in_a_run_is_taken_once_more() {
    let account = Account::new().await;
    // The second version is the first cold pass's.
    let quirk = Snapshots {
        failing: Some(Failing {
            of: "-first-",
            code: None,
            version: "=2",
        }),
        ..Snapshots::default()
    };
    let injector = Injector::with(account.cloud.endpoint_url(), 1, quirk);
    let project = copying(1);
    project.images(&["one"]);
    let (project, answer) = with_endpoint(&run(&[ON, COLD]), injector.url(), project).await;
    answer.exits(0);
    each_once(&latest(&project), 1);
    let clients = account.clients();
    let mut seen = BTreeMap::new();
    for function in deployed(&project) {
        let (published, called) = versions(&clients.lambda, &function.function).await;
        assert_eq!(published.last(), Some(&called));
        seen.insert(function.function.contains("-first-"), called);
    }
    let number = |first: bool| seen[&first].parse::<u32>().unwrap();
    assert_eq!(number(true), number(false) + 1, "{seen:?}");
    drop(injector);
    account.cloud.stop().await;
}

#[tokio::test]
async fn each_call_of_a_publication_waits_for_its_turn() {
    let account = Account::new().await;
    let injector = Injector::with(account.cloud.endpoint_url(), 1, Snapshots::default());
    let (project, answer) = with_endpoint(&run(&[ON]), injector.url(), copying(1)).await;
    answer.exits(0);
    let function = deployed(&project).remove(0);
    let lambda = account.clients().lambda;
    let apart = Duration::from_millis(150);
    for (calls, get_function, least) in [
        // PublishVersion, GetAlias, ListVersionsByFunction.
        (apart, Duration::ZERO, 3 * apart),
        (Duration::ZERO, apart, apart),
    ] {
        let pace = ControlPace {
            calls: Pace::new(calls),
            get_function: Pace::new(get_function),
            ..ControlPace::unbounded()
        };
        let began = Instant::now();
        pace.calls.turn().await;
        pace.get_function.turn().await;
        let versions = Versions {
            lambda: &lambda,
            function: &function.function,
            pace: &pace,
        };
        let published = versions.publish(&function.code_sha256, Before::Stays).await;
        assert_eq!(
            published.unwrap().version,
            function.version.clone().unwrap()
        );
        assert!(began.elapsed() >= least, "{:?}", began.elapsed());
    }
    drop(injector);
    account.cloud.stop().await;
}

#[tokio::test]
async fn code_that_cannot_be_initialised_has_no_snapshot_and_its_calls_are_rows() {
    let account = Account::new().await;
    let quirk = Snapshots {
        failing: Some(Failing {
            of: "-broken-",
            code: Some("FunctionError.RuntimeInitError"),
            version: "",
        }),
        ..Snapshots::default()
    };
    let injector = Injector::with(account.cloud.endpoint_url(), 1, quirk);
    let project = project();
    variant(&project, "copy", COPY);
    variant(&project, "broken", COPY);
    manifest(&project, "\"copy\", \"broken\"", &format!("\"{HOST}\""), 1);
    project.images(&["one"]);
    let arguments = run(&[ON, COLD]);
    let (project, answer) = with_endpoint(&arguments, injector.url(), project).await;
    let told = answer.exits(1).told();
    assert!(
        told.contains("could not be initialised, so there is no snapshot"),
        "{told}"
    );
    let rows = counted(&project);
    let of = |variant: &str| -> Vec<&Invocation> {
        let is_it = |row: &&Invocation| row.pass.cell_id.as_str().starts_with(variant);
        rows.iter().filter(is_it).collect()
    };
    assert!(of("copy").iter().all(|row| row.status == Status::Ok));
    let broken = of("broken");
    assert!(!broken.is_empty());
    for row in broken {
        assert_eq!(row.status, Status::CallError, "{row:?}");
    }
    drop(injector);
    account.cloud.stop().await;
}

#[test]
fn cells_that_have_no_snapshots_are_listed_with_their_reason() {
    let project = copying(1);
    let set = ["--set", OFF_AND_ON];
    let with = |arguments: &[&'static str]| {
        let all: Vec<&str> = arguments.iter().chain(&set).copied().collect();
        project.darkroom(&all).exits(0).stdout()
    };
    let cells = with(&["cells", "m.toml"]);
    assert!(cells.contains(".warm.snapstart.c1"), "{cells}");
    let plan = with(&["plan", "m.toml"]);
    assert!(plan.contains("2, 1 of them runnable"), "{plan}");
    assert!(
        plan.contains("has no SnapStart: it takes no snapshots"),
        "{plan}"
    );
    let of_snapshots = ["SnapStart    ", "waits for snapshots"];
    assert!(of_snapshots.iter().all(|it| !plan.contains(it)), "{plan}");
    let plan = with(&["plan", "m.toml", "--target", "aws", "--set", COLD]);
    // One snapshot of both stages' functions for the deployment, and one for each of the 2 passes.
    assert!(
        plan.contains("6 snapshots, each cached for 3 hours or longer, and 4 restores"),
        "{plan}"
    );
    assert!(
        plan.contains("and without the waits for snapshots"),
        "{plan}"
    );
    let far = "target.region=\"ap-east-2\"";
    let plan = with(&["plan", "m.toml", "--target", "aws", "--set", far]);
    assert!(
        plan.contains("AWS does not offer it in ap-east-2"),
        "{plan}"
    );
}
