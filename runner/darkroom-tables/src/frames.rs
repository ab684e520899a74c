//! Facts → Polars frames of `invocations`, `pipelines` and `outputs`, a batch of rows at a time.
//!
//! Constructors below make every column, so texts, times and nulls look alike in all tables: a
//! float that is not finite becomes null.

use std::ops::Range;

use darkroom_core::cost::PriceTable;
use darkroom_core::event::{Again, PassKind, PlannedCell, Profile, Reconciliation};
use darkroom_core::ledger::{CountsAs, Repetition, StartKind, init_gap_ms};
use polars::prelude::{
    BooleanChunked, ChunkTake, Column, DataFrame, Float64Chunked, IdxCa, Int64Chunked, IntoColumn,
    IntoSeries, NewChunkedArray, PolarsResult, StringChunked, TimeUnit, TimeZone,
};
use uuid::Uuid;

use crate::columns::{self, Kind, Table};
use crate::facts::{
    Finished, InvocationFact, JournalFacts, Pass, ReportFact, RequestId, Text, outlier_flag,
};

/// Rows of one batch, and so of one Parquet row group.
pub const BATCH_ROWS: usize = 131_072;

/// Mark of a figure that is a difference of two hosts' clocks.
const CROSS_CLOCK: &str = "cross_clock";

/// Returns the ranges of at most [`BATCH_ROWS`] that cover `rows`.
pub fn batches(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows)
        .step_by(BATCH_ROWS)
        .map(move |start| start..(start + BATCH_ROWS).min(rows))
}

/// Returns a column of optional integers.
pub fn integers(name: &str, values: impl Iterator<Item = Option<i64>>) -> Column {
    Int64Chunked::from_iter_options(name.into(), values).into_column()
}

/// Returns a column of optional floats; what is not finite becomes null.
pub fn floats(name: &str, values: impl Iterator<Item = Option<f64>>) -> Column {
    let finite = values.map(|value| value.filter(|v| v.is_finite()));
    Float64Chunked::from_iter_options(name.into(), finite).into_column()
}

/// Returns a column of optional truth values.
pub fn bools(name: &str, values: impl Iterator<Item = Option<bool>>) -> Column {
    BooleanChunked::from_iter_options(name.into(), values).into_column()
}

/// Returns a column of optional texts.
pub fn texts<S: AsRef<str>>(name: &str, values: impl Iterator<Item = Option<S>>) -> Column {
    StringChunked::from_iter_options(name.into(), values).into_column()
}

/// Returns a column of UTC times from epoch milliseconds.
pub fn times(name: &str, values: impl Iterator<Item = Option<i64>>) -> Column {
    let ms = Int64Chunked::from_iter_options(name.into(), values);
    ms.into_datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC))
        .into_series()
        .into_column()
}

/// Returns the frame of `columns` in the order and of the types that `table` declares.
///
/// A column that is missing, unknown or of another type is a mistake in this crate, found by its
/// tests.
pub fn frame(table: &Table, columns: Vec<Column>) -> PolarsResult<DataFrame> {
    debug_assert_eq!(
        columns.len(),
        table.columns.len(),
        "{} has other columns than declared",
        table.name
    );
    let frame = DataFrame::new_infer_height(columns)?
        .select(table.columns.iter().map(|column| column.name))?;
    for (declared, found) in table.columns.iter().zip(frame.columns()) {
        debug_assert_eq!(
            &data_type(declared.kind),
            found.dtype(),
            "{}.{}",
            table.name,
            declared.name
        );
    }
    Ok(frame)
}

/// Returns the Polars type of a column's kind.
pub fn data_type(kind: Kind) -> polars::prelude::DataType {
    use polars::prelude::DataType;
    match kind {
        Kind::Text => DataType::String,
        Kind::Integer => DataType::Int64,
        Kind::Float => DataType::Float64,
        Kind::Bool => DataType::Boolean,
        Kind::Time => DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC)),
    }
}

