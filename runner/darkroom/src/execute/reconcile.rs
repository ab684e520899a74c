//! Compares what the runner recorded for every function with what CloudWatch's metrics counted.
//!
//! These are two independent counts of one session. If they differ, something was missed or
//! something else called the function. The difference is a fact of its own ([`Reconciliation`]),
//! and is never corrected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::http::HttpResponse;
use aws_sdk_cloudwatch::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use darkroom_core::besides::METRICS;
use darkroom_core::event::{Invocation, ReconciledMetric, Reconciliation, Status};
use tokio::time::Instant;

use super::Patience;
use super::collect_logs::FIRST_PAUSE;
use crate::error_text::error_message;

/// In the order of [`ReconciledMetric::ALL`].
const NAMES: [&str; METRICS as usize] = ["Invocations", "Errors", "Throttles", "Duration"];
/// A call holds up to 500 queries. Source: API reference of `GetMetricData`.
const FUNCTIONS_PER_CALL: usize = 500 / NAMES.len();
/// The finest that Lambda reports, so that a session's first period begins within a minute of it,
/// s.
const PERIOD_S: i32 = 60;
/// Looks at late metrics, about.
pub const LOOKS: u32 = 15;
/// REPORT lines round a duration to this, ms.
const ROUNDING_MS: f64 = 0.01;

/// What a function did, as one witness has it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    pub invocations: f64,
    pub errors: f64,
    pub throttles: f64,
    pub duration_ms: f64,
    /// Calls that got no answer: the platform may have counted each of them, as anything.
    pub unanswered: f64,
    /// The longest that these can have run, ms.
    pub unanswered_ms: f64,
}

impl Totals {
    const fn figure(&self, metric: ReconciledMetric) -> f64 {
        match metric {
            ReconciledMetric::Invocations => self.invocations,
            ReconciledMetric::Errors => self.errors,
            ReconciledMetric::Throttles => self.throttles,
            ReconciledMetric::DurationMs => self.duration_ms,
        }
    }

    const fn unanswered(&self, metric: ReconciledMetric) -> f64 {
        match metric {
            ReconciledMetric::DurationMs => self.unanswered_ms,
            _ => self.unanswered,
        }
    }
}

pub type ByFunction = BTreeMap<String, Totals>;

/// What the runner recorded in a session.
#[derive(Default)]
pub struct Recorded {
    totals: Mutex<ByFunction>,
}

impl Recorded {
    /// Takes an invocation of a stage that ends after `timeout_s` at the latest.
    pub fn add(&self, invocation: &Invocation, timeout_s: u32) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let totals = totals.entry(invocation.function.clone()).or_default();
        match invocation.status {
            Status::Throttled => totals.throttles += 1.0,
            Status::CallError if invocation.may_have_run_unseen() => {
                totals.unanswered += 1.0;
                totals.unanswered_ms += f64::from(timeout_s) * 1e3;
            }
            Status::CallError => {}
            Status::Ok => totals.invocations += 1.0,
            // The platform saw it end well.
            Status::FunctionError if invocation.is_loop() => totals.invocations += 1.0,
            Status::FunctionError | Status::Timeout => {
                totals.invocations += 1.0;
                totals.errors += 1.0;
            }
        }
        totals.duration_ms += invocation
            .report
            .as_ref()
            .map_or(0.0, |report| report.duration_ms);
    }

    /// Returns every figure of these functions beside what the metrics have counted since.
    ///
    /// `before` is what they said when the session began. Waits for metrics that are late.
    pub async fn reconcile(
        &self,
        metrics: &Client,
        functions: &[&str],
        since_ms: i64,
        before: &ByFunction,
        Patience {
            metrics: patience,
            metrics_after,
            ..
        }: Patience,
    ) -> Vec<Reconciliation> {
        let recorded = self
            .totals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let deadline = Instant::now() + patience;
        tokio::time::sleep(metrics_after).await;
        let mut pause = if metrics_after.is_zero() {
            FIRST_PAUSE
        } else {
            patience / LOOKS
        };
        loop {
            let counted = counted(metrics, functions, since_ms).await;
            let now = counted.as_ref().map_err(String::as_str);
            let figures = figures(functions, &recorded, now.map(|now| (before, now)));
            let settled = figures.iter().all(|figure| figure.agrees() != Some(false));
            if settled || Instant::now() >= deadline {
                return figures;
            }
            tokio::time::sleep(pause).await;
            // Each look costs: AWS bills the metrics that are asked for.
            pause = (pause * 2).min(patience / LOOKS);
        }
    }

    /// Returns every figure of these functions alone: why no metrics stand beside them is
    /// `unknown`.
    pub fn alone(&self, functions: &[&str], unknown: &str) -> Vec<Reconciliation> {
        let recorded = self
            .totals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        figures(functions, &recorded, Err(unknown))
    }
}

