//! Asks a model for a variant: prompts out, answers in, a folder under `functions/` that appears
//! whole or not at all.
//!
//! `Wish` → the variant's folder. Every stage is asked for by itself, with the same prompt whoever
//! is asked; the first answer counts, and what it says is taken as it stands
//! ([`darkroom_core::answer`]). What the gate says of a variant can be sent back for a number of
//! rounds, which are recorded. An answer that was given is not asked for again ([`record`]), and a
//! round of repair that can't be carried through leaves the variant of the round before. Knows the
//! project's folders and the endpoint; not HTTP.

mod client;
mod error;
mod folder;
pub mod gate;
mod record;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::Instant;

use darkroom_core::answer::{self, Code, Unusable};
use darkroom_core::models::Model;
use darkroom_core::pipeline::{Pipeline, Stage};
use darkroom_core::prompt::{self, HANDLER};

use self::record::{Kept, Known, Record};
use crate::execute::now;
use crate::exit::Failure;
use crate::project::Project;
use crate::provenance::{Ask, Provenance, Stopped, hash};

pub use client::{Endpoint, Message, ModelAnswer};
pub use error::{GenerateError, Problem};
pub use folder::Draft;

/// What a variant is to be made of.
pub struct Wish<'a> {
    pub project: &'a Project,
    pub pipeline: &'a Pipeline,
    /// Stages with their prompts, in order.
    pub prompts: &'a [(&'a Stage, String)],
    /// The user's own text that the prompts were made of, where it was not the standard one.
    pub template: Option<&'a str>,
    /// Sent before every prompt as the system's message.
    pub system: Option<&'a str>,
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
    /// Ask also for what was answered in an earlier attempt.
    pub ask_again: bool,
}

impl Wish<'_> {
    /// Returns the messages that a conversation begins with.
    fn opening(&self, prompt: &str) -> Vec<Message> {
        self.system
            .map(Message::system)
            .into_iter()
            .chain([Message::user(prompt)])
            .collect()
    }
}

/// A variant that was made.
pub struct Made {
    pub folder: PathBuf,
    /// Why the last round of repair could not be carried through, where it could not.
    pub stopped: Option<Stopped>,
}

/// Says what the gate found wrong, by stage, in a project that holds the variant; empty when all is
/// right.
pub type Gate<'a> = &'a dyn Fn(&Project, &str) -> Result<BTreeMap<String, String>, Failure>;

/// Makes the variant; `None` when Ctrl-C came first. `say` is told of every step.
pub fn generate(
    wish: &Wish<'_>,
    endpoint: &Endpoint<'_>,
    gate: Gate<'_>,
    say: &dyn Fn(&str),
) -> Result<Option<Made>, Failure> {
    let mut asking = Asking::begin(wish, endpoint, say)?;
    for (stage, text) in wish.prompts {
        match asking.first(stage, text) {
            Err(problem) if problem.is_interrupt() => return Ok(None),
            done => done.map_err(|problem| asking.failed(problem))?,
        }
    }
    for round in 1..=wish.repair {
        asking
            .draft
            .write_provenance(&asking.provenance)
            .map_err(Failure::broken)?;
        let verdicts = gate(asking.draft.project(), wish.variant)?;
        if !wish
            .prompts
            .iter()
            .any(|(stage, _)| verdicts.contains_key(&stage.name))
        {
            say("  all outputs passed the check");
            break;
        }
        match asking.repair(&verdicts, round) {
            Ok(()) => {}
            Err(problem) if problem.is_interrupt() => return Ok(None),
            Err(problem) if problem.ends_the_round() => break,
            Err(problem) => return Err(asking.failed(problem)),
        }
    }
    let folder = asking
        .draft
        .publish(&asking.provenance)
        .map_err(Failure::broken)?;
    Ok(Some(Made {
        folder,
        stopped: asking.provenance.repair_stopped,
    }))
}

/// A variant under way.
struct Asking<'a> {
    wish: &'a Wish<'a>,
    endpoint: &'a Endpoint<'a>,
    say: &'a dyn Fn(&str),
    record: Record,
    draft: Draft,
    provenance: Provenance,
    /// The latest answer of each stage.
    answers: BTreeMap<String, String>,
}

