//! How much time and memory the local cloud adds: warm and cold echoes, throughput, CPU share, idle
//! environments.
//!
//! `cargo bench -p darkroom-cloud --bench echo` (add `--profile dev` for a quick, slower look).
//! Every time is set beside the floor: the same client against a bare hyper server on the same
//! machine in the same run. A peer, `ministack`, is measured by boto3 beside ours.
#![expect(clippy::print_stdout, reason = "a benchmark is there to be read")]
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that can't go on has nothing better to do"
)]

use aws_sdk_lambda::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use bytes::Bytes;
use darkroom_cloud::lambda::environment::{
    DiscardLogs, Environments, EnvironmentsConfig, FunctionSpec, InvokeRequest, LogFormat,
};
use darkroom_cloud::{Config, LocalCloud};
use http_body_util::{BodyExt, Full};
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const WARM_CALLS: usize = 2_000;
const COLD_CALLS: usize = 15;
const LONG_RUN: usize = 100_000;
const THROUGHPUT_TIME: Duration = Duration::from_secs(3);
const SHARED_FUNCTIONS: usize = 3;
const IDLE_FUNCTIONS: usize = 10;

const PYTHON_SLOW: &str =
    "import time\ndef handler(event, context):\n    time.sleep(1)\n    return event\n";

/// Written as Python writes it, so that every echo gives back the same bytes.
const ECHOED: &[u8] = b"{\"n\": 1}";

const PYTHON_ECHO: &str = "def handler(event, context):\n    return event\n";

/// Uses as much CPU as it is told, whatever share it gets, and says how long that took.
const PYTHON_BURN: &str = "import time\ndef handler(event, context):\n    began, cpu = time.monotonic(), time.process_time()\n    \
                           while time.process_time() - cpu < event:\n        pass\n    return time.monotonic() - began\n";

fn main() {
    // The bench is its own Rust bootstrap: inside a sandbox it answers events.
    if let Ok(api) = std::env::var("AWS_LAMBDA_RUNTIME_API") {
        return be_an_echo(&api);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(run());
}

async fn run() {
    let mut config = Config::new(env!("CARGO_BIN_EXE_darkroom-sandbox").into(), cache_dir());
    config.concurrent_executions = 1000;
    let began = Instant::now();
    let cloud = LocalCloud::start(config).await.unwrap();
    let address = cloud
        .endpoint_url()
        .trim_start_matches("http://")
        .to_owned();
    let mut client = Client::new(&address);
    client.get("/2015-03-31/functions");
    println!(
        "start to first answer                 {:>9.2} ms",
        ms(began.elapsed())
    );
    println!(
        "isolation                             {:>9}",
        cloud.isolation().label
    );

    let floor = floor().await;
    println!(
        "floor: bare hyper echo       p50 {:>9.3} ms   p99 {:>9.3} ms",
        floor.p50, floor.p99
    );
    let lambda = lambda_client(cloud.endpoint_url());
    let python = zip_of("handler.py", PYTHON_ECHO.as_bytes(), 0o644);
    // Before anything big has been through the allocator, which would hide what environments take.
    idle_memory(&lambda, &address).await;
    let bootstrap = zip_of(
        "bootstrap",
        &std::fs::read(std::env::current_exe().unwrap()).unwrap(),
        0o755,
    );
    create(&lambda, "python-echo", Runtime::Python313, &python, 1769).await;
    create(
        &lambda,
        "rust-echo",
        Runtime::Providedal2023,
        &bootstrap,
        1769,
    )
    .await;

    for name in ["python-echo", "rust-echo"] {
        let path = invoke_path(name);
        let mut client = Client::new(&address);
        for _ in 0..200 {
            client.post(&path, ECHOED);
        }
        let warm = Times::of((0..WARM_CALLS).map(|_| client.timed(&path)).collect());
        println!(
            "warm {name:<14}          p50 {:>9.3} ms   p99 {:>9.3} ms   {:>5.1} times the floor",
            warm.p50,
            warm.p99,
            warm.p50 / floor.p50
        );
        println!(
            "     {name:<14} at concurrency 2  {:>9.0} invocations/s",
            throughput(&address, &path).await
        );
    }
    for (name, runtime, code) in [
        ("cold-python", Runtime::Python313, &python),
        ("cold-rust", Runtime::Providedal2023, &bootstrap),
    ] {
        create(&lambda, name, runtime, code, 1769).await;
        let cold = cold(&lambda, &address, name).await;
        println!(
            "cold {name:<14}          p50 {:>9.2} ms   p99 {:>9.2} ms",
            cold.p50, cold.p99
        );
    }
    long_run(&address, "rust-echo");
    peer(cloud.endpoint_url());
    cpu_share(&lambda, &address).await;
    imitated_cpu_share().await;
    let began = Instant::now();
    cloud.stop().await;
    println!(
        "stop, with all environments           {:>9.2} ms",
        ms(began.elapsed())
    );
}

/// Many invocations of one function: the last must be as quick as the first, and the server no
/// bigger for them.
fn long_run(address: &str, name: &str) {
    let (mut client, path) = (Client::new(address), invoke_path(name));
    let before = resident_kb();
    let took: Vec<f64> = (0..LONG_RUN).map(|_| client.timed(&path)).collect();
    let (first, last) = (
        Times::of(took[..1000].to_vec()),
        Times::of(took[LONG_RUN - 1000..].to_vec()),
    );
    println!(
        "{LONG_RUN} invocations       first p50 {:>9.3} ms  last p50 {:>9.3} ms   this process {} MB, then {} MB",
        first.p50,
        last.p50,
        before / 1024,
        resident_kb() / 1024
    );
}

/// What another emulator takes, asked by the same client in turns. Needs a package index that pip
/// reaches, once.
fn peer(endpoint_url: &str) {
    let measured = peer_python().and_then(|python| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer/measure.py");
        said(
            std::process::Command::new(python)
                .arg(script)
                .arg(endpoint_url),
        )
    });
    match measured {
        Ok(text) => print!("{text}"),
        Err(why) => println!("peer: not measured, {}", why.trim()),
    }
}

