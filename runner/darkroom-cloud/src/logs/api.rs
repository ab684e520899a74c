//! The CloudWatch Logs protocol (awsJson1.1): operation by `X-Amz-Target`, JSON in, JSON or a named
//! error out.

mod events;
mod groups;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Logs;
use super::store::LogError;

/// An error as it goes over the wire: always 400, except what is the server's fault.
#[derive(Debug)]
pub struct ApiError {
    pub name: &'static str,
    pub message: String,
}

pub type LogsResult = Result<Value, ApiError>;

impl ApiError {
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            name: "InvalidParameterException",
            message: message.into(),
        }
    }

    /// A field that breaks a constraint, in the words that AWS uses for all of them.
    pub fn constraint(field: &str, value: Option<&str>, constraint: &str) -> Self {
        let value = value.map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
        Self::invalid(format!(
            "1 validation error detected: Value {value} at '{field}' failed to satisfy constraint: Member must {constraint}"
        ))
    }
}

impl From<LogError> for ApiError {
    fn from(error: LogError) -> Self {
        let name = match error {
            LogError::NoSuchGroup | LogError::NoSuchStream => "ResourceNotFoundException",
            LogError::GroupExists | LogError::StreamExists => "ResourceAlreadyExistsException",
            LogError::Disk(_) => "ServiceUnavailableException",
        };
        Self {
            name,
            message: error.to_string(),
        }
    }
}

/// Answers one request for the operation.
pub fn answer(logs: &Logs, operation: &str, body: &Bytes) -> Response<Bytes> {
    let answer = match serde_json::from_slice::<Value>(if body.is_empty() { b"{}" } else { body }) {
        Ok(request @ Value::Object(_)) => dispatch(logs, operation, request),
        _ => Err(ApiError {
            name: "SerializationException",
            message: "the request is not a JSON object".to_owned(),
        }),
    };
    respond(answer)
}

fn dispatch(logs: &Logs, operation: &str, request: Value) -> LogsResult {
    match operation {
        "CreateLogGroup" => groups::create_group(logs, read(request)?),
        "DeleteLogGroup" => groups::delete_group(logs, read(request)?),
        "DescribeLogGroups" => groups::describe_groups(logs, &read(request)?),
        "ListLogGroups" => groups::list_groups(logs, &read(request)?),
        "CreateLogStream" => groups::create_stream(logs, read(request)?),
        "DeleteLogStream" => groups::delete_stream(logs, read(request)?),
        "DescribeLogStreams" => groups::describe_streams(logs, read(request)?),
        "PutRetentionPolicy" => groups::put_retention(logs, read(request)?),
        "DeleteRetentionPolicy" => groups::delete_retention(logs, read(request)?),
        "TagResource" | "TagLogGroup" => groups::tag(logs, read(request)?),
        "UntagResource" | "UntagLogGroup" => groups::untag(logs, read(request)?),
        "ListTagsForResource" | "ListTagsLogGroup" => groups::list_tags(logs, read(request)?),
        "PutLogEvents" => events::put(logs, read(request)?),
        "GetLogEvents" => events::get(logs, read(request)?),
        "FilterLogEvents" => events::filter(logs, read(request)?),
        _ => Err(ApiError {
            name: "UnknownOperationException",
            message: format!("the local cloud has no operation {operation}"),
        }),
    }
}

fn read<T: DeserializeOwned>(request: Value) -> Result<T, ApiError> {
    serde_json::from_value(request).map_err(|error| ApiError {
        name: "SerializationException",
        message: error.to_string(),
    })
}

fn respond(answer: LogsResult) -> Response<Bytes> {
    let (status, body, error) = match answer {
        Ok(Value::Null) => (StatusCode::OK, String::new(), None),
        Ok(value) => (StatusCode::OK, value.to_string(), None),
        Err(ApiError { name, message }) => {
            let status = if name == "ServiceUnavailableException" {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::BAD_REQUEST
            };
            (
                status,
                serde_json::json!({ "__type": name, "message": message }).to_string(),
                Some(name),
            )
        }
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-amz-json-1.1"),
    );
    if let Ok(id) = HeaderValue::try_from(uuid::Uuid::new_v4().to_string()) {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    if let Some(name) = error {
        headers.insert(
            HeaderName::from_static("x-amzn-errortype"),
            HeaderValue::from_static(name),
        );
    }
    response
}

/// Makes an object of the fields that have a value.
pub fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// Returns the group of a name or an ARN (`arn:aws:logs:<region>:<account>:log-group:<name>[:*]`),
/// checked.
pub fn group_name(
    name: Option<String>,
    identifier: Option<String>,
    field: &str,
) -> Result<String, ApiError> {
    let given = name
        .or(identifier)
        .ok_or_else(|| ApiError::constraint(field, None, "not be null"))?;
    let name = match given.split_once(":log-group:") {
        Some((arn, name)) if arn.starts_with("arn:") => name.trim_end_matches(":*").to_owned(),
        _ => given,
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/#".contains(&byte);
    check_length(field, &name)?;
    if !name.bytes().all(allowed) {
        return Err(ApiError::constraint(
            field,
            Some(&name),
            "satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+",
        ));
    }
    Ok(name)
}

fn check_length(field: &str, name: &str) -> Result<(), ApiError> {
    match name.len() {
        0 => Err(ApiError::constraint(
            field,
            Some(name),
            "have length greater than or equal to 1",
        )),
        1..=512 => Ok(()),
        _ => Err(ApiError::invalid(
            "Invalid LogGroup or LogStream, both must have length less than or equal to 512.",
        )),
    }
}

pub fn stream_name(name: Option<String>) -> Result<String, ApiError> {
    let field = "logStreamName";
    let name = name.ok_or_else(|| ApiError::constraint(field, None, "not be null"))?;
    check_length(field, &name)?;
    if name.contains([':', '*']) {
        return Err(ApiError::constraint(
            field,
            Some(&name),
            "satisfy regular expression pattern: [^:*]*",
        ));
    }
    Ok(name)
}

/// Returns how many entries to give: what was asked for, within `most`.
pub fn limit(asked: Option<i64>, default: usize, most: usize) -> Result<usize, ApiError> {
    let Some(asked) = asked else {
        return Ok(default);
    };
    let within = usize::try_from(asked)
        .ok()
        .filter(|asked| (1..=most).contains(asked));
    within.ok_or_else(|| {
        let bound = if asked < 1 {
            "have value greater than or equal to 1".to_owned()
        } else {
            format!("have value less than or equal to {most}")
        };
        ApiError::constraint("limit", Some(&asked.to_string()), &bound)
    })
}
