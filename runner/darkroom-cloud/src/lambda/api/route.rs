//! Maps a method and path to an operation.

use super::super::Lambda;
use super::super::error::{ApiError, ApiResult};
use super::super::limits;
use super::call::{Call, Reply};
use super::{
    account, action, aliases, code, concurrency, event_invoke, functions, invoke, layers,
    permissions, refused, tags, versions,
};
use crate::keys::Keys;
use crate::server::signature;
use crate::server::wire::{self, Body, BodyError};
use http::request::Parts;
use http::{HeaderValue, Method, Response};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

/// Tells whether an unsigned request's path is one of the Lambda API: `/YYYY-MM-DD/functions…` and
/// its like.
pub(crate) fn is_lambda_path(path: &str) -> bool {
    let mut segments = path.trim_start_matches('/').splitn(3, '/');
    let date = segments.next().unwrap_or_default();
    let dash = |at: usize| at == 4 || at == 7;
    let dated = date.len() == 10
        && date.bytes().enumerate().all(|(at, byte)| {
            if dash(at) {
                byte == b'-'
            } else {
                byte.is_ascii_digit()
            }
        });
    let noun = segments.next().unwrap_or_default();
    dated
        && matches!(
            noun,
            "functions"
                | "layers"
                | "tags"
                | "account-settings"
                | "event-source-mappings"
                | "code-signing-configs"
        )
}

impl Lambda {
    /// Answers one request to the API.
    pub async fn answer(&self, parts: Parts, body: Incoming) -> Response<Body> {
        let request_id = super::super::function::new_id();
        let id_header = HeaderValue::from_str(&request_id);
        let result = match read(&self.keys, parts, body, request_id).await {
            Ok((method, call)) => match judge(self, &method, &call) {
                Ok(()) => route(self, &method, &call).await,
                Err(refused) => Err(refused),
            },
            Err(error) => Err(error),
        };
        let mut response = result.map_or_else(ApiError::into_response, Reply::into_response);
        if let Ok(value) = id_header {
            response.headers_mut().insert("x-amzn-requestid", value);
        }
        response
    }
}

async fn read(
    keys: &Keys,
    mut parts: Parts,
    body: Incoming,
    request_id: String,
) -> ApiResult<(Method, Call)> {
    let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let path = parts.uri.path().trim_matches('/');
    // The first segment is the API's version; operations are distinguished without it.
    let segments: Vec<String> = path.split('/').skip(1).map(decoded).collect();
    let query = parts.uri.query().unwrap_or_default();
    let query = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let invocation = segments
        .get(2)
        .is_some_and(|last| last.ends_with("invocations"));
    let limit = if invocation {
        limits::SYNC_PAYLOAD
    } else {
        limits::CONTROL_REQUEST
    };
    let body = wire::read(body, limit).await.map_err(|error| match error {
        BodyError::TooLarge(size) if invocation => invoke::too_large(size, &parts.headers),
        BodyError::TooLarge(_) => ApiError::entity_too_large(format!(
            "Request must be smaller than {} bytes for the {} operation",
            limits::CONTROL_REQUEST,
            operation(&parts.method, &segments),
        )),
        BodyError::Broken => ApiError::serialization("the request's body ended early"),
    })?;
    signature::check(keys, &parts, &body).map_err(ApiError::unsigned)?;
    let chain = parts.extensions.remove().unwrap_or_default();
    let caller = parts.extensions.remove();
    let call = Call {
        segments,
        query,
        headers: parts.headers,
        body,
        request_id,
        chain,
        caller,
    };
    Ok((parts.method, call))
}

/// Judges what the code of a function asks for; others may ask for anything.
fn judge(lambda: &Lambda, method: &Method, call: &Call) -> ApiResult<()> {
    let Some(caller) = &call.caller else {
        return Ok(());
    };
    let asked = action::of(&lambda.home, method, call);
    lambda
        .access
        .judge(caller, &asked)
        .map_err(|message| ApiError::access_denied(Some(message)))
}

/// Names the operations that carry code, for the message of one that is too large.
fn operation(method: &Method, segments: &[String]) -> &'static str {
    match segments {
        [_] if *method == Method::POST => "CreateFunction",
        [_, _, code] if code == "code" => "UpdateFunctionCode",
        [layers, _, _] if layers == "layers" => "PublishLayerVersion",
        _ => "requested",
    }
}

