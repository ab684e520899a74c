//! The tables and keys of a manifest, as types.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use crate::cell::{Architecture, Input, SnapStart, Start, Trigger};
use crate::statistics::StoppingRule;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{defaults, generation};

/// One experiment: what is compared, how often, and where.
// Serialised with every default filled in, it is the run's `manifest.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Record CPU time, context switches, page faults and time in S3 calls of every invocation, by
    /// a wrapper around the unmodified handler. Default: true.
    #[serde(default = "defaults::profile")]
    pub profile: bool,
    /// The name of the experiment, and its pipeline.
    pub experiment: Experiment,
    /// Where it runs.
    #[serde(default)]
    pub target: TargetKeys,
    /// What is compared: the lists multiply, and every combination is a cell.
    pub matrix: Matrix,
    /// How often every cell is measured.
    #[serde(default)]
    pub repetitions: Repetitions,
    /// The order of the measurements.
    #[serde(default)]
    pub schedule: Schedule,
    /// What a run may cost. It stops at this limit, and you can resume it with a larger one.
    #[serde(default)]
    pub budget: Budget,
    /// Where results are written.
    #[serde(default)]
    pub output: Output,
}

/// The name of the experiment, and its pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Name of the experiment and of its folder under the output folder: letters, digits, `-`, `_`
    /// and `.`.
    pub name: String,
    /// Folder under `experiments/` that holds `pipeline.toml`. Default: image-pipeline.
    #[serde(default = "defaults::pipeline")]
    pub pipeline: String,
    /// Seed of every random choice of a run. Default: 562.
    #[serde(default = "defaults::seed")]
    #[schemars(range(max = 9_223_372_036_854_775_807_u64))]
    pub seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cloud {
    /// Darkroom's local cloud, on this machine.
    Local,
    /// Amazon Web Services.
    Aws,
}

/// Where the experiment runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Target")]
pub struct TargetKeys {
    /// The cloud; `--target` overrides it. Default: local.
    pub cloud: Cloud,
    /// The cloud's region. Default: us-east-1.
    pub region: String,
    /// ARN of the functions' execution role; set it if you may not create roles. Default: Darkroom
    /// creates a role that can use only the experiment's bucket and log groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub role: Option<String>,
    /// Keep the deployed functions after a complete run. Default: true on this machine, false on
    /// AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub keep: Option<bool>,
}

/// What is compared. A cell is one level of every list. The lists multiply, `exclude` removes
/// cells, `include` adds cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// The code to compare: folders under `functions/`, and models that are to write some.
    /// For example `["pillow", { model = "gpt-5", samples = 5 }]`.
    #[schemars(with = "Vec<generation::Level>", length(min = 1), extend("uniqueItems" = true))]
    pub variants: Vec<String>,
    /// Lambda runtimes of Python code, for example `["python3.13", "python3.14"]`. Each replaces the
    /// runtime of `variant.toml` and the `python` of an entry for a model. Compiled code brings its
    /// own runtime and is measured once. Default: each variant's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub runtimes: Vec<String>,
    /// Variants that are not Python: `runtimes` does not multiply them. Validation knows which.
    #[serde(skip)]
    #[schemars(skip)]
    pub own_runtime: BTreeSet<String>,
    /// Instruction sets. Default: `x86_64` only.
    #[serde(default = "defaults::architectures")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub architectures: Vec<Architecture>,
    /// Memory of the functions in MB. On Lambda it also sets the CPU share: 1769 MB is one vCPU.
    /// Default: 1769.
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
    /// The input of a stage. Rows of different levels never share a statistic. Default: chained.
    #[serde(default = "defaults::input")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub input: Vec<Input>,
    /// Which kind of start is measured. Default: warm.
    #[serde(default = "defaults::start")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub start: Vec<Start>,
    /// Lambda SnapStart: whether environments are restored from a snapshot of an initialised one.
    /// For Python 3.12 and later on AWS; every snapshot costs at least three hours of cache.
    /// Default: off.
    #[serde(
        default = "defaults::snapstart",
        skip_serializing_if = "defaults::is_without_snapstart"
    )]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub snapstart: Vec<SnapStart>,
    /// Pipelines of one cell that run at once. Default: 1.
    #[serde(default = "defaults::concurrency")]
    #[schemars(length(min = 1), inner(range(min = 1, max = 1000)), extend("uniqueItems" = true))]
    pub concurrency: Vec<u32>,
    /// Cells to remove: every cell that has all the levels of one entry. Default: none.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub exclude: Vec<Levels>,
    /// Cells to add. You may leave out a factor whose list has one level. Default: none.
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
    #[schemars(with = "String")]
    pub runtime: Option<String>,
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
    #[schemars(with = "SnapStart")]
    pub snapstart: Option<SnapStart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 1000))]
    pub concurrency: Option<u32>,
}

