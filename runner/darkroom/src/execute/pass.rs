//! One pass: an image through every stage of one deployment of one cell, called by the runner.
//!
//! Prepares the input object, measures, and only then looks at what was written and clears it away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;
use darkroom_core::cell::{Input, Start, Trigger};
use darkroom_core::event::{Again, Event, Invocation, PassKey, PipelinePass, Status};
use tokio::sync::Barrier;

use super::collect_logs::Served;
use super::event_shape::{s3_event, stem};
use super::gate::{Due, Gate, Given, Look, look};
use super::invoke::{Answer, invoke};
use super::reconcile::Recorded;
use super::trigger_s3::{self, Memory};
use super::{CellUnderTest, ExecuteError, Function, Setup, cold};
use crate::record::Emitter;

/// What every pass of a session shares.
pub struct Bench {
    pub setup: Setup,
    pub gate: Gate,
    /// Requests whose environment is not known yet.
    pub served: Served,
    /// What this session recorded of every function.
    pub recorded: Recorded,
    /// What passes that S3 triggers know of one another.
    pub triggered: Memory,
    pub sequence: AtomicU64,
    pub emitter: Emitter,
}

impl Bench {
    /// Emits an invocation and remembers what is to be looked up of it when the session is over.
    pub fn emit_invocation(&self, invocation: Invocation) {
        self.served.remember(&invocation);
        self.recorded.add(&invocation);
        self.emitter.emit(Event::InvocationFinished(invocation));
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
    /// Where passes of a warm-up wait for one another before each stage, so that each warms an environment of its own.
    pub together: Option<Arc<Barrier>>,
}

/// How a pass ended: what the dispatcher needs to go on.
#[derive(Debug)]
pub struct PassEnded {
    /// The attempt that it was in the end.
    pub key: PassKey,
    pub again: Option<Again>,
}

/// The objects of a pass, by stage index.
pub struct Keys {
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
}

/// What the timed part of a pass gave.
pub struct Measured {
    pub key: PassKey,
    /// In stage order, from the first; emitted already.
    pub invocations: Vec<Invocation>,
    /// UTC, just before the first call or the upload.
    pub started_at: String,
    /// Of a chain that ended well, s.
    pub turnaround_s: Option<f64>,
    /// How late `turnaround_s` can be at most, ms.
    pub resolution_ms: f64,
    /// The upload that starts a chain, ms; `None` where the runner calls.
    pub upload_ms: Option<f64>,
}

/// Makes one pass and emits its facts. `may_repeat` is false on the last attempt allowed.
pub async fn run(bench: &Bench, pass: &Pass, may_repeat: bool) -> Result<PassEnded, ExecuteError> {
    let cell = &bench.setup.cells[pass.cell_index];
    let functions = &cell.deployments[pass.key.deployment as usize - 1];
    let keys = names(bench, cell, functions, pass);
    if cell.cell.trigger == Trigger::Direct {
        put_inputs(bench, cell, pass, &keys).await?;
    }
    if cell.cell.start == Start::Cold {
        let nonce = format!("{}/{}", bench.setup.run_id, bench.sequence.load(Ordering::Relaxed));
        let renewals = functions.iter().map(|function| cold::renew(&bench.setup.control, function, &nonce));
        futures::future::try_join_all(renewals).await?;
    }
    let measured = match cell.cell.trigger {
        Trigger::Direct => measure(bench, cell, functions, pass, &keys).await,
        Trigger::S3 => trigger_s3::measure(bench, functions, pass, &keys).await?,
    };
    let pass = &Pass { key: measured.key.clone(), ..pass.clone() };
    let looks = look_at_outputs(bench, &keys, &measured.invocations).await;
    let ended = conclude(bench, cell, pass, &measured, &looks, may_repeat);
    // An attempt that does not count leaves the check to the one that does.
    if !pass.key.warm_up && ended.again.is_none() {
        check_outputs(bench, cell, pass, &keys, &looks).await;
    }
    let (key, again) = (pass.key.clone(), ended.again);
    bench.emitter.emit(Event::PipelineFinished(ended));
    clear(bench, &keys).await;
    bench.emitter.settle().await.map_err(|_| ExecuteError::Recording)?;
    Ok(PassEnded { key, again })
}

fn names(bench: &Bench, cell: &CellUnderTest, functions: &[Function], pass: &Pass) -> Keys {
    let stem = stem(&bench.setup.run_id, &pass.key, pass.image_index);
    let extension = &cell.images[pass.image_index].extension;
    let stages = &bench.setup.pipeline.stages;
    let outputs: Vec<String> = functions
        .iter()
        .zip(stages)
        .map(|(function, stage)| format!("{}{stem}.{}", function.output_prefix, stage.output.format.extension()))
        .collect();
    let inputs = (0..stages.len())
        .map(|index| match (index, cell.cell.input) {
            (0, _) => {
                let folder = functions[0].triggered_by.as_deref().unwrap_or("input/");
                format!("{folder}{stem}.{extension}")
            }
            (_, Input::Chained) => outputs[index - 1].clone(),
            (_, Input::Reference) => {
                format!("input/{}/{stem}.{}", stages[index].name, stages[index - 1].output.format.extension())
            }
        })
        .collect();
    Keys { inputs, outputs }
}

/// Uploads what the runner itself provides: the image, and with `input = "reference"` every stage's input.
async fn put_inputs(bench: &Bench, cell: &CellUnderTest, pass: &Pass, keys: &Keys) -> Result<(), ExecuteError> {
    let image = &cell.images[pass.image_index];
    let provided = match cell.cell.input {
        Input::Chained => 1,
        Input::Reference => keys.inputs.len(),
    };
    for (index, key) in keys.inputs.iter().take(provided).enumerate() {
        let bytes = given_bytes(image, index, cell.cell.input).expect("the runner provides this stage's input").clone();
        let put = bench.setup.s3.put_object().bucket(&bench.setup.bucket).key(key).body(ByteStream::from(bytes));
        put.send().await.map_err(|error| ExecuteError::Upload {
            key: key.clone(),
            reason: DisplayErrorContext(error).to_string(),
        })?;
    }
    Ok(())
}

/// Returns the bytes that the runner itself gives to a stage; `None` for a stage fed by its predecessor.
fn given_bytes(image: &super::Image, stage_index: usize, input: Input) -> Option<&Bytes> {
    match (stage_index, input) {
        (0, _) => Some(&image.bytes),
        (_, Input::Chained) => None,
        (index, Input::Reference) => image.reference_inputs.get(index),
    }
}

/// The timed part when the runner calls every stage.
async fn measure(bench: &Bench, cell: &CellUnderTest, functions: &[Function], pass: &Pass, keys: &Keys) -> Measured {
    let image = &cell.images[pass.image_index];
    let chained = cell.cell.input == Input::Chained;
    let now = super::now();
    let payloads: Vec<Vec<u8>> = keys
        .inputs
        .iter()
        .enumerate()
        .map(|(index, key)| {
            let size = given_bytes(image, index, cell.cell.input).map(Bytes::len);
            s3_event(&bench.setup.bucket, key, size, &bench.setup.region, &now).to_string().into_bytes()
        })
        .collect();
    let mut invocations = Vec::with_capacity(functions.len());
    let measured = |invocations, turnaround_s| Measured {
        key: pass.key.clone(),
        invocations,
        started_at: now.clone(),
        turnaround_s,
        resolution_ms: 0.0,
        upload_ms: None,
    };
    let clock = Instant::now();
    for (index, (function, payload)) in functions.iter().zip(payloads).enumerate() {
        meet(pass).await;
        let answer = invoke(&bench.setup.measured, &function.name, payload).await;
        let ended_well = answer.status == Status::Ok;
        let sequence = bench.sequence.fetch_add(1, Ordering::Relaxed);
        let invocation = fact(bench, pass, function, index, sequence, answer);
        bench.emit_invocation(invocation.clone());
        invocations.push(invocation);
        if chained && !ended_well {
            for _ in index + 1..functions.len() {
                meet(pass).await; // The others go on, and wait for it.
            }
            return measured(invocations, None);
        }
    }
    let turnaround_s = clock.elapsed().as_secs_f64();
    let all_well = invocations.iter().all(|invocation| invocation.status == Status::Ok);
    measured(invocations, (chained && all_well).then_some(turnaround_s))
}

/// Waits until every pass of the same warm-up is here.
async fn meet(pass: &Pass) {
    if let Some(together) = &pass.together {
        together.wait().await;
    }
}

fn fact(bench: &Bench, pass: &Pass, function: &Function, index: usize, sequence: u64, answer: Answer) -> Invocation {
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
        request_id: answer.request_id,
        report: answer.report,
        environment_id: None,
        environment_round: pass.round,
        code_sha256: function.code_sha256.clone(),
        bytes_in: None,
        bytes_out: None,
        handler_reported_ms: None,
    }
}

