//! The operations: `PutMetricData`, `GetMetricData`, `GetMetricStatistics`, `ListMetrics`.

mod get;
mod put;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::store::{Metric, MetricStore};
use super::wire::{MetricsResult, QueryFault, Reply};

/// Answers one operation.
pub fn answer(store: &MetricStore, operation: &str, request: Value) -> MetricsResult {
    match operation {
        "PutMetricData" => put::put_metric_data(store, read(request)?),
        "GetMetricData" => get::metric_data(store, read(request)?),
        "GetMetricStatistics" => get::metric_statistics(store, read(request)?),
        "ListMetrics" => list_metrics(store, &read(request)?),
        "" => Err(QueryFault {
            code: "MissingAction",
            message: "The request names no action.".to_owned(),
        }),
        _ => Err(QueryFault {
            code: "InvalidAction",
            message: format!("The action {operation} is not valid for this endpoint."),
        }),
    }
}

fn read<T: DeserializeOwned>(request: Value) -> Result<T, QueryFault> {
    serde_json::from_value(request).map_err(|error| QueryFault {
        code: "MalformedInput",
        message: error.to_string(),
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension {
    name: Option<String>,
    value: Option<String>,
}

/// Checks dimensions and returns them by name.
fn dimensions(given: Vec<Dimension>) -> Result<BTreeMap<String, String>, QueryFault> {
    if given.len() > 30 {
        return Err(QueryFault::value(
            "The parameter Dimensions must not have more than 30 elements.",
        ));
    }
    let mut dimensions = BTreeMap::new();
    for Dimension { name, value } in given {
        let name = name
            .filter(|name| !name.is_empty())
            .ok_or_else(|| QueryFault::missing("Dimensions.member.1.Name"))?;
        let value = value
            .filter(|value| !value.is_empty())
            .ok_or_else(|| QueryFault::missing("Dimensions.member.1.Value"))?;
        if name.len() > 255 || value.len() > 1024 {
            return Err(QueryFault::value("The value for a dimension is too long."));
        }
        if dimensions.insert(name, value).is_some() {
            return Err(QueryFault::value(
                "No metric may specify the same dimension name twice.",
            ));
        }
    }
    Ok(dimensions)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListMetrics {
    namespace: Option<String>,
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    next_token: Option<String>,
    recently_active: Option<String>,
}

/// The most metrics on one page.
const PAGE: usize = 500;

fn list_metrics(store: &MetricStore, request: &ListMetrics) -> MetricsResult {
    let since_minute = match request.recently_active.as_deref() {
        None => i64::MIN,
        Some("PT3H") => now_ms().div_euclid(60_000) - 180,
        Some(other) => {
            return Err(QueryFault::value(format!(
                "The value {other} for parameter RecentlyActive is not supported."
            )));
        }
    };
    let named =
        |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    let found = store.metrics(|metric, series| {
        named(&request.namespace, &metric.namespace)
            && named(&request.metric_name, &metric.name)
            && request.dimensions.iter().all(|wanted| {
                let value = metric
                    .dimensions
                    .get(wanted.name.as_deref().unwrap_or_default());
                value.is_some_and(|value| named(&wanted.value, value))
            })
            && series
                .values()
                .any(|minutes| minutes.range(since_minute..).next().is_some())
    });
    let start = match &request.next_token {
        None => 0,
        Some(token) => token.parse().map_err(|_| QueryFault {
            code: "InvalidNextToken",
            message: "The next token specified is invalid.".to_owned(),
        })?,
    };
    let page: Vec<Reply> = found.iter().skip(start).take(PAGE).map(show).collect();
    let mut reply = vec![("Metrics", Reply::List(page))];
    let end = start.saturating_add(PAGE);
    if end < found.len() {
        reply.push(("NextToken", Reply::Text(end.to_string())));
    }
    Ok(Reply::Map(reply))
}

fn show(metric: &Metric) -> Reply {
    let dimension = |(name, value): (&String, &String)| {
        Reply::Map(vec![
            ("Name", Reply::Text(name.clone())),
            ("Value", Reply::Text(value.clone())),
        ])
    };
    Reply::Map(vec![
        ("Namespace", Reply::Text(metric.namespace.clone())),
        ("MetricName", Reply::Text(metric.name.clone())),
        (
            "Dimensions",
            Reply::List(metric.dimensions.iter().map(dimension).collect()),
        ),
    ])
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A number that the query protocol sends as text.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        number
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(format!("{value} is not a number")))
    }
}

/// The end of the year 9999, in milliseconds since the epoch.
const LAST_MS: i64 = 253_402_300_800_000;

/// A time, in milliseconds since the epoch, that comes as seconds or as ISO 8601 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Time(i64);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let seconds = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        let milliseconds = match seconds {
            Some(seconds) => Some((seconds * 1000.0).round() as i64),
            None => value
                .as_str()
                .and_then(|text| text.parse::<jiff::Timestamp>().ok())
                .map(jiff::Timestamp::as_millisecond),
        };
        // Within the years that a calendar has, so that no arithmetic on it overflows.
        let milliseconds =
            milliseconds.filter(|milliseconds| (-LAST_MS..=LAST_MS).contains(milliseconds));
        milliseconds
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(format!("{value} is not a time")))
    }
}
