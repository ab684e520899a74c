//! A function's log events → its invocations. Pure.
//!
//! A handler can print lines that look like the platform's, also after its own invocation (from a
//! thread, before it is frozen) and within the next one. The order shows the real ones: an
//! environment runs one invocation at a time, so a START within an invocation is only text, and a
//! REPORT counts only right after the END of its request. If a request has several such pairs, the
//! largest of each figure counts, so forging one can only make code look slower.

use std::collections::BTreeMap;

use darkroom_core::event::{Profile, Report};
use darkroom_core::{profile_line, report_line};

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

fn of_stream(lines: &[&Line]) -> Vec<Logged> {
    let mut found: Vec<Logged> = Vec::new();
    // What came between two ENDs of one request: printed by it, unless it ends too.
    let mut doubted: Vec<Logged> = Vec::new();
    let mut ended: Option<(usize, i64)> = None;
    for line in lines {
        let text = line.message.trim_end_matches(['\n', '\r']);
        let after_end = ended.take();
        if let Some(request_id) = start_of(text) {
            // Within an invocation that is not over it is something that the handler printed.
            if found.last().is_none_or(Logged::is_over)
                && found.iter().all(|known| known.request_id != request_id)
            {
                found.push(begun(request_id, line));
            }
        } else if let Some(request_id) = text.strip_prefix("END RequestId: ") {
            let request_id = request_id.trim_end();
            if let Some(at) = doubted
                .iter()
                .position(|known| known.request_id == request_id)
            {
                found.push(doubted.remove(at));
            }
            if let Some(at) = found
                .iter()
                .position(|known| known.request_id == request_id)
            {
                doubted.extend(found.drain(at + 1..));
                found[at].ended_ms.get_or_insert(line.timestamp_ms);
                ended = Some((at, line.timestamp_ms));
            }
        } else if let Some((at, ended_ms)) = after_end {
            if !take_report(&mut found[at], ended_ms, text) {
                // That END was printed, and nothing that came before it.
                found.append(&mut doubted);
            }
        } else if let Some(last) = found.last_mut() {
            take_text(last, text);
        }
    }
    found
}

fn start_of(text: &str) -> Option<&str> {
    text.strip_prefix("START RequestId: ")?
        .split_once(" Version: ")
        .map(|(request_id, _)| request_id)
}

fn begun(request_id: &str, line: &Line) -> Logged {
    Logged {
        request_id: request_id.to_owned(),
        stream: line.stream.clone(),
        started_ms: line.timestamp_ms,
        ended_ms: None,
        report: None,
        failure: None,
        profile: None,
    }
}

/// Takes a REPORT right after an END of its request; tells whether it may be the platform's, and
/// not one that is printed later.
fn take_report(last: &mut Logged, ended_ms: i64, text: &str) -> bool {
    let Some((_, report)) = report_line::parse_line(text).filter(|(id, _)| *id == last.request_id)
    else {
        return false;
    };
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
    let field = |name: &str| text.split('\t').find_map(|field| field.strip_prefix(name));
    let status = field("Status: ").filter(|status| *status != "success");
    if let Some(status) = status {
        let failure = last.failure.get_or_insert(LoggedFailure {
            timed_out: false,
            error_type: None,
            error: None,
        });
        failure.timed_out |= status == "timeout";
        if let Some(error_type) = field("Error Type: ") {
            failure.error_type = Some(error_type.to_owned());
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

/// An invocation of which only the START is there.
#[cfg(test)]
pub fn only_begun(request_id: &str, started_ms: i64) -> Logged {
    Logged {
        request_id: request_id.into(),
        stream: "s".into(),
        started_ms,
        ended_ms: None,
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
            let report = report_line::parse_tail(&text, "a");
            report_line::error_type(&text, "a");
            profile_line::parse_tail(&text, "a", report.as_ref());
        });
    }
}
