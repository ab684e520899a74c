//! Takes a journal's events one by one and keeps what the tables need of them, compactly; then decides what counts.
//!
//! [`Event`]s → [`Facts`]. Texts that repeat are kept once, so a million invocations take about 150 MB. Which rows
//! are a sample is decided here and nowhere else ([`CountsAs`]); knows nothing of Polars, files or statistics.

mod imported;

use std::collections::{BTreeMap, HashMap};

use darkroom_core::cell::Start;
use darkroom_core::cost::{Cost, FREE_EPHEMERAL_MB, PriceTable, Usage, cost};
use darkroom_core::event::{
    Again, CodeExamined, Event, FunctionDeployed, Invocation, Look, OutputCheck, PackageBuilt, PassKey, PipelinePass,
    Profile, Reconciliation, RunStarted, Status, Verdict,
};
use darkroom_core::imported::ResultsImported;
use darkroom_core::pipeline::Transport;
use darkroom_core::statistics::{is_outlier, outlier_fences};
use indexmap::IndexSet;
use uuid::Uuid;

use crate::TablesError;
use imported::ImportedPass;

/// Why a row is or is not part of its group's sample. Each row is exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CountsAs {
    Sample,
    /// Measured anew since, or another attempt of the repetition took its place, or its pass was cut off.
    Superseded,
    WarmUp,
    /// Ended well, but cold where the cell asked for warm or the reverse.
    WrongStart,
    Failed,
    /// Ended well, but no REPORT line came: its start kind is unknown, so it can't be trusted to be the cell's.
    NoReport,
}

impl CountsAs {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Superseded => "superseded",
            Self::WarmUp => "warm_up",
            Self::WrongStart => "wrong_start",
            Self::Failed => "failed",
            Self::NoReport => "no_report",
        }
    }
}

/// Index into [`Facts::texts`].
pub type Text = u32;

/// A request id: nearly always a UUID, which takes a third of the room of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestId {
    Uuid(u128),
    Text(Text),
}

/// A pass without its attempt number: one repetition (or warm-up) of one image in one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RepetitionKey {
    pub cell: u32,
    /// How often the cell had been superseded when the fact was recorded.
    pub epoch: u32,
    pub deployment: u32,
    pub image: Text,
    pub warm_up: bool,
    pub repetition: u32,
}

/// One attempt of one repetition, and what its invocations cost together.
#[derive(Clone, Debug)]
pub struct Pass {
    pub key: RepetitionKey,
    pub attempt: u32,
    pub finished: Option<Finished>,
    pub cost: Cost,
    /// A stage ended well but cold where the cell asked for warm, or the reverse.
    pub wrong_start: bool,
    /// A stage ended well but no REPORT line came.
    pub no_report: bool,
    /// Of its invocations.
    pub environment_round: Option<u32>,
    /// What the platform reports of the turnaround's parts; only an attempt's own invocations, one a stage.
    pub parts: Parts,
    /// What another harness recorded of it; `None` where Darkroom measured.
    pub imported: Option<Box<ImportedPass>>,
    /// One bit a stage that has a cost. A pipeline of more than 128 stages has no pass costs.
    costed: u128,
}

/// The parts of a chain's turnaround that the platform's clocks show, over the stages that have them.
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
}

/// One invocation, its texts interned and its times in epoch ms.
#[derive(Clone, Debug)]
pub struct InvocationFact {
    pub pass: u32,
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
    /// `None` only where another harness did not record it.
    pub cold: Option<bool>,
}

/// One output check.
#[derive(Clone, Debug)]
pub struct CheckFact {
    pub pass: u32,
    pub stage: u32,
    pub output_sha256: Option<String>,
    pub input_sha256: Option<String>,
    pub picture: Option<String>,
    pub verdict: Verdict,
}

/// A journal, taken in.
#[derive(Debug)]
pub struct Facts {
    pub run: RunStarted,
    pub deployed: Vec<FunctionDeployed>,
    pub built: Vec<PackageBuilt>,
    pub code: Vec<CodeExamined>,
    pub texts: IndexSet<String>,
    pub passes: Vec<Pass>,
    pub invocations: Vec<InvocationFact>,
    pub checks: Vec<CheckFact>,
    /// With the session they are of, from 1.
    pub reconciliations: Vec<(u32, Reconciliation)>,
    /// Of a run that measures until its intervals are narrow enough.
    pub last_look: Option<Look>,
    /// Where the rows come from that another harness measured.
    pub imported: Option<ResultsImported>,
    /// What could not be read of the journal, in words.
    pub damaged: Vec<String>,
    /// How often the run was taken up, from its start.
    pub sessions: u32,
    cells: HashMap<String, u32>,
    stages: HashMap<String, u32>,
    epochs: Vec<u32>,
    pass_index: HashMap<(RepetitionKey, u32), u32>,
    last_attempts: HashMap<RepetitionKey, u32>,
    environments: HashMap<RequestId, Text>,
}