async fn route(lambda: &Lambda, method: &Method, call: &Call) -> ApiResult<Reply> {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    match (method.as_str(), segments.as_slice()) {
        ("POST", ["functions", _, "invocations"]) => invoke::invoke(lambda, call).await,
        ("POST", ["functions", _, "invoke-async"]) => invoke::invoke_async(lambda, call),
        ("POST", ["functions", _, "response-streaming-invocations"]) => {
            invoke::streaming(lambda, call)
        }

        ("POST", ["functions"]) => functions::create(lambda, call).await,
        ("GET", ["functions"]) => functions::list(lambda, call),
        ("GET", ["functions", _]) => functions::get(lambda, call),
        ("DELETE", ["functions", _]) => functions::delete(lambda, call),
        ("GET", ["functions", _, "configuration"]) => functions::get_configuration(lambda, call),
        ("PUT", ["functions", _, "configuration"]) => functions::update_configuration(lambda, call),
        ("PUT", ["functions", _, "code"]) => code::update(lambda, call).await,

        ("POST", ["functions", _, "versions"]) => versions::publish(lambda, call),
        ("GET", ["functions", _, "versions"]) => versions::list(lambda, call),

        ("POST", ["functions", _, "aliases"]) => aliases::create(lambda, call),
        ("GET", ["functions", _, "aliases"]) => aliases::list(lambda, call),
        ("GET", ["functions", _, "aliases", name]) => aliases::get(lambda, call, name),
        ("PUT", ["functions", _, "aliases", name]) => aliases::update(lambda, call, name),
        ("DELETE", ["functions", _, "aliases", name]) => aliases::delete(lambda, call, name),

        ("POST", ["functions", _, "policy"]) => permissions::add(lambda, call),
        ("GET", ["functions", _, "policy"]) => permissions::get(lambda, call),
        ("DELETE", ["functions", _, "policy", sid]) => permissions::remove(lambda, call, sid),

        ("PUT", ["functions", _, "concurrency"]) => concurrency::put(lambda, call),
        ("GET", ["functions", _, "concurrency"]) => concurrency::get(lambda, call),
        ("DELETE", ["functions", _, "concurrency"]) => concurrency::delete(lambda, call),

        ("PUT", ["functions", _, "event-invoke-config"]) => event_invoke::put(lambda, call),
        ("POST", ["functions", _, "event-invoke-config"]) => event_invoke::update(lambda, call),
        ("GET", ["functions", _, "event-invoke-config"]) => event_invoke::get(lambda, call),
        ("DELETE", ["functions", _, "event-invoke-config"]) => event_invoke::delete(lambda, call),
        ("GET", ["functions", _, "event-invoke-config", "list"]) => {
            event_invoke::list(lambda, call)
        }

        _ => route_rest(lambda, method, call, &segments).await,
    }
}

/// Layers, tags, the account, and the settings of a function that are kept but change nothing here.
async fn route_rest(
    lambda: &Lambda,
    method: &Method,
    call: &Call,
    segments: &[&str],
) -> ApiResult<Reply> {
    match (method.as_str(), segments) {
        ("GET", ["layers"]) if call.query("find").is_some() => layers::get_by_arn(lambda, call),
        ("GET", ["layers"]) => layers::list(lambda, call),
        ("POST", ["layers", name, "versions"]) => layers::publish(lambda, call, name).await,
        ("GET", ["layers", name, "versions"]) => layers::list_versions(lambda, call, name),
        ("GET", ["layers", name, "versions", number]) => layers::get(lambda, name, number),
        ("DELETE", ["layers", name, "versions", number]) => layers::delete(lambda, name, number),
        ("POST", ["layers", name, "versions", number, "policy"]) => {
            layers::add_permission(lambda, call, name, number)
        }
        ("GET", ["layers", name, "versions", number, "policy"]) => {
            layers::get_policy(lambda, name, number)
        }
        ("DELETE", ["layers", name, "versions", number, "policy", sid]) => {
            layers::remove_permission(lambda, call, name, number, sid)
        }

        ("POST", ["tags", resource]) => tags::add(lambda, call, resource),
        ("DELETE", ["tags", resource]) => tags::remove(lambda, call, resource),
        ("GET", ["tags", resource]) => tags::list(lambda, resource),

        ("GET", ["account-settings"]) => Ok(account::settings(lambda)),
        ("GET", ["functions", _, "recursion-config"]) => account::get_recursion(lambda, call),
        ("PUT", ["functions", _, "recursion-config"]) => account::put_recursion(lambda, call),
        ("GET", ["functions", _, "runtime-management-config"]) => {
            account::runtime_management(lambda, call)
        }

        _ => refused::route(lambda, method, call, segments),
    }
}
