//! The facts of a run: what was observed, in the order it was observed.
//!
//! Execution emits [`Event`]s; the journal stores them one a line, the display shows them, tests
//! assert on them. Conclusions (costs, statistics, which attempt counts) are never facts: they are
//! derived from these by `aggregate`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cell::{Cell, CellId};
use crate::imported::{ImportedRow, ResultsImported};
use crate::manifest::Until;
use crate::outcome::{self, Outcome};
use crate::pipeline::Transport;
use crate::prompt;
use crate::statistics::StoppedBy;

/// Version of the journal's lines. Raised whenever a field is added, removed or changes meaning.
///
/// A reader refuses a newer number; what an older one lacks is `None` or empty (`serde(default)`).
/// 11: how many other passes were under way; how late the runner was; restores of environments from
/// snapshots, and which version of a function was published for them. 10: how long before START an
/// environment's initialisation began. 9: which prompt a model was asked with; what it was asked and answered, with the code; where in
/// its code a handler raised. 8: which stages a model gave no code for. 7: which passes are probes, with pixels of their own; what code did that no honest code does. 6:
/// calls of handlers that the local cloud refused. 5: that repetitions were added to a finished
/// run; what no check tells; the quality of a JPEG. 4: which JPEG decoder a dependency brings. 2:
/// what a handler's inside view, a chain's hops and a build say of themselves; how a function is
/// fed.
pub const JOURNAL_VERSION: u32 = 11;

/// Something that happened during a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every event of a run is one of the large ones"
)]
pub enum Event {
    /// First line of every journal.
    RunStarted(RunStarted),
    /// The run was taken up again, after an interruption or for some cells only.
    RunResumed {
        at: String,
        cells: Vec<CellId>,
    },
    /// Facts of these cells so far no longer count: they are being measured again (`--cell`).
    CellsSuperseded {
        at: String,
        cells: Vec<CellId>,
    },
    /// A finished run was taken up again to make more repetitions: the same seed, the next blocks
    /// (`--extend`).
    RunExtended(Extension),
    /// A function is deployed and what runs is what was packaged (`code_sha256` as Lambda reports
    /// it).
    FunctionDeployed(FunctionDeployed),
    /// A variant's package: what it was made of and by what.
    PackageBuilt(PackageBuilt),
    /// What a look at a variant's sources says of them, at packaging.
    CodeExamined(CodeExamined),
    /// A model was asked for a stage of a variant and answered, long before the run: what the
    /// variant's provenance says of it.
    ModelAsked(ModelAsked),
    InvocationFinished(Invocation),
    PipelineFinished(PipelinePass),
    OutputChecked(OutputCheck),
    /// From the function's logs: which environment (log stream) served which request.
    EnvironmentSeen {
        request_id: String,
        environment_id: String,
    },
    /// A warm cell's environments were retired between two blocks; what comes next is warmed up
    /// again.
    EnvironmentsRenewed {
        at: String,
        cell_id: CellId,
        deployment: u32,
        /// The round that begins, from 2.
        round: u32,
    },
    /// How narrow the intervals were after a whole block, and whether that was enough
    /// (`repetitions.until`).
    Looked(Look),
    /// The run's rows were measured by another harness: what was read, and what of it was refused.
    ResultsImported(ResultsImported),
    RowImported(ImportedRow),
    /// What a session recorded of one function beside what the platform's own metrics counted of
    /// it.
    Reconciled(Reconciliation),
    /// The code of a function called what its role does not allow, in one session. Only the local
    /// cloud tells.
    CallsRefused(CallsRefused),
    /// The code of a function did what no honest code does, in one session. Only the local cloud
    /// tells.
    Misbehaved(Misbehaved),
    /// How far the platform's clock was ahead of the runner's in a session. For display: no
    /// duration is corrected by it.
    ClocksCompared(ClockOffset),
    /// How late the runner was in a session when something was due.
    RunnerLate(RunnerLate),
    /// What a run came to until the end of a session, of all its sessions: what `budget.usd` is
    /// compared with.
    Spent {
        at: String,
        /// What AWS bills for it, or would, as [`crate::spending`] counts.
        usd: f64,
        invocations: u64,
    },
    /// Every planned repetition has been measured or has failed for good.
    RunFinished {
        at: String,
    },
    /// The run stopped early and can be resumed.
    RunInterrupted {
        at: String,
        reason: String,
    },
}

