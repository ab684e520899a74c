//! One measured call of one function: the clock, the answer, the REPORT line.

use std::time::Instant;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::RequestId;
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use darkroom_core::event::{NO_ANSWER, Profile, Report, Status};
use darkroom_core::pipeline::PAYLOAD_LIMIT;
use darkroom_core::{profile_line, report_line};

use super::Function;
use crate::error_text;

/// What one call gave.
#[derive(Debug)]
pub struct CallAnswer {
    /// UTC, just before the call was sent.
    pub started_at: String,
    /// Monotonic, from just before sending to the whole answer, ms.
    pub client_ms: f64,
    pub status: Status,
    pub error_type: Option<String>,
    pub error: Option<String>,
    /// Where in its code the handler raised: `resize.py:14`.
    pub error_at: Option<String>,
    pub request_id: Option<String>,
    pub report: Option<Report>,
    /// What the function answered; empty where it failed.
    pub payload: Vec<u8>,
    pub profile: Option<Profile>,
    /// No call can succeed any more: the credentials, a permission or the function itself are gone.
    pub in_vain: bool,
}

/// Calls `function` once and waits for its answer. A failure of the function or of the call is an
/// answer too.
pub async fn invoke(client: &Client, function: &Function, payload: Vec<u8>) -> CallAnswer {
    let call = client
        .invoke()
        .function_name(&function.name)
        .set_qualifier(function.qualifier.map(str::to_owned))
        .log_type(LogType::Tail)
        .payload(Blob::new(payload));
    let started_at = super::now();
    let clock = Instant::now();
    let result = call.send().await;
    let client_ms = clock.elapsed().as_secs_f64() * 1e3;
    match result {
        Ok(output) => answered(started_at, client_ms, &output),
        Err(error) => failed_call(started_at, client_ms, &error),
    }
}

fn answered(started_at: String, client_ms: f64, output: &InvokeOutput) -> CallAnswer {
    let request_id = output.request_id().map(str::to_owned);
    let log = output
        .log_result()
        .and_then(|log| BASE64_STANDARD.decode(log).ok())
        .unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let line = request_id
        .as_deref()
        .and_then(|id| report_line::parse_tail(&log, id));
    let cause = line.as_ref().and_then(|line| line.error_type.clone());
    let report = line.map(|line| line.report);
    let profile = request_id
        .as_deref()
        .and_then(|id| profile_line::parse_tail(&log, id, report.as_ref()));
    let (mut status, mut error_type, mut error, mut error_at) = (Status::Ok, None, None, None);
    if output.function_error().is_some() {
        let payload = output.payload().map(Blob::as_ref).unwrap_or_default();
        (error_type, error, error_at) = function_error(payload);
        if error_type.as_deref() == Some("Runtime.ExitError") {
            // So the answer says of every death of a runtime; REPORT says of which.
            error_type = cause.or(error_type);
        }
        let timed_out = error_type.as_deref() == Some("Sandbox.Timedout")
            // Until 2025 the platform named no type here; a handler's own exception always has one.
            || (error_type.is_none() && error.as_deref().is_some_and(|text| text.contains("Task timed out after")));
        status = if timed_out {
            Status::Timeout
        } else {
            Status::FunctionError
        };
    }
    let payload = output
        .payload()
        .filter(|_| status == Status::Ok)
        .map(|blob| blob.as_ref().to_vec());
    CallAnswer {
        started_at,
        client_ms,
        status,
        error_type,
        error,
        error_at,
        request_id,
        report,
        profile,
        payload: payload.unwrap_or_default(),
        in_vain: false,
    }
}

/// An answer to a call that was not made, because Lambda would refuse so large a payload.
pub fn too_large(stage: &str, bytes: usize) -> CallAnswer {
    CallAnswer {
        started_at: super::now(),
        client_ms: 0.0,
        status: Status::CallError,
        error_type: Some("PayloadTooLarge".to_owned()),
        error: Some(format!(
            "not called: stage {stage} would get {bytes} bytes of JSON, and Lambda accepts at \
             most {PAYLOAD_LIMIT}"
        )),
        error_at: None,
        request_id: None,
        report: None,
        profile: None,
        payload: Vec::new(),
        in_vain: false,
    }
}

/// Reads `errorType`, `errorMessage` and the place in `stackTrace`; a payload that has neither of
/// the first two is shown as it is, shortened.
fn function_error(payload: &[u8]) -> (Option<String>, Option<String>, Option<String>) {
    let value: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
    let text = |name: &str| value.get(name).and_then(|v| v.as_str()).map(shorten);
    match (text("errorType"), text("errorMessage")) {
        (None, None) => (
            Some("unknown".into()),
            Some(shorten(&String::from_utf8_lossy(payload))),
            None,
        ),
        (error_type, error) => (error_type, error, raised_at(&value["stackTrace"])),
    }
}

/// Folders of a function that hold the code of others.
const OF_OTHERS: [&str; 5] = [
    "/opt/",
    "/var/lang/",
    "/var/runtime/",
    "/lib/python",
    "site-packages",
];

