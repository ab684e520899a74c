//! The metrics of one account, as the server, the logs and the environments use them.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;

use super::{api, emf, store, wire};
use crate::lambda::environment::MetricSink;

/// The metrics of one account in one region. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<store::MetricStore>);

impl Metrics {
    /// Opens the metrics kept in `folder`, making it if need be.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        Ok(Self(Arc::new(store::MetricStore::open(folder)?)))
    }

    /// Answers one request, whose body was read whole.
    pub fn answer(&self, parts: &Parts, body: &Bytes) -> http::Response<Bytes> {
        wire::answer(parts, body, |operation, request| {
            api::answer(&self.0, operation, request)
        })
    }

    /// Refuses a request for lack of a permission, in the protocol it came in.
    pub fn refuse(parts: &Parts, body: &Bytes, message: String) -> http::Response<Bytes> {
        let mut response = wire::answer(parts, body, |_, _| {
            Err(wire::QueryFault {
                code: "AccessDenied",
                message,
            })
        });
        *response.status_mut() = http::StatusCode::FORBIDDEN;
        response
    }

    /// Records the metrics that a log line embeds (EMF), if it is such a line. Cheap for lines that
    /// are not.
    pub fn embedded(&self, message: &str) {
        emf::record(message, |observation| self.0.record(&observation));
    }

    /// Writes the metrics to their folder if there are new ones. Done on drop too; what came later
    /// than the last time is lost by a `kill -9`.
    pub fn flush(&self) -> std::io::Result<()> {
        self.0.save()
    }
}

impl MetricSink for Metrics {
    fn put(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &[(&str, &str)],
        value: f64,
        unit: &str,
        timestamp_ms: i64,
    ) {
        let dimensions = dimensions
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.0.record(&store::Observation {
            metric: store::Metric {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                dimensions,
            },
            unit: unit.to_owned(),
            timestamp_ms,
            values: store::Values::List(vec![(value, 1.0)]),
        });
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::hostile::Parser;

    /// Feeds requests through to a store that holds one metric.
    fn hold(name: &str, words: &[&str], head: impl Fn() -> http::request::Builder + Sync) {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Metrics::open(folder.path()).unwrap();
        metrics.put(
            "N",
            "m",
            &[],
            1.0,
            "Count",
            jiff::Timestamp::now().as_millisecond(),
        );
        let parser = Parser {
            name,
            words,
            longest: 4 << 20,
        };
        parser.hold(|input| {
            drop(metrics.answer(
                &head().body(()).unwrap().into_parts().0,
                &Bytes::copy_from_slice(input),
            ));
        });
    }

    const OPERATIONS: [&str; 4] = [
        "PutMetricData",
        "GetMetricData",
        "GetMetricStatistics",
        "ListMetrics",
    ];

    #[test]
    fn whatever_comes_as_cbor_is_answered() {
        let words = &[
            "A",
            "a",
            "dName",
            "eValue",
            "fPeriod",
            "iStartTime",
            "gEndTime",
            "jNamespace",
            "jMetricData",
            "\x01",
            "\x18\x3c",
            "\x1b\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f",
            "\x3b\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f",
            "\x7f",
            "é",
        ];
        for operation in OPERATIONS {
            hold("metrics-cbor", words, || {
                Request::post(format!(
                    "/service/GraniteServiceVersion20100801/operation/{operation}"
                ))
            });
        }
    }

    #[test]
    fn whatever_comes_as_json_is_answered() {
        let words = &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\"Namespace\":\"N\"",
            "\"MetricData\":[",
            "\"StartTime\":",
            "\"NextToken\":\"",
            "-1",
            "1e999",
            "9223372036854775807",
            "18446744073709551615",
            "null",
            "\"m1 + m1\"",
            "\\ud800",
            "é",
        ];
        for operation in OPERATIONS {
            hold("metrics-json", words, || {
                Request::post("/").header("x-amz-target", format!("G.{operation}"))
            });
        }
    }

    #[test]
    fn whatever_comes_as_a_form_is_answered() {
        let words = &[
            "Action=GetMetricData",
            "&",
            "=",
            ".",
            "member.1.",
            "MetricData.",
            "Dimensions.",
            "%",
            "%2",
            "%ff",
            "+",
            "Period=",
            "9223372036854775807",
            "-1",
            "StartTime=2026-01-01T00:00:00Z",
            "é",
        ];
        hold("metrics-form", words, || Request::post("/"));
    }

    #[test]
    fn whatever_a_handler_prints_is_a_metric_or_is_not() {
        let words = &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"_aws\":",
            "\"CloudWatchMetrics\":[",
            "\"Dimensions\":[[",
            "\"d\"",
            "\"Metrics\":[",
            "{\"Name\":\"x\"},",
            "\"Timestamp\":",
            "-9223372036854775808",
            "1e400",
            "\"x\":1",
            "[\"d\"],",
        ];
        let folder = tempfile::tempdir().unwrap();
        let metrics = Metrics::open(folder.path()).unwrap();
        Parser {
            name: "embedded-metrics",
            words,
            longest: 256 << 10,
        }
        .hold(|input| metrics.embedded(&String::from_utf8_lossy(input)));
    }
}