impl Event {
    /// Reads a journal's line, with or without its line break. Errors say the column; lines are
    /// counted by who reads the file.
    ///
    /// It stands here, and not where files are read, so that a journal of millions of lines is read
    /// by optimised code: generic code is compiled with the crate that names its types.
    pub fn from_line(line: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(line)
    }
}

/// What a run is: its whole resolved configuration and where it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    pub journal_version: u32,
    pub run_id: String,
    /// UTC, RFC 3339 with milliseconds, as every `at`.
    pub at: String,
    pub experiment: String,
    pub pipeline: String,
    /// Stage names in order.
    pub stages: Vec<String>,
    /// How images pass between stages.
    #[serde(default)]
    pub transport: Transport,
    pub seed: u64,
    /// `local`, `aws`, `aws-endpoint` (AWS's calls went to [`Self::endpoint`], and what was
    /// measured is not AWS), or `imported` where another harness measured.
    pub target: String,
    pub region: String,
    /// The endpoint that stood for AWS; `None` on AWS itself and on the local cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The account, 12 digits; `None` on the local cloud and in older journals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// How the target isolates handlers, for example `userns+cgroup1`; on AWS `firecracker`.
    pub isolation: String,
    /// sha256 of the resolved manifest and of its pipeline, hex.
    pub manifest_sha256: String,
    /// sha256 of the pipeline alone, hex, by which runs of different manifests are told to be of
    /// one pipeline.
    #[serde(default)]
    pub pipeline_sha256: Option<String>,
    /// With `until` the most.
    pub repetitions: u32,
    /// When it may stop before that; `None`: the number of repetitions is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    pub warm_up: u32,
    pub deployments: u32,
    /// Repetitions after which warm environments are renewed; `None`: never within a session.
    #[serde(default)]
    pub renew_environments_every: Option<u32>,
    /// Every repetition has pixels of its own; there are no probes then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub vary_inputs: bool,
    /// `interleaved` or `sequential`.
    pub order: String,
    /// Cells in matrix order with what their variants say of themselves.
    pub cells: Vec<PlannedCell>,
    /// Images of every image set used, in order.
    pub image_sets: BTreeMap<String, Vec<String>>,
    /// Host facts: `cpu_model`, `cores`, `memory_mb`, `kernel`, `os`.
    pub machine: BTreeMap<String, String>,
    pub darkroom_version: String,
    /// What the stages' prompts ask for and no check tells, a stage each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_checked: Vec<String>,
}

/// Repetitions that were added to a finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extension {
    pub at: String,
    /// Repetitions that were planned until then.
    pub from: u32,
    /// And from then on.
    pub to: u32,
    /// As [`RunStarted::manifest_sha256`], from then on.
    pub manifest_sha256: String,
}

/// One cell of the plan as the journal remembers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedCell {
    pub id: CellId,
    #[serde(flatten)]
    pub cell: Cell,
    /// LLM that wrote the variant, where one did.
    pub model: Option<String>,
    /// Which independent sample of that model's answers.
    pub sample: Option<u32>,
    /// Name of the prompt that the model was asked with, where it was not the standard one: see
    /// [`Self::prompt_name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Why this target can't run the cell; `None` when it can.
    pub not_runnable: Option<String>,
    /// The variant says of itself that it is wrong: an example of what the gate finds.
    #[serde(default)]
    pub wrong_on_purpose: bool,
    /// Stages that the model gave no usable code for, with what came instead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, Outcome>,
}

