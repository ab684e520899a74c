//! `PutMetricData`.

use serde::Deserialize;

use super::super::store::{Metric, MetricStore, Observation, Values};
use super::super::wire::{MetricsResult, QueryFault, Reply};
use super::{Dimension, Number, Time, dimensions, now_ms};

/// Data older than two weeks, or more than two hours ahead, are refused.
const TOO_OLD_MS: i64 = 14 * 24 * 3600 * 1000;
const TOO_NEW_MS: i64 = 2 * 3600 * 1000;

const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutMetricData {
    namespace: Option<String>,
    #[serde(default)]
    metric_data: Vec<Datum>,
    #[serde(default)]
    entity_metric_data: Vec<EntityData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EntityData {
    #[serde(default)]
    metric_data: Vec<Datum>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Datum {
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    timestamp: Option<Time>,
    value: Option<Number>,
    statistic_values: Option<StatisticValues>,
    values: Option<Vec<Number>>,
    counts: Option<Vec<Number>>,
    unit: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StatisticValues {
    sample_count: Number,
    sum: Number,
    minimum: Number,
    maximum: Number,
}

/// Records all data, or none if one of them is wrong.
pub fn put_metric_data(store: &MetricStore, request: PutMetricData) -> MetricsResult {
    let namespace = request
        .namespace
        .filter(|namespace| !namespace.is_empty())
        .ok_or_else(|| QueryFault::missing("Namespace"))?;
    if namespace.starts_with("AWS/") || namespace.starts_with(':') || namespace.len() > 255 {
        return Err(QueryFault::value(format!(
            "The value {namespace} for parameter Namespace is invalid."
        )));
    }
    let entities = request
        .entity_metric_data
        .into_iter()
        .flat_map(|entity| entity.metric_data);
    let data: Vec<Datum> = request.metric_data.into_iter().chain(entities).collect();
    if data.is_empty() {
        return Err(QueryFault::missing("MetricData"));
    }
    if data.len() > 1000 {
        return Err(QueryFault::value(
            "The collection MetricData must not have a size greater than 1000.",
        ));
    }
    let now = now_ms();
    let observations: Vec<Observation> = data
        .into_iter()
        .enumerate()
        .map(|(index, datum)| observation(&namespace, index + 1, datum, now))
        .collect::<Result<_, _>>()?;
    for observation in &observations {
        store.record(observation);
    }
    Ok(Reply::Map(Vec::new()))
}

fn observation(
    namespace: &str,
    number: usize,
    datum: Datum,
    now: i64,
) -> Result<Observation, QueryFault> {
    let field = |name: &str| format!("MetricData.member.{number}.{name}");
    let name = datum
        .metric_name
        .filter(|name| !name.is_empty())
        .ok_or_else(|| QueryFault::missing(&field("MetricName")))?;
    if name.len() > 255 {
        return Err(QueryFault::value(format!(
            "The parameter {} must be shorter than 256 characters.",
            field("MetricName")
        )));
    }
    let timestamp_ms = datum.timestamp.map_or(now, |Time(at)| at);
    if timestamp_ms > now + TOO_NEW_MS {
        let field = field("Timestamp");
        return Err(QueryFault::value(format!(
            "The parameter {field} must specify a time no more than two hours in the future."
        )));
    }
    if timestamp_ms < now - TOO_OLD_MS {
        return Err(QueryFault::value(format!(
            "The parameter {} must specify a time within the past two weeks.",
            field("Timestamp")
        )));
    }
    let unit = datum.unit.unwrap_or_else(|| "None".to_owned());
    if !UNITS.contains(&unit.as_str()) {
        return Err(QueryFault::value(format!(
            "The value {unit} for parameter {} is not valid.",
            field("Unit")
        )));
    }
    let values = match (datum.value, datum.values, datum.statistic_values) {
        (Some(value), None, None) => Values::List(vec![(finite(value, &field("Value"))?, 1.0)]),
        (None, Some(values), None) => list(&values, datum.counts, &field)?,
        (None, None, Some(set)) => statistics(&set, &field)?,
        (None, None, None) => {
            return Err(QueryFault::missing(&format!(
                "{} or {}",
                field("Value"),
                field("StatisticValues")
            )));
        }
        _ => {
            let (value, set) = (field("Value"), field("StatisticValues"));
            return Err(QueryFault::combination(format!(
                "The parameters {value} and {set} are mutually exclusive and you have specified both."
            )));
        }
    };
    let metric = Metric {
        namespace: namespace.to_owned(),
        name,
        dimensions: dimensions(datum.dimensions)?,
    };
    Ok(Observation {
        metric,
        unit,
        timestamp_ms,
        values,
    })
}

/// Values must be finite and within ±2^360.
fn finite(Number(value): Number, field: &str) -> Result<f64, QueryFault> {
    if value.abs() <= 2_f64.powi(360) {
        Ok(value)
    } else {
        Err(QueryFault::value(format!(
            "The value {value} for parameter {field} is invalid."
        )))
    }
}

fn list(
    values: &[Number],
    counts: Option<Vec<Number>>,
    field: &impl Fn(&str) -> String,
) -> Result<Values, QueryFault> {
    let counts = counts.unwrap_or_else(|| vec![Number(1.0); values.len()]);
    if values.is_empty() || values.len() > 150 || counts.len() != values.len() {
        let (values, counts) = (field("Values"), field("Counts"));
        return Err(QueryFault::value(format!(
            "The parameters {values} and {counts} must be of the same size, between 1 and 150."
        )));
    }
    let pairs = values.iter().zip(counts).map(|(value, Number(count))| {
        match finite(*value, &field("Values")) {
            Ok(value) if count > 0.0 && count.is_finite() => Ok((value, count)),
            Ok(_) => Err(QueryFault::value(format!(
                "The value {count} for parameter {} is invalid.",
                field("Counts")
            ))),
            Err(fault) => Err(fault),
        }
    });
    pairs.collect::<Result<_, _>>().map(Values::List)
}

fn statistics(
    set: &StatisticValues,
    field: &impl Fn(&str) -> String,
) -> Result<Values, QueryFault> {
    let name = |part: &str| field(&format!("StatisticValues.{part}"));
    let (minimum, maximum) = (
        finite(set.minimum, &name("Minimum"))?,
        finite(set.maximum, &name("Maximum"))?,
    );
    let (count, sum) = (
        finite(set.sample_count, &name("SampleCount"))?,
        finite(set.sum, &name("Sum"))?,
    );
    if count <= 0.0 || minimum > maximum {
        return Err(QueryFault::value(format!(
            "The value for parameter {} is invalid.",
            field("StatisticValues")
        )));
    }
    Ok(Values::Statistics {
        count,
        sum,
        minimum,
        maximum,
    })
}
