//! Groups → the rows of `summary`: a cell's metrics and their statistics.
//!
//! [`darkroom_core::statistics`] computes; this file chooses the input. Every cell of the plan gets
//! every row that it could have had: a cell that cannot run or has not run has rows with n = 0.

use std::collections::BTreeSet;

use darkroom_core::cell::{Cell, Input, Start, Trigger};
use darkroom_core::cost::QUOTED_IMAGES;
use darkroom_core::event::PlannedCell;
use darkroom_core::imported::IMPORTED;
use darkroom_core::statistics::{
    Description, Fresh, Interval, Intervals, Origin, Probes, Trend, VarianceSplit, describe,
    halves_ratio, holm, intervals, seed_of, trend, variance_split,
};
use polars::prelude::{DataFrame, PolarsResult};
use rayon::prelude::*;

use crate::columns;
use crate::facts::JournalFacts;
use crate::frames::{bools, cell_columns, floats, frame, integers, texts};
use crate::notes::{interval_notes, joined, not_there, outputs_note, sample_notes};
use crate::outputs::{Outputs, output_columns};
use crate::samples::{GroupCounts, SampleGroup, Samples};

/// Adjusted p of a trend below which a sample is called not stationary.
const TREND_SIGNIFICANCE: f64 = 0.01;
/// Columns of `pipelines` that metrics and costs are made of.
pub const PIPELINE_COLUMNS: [&str; 9] = [
    "turnaround_s",
    "resolution_ms",
    "cost_usd",
    "cost_compute_usd",
    "cost_init_usd",
    "cost_request_usd",
    "cost_ephemeral_usd",
    "cost_restore_usd",
    "cost_s3_usd",
];
/// The metric by which memories are told.
const FRESH: &str = "duration_ms";
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

const fn metric(
    name: &'static str,
    column: &'static str,
    scale: f64,
    applies: fn(&Cell) -> bool,
) -> Metric {
    Metric {
        name,
        column,
        scale,
        applies,
    }
}

const STAGE_METRICS: [Metric; 10] = [
    metric("duration_ms", "duration_ms", 1.0, |_| true),
    metric("cold_total_ms", "cold_total_ms", 1.0, |cell| {
        matches!(cell.start, Start::Cold)
    }),
    metric("init_ms", "init_ms", 1.0, |cell| {
        matches!(cell.start, Start::Cold) && cell.snapstart.is_off()
    }),
    metric("restore_ms", "restore_ms", 1.0, |cell| {
        matches!(cell.start, Start::Cold) && cell.snapstart.is_on()
    }),
    metric("client_ms", "client_ms", 1.0, |cell| {
        matches!(cell.trigger, Trigger::Direct)
    }),
    metric("trigger_delay_ms", "trigger_delay_ms", 1.0, |cell| {
        matches!(cell.trigger, Trigger::S3)
    }),
    metric("billed_ms", "billed_ms", 1.0, |_| true),
    metric("max_memory_mb", "max_memory_mb", 1.0, |_| true),
    metric("cost_usd", "cost_usd", 1.0, |_| true),
    metric("cost_usd_per_100k", "cost_usd", QUOTED_IMAGES, |_| true),
];

const PIPELINE_METRICS: [Metric; 3] = [
    metric("turnaround_s", "turnaround_s", 1.0, |cell| {
        matches!(cell.input, Input::Chained)
    }),
    metric("cost_usd", "cost_usd", 1.0, |_| true),
    metric("cost_usd_per_100k", "cost_usd", QUOTED_IMAGES, |_| true),
];

/// The groups that a run's tables hold.
#[derive(Debug)]
pub struct Groups {
    pub invocations: Samples<(String, String)>,
    pub pipelines: Samples<String>,
}

impl Groups {
    /// Counts the calls of a cell that failed, in whatever stage.
    pub fn calls_failed(&self, planned: &PlannedCell, stages: &[String]) -> usize {
        let of = |stage: &String| {
            self.invocations
                .get(&(planned.id.to_string(), stage.clone()))
        };
        stages.iter().filter_map(of).map(|group| group.failed).sum()
    }
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
    pub intervals: Intervals,
    pub trend: Option<Trend>,
    /// Of the trend, adjusted within the metric over the whole run.
    pub trend_p_adjusted: Option<f64>,
    /// Where the spread comes from.
    pub split: Option<VarianceSplit>,
    /// Median of the second half of the sample / of the first, in the order of execution.
    pub halves_ratio: Option<f64>,
    /// Of turnarounds that were polled for: how late the mean can be at most, as a share of the
    /// median.
    pub resolution_share: Option<f64>,
    /// Of durations: how much longer they are on pixels that were not seen before; `None` where
    /// that was not probed.
    pub fresh: Option<Fresh>,
    /// The one image whose probes show that the stage remembers, where all together do not.
    pub fresh_image: Option<String>,
    pub rank: Option<u32>,
    pub note: Option<String>,
}

