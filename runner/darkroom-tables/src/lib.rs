//! Journal facts → Parquet tables, and the summary that the terminal shows. The only crate that
//! names Polars, and no Polars type leaves it.
//!
//! [`Event`]s → `invocations`, `pipelines`, `outputs`, `generation`, `reconciliation` (facts with
//! their derived columns) → `correctness`, `summary`, `costs` (conclusions) → [`Summary`]. Needs only the journal
//! and a price table, makes no call and reads no clock, so the same journal gives the same rows byte
//! for byte. [`columns`] says what each column means.

#![expect(
    clippy::cast_possible_wrap,
    reason = "counts of rows and bytes become 64-bit columns"
)]

mod aggregate;
mod between;
mod builds;
mod choices;
mod code;
pub mod columns;
mod compared;
mod comparisons;
mod correctness;
mod costs;
mod facts;
mod frames;
mod models;
mod notes;
mod outputs;
mod overview;
mod parquet;
mod ranks;
pub mod read;
mod samples;
mod sessions;
mod summary;
mod tally;
mod verify;

use std::ops::Range;
use std::path::{Path, PathBuf};

use darkroom_core::cost::PriceTable;
use darkroom_core::event::{Event, RunStarted};
use polars::prelude::{DataFrame, PolarsError, PolarsResult};

use aggregate::{Groups, SummaryRow};
use facts::JournalFacts;
use frames::Frames;
use outputs::Outputs;
use parquet::TableWriter;
use sessions::Times;

pub use between::{Between, Change, between};
pub use compared::{RatesCompared, p_text, rates_in_words, several_prompts};
pub use comparisons::is_claim;
pub use correctness::{author_name, with_repair};
pub use ranks::{Comparable, comparable};
pub use sessions::{CellMeasured, Session, SessionEnd, minute};
pub use summary::{
    CellSummary, ComparisonSummary, Correctness, Difference, FailureCount, Misdeed, MissingStage,
    ReconciliationSummary, RefusedCalls, Remembered, Spent, StageSummary, Statistic, Summary,
    TableFile, WrongOutput,
};
pub use verify::{Verified, verify};

/// Version of the tables' columns, in every file's metadata. Raised when a column is added, removed
/// or changes meaning.
pub const SCHEMA_VERSION: u32 = 11;

/// Tables could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    #[error("the journal does not start with `run_started`, so its run is unknown")]
    NoRunStarted,
    #[error("{0}")]
    Journal(Box<dyn std::error::Error + Send + Sync>),
    #[error("the journal has cell `{cell_id}`, but its `run_started` does not plan it")]
    UnknownCell { cell_id: String },
    #[error(
        "the journal has stage `{stage}` of cell `{cell_id}`, but its `run_started` does not \
         list it"
    )]
    UnknownStage { cell_id: String, stage: String },
    #[error("`{value}` in the journal is not a UTC time such as 2026-11-24T18:00:00.000Z")]
    Timestamp { value: String },
    #[error("failed to {action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("failed to {action} {}: {message}", path.display())]
    Table {
        action: &'static str,
        path: PathBuf,
        message: String,
    },
}

/// Writes every table of a run into `out_dir` (made if absent) and returns what the terminal shows.
///
/// `events` are the journal's facts in their order; they are taken one by one and need not fit in
/// memory, and one that could not be read, the first apart, is left out and named in the tables'
/// metadata and in the summary. Each file is replaced as a whole or not at all.
pub fn aggregate<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    events: impl Iterator<Item = Result<Event, E>>,
    prices: &PriceTable,
    out_dir: &Path,
) -> Result<Summary, TablesError> {
    std::fs::create_dir_all(out_dir).map_err(|source| TablesError::Io {
        action: "make folder",
        path: out_dir.into(),
        source,
    })?;
    let mut facts = JournalFacts::collect(events, prices)?;
    let provenance = parquet::provenance(&facts, prices);
    let [pipelines, invocations, checks] = write_facts(&facts, prices, out_dir, &provenance)?;
    let write = |table: &'static columns::Table, frame: PolarsResult<DataFrame>| {
        let frame =
            frame.map_err(|error| parquet::failed("make", &out_dir.join(table.name), &error))?;
        parquet::write(out_dir, table, frame, &provenance)
    };
    let code = write(&columns::CODE, code::code_frame(&facts))?;
    let builds = write(&columns::BUILDS, builds::build_frame(&facts))?;
    let reconciliation = write(&columns::RECONCILIATION, frames::reconciliation(&facts))?;
    let seen = overview::seen(&facts);
    let (asked, evidence) = (
        std::mem::take(&mut facts.asked),
        correctness::evidence(&facts),
    );
    let times = Times::of(&facts);
    // What follows is made of the tables: the facts give their room back, all but what the run is.
    let mut facts = JournalFacts::new(facts.run);
    facts.asked = asked;

    let Summarised {
        mut groups,
        outputs,
        rows: mut summary_rows,
    } = summarised(&facts, out_dir)?;
    let mut cost_rows = costs::cost_rows(&facts, &groups, &outputs, &summary_rows);
    groups
        .invocations
        .load(&comparisons::STAGE_COLUMNS)
        .map_err(|error| parquet::failed("read", &invocations.path, &error))?;
    let comparison_rows = comparisons::comparison_rows(&facts, &groups, &outputs, &times);
    ranks::rank(
        &facts,
        &outputs,
        &comparison_rows,
        &mut summary_rows,
        &mut cost_rows,
    );
    let choice_rows = choices::choice_rows(
        &facts,
        &summary_rows,
        &cost_rows,
        &comparison_rows,
        &outputs,
    );

    let of_models =
        correctness::of_models(&facts.run, &facts.asked, &checks.path, &invocations.path)
            .map_err(|error| parquet::failed("read", &checks.path, &error))?;
    let generation = write(
        &columns::GENERATION,
        correctness::generation_frame(&facts.run, &facts.asked, &of_models, &evidence),
    )?;
    let correctness_rows = correctness::correctness_rows(&facts.run, &of_models);
    let correctness = write(
        &columns::CORRECTNESS,
        correctness::correctness_frame(&facts.run, &correctness_rows),
    )?;
    let rate_pairs = correctness::rate_pairs(&correctness_rows);
    let correctness_comparisons = write(
        &columns::CORRECTNESS_COMPARISONS,
        correctness::pair_frame(&facts.run, &rate_pairs),
    )?;
    let summary = write(
        &columns::SUMMARY,
        aggregate::summary_frame(&facts, &summary_rows, &outputs),
    )?;
    let comparisons = write(
        &columns::COMPARISONS,
        comparisons::comparison_frame(&facts, &comparison_rows),
    )?;
    let costs = write(
        &columns::COSTS,
        costs::cost_frame(&facts, &cost_rows, &outputs, prices),
    )?;
    let choices = write(
        &columns::CHOICES,
        choices::choice_frame(&facts, &choice_rows, &outputs),
    )?;
    let tables = vec![
        correctness,
        correctness_comparisons,
        summary,
        comparisons,
        costs,
        choices,
        pipelines,
        invocations,
        checks,
        generation,
        code,
        builds,
        reconciliation,
    ];
    Ok(overview::overview(
        &facts,
        prices,
        &summary_rows,
        &cost_rows,
        &comparison_rows,
        &outputs,
        (&correctness_rows, &rate_pairs),
        seen,
        tables,
    ))
}

