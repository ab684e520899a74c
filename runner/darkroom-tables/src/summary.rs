//! What the terminal shows of a run: plain values in the order of the matrix.
//!
//! Knows neither the layout nor Polars.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use darkroom_core::cell::Cell;
use darkroom_core::event::Look;
use darkroom_core::manifest::Until;
use darkroom_core::outcome::Outcome;
use darkroom_core::snapshots::Snapshots;
use serde::{Deserialize, Serialize};

use crate::compared::RatesCompared;
use crate::sessions::Session;

/// A run in a screenful.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub run_id: String,
    pub experiment: String,
    /// `local` or `aws`: where the durations come from.
    pub target: String,
    pub region: String,
    /// The endpoint that stood for AWS, if one did.
    pub endpoint: Option<String>,
    pub isolation: String,
    /// Region and day of the prices: what `cost_usd` columns mean, on every target.
    pub price_region: String,
    pub price_date: String,
    /// Keys of those that the price table marks as unconfirmed.
    pub prices_unconfirmed: Option<String>,
    /// What the platform's lines in the logs cost beside `spent`; `None` where their price is not
    /// known.
    pub logs_usd: Option<f64>,
    /// The price table marks that price as unconfirmed.
    pub logs_unconfirmed: bool,
    /// Snapshots that were taken, and restores: a part of `spent`, counted as there.
    pub snapshots: Snapshots,
    /// `None` where their price is not known.
    pub snapshots_usd: Option<f64>,
    /// When it may stop; `None`: after a fixed number of repetitions.
    pub until: Option<Until>,
    /// Every repetition had pixels of its own, so nothing could be remembered.
    pub vary_inputs: bool,
    /// What the last look found, and whether it ended the run.
    pub last_look: Option<Look>,
    /// Each time that the run was taken up, its start among them.
    pub sessions: Vec<Session>,
    /// What the run cost, or would on AWS, of all its sessions; `None` where no session wrote it
    /// down.
    pub spent: Option<Spent>,
    /// In pipeline order.
    pub stages: Vec<String>,
    /// Every cell of the plan in matrix order, also those that can't run here or have not been
    /// measured.
    pub cells: Vec<CellSummary>,
    /// What may be said of pairs of cells: the rows of `comparisons`, by factor, stage and metric.
    pub comparisons: Vec<ComparisonSummary>,
    /// Invocations and passes that failed for good, by cell, stage, status and error type.
    pub failures: Vec<FailureCount>,
    /// Outputs that did not pass their check, by cell, stage and reason.
    pub wrong_outputs: Vec<WrongOutput>,
    /// Stages that models gave no usable code for, by variant.
    pub missing: Vec<MissingStage>,
    /// How many of each model's samples are right, by stage and as a whole pipeline.
    pub correctness: Vec<Correctness>,
    /// Which of two models, or of two prompts of one model, is right more often.
    pub correctness_comparisons: Vec<RatesCompared>,
    /// What CloudWatch's metrics say of the same functions.
    pub reconciliation: ReconciliationSummary,
    /// What handlers called and may not, by variant and action.
    pub refused_calls: Vec<RefusedCalls>,
    /// What handlers did that no honest one does, by function.
    pub misdeeds: Vec<Misdeed>,
    /// What of the journal could not be read and is in no table, in words.
    pub damaged: Vec<String>,
    /// The files written, in reading order.
    pub tables: Vec<TableFile>,
}

impl Summary {
    /// Cells that this target can't run.
    pub fn not_runnable(&self) -> impl Iterator<Item = &CellSummary> {
        self.cells.iter().filter(|cell| cell.not_runnable.is_some())
    }

    /// Says whether something failed or came out otherwise than it should: exit code 1.
    ///
    /// Wrong outputs of a variant that is wrong on purpose are what should come of it, and their
    /// absence is not.
    pub fn has_failures(&self) -> bool {
        let expected = |wrong: &WrongOutput| self.is_wrong_on_purpose(&wrong.cell_id);
        !self.failures.is_empty()
            || !self.missing.is_empty()
            || !self.damaged.is_empty()
            || !self.wrong_outputs.iter().all(expected)
            || self.passed_but_wrong_on_purpose().next().is_some()
    }

    /// Says whether the cell's variant is an example of what the gate finds.
    pub fn is_wrong_on_purpose(&self, cell_id: &str) -> bool {
        self.cells
            .iter()
            .any(|cell| cell.cell_id == cell_id && cell.wrong_on_purpose)
    }

    /// Cells of variants that are wrong on purpose whose every output passed nevertheless.
    pub fn passed_but_wrong_on_purpose(&self) -> impl Iterator<Item = &CellSummary> {
        self.cells
            .iter()
            .filter(|cell| cell.wrong_on_purpose && cell.outputs_ok == Some(true))
    }
}

