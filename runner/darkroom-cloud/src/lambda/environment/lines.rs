//! What an environment writes to its log stream, and the tail of it that a caller may ask for.
//!
//! Bytes of the runtime's pipes and the platform's own lines in; events to a [`LogSink`] out.
//! Memory is bounded whatever a handler prints: one unfinished event and the last 4 KB.

use super::types::{FunctionSpec, LogFormat, LogSink, Report, Status};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;

/// `X-Amz-Log-Result` holds this much (FACTS.md, section 7).
const TAIL_BYTES: usize = 4096;

/// A longer event is cut into several, as `CloudWatch` Logs limits one (256 KB, less its overhead
/// of 26 bytes).
const LARGEST_EVENT: usize = 262_144 - 26;

/// What is kept of an invocation's log, in bytes. The rest of what it prints is not written, and a
/// line says so.
const MOST_KEPT: usize = 64 << 20;

/// More than this in one invocation is said of the function: at AWS's price, 16 MB an invocation
/// cost far more than the work.
const MUCH: usize = 16 << 20;

/// How the platform's own lines of an invocation begin.
const PLATFORM_LINES: [&[u8]; 3] = [
    b"START RequestId: ",
    b"END RequestId: ",
    b"REPORT RequestId: ",
];

/// What an event costs beside its text: its line in the log's file, its place in the index.
const EVENT_COST: usize = 100;

/// First two bytes of a frame's type; awslambdaric documents the frame.
const FRAME_MAGIC: [u8; 2] = [0xa5, 0x5a];

/// Type, length and timestamp.
const FRAME_HEADER: usize = 16;

/// The log of one environment.
pub struct LogLines {
    sink: Arc<dyn LogSink>,
    group: String,
    pub stream: String,
    format: LogFormat,
    debug: bool,
    warnings_only: bool,
    /// Printed, but without its line's end yet.
    line: Vec<u8>,
    /// Frames that have not arrived whole.
    frames: Vec<u8>,
    /// Collects the present invocation's text if there is one.
    tail: Option<Tail>,
    /// Bytes that were written since the present invocation began, [`EVENT_COST`] for each event
    /// included.
    kept: usize,
    /// What the handler printed since the present invocation began, whether it was kept or not.
    printed: usize,
    /// Since that was last asked, the handler printed lines that look like the platform's.
    imitated: bool,
    /// When the last event happened: a record that a handler dates otherwise changes no order.
    latest_ms: i64,
}

impl LogLines {
    pub fn new(sink: Arc<dyn LogSink>, spec: &FunctionSpec, stream: String) -> Self {
        let level = spec.system_log_level.as_deref();
        Self {
            sink,
            group: spec.log_group.clone(),
            stream,
            format: spec.log_format,
            debug: level == Some("DEBUG"),
            warnings_only: level == Some("WARN"),
            line: Vec::new(),
            frames: Vec::new(),
            tail: None,
            kept: 0,
            printed: 0,
            imitated: false,
            latest_ms: 0,
        }
    }