impl SummaryRow {
    /// Says whether polls were further apart than 2% of the median turnaround.
    pub fn is_coarse(&self) -> Option<bool> {
        self.resolution_share.map(|share| share > MAX_RESOLUTION)
    }
}

/// Returns every row of `summary`, by cell, stage (the pipeline last) and metric.
///
/// Columns are loaded one by one, so that of the largest table only one is in memory at a time.
pub fn summary_rows(
    facts: &JournalFacts,
    groups: &mut Groups,
    outputs: &[Outputs],
) -> PolarsResult<Vec<SummaryRow>> {
    let cells = facts.run.cells.iter();
    let calls_failed = cells
        .map(|planned| groups.calls_failed(planned, &facts.run.stages))
        .collect();
    let describer = Describer {
        facts,
        outputs,
        calls_failed,
    };
    let mut rows: Vec<(usize, SummaryRow)> = Vec::new();
    for column in columns_of(&STAGE_METRICS) {
        groups.invocations.load(&[column])?;
        let stages = (0u32..)
            .zip(&facts.run.stages)
            .map(|(index, name)| Some((index, name)));
        rows.extend(describer.rows(
            &stages.collect::<Vec<_>>(),
            &STAGE_METRICS,
            column,
            |planned, stage| {
                groups
                    .invocations
                    .get(&(planned.id.to_string(), stage.to_owned()))
            },
        ));
        if column == FRESH {
            probed(&mut rows, facts, groups);
        }
        groups.invocations.forget(column);
    }
    groups.pipelines.load(&PIPELINE_COLUMNS)?;
    for column in columns_of(&PIPELINE_METRICS) {
        rows.extend(
            describer.rows(&[None], &PIPELINE_METRICS, column, |planned, _| {
                groups.pipelines.get(planned.id.as_str())
            }),
        );
    }
    rows.sort_by_key(|(metric, row)| (row.cell, row.stage.unwrap_or(u32::MAX), *metric));
    let mut rows: Vec<SummaryRow> = rows.into_iter().map(|(_, row)| row).collect();
    adjust_trends(&mut rows);
    note_memories(&mut rows);
    Ok(rows)
}

/// The columns that metrics are of, each once.
fn columns_of(metrics: &[Metric]) -> Vec<&'static str> {
    let mut columns: Vec<&'static str> = metrics.iter().map(|metric| metric.column).collect();
    columns.dedup();
    columns
}

/// Describes the groups of every cell.
struct Describer<'a> {
    facts: &'a JournalFacts,
    outputs: &'a [Outputs],
    /// By cell.
    calls_failed: Vec<usize>,
}

/// What is said of a column of a group, whatever the unit of its metric.
struct Measured {
    values: Vec<f64>,
    intervals: Intervals,
    trend: Option<Trend>,
    split: Option<VarianceSplit>,
    halves_ratio: Option<f64>,
}

