//! What execution gets from its caller: clients, cells, limits.

use std::sync::Arc;
use std::time::Duration;

use darkroom_core::pipeline::Pipeline;
use darkroom_core::schedule::lanes::Width;

use super::{CellUnderTest, LogReader, MoneyBudget, Pictures};
use crate::control_pace::ControlPace;

/// Clients and constants of a run.
pub struct Setup {
    pub run_id: String,
    /// For measured calls: no retries, no stalled-stream protection.
    pub measured: aws_sdk_lambda::Client,
    /// For everything else.
    pub control: aws_sdk_lambda::Client,
    pub control_pace: ControlPace,
    pub s3: aws_sdk_s3::Client,
    pub logs: LogReader,
    pub metrics: aws_sdk_cloudwatch::Client,
    pub bucket: String,
    pub region: String,
    pub pipeline: Pipeline,
    pub cells: Vec<CellUnderTest>,
    /// `budget.minutes`, counted from the start of this session.
    pub time_budget: Option<Duration>,
    /// `None` without a price table of the region: what a run costs is not known then.
    pub money_budget: Option<MoneyBudget>,
    pub patience: Patience,
    /// How many lanes take passes.
    pub lanes: Width,
    /// Of the manifest: pauses are drawn from it.
    pub seed: u64,
    /// Every repetition has pixels of its own (`repetitions.vary_inputs`).
    pub vary_inputs: bool,
    /// Where pictures of outputs are kept, and of which; `None`: none are.
    pub pictures: Option<Arc<Pictures>>,
}

/// How long a platform is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A measured call, beyond what its stage may take: the way there and back, and a cold start.
    pub call: Duration,
    /// Any other call's answer.
    pub answer: Duration,
    /// Log lines of what has ended.
    pub logs: Duration,
    /// The first warm-up of a function whose role or state is not yet known everywhere.
    pub ready: Duration,
    /// The first delivery of each stage that S3 starts; zero where notifications work at once.
    pub delivered: Duration,
    /// One such delivery, before the upload is made again: S3 loses what comes too early.
    pub delivery: Duration,
    /// Metrics of the last minutes.
    pub metrics: Duration,
    /// Before the first look at metrics, where looks are billed and metrics take a minute to come.
    pub metrics_after: Duration,
    /// Nobody else has functions there, so that one which the run did not deploy is worth naming.
    pub alone: bool,
}
