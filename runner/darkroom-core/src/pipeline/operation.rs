//! What a stage does to an image.

use serde::{Deserialize, Serialize};

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
