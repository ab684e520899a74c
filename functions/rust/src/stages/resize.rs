//! 10-bit greyscale PNG to 800x600 with a Lanczos filter.

use super::{Error, Grey16, PEAK, decode_grey16, png};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U16;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

const WIDTH: u32 = 800;
const HEIGHT: u32 = 600;

pub fn run(input: &[u8]) -> Result<Vec<u8>, Error> {
    png(&resize(&decode_grey16(input)?)?)
}

fn resize(image: &Grey16) -> Result<Grey16, Error> {
    let pixels: Vec<U16> = image
        .as_raw()
        .iter()
        .map(|&sample| U16::new(sample))
        .collect();
    let source = TypedImageRef::new(image.width(), image.height(), &pixels)?;
    let mut resized = TypedImage::<U16>::new(WIDTH, HEIGHT);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize_typed(&source, &mut resized, &options)?;
    // Lanczos overshoots at edges; beyond 1023 a sample would no longer be a 10-bit one.
    let samples = resized
        .pixels()
        .iter()
        .map(|pixel| pixel.0.min(PEAK))
        .collect();
    Ok(Grey16::from_raw(WIDTH, HEIGHT, samples).expect("one sample a pixel"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_resized_without_leaving_ten_bits() {
        let edge = Grey16::from_fn(90, 70, |x, _| image::Luma([if x < 45 { 0 } else { PEAK }]));
        let resized = resize(&edge).unwrap();
        assert_eq!(resized.dimensions(), (WIDTH, HEIGHT));
        assert_eq!(resized.as_raw().iter().max(), Some(&PEAK));
    }
}