/// Looks at the output of every stage that ended well; a stage that failed or was not reached owes none.
async fn look_at_outputs(bench: &Bench, keys: &Keys, invocations: &[Invocation]) -> Vec<Option<Look>> {
    let looks = keys.outputs.iter().enumerate().map(async |(index, key)| {
        let due = invocations.get(index).is_some_and(|invocation| invocation.status == Status::Ok);
        if due { Some(look(&bench.setup.s3, &bench.setup.bucket, key).await) } else { None }
    });
    futures::future::join_all(looks).await
}

fn conclude(
    bench: &Bench,
    cell: &CellUnderTest,
    pass: &Pass,
    measured: &Measured,
    looks: &[Option<Look>],
    may_repeat: bool,
) -> PipelinePass {
    let stages = &bench.setup.pipeline.stages;
    let written = |index: usize| looks[index].as_ref().and_then(|look| look.as_ref().ok()?.as_ref());
    let failed = (0..stages.len()).find(|index| written(*index).is_none());
    let output_bytes: Vec<Option<u64>> = (0..stages.len()).map(|index| written(index).map(|seen| seen.bytes)).collect();
    let image = &cell.images[pass.image_index];
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
        again: again(cell, pass, &measured.invocations).filter(|_| may_repeat),
        input_bytes,
        output_bytes,
    }
}

