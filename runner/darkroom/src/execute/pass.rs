//! One pass: an image through every stage of one deployment of one cell, called by the runner.
//!
//! Gives each stage its input and measures; afterwards checks the outputs and removes the objects.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use darkroom_core::cell::{Input, Start, Trigger};
use darkroom_core::event::{Again, Event, Invocation, PassKey, PassKind, PipelinePass, Status};
use darkroom_core::ledger::StartKind;
use darkroom_core::pipeline::{PAYLOAD_LIMIT, Transport};
use serde_json::Value;
use tokio::sync::Barrier;

use super::clocks::Clocks;
use super::collect_logs::Served;
use super::event_shape::{
    TemplateValues, given_key, payload_event, s3_event, stem, triggering_key,
};
use super::gate::{Due, Gate, Given, Look, OwnPixels, Seen, look};
use super::invoke::{self, CallAnswer, invoke};
use super::loops;
use super::not_ready;
use super::pacing::Tried;
use super::payload;
use super::reconcile::Recorded;
use super::told_starts;
use super::trigger_s3::{self, Memory};
use super::{CellUnderTest, ExecuteError, Function, Image, Setup, cold, objects};
use crate::record::Emitter;

/// What every pass of a session shares.
pub struct Bench {
    pub setup: Setup,
    pub gate: Gate,
    /// Requests whose environment is not known yet.
    pub served: Served,
    /// What this session recorded of every function.
    pub recorded: Recorded,
    /// What the requests say of the platform's clock.
    pub clocks: Clocks,
    /// What passes that S3 triggers know of one another.
    pub triggered: Memory,
    pub sequence: AtomicU64,
    pub emitter: Emitter,
}

impl Bench {
    /// Emits an invocation and remembers what is to be looked up of it when the session is over.
    pub fn emit_invocation(&self, invocation: Invocation) {
        self.served.remember(&invocation);
        let timeout_s = self
            .setup
            .pipeline
            .stages
            .get(invocation.stage_index as usize)
            .map_or(0, |s| s.timeout_s);
        self.recorded.add(&invocation, timeout_s);
        self.emit(Event::InvocationFinished(invocation));
    }

    /// Emits a fact and counts what it costs.
    pub fn emit(&self, event: Event) {
        if let Some(budget) = &self.setup.money_budget {
            budget.take(&event);
        }
        self.emitter.emit(event);
    }
}

/// One pass to be made.
#[derive(Clone, Debug)]
pub struct Pass {
    pub cell_index: usize,
    pub image_index: usize,
    pub key: PassKey,
    pub scheduled_at: String,
    /// As in [`Invocation::environment_round`].
    pub round: Option<u32>,
    /// Where passes of a warm-up wait for one another before each stage, so that each warms an
    /// environment of its own.
    pub together: Option<Arc<Barrier>>,
    /// How long S3 may take to start a stage before this first warm-up is given up and made again.
    pub delivery: Option<Duration>,
    /// The image with pixels of its own; `None`: that of the set.
    pub image: Option<Arc<Image>>,
    /// As in [`PipelinePass::others_under_way`].
    pub others_under_way: u32,
}

impl Pass {
    pub fn image<'a>(&'a self, cell: &'a CellUnderTest) -> &'a Image {
        self.image
            .as_deref()
            .unwrap_or(&cell.images[self.image_index])
    }
}

/// How a pass ended: what the dispatcher needs to continue.
#[derive(Debug)]
pub struct PassEnded {
    /// The attempt that it was in the end.
    pub key: PassKey,
    pub again: Option<Again>,
    /// Why a function that it was to warm up is not ready.
    pub not_ready: Option<String>,
    /// Whether the platform refused a call of it, for now.
    pub throttled: bool,
}

/// The objects of a pass, by stage index.
pub struct Keys {
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
}

/// What the timed part of a pass gave.
pub struct PassMeasured {
    pub key: PassKey,
    /// In stage order; emitted already.
    pub invocations: Vec<Invocation>,
    /// UTC, just before the first call or the upload.
    pub started_at: String,
    /// Of a chain that ended well, s.
    pub turnaround_s: Option<f64>,
    /// How late `turnaround_s` can be at most, ms.
    pub resolution_ms: f64,
    /// What each stage answered, by stage index, up to the last that was called; empty where the
    /// runner got no answers.
    pub answers: Vec<StageAnswer>,
    /// The upload that starts a chain, ms; `None` where the runner calls.
    pub upload_ms: Option<f64>,
    /// Looks for a chain's final object.
    pub polls: u32,
    /// Whether the upload that starts a chain took effect, or when, is not known.
    pub upload_unanswered: bool,
    /// The stage that S3 did not start in time, in words; of first warm-ups.
    pub undelivered: Option<String>,
    /// Functions of a chain that ran in a loop, which were stopped; `None` where none did.
    pub stopped: Option<Vec<String>>,
}