impl Facts {
    /// Takes in every event of a journal; what could not be read of it is left out and said ([`Facts::damaged`]).
    pub fn collect<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        events: impl Iterator<Item = Result<Event, E>>,
        prices: &PriceTable,
    ) -> Result<Self, TablesError> {
        let mut events = events.map(|event| event.map_err(Into::into));
        let Some(Event::RunStarted(run)) = events.next().transpose().map_err(TablesError::Journal)? else {
            return Err(TablesError::NoRunStarted);
        };
        let mut facts = Self::new(run);
        for event in events {
            match event {
                Ok(event) => facts.take(event, prices)?,
                Err(damage) => facts.damaged.push(damage.to_string()),
            }
        }
        facts.place_environments();
        facts.finish_imported();
        Ok(facts)
    }

    /// A run of which nothing was observed.
    pub fn new(run: RunStarted) -> Self {
        let cells = (0u32..).zip(&run.cells).map(|(i, cell)| (cell.id.to_string(), i)).collect();
        let stages = (0u32..).zip(&run.stages).map(|(i, stage)| (stage.clone(), i)).collect();
        Self {
            epochs: vec![0; run.cells.len()],
            deployed: Vec::new(),
            built: Vec::new(),
            code: Vec::new(),
            texts: IndexSet::new(),
            passes: Vec::new(),
            invocations: Vec::new(),
            checks: Vec::new(),
            reconciliations: Vec::new(),
            last_look: None,
            imported: None,
            damaged: Vec::new(),
            sessions: 1,
            pass_index: HashMap::new(),
            last_attempts: HashMap::new(),
            environments: HashMap::new(),
            cells,
            stages,
            run,
        }
    }

    fn take(&mut self, event: Event, prices: &PriceTable) -> Result<(), TablesError> {
        match event {
            Event::InvocationFinished(invocation) => self.take_invocation(&invocation, prices),
            Event::PipelineFinished(pass) => self.take_pass(pass),
            Event::OutputChecked(check) => self.take_check(check),
            Event::CellsSuperseded { cells, .. } => {
                self.sessions += 1;
                cells.iter().try_for_each(|cell| {
                    let cell = self.cell(cell.as_str())?;
                    self.epochs[cell as usize] += 1;
                    Ok(())
                })
            }
            Event::RunResumed { .. } => {
                self.sessions += 1;
                Ok(())
            }
            Event::ResultsImported(imported) => {
                self.imported = Some(imported);
                Ok(())
            }
            Event::RowImported(row) => self.take_imported(&row, prices),
            Event::Reconciled(figure) => {
                self.reconciliations.push((self.sessions, figure));
                Ok(())
            }
            Event::EnvironmentSeen { request_id, environment_id } => {
                let request_id = self.request_id(&request_id);
                let environment = self.text(&environment_id);
                self.environments.insert(request_id, environment);
                Ok(())
            }
            Event::PackageBuilt(built) => {
                // A session that goes on packages again: the same package is told once.
                if !self.built.iter().any(|known| PackageBuilt { at: built.at.clone(), ..known.clone() } == built) {
                    self.built.push(built);
                }
                Ok(())
            }
            Event::FunctionDeployed(deployed) => {
                self.deployed.push(deployed);
                Ok(())
            }
            Event::Looked(look) => {
                self.last_look = Some(look);
                Ok(())
            }
            Event::CodeExamined(code) => {
                self.code.push(code);
                Ok(())
            }
            Event::RunStarted(_)
            | Event::ClocksCompared(_)
            | Event::Spent { .. }
            | Event::EnvironmentsRenewed { .. }
            | Event::RunFinished { .. }
            | Event::RunInterrupted { .. } => Ok(()),
        }
    }

    fn take_invocation(&mut self, fact: &Invocation, prices: &PriceTable) -> Result<(), TablesError> {
        let pass = self.pass(&fact.pass)?;
        let stage = self.stage(&fact.stage, &fact.pass)?;
        let row = InvocationFact {
            pass,
            stage,
            sequence: fact.sequence,
            scheduled_at: Some(epoch_ms(&fact.scheduled_at)?),
            started_at: Some(epoch_ms(&fact.started_at)?),
            ended_at: fact.ended_at.as_deref().map(epoch_ms).transpose()?,
            trigger_delay_ms: fact.trigger_delay_ms,
            client_ms: fact.client_ms,
            status: fact.status,
            error_type: fact.error_type.as_deref().map(|text| self.text(text)),
            error: fact.error.as_deref().map(|text| self.text(text)),
            function: Some(self.text(&fact.function)),
            request_id: fact.request_id.as_deref().map(|id| self.request_id(id)),
            report: fact.report.as_ref().map(|report| ReportFact {
                duration_ms: report.duration_ms,
                billed_ms: Some(report.billed_ms),
                max_memory_mb: Some(report.max_memory_mb),
                init_ms: report.init_ms,
                cold: Some(report.init_ms.is_some()),
            }),
            environment: fact.environment_id.as_deref().map(|text| self.text(text)),
            environment_round: fact.environment_round,
            code_sha256: Some(self.text(&fact.code_sha256)),
            bytes_in: fact.bytes_in,
            bytes_out: fact.bytes_out,
            handler_reported_ms: fact.handler_reported_ms,
            profile: fact.profile.as_ref().map(|profile| Box::new(self.profile(profile))),
        };
        self.keep(row, prices);
        Ok(())
    }

    /// Puts a row where its pass is and adds what it costs.
    fn keep(&mut self, row: InvocationFact, prices: &PriceTable) {
        let cost = self.cost(&row, prices);
        let wrong_start = self.is_wrong_start(&row);
        let pass = &mut self.passes[row.pass as usize];
        pass.wrong_start |= wrong_start;
        pass.environment_round = pass.environment_round.or(row.environment_round);
        pass.no_report |= row.status == Status::Ok && row.report.is_none();
        if let Some(cost) = cost {
            pass.cost += cost;
            pass.costed |= 1u128.checked_shl(row.stage).unwrap_or(0);
        }
        if let (Some(delay_ms), Some(running_ms)) = (row.trigger_delay_ms, row.report.and_then(ReportFact::headline_ms))
        {
            pass.parts.trigger_delay_ms += delay_ms;
            pass.parts.running_ms += running_ms;
            pass.parts.stages += 1;
        }
        self.invocations.push(row);
    }

    fn profile(&mut self, profile: &Profile) -> ProfileFact {
        let mut text = |text: Option<&str>| text.map(|text| self.text(text));
        let (container_id, cpu_model, kernel) = (
            text(profile.container_id.as_deref()),
            text(profile.cpu_model.as_deref()),
            text(profile.kernel.as_deref()),
        );
        let figures = Profile { container_id: None, cpu_model: None, kernel: None, ..profile.clone() };
        ProfileFact { figures, container_id, cpu_model, kernel }
    }

    fn take_pass(&mut self, fact: PipelinePass) -> Result<(), TablesError> {
        let pass = self.pass(&fact.pass)?;
        let finished = Finished {
            started_at: Some(epoch_ms(&fact.started_at)?),
            turnaround_s: fact.turnaround_s.filter(|s| s.is_finite()),
            resolution_ms: Some(fact.resolution_ms),
            upload_ms: fact.upload_ms,
            complete: fact.complete,
            failed_stage: fact.failed_stage.as_deref().map(|text| self.text(text)),
            again: fact.again,
            input_bytes: fact.input_bytes,
            output_bytes: fact.output_bytes,
        };
        self.passes[pass as usize].finished = Some(finished);
        Ok(())
    }

    fn take_check(&mut self, fact: OutputCheck) -> Result<(), TablesError> {
        let pass = self.pass(&fact.pass)?;
        let stage = self.stage(&fact.stage, &fact.pass)?;
        self.checks.push(CheckFact {
            pass,
            stage,
            output_sha256: fact.output_sha256,
            input_sha256: fact.input_sha256,
            picture: fact.picture,
            verdict: fact.verdict,
        });
        Ok(())
    }

    fn pass(&mut self, key: &PassKey) -> Result<u32, TablesError> {
        let cell = self.cell(key.cell_id.as_str())?;
        let repetition = RepetitionKey {
            cell,
            epoch: self.epochs[cell as usize],
            deployment: key.deployment,
            image: self.text(&key.image),
            warm_up: key.warm_up,
            repetition: key.repetition,
        };
        let last = self.last_attempts.entry(repetition).or_insert(key.attempt);
        *last = key.attempt.max(*last);
        let next = self.passes.len() as u32;
        let index = *self.pass_index.entry((repetition, key.attempt)).or_insert(next);
        if index == next {
            self.passes.push(Pass {
                key: repetition,
                attempt: key.attempt,
                finished: None,
                cost: Cost::default(),
                wrong_start: false,
                no_report: false,
                environment_round: None,
                parts: Parts::default(),
                imported: None,
                costed: 0,
            });
        }
        Ok(index)
    }

    fn cell(&self, cell_id: &str) -> Result<u32, TablesError> {
        let cell = self.cells.get(cell_id).copied();
        cell.ok_or_else(|| TablesError::UnknownCell { cell_id: cell_id.into() })
    }

    fn stage(&self, stage: &str, pass: &PassKey) -> Result<u32, TablesError> {
        let index = self.stages.get(stage).copied();
        index.ok_or_else(|| TablesError::UnknownStage { cell_id: pass.cell_id.to_string(), stage: stage.into() })
    }

    fn text(&mut self, text: &str) -> Text {
        if let Some(index) = self.texts.get_index_of(text) {
            return index as Text;
        }
        self.texts.insert_full(text.to_owned()).0 as Text
    }

    fn request_id(&mut self, id: &str) -> RequestId {
        match Uuid::try_parse(id) {
            Ok(uuid) if uuid.to_string() == id => RequestId::Uuid(uuid.as_u128()),
            _ => RequestId::Text(self.text(id)),
        }
    }

    /// Gives invocations the environment that the logs name for their request, where they did not know it themselves.
    fn place_environments(&mut self) {
        for row in &mut self.invocations {
            if row.environment.is_none() {
                row.environment = row.request_id.and_then(|id| self.environments.get(&id).copied());
            }
        }
    }

    /// Returns what an invocation costs; `None` when no REPORT line says how long it was billed.
    ///
    /// S3 requests are those of the contract: one GET of the input and one PUT of the output; where images travel in
    /// payloads, the last stage's PUT alone.
    pub fn cost(&self, row: &InvocationFact, prices: &PriceTable) -> Option<Cost> {
        let report = row.report?;
        let cell = &self.run.cells[self.passes[row.pass as usize].key.cell as usize].cell;
        let last = row.stage as usize + 1 == self.run.stages.len();
        let (s3_gets, s3_puts) = match self.run.transport {
            Transport::S3 => (1, 1),
            Transport::Payload => (0, u32::from(last)),
        };
        let usage = Usage {
            architecture: cell.architecture,
            memory_mb: cell.memory_mb,
            billed_ms: report.billed_ms?,
            cold: report.init_ms.is_some(),
            duration_ms: report.duration_ms,
            ephemeral_mb: FREE_EPHEMERAL_MB,
            s3_puts,
            s3_gets,
        };
        Some(cost(&usage, prices))
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

    /// Returns what of a chain's turnaround no part accounts for, ms; `None` unless every part is known.
    pub fn remainder_ms(&self, pass: &Pass) -> Option<f64> {
        let finished = pass.finished.as_ref()?;
        let parts = self.parts(pass)?;
        Some(finished.turnaround_s? * 1e3 - finished.upload_ms? - parts.trigger_delay_ms - parts.running_ms)
    }

    /// Says whether the facts of this pass were measured anew since, by `--cell`.
    pub fn is_old(&self, pass: &Pass) -> bool {
        pass.key.epoch != self.epochs[pass.key.cell as usize]
    }

    fn is_last_attempt(&self, pass: &Pass) -> bool {
        self.last_attempts.get(&pass.key) == Some(&pass.attempt)
    }

    fn is_wrong_start(&self, row: &InvocationFact) -> bool {
        let asked_cold = self.run.cells[self.passes[row.pass as usize].key.cell as usize].cell.start == Start::Cold;
        row.status == Status::Ok && row.report.and_then(|report| report.cold).is_some_and(|cold| cold != asked_cold)
    }

    /// Decides what one invocation counts as; the first that applies, in the order of the code.
    pub fn invocation_counts_as(&self, row: &InvocationFact) -> CountsAs {
        let pass = &self.passes[row.pass as usize];
        let ok = row.status == Status::Ok;
        if self.is_old(pass) {
            CountsAs::Superseded
        } else if pass.key.warm_up {
            CountsAs::WarmUp
        } else if self.is_wrong_start(row) {
            CountsAs::WrongStart
        } else if !self.is_last_attempt(pass) || (pass.finished.is_none() && pass.imported.is_none()) {
            CountsAs::Superseded
        } else if !ok {
            CountsAs::Failed
        } else if row.report.is_none() {
            CountsAs::NoReport
        } else {
            CountsAs::Sample
        }
    }

    /// Decides what one pass counts as. Its start is that of its invocations, not what `again` says: the last attempt
    /// allowed stands, whatever it was, and may be of the wrong start.
    pub fn pass_counts_as(&self, pass: &Pass) -> CountsAs {
        let Some(finished) = &pass.finished else {
            return CountsAs::Superseded;
        };
        if self.is_old(pass) {
            CountsAs::Superseded
        } else if pass.key.warm_up {
            CountsAs::WarmUp
        } else if pass.wrong_start || finished.again == Some(Again::WrongStart) {
            CountsAs::WrongStart
        } else if !self.is_last_attempt(pass) {
            CountsAs::Superseded
        } else if !finished.complete || finished.again.is_some() {
            CountsAs::Failed
        } else if pass.no_report {
            CountsAs::NoReport
        } else {
            CountsAs::Sample
        }
    }

    /// Says whether a check counts: its pass is the last attempt and was not measured anew. Warm-ups count too.
    pub fn check_counts(&self, check: &CheckFact) -> bool {
        let pass = &self.passes[check.pass as usize];
        !self.is_old(pass) && self.is_last_attempt(pass)
    }

    /// Returns the outlier fences of the headline time of every (cell, stage) sample.
    pub fn time_fences(&self, counts: &[CountsAs]) -> HashMap<(u32, u32), (f64, f64)> {
        let mut samples: HashMap<(u32, u32), Vec<f64>> = HashMap::new();
        for (row, &counts_as) in self.invocations.iter().zip(counts) {
            if let (CountsAs::Sample, Some(ms)) = (counts_as, row.report.and_then(ReportFact::headline_ms)) {
                samples.entry((self.passes[row.pass as usize].key.cell, row.stage)).or_default().push(ms);
            }
        }
        fences(samples)
    }

    /// Returns the outlier fences of every cell's turnaround.
    pub fn turnaround_fences(&self) -> HashMap<u32, (f64, f64)> {
        let mut samples: HashMap<u32, Vec<f64>> = HashMap::new();
        for pass in &self.passes {
            let turnaround = pass.finished.as_ref().and_then(|finished| finished.turnaround_s);
            if let (CountsAs::Sample, Some(s)) = (self.pass_counts_as(pass), turnaround) {
                samples.entry(pass.key.cell).or_default().push(s);
            }
        }
        fences(samples)
    }

    /// Returns code hashes by function, for provenance.
    pub fn code_hashes(&self) -> BTreeMap<&str, &str> {
        self.deployed.iter().map(|d| (d.function.as_str(), d.code_sha256.as_str())).collect()
    }
}

