//! The image pipeline's five stages as one Lambda bootstrap: `_HANDLER` names the stage that this
//! function serves.

mod event;
mod objects;
mod profile;

use darkroom_stages::stages::Stage;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

use event::S3Event;
use objects::Objects;
use profile::Profiler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let stage = Stage::named(&std::env::var("_HANDLER")?)?;
    let objects = Objects::from_environment()?;
    let profiler = Profiler::from_environment();
    let (stage, objects, profiler, mut number) = (&stage, &objects, profiler.as_ref(), 0);
    let handler = move |event: LambdaEvent<S3Event>| {
        number += 1;
        profiled(stage, objects, profiler, number, event)
    };
    run(service_fn(handler)).await
}

async fn profiled(
    stage: &Stage,
    objects: &Objects,
    profiler: Option<&Profiler>,
    number: u64,
    event: LambdaEvent<S3Event>,
) -> Result<Value, Diagnostic> {
    let Some(profiler) = profiler else {
        return handle(stage, objects, event.payload).await;
    };
    let request_id = event.context.request_id;
    let before = profiler.look();
    let answer = handle(stage, objects, event.payload).await;
    let (s3, s3_calls) = objects.take_spent();
    profiler.say(&before, &request_id, number, s3, s3_calls);
    answer
}

async fn handle(stage: &Stage, objects: &Objects, event: S3Event) -> Result<Value, Diagnostic> {
    processed(stage, objects, event)
        .await
        .map_err(|error| Diagnostic {
            error_type: "StageFailed".to_owned(),
            error_message: error.to_string(),
        })
}

async fn processed(stage: &Stage, objects: &Objects, event: S3Event) -> Result<Value, Error> {
    let source = event.object()?;
    let input = objects.read(&source.bucket, &source.key).await?;
    let output = (stage.run)(&input)?;
    let key = objects.write(&source.key, output, stage.extension).await?;
    Ok(json!({ "bucket": objects.output_bucket(), "key": key }))
}
