//! Checks a variant: its stages on the images of a set, each stage with its own input.
//!
//! It uses the same packages, functions and passes as a run. But each stage is a pipeline of its
//! own with the reference's input, nothing is warmed up or repeated, and there is no journal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use darkroom_cloud::emulator::Emulator;
use darkroom_cloud::python;
use darkroom_core::cell::{Architecture, Cell, Input, SnapStart, Start, Trigger};
use darkroom_core::event::{CallsRefused, Event, Invocation, OutputCheck, PlannedCell, Status};
use darkroom_core::image_set::{Expect, ImageSet};
use darkroom_core::manifest::{
    Budget, Experiment, Fault, Known, Manifest, Matrix, Output, Repetitions, Schedule, TargetKeys,
    Unusable,
};
use darkroom_core::outcome::Outcome;
use darkroom_core::pipeline::{Pipeline, Stage};
use darkroom_core::schedule::lanes::Width;
use darkroom_core::variant::Variant;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::configuration::Configuration;
use super::{images, names, prepare};
use crate::checked::{CheckReport, Checked};
use crate::display::progress::Progress;
use crate::execute::{CellUnderTest, Image, Keep, Pictures, Setup, one_by_one};
use crate::exit::Failure;
use crate::package;
use crate::project::Project;
use crate::record::Emitter;
use crate::target::{self, Target};
use crate::threads;

/// Name of the experiment whose functions a check deploys.
const EXPERIMENT: &str = "check";
/// Lambda memory of the functions, MB: one vCPU.
const MEMORY_MB: u32 = 1769;
/// Longest timeout that Lambda gives a function, seconds.
const LONGEST_S: u32 = 900;
/// Stages whose images are running at once.
const AT_ONCE: usize = 2;

/// What is to be checked.
#[derive(Clone, Debug)]
pub struct CheckRequest<'a> {
    pub project: &'a Project,
    pub variant: &'a str,
    pub pipeline: &'a str,
    pub image_set: &'a str,
    /// Empty: every stage that the variant has a handler for.
    pub stages: &'a [String],
    /// `None`: the first of the variant's that this machine runs. Another one is emulated.
    pub architecture: Option<Architecture>,
    /// Lambda runtime to run Python code on; `None`: the variant's own.
    pub runtime: Option<&'a str>,
    /// Passes of each image: more than one finds what goes wrong at random.
    pub repetitions: u32,
    /// A picture of every output, not only of the wrong ones.
    pub all_pictures: bool,
}

/// Packages, deploys and checks; blocking. The pictures of an earlier check of the same kind are
/// removed first.
pub fn check(request: &CheckRequest<'_>, progress: &Progress) -> Result<CheckReport, Failure> {
    let subject = Subject::of(request)?;
    let pictures = PicturesFolder::new(request);
    pictures.clear()?;
    if subject.pipeline.stages.is_empty() {
        // No stage has code: that is what there is to say.
        return Ok(subject.report(request, &Seen::default(), &pictures));
    }
    let runtime = threads::runtime()?;
    let configuration = subject.configuration(request);
    let packages = prepare::packages(configuration, std::slice::from_ref(&subject.cell), progress)?;
    subject.emulated_runtime(request, progress)?;
    let working = progress.working("making the reference's outputs");
    let fed = subject.feeds(request)?;
    let seen = runtime.block_on(async {
        let region = &subject.manifest.target.region;
        working.now("starting the local cloud".to_owned());
        let target = Target::emulating(region, request.project.root(), subject.emulator.clone())
            .await
            .map_err(Failure::broken)?;
        drop(working);
        let seen =
            Box::pin(subject.run_in(&target, request, &packages, &fed, &pictures, progress)).await;
        target.close().await;
        seen
    })?;
    Ok(subject.report(request, &seen, &pictures))
}

fn checking(ended: usize, of_all: usize) -> String {
    format!("checking, {ended} of {of_all} outputs so far")
}

/// What the passes gave.
#[derive(Default)]
struct Seen {
    events: Vec<Arc<Event>>,
    /// Each stage's `OUTPUT_PREFIX`.
    prefixes: BTreeMap<String, String>,
    /// Stages with calls of theirs that were refused.
    refused: Vec<(String, CallsRefused)>,
}

