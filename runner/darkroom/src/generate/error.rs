//! Why a variant could not be made, in words, with the mend.

use std::fmt;
use std::path::Path;

use darkroom_core::answer::Unusable;
use darkroom_core::models::Model;
use miette::Diagnostic;

use super::Wish;
use super::client::AskError;
use super::folder::FolderError;
use crate::project::models_file;

/// What went wrong with one stage.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("stage {stage}: {error}")]
    NoAnswer { stage: String, error: AskError },
    #[error("stage {stage}: `{asked}` was asked and `{answered}` answered")]
    Substituted {
        stage: String,
        asked: String,
        answered: String,
    },
    #[error("stage {stage}: the model declines: {words}")]
    Refused { stage: String, words: String },
    #[error("stage {stage}: the answer was cut off{}", after(*tokens))]
    Truncated { stage: String, tokens: Option<u64> },
    #[error("stage {stage}: the endpoint does not say that the answer is whole: its finish_reason is {}", said(reason.as_ref()))]
    Unfinished {
        stage: String,
        reason: Option<String>,
    },
    #[error("stage {stage}: {error}")]
    Unusable { stage: String, error: Unusable },
    #[error(
        "stage {stage}: the answer has no code block, and whether it is Python as a whole can't be told: {reason}"
    )]
    Unjudged { stage: String, reason: String },
    #[error(transparent)]
    Folder(FolderError),
}

impl Problem {
    /// Whether it ends a round of repair and no more: the variant of the round before is as good as
    /// it was.
    pub fn ends_the_round(&self) -> bool {
        !matches!(self, Self::Folder(_))
    }

    /// Ctrl-C, which is nobody's mistake.
    pub fn is_interrupt(&self) -> bool {
        matches!(
            self,
            Self::NoAnswer {
                error: AskError::Interrupted,
                ..
            }
        )
    }
}

/// A variant that was not made. Nothing of it is under `functions/`.
#[derive(Debug)]
pub struct GenerateError {
    problem: Problem,
    variant: String,
    help: String,
}

impl GenerateError {
    /// `kept` is where the answers so far are, if there are any.
    pub fn new(problem: Problem, wish: &Wish<'_>, kept: Option<&Path>) -> Self {
        let mut help = mend(&problem, wish);
        if let Some(kept) = kept {
            let shown = kept
                .strip_prefix(wish.project.root())
                .unwrap_or(kept)
                .display();
            help = format!(
                "{help}\nThe answers so far are kept in {shown}. The same command asks only for what is missing, and is \
                 recorded as a further attempt."
            );
        }
        Self {
            problem,
            variant: wish.variant.to_owned(),
            help,
        }
    }
}

/// What to ask once a model is withdrawn, in words.
fn successor(model: &Model) -> &str {
    model
        .successor
        .as_deref()
        .unwrap_or("not known; look at the vendor's list of models")
}

fn mend(problem: &Problem, wish: &Wish<'_>) -> String {
    let (model, name) = (wish.model, wish.model_name);
    let entry = format!("[models.{name}] of {}", models_file(&wish.pipeline.name));
    match problem {
        Problem::NoAnswer { error, .. } => match error {
            AskError::Key { .. } => format!("export a valid key of {} in {}", model.title, model.key_variable),
            AskError::NoModel { .. } => {
                format!("if it was withdrawn, its successor is: {} ({entry})", successor(model))
            }
            AskError::Limit { .. } => {
                "wait until the account may ask again, or raise its limit; then say it again".into()
            }
            AskError::Server { .. } | AskError::Cut { .. } => "the endpoint's own trouble: say it again later".into(),
            AskError::Request { .. } => format!("look at `id` and `parameters` in {entry}"),
            AskError::Timeout { .. } => format!("say it again, or raise `timeout_s` in {entry}"),
            AskError::Unreachable { .. } => format!("look at the network, and at `base_url` in {entry}"),
            AskError::Malformed { .. } => format!("`base_url` in {entry} is what `/chat/completions` is appended to"),
            AskError::KeyInAnswer => "do not use this endpoint".into(),
            AskError::Interrupted => "say it again".into(),
        },
        Problem::Substituted { answered, .. } => format!(
            "no code is ascribed to a model that did not write it. To study `{answered}`, give it an entry of its own; \
             the successor rule of `{name}` says: {}",
            successor(model)
        ),
        Problem::Refused { .. } => "a refusal is an answer: the model has no variant. It can be asked again".into(),
        Problem::Truncated { .. } => format!("raise the limit of tokens among `parameters` in {entry}"),
        Problem::Unfinished { .. } => "half an answer is no answer: say it again later".into(),
        Problem::Unusable { .. } => {
            "code is taken as it stands or not at all: one Python block, or one that defines `handler`".into()
        }
        Problem::Unjudged { .. } => format!("install Python {}", wish.python),
        Problem::Folder(_) => "mend that and say it again".into(),
    }
}

fn after(tokens: Option<u64>) -> String {
    tokens
        .map(|tokens| format!(" after {tokens} tokens"))
        .unwrap_or_default()
}

fn said(reason: Option<&String>) -> String {
    reason.map_or_else(|| "missing".to_owned(), |reason| format!("{reason:?}"))
}

impl fmt::Display for GenerateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "variant `{}` was not made: {}",
            self.variant, self.problem
        )
    }
}

impl std::error::Error for GenerateError {}

impl Diagnostic for GenerateError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let what = match &self.problem {
            Problem::NoAnswer { .. } => "no_answer",
            Problem::Substituted { .. } => "substituted",
            Problem::Refused { .. } => "refused",
            Problem::Truncated { .. } | Problem::Unfinished { .. } => "truncated",
            Problem::Unusable { .. } | Problem::Unjudged { .. } => "unusable",
            Problem::Folder(_) => "folder",
        };
        Some(Box::new(format!("generate::{what}")))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.help))
    }
}
