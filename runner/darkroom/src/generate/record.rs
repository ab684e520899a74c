//! Recorded answers, in `.darkroom/generate/<variant>/<attempt>/`: an answered question is not
//! asked again.
//!
//! An answer is recorded as soon as it comes: its text word for word (`<stage>.md`), and its
//! details (`<stage>.toml`), which are written last and as a whole. A later attempt at the same
//! variant reuses an answer to the same question: model, parameters, stage, round and conversation.
//! The key and the address of the endpoint are not part of the question.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::client::{Message, ModelAnswer};
use super::folder::{FolderError, failed};
use super::wish::Wish;
use crate::project::Project;
use crate::provenance::{Answered, hash};

/// What is known of an answer beside its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// Hash of the question: see [`question`].
    pub question_sha256: String,
    pub base_url: String,
    #[serde(flatten)]
    pub answered: Answered,
}

/// An answer with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub known: Known,
    pub answer: ModelAnswer,
}

/// Returns the hash of a question, hex: what must be the same for an answer to be taken from an
/// earlier attempt.
///
/// In a repair the last message, which holds what the gate said, is left out: an error message may
/// name a file or an id of that very check.
pub fn question(wish: &Wish<'_>, stage: &str, round: u32, messages: &[Message]) -> String {
    let before = if round == 0 {
        messages
    } else {
        &messages[..messages.len().saturating_sub(1)]
    };
    let question = serde_json::json!([wish.model.id, wish.model.parameters, stage, round, before]);
    hash(question.to_string().as_bytes())
}

/// The record of one variant.
pub struct Record {
    root: PathBuf,
    /// The folder of this attempt.
    folder: PathBuf,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

impl Record {
    /// Begins a further attempt, whose number no other process has.
    pub fn begin(project: &Project, variant: &str) -> Result<Self, FolderError> {
        let root = project.root().join(".darkroom/generate").join(variant);
        fs::create_dir_all(&root).map_err(failed("create", &root))?;
        let mut attempt = attempts(&root).last().copied().unwrap_or(0) + 1;
        loop {
            let folder = root.join(attempt.to_string());
            match fs::create_dir(&folder) {
                Ok(()) => {
                    return Ok(Self {
                        root,
                        folder,
                        attempt,
                    });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => attempt += 1,
                Err(error) => return Err(failed("create", &folder)(error)),
            }
        }
    }

    /// Returns what earlier attempts left on record, without beginning one.
    pub fn of(project: &Project, variant: &str) -> Self {
        let root = project.root().join(".darkroom/generate").join(variant);
        Self {
            folder: root.clone(),
            root,
            attempt: 0,
        }
    }

    /// Returns what is known of every answer on record.
    pub fn all(&self) -> Vec<Answered> {
        let of_attempt = |attempt: u32| {
            let folder = self.root.join(attempt.to_string());
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let known = |entry: fs::DirEntry| {
                let path = entry.path();
                let is_known = path.extension().is_some_and(|end| end == "toml");
                let text = is_known.then(|| fs::read_to_string(&path).ok()).flatten()?;
                Some(toml::from_str::<Known>(&text).ok()?.answered)
            };
            entries.filter_map(known).collect::<Vec<_>>()
        };
        attempts(&self.root)
            .into_iter()
            .flat_map(of_attempt)
            .collect()
    }

    /// Where this variant's answers are, if there are any.
    pub fn folder(&self) -> Option<&Path> {
        let holds = |attempt: &u32| {
            fs::read_dir(self.root.join(attempt.to_string()))
                .is_ok_and(|mut entries| entries.next().is_some())
        };
        attempts(&self.root)
            .iter()
            .any(holds)
            .then_some(&*self.root)
    }

    /// Keeps an answer of this attempt.
    pub fn keep(&self, name: &str, kept: &Kept) -> Result<(), FolderError> {
        let (text, known) = (
            self.folder.join(format!("{name}.md")),
            self.folder.join(format!("{name}.toml")),
        );
        fs::write(&text, &kept.answer.text).map_err(failed("write", &text))?;
        let told =
            toml::to_string(&kept.known).expect("what is known is made of strings and numbers");
        let written = tempfile::NamedTempFile::new_in(&self.folder).and_then(|mut file| {
            file.write_all(told.as_bytes())?;
            file.persist(&known).map_err(|error| error.error)
        });
        written.map(drop).map_err(failed("write", &known))
    }

    /// Returns earlier answers to a question, the latest first. One whose text was changed since is
    /// left out.
    pub fn answers(&self, name: &str, question_sha256: &str) -> Vec<Kept> {
        let earlier = attempts(&self.root)
            .into_iter()
            .rev()
            .filter(|attempt| *attempt != self.attempt);
        let kept = earlier.filter_map(|attempt| read(&self.root.join(attempt.to_string()), name));
        kept.filter(|kept| kept.known.question_sha256 == question_sha256)
            .collect()
    }
}

fn read(folder: &Path, name: &str) -> Option<Kept> {
    let text = fs::read_to_string(folder.join(format!("{name}.md"))).ok()?;
    let known: Known =
        toml::from_str(&fs::read_to_string(folder.join(format!("{name}.toml"))).ok()?).ok()?;
    let answered = &known.answered;
    if answered.answer_sha256 != hash(text.as_bytes()) {
        return None;
    }
    let answer = ModelAnswer {
        text,
        model: answered.model_answered.clone(),
        id: answered.response_id.clone(),
        finish_reason: answered.finish_reason.clone(),
        refusal: answered.refusal.clone(),
        input_tokens: answered.input_tokens,
        output_tokens: answered.output_tokens,
    };
    Some(Kept { known, answer })
}

/// Numbers of the attempts that were begun, in order.
fn attempts(root: &Path) -> Vec<u32> {
    let folders = fs::read_dir(root).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = folders
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}
