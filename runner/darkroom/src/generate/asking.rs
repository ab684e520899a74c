//! Asks for the stages of one variant, one question at a time, and keeps every answer.
//!
//! Every stage has its own conversation, with the same prompt for every model. An answered question
//! is not asked again ([`record`]), whether the answer holds usable code or not: what came instead
//! is an outcome of the model.

use std::collections::BTreeMap;
use std::time::Instant;

use darkroom_core::answer::Code;
use darkroom_core::outcome::Outcome;
use darkroom_core::pipeline::Stage;
use darkroom_core::prompt;

use super::client::{Endpoint, Message, ModelAnswer};
use super::error::{GenerateError, Problem};
use super::folder::{self, Draft};
use super::reading;
use super::record::{self, Kept, Known, Record};
use super::spending;
use super::variant::Made;
use super::wish::Wish;
use crate::execute::now;
use crate::exit::Failure;
use crate::provenance::{Answered, Ask, Provenance, Stopped, hash};

/// A variant in progress.
pub struct Asking<'a> {
    wish: &'a Wish<'a>,
    endpoint: &'a Endpoint<'a>,
    say: &'a dyn Fn(&str),
    record: Record,
    pub draft: Draft,
    pub provenance: Provenance,
    /// Of each stage the text of the answer that the draft holds: the latest with code, or where
    /// none has any the latest.
    answers: BTreeMap<String, String>,
    /// Stages without code so far, with what came instead.
    pub missing: BTreeMap<String, Outcome>,
}

