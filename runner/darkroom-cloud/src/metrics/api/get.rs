//! `GetMetricData` and `GetMetricStatistics`: sums per period, as statistics.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;

use super::super::expression::Formula;
use super::super::statistics::{Sum, is_statistic};
use super::super::store::{Metric, MetricStore};
use super::super::wire::{MetricsResult, QueryFault, Reply};
use super::{Dimension, Number, Time, dimensions};

/// A request may come to this many data points at most.
const MOST_STATISTICS: i64 = 1440;
const MOST_DATA: usize = 100_800;
/// Terms of formulas times data points that one request may have evaluated: about a second of work.
const MOST_STEPS: usize = 10_000_000;

/// Sums by the start of their period, in seconds since the epoch.
type Periods = BTreeMap<i64, Sum>;

/// Returns the sums of each period from `start` to `end` (exclusive), over all units or one.
fn periods(store: &MetricStore, metric: &Metric, unit: Option<&str>, span: &Span) -> Periods {
    let read = |series: &super::super::store::Series| {
        let mut periods = Periods::new();
        let wanted = series
            .iter()
            .filter(|(name, _)| unit.is_none_or(|unit| unit == name.as_str()));
        for (_, minutes) in wanted {
            for (minute, sum) in minutes.range(span.start.div_euclid(60)..=span.end.div_euclid(60))
            {
                let at = minute * 60;
                if at >= span.start && at < span.end {
                    periods.entry(span.period_of(at)).or_default().merge(sum);
                }
            }
        }
        periods
    };
    store.with_series(metric, read).unwrap_or_default()
}

/// Periods to report on, in seconds, the first of which begins at the start. CloudWatch rounds the
/// start down to a whole minute, or for a period under a minute to a multiple of the period.
///
/// Source: API reference of `GetMetricStatistics`, `StartTime`; data are not kept for 15 days here.
struct Span {
    start: i64,
    end: i64,
    period: i64,
}

impl Span {
    fn new(
        start: Option<Time>,
        end: Option<Time>,
        period: Option<Number>,
    ) -> Result<Self, QueryFault> {
        let Time(first) = start.ok_or_else(|| QueryFault::missing("StartTime"))?;
        let Time(last) = end.ok_or_else(|| QueryFault::missing("EndTime"))?;
        let Number(period) = period.ok_or_else(|| QueryFault::missing("Period"))?;
        if first >= last {
            return Err(QueryFault::combination(
                "The parameter StartTime must be less than the parameter EndTime.",
            ));
        }
        let period_s = period as i64;
        if !(1..=86_400 * 365).contains(&period_s)
            || (period_s % 60 != 0 && ![1, 5, 10, 20, 30].contains(&period_s))
        {
            return Err(QueryFault::value(
                "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.",
            ));
        }
        // Sums are per minute: a shorter period finds each minute's sum in its first part.
        let grain = period_s.min(60);
        let start = first.div_euclid(1000).div_euclid(grain) * grain;
        let end = (last + 999).div_euclid(1000);
        Ok(Self {
            start,
            end,
            period: period_s,
        })
    }

    /// Returns the start of the period that `at` lies in.
    fn period_of(&self, at: i64) -> i64 {
        self.start + (at - self.start).div_euclid(self.period) * self.period
    }

