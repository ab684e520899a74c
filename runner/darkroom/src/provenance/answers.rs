//! `provenance.toml`: which model gave which answer to which question, for a variant's code.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use darkroom_core::answer::ExtractionRule;
use darkroom_core::models::Price;
use darkroom_core::outcome::Outcome;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where the code comes from, in a variant's folder.
pub const PROVENANCE: &str = "provenance.toml";
/// What the code is packaged with, in a variant's folder.
pub const REQUIREMENTS: &str = "requirements.txt";

/// `provenance.toml`: where a variant's code comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    pub darkroom_version: String,
    pub pipeline: String,
    /// Name in `models.toml`.
    pub model: String,
    pub model_title: String,
    pub model_asked: String,
    pub base_url: String,
    pub python: String,
    pub sample: u32,
    /// How often this variant has been asked for on this machine, this time included. Each of
    /// `asks` says in which attempt it was answered.
    pub attempt: u32,
    /// Rounds of repair that were allowed; those that were needed are among `asks`.
    pub repair_rounds_allowed: u32,
    pub stages: Vec<String>,
    /// Sent along with every ask.
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// Of the file that says what the code is packaged with, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements_sha256: Option<String>,
    /// Name of the prompt; absent: the standard one, `plain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// File with the user's own text that the prompts were made of; absent: the standard prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_template: Option<String>,
    /// Of that text, hex: with its name the version of the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_template_sha256: Option<String>,
    /// File with the system's message; absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_message: Option<String>,
    /// USD per million tokens; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Why fewer rounds of repair were made than were allowed and needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair_stopped: Option<Stopped>,
    /// Those whose answers are in the handlers, and those that gave no code, in the order they were
    /// made.
    pub asks: Vec<Ask>,
}

/// A round of repair that could not be carried through: the variant is that of the round before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stopped {
    pub round: u32,
    /// What happened, and at which stage.
    pub reason: String,
    /// Stages whose answers of that round are on record and not in the handlers.
    pub answers_left_out: Vec<String>,
}

/// One question of a variant and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    pub stage: String,
    /// 0 is the first answer; others are repairs.
    pub round: u32,
    /// Where it was asked, if that is not the `base_url` above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    #[serde(flatten)]
    pub answered: Answered,
    /// At `price`; absent where price or tokens are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// File with the answer, word for word.
    pub answer: String,
    /// How the code was found in it; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<ExtractionRule>,
    /// What came instead of code; absent where there is code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Outcome>,
}

/// What is known of one answer beside its text: the same on record and in a variant's provenance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// The attempt in which it was asked and answered; a later one took the answer from the record.
    pub attempt: u32,
    /// UTC.
    pub asked_at: String,
    /// Until the whole answer was there, retries included.
    pub seconds: f64,
    /// sha256 of the prompt, hex; in a repair and with a system's message of the conversation's
    /// messages as JSON.
    pub prompt_sha256: String,
    /// What the gate said, which was sent back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    pub model_answered: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// The model's or the endpoint's words when it declines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    pub answer_sha256: String,
}

impl Provenance {
    /// Reads what is known of the origin of the code in `folder`; `None` where that can't be read.
    pub fn read(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join(PROVENANCE)).ok()?;
        toml::from_str(&text).ok()
    }
}

impl Ask {
    /// `12.3 s, 410 + 2048 tokens, $0.0210`.
    pub fn in_words(&self) -> String {
        let mut words = format!("{:.1} s", self.answered.seconds);
        let tokens = (self.answered.input_tokens, self.answered.output_tokens);
        if let (Some(input), Some(output)) = tokens {
            let _ = write!(words, ", {input} + {output} tokens");
        }
        if let Some(usd) = self.cost_usd {
            let _ = write!(words, ", ${usd:.4}");
        }
        words
    }
}

/// Returns the sha256 of these bytes, hex.
pub fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
