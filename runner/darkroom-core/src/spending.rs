//! The cost of a run so far: its facts and a price table in, USD out. `budget.usd` limits it.
//!
//! It covers everything that is billed: warm-ups, failures, repeated attempts, duplicate deliveries
//! by S3. If a fact does not say how long an invocation took, its stage's whole timeout counts, so
//! the budget errs on the expensive side. A snapshot counts three hours, whether a call came of it or
//! not: one for every function that a session deployed, that a round of warm environments renewed,
//! and that a cold pass has. Logs, metrics and transfer are not included, nor SnapStart where its
//! price is not known.

use std::collections::{BTreeSet, HashMap};

use crate::besides;
use crate::cell::{Cell, CellId, Start};
use crate::cost::PriceTable;
use crate::estimate::hosting_usd;
use crate::event::{Event, Invocation, PlannedCell, RunStarted, Status};
use crate::pipeline::Pipeline;
use crate::snapshots::Snapshots;

/// What is billed of a run so far, whatever it is billed at.
#[derive(Clone, Debug, Default)]
pub struct Billed {
    cells: HashMap<CellId, OfCell>,
    invocations: u64,
    /// Of functions' deployments.
    deployed: Snapshots,
    /// (cell, deployment, round) whose environments were renewed: cells may share their functions.
    renewed: BTreeSet<(CellId, u32, u32)>,
}

#[derive(Clone, Debug, Default)]
struct OfCell {
    /// By index.
    stages: Vec<OfStage>,
    passes: u64,
    /// Looks for the end of a chain.
    polls: u64,
}

#[derive(Clone, Debug, Default)]
struct OfStage {
    /// Invocations that are billed.
    invocations: u64,
    /// Of those with a report.
    billed_ms: u64,
    /// Those without one.
    unknown: u64,
    /// Those whose environment was restored from a snapshot.
    restored: u64,
}

impl Billed {
    /// Takes one further fact into account.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::InvocationFinished(invocation) => {
                self.invocations += 1;
                self.take_invocation(invocation);
            }
            Event::PipelineFinished(pass) => {
                let cell = self.cells.entry(pass.pass.cell_id.clone()).or_default();
                cell.passes += 1;
                cell.polls += u64::from(pass.polls);
            }
            Event::FunctionDeployed(function) if function.version.is_some() => {
                self.deployed.take(function.memory_mb, 1);
            }
            Event::EnvironmentsRenewed {
                cell_id,
                deployment,
                round,
                ..
            } => {
                let renewed = (cell_id.clone(), *deployment, *round);
                self.renewed.insert(renewed);
            }
            _ => {}
        }
    }

    /// Returns the snapshots and restores of this run so far.
    pub fn snapshots(&self, run: &RunStarted) -> Snapshots {
        let cells = in_run(run);
        let mut snapshots = self.apart_from_passes(&cells);
        for (id, of) in &self.cells {
            if let Some(cell) = cells.get(id) {
                of.snapshots(cell, &mut snapshots);
            }
        }
        snapshots
    }

    /// Returns the snapshots that belong to no single pass.
    fn apart_from_passes(&self, cells: &HashMap<CellId, InRun>) -> Snapshots {
        let mut snapshots = self.deployed;
        let mut functions = BTreeSet::new();
        for (id, deployment, round) in &self.renewed {
            let Some(InRun { cell, stages }) = cells.get(id) else {
                continue;
            };
            let levels = cell.borrowed().function_levels();
            if cell.snapstart.is_on() && functions.insert((levels, deployment, round)) {
                snapshots.take(cell.memory_mb, *stages);
            }
        }
        snapshots
    }

    fn take_invocation(&mut self, invocation: &Invocation) {
        let refused = invocation.status == Status::CallError && !invocation.may_have_run_unseen();
        if refused || invocation.status == Status::Throttled {
            return;
        }
        let cell = self
            .cells
            .entry(invocation.pass.cell_id.clone())
            .or_default();
        let index = invocation.stage_index as usize;
        if cell.stages.len() <= index {
            cell.stages.resize(index + 1, OfStage::default());
        }
        let stage = &mut cell.stages[index];
        stage.invocations += 1;
        match &invocation.report {
            Some(report) => {
                stage.billed_ms = stage.billed_ms.saturating_add(report.billed_ms);
                stage.restored += u64::from(report.restore.is_some());
            }
            None => stage.unknown += 1,
        }
    }
}