impl Seen {
    fn refused_calls<'a>(&'a self, stage: &'a str) -> impl Iterator<Item = &'a CallsRefused> {
        self.refused
            .iter()
            .filter(move |(of, _)| of == stage)
            .map(|(_, refused)| refused)
    }
}

/// Where pictures of a check go.
struct PicturesFolder {
    root: PathBuf,
    folder: String,
}

impl PicturesFolder {
    fn new(request: &CheckRequest<'_>) -> Self {
        let root = request.project.root().join("outputs").join("check");
        Self {
            root,
            folder: format!("{}/{}", request.variant, request.image_set),
        }
    }

    fn clear(&self) -> Result<(), Failure> {
        let path = self.root.join(&self.folder);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::broken(
                miette::miette!("cannot remove {}: {error}", path.display()),
            )),
            _ => Ok(()),
        }
    }
}

/// A variant, its pipeline and a set, read and found usable.
struct Subject {
    manifest: Manifest,
    known: Known,
    capability: darkroom_core::capability::Capability,
    /// The stages that are checked.
    pipeline: Pipeline,
    whole: Pipeline,
    set: ImageSet,
    cell: PlannedCell,
    without_handler: Vec<String>,
    missing: BTreeMap<String, Outcome>,
    /// What runs the code, if not this machine's processor.
    emulator: Option<Emulator>,
    /// It came by `darkroom import`, with names of its own study.
    imported: bool,
}

impl Subject {
    fn of(request: &CheckRequest<'_>) -> Result<Self, Failure> {
        let CheckRequest {
            project,
            variant,
            pipeline,
            image_set,
            stages,
            ..
        } = *request;
        let mentioned = BTreeSet::from([variant, pipeline, image_set].map(str::to_owned));
        let mut known = project.known(&mentioned);
        let mut capability = target::local_capability();
        let mut whole = usable_pipeline(&known, pipeline)?;
        let spec = usable_variant(&known, variant, &whole)?;
        let architecture = architecture(&capability, &spec.architectures, request.architecture)?;
        let runtime = runtime(&capability, &spec, request.runtime)?;
        let emulator = emulator(&capability, architecture)?;
        if emulator.is_some() {
            // As it would be deployed, and with all the time that Lambda gives.
            capability.installs_runtimes = false;
            capability.architectures.push(architecture);
            for stage in &mut whole.stages {
                stage.timeout_s = LONGEST_S;
            }
        }
        if let Some(stage) = stages.iter().find(|stage| whole.stage(stage).is_none()) {
            let names: Vec<&str> = whole
                .stages
                .iter()
                .map(|stage| stage.name.as_str())
                .collect();
            return Err(unknown_name(
                &format!("pipeline {pipeline} has no stage `{stage}`"),
                &names,
            ));
        }
        let asked = |stage: &Stage| stages.is_empty() || stages.contains(&stage.name);
        let (with, without): (Vec<_>, Vec<_>) = whole
            .stages
            .iter()
            .filter(|stage| asked(stage))
            .cloned()
            .partition(|stage| spec.handlers.contains_key(&stage.name));
        let set = usable_set(project, &known, &whole, image_set)?;
        let part = Pipeline {
            stages: with,
            ..whole.clone()
        };
        if let Some(entry) = known.pipelines.get_mut(pipeline) {
            entry.pipeline = Some(part.clone());
        }
        let cell = cell(variant, runtime, image_set, architecture);
        Ok(Self {
            manifest: manifest(pipeline, &cell),
            known,
            capability,
            pipeline: part,
            whole,
            set,
            emulator,
            imported: !spec.imported.is_empty(),
            cell: PlannedCell {
                id: cell.id(),
                model: spec.model,
                sample: spec.sample,
                prompt: spec.prompt,
                not_runnable: None,
                wrong_on_purpose: spec.wrong_on_purpose,
                // Only stages that are there are called.
                missing: BTreeMap::new(),
                cell,
            },
            missing: without
                .iter()
                .filter_map(|stage| {
                    let name = stage.name.clone();
                    Some((name, spec.missing.get(&stage.name)?.clone()))
                })
                .collect(),
            without_handler: without.into_iter().map(|stage| stage.name).collect(),
        })
    }

