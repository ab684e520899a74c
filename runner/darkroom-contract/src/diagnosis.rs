//! Likely causes of a wrong output, in words. Each is a known mistake, reproduced here and compared
//! with the output.
//!
//! A cause is a guess, never part of the verdict: callers put a question mark after it.

use darkroom_core::pipeline::{Mode, Operation, Stage};
use image::imageops::FilterType;
use image::{ImageBuffer, Luma};

use crate::header::{Colour, FoundMode};
use crate::measure::{Difference, psnr_db};
use crate::orientation::{Turn, best_fit};
use crate::picture::Picture;

/// One output with everything it is judged by.
pub struct Judged<'a> {
    pub stage: &'a Stage,
    pub input: &'a Picture,
    pub reference: &'a Picture,
    pub output: &'a Picture,
}

/// A mistake explains an output if it is this much nearer to it than the reference is (mean squared
/// difference) ...
const NEARER: f64 = 0.1;
/// ... and this near in itself, dB.
const NEAR_DB: f64 = 35.0;

impl Judged<'_> {
    fn peak(&self) -> u16 {
        self.stage.output.peak() as u16
    }

    /// Returns the first mistake that explains the output.
    fn explained_by(
        &self,
        mistakes: impl IntoIterator<Item = (&'static str, Picture)>,
        mse: f64,
    ) -> Option<String> {
        let explains = |made: &Picture| {
            made.size() == self.output.size() && made.channels == self.output.channels && {
                let made = Difference::between(self.output, made);
                made.mse <= NEARER * mse
                    && psnr_db(made.mse, self.stage.output.peak())
                        .is_none_or(|psnr| psnr >= NEAR_DB)
            }
        };
        mistakes
            .into_iter()
            .find(|(_, made)| explains(made))
            .map(|(name, _)| name.to_owned())
    }
}

pub fn of_mode(expected: Mode, found: FoundMode) -> Option<&'static str> {
    match (expected, found.colour, found.bits) {
        (
            Mode::Grey8 | Mode::Grey16,
            Colour::Rgb | Colour::Rgba | Colour::RgbWithTransparent | Colour::Palette,
            _,
        ) => Some("not reduced to one channel"),
        (Mode::Grey16, Colour::Grey, 8) => Some("samples reduced to 8 bits, as by convert(\"L\")"),
        (Mode::Grey8, Colour::Grey, 16) => Some("samples left at 16 bits"),
        (_, Colour::GreyAlpha, _) => Some("alpha channel left in"),
        _ => None,
    }
}

pub fn of_size(judged: &Judged) -> Option<String> {
    let (expected, found) = (judged.reference.size(), judged.output.size());
    let turned = expected == (found.1, found.0);
    let expected_turn = Turn::clockwise(judged.stage.clockwise_degrees());
    if turned && expected_turn != Turn::NONE {
        let fit = best_fit(judged.output, judged.reference);
        let peak = judged.stage.output.peak();
        let fits = fit.is_some_and(|fit| psnr_db(fit.mse, peak).is_none_or(|psnr| psnr >= 25.0));
        return Some(
            if fits {
                "not rotated"
            } else {
                "rotated without expanding the canvas"
            }
            .to_owned(),
        );
    }
    if turned {
        return Some("width and height swapped".to_owned());
    }
    (found == judged.input.size()).then(|| "left at the input's size".to_owned())
}

pub fn of_blank(judged: &Judged, difference: &Difference) -> Option<String> {
    let reduces = judged
        .stage
        .operations
        .iter()
        .any(|operation| matches!(operation, Operation::Depth { .. }));
    // Of a 10-bit sample, a reader that expects 8 of 16 bits keeps the upper byte, 0 to 3; two bits
    // less are 0.
    if reduces && judged.output.max() == 0 {
        return Some("8-bit data shifted right by two".to_owned());
    }
    let explained = judged.explained_by(mistakes_of_stage(judged), difference.mse);
    if explained.is_some() {
        return explained;
    }
    if difference.mean_output > 0.97 * f64::from(judged.peak()) {
        return Some("saturated".to_owned());
    }
    (difference.levels_output == 1).then(|| format!("every sample is {}", judged.output.samples[0]))
}

