//! Whole runs on the local cloud: what is measured, what fails, what is killed and goes on.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use darkroom::record::read;
use darkroom_core::event::{Event, Invocation, PipelinePass, ReconciledMetric, Status};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::story::{HOST, OTHER, Project};

const PIPELINE: &str = r#"
name = "image-pipeline"
description = "two stages that copy"

[[stages]]
name = "first"
load = "io"
timeout_s = 2
input = { formats = ["png"], mode = "rgb8" }
output = { format = "png", mode = "rgb8", size = "unchanged" }
operations = ["reencode"]
check = { max_abs = 0 }
prompt = "copy"

[[stages]]
name = "second"
load = "io"
timeout_s = 2
input = { formats = ["png"], mode = "rgb8" }
output = { format = "png", mode = "rgb8", size = "unchanged" }
operations = ["reencode"]
check = { max_abs = 0 }
prompt = "copy"
"#;

const VARIANT: &str = r#"
description = "for tests"
runtime = "python3.13"
architectures = ["x86_64", "arm64"]
build = { kind = "python" }
handlers = { first = "first.handler", second = "second.handler" }
"#;

pub const COPY: &str = r#"
import os
import boto3

s3 = boto3.client("s3")


def change(data, key):
    return data


def handler(event, context):
    record = event["Records"][0]["s3"]
    bucket, key = record["bucket"]["name"], record["object"]["key"]
    data = change(s3.get_object(Bucket=bucket, Key=key)["Body"].read(), key)
    s3.put_object(Bucket=os.environ["OUTPUT_BUCKET"], Key=os.environ["OUTPUT_PREFIX"] + key.rsplit("/", 1)[-1], Body=data)
"#;

/// Replaces what the copying handler does with the bytes it read.
pub fn changing(body: &str) -> String {
    COPY.replace("    return data\n", body)
}

/// A project whose variant `copy` copies its input twice, over two images; the Python runtime is
/// shared by all stories.
pub fn project() -> Project {
    let project = Project::new();
    project.write("experiments/image-pipeline/pipeline.toml", PIPELINE);
    variant(&project, "copy", COPY);
    project.images(&["one", "two"]);
    project.share_runtimes();
    project
}

/// Adds a variant whose second stage is this code.
pub fn variant(project: &Project, name: &str, second: &str) {
    project.write(&format!("functions/{name}/variant.toml"), VARIANT);
    project.write(&format!("functions/{name}/first.py"), COPY);
    project.write(&format!("functions/{name}/second.py"), second);
}

pub fn manifest(project: &Project, variants: &str, architectures: &str, count: u32) {
    project.write(
        "m.toml",
        format!(
            "[experiment]\nname = \"test\"\n\n[matrix]\nvariants = [{variants}]\narchitectures = [{architectures}]\n\
             image_sets = [\"photos\"]\n\n[repetitions]\ncount = {count}\nwarm_up = 1\n"
        ),
    );
}

pub fn latest(project: &Project) -> PathBuf {
    project
        .root()
        .join("outputs/test/latest")
        .canonicalize()
        .unwrap()
}

pub fn facts(run: &Path) -> Vec<Event> {
    read(&run.join("journal.ndjson"))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// How often each (cell, deployment, image, repetition) has a pass that counts, since it was last
/// superseded.
pub fn counted(run: &Path) -> HashMap<String, u32> {
    let mut counted: HashMap<String, u32> = HashMap::new();
    for event in facts(run) {
        match event {
            Event::PipelineFinished(PipelinePass {
                pass, again: None, ..
            }) if !pass.warm_up => {
                let key = format!(
                    "{}/{}/{}/{}",
                    pass.cell_id, pass.deployment, pass.image, pass.repetition
                );
                *counted.entry(key).or_default() += 1;
            }
            Event::CellsSuperseded { cells, .. } => {
                counted.retain(|key, _| !cells.iter().any(|cell| key.starts_with(cell.as_str())));
            }
            _ => {}
        }
    }
    counted
}

/// The words that run `m.toml` on AWS without a question, and what follows them.
pub fn run_on_aws<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "m.toml", "--target", "aws", "--yes"], more].concat()
}

#[track_caller]
pub fn each_once(run: &Path, planned: usize) {
    let counted = counted(run);
    assert_eq!(counted.len(), planned, "{counted:?}");
    assert!(counted.values().all(|times| *times == 1), "{counted:?}");
}

