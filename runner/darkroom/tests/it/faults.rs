//! Runs through a proxy that spoils what passes, by seeded schedules: every planned repetition ends
//! measured or named as failed, nothing is counted twice, the cloud's own record agrees, and
//! nothing is left behind.
//!
//! A schedule that fails says its seed; `DARKROOM_FAULT_SEED=<seed>` runs it alone and tells what
//! happened in it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use darkroom_cloud::{Config, LocalCloud};
use darkroom_core::event::{Event, Invocation, PipelinePass, Status};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::runtime::Runtime;

use crate::clients::sdk_config;
use crate::injector::{Fault, Injector, Kind, Plan};
use crate::runs::{counted, facts, run_on_aws};
use crate::story::{HOST, Project};

const SCHEDULES: u64 = 50;
/// Seeds of schedules with lanes.
const WITH_LANES: std::ops::Range<u64> = 100..120;
/// Schedules at once: most of their time is waiting.
const AT_ONCE: usize = 8;
/// Sessions that meet faults; all goes well in those after them.
const SPOILT: usize = 3;
const MOST_SESSIONS: usize = 7;
/// A command that takes longer hangs.
const LONGEST: Duration = Duration::from_mins(4);
/// For `DARKROOM_PATIENCE_S`: what is lost is given up soon.
const PATIENCE_S: &str = "2";

/// The local cloud in this process, and clients that reach it past the proxy.
struct Cloud {
    runtime: Runtime,
    running: Option<LocalCloud>,
    endpoint: String,
    config: SdkConfig,
}

impl Cloud {
    fn start(concurrent_executions: u32) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let runtimes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("runtimes");
        std::fs::create_dir_all(&runtimes).unwrap();
        let mut config = Config::new(env!("CARGO_BIN_EXE_darkroom").into(), runtimes);
        config.retry_delays = vec![Duration::from_millis(100), Duration::from_millis(200)];
        config.concurrent_executions = concurrent_executions;
        let cloud = runtime.block_on(LocalCloud::start(config)).unwrap();
        let endpoint = cloud.endpoint_url().to_owned();
        let config = sdk_config(&endpoint, "darkroom", "darkroom");
        Self {
            runtime,
            running: Some(cloud),
            endpoint,
            config,
        }
    }

    /// Returns the requests that each of these functions has begun, by its own log.
    fn begun(&self, functions: &HashSet<String>) -> HashMap<String, Vec<String>> {
        let logs = aws_sdk_cloudwatchlogs::Client::new(&self.config);
        let of = |function: &String| {
            let group = format!("/aws/lambda/{function}");
            let pages = logs
                .filter_log_events()
                .log_group_name(group)
                .filter_pattern("\"START RequestId: \"");
            let pages = self
                .runtime
                .block_on(pages.into_paginator().send().collect::<Vec<_>>());
            let events = pages
                .into_iter()
                .flatten()
                .flat_map(|page| page.events.unwrap_or_default());
            let id = |message: &str| {
                Some(
                    message
                        .strip_prefix("START RequestId: ")?
                        .split(' ')
                        .next()?
                        .to_owned(),
                )
            };
            let ids = events.filter_map(|event| id(event.message()?)).collect();
            (function.clone(), ids)
        };
        functions.iter().map(of).collect()
    }

    /// Returns the names of all that is there.
    fn left(&self) -> Vec<String> {
        let lambda = aws_sdk_lambda::Client::new(&self.config);
        let s3_config = aws_sdk_s3::config::Builder::from(&self.config)
            .force_path_style(true)
            .build();
        let s3 = aws_sdk_s3::Client::from_conf(s3_config);
        let logs = aws_sdk_cloudwatchlogs::Client::new(&self.config);
        self.runtime.block_on(async {
            let functions = lambda.list_functions().send().await.unwrap();
            let layers = lambda.list_layers().send().await.unwrap();
            let buckets = s3.list_buckets().send().await.unwrap();
            let groups = logs.describe_log_groups().send().await.unwrap();
            let named = |what: &str, name: Option<&str>| format!("{what} {}", name.unwrap_or("?"));
            let mut left: Vec<String> = Vec::new();
            left.extend(
                functions
                    .functions()
                    .iter()
                    .map(|it| named("function", it.function_name())),
            );
            left.extend(
                layers
                    .layers()
                    .iter()
                    .map(|it| named("layer", it.layer_name())),
            );
            left.extend(
                buckets
                    .buckets()
                    .iter()
                    .map(|it| named("bucket", it.name())),
            );
            left.extend(
                groups
                    .log_groups()
                    .iter()
                    .map(|it| named("log group", it.log_group_name())),
            );
            left
        })
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if let Some(cloud) = self.running.take() {
            self.runtime.block_on(cloud.stop());
        }
    }
}

