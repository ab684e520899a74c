//! The result of checking a variant: plain values, made by the session and shown by the display.

use std::collections::BTreeMap;
use std::path::PathBuf;

use darkroom_core::event::{Status, Verdict};
use darkroom_core::outcome::Outcome;
use serde::Serialize;

/// What came of a check.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    pub variant: String,
    pub pipeline: String,
    pub image_set: String,
    /// By stage in pipeline order, then image, then repetition.
    pub outputs: Vec<Checked>,
    /// What the outputs don't show: handlers that write where they should not, once for each stage.
    pub notes: Vec<String>,
    /// Stages of the pipeline that the variant has no handler for.
    pub without_handler: Vec<String>,
    /// Of those, the ones that its model gave no usable code for, with what came instead.
    pub missing: BTreeMap<String, Outcome>,
    /// What the prompts of the checked stages ask for and no check tells, a stage each.
    pub not_checked: Vec<String>,
    /// The architecture that was emulated, and by what; `None` where the code ran on this machine's
    /// processor. What was emulated has no times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emulated: Option<String>,
    /// Where the pictures are; `None` when none was kept.
    pub pictures: Option<PathBuf>,
}

/// One stage's answer to one image.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    pub stage: String,
    pub image: String,
    /// From 1.
    pub repetition: u32,
    /// It is what was due.
    pub pass: bool,
    /// Why it is not, in words.
    pub reason: Option<String>,
    /// Whether `pass` says something about the code. False where a name of its study kept it from
    /// being judged.
    pub judged: bool,
    /// What the call came to, in the words of every table; `None` where nothing can be said of the
    /// code.
    pub outcome: Option<Outcome>,
    /// Keys of objects that the handler was seen to write outside of its `OUTPUT_PREFIX`, the first
    /// few.
    pub wrote_elsewhere: Vec<String>,
    pub expected: &'static str,
    pub status: Status,
    pub error_type: Option<String>,
    pub error: Option<String>,
    /// The platform's duration, ms.
    pub duration_ms: Option<f64>,
    /// `None` where the stage ended in an error.
    pub verdict: Option<Verdict>,
    pub picture: Option<PathBuf>,
}

impl CheckReport {
    pub fn passed(&self) -> bool {
        self.outputs.iter().all(|output| output.pass) && self.without_handler.is_empty()
    }
}
