//! Asks for the stages of one variant, one question at a time, and keeps every answer.
//!
//! Every stage has its own conversation, with the same prompt for every model. An answer is taken
//! unedited ([`darkroom_core::answer`]), and an answered question is not asked again ([`record`]).

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use darkroom_core::answer::{self, Code, Unusable};
use darkroom_core::pipeline::Stage;
use darkroom_core::prompt::{self, HANDLER};

use super::client::{Endpoint, Message, ModelAnswer};
use super::error::{GenerateError, Problem};
use super::folder::{self, Draft};
use super::record::{self, Kept, Known, Record};
use super::wish::Wish;
use crate::execute::now;
use crate::exit::Failure;
use crate::provenance::{Ask, Provenance, Stopped, hash};

/// A variant in progress.
pub struct Asking<'a> {
    wish: &'a Wish<'a>,
    endpoint: &'a Endpoint<'a>,
    say: &'a dyn Fn(&str),
    record: Record,
    pub draft: Draft,
    pub provenance: Provenance,
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
    pub fn begin(
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

    pub fn first(&mut self, stage: &'a Stage, text: &str) -> Result<(), Problem> {
        let usable = self.answer(stage, &self.wish.opening(text), 0, None)?;
        self.take(usable)
    }

    /// Sends back what the gate finds wrong. Nothing of the draft changes before every stage has
    /// its answer, so that a round is carried through or leaves the variant of the round before;
    /// provenance says which.
    pub fn repair(
        &mut self,
        verdicts: &BTreeMap<String, String>,
        round: u32,
    ) -> Result<(), Problem> {
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
    pub fn failed(&self, problem: Problem) -> Failure {
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
