//! Lambda's REPORT line → [`ReportLine`], in both of its spellings.
//!
//! The platform writes it last, after END; in JSON logs it is the record `platform.report`. A
//! handler can print a line that looks just like it, with its own request id, so only the last line
//! of the log tail counts, never the first match.

use serde_json::Value;

use crate::event::{Report, Restore};

/// What the platform writes after REPORT where the call is traced. It says nothing of the
/// invocation.
const TRACED: &str = "XRAY TraceId: ";

/// One REPORT line.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportLine {
    pub request_id: String,
    pub report: Report,
    /// The platform's word for an invocation that did not end well: `error`, `timeout`, `failure`.
    pub status: Option<String>,
    /// The platform's own word for how it failed, for example `Runtime.OutOfMemory`.
    pub error_type: Option<String>,
}

/// Returns what the platform reported of `request_id`, or `None` when the tail does not end with
/// its REPORT line.
///
/// `log_tail` is the text of an invocation's log up to its end, as `LogResult` holds it (its last 4
/// KB). Source of the format: AWS Lambda developer guide, "Using CloudWatch logs with Lambda".
pub fn parse_tail(log_tail: &str, request_id: &str) -> Option<ReportLine> {
    let last = log_tail
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty() && !line.starts_with(TRACED))?;
    parse_line(last).filter(|line| line.request_id == request_id)
}

/// Returns what one REPORT line says; `None` when it is not one or lacks a required figure.
///
/// A log event may hold the trace's line as well; what stands after the first line is not read.
pub fn parse_line(event: &str) -> Option<ReportLine> {
    let line = event.lines().next()?;
    if line.starts_with('{') {
        return of_record(&serde_json::from_str(line).ok()?);
    }
    let mut fields = line.strip_prefix("REPORT ")?.split('\t').map(str::trim);
    let request_id = fields.next()?.strip_prefix("RequestId: ")?.to_owned();
    let (mut duration_ms, mut billed_ms, mut memory_mb, mut max_memory_mb, mut init_ms) =
        (None, None, None, None, None);
    let (mut restore_ms, mut billed_restore_ms) = (None, None);
    let (mut status, mut error_type) = (None, None);
    for field in fields {
        let Some((name, value)) = field.split_once(": ") else {
            continue;
        };
        match name {
            "Duration" => duration_ms = figure(value, " ms"),
            "Billed Duration" => billed_ms = figure(value, " ms").map(|ms| ms as u64),
            "Memory Size" => memory_mb = figure(value, " MB").map(|mb| mb as u32),
            "Max Memory Used" => max_memory_mb = figure(value, " MB").map(|mb| mb as u32),
            "Init Duration" => init_ms = figure(value, " ms"),
            "Restore Duration" => restore_ms = figure(value, " ms"),
            "Billed Restore Duration" => {
                billed_restore_ms = figure(value, " ms").map(|ms| ms as u64);
            }
            "Status" => status = failed(value),
            "Error Type" => error_type = Some(value.to_owned()),
            _ => {}
        }
    }
    let report = Report {
        duration_ms: duration_ms?,
        billed_ms: billed_ms?,
        memory_mb: memory_mb?,
        max_memory_mb: max_memory_mb?,
        init_ms,
        restore: restore(restore_ms, billed_restore_ms),
    };
    Some(ReportLine {
        request_id,
        report,
        status,
        error_type,
    })
}

/// Source of both figures: AWS Lambda developer guide, "Monitoring for Lambda SnapStart".
fn restore(ms: Option<f64>, billed_ms: Option<u64>) -> Option<Restore> {
    Some(Restore { ms: ms?, billed_ms })
}

/// Reads the record of JSON logs. Source of its fields: AWS Lambda developer guide, "Telemetry API
/// event schema", `platform.report`.
fn of_record(event: &Value) -> Option<ReportLine> {
    if event["type"] != "platform.report" {
        return None;
    }
    let record = &event["record"];
    let figure = |name: &str| {
        let figure = record["metrics"][name].as_f64()?;
        (figure.is_finite() && figure >= 0.0).then_some(figure)
    };
    let report = Report {
        duration_ms: figure("durationMs")?,
        billed_ms: figure("billedDurationMs")? as u64,
        memory_mb: figure("memorySizeMB")? as u32,
        max_memory_mb: figure("maxMemoryUsedMB")? as u32,
        init_ms: figure("initDurationMs"),
        restore: restore(
            figure("restoreDurationMs"),
            figure("billedRestoreDurationMs").map(|ms| ms as u64),
        ),
    };
    Some(ReportLine {
        request_id: record["requestId"].as_str()?.to_owned(),
        report,
        status: record["status"].as_str().and_then(failed),
        error_type: record["errorType"].as_str().map(str::to_owned),
    })
}

