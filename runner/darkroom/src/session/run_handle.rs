//! A run's folder, held by a session: a new one, one to continue, or one whose cells are measured
//! again.

use std::collections::BTreeSet;

use darkroom_core::cell::CellId;
use darkroom_core::event::{
    CodeExamined, Event, Extension, FunctionDeployed, JOURNAL_VERSION, ModelAsked, PackageBuilt,
    PlannedCell, RunStarted,
};
use darkroom_core::manifest::{Manifest, Order};
use sha2::{Digest, Sha256};

use super::configuration::Configuration;
use super::configuration::{fingerprint, pipeline_text, resolved, what_differs, with_count};
use super::mode::SessionMode;
use super::refusal::{Refusal, anew_with};
use crate::execute::now;
use crate::exit::Failure;
use crate::machine;
use crate::provenance::asked;
use crate::record::{Earlier, History, Journal, RunDir, running};
use crate::target::{self, TargetFacts};

/// A run's folder, held, with what it already has.
pub struct RunHandle<'a> {
    dir: RunDir,
    run_id: String,
    /// Cells of the run, runnable or not, in matrix order.
    cells: Vec<PlannedCell>,
    /// What earlier sessions recorded; `None` where this is the first.
    earlier: Option<&'a History>,
    /// Cells whose facts so far no longer count.
    again: Option<Vec<CellId>>,
    /// Repetitions that the run had, where it has been extended or this session adds some.
    extends: Option<u32>,
}

/// Makes or takes up the run's folder. Nothing is recorded yet.
pub fn open_run<'a>(
    configuration: Configuration<'_>,
    mode: &'a SessionMode,
    planned: Vec<PlannedCell>,
) -> Result<RunHandle<'a>, Failure> {
    match mode {
        SessionMode::Anew { cells } => anew(configuration, planned, cells.as_deref()),
        SessionMode::GoOn(earlier) => take_up(configuration, planned, earlier, None),
        SessionMode::Extend { earlier, from } => {
            let as_it_was = with_count(configuration.manifest, *from);
            let run = take_up(
                configuration.with_manifest(&as_it_was),
                planned,
                earlier,
                None,
            )?;
            Ok(RunHandle {
                extends: Some(*from),
                ..run
            })
        }
        SessionMode::Again { earlier, cells } => {
            take_up(configuration, planned, earlier, Some(cells.clone()))
        }
    }
}

fn anew<'a>(
    configuration: Configuration<'_>,
    mut planned: Vec<PlannedCell>,
    only: Option<&[CellId]>,
) -> Result<RunHandle<'a>, Failure> {
    let outputs = configuration.project.output_dir(configuration.manifest);
    let time = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S");
    let run_id = format!("{time}-{}", &uuid::Uuid::new_v4().simple().to_string()[..6]);
    let dir = RunDir::create(&outputs, &configuration.manifest.experiment.name, &run_id)
        .map_err(Failure::broken)?;
    if let Some(only) = only {
        planned.retain(|cell| only.contains(&cell.id));
    }
    let run = RunHandle {
        dir,
        run_id,
        cells: planned,
        earlier: None,
        again: None,
        extends: None,
    };
    if let Err(error) = run
        .dir
        .write("manifest.toml", &resolved(configuration.manifest))
    {
        run.discard_if_nothing_recorded();
        return Err(Failure::broken(error));
    }
    Ok(run)
}

fn take_up<'a>(
    configuration: Configuration<'_>,
    mut planned: Vec<PlannedCell>,
    earlier: &'a Earlier,
    again: Option<Vec<CellId>>,
) -> Result<RunHandle<'a>, Failure> {
    let dir = RunDir::open(&earlier.run).map_err(Failure::wrong_request)?;
    if !earlier.is_unchanged() {
        return Err(Failure::wrong_request(Refusal::TakenUp {
            run: dir.path().to_owned(),
        }));
    }
    let history = &earlier.history;
    if history.run.manifest_sha256 != fingerprint(configuration) {
        return Err(Failure::wrong_request(Refusal::OtherConfiguration {
            run: dir.path().display().to_string(),
            differs: what_differs(configuration, &history.run, dir.path()),
            help: format!(
                "undo the change to continue, or start a new run with {}",
                anew_with(dir.path())
            ),
        }));
    }
    if again.is_some() && history.run.until.is_some() && history.settled.is_none() {
        return Err(Failure::wrong_request(Refusal::Unfinished {
            run: dir.path().to_owned(),
            state: "has not decided its number of repetitions yet, so its cells cannot be \
                    measured again",
        }));
    }
    let held = |id: &CellId| history.run.cells.iter().any(|known| known.id == *id);
    if let Some(foreign) = again.iter().flatten().find(|id| !held(id)) {
        return Err(Failure::wrong_request(Refusal::ForeignCell {
            run: dir.path().to_owned(),
            cell: foreign.clone(),
        }));
    }
    planned.retain(|cell| held(&cell.id));
    Ok(RunHandle {
        dir,
        run_id: history.run.run_id.clone(),
        cells: planned,
        again,
        extends: history.extended.then_some(history.run.repetitions),
        earlier: Some(history),
    })
}