impl OfCell {
    /// Adds the snapshots of its passes, and the restores.
    fn snapshots(&self, in_run: &InRun, snapshots: &mut Snapshots) {
        let InRun { cell, stages } = in_run;
        if cell.snapstart.is_on() && cell.start == Start::Cold {
            snapshots.take(cell.memory_mb, self.passes * stages);
        }
        let restored = self.stages.iter().map(|stage| stage.restored).sum();
        snapshots.restore(cell.memory_mb, restored);
    }
}

/// A cell, with what the run says of it.
#[derive(Clone, Debug)]
struct InRun {
    cell: Cell,
    /// Those that have a function.
    stages: u64,
}

fn in_run(run: &RunStarted) -> HashMap<CellId, InRun> {
    let of = |planned: &PlannedCell| {
        let called = planned.called(run.stages.iter().map(String::as_str));
        InRun {
            cell: planned.cell.clone(),
            stages: called.into_iter().filter(|called| *called).count() as u64,
        }
    };
    let cells = run.cells.iter();
    cells
        .map(|planned| (planned.id.clone(), of(planned)))
        .collect()
}

/// A running total.
#[derive(Clone, Debug)]
pub struct Spending {
    prices: PriceTable,
    pipeline: Pipeline,
    cells: HashMap<CellId, InRun>,
    billed: Billed,
}

impl Spending {
    /// Goes on from what is billed of this run so far.
    pub fn new(run: &RunStarted, pipeline: &Pipeline, prices: PriceTable, billed: Billed) -> Self {
        Self {
            prices,
            pipeline: pipeline.clone(),
            cells: in_run(run),
            billed,
        }
    }

    /// Takes one further fact into account.
    pub fn take(&mut self, event: &Event) {
        self.billed.take(event);
    }

    /// USD until now.
    pub fn usd(&self) -> f64 {
        let cells = self.billed.cells.iter();
        let cells: f64 = cells.map(|(id, of)| self.cell_usd(id, of)).sum();
        let snapshots = self.billed.apart_from_passes(&self.cells);
        cells + snapshots.usd(&self.prices).unwrap_or(0.0)
    }

    /// Returns what a further pass of a cell may cost, USD: what one came to on average so far, and
    /// before any has ended, what it costs if every stage takes its whole timeout.
    pub fn of_next_pass(&self, id: &CellId) -> f64 {
        if let Some(of) = self.billed.cells.get(id).filter(|of| of.passes > 0) {
            return self.cell_usd(id, of) / of.passes as f64;
        }
        let cell = self.cells.get(id);
        let unknown = OfStage {
            invocations: 1,
            billed_ms: 0,
            unknown: 1,
            restored: u64::from(cell.is_some_and(|it| it.cell.snapstart.is_on())),
        };
        let of = OfCell {
            stages: vec![unknown; self.pipeline.stages.len()],
            passes: 1,
            polls: 0,
        };
        self.cell_usd(id, &of)
    }

    /// Invocations until now, in whatever way they ended.
    pub fn invocations(&self) -> u64 {
        self.billed.invocations
    }

