//! The contract: what every stage must make of its input, and whether it did. Pure: bytes in, bytes
//! or a verdict out.
//!
//! [`check`] judges one output with its own input, against a reference that shares no code with any
//! variant. [`reference_output`] gives the bytes for `input = "reference"`. [`generate`] makes
//! images from a seed. Stages come as data ([`darkroom_core::pipeline::Stage`]). Nothing here reads
//! a file or a clock, and no bytes make it panic.

mod beside;
mod bias;
mod check;
mod closest;
mod codec;
mod decoders;
mod diagnosis;
mod fit;
mod followed;
mod header;
mod image_set;
mod jpeg_quality;
mod measure;
mod orientation;
mod own_pixels;
mod pattern;
mod picture;
mod reference;
mod side_by_side;

pub use beside::beside;
pub use bias::Bias;
pub use check::{check, check_standing_for, reason};
pub use closest::{Distance, distance};
pub use codec::{Undecodable, decode, encode};
pub use decoders::decodings;
pub use followed::Followed;
pub use header::{FoundMode, GIT_LFS_POINTER, Header, NotAnImage, format_of, inspect};
pub use image_set::generate;
pub use jpeg_quality::{Quality, jpeg_quality};
pub use measure::{Difference, ssim};
pub use orientation::Turn;
pub use own_pixels::{NoOwnPixels, with_own_pixels};
pub use pattern::pattern;
pub use picture::Picture;
pub use reference::{NoReference, reference_inputs, reference_output, reference_picture, unfit};
pub use side_by_side::side_by_side;