    /// Installs what the emulated code runs on, where that is Python.
    fn emulated_runtime(
        &self,
        request: &CheckRequest<'_>,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let Some(emulator) = &self.emulator else {
            return Ok(());
        };
        let own = self.known.variant(request.variant);
        let own = own.map(|variant| variant.runtime.as_str());
        let runtime = self
            .cell
            .cell
            .runtime
            .as_deref()
            .or(own)
            .unwrap_or_default();
        if !runtime.starts_with("python") {
            return Ok(());
        }
        let working = progress.working(&format!(
            "installing {} for {}",
            package::runtime_named(runtime),
            emulator.architecture
        ));
        let runtimes = request.project.root().join(".darkroom").join("runtimes");
        let installed = python::emulated_runtime(&runtimes, runtime, emulator);
        drop(working);
        installed.map(drop).map_err(|error| {
            let help = "install what is missing, then run it again; or check on a machine of that \
                architecture";
            Failure::wrong_request(miette::miette!(help = help, "{error}"))
        })
    }

    fn configuration<'a>(&'a self, request: &CheckRequest<'a>) -> Configuration<'a> {
        Configuration {
            project: request.project,
            manifest: &self.manifest,
            known: &self.known,
            capability: &self.capability,
            // Nobody asks what a check costs.
            prices: None,
        }
    }

    /// Returns what each stage is fed, by its name.
    ///
    /// A set for checking feeds the stages that it names as its files are; any other one feeds
    /// every stage what the reference makes of its images.
    fn feeds(&self, request: &CheckRequest<'_>) -> Result<BTreeMap<String, Vec<Image>>, Failure> {
        let wrong = |error| {
            Failure::wrong_request(miette::miette!(
                "image set `{}`: {error}",
                request.image_set
            ))
        };
        let first = self
            .whole
            .stages
            .first()
            .map_or("", |stage| stage.name.as_str());
        let mut feeds: BTreeMap<String, Vec<Image>> = BTreeMap::new();
        for declared in &self.set.images {
            let image = images::read(request.project, request.pipeline, declared).map_err(wrong)?;
            if self.set.purpose == darkroom_core::image_set::Purpose::Check {
                let named = if declared.stages.is_empty() {
                    vec![first.to_owned()]
                } else {
                    declared.stages.clone()
                };
                for stage in named {
                    feeds.entry(stage).or_default().push(image.clone());
                }
                continue;
            }
            let inputs = darkroom_contract::reference_inputs(&self.whole, &image.bytes).map_err(
                |error| {
                    wrong(format!(
                        "cannot make a reference input from image `{}`: {error}",
                        image.name
                    ))
                },
            )?;
            for (stage, bytes) in self.whole.stages.iter().zip(inputs) {
                let extension = darkroom_contract::format_of(&bytes)
                    .map_or("bin", darkroom_core::pipeline::Format::extension);
                let fed = Image {
                    extension: extension.to_owned(),
                    bytes: bytes.into(),
                    ..image.clone()
                };
                feeds.entry(stage.name.clone()).or_default().push(fed);
            }
        }
        Ok(feeds)
    }

    async fn run_in(
        &self,
        target: &Target,
        request: &CheckRequest<'_>,
        packages: &prepare::Packages,
        fed: &BTreeMap<String, Vec<Image>>,
        pictures: &PicturesFolder,
        progress: &Progress,
    ) -> Result<Seen, Failure> {
        let configuration = self.configuration(request);
        let cells = std::slice::from_ref(&self.cell);
        let deployed = Box::pin(prepare::deploy(
            configuration,
            "check",
            cells,
            target,
            packages,
            progress,
        ))
        .await?;
        let no_images = prepare::Images::from([(request.image_set.to_owned(), Vec::new())]);
        let under_test =
            prepare::cells_under_test(configuration, cells, &deployed.deployment, no_images)?;
        let cell = under_test.first().expect("one cell was asked for");
        let (taken, keep) = (
            Arc::new(Mutex::new(Vec::new())),
            if request.all_pictures {
                Keep::All
            } else {
                Keep::EveryWrong
            },
        );
        let images: usize = fed.values().map(Vec::len).sum();
        let of_all = images * request.repetitions as usize;
        let working = progress.working(&checking(0, of_all));
        let events = taken.clone();
        let mut ended = 0;
        let (emitter, thread) = Emitter::to(move |event| {
            if matches!(*event, Event::PipelineFinished(_)) {
                ended += 1;
                working.now(checking(ended, of_all));
            }
            events
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(event);
        });
        let pictures = Arc::new(Pictures::new(pictures.root.clone(), &pictures.folder, keep));
        let of_stage = |index: usize, stage: &Stage| {
            let images = fed.get(&stage.name).cloned().unwrap_or_default();
            let function = cell.deployments[0][index].clone();
            let mut stage = stage.clone();
            if let Some(tolerance) = self.set.tolerances.get(&stage.name) {
                stage.check = tolerance.clone();
            }
            let pipeline = Pipeline {
                stages: vec![stage],
                ..self.whole.clone()
            };
            let cell = CellUnderTest {
                images: images.into(),
                deployments: vec![vec![function]],
                ..cell.clone()
            };
            let setup = setup(
                target,
                &deployed.deployment.bucket,
                pipeline,
                cell,
                pictures.clone(),
            );
            one_by_one(setup, request.repetitions, emitter.clone())
        };
        let passes: Vec<_> = self
            .pipeline
            .stages
            .iter()
            .enumerate()
            .map(|(index, stage)| of_stage(index, stage))
            .collect();
        let done = stream::iter(passes)
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await;
        drop(emitter);
        let _ = thread.join();
        done.map_err(|error| Failure::broken(miette::miette!("{error}")))?;
        let events = std::mem::take(&mut *taken.lock().unwrap_or_else(PoisonError::into_inner));
        let functions = || {
            let functions = cell.deployments[0].iter().flatten();
            self.pipeline.stages.iter().zip(functions)
        };
        let prefixes = functions()
            .map(|(stage, function)| (stage.name.clone(), function.output_prefix.clone()));
        let of_stage = |refused: CallsRefused| {
            let (stage, _) = functions().find(|(_, function)| function.name == refused.function)?;
            Some((stage.name.clone(), refused))
        };
        let refused = target
            .take_refusals()
            .into_iter()
            .filter_map(of_stage)
            .collect();
        Ok(Seen {
            events,
            prefixes: prefixes.collect(),
            refused,
        })
    }

    fn report(
        &self,
        request: &CheckRequest<'_>,
        seen: &Seen,
        pictures: &PicturesFolder,
    ) -> CheckReport {
        let mut checks: BTreeMap<(&str, &str, u32), &OutputCheck> = BTreeMap::new();
        let mut invocations = Vec::new();
        for event in &seen.events {
            match &**event {
                Event::OutputChecked(check) => {
                    checks.insert(
                        (&check.stage, &check.pass.image, check.pass.repetition),
                        check,
                    );
                }
                Event::InvocationFinished(invocation) => invocations.push(invocation),
                _ => {}
            }
        }
        let shown = |name: &String| {
            let path = pictures.root.join(name);
            path.strip_prefix(request.project.root())
                .map_or(path.clone(), ToOwned::to_owned)
        };
        let mut outputs: Vec<(usize, usize, Checked)> = Vec::new();
        let is_emulated = self.emulator.is_some();
        let mut notes = BTreeMap::new();
        for invocation in invocations {
            let key = (invocation.stage.as_str(), invocation.pass.image.as_str());
            let check = checks
                .get(&(key.0, key.1, invocation.pass.repetition))
                .copied();
            let (stage, _) = self
                .whole
                .stage(key.0)
                .expect("a stage of this pipeline was called");
            let (place, image) = self.image(key.1);
            let mut checked = judged(invocation, check, image.expect);
            checked.duration_ms = checked.duration_ms.filter(|_| !is_emulated);
            checked.picture = check.and_then(|check| check.picture.as_ref()).map(shown);
            checked.wrote_elsewhere = names::elsewhere(invocation, &seen.prefixes[key.0]);
            self.excuse(
                &mut checked,
                invocation,
                check,
                &names::kept_from(seen.refused_calls(key.0)),
            );
            if let Some(note) =
                names::would_start(key.0, &checked.wrote_elsewhere).filter(|_| checked.judged)
            {
                notes.entry(stage).or_insert(note);
            }
            // What made it fail is in its error.
            if let Some(refused) = seen
                .refused_calls(key.0)
                .next()
                .filter(|_| checked.judged && checked.error.is_none())
            {
                notes
                    .entry(stage)
                    .or_insert_with(|| names::refused_call_note(key.0, refused));
            }
            outputs.push((stage, place, checked));
        }
        outputs.sort_by_key(|(stage, image, checked)| (*stage, *image, checked.repetition));
        let outputs: Vec<Checked> = outputs.into_iter().map(|(_, _, checked)| checked).collect();
        let any = outputs.iter().any(|output| output.picture.is_some());
        CheckReport {
            variant: request.variant.to_owned(),
            pipeline: request.pipeline.to_owned(),
            image_set: request.image_set.to_owned(),
            notes: notes.into_values().collect(),
            without_handler: self.without_handler.clone(),
            missing: self.missing.clone(),
            not_checked: self.pipeline.demands_not_checked(),
            emulated: self.emulator.as_ref().map(|emulator| {
                let program = emulator.program.file_name().unwrap_or_default();
                let (architecture, program) = (emulator.architecture, program.to_string_lossy());
                format!("{architecture}, emulated by {program}")
            }),
            pictures: any.then(|| shown(&pictures.folder)),
            outputs,
        }
    }

    /// What fails for a name of its study's is not counted against an imported handler's code.
    fn excuse(
        &self,
        checked: &mut Checked,
        invocation: &Invocation,
        check: Option<&OutputCheck>,
        kept_from: &[String],
    ) {
        if checked.pass || !self.imported {
            return;
        }
        let variant = format!("functions/{}/variant.toml", self.cell.cell.variant);
        if let Some(name) = names::of_its_study(
            invocation,
            check,
            &checked.wrote_elsewhere,
            kept_from,
            &variant,
        ) {
            (checked.judged, checked.reason) = (false, Some(name));
        }
    }

    fn image(&self, name: &str) -> (usize, &darkroom_core::image_set::Image) {
        self.set
            .images
            .iter()
            .enumerate()
            .find(|(_, image)| image.name == name)
            .expect("an image of this set was fed")
    }
}

