//! Journals for tests, built as a run would have written them.

use std::collections::BTreeMap;

use darkroom_core::cell::{Architecture, Cell, CellId, Input, SnapStart, Start, Trigger};
use darkroom_core::cost::{PriceTable, billed_ms};
use darkroom_core::event::{
    Again, Build, Dependency, Event, FunctionDeployed, Invocation, JOURNAL_VERSION, Misbehaved,
    OutputCheck, PackageBuilt, PassKey, PipelinePass, PlannedCell, Profile, ReconciledMetric,
    Reconciliation, Report, Restore, RunStarted, Status, Verdict,
};

pub const STAGES: [&str; 2] = ["greyscale", "resize"];

pub fn prices() -> PriceTable {
    PriceTable::parse(include_str!(
        "../../../../experiments/prices/us-east-1.toml"
    ))
    .unwrap()
}

pub fn cell(variant: &str) -> Cell {
    Cell {
        runtime: None,
        variant: variant.into(),
        architecture: Architecture::X86_64,
        memory_mb: 512,
        image_set: "photos".into(),
        trigger: Trigger::Direct,
        input: Input::Chained,
        start: Start::Warm,
        snapstart: SnapStart::Off,
        concurrency: 1,
    }
}

pub struct Journal {
    pub events: Vec<Event>,
    sequence: u64,
}

/// One pass to be recorded.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "facts of a pass, each apart")]
pub struct Pass {
    pub cell: Cell,
    pub image: &'static str,
    pub warm_up: bool,
    pub probe: bool,
    pub deployment: u32,
    pub repetition: u32,
    pub attempt: u32,
    /// Duration of every stage, ms.
    pub ms: [f64; 2],
    pub init_ms: Option<f64>,
    pub restore: Option<Restore>,
    pub init_to_start_ms: Option<f64>,
    pub status: [Status; 2],
    pub report: bool,
    pub again: Option<Again>,
    pub finished: bool,
    pub others_under_way: u32,
}

impl Pass {
    pub fn of(cell: &Cell, repetition: u32, ms: f64) -> Self {
        Self {
            cell: cell.clone(),
            image: "astronaut.png",
            warm_up: false,
            probe: false,
            deployment: 1,
            repetition,
            attempt: 1,
            ms: [ms, ms / 2.0],
            init_ms: None,
            restore: None,
            init_to_start_ms: None,
            others_under_way: 0,
            status: [Status::Ok; 2],
            report: true,
            again: None,
            finished: true,
        }
    }

    fn key(&self) -> PassKey {
        PassKey {
            cell_id: self.cell.id(),
            deployment: self.deployment,
            image: self.image.into(),
            warm_up: self.warm_up,
            probe: self.probe,
            repetition: self.repetition,
            attempt: self.attempt,
        }
    }
}

impl Journal {
    pub fn of(cells: &[Cell]) -> Self {
        let planned = cells.iter().map(|cell| PlannedCell {
            id: cell.id(),
            cell: cell.clone(),
            model: None,
            sample: None,
            prompt: None,
            wrong_on_purpose: false,
            missing: std::collections::BTreeMap::new(),
            not_runnable: (cell.architecture == Architecture::Arm64)
                .then(|| "this host is x86_64".into()),
        });
        let run = RunStarted {
            journal_version: JOURNAL_VERSION,
            run_id: "2026-11-24T18-00-00Z-abc".into(),
            at: at(0),
            experiment: "smoke".into(),
            pipeline: "image-pipeline".into(),
            stages: STAGES.map(String::from).into(),
            transport: darkroom_core::pipeline::Transport::S3,
            seed: 562,
            target: "local".into(),
            region: "us-east-1".into(),
            endpoint: None,
            account_id: None,
            isolation: "plain".into(),
            manifest_sha256: "ab".repeat(32),
            pipeline_sha256: Some("cd".repeat(32)),
            repetitions: 3,
            until: None,
            warm_up: 1,
            deployments: 1,
            renew_environments_every: Some(5),
            vary_inputs: false,
            order: "interleaved".into(),
            cells: planned.collect(),
            image_sets: BTreeMap::from([(
                "photos".into(),
                vec!["astronaut.png".into(), "chelsea.png".into()],
            )]),
            machine: BTreeMap::from([("cpu_model".into(), "Test CPU".into())]),
            darkroom_version: "0.1.0".into(),
            not_checked: Vec::new(),
        };
        let deployed = FunctionDeployed {
            at: at(0),
            function: "darkroom-a-greyscale".into(),
            variant: "pillow".into(),
            architecture: Architecture::X86_64,
            memory_mb: 512,
            deployment: 1,
            stage: "greyscale".into(),
            runtime: "python3.13".into(),
            handler: "greyscale.handler".into(),
            code_sha256: "c29tZSBoYXNo".into(),
            layers_sha256: vec![],
            code_bytes: 1000,
            version: None,
        };
        let built = PackageBuilt {
            at: at(0),
            variant: "pillow".into(),
            architecture: Architecture::X86_64,
            runtime: "python3.13".into(),
            code_sha256: "c29tZSBoYXNo".into(),
            code_bytes: 1000,
            unzipped_bytes: 3000,
            layers_sha256: vec!["bGF5ZXI=".into()],
            build: Build {
                dependencies: vec![Dependency {
                    name: "pillow".into(),
                    version: "13.0.0".into(),
                    features: vec!["one".into(), "two".into()],
                    sha256: vec!["aa".into()],
                    jpeg_decoder: Some("libjpeg-turbo 3.2.0".into()),
                }],
                ..Build::default()
            },
        };
        // Told again by a session that goes on.
        let again = PackageBuilt {
            at: at(1),
            ..built.clone()
        };
        let events = [
            Event::PackageBuilt(built),
            Event::FunctionDeployed(deployed),
            Event::PackageBuilt(again),
        ];
        Self {
            events: [vec![Event::RunStarted(run)], events.into()].concat(),
            sequence: 0,
        }
    }