/// An answer, not yet part of the draft.
struct Given<'a> {
    stage: &'a Stage,
    round: u32,
    kept: Kept,
    /// Its code, or what came instead.
    code: Result<Code, Outcome>,
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
            missing: BTreeMap::new(),
        })
    }

    pub fn first(&mut self, stage: &'a Stage, text: &str) -> Result<(), Problem> {
        let given = self.answer(stage, &self.wish.opening(text), 0, None)?;
        self.take(given)
    }

    /// Sends back what the gate finds wrong, and that an answer could not be used. Nothing of the
    /// draft changes before every stage has its answer, so that a round is carried through or
    /// leaves the variant of the round before; provenance says which.
    pub fn repair(
        &mut self,
        verdicts: &BTreeMap<String, String>,
        round: u32,
    ) -> Result<(), Problem> {
        let wish = self.wish;
        let mut answers = Vec::new();
        for (stage, text) in wish.prompts {
            let Some((verdict, message)) = self.sent_back(stage, verdicts) else {
                continue;
            };
            let mut messages = wish.opening(text);
            let before = self.answers.get(&stage.name).map_or("", String::as_str);
            // Endpoints refuse empty messages.
            messages.extend((!before.is_empty()).then(|| Message::assistant(before)));
            messages.push(Message::user(&message));
            match self.answer(stage, &messages, round, Some(&verdict)) {
                Ok(answer) => answers.push(answer),
                Err(problem) => {
                    self.provenance.repair_stopped = Some(Stopped {
                        round,
                        reason: problem.to_string(),
                        answers_left_out: answers
                            .iter()
                            .map(|answer: &Given<'_>| answer.stage.name.clone())
                            .collect(),
                    });
                    return Err(problem);
                }
            }
        }
        answers.into_iter().try_for_each(|answer| self.take(answer))
    }

    /// Returns what is wrong with a stage, and the message that says so; `None` where nothing is.
    fn sent_back(
        &self,
        stage: &Stage,
        verdicts: &BTreeMap<String, String>,
    ) -> Option<(String, String)> {
        if let Some(outcome) = self.missing.get(&stage.name) {
            let said = outcome.to_string();
            let message = prompt::unusable(stage, &said);
            return Some((said, message));
        }
        let verdict = verdicts.get(&stage.name)?;
        Some((verdict.clone(), prompt::repair(stage, verdict)))
    }

    /// Returns the answer to a question: the one on record, or the endpoint's, which is put on
    /// record first.
    fn answer(
        &self,
        stage: &'a Stage,
        messages: &[Message],
        round: u32,
        verdict: Option<&str>,
    ) -> Result<Given<'a>, Problem> {
        let (name, what) = named(stage, round);
        let question_sha256 = record::question(self.wish, &stage.name, round, messages);
        let given = |kept: Kept| {
            let code = reading::read(self.wish, stage, &kept.answer)?;
            Ok(Given {
                stage,
                round,
                kept,
                code,
            })
        };
        if !self.wish.ask_again {
            // One that the endpoint spoilt is asked again. One that the model spoilt is its answer.
            let mut earlier = self.record.answers(&name, &question_sha256).into_iter();
            if let Some(kept) = earlier.find_map(|kept| given(kept).ok()) {
                (self.say)(&format!(
                    "  {what}: answered in attempt {}, not asked again",
                    kept.kept.known.answered.attempt
                ));
                return Ok(kept);
            }
        }
        let Wish {
            model, spending, ..
        } = self.wish;
        spending
            .may_ask(model, messages)
            .map_err(|over| Problem::OverBudget {
                stage: stage.name.clone(),
                over,
            })?;
        (self.say)(&format!("  {what}: asking {}", model.id));
        let (asked_at, began) = (now(), Instant::now());
        let answer = self.endpoint.ask(messages);
        let answer = answer.map_err(|error| Problem::NoAnswer {
            stage: stage.name.clone(),
            error,
        })?;
        spending.count(model, messages, &answer);
        let known = Known {
            question_sha256,
            base_url: self.wish.model.base_url.clone(),
            answered: Answered {
                attempt: self.record.attempt,
                asked_at,
                seconds: began.elapsed().as_secs_f64(),
                prompt_sha256: hash_of(messages),
                verdict: verdict.map(ToOwned::to_owned),
                ..answer.known()
            },
        };
        let kept = Kept { known, answer };
        self.record.keep(&name, &kept).map_err(Problem::Folder)?;
        given(kept)
    }

    /// Makes an answer part of the draft: its code, or that it has none. Code of an earlier round
    /// stays where a repair has none.
    fn take(&mut self, given: Given<'_>) -> Result<(), Problem> {
        let Given {
            stage,
            round,
            kept: Kept { known, answer },
            code,
        } = given;
        let (name, what) = named(stage, round);
        let place = self
            .draft
            .write_answer(&name, &answer.text)
            .map_err(Problem::Folder)?;
        let has_code = code.is_ok() || self.handled(stage);
        let (rule, outcome) = match code {
            Ok(code) => {
                self.draft
                    .write_code(stage, &code.text)
                    .map_err(Problem::Folder)?;
                (Some(code.rule), None)
            }
            Err(outcome) => (None, Some(outcome)),
        };
        let ask = Ask {
            stage: stage.name.clone(),
            round,
            base_url: Some(known.base_url).filter(|url| *url != self.wish.model.base_url),
            cost_usd: self.cost(&answer),
            answered: known.answered,
            answer: place,
            rule,
            missing: outcome.clone(),
        };
        if ask.answered.attempt == self.record.attempt {
            let words = ask.in_words();
            let came = outcome.as_ref().map(|outcome| format!(": {outcome}"));
            (self.say)(&format!("  {what}: {words}{}", came.unwrap_or_default()));
        }
        self.provenance.asks.push(ask);
        match outcome.clone() {
            Some(outcome) if !has_code => self.missing.insert(stage.name.clone(), outcome),
            _ => self.missing.remove(&stage.name),
        };
        if outcome.is_none() || !has_code {
            self.answers.insert(stage.name.clone(), answer.said());
        }
        self.draft
            .write_missing(&self.missing)
            .map_err(Problem::Folder)
    }

    /// Says whether the draft has code for a stage.
    fn handled(&self, stage: &Stage) -> bool {
        self.answers.contains_key(&stage.name) && !self.missing.contains_key(&stage.name)
    }

    fn cost(&self, answer: &ModelAnswer) -> Option<f64> {
        spending::cost_usd(self.wish.model, &answer.known())
    }

    pub fn publish(mut self) -> Result<Made, Failure> {
        let folder = self
            .draft
            .publish(&self.provenance)
            .map_err(Failure::broken)?;
        let stage =
            |(stage, _): &(&Stage, String)| (stage.name.clone(), self.missing.remove(&stage.name));
        Ok(Made {
            folder,
            stages: self.wish.prompts.iter().map(stage).collect(),
            stopped: self.provenance.repair_stopped,
        })
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