    fn points(&self) -> i64 {
        (self.end - self.start + self.period - 1).div_euclid(self.period)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MetricStatistics {
    namespace: Option<String>,
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    start_time: Option<Time>,
    end_time: Option<Time>,
    period: Option<Number>,
    #[serde(default)]
    statistics: Vec<String>,
    #[serde(default)]
    extended_statistics: Vec<String>,
    unit: Option<String>,
}

pub fn metric_statistics(store: &MetricStore, mut request: MetricStatistics) -> MetricsResult {
    let span = Span::new(request.start_time, request.end_time, request.period)?;
    let given = std::mem::take(&mut request.dimensions);
    let metric = metric(request.namespace.take(), request.metric_name.take(), given)?;
    if request.statistics.is_empty() && request.extended_statistics.is_empty() {
        return Err(QueryFault::missing("Statistics or ExtendedStatistics"));
    }
    if let Some(unknown) = request
        .statistics
        .iter()
        .find(|name| !PLAIN.contains(&name.as_str()))
    {
        return Err(QueryFault::value(format!(
            "The value {unknown} for parameter Statistics is not valid."
        )));
    }
    if let Some(unknown) = request
        .extended_statistics
        .iter()
        .find(|name| !is_statistic(name) || PLAIN.contains(&name.as_str()))
    {
        return Err(QueryFault::value(format!(
            "The value {unknown} for parameter ExtendedStatistics is not supported."
        )));
    }
    if span.points() > MOST_STATISTICS {
        return Err(QueryFault::combination(format!(
            "You have requested up to {} datapoints, which exceeds the limit of {MOST_STATISTICS}. You may reduce the datapoints \
             requested by increasing Period, or decreasing the time range.",
            span.points()
        )));
    }
    let units: Vec<String> = match &request.unit {
        Some(unit) => vec![unit.clone()],
        None => store
            .with_series(&metric, |series| series.keys().cloned().collect())
            .unwrap_or_default(),
    };
    let mut points = Vec::new();
    for unit in &units {
        let sums = periods(store, &metric, Some(unit), &span);
        points.extend(
            sums.iter()
                .map(|(at, sum)| datapoint(&request, *at, unit, sum)),
        );
    }
    Ok(Reply::Map(vec![
        ("Label", Reply::Text(metric.name.clone())),
        ("Datapoints", Reply::List(points)),
    ]))
}

/// The statistics that `GetMetricStatistics` calls plain.
const PLAIN: [&str; 5] = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];

fn datapoint(request: &MetricStatistics, at: i64, unit: &str, sum: &Sum) -> Reply {
    let mut point = vec![
        ("Timestamp", Reply::Time(at)),
        ("Unit", Reply::Text(unit.to_owned())),
    ];
    for name in PLAIN
        .into_iter()
        .filter(|name| request.statistics.iter().any(|wanted| wanted == name))
    {
        point.extend(
            sum.statistic(name)
                .map(|value| (name, Reply::Number(value))),
        );
    }
    let extended = request.extended_statistics.iter();
    let extended: Vec<_> = extended
        .filter_map(|name| Some((name.clone(), Reply::Number(sum.statistic(name)?))))
        .collect();
    if !extended.is_empty() {
        point.push(("ExtendedStatistics", Reply::Entries(extended)));
    }
    Reply::Map(point)
}

fn metric(
    namespace: Option<String>,
    name: Option<String>,
    given: Vec<Dimension>,
) -> Result<Metric, QueryFault> {
    Ok(Metric {
        namespace: namespace.ok_or_else(|| QueryFault::missing("Namespace"))?,
        name: name.ok_or_else(|| QueryFault::missing("MetricName"))?,
        dimensions: dimensions(given)?,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MetricData {
    #[serde(default, rename = "MetricDataQueries")]
    queries: Vec<Query>,
    start_time: Option<Time>,
    end_time: Option<Time>,
    next_token: Option<String>,
    scan_by: Option<String>,
    max_datapoints: Option<Number>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Query {
    id: Option<String>,
    metric_stat: Option<MetricStat>,
    expression: Option<String>,
    label: Option<String>,
    /// The query protocol sends it as text.
    return_data: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricStat {
    metric: WireMetric,
    period: Option<Number>,
    stat: Option<String>,
    unit: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireMetric {
    namespace: Option<String>,
    metric_name: Option<String>,
    #[serde(default)]
    dimensions: Vec<Dimension>,
}

/// Values by the start of their period.
type Line = BTreeMap<i64, f64>;

/// One query, answered.
struct Answered {
    id: String,
    label: String,
    shown: bool,
    line: Line,
}

pub fn metric_data(store: &MetricStore, request: MetricData) -> MetricsResult {
    if request.queries.is_empty() {
        return Err(QueryFault::missing("MetricDataQueries"));
    }
    if request.queries.len() > 500 {
        return Err(QueryFault::validation(
            "The collection MetricDataQueries must not have a size greater than 500.",
        ));
    }
    let (from, to) = (request.start_time, request.end_time);
    let mut answered: Vec<Answered> = Vec::new();
    let order: Vec<Option<String>> = request
        .queries
        .iter()
        .map(|query| query.id.clone())
        .collect();
    let (metrics, formulas): (Vec<Query>, Vec<Query>) = request
        .queries
        .into_iter()
        .partition(|query| query.expression.is_none());
    for query in metrics {
        let line = of_metric(store, query.metric_stat, from, to)?;
        answered.push(answer(
            query.id,
            query.label.or(Some(line.0)),
            query.return_data,
            line.1,
            &answered,
        )?);
    }
    let mut steps = MOST_STEPS;
    for query in formulas {
        let expression = query.expression.unwrap_or_default();
        let line = of_formula(&Formula::parse(&expression)?, &answered, &mut steps)?;
        let label = query.label.or_else(|| query.id.clone());
        answered.push(answer(query.id, label, query.return_data, line, &answered)?);
    }
    answered.sort_by_key(|query| order.iter().position(|id| id.as_deref() == Some(&query.id)));
    let descending = match request.scan_by.as_deref() {
        None | Some("TimestampDescending") => true,
        Some("TimestampAscending") => false,
        Some(other) => {
            return Err(QueryFault::validation(format!(
                "The value {other} for parameter ScanBy is not valid."
            )));
        }
    };
    let most = request
        .max_datapoints
        .map_or(MOST_DATA, |Number(most)| most as usize)
        .clamp(1, MOST_DATA);
    page(&answered, descending, most, request.next_token.as_deref())
}

fn of_metric(
    store: &MetricStore,
    stat: Option<MetricStat>,
    from: Option<Time>,
    to: Option<Time>,
) -> Result<(String, Line), QueryFault> {
    let stat = stat.ok_or_else(|| {
        QueryFault::validation("A query must have either MetricStat or Expression.")
    })?;
    let span = Span::new(from, to, stat.period)?;
    let name = stat
        .stat
        .ok_or_else(|| QueryFault::missing("MetricDataQueries.member.1.MetricStat.Stat"))?;
    if !is_statistic(&name) {
        return Err(QueryFault::validation(format!(
            "The value {name} for parameter MetricDataQueries.member.1.MetricStat.Stat is not supported."
        )));
    }
    let metric = metric(
        stat.metric.namespace,
        stat.metric.metric_name,
        stat.metric.dimensions,
    )?;
    let periods = periods(store, &metric, stat.unit.as_deref(), &span);
    let line = periods
        .iter()
        .filter_map(|(at, sum)| Some((*at, sum.statistic(&name)?)))
        .collect();
    Ok((metric.name, line))
}

/// Evaluates a formula at every time that one of its metrics has a value. `steps` is what is left
/// of [`MOST_STEPS`].
fn of_formula(
    formula: &Formula,
    answered: &[Answered],
    steps: &mut usize,
) -> Result<Line, QueryFault> {
    let mut lines = HashMap::new();
    for id in formula.ids() {
        let query = answered
            .iter()
            .find(|query| query.id == id)
            .ok_or_else(|| {
                QueryFault::validation(format!(
                    "Error in expression: the query id {id} is not defined before it"
                ))
            })?;
        lines.insert(id, &query.line);
    }
    let times: BTreeSet<i64> = lines
        .values()
        .flat_map(|line| line.keys().copied())
        .collect();
    *steps = steps.checked_sub(times.len().saturating_mul(formula.steps())).ok_or_else(|| {
        QueryFault::validation("The expressions have too many terms for so many data points. Ask for fewer of either.")
    })?;
    let value = |at: i64| formula.value(&|id| lines.get(id)?.get(&at).copied());
    Ok(times
        .into_iter()
        .filter_map(|at| Some((at, value(at)?)))
        .collect())
}

fn answer(
    id: Option<String>,
    label: Option<String>,
    return_data: Option<serde_json::Value>,
    line: Line,
    earlier: &[Answered],
) -> Result<Answered, QueryFault> {
    let id = id.ok_or_else(|| QueryFault::missing("MetricDataQueries.member.1.Id"))?;
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !id.starts_with(|first: char| first.is_ascii_lowercase()) || !id.bytes().all(rest) {
        return Err(QueryFault::validation(format!(
            "The value {id} for parameter MetricDataQueries.member.1.Id does not match the expected pattern."
        )));
    }
    if earlier.iter().any(|query| query.id == id) {
        return Err(QueryFault::validation(format!(
            "The values for parameter id in MetricDataQueries are not unique: {id}"
        )));
    }
    let hidden = return_data.is_some_and(|shown| shown == false || shown == "false");
    Ok(Answered {
        label: label.unwrap_or_else(|| id.clone()),
        id,
        shown: !hidden,
        line,
    })
}

/// Gives the points from `token` on, at most `most` of each query.
fn page(
    answered: &[Answered],
    descending: bool,
    most: usize,
    token: Option<&str>,
) -> MetricsResult {
    let invalid = || QueryFault {
        code: "InvalidNextToken",
        message: "The next token specified is invalid.".to_owned(),
    };
    let skip: usize = token.map_or(Ok(0), str::parse).map_err(|_| invalid())?;
    let shown: Vec<&Answered> = answered.iter().filter(|query| query.shown).collect();
    let each = (most / shown.len().max(1)).max(1);
    let end = skip.saturating_add(each);
    let more = shown.iter().any(|query| query.line.len() > end);
    let result = |query: &&Answered| {
        let mut points: Vec<(&i64, &f64)> = query.line.iter().collect();
        if descending {
            points.reverse();
        }
        let points = points.into_iter().skip(skip).take(each);
        let (times, values) = points
            .map(|(at, value)| (Reply::Time(*at), Reply::Number(*value)))
            .unzip();
        let status = if query.line.len() > end {
            "PartialData"
        } else {
            "Complete"
        };
        Reply::Map(vec![
            ("Id", Reply::Text(query.id.clone())),
            ("Label", Reply::Text(query.label.clone())),
            ("Timestamps", Reply::List(times)),
            ("Values", Reply::List(values)),
            ("StatusCode", Reply::Text(status.to_owned())),
        ])
    };
    let mut reply = vec![
        (
            "MetricDataResults",
            Reply::List(shown.iter().map(result).collect()),
        ),
        ("Messages", Reply::List(Vec::new())),
    ];
    if more {
        reply.push(("NextToken", Reply::Text(end.to_string())));
    }
    Ok(Reply::Map(reply))
}
