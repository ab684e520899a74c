//! A pipeline as data: its stages in order, the operations of each, and the check of its output.
//!
//! `experiments/<name>/pipeline.toml` → [`Pipeline`]. A stage is a list of [`Operation`]s, so a new
//! stage needs no Rust. The prompt's sentences are filled in from the same data as the check.
//! `darkroom-contract` computes the operations; [`crate::variant`] says what a handler is.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod parse;

/// Longest side an operation may ask for, pixels.
pub const MAX_SIDE: u32 = 16_384;
/// Lambda's longest function timeout, s. Source: Lambda quotas.
pub const MAX_TIMEOUT_S: u32 = 900;

/// Most bytes of JSON that one synchronous invocation takes or gives. Source: Lambda quotas,
/// "Invocation payload" (6 MB), and the number that Invoke names when it refuses more.
pub const PAYLOAD_LIMIT: u64 = 6_291_456;

/// Returns how many characters of base64 `bytes` bytes make, with padding.
pub const fn base64_bytes(bytes: u64) -> u64 {
    bytes.div_ceil(3) * 4
}

/// Format of an image object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Png,
    Jpeg,
}

impl Format {
    /// Extension of object keys, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
        }
    }

    /// Returns the format that files with this extension hold, in lowercase and without the dot.
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" | "jpe" | "jfif" => Some(Self::Jpeg),
            _ => None,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
        }
    }

    /// The name as prose has it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
        }
    }
}

/// Channels and container depth of an image's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One 8-bit channel.
    Grey8,
    /// One channel in 16-bit samples, of which [`OutputSpec::bits`] are used.
    Grey16,
    /// Three 8-bit channels.
    Rgb8,
}

impl Mode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grey8 => "grey8",
            Self::Grey16 => "grey16",
            Self::Rgb8 => "rgb8",
        }
    }

    /// Bits of the container a sample is stored in.
    pub const fn container_bits(self) -> u32 {
        match self {
            Self::Grey8 | Self::Rgb8 => 8,
            Self::Grey16 => 16,
        }
    }
}

/// What a stage mostly waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    Cpu,
    Io,
}

/// Width and height an output must have, given its input's.
///
/// Spelt `"unchanged"`, `"swapped"` (width and height exchanged) or `"800x600"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SizeRule {
    Unchanged,
    Swapped,
    Exactly { width: u32, height: u32 },
}

impl SizeRule {
    /// Returns the size, in pixels, that this rule demands of the output of an input of `width` ×
    /// `height`.
    pub const fn apply(self, width: u32, height: u32) -> (u32, u32) {
        match self {
            Self::Unchanged => (width, height),
            Self::Swapped => (height, width),
            Self::Exactly { width, height } => (width, height),
        }
    }
}

impl fmt::Display for SizeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => f.pad("unchanged"),
            Self::Swapped => f.pad("swapped"),
            Self::Exactly { width, height } => write!(f, "{width}x{height}"),
        }
    }
}

impl FromStr for SizeRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "unchanged" => return Ok(Self::Unchanged),
            "swapped" => return Ok(Self::Swapped),
            _ => {}
        }
        let (width, height) = parse_size(text).ok_or_else(|| {
            format!(
                "size `{text}` is not \"unchanged\", \"swapped\" or WIDTHxHEIGHT with sides of 1 to {MAX_SIDE} pixels"
            )
        })?;
        Ok(Self::Exactly { width, height })
    }
}

impl TryFrom<String> for SizeRule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SizeRule> for String {
    fn from(rule: SizeRule) -> Self {
        rule.to_string()
    }
}

/// Returns the sides that `WIDTHxHEIGHT` spells, if each is 1 to [`MAX_SIDE`].
pub(crate) fn parse_size(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once('x')?;
    let side = |digits: &str| {
        digits
            .parse::<u32>()
            .ok()
            .filter(|side| (1..=MAX_SIDE).contains(side))
    };
    Some((side(width)?, side(height)?))
}

/// Weights by which red, green and blue make a grey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Luma {
    /// 0.299 R + 0.587 G + 0.114 B of the encoded (not linearised) samples. Source: ITU-R BT.601-7,
    /// 2.5.1.
    Bt601,
}

/// The family of kernels a resize may use; the reference takes this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    Lanczos3,
}