    /// Takes what the runtime wrote to standard output or error: one event a line.
    pub fn printed(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (rest_of_line, rest) = bytes.split_at(end + 1);
            bytes = rest;
            if self.line.is_empty() {
                self.write_event(rest_of_line, now_ms());
            } else {
                self.line.extend_from_slice(rest_of_line);
                self.finish_line();
            }
        }
        self.line.extend_from_slice(bytes);
        if self.line.len() > LARGEST_EVENT {
            self.finish_line();
        }
    }

    /// Writes what was printed without a line's end.
    pub fn finish_line(&mut self) {
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.write_event(&line, now_ms());
        }
    }

    /// Takes framed log records: one event a record, whatever lines it has.
    pub fn framed(&mut self, bytes: &[u8]) {
        self.frames.extend_from_slice(bytes);
        let mut buffer = std::mem::take(&mut self.frames);
        let mut taken = 0;
        while let Some(header) = buffer.get(taken..taken + FRAME_HEADER) {
            if header[..2] != FRAME_MAGIC {
                // Not from a runtime that keeps to the protocol: show it as it came.
                let rest = buffer.split_off(taken);
                self.printed(&rest);
                return;
            }
            let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
            let micros = header[8..16]
                .iter()
                .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
            let (start, end) = (taken + FRAME_HEADER, taken + FRAME_HEADER + length);
            let Some(message) = buffer.get(start..end) else {
                if length > LARGEST_EVENT && buffer.len() - start > LARGEST_EVENT {
                    // Too long to wait for: write what is here and call the rest a frame of its
                    // own.
                    let (message, here) = (&buffer[start..], buffer.len() - start);
                    self.write_event(message, dated(micros));
                    let mut rest = header[..4].to_vec();
                    rest.extend_from_slice(&((length - here) as u32).to_be_bytes());
                    rest.extend_from_slice(&header[8..]);
                    self.frames = rest;
                    return;
                }
                break;
            };
            self.write_event(message, dated(micros));
            taken = end;
        }
        buffer.drain(..taken);
        self.frames = buffer;
    }

    /// Writes an event of the handler's, as long as there is room for it.
    fn write_event(&mut self, message: &[u8], timestamp_ms: i64) {
        self.printed += message.len();
        self.imitated |= imitates_platform(message);
        if self.kept > MOST_KEPT {
            if let Some(tail) = &mut self.tail {
                tail.push(message);
            }
            return;
        }
        self.kept += message.len() + EVENT_COST;
        self.event(message, timestamp_ms);
        if self.kept > MOST_KEPT {
            let most = MOST_KEPT >> 20;
            self.text(&format!(
                "The local cloud keeps {most} MB of an invocation's log. It dropped the rest of \
                 this one.\n"
            ));
        }
    }

    /// Writes one event, cut if it is too long. Events of a stream are in the order in which they
    /// came.
    fn event(&mut self, message: &[u8], timestamp_ms: i64) {
        let timestamp_ms = timestamp_ms.max(self.latest_ms);
        self.latest_ms = timestamp_ms;
        let mut pieces = message.chunks(LARGEST_EVENT);
        // An empty record is an event too.
        let mut piece = Some(pieces.next().unwrap_or_default());
        while let Some(bytes) = piece {
            self.sink.append(
                &self.group,
                &self.stream,
                timestamp_ms,
                &String::from_utf8_lossy(bytes),
            );
            piece = pieces.next();
        }
        if let Some(tail) = &mut self.tail {
            tail.push(message);
        }
    }

    /// Begins to collect the tail.
    pub fn begin_tail(&mut self) {
        self.kept = 0;
        self.printed = 0;
        self.tail = Some(Tail::default());
    }

    /// Returns what is odd about what the handler has printed, by kind: far too much of it, or lines
    /// that look like the platform's.
    pub fn take_oddities(&mut self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let much = (self.printed > MUCH).then(|| {
            let most = MUCH >> 20;
            (
                "flooded-log",
                format!("printed more than {most} MB in one invocation"),
            )
        });
        let imitated = std::mem::take(&mut self.imitated).then(|| {
            let what = "printed lines that imitate the platform's START, END and REPORT. They are \
                        in its log, and no time was taken from them";
            ("imitated-platform", what.to_owned())
        });
        much.into_iter().chain(imitated)
    }

    /// Returns the tail and collects no more.
    pub fn take_tail(&mut self) -> Vec<u8> {
        self.tail.take().map(Tail::into_bytes).unwrap_or_default()
    }

    /// Says that the runtime starts. Never part of a tail, even if it starts inside an invocation.
    pub fn init_start(&mut self, spec: &FunctionSpec, version: &str, phase: &str) {
        let tail = self.tail.take();
        self.write_init_start(spec, version, phase);
        self.tail = tail;
    }

    fn write_init_start(&mut self, spec: &FunctionSpec, version: &str, phase: &str) {
        match self.format {
            LogFormat::Text => self.text(&format!(
                "INIT_START Runtime Version: {version}\tRuntime Version ARN: {}\n",
                spec.runtime_version_arn
            )),
            LogFormat::Json => self.record(
                "platform.initStart",
                Level::Info,
                &json!({
                    "initializationType": "on-demand",
                    "phase": phase,
                    "runtimeVersion": version,
                    "runtimeVersionArn": spec.runtime_version_arn,
                    "functionName": spec.name,
                    "functionVersion": spec.version,
                }),
            ),
        }
    }

    /// Tells how an init ended. On success only the JSON format at DEBUG says so.
    pub fn init_report(&mut self, init_ms: f64, phase: &str, failure: Option<&InitFailure<'_>>) {
        let status = failure.map_or("success", |failure| failure.status);
        let error_type = failure.and_then(|failure| failure.error_type);
        let level = if failure.is_some() {
            Level::Warn
        } else {
            Level::Debug
        };
        match (self.format, failure) {
            (LogFormat::Text, None) => {}
            (LogFormat::Text, Some(_)) => {
                let error = error_type
                    .map(|name| format!("\tError Type: {name}"))
                    .unwrap_or_default();
                self.text(&format!(
                    "INIT_REPORT Init Duration: {init_ms:.2} ms\tPhase: {phase}\tStatus: {status}{error}\n"
                ));
            }
            (LogFormat::Json, _) => {
                let done =
                    json!({ "initializationType": "on-demand", "phase": phase, "status": status });
                self.record(
                    "platform.initRuntimeDone",
                    level,
                    &with(done, "errorType", error_type),
                );
                let report = json!({
                    "initializationType": "on-demand",
                    "phase": phase,
                    "status": status,
                    "metrics": { "durationMs": rounded(init_ms) },
                });
                self.record(
                    "platform.initReport",
                    level,
                    &with(report, "errorType", error_type),
                );
            }
        }
    }

    pub fn start(&mut self, request_id: &str, version: &str) {
        match self.format {
            LogFormat::Text => self.text(&format!(
                "START RequestId: {request_id} Version: {version}\n"
            )),
            LogFormat::Json => {
                self.record(
                    "platform.start",
                    Level::Info,
                    &json!({ "requestId": request_id, "version": version }),
                );
            }
        }
    }

    /// Says that the time was up, which the JSON format leaves to the report.
    pub fn timed_out(&mut self, request_id: &str, timeout_s: u32) {
        if self.format == LogFormat::Text {
            let time = iso(Timestamp::now());
            self.text(&format!(
                "{time} {request_id} Task timed out after {timeout_s}.00 seconds\n\n"
            ));
        }
    }

    /// Says how the runtime died, which the JSON format leaves to the report.
    pub fn exited(&mut self, message: &str, error_type: &str) {
        if self.format == LogFormat::Text {
            self.text(&format!("{message}\n{error_type}\n"));
        }
    }

    /// Says why Darkroom itself ended the environment between two invocations.
    pub fn ended_by_darkroom(&mut self, text: &str) {
        match self.format {
            LogFormat::Text => {
                let time = iso(Timestamp::now());
                self.text(&format!("{time} {text}\n"));
            }
            LogFormat::Json => self.record("platform.fault", Level::Warn, &json!(text)),
        }
    }

    /// Writes END and REPORT.
    pub fn end(&mut self, report: &Report, produced_bytes: usize) {
        match self.format {
            LogFormat::Text => {
                self.text(&format!("END RequestId: {}\n", report.request_id));
                self.text(&report_line(report));
            }
            LogFormat::Json => self.end_json(report, produced_bytes),
        }
    }

    fn end_json(&mut self, report: &Report, produced_bytes: usize) {
        let status = status_word(report.status);
        let good = report.status == Status::Success;
        let error_type = report.error_type.as_deref();
        let done = json!({
            "requestId": report.request_id,
            "status": status,
            "metrics": { "durationMs": rounded(report.duration_ms), "producedBytes": produced_bytes },
        });
        let level = if good { Level::Debug } else { Level::Warn };
        self.record(
            "platform.runtimeDone",
            level,
            &with(done, "errorType", error_type),
        );
        let mut metrics = json!({
            "durationMs": rounded(report.duration_ms),
            "billedDurationMs": report.billed_duration_ms,
            "memorySizeMB": report.memory_mb,
            "maxMemoryUsedMB": report.max_memory_used_mb,
        });
        if let Some(init_ms) = report.init_ms {
            metrics["initDurationMs"] = json!(rounded(init_ms));
        }
        let record =
            json!({ "requestId": report.request_id, "status": status, "metrics": metrics });
        let level = if good { Level::Info } else { Level::Warn };
        self.record(
            "platform.report",
            level,
            &with(record, "errorType", error_type),
        );
    }

    fn text(&mut self, line: &str) {
        self.event(line.as_bytes(), now_ms());
    }

    /// Writes a platform record if the system log level lets it through.
    fn record(&mut self, kind: &str, level: Level, record: &Value) {
        let passes = match level {
            Level::Debug => self.debug,
            Level::Info => !self.warnings_only,
            Level::Warn => true,
        };
        if passes {
            let line = json!({ "time": iso(Timestamp::now()), "type": kind, "record": record });
            self.text(&line.to_string());
        }
    }
}