    fn cell_usd(&self, id: &CellId, of: &OfCell) -> f64 {
        let cell = self.cells.get(id);
        let input = cell.map(|it| it.cell.input);
        let runner = |polls| besides::of_runner(&self.pipeline, input, polls).usd(&self.prices);
        let passes = of.passes as f64 * runner(0.0) + runner(of.polls as f64) - runner(0.0);
        let Some(in_run) = cell else { return passes };
        let cell = &in_run.cell;
        let stages = self.pipeline.stages.iter().zip(&of.stages);
        let invocations = stages.map(|(stage, of)| {
            let unknown_ms = of.unknown * u64::from(stage.timeout_s) * 1000;
            let billed_ms = of.billed_ms.saturating_add(unknown_ms);
            let for_each = hosting_usd(cell, 0, &self.prices);
            let requests =
                for_each + besides::of_invocation(&self.pipeline, stage).usd(&self.prices);
            hosting_usd(cell, billed_ms, &self.prices) - for_each + of.invocations as f64 * requests
        });
        let mut snapshots = Snapshots::default();
        of.snapshots(in_run, &mut snapshots);
        let snapshots_usd = snapshots.usd(&self.prices).unwrap_or(0.0);
        passes + invocations.sum::<f64>() + snapshots_usd
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::SnapStart;
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
        let Event::RunStarted(run) = started() else {
            panic!("a run begins with its start")
        };
        Spending::new(
            &run,
            &Pipeline::parse("image-pipeline", PIPELINE).unwrap(),
            prices(),
            Billed::default(),
        )
    }

    /// What one invocation adds, in this state.
    fn adds(status: Status, error_type: Option<&str>, billed_ms: Option<u64>) -> f64 {
        let Event::InvocationFinished(mut invocation) = invoked(1.0, billed_ms.unwrap_or_default())
        else {
            panic!()
        };
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
        // 512 MB x86_64 at $0.0000166667 a GB-second, $0.20 a million requests; a PUT and a GET of
        // S3.
        let of = |billed_s: f64| 0.5 * billed_s * 0.000_016_666_7 + 0.2e-6 + 0.005e-3 + 0.4e-6;
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        near(adds(Status::Ok, None, Some(400)), of(0.4));
        near(
            adds(Status::FunctionError, Some("ValueError"), Some(300)),
            of(0.3),
        );
        near(
            adds(Status::Throttled, Some("TooManyRequestsException"), None),
            0.0,
        );
        near(
            adds(Status::CallError, Some("InvalidRuntimeException"), None),
            0.0,
        );
        // Nobody knows: the stage's whole timeout.
        near(adds(Status::CallError, Some(NO_ANSWER), None), of(10.0));
        near(adds(Status::Ok, None, None), of(10.0));
    }

    #[test]
    fn a_pass_under_way_counts_for_its_timeout_until_others_have_told_what_one_costs() {
        let mut spending = spending();
        let Event::InvocationFinished(invocation) = invoked(1.0, 400) else {
            panic!()
        };
        let cell = invocation.pass.cell_id.clone();
        let timeout_usd = spending.of_next_pass(&cell);
        assert!(timeout_usd > 0.5 * 10.0 * 0.000_016_666_7, "{timeout_usd}");
        for _ in 0..3 {
            spending.take(&Event::InvocationFinished(invocation.clone()));
            spending.take(&passed());
        }
        let each_usd = spending.usd() / 3.0;
        assert!((spending.of_next_pass(&cell) - each_usd).abs() < 1e-12);
        assert!(each_usd < timeout_usd / 5.0);
    }

    #[test]
    fn warm_ups_and_repeated_attempts_and_the_runners_own_requests_count() {
        let mut spending = spending();
        let Event::PipelineFinished(mut pass) = passed() else {
            panic!()
        };
        spending.take(&Event::PipelineFinished(pass.clone()));
        let one = spending.usd();
        assert!((one - (0.005e-3 + 3.0 * 0.4e-6)).abs() < 1e-12, "{one}");
        (pass.pass.warm_up, pass.again, pass.polls) =
            (true, Some(crate::event::Again::Throttled), 100);
        spending.take(&Event::PipelineFinished(pass));
        assert!((spending.usd() - 2.0 * one - 100.0 * 0.4e-6).abs() < 1e-12);
    }

    /// A run of this cell alone.
    fn snapshotted(start: Start) -> (RunStarted, CellId) {
        let Event::RunStarted(mut run) = started() else {
            panic!("a run begins with its start")
        };
        run.cells.truncate(1);
        let planned = &mut run.cells[0];
        planned.cell.start = start;
        planned.cell.snapstart = SnapStart::On;
        planned.id = planned.cell.id();
        let id = planned.id.clone();
        (run, id)
    }