/// One thing a stage does to the decoded image. A stage is a list of these, then an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// RGB of 8 bits → one channel of `bits`.
    Greyscale { luma: Luma, bits: u32 },
    Resize {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        filter: Filter,
    },
    /// Full range of `from_bits` → full range of `to_bits`, to the nearest level.
    Depth { from_bits: u32, to_bits: u32 },
    Rotate {
        /// 90, 180 or 270.
        clockwise_degrees: u32,
    },
    /// The samples stay as they are; only the encoding changes.
    Reencode,
}

/// The images a stage must accept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    pub formats: Vec<Format>,
    pub mode: Mode,
    /// Bits of a sample that are used; absent: all of the mode's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<u32>,
}

/// The image a stage must write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    pub format: Format,
    pub mode: Mode,
    /// Bits of a sample that are used; absent: all of the mode's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<u32>,
    pub size: SizeRule,
    /// JPEG quality that is asked for and that the reference uses, 1 to 100, on libjpeg's scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,
    /// How far the quality that the quantisation table tells may be from that; absent: it is not
    /// checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_within: Option<u8>,
}

/// How much further off a quality may be that is told by a table which no known one was scaled to:
/// its mean tells less exactly. mozjpeg's seven other tables come out 79 to 97 where 90 was asked
/// for.
const MORE_OF_ANOTHER_TABLE: u8 = 7;

/// Qualities of a JPEG that pass, as its quantisation table tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qualities {
    /// libjpeg's and mozjpeg's default.
    pub of_a_known_table: RangeInclusive<u8>,
    pub of_another: RangeInclusive<u8>,
}

impl OutputSpec {
    /// Returns the qualities that pass; `None` where that is not checked.
    pub fn qualities(&self) -> Option<Qualities> {
        let (quality, within) = (self.quality?, self.quality_within?);
        let around =
            |within: u8| quality.saturating_sub(within)..=quality.saturating_add(within).min(100);
        let of_another = around(within.saturating_add(MORE_OF_ANOTHER_TABLE));
        Some(Qualities {
            of_a_known_table: around(within),
            of_another,
        })
    }

    /// Returns the largest sample value the output may hold, for example 1023.
    pub fn peak(&self) -> u32 {
        (1 << self.used_bits()) - 1
    }

    pub fn used_bits(&self) -> u32 {
        self.bits.unwrap_or(self.mode.container_bits())
    }
}

impl InputSpec {
    pub fn used_bits(&self) -> u32 {
        self.bits.unwrap_or(self.mode.container_bits())
    }
}

/// How far an output may be from the reference made of the same input. An absent tolerance is not
/// checked.
///
/// Source of the numbers: the project's method, section 7; they were measured on photographs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// Largest absolute difference of any sample, levels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_abs: Option<f64>,
    /// Smallest PSNR with the output's peak, dB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_psnr_db: Option<f64>,
    /// Largest absolute difference of the two means, levels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_mean_difference: Option<f64>,
    /// What holds instead of `max_abs` for a JPEG input that was decoded by a decoder which the
    /// contract does not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_jpeg: Option<FromJpeg>,
    /// Blank if the output's standard deviation is below this share of the reference's.
    #[serde(default = "default_blank_sd")]
    pub blank_sd_share: f64,
    /// Blank if the output has fewer distinct levels than this share of the reference's.
    #[serde(default = "default_blank_levels")]
    pub blank_levels_share: f64,
    /// Blank if the output's mean is this many times the reference's, or one part in as many of it.
    #[serde(default = "default_blank_mean")]
    pub blank_mean_factor: f64,
}

/// How far an output may be from what every known decoder of its JPEG input gives: decoders differ
/// from sample to sample, wrong code by level and by colour.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromJpeg {
    /// Levels that a sample may lie outside the range that the decodings span.
    pub max_abs: f64,
    /// Levels that the samples of about one level may be off on average; of one colour twice as
    /// many.
    pub max_bias: f64,
}

const fn default_blank_sd() -> f64 {
    0.1
}
const fn default_blank_levels() -> f64 {
    0.125
}
const fn default_blank_mean() -> f64 {
    10.0
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

/// How an image comes to a stage and from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// As S3 objects: a stage gets the notification of its input and writes its output object.
    #[default]
    S3,
    /// As base64 in the JSON payload: the runner hands each stage's answer to the next, and the
    /// last writes to S3.
    Payload,
}

impl Transport {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Payload => "payload",
        }
    }
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