/// What a run came to: every attempt, warm-ups too, and its S3 requests.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spent {
    pub usd: f64,
    pub invocations: u64,
}

/// One cell of the plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CellSummary {
    pub cell_id: String,
    #[serde(flatten)]
    pub cell: Cell,
    pub model: Option<String>,
    pub sample: Option<u32>,
    /// Name of the prompt that the model was asked with.
    pub prompt: Option<String>,
    /// Why this target can't run it; its statistics are then empty (n = 0).
    pub not_runnable: Option<String>,
    /// The variant says of itself that it is wrong.
    pub wrong_on_purpose: bool,
    /// Whether every checked output passed; `None` when none was checked.
    pub outputs_ok: Option<bool>,
    /// First failed check by stage, for example `colour-depth: blank (6 of 6)`.
    pub reason: Option<String>,
    /// Stages that remember outputs; their times are those of inputs that they have seen.
    pub remembers: Vec<Remembered>,
    /// In pipeline order.
    pub stages: Vec<StageSummary>,
    /// `None` when stages ran independently (`input = "reference"`): there is no turnaround then.
    pub turnaround_s: Option<Statistic>,
    /// How late its mean can be at most, as a share of the median, where that is above 2%.
    pub coarse_resolution: Option<f64>,
    /// Hosting cost of 100,000 images, USD, S3 requests not included.
    pub cost_usd_per_100k: Statistic,
    /// S3 requests of 100,000 images, USD, the same for every variant.
    pub s3_usd_per_100k: Option<f64>,
    /// Complete passes, warm-ups and superseded ones not included.
    pub passes: usize,
    /// Passes of which the last attempt that was allowed met an environment that was initialised
    /// before the call.
    pub passes_proactive: usize,
}

/// One stage of a cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageSummary {
    pub stage: String,
    /// `duration_ms`, or `cold_total_ms` (init + duration) in a cold cell.
    pub metric: &'static str,
    pub time_ms: Statistic,
    pub cost_usd_per_100k: Statistic,
    /// How long it took to start after the stage before, by two hosts' clocks; `None` unless S3
    /// starts the stages.
    pub trigger_delay_ms: Option<Statistic>,
    /// Largest memory used, MB.
    pub max_memory_mb: Option<f64>,
    pub n_failed: usize,
    pub n_wrong_start: usize,
    /// In environments that were initialised before the call.
    pub n_proactive: usize,
    pub n_warm_up: usize,
    /// Measured again since, done again or cut off.
    pub n_superseded: usize,
    /// Probes: 0 means that nobody knows whether it remembers outputs.
    pub n_probe: usize,
}

/// A stage that takes longer on pixels that it has not seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Remembered {
    pub stage: String,
    /// Time on fresh pixels / time on those of the image set.
    pub fresh_ratio: f64,
    /// It is at least this, all stages of the run together at 95%.
    pub fresh_ratio_low: f64,
    /// The one image that shows it, where all images together do not.
    pub image: Option<String>,
}

/// One row of the summary table, short. `None` where the statistic does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Statistic {
    pub n: usize,
    pub mean: Option<f64>,
    pub sd: Option<f64>,
    pub cv: Option<f64>,
    pub p50: Option<f64>,
    /// `None` for n < 20.
    pub p95: Option<f64>,
    /// 95% interval of the mean; `None` for n < 2.
    pub mean_ci: Option<(f64, f64)>,
    /// Among comparable cells with right outputs, 1 = lowest mean; `None` where it is unknown
    /// apart from each of them.
    pub rank: Option<u32>,
    /// What a reader must know before believing it.
    pub note: Option<String>,
}

/// Two cells that differ in one factor, compared in one metric: b against its baseline a.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparisonSummary {
    /// As the manifest spells it in the singular, for example `architecture`.
    pub factor: &'static str,
    pub level_a: String,
    pub level_b: String,
    pub cell_a: String,
    pub cell_b: String,
    /// Stage, or `pipeline`.
    pub stage: String,
    pub metric: &'static str,
    /// Mean of b / mean of a; below 1: b is faster or cheaper.
    pub ratio: Option<f64>,
    /// 95% interval of it.
    pub ratio_ci: Option<(f64, f64)>,
    /// Holm-adjusted.
    pub p_adjusted: Option<f64>,
    /// Size of Cliff's delta in words.
    pub effect: Option<&'static str>,
    /// `faster`, `slower`, `cheaper`, `dearer`, `equivalent`, `inconclusive`, or why nothing may be
    /// said.
    pub verdict: &'static str,
    /// Whether the two were measured in the same sessions, in turns; `None` where that is not
    /// known.
    pub side_by_side: Option<bool>,
}