/// Says whether a stage answered as was due.
fn judged(invocation: &Invocation, check: Option<&OutputCheck>, expect: Expect) -> Checked {
    let verdict = check.map(|check| check.verdict.clone());
    let ended_well = invocation.status == Status::Ok;
    let right = verdict.as_ref().is_some_and(|verdict| verdict.pass);
    let failed = || {
        let kind = invocation
            .error_type
            .as_deref()
            .unwrap_or(invocation.status.as_str());
        let error = invocation
            .error
            .as_deref()
            .map(|error| format!(": {}", error.lines().next().unwrap_or_default()));
        format!("{kind}{}", error.unwrap_or_default())
    };
    let wrong = || {
        verdict.as_ref().map_or_else(
            || "not checked".to_owned(),
            |verdict| {
                let detail = verdict
                    .detail
                    .as_deref()
                    .map(|detail| format!(": {detail}"))
                    .unwrap_or_default();
                format!("{}{detail}", verdict.reason.as_deref().unwrap_or("wrong"))
            },
        )
    };
    let reason = match (expect, ended_well) {
        (Expect::Error | Expect::RightOrError, false) => None,
        (Expect::Right, false) => Some(failed()),
        (Expect::Error, true) => {
            Some("it succeeded, but it should have ended in an error".to_owned())
        }
        (_, true) => (!right).then(wrong),
    };
    Checked {
        stage: invocation.stage.clone(),
        image: invocation.pass.image.clone(),
        repetition: invocation.pass.repetition,
        pass: reason.is_none(),
        reason,
        judged: true,
        outcome: Outcome::of_call(invocation, check.map(|check| &check.verdict)),
        wrote_elsewhere: Vec::new(),
        expected: expect.as_str(),
        status: invocation.status,
        error_type: invocation.error_type.clone(),
        error: invocation.error.clone(),
        duration_ms: invocation.report.as_ref().map(|report| report.duration_ms),
        verdict,
        picture: None,
    }
}

