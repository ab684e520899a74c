//! What to ask for: the model, the prompts, and the name of the variant.

use darkroom_core::models::Model;
use darkroom_core::pipeline::{Pipeline, Stage};

use super::client::Message;
use super::spending::Spending;
use crate::project::Project;

/// What a variant is to be made of.
pub struct Wish<'a> {
    pub project: &'a Project,
    pub pipeline: &'a Pipeline,
    /// Stages with their prompts, in order.
    pub prompts: &'a [(&'a Stage, String)],
    /// The prompt that the stages' prompts were made of, where it was not the standard one.
    pub template: Option<&'a Template>,
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
    /// What its answers cost is counted here.
    pub spending: &'a Spending,
}

/// A prompt of the user's own, before the facts of a stage are put into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub name: String,
    /// The file that it was read from, as the user knows it.
    pub file: String,
    pub text: String,
}

impl Wish<'_> {
    /// Returns the messages that a conversation begins with.
    pub fn opening(&self, prompt: &str) -> Vec<Message> {
        self.system
            .map(Message::system)
            .into_iter()
            .chain([Message::user(prompt)])
            .collect()
    }
}