fn failed(status: &str) -> Option<String> {
    (status != "success").then(|| status.to_owned())
}

/// Returns how long the first initialisation of an environment took that did not succeed, ms;
/// `None` where the line is no `INIT_REPORT`, in either spelling, or says of another one.
///
/// After it the platform initialises once more, within the invocation, whose REPORT then has no
/// Init Duration though the start was cold. Source: AWS Lambda developer guide, "Understanding the
/// Lambda execution environment lifecycle", "Init phase" and "Failures during the Init phase".
pub fn failed_init_ms(event: &str) -> Option<f64> {
    let line = event.lines().next()?;
    let (phase, status, ms) = if line.starts_with('{') {
        let event: Value = serde_json::from_str(line).ok()?;
        let record = &event["record"];
        if event["type"] != "platform.initReport" {
            return None;
        }
        let word = |name: &str| record[name].as_str().map(str::to_owned);
        let ms = record["metrics"]["durationMs"].as_f64();
        (word("phase"), word("status"), ms)
    } else {
        let fields = line.strip_prefix("INIT_REPORT ")?.split('\t');
        let fields: Vec<&str> = fields.map(str::trim).collect();
        let field = |name: &str| fields.iter().find_map(|field| field.strip_prefix(name));
        let word = |name: &str| field(name).map(str::to_owned);
        let ms = field("Init Duration: ").and_then(|value| figure(value, " ms"));
        (word("Phase: "), word("Status: "), ms)
    };
    let did_not_succeed = matches!(status.as_deref(), Some("timeout" | "error" | "failure"));
    ms.filter(|ms| {
        phase.as_deref() == Some("init") && did_not_succeed && ms.is_finite() && *ms >= 0.0
    })
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
        let line = parse_line(COLD).unwrap();
        assert_eq!((line.request_id.as_str(), line.status), ("8f5a", None));
        let expected = Report {
            duration_ms: 3.01,
            billed_ms: 114,
            memory_mb: 128,
            max_memory_mb: 36,
            init_ms: Some(110.1),
            restore: None,
        };
        assert_eq!(line.report, expected);
    }

    /// As AWS wrote it, in the documentation of a public repository of AWS's: what is billed of the
    /// restore is part of Billed Duration (2,339 + 182).
    #[test]
    fn a_restored_environment_has_a_restore_duration_and_no_init_duration() {
        let line = "REPORT RequestId: 8c36\tDuration: 2338.66 ms\tBilled Duration: 2521 ms\tMemory Size: 3009 MB\tMax Memory Used: 173 MB\tRestore Duration: 398.97 ms\tBilled Restore Duration: 182 ms\t";
        let report = parse_line(line).unwrap().report;
        let restore = Restore {
            ms: 398.97,
            billed_ms: Some(182),
        };
        assert_eq!((report.init_ms, report.restore), (None, Some(restore)));
        assert_eq!((report.billed_ms, report.ready_ms()), (2521, Some(398.97)));
        let json = r#"{"time":"2024-02-09T08:42:44.080Z","type":"platform.report","record":{"requestId":"d661","status":"success","metrics":{"durationMs":147.156,"billedDurationMs":201,"memorySizeMB":512,"maxMemoryUsedMB":91,"restoreDurationMs":500.795,"billedRestoreDurationMs":53}}}"#;
        let report = parse_line(json).unwrap().report;
        let restore = Restore {
            ms: 500.795,
            billed_ms: Some(53),
        };
        assert_eq!((report.init_ms, report.restore), (None, Some(restore)));
    }

    #[test]
    fn a_failure_status_after_the_figures_does_not_hide_them() {
        let line = "REPORT RequestId: x\tDuration: 1000.00 ms\tBilled Duration: 1000 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tStatus: timeout";
        let line = parse_line(line).unwrap();
        assert_eq!(line.report.init_ms, None);
        assert_eq!(line.status.as_deref(), Some("timeout"));
    }

    #[test]
    fn a_line_that_a_handler_printed_before_the_platforms_is_not_believed() {
        let forged = COLD.replace("3.01", "0.01");
        let tail = format!(
            "START RequestId: 8f5a Version: $LATEST\n{forged}\nEND RequestId: 8f5a\n{COLD}\n"
        );
        assert_eq!(parse_tail(&tail, "8f5a"), parse_line(COLD));
        let cut =
            format!("START RequestId: 8f5a Version: $LATEST\n{forged}\nEND RequestId: 8f5a\n");
        assert_eq!(parse_tail(&cut, "8f5a"), None);
    }

    #[test]
    fn the_platforms_word_for_a_failure_is_its_own_and_this_requests() {
        let report = format!("{COLD}Status: error\tError Type: Runtime.OutOfMemory\n");
        let word = |tail: &str, id| parse_tail(tail, id).and_then(|line| line.error_type);
        assert_eq!(
            word(&report, "8f5a").as_deref(),
            Some("Runtime.OutOfMemory")
        );
        assert_eq!(word(&report, "other"), None);
        let both = format!("{report}END RequestId: 8f5a\n{COLD}\n");
        assert_eq!(word(&both, "8f5a"), None);
    }

    /// As AWS writes it where calls are traced: in the event of REPORT, or in one of its own.
    #[test]
    fn a_traces_line_after_report_hides_nothing() {
        let trace = "XRAY TraceId: 1-677faf89-09a6b95269c6e56c4d1ab356\tSegmentId: 7e44b09386b9ab35\tSampled: true\t";
        let report = format!("{COLD}Status: error\tError Type: Runtime.ExitError");
        let event = format!("{report}\n{trace}\n");
        assert_eq!(parse_line(&event), parse_line(&report));
        assert_eq!(
            parse_line(&event).unwrap().error_type.as_deref(),
            Some("Runtime.ExitError")
        );
        let tail = format!("END RequestId: 8f5a\n{event}\n");
        assert_eq!(parse_tail(&tail, "8f5a"), parse_line(&report));
        // It makes nothing of what a handler printed the last line.
        let forged = format!("{COLD}\nEND RequestId: 8f5a\n{trace}\n");
        assert_eq!(parse_tail(&forged, "8f5a"), None);
    }

    const RECORD: &str = r#"{"time":"2026-10-08T07:30:29.470Z","type":"platform.report","record":{"requestId":"79b5","metrics":{"durationMs":1233.96,"billedDurationMs":1698,"memorySizeMB":256,"maxMemoryUsedMB":123,"initDurationMs":463.512},"status":"success"}}"#;

    #[test]
    fn json_logs_report_the_same() {
        let line = parse_tail(&format!("{{\"type\":\"other\"}}\n{RECORD}\n"), "79b5").unwrap();
        let expected = Report {
            duration_ms: 1233.96,
            billed_ms: 1698,
            memory_mb: 256,
            max_memory_mb: 123,
            init_ms: Some(463.512),
            restore: None,
        };
        assert_eq!((line.report, line.status), (expected, None));
        let failed = RECORD.replace(
            "\"success\"",
            "\"error\",\"errorType\":\"Runtime.OutOfMemory\"",
        );
        let line = parse_line(&failed).unwrap();
        assert_eq!(line.status.as_deref(), Some("error"));
        assert_eq!(line.error_type.as_deref(), Some("Runtime.OutOfMemory"));
        for wrong in ["1698", "\"79b5\"", "platform.report"] {
            assert_eq!(parse_line(&RECORD.replace(wrong, "null")), None, "{wrong}");
        }
    }

    #[test]
    fn a_first_initialisation_that_failed_is_told_from_one_that_is_part_of_an_invocation() {
        let text = "INIT_REPORT Init Duration: 10008.64 ms\tPhase: init\tStatus: timeout\n";
        assert_eq!(failed_init_ms(text), Some(10_008.64));
        let died = "INIT_REPORT Init Duration: 10.17 ms\tPhase: init\tStatus: error\tError Type: x";
        assert_eq!(failed_init_ms(died), Some(10.17));
        assert_eq!(failed_init_ms(&text.replace("init\t", "invoke\t")), None);
        assert_eq!(
            failed_init_ms("INIT_REPORT Init Duration: 9908.09 ms"),
            None
        );
        assert_eq!(failed_init_ms(COLD), None);
        let record = r#"{"type":"platform.initReport","record":{"phase":"init","status":"timeout","metrics":{"durationMs":10000.5}}}"#;
        assert_eq!(failed_init_ms(record), Some(10_000.5));
        assert_eq!(failed_init_ms(&record.replace("timeout", "success")), None);
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
