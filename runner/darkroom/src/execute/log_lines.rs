//! A function's log events → its invocations. Pure.
//!
//! A handler can print lines that look like the platform's, also after its own invocation (from a
//! thread, before it is frozen) and within the next one. The order shows the real ones: an
//! environment runs one invocation at a time, so a START within an invocation is only text, and a
//! REPORT counts only right after the END of its request. If a request has several such pairs, the
//! largest of each figure counts, so forging one can only make code look slower.
//!
//! Logs in JSON say the same in records, without an END. The name of the last record is also the
//! end there.

use std::borrow::Cow;
use std::collections::BTreeMap;

use darkroom_core::event::{Profile, Report, Restore};
use darkroom_core::report_line::ReportLine;
use darkroom_core::{profile_line, report_line};
use serde_json::Value;

/// One event of a log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Log stream: one per environment.
    pub stream: String,
    pub timestamp_ms: i64,
    pub message: String,
}

/// What the log says of one invocation.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    pub request_id: String,
    pub stream: String,
    /// The platform's clock, when it logged START.
    pub started_ms: i64,
    /// The platform's clock, when it logged END; absent while it runs.
    pub ended_ms: Option<i64>,
    /// From `INIT_START`, or `RESTORE_START`, to START, by the platform's clock, ms; of the first invocation in a stream,
    /// where the events reach back to it and the initialisation did not fail.
    pub init_to_start_ms: Option<f64>,
    /// Its environment's first initialisation failed.
    pub init_failed: bool,
    /// Absent while it runs, or while its last lines have not arrived.
    pub report: Option<Report>,
    pub failure: Option<LoggedFailure>,
    /// What the profile wrapper printed of it.
    pub profile: Option<Profile>,
}

/// Why an invocation did not end well, as its log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedFailure {
    pub timed_out: bool,
    pub error_type: Option<String>,
    pub error: Option<String>,
}

impl Logged {
    /// Whether the platform has written its last line.
    pub fn is_over(&self) -> bool {
        self.report.is_some()
    }

    /// Notes when the restore of its environment began, if REPORT says that there was one: code can
    /// print such a line while it is initialised.
    fn take_restore(&mut self, began_ms: i64) {
        if self.is_restored() {
            self.init_to_start_ms = Some((self.started_ms - began_ms) as f64);
        }
    }

    /// Whether its environment was restored from a snapshot.
    pub fn is_restored(&self) -> bool {
        self.report.as_ref().is_some_and(|it| it.restore.is_some())
    }

    /// Notes that the start was cold, though the second initialisation was the invocation's own;
    /// START may stand on either side of that one.
    fn take_failed_init(&mut self, ms: f64) {
        if let Some(report) = &mut self.report {
            report.init_ms = report.init_ms.or(Some(ms));
        }
        (self.init_failed, self.init_to_start_ms) = (true, None);
    }
}

/// Returns the invocations in these events, by when they started. The events of a stream must be in
/// order.
pub fn invocations(lines: &[Line]) -> Vec<Logged> {
    let mut streams: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        streams.entry(&line.stream).or_default().push(line);
    }
    let mut all: Vec<Logged> = streams
        .values()
        .flat_map(|lines| of_stream(lines))
        .collect();
    all.sort_by_key(|logged| logged.started_ms);
    all
}

