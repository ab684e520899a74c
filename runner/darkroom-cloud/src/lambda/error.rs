//! Errors as the Lambda API words them: a name, a status, a message, and the wire form of all
//! three.

use crate::server::signature::Unsigned;
use crate::server::wire::{self, Body};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

/// An error answer of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub status: StatusCode,
    /// The exception's name, for example `ResourceNotFoundException`.
    pub name: &'static str,
    /// `None` for the few that AWS sends without one.
    pub message: Option<String>,
    /// `Reason` of a throttle.
    pub reason: Option<&'static str>,
    /// Whether AWS sends `"Type":"User"` with it.
    typed: bool,
}

pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    fn new(status: StatusCode, name: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            name,
            message: Some(message.into()),
            reason: None,
            typed: true,
        }
    }

    fn untyped(mut self) -> Self {
        self.typed = false;
        self
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
    }

    /// `Function not found: <arn>`, where `arn` has the qualifier that was asked for.
    pub fn function_not_found(arn: &str) -> Self {
        Self::not_found(format!("Function not found: {arn}"))
    }

    /// What layers, policies and URLs say of anything that isn't there.
    pub fn no_such_resource() -> Self {
        Self::not_found("The resource you requested does not exist.")
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "ResourceConflictException", message)
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "InvalidParameterValueException",
            message,
        )
    }

    /// An `InvalidParameterValueException` that AWS sends without a `Type`.
    pub fn invalid_untyped(message: impl Into<String>) -> Self {
        Self::invalid(message).untyped()
    }

    /// `N validation errors detected: …`, from the violations as `Value '…' at '…' failed to …`.
    pub fn validation(violations: &[String]) -> Self {
        let count = violations.len();
        let plural = if count == 1 { "" } else { "s" };
        let message = format!(
            "{count} validation error{plural} detected: {}",
            violations.join("; ")
        );
        Self::new(StatusCode::BAD_REQUEST, "ValidationException", message).untyped()
    }

    /// A wrong `RevisionId`; `call` is the API that tells the right one.
    pub fn precondition(call: &str) -> Self {
        let message = format!(
            "The Revision Id provided does not match the latest Revision Id. Call the {call} API to retrieve the latest Revision Id"
        );
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailedException",
            message,
        )
    }

    pub fn throttled(reason: &'static str) -> Self {
        let mut error = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequestsException",
            "Rate Exceeded.",
        );
        error.reason = Some(reason);
        error
    }

    /// A synchronous invocation that its own chain has made too often \[BC\].
    pub fn recursive() -> Self {
        let message = "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services \
                       resources and stopped your function's invocation.";
        Self::new(
            StatusCode::BAD_REQUEST,
            "RecursiveInvocationException",
            message,
        )
    }

    /// A control-plane request or zip over its limit.
    pub fn entity_too_large(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLargeException",
            message,
        )
        .untyped()
    }

    /// An invocation's payload over its limit.
    pub fn payload_too_large(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestTooLargeException",
            message,
        )
    }

    /// A payload or client context that is no JSON.
    pub fn invalid_content(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "InvalidRequestContentException",
            message,
        )
    }

    /// A control-plane body that can't be read as its operation's input.
    pub fn serialization(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "SerializationException", message).untyped()
    }

    pub fn access_denied(message: Option<String>) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            name: "AccessDeniedException",
            message,
            reason: None,
            typed: false,
        }
    }

    pub fn code_storage_exceeded() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "CodeStorageExceededException",
            "Code storage limit exceeded.",
        )
    }

    /// A request that was signed wrongly, or not at all.
    pub fn unsigned(unsigned: Unsigned) -> Self {
        let (status, name, message) = unsigned.answer();
        Self::new(
            StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN),
            name,
            message,
        )
        .untyped()
    }

    pub fn unknown_operation() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "UnknownOperationException",
            "The local cloud has no such operation.",
        )
        .untyped()
    }

    /// Our own failure, for example a full disk.
    pub fn service(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "ServiceException",
            message,
        )
    }

    /// The provisioned-concurrency configuration that we never have.
    pub fn no_provisioned_concurrency() -> Self {
        let message = "No Provisioned Concurrency Config found for this function";
        Self::new(
            StatusCode::NOT_FOUND,
            "ProvisionedConcurrencyConfigNotFoundException",
            message,
        )
    }

    /// The code signing configuration that nobody has made.
    pub fn no_code_signing(arn: &str) -> Self {
        let message = format!(
            "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}."
        );
        Self::new(
            StatusCode::NOT_FOUND,
            "CodeSigningConfigNotFoundException",
            message,
        )
    }

    /// Returns the answer. `ResourceNotFoundException` writes `Message`, the others `message`, as
    /// AWS does.
    pub fn into_response(self) -> Response<Body> {
        let mut body = serde_json::Map::new();
        if let Some(reason) = self.reason {
            body.insert("Reason".to_owned(), json!(reason));
        }
        if self.typed {
            body.insert("Type".to_owned(), json!("User"));
        }
        let key = if self.name == "ResourceNotFoundException" {
            "Message"
        } else {
            "message"
        };
        // Where AWS gives no reason, it says `null`.
        body.insert(
            if self.message.is_none() {
                "Message"
            } else {
                key
            }
            .to_owned(),
            json!(self.message),
        );
        let mut response = wire::json(self.status, serde_json::Value::Object(body).to_string());
        let headers = response.headers_mut();
        headers.insert("x-amzn-errortype", HeaderValue::from_static(self.name));
        response
    }
}
