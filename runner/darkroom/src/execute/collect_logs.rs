//! Reads functions' logs: which environment served which request, and all lines of a period.
//!
//! Once per session for the environments, never per invocation. What the logs do not show is
//! counted, not guessed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata;
use darkroom_core::event::{Event, Invocation, Status};
use tokio::time::Instant;

use super::clocks::Clocks;
use super::log_lines::{self, Line};
use super::pass::Bench;
use crate::control_pace::Pace;
use crate::error_text::error_message;
use crate::record::Emitter;

pub const FIRST_PAUSE: Duration = Duration::from_millis(20);
pub const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A read that is refused for being one too many is made again for so long.
const LONGEST_THROTTLE: Duration = Duration::from_mins(2);
/// Filters the lines with which invocations begin, of both formats of logs.
const STARTS: &str = "?\"START RequestId: \" ?\"platform.start\"";
/// Clocks of the runner and the platform may be this far apart, ms.
pub const CLOCKS_APART_MS: i64 = 60_000;

/// The requests of a session whose environment is not known yet, by function.
#[derive(Default)]
pub struct Served {
    requests: Mutex<BTreeMap<String, HashMap<String, Option<Called>>>>,
}

/// When the runner sent a call and had its answer, epoch ms.
#[derive(Clone, Copy)]
struct Called {
    sent_ms: f64,
    answered_ms: f64,
}

impl Served {
    /// Requests with their functions, of earlier sessions.
    pub fn of(requests: impl IntoIterator<Item = (String, String)>) -> Self {
        let served = Self::default();
        let mut open = served
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (request_id, function) in requests {
            open.entry(function).or_default().insert(request_id, None);
        }
        drop(open);
        served
    }

    /// Remembers an invocation that ran, if its environment is not known.
    pub fn remember(&self, invocation: &Invocation) {
        let ran = !matches!(invocation.status, Status::Throttled | Status::CallError);
        let Some(request_id) = invocation.request_id.as_ref().filter(|_| ran) else {
            return;
        };
        if invocation.environment_id.is_none() {
            let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
            requests
                .entry(invocation.function.clone())
                .or_default()
                .insert(request_id.clone(), called(invocation));
        }
    }

    /// Emits the environment of every remembered request that the logs show; returns how many they
    /// do not show.
    ///
    /// `since_ms` is when the session began. Waits up to `patience` for logs that are late.
    pub async fn emit_environments(
        &self,
        bench: &Bench,
        since_ms: i64,
        patience: Duration,
    ) -> usize {
        let Bench {
            setup,
            emitter,
            clocks,
            ..
        } = bench;
        self.emit_environments_of(&setup.logs, emitter, since_ms, patience, Some(clocks))
            .await
    }