impl Describer<'_> {
    /// Returns the rows of every metric of one column, each with the metric's place among
    /// `metrics`.
    fn rows<'a>(
        &self,
        stages: &[Option<(u32, &String)>],
        metrics: &[Metric],
        column: &'static str,
        group: impl Fn(&PlannedCell, &str) -> Option<&'a SampleGroup> + Sync,
    ) -> Vec<(usize, SummaryRow)> {
        let cells = (0u32..).zip(&self.facts.run.cells);
        let places: Vec<_> = cells
            .flat_map(|cell| stages.iter().map(move |stage| (cell, *stage)))
            .collect();
        let empty = SampleGroup::default();
        let of_place =
            |&((index, planned), stage): &((u32, &PlannedCell), Option<(u32, &String)>)| {
                let name = stage.map_or(PIPELINE, |(_, name)| name);
                let group = group(planned, name).unwrap_or(&empty);
                let of_column = metrics
                    .iter()
                    .enumerate()
                    .filter(|(_, metric)| metric.column == column);
                let applying: Vec<_> = of_column
                    .filter(|(_, metric)| (metric.applies)(&planned.cell))
                    .collect();
                let measured =
                    (!applying.is_empty()).then(|| self.measured(planned, name, column, group));
                let place = (index, stage.map(|(index, _)| index));
                let row = |(at, metric), measured| (at, self.row(place, metric, group, measured));
                let rows: Vec<_> = measured
                    .iter()
                    .flat_map(|of| applying.iter().map(|&metric| row(metric, of)))
                    .collect();
                rows
            };
        places.par_iter().flat_map_iter(of_place).collect()
    }

    fn measured(
        &self,
        planned: &PlannedCell,
        stage: &str,
        column: &'static str,
        group: &SampleGroup,
    ) -> Measured {
        let (values, images) = group.of_images(column);
        let seed = seed_of(self.facts.run.seed, &[planned.id.as_str(), stage, column]);
        Measured {
            intervals: intervals(&values, &images, seed),
            trend: trend(&values),
            split: variance_of(group, column),
            halves_ratio: halves_ratio(&values),
            values,
        }
    }

    fn row(
        &self,
        (cell, stage): (u32, Option<u32>),
        metric: &Metric,
        group: &SampleGroup,
        of: &Measured,
    ) -> SummaryRow {
        let planned = &self.facts.run.cells[cell as usize];
        let values: Vec<f64> = of.values.iter().map(|v| v * metric.scale).collect();
        let description = describe(&values);
        let counts = GroupCounts {
            failed: group.failed,
            wrong_start: group.wrong_start,
            proactive: group.proactive,
            warm_up: group.warm_up,
            probe: group.probe,
            superseded: group.superseded,
            missing: group.no_report + group.keys.len() - description.n,
        };
        let intervals = of.intervals.scaled(metric.scale);
        let calls_failed = if stage.is_none() {
            self.calls_failed[cell as usize]
        } else {
            0
        };
        let stages = &self.facts.run.stages;
        let gap = not_there(planned, stages, stage.map(|stage| &stages[stage as usize]));
        let mut notes = match gap {
            Some(gap) if planned.not_runnable.is_none() => vec![gap],
            _ => sample_notes(planned, group.rows, calls_failed, counts, &description),
        };
        notes.extend(interval_notes(&description, &intervals));
        let polled = metric.name == "turnaround_s" && planned.cell.trigger == Trigger::S3;
        let resolution_share = if polled {
            resolution_share(group, &description)
        } else {
            None
        };
        notes.extend(resolution_share.and_then(resolution_note));
        if metric.name == "trigger_delay_ms" && description.n > 0 {
            notes.push(
                "cross_clock: a difference between two hosts' clocks; negative values are kept"
                    .to_owned(),
            );
        }
        notes.extend(outputs_note(
            planned,
            group.rows,
            &self.outputs[cell as usize],
        ));
        if self.facts.run.target == IMPORTED && group.rows > 0 {
            notes.push(self.facts.run.isolation.clone());
        }
        SummaryRow {
            cell,
            stage,
            metric: metric.name,
            group: counts,
            description,
            intervals,
            trend: of.trend,
            trend_p_adjusted: None,
            split: of.split,
            halves_ratio: of.halves_ratio,
            resolution_share,
            fresh: None,
            fresh_image: None,
            rank: None,
            note: joined(&notes),
        }
    }
}

/// Says of the durations of every stage how much longer they are on fresh pixels, all of the run
/// taken together.
fn probed(rows: &mut [(usize, SummaryRow)], facts: &JournalFacts, groups: &Groups) {
    let of = |row: &SummaryRow| -> Option<Probes> {
        let stage = row.stage.filter(|_| row.metric == FRESH)?;
        let cell = facts.run.cells[row.cell as usize].id.to_string();
        let group = groups
            .invocations
            .get(&(cell, facts.run.stages[stage as usize].clone()))?;
        Some(group.probes(FRESH)).filter(|probes| probes.tests() > 0)
    };
    let tested: Vec<(usize, Probes)> = rows
        .iter()
        .enumerate()
        .filter_map(|(index, (_, row))| Some((index, of(row)?)))
        .collect();
    let tests = tested.iter().map(|(_, probes)| probes.tests()).sum();
    for (index, probes) in &tested {
        let row = &mut rows[*index].1;
        row.fresh = probes.fresh(tests);
        let image = row.fresh.and_then(|fresh| fresh.image);
        row.fresh_image =
            image.and_then(|image| groups.invocations.images.get(image as usize).cloned());
    }
}