/// Failures of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FailureCount {
    pub cell_id: String,
    /// `None` for a pass that broke without a failed invocation (its final object never came).
    pub stage: Option<String>,
    /// As [`darkroom_core::event::Status::as_str`], or `incomplete`.
    pub status: String,
    pub error_type: Option<String>,
    /// The first one's message.
    pub error: Option<String>,
    pub count: usize,
}

/// Outputs of one stage of a cell that failed the same check.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WrongOutput {
    pub cell_id: String,
    pub stage: String,
    /// As [`darkroom_core::event::Verdict::reason`].
    pub reason: String,
    /// The first one's detail.
    pub detail: Option<String>,
    pub count: usize,
    pub checked: usize,
}

/// How many of a model's samples are right: a row of `correctness`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Correctness {
    pub model: String,
    /// Name of the prompt that it was asked with.
    pub prompt: String,
    /// Stage, or `pipeline`.
    pub stage: String,
    /// Samples of which something is known, and those of which nothing is.
    pub n: u64,
    pub n_unknown: u64,
    pub right: u64,
    pub rate: Option<f64>,
    /// 95%, Wilson.
    pub rate_ci: Option<(f64, f64)>,
    /// Right with the first answer, before any repair; `None` where the journal does not say what
    /// was asked.
    pub right_first: Option<u64>,
    /// Questions that sent a finding back, of all samples.
    pub repairs: Option<u64>,
    /// Samples that get some image right, but not all; they do not count as right.
    pub right_partly: u64,
    /// By k, up to n.
    pub pass_at: BTreeMap<u64, f64>,
    /// Samples that are not right, by kind of outcome.
    pub failures: BTreeMap<&'static str, u64>,
    /// In words, with its detail.
    pub commonest_failure: Option<String>,
    /// Of questions and answers, repairs included; `None` where none is right, or it is not known.
    pub tokens_per_right: Option<f64>,
    pub cost_usd_per_right: Option<f64>,
}

/// A stage that a variant's model gave no usable code for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingStage {
    pub variant: String,
    pub stage: String,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Calls of a variant's handlers that were refused for lack of a permission, over all sessions of
/// the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedCalls {
    pub variant: String,
    /// As IAM names it: `lambda:CreateFunction`.
    pub action: String,
    /// The ARN that one of them was about.
    pub resource: String,
    pub calls: u64,
    /// The stages whose handlers called it. Empty in tables of an older version.
    #[serde(default)]
    pub stages: BTreeSet<String>,
}

impl RefusedCalls {
    /// Says what was called, how often, by which stages, and what for.
    pub fn what(&self) -> String {
        let Self {
            action,
            resource,
            calls,
            stages,
            ..
        } = self;
        let times = if *calls == 1 {
            "once".to_owned()
        } else {
            format!("{calls} times")
        };
        let stages: Vec<&str> = stages.iter().map(String::as_str).collect();
        let of = if stages.is_empty() {
            String::new()
        } else {
            format!(" in {}", stages.join(", "))
        };
        format!("{action} {times}{of} ({resource})")
    }
}

/// What the handlers of one function did that no honest one does, over all sessions of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misdeed {
    pub variant: String,
    pub function: String,
    /// Empty in tables of an older version.
    #[serde(default)]
    pub stage: String,
    /// A sentence without its full stop, that of the first time.
    pub what: String,
    pub times: u32,
}

impl fmt::Display for Misdeed {
    /// A sentence, for the terminal and the report alike.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            variant,
            function,
            stage,
            what,
            times,
        } = self;
        if stage.is_empty() {
            write!(formatter, "{variant}, function {function}: {what}")?;
        } else {
            write!(
                formatter,
                "{variant} · {stage}: {what} (function {function})"
            )?;
        }
        if *times == 1 {
            Ok(())
        } else {
            write!(formatter, " ({times} times)")
        }
    }
}

/// Whether the platform's own metrics agree with what was recorded, over all sessions of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ReconciliationSummary {
    /// Sessions of the run, and how many of them were reconciled: a killed or interrupted one is
    /// not.
    pub sessions: usize,
    pub sessions_reconciled: usize,
    /// Functions that both have been asked about.
    pub functions: usize,
    /// Recorded sums over the reconciled sessions, warm-ups included.
    pub invocations: f64,
    pub errors: f64,
    pub throttles: f64,
    pub duration_ms: f64,
    /// Where the metrics say something else.
    pub differences: Vec<Difference>,
    /// Why sessions that ended could not be reconciled, each reason once.
    pub unknown: Vec<String>,
}

/// One figure of which the platform says something else than was recorded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// From 1.
    pub session: u32,
    pub function: String,
    /// As [`darkroom_core::event::ReconciledMetric::as_str`].
    pub metric: &'static str,
    pub recorded: f64,
    pub reported: f64,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableFile {
    /// Without extension, for example `invocations`.
    pub name: String,
    pub path: PathBuf,
    pub rows: usize,
}
