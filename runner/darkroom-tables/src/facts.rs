//! What the tables need of a journal, in compact form: the facts, and what follows from them
//! without statistics.
//!
//! A journal's events → [`JournalFacts`]. Repeated texts are kept once, so a million invocations
//! take about 150 MB. `reading` (and `imported`) adds events; the ledger decides what counts. Knows
//! nothing about Polars, files or statistics.

mod counting;
mod imported;
mod reading;

use std::collections::{BTreeMap, HashMap};

use darkroom_core::cell::Cell;
use darkroom_core::cost::{Cost, FREE_EPHEMERAL_MB, PriceTable, Usage, cost};
use darkroom_core::event::{
    Again, CallsRefused, CodeExamined, FunctionDeployed, Look, Misbehaved, ModelAsked,
    PackageBuilt, Profile, Reconciliation, Restore, RunStarted, Status, Verdict,
};
use darkroom_core::imported::ResultsImported;
use darkroom_core::ledger::{AttemptId, Ledger, StartKind};
use darkroom_core::pipeline::Transport;
use darkroom_core::spending::Billed;
use indexmap::IndexSet;

use imported::ImportedPass;

use crate::sessions::Session;
use crate::summary::Spent;

pub use counting::outlier_flag;

/// Index into [`JournalFacts::texts`].
pub type Text = u32;

/// A request id: nearly always a UUID, which takes a third of the room of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestId {
    Uuid(u128),
    Text(Text),
}

/// One attempt of one repetition, and what its invocations cost together.
#[derive(Clone, Debug)]
pub struct Pass {
    /// From 1.
    pub session: u32,
    pub finished: Option<Finished>,
    pub cost: Cost,
    /// Of its invocations.
    pub environment_round: Option<u32>,
    /// What the platform reports of the turnaround's parts; only an attempt's own invocations, one
    /// a stage.
    pub parts: Parts,
    /// What another harness recorded of it; `None` where Darkroom measured.
    pub imported: Option<Box<ImportedPass>>,
    /// One bit a stage that has a cost. A pipeline of more than 128 stages has no pass costs.
    costed: u128,
}

/// The parts of a chain's turnaround that the platform's clocks show, over the stages that have
/// them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    pub trigger_delay_ms: f64,
    /// Init and duration.
    pub running_ms: f64,
    /// Stages that have both.
    stages: usize,
}

/// What [`PipelinePass`] adds to a pass.
#[derive(Clone, Debug)]
pub struct Finished {
    pub started_at: Option<i64>,
    pub turnaround_s: Option<f64>,
    pub resolution_ms: Option<f64>,
    pub upload_ms: Option<f64>,
    pub complete: bool,
    pub failed_stage: Option<Text>,
    pub again: Option<Again>,
    pub input_bytes: Vec<Option<u64>>,
    pub output_bytes: Vec<Option<u64>>,
    pub others_under_way: Option<u32>,
}

/// One invocation, its texts interned and its times in epoch ms.
#[derive(Clone, Debug)]
pub struct InvocationFact {
    pub pass: AttemptId,
    pub stage: u32,
    pub sequence: u64,
    pub scheduled_at: Option<i64>,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub trigger_delay_ms: Option<f64>,
    pub client_ms: Option<f64>,
    pub status: Status,
    pub error_type: Option<Text>,
    pub error: Option<Text>,
    /// Where in the handler's code.
    pub error_at: Option<Text>,
    pub function: Option<Text>,
    pub request_id: Option<RequestId>,
    pub report: Option<ReportFact>,
    pub environment: Option<Text>,
    pub environment_round: Option<u32>,
    pub code_sha256: Option<Text>,
    pub bytes_in: Option<u64>,
    pub bytes_out: Option<u64>,
    pub handler_reported_ms: Option<f64>,
    pub profile: Option<Box<ProfileFact>>,
}

/// What an invocation looked like from inside, its texts interned.
#[derive(Clone, Debug)]
pub struct ProfileFact {
    /// Without its texts.
    pub figures: Profile,
    pub container_id: Option<Text>,
    pub cpu_model: Option<Text>,
    pub kernel: Option<Text>,
}

/// A REPORT line's numbers.
#[derive(Clone, Copy, Debug)]
pub struct ReportFact {
    pub duration_ms: f64,
    pub billed_ms: Option<u64>,
    pub max_memory_mb: Option<u32>,
    pub init_ms: Option<f64>,
    pub restore: Option<Restore>,
    /// `None` only where another harness did not record it.
    pub start: Option<StartKind>,
    /// From `INIT_START` or `RESTORE_START` to START.
    pub init_to_start_ms: Option<f64>,
}

/// One output check.
#[derive(Clone, Debug)]
pub struct CheckFact {
    pub pass: AttemptId,
    pub stage: u32,
    pub output_sha256: Option<String>,
    pub input_sha256: Option<String>,
    pub picture: Option<String>,
    pub verdict: Verdict,
}