/// A small experiment, and what its sessions meet.
#[derive(Debug)]
struct Schedule {
    seed: u64,
    sessions: Vec<Plan>,
    trigger: &'static str,
    start: &'static str,
    concurrency: u32,
    images: &'static [&'static str],
    count: u32,
    deployments: u32,
    lanes: u64,
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let triggered = seed % 10 == 7 || random.random_range(0..4) == 0;
        let cold = !triggered && random.random_range(0..4) == 0;
        let several = !triggered && !cold && random.random_range(0..3) == 0;
        let sessions = (0..SPOILT).map(|_| plan(seed, &mut random)).collect();
        Self {
            seed,
            sessions,
            trigger: if triggered { "s3" } else { "direct" },
            start: if cold { "cold" } else { "warm" },
            concurrency: if several { 2 } else { 1 },
            images: if random.random() {
                &["one"]
            } else {
                &["one", "two"]
            },
            count: random.random_range(2..5),
            deployments: if WITH_LANES.contains(&seed) { 3 } else { 1 },
            lanes: if WITH_LANES.contains(&seed) {
                2 + seed % 2
            } else {
                1
            },
        }
    }

    fn keeps(&self) -> bool {
        self.seed % 10 != 8
    }

    fn planned(&self) -> usize {
        self.images.len() * self.count as usize * self.deployments as usize
    }
}

/// What one session meets: each seed has faults of its own kind, drawn anew for each session.
fn plan(seed: u64, random: &mut StdRng) -> Plan {
    use Fault::{
        CutShort, Failed, FailedAfter, Held, HeldAfter, LogsLost, ResetAfter, ResetBefore,
        Throttled,
    };
    let everywhere =
        |invoke: u32, other: u32, faults: &[Fault]| -> BTreeMap<Kind, (u32, Vec<Fault>)> {
            let others = [
                Kind::Control,
                Kind::Storage,
                Kind::Logs,
                Kind::Metrics,
                Kind::Identity,
            ];
            let others = others.map(|kind| (kind, (other, faults.to_vec())));
            others
                .into_iter()
                .chain([(Kind::Invoke, (invoke, faults.to_vec()))])
                .collect()
        };
    let mixed = [
        Throttled,
        Failed,
        FailedAfter,
        ResetBefore,
        ResetAfter,
        CutShort,
    ];
    let (chances, most) = match seed % 10 {
        0 => (everywhere(300, 80, &[Throttled]), 8),
        1 => (everywhere(200, 50, &[Failed, FailedAfter]), 15),
        2 => (
            everywhere(200, 50, &[ResetBefore, ResetAfter, CutShort]),
            15,
        ),
        3 => (everywhere(150, 10, &[Held, HeldAfter]), 3),
        4 => (
            BTreeMap::from([(
                Kind::Logs,
                (700, vec![LogsLost, LogsLost, Throttled, Failed]),
            )]),
            20,
        ),
        5 | 6 => (everywhere(50, 20, &mixed), 5),
        7 => (everywhere(0, 30, &mixed), 10),
        _ => (everywhere(150, 40, &mixed), 15),
    };
    let expires = seed % 10 == 6 || (seed % 10 == 9 && random.random());
    let goes = seed % 10 == 5 || (seed % 10 == 9 && random.random());
    let expires_at = random.random_range(2..120);
    let gone_at = random.random_range(2..30);
    Plan {
        chances,
        most,
        expires_at: expires.then_some(expires_at),
        gone_at: goes.then_some(gone_at),
        slow: BTreeMap::new(),
    }
}

