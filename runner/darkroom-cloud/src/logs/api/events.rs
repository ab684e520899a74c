//! Log events: put, read stream by stream, searched across a group.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Logs;
use super::super::pattern::{self, InvalidPattern, Pattern};
use super::super::reader::{Reader, Window};
use super::super::store::{Key, LogEvent};
use super::{ApiError, LogsResult, group_name, limit, object, stream_name};

/// Sequence tokens have had no effect since 2023; AWS still sends one.
pub const SEQUENCE_TOKEN: &str = "49039859600875014150104700414510002563022033184834";

/// The most that one call takes or gives, counting 26 bytes for each event.
const MAX_BYTES: usize = 1_048_576;
const MAX_EVENTS: usize = 10_000;
const EVENT_OVERHEAD: usize = 26;
/// Bytes that one search reads at most, each counted once for every part of the pattern. A page
/// then ends, and its token leads on, as on AWS: a pattern of many terms over a long log can't hold
/// up the process that measures.
const MAX_SEARCHED: usize = 1 << 30;
/// Events older than this are not taken: 14 days.
const TOO_OLD_MS: i64 = 14 * 24 * 3600 * 1000;
/// Nor those further in the future: 2 hours.
const TOO_NEW_MS: i64 = 2 * 3600 * 1000;

#[derive(Deserialize)]
pub struct Put {
    #[serde(rename = "logGroupName")]
    group: Option<String>,
    #[serde(rename = "logStreamName")]
    stream: Option<String>,
    #[serde(rename = "logEvents")]
    events: Option<Vec<InputEvent>>,
}

#[derive(Deserialize)]
struct InputEvent {
    timestamp: i64,
    message: String,
}