/// A journal, read.
#[derive(Debug)]
pub struct JournalFacts {
    pub run: RunStarted,
    pub deployed: Vec<FunctionDeployed>,
    pub built: Vec<PackageBuilt>,
    pub code: Vec<CodeExamined>,
    /// What models were asked and answered for the run's variants; empty in older journals.
    pub asked: Vec<ModelAsked>,
    pub texts: IndexSet<String>,
    /// What counts, and which attempt is of what.
    pub ledger: Ledger,
    /// Of every attempt, by its id.
    pub passes: Vec<Pass>,
    pub invocations: Vec<InvocationFact>,
    pub checks: Vec<CheckFact>,
    /// With the session they are of, from 1.
    pub reconciliations: Vec<(u32, Reconciliation)>,
    pub refused: Vec<CallsRefused>,
    /// What functions' code did that no honest code does.
    pub misbehaved: Vec<Misbehaved>,
    /// Of a run that measures until its intervals are narrow enough.
    pub last_look: Option<Look>,
    /// What all sessions cost until now, as the last one to end wrote down.
    pub spent: Option<Spent>,
    /// What is billed of it, for the snapshots that were taken.
    pub billed: Billed,
    /// Where the rows come from that another harness measured.
    pub imported: Option<ResultsImported>,
    /// What could not be read of the journal, in words.
    pub damaged: Vec<String>,
    /// Each time that the run was taken up, its start among them.
    pub sessions: Vec<Session>,
    stages: HashMap<String, u32>,
    environments: HashMap<RequestId, Text>,
}

impl JournalFacts {
    /// A run of which nothing was observed.
    pub fn new(run: RunStarted) -> Self {
        let stages = (0u32..)
            .zip(&run.stages)
            .map(|(i, stage)| (stage.clone(), i))
            .collect();
        Self {
            ledger: Ledger::new(&run),
            deployed: Vec::new(),
            built: Vec::new(),
            code: Vec::new(),
            asked: Vec::new(),
            texts: IndexSet::new(),
            passes: Vec::new(),
            invocations: Vec::new(),
            checks: Vec::new(),
            reconciliations: Vec::new(),
            refused: Vec::new(),
            misbehaved: Vec::new(),
            last_look: None,
            spent: None,
            billed: Billed::default(),
            imported: None,
            damaged: Vec::new(),
            sessions: vec![Session::new(1, &run.at)],
            environments: HashMap::new(),
            stages,
            run,
        }
    }

    /// Returns what an invocation costs; `None` when no REPORT line says how long it was billed, and
    /// of a restored one where the price of restores is not known.
    ///
    /// S3 requests are those of the contract: one GET of the input and one PUT of the output; where
    /// images travel in payloads, the last stage's PUT alone.
    pub fn cost(&self, row: &InvocationFact, prices: &PriceTable) -> Option<Cost> {
        let report = row.report?;
        let cell = &self.run.cells[self.cell_of(row.pass) as usize].cell;
        let last = row.stage as usize + 1 == self.run.stages.len();
        let (s3_gets, s3_puts) = match self.run.transport {
            Transport::S3 => (1, 1),
            Transport::Payload => (0, u32::from(last)),
        };
        let usage = Usage {
            architecture: cell.architecture,
            memory_mb: cell.memory_mb,
            billed_ms: report.billed_ms?,
            cold: report.ready_ms().is_some(),
            restored: report.restore.is_some(),
            duration_ms: report.duration_ms,
            ephemeral_mb: FREE_EPHEMERAL_MB,
            s3_puts,
            s3_gets,
        };
        cost(&usage, prices)
    }

    /// Returns the runtime of a cell's functions: the one that its matrix names, else the one that
    /// its variant was last packaged for.
    pub fn runtime_of<'a>(&'a self, cell: &'a Cell) -> Option<&'a str> {
        let is_it = |built: &&PackageBuilt| {
            built.variant == cell.variant && built.architecture == cell.architecture
        };
        let packaged = || self.built.iter().rev().find(is_it);
        let named = cell.runtime.as_deref();
        named.or_else(|| packaged().map(|built| built.runtime.as_str()))
    }

    /// Returns the place of an attempt's cell among the run's.
    pub fn cell_of(&self, pass: AttemptId) -> u32 {
        self.ledger.repetition(pass).cell
    }

    /// Returns what a pass cost over all its stages; `None` unless every stage has a cost.
    pub fn pass_cost(&self, pass: &Pass) -> Option<Cost> {
        let stages = self.run.stages.len();
        (stages > 0 && pass.costed.count_ones() as usize == stages).then_some(pass.cost)
    }

    /// Returns the parts of a chain's turnaround; `None` unless every stage has both of its own.
    pub fn parts(&self, pass: &Pass) -> Option<Parts> {
        (pass.parts.stages > 0 && pass.parts.stages == self.run.stages.len()).then_some(pass.parts)
    }

    /// Returns what of a chain's turnaround no part accounts for, ms; `None` unless every part is
    /// known.
    pub fn remainder_ms(&self, pass: &Pass) -> Option<f64> {
        let finished = pass.finished.as_ref()?;
        let parts = self.parts(pass)?;
        Some(
            finished.turnaround_s? * 1e3
                - finished.upload_ms?
                - parts.trigger_delay_ms
                - parts.running_ms,
        )
    }

    /// Returns code hashes by function, for provenance.
    pub fn code_hashes(&self) -> BTreeMap<&str, &str> {
        self.deployed
            .iter()
            .map(|d| (d.function.as_str(), d.code_sha256.as_str()))
            .collect()
    }
}

impl ReportFact {
    /// Returns how long the environment took to be there: its initialisation or its restore.
    pub fn ready_ms(self) -> Option<f64> {
        self.init_ms.or(self.restore.map(|restore| restore.ms))
    }

    /// Returns init or restore + duration, which is the duration alone when warm; `None` when it is
    /// not a finite number.
    pub fn headline_ms(self) -> Option<f64> {
        Some(self.duration_ms + self.ready_ms().unwrap_or(0.0)).filter(|ms| ms.is_finite())
    }
}
