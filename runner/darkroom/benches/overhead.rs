//! What the runner adds to a call: the same SDK calls in a bare loop, beside a run of the same
//! function. Aim: 5% at most.
//!
//! `cargo bench -p darkroom --bench overhead`
//!
//! Rounds of both alternate in one process against one local cloud and one warm environment, so
//! that what else the machine does falls on both. Prints medians and their ratios; judges neither.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Architecture, Environment, FunctionCode, LogType, Runtime};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use darkroom::control_pace::ControlPace;
use darkroom::execute::{CellUnderTest, Function, Image, LogReader, Patience, Setup, execute};
use darkroom::record::{History, Journal, Recorder};
use darkroom_cloud::{Config, LocalCloud};
use darkroom_core::cell::{self, Cell, Input, SnapStart, Start, Trigger};
use darkroom_core::event::{Event, RunStarted};
use darkroom_core::manifest::{Order, Repetitions};
use darkroom_core::pipeline::Pipeline;
use darkroom_core::schedule::lanes::Width;
use darkroom_core::schedule::{CellShape, Schedule};

const ROUNDS: usize = 5;
const CALLS: u32 = 200;
const BUCKET: &str = "overhead";
const LATE: Duration = Duration::from_secs(15);

const PIPELINE: &str = r#"
name = "copy"
description = "one stage that copies"

[[stages]]
name = "copy"
load = "io"
timeout_s = 10
input = { formats = ["png"], mode = "rgb8" }
output = { format = "png", mode = "rgb8", size = "unchanged" }
operations = ["reencode"]
check = { max_abs = 0 }
prompt = "copy"
"#;

const HANDLER: &str = r#"
import os
import boto3

s3 = boto3.client("s3")


def handler(event, context):
    key = event["Records"][0]["s3"]["object"]["key"]
    data = s3.get_object(Bucket=os.environ["OUTPUT_BUCKET"], Key=key)["Body"].read()
    s3.put_object(Bucket=os.environ["OUTPUT_BUCKET"], Key=os.environ["OUTPUT_PREFIX"] + key.rsplit("/", 1)[-1], Body=data)
"#;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a benchmark prints its result")]
async fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtimes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.darkroom/runtimes");
    let program = env!("CARGO_BIN_EXE_darkroom").into();
    let cloud = LocalCloud::start(Config::new(program, runtimes))
        .await
        .expect("the local cloud starts");
    let bench = Box::pin(Bench::new(&cloud)).await;
    bench.bare(20).await;
    let (mut bare, mut run) = (Times::default(), Times::default());
    for round in 0..ROUNDS {
        bare.add(bench.bare(CALLS).await);
        run.add(
            bench
                .run(&folder.path().join(format!("{round}.ndjson")))
                .await,
        );
    }
    let (bare, run) = (bare.medians(), run.medians());
    println!(
        "{} calls each, in {ROUNDS} alternating rounds; medians:",
        ROUNDS as u32 * CALLS
    );
    println!(
        "  measured call     bare {:7.3} ms   runner {:7.3} ms   ratio {:.3}",
        bare.0,
        run.0,
        run.0 / bare.0
    );
    println!(
        "  whole repetition  bare {:7.3} ms   runner {:7.3} ms   ratio {:.3}",
        bare.1,
        run.1,
        run.1 / bare.1
    );
    println!(
        "(a repetition: PUT the input, call, HEAD the output, delete both; the runner's also schedules and records)"
    );
    cloud.stop().await;
}

#[derive(Default)]
struct Times {
    calls_ms: Vec<f64>,
    repetitions_ms: Vec<f64>,
}

impl Times {
    fn add(&mut self, other: Self) {
        self.calls_ms.extend(other.calls_ms);
        self.repetitions_ms.extend(other.repetitions_ms);
    }

    fn medians(mut self) -> (f64, f64) {
        let median = |values: &mut Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        (median(&mut self.calls_ms), median(&mut self.repetitions_ms))
    }
}

struct Bench {
    config: SdkConfig,
    image: Vec<u8>,
}