pub fn of_samples(judged: &Judged, difference: &Difference) -> Option<String> {
    let explained = judged
        .explained_by(mistakes_of_stage(judged), difference.mse)
        .or_else(|| judged.explained_by(mistakes_of_any_stage(judged), difference.mse));
    if explained.is_some() {
        return explained;
    }
    let share_at_peak = share(judged.output, |sample| sample >= judged.peak());
    if share_at_peak > 0.25
        && share_at_peak > 2.0 * share(judged.reference, |sample| sample >= judged.peak())
    {
        return Some(format!(
            "saturated: {:.0}% of the samples are {}",
            100.0 * share_at_peak,
            judged.peak()
        ));
    }
    if let Some(row) = first_wrong_row(judged) {
        return Some(format!(
            "cut off: the image is right down to row {row} only"
        ));
    }
    let correlation = difference.correlation?;
    (correlation < 0.5).then(|| {
        format!(
            "another image (correlation {correlation:.2} with the expected one): stale \
            output of another image"
        )
    })
}

fn share(picture: &Picture, is: impl Fn(u16) -> bool) -> f64 {
    picture.samples.iter().filter(|&&sample| is(sample)).count() as f64
        / picture.samples.len() as f64
}

/// Returns the row below which nothing is right, if everything above it is and it is not at the
/// top.
fn first_wrong_row(judged: &Judged) -> Option<u32> {
    let row = judged.output.width as usize * judged.output.channels;
    let limit = f64::from(judged.peak()) * 0.06;
    let mut wrong = judged
        .output
        .samples
        .chunks_exact(row)
        .zip(judged.reference.samples.chunks_exact(row))
        .map(|(a, b)| {
            let sum: u64 = a
                .iter()
                .zip(b)
                .map(|(&a, &b)| u64::from(a.abs_diff(b)))
                .sum();
            sum as f64 / row as f64 > limit
        });
    let first = wrong.position(|wrong| wrong)?;
    let rest: Vec<bool> = wrong.collect();
    let wrong_below = rest.iter().filter(|&&wrong| wrong).count();
    (first >= 8 && wrong_below * 2 >= rest.len()).then_some(first as u32)
}

fn mistakes_of_any_stage(judged: &Judged) -> Vec<(&'static str, Picture)> {
    let (reference, peak) = (judged.reference, judged.peak());
    vec![
        ("inverted", reference.map(|sample| peak - sample.min(peak))),
        (
            "8-bit data shifted right by two",
            reference.map(|sample| sample >> 2),
        ),
        (
            "shifted left by two",
            reference.map(|sample| (sample << 2).min(peak)),
        ),
        ("values halved", reference.map(|sample| sample / 2)),
    ]
}

/// The mistakes that belong to the stage's own operation; none for a stage composed of several.
fn mistakes_of_stage(judged: &Judged) -> Vec<(&'static str, Picture)> {
    match *judged.stage.operations.as_slice() {
        [Operation::Greyscale { .. }] => mistakes_of_greyscale(judged),
        [Operation::Resize { width, height, .. }] => mistakes_of_resize(judged, width, height),
        [Operation::Depth { from_bits, to_bits }] => mistakes_of_depth(judged, from_bits, to_bits),
        _ => Vec::new(),
    }
}

fn mistakes_of_greyscale(judged: &Judged) -> Vec<(&'static str, Picture)> {
    let peak = f64::from(judged.peak());
    let weighted = |weights: [f64; 3]| {
        per_pixel(judged.input, |pixel| {
            let sum: f64 = pixel
                .iter()
                .zip(weights)
                .map(|(&sample, weight)| f64::from(sample) * weight)
                .sum();
            (sum * peak / 255.0).round() as u16
        })
    };
    let luma8 = |pixel: &[u16]| {
        let sum = 299 * u32::from(pixel[0]) + 587 * u32::from(pixel[1]) + 114 * u32::from(pixel[2]);
        ((sum + 500) / 1000) as u16
    };
    vec![
        (
            "8-bit luma shifted left by two",
            per_pixel(judged.input, |pixel| luma8(pixel) << 2),
        ),
        (
            "8-bit luma expanded",
            per_pixel(judged.input, |pixel| {
                (f64::from(luma8(pixel)) * peak / 255.0).round() as u16
            }),
        ),
        ("8-bit luma not scaled", per_pixel(judged.input, luma8)),
        (
            "BT.709 weights instead of BT.601",
            weighted([0.2126, 0.7152, 0.0722]),
        ),
        ("red and blue swapped", weighted([0.114, 0.587, 0.299])),
        (
            "mean of the channels instead of luma",
            weighted([1.0 / 3.0; 3]),
        ),
        ("red channel only", weighted([1.0, 0.0, 0.0])),
        ("green channel only", weighted([0.0, 1.0, 0.0])),
    ]
}

