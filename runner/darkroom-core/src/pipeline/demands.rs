//! What a stage must accept, what it must write, and how far from the reference that may be.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::image::{Format, Mode, SizeRule};

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
