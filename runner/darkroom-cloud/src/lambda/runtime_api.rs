//! The Runtime API: a runtime inside a sandbox fetches events and returns answers here.
//!
//! One [`RuntimeApi`] belongs to one environment and is served on a listener that only this
//! environment can reach, so a handler cannot answer for another. It reports what happens as
//! [`RuntimeEvent`]s, keeps no clock and decides nothing. Serves `awslambdaric`, `lambda_runtime`
//! and any `bootstrap` that speaks HTTP/1.1.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// Largest answer to a synchronous invocation, in bytes (FACTS.md, section 4).
pub const RESPONSE_LIMIT: usize = 6_291_556;

/// Longest streamed answer, in bytes. Source: AWS, Lambda quotas, "streamed responses".
const STREAMED_LIMIT: usize = 200 << 20;

/// How much of an oversized body is read and thrown away, so that its sender gets to read the
/// refusal.
const DISCARD_LIMIT: usize = 256 << 20;

const INVOCATION: &str = "/2018-06-01/runtime/invocation/";
const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";
const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";

/// One event on its way to the runtime.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub request_id: String,
    pub deadline_ms: u64,
    pub invoked_arn: String,
    pub trace_id: String,
    pub client_context: Option<String>,
    pub payload: Bytes,
    /// Takes a streamed answer as it comes; without it, or once its receiver is gone, a streamed
    /// answer is read all the same.
    pub stream: Option<mpsc::Sender<Bytes>>,
}

/// What a runtime did.
#[derive(Debug)]
pub enum RuntimeEvent {
    /// It asked for an event: initialised, or done with the one before.
    Ready(Instant),
    /// It answered the present invocation.
    Response { payload: Bytes, at: Instant },
    /// It answered the present invocation piece by piece; the caller has the pieces.
    Streamed { bytes: usize, at: Instant },
    /// Its answer was longer than allowed.
    ResponseTooLarge { at: Instant },
    /// It reported the present invocation's failure.
    Error {
        error_type: Option<String>,
        payload: Bytes,
        at: Instant,
    },
    /// It reported that it can't be initialised.
    InitError {
        error_type: Option<String>,
        payload: Bytes,
    },
}

/// The state of one environment's Runtime API.
pub struct RuntimeApi {
    state: Mutex<RuntimeApiState>,
    events: mpsc::UnboundedSender<RuntimeEvent>,
}

#[derive(Default)]
struct RuntimeApiState {
    /// A runtime that waits for an event.
    waiting: Option<oneshot::Sender<Invocation>>,
    /// An event that waits for a runtime.
    queued: Option<Invocation>,
    /// The invocation that was handed out and not answered.
    current: Option<Current>,
    /// Counts the runtimes that have ended: what one of them left half-sent is not of the next.
    ended: u64,
}

struct Current {
    id: String,
    /// [`RuntimeApiState::ended`] when it was handed out.
    ended: u64,
    stream: Option<mpsc::Sender<Bytes>>,
}