/// An answer with the code in it, not yet part of the draft.
struct Usable<'a> {
    stage: &'a Stage,
    round: u32,
    kept: Kept,
    code: Code,
}

impl<'a> Asking<'a> {
    fn begin(
        wish: &'a Wish<'a>,
        endpoint: &'a Endpoint<'a>,
        say: &'a dyn Fn(&str),
    ) -> Result<Self, Failure> {
        let record = Record::begin(wish.project, wish.variant).map_err(Failure::broken)?;
        let draft = Draft::begin(wish).map_err(Failure::broken)?;
        let provenance = folder::provenance_of(wish, record.attempt);
        Ok(Self {
            wish,
            endpoint,
            say,
            record,
            draft,
            provenance,
            answers: BTreeMap::new(),
        })
    }

    fn first(&mut self, stage: &'a Stage, text: &str) -> Result<(), Problem> {
        let usable = self.answer(stage, &self.wish.opening(text), 0, None)?;
        self.take(usable)
    }

    /// Sends back what the gate finds wrong. Nothing of the draft changes before every stage has
    /// its answer, so that a round is carried through or leaves the variant of the round before;
    /// provenance says which.
    fn repair(&mut self, verdicts: &BTreeMap<String, String>, round: u32) -> Result<(), Problem> {
        let wish = self.wish;
        let mut usable = VecDeque::new();
        for (stage, text) in wish.prompts {
            let Some(verdict) = verdicts.get(&stage.name) else {
                continue;
            };
            let before = self.answers.get(&stage.name).cloned().unwrap_or_default();
            let repair = prompt::repair(stage, verdict);
            let mut messages = wish.opening(text);
            messages.extend([Message::assistant(&before), Message::user(&repair)]);
            match self.answer(stage, &messages, round, Some(verdict)) {
                Ok(answer) => usable.push_back(answer),
                Err(problem) => {
                    let answers_left_out = usable
                        .iter()
                        .map(|answer: &Usable<'_>| answer.stage.name.clone())
                        .collect();
                    let reason = problem.to_string();
                    self.provenance.repair_stopped = Some(Stopped {
                        round,
                        reason,
                        answers_left_out,
                    });
                    return Err(problem);
                }
            }
        }
        usable.into_iter().try_for_each(|answer| self.take(answer))
    }

    /// Returns the answer to a question: the one on record, or the endpoint's, which is put on
    /// record first.
    fn answer(
        &self,
        stage: &'a Stage,
        messages: &[Message],
        round: u32,
        verdict: Option<&str>,
    ) -> Result<Usable<'a>, Problem> {
        let (name, what) = named(stage, round);
        let question_sha256 = record::question(self.wish, &stage.name, round, messages);
        let earlier = if self.wish.ask_again {
            Vec::new()
        } else {
            self.record.answers(&name, &question_sha256)
        };
        for kept in earlier {
            // One that can't be used is asked again: nothing else leads on.
            if let Ok(code) = self.code(stage, &kept.answer) {
                (self.say)(&format!(
                    "  {what}: answered in attempt {}, not asked again",
                    kept.known.attempt
                ));
                return Ok(Usable {
                    stage,
                    round,
                    kept,
                    code,
                });
            }
        }
        (self.say)(&format!("  {what}: asking {}", self.wish.model.id));
        let (asked_at, began) = (now(), Instant::now());
        let answer = self
            .endpoint
            .ask(messages)
            .map_err(|error| Problem::NoAnswer {
                stage: stage.name.clone(),
                error,
            })?;
        let known = Known {
            question_sha256,
            attempt: self.record.attempt,
            asked_at,
            seconds: began.elapsed().as_secs_f64(),
            base_url: self.wish.model.base_url.clone(),
            prompt_sha256: hash_of(messages),
            verdict: verdict.map(ToOwned::to_owned),
            model_answered: answer.model.clone(),
            response_id: answer.id.clone(),
            finish_reason: answer.finish_reason.clone(),
            refusal: answer.refusal.clone(),
            input_tokens: answer.input_tokens,
            output_tokens: answer.output_tokens,
            answer_sha256: hash(answer.text.as_bytes()),
        };
        let kept = Kept { known, answer };
        self.record.keep(&name, &kept).map_err(Problem::Folder)?;
        let code = self.code(stage, &kept.answer)?;
        Ok(Usable {
            stage,
            round,
            kept,
            code,
        })
    }

