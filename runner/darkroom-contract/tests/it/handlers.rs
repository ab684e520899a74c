//! Handlers that work on samples, right and wrong: the mistakes that have to do with arithmetic,
//! colour and place.

use darkroom_contract::{Picture, Turn};

/// The grey of an RGB picture by any weights, at 10 bits.
pub fn greyscale(picture: &Picture, weights: [f64; 3]) -> Picture {
    of_pixels(picture, |pixel| {
        let sum: f64 = pixel
            .iter()
            .zip(weights)
            .map(|(&sample, weight)| f64::from(sample) * weight)
            .sum();
        (sum * 1023.0 / 255.0).round() as u16
    })
}

/// BT.601 luma at 8 bits, to the nearest level.
pub fn luma8(picture: &Picture) -> Picture {
    of_pixels(picture, |pixel| ((thousandths(pixel) + 500) / 1000) as u16)
}

fn thousandths(pixel: &[u16]) -> u32 {
    299 * u32::from(pixel[0]) + 587 * u32::from(pixel[1]) + 114 * u32::from(pixel[2])
}

fn of_pixels(picture: &Picture, level: impl Fn(&[u16]) -> u16) -> Picture {
    Picture::grey(picture.width, picture.height, |x, y| {
        level(picture.pixel(x, y))
    })
}

fn spread(sample: u16) -> u16 {
    (f64::from(sample) * 1023.0 / 255.0).round() as u16
}

/// sRGB decoded, weighted by BT.709 as light, and encoded again.
fn linear_light(pixel: &[u16]) -> u16 {
    let light = |sample: u16| {
        let value = f64::from(sample) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    let sum = 0.2126 * light(pixel[0]) + 0.7152 * light(pixel[1]) + 0.0722 * light(pixel[2]);
    let encoded = if sum <= 0.003_130_8 {
        sum * 12.92
    } else {
        1.055 * sum.powf(1.0 / 2.4) - 0.055
    };
    (encoded * 1023.0).round() as u16
}

/// Wrong greyscales of one decoding, each a 10-bit picture.
pub fn wrong_greyscales(colour: &Picture) -> Vec<(&'static str, Picture)> {
    let (right, reduced) = (greyscale(colour, [0.299, 0.587, 0.114]), luma8(colour));
    let cut = of_pixels(colour, |pixel| (thousandths(pixel) / 1000) as u16);
    vec![
        ("8-bit luma shifted left", reduced.map(|sample| sample << 2)),
        (
            "8-bit luma, bits repeated",
            reduced.map(|sample| sample << 2 | sample >> 6),
        ),
        ("8-bit luma expanded", reduced.map(spread)),
        ("8-bit luma cut off and expanded", cut.map(spread)),
        ("8-bit luma unscaled", reduced.clone()),
        ("BT.709", greyscale(colour, [0.2126, 0.7152, 0.0722])),
        ("mean of channels", greyscale(colour, [1.0 / 3.0; 3])),
        (
            "BGR taken for RGB",
            greyscale(colour, [0.114, 0.587, 0.299]),
        ),
        ("red only", greyscale(colour, [1.0, 0.0, 0.0])),
        ("green only", greyscale(colour, [0.0, 1.0, 0.0])),
        ("blue only", greyscale(colour, [0.0, 0.0, 1.0])),
        ("linear light", of_pixels(colour, linear_light)),
        ("inverted", right.map(|sample| 1023 - sample)),
        (
            "two levels brighter",
            right.map(|sample| (sample + 2).min(1023)),
        ),
        (
            "two levels darker",
            right.map(|sample| sample.saturating_sub(2)),
        ),
        (
            "two per cent darker",
            right.map(|sample| (f64::from(sample) * 0.98).round() as u16),
        ),
        ("two bits lost", right.map(|sample| sample & !3)),
        ("scaled to 16 bits", right.map(|sample| sample << 6)),
        ("mirrored", right.turned(Turn::MIRRORED)),
        ("upside down", right.turned(Turn::HALF)),
        ("turned", right.turned(Turn::CLOCKWISE)),
        ("black", right.map(|_| 0)),
        ("white", right.map(|_| 1023)),
        (
            "a column short",
            Picture::grey(right.width - 1, right.height, |x, y| right.pixel(x, y)[0]),
        ),
        ("red unscaled", of_pixels(colour, |pixel| pixel[0])),
    ]
}

/// Wrong greyscales that are off by so little that only their exactness tells them from another
/// decoder's right one.
pub fn slightly_wrong_greyscales(colour: &Picture) -> Vec<(&'static str, Picture)> {
    let four = |pixel: &[u16]| (f64::from(thousandths(pixel)) / 250.0).round() as u16;
    vec![
        (
            "scaled by 4.000 where 1023/255 = 4.012",
            of_pixels(colour, four),
        ),
        (
            "weights 0.300, 0.590, 0.110 where 0.299, 0.587, 0.114",
            greyscale(colour, [0.30, 0.59, 0.11]),
        ),
    ]
}

/// The same of conversions.
pub fn slightly_wrong_conversions(grey: &Picture) -> Vec<(&'static str, Picture)> {
    vec![
        (
            "every sample is 1.0 levels too high",
            grey.map(|sample| (sample + 1).min(255)),
        ),
        (
            "every sample is 2.0 levels too low",
            grey.map(|sample| sample.saturating_sub(2)),
        ),
    ]
}

/// Wrong conversions of one decoding, each an 8-bit picture.
pub fn wrong_conversions(grey: &Picture) -> Vec<(&'static str, Picture)> {
    vec![
        (
            "three levels brighter",
            grey.map(|sample| (sample + 3).min(255)),
        ),
        (
            "three levels darker",
            grey.map(|sample| sample.saturating_sub(3)),
        ),
        ("halved", grey.map(|sample| sample / 2)),
        ("inverted", grey.map(|sample| 255 - sample)),
        ("turned", grey.turned(Turn::HALF)),
        (
            "thresholded",
            grey.map(|sample| if sample > 127 { 255 } else { 0 }),
        ),
        ("four bits lost", grey.map(|sample| sample & 0xF0)),
    ]
}