/// Returns the cells of which a stage remembers outputs.
pub fn remembering(rows: &[SummaryRow]) -> BTreeSet<u32> {
    let remembers = |row: &&SummaryRow| row.fresh.is_some_and(|fresh| fresh.remembers);
    rows.iter().filter(remembers).map(|row| row.cell).collect()
}

/// Says in every row of a cell that remembers outputs that it is not ranked.
fn note_memories(rows: &mut [SummaryRow]) {
    let remembering = remembering(rows);
    for row in rows
        .iter_mut()
        .filter(|row| remembering.contains(&row.cell))
    {
        let note = "remembers outputs, not ranked".to_owned();
        row.note = Some(
            row.note
                .take()
                .map_or(note.clone(), |before| format!("{before}; {note}")),
        );
    }
}

/// Splits a sample's variance between its images, deployments and environments.
fn variance_of(group: &SampleGroup, column: &str) -> Option<VarianceSplit> {
    let of = group
        .keys
        .iter()
        .zip(group.values.get(column)?)
        .enumerate()
        .filter_map(|(row, (key, value))| {
            let environment = group.environments.get(row).copied().flatten();
            Some((
                (*value)?,
                Origin {
                    image: key.image,
                    deployment: key.deployment,
                    environment,
                },
            ))
        });
    let (values, origins): (Vec<f64>, Vec<Origin>) = of.unzip();
    variance_split(&values, &origins)
}

/// Adjusts the trends' p within each metric, and notes the ones that remain.
fn adjust_trends(rows: &mut [SummaryRow]) {
    let metrics: BTreeSet<&str> = rows.iter().map(|row| row.metric).collect();
    for metric in metrics {
        let family: Vec<usize> = (0..rows.len())
            .filter(|&i| rows[i].metric == metric)
            .collect();
        let p: Vec<Option<f64>> = family
            .iter()
            .map(|&i| rows[i].trend.map(|trend| trend.p))
            .collect();
        for (&i, p) in family.iter().zip(holm(&p)) {
            rows[i].trend_p_adjusted = p;
            if let (Some(trend), true) = (rows[i].trend, p.is_some_and(|p| p < TREND_SIGNIFICANCE))
            {
                let way = if trend.tau > 0.0 { "rises" } else { "falls" };
                let note = format!("{way} over the run (tau {:.2}): not stationary", trend.tau);
                rows[i].note = Some(
                    rows[i]
                        .note
                        .take()
                        .map_or(note.clone(), |before| format!("{before}; {note}")),
                );
            }
        }
    }
}

/// Returns how late the mean turnaround can be at most, as a share of the median: the mean of the
/// polls' resolutions over it.
fn resolution_share(group: &SampleGroup, d: &Description) -> Option<f64> {
    let resolutions_ms = group.present("resolution_ms");
    let mean_ms = resolutions_ms.iter().sum::<f64>() / resolutions_ms.len() as f64;
    Some(mean_ms / (d.p50? * 1000.0)).filter(|share| share.is_finite())
}

fn resolution_note(share: f64) -> Option<String> {
    let coarse = share > MAX_RESOLUTION;
    coarse.then(|| format!("polling may add up to {:.1}% to the median", share * 100.0))
}

