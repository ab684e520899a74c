//! Why a variant could not be created, and what to do. None of it is the model's fault.

use std::fmt;
use std::path::Path;

use darkroom_core::models::Model;
use miette::Diagnostic;

use super::Wish;
use super::client::AskError;
use super::folder::FolderError;
use super::spending::OverBudget;
use super::turns::Turn;
use crate::project::models_file;

/// What went wrong with one stage.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("stage {stage}: {error}")]
    NoAnswer { stage: String, error: AskError },
    #[error("stage {stage}: asked `{asked}`, but `{answered}` answered")]
    Substituted {
        stage: String,
        asked: String,
        answered: String,
    },
    #[error("stage {stage}: the endpoint does not say that the answer is complete: its \
        finish_reason is {}", said(reason.as_ref()))]
    Unfinished {
        stage: String,
        reason: Option<String>,
    },
    #[error("stage {stage}: cannot tell whether the answer is Python: {reason}")]
    Unjudged { stage: String, reason: String },
    #[error("stage {stage}: not asked: {over}")]
    OverBudget { stage: String, over: OverBudget },
    #[error(transparent)]
    Folder(FolderError),
}

impl Problem {
    /// Whether it ends a round of repair and no more: the variant of the round before is as good as
    /// it was. With a larger budget the round goes on where it stopped.
    pub fn ends_the_round(&self) -> bool {
        !matches!(self, Self::Folder(_) | Self::OverBudget { .. })
    }

    /// What it says of the model's next turn.
    fn turn(&self) -> Turn {
        match self {
            Self::Unfinished { .. }
            | Self::NoAnswer {
                error:
                    AskError::Limit { .. }
                    | AskError::Server { .. }
                    | AskError::Timeout { .. }
                    | AskError::Cut { .. },
                ..
            } => Turn::FailedForNow,
            _ => Turn::FailedForGood,
        }
    }

    /// Names it in a few words, for a line of progress.
    fn in_short(&self) -> &'static str {
        match self {
            Self::NoAnswer { error, .. } => error.in_short(),
            Self::Substituted { .. } => "another model answered",
            Self::Unfinished { .. } => "incomplete answer",
            Self::Unjudged { .. } => "no Python to read the answer with",
            Self::OverBudget { .. } => "budget",
            Self::Folder(_) => "no folder",
        }
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
                "{help}\nThe answers so far are kept in {shown}. Run the same command again: it \
                 asks only for what is missing, and records a further attempt."
            );
        }
        Self {
            problem,
            variant: wish.variant.to_owned(),
            help,
        }
    }
}

impl GenerateError {
    /// Says whether the model may be asked again in its turn.
    pub fn turn(&self) -> Turn {
        self.problem.turn()
    }

    /// `gpt-5-s1: not made (rate limit)`, without the sentence that the error itself is.
    pub fn in_short(&self) -> String {
        format!("{}: not made ({})", self.variant, self.problem.in_short())
    }

    /// Says whether another model's question would fail too: the disk is full, or the budget is
    /// spent.
    pub fn ends_all(&self) -> bool {
        matches!(
            self.problem,
            Problem::Folder(_) | Problem::OverBudget { .. } | Problem::Unjudged { .. }
        )
    }
}

/// What to ask once a model is withdrawn, in words.
fn successor(model: &Model) -> &str {
    model
        .successor
        .as_deref()
        .unwrap_or("unknown; see the vendor's list of models")
}

fn mend(problem: &Problem, wish: &Wish<'_>) -> String {
    let (model, name) = (wish.model, wish.model_name);
    let entry = format!("[models.{name}] of {}", models_file(&wish.pipeline.name));
    match problem {
        Problem::NoAnswer { error, .. } => match error {
            AskError::Key { .. } => format!(
                "export a valid key for {} in {}",
                model.title, model.key_variable
            ),
            AskError::NoModel { .. } => {
                format!(
                    "if the model was withdrawn, use its successor: {} ({entry})",
                    successor(model)
                )
            }
            AskError::Limit { .. } => {
                "wait until the account may ask again, or raise its limit; then run the command \
                 again"
                    .into()
            }
            AskError::Server { .. } | AskError::Cut { .. } => "run the command again later: the \
                fault is the endpoint's"
                .into(),
            AskError::Request { .. } => format!("check `id` and `parameters` in {entry}"),
            AskError::Timeout { .. } => format!(
                "run the command again, or raise `timeout_s` in \
                {entry}"
            ),
            AskError::Unreachable { .. } => format!("check the network, and `base_url` in {entry}"),
            AskError::Malformed { .. } => format!(
                "check `base_url` in {entry}: Darkroom appends \
                `/chat/completions` to it"
            ),
            AskError::Streams => format!("add `stream = true` to `parameters` in {entry}"),
            AskError::KeyInAnswer => "use another endpoint".into(),
            AskError::Interrupted => "run the command again".into(),
        },
        Problem::Substituted { answered, .. } => format!(
            "add an entry for `{answered}` to study it: Darkroom names only the model that \
             answered as an author; the successor rule of `{name}` says: {}",
            successor(model)
        ),
        Problem::Unfinished { .. } => "run the command again later: Darkroom does not use \
            incomplete answers"
            .into(),
        Problem::Unjudged { .. } => format!("install Python {}", wish.python),
        Problem::OverBudget { .. } => "raise `generate_usd` in [budget] of the manifest, and run \
            the command again"
            .into(),
        Problem::Folder(_) => "fix that and run the command again".into(),
    }
}

fn said(reason: Option<&String>) -> String {
    reason.map_or_else(|| "missing".to_owned(), |reason| format!("{reason:?}"))
}

impl fmt::Display for GenerateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "variant `{}` was not created: {}",
            self.variant, self.problem
        )
    }
}

impl std::error::Error for GenerateError {}

impl Diagnostic for GenerateError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let code = match &self.problem {
            Problem::NoAnswer { .. } => "generate::no_answer",
            Problem::Substituted { .. } => "generate::substituted",
            Problem::Unfinished { .. } => "generate::unfinished",
            Problem::Unjudged { .. } => "generate::no_python",
            Problem::OverBudget { .. } => "generate::over_budget",
            Problem::Folder(_) => "generate::folder",
        };
        Some(Box::new(code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.help))
    }
}
