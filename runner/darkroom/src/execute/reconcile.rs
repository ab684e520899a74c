//! Holds what the runner recorded of every function against what CloudWatch metrics counted meanwhile.
//!
//! Two witnesses of one session: where they differ, something was missed or something else called the function. The
//! difference is said, never mended.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::error::DisplayErrorContext;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use darkroom_core::event::{Invocation, Status};
use tokio::time::Instant;

use super::collect_logs::{FIRST_PAUSE, LONGEST_PAUSE};

const NAMES: [&str; 4] = ["Invocations", "Errors", "Throttles", "Duration"];
/// A call holds up to 500 queries. Source: API reference of `GetMetricData`.
const FUNCTIONS_PER_CALL: usize = 500 / NAMES.len();
/// Sums are added up again over all periods, so its length only says how many there are, s.
const PERIOD_S: i32 = 3600;
/// REPORT lines round a duration to this, ms.
const ROUNDING_MS: f64 = 0.01;

/// What a function did, as one witness has it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    pub invocations: f64,
    pub errors: f64,
    pub throttles: f64,
    pub duration_ms: f64,
}

pub type ByFunction = BTreeMap<String, Totals>;

/// What the runner recorded in a session.
#[derive(Default)]
pub struct Recorded {
    totals: Mutex<ByFunction>,
}

impl Recorded {
    pub fn add(&self, invocation: &Invocation) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let totals = totals.entry(invocation.function.clone()).or_default();
        match invocation.status {
            Status::Throttled => totals.throttles += 1.0,
            // Nobody knows whether it reached the function: if it did, that is a difference.
            Status::CallError => {}
            Status::Ok => totals.invocations += 1.0,
            Status::FunctionError | Status::Timeout => {
                totals.invocations += 1.0;
                totals.errors += 1.0;
            }
        }
        totals.duration_ms += invocation.report.as_ref().map_or(0.0, |report| report.duration_ms);
    }

    /// Returns a sentence for every function of which the metrics since then say something else.
    ///
    /// `before` is what they said when the session began; waits up to `patience` for metrics that are late.
    pub async fn differences(
        &self,
        metrics: &Client,
        since_ms: i64,
        before: &ByFunction,
        patience: Duration,
    ) -> Result<Vec<String>, String> {
        let recorded = self.totals.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let functions: Vec<&str> = recorded.keys().map(String::as_str).collect();
        let deadline = Instant::now() + patience;
        let mut pause = FIRST_PAUSE;
        loop {
            let now = counted(metrics, &functions, since_ms).await?;
            let differences = compare(&recorded, before, &now);
            if differences.is_empty() || Instant::now() >= deadline {
                return Ok(differences);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Returns what CloudWatch counted of these functions since the minute of `since_ms`.
pub async fn counted(metrics: &Client, functions: &[&str], since_ms: i64) -> Result<ByFunction, String> {
    let mut all = ByFunction::new();
    // Of a minute that has begun CloudWatch has what came until now; the end must lie after it.
    let until_ms = jiff::Timestamp::now().as_millisecond() + 60_000;
    for functions in functions.chunks(FUNCTIONS_PER_CALL) {
        let queries: Vec<MetricDataQuery> = functions
            .iter()
            .enumerate()
            .flat_map(|(index, function)| NAMES.iter().enumerate().map(move |(name, _)| query(index, name, function)))
            .collect();
        let call = metrics.get_metric_data().set_metric_data_queries(Some(queries));
        let call = call.start_time(DateTime::from_millis(since_ms)).end_time(DateTime::from_millis(until_ms));
        let mut pages = call.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| DisplayErrorContext(error).to_string())?;
            for result in page.metric_data_results() {
                let Some((index, name)) = result.id().and_then(place) else { continue };
                let Some(function) = functions.get(index) else { continue };
                let sum: f64 = result.values().iter().sum();
                let totals = all.entry((*function).to_owned()).or_default();
                match name {
                    0 => totals.invocations += sum,
                    1 => totals.errors += sum,
                    2 => totals.throttles += sum,
                    _ => totals.duration_ms += sum,
                }
            }
        }
    }
    Ok(all)
}

fn query(index: usize, name: usize, function: &str) -> MetricDataQuery {
    let dimension = Dimension::builder().name("FunctionName").value(function).build();
    let metric = Metric::builder().namespace("AWS/Lambda").metric_name(NAMES[name]).dimensions(dimension).build();
    let stat = MetricStat::builder().metric(metric).period(PERIOD_S).stat("Sum").build();
    MetricDataQuery::builder().id(format!("m{index}n{name}")).metric_stat(stat).build()
}

/// Reads an id back: which function, which metric.
fn place(id: &str) -> Option<(usize, usize)> {
    let (index, name) = id.strip_prefix('m')?.split_once('n')?;
    Some((index.parse().ok()?, name.parse().ok()?))
}

fn compare(recorded: &ByFunction, before: &ByFunction, now: &ByFunction) -> Vec<String> {
    let of = |all: &ByFunction, function: &str| all.get(function).copied().unwrap_or_default();
    let mut differences = Vec::new();
    for (function, recorded) in recorded {
        let (before, now) = (of(before, function), of(now, function));
        let rounding = ROUNDING_MS * (recorded.invocations + 1.0);
        let figures = [
            ("invocations", recorded.invocations, now.invocations - before.invocations, 0.5),
            ("errors", recorded.errors, now.errors - before.errors, 0.5),
            ("throttles", recorded.throttles, now.throttles - before.throttles, 0.5),
            ("ms in all", recorded.duration_ms, now.duration_ms - before.duration_ms, rounding),
        ];
        let differing = figures.iter().filter(|(_, ours, theirs, tolerance)| (ours - theirs).abs() > *tolerance);
        let said: Vec<String> =
            differing.map(|(what, ours, theirs, _)| format!("{theirs:.0} {what}, recorded are {ours:.0}")).collect();
        if !said.is_empty() {
            differences.push(format!("CloudWatch counted of {function}: {}", said.join("; ")));
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(invocations: f64, errors: f64, throttles: f64, duration_ms: f64) -> ByFunction {
        [("f".to_owned(), Totals { invocations, errors, throttles, duration_ms })].into()
    }

    #[test]
    fn what_was_counted_before_the_session_and_rounding_are_no_difference() {
        let differences = compare(&one(3.0, 1.0, 0.0, 10.0), &one(5.0, 2.0, 1.0, 7.0), &one(8.0, 3.0, 1.0, 17.02));
        assert_eq!(differences, [""; 0]);
    }

    #[test]
    fn each_figure_that_differs_is_said() {
        let recorded = one(3.0, 0.0, 0.0, 10.0);
        let said = |now: ByFunction| compare(&recorded, &ByFunction::new(), &now).join("\n");
        assert_eq!(
            said(one(4.0, 1.0, 0.0, 10.0)),
            "CloudWatch counted of f: 4 invocations, recorded are 3; 1 errors, recorded are 0"
        );
        assert!(said(one(3.0, 0.0, 2.0, 10.0)).contains("2 throttles, recorded are 0"));
        assert!(said(one(3.0, 0.0, 0.0, 19.0)).contains("19 ms in all, recorded are 10"));
        assert!(said(ByFunction::new()).contains("0 invocations, recorded are 3"));
    }
}