/// Returns what CloudWatch counted of these functions since the minute of `since_ms`.
pub async fn counted(
    metrics: &Client,
    functions: &[&str],
    since_ms: i64,
) -> Result<ByFunction, String> {
    let mut all = ByFunction::new();
    // Of a minute that has begun CloudWatch has what came until now; the end must lie after it.
    let until_ms = jiff::Timestamp::now().as_millisecond() + 60_000;
    for functions in functions.chunks(FUNCTIONS_PER_CALL) {
        let queries: Vec<MetricDataQuery> = functions
            .iter()
            .enumerate()
            .flat_map(|(index, function)| {
                NAMES
                    .iter()
                    .enumerate()
                    .map(move |(name, _)| query(index, name, function))
            })
            .collect();
        let call = metrics
            .get_metric_data()
            .set_metric_data_queries(Some(queries));
        let call = call
            .start_time(DateTime::from_millis(since_ms))
            .end_time(DateTime::from_millis(until_ms));
        let mut pages = call.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| unheard(&error))?;
            for result in page.metric_data_results() {
                let Some((index, name)) = result.id().and_then(function_and_metric) else {
                    continue;
                };
                let Some(function) = functions.get(index) else {
                    continue;
                };
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

/// Says why CloudWatch was not heard. An answer without an error code is one that its client could
/// not read, as from an endpoint that stands for AWS and speaks an older protocol.
fn unheard<E: std::error::Error + ProvideErrorMetadata + 'static>(
    error: &SdkError<E, HttpResponse>,
) -> String {
    let Some(answer) = error.raw_response().filter(|_| error.code().is_none()) else {
        return error_message(error);
    };
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |cause| {
        cause.source()
    });
    let last = causes.last().map(ToString::to_string).unwrap_or_default();
    format!(
        "cannot read the endpoint's answer (status {}); it may not speak CloudWatch's protocol: \
         {last}",
        answer.status().as_u16()
    )
}

/// Returns the functions that CloudWatch has heard of and that are not these: whoever works for a
/// handler elsewhere.
pub async fn strangers(metrics: &Client, ours: &[&str]) -> Result<Vec<String>, String> {
    let call = metrics
        .list_metrics()
        .namespace("AWS/Lambda")
        .metric_name(NAMES[0]);
    let mut pages = call.into_paginator().send();
    let mut found = BTreeSet::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| error_message(&error))?;
        let dimensions = page.metrics().iter().flat_map(Metric::dimensions);
        let names = dimensions
            .filter(|dimension| dimension.name() == Some("FunctionName"))
            .filter_map(Dimension::value);
        found.extend(names.filter(|name| !ours.contains(name)).map(str::to_owned));
    }
    Ok(found.into_iter().collect())
}

/// Returns what functions did meanwhile that the run did not deploy, beside the nothing that it
/// recorded of them.
pub async fn of_strangers(
    metrics: &Client,
    ours: &[&str],
    since_ms: i64,
    before: &ByFunction,
) -> Result<Vec<Reconciliation>, String> {
    let names = strangers(metrics, ours).await?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let now = counted(metrics, &names, since_ms).await?;
    let ran = |name: &&&str| {
        let invocations =
            |all: &ByFunction| all.get(**name).map_or(0.0, |totals| totals.invocations);
        invocations(&now) > invocations(before)
    };
    let ran: Vec<&str> = names.iter().filter(ran).copied().collect();
    Ok(figures(&ran, &ByFunction::new(), Ok((before, &now))))
}

fn query(index: usize, name: usize, function: &str) -> MetricDataQuery {
    let dimension = Dimension::builder()
        .name("FunctionName")
        .value(function)
        .build();
    let metric = Metric::builder()
        .namespace("AWS/Lambda")
        .metric_name(NAMES[name])
        .dimensions(dimension)
        .build();
    let stat = MetricStat::builder()
        .metric(metric)
        .period(PERIOD_S)
        .stat("Sum")
        .build();
    MetricDataQuery::builder()
        .id(format!("m{index}n{name}"))
        .metric_stat(stat)
        .build()
}

/// Reads an id back: which function, which metric.
fn function_and_metric(id: &str) -> Option<(usize, usize)> {
    let (index, name) = id.strip_prefix('m')?.split_once('n')?;
    Some((index.parse().ok()?, name.parse().ok()?))
}