#[test]
fn a_run_measures_every_repetition_and_a_second_one_uploads_nothing() {
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\", \"{OTHER}\""), 2);
    let first = project.darkroom(&["run", "m.toml"]).exits(0);
    let run = latest(&project);
    each_once(&run, 4);
    for table in ["invocations", "pipelines", "outputs", "summary", "costs"] {
        assert!(run.join(format!("{table}.parquet")).is_file(), "{table}");
    }
    assert!(
        first.stdout().contains("NOT RUN 1 cell"),
        "{}",
        first.stdout()
    );
    // 2 images x 2 repetitions and 1 warm-up through 2 stages.
    let reconciled =
        "agrees with CloudWatch's metrics: 2 functions, 10 invocations, 0 errors, 0 throttles";
    assert!(first.stdout().contains(reconciled), "{}", first.stdout());
    assert!(first.stderr().contains("2 created"), "{}", first.stderr());
    let invocations: Vec<_> = facts(&run)
        .into_iter()
        .filter_map(|event| {
            if let Event::InvocationFinished(i) = event {
                Some(i)
            } else {
                None
            }
        })
        .filter(|invocation| !invocation.pass.warm_up)
        .collect();
    assert_eq!(invocations.len(), 8);
    for invocation in &invocations {
        assert_eq!(invocation.status, Status::Ok);
        let report = invocation
            .report
            .as_ref()
            .expect("the platform reports every invocation");
        assert!(
            Some(report.duration_ms) <= invocation.client_ms,
            "{invocation:?}"
        );
        assert_eq!(report.init_ms, None, "a warm cell counts warm starts");
    }
    let second = project.darkroom(&["run", "m.toml"]).exits(0);
    assert!(
        second
            .stderr()
            .contains("0 created, 0 updated, 2 unchanged"),
        "{}",
        second.stderr()
    );
}

#[test]
fn handlers_that_raise_die_or_hang_are_rows_and_the_others_go_on() {
    let project = project();
    variant(
        &project,
        "raises",
        &changing("    raise ValueError('no such luck')\n"),
    );
    variant(&project, "exits", &changing("    os._exit(3)\n"));
    variant(
        &project,
        "hangs",
        &changing("    import time\n    time.sleep(60)\n"),
    );
    manifest(
        &project,
        "\"copy\", \"raises\", \"exits\", \"hangs\"",
        &format!("\"{HOST}\""),
        1,
    );
    let answer = project.darkroom(&["run", "m.toml"]).exits(1);
    let run = latest(&project);
    each_once(&run, 8);
    let shown = answer.stdout();
    for named in [
        "ValueError: no such luck",
        "Runtime.ExitError",
        "Task timed out after 2.00 seconds",
    ] {
        assert!(shown.contains(named), "{named} is missing from:\n{shown}");
    }
    let broken = facts(&run).into_iter().filter(|event| {
        matches!(event, Event::PipelineFinished(pass) if !pass.pass.warm_up && pass.failed_stage.as_deref() == Some("second"))
    });
    assert_eq!(broken.count(), 6);
}

#[test]
fn wrong_outputs_are_named_and_a_handler_that_writes_nothing_is_not_a_success() {
    let project = project();
    let black = "    import struct, zlib\n    raw = b''.join(b'\\0' + b'\\7' * 12 for _ in range(4))\n    chunk = lambda n, d: struct.pack('>I', len(d)) + n + d + struct.pack('>I', zlib.crc32(n + d))\n    return b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 4, 4, 8, 2, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(raw)) + chunk(b'IEND', b'')\n";
    variant(&project, "other", &changing(black));
    variant(
        &project,
        "lies",
        "def handler(event, context):\n    return {'success': True}\n",
    );
    manifest(
        &project,
        "\"copy\", \"other\", \"lies\"",
        &format!("\"{HOST}\""),
        1,
    );
    let shown = project.darkroom(&["run", "m.toml"]).exits(1).stdout();
    let wrong: Vec<&str> = shown
        .lines()
        .filter(|line| line.starts_with("WRONG"))
        .collect();
    assert!(
        wrong
            .iter()
            .any(|line| line.contains("other.") && line.contains("second")),
        "{shown}"
    );
    assert!(
        wrong
            .iter()
            .any(|line| line.contains("lies.") && line.contains("missing")),
        "{shown}"
    );
    assert!(!wrong.iter().any(|line| line.contains("copy.")), "{shown}");
}

#[test]
fn one_cell_measured_again_replaces_its_facts_and_no_others() {
    let project = project();
    variant(&project, "twin", COPY);
    manifest(&project, "\"copy\", \"twin\"", &format!("\"{HOST}\""), 2);
    project.darkroom(&["run", "m.toml", "--quiet"]).exits(0);
    let run = latest(&project);
    project
        .darkroom(&["run", "m.toml", "--cell", "twin.*", "--quiet"])
        .exits(0);
    assert_eq!(
        latest(&project),
        run,
        "the cell was measured again in the same run"
    );
    each_once(&run, 8);
    let passes = |name: &str| {
        let of = |event: &Event| matches!(event, Event::PipelineFinished(p) if !p.pass.warm_up && p.pass.cell_id.as_str().starts_with(name));
        facts(&run).iter().filter(|event| of(event)).count()
    };
    assert_eq!((passes("copy"), passes("twin")), (4, 8));
    project
        .darkroom(&["run", "m.toml", "--cell", "nobody.*"])
        .exits(2);
}

