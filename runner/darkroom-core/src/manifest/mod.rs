//! The manifest: what to compare, how often, where.
//!
//! TOML text → [`Manifest`], or every mistake in it at once, each with its place in the text. The
//! doc comments of the types are the descriptions in the JSON Schema, their attributes its rules,
//! and the schema is what a text is checked with: what an editor says, `darkroom validate` says.
//! What needs more than one value at a time is in `validate`.

mod brackets;
mod check;
mod known;
mod mistake;
mod schema;
mod set;
mod spelling;
mod tree;
mod validate;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::{Architecture, Input, Start, Trigger};
use crate::statistics::Rule;

pub use self::known::{Fault, Known, KnownImageSet, KnownPipeline, KnownVariant, Unusable};
pub use self::mistake::{InvalidManifest, Mistake, nearest};
pub use self::schema::schema_text;
pub use self::set::Override;
pub use self::spelling::mentions;
pub use self::validate::{MAX_CELLS, mentioned, validate};

/// One experiment: what is compared, how often, and where.
// Serialised with every default filled in, it is the run's `manifest.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Look at every invocation from inside, through a wrapper around the unmodified handler: CPU
    /// time, context switches, page faults, time in S3 calls. `false` measures without it. Default:
    /// true.
    #[serde(default = "defaults::profile")]
    pub profile: bool,
    /// What the experiment is called and which pipeline it is about.
    pub experiment: Experiment,
    /// Where it runs.
    #[serde(default)]
    pub target: TargetKeys,
    /// What is compared: the lists multiply to cells.
    pub matrix: Matrix,
    /// How often every cell is measured.
    #[serde(default)]
    pub repetitions: Repetitions,
    /// In what order.
    #[serde(default)]
    pub schedule: Schedule,
    /// What a run may cost: it stops when that is used up, and can be gone on with.
    #[serde(default)]
    pub budget: Budget,
    /// Where results land.
    #[serde(default)]
    pub output: Output,
}

/// What the experiment is called and which pipeline it is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Name of the experiment and of its folder under the output folder: letters, digits, `-`, `_`
    /// and `.`.
    pub name: String,
    /// Folder under `experiments/` that holds `pipeline.toml`. Default: image-pipeline.
    #[serde(default = "defaults::pipeline")]
    pub pipeline: String,
    /// Every random choice of a run comes from this number. Default: 562.
    #[serde(default = "defaults::seed")]
    #[schemars(range(max = 9_223_372_036_854_775_807_u64))]
    pub seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cloud {
    /// The cloud embedded in darkroom, on this machine.
    Local,
    /// Amazon Web Services.
    Aws,
}

/// Where the experiment runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Target")]
pub struct TargetKeys {
    /// The cloud; `--target` overrides. Default: local.
    pub cloud: Cloud,
    /// The cloud's region. Default: us-east-1.
    pub region: String,
    /// ARN of the functions' execution role, where you may not make one. Default: Darkroom makes
    /// one that can touch the experiment's bucket and log groups alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub role: Option<String>,
    /// Whether what a whole run deployed stays for the next one. Default: on this machine yes, on
    /// AWS no.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub keep: Option<bool>,
}

/// What is compared. A cell is one level of every list; the lists multiply, `exclude` removes,
/// `include` adds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// Folders under `functions/`: whose code is compared.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub variants: Vec<String>,
    /// Instruction sets. Default: `x86_64` only.
    #[serde(default = "defaults::architectures")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub architectures: Vec<Architecture>,
    /// Memory of the functions, MB, which on Lambda also decides the CPU share (1769 MB is one
    /// vCPU). Default: 1769.
    #[serde(default = "defaults::memory_mb")]
    #[schemars(length(min = 1), inner(range(min = 128, max = 10240)), extend("uniqueItems" = true))]
    pub memory_mb: Vec<u32>,
    /// Image sets of the pipeline, under `experiments/<pipeline>/image-sets/`.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub image_sets: Vec<String>,
    /// What starts a stage. Default: direct.
    #[serde(default = "defaults::trigger")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub trigger: Vec<Trigger>,
    /// What a stage is fed. Rows of different levels never share a statistic. Default: chained.
    #[serde(default = "defaults::input")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub input: Vec<Input>,
    /// Which start of an environment is measured. Default: warm.
    #[serde(default = "defaults::start")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub start: Vec<Start>,
    /// Pipelines of one cell under way at once. Default: 1.
    #[serde(default = "defaults::concurrency")]
    #[schemars(length(min = 1), inner(range(min = 1, max = 1000)), extend("uniqueItems" = true))]
    pub concurrency: Vec<u32>,
    /// Cells to leave out: every cell that has all the levels of one of these. Default: none.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub exclude: Vec<Levels>,
    /// Cells to add. A factor left open takes the only level of its list. Default: none.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub include: Vec<Levels>,
}

/// Some levels, one per named factor: a cell matches when it has all of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub variant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Architecture")]
    pub architecture: Option<Architecture>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 128, max = 10240))]
    pub memory_mb: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub image_set: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Trigger")]
    pub trigger: Option<Trigger>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Input")]
    pub input: Option<Input>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Start")]
    pub start: Option<Start>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 1000))]
    pub concurrency: Option<u32>,
}