fn setup(
    target: &Target,
    bucket: &str,
    pipeline: Pipeline,
    cell: CellUnderTest,
    pictures: Arc<Pictures>,
) -> Setup {
    Setup {
        run_id: format!("check-{}", uuid::Uuid::new_v4().simple()),
        measured: target.measured_lambda(pipeline.longest_stage()),
        control: target.lambda(),
        control_pace: target.control_pace(),
        s3: target.s3(),
        logs: target.logs(),
        metrics: target.metrics(),
        bucket: bucket.to_owned(),
        region: target.region.clone(),
        pipeline,
        cells: vec![cell],
        time_budget: None,
        money_budget: None,
        patience: target.patience,
        lanes: Width::new(1),
        seed: 0,
        vary_inputs: false,
        pictures: Some(pictures),
    }
}

fn unknown_name(what: &str, known: &[&str]) -> Failure {
    let known = if known.is_empty() {
        "there are none".to_owned()
    } else {
        format!("choose from: {}", known.join(", "))
    };
    Failure::wrong_request(miette::miette!(help = known, "{what}"))
}

/// Makes a failure of everything that is wrong with a thing.
fn unusable(what: String, faults: &[Fault]) -> Failure {
    if let [Fault::Said(only)] = faults {
        return Failure::wrong_request(miette::miette!("{what} cannot be used: {only}"));
    }
    Failure::wrong_request(Unusable {
        what,
        faults: faults.to_vec(),
    })
}

