//! A proxy between the runner and a cloud that spoils what passes: throttles, errors, silence,
//! broken connections.
//!
//! What it does follows from a seed and the order of requests. It knows HTTP and how AWS spells its
//! errors, and nothing of experiments. One connection carries one request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Refused for now, before it has an effect.
    Throttled,
    /// A server's error instead of an effect.
    Failed,
    /// It has its effect, and a server's error is the answer.
    FailedAfter,
    /// It never arrives, and nothing comes back.
    Held,
    /// It has its effect, and nothing comes back.
    HeldAfter,
    /// The connection is closed before it arrives.
    ResetBefore,
    /// It has its effect, and the connection is closed.
    ResetAfter,
    /// It has its effect, and the connection is closed in the middle of the answer.
    CutShort,
    /// The credentials have expired; so they have for every later request of the session.
    Expired,
    /// A permission has been taken away: the control plane refuses every later request of the
    /// session.
    Gone,
    /// Some log events are left out of the answer.
    LogsLost,
}

/// Which requests a fault can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Invoke,
    Control,
    Storage,
    Logs,
    Metrics,
    /// IAM and STS.
    Identity,
}

/// What a session may meet.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Chance of a fault, of each request of a kind, in a thousand; one of the faults then happens.
    pub chances: BTreeMap<Kind, (u32, Vec<Fault>)>,
    /// After so many faults of a session all goes well.
    pub most: u32,
    /// The request of a session from which on the credentials have expired.
    pub expires_at: Option<u32>,
    /// The control plane's request of a session from which on it fails.
    pub gone_at: Option<u32>,
    /// Requests of these kinds take so much longer.
    pub slow: BTreeMap<Kind, Duration>,
}

/// What a cloud does otherwise than the one behind the proxy, besides faults.
pub trait Quirk: Send {
    /// Returns what is answered in the cloud's place, if anything is.
    fn before(&mut self, request: &Request) -> Option<String> {
        let _ = request;
        None
    }

    /// Changes what the cloud answered.
    fn after(&mut self, request: &Request, answer: Vec<u8>) -> Vec<u8> {
        let _ = request;
        answer
    }
}

struct NoQuirk;

impl Quirk for NoQuirk {}

struct State {
    quirk: Box<dyn Quirk>,
    random: StdRng,
    plan: Plan,
    requests: u32,
    control_requests: u32,
    left: u32,
    happened: Vec<(Kind, Fault)>,
}

impl State {
    fn decide(&mut self, kind: Kind) -> Option<Fault> {
        self.requests += 1;
        self.control_requests += u32::from(kind == Kind::Control);
        let fault = self.drawn(kind)?;
        self.happened.push((kind, fault));
        Some(fault)
    }

    fn drawn(&mut self, kind: Kind) -> Option<Fault> {
        if self.plan.expires_at.is_some_and(|at| self.requests >= at) {
            return Some(Fault::Expired);
        }
        if kind == Kind::Control
            && self
                .plan
                .gone_at
                .is_some_and(|at| self.control_requests >= at)
        {
            return Some(Fault::Gone);
        }
        let (chance, faults) = self.plan.chances.get(&kind)?;
        if self.left == 0 || self.random.random_range(0..1000) >= *chance {
            return None;
        }
        self.left -= 1;
        Some(faults[self.random.random_range(0..faults.len())])
    }
}

/// Serves until dropped.
pub struct Injector {
    url: String,
    state: Arc<Mutex<State>>,
    /// Its tasks end with it.
    runtime: Option<Runtime>,
}

impl Drop for Injector {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Injector {
    /// Stands before the cloud at `endpoint`; all goes well until a session begins.
    pub fn new(endpoint: &str, seed: u64) -> Self {
        Self::with(endpoint, seed, NoQuirk)
    }

