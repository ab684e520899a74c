//! Lambda's REPORT line → [`Report`].
//!
//! The platform writes it last, after END. A handler can print a line that looks just like it, with
//! its own request id, so only the last line of the log tail counts, never the first match.

use crate::event::Report;

/// Returns what the platform reported of `request_id`, or `None` when the tail does not end with
/// its REPORT line.
///
/// `log_tail` is the text of an invocation's log up to its end, as `LogResult` holds it (its last 4
/// KB). Source of the format: AWS Lambda developer guide, "Using CloudWatch logs with Lambda".
pub fn parse_tail(log_tail: &str, request_id: &str) -> Option<Report> {
    let last = log_tail
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())?;
    parse_line(last)
        .filter(|(id, _)| id == request_id)
        .map(|(_, report)| report)
}

/// Returns the platform's own word for how `request_id` failed, for example `Runtime.OutOfMemory`,
/// from the end of its log.
pub fn error_type<'a>(log_tail: &'a str, request_id: &str) -> Option<&'a str> {
    let last = log_tail
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())?;
    let of_request =
        last.strip_prefix("REPORT RequestId: ")?.split('\t').next() == Some(request_id);
    let named = || {
        last.split('\t')
            .find_map(|field| field.trim().strip_prefix("Error Type: "))
    };
    of_request.then(named).flatten()
}

/// Returns the request id and the figures of one REPORT line; `None` when it is not one or lacks a
/// required figure.
pub fn parse_line(line: &str) -> Option<(String, Report)> {
    let mut fields = line.strip_prefix("REPORT ")?.split('\t').map(str::trim);
    let request_id = fields.next()?.strip_prefix("RequestId: ")?.to_owned();
    let (mut duration_ms, mut billed_ms, mut memory_mb, mut max_memory_mb, mut init_ms) =
        (None, None, None, None, None);
    for field in fields {
        let Some((name, value)) = field.split_once(": ") else {
            continue;
        };
        match name {
            "Duration" => duration_ms = figure(value, " ms"),
            "Billed Duration" => billed_ms = figure(value, " ms").map(|ms| ms as u64),
            "Memory Size" => memory_mb = figure(value, " MB").map(|mb| mb as u32),
            "Max Memory Used" => max_memory_mb = figure(value, " MB").map(|mb| mb as u32),
            "Init Duration" | "Restore Duration" => init_ms = figure(value, " ms"),
            _ => {}
        }
    }
    let report = Report {
        duration_ms: duration_ms?,
        billed_ms: billed_ms?,
        memory_mb: memory_mb?,
        max_memory_mb: max_memory_mb?,
        init_ms,
    };
    Some((request_id, report))
}

fn figure(value: &str, unit: &str) -> Option<f64> {
    let number: f64 = value.strip_suffix(unit)?.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLD: &str = "REPORT RequestId: 8f5a\tDuration: 3.01 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t";

    #[test]
    fn a_cold_report_has_an_init_duration() {
        let (id, report) = parse_line(COLD).unwrap();
        assert_eq!(id, "8f5a");
        let expected = Report {
            duration_ms: 3.01,
            billed_ms: 114,
            memory_mb: 128,
            max_memory_mb: 36,
            init_ms: Some(110.1),
        };
        assert_eq!(report, expected);
    }

    #[test]
    fn a_failure_status_after_the_figures_does_not_hide_them() {
        let line = "REPORT RequestId: x\tDuration: 1000.00 ms\tBilled Duration: 1000 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tStatus: timeout";
        assert_eq!(parse_line(line).unwrap().1.init_ms, None);
    }

    #[test]
    fn a_line_that_a_handler_printed_before_the_platforms_is_not_believed() {
        let forged = COLD.replace("3.01", "0.01");
        let tail = format!(
            "START RequestId: 8f5a Version: $LATEST\n{forged}\nEND RequestId: 8f5a\n{COLD}\n"
        );
        assert_eq!(
            parse_tail(&tail, "8f5a"),
            parse_line(COLD).map(|(_, report)| report)
        );
        let cut =
            format!("START RequestId: 8f5a Version: $LATEST\n{forged}\nEND RequestId: 8f5a\n");
        assert_eq!(parse_tail(&cut, "8f5a"), None);
    }

    #[test]
    fn the_platforms_word_for_a_failure_is_its_own_and_this_requests() {
        let report = format!("{COLD}Status: error\tError Type: Runtime.OutOfMemory\n");
        assert_eq!(error_type(&report, "8f5a"), Some("Runtime.OutOfMemory"));
        assert_eq!(error_type(&report, "other"), None);
        assert_eq!(
            error_type(&format!("{report}END RequestId: 8f5a\n{COLD}\n"), "8f5a"),
            None
        );
    }

    #[test]
    fn another_requests_report_is_not_ours() {
        assert_eq!(parse_tail(COLD, "other"), None);
    }

    #[test]
    fn figures_that_are_not_figures_are_refused() {
        assert_eq!(parse_line(&COLD.replace("3.01", "NaN")), None);
        assert_eq!(parse_line(&COLD.replace("3.01", "-1")), None);
        assert_eq!(parse_line("REPORT RequestId: 8f5a"), None);
    }
}
