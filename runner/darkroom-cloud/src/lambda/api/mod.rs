//! The public REST API.

/// Tells whether an unsigned request's path is one of the Lambda API: `/YYYY-MM-DD/functions…` and its like.
pub(crate) fn is_lambda_path(path: &str) -> bool {
    let mut segments = path.trim_start_matches('/').splitn(3, '/');
    let date = segments.next().unwrap_or_default();
    let dated = date.len() == 10
        && date.bytes().enumerate().all(
            |(i, byte)| {
                if i == 4 || i == 7 { byte == b'-' } else { byte.is_ascii_digit() }
            },
        );
    let noun = segments.next().unwrap_or_default();
    dated && matches!(noun, "functions" | "layers" | "tags" | "account-settings" | "event-source-mappings")
}