/// Returns the columns that say which cell each row belongs to: run, id, levels, author, target.
pub fn cell_columns(facts: &JournalFacts, cells: &[u32]) -> PolarsResult<Vec<Column>> {
    let planned = &facts.run.cells;
    let text = |name: &str, of: &dyn Fn(&PlannedCell) -> Option<String>| {
        gather(
            name,
            &StringChunked::from_iter_options("".into(), planned.iter().map(of)),
            cells.iter().map(|&c| Some(c)),
        )
    };
    let integer = |name: &str, of: &dyn Fn(&PlannedCell) -> Option<i64>| {
        let levels: Vec<Option<i64>> = planned.iter().map(of).collect();
        integers(name, cells.iter().map(|&c| levels[c as usize]))
    };
    Ok(vec![
        text("run_id", &|_| Some(facts.run.run_id.clone()))?,
        text("cell_id", &|c| Some(c.id.to_string()))?,
        text("variant", &|c| Some(c.cell.variant.clone()))?,
        text("runtime", &|c| facts.runtime_of(&c.cell).map(str::to_owned))?,
        text("architecture", &|c| Some(c.cell.architecture.to_string()))?,
        integer("memory_mb", &|c| Some(c.cell.memory_mb.into())),
        text("image_set", &|c| Some(c.cell.image_set.clone()))?,
        text("trigger", &|c| Some(c.cell.trigger.to_string()))?,
        text("input", &|c| Some(c.cell.input.to_string()))?,
        text("start", &|c| Some(c.cell.start.to_string()))?,
        text("snapstart", &|c| Some(c.cell.snapstart.to_string()))?,
        integer("concurrency", &|c| Some(c.cell.concurrency.into())),
        text("model", &|c| c.model.clone())?,
        integer("sample", &|c| c.sample.map(i64::from)),
        text("prompt", &|c| c.prompt_name().map(str::to_owned))?,
        text("target", &|_| Some(facts.run.target.clone()))?,
    ])
}

/// Returns the texts of `dictionary` at `indices`; their bytes are shared, not copied.
fn gather(
    name: &str,
    dictionary: &StringChunked,
    indices: impl Iterator<Item = Option<u32>>,
) -> PolarsResult<Column> {
    let indices = IdxCa::from_iter_options("".into(), indices);
    let mut column = dictionary.take(&indices)?.into_column();
    column.rename(name.into());
    Ok(column)
}

/// Returns the frame of `reconciliation`, in the order of the journal.
pub fn reconciliation(facts: &JournalFacts) -> PolarsResult<DataFrame> {
    let rows = &facts.reconciliations;
    let of = || rows.iter().map(|(_, figure)| figure);
    let columns = vec![
        texts("run_id", of().map(|_| Some(&facts.run.run_id))),
        integers(
            "session",
            rows.iter().map(|(session, _)| Some((*session).into())),
        ),
        times(
            "at",
            of().map(|figure| figure.at.parse().ok().map(jiff::Timestamp::as_millisecond)),
        ),
        texts("function", of().map(|figure| Some(&figure.function))),
        texts("metric", of().map(|figure| Some(figure.metric.as_str()))),
        floats("recorded", of().map(|figure| Some(figure.recorded))),
        floats("reported", of().map(|figure| figure.reported)),
        floats("tolerance", of().map(|figure| Some(figure.tolerance))),
        floats("unanswered", of().map(|figure| Some(figure.unanswered))),
        bools("agrees", of().map(Reconciliation::agrees)),
        texts("note", of().map(|figure| figure.unknown.as_ref())),
        texts("target", of().map(|_| Some(&facts.run.target))),
    ];
    frame(&columns::RECONCILIATION, columns)
}

/// Builds batches of the three tables of facts.
pub struct Frames<'a> {
    facts: &'a JournalFacts,
    prices: &'a PriceTable,
    texts: StringChunked,
    images: StringChunked,
    stages: StringChunked,
    invocation_counts: Vec<CountsAs>,
    time_fences: std::collections::HashMap<(u32, u32), (f64, f64)>,
    turnaround_fences: std::collections::HashMap<u32, (f64, f64)>,
    /// Passes that were finished: the rows of `pipelines`.
    finished: Vec<u32>,
}

