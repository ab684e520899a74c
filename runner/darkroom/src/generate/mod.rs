//! Asks a model for a variant: prompts out, answers in, a folder under `functions/` that appears whole or not at all.
//!
//! `Wish` → the variant's folder. Every stage is asked for by itself, with the same prompt whoever is asked; the first
//! answer counts, and what it says is taken as it stands ([`darkroom_core::answer`]). What the gate says of a variant can
//! be sent back for a number of rounds, which are recorded. Knows the project's folders and the endpoint; not HTTP.

mod client;
mod error;
mod folder;
pub mod gate;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use darkroom_core::answer::{self, Code, Unusable};
use darkroom_core::models::Model;
use darkroom_core::pipeline::{Pipeline, Stage};
use darkroom_core::prompt::{self, HANDLER};
use sha2::{Digest, Sha256};

use crate::execute::now;
use crate::exit::Failure;
use crate::project::Project;

pub use client::{Answer, Endpoint, Message};
pub use error::{GenerateError, Problem};
pub use folder::{Ask, Draft, Provenance, earlier_attempts};

/// What a variant is to be made of.
pub struct Wish<'a> {
    pub project: &'a Project,
    pub pipeline: &'a Pipeline,
    /// Stages with their prompts, in order.
    pub prompts: &'a [(&'a Stage, String)],
    /// Name in `models.toml`.
    pub model_name: &'a str,
    pub model: &'a Model,
    /// For example `3.13`.
    pub python: &'a str,
    /// Text of the requirements that the variant is packaged with.
    pub requirements: &'a str,
    /// Folder to be made under `functions/`.
    pub variant: &'a str,
    /// Which independent sample of the model's answers, from 1.
    pub sample: u32,
    /// How often the gate's verdict may be sent back.
    pub repair: u32,
}

/// Says what the gate found wrong, by stage, in a project that holds the variant; empty when all is right.
pub type Gate<'a> = &'a dyn Fn(&Project, &str) -> Result<BTreeMap<String, String>, Failure>;

/// Makes the variant and returns its folder; `None` when Ctrl-C came first. `say` is told of every step.
pub fn generate(
    wish: &Wish<'_>,
    endpoint: &Endpoint<'_>,
    gate: Gate<'_>,
    say: &dyn Fn(&str),
) -> Result<Option<PathBuf>, Failure> {
    let mut asking = Asking::begin(wish, endpoint, say)?;
    for (stage, text) in wish.prompts {
        match asking.first(stage, text) {
            Err(problem) if problem.is_interrupt() => return Ok(None),
            done => done.map_err(|problem| asking.failed(problem))?,
        }
    }
    for round in 1..=wish.repair {
        let verdicts = gate(asking.draft.project(), wish.variant)?;
        let wrong: Vec<_> = wish.prompts.iter().filter(|(stage, _)| verdicts.contains_key(&stage.name)).collect();
        if wrong.is_empty() {
            say("  the gate finds nothing wrong");
            break;
        }
        for (stage, text) in wrong {
            match asking.again(stage, text, &verdicts[&stage.name], round) {
                Err(problem) if problem.is_interrupt() => return Ok(None),
                done => done.map_err(|problem| asking.failed(problem))?,
            }
        }
    }
    asking.draft.publish(&asking.provenance).map(Some).map_err(Failure::broken)
}

/// A variant under way.
struct Asking<'a> {
    wish: &'a Wish<'a>,
    endpoint: &'a Endpoint<'a>,
    say: &'a dyn Fn(&str),
    draft: Draft,
    provenance: Provenance,
    /// The latest answer of each stage.
    answers: BTreeMap<String, String>,
}

impl<'a> Asking<'a> {
    fn begin(wish: &'a Wish<'a>, endpoint: &'a Endpoint<'a>, say: &'a dyn Fn(&str)) -> Result<Self, Failure> {
        let draft = Draft::begin(wish).map_err(Failure::broken)?;
        let provenance = Provenance::of(wish, draft.attempt());
        Ok(Self { wish, endpoint, say, draft, provenance, answers: BTreeMap::new() })
    }

    fn first(&mut self, stage: &Stage, text: &str) -> Result<(), Problem> {
        self.ask(stage, &[Message::user(text)], 0, None)
    }

