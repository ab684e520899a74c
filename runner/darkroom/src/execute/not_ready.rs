//! Refusals of a function's first calls that end by themselves.
//!
//! A new role may be unknown to Lambda, S3 or KMS for longer than a deployment waits, and a function
//! that nobody called for weeks is inactive: its first call fails and wakes it. Sources: IAM user
//! guide, "Changes that I make are not always immediately visible"; Lambda developer guide, "Lambda
//! function states"; API reference, errors of `Invoke`.

use darkroom_core::event::{Invocation, Status};

/// Refusals of the call itself.
const OF_CALLS: [&str; 8] = [
    "AccessDenied",
    "AccessDeniedException",
    "KMSAccessDeniedException",
    "KMSInvalidStateException",
    "KMSNotFoundException",
    "ResourceConflictException",
    "ResourceNotReadyException",
    "SnapStartNotReadyException",
];
/// What a handler says whose role may not yet do what it may.
const OF_HANDLERS: [&str; 3] = ["AccessDenied", "KMSAccessDenied", "(403)"];

/// Returns why a function is not ready, as far as a failed call says that.
pub fn reason(invocation: &Invocation) -> Option<String> {
    let error_type = invocation.error_type.as_deref().unwrap_or_default();
    let error = invocation.error.as_deref().unwrap_or_default();
    let not_ready = match invocation.status {
        Status::CallError => OF_CALLS.contains(&error_type),
        Status::FunctionError => OF_HANDLERS
            .iter()
            .any(|part| error.contains(part) || error_type.contains(part)),
        Status::Ok | Status::Timeout | Status::Throttled => false,
    };
    not_ready.then(|| format!("{}: {error_type}: {error}", invocation.function))
}