/// What one line of a stream is, if it is the platform's.
enum Platform<'a> {
    Start(Cow<'a, str>),
    End(Cow<'a, str>),
    /// Of JSON logs, which have no END: the record says both.
    Over(Box<ReportLine>),
    InitStart,
    /// The environment is restored from a snapshot.
    RestoreStart,
    /// A first initialisation that failed after so long, ms.
    FailedInit(f64),
}

fn of_stream(lines: &[&Line]) -> Vec<Logged> {
    let in_json = is_json(lines);
    let read: fn(&str) -> Option<Platform<'_>> = if in_json { of_json } else { of_text };
    let mut found: Vec<Logged> = Vec::new();
    // What came between two ENDs of one request: printed by it, unless it ends too.
    let mut doubted: Vec<Logged> = Vec::new();
    let mut ended: Option<(usize, i64)> = None;
    let (mut init_started_ms, mut failed_init_ms) = (None, None);
    let mut restore_started_ms = None;
    for line in lines {
        let text = line.message.trim_end_matches(['\n', '\r']);
        let after_end = ended.take();
        match read(text) {
            Some(Platform::Start(request_id)) => {
                // Within an invocation that is not over it is something that the handler printed.
                if found.last().is_none_or(Logged::is_over)
                    && found.iter().all(|known| known.request_id != request_id)
                {
                    found.push(begun(&request_id, line, init_started_ms.take()));
                }
            }
            Some(Platform::End(request_id)) => {
                ended = end(&mut found, &mut doubted, &request_id, line.timestamp_ms);
            }
            Some(Platform::Over(report)) => {
                let request_id = &report.request_id;
                let at = end(&mut found, &mut doubted, request_id, line.timestamp_ms);
                if let Some((at, ended_ms)) = at {
                    // What it logged of an error is one only if the platform says so.
                    let failure = found[at].failure.take();
                    found[at].failure = failure.filter(|_| report.status.is_some());
                    if !take_report(&mut found[at], ended_ms, *report) {
                        found.append(&mut doubted);
                    }
                }
            }
            // Code that is being initialised can print one too, but only later.
            Some(Platform::InitStart) if found.is_empty() => {
                init_started_ms.get_or_insert(line.timestamp_ms);
            }
            Some(Platform::RestoreStart) if found.is_empty() => {
                restore_started_ms.get_or_insert(line.timestamp_ms);
            }
            // Later ones belong to an invocation, which counts their time.
            Some(Platform::FailedInit(ms)) if found.is_empty() => failed_init_ms = Some(ms),
            Some(Platform::InitStart | Platform::RestoreStart | Platform::FailedInit(_)) => {}
            None => {
                if let Some((at, ended_ms)) = after_end {
                    let report = report_line::parse_line(text)
                        .filter(|line| line.request_id == found[at].request_id);
                    if !report.is_some_and(|line| take_report(&mut found[at], ended_ms, line)) {
                        // That END was printed, and nothing that came before it.
                        found.append(&mut doubted);
                    }
                } else if let Some(last) = found.last_mut() {
                    if in_json {
                        take_record(last, text);
                    } else {
                        take_text(last, text);
                    }
                }
            }
        }
    }
    if let (Some(first), Some(failed_init_ms)) = (found.first_mut(), failed_init_ms) {
        first.take_failed_init(failed_init_ms);
    }
    if let (Some(first), Some(began_ms)) = (found.first_mut(), restore_started_ms) {
        first.take_restore(began_ms);
    }
    found
}

/// Says whether a stream is one of JSON logs: whatever handlers print, in a stream of text every
/// invocation has a START in text.
fn is_json(lines: &[&Line]) -> bool {
    let any = |is: fn(&str) -> bool| lines.iter().any(|line| is(&line.message));
    any(|text| matches!(of_json(text), Some(Platform::Start(_))))
        && !any(|text| {
            let begins = |with: &str| text.starts_with(with);
            begins("INIT_START ") || begins("RESTORE_START ") || start_of(text).is_some()
        })
}

fn of_text(text: &str) -> Option<Platform<'_>> {
    if let Some(request_id) = start_of(text) {
        return Some(Platform::Start(request_id.into()));
    }
    if text.starts_with("INIT_START ") {
        return Some(Platform::InitStart);
    }
    if text.starts_with("RESTORE_START ") {
        return Some(Platform::RestoreStart);
    }
    if let Some(request_id) = text.strip_prefix("END RequestId: ") {
        return Some(Platform::End(request_id.trim_end().into()));
    }
    failed_init(text)
}

fn of_json(text: &str) -> Option<Platform<'_>> {
    if !text.starts_with('{') {
        return None;
    }
    if let Some(report) = report_line::parse_line(text) {
        return Some(Platform::Over(Box::new(report)));
    }
    let event: Value = serde_json::from_str(text).ok()?;
    if event["type"] == "platform.initStart" {
        return Some(Platform::InitStart);
    }
    if event["type"] == "platform.restoreStart" {
        return Some(Platform::RestoreStart);
    }
    if event["type"] == "platform.start" {
        let request_id = event["record"]["requestId"].as_str()?.to_owned();
        return Some(Platform::Start(request_id.into()));
    }
    failed_init(text)
}

fn failed_init(text: &str) -> Option<Platform<'_>> {
    report_line::failed_init_ms(text).map(Platform::FailedInit)
}