/// Returns the frame of `summary`.
pub fn summary_frame(
    facts: &JournalFacts,
    rows: &[SummaryRow],
    outputs: &[Outputs],
) -> PolarsResult<DataFrame> {
    let d = |of: fn(&Description) -> Option<f64>| rows.iter().map(move |row| of(&row.description));
    let ci = |of: fn(&Intervals) -> Option<f64>| rows.iter().map(move |row| of(&row.intervals));
    let count = |of: fn(&SummaryRow) -> usize| rows.iter().map(move |row| Some(of(row) as i64));
    let stage = |row: &SummaryRow| {
        row.stage
            .map_or(PIPELINE, |stage| &facts.run.stages[stage as usize])
    };
    let cells: Vec<u32> = rows.iter().map(|row| row.cell).collect();
    let mut columns = cell_columns(facts, &cells)?;
    columns.extend([
        texts("stage", rows.iter().map(|row| Some(stage(row)))),
        integers(
            "stage_index",
            rows.iter().map(|row| row.stage.map(i64::from)),
        ),
        texts("metric", rows.iter().map(|row| Some(row.metric))),
        integers("n", count(|row| row.description.n)),
        integers("n_failed", count(|row| row.group.failed)),
        integers("n_wrong_start", count(|row| row.group.wrong_start)),
        integers("n_proactive", count(|row| row.group.proactive)),
        integers("n_warm_up", count(|row| row.group.warm_up)),
        integers("n_probe", count(|row| row.group.probe)),
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
        floats("mean_ci_low", ci(|ci| ci.mean.map(|i| i.low))),
        floats("mean_ci_high", ci(|ci| ci.mean.map(|i| i.high))),
        floats(
            "mean_ci_images_low",
            ci(|ci| ci.mean_of_random_images.map(|(low, _)| low)),
        ),
        floats(
            "mean_ci_images_high",
            ci(|ci| ci.mean_of_random_images.map(|(_, high)| high)),
        ),
        floats("sd_ci_low", ci(|ci| ci.sd.map(|i| i.low))),
        floats("sd_ci_high", ci(|ci| ci.sd.map(|i| i.high))),
        floats("cv_ci_low", ci(|ci| ci.cv.map(|i| i.low))),
        floats("cv_ci_high", ci(|ci| ci.cv.map(|i| i.high))),
        floats("p50_ci_low", ci(|ci| ci.p50.0)),
        floats("p50_ci_high", ci(|ci| ci.p50.1)),
        floats("p90_ci_low", ci(|ci| ci.p90.0)),
        floats("p90_ci_high", ci(|ci| ci.p90.1)),
        floats(
            "p95_ci_low",
            rows.iter().map(|row| {
                row.intervals
                    .p95
                    .0
                    .filter(|_| row.description.p95.is_some())
            }),
        ),
        floats(
            "p95_ci_high",
            rows.iter().map(|row| {
                row.intervals
                    .p95
                    .1
                    .filter(|_| row.description.p95.is_some())
            }),
        ),
        floats(
            "p99_ci_low",
            rows.iter().map(|row| {
                row.intervals
                    .p99
                    .0
                    .filter(|_| row.description.p99.is_some())
            }),
        ),
        floats(
            "p99_ci_high",
            rows.iter().map(|row| {
                row.intervals
                    .p99
                    .1
                    .filter(|_| row.description.p99.is_some())
            }),
        ),
        texts(
            "ci_method",
            rows.iter().map(|row| ci_method(&row.intervals)),
        ),
        floats("r1", ci(|ci| ci.r1)),
        floats(
            "trend_tau",
            rows.iter().map(|row| row.trend.map(|trend| trend.tau)),
        ),
        floats("trend_p_adj", rows.iter().map(|row| row.trend_p_adjusted)),
        floats("halves_ratio", rows.iter().map(|row| row.halves_ratio)),
        floats(
            "variance_image",
            rows.iter().map(|row| row.split.map(|split| split.image)),
        ),
        floats(
            "variance_deployment",
            rows.iter()
                .map(|row| row.split.and_then(|split| split.deployment)),
        ),
        floats(
            "variance_environment",
            rows.iter()
                .map(|row| row.split.and_then(|split| split.environment)),
        ),
        floats(
            "variance_repetition",
            rows.iter()
                .map(|row| row.split.map(|split| split.repetition)),
        ),
        floats("iqr", d(|d| d.iqr)),
        floats("mad", d(|d| d.mad)),
        floats(
            "resolution_share",
            rows.iter().map(|row| row.resolution_share),
        ),
        bools("coarse", rows.iter().map(SummaryRow::is_coarse)),
        floats(
            "fresh_ratio",
            rows.iter().map(|row| row.fresh.map(|fresh| fresh.ratio)),
        ),
        floats(
            "fresh_ratio_low",
            rows.iter().map(|row| row.fresh.map(|fresh| fresh.low)),
        ),
        texts(
            "fresh_image",
            rows.iter().map(|row| row.fresh_image.as_ref()),
        ),
        bools(
            "remembers",
            rows.iter()
                .map(|row| row.fresh.map(|fresh| fresh.remembers)),
        ),
        integers("rank", rows.iter().map(|row| row.rank.map(i64::from))),
        texts("note", rows.iter().map(|row| row.note.as_ref())),
    ]);
    columns.extend(output_columns(&cells, outputs));
    frame(&columns::SUMMARY, columns)
}

/// Names how the intervals were made: mean's method, and those of sd and cv where they differ.
fn ci_method(intervals: &Intervals) -> Option<String> {
    let mean = intervals.mean?.method();
    let other = |name: &str, interval: Option<Interval>| {
        interval
            .filter(|i| i.method() != mean)
            .map(|i| format!("; {name} {}", i.method()))
            .unwrap_or_default()
    };
    Some(format!(
        "{mean}{}{}",
        other("sd", intervals.sd),
        other("cv", intervals.cv)
    ))
}
