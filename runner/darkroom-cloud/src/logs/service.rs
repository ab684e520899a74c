//! The logs of one account, as the server and the environments use them.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;

use super::{api, store};
use crate::lambda::environment::LogSink;
use crate::metrics::Metrics;

/// The logs of one account in one region. Cheap to clone.
#[derive(Clone)]
pub struct Logs {
    pub(super) store: Arc<store::LogStore>,
    pub(super) region: Arc<str>,
    pub(super) embedded: Option<Metrics>,
}

impl Logs {
    /// Opens the logs kept in `folder`, making it if need be. Blocks while it reads the index.
    pub fn open(folder: &Path, region: &str) -> std::io::Result<Self> {
        Ok(Self {
            store: Arc::new(store::LogStore::open(folder)?),
            region: region.into(),
            embedded: None,
        })
    }

    /// Has the metrics that log lines embed (EMF) recorded in `metrics`.
    #[must_use]
    pub fn with_embedded_metrics(self, metrics: Metrics) -> Self {
        Self {
            embedded: Some(metrics),
            ..self
        }
    }

    pub(super) fn record_embedded(&self, message: &str) {
        if let Some(metrics) = &self.embedded {
            metrics.embedded(message);
        }
    }

    /// Answers one request, whose body was read whole.
    pub async fn answer(&self, parts: &Parts, body: Bytes) -> http::Response<Bytes> {
        let target = parts
            .headers
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok())
            .unwrap_or_default();
        let operation = target
            .rsplit_once('.')
            .map_or(target, |(_, operation)| operation)
            .to_owned();
        let logs = self.clone();
        // A search may read a lot of the file.
        let answered = tokio::task::spawn_blocking(move || api::answer(&logs, &operation, &body));
        answered
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// Writes what is still buffered. Done on drop too.
    pub fn flush(&self) {
        self.store.flush();
    }
}

impl LogSink for Logs {
    fn append(&self, group: &str, stream: &str, timestamp_ms: i64, message: &str) {
        self.store.append(group, stream, timestamp_ms, message);
        self.record_embedded(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_client_sends_is_answered() {
        let words = &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\"logGroupName\":\"/g\"",
            "\"nextToken\":\"f/",
            "\"filterPattern\":\"{ $.a = 1 }\"",
            "\"startTime\":",
            "-9223372036854775808",
            "9223372036854775807",
            "1e999",
            "\"limit\":",
            "0",
            "null",
            "\\u0000",
            "é",
            ":log-group:",
            "0000000000000000000000000000",
        ];
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::open(folder.path(), "us-east-1").unwrap();
        logs.append("/g", "s", 1_700_000_000_000, "{\"a\": 1}");
        for operation in [
            "FilterLogEvents",
            "GetLogEvents",
            "DescribeLogStreams",
            "DescribeLogGroups",
            "PutLogEvents",
            "TagResource",
        ] {
            crate::hostile::Parser {
                name: "logs-json",
                words,
                longest: 4 << 20,
            }
            .hold(|input| {
                drop(api::answer(
                    &logs,
                    operation,
                    &Bytes::copy_from_slice(input),
                ));
            });
        }
    }
}