/// Returns the last place of a Python traceback that is in the handler's own code, as
/// `resize.py:14`.
fn raised_at(traceback: &serde_json::Value) -> Option<String> {
    let frames = traceback.as_array()?.iter().rev();
    frames.filter_map(|frame| frame.as_str()).find_map(|frame| {
        let (path, rest) = frame
            .trim_start()
            .strip_prefix("File \"")?
            .split_once("\", line ")?;
        let module = path.rsplit('/').next()?.strip_suffix(".py")?;
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let line: u32 = rest[..digits].parse().ok()?;
        let own = !OF_OTHERS.iter().any(|folder| path.contains(folder));
        own.then(|| shorten(&format!("{module}.py:{line}")))
    })
}

/// Errors after which every further call fails as well. Source: API reference, "Common errors", and
/// those of `Invoke`.
const IN_VAIN: [&str; 12] = [
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "OptInRequired",
    "RequestExpired",
    "ResourceNotFoundException",
    "UnrecognizedClientException",
];

fn failed_call(started_at: String, client_ms: f64, error: &SdkError<InvokeError>) -> CallAnswer {
    let code = error.code();
    let told = shorten(&error_text::error_message(error));
    let (status, error_type, error_text) = match code {
        Some(
            "TooManyRequestsException"
            | "ThrottlingException"
            | "Throttling"
            | "EC2ThrottledException",
        ) => (Status::Throttled, code.map(str::to_owned), told),
        Some(code) if !may_have_run(error) => (Status::CallError, Some(code.to_owned()), told),
        _ if lacks_credentials(error) => {
            (Status::CallError, Some("NoCredentials".to_owned()), told)
        }
        _ => {
            let text = shorten(&format!(
                "unknown whether the function ran: {}: {told}",
                without_answer(error)
            ));
            (Status::CallError, Some(NO_ANSWER.to_owned()), text)
        }
    };
    CallAnswer {
        started_at,
        client_ms,
        status,
        error_type,
        error: Some(error_text),
        error_at: None,
        request_id: error.request_id().map(str::to_owned),
        report: None,
        payload: Vec::new(),
        profile: None,
        in_vain: code.is_some_and(|code| IN_VAIN.contains(&code)) || lacks_credentials(error),
    }
}

/// Says whether the function may have run though its answer is not there: nothing came back, or a
/// server's error that names no cause. The errors that `Invoke` names (a runtime, a key, a network
/// interface that can't be used) come before it runs.
fn may_have_run(error: &SdkError<InvokeError>) -> bool {
    let SdkError::ServiceError(answered) = error else {
        return true;
    };
    let unnamed = matches!(answered.err(), InvokeError::ServiceException(_))
        || answered.err().code().is_none();
    answered.raw().status().is_server_error() && (unnamed || !is_modelled(answered.err()))
}

/// Says whether the SDK knows the error as one of this operation's.
fn is_modelled(error: &InvokeError) -> bool {
    error.code().is_some_and(|code| {
        code.starts_with("EC2") || code.starts_with("EFS") || code.starts_with("KMS")
    }) || error.is_eni_limit_reached_exception()
        || error.is_invalid_runtime_exception()
        || error.is_invalid_security_group_id_exception()
        || error.is_invalid_subnet_id_exception()
        || error.is_invalid_zip_file_exception()
        || error.is_resource_not_ready_exception()
        || error.is_snap_start_exception()
        || error.is_snap_start_not_ready_exception()
        || error.is_snap_start_timeout_exception()
        || error.is_subnet_ip_address_limit_reached_exception()
}

/// Says whether the call was not even signed: a profile, a session or the machine's role gave no
/// credentials.
fn lacks_credentials(error: &SdkError<InvokeError>) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes
        .into_iter()
        .any(<dyn std::error::Error>::is::<aws_credential_types::provider::error::CredentialsError>)
}

/// How an answer failed to come.
fn without_answer(error: &SdkError<InvokeError>) -> &str {
    match error {
        SdkError::TimeoutError(_) => "none came in time",
        SdkError::DispatchFailure(_) => "the connection failed",
        SdkError::ResponseError(_) => "it broke off",
        SdkError::ServiceError(_) => "a server's error",
        _ => "the call failed",
    }
}

/// Keeps a message to what a row should hold: 1,000 characters.
fn shorten(text: &str) -> String {
    const MOST: usize = 1000;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_its_type_its_message_and_the_last_place_in_the_handlers_own_code() {
        let payload = serde_json::json!({
            "errorType": "AttributeError",
            "errorMessage": "no LANCZOS4",
            "stackTrace": [
                "  File \"/var/task/resize.py\", line 9, in handler\n    shrink(image)\n",
                "  File \"/var/task/resize.py\", line 14, in shrink\n    image.resize(size)\n",
                "  File \"/opt/python/PIL/Image.py\", line 2185, in resize\n    raise\n",
            ],
        });
        let some = |text: &str| Some(text.to_owned());
        let of = |payload: &serde_json::Value| function_error(payload.to_string().as_bytes());
        assert_eq!(
            of(&payload),
            (
                some("AttributeError"),
                some("no LANCZOS4"),
                some("resize.py:14")
            )
        );
        for traceback in [
            serde_json::json!([]),
            serde_json::json!("File \"a.py\", line 1"),
            serde_json::json!([
                1,
                "File \"<string>\", line 3",
                "  File \"/var/task/a.py\", line x"
            ]),
        ] {
            let payload = serde_json::json!({ "errorType": "E", "stackTrace": traceback });
            assert_eq!(of(&payload), (some("E"), None, None), "{payload}");
        }
    }
}