/// Returns an interpreter that has the peer and boto3, in a virtual environment made for it.
fn peer_python() -> Result<PathBuf, String> {
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer/requirements.txt");
    let found = darkroom_cloud::python::find("3.13").map_err(|error| error.to_string())?;
    let folder = cache_dir().join("peer");
    let python = folder.join("bin/python");
    said(
        std::process::Command::new(found.path)
            .args(["-I", "-m", "venv"])
            .arg(&folder),
    )?;
    let mut pip = std::process::Command::new(&python);
    said(
        pip.args([
            "-I",
            "-m",
            "pip",
            "--no-input",
            "install",
            "--quiet",
            "--requirement",
        ])
        .arg(requirements),
    )?;
    Ok(python)
}

/// Runs a command and returns what it said, as an error if it failed.
fn said(command: &mut std::process::Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

/// First invocations: the function's configuration is renewed before each.
async fn cold(lambda: &aws_sdk_lambda::Client, address: &str, name: &str) -> Times {
    let mut times = Vec::new();
    for nonce in 0..COLD_CALLS {
        let environment = Environment::builder()
            .variables("NONCE", nonce.to_string())
            .build();
        lambda
            .update_function_configuration()
            .function_name(name)
            .environment(environment)
            .send()
            .await
            .unwrap();
        until_ready(lambda, name).await;
        times.push(Client::new(address).timed(&invoke_path(name)));
    }
    Times::of(times)
}

/// How long half a second of CPU takes by quota at a quarter of a core and at a whole one.
async fn cpu_share(lambda: &aws_sdk_lambda::Client, address: &str) {
    let burn = zip_of("handler.py", PYTHON_BURN.as_bytes(), 0o644);
    let mut elapsed = Vec::new();
    for memory_mb in [1769, 442] {
        let name = format!("burn-{memory_mb}");
        create(lambda, &name, Runtime::Python313, &burn, memory_mb).await;
        let mut client = Client::new(address);
        client.post(&invoke_path(&name), b"0");
        let seconds = String::from_utf8(client.post(&invoke_path(&name), b"0.5"))
            .unwrap()
            .parse::<f64>()
            .unwrap();
        print_share("quota", memory_mb, seconds);
        elapsed.push(seconds);
    }
    let ratio = elapsed[1] / elapsed[0];
    println!(
        "442 MB takes                          {ratio:>9.2} times as long as 1769 MB (aim: 4.00 within 10%)"
    );
}

/// The same where there are no control groups and the share is imitated.
async fn imitated_cpu_share() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("handler.py"), PYTHON_BURN).unwrap();
    let program = env!("CARGO_BIN_EXE_darkroom-sandbox").into();
    let mut config = EnvironmentsConfig::new(program, cache_dir(), "http://127.0.0.1:9".to_owned());
    config.means.cgroups = false;
    let environments = Environments::start(config, Arc::new(DiscardLogs))
        .await
        .unwrap();
    let spec = Arc::new(FunctionSpec {
        arn: "arn:aws:lambda:us-east-1:000000000000:function:burn".into(),
        name: "burn".into(),
        version: "$LATEST".into(),
        runtime: "python3.13".into(),
        runtime_version_arn: String::new(),
        handler: "handler.handler".into(),
        code_dir: folder.path().to_owned(),
        layer_dirs: Vec::new(),
        environment: std::collections::BTreeMap::new(),
        memory_mb: 442,
        timeout_s: 60,
        ephemeral_mb: 512,
        log_group: "/aws/lambda/burn".into(),
        log_format: LogFormat::Text,
        application_log_level: None,
        system_log_level: None,
        architecture: std::env::consts::ARCH.into(),
        revision: "1".into(),
        region: "us-east-1".into(),
        account_id: "000000000000".into(),
        role_arn: "arn:aws:iam::000000000000:role/r".into(),
    });
    for event in ["0", "0.5"] {
        let request = InvokeRequest {
            request_id: event.into(),
            payload: event.into(),
            invoked_arn: spec.arn.clone(),
            client_context: None,
            chain: darkroom_cloud::lineage::Lineage::default(),
            stream: None,
        };
        let outcome = environments.invoke(Arc::clone(&spec), request).await;
        let seconds = String::from_utf8_lossy(&outcome.payload)
            .parse::<f64>()
            .unwrap();
        if event != "0" {
            print_share("imitated", 442, seconds);
        }
    }
    environments.stop().await;
}

