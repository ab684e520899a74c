//! What an answer is worth: code that can be called, an outcome of the model, or a problem of the
//! endpoint that says nothing of it.

use std::cell::RefCell;

use darkroom_core::answer::{self, Code, Look};
use darkroom_core::outcome::{Kind, Outcome};
use darkroom_core::pipeline::Stage;
use darkroom_core::prompt::HANDLER;

use super::client::ModelAnswer;
use super::error::Problem;
use super::look::look;
use super::wish::Wish;

/// Takes the code out of an answer, or says what came instead.
///
/// A problem is what no model is to blame for: another one answered, the endpoint does not say that
/// the answer is whole, or no Python here can look at it.
pub fn read(
    wish: &Wish<'_>,
    stage: &Stage,
    answer: &ModelAnswer,
) -> Result<Result<Code, Outcome>, Problem> {
    if let Some(problem) = of_endpoint(wish, stage, answer) {
        return Err(problem);
    }
    if let Some(words) = &answer.refusal {
        return Ok(Err(Outcome::new(Kind::Refused, words)));
    }
    match answer.finish_reason.as_deref() {
        Some("length") => Ok(Err(cut_off(answer.output_tokens))),
        Some("content_filter") => Ok(Err(Outcome::new(Kind::Refused, "content filter"))),
        _ => code(wish, stage, &answer.text),
    }
}

/// Returns what the endpoint did wrong: another model answered, or nothing says that the answer is
/// whole. Such an answer is asked for again.
pub fn of_endpoint(wish: &Wish<'_>, stage: &Stage, answer: &ModelAnswer) -> Option<Problem> {
    if !wish.model.is_answered_by(&answer.model) {
        return Some(Problem::Substituted {
            stage: stage.name.clone(),
            asked: wish.model.id.clone(),
            answered: answer.model.clone(),
        });
    }
    let reason = answer.finish_reason.as_deref();
    let is_whole = matches!(reason, Some("length" | "content_filter" | "stop"));
    // DeepSeek's `insufficient_system_resource`, for one: what is there may be half an answer.
    (answer.refusal.is_none() && !is_whole).then(|| Problem::Unfinished {
        stage: stage.name.clone(),
        reason: reason.map(ToOwned::to_owned),
    })
}

fn cut_off(tokens: Option<u64>) -> Outcome {
    Outcome {
        kind: Kind::CutOff,
        detail: tokens.map(|tokens| format!("after {tokens} tokens")),
    }
}

fn code(wish: &Wish<'_>, stage: &Stage, text: &str) -> Result<Result<Code, Outcome>, Problem> {
    let unseen = RefCell::new(None);
    let found = answer::code(text, HANDLER, |text| {
        look(wish.python, text).unwrap_or_else(|reason| {
            unseen.replace(Some(reason));
            Look::DefinesNot
        })
    });
    match unseen.into_inner() {
        Some(reason) => Err(Problem::Unjudged {
            stage: stage.name.clone(),
            reason,
        }),
        None => Ok(found.map_err(|unusable| unusable.outcome())),
    }
}