impl<'a> Frames<'a> {
    pub fn new(facts: &'a JournalFacts, prices: &'a PriceTable) -> Self {
        let invocation_counts: Vec<CountsAs> = facts
            .invocations
            .iter()
            .map(|row| facts.invocation_counts_as(row))
            .collect();
        Self {
            texts: StringChunked::from_iter_values(
                "".into(),
                facts.texts.iter().map(String::as_str),
            ),
            images: StringChunked::from_iter_values(
                "".into(),
                facts.ledger.images().iter().map(String::as_str),
            ),
            stages: StringChunked::from_iter_values(
                "".into(),
                facts.run.stages.iter().map(String::as_str),
            ),
            time_fences: facts.time_fences(&invocation_counts),
            turnaround_fences: facts.turnaround_fences(),
            finished: (0u32..)
                .zip(&facts.passes)
                .filter(|(_, p)| p.finished.is_some())
                .map(|(i, _)| i)
                .collect(),
            invocation_counts,
            facts,
            prices,
        }
    }

    /// Rows of `pipelines`.
    pub fn pipeline_rows(&self) -> usize {
        self.finished.len()
    }

    /// Returns rows `range` of `invocations`, in journal order.
    pub fn invocations(&self, range: Range<usize>) -> PolarsResult<DataFrame> {
        let rows = &self.facts.invocations[range.clone()];
        let counts = &self.invocation_counts[range];
        let mut columns = self.pass_columns(rows.iter().map(|row| row.pass))?;
        columns.extend(self.stage_columns(rows.iter().map(|row| row.stage))?);
        columns.extend(self.runner_columns(rows)?);
        columns.extend(self.report_columns(rows)?);
        columns.extend(self.profile_columns(rows)?);
        columns.extend(self.derived_columns(rows, counts));
        frame(&columns::INVOCATIONS, columns)
    }

    fn runner_columns(&self, rows: &[InvocationFact]) -> PolarsResult<Vec<Column>> {
        let bytes = |of: fn(&Finished) -> &[Option<u64>], row: &InvocationFact| {
            let seen = self.pass(row.pass).finished.as_ref()?;
            of(seen).get(row.stage as usize).copied().flatten()
        };
        let bytes_in = rows
            .iter()
            .map(|row| row.bytes_in.or_else(|| bytes(|f| &f.input_bytes, row)));
        let bytes_out = rows
            .iter()
            .map(|row| row.bytes_out.or_else(|| bytes(|f| &f.output_bytes, row)));
        Ok(vec![
            integers("sequence", rows.iter().map(|row| Some(row.sequence as i64))),
            times("scheduled_at", rows.iter().map(|row| row.scheduled_at)),
            times("started_at", rows.iter().map(|row| row.started_at)),
            times("ended_at", rows.iter().map(|row| row.ended_at)),
            floats(
                "trigger_delay_ms",
                rows.iter().map(|row| row.trigger_delay_ms),
            ),
            texts(
                "trigger_delay_clock",
                rows.iter()
                    .map(|row| row.trigger_delay_ms.map(|_| CROSS_CLOCK)),
            ),
            floats("client_ms", rows.iter().map(|row| row.client_ms)),
            integers("bytes_in", bytes_in.map(|b| b.map(|b| b as i64))),
            integers("bytes_out", bytes_out.map(|b| b.map(|b| b as i64))),
            texts(
                "isolation",
                rows.iter().map(|_| Some(&self.facts.run.isolation)),
            ),
            texts("status", rows.iter().map(|row| Some(row.status.as_str()))),
            self.interned("function", rows.iter().map(|row| row.function))?,
        ])
    }