/// The first stage is sometimes slow, and sometimes writes its output twice, so that what follows
/// is started twice.
const FIRST: &str = "
    import time
    import zlib
    kind = zlib.crc32(key.encode()) % 4
    if kind == 0:
        time.sleep(0.2)
    if kind == 1 and TRIGGERED:
        name = os.environ[\"OUTPUT_PREFIX\"] + key.rsplit(\"/\", 1)[-1]
        s3.put_object(Bucket=os.environ[\"OUTPUT_BUCKET\"], Key=name, Body=data)
        time.sleep(0.3)
    return data
";

struct Story<'a> {
    schedule: &'a Schedule,
    project: Project,
    cloud: Cloud,
    injector: Injector,
}

impl<'a> Story<'a> {
    fn new(schedule: &'a Schedule) -> Self {
        let project = crate::runs::project();
        project.images(schedule.images);
        let triggered = if schedule.trigger == "s3" {
            "True"
        } else {
            "False"
        };
        let first =
            crate::runs::changing(FIRST.trim_start_matches('\n')).replace("TRIGGERED", triggered);
        project.write("functions/copy/first.py", first);
        let Schedule {
            trigger,
            start,
            concurrency,
            count,
            deployments,
            lanes,
            ..
        } = schedule;
        project.write(
            "m.toml",
            format!(
                "[experiment]\nname = \"faults\"\nseed = {}\n\n[matrix]\nvariants = [\"copy\"]\narchitectures = [\"{HOST}\"]\n\
                 image_sets = [\"photos\"]\ntrigger = [\"{trigger}\"]\nstart = [\"{start}\"]\nconcurrency = [{concurrency}]\n\n\
                 [repetitions]\ncount = {count}\nwarm_up = 1\ndeployments = {deployments}\n\n[schedule]\nlanes = {lanes}\n",
                schedule.seed
            ),
        );
        let cloud = Cloud::start(1000);
        let injector = Injector::new(&cloud.endpoint, schedule.seed);
        Self {
            schedule,
            project,
            cloud,
            injector,
        }
    }

    /// Runs `darkroom` through the proxy to its end; returns its exit code and what it said.
    fn darkroom(&self, arguments: &[&str]) -> (i32, String) {
        aws(&self.project, self.injector.url(), arguments)
    }

    /// Most runs leave what they deployed, so that the cloud's own record can be asked; the others
    /// end with cleaning.
    fn keep(&self) -> &'static [&'static str] {
        if self.schedule.keeps() {
            &["--keep"]
        } else {
            &[]
        }
    }

    fn tell(&self) -> String {
        format!(
            "{:?}\nhappened: {:?}",
            self.schedule,
            self.injector.happened()
        )
    }

    fn run(&self) -> Option<PathBuf> {
        let latest = self
            .project
            .root()
            .join("outputs/faults/latest")
            .canonicalize()
            .ok()?;
        latest.join("journal.ndjson").is_file().then_some(latest)
    }

    /// Sessions until the run is finished; returns the last exit code, and what all of them said.
    fn sessions(&self) -> (i32, String) {
        let mut log = String::new();
        for session in 0..MOST_SESSIONS {
            self.injector.begin(
                self.schedule
                    .sessions
                    .get(session)
                    .cloned()
                    .unwrap_or_default(),
            );
            let run = self.run().map(|run| run.display().to_string());
            let (code, told) = match &run {
                None => self.darkroom(
                    &[&["run", "m.toml", "--target", "aws", "--yes"], self.keep()].concat(),
                ),
                Some(run) => self.darkroom(&[&["resume", run, "--yes"], self.keep()].concat()),
            };
            let _ = writeln!(log, "--- session {session}: exit {code}\n{told}");
            // A deployment whose credentials expired could not say either that it is over.
            if code == 2 && told.contains("may still be running") {
                self.injector.begin(Plan::default());
                assert_eq!(
                    self.darkroom(&["clean", "faults", "--target", "aws", "--yes"])
                        .0,
                    0,
                    "{log}"
                );
                continue;
            }
            assert!(matches!(code, 0 | 1), "exit {code}\n{log}");
            if self.run().is_some_and(|run| is_finished(&run)) {
                return (code, log);
            }
            assert_eq!(code, 1, "an unfinished run is no success\n{log}");
        }
        panic!(
            "not finished after {MOST_SESSIONS} sessions, the last of which met no faults\n{log}"
        );
    }

    /// Everything that must hold whatever happened.
    fn check(&self, code: i32, log: &str) {
        let run = self.run().unwrap();
        let facts = facts(&run);
        let counts = counted(&run);
        assert_eq!(counts.len(), self.schedule.planned(), "{counts:?}");
        assert!(counts.values().all(|times| *times == 1), "{counts:?}");
        let rows: Vec<&Invocation> = facts
            .iter()
            .filter_map(|event| {
                if let Event::InvocationFinished(row) = event {
                    Some(row)
                } else {
                    None
                }
            })
            .collect();
        each_row_is_one_of_its_kind(&rows);
        if self.schedule.keeps() {
            self.the_cloud_agrees(&rows);
        }
        let passes: Vec<&PipelinePass> = facts
            .iter()
            .filter_map(|event| match event {
                Event::PipelineFinished(pass) if pass.again.is_none() && !pass.pass.warm_up => {
                    Some(pass)
                }
                _ => None,
            })
            .collect();
        // The last attempt of a repetition that was throttled to the end is none of these.
        let mut whole = passes.len() == self.schedule.planned();
        for pass in passes {
            let own: Vec<&&Invocation> = rows.iter().filter(|row| row.pass == pass.pass).collect();
            let well = own.iter().filter(|row| row.status == Status::Ok).count();
            assert_eq!(pass.complete, pass.failed_stage.is_none(), "{pass:?}");
            assert!(
                !pass.complete || (well, own.len()) == (2, 2),
                "{pass:?} {own:?}"
            );
            // On a crowded machine five attempts may all have started cold: the last stands, and is
            // no sample.
            let asked_cold = self.schedule.start == "cold";
            let as_asked = |row: &&Invocation| {
                row.report
                    .as_ref()
                    .is_some_and(|it| it.init_ms.is_some() == asked_cold)
            };
            whole &= pass.complete && own.iter().all(|row| as_asked(row));
        }
        let right = facts
            .iter()
            .all(|event| !matches!(event, Event::OutputChecked(check) if !check.verdict.pass));
        let removed = !log.contains("not everything that it deployed was removed");
        let well = whole && right && removed;
        assert_eq!(
            code == 0,
            well,
            "exit {code}, all measured: {whole}, all right: {right}, removed: {removed}\n{log}"
        );
        self.tables_count_the_plan(&run);
    }

    /// Every invocation that the cloud began is a row, but for those that the rows call unanswered,
    /// and the reverse.
    fn the_cloud_agrees(&self, rows: &[&Invocation]) {
        let functions: HashSet<String> = rows.iter().map(|row| row.function.clone()).collect();
        for (function, begun) in self.cloud.begun(&functions) {
            let own: Vec<&&Invocation> =
                rows.iter().filter(|row| row.function == function).collect();
            let known: HashSet<&str> = own
                .iter()
                .filter_map(|row| row.request_id.as_deref())
                .collect();
            for row in own
                .iter()
                .filter(|row| !matches!(row.status, Status::Throttled | Status::CallError))
            {
                let id = row.request_id.as_deref();
                assert!(
                    id.is_none_or(|id| begun.iter().any(|begun| begun == id)),
                    "nobody ran {row:?}"
                );
                assert!(
                    id.is_some() || self.schedule.trigger == "s3",
                    "a call that was answered has an id: {row:?}"
                );
            }
            let unknown = begun
                .iter()
                .filter(|id| !known.contains(id.as_str()))
                .count();
            let unseen = own.iter().filter(|row| row.may_have_run_unseen()).count();
            // What S3 starts ends behind the runner's back; warm-ups at once are given up together
            // when a session ends.
            let explained =
                self.schedule.trigger == "s3" || self.schedule.concurrency > 1 || unknown <= unseen;
            assert!(
                explained,
                "{function} ran {unknown} times unrecorded, and {unseen} calls got no answer"
            );
        }
    }

    fn tables_count_the_plan(&self, run: &Path) {
        let (_, _, json) = command(
            &self.project,
            &[],
            &["aggregate", &run.display().to_string(), "--json"],
        );
        let summary: serde_json::Value = serde_json::from_str(&json).unwrap();
        let cell = &summary["cells"][0];
        for stage in cell["stages"].as_array().unwrap() {
            let (n, failed) = (
                stage["time_ms"]["n"].as_u64().unwrap(),
                stage["n_failed"].as_u64().unwrap(),
            );
            assert!(n + failed <= self.schedule.planned() as u64, "{stage}");
        }
        assert!(
            cell["passes"].as_u64().unwrap() <= self.schedule.planned() as u64,
            "{cell}"
        );
        let differences = summary["reconciliation"]["differences"].as_array().unwrap();
        // A throttle that was injected is none that the cloud counted; what a session left under
        // way when it broke off, the cloud counts in the next.
        let differs = differences.iter().any(|difference| {
            let more = difference["reported"].as_f64() > difference["recorded"].as_f64();
            difference["metric"] != "throttles"
                && !(difference["session"].as_u64() > Some(1) && more)
        });
        assert!(self.schedule.trigger == "s3" || !differs, "{differences:?}");
    }

    /// Cleans, through faults at first, until it succeeds; then nothing is left.
    fn clean(&self) {
        let mut log = String::new();
        for session in 0..MOST_SESSIONS {
            self.injector.begin(
                self.schedule
                    .sessions
                    .get(session)
                    .cloned()
                    .unwrap_or_default(),
            );
            let (code, told) = self.darkroom(&["clean", "faults", "--target", "aws", "--yes"]);
            let _ = writeln!(log, "--- clean {session}: exit {code}\n{told}");
            if code == 0 {
                let left = self.cloud.left();
                assert!(left.is_empty(), "left behind: {left:?}\n{log}");
                return;
            }
        }
        panic!("clean never succeeds\n{log}");
    }
}

fn is_finished(run: &Path) -> bool {
    facts(run)
        .iter()
        .rev()
        .any(|event| matches!(event, Event::RunFinished { .. }))
}

fn each_row_is_one_of_its_kind(rows: &[&Invocation]) {
    let (mut sequences, mut places, mut requests) =
        (HashSet::new(), HashSet::new(), HashSet::new());
    for row in rows {
        assert!(
            sequences.insert(row.sequence),
            "two rows have the sequence of {row:?}"
        );
        // What S3 delivers more than once is of one attempt that does not count.
        let surplus = row.pass.cell_id.as_str().contains(".s3.");
        assert!(
            places.insert((row.pass.clone(), row.stage_index)) || surplus,
            "two rows for {row:?}"
        );
        if let Some(id) = row.request_id.as_ref().filter(|_| row.report.is_some()) {
            assert!(requests.insert(id.clone()), "one invocation twice: {row:?}");
        }
    }
}

/// Runs `darkroom` as someone with AWS credentials would, whose calls go to `endpoint`.
fn aws(project: &Project, endpoint: &str, arguments: &[&str]) -> (i32, String) {
    aws_with_patience(PATIENCE_S, project, endpoint, arguments)
}

fn aws_with_patience(
    patience_s: &str,
    project: &Project,
    endpoint: &str,
    arguments: &[&str],
) -> (i32, String) {
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "darkroom"),
        ("AWS_SECRET_ACCESS_KEY", "darkroom"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("DARKROOM_PATIENCE_S", patience_s),
    ];
    let (code, told, _) = command(project, &variables, arguments);
    (code, told)
}