fn per_pixel(input: &Picture, level: impl Fn(&[u16]) -> u16) -> Picture {
    let samples = input
        .samples
        .chunks_exact(input.channels)
        .map(level)
        .collect();
    Picture {
        width: input.width,
        height: input.height,
        channels: 1,
        samples,
    }
}

fn mistakes_of_resize(judged: &Judged, width: u32, height: u32) -> Vec<(&'static str, Picture)> {
    let input = judged.input;
    if input.channels != 1 {
        return Vec::new();
    }
    let (across, down) = (
        f64::from(width) / f64::from(input.width),
        f64::from(height) / f64::from(input.height),
    );
    let scaled = |scale: f64| {
        let side = |length: u32| (f64::from(length) * scale).round().max(1.0) as u32;
        resized(
            input,
            side(input.width),
            side(input.height),
            FilterType::Lanczos3,
            judged.peak(),
        )
    };
    let placed = |picture: &Picture| centred(picture, width, height);
    vec![
        (
            "nearest-neighbour instead of Lanczos",
            resized(input, width, height, FilterType::Nearest, judged.peak()),
        ),
        (
            "bilinear instead of Lanczos",
            resized(input, width, height, FilterType::Triangle, judged.peak()),
        ),
        (
            "cropped to the proportions instead of stretched",
            placed(&scaled(across.max(down))),
        ),
        (
            "letterboxed instead of stretched",
            placed(&scaled(across.min(down))),
        ),
        ("cropped or padded, not resized", placed(input)),
    ]
}

fn resized(picture: &Picture, width: u32, height: u32, filter: FilterType, peak: u16) -> Picture {
    let plane: ImageBuffer<Luma<u16>, &[u16]> =
        ImageBuffer::from_raw(picture.width, picture.height, picture.samples.as_slice())
            .expect("a grey picture has a sample a pixel");
    let samples = image::imageops::resize(&plane, width, height, filter).into_raw();
    Picture {
        width,
        height,
        channels: 1,
        samples,
    }
    .map(|sample| sample.min(peak))
}

/// Returns the middle of `picture` on a black canvas: cropped where it is larger, padded where it
/// is smaller.
fn centred(picture: &Picture, width: u32, height: u32) -> Picture {
    let shift = |canvas: u32, side: u32| (i64::from(side) - i64::from(canvas)) / 2;
    let (dx, dy) = (shift(width, picture.width), shift(height, picture.height));
    Picture::grey(width, height, |x, y| {
        let (x, y) = (i64::from(x) + dx, i64::from(y) + dy);
        let inside = (0..i64::from(picture.width)).contains(&x)
            && (0..i64::from(picture.height)).contains(&y);
        if inside {
            picture.pixel(x as u32, y as u32)[0]
        } else {
            0
        }
    })
}

fn mistakes_of_depth(
    judged: &Judged,
    from_bits: u32,
    to_bits: u32,
) -> Vec<(&'static str, Picture)> {
    let (input, peak) = (judged.input, judged.peak());
    let shift = from_bits.saturating_sub(to_bits);
    vec![
        (
            "8-bit data shifted right by two",
            judged.reference.map(|sample| sample >> 2),
        ),
        (
            "samples above 255 clipped, as by convert(\"L\")",
            input.map(|sample| sample.min(peak)),
        ),
        (
            "samples shifted right instead of rounded",
            input.map(|sample| (sample >> shift).min(peak)),
        ),
        (
            "samples clipped at 255, then shifted right by two",
            input.map(|sample| sample.min(peak) >> shift),
        ),
        (
            "only the low byte of each sample taken",
            input.map(|sample| sample & 0xFF),
        ),
        (
            "the high byte of each 16-bit sample taken",
            input.map(|sample| sample >> 8),
        ),
        (
            "the container's range mapped instead of the samples'",
            input.map(|sample| sample / 257),
        ),
    ]
}