fn print_share(how: &str, memory_mb: i32, seconds: f64) {
    let expected = 0.5 / (f64::from(memory_mb) / 1769.0);
    let off = (seconds / expected - 1.0) * 100.0;
    println!(
        "0.5 s of CPU at {memory_mb:>4} MB, {how:<8}     {seconds:>9.3} s    expected {expected:.3} s, {off:+.0}% off"
    );
}

/// What this process holds for idle functions with four environments each; the first ones pay for
/// what all share.
async fn idle_memory(lambda: &aws_sdk_lambda::Client, address: &str) {
    let slow = zip_of("handler.py", PYTHON_SLOW.as_bytes(), 0o644);
    let mut before = 0;
    for number in 0..SHARED_FUNCTIONS + IDLE_FUNCTIONS {
        if number == SHARED_FUNCTIONS {
            before = resident_kb();
        }
        let name = format!("idle-{number}");
        create(lambda, &name, Runtime::Python313, &slow, 128).await;
        let calls = (0..4).map(|_| {
            let (address, path) = (address.to_owned(), invoke_path(&name));
            tokio::task::spawn_blocking(move || Client::new(&address).post(&path, b"1"))
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap(), b"1");
        }
    }
    let each = resident_kb().saturating_sub(before) as f64 / IDLE_FUNCTIONS as f64;
    println!(
        "a function with 4 idle environments   {each:>9.0} kB, 200 of them {:.0} MB; this process has {} MB (aim: under 50)",
        each * 200.0 / 1024.0,
        resident_kb() / 1024
    );
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

async fn throughput(address: &str, path: &str) -> f64 {
    let began = Instant::now();
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (address, path) = (address.to_owned(), path.to_owned());
            tokio::task::spawn_blocking(move || {
                let mut client = Client::new(&address);
                let mut calls = 0_u32;
                while began.elapsed() < THROUGHPUT_TIME {
                    client.post(&path, ECHOED);
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    let mut calls = 0;
    for worker in workers {
        calls += worker.await.unwrap();
    }
    f64::from(calls) / began.elapsed().as_secs_f64()
}

/// The same requests to a server that does nothing but echo.
async fn floor() -> Times {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let echo = |request: http::Request<hyper::body::Incoming>| async {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                Ok::<_, Infallible>(http::Response::new(Full::new(body)))
            };
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(
                hyper_util::rt::TokioIo::new(stream),
                hyper::service::service_fn(echo),
            ));
        }
    });
    let times = tokio::task::spawn_blocking(move || {
        let mut client = Client::new(&address);
        for _ in 0..200 {
            client.post("/", ECHOED);
        }
        Times::of((0..WARM_CALLS).map(|_| client.timed("/")).collect())
    });
    let times = times.await.unwrap();
    server.abort();
    times
}

struct Times {
    p50: f64,
    p99: f64,
}