/// How often every cell is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Repetitions {
    /// Counted passes of every image through every deployment of a cell. Leave it out if you set
    /// `until`. Default: 100.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: u32,
    /// Uncounted passes before these, in every deployment of a warm cell. Default: 3.
    #[schemars(range(max = 1000))]
    pub warm_up: u32,
    /// Deployments of every cell under different names. Set 2 or more to see how much hosts
    /// differ. Default: 1.
    #[schemars(range(min = 1, max = 100))]
    pub deployments: u32,
    /// Renew the environments of warm cells after this many repetitions, and warm them up again: an
    /// environment runs on one host only. Default: never within a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 1_000_000))]
    pub renew_environments_every: Option<u32>,
    /// Measure until the intervals are narrow enough, instead of `count` times:
    /// `{ metric = "turnaround", ci_half_width = 0.02, min = 30, max = 400 }`. Every cell is
    /// measured equally often. Default: `count` times.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Until")]
    pub until: Option<Until>,
    /// Change a few pixels invisibly in every repetition, so code that remembers outputs gains
    /// nothing, and every output is checked. Default: false; a few uncounted probes then show
    /// whether code remembers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub vary_inputs: bool,
}

/// When to stop: checked after whole blocks, from `min` repetitions on and every 10 after that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// The metric whose mean must be precise.
    pub metric: StoppingMetric,
    /// Largest half width of its 95% interval, as a share of the mean, in every cell (and stage).
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub ci_half_width: f64,
    /// Fewest repetitions.
    #[schemars(range(min = 10, max = 1_000_000))]
    pub min: u32,
    /// Most repetitions; the run ends after them in any case.
    #[schemars(range(min = 10, max = 1_000_000))]
    pub max: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoppingMetric {
    /// Turnaround of the pipeline, in every cell.
    Turnaround,
    /// Duration of each stage, in every cell; in cold cells init + duration.
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
    pub const fn rule(&self) -> StoppingRule {
        StoppingRule {
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
    /// Blocks: every image of every cell once, in a new random order for each block.
    Interleaved,
    /// One cell after another, as declared.
    Sequential,
}

/// How many lanes take passes from the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// So many, or as many as there is work for.
    Fixed(u32),
    /// As many as functions and account allow ([`crate::schedule::lanes`]).
    Auto,
}

/// How `auto` is spelt.
const AUTO: &str = "auto";
/// Most lanes that a manifest may ask for.
const MOST_LANES: u32 = 1000;

impl fmt::Display for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(number) => number.fmt(f),
            Self::Auto => f.pad(AUTO),
        }
    }
}

impl Serialize for Lanes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(number) => serializer.serialize_u32(*number),
            Self::Auto => serializer.serialize_str(AUTO),
        }
    }
}

impl<'de> Deserialize<'de> for Lanes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpeltLanes)
    }
}

struct SpeltLanes;

impl de::Visitor<'_> for SpeltLanes {
    type Value = Lanes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 1 to {MOST_LANES} or \"{AUTO}\"")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Lanes, E> {
        let number = u32::try_from(number).ok();
        let number = number.filter(|number| (1..=MOST_LANES).contains(number));
        number
            .map(Lanes::Fixed)
            .ok_or_else(|| E::custom("out of range"))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Lanes, E> {
        self.visit_u64(number.try_into().unwrap_or_default())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Lanes, E> {
        if text == AUTO {
            Ok(Lanes::Auto)
        } else {
            Err(E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }
}

impl JsonSchema for Lanes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Lanes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": MOST_LANES },
                { "type": "string", "enum": [AUTO] },
            ],
        })
    }
}

/// The order of the passes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// The order. With `sequential`, differences between cells may come from the hour.
    /// Default: interleaved.
    pub order: Order,
    /// How many passes may be under way at once, each of other functions: a number, or `"auto"` for
    /// as many as the functions and the account allow, at most 64. Default: 1 on the local cloud,
    /// `"auto"` on AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Lanes")]
    pub lanes: Option<Lanes>,
}

/// What a run may cost. It stops at this limit, and you can resume it with a larger one.
/// Default: no limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// US dollars that AWS bills, or would bill, for all sessions of a run; it also counts on the
    /// local cloud. Covers Lambda and S3 requests, not logs and transfer. Running passes still end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", extend("exclusiveMinimum" = 0))]
    pub usd: Option<f64>,
    /// Minutes of one session; a resumed run gets the same number again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", extend("exclusiveMinimum" = 0))]
    pub minutes: Option<f64>,
    /// US dollars for all answers of models that the manifest declares. `darkroom generate` stops
    /// before the question whose answer could cost more, and goes on with a larger budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", extend("exclusiveMinimum" = 0))]
    pub generate_usd: Option<f64>,
}

/// Where results are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Output {
    /// Folder for results, relative to the project; each experiment gets a folder in it.
    /// Default: outputs.
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

impl Manifest {
    /// Returns how many lanes it asks for, or what its cloud has unless it asks: on one machine,
    /// passes would disturb each other.
    pub fn lanes(&self) -> Lanes {
        self.schedule.lanes.unwrap_or(match self.target.cloud {
            _ if self.schedule.order == Order::Sequential => Lanes::Fixed(1),
            Cloud::Local => Lanes::Fixed(1),
            Cloud::Aws => Lanes::Auto,
        })
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            order: Order::Interleaved,
            lanes: None,
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