#[test]
fn a_wrong_output_is_named_also_when_its_first_attempt_did_not_count() {
    let project = project();
    project.images(&["one"]);
    variant(
        &project,
        "lies",
        "def handler(event, context):\n    return {'success': True}\n",
    );
    manifest(&project, "\"lies\"", &format!("\"{HOST}\""), 1);
    // Without a warm-up the first attempt of a warm cell meets a cold start and is made again.
    let shown = project
        .darkroom(&["run", "m.toml", "--set", "repetitions.warm_up=0"])
        .exits(1)
        .stdout();
    assert!(
        shown
            .lines()
            .any(|line| line.starts_with("WRONG") && line.contains("missing")),
        "{shown}"
    );
}

#[test]
fn a_cell_that_a_run_does_not_hold_is_refused_and_the_run_stays_whole() {
    let project = project();
    variant(&project, "twin", COPY);
    manifest(&project, "\"copy\", \"twin\"", &format!("\"{HOST}\""), 1);
    project
        .darkroom(&["run", "m.toml", "--cell", "copy.*", "--quiet"])
        .exits(0);
    let before = facts(&latest(&project));
    let error = project
        .darkroom(&["run", "m.toml", "--cell", "twin.*"])
        .exits(2)
        .stderr();
    assert!(error.contains("does not hold cell"), "{error}");
    assert_eq!(facts(&latest(&project)), before);
}

#[test]
fn some_cells_of_an_unfinished_run_do_not_make_it_a_finished_one() {
    let project = project();
    variant(&project, "twin", COPY);
    manifest(&project, "\"copy\", \"twin\"", &format!("\"{HOST}\""), 10);
    let mut child = start(&project, &["run", "m.toml"]);
    wait_for_lines(&project, &mut child, 20);
    child.kill().unwrap();
    child.wait().unwrap();
    let told = project
        .darkroom(&["run", "m.toml", "--cell", "twin.*"])
        .exits(1)
        .says("INCOMPLETE copy.");
    let resumed = project
        .shell(&told.suggestion("darkroom resume"))
        .exits(0)
        .stdout();
    each_once(&latest(&project), 40);
    let page = fs::read_to_string(latest(&project).join("report.html")).unwrap();
    let methods = &page[page.find("id=\"methods\"").unwrap()..];
    for said in [
        "interleaved order within each session (seed ",
        "The run took 3 sessions. Session 1 began at ",
        ", and was killed (its last pass began at ",
        ", measured only twin.x86_64.",
        " again (`run --cell`; earlier values no longer count), and ended at ",
        " UTC; other cells were still unfinished. Session 3 began at ",
        ", and ended as planned at ",
        "are marked (side_by_side is false in comparisons)",
    ] {
        let said = said.replace("x86_64", HOST);
        assert!(methods.contains(&said), "{said} in {methods}");
    }
    assert!(
        page.contains("Some cells were measured at different times (copy 2"),
        "the answer says so too"
    );
    assert!(
        page.contains("; measured at different times, which may cause part of it"),
        "and every comparison"
    );
    for said in [
        "Session 1 began at ",
        "TIMES  1 pair of cells are compared that were measured at different times",
    ] {
        assert!(resumed.contains(said), "{said} in {resumed}");
    }
}

#[test]
fn a_handler_that_is_looked_at_from_inside_ends_as_it_does_without() {
    let project = project();
    project.images(&["one"]);
    variant(
        &project,
        "raises",
        &changing("    raise ValueError('too small: 3')\n"),
    );
    variant(&project, "lacks", "import nothing_such\n");
    manifest(
        &project,
        "\"copy\", \"raises\", \"lacks\"",
        &format!("\"{HOST}\""),
        1,
    );
    let invocations = |profile: &str| -> Vec<Invocation> {
        project
            .darkroom(&["run", "m.toml", "--quiet", "--set", profile])
            .exits(1);
        let of = |event| {
            if let Event::InvocationFinished(invocation) = event {
                Some(invocation)
            } else {
                None
            }
        };
        let mut all: Vec<Invocation> = facts(&latest(&project))
            .into_iter()
            .filter_map(of)
            .collect();
        all.sort_by(|a, b| (&a.pass, a.stage_index).cmp(&(&b.pass, b.stage_index)));
        all
    };
    let (on, off) = (invocations("profile=true"), invocations("profile=false"));
    let ended = |all: &[Invocation]| {
        let words = all.iter().map(|i| {
            format!(
                "{} {} {:?} {:?} {:?}",
                i.pass.cell_id, i.stage, i.status, i.error_type, i.error
            )
        });
        words.collect::<Vec<_>>()
    };
    assert_eq!(ended(&on), ended(&off));
    assert!(off.iter().all(|invocation| invocation.profile.is_none()));
    for invocation in &on {
        let imported = invocation.error_type.as_deref() != Some("Runtime.ImportModuleError");
        assert_eq!(invocation.profile.is_some(), imported, "{invocation:?}");
        let Some(profile) = &invocation.profile else {
            continue;
        };
        assert_eq!(
            profile.s3_calls,
            Some(if invocation.status == Status::Ok {
                2
            } else {
                1
            }),
            "{invocation:?}"
        );
        assert!(
            profile.s3_ms.unwrap() > 0.0 && profile.s3_ms <= profile.handler_ms,
            "{profile:?}"
        );
        assert!(
            profile.peak_rss_mb.unwrap() > 1.0
                && profile.cpu_user_ms.is_some()
                && profile.kernel.is_some()
        );
    }
}

