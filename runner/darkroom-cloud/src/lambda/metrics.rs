//! The AWS/Lambda metrics of one invocation, under each set of dimensions that AWS publishes.

use super::clock::epoch_ms;
use super::environment::{MetricSink, Report};
use super::invoker::ChosenVersion;

const NAMESPACE: &str = "AWS/Lambda";

/// A [`MetricSink`] that keeps nothing.
pub struct DiscardMetrics;

impl MetricSink for DiscardMetrics {
    fn put(
        &self,
        _namespace: &str,
        _name: &str,
        _dimensions: &[(&str, &str)],
        _value: f64,
        _unit: &str,
        _at: i64,
    ) {
    }
}

/// One observation.
type Metric<'a> = (&'a str, f64, &'a str);

/// Publishes what an invocation that ran came to. `running` is the concurrency of the function and
/// of the account.
pub(crate) fn invoked(
    sink: &dyn MetricSink,
    target: &ChosenVersion,
    report: &Report,
    failed: bool,
    running: (u32, u32),
) {
    let errors = if failed { 1.0 } else { 0.0 };
    let all = [
        ("Invocations", 1.0, "Count"),
        ("Errors", errors, "Count"),
        ("Throttles", 0.0, "Count"),
        ("Duration", report.duration_ms, "Milliseconds"),
    ];
    publish(sink, target, &all);
    let at = epoch_ms();
    let function = [("FunctionName", target.function.as_str())];
    sink.put(
        NAMESPACE,
        "ConcurrentExecutions",
        &function,
        f64::from(running.0),
        "Count",
        at,
    );
    sink.put(
        NAMESPACE,
        "ConcurrentExecutions",
        &[],
        f64::from(running.1),
        "Count",
        at,
    );
    if target.reserved.is_none() {
        sink.put(
            NAMESPACE,
            "UnreservedConcurrentExecutions",
            &[],
            f64::from(running.1),
            "Count",
            at,
        );
    }
}

/// Publishes an invocation that was refused.
pub(crate) fn throttled(sink: &dyn MetricSink, target: &ChosenVersion) {
    publish(sink, target, &[("Throttles", 1.0, "Count")]);
}

/// Publishes something about an asynchronous event.
pub(crate) fn asynchronous(
    sink: &dyn MetricSink,
    function: &str,
    name: &str,
    value: f64,
    unit: &str,
) {
    let at = epoch_ms();
    sink.put(
        NAMESPACE,
        name,
        &[("FunctionName", function)],
        value,
        unit,
        at,
    );
    sink.put(NAMESPACE, name, &[], value, unit, at);
}

/// Publishes for all functions, the function, and what it was invoked by.
fn publish(sink: &dyn MetricSink, target: &ChosenVersion, all: &[Metric<'_>]) {
    let at = epoch_ms();
    let function = target.function.as_str();
    let resource = match &target.qualifier {
        Some(qualifier) => format!("{function}:{qualifier}"),
        None => function.to_owned(),
    };
    let alias = target
        .qualifier
        .as_ref()
        .is_some_and(|qualifier| *qualifier != target.spec.version);
    for (name, value, unit) in all {
        sink.put(NAMESPACE, name, &[], *value, unit, at);
        sink.put(
            NAMESPACE,
            name,
            &[("FunctionName", function)],
            *value,
            unit,
            at,
        );
        let by_resource = [("FunctionName", function), ("Resource", resource.as_str())];
        sink.put(NAMESPACE, name, &by_resource, *value, unit, at);
        if alias {
            let by_version = [
                by_resource[0],
                by_resource[1],
                ("ExecutedVersion", target.spec.version.as_str()),
            ];
            sink.put(NAMESPACE, name, &by_version, *value, unit, at);
        }
    }
}
