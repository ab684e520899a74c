//! Adds a journal's events one by one to [`JournalFacts`]: finds where each belongs, interns its
//! texts, converts its times to epoch ms.
//!
//! An event that fits nowhere is an error (a cell or stage that the run does not plan, an invalid
//! time). Does not know what counts.

use darkroom_core::cell::CellId;
use darkroom_core::cost::{Cost, PriceTable};
use darkroom_core::event::{
    Event, Invocation, OutputCheck, PackageBuilt, PassKey, PipelinePass, Profile,
};
use darkroom_core::ledger::{AttemptId, StartKind};
use uuid::Uuid;

use super::{
    CheckFact, Finished, InvocationFact, JournalFacts, Parts, Pass, ProfileFact, ReportFact,
    RequestId, Text,
};
use crate::TablesError;
use crate::sessions::{Session, SessionEnd};
use crate::summary::Spent;

impl JournalFacts {
    /// Takes in every event of a journal; what could not be read of it is left out and said
    /// ([`JournalFacts::damaged`]).
    pub fn collect<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        events: impl Iterator<Item = Result<Event, E>>,
        prices: &PriceTable,
    ) -> Result<Self, TablesError> {
        let mut events = events.map(|event| event.map_err(Into::into));
        let Some(Event::RunStarted(run)) =
            events.next().transpose().map_err(TablesError::Journal)?
        else {
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

    fn take(&mut self, event: Event, prices: &PriceTable) -> Result<(), TablesError> {
        let pass = self.ledger.take(&event);
        self.billed.take(&event);
        let pass = |key: &PassKey| {
            pass.ok_or_else(|| TablesError::UnknownCell {
                cell_id: key.cell_id.to_string(),
            })
        };
        match event {
            Event::InvocationFinished(invocation) => {
                self.take_invocation(pass(&invocation.pass)?, &invocation, prices)
            }
            Event::PipelineFinished(ended) => self.take_pass(pass(&ended.pass)?, ended),
            Event::OutputChecked(check) => self.take_check(pass(&check.pass)?, check),
            Event::CellsSuperseded { at, cells } => {
                let mut runnable = self
                    .run
                    .cells
                    .iter()
                    .filter(|planned| planned.not_runnable.is_none());
                let again_all = runnable.all(|planned| cells.contains(&planned.id));
                let session = self.begin_session(&at);
                session.again = cells.iter().map(CellId::to_string).collect();
                session.again_all = again_all;
                let unknown = cells
                    .iter()
                    .find(|cell| !self.run.cells.iter().any(|planned| planned.id == **cell));
                unknown.map_or(Ok(()), |cell| {
                    Err(TablesError::UnknownCell {
                        cell_id: cell.to_string(),
                    })
                })
            }
            Event::RunResumed { at, .. } => {
                self.begin_session(&at);
                Ok(())
            }
            Event::RunExtended(extension) => {
                self.begin_session(&extension.at).added = Some((extension.from + 1, extension.to));
                self.run.repetitions = extension.to;
                self.run
                    .manifest_sha256
                    .clone_from(&extension.manifest_sha256);
                Ok(())
            }
            Event::ResultsImported(imported) => {
                self.imported = Some(imported);
                Ok(())
            }
            Event::RowImported(row) => self.take_imported(pass(&row.pass)?, &row, prices),
            Event::Reconciled(figure) => {
                self.reconciliations
                    .push((self.sessions.len() as u32, figure));
                Ok(())
            }
            Event::CallsRefused(refused) => {
                self.refused.push(refused);
                Ok(())
            }
            Event::Misbehaved(misbehaved) => {
                self.misbehaved.push(misbehaved);
                Ok(())
            }
            Event::EnvironmentSeen {
                request_id,
                environment_id,
            } => {
                let request_id = self.request_id(&request_id);
                let environment = self.text(&environment_id);
                self.environments.insert(request_id, environment);
                Ok(())
            }
            Event::PackageBuilt(built) => {
                // A session that continues packages again: the same package is told once.
                if !self.built.iter().any(|known| {
                    PackageBuilt {
                        at: built.at.clone(),
                        ..known.clone()
                    } == built
                }) {
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
            Event::ModelAsked(asked) => {
                self.asked.push(asked);
                Ok(())
            }
            Event::RunStarted(_) | Event::ClocksCompared(_) | Event::EnvironmentsRenewed { .. } => {
                Ok(())
            }
            Event::RunnerLate(late) => {
                self.session().runner_late_p99_us = Some((late.p99_ms * 1e3) as u64);
                Ok(())
            }
            Event::Spent {
                usd, invocations, ..
            } => {
                self.spent = Some(Spent { usd, invocations });
                Ok(())
            }
            Event::RunFinished { at } => {
                self.session().end = SessionEnd::Finished { at };
                Ok(())
            }
            Event::RunInterrupted { at, reason } => {
                self.session().end = SessionEnd::Stopped { at, reason };
                Ok(())
            }
        }
    }

    fn begin_session(&mut self, at: &str) -> &mut Session {
        self.sessions
            .push(Session::new(self.sessions.len() as u32 + 1, at));
        self.session()
    }

    /// The session that the next fact is of.
    fn session(&mut self) -> &mut Session {
        self.sessions
            .last_mut()
            .expect("a run has its first session from its start")
    }

    fn take_invocation(
        &mut self,
        pass: AttemptId,
        fact: &Invocation,
        prices: &PriceTable,
    ) -> Result<(), TablesError> {
        self.enter(pass);
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
            error_at: fact.error_at.as_deref().map(|text| self.text(text)),
            function: Some(self.text(&fact.function)),
            request_id: fact.request_id.as_deref().map(|id| self.request_id(id)),
            report: fact.report.as_ref().map(|report| ReportFact {
                duration_ms: report.duration_ms,
                billed_ms: Some(report.billed_ms),
                max_memory_mb: Some(report.max_memory_mb),
                init_ms: report.init_ms,
                restore: report.restore,
                start: StartKind::of_invocation(fact),
                init_to_start_ms: fact.init_to_start_ms,
            }),
            environment: fact.environment_id.as_deref().map(|text| self.text(text)),
            environment_round: fact.environment_round,
            code_sha256: Some(self.text(&fact.code_sha256)),
            bytes_in: fact.bytes_in,
            bytes_out: fact.bytes_out,
            handler_reported_ms: fact.handler_reported_ms,
            profile: fact
                .profile
                .as_ref()
                .map(|profile| Box::new(self.profile(profile))),
        };
        self.keep(row, prices);
        Ok(())
    }

    /// Puts a row where its pass is and adds what it costs.
    pub(super) fn keep(&mut self, row: InvocationFact, prices: &PriceTable) {
        let cost = self.cost(&row, prices);
        let pass = &mut self.passes[row.pass as usize];
        pass.environment_round = pass.environment_round.or(row.environment_round);
        if let Some(cost) = cost {
            pass.cost += cost;
            pass.costed |= 1u128.checked_shl(row.stage).unwrap_or(0);
        }
        if let (Some(delay_ms), Some(running_ms)) = (
            row.trigger_delay_ms,
            row.report.and_then(ReportFact::headline_ms),
        ) {
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
        let figures = Profile {
            container_id: None,
            cpu_model: None,
            kernel: None,
            ..profile.clone()
        };
        ProfileFact {
            figures,
            container_id,
            cpu_model,
            kernel,
        }
    }

    fn take_pass(&mut self, pass: AttemptId, fact: PipelinePass) -> Result<(), TablesError> {
        self.enter(pass);
        let session = self.session();
        session.passes += 1;
        session.others_under_way = session
            .others_under_way
            .max(fact.others_under_way.unwrap_or_default());
        if session
            .last_pass_at
            .as_ref()
            .is_none_or(|last| *last < fact.started_at)
        {
            session.last_pass_at = Some(fact.started_at.clone());
        }
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
            others_under_way: fact.others_under_way,
        };
        self.passes[pass as usize].finished = Some(finished);
        Ok(())
    }

    fn take_check(&mut self, pass: AttemptId, fact: OutputCheck) -> Result<(), TablesError> {
        self.enter(pass);
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

    /// Makes room for what is known of an attempt besides what counts.
    pub(super) fn enter(&mut self, pass: AttemptId) {
        if pass as usize == self.passes.len() {
            self.passes.push(Pass {
                session: self.sessions.len() as u32,
                finished: None,
                cost: Cost::default(),
                environment_round: None,
                parts: Parts::default(),
                imported: None,
                costed: 0,
            });
        }
    }

    pub(super) fn stage(&self, stage: &str, pass: &PassKey) -> Result<u32, TablesError> {
        let index = self.stages.get(stage).copied();
        index.ok_or_else(|| TablesError::UnknownStage {
            cell_id: pass.cell_id.to_string(),
            stage: stage.into(),
        })
    }

    pub(super) fn text(&mut self, text: &str) -> Text {
        if let Some(index) = self.texts.get_index_of(text) {
            return index as Text;
        }
        self.texts.insert_full(text.to_owned()).0 as Text
    }

    pub(super) fn request_id(&mut self, id: &str) -> RequestId {
        match Uuid::try_parse(id) {
            Ok(uuid) if uuid.to_string() == id => RequestId::Uuid(uuid.as_u128()),
            _ => RequestId::Text(self.text(id)),
        }
    }

    /// Gives invocations the environment that the logs name for their request, where they did not
    /// know it themselves.
    fn place_environments(&mut self) {
        for row in &mut self.invocations {
            if row.environment.is_none() {
                row.environment = row
                    .request_id
                    .and_then(|id| self.environments.get(&id).copied());
            }
        }
    }
}

pub(super) fn epoch_ms(text: &str) -> Result<i64, TablesError> {
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| TablesError::Timestamp { value: text.into() })?;
    Ok(time.as_millisecond())
}