impl PlannedCell {
    /// Returns the name of the prompt that a model wrote the variant from; `None` where none did.
    pub fn prompt_name(&self) -> Option<&str> {
        self.model.as_ref()?;
        Some(self.prompt.as_deref().unwrap_or(prompt::PLAIN))
    }

    /// Returns which of these stages are called, by their index.
    pub fn called<'a>(&self, stages: impl IntoIterator<Item = &'a str>) -> Vec<bool> {
        outcome::called(stages, &self.missing, self.cell.input)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionDeployed {
    pub at: String,
    pub function: String,
    pub variant: String,
    pub architecture: crate::cell::Architecture,
    pub memory_mb: u32,
    pub deployment: u32,
    pub stage: String,
    pub runtime: String,
    pub handler: String,
    /// Lambda's CodeSha256 (base64 of sha256 of the zip); equal to the zip on disk.
    pub code_sha256: String,
    /// Layers' sha256, base64, in order.
    pub layers_sha256: Vec<String>,
    pub code_bytes: u64,
    /// The version whose snapshot its environments are restored from; `None` without SnapStart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A variant's package for one architecture, as it is deployed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackageBuilt {
    pub at: String,
    pub variant: String,
    pub architecture: crate::cell::Architecture,
    pub runtime: String,
    /// base64, as in [`FunctionDeployed`].
    pub code_sha256: String,
    pub code_bytes: u64,
    /// Of code and layers, unpacked.
    pub unzipped_bytes: u64,
    pub layers_sha256: Vec<String>,
    pub build: Build,
}

/// How a package came to be: the same record gives the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// What `rustc -vV` says, on one line; `None` for code that is not compiled.
    pub compiler: Option<String>,
    /// The command that built it, without this machine's paths.
    pub command: Option<String>,
    /// `[profile.release]` of the variant's Cargo.toml and the profiles of single packages, as
    /// JSON.
    pub profile: Option<String>,
    /// Newest version of glibc that the binary asks for, for example `2.34`.
    pub glibc: Option<String>,
    pub dependencies: Vec<Dependency>,
}

/// A package that went into a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    pub name: String,
    pub version: String,
    /// Cargo features it was built with, sorted; empty also where they are not known.
    pub features: Vec<String>,
    /// sha256 that the lockfile or the requirements demand, hex; several where any of several files
    /// will do.
    pub sha256: Vec<String>,
    /// What decodes JPEG in it, for example `libjpeg-turbo 3.2.0`; `None` for a package without a
    /// decoder, and for one that does not say which it has.
    #[serde(default)]
    pub jpeg_decoder: Option<String>,
}

/// The code of one stage, looked at and not run: the handler's file and what it imports of its
/// variant. `None` is not known; `note` then says why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CodeExamined {
    pub variant: String,
    /// `None` where one program serves every stage.
    pub stage: Option<String>,
    /// `python` or `rust`.
    pub language: String,
    /// From the variant's folder.
    pub files: Vec<String>,
    pub lines_total: Option<u64>,
    pub lines_code: Option<u64>,
    pub lines_blank: Option<u64>,
    /// Lines with nothing but a comment, and docstrings.
    pub lines_comment: Option<u64>,
    /// Packages that it imports, without its own modules.
    pub imports: Option<Vec<String>>,
    /// Functions and methods.
    pub functions: Option<u32>,
    /// Cyclomatic complexity, as `McCabe` counts it, of the most complex function.
    pub complexity_max: Option<u32>,
    /// Of all functions together.
    pub complexity_sum: Option<u32>,
    /// How often each lint was found.
    pub lints: Option<BTreeMap<String, u32>>,
    /// The linter, its version and rules.
    pub lint_tool: Option<String>,
    pub note: Option<String>,
}

