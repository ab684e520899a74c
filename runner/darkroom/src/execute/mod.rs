//! Runs every planned repetition and emits what it observes.
//!
//! Owns the timed path. Prints nothing, writes no file, draws no conclusion: facts go to an
//! [`Emitter`], and what they mean is for `aggregate`. Knows endpoints and functions, not which
//! cloud is behind them.

mod clocks;
mod cold;
mod collect_logs;
mod dispatcher;
pub mod event_shape;
mod gate;
mod invoke;
mod log_lines;
mod loops;
mod objects;
mod one_by_one;
mod own_image;
mod pacing;
mod pass;
mod payload;
mod pictures;
pub(crate) mod reconcile;
mod trigger_s3;
mod whole_logs;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use darkroom_contract::NoReference;
use darkroom_core::adapt::Habits;
use darkroom_core::cell::{Cell, CellId};
use darkroom_core::event::{Event, PassKey};
use darkroom_core::pipeline::Pipeline;
use darkroom_core::schedule::PlannedPass;
use darkroom_core::spending::Spending;

pub use collect_logs::LogReader;
pub use dispatcher::{Ended, ExecuteError, Finished, Stopping, execute};
pub use event_shape::GIVEN;
pub use one_by_one::one_by_one;
pub use pictures::{Keep, Pictures};

/// A deployed function, as execution needs to know it.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: String,
    /// CodeSha256 as Lambda reports it, proven equal to the package.
    pub code_sha256: String,
    /// Where it writes: `OUTPUT_PREFIX`, ends with `/`.
    pub output_prefix: String,
    /// Prefix of the objects whose creation starts it; `None` when the runner calls it.
    pub triggered_by: Option<String>,
    /// How its handler is called and understood.
    pub habits: Habits,
}

/// An image of an image set, read once per run.
#[derive(Clone, Debug)]
pub struct Image {
    pub name: String,
    /// Of its object key, without the dot.
    pub extension: String,
    pub bytes: Bytes,
    /// What each stage is fed with `input = "reference"`, by stage index; made when a cell or a
    /// probe first asks for it.
    pub reference_inputs: OnceLock<Vec<Bytes>>,
    /// What the first stage's reference is made of, where that is not the image itself.
    pub judged_as: Option<Bytes>,
}

impl Image {
    /// Returns what the reference feeds each stage of `pipeline`, by stage index.
    pub fn reference_inputs(&self, pipeline: &Pipeline) -> Result<&[Bytes], NoReference> {
        if let Some(made) = self.reference_inputs.get() {
            return Ok(made);
        }
        let made = darkroom_contract::reference_inputs(pipeline, &self.bytes)?;
        Ok(self
            .reference_inputs
            .get_or_init(|| made.into_iter().map(Bytes::from).collect()))
    }
}

/// A cell with all it needs to be measured.
#[derive(Clone, Debug)]
pub struct CellUnderTest {
    pub id: CellId,
    pub cell: Cell,
    pub images: Arc<[Image]>,
    /// By deployment (from 0), then stage index.
    pub deployments: Vec<Vec<Function>>,
}

impl CellUnderTest {
    /// Names an attempt of a planned pass of this cell.
    pub fn key(&self, planned: &PlannedPass, attempt: u32) -> PassKey {
        PassKey {
            cell_id: self.id.clone(),
            deployment: planned.deployment,
            image: self.images[planned.image].name.clone(),
            warm_up: planned.warm_up,
            probe: planned.probe,
            repetition: planned.repetition,
            attempt,
        }
    }
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
    /// Metrics of the last minutes.
    pub metrics: Duration,
    /// Before the first look at metrics, where looks are billed and metrics take a minute to come.
    pub metrics_after: Duration,
    /// Nobody else has functions there, so that one which the run did not deploy is worth naming.
    pub alone: bool,
}

/// What a run has spent, and may.
pub struct MoneyBudget {
    /// Until now, of all its sessions.
    pub spent: Mutex<Spending>,
    /// `budget.usd`.
    pub limit_usd: Option<f64>,
}

impl MoneyBudget {
    fn take(&self, event: &Event) {
        self.spent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(event);
    }

    /// Returns what is spent until now, to go on counting from.
    pub fn now(&self) -> Spending {
        self.spent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Says whether no further pass may begin. What is under way then still ends: the total may
    /// come to a little more.
    pub fn is_empty(&self) -> bool {
        self.limit_usd.is_some_and(|limit| {
            self.spent
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .usd()
                >= limit
        })
    }
}

/// Clients and constants of a run.
pub struct Setup {
    pub run_id: String,
    /// For measured calls: no retries, no stalled-stream protection.
    pub measured: aws_sdk_lambda::Client,
    /// For everything else.
    pub control: aws_sdk_lambda::Client,
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
    /// Of the manifest: pauses are drawn from it.
    pub seed: u64,
    /// Every repetition has pixels of its own (`repetitions.vary_inputs`).
    pub vary_inputs: bool,
    /// Where pictures of outputs are kept, and of which; `None`: none are.
    pub pictures: Option<Arc<Pictures>>,
}

/// UTC now, RFC 3339 with milliseconds.
pub fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}