/// Runs a command that must end, by itself and without a panic; returns its exit code, stderr and
/// stdout.
fn command(
    project: &Project,
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> (i32, String, String) {
    let (out, err) = (
        project.root().join("stdout.txt"),
        project.root().join("stderr.txt"),
    );
    let file = |path: &Path| Stdio::from(std::fs::File::create(path).unwrap());
    let mut child = Command::new(env!("CARGO_BIN_EXE_darkroom"))
        .args(arguments)
        .current_dir(project.root())
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_SESSION_TOKEN")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(file(&out))
        .stderr(file(&err))
        .spawn()
        .unwrap();
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > LONGEST {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!(
                "{arguments:?} hangs:\n{}",
                std::fs::read_to_string(&err).unwrap()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let (stdout, stderr) = (
        std::fs::read_to_string(&out).unwrap(),
        std::fs::read_to_string(&err).unwrap(),
    );
    assert!(!stderr.contains("panicked"), "{arguments:?}:\n{stderr}");
    (status.code().expect("it ends by itself"), stderr, stdout)
}

/// Runs one schedule and checks it; returns what it was about when something does not hold.
fn holds(seed: u64) -> Result<String, String> {
    let schedule = Schedule::new(seed);
    let story = Story::new(&schedule);
    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let (code, log) = story.sessions();
        story.check(code, &log);
        story.clean();
    }));
    let told = story.tell();
    checked.map(|()| told.clone()).map_err(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default();
        format!("{said}\n{told}")
    })
}