/// One question to a model and its answer, for a stage of a variant that a run measures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelAsked {
    pub variant: String,
    pub stage: String,
    /// 0 is the first answer; others are repairs.
    pub round: u32,
    /// Rounds of repair that were allowed.
    pub rounds_allowed: u32,
    /// In which attempt at the variant it was asked and answered, from 1.
    pub attempt: u32,
    pub asked_at: String,
    /// Until the whole answer was there, retries included.
    pub seconds: f64,
    /// The id that the endpoint was given, and the one that it says answered.
    pub model_asked: String,
    pub model_answered: String,
    /// Of all that was sent, hex.
    pub prompt_sha256: String,
    /// For which Python, `3.13`.
    pub python: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// What the output check said of the answer before, which was sent back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_back: Option<String>,
    /// What came instead of code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Outcome>,
    /// The code as the model gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// `error_type` of a call that got no answer, or a server's error (5xx): the function may have run
/// all the same.
pub const NO_ANSWER: &str = "NoAnswer";
/// `error_type` of a stage of a chain that neither its output nor a log shows.
pub const NOT_SEEN: &str = "NotSeen";

/// `error_type` of a stage that one upload started over and over: the fault of the code, however
/// well each run ended.
pub const RECURSIVE_LOOP: &str = "RecursiveLoop";

/// A look at how narrow the intervals are, after a whole block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    pub at: String,
    /// Repetitions of every cell so far.
    pub repetitions: u32,
    /// Samples that were looked at, and how many of them are not as narrow as was asked.
    pub samples: u32,
    pub wider: u32,
    /// Largest half width of a 95% interval as a share of its mean; `None` when a sample has no
    /// interval yet, or there is none.
    pub widest: Option<f64>,
    /// The sample that had it, or the first without an interval; its stage is `None` for the
    /// pipeline.
    pub cell_id: Option<CellId>,
    pub stage: Option<String>,
    /// What is measured as often and holds nothing up.
    pub excused: Vec<Excuse>,
    /// `None`: measuring continues.
    pub stopped_by: Option<StoppedBy>,
}

/// A cell, or a stage of it, whose interval nobody waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excuse {
    pub cell_id: CellId,
    pub stage: Option<String>,
    /// `wrong outputs`, `a stage without code` or `no value`.
    pub reason: String,
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Ok,
    /// The function raised, exited, ran out of memory: Lambda answered with FunctionError.
    FunctionError,
    /// Lambda ended it at the function's timeout.
    Timeout,
    /// Lambda refused it (429).
    Throttled,
    /// The call itself failed: no answer, or an API error.
    CallError,
}

impl Status {
    pub const ALL: [Self; 5] = [
        Self::Ok,
        Self::FunctionError,
        Self::Timeout,
        Self::Throttled,
        Self::CallError,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::FunctionError => "function_error",
            Self::Timeout => "timeout",
            Self::Throttled => "throttled",
            Self::CallError => "call_error",
        }
    }
}

/// Which repetition of which cell a fact belongs to.
///
/// `attempt` counts from 1: a repetition that was cut off, or was not the start kind its cell asked
/// for, is done again under the next number; only the last attempt counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PassKey {
    pub cell_id: CellId,
    /// From 1.
    pub deployment: u32,
    pub image: String,
    /// Warm-ups are numbered apart from repetitions, both from 1.
    pub warm_up: bool,
    /// Made with pixels of its own, to see whether times are those of inputs that were seen before.
    /// A probe is numbered apart too and `warm_up` is true of it: nothing counts it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub probe: bool,
    pub repetition: u32,
    pub attempt: u32,
}

impl PassKey {
    /// Says what the pass is for.
    pub const fn kind(&self) -> PassKind {
        match (self.probe, self.warm_up) {
            (true, _) => PassKind::Probe,
            (false, true) => PassKind::WarmUp,
            (false, false) => PassKind::Measured,
        }
    }
}