/// Starts `darkroom` and leaves it running.
pub fn start(project: &Project, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_darkroom"))
        .args(arguments)
        .current_dir(project.root())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until the run's journal has this many lines more than `before`, or the process has ended.
pub fn wait_for_lines(project: &Project, child: &mut Child, lines: usize) {
    let deadline = Instant::now() + Duration::from_mins(2);
    let there = || {
        let journal = project.root().join("outputs/test/latest/journal.ndjson");
        fs::read_to_string(journal).map_or(0, |text| text.lines().count())
    };
    while there() < lines && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "the journal does not grow");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn lines(project: &Project) -> usize {
    facts(&latest(project)).len()
}

#[test]
fn twenty_kills_at_random_moments_lose_no_repetition_and_count_none_twice() {
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 60);
    let mut random = StdRng::seed_from_u64(562);
    let mut child = start(&project, &["run", "m.toml"]);
    wait_for_lines(&project, &mut child, 2);
    for _ in 0..20 {
        let due = lines(&project) + random.random_range(0..16);
        wait_for_lines(&project, &mut child, due);
        child.kill().unwrap();
        child.wait().unwrap();
        child = start(&project, &["resume"]);
    }
    child.wait().unwrap();
    let run = latest(&project);
    project
        .darkroom(&["resume", &run.display().to_string()])
        .exits(0);
    each_once(&run, 120);
    environments_of_killed_sessions_were_looked_up(&facts(&run));
}

/// A killed session leaves its invocations without an environment; the next one finds those that
/// the logs still have.
fn environments_of_killed_sessions_were_looked_up(facts: &[Event]) {
    let mut open = HashSet::new();
    let mut found_later = 0;
    for event in facts {
        match event {
            Event::InvocationFinished(it) => {
                open.extend(it.request_id.clone().map(|id| (id, false)));
            }
            Event::RunResumed { .. } => open = open.into_iter().map(|(id, _)| (id, true)).collect(),
            Event::EnvironmentSeen { request_id, .. } => {
                found_later += usize::from(open.remove(&(request_id.clone(), true)));
                open.remove(&(request_id.clone(), false));
            }
            _ => {}
        }
    }
    assert!(
        found_later > 0,
        "no session looked up what a killed one had left"
    );
    assert!(
        open.iter().all(|(_, earlier)| *earlier),
        "the last session's own are known: {open:?}"
    );
}

#[test]
fn an_interrupt_ends_cleanly_and_says_how_to_go_on() {
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 40);
    let mut child = start(&project, &["run", "m.toml"]);
    wait_for_lines(&project, &mut child, 30);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.id().cast_signed()),
        nix::sys::signal::SIGINT,
    )
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let run = latest(&project);
    let last = facts(&run).pop().unwrap();
    assert!(matches!(last, Event::RunInterrupted { .. }), "{last:?}");
    assert!(
        run.join("summary.parquet").is_file(),
        "what was measured has its tables"
    );
    let answer = project.darkroom(&["run", "m.toml", "--resume"]).exits(0);
    assert_eq!(latest(&project), run, "{}", answer.stderr());
    each_once(&run, 80);
}