    /// Gives the run an id of its own.
    pub fn named(&mut self, run_id: &str) -> &mut Self {
        if let Some(Event::RunStarted(run)) = self.events.first_mut() {
            run.run_id = run_id.into();
        }
        self
    }

    /// Says that a variant was packaged with that content.
    pub fn packaged(&mut self, variant: &str, content: &str) -> &mut Self {
        let built = self.events.iter().find_map(|event| match event {
            Event::PackageBuilt(built) => Some(built.clone()),
            _ => None,
        });
        let built = built.expect("every journal here has one");
        let built = PackageBuilt {
            variant: variant.into(),
            code_sha256: content.into(),
            ..built
        };
        self.events.push(Event::PackageBuilt(built));
        self
    }

    /// Says that every cell is deployed that often.
    pub fn deployments(&mut self, count: u32) -> &mut Self {
        if let Some(Event::RunStarted(run)) = self.events.first_mut() {
            run.deployments = count;
        }
        self
    }

    /// The facts as a reader of the journal gives them.
    pub fn facts(&self) -> impl Iterator<Item = Result<Event, String>> {
        self.events.clone().into_iter().map(Ok)
    }

    pub fn pass(&mut self, pass: &Pass) -> &mut Self {
        for (index, stage) in STAGES.iter().enumerate() {
            self.invocation(pass, index, stage);
            if pass.status[index] != Status::Ok {
                break;
            }
        }
        if pass.finished {
            self.finish(pass);
        }
        self
    }

    fn invocation(&mut self, pass: &Pass, index: usize, stage: &str) {
        let status = pass.status[index];
        let chain = pass.cell.trigger == Trigger::S3;
        let answered = pass.report && !matches!(status, Status::Throttled | Status::CallError);
        let report = Report {
            duration_ms: pass.ms[index],
            billed_ms: billed_ms(pass.ms[index], pass.init_ms)
                + pass
                    .restore
                    .and_then(|restore| restore.billed_ms)
                    .unwrap_or(0),
            memory_mb: pass.cell.memory_mb,
            max_memory_mb: 80,
            init_ms: pass.init_ms,
            restore: pass.restore,
        };
        self.events.push(Event::InvocationFinished(Invocation {
            pass: pass.key(),
            stage: stage.into(),
            stage_index: index as u32,
            function: format!("darkroom-{}-{stage}", pass.cell.variant),
            sequence: self.sequence,
            scheduled_at: at(self.sequence),
            started_at: at(self.sequence),
            client_ms: (!chain).then_some(pass.ms[index] + 1.5),
            status,
            error_type: (status != Status::Ok).then(|| "ValueError".into()),
            error: (status != Status::Ok).then(|| "no such image".into()),
            error_at: (status == Status::FunctionError).then(|| format!("{stage}.py:2")),
            request_id: Some(format!("00000000-0000-4000-8000-{:012x}", self.sequence)),
            report: answered.then_some(report),
            init_to_start_ms: pass.init_to_start_ms,
            environment_id: None,
            environment_round: (pass.cell.start == Start::Warm)
                .then_some((pass.repetition - 1) / 5 + 1),
            code_sha256: "c29tZSBoYXNo".into(),
            bytes_in: None,
            bytes_out: Some(1234),
            ended_at: chain.then(|| at(self.sequence + 1)),
            trigger_delay_ms: chain.then(|| f64::from(pass.repetition) - 2.5),
            handler_reported_ms: None,
            profile: answered.then(|| Profile {
                handler_ms: Some(pass.ms[index] - 0.5),
                s3_ms: Some(0.25),
                container_id: Some("c0ffee".into()),
                container_invocation: Some(if pass.init_ms.is_some() { 1 } else { 2 }),
                cpu_model: Some("a processor".into()),
                ..Profile::default()
            }),
        }));
        self.sequence += 1;
    }