#[test]
#[expect(
    clippy::print_stderr,
    reason = "which schedule took how long; shown when one failed"
)]
fn every_repetition_is_accounted_for_whatever_fifty_schedules_of_faults_do() {
    if let Ok(seed) = std::env::var("DARKROOM_FAULT_SEED") {
        let told = holds(seed.parse().unwrap()).unwrap_or_else(|failed| panic!("{failed}"));
        eprintln!("{told}");
        return;
    }
    all_hold(0..SCHEDULES);
}

#[test]
#[ignore = "takes minutes, and about one run in two leaves a log group behind that a late call wrote again"]
fn every_repetition_is_accounted_for_whatever_twenty_schedules_of_faults_do_to_lanes() {
    all_hold(WITH_LANES);
}

#[expect(
    clippy::print_stderr,
    reason = "which schedule took how long; shown when one failed"
)]
fn all_hold(seeds: std::ops::Range<u64>) {
    let schedules = seeds.end - seeds.start;
    let (next, failed) = (Mutex::new(seeds), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(seed) = { next.lock().unwrap().next() } {
                    let began = Instant::now();
                    let outcome = holds(seed);
                    eprintln!("seed {seed}: {:.1} s", began.elapsed().as_secs_f64());
                    if let Err(error) = outcome {
                        failed.lock().unwrap().push(format!(
                            "seed {seed} (alone: DARKROOM_FAULT_SEED={seed}): {error}"
                        ));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "{} of {schedules} schedules:\n{}",
        failed.len(),
        failed.join("\n\n")
    );
}

/// Runs four deployments on lanes in an account that allows so many calls at once.
fn in_a_small_account(executions: u32, lanes: &str) -> (Project, String) {
    let project = crate::runs::project();
    crate::runs::manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 3);
    let slow = "    import time\n    time.sleep(0.2)\n    return data\n";
    project.write("functions/copy/first.py", crate::runs::changing(slow));
    crate::lanes::patient(&project);
    let cloud = Cloud::start(executions);
    let lanes = format!("schedule.lanes={lanes}");
    let arguments = run_on_aws(&["--set", "repetitions.deployments=4", "--set", &lanes]);
    // A call that was given up goes on, and takes part of the account.
    let (code, told) = aws_with_patience("60", &project, &cloud.endpoint, &arguments);
    assert_eq!(code, 0, "{told}");
    (project, told)
}

fn throttled(facts: &[Event]) -> usize {
    let throttled = |event: &&Event| matches!(event, Event::InvocationFinished(it) if it.status == Status::Throttled);
    facts.iter().filter(throttled).count()
}

#[test]
fn throttles_slow_lanes_down_are_facts_and_lose_nothing() {
    let (project, told) = in_a_small_account(2, "4");
    let run = crate::runs::latest(&project);
    crate::runs::each_once(&run, 2 * 3 * 4);
    let facts = facts(&run);
    assert!(throttled(&facts) > 0, "four lanes, two at once: {told}");
    let counted: HashSet<_> = facts
        .iter()
        .filter_map(|event| match event {
            Event::PipelineFinished(it) if it.again.is_none() => Some(&it.pass),
            _ => None,
        })
        .filter(|pass| !pass.warm_up)
        .collect();
    assert_eq!(counted.len(), 2 * 3 * 4);
    let refused = |event: &&Event| matches!(event, Event::InvocationFinished(it) if it.status == Status::Throttled && counted.contains(&it.pass));
    assert_eq!(facts.iter().filter(refused).count(), 0);
}

#[test]
fn the_wait_for_log_reads_is_no_part_of_a_turnaround() {
    const STAGE_S: f64 = 5.5;
    const READ_S: f64 = 4.0;
    let project = crate::runs::project();
    crate::runs::manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    project.images(&["one"]);
    // It is slow enough to be asked after, and ends while the logs have not answered.
    let slow = format!("    import time\n    time.sleep({STAGE_S})\n    return data\n");
    project.write("functions/copy/first.py", crate::runs::changing(&slow));
    crate::lanes::patient(&project);
    let cloud = Cloud::start(10);
    let injector = Injector::new(&cloud.endpoint, 0);
    injector.begin(Plan {
        slow: BTreeMap::from([(Kind::Logs, Duration::from_secs_f64(READ_S))]),
        ..Plan::default()
    });
    let arguments = run_on_aws(&["--set", "matrix.trigger=[\"s3\"]"]);
    let (code, told) = aws_with_patience("60", &project, injector.url(), &arguments);
    assert_eq!(code, 0, "{told}");
    let facts = facts(&crate::runs::latest(&project));
    let passes: Vec<&PipelinePass> = facts
        .iter()
        .filter_map(|event| match event {
            Event::PipelineFinished(pass) if !pass.pass.warm_up => Some(pass),
            _ => None,
        })
        .collect();
    assert!(!passes.is_empty());
    for pass in passes {
        let turnaround_s = pass.turnaround_s.unwrap();
        let asked_s = 5.0 + READ_S;
        assert!(
            turnaround_s > STAGE_S && turnaround_s < asked_s - 1.0,
            "the logs answer at {asked_s} s: {pass:?}"
        );
        assert!(pass.resolution_ms < 1000.0, "{pass:?}");
    }
}

#[test]
fn auto_leaves_a_share_of_the_account_to_others() {
    let (project, told) = in_a_small_account(3, "\"auto\"");
    assert!(
        told.contains("up to 2 lanes, bounded by the account's 3 concurrent executions"),
        "{told}"
    );
    let run = crate::runs::latest(&project);
    crate::runs::each_once(&run, 2 * 3 * 4);
    assert_eq!(throttled(&facts(&run)), 0);
}

#[test]
fn more_at_once_than_the_account_allows_is_refused_before_anything_is_deployed() {
    let project = crate::runs::project();
    crate::runs::manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    let cloud = Cloud::start(150);
    let arguments = run_on_aws(&["--set", "matrix.concurrency=[200]"]);
    let (code, told) = aws(&project, &cloud.endpoint, &arguments);
    assert_eq!(code, 2, "{told}");
    assert!(
        told.contains("the account allows") && told.contains("200 invocations at once"),
        "{told}"
    );
    assert_eq!(cloud.left(), Vec::<String>::new());
}