/// What a pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PassKind {
    Measured,
    WarmUp,
    /// With pixels of its own, uncounted.
    Probe,
}

/// One invocation of one stage function, ended in whatever way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invocation {
    #[serde(flatten)]
    pub pass: PassKey,
    pub stage: String,
    /// From 0.
    pub stage_index: u32,
    pub function: String,
    /// Position in the run's order of execution, from 0, over all sessions of the run.
    pub sequence: u64,
    /// When the schedule released it, UTC.
    pub scheduled_at: String,
    /// Just before the call was sent, UTC. With `trigger = "s3"` when the platform logged START, by
    /// its clock.
    pub started_at: String,
    /// When the platform logged END, by its clock; `None` where the runner called, or the log does
    /// not show it.
    #[serde(default)]
    pub ended_at: Option<String>,
    /// From the upload's end (runner's clock) or the stage before's END (platform's) to this START
    /// (platform's), ms: clocks of two hosts, so it may be negative and is kept as it is. `None`
    /// where the runner called, or a log lacks a line.
    #[serde(default)]
    pub trigger_delay_ms: Option<f64>,
    /// Runner's monotonic clock, from just before sending to the answer, ms; `None` where the
    /// runner did not call.
    pub client_ms: Option<f64>,
    pub status: Status,
    pub error_type: Option<String>,
    pub error: Option<String>,
    /// Where in its own code the handler raised, file and line: `resize.py:14`. `None` where no
    /// traceback came with the answer; a chain's log is not read for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_at: Option<String>,
    pub request_id: Option<String>,
    /// The platform's REPORT line; `None` when none arrived.
    pub report: Option<Report>,
    /// From `INIT_START` to START, by the platform's clock, ms; of the first invocation of an
    /// environment. `None` where its log was not read for it, or does not show both, or the first
    /// initialisation failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_to_start_ms: Option<f64>,
    /// Log stream, which Lambda keeps one of per environment (`faas.instance`).
    pub environment_id: Option<String>,
    /// Which round of environments it belongs to, from 1: they are renewed between rounds. `None`
    /// in a cold cell.
    #[serde(default)]
    pub environment_round: Option<u32>,
    pub code_sha256: String,
    pub bytes_in: Option<u64>,
    pub bytes_out: Option<u64>,
    /// Time the handler claims for itself, ms. Never used as a duration.
    pub handler_reported_ms: Option<f64>,
    /// What the profile wrapper saw from inside; `None` when it was off, or its line did not come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
}

impl Invocation {
    /// Says whether it stands for a stage that was started over and over: the run itself ended
    /// well.
    pub fn is_loop(&self) -> bool {
        self.error_type.as_deref() == Some(RECURSIVE_LOOP)
    }

    /// Says whether the call may have reached the function though nothing came back.
    pub fn may_have_run_unseen(&self) -> bool {
        self.status == Status::CallError
            && matches!(self.error_type.as_deref(), Some(NO_ANSWER | NOT_SEEN))
    }
}

/// One invocation from inside: what the handler's own process says of it. Never a duration that
/// ranks.
///
/// Counts are of the process and its finished children, from just before the handler to just after
/// it. `None`: not known, for example where the kernel does not say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// When the handler was entered and left, by the environment's clock, ns since 1970.
    pub handler_started_ns: Option<i64>,
    pub handler_ended_ns: Option<i64>,
    /// From entering to leaving, monotonic clock.
    pub handler_ms: Option<f64>,
    /// Time in which at least one S3 call, or the reading of its body, was running.
    pub s3_ms: Option<f64>,
    pub s3_calls: Option<u64>,
    pub cpu_user_ms: Option<f64>,
    pub cpu_system_ms: Option<f64>,
    pub context_switches_voluntary: Option<u64>,
    pub context_switches_involuntary: Option<u64>,
    pub page_faults_minor: Option<u64>,
    pub page_faults_major: Option<u64>,
    /// What other guests of the host took, over all processors of the machine; the kernel counts in
    /// ticks of 10 ms.
    pub steal_ms: Option<f64>,
    /// Most memory that the process ever held, MiB.
    pub peak_rss_mb: Option<f64>,
    /// Drawn at random when the process started.
    pub container_id: Option<String>,
    /// Which invocation of that process it is, from 1.
    pub container_invocation: Option<u64>,
    pub cpu_model: Option<String>,
    pub kernel: Option<String>,
    /// Keys of objects that the handler wrote outside of `OUTPUT_PREFIX`, the first few: what a
    /// loop is explained by.
    #[serde(skip_serializing)]
    pub wrote_elsewhere: Vec<String>,
}

