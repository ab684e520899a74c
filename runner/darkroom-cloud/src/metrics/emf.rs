//! The embedded metric format: log lines that carry metrics. Pure, but for the caller's closure.
//!
//! Source: CloudWatch user guide, "Specification: Embedded metric format". A line that breaks the
//! specification is only a log line, as on AWS.

use serde_json::Value;

use super::store::{Metric, Observation, Values};

/// Metrics and sets of dimensions of one directive. Source: the specification, "`MetricDirective`
/// object" (for metrics); a few sets are usual, and the product of both is what a line costs.
const MOST_METRICS: usize = 100;
const MOST_SETS: usize = 30;
/// Directives of one line.
const MOST_DIRECTIVES: usize = 30;

/// Gives every observation in `message` to `record`.
pub fn record(message: &str, mut record: impl FnMut(Observation)) {
    if !message.trim_start().starts_with('{') || !message.contains("\"CloudWatchMetrics\"") {
        return;
    }
    let Ok(document) = serde_json::from_str::<Value>(message) else {
        return;
    };
    let header = &document["_aws"];
    let Some(timestamp_ms) = header["Timestamp"].as_i64() else {
        return;
    };
    for directive in header["CloudWatchMetrics"]
        .as_array()
        .into_iter()
        .flatten()
        .take(MOST_DIRECTIVES)
    {
        // The platform's own namespaces are not for those who run on it.
        let Some(namespace) = directive["Namespace"]
            .as_str()
            .filter(|name| !name.starts_with("AWS/"))
        else {
            continue;
        };
        for definition in directive["Metrics"]
            .as_array()
            .into_iter()
            .flatten()
            .take(MOST_METRICS)
        {
            let Some(name) = definition["Name"].as_str() else {
                continue;
            };
            let Some(values) = values(&document[name]) else {
                continue;
            };
            for set in dimension_sets(directive) {
                let dimensions = set
                    .iter()
                    .map(|name| Some(((*name).to_owned(), document[*name].as_str()?.to_owned())));
                let Some(dimensions) = dimensions.collect() else {
                    continue;
                };
                record(Observation {
                    metric: Metric {
                        namespace: namespace.to_owned(),
                        name: name.to_owned(),
                        dimensions,
                    },
                    unit: definition["Unit"].as_str().unwrap_or("None").to_owned(),
                    timestamp_ms,
                    values: Values::List(values.clone()),
                });
            }
        }
    }
}

/// Returns the lists of dimension names; none at all is one empty list.
fn dimension_sets(directive: &Value) -> Vec<Vec<&str>> {
    match directive["Dimensions"].as_array() {
        Some(sets) if !sets.is_empty() => {
            let sets = sets.iter().take(MOST_SETS);
            sets.map(|set| {
                set.as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect()
            })
            .collect()
        }
        _ => vec![Vec::new()],
    }
}

/// Returns a number, or up to 100 of them.
fn values(value: &Value) -> Option<Vec<(f64, f64)>> {
    match value {
        Value::Array(list) => list
            .iter()
            .take(100)
            .map(|value| Some((value.as_f64()?, 1.0)))
            .collect(),
        value => Some(vec![(value.as_f64()?, 1.0)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(message: &str) -> Vec<Observation> {
        let mut all = Vec::new();
        record(message, |observation| all.push(observation));
        all
    }

    #[test]
    fn one_line_gives_every_metric_under_every_set_of_dimensions() {
        let line = r#"{"_aws":{"Timestamp":1000,"CloudWatchMetrics":[{"Namespace":"App","Dimensions":[["Stage"],["Stage","Model"]],
            "Metrics":[{"Name":"Latency","Unit":"Milliseconds"},{"Name":"Pixels"}]}]},"Stage":"resize","Model":"a","Latency":[1,2.5],"Pixels":7}"#;
        let all = observed(line);
        assert_eq!(all.len(), 4);
        assert_eq!(all[1].metric.dimensions.len(), 2);
        assert_eq!(all[1].values, Values::List(vec![(1.0, 1.0), (2.5, 1.0)]));
        assert_eq!((all[2].unit.as_str(), all[2].timestamp_ms), ("None", 1000));
    }

    #[test]
    fn other_lines_give_nothing() {
        for line in [
            r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"AWS/Lambda","Metrics":[{"Name":"Invocations"}]}]},"Invocations":50}"#,
            "plain \"CloudWatchMetrics\"",
            "{\"CloudWatchMetrics\": 1",
            r#"{"_aws":{"CloudWatchMetrics":[{"Namespace":"A","Metrics":[{"Name":"x"}]}]},"x":1}"#,
            r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"A","Metrics":[{"Name":"x"}]}]},"x":"text"}"#,
            r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"A","Dimensions":[["d"]],"Metrics":[{"Name":"x"}]}]},"x":1}"#,
        ] {
            assert_eq!(observed(line), [], "{line}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

        /// Handlers print what they like; a line of any kind is a metric, or it is not.
        #[test]
        fn a_damaged_line_is_read_without_a_panic(damage in proptest::collection::vec((0_usize..200, "[ -~]"), 1..5)) {
            let mut line = r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"A","Dimensions":[["d"]],"Metrics":[{"Name":"x"}]}]},"d":"e","x":[1,2e308]}"#.to_owned();
            for (at, text) in damage {
                let at = at % line.len();
                line.replace_range(at..=at, &text);
            }
            let _ = observed(&line);
        }
    }
}
