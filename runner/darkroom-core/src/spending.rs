//! What a run has cost so far: its facts and a price table in, USD out. What `budget.usd` is held against.
//!
//! Everything counts that is billed: warm-ups, failures, attempts done again, what S3 delivered twice. Where a fact does not
//! say how long an invocation took, it counts as its stage's whole timeout: a budget errs on the dear side. Logs, metrics and
//! transfer are not in it.

use std::collections::HashMap;

use crate::besides;
use crate::cell::{Cell, CellId};
use crate::cost::PriceTable;
use crate::estimate::hosting_usd;
use crate::event::{Event, Invocation, PassKey, RunStarted, Status};
use crate::pipeline::Pipeline;

/// A running total.
#[derive(Clone, Debug)]
pub struct Spending {
    prices: PriceTable,
    pipeline: Pipeline,
    cells: HashMap<CellId, Cell>,
    usd: f64,
    invocations: u64,
}

impl Spending {
    /// Nothing is spent of this run yet.
    pub fn new(run: &RunStarted, pipeline: &Pipeline, prices: PriceTable) -> Self {
        let cells = run.cells.iter().map(|planned| (planned.id.clone(), planned.cell.clone())).collect();
        Self { prices, pipeline: pipeline.clone(), cells, usd: 0.0, invocations: 0 }
    }

    /// Takes one further fact into account.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::InvocationFinished(invocation) => {
                self.invocations += 1;
                self.usd += self.invocation_usd(invocation);
            }
            Event::PipelineFinished(pass) => self.usd += self.pass_usd(&pass.pass, pass.polls),
            _ => {}
        }
    }

    /// USD until now.
    pub fn usd(&self) -> f64 {
        self.usd
    }

    /// Invocations until now, in whatever way they ended.
    pub fn invocations(&self) -> u64 {
        self.invocations
    }

    fn invocation_usd(&self, invocation: &Invocation) -> f64 {
        let refused = invocation.status == Status::CallError && !invocation.may_have_run_unseen();
        let stage = self.pipeline.stages.get(invocation.stage_index as usize);
        let (Some(cell), Some(stage)) = (self.cells.get(&invocation.pass.cell_id), stage) else { return 0.0 };
        if refused || invocation.status == Status::Throttled {
            return 0.0;
        }
        let at_most = u64::from(stage.timeout_s) * 1000;
        let billed_ms = invocation.report.as_ref().map_or(at_most, |report| report.billed_ms);
        let requests = besides::of_invocation(&self.pipeline, stage);
        hosting_usd(cell, billed_ms, &self.prices) + requests.usd(&self.prices)
    }

    fn pass_usd(&self, pass: &PassKey, polls: u32) -> f64 {
        let input = self.cells.get(&pass.cell_id).map(|cell| cell.input);
        besides::of_runner(&self.pipeline, input, f64::from(polls)).usd(&self.prices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::tests::{invoked, passed, prices, started};
    use crate::event::NO_ANSWER;

    const PIPELINE: &str = r#"
        name = "image-pipeline"
        description = "one stage"
        [[stages]]
        name = "greyscale"
        load = "cpu"
        timeout_s = 10
        input = { formats = ["png"], mode = "rgb8" }
        output = { format = "png", mode = "rgb8", size = "unchanged" }
        operations = ["reencode"]
        check = { max_abs = 0 }
        prompt = "copy"
    "#;

    fn spending() -> Spending {
        let Event::RunStarted(run) = started() else { panic!("a run begins with its start") };
        Spending::new(&run, &Pipeline::parse("image-pipeline", PIPELINE).unwrap(), prices())
    }

    /// What one invocation adds, in this state.
    fn adds(status: Status, error_type: Option<&str>, billed_ms: Option<u64>) -> f64 {
        let Event::InvocationFinished(mut invocation) = invoked(1.0, billed_ms.unwrap_or_default()) else { panic!() };
        invocation.status = status;
        invocation.error_type = error_type.map(str::to_owned);
        invocation.report = invocation.report.filter(|_| billed_ms.is_some());
        let mut spending = spending();
        spending.take(&Event::InvocationFinished(invocation));
        assert_eq!(spending.invocations(), 1);
        spending.usd()
    }

    #[test]
    fn what_is_billed_counts_however_it_ended_and_what_is_refused_does_not() {
        // 512 MB x86_64 at $0.0000166667 a GB-second, $0.20 a million requests; a PUT and a GET of S3.
        let of = |billed_s: f64| 0.5 * billed_s * 0.000_016_666_7 + 0.2e-6 + 0.005e-3 + 0.4e-6;
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        near(adds(Status::Ok, None, Some(400)), of(0.4));
        near(adds(Status::FunctionError, Some("ValueError"), Some(300)), of(0.3));
        near(adds(Status::Throttled, Some("TooManyRequestsException"), None), 0.0);
        near(adds(Status::CallError, Some("InvalidRuntimeException"), None), 0.0);
        // Nobody knows: the stage's whole timeout.
        near(adds(Status::CallError, Some(NO_ANSWER), None), of(10.0));
        near(adds(Status::Ok, None, None), of(10.0));
    }

    #[test]
    fn warm_ups_and_repeated_attempts_and_the_runners_own_requests_count() {
        let mut spending = spending();
        let Event::PipelineFinished(mut pass) = passed() else { panic!() };
        spending.take(&Event::PipelineFinished(pass.clone()));
        let one = spending.usd();
        assert!((one - (0.005e-3 + 3.0 * 0.4e-6)).abs() < 1e-12, "{one}");
        (pass.pass.warm_up, pass.again, pass.polls) = (true, Some(crate::event::Again::Throttled), 100);
        spending.take(&Event::PipelineFinished(pass));
        assert!((spending.usd() - 2.0 * one - 100.0 * 0.4e-6).abs() < 1e-12);
    }
}