    /// (taken, restores) after these events.
    fn counted(run: &RunStarted, events: &[Event]) -> (u64, u64) {
        let mut billed = Billed::default();
        for event in events {
            billed.take(event);
        }
        let snapshots = billed.snapshots(run);
        (snapshots.taken, snapshots.restores)
    }

    fn deployed(version: Option<&str>) -> Event {
        let json = serde_json::json!({
            "event": "function_deployed", "at": "", "function": "f", "variant": "pillow", "architecture": "x86_64",
            "memory_mb": 512, "deployment": 1, "stage": "greyscale", "runtime": "python3.13", "handler": "h",
            "code_sha256": "", "layers_sha256": [], "code_bytes": 1, "version": version,
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_cold_pass_has_a_snapshot_of_every_stage_also_where_nothing_came_of_it() {
        let (run, id) = snapshotted(Start::Cold);
        let (Event::PipelineFinished(mut pass), Event::InvocationFinished(mut first)) =
            (passed(), invoked(1.0, 100))
        else {
            panic!()
        };
        pass.pass.cell_id = id.clone();
        first.pass.cell_id = id.clone();
        let failed = Event::PipelineFinished(pass);
        // Of two stages, of which none was called, or the first one restored.
        assert_eq!(counted(&run, std::slice::from_ref(&failed)), (2, 0));
        let restore = crate::event::Restore {
            ms: 400.0,
            billed_ms: Some(18),
        };
        first.report.as_mut().unwrap().restore = Some(restore);
        let first = Event::InvocationFinished(first);
        assert_eq!(counted(&run, &[first, failed.clone()]), (2, 1));

        let pipeline = Pipeline::parse("image-pipeline", PIPELINE).unwrap();
        let mut spending = Spending::new(&run, &pipeline, prices(), Billed::default());
        spending.take(&failed);
        // 2 snapshots of 0.5 GB for 3 hours, beside the runner's requests.
        let usd = 2.0 * 0.5 * 10_800.0 * 0.000_001_504_6 + 0.005e-3 + 3.0 * 0.4e-6;
        assert!((spending.usd() - usd).abs() < 1e-12, "{}", spending.usd());
        assert!((spending.of_next_pass(&id) - usd).abs() < 1e-12);
    }

    #[test]
    fn deployed_and_renewed_functions_have_snapshots_and_warm_passes_have_none() {
        let (mut run, id) = snapshotted(Start::Warm);
        // Another image set, with the same functions.
        let mut other = run.cells[0].clone();
        other.cell.image_set = "other".into();
        other.id = other.cell.id();
        run.cells.push(other.clone());
        let Event::PipelineFinished(mut pass) = passed() else {
            panic!()
        };
        pass.pass.cell_id = id.clone();
        let pass = Event::PipelineFinished(pass);
        let renewed = |cell_id: &CellId, round| Event::EnvironmentsRenewed {
            at: String::new(),
            cell_id: cell_id.clone(),
            deployment: 1,
            round,
        };
        let events = [
            deployed(Some("1")),
            deployed(Some("1")),
            deployed(None),
            pass,
            renewed(&id, 2),
            renewed(&other.id, 2),
            renewed(&id, 3),
        ];
        assert_eq!(counted(&run, &events), (2 + 2 + 2, 0));
        assert_eq!(counted(&run, &events[..4]), (2, 0));
        let pipeline = Pipeline::parse("image-pipeline", PIPELINE).unwrap();
        let usd = |events: &[Event]| {
            let mut spending = Spending::new(&run, &pipeline, prices(), Billed::default());
            for event in events {
                spending.take(event);
            }
            spending.usd()
        };
        let each = 0.5 * 10_800.0 * 0.000_001_504_6;
        let more = usd(&events) - usd(&events[3..4]);
        assert!((more - 6.0 * each).abs() < 1e-12, "{more}");
        // Without SnapStart a renewal takes no snapshot.
        for planned in &mut run.cells {
            planned.cell.snapstart = SnapStart::Off;
        }
        assert_eq!(counted(&run, &events[3..]), (0, 0));
    }
}