    fn report_columns(&self, rows: &[InvocationFact]) -> PolarsResult<Vec<Column>> {
        let report = || rows.iter().map(|row| row.report);
        Ok(vec![
            floats("duration_ms", report().map(|r| r.map(|r| r.duration_ms))),
            integers("billed_ms", report().map(|r| Some(r?.billed_ms? as i64))),
            floats("init_ms", report().map(|r| r.and_then(|r| r.init_ms))),
            floats(
                "restore_ms",
                report().map(|r| r.and_then(|r| Some(r.restore?.ms))),
            ),
            integers(
                "billed_restore_ms",
                report().map(|r| Some(r?.restore?.billed_ms? as i64)),
            ),
            floats(
                "cold_total_ms",
                report().map(|r| r.and_then(|r| Some(r.ready_ms()? + r.duration_ms))),
            ),
            integers(
                "max_memory_mb",
                report().map(|r| Some(r?.max_memory_mb?.into())),
            ),
            bools("cold", report().map(|r| r.and_then(|r| is_cold(&r)))),
            floats(
                "init_to_start_ms",
                report().map(|r| r.and_then(|r| r.init_to_start_ms)),
            ),
            floats(
                "init_gap_ms",
                report().map(|r| r.and_then(|r| init_gap_ms(r.ready_ms(), r.init_to_start_ms))),
            ),
            texts(
                "start_kind",
                report().map(|r| r.and_then(|r| r.start).map(StartKind::as_str)),
            ),
            self.interned("environment_id", rows.iter().map(|row| row.environment))?,
            integers(
                "environment_round",
                rows.iter().map(|row| row.environment_round.map(i64::from)),
            ),
            texts(
                "request_id",
                rows.iter()
                    .map(|row| row.request_id.map(|id| self.request_id(id))),
            ),
            self.interned("error_type", rows.iter().map(|row| row.error_type))?,
            self.interned("error", rows.iter().map(|row| row.error))?,
            self.interned("error_at", rows.iter().map(|row| row.error_at))?,
            floats(
                "handler_reported_ms",
                rows.iter().map(|row| row.handler_reported_ms),
            ),
            self.interned("code_sha256", rows.iter().map(|row| row.code_sha256))?,
        ])
    }

    fn profile_columns(&self, rows: &[InvocationFact]) -> PolarsResult<Vec<Column>> {
        let facts = || rows.iter().map(|row| row.profile.as_deref());
        let float = |name: &str, of: fn(&Profile) -> Option<f64>| {
            floats(name, facts().map(|f| of(&f?.figures)))
        };
        let count = |name: &str, of: fn(&Profile) -> Option<u64>| {
            integers(name, facts().map(|f| Some(of(&f?.figures)? as i64)))
        };
        let moment = |name: &str, of: fn(&Profile) -> Option<i64>| {
            integers(name, facts().map(|f| of(&f?.figures)))
        };
        let machine = (self.facts.run.target == "local")
            .then(|| self.facts.run.machine.get("cpu_model"))
            .flatten();
        let cpu_model = facts().map(|f| match f.and_then(|f| f.cpu_model) {
            Some(seen) => self.facts.texts.get_index(seen as usize),
            None => machine,
        });
        Ok(vec![
            float("handler_ms", |p| p.handler_ms),
            float("s3_ms", |p| p.s3_ms),
            float("compute_ms", |p| Some(p.handler_ms? - p.s3_ms?)),
            count("s3_calls", |p| p.s3_calls),
            float("cpu_user_ms", |p| p.cpu_user_ms),
            float("cpu_system_ms", |p| p.cpu_system_ms),
            count("context_switches_voluntary", |p| {
                p.context_switches_voluntary
            }),
            count("context_switches_involuntary", |p| {
                p.context_switches_involuntary
            }),
            count("page_faults_minor", |p| p.page_faults_minor),
            count("page_faults_major", |p| p.page_faults_major),
            float("steal_ms", |p| p.steal_ms),
            float("peak_rss_mb", |p| p.peak_rss_mb),
            bools(
                "new_container",
                facts().map(|f| Some(f?.figures.container_invocation? == 1)),
            ),
            self.interned("container_id", facts().map(|f| f?.container_id))?,
            self.interned("kernel", facts().map(|f| f?.kernel))?,
            moment("handler_started_ns", |p| p.handler_started_ns),
            moment("handler_ended_ns", |p| p.handler_ended_ns),
            texts("cpu_model", cpu_model),
        ])
    }

    fn derived_columns(&self, rows: &[InvocationFact], counts: &[CountsAs]) -> Vec<Column> {
        let cost = || rows.iter().map(|row| self.facts.cost(row, self.prices));
        let outlier = rows.iter().zip(counts).map(|(row, &counts_as)| {
            let fences = self
                .time_fences
                .get(&(self.facts.cell_of(row.pass), row.stage));
            outlier_flag(
                counts_as,
                row.report.and_then(crate::facts::ReportFact::headline_ms),
                fences,
            )
        });
        vec![
            texts("counts_as", counts.iter().map(|c| Some(c.as_str()))),
            bools("outlier", outlier),
            floats("cost_usd", cost().map(|c| c.map(|c| c.hosting()))),
            floats("cost_init_usd", cost().map(|c| c.map(|c| c.init))),
            floats("cost_restore_usd", cost().map(|c| c.map(|c| c.restore))),
        ]
    }

