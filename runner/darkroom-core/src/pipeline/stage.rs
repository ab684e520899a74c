//! A stage, and the pipeline that stages make.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::demands::{InputSpec, OutputSpec, Tolerance};
use super::image::SizeRule;
use super::operation::Operation;
use super::transport::Transport;

/// Lambda's longest function timeout, s. Source: Lambda quotas.
pub const MAX_TIMEOUT_S: u32 = 900;

/// What a stage mostly waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    Cpu,
    Io,
}

/// One function of the pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Lowercase letters, digits and hyphens; unique in its pipeline.
    pub name: String,
    pub load: Load,
    /// Lambda function timeout, s.
    pub timeout_s: u32,
    pub input: InputSpec,
    pub output: OutputSpec,
    /// What the reference does to the decoded input, in order.
    pub operations: Vec<Operation>,
    pub check: Tolerance,
    /// What an author is asked for, with `{facts}` of this stage in braces ([`Stage::facts`]).
    pub prompt: String,
    /// What the prompt asks for and no check can tell, as people read it: `that …`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_checked: Vec<String>,
}

/// Stages in the order an image passes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    pub name: String,
    pub description: String,
    #[serde(default)]
    pub transport: Transport,
    /// The pipeline whose image sets this one uses; absent: its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_sets_of: Option<String>,
    /// Name of the last stage, whose output is an S3 object whatever the transport. A part of a
    /// pipeline keeps it.
    #[serde(skip)]
    pub destination: String,
    pub stages: Vec<Stage>,
}

impl Pipeline {
    /// Returns the longest that Lambda lets a stage run.
    pub fn longest_stage(&self) -> Duration {
        Duration::from_secs(
            self.stages
                .iter()
                .map(|stage| u64::from(stage.timeout_s))
                .max()
                .unwrap_or_default(),
        )
    }

    /// Returns whether what `stage` makes comes back in its answer, and not as an object.
    pub fn answers_with_image(&self, stage: &Stage) -> bool {
        self.transport == Transport::Payload && stage.name != self.destination
    }

    /// Returns what the prompts ask for and no check tells, a stage each: ``resize: that …``.
    pub fn demands_not_checked(&self) -> Vec<String> {
        let of_stage = |stage: &Stage| {
            let demands = stage.demands_not_checked();
            (!demands.is_empty()).then(|| format!("{}: {}", stage.name, demands.join("; ")))
        };
        self.stages.iter().filter_map(of_stage).collect()
    }

    /// Returns the stage and its index from 0.
    pub fn stage(&self, name: &str) -> Option<(usize, &Stage)> {
        self.stages
            .iter()
            .enumerate()
            .find(|(_, stage)| stage.name == name)
    }
}

impl Stage {
    /// Returns what the prompt may name in braces: `{name}`, `{width}`, `{output_bits}` and so on,
    /// as text.
    pub fn facts(&self) -> BTreeMap<&'static str, String> {
        let formats: Vec<_> = self
            .input
            .formats
            .iter()
            .map(|format| format.title())
            .collect();
        let mut facts = BTreeMap::from([
            ("name", self.name.clone()),
            ("input_formats", formats.join(" or ")),
            ("input_bits", self.input.used_bits().to_string()),
            (
                "input_peak",
                ((1u32 << self.input.used_bits()) - 1).to_string(),
            ),
            ("output_format", self.output.format.title().to_owned()),
            (
                "output_extension",
                self.output.format.extension().to_owned(),
            ),
            ("output_bits", self.output.used_bits().to_string()),
            (
                "output_container_bits",
                self.output.mode.container_bits().to_string(),
            ),
            ("output_peak", self.output.peak().to_string()),
            ("timeout_s", self.timeout_s.to_string()),
        ]);
        if let SizeRule::Exactly { width, height } = self.output.size {
            facts.insert("width", width.to_string());
            facts.insert("height", height.to_string());
        }
        if let Some(quality) = self.output.quality {
            facts.insert("quality", quality.to_string());
        }
        for operation in &self.operations {
            if let Operation::Rotate { clockwise_degrees } = operation {
                facts.insert("clockwise_degrees", clockwise_degrees.to_string());
            }
        }
        facts
    }

    /// Returns every demand of the prompt that the check does not tell, in words.
    pub fn demands_not_checked(&self) -> Vec<String> {
        let quality = self
            .output
            .quality
            .filter(|_| self.output.quality_within.is_none());
        let quality = quality.map(|quality| format!("that the JPEG has quality {quality}"));
        self.not_checked.iter().cloned().chain(quality).collect()
    }

    /// Returns the prompt with its facts filled in, or the name in braces that is not a fact of
    /// this stage.
    pub fn rendered_prompt(&self) -> Result<String, String> {
        let facts = self.facts();
        let mut rendered = String::with_capacity(self.prompt.len());
        let mut rest = self.prompt.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| after.to_owned())?;
            rendered.push_str(before);
            rendered.push_str(facts.get(name).ok_or_else(|| name.to_owned())?);
            rest = after;
        }
        rendered.push_str(rest);
        Ok(rendered)
    }

    /// Returns how the operations turn the image: the sum of their rotations, clockwise degrees
    /// below 360.
    pub fn clockwise_degrees(&self) -> u32 {
        let turn = |operation: &Operation| match operation {
            Operation::Rotate { clockwise_degrees } => *clockwise_degrees,
            _ => 0,
        };
        self.operations.iter().map(turn).sum::<u32>() % 360
    }
}
