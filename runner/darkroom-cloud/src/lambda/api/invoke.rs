//! `Invoke` in its three types, `InvokeAsync`, and `InvokeWithResponseStream`.

use super::super::Lambda;
use super::super::concurrency::Permit;
use super::super::environment::InvokeOutcome;
use super::super::error::{ApiError, ApiResult};
use super::super::event_stream;
use super::super::invoker::{ChosenVersion, Event, Recursive};
use super::super::json_check;
use super::super::limits;
use super::super::validate::Violations;
use super::call::{Call, Reply};
use crate::server::wire;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::mpsc;

const TYPE: &str = "x-amz-invocation-type";

/// Pieces of a streamed answer that may wait for a slow caller before the handler does.
const PIECES: usize = 16;

pub(crate) async fn invoke(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let kind = call.header(TYPE).unwrap_or("RequestResponse");
    let mut found = Violations::default();
    found.one_of(
        "invocationType",
        Some(kind),
        &["Event", "RequestResponse", "DryRun"],
    );
    found.one_of("logType", call.header("x-amz-log-type"), &["None", "Tail"]);
    found.into_result()?;
    let wanted = call.function(&lambda.home)?;
    let target = lambda.invoker.resolve(&wanted)?;
    if kind == "DryRun" {
        return Ok(Reply::Empty(StatusCode::NO_CONTENT));
    }
    if kind == "Event" && call.body.len() > limits::ASYNC_PAYLOAD {
        return Err(too_large(call.body.len() as u64, &call.headers));
    }
    let mut event = event(call)?;
    if kind == "Event" {
        lambda.invoker.enqueue(wanted, event);
        return Ok(Reply::Empty(StatusCode::ACCEPTED));
    }
    let version = target.spec.version.clone();
    lengthen(lambda, &target, &mut event)?;
    let permit = admit(lambda, &target)?;
    let outcome = lambda.invoker.run(target, permit, event, None).await?;
    let tail = call.header("x-amz-log-type") == Some("Tail");
    Ok(Reply::Raw(answer(&version, outcome, tail)))
}

/// Takes a place for a caller that waits.
fn admit(lambda: &Lambda, target: &ChosenVersion) -> ApiResult<Permit> {
    lambda
        .invoker
        .admit(target)
        .map_err(|throttle| ApiError::throttled(throttle.reason()))
}

/// Adds the run to the chain of a caller that waits; one run too many is refused.
fn lengthen(lambda: &Lambda, target: &ChosenVersion, event: &mut Event) -> ApiResult<()> {
    lambda
        .invoker
        .lengthen(&target.function, &mut event.chain)
        .map_err(|Recursive| ApiError::recursive())
}

/// Reads the payload, which must be JSON (`{}` when empty), and the client context.
fn event(call: &Call) -> ApiResult<Event> {
    let payload = if call.body.is_empty() {
        Bytes::from_static(b"{}")
    } else {
        call.body.clone()
    };
    json_check::check(&payload).map_err(|complaint| {
        ApiError::invalid_content(format!(
            "Could not parse request body into json: Could not parse payload into json: {complaint}"
        ))
    })?;
    let client_context = call
        .header("x-amz-client-context")
        .map(client_context)
        .transpose()?;
    Ok(Event {
        request_id: call.request_id.clone(),
        payload,
        client_context,
        chain: call.chain.clone(),
    })
}

fn client_context(base64: &str) -> ApiResult<String> {
    let decoded = STANDARD
        .decode(base64)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let object = decoded.filter(|text| serde_json::from_str::<serde_json::Map<_, _>>(text).is_ok());
    object.ok_or_else(|| {
        ApiError::invalid_content("Client context must be a valid Base64-encoded JSON object.")
    })
}

fn answer(version: &str, outcome: InvokeOutcome, tail: bool) -> Response<wire::Body> {
    let mut response = wire::json(StatusCode::OK, outcome.payload);
    let headers = response.headers_mut();
    headers.insert(
        "x-amzn-remapped-content-length",
        HeaderValue::from_static("0"),
    );
    insert(headers, "x-amz-executed-version", version);
    if let Some(error) = &outcome.function_error {
        insert(headers, "x-amz-function-error", error);
    }
    if tail {
        insert(
            headers,
            "x-amz-log-result",
            &STANDARD.encode(&outcome.log_tail),
        );
    }
    response
}

/// Inserts a header; versions, errors and base64 are always valid ones.
fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The error for a payload of `size` bytes.
pub(crate) fn too_large(size: u64, headers: &HeaderMap) -> ApiError {
    let kind = wire::header(headers, TYPE).unwrap_or("RequestResponse");
    let limit = if kind == "Event" {
        limits::ASYNC_PAYLOAD
    } else {
        limits::SYNC_PAYLOAD
    };
    ApiError::payload_too_large(format!(
        "{size} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
    ))
}

/// The old asynchronous call, which some clients still send.
pub(crate) fn invoke_async(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let wanted = call.function(&lambda.home)?;
    lambda.invoker.resolve(&wanted)?;
    if call.body.len() > limits::ASYNC_PAYLOAD {
        return Err(ApiError::payload_too_large(format!(
            "{} byte payload is too large for the Event invocation type (limit {} bytes)",
            call.body.len(),
            limits::ASYNC_PAYLOAD
        )));
    }
    lambda.invoker.enqueue(wanted, event(call)?);
    Ok(Reply::Json(StatusCode::ACCEPTED, json!({ "Status": 202 })))
}

/// Answers in event-stream frames. What a runtime streams goes to the caller piece by piece while
/// the handler runs.
pub(crate) fn streaming(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let kind = call.header(TYPE).unwrap_or("RequestResponse");
    let mut found = Violations::default();
    found.one_of("invocationType", Some(kind), &["RequestResponse", "DryRun"]);
    found.into_result()?;
    let wanted = call.function(&lambda.home)?;
    let target = lambda.invoker.resolve(&wanted)?;
    if kind == "DryRun" {
        return Ok(Reply::Empty(StatusCode::NO_CONTENT));
    }
    let version = target.spec.version.clone();
    let mut event = event(call)?;
    lengthen(lambda, &target, &mut event)?;
    let permit = admit(lambda, &target)?;
    let (stream, pieces) = mpsc::channel(PIECES);
    let invoker = Arc::clone(&lambda.invoker);
    let running = async move { invoker.run(target, permit, event, Some(stream)).await };
    let tail = call.header("x-amz-log-type") == Some("Tail");
    let mut response = Response::new(event_stream::body(pieces, running, tail));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/vnd.amazon.eventstream"),
    );
    insert(headers, "x-amz-executed-version", &version);
    Ok(Reply::Raw(response))
}
