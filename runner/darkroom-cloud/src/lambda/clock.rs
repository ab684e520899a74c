//! Wall-clock times in the forms that AWS prints.

use jiff::Timestamp;

/// `2026-01-31T12:00:00.123+0000`, as `LastModified` and `CreatedDate`.
pub(crate) fn last_modified() -> String {
    format!("{}+0000", milliseconds(Timestamp::now()))
}

/// `2026-01-31T12:00:00.123Z`, as in events.
pub(crate) fn iso() -> String {
    format!("{}Z", milliseconds(Timestamp::now()))
}

fn milliseconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3f").to_string()
}

/// Seconds since the epoch with milliseconds, as JSON timestamps.
pub(crate) fn epoch_s() -> f64 {
    Timestamp::now().as_millisecond() as f64 / 1000.0
}

/// Milliseconds since the epoch.
pub(crate) fn epoch_ms() -> i64 {
    Timestamp::now().as_millisecond()
}