    /// The same, with a quirk.
    pub fn with(endpoint: &str, seed: u64, quirk: impl Quirk + 'static) -> Self {
        let state = State {
            quirk: Box::new(quirk),
            random: StdRng::seed_from_u64(seed),
            plan: Plan::default(),
            requests: 0,
            control_requests: 0,
            left: 0,
            happened: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        // A story may have a runtime of its own, in which none may block.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = endpoint.strip_prefix("http://").unwrap().to_owned();
        let shared = Arc::clone(&state);
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                // A client that has gone is nobody's fault.
                let (shared, upstream) = (Arc::clone(&shared), upstream.clone());
                tokio::spawn(async move { serve(client, &upstream, &shared).await });
            }
        });
        Self {
            url,
            state,
            runtime: Some(runtime),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Begins a session that may meet this.
    pub fn begin(&self, plan: Plan) {
        let mut state = self.state.lock().unwrap();
        (
            state.left,
            state.requests,
            state.control_requests,
            state.plan,
        ) = (plan.most, 0, 0, plan);
    }

    /// What has happened so far.
    pub fn happened(&self) -> Vec<(Kind, Fault)> {
        self.state.lock().unwrap().happened.clone()
    }
}

/// A request as it came, with the place of its body.
pub struct Request {
    bytes: Vec<u8>,
    head: String,
}

impl Request {
    /// Verb and target: `PUT /bucket?tagging`.
    pub fn line(&self) -> &str {
        let line = self.head.lines().next().unwrap_or_default();
        line.rsplit_once(' ').map_or(line, |(line, _)| line)
    }

    pub fn body(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes[self.head.len()..])
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'));
        lines
            .filter(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .next()
    }