impl ReportFact {
    /// Returns init + duration, which is the duration alone when warm; `None` when it is not a finite number.
    pub fn headline_ms(self) -> Option<f64> {
        Some(self.duration_ms + self.init_ms.unwrap_or(0.0)).filter(|ms| ms.is_finite())
    }
}

fn fences<K: Eq + std::hash::Hash>(samples: HashMap<K, Vec<f64>>) -> HashMap<K, (f64, f64)> {
    let sorted = samples.into_iter().map(|(key, mut values)| {
        values.sort_unstable_by(f64::total_cmp);
        (key, values)
    });
    sorted.filter_map(|(key, values)| Some((key, outlier_fences(&values)?))).collect()
}

/// Says whether a sample's value is beyond its fences; `None` for a row that is not in a sample.
pub fn outlier_flag(counts_as: CountsAs, value: Option<f64>, fences: Option<&(f64, f64)>) -> Option<bool> {
    let value = value.filter(|_| counts_as == CountsAs::Sample)?;
    Some(is_outlier(value, fences.copied()))
}

fn epoch_ms(text: &str) -> Result<i64, TablesError> {
    let time: jiff::Timestamp = text.parse().map_err(|_| TablesError::Timestamp { value: text.into() })?;
    Ok(time.as_millisecond())
}