fn usable_pipeline(known: &Known, name: &str) -> Result<Pipeline, Failure> {
    let Some(entry) = known.pipelines.get(name) else {
        let names: Vec<&str> = known.pipelines.keys().map(String::as_str).collect();
        return Err(unknown_name(&format!("unknown pipeline `{name}`"), &names));
    };
    entry
        .pipeline
        .clone()
        .ok_or_else(|| unusable(format!("pipeline `{name}`"), &entry.faults))
}

fn usable_variant(
    known: &Known,
    name: &str,
    pipeline: &Pipeline,
) -> Result<darkroom_core::variant::Variant, Failure> {
    let Some(entry) = known.variants.get(name) else {
        let names: Vec<&str> = known.variants.keys().map(String::as_str).collect();
        return Err(unknown_name(&format!("unknown variant `{name}`"), &names));
    };
    let faults = || unusable(format!("variant `{name}`"), &entry.faults);
    let Some(variant) = entry.variant.clone().filter(|_| entry.faults.is_empty()) else {
        return Err(faults());
    };
    if variant.transport != pipeline.transport {
        return Err(Failure::wrong_request(miette::miette!(
            help = known
                .pipelines
                .iter()
                .find(|(_, entry)| entry
                    .pipeline
                    .as_ref()
                    .is_some_and(|other| other.transport == variant.transport))
                .map_or_else(
                    || format!(
                        "no pipeline here has transport {}",
                        variant.transport.as_str()
                    ),
                    |(fitting, _)| format!(
                        "add `--pipeline {fitting}`: of two, the last one counts"
                    )
                ),
            "variant `{name}` is made for transport {}, but pipeline {} has transport {}",
            variant.transport.as_str(),
            pipeline.name,
            pipeline.transport.as_str()
        )));
    }
    Ok(variant)
}

fn usable_set(
    project: &Project,
    known: &Known,
    pipeline: &Pipeline,
    name: &str,
) -> Result<ImageSet, Failure> {
    let sets = &known.pipelines[&pipeline.name].image_sets;
    let Some(entry) = sets.get(name) else {
        let names: Vec<&str> = sets.keys().map(String::as_str).collect();
        return Err(unknown_name(&format!("unknown image set `{name}`"), &names));
    };
    let wrong = |faults: Vec<Fault>| unusable(format!("image set `{name}`"), &faults);
    if !entry.faults.is_empty() {
        return Err(wrong(entry.faults.clone()));
    }
    let set = project.image_set(&pipeline.name, name).map_err(wrong)?;
    let mut named = set
        .images
        .iter()
        .flat_map(|image| &image.stages)
        .chain(set.tolerances.keys());
    match named.find(|stage| pipeline.stage(stage).is_none()) {
        Some(stage) => {
            let fault = format!(
                "it names stage `{stage}`, but pipeline {} has no such stage",
                pipeline.name
            );
            Err(wrong(vec![fault.into()]))
        }
        None => Ok(set),
    }
}