/// Says whether a line that a handler printed begins as the platform's own do.
fn imitates_platform(message: &[u8]) -> bool {
    let json = || {
        let head = String::from_utf8_lossy(&message[..message.len().min(200)]);
        ["\"platform.report\"", "\"platform.start\""]
            .iter()
            .any(|kind| head.contains(kind))
    };
    PLATFORM_LINES
        .iter()
        .any(|begin| message.starts_with(begin))
        || message.first() == Some(&b'{') && json()
}

/// Why an init failed.
pub struct InitFailure<'a> {
    /// `error` or `timeout`.
    pub status: &'static str,
    pub error_type: Option<&'a str>,
}

/// From which system log level on a record is written ("Lambda system log level event mapping" in
/// AWS's guide).
#[derive(Clone, Copy)]
enum Level {
    Debug,
    Info,
    Warn,
}

/// The last bytes of what was pushed.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn push(&mut self, event: &[u8]) {
        let event = &event[event.len().saturating_sub(TAIL_BYTES)..];
        self.0.extend_from_slice(event);
        if !event.ends_with(b"\n") {
            self.0.push(b'\n');
        }
        if self.0.len() > 4 * TAIL_BYTES {
            self.0.drain(..self.0.len() - TAIL_BYTES);
        }
    }

    fn into_bytes(mut self) -> Vec<u8> {
        let mut start = self.0.len().saturating_sub(TAIL_BYTES);
        // Not in the middle of a character.
        while self.0.get(start).is_some_and(|byte| byte & 0xc0 == 0x80) {
            start += 1;
        }
        self.0.split_off(start)
    }
}