    /// Returns rows `range` of `pipelines`, in the order in which the passes began.
    pub fn pipelines(&self, range: Range<usize>) -> PolarsResult<DataFrame> {
        let ids = || self.finished[range.clone()].iter().copied();
        let passes = || ids().map(|id| self.pass(id));
        let finished = || passes().filter_map(|pass| pass.finished.as_ref());
        let cost = || passes().map(|pass| self.facts.pass_cost(pass));
        let counts = || ids().map(|id| self.facts.ledger.pass_counts_as(id));
        let outlier = ids().zip(counts()).map(|(id, counts_as)| {
            let turnaround = self.pass(id).finished.as_ref().and_then(|f| f.turnaround_s);
            outlier_flag(
                counts_as,
                turnaround,
                self.turnaround_fences.get(&self.facts.cell_of(id)),
            )
        });
        let mut columns = self.pass_columns(ids())?;
        columns.extend([
            integers(
                "environment_round",
                passes().map(|pass| pass.environment_round.map(i64::from)),
            ),
            times("started_at", finished().map(|f| f.started_at)),
            floats("turnaround_s", finished().map(|f| f.turnaround_s)),
            floats("resolution_ms", finished().map(|f| f.resolution_ms)),
            floats("upload_ms", finished().map(|f| f.upload_ms)),
            floats(
                "trigger_delays_ms",
                passes().map(|pass| self.facts.parts(pass).map(|it| it.trigger_delay_ms)),
            ),
            floats(
                "running_ms",
                passes().map(|pass| self.facts.parts(pass).map(|it| it.running_ms)),
            ),
            floats(
                "remainder_ms",
                passes().map(|pass| self.facts.remainder_ms(pass)),
            ),
            integers(
                "others_under_way",
                finished().map(|f| f.others_under_way.map(i64::from)),
            ),
            bools("complete", finished().map(|f| Some(f.complete))),
            self.interned("failed_stage", finished().map(|f| f.failed_stage))?,
            texts("again", finished().map(|f| f.again.map(again))),
            integers(
                "bytes_in",
                finished().map(|f| f.input_bytes.first().copied().flatten().map(|b| b as i64)),
            ),
            integers(
                "bytes_out",
                finished().map(|f| f.output_bytes.last().copied().flatten().map(|b| b as i64)),
            ),
            texts(
                "counts_as",
                counts().map(|counts_as| Some(counts_as.as_str())),
            ),
            bools("outlier", outlier),
            floats("cost_usd", cost().map(|c| c.map(|c| c.hosting()))),
            floats("cost_compute_usd", cost().map(|c| c.map(|c| c.compute()))),
            floats("cost_init_usd", cost().map(|c| c.map(|c| c.init))),
            floats("cost_request_usd", cost().map(|c| c.map(|c| c.request))),
            floats("cost_ephemeral_usd", cost().map(|c| c.map(|c| c.ephemeral))),
            floats("cost_restore_usd", cost().map(|c| c.map(|c| c.restore))),
            floats("cost_s3_usd", cost().map(|c| c.map(|c| c.s3))),
        ]);
        frame(&columns::PIPELINES, columns)
    }

