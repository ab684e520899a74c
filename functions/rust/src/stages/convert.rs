//! JPEG to PNG, samples unchanged.

use super::{Error, decode, png};

pub fn run(input: &[u8]) -> Result<Vec<u8>, Error> {
    png(&decode(input)?.into_luma8())
}