/// Writes `summary` of a run anew from its tables `invocations`, `pipelines` and `outputs` in
/// `dir`, as [`aggregate`] does, but for ranks: they are of what `comparisons` claims.
pub fn summarise(run: RunStarted, dir: &Path) -> Result<TableFile, TablesError> {
    let source = dir.join("invocations.parquet");
    let provenance = read::provenance(&source)?;
    let provenance: Vec<_> = provenance
        .into_iter()
        .map(|(key, value)| (format!("darkroom.{key}"), value))
        .collect();
    let facts = JournalFacts::new(run);
    let Summarised { outputs, rows, .. } = summarised(&facts, dir)?;
    let frame = aggregate::summary_frame(&facts, &rows, &outputs)
        .map_err(|error| parquet::failed("make", &dir.join("summary"), &error))?;
    parquet::write(dir, &columns::SUMMARY, frame, &provenance)
}

/// The rows of `summary` and what they were made of.
struct Summarised {
    groups: Groups,
    outputs: Vec<Outputs>,
    rows: Vec<SummaryRow>,
}

fn summarised(facts: &JournalFacts, dir: &Path) -> Result<Summarised, TablesError> {
    let path = |table: &columns::Table| dir.join(format!("{}.parquet", table.name));
    let of = |path: &Path, error: &PolarsError| parquet::failed("read", path, error);
    let (invocations, pipelines) = (path(&columns::INVOCATIONS), path(&columns::PIPELINES));
    let mut outputs = outputs::outputs(&facts.run, &path(&columns::OUTPUTS), &pipelines)
        .map_err(|error| of(&path(&columns::OUTPUTS), &error))?;
    let mut groups = Groups {
        invocations: samples::of_invocations(&invocations)
            .map_err(|error| of(&invocations, &error))?,
        pipelines: samples::of_pipelines(&pipelines).map_err(|error| of(&pipelines, &error))?,
    };
    let rows = aggregate::summary_rows(facts, &mut groups, &outputs)
        .map_err(|error| of(&invocations, &error))?;
    for cell in aggregate::remembering(&rows) {
        outputs[cell as usize].remembers = true;
    }
    Ok(Summarised {
        groups,
        outputs,
        rows,
    })
}

/// Writes `pipelines`, `invocations` and `outputs`.
fn write_facts(
    facts: &JournalFacts,
    prices: &PriceTable,
    dir: &Path,
    provenance: &[(String, String)],
) -> Result<[TableFile; 3], TablesError> {
    let frames = Frames::new(facts, prices);
    let write = |table: &'static columns::Table,
                 rows: usize,
                 batch: &dyn Fn(Range<usize>) -> PolarsResult<DataFrame>| {
        let mut writer = TableWriter::create(dir, table, provenance)?;
        for range in frames::batches(rows) {
            let frame = batch(range)
                .map_err(|error| parquet::failed("make", &dir.join(table.name), &error))?;
            writer.write(frame)?;
        }
        writer.finish()
    };
    Ok([
        write(&columns::PIPELINES, frames.pipeline_rows(), &|range| {
            frames.pipelines(range)
        })?,
        write(&columns::INVOCATIONS, facts.invocations.len(), &|range| {
            frames.invocations(range)
        })?,
        write(&columns::OUTPUTS, facts.checks.len(), &|range| {
            frames.outputs(range)
        })?,
    ])
}