impl RunHandle<'_> {
    pub fn dir(&self) -> &RunDir {
        &self.dir
    }

    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Cells that this session measures: runnable here, and asked for.
    pub fn cells_to_measure(&self) -> Vec<PlannedCell> {
        let asked = |cell: &&PlannedCell| {
            self.again
                .as_ref()
                .is_none_or(|again| again.contains(&cell.id))
        };
        self.cells
            .iter()
            .filter(|cell| cell.not_runnable.is_none())
            .filter(asked)
            .cloned()
            .collect()
    }

    /// Runnable cells that this session does not measure.
    pub fn cells_left_alone(&self) -> Vec<PlannedCell> {
        let left_alone = |cell: &&PlannedCell| {
            self.again
                .as_ref()
                .is_some_and(|again| !again.contains(&cell.id))
        };
        self.cells
            .iter()
            .filter(|cell| cell.not_runnable.is_none())
            .filter(left_alone)
            .cloned()
            .collect()
    }

    /// Says from how many repetitions to how many this session takes the run, if it adds some.
    pub fn extending(&self, configuration: Configuration<'_>) -> Option<String> {
        let (to, run) = (
            configuration.manifest.repetitions.count,
            self.dir.path().display(),
        );
        let from = self.extends.filter(|from| *from < to)?;
        Some(format!(
            "extending {run} from {from} to {to} repetitions per cell, with the same seed"
        ))
    }

    /// Opens the journal with what this session begins with, and returns it with the history up to
    /// here.
    pub fn open_journal(
        &self,
        configuration: Configuration<'_>,
        target: &TargetFacts,
        builds: impl Iterator<Item = PackageBuilt>,
        functions: Vec<FunctionDeployed>,
        code: Vec<CodeExamined>,
    ) -> Result<(Journal, History), Failure> {
        let path = self.dir.journal();
        let mut facts = Vec::new();
        let (mut journal, mut history) = if let Some(history) = self.earlier {
            let journal = Journal::open(&path).map_err(Failure::broken)?;
            facts.push(self.resumed(configuration));
            (journal, history.clone())
        } else {
            let run = self.started(configuration, target);
            facts.push(Event::RunStarted(run.clone()));
            // A run continues with the same code only, so that it is looked at once.
            facts.extend(code.into_iter().map(Event::CodeExamined));
            facts.extend(self.asked(configuration).map(Event::ModelAsked));
            (
                Journal::create(&path).map_err(Failure::broken)?,
                History::new(run),
            )
        };
        facts.extend(builds.map(Event::PackageBuilt));
        facts.extend(functions.into_iter().map(Event::FunctionDeployed));
        for fact in &facts {
            journal.append(fact).map_err(Failure::broken)?;
            history.take(fact);
            self.dir.link_latest().map_err(Failure::broken)?;
        }
        if self.extends.is_some() {
            // After a kill between the two, the next session of the run goes by the journal and
            // writes it.
            self.dir
                .write("manifest.toml", &resolved(configuration.manifest))
                .map_err(Failure::broken)?;
        }
        Ok((journal, history))
    }

    /// Returns what the models were asked and answered that wrote this run's variants.
    fn asked(&self, configuration: Configuration<'_>) -> impl Iterator<Item = ModelAsked> {
        let of_models = self.cells.iter().filter(|cell| cell.model.is_some());
        let variants: BTreeSet<&String> = of_models.map(|cell| &cell.cell.variant).collect();
        let of_variant =
            |variant: &String| asked(&configuration.project.variant_dir(variant), variant);
        let asked: Vec<_> = variants.into_iter().flat_map(of_variant).collect();
        asked.into_iter()
    }

    fn resumed(&self, configuration: Configuration<'_>) -> Event {
        let at = now();
        let to = configuration.manifest.repetitions.count;
        match (&self.again, self.extends) {
            (Some(cells), _) => Event::CellsSuperseded {
                at,
                cells: cells.clone(),
            },
            (None, Some(from)) if from < to => Event::RunExtended(Extension {
                at,
                from,
                to,
                manifest_sha256: fingerprint(configuration),
            }),
            (None, _) => Event::RunResumed {
                at,
                cells: self.cells.iter().map(|cell| cell.id.clone()).collect(),
            },
        }
    }

    fn started(&self, configuration: Configuration<'_>, target: &TargetFacts) -> RunStarted {
        let Manifest {
            experiment,
            repetitions,
            schedule,
            ..
        } = configuration.manifest;
        let pipeline = configuration.pipeline();
        let images = |set: &String| {
            (
                set.clone(),
                configuration
                    .known
                    .images(&experiment.pipeline, set)
                    .to_vec(),
            )
        };
        RunStarted {
            journal_version: JOURNAL_VERSION,
            run_id: self.run_id.clone(),
            at: now(),
            experiment: experiment.name.clone(),
            pipeline: experiment.pipeline.clone(),
            stages: pipeline
                .stages
                .iter()
                .map(|stage| stage.name.clone())
                .collect(),
            transport: pipeline.transport,
            seed: experiment.seed,
            target: target.name.to_owned(),
            region: target.region.clone(),
            endpoint: target.endpoint.clone(),
            account_id: target.account_id.clone(),
            isolation: target.isolation.clone(),
            manifest_sha256: fingerprint(configuration),
            pipeline_sha256: Some(hex::encode(Sha256::digest(pipeline_text(pipeline)))),
            repetitions: repetitions.count,
            until: repetitions.until,
            warm_up: repetitions.warm_up,
            deployments: repetitions.deployments,
            renew_environments_every: repetitions.renew_environments_every,
            vary_inputs: repetitions.vary_inputs,
            order: match schedule.order {
                Order::Interleaved => "interleaved",
                Order::Sequential => "sequential",
            }
            .to_owned(),
            cells: self.cells.clone(),
            image_sets: self
                .cells
                .iter()
                .map(|cell| images(&cell.cell.image_set))
                .collect(),
            machine: machine::facts(),
            darkroom_version: env!("CARGO_PKG_VERSION").to_owned(),
            not_checked: pipeline.demands_not_checked(),
        }
    }

    /// Records a new run of which this target can run no cell: its tables still say so. To an
    /// earlier run such a session would add nothing but an interruption, so that it is refused.
    pub fn record_nothing_to_measure(
        &self,
        configuration: Configuration<'_>,
    ) -> Result<(), Failure> {
        if self.earlier.is_some() {
            return Err(self.none_can_run_here());
        }
        let keys = &configuration.manifest.target;
        let target = target::facts_unopened(keys.cloud, &keys.region);
        let (mut journal, _) = self.open_journal(
            configuration,
            &target,
            std::iter::empty(),
            Vec::new(),
            Vec::new(),
        )?;
        journal
            .append(&Event::RunFinished { at: now() })
            .map_err(Failure::broken)
    }

    fn none_can_run_here(&self) -> Failure {
        let asked = self.cells.iter().filter(|cell| {
            self.again
                .as_ref()
                .is_none_or(|again| again.contains(&cell.id))
        });
        let why: BTreeSet<&str> = asked
            .filter_map(|cell| cell.not_runnable.as_deref())
            .collect();
        let help = if self.again.is_some() {
            "name other cells with --cell, or run these on a target that can run them"
        } else {
            "continue the run on a machine that can run its cells"
        };
        let why = why.into_iter().collect::<Vec<_>>().join("; ");
        Failure::wrong_request(Refusal::NoneCanRun {
            run: self.dir.path().to_owned(),
            why,
            help,
        })
    }

    /// Removes the folder of a run that never came to a first fact; says whether it did.
    pub fn discard_if_nothing_recorded(&self) -> bool {
        let empty = !self.dir.journal().exists();
        if empty {
            // A folder that can't be removed holds nothing but a manifest; saying so would hide why
            // the run failed.
            let _ = std::fs::remove_dir_all(self.dir.path());
        }
        empty
    }
}

