//! Groups → the rows of `summary` and `costs`: which metrics a cell has, what is said of each, who is ranked.
//!
//! Statistics are [`darkroom_core::statistics`]'s; this room only chooses their input. Every cell of the plan gets every
//! row it could have had: one that can't run or has not run is there with n = 0.

use std::collections::HashMap;

use darkroom_core::cell::{Cell, Input, Start, Trigger};
use darkroom_core::cost::{PriceTable, QUOTED_IMAGES};
use darkroom_core::event::PlannedCell;
use darkroom_core::statistics::{Description, MIN_N_P95, MIN_N_P99, describe, mean_of_sorted};
use polars::prelude::{DataFrame, PolarsResult};

use crate::columns;
use crate::facts::Facts;
use crate::frames::{bools, cell_columns, floats, frame, integers, texts};
use crate::samples::Group;

/// Columns of `invocations` that metrics are made of.
pub const INVOCATION_COLUMNS: [&str; 7] =
    ["duration_ms", "client_ms", "billed_ms", "init_ms", "cold_total_ms", "max_memory_mb", "cost_usd"];
/// Columns of `pipelines` that metrics and costs are made of.
pub const PIPELINE_COLUMNS: [&str; 8] = [
    "turnaround_s",
    "resolution_ms",
    "cost_usd",
    "cost_compute_usd",
    "cost_init_usd",
    "cost_request_usd",
    "cost_ephemeral_usd",
    "cost_s3_usd",
];
/// Stage name of rows about the whole pipeline.
pub const PIPELINE: &str = "pipeline";
/// A poll interval beyond this share of the median turnaround is worth a warning.
const MAX_RESOLUTION: f64 = 0.02;

/// Something that is described.
#[derive(Clone, Copy, Debug)]
struct Metric {
    name: &'static str,
    column: &'static str,
    scale: f64,
    applies: fn(&Cell) -> bool,
}

const fn metric(name: &'static str, column: &'static str, scale: f64, applies: fn(&Cell) -> bool) -> Metric {
    Metric { name, column, scale, applies }
}

const STAGE_METRICS: [Metric; 8] = [
    metric("duration_ms", "duration_ms", 1.0, |_| true),
    metric("cold_total_ms", "cold_total_ms", 1.0, |cell| matches!(cell.start, Start::Cold)),
    metric("init_ms", "init_ms", 1.0, |cell| matches!(cell.start, Start::Cold)),
    metric("client_ms", "client_ms", 1.0, |cell| matches!(cell.trigger, Trigger::Direct)),
    metric("billed_ms", "billed_ms", 1.0, |_| true),
    metric("max_memory_mb", "max_memory_mb", 1.0, |_| true),
    metric("cost_usd", "cost_usd", 1.0, |_| true),
    metric("cost_usd_per_100k", "cost_usd", QUOTED_IMAGES, |_| true),
];

const PIPELINE_METRICS: [Metric; 3] = [
    metric("turnaround_s", "turnaround_s", 1.0, |cell| matches!(cell.input, Input::Chained)),
    metric("cost_usd", "cost_usd", 1.0, |_| true),
    metric("cost_usd_per_100k", "cost_usd", QUOTED_IMAGES, |_| true),
];

/// Whether a cell's outputs are right, over all its checks that count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// `None` when none was checked.
    pub ok: Option<bool>,
    pub reason: Option<String>,
}

/// The groups that a run's tables hold.
#[derive(Debug)]
pub struct Groups {
    pub invocations: HashMap<(String, String), Group>,
    pub pipelines: HashMap<String, Group>,
}

/// One row of `summary`.
#[derive(Clone, Debug)]
pub struct SummaryRow {
    pub cell: u32,
    /// `None`: the pipeline.
    pub stage: Option<u32>,
    pub metric: &'static str,
    pub group: GroupCounts,
    pub description: Description,
    pub rank: Option<u32>,
    pub note: Option<String>,
}

/// How many rows of a group are not in its sample, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCounts {
    pub failed: usize,
    pub wrong_start: usize,
    pub warm_up: usize,
    pub superseded: usize,
    pub missing: usize,
}

/// One row of `costs`. USD of 100,000 images.
#[derive(Clone, Debug, Default)]
pub struct CostRow {
    pub cell: u32,
    pub n: usize,
    pub hosting: Option<f64>,
    pub compute: Option<f64>,
    pub init: Option<f64>,
    pub request: Option<f64>,
    pub ephemeral: Option<f64>,
    pub s3: Option<f64>,
    pub rank: Option<u32>,
    pub note: Option<String>,
}