/// Puts what was recorded beside what the metrics say: before the session and now, or why they say
/// nothing.
fn figures(
    functions: &[&str],
    recorded: &ByFunction,
    counted: Result<(&ByFunction, &ByFunction), &str>,
) -> Vec<Reconciliation> {
    let at = super::now();
    let of = |all: &ByFunction, function: &str| all.get(function).copied().unwrap_or_default();
    let of_function = |function: &&str| {
        let ours = of(recorded, function);
        let theirs = counted.map(|(before, now)| (of(before, function), of(now, function)));
        ReconciledMetric::ALL.map(|metric| Reconciliation {
            at: at.clone(),
            function: (*function).to_owned(),
            metric,
            recorded: ours.figure(metric),
            reported: theirs
                .ok()
                .map(|(before, now)| now.figure(metric) - before.figure(metric)),
            tolerance: match metric {
                ReconciledMetric::DurationMs => ROUNDING_MS * (ours.invocations + 1.0),
                _ => 0.0,
            },
            unanswered: ours.unanswered(metric),
            unknown: theirs.err().map(str::to_owned),
        })
    };
    functions.iter().flat_map(of_function).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(invocations: f64, errors: f64, throttles: f64, duration_ms: f64) -> ByFunction {
        [(
            "f".to_owned(),
            Totals {
                invocations,
                errors,
                throttles,
                duration_ms,
                ..Totals::default()
            },
        )]
        .into()
    }

    /// The metrics that differ, with both figures.
    fn differing(
        recorded: &ByFunction,
        before: &ByFunction,
        now: &ByFunction,
    ) -> Vec<(&'static str, f64, f64)> {
        let figures = figures(&["f"], recorded, Ok((before, now)));
        assert_eq!(figures.len(), 4);
        let differing = figures
            .into_iter()
            .filter(|figure| figure.agrees() == Some(false));
        differing
            .map(|figure| {
                (
                    figure.metric.as_str(),
                    figure.recorded,
                    figure.reported.unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn what_was_counted_before_the_session_and_rounding_are_no_difference() {
        let (recorded, before) = (one(3.0, 1.0, 0.0, 10.0), one(5.0, 2.0, 1.0, 7.0));
        assert_eq!(
            differing(&recorded, &before, &one(8.0, 3.0, 1.0, 17.02)),
            []
        );
        assert_eq!(
            differing(&recorded, &before, &one(8.0, 3.0, 1.0, 17.06)).len(),
            1
        );
    }

    #[test]
    fn each_figure_that_differs_is_a_fact_with_both_witnesses() {
        let recorded = one(3.0, 0.0, 0.0, 10.0);
        let with = |now: ByFunction| differing(&recorded, &ByFunction::new(), &now);
        assert_eq!(
            with(one(4.0, 1.0, 0.0, 10.0)),
            [("invocations", 3.0, 4.0), ("errors", 0.0, 1.0)]
        );
        assert_eq!(with(one(3.0, 0.0, 2.0, 10.0)), [("throttles", 0.0, 2.0)]);
        assert_eq!(
            with(one(3.0, 0.0, 0.0, 19.0)),
            [("duration_ms", 10.0, 19.0)]
        );
        assert_eq!(
            with(ByFunction::new()),
            [("invocations", 3.0, 0.0), ("duration_ms", 10.0, 0.0)]
        );
        // A function that was not called at all, but the metrics say it was.
        assert_eq!(
            differing(
                &ByFunction::new(),
                &ByFunction::new(),
                &one(1.0, 0.0, 0.0, 0.0)
            )
            .len(),
            1
        );
    }

    #[test]
    fn what_got_no_answer_may_have_been_counted_or_not() {
        let mut recorded = one(3.0, 0.0, 0.0, 10.0);
        let unanswered = Totals {
            unanswered: 1.0,
            unanswered_ms: 2000.0,
            ..recorded["f"]
        };
        recorded.insert("f".to_owned(), unanswered);
        let with = |now: ByFunction| differing(&recorded, &ByFunction::new(), &now);
        for now in [
            one(3.0, 0.0, 0.0, 10.0),
            one(4.0, 0.0, 0.0, 700.0),
            one(4.0, 1.0, 0.0, 2010.0),
            one(3.0, 0.0, 1.0, 10.0),
        ] {
            assert_eq!(with(now), []);
        }
        assert_eq!(with(one(5.0, 0.0, 0.0, 10.0)), [("invocations", 3.0, 5.0)]);
        assert_eq!(with(one(2.0, 0.0, 0.0, 10.0)), [("invocations", 3.0, 2.0)]);
        assert_eq!(
            with(one(4.0, 0.0, 0.0, 2100.0)),
            [("duration_ms", 10.0, 2100.0)]
        );
    }

    #[test]
    fn an_answer_in_another_protocol_is_said_to_be_one_that_could_not_be_read() {
        use aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataError;
        let answer =
            || HttpResponse::new(200.try_into().unwrap(), "<GetMetricDataResponse/>".into());
        let unreadable =
            GetMetricDataError::unhandled("unexpected type string at position 0: expected map");
        assert_eq!(
            unheard(&SdkError::service_error(unreadable, answer())),
            "cannot read the endpoint's answer (status 200); it may not speak CloudWatch's protocol: \
             unexpected type string at position 0: expected map"
        );
        let denied = aws_sdk_cloudwatch::error::ErrorMetadata::builder()
            .code("AccessDenied")
            .message("no")
            .build();
        let denied = SdkError::service_error(GetMetricDataError::generic(denied), answer());
        assert_eq!(
            unheard(&denied),
            "AccessDenied: no",
            "what AWS says is passed on"
        );
    }

    #[test]
    fn a_witness_that_was_not_heard_neither_agrees_nor_differs() {
        let figures = figures(&["f"], &one(3.0, 0.0, 0.0, 10.0), Err("no answer"));
        for figure in figures {
            assert_eq!((figure.agrees(), figure.reported), (None, None));
            assert_eq!(figure.unknown.as_deref(), Some("no answer"));
        }
    }
}
