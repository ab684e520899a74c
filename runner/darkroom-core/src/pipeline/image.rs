//! What an image object is: its format, its samples, its size.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest side an operation may ask for, pixels.
pub const MAX_SIDE: u32 = 16_384;

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
    /// One channel in 16-bit samples, of which [`super::OutputSpec::bits`] are used.
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
