//! Looks at what a pass wrote, outside the timed path: sizes always, contents once per distinct output of a cell.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use bytes::Bytes;
use darkroom_core::event::{Event, OutputCheck, PassKey, Verdict};
use darkroom_core::pipeline::{Pipeline, Stage};
use sha2::{Digest, Sha256};

/// An object as HEAD shows it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub bytes: u64,
    /// MD5 of what was written in one part: equal tags are equal contents.
    pub etag: String,
}

/// A stage whose output is due: what it was given and where it should have written.
pub struct Due<'a> {
    pub stage_index: usize,
    pub input: Given<'a>,
    pub key: &'a str,
}

/// What a stage was given.
#[derive(Clone)]
pub enum Given<'a> {
    Bytes(&'a Bytes),
    Object { key: &'a str, seen: Option<Seen> },
}

/// What a look at an output gave: the object, its absence, or why nobody knows.
pub type Look = Result<Option<Seen>, String>;

/// Looks for the object under `key`. That it is absent and that it can't be seen are different answers.
pub async fn look(s3: &aws_sdk_s3::Client, bucket: &str, key: &str) -> Look {
    match s3.head_object().bucket(bucket).key(key).send().await {
        Ok(head) => Ok(Some(Seen {
            bytes: head.content_length().unwrap_or_default().unsigned_abs(),
            etag: head.e_tag().unwrap_or_default().to_owned(),
        })),
        Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => Ok(None),
        Err(error) => Err(DisplayErrorContext(error).to_string()),
    }
}

/// Remembers which outputs have been checked in this session.
#[derive(Default)]
pub struct Gate {
    checked: Mutex<HashSet<[String; 5]>>,
}

impl Gate {
    /// Checks one output against the contract, unless the same bytes from the same input have been checked in this cell.
    pub async fn check(
        &self,
        s3: &aws_sdk_s3::Client,
        bucket: &str,
        pipeline: &Pipeline,
        pass: &PassKey,
        due: &Due<'_>,
        output: &Look,
    ) -> Option<Event> {
        let seen = output.as_ref().ok().and_then(Option::as_ref);
        if !self.first_time(pass, due, seen) {
            return None;
        }
        let stage = &pipeline.stages[due.stage_index];
        let mut check = OutputCheck {
            pass: pass.clone(),
            stage: stage.name.clone(),
            stage_index: due.stage_index as u32,
            output_sha256: None,
            input_sha256: None,
            verdict: Verdict::default(),
        };
        match bytes_of(s3, bucket, due, output).await {
            Ok((input, bytes)) => {
                check.input_sha256 = Some(sha256(&input));
                check.output_sha256 = bytes.as_deref().map(sha256);
                check.verdict = judge(stage.clone(), input, bytes).await;
            }
            Err(error) => check.verdict = undecided(error),
        }
        Some(Event::OutputChecked(check))
    }

    fn first_time(&self, pass: &PassKey, due: &Due<'_>, output: Option<&Seen>) -> bool {
        let input = match &due.input {
            Given::Bytes(_) => String::new(),
            Given::Object { seen, .. } => seen.as_ref().map(|seen| seen.etag.clone()).unwrap_or_default(),
        };
        let key = [
            pass.cell_id.to_string(),
            pass.image.clone(),
            due.stage_index.to_string(),
            input,
            output.map(|seen| seen.etag.clone()).unwrap_or_default(),
        ];
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).insert(key)
    }
}

/// Fetches what the stage was given and what it wrote.
async fn bytes_of(
    s3: &aws_sdk_s3::Client,
    bucket: &str,
    due: &Due<'_>,
    output: &Look,
) -> Result<(Bytes, Option<Bytes>), String> {
    let input = match &due.input {
        Given::Bytes(bytes) => (*bytes).clone(),
        Given::Object { key, .. } => fetch(s3, bucket, key).await?,
    };
    let output = match output {
        Ok(Some(_)) => Some(fetch(s3, bucket, due.key).await?),
        Ok(None) => None,
        Err(error) => return Err(error.clone()),
    };
    Ok((input, output))
}

async fn judge(stage: Stage, input: Bytes, output: Option<Bytes>) -> Verdict {
    tokio::task::spawn_blocking(move || darkroom_contract::check(&stage, &input, output.as_deref()))
        .await
        .unwrap_or_else(|_| undecided("the check itself failed on this output; please report it as a bug".into()))
}

/// A verdict for an output that could not be judged: never a pass.
fn undecided(detail: String) -> Verdict {
    Verdict { reason: Some("not checked".into()), detail: Some(detail), ..Verdict::default() }
}

async fn fetch(s3: &aws_sdk_s3::Client, bucket: &str, key: &str) -> Result<Bytes, String> {
    let object = s3.get_object().bucket(bucket).key(key).send().await;
    let object = object.map_err(|error| DisplayErrorContext(error).to_string())?;
    Ok(object.body.collect().await.map_err(|error| error.to_string())?.into_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