/// Returns whether each cell's outputs are right, in the order of the plan.
pub fn outputs(facts: &Facts) -> Vec<Outputs> {
    type Wrong<'a> = HashMap<&'a str, usize>;
    let mut checked: HashMap<(u32, u32), (usize, Wrong)> = HashMap::new();
    for check in facts.checks.iter().filter(|check| facts.check_counts(check)) {
        let cell = facts.passes[check.pass as usize].key.cell;
        let (all, wrong) = checked.entry((cell, check.stage)).or_default();
        *all += 1;
        if !check.verdict.pass {
            *wrong.entry(check.verdict.reason.as_deref().unwrap_or("wrong")).or_default() += 1;
        }
    }
    let of_cell = |cell: u32| {
        let stages = (0u32..).zip(&facts.run.stages);
        let found = stages.filter_map(|(index, stage)| Some((stage, checked.get(&(cell, index))?)));
        let mut outputs = Outputs::default();
        for (stage, (all, wrong)) in found {
            outputs.ok = Some(outputs.ok.unwrap_or(true) && wrong.is_empty());
            // The most frequent reason of the first wrong stage; by name among equals, so that it is always the same one.
            let worst = wrong.iter().max_by_key(|&(reason, &count)| (count, std::cmp::Reverse(reason)));
            if let (None, Some((reason, count))) = (&outputs.reason, worst) {
                outputs.reason = Some(format!("{stage}: {reason} ({count} of {all})"));
            }
        }
        outputs
    };
    (0..facts.run.cells.len() as u32).map(of_cell).collect()
}

/// Returns every row of `summary`, by cell, stage (the pipeline last) and metric.
pub fn summary_rows(facts: &Facts, groups: &Groups, outputs: &[Outputs]) -> Vec<SummaryRow> {
    let mut rows = Vec::new();
    for (index, planned) in (0u32..).zip(&facts.run.cells) {
        let outputs = &outputs[index as usize];
        let id = planned.id.to_string();
        for (stage, name) in (0u32..).zip(&facts.run.stages) {
            let group = groups.invocations.get(&(id.clone(), name.clone()));
            let metrics = STAGE_METRICS.iter().filter(|metric| (metric.applies)(&planned.cell));
            rows.extend(metrics.map(|metric| summary_row(planned, index, Some(stage), metric, group, outputs)));
        }
        let group = groups.pipelines.get(&id);
        let metrics = PIPELINE_METRICS.iter().filter(|metric| (metric.applies)(&planned.cell));
        rows.extend(metrics.map(|metric| summary_row(planned, index, None, metric, group, outputs)));
    }
    rank_summary(&mut rows, facts, outputs);
    rows
}

fn summary_row(
    planned: &PlannedCell,
    cell: u32,
    stage: Option<u32>,
    metric: &Metric,
    group: Option<&Group>,
    outputs: &Outputs,
) -> SummaryRow {
    let empty = Group::default();
    let group = group.unwrap_or(&empty);
    let values: Vec<f64> = group.present(metric.column).iter().map(|v| v * metric.scale).collect();
    let description = describe(&values);
    let counts = GroupCounts {
        failed: group.failed,
        wrong_start: group.wrong_start,
        warm_up: group.warm_up,
        superseded: group.superseded,
        missing: group.no_report + group.keys.len() - description.n,
    };
    let mut notes = sample_notes(planned, group.rows, counts, &description);
    if metric.name == "turnaround_s" {
        notes.extend(resolution_note(group, &description));
    }
    notes.extend(outputs_note(planned, group.rows, outputs));
    SummaryRow { cell, stage, metric: metric.name, group: counts, description, rank: None, note: joined(&notes) }
}

/// Says why a sample is empty, partial or small.
fn sample_notes(planned: &PlannedCell, rows: usize, counts: GroupCounts, d: &Description) -> Vec<String> {
    if let Some(why) = &planned.not_runnable {
        return vec![format!("not runnable here: {why}")];
    }
    if rows == 0 {
        return vec!["not measured".into()];
    }
    let mut notes = Vec::new();
    if d.n == 0 {
        notes.push("no row of the group counts".into());
    }
    if counts.failed > 0 {
        let tried = counts.failed + d.n + counts.missing;
        notes.push(format!("{} of {tried} failed: the sample is of the survivors", counts.failed));
    }
    if counts.missing > 0 {
        notes.push(format!("{} without a value", counts.missing));
    }
    if d.n > 0 && d.n < MIN_N_P95 {
        notes.push(format!("p95 needs n >= {MIN_N_P95}, p99 n >= {MIN_N_P99}"));
    } else if d.n > 0 && d.n < MIN_N_P99 {
        notes.push(format!("p99 needs n >= {MIN_N_P99}"));
    }
    notes
}