#[test]
fn tables_are_remade_from_the_journal_alone() {
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    project.darkroom(&["run", "m.toml", "--quiet"]).exits(0);
    let run = latest(&project);
    let before = fs::read(run.join("summary.parquet")).unwrap();
    fs::remove_file(run.join("summary.parquet")).unwrap();
    project
        .darkroom(&["aggregate", "outputs/test/latest"])
        .exits(0);
    assert!(
        fs::read(run.join("summary.parquet")).unwrap() == before,
        "the same journal gives the same bytes"
    );

    // Without the study, too: the run's folder is enough, wherever it is copied to.
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for name in ["journal.ndjson", "manifest.toml"] {
        fs::copy(run.join(name), copy.join(name)).unwrap();
    }
    let answer = Command::new(env!("CARGO_BIN_EXE_darkroom"))
        .args(["aggregate", "copy", "--quiet"])
        .current_dir(elsewhere.path())
        .output()
        .unwrap();
    assert!(answer.status.success(), "{answer:?}");
    assert!(
        fs::read(copy.join("summary.parquet")).unwrap() == before,
        "the run's folder alone gives the same bytes"
    );
}

#[test]
fn code_that_changed_does_not_go_on_with_an_older_run() {
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 40);
    let mut child = start(&project, &["run", "m.toml"]);
    wait_for_lines(&project, &mut child, 20);
    child.kill().unwrap();
    child.wait().unwrap();
    variant(&project, "copy", &changing("    return bytes(data)\n"));
    let refused = project
        .darkroom(&["resume"])
        .exits(2)
        .says("the code of variant `copy` has changed");
    let older = latest(&project);
    let begun = project.shell(&refused.suggestion("darkroom run")).exits(0);
    assert_ne!(latest(&project), older, "a new run");
    assert!(
        begun
            .suggestion("darkroom resume")
            .ends_with(older.file_name().unwrap().to_str().unwrap())
    );
    variant(&project, "copy", COPY);
    project.write(
        "experiments/image-pipeline/pipeline.toml",
        PIPELINE.replace("max_abs = 0", "max_abs = 9"),
    );
    let refused = project
        .darkroom(&["resume"])
        .exits(2)
        .says("another configuration");
    project.shell(&refused.suggestion("darkroom run")).exits(0);
}

#[test]
fn outputs_that_cannot_be_written_are_an_error_before_any_measurement() {
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    project.write("outputs", "a file where the folder should be");
    let error = project.darkroom(&["run", "m.toml"]).exits(1).stderr();
    assert!(
        error.contains("cannot create") && error.contains("outputs"),
        "{error}"
    );
}

/// When an invocation that the runner called was under way, epoch ms.
fn span(invocation: &Invocation) -> (f64, f64) {
    let began: jiff::Timestamp = invocation.started_at.parse().unwrap();
    let began_ms = began.as_millisecond() as f64;
    (began_ms, began_ms + invocation.client_ms.unwrap())
}

#[test]
fn passes_of_a_concurrent_cell_overlap_in_environments_of_their_own() {
    let project = project();
    variant(
        &project,
        "copy",
        &changing("    import time\n    time.sleep(0.3)\n    return data\n"),
    );
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 3);
    project
        .darkroom(&["run", "m.toml", "--set", "matrix.concurrency=[4]"])
        .exits(0);
    let run = latest(&project);
    // 2 images x 3 repetitions, four at a time: the last two have company.
    each_once(&run, 6);
    let mut environments: HashMap<String, String> = HashMap::new();
    let mut second = Vec::new();
    for event in facts(&run) {
        match event {
            Event::EnvironmentSeen {
                request_id,
                environment_id,
            } => {
                environments.insert(request_id, environment_id);
            }
            Event::InvocationFinished(invocation) if invocation.stage == "second" => {
                second.push(invocation);
            }
            _ => {}
        }
    }
    for invocation in second.iter().filter(|invocation| !invocation.pass.warm_up) {
        let (began, ended) = span(invocation);
        let overlapping: Vec<&Invocation> = second
            .iter()
            .filter(|other| {
                let (other_began, other_ended) = span(other);
                other_began < ended && began < other_ended
            })
            .collect();
        assert_eq!(overlapping.len(), 4, "{invocation:?}");
        let served: HashSet<&String> = overlapping
            .iter()
            .map(|it| &environments[it.request_id.as_ref().unwrap()])
            .collect();
        assert_eq!(
            served.len(),
            4,
            "one invocation at a time in an environment"
        );
        assert_eq!(
            invocation.report.as_ref().unwrap().init_ms,
            None,
            "all four were warmed up"
        );
    }
    let warmed = second
        .iter()
        .filter(|it| it.pass.warm_up && it.report.as_ref().unwrap().init_ms.is_some());
    assert_eq!(warmed.count(), 4);
}