impl PassMeasured {
    /// A pass of which nothing has been called.
    fn nothing(pass: &Pass) -> Self {
        Self {
            key: pass.key.clone(),
            invocations: Vec::new(),
            started_at: super::now(),
            turnaround_s: None,
            resolution_ms: 0.0,
            answers: Vec::new(),
            upload_ms: None,
            polls: 0,
            upload_unanswered: false,
            undelivered: None,
            stopped: None,
        }
    }
}

/// What a stage that ended well said in its answer.
#[derive(Default)]
pub struct StageAnswer {
    /// base64, as it was given.
    image: Option<String>,
    /// The answer's beginning, for where it gave nothing else.
    beginning: String,
}

/// Longest beginning of an answer that a verdict quotes, characters.
const BEGINNING: usize = 160;
/// Answers of functions that write to S3 are read up to this size, bytes: they hold words, not
/// images.
const READ_ANSWERS: usize = 64 * 1024;

/// Makes one pass and emits its facts. `tried` is how often this session has tried the repetition.
pub async fn run(bench: &Bench, pass: &Pass, tried: Tried) -> Result<PassEnded, ExecuteError> {
    let cell = &bench.setup.cells[pass.cell_index];
    let functions = &cell.deployments[pass.key.deployment as usize - 1];
    let keys = names(bench, cell, functions, pass);
    let made = make(bench, cell, functions, pass, &keys, tried).await;
    // Also what a pass leaves that could not continue: its inputs are right answers.
    clear(bench, &keys).await;
    let (ended, stopped) = made?;
    if let Some(stopped) = &stopped {
        loops::clean_up(&bench.setup, &chain(functions), stopped).await?;
    }
    bench
        .emitter
        .settle()
        .await
        .map_err(|_| ExecuteError::Recording)?;
    Ok(ended)
}

/// Returns the functions of a chain, from the first to the one before the first gap.
fn chain(functions: &[Option<Function>]) -> Vec<Function> {
    functions.iter().map_while(Clone::clone).collect()
}

/// Makes the pass; besides how it ended it says which functions were stopped.
async fn make(
    bench: &Bench,
    cell: &CellUnderTest,
    functions: &[Option<Function>],
    pass: &Pass,
    keys: &Keys,
    tried: Tried,
) -> Result<(PassEnded, Option<Vec<String>>), ExecuteError> {
    if cell.cell.start == Start::Cold {
        let nonce = format!(
            "{}/{}",
            bench.setup.run_id,
            bench.sequence.load(Ordering::Relaxed)
        );
        let renewals = functions
            .iter()
            .flatten()
            .map(|function| cold::renew(&bench.setup, function, &nonce));
        futures::future::try_join_all(renewals).await?;
    }
    let measured = match cell.cell.trigger {
        // Nothing can be called: the pass is a fact all the same, and it is not complete.
        _ if !functions.iter().any(Option::is_some) => PassMeasured::nothing(pass),
        Trigger::Direct => measure(bench, cell, functions, pass, keys).await?,
        Trigger::S3 => trigger_s3::measure(bench, &chain(functions), pass, keys).await?,
    };
    let pass = &Pass {
        key: measured.key.clone(),
        ..pass.clone()
    };
    let looks = look_at_outputs(bench, keys, &measured).await;
    let ended = conclude(bench, cell, pass, &measured, &looks, tried);
    // An attempt that does not count leaves the check to the one that does.
    if pass.key.kind() != PassKind::WarmUp && ended.again.is_none() {
        check_outputs(bench, cell, pass, keys, &looks, &measured.answers).await;
    }
    let (key, again) = (pass.key.clone(), ended.again);
    let warms_up = key.kind() == PassKind::WarmUp;
    let mut refusals = measured.invocations.iter().filter(|_| warms_up);
    let refused = refusals.find_map(not_ready::reason);
    let not_ready = refused.or_else(|| measured.undelivered.clone());
    bench.emit(Event::PipelineFinished(ended));
    let throttled = measured
        .invocations
        .iter()
        .any(|invocation| invocation.status == Status::Throttled);
    let ended = PassEnded {
        key,
        again,
        not_ready,
        throttled,
    };
    Ok((ended, measured.stopped))
}

