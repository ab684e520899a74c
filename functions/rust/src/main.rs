//! The image pipeline's five stages as one Lambda bootstrap: `_HANDLER` names the stage that this function serves.

mod event;
mod objects;

use darkroom_stages::stages::Stage;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

use event::S3Event;
use objects::Objects;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let stage = Stage::named(&std::env::var("_HANDLER")?)?;
    let objects = Objects::from_environment()?;
    let (stage, objects) = (&stage, &objects);
    run(service_fn(move |event: LambdaEvent<S3Event>| handle(stage, objects, event.payload))).await
}

async fn handle(stage: &Stage, objects: &Objects, event: S3Event) -> Result<Value, Diagnostic> {
    processed(stage, objects, event)
        .await
        .map_err(|error| Diagnostic { error_type: "StageFailed".to_owned(), error_message: error.to_string() })
}

async fn processed(stage: &Stage, objects: &Objects, event: S3Event) -> Result<Value, Error> {
    let source = event.object()?;
    let input = objects.read(&source.bucket, &source.key).await?;
    let output = (stage.run)(&input)?;
    let key = objects.write(&source.key, output, stage.extension).await?;
    Ok(json!({ "bucket": objects.output_bucket(), "key": key }))
}