    /// The service, as its signature names it.
    pub fn kind(&self) -> Kind {
        let scope = self
            .header("authorization")
            .and_then(|text| text.split("Credential=").nth(1))
            .unwrap_or_default();
        match scope.split('/').nth(3).unwrap_or_default() {
            "lambda"
                if self
                    .head
                    .lines()
                    .next()
                    .is_some_and(|line| line.contains("/invocations")) =>
            {
                Kind::Invoke
            }
            "lambda" => Kind::Control,
            "logs" => Kind::Logs,
            "monitoring" => Kind::Metrics,
            "s3" => Kind::Storage,
            _ => Kind::Identity,
        }
    }
}

/// Carries one request, or does to it what is due.
async fn serve(mut client: TcpStream, upstream: &str, state: &Mutex<State>) -> Option<()> {
    let request = read(&mut client).await?;
    let kind = request.kind();
    let instead = state.lock().unwrap().quirk.before(&request);
    if let Some(answer) = instead {
        return client.write_all(answer.as_bytes()).await.ok();
    }
    let fault = state.lock().unwrap().decide(kind);
    let slow = state.lock().unwrap().plan.slow.get(&kind).copied();
    tokio::time::sleep(slow.unwrap_or_default()).await;
    let passes = !matches!(
        fault,
        Some(
            Fault::Throttled
                | Fault::Failed
                | Fault::Held
                | Fault::ResetBefore
                | Fault::Expired
                | Fault::Gone
        )
    );
    let answer = if passes {
        let answer = forward(&request, upstream).await?;
        state.lock().unwrap().quirk.after(&request, answer)
    } else {
        Vec::new()
    };
    match fault {
        None => client.write_all(&answer).await.ok()?,
        Some(Fault::LogsLost) => client.write_all(&without_events(&answer)).await.ok()?,
        Some(Fault::Held | Fault::HeldAfter) => {
            // Until whoever asked gives up.
            let mut rest = [0; 64];
            let _ = tokio::time::timeout(Duration::from_mins(2), client.read(&mut rest)).await;
        }
        Some(Fault::ResetBefore | Fault::ResetAfter) => reset(client),
        Some(Fault::CutShort) => {
            client
                .write_all(&answer[..answer.len() * 2 / 3])
                .await
                .ok()?;
            client.flush().await.ok()?;
            reset(client);
        }
        Some(fault) => client
            .write_all(refusal(kind, fault).as_bytes())
            .await
            .ok()?,
    }
    Some(())
}

/// Closes a connection so that the other side sees it broken, not ended.
fn reset(client: TcpStream) {
    let _ = client.set_zero_linger();
    drop(client);
}

/// Reads one request to the end of its body.
async fn read(client: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let body_at = loop {
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..body_at]).into_owned();
    let mut request = Request { bytes, head };
    let length: Option<usize> = request
        .header("content-length")
        .and_then(|text| text.parse().ok());
    let chunked = request
        .header("transfer-encoding")
        .is_some_and(|text| text.contains("chunked"));
    let continues = request.header("expect").is_some();
    if continues {
        client
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await
            .ok()?;
    }
    let whole = |bytes: &[u8]| match length {
        Some(length) => bytes.len() >= body_at + length,
        None => !chunked || bytes.ends_with(b"0\r\n\r\n"),
    };
    while !whole(&request.bytes) {
        if client.read_buf(&mut request.bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(request)
}

/// Sends a request on over a connection of its own and returns all of the answer, which then ends
/// the client's too.
async fn forward(request: &Request, upstream: &str) -> Option<Vec<u8>> {
    let mut server = TcpStream::connect(upstream).await.ok()?;
    let end_of_head = request.head.len() - 2;
    let body = &request.bytes[request.head.len()..];
    server.write_all(&request.bytes[..end_of_head]).await.ok()?;
    server.write_all(b"connection: close\r\n\r\n").await.ok()?;
    server.write_all(body).await.ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.ok()?;
    // What was asked to continue has been told so already.
    let continued = b"HTTP/1.1 100 Continue\r\n\r\n";
    Some(
        answer
            .strip_prefix(continued.as_slice())
            .map_or_else(|| answer.clone(), <[u8]>::to_vec),
    )
}

/// Leaves every second event out of an answer of `FilterLogEvents`.
fn without_events(answer: &[u8]) -> Vec<u8> {
    let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return answer.to_vec();
    };
    let Ok(mut body) = serde_json::from_slice::<serde_json::Value>(&answer[at + 4..]) else {
        return answer.to_vec();
    };
    if let Some(events) = body
        .get_mut("events")
        .and_then(|events| events.as_array_mut())
    {
        let mut keep = false;
        events.retain(|_| {
            keep = !keep;
            keep
        });
    }
    response(
        "200 OK",
        "content-type: application/x-amz-json-1.1\r\n",
        &body.to_string(),
    )
    .into_bytes()
}

/// An error as the service spells it.
fn refusal(kind: Kind, fault: Fault) -> String {
    let xml = |code: &str| {
        format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>injected</Message></Error>"
        )
    };
    let query = |code: &str| {
        format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>injected</Message></Error></ErrorResponse>"
        )
    };
    let json = |code: &str| format!("{{\"__type\":\"{code}\",\"message\":\"injected\"}}");
    let lambda = |status: &str, code: &str, body: &str| {
        response(status, &format!("x-amzn-errortype: {code}\r\n"), body)
    };
    match (kind, fault) {
        (Kind::Invoke | Kind::Control, Fault::Throttled) => lambda(
            "429 Too Many Requests",
            "TooManyRequestsException",
            r#"{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}"#,
        ),
        (Kind::Invoke | Kind::Control, Fault::Expired) => lambda(
            "403 Forbidden",
            "ExpiredTokenException",
            r#"{"message":"The security token included in the request is expired"}"#,
        ),
        (Kind::Control, Fault::Gone) => lambda(
            "403 Forbidden",
            "AccessDeniedException",
            r#"{"message":"not authorized"}"#,
        ),
        (Kind::Invoke | Kind::Control, _) => lambda(
            "500 Internal Server Error",
            "ServiceException",
            r#"{"Type":"Service"}"#,
        ),
        (Kind::Storage, Fault::Throttled) => response("503 Slow Down", "", &xml("SlowDown")),
        (Kind::Storage, Fault::Expired) => response("400 Bad Request", "", &xml("ExpiredToken")),
        (Kind::Storage, _) => response("500 Internal Server Error", "", &xml("InternalError")),
        (Kind::Logs, Fault::Throttled) => {
            response("400 Bad Request", "", &json("ThrottlingException"))
        }
        (Kind::Logs, Fault::Expired) => {
            response("400 Bad Request", "", &json("ExpiredTokenException"))
        }
        (Kind::Identity, Fault::Throttled) => response("400 Bad Request", "", &query("Throttling")),
        (Kind::Identity | Kind::Metrics, Fault::Expired) => {
            response("403 Forbidden", "", &query("ExpiredToken"))
        }
        (Kind::Logs | Kind::Identity | Kind::Metrics, _) => {
            response("503 Service Unavailable", "", "injected")
        }
    }
}

/// An error of S3, as it spells them.
pub fn s3_error(status: &str, code: &str) -> String {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>quirk</Message></Error>"
    );
    response(status, "content-type: application/xml\r\n", &body)
}

/// Returns an answer with another body of the same kind.
pub fn with_body(answer: &[u8], change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return answer.to_vec();
    };
    let body = change(body);
    let kept = head
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
    let head = kept.collect::<Vec<_>>().join("\r\n");
    format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