/// Returns the REPORT line as AWS writes it, tabs and final tab included.
fn report_line(report: &Report) -> String {
    let mut line = format!(
        "REPORT RequestId: {}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
        report.request_id,
        report.duration_ms,
        report.billed_duration_ms,
        report.memory_mb,
        report.max_memory_used_mb
    );
    if let Some(init_ms) = report.init_ms {
        let _ = write!(line, "Init Duration: {init_ms:.2} ms\t");
    }
    match (report.status, &report.error_type) {
        (Status::Timeout, _) => line += "Status: timeout",
        (Status::Failure, Some(error_type)) => {
            let _ = write!(line, "Status: error\tError Type: {error_type}");
        }
        _ => {}
    }
    line + "\n"
}

fn status_word(status: Status) -> &'static str {
    match status {
        Status::Success => "success",
        Status::Error => "error",
        Status::Failure => "failure",
        Status::Timeout => "timeout",
    }
}

fn with(mut record: Value, key: &str, value: Option<&str>) -> Value {
    if let Some(value) = value {
        record[key] = value.into();
    }
    record
}

/// Two decimals, as platform records have.
fn rounded(milliseconds: f64) -> f64 {
    (milliseconds * 100.0).round() / 100.0
}

/// When a record happened that is dated so, in microseconds: not in the future.
fn dated(micros: u64) -> i64 {
    i64::try_from(micros / 1000)
        .unwrap_or(i64::MAX)
        .min(now_ms())
}

pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Returns for example `2026-01-01T00:00:00.000Z`.
fn iso(time: Timestamp) -> String {
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Memory(Mutex<Vec<String>>);

    impl LogSink for Memory {
        fn append(&self, _group: &str, _stream: &str, _timestamp_ms: i64, message: &str) {
            self.0.lock().unwrap().push(message.to_owned());
        }
    }

    fn lines() -> (Arc<Memory>, LogLines) {
        let memory = Arc::new(Memory::default());
        let spec = super::super::types::example();
        let sink: Arc<dyn LogSink> = Arc::<Memory>::clone(&memory);
        (memory, LogLines::new(sink, &spec, "stream".into()))
    }

    fn frame(message: &str) -> Vec<u8> {
        let mut frame = 0xa55a_0003_u32.to_be_bytes().to_vec();
        frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
        frame.extend_from_slice(&1_700_000_000_000_000_u64.to_be_bytes());
        frame.extend_from_slice(message.as_bytes());
        frame
    }

    #[test]
    fn printed_lines_are_events_and_carriage_returns_stay_inside() {
        let (memory, mut lines) = lines();
        for piece in ["one\ntw", "o\r2\n", "rest"] {
            lines.printed(piece.as_bytes());
        }
        lines.finish_line();
        assert_eq!(*memory.0.lock().unwrap(), ["one\n", "two\r2\n", "rest"]);
    }

    #[test]
    fn a_framed_record_is_one_event_however_it_arrives() {
        let (memory, mut lines) = lines();
        let bytes = [frame("[ERROR] a\nb\n"), frame("second")].concat();
        for byte in bytes {
            lines.framed(&[byte]);
        }
        assert_eq!(*memory.0.lock().unwrap(), ["[ERROR] a\nb\n", "second"]);
    }

    #[test]
    fn endless_lines_and_frames_keep_memory_bounded_and_lose_nothing() {
        let (memory, mut lines) = lines();
        let long = "x".repeat(1_000_000);
        for piece in long.as_bytes().chunks(65_536) {
            lines.printed(piece);
            assert!(lines.line.len() <= LARGEST_EVENT + 65_536);
        }
        lines.finish_line();
        for piece in frame(&long).chunks(65_536) {
            lines.framed(piece);
            assert!(lines.frames.len() <= LARGEST_EVENT + 2 * 65_536);
        }
        let events = memory.0.lock().unwrap();
        assert_eq!(events.iter().map(String::len).sum::<usize>(), 2_000_000);
        assert!(events.iter().all(|event| event.len() <= LARGEST_EVENT));
    }

    #[test]
    fn an_invocations_log_is_kept_up_to_a_limit_and_what_the_platform_says_always() {
        let (memory, mut lines) = lines();
        lines.begin_tail();
        let piece = ["x".repeat(65_535), "\n".to_owned()].concat().into_bytes();
        for _ in 0..(MOST_KEPT + MOST_KEPT / 8) / piece.len() {
            lines.printed(&piece);
            let kept: usize = memory
                .0
                .lock()
                .unwrap()
                .drain(..)
                .map(|event| event.len())
                .sum();
            assert!(kept <= 2 * piece.len());
        }
        lines.printed(b"left out\n");
        lines.start("next", "1");
        assert_eq!(
            *memory.0.lock().unwrap(),
            ["START RequestId: next Version: 1\n"]
        );
        assert!(
            lines
                .take_tail()
                .ends_with(b"left out\nSTART RequestId: next Version: 1\n"),
            "the tail has the end"
        );
        lines.begin_tail();
        lines.printed(b"kept\n");
        assert_eq!(memory.0.lock().unwrap().last().unwrap(), "kept\n");
    }

    #[test]
    fn a_record_that_a_handler_dates_otherwise_changes_no_order() {
        struct Times(Mutex<Vec<i64>>);
        impl LogSink for Times {
            fn append(&self, _group: &str, _stream: &str, timestamp_ms: i64, _message: &str) {
                self.0.lock().unwrap().push(timestamp_ms);
            }
        }
        let times = Arc::new(Times(Mutex::default()));
        let sink: Arc<dyn LogSink> = Arc::<Times>::clone(&times);
        let mut lines = LogLines::new(sink, &super::super::types::example(), "stream".into());
        lines.start("a", "1");
        for micros in [0, u64::MAX, 1_700_000_000_000_000, 1 << 60] {
            let mut frame = frame("START RequestId: b Version: 1");
            frame[8..16].copy_from_slice(&micros.to_be_bytes());
            lines.framed(&frame);
        }
        lines.printed(b"plain\n");
        let times = times.0.lock().unwrap();
        assert!(
            times.is_sorted() && times.len() == 6 && times[5] <= now_ms(),
            "{times:?}"
        );
    }

    #[test]
    fn the_tail_is_the_last_four_kilobytes() {
        let (_, mut lines) = lines();
        lines.begin_tail();
        for number in 0..10_000 {
            lines.printed(format!("line {number}\n").as_bytes());
        }
        let tail = String::from_utf8(lines.take_tail()).unwrap();
        assert_eq!(tail.len(), TAIL_BYTES);
        assert!(tail.ends_with("line 9998\nline 9999\n"));
    }

    #[test]
    fn a_report_line_reads_as_awss() {
        let mut report = Report {
            request_id: "id".into(),
            duration_ms: 3.005,
            billed_duration_ms: 114,
            memory_mb: 128,
            max_memory_used_mb: 36,
            init_ms: Some(110.1),
            status: Status::Success,
            error_type: None,
            log_stream: String::new(),
        };
        assert_eq!(
            report_line(&report),
            "REPORT RequestId: id\tDuration: 3.00 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t\n"
        );
        report.init_ms = None;
        report.status = Status::Failure;
        report.error_type = Some("Runtime.ExitError".into());
        assert!(
            report_line(&report).ends_with(
                "Max Memory Used: 36 MB\tStatus: error\tError Type: Runtime.ExitError\n"
            )
        );
    }

    #[test]
    fn a_time_has_three_decimals_and_a_z() {
        let time = Timestamp::from_millisecond(1_767_225_600_000).unwrap();
        assert_eq!(iso(time), "2026-01-01T00:00:00.000Z");
    }

    #[test]
    fn whatever_a_handler_prints_is_taken() {
        let words = &[
            "\n",
            "START RequestId: a Version: 1",
            "\0\0\0\x05",
            "\0\0\0\0\0\0\0\0",
            "hello",
            "\x7f\x7f\x7f\x7f",
            "é",
            "\r",
        ];
        crate::hostile::Parser {
            name: "log-lines",
            words,
            longest: 1 << 20,
        }
        .hold(|input| {
            let (_, mut lines) = lines();
            lines.begin_tail();
            // In pieces, as a pipe gives them.
            for piece in input.chunks(1 + input.len() / 7) {
                lines.printed(piece);
                let framed = [&FRAME_MAGIC[..], piece].concat();
                lines.framed(&framed);
                lines.framed(piece);
            }
            lines.finish_line();
            assert!(lines.take_tail().len() <= TAIL_BYTES);
        });
    }
}