/// Names the objects of every stage up to the last one that is called; those of a stage that is not
/// called are empty.
fn names(bench: &Bench, cell: &CellUnderTest, functions: &[Option<Function>], pass: &Pass) -> Keys {
    let stem = stem(&bench.setup.run_id, &pass.key, pass.image_index);
    let extension = &pass.image(cell).extension;
    let stages = &bench.setup.pipeline.stages;
    let mut keys = Keys {
        inputs: Vec::with_capacity(stages.len()),
        outputs: Vec::with_capacity(stages.len()),
    };
    let last = functions.iter().rposition(Option::is_some);
    let functions = &functions[..last.map_or(0, |last| last + 1)];
    for (index, function) in functions.iter().enumerate() {
        let Some(function) = function else {
            keys.outputs.push(String::new());
            keys.inputs.push(String::new());
            continue;
        };
        let input = match (index, cell.cell.input) {
            (0, _) => match &function.triggered_by {
                Some(folder) => triggering_key(folder, &stem, extension),
                None => given_key(&stages[0].name, &stem, extension),
            },
            (_, Input::Chained) => keys.outputs[index - 1].clone(),
            (_, Input::Reference) => given_key(
                &stages[index].name,
                &stem,
                stages[index - 1].output.format.extension(),
            ),
        };
        let output =
            facts(bench, function, index, &input).output_key(function.habits.output_key.as_deref());
        keys.outputs.push(output);
        keys.inputs.push(input);
    }
    keys
}

fn facts<'a>(
    bench: &'a Bench,
    function: &'a Function,
    index: usize,
    input_key: &'a str,
) -> TemplateValues<'a> {
    let stage = &bench.setup.pipeline.stages[index];
    TemplateValues {
        bucket: &bench.setup.bucket,
        region: &bench.setup.region,
        prefix: &function.output_prefix,
        stage: &stage.name,
        extension: stage.output.format.extension(),
        input_key,
    }
}

/// Uploads what the runner itself gives to a stage: the image, and with `input = "reference"` every
/// stage's input. Each just before its stage's call: the next stage's input is this one's right
/// answer.
async fn give(
    bench: &Bench,
    image: &Image,
    index: usize,
    input: Input,
    keys: &Keys,
) -> Result<(), ExecuteError> {
    match given_bytes(image, index, input) {
        Some(bytes) if bench.setup.pipeline.transport == Transport::S3 => {
            objects::give(&bench.setup, &keys.inputs[index], bytes).await
        }
        _ => Ok(()),
    }
}

/// Returns the bytes that the runner itself gives to a stage; `None` for a stage fed by its
/// predecessor.
fn given_bytes(image: &Image, stage_index: usize, input: Input) -> Option<&Bytes> {
    match (stage_index, input) {
        (0, _) => Some(&image.bytes),
        (_, Input::Chained) => None,
        (index, Input::Reference) => image.reference_inputs.get()?.get(index),
    }
}

