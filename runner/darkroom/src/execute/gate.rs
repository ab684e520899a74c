//! Checks a pass's outputs, outside of the timed part: sizes always, contents once per distinct
//! output of a cell.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::operation::head_object::HeadObjectError;
use bytes::Bytes;
use darkroom_contract::Followed;
use darkroom_core::event::{Event, OutputCheck, PassKey, Verdict};
use darkroom_core::pipeline::{Pipeline, Stage};
use sha2::{Digest, Sha256};

use super::pictures::Pictures;
use crate::error_text::error_message;

/// How often an object is read whose body breaks off.
const READS: u32 = 3;

/// What is wrong with an output that was made of another input.
const OTHER_PIXELS: &str = "this is the output for an image with other pixels: the code reuses \
    an earlier output instead of processing this input";

/// An object as HEAD shows it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub bytes: u64,
    /// MD5 of what was written in one part: equal tags are equal contents.
    pub etag: String,
    /// The contents, where they came in an answer and not as an object.
    pub body: Option<Bytes>,
}

impl Seen {
    /// An image that came in an answer.
    pub fn in_answer(body: Bytes) -> Self {
        Self {
            bytes: body.len() as u64,
            etag: sha256(&body),
            body: Some(body),
        }
    }
}

/// A stage whose output is due: what it was given and where it should have written.
pub struct Due<'a> {
    pub stage_index: usize,
    pub input: Given<'a>,
    /// The pass has pixels of its own, so that no other pass's check says anything of it.
    pub own_pixels: Option<OwnPixels>,
    /// What the reference is made of, where that is not the input.
    pub judged_as: Option<&'a Bytes>,
    pub key: &'a str,
    /// The beginning of the stage's answer.
    pub answered: &'a str,
}

/// What the reference feeds a stage, of an image with own pixels and of the same without.
#[derive(Clone)]
pub struct OwnPixels {
    pub own: Bytes,
    pub plain: Bytes,
}

/// What a stage was given.
#[derive(Clone)]
pub enum Given<'a> {
    Bytes(&'a Bytes),
    Object { key: &'a str, seen: Option<Seen> },
}

/// What a look at an output gave: the object, its absence, or why nobody knows.
pub type Look = Result<Option<Seen>, String>;

/// Looks for the object under `key`. That it is absent and that it can't be seen are different
/// answers.
pub async fn look(s3: &aws_sdk_s3::Client, bucket: &str, key: &str) -> Look {
    match s3.head_object().bucket(bucket).key(key).send().await {
        Ok(head) => Ok(Some(Seen {
            bytes: head.content_length().unwrap_or_default().unsigned_abs(),
            etag: head.e_tag().unwrap_or_default().to_owned(),
            body: None,
        })),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(HeadObjectError::is_not_found) =>
        {
            Ok(None)
        }
        Err(error) => Err(error_message(&error)),
    }
}

/// Remembers which outputs have been checked in this session.
#[derive(Default)]
pub struct Gate {
    checked: Mutex<HashSet<[String; 5]>>,
    pictures: Option<Arc<Pictures>>,
    /// Equal outputs are checked each time they come.
    every_time: bool,
}

impl Gate {
    pub fn new(pictures: Option<Arc<Pictures>>) -> Self {
        Self {
            pictures,
            ..Self::default()
        }
    }

    /// A gate that checks equal outputs again.
    pub fn every_time(pictures: Option<Arc<Pictures>>) -> Self {
        Self {
            pictures,
            every_time: true,
            ..Self::default()
        }
    }

    /// Checks one output against the contract, unless the same bytes from the same input have been
    /// checked in this cell.
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
        if !self.every_time && !self.first_time(pass, due, seen) {
            return None;
        }
        let stage = &pipeline.stages[due.stage_index];
        let mut check = OutputCheck {
            pass: pass.clone(),
            stage: stage.name.clone(),
            stage_index: due.stage_index as u32,
            output_sha256: None,
            input_sha256: None,
            picture: None,
            verdict: Verdict::default(),
        };
        match bytes_of(s3, bucket, due, output).await {
            Ok((input, bytes)) => {
                check.input_sha256 = Some(sha256(&input));
                check.output_sha256 = bytes.as_deref().map(sha256);
                let work = Work::new(stage, input, due, bytes);
                check.verdict = work.judge().await;
                if work.output.is_none() {
                    check.verdict.detail = Some(missing(pipeline, stage, due.answered));
                }
                if let Some(pictures) = &self.pictures {
                    check.picture = pictures.keep(pass, &work, check.verdict.pass).await;
                }
            }
            Err(error) => {
                check.verdict = undecided(error);
                // The next of its like is looked at again.
                self.checked
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&like(pass, due, seen));
            }
        }
        Some(Event::OutputChecked(check))
    }

    fn first_time(&self, pass: &PassKey, due: &Due<'_>, output: Option<&Seen>) -> bool {
        self.checked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(like(pass, due, output))
    }
}

