//! 10-bit greyscale PNG to 8-bit greyscale JPEG.

use super::{Error, Grey16, PEAK, decode_grey16, jpeg};
use image::GrayImage;

pub fn run(input: &[u8]) -> Result<Vec<u8>, Error> {
    jpeg(&reduced(&decode_grey16(input)?))
}

fn reduced(image: &Grey16) -> GrayImage {
    let samples = image
        .as_raw()
        .iter()
        .map(|&sample| eight_bits(sample))
        .collect();
    GrayImage::from_raw(image.width(), image.height(), samples).expect("one sample a pixel")
}

/// 0..1023 to 0..255, to the nearest level.
fn eight_bits(sample: u16) -> u8 {
    let (sample, peak) = (u32::from(sample.min(PEAK)), u32::from(PEAK));
    ((sample * 255 + peak / 2) / peak) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_range_is_kept_and_rounded() {
        assert_eq!(
            [0, 2, 3, 512, 1023, 1040].map(eight_bits),
            [0, 0, 1, 128, 255, 255]
        );
    }
}