/// What Lambda's REPORT line says of one invocation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub duration_ms: f64,
    pub billed_ms: u64,
    pub memory_mb: u32,
    pub max_memory_mb: u32,
    /// Present where the environment had not served before. Of a first initialisation that failed
    /// or took over ten seconds it is the time until the platform gave it up; the second is in
    /// `duration_ms`.
    pub init_ms: Option<f64>,
    /// Present where the environment was restored from a snapshot for this invocation, or ahead of
    /// it. There is no `init_ms` then: that was when the snapshot was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
}

/// What Lambda's REPORT line says of the restore of an environment (SnapStart).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restore {
    /// Restore Duration: to read the snapshot back, load the runtime and run its hooks.
    pub ms: f64,
    /// Billed Restore Duration: what of it is charged for; it is part of `billed_ms`.
    pub billed_ms: Option<u64>,
}

impl Report {
    /// Returns how long the environment took to be there, ms: its initialisation or its restore;
    /// `None` where it had served before.
    pub fn ready_ms(&self) -> Option<f64> {
        self.init_ms.or(self.restore.map(|restore| restore.ms))
    }
}

/// One image through the whole pipeline once (or, with `input = "reference"`, through every stage
/// independently).
///
/// Written after the pass's last invocation: a pass without it was cut off and is done again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipelinePass {
    #[serde(flatten)]
    pub pass: PassKey,
    pub started_at: String,
    /// From just before the first call (or the source PUT) to the final object first seen, runner's
    /// monotonic clock, s. `None` when the pipeline broke or its stages ran independently.
    pub turnaround_s: Option<f64>,
    /// How late `turnaround_s` can be at most: the poll interval, 0 for direct calls.
    pub resolution_ms: f64,
    /// The source PUT, the first part of the turnaround, runner's monotonic clock, ms; `None` for
    /// direct calls.
    #[serde(default)]
    pub upload_ms: Option<f64>,
    pub complete: bool,
    /// First stage that did not end well.
    pub failed_stage: Option<String>,
    /// This attempt does not count and the repetition is done again: it met a start its cell did
    /// not ask for, a throttle, or silence.
    pub again: Option<Again>,
    /// Size of what each stage read, bytes, by stage index; `None` where it was not seen.
    pub input_bytes: Vec<Option<u64>>,
    /// Size of what each stage wrote, bytes, by stage index; `None` where it was not seen.
    pub output_bytes: Vec<Option<u64>>,
    /// How often the runner looked for the final object while the chain ran; 0 for direct calls.
    #[serde(default)]
    pub polls: u32,
    /// Passes of other lanes that were under way when this one began; those that its cell runs at
    /// once with it are not counted. `None` in older journals, which had one lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others_under_way: Option<u32>,
}

/// Calls of one function's code that were refused for lack of a permission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallsRefused {
    pub at: String,
    pub function: String,
    /// As IAM names it: `lambda:CreateFunction`.
    pub action: String,
    /// The ARN that the first of them was about.
    pub resource: String,
    pub calls: u64,
}