/// The timed part when the runner calls every stage.
///
/// Inputs are uploaded outside of every time that is kept: of a chain before the clock starts, of
/// fed stages between calls, where a pass has no turnaround. Events are made before the clock
/// starts, but for those that hold an image that a stage has yet to answer with: to hand it on is
/// the orchestrator's work, and its time is part of the turnaround.
async fn measure(
    bench: &Bench,
    cell: &CellUnderTest,
    functions: &[Option<Function>],
    pass: &Pass,
    keys: &Keys,
) -> Result<PassMeasured, ExecuteError> {
    let pipeline = &bench.setup.pipeline;
    let image = pass.image(cell);
    let chained = cell.cell.input == Input::Chained;
    if functions[0].is_some() {
        give(bench, image, 0, cell.cell.input, keys).await?;
    }
    let now = super::now();
    let calls = Calls {
        bench,
        functions,
        keys,
        now: &now,
    };
    let mut ready: Vec<Option<Vec<u8>>> = functions
        .iter()
        .enumerate()
        .map(|(index, function)| {
            let _ = function.as_ref()?;
            match (
                pipeline.transport,
                given_bytes(image, index, cell.cell.input),
            ) {
                (Transport::S3, bytes) => Some(calls.s3_event(index, bytes.map(Bytes::len))),
                (Transport::Payload, bytes) => {
                    bytes.map(|bytes| calls.payload_event(index, &payload::encoded(bytes)))
                }
            }
        })
        .collect();
    let mut measured = PassMeasured {
        started_at: now.clone(),
        ..PassMeasured::nothing(pass)
    };
    // Invocations whose start the log must tell; to read it has to wait for the clock.
    let mut held = Vec::new();
    let clock = Instant::now();
    for (index, function) in functions.iter().enumerate() {
        let Some(function) = function else {
            if chained {
                return Ok(measured); // No other stage is reached, in no pass of this cell.
            }
            measured.answers.push(StageAnswer::default());
            continue;
        };
        if index > 0 {
            give(bench, image, index, cell.cell.input, keys).await?;
        }
        meet(pass).await;
        let before = measured
            .answers
            .last()
            .and_then(|told: &StageAnswer| told.image.as_deref());
        let event = ready[index]
            .take()
            .unwrap_or_else(|| calls.payload_event(index, before.unwrap_or_default()));
        let answer = if event.len() as u64 > PAYLOAD_LIMIT {
            invoke::too_large(&pipeline.stages[index].name, event.len())
        } else {
            invoke(&bench.setup.measured, function, event).await
        };
        let answers_with_image = pipeline.answers_with_image(&pipeline.stages[index]);
        let in_vain = answer
            .in_vain
            .then(|| answer.error.clone().unwrap_or_default());
        let (told, reported_ms) = read_answer(function, &answer, answers_with_image);
        let goes_on = answer.status == Status::Ok && (!answers_with_image || told.image.is_some());
        let sequence = bench.sequence.fetch_add(1, Ordering::Relaxed);
        let invocation = fact(bench, pass, function, index, sequence, answer, reported_ms);
        if told_starts::may_be_hidden(&invocation, cell.cell.start == Start::Cold) {
            held.push(measured.invocations.len());
        } else {
            bench.emit_invocation(invocation.clone());
        }
        // A warm-up may be too early; a pass that is measured is not.
        let too_early =
            pass.key.kind() == PassKind::WarmUp && not_ready::reason(&invocation).is_some();
        if let Some(reason) = in_vain.filter(|_| !too_early) {
            release(bench, &mut measured, &held).await;
            return Err(ExecuteError::InVain {
                function: function.name.clone(),
                reason,
            });
        }
        measured.invocations.push(invocation);
        measured.answers.push(told);
        if chained && !goes_on {
            for _ in index + 1..functions.len() {
                meet(pass).await; // The others go on, and wait for it.
            }
            release(bench, &mut measured, &held).await;
            return Ok(measured);
        }
    }
    let turnaround_s = clock.elapsed().as_secs_f64();
    release(bench, &mut measured, &held).await;
    let all_well = measured
        .invocations
        .iter()
        .all(|invocation| invocation.status == Status::Ok);
    Ok(PassMeasured {
        turnaround_s: (chained && all_well).then_some(turnaround_s),
        ..measured
    })
}

/// Emits the invocations that were held back, with what the log says of their start.
async fn release(bench: &Bench, measured: &mut PassMeasured, held: &[usize]) {
    for index in held {
        if let Some(invocation) = measured.invocations.get_mut(*index) {
            told_starts::look_up(bench, invocation).await;
            bench.emit_invocation(invocation.clone());
        }
    }
}

/// Waits until every pass of the same warm-up is here.
async fn meet(pass: &Pass) {
    if let Some(together) = &pass.together {
        together.wait().await;
    }
}

/// Makes the events of a pass.
struct Calls<'a> {
    bench: &'a Bench,
    functions: &'a [Option<Function>],
    keys: &'a Keys,
    now: &'a str,
}

