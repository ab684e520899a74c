//! The reason of a failed remote call, in one line.

use std::error::Error;

use aws_sdk_lambda::error::ProvideErrorMetadata;

/// Returns the service's own code and message, or the chain of causes where no service answered.
///
/// The SDK's `DisplayErrorContext` appends the whole response in debug form, which is no sentence
/// for a user or a journal.
pub fn error_message<E: Error + ProvideErrorMetadata + 'static>(error: &E) -> String {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => causes(error),
    }
}

/// Returns an error with its causes: wrappers often name only the address, and often repeat what
/// they wrap.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        let text = cause.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_causes_is_one_line_without_repetitions() {
        #[derive(Debug, thiserror::Error)]
        #[error("{text}")]
        struct Caused {
            text: &'static str,
            source: Option<Box<Caused>>,
        }
        let refused = Caused {
            text: "connection refused",
            source: None,
        };
        let connect = Caused {
            text: "tcp connect error: connection refused",
            source: Some(Box::new(refused)),
        };
        let dispatch = Caused {
            text: "dispatch failure",
            source: Some(Box::new(connect)),
        };
        assert_eq!(
            causes(&dispatch),
            "dispatch failure: tcp connect error: connection refused"
        );
    }
}