/// What outputs have in common that need one check only.
fn like(pass: &PassKey, due: &Due<'_>, output: Option<&Seen>) -> [String; 5] {
    let input = match &due.input {
        Given::Bytes(bytes) if due.own_pixels.is_some() => sha256(bytes),
        Given::Bytes(_) => String::new(),
        Given::Object { seen, .. } => seen
            .as_ref()
            .map(|seen| seen.etag.clone())
            .unwrap_or_default(),
    };
    [
        pass.cell_id.to_string(),
        pass.image.clone(),
        due.stage_index.to_string(),
        input,
        output.map(|seen| seen.etag.clone()).unwrap_or_default(),
    ]
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
        Given::Object { key, seen } => match seen.as_ref().and_then(|seen| seen.body.clone()) {
            Some(body) => body,
            None => fetch(s3, bucket, key).await?,
        },
    };
    let output = match output {
        Ok(Some(Seen {
            body: Some(body), ..
        })) => Some(body.clone()),
        Ok(Some(_)) => Some(fetch(s3, bucket, due.key).await?),
        Ok(None) => None,
        Err(error) => return Err(error.clone()),
    };
    Ok((input, output))
}

/// Says what is missing, and what the function said instead: many a handler catches its error and
/// answers with it.
fn missing(pipeline: &Pipeline, stage: &Stage, answered: &str) -> String {
    let what = if pipeline.answers_with_image(stage) {
        "no image in its answer".to_owned()
    } else {
        format!(
            "no object at the output's key; expected a .{}",
            stage.output.format.extension()
        )
    };
    if answered.is_empty() || answered == "null" {
        what
    } else {
        format!("{what}; it answered {answered}")
    }
}

/// One output with what it is judged by.
#[derive(Clone)]
pub struct Work {
    pub stage: Stage,
    /// What the reference is made of.
    pub input: Bytes,
    pub output: Option<Bytes>,
    given: Bytes,
    own_pixels: Option<OwnPixels>,
}

impl Work {
    fn new(stage: &Stage, given: Bytes, due: &Due<'_>, output: Option<Bytes>) -> Self {
        let input = due.judged_as.unwrap_or(&given).clone();
        Self {
            stage: stage.clone(),
            input,
            output,
            given,
            own_pixels: due.own_pixels.clone(),
        }
    }

    async fn judge(&self) -> Verdict {
        let Self {
            stage,
            input,
            output,
            given,
            own_pixels,
        } = self.clone();
        let check = move || {
            let mut verdict =
                darkroom_contract::check_standing_for(&stage, &given, &input, output.as_deref());
            if let (Some(pixels), Some(output)) = (own_pixels, output)
                && is_of_other_pixels(&stage, &given, &pixels, &output, verdict.pass)
            {
                verdict.pass = false;
                verdict.reason = Some("made of other pixels".into());
                verdict.detail = Some(OTHER_PIXELS.into());
            }
            verdict
        };
        tokio::task::spawn_blocking(check)
            .await
            .unwrap_or_else(|_| {
                undecided(
                    "the check itself failed on this output; please report it as a bug".into(),
                )
            })
    }
}

/// Says whether an output was not made of its own input: it does not follow the pixels, though it
/// passes, or it would pass for the image without own pixels.
fn is_of_other_pixels(
    stage: &Stage,
    given: &Bytes,
    pixels: &OwnPixels,
    output: &Bytes,
    passes: bool,
) -> bool {
    let OwnPixels { own, plain } = pixels;
    let followed = Followed::of(stage, given, own, plain, output);
    followed.is_some_and(|followed| !followed.is_possible())
        && (passes || darkroom_contract::check(stage, plain, Some(output)).pass)
}

/// A verdict for an output that could not be judged: never a pass.
fn undecided(detail: String) -> Verdict {
    Verdict {
        reason: Some("not checked".into()),
        detail: Some(detail),
        ..Verdict::default()
    }
}

/// Reads an object. The SDK asks again where no answer came; a body that breaks off is asked for
/// again here.
async fn fetch(s3: &aws_sdk_s3::Client, bucket: &str, key: &str) -> Result<Bytes, String> {
    let mut broken = String::new();
    for _ in 0..READS {
        let object = s3.get_object().bucket(bucket).key(key).send().await;
        let object = object.map_err(|error| error_message(&error))?;
        match object.body.collect().await {
            Ok(body) => return Ok(body.into_bytes()),
            Err(error) => broken = error.to_string(),
        }
    }
    Err(broken)
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
