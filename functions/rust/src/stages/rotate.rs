//! JPEG rotated by 90 degrees clockwise.

use super::{Error, decode, jpeg};
use image::imageops::rotate90;

pub fn run(input: &[u8]) -> Result<Vec<u8>, Error> {
    jpeg(&rotate90(&decode(input)?.into_luma8()))
}