/// What one function's code did in one session that no honest code does, and that no invocation
/// need fail of: work after its answer, for example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Misbehaved {
    pub at: String,
    pub function: String,
    /// One word, for example `unwatchable`.
    pub kind: String,
    /// A sentence without its full stop, that of the first time.
    pub what: String,
    pub times: u32,
}

/// One figure of one function over one session, as two witnesses have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reconciliation {
    pub at: String,
    pub function: String,
    pub metric: ReconciledMetric,
    /// Sum over the invocations that this session recorded.
    pub recorded: f64,
    /// What `AWS/Lambda` metrics counted meanwhile; `None` when they could not be asked, and
    /// `unknown` says why.
    pub reported: Option<f64>,
    /// How far the two may be apart: what rounding explains.
    pub tolerance: f64,
    /// How much more the platform may have counted: of calls that got no answer nobody else knows
    /// whether they ran.
    #[serde(default)]
    pub unanswered: f64,
    pub unknown: Option<String>,
}

/// Platform's clock less runner's clock, ms. What a request says of it is an interval: the function
/// logged START after the call was sent and before its answer was there. This is the middle of what
/// all intervals have in common.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClockOffset {
    pub offset_ms: f64,
    /// The true offset lies this far from it at most, if both clocks run evenly and the platform's
    /// hosts agree.
    pub uncertainty_ms: f64,
    /// Requests it was taken from.
    pub samples: u64,
}

/// How long after a moment the runner acted that was to act at it, over moments spread evenly over a
/// session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunnerLate {
    pub at: String,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub most_ms: f64,
    pub moments: u64,
}

impl Reconciliation {
    /// Says whether both witnesses agree; `None` when one was not heard.
    pub fn agrees(&self) -> Option<bool> {
        let more = self.reported? - self.recorded;
        Some(more >= -self.tolerance && more <= self.tolerance + self.unanswered)
    }
}

/// What is reconciled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReconciledMetric {
    Invocations,
    Errors,
    Throttles,
    DurationMs,
}

impl ReconciledMetric {
    pub const ALL: [Self; 4] = [
        Self::Invocations,
        Self::Errors,
        Self::Throttles,
        Self::DurationMs,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invocations => "invocations",
            Self::Errors => "errors",
            Self::Throttles => "throttles",
            Self::DurationMs => "duration_ms",
        }
    }
}

/// Why a pass is done again under the next attempt number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Again {
    /// A stage was cold where the cell asked for warm, or the reverse.
    WrongStart,
    /// A stage's environment had been initialised before the call.
    Proactive,
    /// The platform refused a call (429).
    Throttled,
    /// A call or a look at an output got no answer: what the stage did is not known.
    Unanswered,
}

/// One check of one stage's output against the contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputCheck {
    #[serde(flatten)]
    pub pass: PassKey,
    pub stage: String,
    pub stage_index: u32,
    /// sha256 of the output object, hex; `None` when there was none.
    pub output_sha256: Option<String>,
    pub input_sha256: Option<String>,
    /// Expected, got and difference side by side: a file of the run's folder, kept for the first
    /// failure of a stage in a cell.
    #[serde(default)]
    pub picture: Option<String>,
    pub verdict: Verdict,
}

/// What the contract says of one output. Produced by `darkroom-contract`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub pass: bool,
    /// First failed check in the contract's order, for example `wrong size`; `None` when it passed.
    pub reason: Option<String>,
    /// The failure in words, with what was expected and found.
    pub detail: Option<String>,
    pub format: Option<String>,
    pub mode: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub mse: Option<f64>,
    /// `None` also when the images are equal (`mse` is 0).
    pub psnr_db: Option<f64>,
    pub ssim: Option<f64>,
    pub max_abs: Option<f64>,
    pub mean_out: Option<f64>,
    pub mean_reference: Option<f64>,
    pub levels: Option<u32>,
    /// Of a JPEG, as its quantisation table says, on libjpeg's scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,
    pub orientation: Option<String>,
}