/// Takes the end of a request; returns where it stands in `found`, and when it ended.
fn end(
    found: &mut Vec<Logged>,
    doubted: &mut Vec<Logged>,
    request_id: &str,
    at_ms: i64,
) -> Option<(usize, i64)> {
    let of_request = |known: &Logged| known.request_id == request_id;
    if let Some(at) = doubted.iter().position(of_request) {
        found.push(doubted.remove(at));
    }
    let at = found.iter().position(of_request)?;
    doubted.extend(found.drain(at + 1..));
    found[at].ended_ms.get_or_insert(at_ms);
    Some((at, at_ms))
}

/// Returns the request whose beginning a line says, in either format.
pub fn started(line: &str) -> Option<Cow<'_, str>> {
    match of_text(line).or_else(|| of_json(line)) {
        Some(Platform::Start(request_id)) => Some(request_id),
        _ => None,
    }
}

fn start_of(text: &str) -> Option<&str> {
    text.strip_prefix("START RequestId: ")?
        .split_once(" Version: ")
        .map(|(request_id, _)| request_id)
}

/// Returns when the environment of a stream began its first initialisation, or its restore, epoch
/// ms.
pub fn began_ms(lines: &[Line], stream: &str, restored: bool) -> Option<i64> {
    let begins = |line: &&Line| {
        let read = of_text(&line.message).or_else(|| of_json(&line.message));
        let begins = match read {
            Some(Platform::InitStart) => !restored,
            Some(Platform::RestoreStart) => restored,
            _ => false,
        };
        line.stream == stream && begins
    };
    lines.iter().find(begins).map(|line| line.timestamp_ms)
}

fn begun(request_id: &str, line: &Line, init_started_ms: Option<i64>) -> Logged {
    Logged {
        request_id: request_id.to_owned(),
        stream: line.stream.clone(),
        started_ms: line.timestamp_ms,
        ended_ms: None,
        init_to_start_ms: init_started_ms.map(|ms| (line.timestamp_ms - ms) as f64),
        init_failed: false,
        report: None,
        failure: None,
        profile: None,
    }
}

/// Takes a REPORT right after an END of its request; tells whether it may be the platform's, and
/// not one that is printed later.
fn take_report(last: &mut Logged, ended_ms: i64, line: ReportLine) -> bool {
    let ReportLine {
        report,
        status,
        error_type,
        ..
    } = line;
    let counts = last
        .report
        .as_ref()
        .is_none_or(|known| report.duration_ms > known.duration_ms);
    if counts {
        last.ended_ms = Some(ended_ms);
    }
    let report = match last.report.take() {
        Some(known) => most_of(&known, &report),
        None => report,
    };
    last.profile = last
        .profile
        .take()
        .filter(|profile| profile_line::fits(profile, Some(&report)));
    last.report = Some(report);
    if let Some(status) = status {
        let failure = last.failure.get_or_insert(LoggedFailure {
            timed_out: false,
            error_type: None,
            error: None,
        });
        failure.timed_out |= status == "timeout";
        if let Some(error_type) = error_type {
            failure.error_type = Some(error_type);
        }
    }
    counts
}

/// Returns the most of each figure of two reports of one request, of which one is forged.
fn most_of(one: &Report, other: &Report) -> Report {
    Report {
        duration_ms: one.duration_ms.max(other.duration_ms),
        billed_ms: one.billed_ms.max(other.billed_ms),
        memory_mb: one.memory_mb.max(other.memory_mb),
        max_memory_mb: one.max_memory_mb.max(other.max_memory_mb),
        init_ms: one
            .init_ms
            .into_iter()
            .chain(other.init_ms)
            .reduce(f64::max),
        restore: one
            .restore
            .into_iter()
            .chain(other.restore)
            .reduce(most_of_restores),
    }
}

fn most_of_restores(one: Restore, other: Restore) -> Restore {
    Restore {
        ms: one.ms.max(other.ms),
        billed_ms: one.billed_ms.max(other.billed_ms),
    }
}