/// Returns in words where a run is. Its region is the manifest's, and so compared with that.
fn target_in_words(target: &str, endpoint: Option<&str>, account_id: Option<&str>) -> String {
    let endpoint = endpoint
        .map(|endpoint| format!(" at {endpoint}"))
        .unwrap_or_default();
    let account = account_id
        .map(|account| format!(" in account {account}"))
        .unwrap_or_default();
    format!("{target}{endpoint}{account}")
}

impl RunHandle<'_> {
    /// A run continues only where it was begun: its tables name one place. Asked before anything is
    /// deployed.
    pub fn same_place(&self, target: &TargetFacts) -> Result<(), Failure> {
        let Some(History { run, .. }) = self.earlier else {
            return Ok(());
        };
        let before = target_in_words(
            &run.target,
            run.endpoint.as_deref(),
            run.account_id.as_deref(),
        );
        let account_id = target
            .account_id
            .as_deref()
            .filter(|_| run.account_id.is_some());
        let here = target_in_words(target.name, target.endpoint.as_deref(), account_id);
        if before == here {
            return Ok(());
        }
        Err(Failure::wrong_request(Refusal::OtherPlace {
            run: self.dir.path().to_owned(),
            before,
            here,
        }))
    }

    /// A run continues only with the code it was begun with, also where cells are measured again:
    /// rows of different code never share a cell. Asked before anything is deployed: a refusal
    /// leaves all as it was.
    pub fn same_code(&self, functions: &[FunctionDeployed]) -> Result<(), Failure> {
        let is_changed = |function: &&FunctionDeployed| {
            let before = self
                .earlier
                .and_then(|history| history.code.get(&function.function));
            before.is_some_and(|before| *before != running(function))
        };
        let Some(function) = functions.iter().find(is_changed) else {
            return Ok(());
        };
        Err(Failure::wrong_request(Refusal::OtherCode {
            run: self.dir.path().to_owned(),
            variant: function.variant.clone(),
        }))
    }
}