/// Says whether the pass was not what its cell asked for. A warm-up is whatever it is.
fn again(cell: &CellUnderTest, pass: &Pass, invocations: &[Invocation]) -> Option<Again> {
    if pass.key.warm_up {
        return None;
    }
    if invocations.iter().any(|invocation| invocation.status == Status::Throttled) {
        return Some(Again::Throttled);
    }
    if invocations.iter().any(|invocation| invocation.status != Status::Ok) {
        return None; // A failure is an answer, and its environment may well have died with it.
    }
    let asked_cold = cell.cell.start == Start::Cold;
    let wrong = |invocation: &Invocation| invocation.report.as_ref().is_some_and(|r| r.init_ms.is_some() != asked_cold);
    invocations.iter().any(wrong).then_some(Again::WrongStart)
}

async fn check_outputs(bench: &Bench, cell: &CellUnderTest, pass: &Pass, keys: &Keys, looks: &[Option<Look>]) {
    let Setup { s3, bucket, pipeline, .. } = &bench.setup;
    for (stage_index, look) in looks.iter().enumerate() {
        let Some(look) = look else { continue };
        let input = match given_bytes(&cell.images[pass.image_index], stage_index, cell.cell.input) {
            Some(bytes) => Given::Bytes(bytes),
            None => match looks[stage_index - 1].as_ref() {
                Some(Ok(Some(seen))) => Given::Object { key: &keys.inputs[stage_index], seen: Some(seen.clone()) },
                _ => continue, // Its predecessor wrote nothing, and that is said there.
            },
        };
        let due = Due { stage_index, input, key: &keys.outputs[stage_index] };
        if let Some(event) = bench.gate.check(s3, bucket, pipeline, &pass.key, &due, look).await {
            bench.emitter.emit(event);
        }
    }
}

/// Removes the pass's objects. What can't be removed now goes with the bucket.
pub async fn clear(bench: &Bench, keys: &Keys) {
    let all = keys.inputs.iter().chain(&keys.outputs);
    let objects = all.filter_map(|key| ObjectIdentifier::builder().key(key).build().ok()).collect();
    if let Ok(delete) = Delete::builder().quiet(true).set_objects(Some(objects)).build() {
        let _ = bench.setup.s3.delete_objects().bucket(&bench.setup.bucket).delete(delete).send().await;
    }
}