    fn again(&mut self, stage: &Stage, text: &str, verdict: &str, round: u32) -> Result<(), Problem> {
        let before = self.answers.get(&stage.name).cloned().unwrap_or_default();
        let repair = prompt::repair(stage, verdict);
        let messages = [Message::user(text), Message::assistant(&before), Message::user(&repair)];
        self.ask(stage, &messages, round, Some(verdict))
    }

    /// Asks, keeps the answer word for word, and takes the code out of it.
    fn ask(&mut self, stage: &Stage, messages: &[Message], round: u32, verdict: Option<&str>) -> Result<(), Problem> {
        let what = if round == 0 { String::new() } else { format!(", repair {round}") };
        (self.say)(&format!("  {}{what}: asking {}", stage.name, self.wish.model.id));
        let (asked_at, began) = (now(), Instant::now());
        let answer =
            self.endpoint.ask(messages).map_err(|error| Problem::NoAnswer { stage: stage.name.clone(), error })?;
        let seconds = began.elapsed().as_secs_f64();
        self.draft.keep(&stage.name, round, &answer.text).map_err(Problem::Folder)?;
        let code = self.code(stage, &answer)?;
        self.draft.write_code(stage, &code.text).map_err(Problem::Folder)?;
        let ask = Ask {
            stage: stage.name.clone(),
            round,
            asked_at,
            seconds,
            prompt_sha256: hash_of(messages),
            verdict: verdict.map(ToOwned::to_owned),
            model_answered: answer.model.clone(),
            response_id: answer.id.clone(),
            finish_reason: answer.finish_reason.clone(),
            input_tokens: answer.input_tokens,
            output_tokens: answer.output_tokens,
            cost_usd: self.cost(&answer),
            answer: Draft::answer_name(&stage.name, round),
            answer_sha256: hex::encode(Sha256::digest(&answer.text)),
            rule: code.rule,
        };
        (self.say)(&format!("  {}{what}: {}", stage.name, ask.in_words()));
        self.provenance.asks.push(ask);
        self.answers.insert(stage.name.clone(), answer.text);
        Ok(())
    }

    fn code(&self, stage: &Stage, answer: &Answer) -> Result<Code, Problem> {
        let stage_name = || stage.name.clone();
        if !self.wish.model.is_answered_by(&answer.model) {
            let (asked, answered) = (self.wish.model.id.clone(), answer.model.clone());
            return Err(Problem::Substituted { stage: stage_name(), asked, answered });
        }
        if let Some(words) = &answer.refusal {
            return Err(Problem::Refused { stage: stage_name(), words: words.clone() });
        }
        match answer.finish_reason.as_deref() {
            Some("length") => return Err(Problem::Truncated { stage: stage_name(), tokens: answer.output_tokens }),
            Some("content_filter") => {
                return Err(Problem::Refused { stage: stage_name(), words: "content filter".into() });
            }
            Some("stop") => {}
            // DeepSeek's `insufficient_system_resource`, for one: what is there may be half an answer.
            other => return Err(Problem::Unfinished { stage: stage_name(), reason: other.map(ToOwned::to_owned) }),
        }
        let mut without_python = None;
        let parses = |text: &str| match folder::is_python(self.wish.python, text) {
            Ok(parses) => parses,
            Err(reason) => {
                without_python = Some(reason);
                false
            }
        };
        answer::code(&answer.text, HANDLER, parses).map_err(|error| match without_python {
            Some(reason) if matches!(error, Unusable::NoCode { .. }) => {
                Problem::Unjudged { stage: stage_name(), reason }
            }
            _ => Problem::Unusable { stage: stage_name(), error },
        })
    }

    fn cost(&self, answer: &Answer) -> Option<f64> {
        let price = self.wish.model.price.as_ref()?;
        Some(price.cost_usd(answer.input_tokens?, answer.output_tokens?))
    }

    /// Makes a failure of a problem: nothing of the variant is left, what was answered is kept aside.
    fn failed(&self, problem: Problem) -> Failure {
        Failure::broken(GenerateError::new(problem, self.wish, self.draft.kept()))
    }
}

/// Returns the sha256 of what was sent, hex: of the prompt, and in a repair of the whole conversation.
fn hash_of(messages: &[Message]) -> String {
    match messages {
        [only] => hex::encode(Sha256::digest(&only.content)),
        several => hex::encode(Sha256::digest(serde_json::to_vec(several).expect("messages are plain texts"))),
    }
}