/// Looks for the three ways in which a failure is written; the last one counts.
///
/// Source: AWS Lambda developer guide, "Troubleshoot execution issues", and awslambdaric for the
/// first.
fn take_text(last: &mut Logged, text: &str) {
    let failure = |error_type: &str, error: &str| {
        Some(LoggedFailure {
            timed_out: false,
            error_type: Some(error_type.to_owned()),
            error: Some(error.to_owned()),
        })
    };
    if let Some(profile) = profile_line::parse_line(text, &last.request_id) {
        last.profile = Some(profile);
    } else if let Some(uncaught) = text
        .strip_prefix("[ERROR] ")
        .filter(|text| text.contains("\nTraceback "))
    {
        let first = uncaught.lines().next().unwrap_or_default();
        let (error_type, error) = first.split_once(": ").unwrap_or((first, ""));
        last.failure = failure(error_type, error);
    } else if text.contains(&format!("{} Task timed out after ", last.request_id)) {
        let error = text.split_once(' ').map_or(text, |(_, error)| error);
        last.failure = failure("Sandbox.Timedout", error.trim_end());
        last.failure
            .as_mut()
            .expect("it was just put there")
            .timed_out = true;
    } else if let Some(error) =
        text.strip_prefix(&format!("RequestId: {} Error: ", last.request_id))
    {
        let (error, error_type) = error.split_once('\n').unwrap_or((error, ""));
        last.failure = failure(
            if error_type.is_empty() {
                "Runtime.ExitError"
            } else {
                error_type
            },
            error,
        );
    }
}

/// Looks for the record in which awslambdaric logs an exception.
fn take_record(last: &mut Logged, text: &str) {
    if let Some(profile) = profile_line::parse_line(text, &last.request_id) {
        last.profile = Some(profile);
        return;
    }
    let event: Value = serde_json::from_str(text).unwrap_or_default();
    let word = |name: &str| event[name].as_str().map(str::to_owned);
    if word("requestId").as_ref() == Some(&last.request_id) && event["errorType"].is_string() {
        last.failure = Some(LoggedFailure {
            timed_out: false,
            error_type: word("errorType"),
            error: word("errorMessage"),
        });
    }
}