    /// Returns rows `range` of `outputs`, in journal order.
    pub fn outputs(&self, range: Range<usize>) -> PolarsResult<DataFrame> {
        let checks = &self.facts.checks[range];
        let verdicts = || checks.iter().map(|check| &check.verdict);
        let mut columns = self.pass_columns(checks.iter().map(|check| check.pass))?;
        columns.extend(self.stage_columns(checks.iter().map(|check| check.stage))?);
        columns.extend([
            bools("pass", verdicts().map(|v| Some(v.pass))),
            texts("reason", verdicts().map(|v| v.reason.as_ref())),
            texts("detail", verdicts().map(|v| v.detail.as_ref())),
            texts("format", verdicts().map(|v| v.format.as_ref())),
            texts("mode", verdicts().map(|v| v.mode.as_ref())),
            integers("width", verdicts().map(|v| v.width.map(i64::from))),
            integers("height", verdicts().map(|v| v.height.map(i64::from))),
            floats("mse", verdicts().map(|v| v.mse)),
            floats("psnr_db", verdicts().map(|v| v.psnr_db)),
            floats("ssim", verdicts().map(|v| v.ssim)),
            floats("max_abs", verdicts().map(|v| v.max_abs)),
            floats("mean_out", verdicts().map(|v| v.mean_out)),
            floats("mean_reference", verdicts().map(|v| v.mean_reference)),
            integers("levels", verdicts().map(|v| v.levels.map(i64::from))),
            integers("quality", verdicts().map(|v| v.quality.map(i64::from))),
            texts("orientation", verdicts().map(|v| v.orientation.as_ref())),
            texts(
                "input_sha256",
                checks.iter().map(|check| check.input_sha256.as_ref()),
            ),
            texts(
                "output_sha256",
                checks.iter().map(|check| check.output_sha256.as_ref()),
            ),
            texts("picture", checks.iter().map(|check| check.picture.as_ref())),
            bools(
                "counts",
                checks
                    .iter()
                    .map(|check| Some(self.facts.ledger.check_counts(check.pass))),
            ),
        ]);
        frame(&columns::OUTPUTS, columns)
    }

    /// The columns that say which pass each row belongs to.
    fn pass_columns(&self, passes: impl Iterator<Item = u32>) -> PolarsResult<Vec<Column>> {
        let ledger = &self.facts.ledger;
        let passes: Vec<(u32, Repetition)> = passes
            .map(|id| (ledger.number(id), ledger.repetition(id)))
            .collect();
        let cells: Vec<u32> = passes.iter().map(|(_, of)| of.cell).collect();
        let mut columns = cell_columns(self.facts, &cells)?;
        columns.extend([
            gather(
                "image",
                &self.images,
                passes.iter().map(|(_, of)| Some(of.image)),
            )?,
            integers(
                "deployment",
                passes.iter().map(|(_, of)| Some(of.deployment.into())),
            ),
            bools(
                "warm_up",
                passes
                    .iter()
                    .map(|(_, of)| Some(of.kind != PassKind::Measured)),
            ),
            integers(
                "repetition",
                passes.iter().map(|(_, of)| Some(of.number.into())),
            ),
            integers(
                "attempt",
                passes.iter().map(|(attempt, _)| Some((*attempt).into())),
            ),
        ]);
        Ok(columns)
    }

    fn stage_columns(
        &self,
        stages: impl Iterator<Item = u32> + Clone,
    ) -> PolarsResult<[Column; 2]> {
        let index = integers(
            "stage_index",
            stages.clone().map(|stage| Some(stage.into())),
        );
        Ok([gather("stage", &self.stages, stages.map(Some))?, index])
    }

    fn interned(
        &self,
        name: &str,
        indices: impl Iterator<Item = Option<Text>>,
    ) -> PolarsResult<Column> {
        gather(name, &self.texts, indices)
    }

    fn pass(&self, index: u32) -> &'a Pass {
        &self.facts.passes[index as usize]
    }

    fn request_id(&self, id: RequestId) -> String {
        match id {
            RequestId::Uuid(bits) => Uuid::from_u128(bits).to_string(),
            RequestId::Text(text) => self.facts.texts[text as usize].clone(),
        }
    }
}

/// Says whether the platform reported that the environment is new, whoever waited for it.
fn is_cold(report: &ReportFact) -> Option<bool> {
    match report.start? {
        StartKind::Cold | StartKind::Restored => Some(true),
        StartKind::Warm => Some(false),
        StartKind::Proactive => Some(report.ready_ms().is_some()),
    }
}

const fn again(again: Again) -> &'static str {
    match again {
        Again::WrongStart => "wrong_start",
        Again::Proactive => "proactive",
        Again::Throttled => "throttled",
        Again::Unanswered => "unanswered",
    }
}