    fn finish(&mut self, pass: &Pass) {
        let failed = pass.status.iter().position(|&status| status != Status::Ok);
        let chained = pass.cell.input == Input::Chained;
        let triggered = pass.cell.trigger == Trigger::S3;
        let turnaround =
            (pass.ms[0] + pass.ms[1] + pass.init_ms.unwrap_or(0.0) * 2.0 + 3.0) / 1000.0;
        self.events.push(Event::PipelineFinished(PipelinePass {
            pass: pass.key(),
            started_at: at(self.sequence),
            turnaround_s: (failed.is_none() && chained).then_some(turnaround),
            resolution_ms: if triggered { 1.5 } else { 0.0 },
            upload_ms: triggered.then_some(2.0),
            complete: failed.is_none(),
            failed_stage: failed.map(|index| STAGES[index].into()),
            again: pass.again,
            input_bytes: vec![Some(5000), Some(1234)],
            output_bytes: vec![Some(1234), Some(900)],
            polls: 0,
            others_under_way: Some(pass.others_under_way),
        }));
    }

    pub fn supersede(&mut self, cell: &Cell) -> &mut Self {
        self.events.push(Event::CellsSuperseded {
            at: at(self.sequence),
            cells: vec![cell.id()],
        });
        self
    }

    #[allow(dead_code, reason = "for the report's tests")]
    /// A further session goes on with the run; the one before has no recorded end unless one was
    /// written.
    pub fn resume(&mut self) -> &mut Self {
        self.events.push(Event::RunResumed {
            at: at(self.sequence),
            cells: Vec::new(),
        });
        self
    }

    #[allow(dead_code, reason = "for the report's tests")]
    /// The session ends before its work is done, and says why.
    pub fn stop(&mut self, reason: &str) -> &mut Self {
        self.events.push(Event::RunInterrupted {
            at: at(self.sequence),
            reason: reason.into(),
        });
        self
    }

    #[allow(dead_code, reason = "for the report's tests")]
    /// The session ends as planned.
    pub fn end(&mut self) -> &mut Self {
        self.events.push(Event::RunFinished {
            at: at(self.sequence),
        });
        self
    }

    /// Two witnesses of the invocations of one function.
    pub fn reconciled(
        &mut self,
        function: &str,
        recorded: f64,
        reported: Option<f64>,
    ) -> &mut Self {
        self.events.push(Event::Reconciled(Reconciliation {
            at: at(self.sequence),
            function: function.into(),
            metric: ReconciledMetric::Invocations,
            recorded,
            reported,
            tolerance: 0.0,
            unknown: reported.is_none().then(|| "interrupted".into()),
            unanswered: 0.0,
        }));
        self
    }

    /// A session in which a function's code did this so often.
    pub fn misbehaved(&mut self, function: &str, kind: &str, what: &str, times: u32) -> &mut Self {
        let (at, function, kind, what) =
            (at(self.sequence), function.into(), kind.into(), what.into());
        self.events.push(Event::Misbehaved(Misbehaved {
            at,
            function,
            kind,
            what,
            times,
        }));
        self
    }

    pub fn check(&mut self, pass: &Pass, stage: usize, reason: Option<&str>) -> &mut Self {
        self.events.push(Event::OutputChecked(OutputCheck {
            pass: pass.key(),
            stage: STAGES[stage].into(),
            stage_index: stage as u32,
            output_sha256: Some("cd".repeat(32)),
            input_sha256: None,
            picture: None,
            verdict: verdict(reason),
        }));
        self
    }

    pub fn check_all(&mut self, cell: &Cell) -> &mut Self {
        let pass = Pass::of(cell, 1, 1.0);
        self.check(&pass, 0, None).check(&pass, 1, None)
    }
}

fn verdict(reason: Option<&str>) -> Verdict {
    Verdict {
        pass: reason.is_none(),
        reason: reason.map(String::from),
        detail: reason.map(|reason| format!("it is {reason}")),
        format: Some("png".into()),
        mode: Some("grey16".into()),
        width: Some(800),
        height: Some(600),
        mse: Some(0.0),
        psnr_db: None,
        ssim: Some(1.0),
        max_abs: Some(0.0),
        mean_out: Some(400.0),
        mean_reference: Some(400.0),
        levels: Some(1000),
        quality: None,
        orientation: None,
    }
}

pub fn environment_seen(sequence: u64, environment: &str) -> Event {
    Event::EnvironmentSeen {
        request_id: format!("00000000-0000-4000-8000-{sequence:012x}"),
        environment_id: environment.into(),
    }
}

pub fn unknown_cell() -> CellId {
    CellId::from("nobody.x86_64.512mb.photos.direct.warm.c1".to_owned())
}

fn at(second: u64) -> String {
    format!(
        "2026-11-24T18:{:02}:{:02}.125Z",
        second / 60 % 60,
        second % 60
    )
}