impl Bench {
    async fn new(cloud: &LocalCloud) -> Self {
        let credentials = Credentials::new("darkroom", "darkroom", None, None, "bench");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(cloud.endpoint_url())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let mut image = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(4, 4)
            .write_to(&mut image, image::ImageFormat::Png)
            .expect("a picture");
        let bench = Self {
            config,
            image: image.into_inner(),
        };
        bench
            .s3()
            .create_bucket()
            .bucket(BUCKET)
            .send()
            .await
            .expect("a bucket");
        Box::pin(bench.deploy()).await;
        bench
    }

    fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.config)
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.config)
    }

    async fn deploy(&self) {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("copying.py", zip::write::SimpleFileOptions::default())
            .expect("a file in a zip");
        zip.write_all(HANDLER.as_bytes()).expect("a file in a zip");
        let zip = zip.finish().expect("a zip").into_inner();
        let lambda = self.lambda();
        let environment = Environment::builder()
            .variables("OUTPUT_BUCKET", BUCKET)
            .variables("OUTPUT_PREFIX", "out/");
        let architecture = if cfg!(target_arch = "aarch64") {
            Architecture::Arm64
        } else {
            Architecture::X8664
        };
        lambda
            .create_function()
            .function_name("copy")
            .runtime(Runtime::from("python3.13"))
            .architectures(architecture)
            .role("arn:aws:iam::000000000000:role/bench")
            .handler("copying.handler")
            .memory_size(1769)
            .timeout(10)
            .code(FunctionCode::builder().zip_file(Blob::new(zip)).build())
            .environment(environment.build())
            .send()
            .await
            .expect("a function");
        while self
            .lambda()
            .invoke()
            .function_name("copy")
            .send()
            .await
            .is_err()
        {
            tokio::task::yield_now().await;
        }
    }

    /// The calls of a repetition, and nothing else.
    async fn bare(&self, calls: u32) -> Times {
        let (lambda, s3) = (self.lambda(), self.s3());
        let mut times = Times::default();
        for number in 0..calls {
            let (input, output) = (
                format!("input/bare-{number}.png"),
                format!("out/bare-{number}.png"),
            );
            let payload = format!(
                r#"{{"Records":[{{"s3":{{"bucket":{{"name":"{BUCKET}"}},"object":{{"key":"{input}"}}}}}}]}}"#
            );
            let repetition = Instant::now();
            s3.put_object()
                .bucket(BUCKET)
                .key(&input)
                .body(self.image.clone().into())
                .send()
                .await
                .expect("PUT");
            let call = Instant::now();
            let invoked = lambda
                .invoke()
                .function_name("copy")
                .log_type(LogType::Tail)
                .payload(Blob::new(payload));
            let answer = invoked.send().await.expect("an answer");
            assert!(answer.function_error().is_none(), "{:?}", answer.payload());
            times.calls_ms.push(call.elapsed().as_secs_f64() * 1e3);
            s3.head_object()
                .bucket(BUCKET)
                .key(&output)
                .send()
                .await
                .expect("HEAD");
            let objects = [input, output]
                .map(|key| ObjectIdentifier::builder().key(key).build().expect("a key"));
            let delete = Delete::builder()
                .set_objects(Some(objects.into()))
                .build()
                .expect("two keys");
            s3.delete_objects()
                .bucket(BUCKET)
                .delete(delete)
                .send()
                .await
                .expect("DELETE");
            times
                .repetitions_ms
                .push(repetition.elapsed().as_secs_f64() * 1e3);
        }
        times
    }

    /// The same repetitions through the runner: schedule, measured calls, gate, journal.
    async fn run(&self, journal: &Path) -> Times {
        let cell = self.cell();
        let started = started(&cell);
        let mut file = Journal::create(journal).expect("a journal");
        file.append(&Event::RunStarted(started.clone()))
            .expect("a fact");
        let (display, shown) = std::sync::mpsc::channel::<Arc<Event>>();
        let recorder = Recorder::start(file, vec![display]);
        let repetitions = Repetitions {
            count: CALLS,
            warm_up: 0,
            deployments: 1,
            ..Repetitions::default()
        };
        let schedule = Schedule::new(
            vec![CellShape {
                images: 1,
                warm: true,
                functions: 0,
                concurrency: 1,
            }],
            repetitions,
            Order::Interleaved,
            562,
        );
        let setup = Setup {
            run_id: journal
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
            measured: self.lambda(),
            control: self.lambda(),
            control_pace: ControlPace::unbounded(),
            s3: self.s3(),
            logs: LogReader::new(
                aws_sdk_cloudwatchlogs::Client::new(&self.config),
                Duration::ZERO,
            ),
            metrics: aws_sdk_cloudwatch::Client::new(&self.config),
            bucket: BUCKET.to_owned(),
            region: "us-east-1".to_owned(),
            pipeline: Pipeline::parse("bench", PIPELINE).expect("a pipeline"),
            cells: vec![cell],
            time_budget: None,
            money_budget: None,
            patience: Patience {
                call: LATE,
                answer: LATE,
                ready: Duration::ZERO,
                delivered: Duration::ZERO,
                delivery: Duration::from_secs(30),
                logs: LATE,
                metrics: LATE,
                metrics_after: Duration::ZERO,
                alone: true,
            },
            lanes: Width::new(1),
            seed: 562,
            vary_inputs: false,
            pictures: None,
        };
        let (_stop, interrupt) = tokio::sync::watch::channel(false);
        let clock = Instant::now();
        execute(
            setup,
            History::new(started),
            &schedule,
            recorder.emitter(),
            None,
            interrupt,
        )
        .await
        .expect("a run");
        let each_ms = clock.elapsed().as_secs_f64() * 1e3 / f64::from(CALLS);
        recorder.finish().expect("a journal");
        let time_of = |event: Arc<Event>| {
            if let Event::InvocationFinished(i) = &*event {
                i.client_ms
            } else {
                None
            }
        };
        let calls_ms: Vec<f64> = shown.into_iter().filter_map(time_of).collect();
        assert_eq!(
            calls_ms.len(),
            CALLS as usize,
            "every repetition was right the first time"
        );
        Times {
            calls_ms,
            repetitions_ms: vec![each_ms; CALLS as usize],
        }
    }

    fn cell(&self) -> CellUnderTest {
        let cell = Cell {
            runtime: None,
            variant: "copy".into(),
            architecture: cell::Architecture::X86_64,
            memory_mb: 1769,
            image_set: "one".into(),
            trigger: Trigger::Direct,
            input: Input::Chained,
            start: Start::Warm,
            snapstart: SnapStart::Off,
            concurrency: 1,
        };
        let image = Image {
            name: "one".into(),
            extension: "png".into(),
            bytes: self.image.clone().into(),
            reference_inputs: OnceLock::new(),
            judged_as: None,
        };
        let function = Function {
            name: "copy".into(),
            qualifier: None,
            code_sha256: String::new(),
            output_prefix: "out/".into(),
            triggered_by: None,
            habits: darkroom_core::adapt::Habits::default(),
        };
        CellUnderTest {
            id: cell.id(),
            cell,
            images: [image].into(),
            deployments: vec![vec![Some(function)]],
        }
    }
}

fn started(cell: &CellUnderTest) -> RunStarted {
    let value = serde_json::json!({
        "journal_version": darkroom_core::event::JOURNAL_VERSION, "run_id": "bench", "at": darkroom::execute::now(),
        "experiment": "bench", "pipeline": "copy", "stages": ["copy"], "seed": 562, "target": "local",
        "region": "us-east-1", "isolation": "", "manifest_sha256": "", "repetitions": CALLS, "warm_up": 0,
        "deployments": 1, "order": "interleaved", "cells": [], "image_sets": { "one": [cell.images[0].name] },
        "machine": {}, "darkroom_version": env!("CARGO_PKG_VERSION"),
    });
    serde_json::from_value(value).expect("a run's first fact")
}