/// How often every cell is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Repetitions {
    /// Counted passes of every image through every deployment of a cell. With `until` it is
    /// `until.max`, and need not be said. Default: 100.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: u32,
    /// Uncounted passes before them, in every deployment of a warm cell. Default: 3.
    #[schemars(range(max = 1000))]
    pub warm_up: u32,
    /// Deployments of every cell, under different names: one can't show how much hosts differ.
    /// Default: 1.
    #[schemars(range(min = 1, max = 100))]
    pub deployments: u32,
    /// Repetitions after which the environments of warm cells are renewed and warmed up again: one
    /// environment is one sample of one host. Default: never within a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 1_000_000))]
    pub renew_environments_every: Option<u32>,
    /// Measure on until the answer is sure enough, instead of `count` times:
    /// `{ metric = "turnaround", ci_half_width = 0.02, min = 30, max = 400 }`. Every cell is
    /// measured equally often. Default: `count` times.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Until")]
    pub until: Option<Until>,
    /// Give every repetition pixels of its own, invisibly: code that remembers outputs gains
    /// nothing, and every output is checked. Default: false, and a few uncounted probes tell
    /// whether code remembers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub vary_inputs: bool,
}

/// When to stop: looked at after whole blocks, from `min` repetitions on and every 10 after that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// Whose mean is to be known.
    pub metric: StoppingMetric,
    /// Half the width of its 95% interval as a share of the mean, which every cell (and stage) must
    /// reach.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub ci_half_width: f64,
    /// Fewest repetitions.
    #[schemars(range(min = 10, max = 1_000_000))]
    pub min: u32,
    /// Most repetitions, after which the run ends whatever it knows.
    #[schemars(range(min = 10, max = 1_000_000))]
    pub max: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoppingMetric {
    /// Of the pipeline, in every cell.
    Turnaround,
    /// Of each stage in every cell; in cold cells init + duration.
    Duration,
}

impl StoppingMetric {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Turnaround => "turnaround",
            Self::Duration => "duration",
        }
    }
}

impl Until {
    pub const fn rule(&self) -> Rule {
        Rule {
            target: self.ci_half_width,
            min: self.min,
            max: self.max,
        }
    }
}

impl Repetitions {
    /// Returns the fixed number of repetitions that a run has which stops at its first look; `None`
    /// when its number is fixed.
    pub fn shortest(&self) -> Option<Self> {
        self.until.map(|until| Self {
            count: until.min,
            until: None,
            ..self.clone()
        })
    }

    /// Returns which round of environments a repetition belongs to, from 1.
    pub const fn round(&self, repetition: u32) -> u32 {
        match self.renew_environments_every {
            Some(every) if every > 0 => (repetition - 1) / every + 1,
            _ => 1,
        }
    }

    /// Rounds of environments that a warm cell goes through.
    pub const fn rounds(&self) -> u32 {
        if self.count == 0 {
            1
        } else {
            self.round(self.count)
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Blocks: every (cell, image) once, in a fresh seeded order, then the next block.
    Interleaved,
    /// One cell after another, as declared.
    Sequential,
}

/// In what order passes are done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// The order; `sequential` confounds what is compared with the hour. Default: interleaved.
    pub order: Order,
}

/// What a run may cost: it stops when that is used up, and can be gone on with. Default: no limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// US dollars that AWS bills for all of a run's sessions, or would bill: it counts on the local
    /// cloud too. Lambda and S3 requests, not logs and transfer; what is under way when it is used
    /// up still ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", extend("exclusiveMinimum" = 0))]
    pub usd: Option<f64>,
    /// Minutes of one session: a run that is resumed has as many again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", extend("exclusiveMinimum" = 0))]
    pub minutes: Option<f64>,
}

/// Where results land.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Output {
    /// Folder that holds a folder for every experiment; relative to the project. Default: outputs.
    pub dir: String,
}

impl Default for TargetKeys {
    fn default() -> Self {
        Self {
            cloud: Cloud::Local,
            region: "us-east-1".to_owned(),
            role: None,
            keep: None,
        }
    }
}

impl Default for Repetitions {
    fn default() -> Self {
        Self {
            count: 100,
            warm_up: 3,
            deployments: 1,
            renew_environments_every: None,
            until: None,
            vary_inputs: false,
        }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            order: Order::Interleaved,
        }
    }
}

impl Default for Output {
    fn default() -> Self {
        Self {
            dir: "outputs".to_owned(),
        }
    }
}

mod defaults {
    use super::{Architecture, Input, Start, Trigger};

    pub(super) const fn profile() -> bool {
        true
    }

    pub(super) fn pipeline() -> String {
        "image-pipeline".to_owned()
    }
    pub(super) const fn seed() -> u64 {
        562
    }
    pub(super) fn architectures() -> Vec<Architecture> {
        vec![Architecture::X86_64]
    }
    pub(super) fn memory_mb() -> Vec<u32> {
        vec![1769]
    }
    pub(super) fn trigger() -> Vec<Trigger> {
        vec![Trigger::Direct]
    }
    pub(super) fn input() -> Vec<Input> {
        vec![Input::Chained]
    }
    pub(super) fn start() -> Vec<Start> {
        vec![Start::Warm]
    }
    pub(super) fn concurrency() -> Vec<u32> {
        vec![1]
    }
}

#[cfg(test)]
pub(crate) mod tests;