/// Returns the runtime that was asked for, where the variant can run on it.
fn runtime(
    capability: &darkroom_core::capability::Capability,
    spec: &Variant,
    asked: Option<&str>,
) -> Result<Option<String>, Failure> {
    let Some(asked) = asked else {
        return Ok(None);
    };
    if !spec.runtime.starts_with("python") {
        let help = "leave out --runtime: only Python code runs on several";
        let own = &spec.runtime;
        return Err(Failure::wrong_request(miette::miette!(
            help = help,
            "this variant brings its own runtime ({own}) and cannot run on {asked}"
        )));
    }
    if !capability.runtimes.iter().any(|known| known == asked) {
        let help = format!("choose from: {}", capability.runtimes.join(", "));
        let here = &capability.name;
        return Err(Failure::wrong_request(miette::miette!(
            help = help,
            "{here} has no runtime {asked}"
        )));
    }
    Ok(Some(asked.to_owned()))
}

/// Returns what runs code of an architecture here; `None` for this machine's own.
fn emulator(
    capability: &darkroom_core::capability::Capability,
    architecture: Architecture,
) -> Result<Option<Emulator>, Failure> {
    if capability.architectures.contains(&architecture) {
        return Ok(None);
    }
    let found = darkroom_cloud::emulator::find(architecture.as_str());
    found.map(Some).map_err(|error| {
        let help = "install what is missing, then run it again; or check on a machine of that \
            architecture";
        Failure::wrong_request(miette::miette!(help = help, "{error}"))
    })
}

fn architecture(
    capability: &darkroom_core::capability::Capability,
    made_for: &[Architecture],
    asked: Option<Architecture>,
) -> Result<Architecture, Failure> {
    if let Some(asked) = asked {
        let made: Vec<&str> = made_for.iter().map(|it| it.as_str()).collect();
        return made_for.contains(&asked).then_some(asked).ok_or_else(|| {
            let help = format!("choose from: {}", made.join(", "));
            let text = "this variant is not made for";
            Failure::wrong_request(miette::miette!(help = help, "{text} {asked}"))
        });
    }
    let here = capability
        .architectures
        .iter()
        .copied()
        .find(|architecture| made_for.contains(architecture));
    here.ok_or_else(|| {
        let made_for: Vec<&str> = made_for
            .iter()
            .map(|architecture| architecture.as_str())
            .collect();
        let (here, made_for) = (&capability.name, made_for.join(", "));
        Failure::wrong_request(miette::miette!(
            "{here} cannot run this variant: it is made for {made_for}"
        ))
    })
}

fn cell(
    variant: &str,
    runtime: Option<String>,
    image_set: &str,
    architecture: Architecture,
) -> Cell {
    Cell {
        runtime,
        variant: variant.to_owned(),
        architecture,
        memory_mb: MEMORY_MB,
        image_set: image_set.to_owned(),
        trigger: Trigger::Direct,
        input: Input::Chained,
        start: Start::Warm,
        snapstart: SnapStart::Off,
        concurrency: 1,
    }
}

fn manifest(pipeline: &str, cell: &Cell) -> Manifest {
    let Cell {
        variant,
        runtime,
        architecture,
        memory_mb,
        image_set,
        trigger,
        input,
        start,
        snapstart,
        concurrency,
    } = cell.clone();
    Manifest {
        // It sees what is written outside of OUTPUT_PREFIX.
        profile: true,
        experiment: Experiment {
            name: EXPERIMENT.to_owned(),
            pipeline: pipeline.to_owned(),
            seed: 562,
        },
        target: TargetKeys::default(),
        matrix: Matrix {
            own_runtime: BTreeSet::new(),
            variants: vec![variant],
            runtimes: runtime.into_iter().collect(),
            architectures: vec![architecture],
            memory_mb: vec![memory_mb],
            image_sets: vec![image_set],
            trigger: vec![trigger],
            input: vec![input],
            start: vec![start],
            snapstart: vec![snapstart],
            concurrency: vec![concurrency],
            exclude: Vec::new(),
            include: Vec::new(),
        },
        repetitions: Repetitions {
            count: 1,
            warm_up: 0,
            deployments: 1,
            ..Repetitions::default()
        },
        schedule: Schedule::default(),
        budget: Budget::default(),
        output: Output::default(),
    }
}