fn resolution_note(group: &Group, d: &Description) -> Option<String> {
    let resolution_ms = group.present("resolution_ms").into_iter().fold(0.0, f64::max);
    let share = resolution_ms / (d.p50? * 1000.0);
    let coarse = share > MAX_RESOLUTION;
    coarse.then(|| format!("polled every {resolution_ms} ms, {:.1}% of the median: late by up to that", share * 100.0))
}

fn outputs_note(planned: &PlannedCell, rows: usize, outputs: &Outputs) -> Option<String> {
    if planned.not_runnable.is_some() || rows == 0 {
        return None;
    }
    match (outputs.ok, &outputs.reason) {
        (Some(true), _) => None,
        (Some(false), reason) => Some(format!("outputs wrong, not ranked: {}", reason.as_deref().unwrap_or("unknown"))),
        (None, _) => Some("outputs not checked, not ranked".into()),
    }
}

fn joined(notes: &[String]) -> Option<String> {
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// Returns every row of `costs`, in the order of the plan.
pub fn cost_rows(facts: &Facts, groups: &Groups, outputs: &[Outputs]) -> Vec<CostRow> {
    let mut rows: Vec<CostRow> = (0u32..)
        .zip(&facts.run.cells)
        .map(|(cell, planned)| cost_row(planned, cell, groups, &outputs[cell as usize]))
        .collect();
    let candidates = rows.iter().enumerate().filter_map(|(i, row)| {
        let ok = outputs[row.cell as usize].ok == Some(true);
        Some((i, comparable(&facts.run.cells[row.cell as usize].cell), row.hosting.filter(|_| ok)?))
    });
    for (i, rank) in ranks(candidates.collect()) {
        rows[i].rank = Some(rank);
    }
    rows
}

fn cost_row(planned: &PlannedCell, cell: u32, groups: &Groups, outputs: &Outputs) -> CostRow {
    let empty = Group::default();
    let group = groups.pipelines.get(planned.id.as_str()).unwrap_or(&empty);
    let per_100k = |column: &str| {
        let mut values = group.present(column);
        values.sort_unstable_by(f64::total_cmp);
        mean_of_sorted(&values).map(|mean| mean * QUOTED_IMAGES)
    };
    let values: Vec<f64> = group.present("cost_usd");
    let description = describe(&values);
    let counts =
        GroupCounts { failed: group.failed, missing: group.keys.len() - description.n, ..GroupCounts::default() };
    let mut notes = sample_notes(planned, group.rows, counts, &description);
    notes.retain(|note| !note.contains("needs n"));
    notes.extend(outputs_note(planned, group.rows, outputs));
    CostRow {
        cell,
        n: description.n,
        hosting: per_100k("cost_usd"),
        compute: per_100k("cost_compute_usd"),
        init: per_100k("cost_init_usd"),
        request: per_100k("cost_request_usd"),
        ephemeral: per_100k("cost_ephemeral_usd"),
        s3: per_100k("cost_s3_usd"),
        rank: None,
        note: joined(&notes),
    }
}

/// The levels that two cells must share to be ranked against each other.
type Comparable = (String, Trigger, Input, Start, u32);

fn comparable(cell: &Cell) -> Comparable {
    (cell.image_set.clone(), cell.trigger, cell.input, cell.start, cell.concurrency)
}

fn rank_summary(rows: &mut [SummaryRow], facts: &Facts, outputs: &[Outputs]) {
    let candidates = rows.iter().enumerate().filter_map(|(i, row)| {
        let ok = outputs[row.cell as usize].ok == Some(true);
        let group = (comparable(&facts.run.cells[row.cell as usize].cell), row.stage, row.metric);
        Some((i, group, row.description.mean.filter(|_| ok)?))
    });
    for (i, rank) in ranks(candidates.collect()) {
        rows[i].rank = Some(rank);
    }
}

/// Ranks `(row, group, value)` within their groups from 1, the lowest value first; equal values share a rank.
fn ranks<G: Eq + std::hash::Hash>(candidates: Vec<(usize, G, f64)>) -> Vec<(usize, u32)> {
    let mut by_group: HashMap<G, Vec<(f64, usize)>> = HashMap::new();
    for (row, group, value) in candidates {
        by_group.entry(group).or_default().push((value, row));
    }
    let mut ranked = Vec::new();
    for members in by_group.values_mut() {
        members.sort_by(|a, b| a.0.total_cmp(&b.0));
        for &(value, row) in members.iter() {
            let better = members.iter().take_while(|(other, _)| *other < value).count();
            ranked.push((row, better as u32 + 1));
        }
    }
    ranked
}

/// Returns the frame of `summary`.
pub fn summary_frame(facts: &Facts, rows: &[SummaryRow], outputs: &[Outputs]) -> PolarsResult<DataFrame> {
    let d = |of: fn(&Description) -> Option<f64>| rows.iter().map(move |row| of(&row.description));
    let count = |of: fn(&SummaryRow) -> usize| rows.iter().map(move |row| Some(of(row) as i64));
    let stage = |row: &SummaryRow| row.stage.map_or(PIPELINE, |stage| &facts.run.stages[stage as usize]);
    let cells: Vec<u32> = rows.iter().map(|row| row.cell).collect();
    let mut columns = cell_columns(facts, &cells)?;
    columns.extend([
        texts("stage", rows.iter().map(|row| Some(stage(row)))),
        integers("stage_index", rows.iter().map(|row| row.stage.map(i64::from))),
        texts("metric", rows.iter().map(|row| Some(row.metric))),
        integers("n", count(|row| row.description.n)),
        integers("n_failed", count(|row| row.group.failed)),
        integers("n_wrong_start", count(|row| row.group.wrong_start)),
        integers("n_warm_up", count(|row| row.group.warm_up)),
        integers("n_superseded", count(|row| row.group.superseded)),
        integers("n_missing", count(|row| row.group.missing)),
        integers("n_outliers", count(|row| row.description.n_outliers)),
        floats("mean", d(|d| d.mean)),
        floats("sd", d(|d| d.sd)),
        floats("cv", d(|d| d.cv)),
        floats("min", d(|d| d.min)),
        floats("p50", d(|d| d.p50)),
        floats("p90", d(|d| d.p90)),
        floats("p95", d(|d| d.p95)),
        floats("p99", d(|d| d.p99)),
        floats("max", d(|d| d.max)),
        floats("iqr", d(|d| d.iqr)),
        floats("mad", d(|d| d.mad)),
        integers("rank", rows.iter().map(|row| row.rank.map(i64::from))),
        texts("note", rows.iter().map(|row| row.note.as_ref())),
    ]);
    columns.extend(output_columns(&cells, outputs));
    frame(&columns::SUMMARY, columns)
}

/// Returns the frame of `costs`.
pub fn cost_frame(
    facts: &Facts,
    rows: &[CostRow],
    outputs: &[Outputs],
    prices: &PriceTable,
) -> PolarsResult<DataFrame> {
    let usd = |of: fn(&CostRow) -> Option<f64>| rows.iter().map(of);
    let cells: Vec<u32> = rows.iter().map(|row| row.cell).collect();
    let mut columns = cell_columns(facts, &cells)?;
    columns.extend([
        integers("n", rows.iter().map(|row| Some(row.n as i64))),
        floats("cost_usd_per_100k", usd(|row| row.hosting)),
        floats("compute_usd_per_100k", usd(|row| row.compute)),
        floats("init_usd_per_100k", usd(|row| row.init)),
        floats("request_usd_per_100k", usd(|row| row.request)),
        floats("ephemeral_usd_per_100k", usd(|row| row.ephemeral)),
        floats("s3_usd_per_100k", usd(|row| row.s3)),
        texts("price_region", rows.iter().map(|_| Some(&prices.region))),
        texts("price_date", rows.iter().map(|_| Some(&prices.date))),
        integers("rank", rows.iter().map(|row| row.rank.map(i64::from))),
        texts("note", rows.iter().map(|row| row.note.as_ref())),
    ]);
    columns.extend(output_columns(&cells, outputs));
    frame(&columns::COSTS, columns)
}

fn output_columns(cells: &[u32], outputs: &[Outputs]) -> [polars::prelude::Column; 2] {
    [
        bools("outputs_ok", cells.iter().map(|&cell| outputs[cell as usize].ok)),
        texts("reason", cells.iter().map(|&cell| outputs[cell as usize].reason.as_ref())),
    ]
}