pub fn put(logs: &Logs, request: Put) -> LogsResult {
    let group = group_name(request.group, None, "logGroupName")?;
    let stream = stream_name(request.stream)?;
    let events = request
        .events
        .ok_or_else(|| ApiError::constraint("logEvents", None, "not be null"))?;
    if events.is_empty() || events.len() > MAX_EVENTS {
        let bound = if events.is_empty() {
            "greater than or equal to 1"
        } else {
            "less than or equal to 10000"
        };
        return Err(ApiError::constraint(
            "logEvents",
            Some("[]"),
            &format!("have length {bound}"),
        ));
    }
    let size: usize = events
        .iter()
        .map(|event| event.message.len() + EVENT_OVERHEAD)
        .sum();
    if size > MAX_BYTES {
        return Err(ApiError::invalid(format!(
            "Upload too large: {size} bytes exceeds limit of {MAX_BYTES}"
        )));
    }
    if events
        .windows(2)
        .any(|pair| pair[0].timestamp > pair[1].timestamp)
    {
        return Err(ApiError::invalid(
            "Log events in a single PutLogEvents request must be in chronological order.",
        ));
    }
    let now = jiff::Timestamp::now().as_millisecond();
    let first_kept = events.partition_point(|event| event.timestamp < now - TOO_OLD_MS);
    let end_kept = events.partition_point(|event| event.timestamp <= now + TOO_NEW_MS);
    let rejected = object([
        (
            "tooOldLogEventEndIndex",
            (first_kept > 0).then(|| json!(first_kept)),
        ),
        (
            "tooNewLogEventStartIndex",
            (end_kept < events.len()).then(|| json!(end_kept)),
        ),
    ]);
    let kept: Vec<(i64, String)> = events
        .into_iter()
        .take(end_kept)
        .skip(first_kept)
        .map(|event| (event.timestamp, event.message))
        .collect();
    logs.store.put(&group, &stream, &kept)?;
    for (_, message) in &kept {
        logs.record_embedded(message);
    }
    let rejected = rejected
        .as_object()
        .is_some_and(|fields| !fields.is_empty())
        .then_some(rejected);
    Ok(object([
        ("nextSequenceToken", Some(json!(SEQUENCE_TOKEN))),
        ("rejectedLogEventsInfo", rejected),
    ]))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Get {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
    limit: Option<i64>,
    #[serde(default)]
    start_from_head: bool,
}

/// Which way a token of `GetLogEvents` reads on from its place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

pub fn get(logs: &Logs, request: Get) -> LogsResult {
    let group = group_name(
        request.log_group_name,
        request.log_group_identifier,
        "logGroupName",
    )?;
    let stream = stream_name(request.log_stream_name)?;
    let most = limit(request.limit, MAX_EVENTS, MAX_EVENTS)?;
    let reader = logs.store.stream(&group, &stream)?;
    let (first, end) = span(&reader, request.start_time, request.end_time);
    let (direction, first, end, place) =
        match request.next_token.as_deref().map(read_token).transpose()? {
            Some((Direction::Forward, key)) => (
                Direction::Forward,
                first.max(reader.position(key)),
                end,
                Some(key),
            ),
            Some((Direction::Backward, key)) => (
                Direction::Backward,
                first,
                end.min(reader.position(key)),
                Some(key),
            ),
            None if request.start_from_head => (Direction::Forward, first, end, None),
            None => (Direction::Backward, first, end, None),
        };
    let events = take(&reader, first, end, most, direction)?;
    // A page with nothing in it gives its own place back, by which a client sees that it is at the
    // end.
    let start = place.or_else(|| (first < reader.len()).then(|| reader.key(first)));
    let start = start.unwrap_or(Key {
        timestamp_ms: 0,
        offset: 0,
    });
    let backward = events.first().map_or(start, |event| event.key);
    let forward = events.last().map_or(start, |event| Key {
        offset: event.key.offset + 1,
        ..event.key
    });
    let shown: Vec<Value> = events.iter().map(show).collect();
    Ok(json!({
        "events": shown,
        "nextForwardToken": token('f', forward),
        "nextBackwardToken": token('b', backward),
    }))
}

/// Returns the indices of the events from `start` (inclusive) to `end` (exclusive), in
/// milliseconds.
fn span(reader: &Reader<'_>, start: Option<i64>, end: Option<i64>) -> (usize, usize) {
    let at = |time: Option<i64>, otherwise: usize| {
        time.map_or(otherwise, |time| {
            reader.position(Key {
                timestamp_ms: time,
                offset: 0,
            })
        })
    };
    (at(start, 0), at(end, reader.len()))
}

/// Takes up to `most` events and [`MAX_BYTES`] of the span, from its head or its tail, in order.
fn take(
    reader: &Reader<'_>,
    first: usize,
    end: usize,
    most: usize,
    from: Direction,
) -> Result<Vec<LogEvent>, ApiError> {
    let mut size = 0;
    let mut fits = |index: &usize| {
        size += reader.line_bytes(*index);
        size <= MAX_BYTES
    };
    // At least one event is given, however long it is.
    let (first, end) = match from {
        Direction::Forward => {
            let count = (first..end).take(most).take_while(&mut fits).count();
            (first, end.min(first + count.max(1)))
        }
        Direction::Backward => {
            let count = (first..end).rev().take(most).take_while(&mut fits).count();
            (first.max(end.saturating_sub(count.max(1))), end)
        }
    };
    let mut window = Window::default();
    (first..end)
        .map(|index| reader.event(index, &mut window).map_err(ApiError::from))
        .collect()
}

fn show(event: &LogEvent) -> Value {
    json!({ "timestamp": event.key.timestamp_ms, "message": event.message, "ingestionTime": event.ingestion_ms })
}

/// Tokens look as on AWS: a direction and 56 digits. Ours hold the key.
fn token(direction: char, key: Key) -> String {
    format!(
        "{direction}/{:028}{:028}/s",
        key.timestamp_ms.max(0),
        key.offset
    )
}

fn read_token(token: &str) -> Result<(Direction, Key), ApiError> {
    let parsed = || {
        let digits = token.get(2..58)?;
        // A token may hold anything, in the middle of a character too.
        let key = Key {
            timestamp_ms: digits.get(..28)?.parse().ok()?,
            offset: digits.get(28..)?.parse().ok()?,
        };
        match token.get(..2)? {
            "f/" => Some((Direction::Forward, key)),
            "b/" => Some((Direction::Backward, key)),
            _ => None,
        }
    };
    parsed().ok_or_else(|| ApiError::invalid("The specified nextToken is invalid."))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    #[serde(rename = "filterPattern")]
    pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

/// One stream on its way through a search: the next event to look at.
struct Cursor<'a> {
    stream: String,
    reader: Reader<'a>,
    next: usize,
    end: usize,
}

pub fn filter(logs: &Logs, request: Filter) -> LogsResult {
    let group = group_name(
        request.log_group_name,
        request.log_group_identifier,
        "logGroupName",
    )?;
    if request.log_stream_names.is_some() && request.log_stream_name_prefix.is_some() {
        return Err(ApiError::invalid(
            "Either logStreamNames or logStreamNamePrefix can be specified, not both.",
        ));
    }
    let pattern = pattern(request.pattern.as_deref().unwrap_or_default())?;
    let most = limit(request.limit, MAX_EVENTS, MAX_EVENTS)?;
    let names = match request.log_stream_names {
        Some(names) => names,
        None => logs.store.with_group(&group, |group| {
            let prefix = request
                .log_stream_name_prefix
                .as_deref()
                .unwrap_or_default();
            group
                .streams
                .keys()
                .filter(|name| name.starts_with(prefix))
                .cloned()
                .collect()
        })?,
    };
    let from = request
        .next_token
        .as_deref()
        .map(|token| read_token(token).map(|(_, key)| key))
        .transpose()?;
    let mut cursors = Vec::new();
    for stream in names {
        // AWS too refuses a search that names a stream which is not there.
        let reader = logs.store.stream(&group, &stream)?;
        // The end is inclusive here, unlike in GetLogEvents.
        let (first, end) = span(
            &reader,
            request.start_time,
            request.end_time.map(|end| end.saturating_add(1)),
        );
        let next = from.map_or(first, |key| first.max(reader.position(key)));
        if next < end {
            cursors.push(Cursor {
                stream,
                reader,
                next,
                end,
            });
        }
    }
    let (events, next) = search(cursors, &pattern, most)?;
    Ok(object([
        ("events", Some(json!(events))),
        ("searchedLogStreams", Some(json!([]))),
        ("nextToken", next.map(|key| json!(token('f', key)))),
    ]))
}

fn pattern(text: &str) -> Result<Pattern, ApiError> {
    Pattern::parse(text).map_err(|error| match error {
        InvalidPattern::TooLong => {
            let constraint = format!("have length less than or equal to {}", pattern::LONGEST);
            ApiError::constraint("filterPattern", Some(text), &constraint)
        }
        InvalidPattern::Malformed => ApiError::invalid(error.to_string()),
    })
}

/// Walks all streams in order of time, and returns what matches and where the next page starts.
fn search(
    mut cursors: Vec<Cursor<'_>>,
    pattern: &Pattern,
    most: usize,
) -> Result<(Vec<Value>, Option<Key>), ApiError> {
    let (mut found, mut size, mut searched, needles) = (Vec::new(), 0, 0, pattern.needles());
    let mut window = Window::default();
    let mut heads: std::collections::BinaryHeap<_> = cursors
        .iter()
        .enumerate()
        .map(|(index, cursor)| std::cmp::Reverse((cursor.reader.key(cursor.next), index)))
        .collect();
    while let Some(std::cmp::Reverse((key, index))) = heads.pop() {
        let cursor = &mut cursors[index];
        if searched > MAX_SEARCHED {
            return Ok((found, Some(key)));
        }
        searched += cursor.reader.line_bytes(cursor.next) * pattern.parts();
        let candidate = cursor.reader.holds(cursor.next, &needles, &mut window)?;
        let event = candidate
            .then(|| cursor.reader.event(cursor.next, &mut window))
            .transpose()?;
        if let Some(event) = event.filter(|event| pattern.matches(&event.message)) {
            size += event.message.len() + EVENT_OVERHEAD;
            if found.len() == most || (size > MAX_BYTES && !found.is_empty()) {
                return Ok((found, Some(key)));
            }
            let mut shown = show(&event);
            shown["logStreamName"] = json!(cursor.stream);
            shown["eventId"] = json!(format!(
                "{:018}{:020}{:018}",
                key.timestamp_ms.max(0),
                key.offset,
                0
            ));
            found.push(shown);
        }
        cursor.next += 1;
        if cursor.next < cursor.end {
            heads.push(std::cmp::Reverse((cursor.reader.key(cursor.next), index)));
        }
    }
    Ok((found, None))
}
