//! Adds rows that another tool measured. Values that it did not record stay unknown.
//!
//! A sum of stage times is not a turnaround: a pass has one only if the rows say so, and is a row
//! of `pipelines` only if every stage of it was measured.

use darkroom_core::cost::PriceTable;
use darkroom_core::event::{Profile, Status, Verdict};
use darkroom_core::imported::ImportedRow;
use darkroom_core::ledger::{AttemptId, Ending};

use super::reading::epoch_ms;
use super::{CheckFact, Finished, InvocationFact, JournalFacts, ProfileFact, ReportFact};
use crate::TablesError;

/// What the rows of one pass say together.
#[derive(Clone, Debug, Default)]
pub struct ImportedPass {
    /// One bit a stage that has a row, and one that ended well.
    seen: u128,
    ended_well: u128,
    started_at: Option<i64>,
    turnaround_s: Option<f64>,
}

impl JournalFacts {
    pub(super) fn take_imported(
        &mut self,
        pass: AttemptId,
        fact: &ImportedRow,
        prices: &PriceTable,
    ) -> Result<(), TablesError> {
        self.enter(pass);
        let stage = self.stage(&fact.stage, &fact.pass)?;
        let started_at = fact.started_at.as_deref().map(epoch_ms).transpose()?;
        let of_pass = self.passes[pass as usize].imported.get_or_insert_default();
        let bit = 1u128.checked_shl(stage).unwrap_or(0);
        of_pass.seen |= bit;
        of_pass.ended_well |= if fact.status == Status::Ok { bit } else { 0 };
        of_pass.started_at = [of_pass.started_at, started_at].into_iter().flatten().min();
        of_pass.turnaround_s = of_pass.turnaround_s.or(fact.turnaround_s);
        let cpu_model = fact.cpu_model.as_deref().map(|text| self.text(text));
        let profile = |cpu_model| ProfileFact {
            figures: Profile::default(),
            container_id: None,
            cpu_model: Some(cpu_model),
            kernel: None,
        };
        let row = InvocationFact {
            pass,
            stage,
            sequence: fact.sequence,
            scheduled_at: None,
            started_at,
            ended_at: None,
            trigger_delay_ms: None,
            client_ms: fact.client_ms,
            status: fact.status,
            error_type: fact.error_type.as_deref().map(|text| self.text(text)),
            error: fact.error.as_deref().map(|text| self.text(text)),
            error_at: None,
            function: None,
            request_id: fact.request_id.as_deref().map(|id| self.request_id(id)),
            report: fact.duration_ms.map(|duration_ms| ReportFact {
                duration_ms,
                billed_ms: fact.billed_ms,
                max_memory_mb: fact.max_memory_mb,
                init_ms: fact.init_ms,
                restore: None,
                start: Ending::from(fact).start,
                init_to_start_ms: None,
            }),
            environment: fact.environment_id.as_deref().map(|text| self.text(text)),
            environment_round: None,
            code_sha256: None,
            bytes_in: None,
            bytes_out: None,
            handler_reported_ms: fact.handler_reported_ms,
            profile: cpu_model.map(|cpu_model| Box::new(profile(cpu_model))),
        };
        self.keep(row, prices);
        if let Some(ok) = fact.output_ok {
            self.checks.push(judged(pass, stage, ok));
        }
        Ok(())
    }

    /// Ends the passes of which every stage was measured.
    pub(super) fn finish_imported(&mut self) {
        let all = 1u128
            .checked_shl(self.run.stages.len() as u32)
            .map_or(u128::MAX, |next| next - 1);
        for (id, pass) in (0..).zip(&mut self.passes) {
            let Some(imported) = pass
                .imported
                .as_ref()
                .filter(|imported| imported.seen == all)
            else {
                continue;
            };
            let failed = (!imported.ended_well & all).trailing_zeros();
            let failed = self.run.stages.get(failed as usize);
            self.ledger.end(id, failed.is_none(), None);
            pass.finished = Some(Finished {
                started_at: imported.started_at,
                turnaround_s: imported.turnaround_s,
                resolution_ms: None,
                upload_ms: None,
                complete: failed.is_none(),
                failed_stage: failed
                    .map(|stage| self.texts.insert_full(stage.clone()).0 as super::Text),
                again: None,
                input_bytes: Vec::new(),
                output_bytes: Vec::new(),
                others_under_way: None,
            });
        }
    }
}

/// What the other harness said of an output, which nobody here has seen.
fn judged(pass: u32, stage: u32, ok: bool) -> CheckFact {
    let reason = (!ok).then(|| "judged wrong".to_owned());
    let detail =
        (!ok).then(|| "checked by the imported study; Darkroom did not see the output".to_owned());
    let verdict = Verdict {
        pass: ok,
        reason,
        detail,
        ..Verdict::default()
    };
    CheckFact {
        pass,
        stage,
        output_sha256: None,
        input_sha256: None,
        picture: None,
        verdict,
    }
}
