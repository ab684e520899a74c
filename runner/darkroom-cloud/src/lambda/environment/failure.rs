//! AWS's words for failures (FACTS.md, section 6): documents for the caller, error types for the
//! report.

use super::types::Status;
use crate::lambda::runtime_api::RESPONSE_LIMIT;
use crate::sandbox::protocol::{Exit, Offence};
use bytes::Bytes;
use serde_json::json;

/// Why an init or an invocation did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunFailure {
    /// The runtime itself reported an error; its document goes to the caller as it is.
    Reported {
        error_type: Option<String>,
        document: Bytes,
    },
    TooLarge,
    Timeout {
        seconds: u32,
    },
    Exited(Exit),
    /// There is no program to start, in AWS's words.
    Entrypoint(String),
    /// This local cloud can't run the function: no such language here, or the sandbox could not be
    /// made.
    Unavailable(String),
}

impl RunFailure {
    /// Returns what the caller gets as payload.
    pub fn document(&self, request_id: &str) -> Bytes {
        match self {
            Self::Reported { document, .. } => return document.clone(),
            Self::TooLarge => json!({
                "errorType": "Function.ResponseSizeTooLarge",
                "errorMessage":
                    format!("Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."),
            }),
            Self::Timeout { .. } => json!({
                "errorType": "Sandbox.Timedout",
                "errorMessage": self.sentence(request_id),
            }),
            Self::Exited(_) => json!({
                "errorType": "Runtime.ExitError",
                "errorMessage": self.sentence(request_id),
            }),
            Self::Entrypoint(_) => json!({
                "errorType": "Runtime.InvalidEntrypoint",
                "errorMessage": self.sentence(request_id),
            }),
            Self::Unavailable(_) => json!({
                "errorType": "Darkroom.Unavailable",
                "errorMessage": self.sentence(request_id),
            }),
        }
        .to_string()
        .into()
    }

    /// Returns the sentence that names the request.
    pub fn sentence(&self, request_id: &str) -> String {
        let what = match self {
            Self::Reported { .. } => "Function error".to_owned(),
            Self::TooLarge => "Response too large".to_owned(),
            Self::Timeout { seconds } => format!("Task timed out after {seconds}.00 seconds"),
            Self::Exited(Exit {
                killed_for:
                    Some(offence @ (Offence::Unwatchable | Offence::WorkedWhileFrozen { .. })),
                ..
            }) => ended_for(*offence),
            Self::Exited(Exit {
                signal: Some(signal),
                ..
            }) => {
                format!(
                    "Runtime exited with error: signal: {}",
                    signal_name(*signal)
                )
            }
            Self::Exited(Exit {
                code: None | Some(0),
                ..
            }) => "Runtime exited without providing a reason".to_owned(),
            Self::Exited(Exit {
                code: Some(code), ..
            }) => format!("Runtime exited with error: exit status {code}"),
            Self::Entrypoint(reason) | Self::Unavailable(reason) => reason.clone(),
        };
        format!("RequestId: {request_id} Error: {what}")
    }

    /// Returns what `REPORT` and `INIT_REPORT` name.
    pub fn error_type(&self) -> Option<String> {
        match self {
            Self::Reported { error_type, .. } => error_type.clone(),
            Self::TooLarge => Some("Function.ResponseSizeTooLarge".to_owned()),
            Self::Timeout { .. } => Some("Sandbox.Timedout".to_owned()),
            Self::Exited(Exit {
                killed_for: Some(offence),
                ..
            }) => Some(
                match offence {
                    Offence::OutOfMemory => "Runtime.OutOfMemory",
                    Offence::Unwatchable => "Darkroom.Unwatchable",
                    Offence::WorkedWhileFrozen { .. } => "Darkroom.WorkedAfterAnswer",
                }
                .to_owned(),
            ),
            Self::Exited(_) => Some("Runtime.ExitError".to_owned()),
            Self::Entrypoint(_) => Some("Runtime.InvalidEntrypoint".to_owned()),
            Self::Unavailable(_) => Some("Darkroom.Unavailable".to_owned()),
        }
    }

    pub fn status(&self) -> Status {
        match self {
            Self::Reported { .. } | Self::TooLarge => Status::Error,
            Self::Timeout { .. } => Status::Timeout,
            Self::Exited(_) | Self::Entrypoint(_) | Self::Unavailable(_) => Status::Failure,
        }
    }

    /// True if the runtime process can't continue.
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::Reported { .. } | Self::TooLarge)
    }
}

/// Says for what Darkroom ended an environment; AWS has no words for it.
pub fn ended_for(offence: Offence) -> String {
    match offence {
        Offence::OutOfMemory => {
            "Darkroom ended the environment: it used more memory than its size".to_owned()
        }
        Offence::Unwatchable => {
            "Darkroom ended the environment: its usage could not be read from /proc, or not in time"
                .to_owned()
        }
        Offence::WorkedWhileFrozen { cpu_ms } => format!(
            "Darkroom ended the environment: it used {cpu_ms} ms of CPU time after its answer, \
             when it should have been paused"
        ),
    }
}

/// Returns a signal's name as Go prints it, which AWS's supervisor is written in.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        _ if signal == nix::sys::signal::Signal::SIGBUS as i32 => "bus error",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_read_as_awss() {
        let exit = |code, signal| {
            RunFailure::Exited(Exit {
                code,
                signal,
                ..Exit::default()
            })
        };
        let cases = [
            (
                exit(Some(0), None),
                "RequestId: r Error: Runtime exited without providing a reason",
            ),
            (
                exit(Some(127), None),
                "RequestId: r Error: Runtime exited with error: exit status 127",
            ),
            (
                exit(None, Some(9)),
                "RequestId: r Error: Runtime exited with error: signal: killed",
            ),
            (
                RunFailure::Timeout { seconds: 1 },
                "RequestId: r Error: Task timed out after 1.00 seconds",
            ),
        ];
        for (failure, sentence) in cases {
            let document: serde_json::Value =
                serde_json::from_slice(&failure.document("r")).unwrap();
            assert_eq!(document["errorMessage"], sentence);
        }
    }
}