impl Times {
    fn of(mut milliseconds: Vec<f64>) -> Self {
        milliseconds.sort_by(f64::total_cmp);
        let at =
            |share: f64| milliseconds[((milliseconds.len() - 1) as f64 * share).round() as usize];
        Self {
            p50: at(0.5),
            p99: at(0.99),
        }
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The smallest HTTP client: one connection, one request at a time.
struct Client {
    stream: BufReader<TcpStream>,
    host: String,
    /// The last request's method and path, and the headers that sign it: made once, outside of what
    /// is timed.
    signed: Option<(String, String)>,
}

impl Client {
    fn new(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream: BufReader::new(stream),
            host: address.to_owned(),
            signed: None,
        }
    }

    fn timed(&mut self, path: &str) -> f64 {
        self.signature("POST", path);
        let began = Instant::now();
        let answer = self.post(path, ECHOED);
        let elapsed = ms(began.elapsed());
        assert_eq!(answer, ECHOED, "{}", String::from_utf8_lossy(&answer));
        elapsed
    }

    fn signature(&mut self, method: &str, path: &str) -> String {
        let key = format!("{method} {path}");
        if self
            .signed
            .as_ref()
            .is_none_or(|(signed, _)| *signed != key)
        {
            self.signed = Some((key, sign(&self.host, method, path)));
        }
        self.signed.as_ref().unwrap().1.clone()
    }

    fn get(&mut self, path: &str) -> Vec<u8> {
        self.request("GET", path, &[]).1
    }

    fn post(&mut self, path: &str, body: &[u8]) -> Vec<u8> {
        self.request("POST", path, body).1
    }

    /// Returns the headers' lines and the body.
    fn request(&mut self, method: &str, path: &str, body: &[u8]) -> (Vec<String>, Vec<u8>) {
        let host = self.host.clone();
        let (signed, length) = (self.signature(method, path), body.len());
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{signed}Content-Length: {length}\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request).unwrap();
        let (mut lines, mut length) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line
                .split_once(':')
                .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            {
                length = value
                    .trim()
                    .parse()
                    .unwrap_or_else(|_| panic!("{name}: {value}"));
            }
            lines.push(line);
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).unwrap();
        (lines, answer)
    }
}

/// Returns the headers that sign a request to Lambda whatever its body, as `test` with the secret
/// `test`.
fn sign(host: &str, method: &str, path: &str) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::{Digest, Sha256};
    const HEADERS: &str = "host;x-amz-content-sha256;x-amz-date";
    let (date, scope) = ("20260101T000000Z", "20260101/us-east-1/lambda/aws4_request");
    let request = format!(
        "{method}\n{path}\n\nhost:{host}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:{date}\n\n{HEADERS}\nUNSIGNED-PAYLOAD"
    );
    let text = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex::encode(Sha256::digest(request))
    );
    let key = scope
        .split('/')
        .chain([text.as_str()])
        .fold(b"AWS4test".to_vec(), |key, part| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(part.as_bytes());
            mac.finalize().into_bytes().to_vec()
        });
    format!(
        "X-Amz-Date: {date}\r\nX-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=test/{scope}, SignedHeaders={HEADERS}, Signature={}\r\n",
        hex::encode(key)
    )
}

/// Serves the Runtime API's events by sending them back.
fn be_an_echo(api: &str) {
    let mut client = Client::new(api);
    loop {
        let (lines, event) = client.request("GET", "/2018-06-01/runtime/invocation/next", &[]);
        let id = lines
            .iter()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("lambda-runtime-aws-request-id"))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap();
        client.request(
            "POST",
            &format!("/2018-06-01/runtime/invocation/{id}/response"),
            &event,
        );
    }
}

fn invoke_path(name: &str) -> String {
    format!("/2015-03-31/functions/{name}/invocations")
}

async fn create(
    lambda: &aws_sdk_lambda::Client,
    name: &str,
    runtime: Runtime,
    zip: &[u8],
    memory_mb: i32,
) {
    lambda
        .create_function()
        .function_name(name)
        .runtime(runtime)
        .role("arn:aws:iam::000000000000:role/bench")
        .handler("handler.handler")
        .code(FunctionCode::builder().zip_file(Blob::new(zip)).build())
        .memory_size(memory_mb)
        .timeout(60)
        .send()
        .await
        .unwrap();
    until_ready(lambda, name).await;
}

async fn until_ready(lambda: &aws_sdk_lambda::Client, name: &str) {
    loop {
        let record = lambda
            .get_function_configuration()
            .function_name(name)
            .send()
            .await
            .unwrap();
        let active = record
            .state()
            .is_some_and(|state| state.as_str() == "Active");
        let updated = record
            .last_update_status()
            .is_none_or(|status| status.as_str() == "Successful");
        if active && updated {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn lambda_client(endpoint_url: &str) -> aws_sdk_lambda::Client {
    let config = aws_sdk_lambda::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "bench"))
        .endpoint_url(endpoint_url)
        .build();
    aws_sdk_lambda::Client::from_conf(config)
}

fn zip_of(name: &str, contents: &[u8], mode: u32) -> Bytes {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(
        name,
        zip::write::SimpleFileOptions::default().unix_permissions(mode),
    )
    .unwrap();
    zip.write_all(contents).unwrap();
    zip.finish().unwrap().into_inner().into()
}

fn cache_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("darkroom-cache")
}