#[test]
fn environments_are_renewed_between_rounds_and_warmed_up_again() {
    let project = project();
    project.images(&["one"]);
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 4);
    project
        .darkroom(&[
            "run",
            "m.toml",
            "--set",
            "repetitions.renew_environments_every=2",
        ])
        .exits(0);
    let run = latest(&project);
    each_once(&run, 4);
    let facts = facts(&run);
    let renewals: Vec<u32> = facts
        .iter()
        .filter_map(|event| {
            if let Event::EnvironmentsRenewed { round, .. } = event {
                Some(*round)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(renewals, [2]);
    let environment = |id: &str| {
        facts.iter().find_map(|event| match event {
            Event::EnvironmentSeen {
                request_id,
                environment_id,
            } if request_id == id => Some(environment_id.clone()),
            _ => None,
        })
    };
    let mut served: HashMap<(u32, String), HashSet<String>> = HashMap::new();
    for event in &facts {
        let Event::InvocationFinished(it) = event else {
            continue;
        };
        let round = it.environment_round.unwrap();
        assert_eq!(
            round,
            if it.pass.warm_up {
                it.pass.repetition
            } else {
                it.pass.repetition.div_ceil(2)
            }
        );
        let cold = it.report.as_ref().unwrap().init_ms.is_some();
        assert_eq!(
            cold, it.pass.warm_up,
            "the first of each round warms up, and is not counted"
        );
        let environment = environment(it.request_id.as_ref().unwrap()).unwrap();
        served
            .entry((round, it.stage.clone()))
            .or_default()
            .insert(environment);
    }
    assert_eq!(served.len(), 4, "two rounds of two stages");
    assert!(
        served.values().all(|environments| environments.len() == 1),
        "{served:?}"
    );
    let all: HashSet<&String> = served.values().flatten().collect();
    assert_eq!(all.len(), 4, "each round has environments of its own");
}

#[test]
fn mended_code_is_a_new_run_whichever_cells_are_to_be_measured_again() {
    let project = project();
    variant(&project, "twin", COPY);
    manifest(&project, "\"copy\", \"twin\"", &format!("\"{HOST}\""), 1);
    let sizes = "matrix.memory_mb=[1024, 1769]";
    project
        .darkroom(&["run", "m.toml", "--set", sizes, "--quiet"])
        .exits(0);
    let run = latest(&project);
    let journal = fs::read(run.join("journal.ndjson")).unwrap();
    variant(&project, "twin", &changing("    return bytes(data)\n"));
    // Also with all of the variant's cells: their rows so far stay in the tables, and none says
    // whose code it is of.
    for cells in ["twin.*.1024mb.*", "twin.*"] {
        let error = project
            .darkroom(&["run", "m.toml", "--set", sizes, "--cell", cells])
            .exits(2)
            .stderr();
        assert!(
            error.contains("the code of variant `twin` has changed"),
            "{error}"
        );
        assert!(
            error.contains("packaging") && !error.contains("deploying"),
            "refused before a change: {error}"
        );
        assert!(
            fs::read(run.join("journal.ndjson")).unwrap() == journal,
            "nothing is recorded"
        );
    }
    project
        .darkroom(&[
            "run", "m.toml", "--set", sizes, "--cell", "copy.*", "--quiet",
        ])
        .exits(0);
    assert_eq!(
        latest(&project),
        run,
        "code that is as it was is measured again"
    );
    each_once(&run, 8);
    project
        .darkroom(&["run", "m.toml", "--set", sizes, "--quiet"])
        .exits(0);
    assert_ne!(latest(&project), run);
}

#[test]
fn a_latest_run_that_is_damaged_is_said_to_be_and_another_image_is_another_run() {
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    project.darkroom(&["run", "m.toml", "--quiet"]).exits(0);
    let first = latest(&project);
    let journal = first.join("journal.ndjson");
    let whole = fs::read_to_string(&journal).unwrap();
    fs::write(
        &journal,
        whole.replacen("\"event\":\"invocation_finished\"", "\"event\":\"inv", 1),
    )
    .unwrap();
    let error = project
        .darkroom(&["run", "m.toml", "--cell", "copy.*"])
        .exits(2)
        .stderr();
    assert!(error.contains("journal.ndjson"), "{error}");
    let told = project.darkroom(&["run", "m.toml"]).exits(0).stderr();
    assert!(told.contains("the latest run is damaged"), "{told}");
    let second = latest(&project);
    assert_ne!(second, first);
    // The same names, other bytes.
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(5, 5)
        .write_to(&mut png, image::ImageFormat::Png)
        .unwrap();
    let (one, two) = (
        project.file("one", &png.clone().into_inner()),
        project.file("two", &png.into_inner()),
    );
    project.write(
        "experiments/image-pipeline/image-sets/photos.toml",
        format!("description = \"t\"\n{one}{two}"),
    );
    let told = project
        .darkroom(&["run", "m.toml", "--cell", "copy.*"])
        .exits(0)
        .stderr();
    assert!(told.contains("another configuration"), "{told}");
    assert_ne!(latest(&project), second);
}

#[test]
fn a_call_behind_the_runners_back_is_refused_named_and_counted_by_nobody() {
    let project = project();
    project.images(&["one"]);
    let calls = COPY.replace(
        "    record = event",
        "    try:\n        boto3.client(\"lambda\").invoke(FunctionName=context.function_name, Payload=b'{}')\n    \
         except Exception as error:\n        assert error.response[\"Error\"][\"Code\"] == \"AccessDeniedException\", error\n    \
         else:\n        raise SystemExit(\"it was let in\")\n    record = event",
    );
    let pipeline = "experiments/image-pipeline/pipeline.toml";
    project.write(
        pipeline,
        PIPELINE.replace("timeout_s = 2\n", "timeout_s = 30\n"),
    );
    variant(&project, "copy", &calls);
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    let told = project.darkroom(&["run", "m.toml"]).exits(0).told();
    assert!(
        told.contains("REFUSED copy tried to call lambda:InvokeFunction"),
        "{told}"
    );
    assert!(!told.contains("DIFFERS"), "{told}");
    let agreed = |event: &Event| match event {
        Event::Reconciled(it) if it.metric == ReconciledMetric::Invocations => it.agrees(),
        _ => None,
    };
    let agreed: Vec<bool> = facts(&latest(&project)).iter().filter_map(agreed).collect();
    assert!(
        !agreed.is_empty() && agreed.iter().all(|agrees| *agrees),
        "{agreed:?}"
    );
}

#[test]
fn a_finished_run_is_extended_by_further_blocks_and_says_so() {
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 2);
    project
        .darkroom(&["run", "m.toml", "--extend", "repetitions.count=3"])
        .exits(2)
        .says("no run of `test`");
    project.darkroom(&["run", "m.toml", "--quiet"]).exits(0);
    let run = latest(&project);
    each_once(&run, 4);
    let refused = project
        .darkroom(&["run", "m.toml", "--extend", "repetitions.count=2"])
        .exits(2);
    refused
        .says("has 2 repetitions already")
        .says("use a number above 2");
    for argument in [
        "repetitions.warm_up=3",
        "repetitions.count",
        "repetitions.count=0",
    ] {
        project
            .darkroom(&["run", "m.toml", "--extend", argument])
            .exits(2)
            .says("write repetitions.count=N");
    }
    let other = [
        "run",
        "m.toml",
        "--extend",
        "repetitions.count=3",
        "--set",
        "experiment.seed=7",
    ];
    project
        .darkroom(&other)
        .exits(2)
        .says("began with another configuration")
        .says("experiment.seed was 562 and is 7 now");
    variant(&project, "copy", &changing("    return bytes(data)\n"));
    let refused = project
        .darkroom(&["run", "m.toml", "--extend", "repetitions.count=3"])
        .exits(2);
    let refused = refused.says("the code of variant `copy` has changed");
    assert!(
        !refused.stderr().contains("extending"),
        "{}",
        refused.stderr()
    );
    variant(&project, "copy", COPY);
    let answer = project
        .darkroom(&["run", "m.toml", "--extend", "repetitions.count=3"])
        .exits(0);
    answer.says("from 2 to 3 repetitions per cell, with the same seed");
    assert_eq!(latest(&project), run);
    each_once(&run, 6);
    assert_eq!(extensions(&run), [(2, 3)]);
    project
        .darkroom(&["report", "outputs/test/latest"])
        .exits(0);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(
        page.contains(", added repetition 3 of every cell, and ended as planned at "),
        "{page}"
    );
    project
        .darkroom(&["verify", "outputs/test/latest"])
        .exits(0);
    project
        .darkroom(&[
            "run",
            "m.toml",
            "--set",
            "repetitions.count=3",
            "--cell",
            "copy.*",
            "--quiet",
        ])
        .exits(0);
    assert_eq!(
        latest(&project),
        run,
        "its configuration is the extended one"
    );
    let told = project
        .darkroom(&["resume", "outputs/test/latest"])
        .exits(0)
        .says("there is nothing to resume");
    project
        .shell(&told.suggestion("darkroom run"))
        .exits(0)
        .says("from 3 to 6 repetitions per cell");
    assert_eq!(latest(&project), run);
    each_once(&run, 12);
    assert_eq!(extensions(&run), [(2, 3), (3, 6)]);
    // Another run is the latest one now, so that this one can't be extended any more.
    project.darkroom(&["run", "m.toml", "--quiet"]).exits(0);
    let told = project
        .darkroom(&["resume", &run.display().to_string()])
        .exits(0)
        .says("there is nothing to resume");
    assert!(!told.stderr().contains('`'), "{}", told.stderr());
}

fn extensions(run: &Path) -> Vec<(u32, u32)> {
    let extensions = facts(run).into_iter().filter_map(|event| match event {
        Event::RunExtended(extension) => Some((extension.from, extension.to)),
        _ => None,
    });
    extensions.collect()
}

#[test]
fn an_extension_that_was_killed_goes_on() {
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    project.darkroom(&["run", "m.toml", "--quiet"]).exits(0);
    let run = latest(&project);
    let as_begun = fs::read(run.join("manifest.toml")).unwrap();
    let extend = ["run", "m.toml", "--extend", "repetitions.count=30"];
    kill_after_20_lines(&project, facts(&run).len(), &extend);
    project
        .darkroom(&["run", "m.toml", "--extend", "repetitions.count=40"])
        .exits(2)
        .says("is unfinished");
    kill_after_20_lines(&project, facts(&run).len(), &extend);
    assert_eq!(
        extensions(&run),
        [(1, 30)],
        "saying it again goes on with it"
    );
    // As after a kill between the journal's line and this file.
    fs::write(run.join("manifest.toml"), as_begun).unwrap();
    project.darkroom(&["resume", "--quiet"]).exits(0);
    assert_eq!(latest(&project), run);
    each_once(&run, 60);
    assert_eq!(extensions(&run), [(1, 30)]);
    let manifest = fs::read_to_string(run.join("manifest.toml")).unwrap();
    assert!(manifest.contains("count = 30"), "{manifest}");
}

fn kill_after_20_lines(project: &Project, before: usize, command: &[&str]) {
    let mut child = start(project, command);
    wait_for_lines(project, &mut child, before + 20);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn extending_an_unfinished_run_to_what_it_was_begun_with_goes_on_with_it() {
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 15);
    kill_after_20_lines(&project, 0, &["run", "m.toml"]);
    let run = latest(&project);
    project
        .darkroom(&[
            "run",
            "m.toml",
            "--extend",
            "repetitions.count=15",
            "--quiet",
        ])
        .exits(0);
    assert_eq!(latest(&project), run);
    each_once(&run, 30);
    assert_eq!(extensions(&run), []);
}

#[test]
fn cells_that_cannot_run_here_are_not_measured_again_and_the_run_stays_finished() {
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\", \"{OTHER}\""), 1);
    project.darkroom(&["run", "m.toml", "--quiet"]).exits(0);
    let run = latest(&project);
    let journal = fs::read(run.join("journal.ndjson")).unwrap();
    let refused = project
        .darkroom(&["run", "m.toml", "--cell", &format!("*{OTHER}*")])
        .exits(2);
    refused
        .says("none of these cells of ")
        .says(" can run here: ")
        .says(OTHER)
        .says("name other cells with --cell");
    assert!(
        fs::read(run.join("journal.ndjson")).unwrap() == journal,
        "nothing is recorded"
    );
    project
        .darkroom(&["resume", "outputs/test/latest"])
        .exits(0)
        .says("there is nothing to resume");
    project
        .darkroom(&["resume"])
        .exits(0)
        .says("there is nothing to resume");
}

