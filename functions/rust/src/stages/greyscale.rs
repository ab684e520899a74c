//! RGB to 16-bit greyscale PNG holding 10-bit BT.601 luma.

use super::{Error, Grey16, PEAK, decode, png};
use image::{Rgb, RgbImage};

pub fn run(input: &[u8]) -> Result<Vec<u8>, Error> {
    png(&greyscale(&decode(input)?.into_rgb8()))
}

fn greyscale(image: &RgbImage) -> Grey16 {
    let samples = image.pixels().map(luma).collect();
    Grey16::from_raw(image.width(), image.height(), samples).expect("one sample a pixel")
}

/// 0.299 R + 0.587 G + 0.114 B scaled from 0..255 to 0..1023, to the nearest level. `image`'s own
/// grey is BT.709.
fn luma(&Rgb([r, g, b]): &Rgb<u8>) -> u16 {
    const DENOMINATOR: u32 = 1000 * 255;
    let weighted = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
    ((weighted * PEAK as u32 + DENOMINATOR / 2) / DENOMINATOR) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_white_and_the_primaries_have_bt601_luma_at_ten_bits() {
        let levels = [
            [0, 0, 0],
            [255, 255, 255],
            [255, 0, 0],
            [0, 255, 0],
            [0, 0, 255],
        ]
        .map(|rgb| luma(&Rgb(rgb)));
        assert_eq!(levels, [0, 1023, 306, 601, 117]);
    }
}