impl RuntimeApi {
    /// Returns the API and what will happen at it.
    pub fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<RuntimeEvent>) {
        let (events, receiver) = mpsc::unbounded_channel();
        (
            Arc::new(Self {
                state: Mutex::default(),
                events,
            }),
            receiver,
        )
    }

    /// Accepts connections for ever. Dropping the future ends the accepted connections too.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(Arc::clone(&self).serve_connection(stream));
                    }
                    // Out of descriptors, most likely: let some be closed.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn serve_connection(self: Arc<Self>, stream: TcpStream) {
        // Answers are small and urgent.
        let _ = stream.set_nodelay(true);
        let service = service_fn(move |request| {
            let api = Arc::clone(&self);
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        // A connection that breaks is the runtime's end or its mistake; the environment hears of
        // either elsewhere.
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(64 << 10)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    /// Gives an event to the runtime, now or as soon as it asks.
    pub fn deliver(&self, invocation: Invocation) {
        let mut state = self.lock();
        let waiting = state.waiting.take();
        hand_out(&mut state, waiting, invocation);
    }

    /// Forgets everything about a runtime that has ended.
    pub fn reset(&self) {
        let mut state = self.lock();
        *state = RuntimeApiState {
            ended: state.ended + 1,
            ..RuntimeApiState::default()
        };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, RuntimeApiState> {
        // No code panics while it holds the lock, and the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if crate::server::gate::is_of_another_site(request.headers()) {
            // Where handlers share the host's network, a browser on it reaches this port.
            return refuse(
                StatusCode::FORBIDDEN,
                "InvalidRequest",
                "no web page is a runtime",
            );
        }
        let path = request.uri().path();
        if request.method() == Method::GET && path.strip_prefix(INVOCATION) == Some("next") {
            return self.next().await;
        }
        if request.method() != Method::POST {
            return refuse(
                StatusCode::NOT_FOUND,
                "InvalidRequest",
                "unknown path or method",
            );
        }
        if path == INIT_ERROR {
            return self.init_error(request).await;
        }
        let parts = path
            .strip_prefix(INVOCATION)
            .and_then(|rest| rest.split_once('/'));
        match parts.map(|(id, action)| (id.to_owned(), action)) {
            Some((id, "response")) => self.response(&id, request).await,
            Some((id, "error")) => self.error(&id, request).await,
            _ => refuse(
                StatusCode::NOT_FOUND,
                "InvalidRequest",
                "unknown path or method",
            ),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        let receiver = {
            let mut state = self.lock();
            if state.current.is_some() {
                return refuse(
                    StatusCode::FORBIDDEN,
                    "InvalidStateTransition",
                    "State transition from Running to Ready failed for runtime. Error: State transition is not allowed",
                );
            }
            let (sender, receiver) = oneshot::channel();
            match state.queued.take() {
                Some(invocation) => hand_out(&mut state, Some(sender), invocation),
                None => state.waiting = Some(sender),
            }
            receiver
        };
        self.tell(RuntimeEvent::Ready(Instant::now()));
        match receiver.await {
            Ok(invocation) => event_response(invocation),
            Err(_) => refuse(
                StatusCode::FORBIDDEN,
                "InvalidStateTransition",
                "another call waits for the next event",
            ),
        }
    }

    async fn response(&self, id: &str, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Some(current) = self.claim(id) else {
            return unknown_id();
        };
        let streaming =
            header(request.headers(), RESPONSE_MODE).is_some_and(|mode| mode == "streaming");
        let stream = current.stream.as_ref().filter(|_| streaming);
        let read = read(request.into_body(), stream).await;
        if self.lock().ended != current.ended {
            return unknown_id();
        }
        match read {
            Read::Whole(body) if body.error_type.is_some() => {
                let payload = body.error_document();
                self.tell(RuntimeEvent::Error {
                    error_type: body.error_type,
                    payload,
                    at: Instant::now(),
                });
            }
            Read::Whole(body) if stream.is_some() => {
                self.tell(RuntimeEvent::Streamed {
                    bytes: body.total,
                    at: Instant::now(),
                });
            }
            Read::Whole(body) => self.tell(RuntimeEvent::Response {
                payload: body.bytes,
                at: Instant::now(),
            }),
            Read::TooLarge => {
                self.tell(RuntimeEvent::ResponseTooLarge { at: Instant::now() });
                return refuse(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "RequestEntityTooLarge",
                    "Exceeded maximum allowed payload size (6291556 bytes).",
                );
            }
            Read::Broken => self.unclaim(current),
        }
        accepted()
    }

    async fn error(&self, id: &str, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Some(current) = self.claim(id) else {
            return unknown_id();
        };
        let error_type = header(request.headers(), ERROR_TYPE);
        match read(request.into_body(), None).await {
            Read::Whole(body) => {
                self.tell(RuntimeEvent::Error {
                    error_type,
                    payload: body.bytes,
                    at: Instant::now(),
                });
            }
            Read::TooLarge => self.tell(RuntimeEvent::ResponseTooLarge { at: Instant::now() }),
            Read::Broken => self.unclaim(current),
        }
        accepted()
    }

    async fn init_error(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let error_type = header(request.headers(), ERROR_TYPE);
        if let Read::Whole(body) = read(request.into_body(), None).await {
            self.tell(RuntimeEvent::InitError {
                error_type,
                payload: body.bytes,
            });
        }
        accepted()
    }

    /// Takes the right to answer invocation `id`; there is one answer to each.
    fn claim(&self, id: &str) -> Option<Current> {
        self.lock().current.take_if(|current| current.id == id)
    }

    /// Gives that right back: the answer broke off, and the runtime may try again.
    fn unclaim(&self, current: Current) {
        let mut state = self.lock();
        if state.ended == current.ended {
            state.current.get_or_insert(current);
        }
    }

    fn tell(&self, event: RuntimeEvent) {
        // Nobody listens only when the environment is gone, and then nothing matters here.
        let _ = self.events.send(event);
    }
}

/// Sends `invocation` to `waiting` if that runtime still listens, else keeps it for the next call.
fn hand_out(
    state: &mut RuntimeApiState,
    waiting: Option<oneshot::Sender<Invocation>>,
    invocation: Invocation,
) {
    let current = Current {
        id: invocation.request_id.clone(),
        ended: state.ended,
        stream: invocation.stream.clone(),
    };
    let refused = match waiting {
        Some(sender) => sender.send(invocation).err(),
        None => Some(invocation),
    };
    match refused {
        None => state.current = Some(current),
        Some(invocation) => state.queued = Some(invocation),
    }
}

/// A request body, with the error that a streaming runtime may put after it.
struct WholeBody {
    /// Empty if it was passed on.
    bytes: Bytes,
    total: usize,
    error_type: Option<String>,
    error_body: Option<String>,
}

impl WholeBody {
    /// The error document of a stream that failed half-way: base64 JSON in a trailer.
    fn error_document(&self) -> Bytes {
        use base64::Engine as _;
        let encoded = self.error_body.as_deref().unwrap_or_default();
        let decoded = base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .unwrap_or_default();
        if decoded.is_empty() {
            let error_type = self.error_type.as_deref().unwrap_or("Runtime.Unknown");
            let document = serde_json::json!({ "errorType": error_type, "errorMessage": "the response stream failed" });
            return document.to_string().into();
        }
        decoded.into()
    }
}

enum Read {
    Whole(WholeBody),
    TooLarge,
    /// The connection ended before the body did.
    Broken,
}

/// Reads a whole body and keeps it, or passes each piece on to `stream` as it comes.
async fn read(mut body: Incoming, stream: Option<&mpsc::Sender<Bytes>>) -> Read {
    let limit = if stream.is_some() {
        STREAMED_LIMIT
    } else {
        RESPONSE_LIMIT
    };
    let (mut chunks, mut total) = (Vec::new(), 0);
    let (mut error_type, mut error_body) = (None, None);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Read::Broken;
        };
        match frame.into_data() {
            Ok(data) => {
                total += data.len();
                match stream {
                    // Waits for a slow caller, as the handler then does; one that hung up hears
                    // nothing.
                    Some(stream) if total <= limit => drop(stream.send(data).await),
                    None if total <= limit => chunks.push(data),
                    _ => chunks.clear(),
                }
                if total > DISCARD_LIMIT {
                    return Read::TooLarge;
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    error_type = header(&trailers, ERROR_TYPE);
                    error_body = header(&trailers, "lambda-runtime-function-error-body");
                }
            }
        }
    }
    if total > limit {
        return Read::TooLarge;
    }
    // The usual body comes in one piece and needs no copy.
    let bytes = if chunks.len() == 1 {
        chunks.swap_remove(0)
    } else {
        chunks.concat().into()
    };
    Read::Whole(WholeBody {
        bytes,
        total,
        error_type,
        error_body,
    })
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn event_response(invocation: Invocation) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(invocation.payload));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut set = |name: &'static str, value: String| {
        // A value that is no header value (a client context with a line break) is left out.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("lambda-runtime-aws-request-id", invocation.request_id);
    set(
        "lambda-runtime-deadline-ms",
        invocation.deadline_ms.to_string(),
    );
    set(
        "lambda-runtime-invoked-function-arn",
        invocation.invoked_arn,
    );
    set("lambda-runtime-trace-id", invocation.trace_id);
    if let Some(context) = invocation.client_context {
        set("lambda-runtime-client-context", context);
    }
    response
}

fn accepted() -> Response<Full<Bytes>> {
    json(StatusCode::ACCEPTED, &serde_json::json!({ "status": "OK" }))
}

fn unknown_id() -> Response<Full<Bytes>> {
    refuse(
        StatusCode::BAD_REQUEST,
        "InvalidRequestID",
        "Invalid request ID",
    )
}

fn refuse(status: StatusCode, error_type: &str, message: &str) -> Response<Full<Bytes>> {
    json(
        status,
        &serde_json::json!({ "errorMessage": message, "errorType": error_type }),
    )
}

fn json(status: StatusCode, document: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(document.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