impl Calls<'_> {
    fn s3_event(&self, index: usize, size: Option<usize>) -> Vec<u8> {
        let setup = &self.bench.setup;
        let event = self.own_event(index, None);
        let event = event.unwrap_or_else(|| {
            s3_event(
                &setup.bucket,
                &self.keys.inputs[index],
                size,
                &setup.region,
                self.now,
            )
        });
        event.to_string().into_bytes()
    }

    fn payload_event(&self, index: usize, image: &str) -> Vec<u8> {
        let setup = &self.bench.setup;
        let writes = !setup
            .pipeline
            .answers_with_image(&setup.pipeline.stages[index]);
        let writes_to = writes.then(|| (setup.bucket.as_str(), self.keys.outputs[index].as_str()));
        let event = self
            .own_event(index, Some(image))
            .unwrap_or_else(|| payload_event(image, writes_to));
        event.to_string().into_bytes()
    }

    fn own_event(&self, index: usize, image: Option<&str>) -> Option<Value> {
        let function = self.functions[index].as_ref()?;
        let template = function.habits.event.as_ref()?;
        let facts = facts(self.bench, function, index, &self.keys.inputs[index]);
        Some(facts.own_event(template, &self.keys.outputs[index], image))
    }
}

/// Reads an answer: the image in it, and the time that the handler claims for itself.
fn read_answer(
    function: &Function,
    answer: &CallAnswer,
    answers_with_image: bool,
) -> (StageAnswer, Option<f64>) {
    let beginning =
        String::from_utf8_lossy(&answer.payload[..answer.payload.len().min(4 * BEGINNING)]);
    let mut told = StageAnswer {
        image: None,
        beginning: beginning.chars().take(BEGINNING).collect(),
    };
    if !answers_with_image && answer.payload.len() > READ_ANSWERS {
        return (told, None);
    }
    let Ok(value) = serde_json::from_slice::<Value>(&answer.payload) else {
        return (told, None);
    };
    if answers_with_image {
        told.image = function.habits.image_in(&value);
    }
    (told, function.habits.reported_ms(&value))
}

fn fact(
    bench: &Bench,
    pass: &Pass,
    function: &Function,
    index: usize,
    sequence: u64,
    answer: CallAnswer,
    handler_reported_ms: Option<f64>,
) -> Invocation {
    Invocation {
        pass: pass.key.clone(),
        stage: bench.setup.pipeline.stages[index].name.clone(),
        stage_index: index as u32,
        function: function.name.clone(),
        sequence,
        scheduled_at: pass.scheduled_at.clone(),
        started_at: answer.started_at,
        ended_at: None,
        trigger_delay_ms: None,
        client_ms: Some(answer.client_ms),
        status: answer.status,
        error_type: answer.error_type,
        error: answer.error,
        error_at: answer.error_at,
        request_id: answer.request_id,
        report: answer.report,
        init_to_start_ms: None,
        environment_id: None,
        environment_round: pass.round,
        code_sha256: function.code_sha256.clone(),
        bytes_in: None,
        bytes_out: None,
        handler_reported_ms,
        profile: answer.profile,
    }
}

/// Looks at the output of every stage that ended well; a stage that failed or was not reached owes
/// none.
async fn look_at_outputs(bench: &Bench, keys: &Keys, measured: &PassMeasured) -> Vec<Option<Look>> {
    let pipeline = &bench.setup.pipeline;
    let looks = keys.outputs.iter().enumerate().map(async |(index, key)| {
        let due = measured.invocations.iter().any(|invocation| {
            invocation.stage_index as usize == index && invocation.status == Status::Ok
        });
        if !due {
            return None;
        }
        if pipeline.answers_with_image(&pipeline.stages[index]) {
            let image = measured
                .answers
                .get(index)
                .and_then(|told| told.image.as_deref());
            return Some(Ok(
                image.map(|image| Seen::in_answer(payload::decoded(image)))
            ));
        }
        Some(look(&bench.setup.s3, &bench.setup.bucket, key).await)
    });
    futures::future::join_all(looks).await
}