#[test]
fn a_finished_run_is_not_resumed_and_a_changed_manifest_says_what_differs() {
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 40);
    project
        .darkroom(&["run", "m.toml", "--resume"])
        .exits(2)
        .says("no unfinished run of this manifest");
    let mut child = start(&project, &["run", "m.toml"]);
    wait_for_lines(&project, &mut child, 20);
    child.kill().unwrap();
    child.wait().unwrap();
    let run = latest(&project);
    let id = run.file_name().unwrap().to_str().unwrap().to_owned();
    let changed = ["run", "m.toml", "--resume", "--set", "repetitions.count=41"];
    let answer = project
        .darkroom(&changed)
        .exits(2)
        .says(&id)
        .says("repetitions.count was 40 and is 41 now");
    answer.says("`darkroom resume ");
    let answer = project
        .darkroom(&["resume", "--set", "repetitions.warm_up=2"])
        .exits(2)
        .says(&id);
    answer
        .says("repetitions.warm_up was 1 and is 2 now")
        .says("undo the change");
    project.darkroom(&["resume", "--quiet"]).exits(0);
    let journal = fs::read(run.join("journal.ndjson")).unwrap();
    for command in [
        &["resume", "outputs/test/latest"][..],
        &["run", "m.toml", "--resume"],
    ] {
        let answer = project
            .darkroom(command)
            .exits(0)
            .says(&id)
            .says("is finished: there is nothing to resume");
        assert!(
            !answer.stderr().contains("packaging"),
            "{}",
            answer.stderr()
        );
    }
    assert!(
        fs::read(run.join("journal.ndjson")).unwrap() == journal,
        "nothing is recorded"
    );
    let other = ["run", "m.toml", "--resume", "--set", "experiment.seed=7"];
    project
        .darkroom(&other)
        .exits(2)
        .says("is finished and has another configuration: experiment.seed was 562 and is 7 now");
}
