//! The three protocols of CloudWatch, one face: an operation's name and a JSON-like request in, a
//! [`Reply`] out.
//!
//! boto3 and the Rust SDK send rpc-v2-cbor today; older clients send awsJson1.0 or the query
//! protocol (form in, XML out).

mod cbor;
pub(crate) mod query;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::Value;

/// The most that a compressed request may come to.
const MAX_INFLATED: u64 = 16 * 1024 * 1024;

/// A value of a reply. Kinds are apart where the protocols write them differently.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Text(String),
    Number(f64),
    /// Seconds since the epoch.
    Time(i64),
    List(Vec<Reply>),
    Map(Vec<(&'static str, Reply)>),
    /// A map whose keys are data.
    Entries(Vec<(String, Reply)>),
}

/// An error as it goes over the wire. Always the sender's fault, but for [`QueryFault::internal`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryFault {
    /// As the query protocol names it: `InvalidParameterValue`.
    pub code: &'static str,
    pub message: String,
}

impl QueryFault {
    pub fn value(message: impl Into<String>) -> Self {
        Self {
            code: "InvalidParameterValue",
            message: message.into(),
        }
    }

    pub fn combination(message: impl Into<String>) -> Self {
        Self {
            code: "InvalidParameterCombination",
            message: message.into(),
        }
    }

    pub fn missing(parameter: &str) -> Self {
        Self {
            code: "MissingParameter",
            message: format!("The parameter {parameter} is required."),
        }
    }

    pub fn validation(message: impl Into<String>) -> Self {
        Self {
            code: "ValidationError",
            message: message.into(),
        }
    }

    /// The name of the error's shape in the service model, which the newer protocols send.
    fn shape(&self) -> &'static str {
        match self.code {
            "InvalidParameterValue" => "InvalidParameterValueException",
            "InvalidParameterCombination" => "InvalidParameterCombinationException",
            "MissingParameter" => "MissingRequiredParameterException",
            "AccessDenied" => "AccessDeniedException",
            other => other,
        }
    }
}

pub type MetricsResult = Result<Reply, QueryFault>;

/// Reads a request in whichever protocol it came, has it answered, and writes the answer in the
/// same one.
pub fn answer(
    parts: &Parts,
    body: &Bytes,
    operate: impl FnOnce(&str, Value) -> MetricsResult,
) -> Response<Bytes> {
    let body = match inflated(parts, body) {
        Ok(body) => body,
        Err(fault) => return json_response(Err(fault)),
    };
    if let Some(operation) = parts
        .uri
        .path()
        .rsplit_once("/operation/")
        .map(|(_, operation)| operation)
    {
        let answer = cbor::read(&body).and_then(|request| operate(operation, request));
        return cbor_response(answer);
    }
    if let Some(target) = parts
        .headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
    {
        let operation = target
            .rsplit_once('.')
            .map_or(target, |(_, operation)| operation);
        let request = serde_json::from_slice(if body.is_empty() { b"{}" } else { &body });
        let request = request.map_err(|error| QueryFault {
            code: "SerializationException",
            message: error.to_string(),
        });
        return json_response(request.and_then(|request| operate(operation, request)));
    }
    let form = if body.is_empty() {
        parts.uri.query().unwrap_or_default().as_bytes()
    } else {
        &body
    };
    let (operation, request) = query::read(&String::from_utf8_lossy(form));
    let answer = operate(&operation, request);
    query_response(&operation, answer)
}

fn inflated(parts: &Parts, body: &Bytes) -> Result<Bytes, QueryFault> {
    let gzip = parts
        .headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"));
    if !gzip {
        return Ok(body.clone());
    }
    let mut inflated = Vec::new();
    let reader = flate2::read::GzDecoder::new(&body[..]);
    let read = std::io::Read::read_to_end(
        &mut std::io::Read::take(reader, MAX_INFLATED + 1),
        &mut inflated,
    );
    match read {
        Ok(read) if read as u64 <= MAX_INFLATED => Ok(inflated.into()),
        Ok(_) => Err(QueryFault {
            code: "RequestEntityTooLarge",
            message: format!("the request is larger than {MAX_INFLATED} bytes"),
        }),
        Err(error) => Err(QueryFault {
            code: "SerializationException",
            message: format!("cannot read the gzip body: {error}"),
        }),
    }
}

fn cbor_response(answer: MetricsResult) -> Response<Bytes> {
    let (status, body, fault) = match answer {
        Ok(reply) => (StatusCode::OK, cbor::write(&reply), None),
        Err(fault) => {
            let shape = format!("com.amazonaws.cloudwatch#{}", fault.shape());
            let reply = Reply::Map(vec![
                ("__type", Reply::Text(shape)),
                ("message", Reply::Text(fault.message.clone())),
            ]);
            (StatusCode::BAD_REQUEST, cbor::write(&reply), Some(fault))
        }
    };
    let mut response = respond(status, "application/cbor", body, fault.as_ref());
    response.headers_mut().insert(
        HeaderName::from_static("smithy-protocol"),
        HeaderValue::from_static("rpc-v2-cbor"),
    );
    response
}

fn json_response(answer: MetricsResult) -> Response<Bytes> {
    match answer {
        Ok(reply) => respond(
            StatusCode::OK,
            "application/x-amz-json-1.0",
            json(&reply).to_string().into_bytes(),
            None,
        ),
        Err(fault) => {
            let body = serde_json::json!({ "__type": fault.shape(), "message": fault.message });
            respond(
                StatusCode::BAD_REQUEST,
                "application/x-amz-json-1.0",
                body.to_string().into_bytes(),
                Some(&fault),
            )
        }
    }
}

fn query_response(operation: &str, answer: MetricsResult) -> Response<Bytes> {
    let id = uuid::Uuid::new_v4().to_string();
    match answer {
        Ok(reply) => respond(
            StatusCode::OK,
            "text/xml",
            query::write(operation, &reply, &id).into_bytes(),
            None,
        ),
        Err(fault) => respond(
            StatusCode::BAD_REQUEST,
            "text/xml",
            query::write_fault(&fault, &id).into_bytes(),
            None,
        ),
    }
}

fn respond(
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
    fault: Option<&QueryFault>,
) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(id) = HeaderValue::try_from(uuid::Uuid::new_v4().to_string()) {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    // How the newer protocols tell a client the name that the error always had.
    if let Some(name) =
        fault.and_then(|fault| HeaderValue::try_from(format!("{};Sender", fault.code)).ok())
    {
        headers.insert(HeaderName::from_static("x-amzn-query-error"), name);
    }
    response
}

fn json(reply: &Reply) -> Value {
    match reply {
        Reply::Text(text) => Value::from(text.as_str()),
        Reply::Number(number) => Value::from(*number),
        Reply::Time(seconds) => Value::from(*seconds),
        Reply::List(items) => items.iter().map(json).collect(),
        Reply::Map(fields) => fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json(value)))
            .collect(),
        Reply::Entries(entries) => entries
            .iter()
            .map(|(name, value)| (name.clone(), json(value)))
            .collect(),
    }
}