fn conclude(
    bench: &Bench,
    cell: &CellUnderTest,
    pass: &Pass,
    measured: &PassMeasured,
    looks: &[Option<Look>],
    tried: Tried,
) -> PipelinePass {
    let stages = &bench.setup.pipeline.stages;
    let written = |index: usize| {
        let look = looks.get(index)?.as_ref()?;
        look.as_ref().ok()?.as_ref()
    };
    let failed = (0..stages.len()).find(|index| written(*index).is_none());
    let output_bytes: Vec<Option<u64>> = (0..stages.len())
        .map(|index| written(index).map(|seen| seen.bytes))
        .collect();
    let image = pass.image(cell);
    let input_bytes = (0..stages.len())
        .map(|index| match given_bytes(image, index, cell.cell.input) {
            Some(bytes) => Some(bytes.len() as u64),
            None => output_bytes[index - 1],
        })
        .collect();
    PipelinePass {
        pass: pass.key.clone(),
        started_at: measured.started_at.clone(),
        turnaround_s: measured.turnaround_s.filter(|_| failed.is_none()),
        resolution_ms: measured.resolution_ms,
        upload_ms: measured.upload_ms,
        complete: failed.is_none(),
        failed_stage: failed.map(|index| stages[index].name.clone()),
        again: again(cell, pass, measured, looks).filter(|again| tried.once_more(*again)),
        input_bytes,
        output_bytes,
        polls: measured.polls,
        others_under_way: Some(pass.others_under_way),
    }
}

/// Says whether the pass was not what its cell asked for. A warm-up is whatever it is.
fn again(
    cell: &CellUnderTest,
    pass: &Pass,
    measured: &PassMeasured,
    looks: &[Option<Look>],
) -> Option<Again> {
    let invocations = &measured.invocations;
    // A loop is the code's doing: it would be there again.
    if pass.key.kind() == PassKind::WarmUp || invocations.iter().any(Invocation::is_loop) {
        return None;
    }
    if invocations
        .iter()
        .any(|invocation| invocation.status == Status::Throttled)
    {
        return Some(Again::Throttled);
    }
    let unseen = looks.iter().any(|look| matches!(look, Some(Err(_))));
    if unseen
        || measured.upload_unanswered
        || invocations.iter().any(Invocation::may_have_run_unseen)
    {
        return Some(Again::Unanswered);
    }
    if invocations
        .iter()
        .any(|invocation| invocation.status != Status::Ok)
    {
        return None; // A failure is an answer, and its environment may well have died with it.
    }
    let asked = StartKind::asked(&cell.cell);
    let starts = || invocations.iter().filter_map(StartKind::of_invocation);
    let wrong = starts().any(|start| start.is_wrong(asked));
    let ahead = starts().any(|start| start == StartKind::Proactive);
    match (wrong, ahead) {
        (true, _) => Some(Again::WrongStart),
        (false, true) => Some(Again::Proactive),
        (false, false) => None,
    }
}

async fn check_outputs(
    bench: &Bench,
    cell: &CellUnderTest,
    pass: &Pass,
    keys: &Keys,
    looks: &[Option<Look>],
    answers: &[StageAnswer],
) {
    let image = pass.image(cell);
    let Setup {
        s3,
        bucket,
        pipeline,
        ..
    } = &bench.setup;
    for (stage_index, look) in looks.iter().enumerate() {
        let Some(look) = look else { continue };
        let input = match given_bytes(image, stage_index, cell.cell.input) {
            Some(bytes) => Given::Bytes(bytes),
            None => match looks[stage_index - 1].as_ref() {
                Some(Ok(Some(seen))) => Given::Object {
                    key: &keys.inputs[stage_index],
                    seen: Some(seen.clone()),
                },
                _ => continue, // Its predecessor wrote nothing, and that is said there.
            },
        };
        let due = Due {
            stage_index,
            input,
            own_pixels: own_pixels(pass, cell, stage_index),
            judged_as: image.judged_as.as_ref().filter(|_| stage_index == 0),
            key: &keys.outputs[stage_index],
            answered: answers.get(stage_index).map_or("", |told| &told.beginning),
        };
        if let Some(event) = bench
            .gate
            .check(s3, bucket, pipeline, &pass.key, &due, look)
            .await
        {
            bench.emitter.emit(event);
        }
    }
}

/// Returns what tells an output of this pass from one of the set's image, if the pass has pixels of
/// its own.
fn own_pixels(pass: &Pass, cell: &CellUnderTest, stage_index: usize) -> Option<OwnPixels> {
    let fed = |image: &Image| image.reference_inputs.get()?.get(stage_index).cloned();
    Some(OwnPixels {
        own: fed(pass.image.as_deref()?)?,
        plain: fed(&cell.images[pass.image_index])?,
    })
}

/// Removes the pass's objects.
pub async fn clear(bench: &Bench, keys: &Keys) {
    let keys = keys.inputs.iter().chain(&keys.outputs);
    let named = keys.map(String::as_str).filter(|key| !key.is_empty());
    objects::remove(&bench.setup, named).await;
}