    /// Makes an answer's code part of the draft.
    fn take(&mut self, usable: Usable<'_>) -> Result<(), Problem> {
        let Usable {
            stage,
            round,
            kept: Kept { known, answer },
            code,
        } = usable;
        let (name, what) = named(stage, round);
        let place = self
            .draft
            .write_answer(&name, &answer.text)
            .map_err(Problem::Folder)?;
        self.draft
            .write_code(stage, &code.text)
            .map_err(Problem::Folder)?;
        let ask = Ask {
            stage: stage.name.clone(),
            round,
            attempt: known.attempt,
            base_url: Some(known.base_url).filter(|url| *url != self.wish.model.base_url),
            asked_at: known.asked_at,
            seconds: known.seconds,
            prompt_sha256: known.prompt_sha256,
            verdict: known.verdict,
            model_answered: known.model_answered,
            response_id: known.response_id,
            finish_reason: known.finish_reason,
            input_tokens: known.input_tokens,
            output_tokens: known.output_tokens,
            cost_usd: self.cost(&answer),
            answer: place,
            answer_sha256: known.answer_sha256,
            rule: code.rule,
        };
        if ask.attempt == self.record.attempt {
            (self.say)(&format!("  {what}: {}", ask.in_words()));
        }
        self.provenance.asks.push(ask);
        self.answers.insert(stage.name.clone(), answer.text);
        Ok(())
    }

    fn code(&self, stage: &Stage, answer: &ModelAnswer) -> Result<Code, Problem> {
        let stage_name = || stage.name.clone();
        if !self.wish.model.is_answered_by(&answer.model) {
            let (asked, answered) = (self.wish.model.id.clone(), answer.model.clone());
            return Err(Problem::Substituted {
                stage: stage_name(),
                asked,
                answered,
            });
        }
        if let Some(words) = &answer.refusal {
            return Err(Problem::Refused {
                stage: stage_name(),
                words: words.clone(),
            });
        }
        match answer.finish_reason.as_deref() {
            Some("length") => {
                return Err(Problem::Truncated {
                    stage: stage_name(),
                    tokens: answer.output_tokens,
                });
            }
            Some("content_filter") => {
                return Err(Problem::Refused {
                    stage: stage_name(),
                    words: "content filter".into(),
                });
            }
            Some("stop") => {}
            // DeepSeek's `insufficient_system_resource`, for one: what is there may be half an
            // answer.
            other => {
                return Err(Problem::Unfinished {
                    stage: stage_name(),
                    reason: other.map(ToOwned::to_owned),
                });
            }
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
            Some(reason) if matches!(error, Unusable::NoCode { .. }) => Problem::Unjudged {
                stage: stage_name(),
                reason,
            },
            _ => Problem::Unusable {
                stage: stage_name(),
                error,
            },
        })
    }

    fn cost(&self, answer: &ModelAnswer) -> Option<f64> {
        let price = self.wish.model.price.as_ref()?;
        Some(price.cost_usd(answer.input_tokens?, answer.output_tokens?))
    }

    /// Makes a failure of a problem: nothing of the variant is left, what was answered is on
    /// record.
    fn failed(&self, problem: Problem) -> Failure {
        Failure::broken(GenerateError::new(problem, self.wish, self.record.folder()))
    }
}

/// Returns what an answer's files are called, and how it is told to the user.
fn named(stage: &Stage, round: u32) -> (String, String) {
    match round {
        0 => (stage.name.clone(), stage.name.clone()),
        round => (
            format!("{}.repair-{round}", stage.name),
            format!("{}, repair {round}", stage.name),
        ),
    }
}

/// Returns the sha256 of what was sent, hex: of the prompt, and of more than one message of the
/// whole conversation.
fn hash_of(messages: &[Message]) -> String {
    match messages {
        [only] => hash(only.content.as_bytes()),
        several => hash(&serde_json::to_vec(several).expect("messages are plain texts")),
    }
}