    /// The same, of requests that say nothing of clocks where none are given.
    pub async fn emit_environments_of(
        &self,
        logs: &LogReader,
        emitter: &Emitter,
        since_ms: i64,
        patience: Duration,
        clocks: Option<&Clocks>,
    ) -> usize {
        let mut open =
            std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner));
        let deadline = Instant::now() + patience;
        let mut pause = FIRST_PAUSE;
        loop {
            for (function, requests) in &mut open {
                // A log that can't be read now is read again; in the end its requests are counted
                // as missing.
                let lines = logs
                    .lines(function, since_ms - CLOCKS_APART_MS, Some(STARTS))
                    .await;
                for line in lines.unwrap_or_default() {
                    let request_id = log_lines::started(&line.message);
                    if let Some((request_id, called)) =
                        request_id.and_then(|id| requests.remove_entry(&*id))
                    {
                        if let (Some(clocks), Some(called)) = (clocks, called) {
                            clocks.saw(
                                line.timestamp_ms as f64,
                                called.sent_ms,
                                called.answered_ms,
                            );
                        }
                        emitter.emit(Event::EnvironmentSeen {
                            request_id,
                            environment_id: line.stream,
                        });
                    }
                }
            }
            open.retain(|_, requests| !requests.is_empty());
            if open.is_empty() || Instant::now() >= deadline {
                return open.values().map(HashMap::len).sum();
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn called(invocation: &Invocation) -> Option<Called> {
    let sent: jiff::Timestamp = invocation.started_at.parse().ok()?;
    let sent_ms = sent.as_millisecond() as f64;
    Some(Called {
        sent_ms,
        answered_ms: sent_ms + invocation.client_ms?,
    })
}

/// The functions' logs, read no faster than the platform answers.
pub struct LogReader {
    client: Client,
    pace: Pace,
}

impl LogReader {
    /// `apart`: how far apart its calls begin at least; of the SDK's retries only its own pauses
    /// are.
    pub const fn new(client: Client, apart: Duration) -> Self {
        Self {
            client,
            pace: Pace::new(apart),
        }
    }

    /// Returns what `function` logged since a time, in order; nothing when it has never logged.
    pub async fn lines(
        &self,
        function: &str,
        since_ms: i64,
        pattern: Option<&str>,
    ) -> Result<Vec<Line>, String> {
        let search = self
            .client
            .filter_log_events()
            .log_group_name(format!("/aws/lambda/{function}"));
        let search = search
            .start_time(since_ms.max(0))
            .set_filter_pattern(pattern.map(str::to_owned));
        let deadline = Instant::now() + LONGEST_THROTTLE;
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            self.pace.turn().await;
            let page = match search.clone().set_next_token(token.clone()).send().await {
                Ok(page) => page,
                Err(error) if error.code() == Some("ResourceNotFoundException") => {
                    return Ok(found);
                }
                // Someone else in the account reads logs too.
                Err(error)
                    if error.code() == Some("ThrottlingException") && Instant::now() < deadline =>
                {
                    tokio::time::sleep(LONGEST_PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error_message(&error)),
            };
            let next = page
                .next_token
                .filter(|next| !next.is_empty() && token.as_ref() != Some(next));
            found.extend(
                page.events
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|event| {
                        Some(Line {
                            stream: event.log_stream_name?,
                            timestamp_ms: event.timestamp.unwrap_or_default(),
                            message: event.message.unwrap_or_default(),
                        })
                    }),
            );
            if next.is_none() {
                return Ok(found);
            }
            token = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_sdk_cloudwatchlogs::config::retry::RetryConfig;
    use aws_sdk_cloudwatchlogs::config::{BehaviorVersion, Credentials, Region};
    use axum::Router;
    use axum::body::Bytes;
    use axum::extract::State;
    use axum::http::StatusCode;

    use super::*;

    type Begun = Arc<Mutex<Vec<Instant>>>;

    /// Two pages, an event each, and of `throttled` a refusal first; notes when it was called.
    async fn page(State(begun): State<Begun>, body: Bytes) -> (StatusCode, &'static str) {
        let body = String::from_utf8_lossy(&body);
        let mut begun = begun.lock().unwrap();
        begun.push(Instant::now());
        if body.contains("throttled") && begun.len() == 1 {
            (
                StatusCode::BAD_REQUEST,
                r#"{"__type": "ThrottlingException", "message": "Rate exceeded"}"#,
            )
        } else if body.contains("nextToken") {
            (
                StatusCode::OK,
                r#"{"events": [{"logStreamName": "s", "timestamp": 2, "message": "b"}]}"#,
            )
        } else {
            (
                StatusCode::OK,
                r#"{"events": [{"logStreamName": "s", "timestamp": 1, "message": "a"}], "nextToken": "t"}"#,
            )
        }
    }

    async fn reader(apart: Duration) -> (LogReader, Begun) {
        let begun = Begun::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(page).with_state(begun.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = aws_sdk_cloudwatchlogs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(endpoint);
        (
            LogReader::new(Client::from_conf(config.build()), apart),
            begun,
        )
    }

    #[tokio::test]
    async fn a_read_that_is_one_too_many_is_made_again_and_is_no_error() {
        let (reader, begun) = reader(Duration::ZERO).await;
        let lines = reader.lines("throttled", 0, None).await.unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!(begun.lock().unwrap().len(), 3, "one refusal, two pages");
    }

    #[tokio::test]
    async fn every_page_of_every_function_takes_its_turn() {
        let apart = Duration::from_millis(30);
        let (reader, begun) = reader(apart).await;
        let before = Instant::now();
        let (one, other) = futures::join!(reader.lines("f", 0, None), reader.lines("g", 0, None));
        let texts = |lines: Vec<Line>| {
            lines
                .into_iter()
                .map(|line| line.message)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (texts(one.unwrap()), texts(other.unwrap())),
            (vec!["a".into(), "b".into()], vec!["a".into(), "b".into()])
        );
        let calls = begun.lock().unwrap().clone();
        assert_eq!(calls.len(), 4);
        assert!(
            *calls.last().unwrap() - before >= 3 * apart,
            "the fourth call has its turn after three"
        );
    }
}