/// An invocation of which only the START is there.
#[cfg(test)]
pub fn only_begun(request_id: &str, started_ms: i64) -> Logged {
    Logged {
        request_id: request_id.into(),
        stream: "s".into(),
        started_ms,
        ended_ms: None,
        init_to_start_ms: None,
        init_failed: false,
        report: None,
        failure: None,
        profile: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "REPORT RequestId: ID\tDuration: MS ms\tBilled Duration: 9 ms\tMemory Size: 512 MB\tMax Memory Used: 60 MB\t";

    fn log(stream: &str, messages: &[&str]) -> Vec<Line> {
        let line = |(timestamp_ms, message): (i64, &&str)| Line {
            stream: stream.into(),
            timestamp_ms,
            message: format!("{message}\n"),
        };
        (0..).zip(messages).map(line).collect()
    }

    fn report(id: &str, ms: &str) -> String {
        REPORT.replace("ID", id).replace("MS", ms)
    }

    fn start(id: &str) -> String {
        format!("START RequestId: {id} Version: $LATEST")
    }

    fn end(id: &str) -> String {
        format!("END RequestId: {id}")
    }

    fn durations(lines: &[Line]) -> Vec<(String, Option<f64>)> {
        let shown = |logged: Logged| {
            (
                logged.request_id,
                logged.report.map(|report| report.duration_ms),
            )
        };
        invocations(lines).into_iter().map(shown).collect()
    }

    fn shown(pairs: &[(&str, Option<f64>)]) -> Vec<(String, Option<f64>)> {
        pairs
            .iter()
            .map(|(id, ms)| ((*id).to_owned(), *ms))
            .collect()
    }

    #[test]
    fn invocations_of_several_environments_are_told_apart() {
        let mut lines = log(
            "one",
            &[
                "INIT_START x",
                &start("a"),
                "hello",
                &end("a"),
                &report("a", "3.5"),
                &start("c"),
            ],
        );
        lines.extend(log("two", &[&start("b"), &end("b"), &report("b", "4")]));
        assert_eq!(
            durations(&lines),
            shown(&[("b", Some(4.0)), ("a", Some(3.5)), ("c", None)])
        );
        assert_eq!(invocations(&lines)[0].stream, "two");
        let times: Vec<(i64, Option<i64>)> = invocations(&lines)
            .iter()
            .map(|logged| (logged.started_ms, logged.ended_ms))
            .collect();
        assert_eq!(times, [(0, Some(1)), (1, Some(3)), (5, None)]);
    }

    #[test]
    fn a_report_that_a_handler_printed_is_not_believed() {
        let fake = report("a", "0.01");
        let lines = log("s", &[&start("a"), &fake, &end("a"), &report("a", "5")]);
        assert_eq!(durations(&lines), shown(&[("a", Some(5.0))]));
        // Not even while the platform's own has not arrived.
        assert_eq!(durations(&lines[..2]), shown(&[("a", None)]));
        assert_eq!(durations(&lines[..3]), shown(&[("a", None)]));
    }

    const TRACE: &str = "XRAY TraceId: 1-677faf89-09a6\tSegmentId: 7e44b093\tSampled: true\t";

    #[test]
    fn a_traces_line_after_report_hides_nothing() {
        let in_one = format!("{}Status: timeout\n{TRACE}\n", report("a", "5"));
        let lines = log(
            "s",
            &[
                &start("a"),
                &end("a"),
                &in_one,
                &start("b"),
                &end("b"),
                &report("b", "6"),
                TRACE,
                &start("c"),
                &end("c"),
                &report("c", "7"),
            ],
        );
        assert_eq!(
            durations(&lines),
            shown(&[("a", Some(5.0)), ("b", Some(6.0)), ("c", Some(7.0))])
        );
        let failed: Vec<bool> = invocations(&lines)
            .iter()
            .map(|logged| logged.failure.as_ref().is_some_and(|it| it.timed_out))
            .collect();
        assert_eq!(failed, [true, false, false]);
    }

    fn record(kind: &str, record: &str) -> String {
        format!(r#"{{"time":"2026-10-08T07:30:29.470Z","type":"{kind}","record":{{{record}}}}}"#)
    }

    fn json_start(id: &str) -> String {
        record(
            "platform.start",
            &format!(r#""requestId":"{id}","version":"$LATEST""#),
        )
    }

    fn json_report(id: &str, ms: &str, status: &str) -> String {
        let metrics = format!(
            r#"{{"durationMs":{ms},"billedDurationMs":9,"memorySizeMB":512,"maxMemoryUsedMB":60}}"#
        );
        record(
            "platform.report",
            &format!(r#""requestId":"{id}","metrics":{metrics},"status":"{status}""#),
        )
    }

    #[test]
    fn json_logs_say_the_same() {
        let raised = r#"{"timestamp":"2026-10-08T07:30:29Z","log_level":"ERROR","errorMessage":"no luck","errorType":"ValueError","requestId":"b"}"#;
        let lines = log(
            "s",
            &[
                &json_start("a"),
                "hello",
                &json_report("a", "5", "success"),
                &json_start("b"),
                raised,
                &json_report("b", "6", "error"),
                &json_start("c"),
                &json_report("c", "2000", "timeout"),
                &json_start("d"),
            ],
        );
        assert_eq!(
            durations(&lines),
            shown(&[
                ("a", Some(5.0)),
                ("b", Some(6.0)),
                ("c", Some(2000.0)),
                ("d", None)
            ])
        );
        let found = invocations(&lines);
        assert_eq!((found[0].started_ms, found[0].ended_ms), (0, Some(2)));
        assert_eq!(found[0].failure, None);
        let failure = found[1].failure.as_ref().unwrap();
        assert_eq!(failure.error_type.as_deref(), Some("ValueError"));
        assert!(found[2].failure.as_ref().unwrap().timed_out);
    }

    #[test]
    fn records_that_a_handler_prints_make_nothing_faster() {
        let forged = [
            json_report("a", "0.01", "success"),
            json_start("phantom"),
            json_report("phantom", "0.02", "success"),
        ];
        let own = [json_start("a"), json_report("a", "5", "success")];
        let all = [&own[..1], &forged, &own[1..]].concat();
        let lines = log("s", &all.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(durations(&lines), shown(&[("a", Some(5.0))]));
        // In a stream of text they are text.
        let own = [start("a"), end("a"), report("a", "5")];
        let all = [&forged[1..], &own[..1], &forged, &own[1..]].concat();
        let lines = log("s", &all.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(durations(&lines), shown(&[("a", Some(5.0))]));
    }

    #[test]
    fn a_restore_begins_an_environment_and_what_code_prints_of_one_does_not() {
        let at = |timestamp_ms, message: &str| Line {
            stream: "s".into(),
            timestamp_ms,
            message: format!("{message}\n"),
        };
        let plain = report("a", "2");
        let restored =
            format!("{plain}Restore Duration: 412.13 ms\tBilled Restore Duration: 18 ms");
        let lines = |report: &str| {
            [
                at(1_000, "INIT_START Runtime Version: x"),
                at(
                    90_000,
                    "RESTORE_START Runtime Version: x\tRuntime Version ARN: y",
                ),
                at(90_412, "RESTORE_REPORT Restore Duration: 412.13 ms"),
                at(90_414, "START RequestId: a Version: 7"),
                at(90_416, &end("a")),
                at(90_416, report),
            ]
        };
        let found = |report: &str| invocations(&lines(report)).remove(0);
        let first = found(&restored);
        let restore = first.report.as_ref().unwrap().restore.unwrap();
        assert_eq!((restore.ms, restore.billed_ms), (412.13, Some(18)));
        assert_eq!(first.init_to_start_ms, Some(414.0));
        assert_eq!(began_ms(&lines(&restored), "s", true), Some(90_000));
        assert_eq!(found(&plain).init_to_start_ms, Some(89_414.0));
    }

    #[test]
    fn a_start_whose_first_initialisation_failed_is_cold() {
        let text = "INIT_REPORT Init Duration: 10008.64 ms\tPhase: init\tStatus: timeout";
        let json = record(
            "platform.initReport",
            r#""phase":"init","status":"timeout","metrics":{"durationMs":10008.64}"#,
        );
        let init_ms = |messages: &[&str]| -> Vec<Option<f64>> {
            let init_ms = |logged: Logged| logged.report.and_then(|report| report.init_ms);
            let found = invocations(&log("s", messages));
            found.into_iter().map(init_ms).collect()
        };
        let (a, b) = (report("a", "12000"), report("b", "5"));
        let own = [start("a"), end("a"), a, start("b"), end("b"), b];
        let own = own.each_ref().map(String::as_str);
        assert_eq!(init_ms(&own), [None, None]);
        let with = [&["INIT_START x", text][..], &own].concat();
        assert_eq!(init_ms(&with), [Some(10_008.64), None]);
        let success = json_report("a", "12000", "success");
        let with = [json.as_str(), &json_start("a"), &success];
        assert_eq!(init_ms(&with), [Some(10_008.64)]);
        // Printed within an invocation it says nothing.
        let printed = [&own[..1], &[text], &own[1..]].concat();
        assert_eq!(init_ms(&printed), [None, None]);
    }

    #[test]
    fn the_beginning_of_an_initialisation_is_the_first_lines_of_its_stream() {
        let at = |stream: &str, timestamp_ms, message: &str| Line {
            stream: stream.into(),
            timestamp_ms,
            message: format!("{message}\n"),
        };
        let rest = |id: &str, at_ms| {
            [
                at("s", at_ms, &start(id)),
                at("s", at_ms + 5, &end(id)),
                at("s", at_ms + 5, &report(id, "5")),
            ]
        };
        let found = |lines: &[Line]| -> Vec<Option<f64>> {
            let found = invocations(lines);
            found.iter().map(|logged| logged.init_to_start_ms).collect()
        };
        let mut lines = vec![
            at("s", 1_000, "INIT_START Runtime Version: x"),
            at("s", 1_900, "INIT_START printed by an import"),
        ];
        lines.extend(rest("a", 7_000));
        // What a handler prints of another one counts for nothing.
        lines.push(at("s", 7_500, "INIT_START printed"));
        lines.extend(rest("b", 8_000));
        assert_eq!(found(&lines), [Some(6_000.0), None]);
        assert_eq!(found(&lines[2..]), [None, None]);
        assert_eq!(began_ms(&lines, "s", false), Some(1_000));
        assert_eq!(began_ms(&lines, "s", true), None);
        assert_eq!(began_ms(&lines, "t", false), None);
        let json = [
            at("s", 50, &record("platform.initStart", r#""phase":"init""#)),
            at("s", 80, &json_start("a")),
        ];
        assert_eq!(found(&json), [Some(30.0)]);
        // One that failed tells nothing of the second.
        let text = "INIT_REPORT Init Duration: 700.00 ms\tPhase: init\tStatus: timeout";
        let mut failed = vec![at("s", 1_000, "INIT_START x"), at("s", 1_700, text)];
        failed.extend(rest("a", 3_500));
        assert_eq!(found(&failed), [None]);
        assert!(invocations(&failed)[0].init_failed);
    }

    #[test]
    fn a_whole_invocation_that_a_handler_printed_is_not_believed() {
        let lines = log(
            "s",
            &[
                &start("a"),
                &end("a"),
                &report("a", "0.01"),
                &start("phantom"),
                &end("phantom"),
                &report("phantom", "0.02"),
                &end("a"),
                &report("a", "5"),
                &start("b"),
                &end("b"),
                &report("b", "6"),
            ],
        );
        assert_eq!(
            durations(&lines),
            shown(&[("a", Some(5.0)), ("b", Some(6.0))])
        );
        // Nor when it claims to have ended.
        assert_eq!(invocations(&lines)[0].ended_ms, Some(6));
    }

    #[test]
    fn a_pair_that_is_printed_shortens_no_restore() {
        let restore = |report: &str, ms: &str, billed_ms: u64| {
            format!("{report}Restore Duration: {ms} ms\tBilled Restore Duration: {billed_ms} ms")
        };
        let own = restore(&report("a", "5"), "412.13", 18);
        let (start, end) = (start("a"), end("a"));
        for forged in [
            restore(&report("a", "0.01"), "0.50", 1),
            restore(&report("a", "0.01"), "0.50", 99),
        ] {
            let billed_ms = if forged.contains(" 99 ms") { 99 } else { 18 };
            for lines in [
                vec![&start, &end, &forged, &end, &own],
                vec![&start, &end, &own, &end, &forged],
            ] {
                let lines: Vec<&str> = lines.into_iter().map(String::as_str).collect();
                let found = invocations(&log("s", &lines)).remove(0).report.unwrap();
                let expected = Restore {
                    ms: 412.13,
                    billed_ms: Some(billed_ms),
                };
                assert_eq!(found.restore, Some(expected), "{lines:?}");
            }
        }
    }

    /// A thread that outlives its invocation, or the code of the next one, prints a pair for a
    /// request that is over.
    #[test]
    fn a_pair_that_is_printed_later_replaces_nothing_and_hides_nothing() {
        let forged = "REPORT RequestId: a\tDuration: 0.01 ms\tBilled Duration: 1 ms\tMemory Size: 512 MB\tMax Memory Used: 1 MB\t";
        let own = [start("a"), end("a"), report("a", "5")];
        let pair = [end("a"), forged.to_owned()];
        let next = [start("b"), end("b"), report("b", "6")];
        let lines = |parts: &[&[String]]| {
            log(
                "s",
                &parts
                    .concat()
                    .iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>(),
            )
        };
        for (log, expected) in [
            (lines(&[&own, &pair]), &[("a", Some(5.0))][..]),
            (
                lines(&[&own, &pair, &next]),
                &[("a", Some(5.0)), ("b", Some(6.0))],
            ),
            (
                lines(&[&own, &next[..1], &pair, &next[1..]]),
                &[("a", Some(5.0)), ("b", Some(6.0))],
            ),
            (
                lines(&[&own, &next[..2], &pair, &next[1..]]),
                &[("a", Some(5.0)), ("b", Some(6.0))],
            ),
            (
                lines(&[&own, &next, &pair]),
                &[("a", Some(5.0)), ("b", Some(6.0))],
            ),
            (
                lines(&[&own[..1], &pair, &own[1..], &next]),
                &[("a", Some(5.0)), ("b", Some(6.0))],
            ),
            (
                lines(&[&own[..1], &pair, &pair, &own[1..], &pair]),
                &[("a", Some(5.0))],
            ),
        ] {
            assert_eq!(durations(&log)[0], shown(expected)[0], "{log:?}");
            let a = &invocations(&log)[0];
            assert_eq!(
                a.report
                    .as_ref()
                    .map(|report| (report.billed_ms, report.max_memory_mb)),
                Some((9, 60)),
                "{log:?}"
            );
            assert!(
                expected.len() == 1 || durations(&log) == shown(expected),
                "{log:?}"
            );
        }
        // Its end stays the platform's own, too: what the next stage's delay is counted from.
        assert_eq!(invocations(&lines(&[&own, &pair]))[0].ended_ms, Some(1));
    }

    #[test]
    fn a_profile_is_the_last_line_of_its_request_and_within_the_report() {
        let profile = |id: &str, ms: &str| {
            format!(r#"{{"darkroom_profile":1,"request_id":"{id}","handler_ms":{ms}}}"#)
        };
        let lines = log(
            "s",
            &[
                &start("a"),
                &profile("a", "1"),
                &profile("a", "4"),
                &profile("b", "2"),
                "[ERROR] ValueError: x\nTraceback (most recent call last):",
                &end("a"),
                &report("a", "5"),
                &start("b"),
                &profile("b", "50"),
                &end("b"),
                &report("b", "6"),
            ],
        );
        let profiles: Vec<Option<f64>> = invocations(&lines)
            .into_iter()
            .map(|logged| logged.profile.and_then(|p| p.handler_ms))
            .collect();
        assert_eq!(profiles, [Some(4.0), None]);
    }

    #[test]
    fn a_report_of_another_request_is_not_taken() {
        let lines = log("s", &[&start("a"), &end("a"), &report("b", "5")]);
        assert_eq!(durations(&lines), shown(&[("a", None)]));
    }

    #[test]
    fn each_kind_of_failure_has_its_type_and_its_words() {
        let raised =
            "[ERROR] ValueError: too small: 3\nTraceback (most recent call last):\n\u{a0}File x";
        let exited =
            "RequestId: b Error: Runtime exited with error: exit status 1\nRuntime.ExitError";
        let late = "2026-01-01T00:00:00.000Z c Task timed out after 1.00 seconds\n";
        let lines = log(
            "s",
            &[
                &start("a"),
                raised,
                &end("a"),
                &report("a", "1"),
                &start("b"),
                exited,
                &end("b"),
                &(report("b", "2") + "Status: error\tError Type: Runtime.ExitError"),
                &start("c"),
                late,
                &end("c"),
                &(report("c", "1000") + "Status: timeout"),
                &start("d"),
                "[ERROR]\t2026-01-01T00:00:00.000Z\td\tonly logged",
                &end("d"),
                &report("d", "1"),
            ],
        );
        let failures: Vec<Option<LoggedFailure>> = invocations(&lines)
            .into_iter()
            .map(|logged| logged.failure)
            .collect();
        let failure = |timed_out, error_type: &str, error: &str| {
            Some(LoggedFailure {
                timed_out,
                error_type: Some(error_type.into()),
                error: Some(error.into()),
            })
        };
        assert_eq!(
            failures,
            [
                failure(false, "ValueError", "too small: 3"),
                failure(
                    false,
                    "Runtime.ExitError",
                    "Runtime exited with error: exit status 1"
                ),
                failure(
                    true,
                    "Sandbox.Timedout",
                    "c Task timed out after 1.00 seconds"
                ),
                None,
            ]
        );
    }

    /// What a handler prints is read in three places: as a function's log, as an invocation's tail,
    /// as the wrapper's line.
    #[test]
    fn whatever_a_handler_prints_is_read() {
        let words = &[
            "START RequestId: ",
            "END RequestId: ",
            "REPORT RequestId: ",
            "a",
            "b",
            " Version: $LATEST",
            "\n",
            "\t",
            "Duration: ",
            "1.5 ms",
            "-1 ms",
            "NaN ms",
            "1e999 ms",
            "Billed Duration: ",
            "Memory Size: ",
            "99999999999999999999 MB",
            "Max Memory Used: ",
            "Status: timeout",
            "Error Type: ",
            "{\"darkroom_profile\":1,",
            "\"request_id\":\"a\",",
            "\"cpu_model\":\"é",
            "}",
            "[ERROR] ",
            "\nTraceback ",
            " Task timed out after ",
            " Error: ",
            "\u{1b}[2J",
        ];
        crate::hostile::Parser {
            name: "log",
            words,
            longest: 256 << 10,
        }
        .hold(|input| {
            let text = String::from_utf8_lossy(input);
            // Two streams in turn, as two environments write.
            let line = |(index, message): (usize, &str)| Line {
                stream: ["s", "t"][index % 2].to_owned(),
                timestamp_ms: i64::MAX - 5,
                message: message.to_owned(),
            };
            invocations(
                &text
                    .split_inclusive('\n')
                    .enumerate()
                    .map(line)
                    .collect::<Vec<_>>(),
            );
            let line = report_line::parse_tail(&text, "a");
            text.lines().for_each(|line| {
                report_line::failed_init_ms(line);
            });
            let report = line.map(|line| line.report);
            profile_line::parse_tail(&text, "a", report.as_ref());
        });
    }
}
