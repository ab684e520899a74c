//! The reference: what each operation makes of a decoded image, in arithmetic that no variant
//! shares.

use darkroom_core::pipeline::{Filter, Luma, Operation, Pipeline, Stage};
use image::imageops::FilterType;
use image::{ImageBuffer, Luma as GreyPixel};

use crate::codec::{Undecodable, decode, encode};
use crate::header::{FoundMode, Header};
use crate::orientation::Turn;
use crate::picture::Picture;

/// Why no reference can be made of an input: the stage can't be judged on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReference {
    #[error("the input cannot be decoded: {0}")]
    Undecodable(#[from] Undecodable),
    #[error("the input is {found} {format}, but stage `{stage}` takes {expected}")]
    WrongKind {
        stage: String,
        format: &'static str,
        found: FoundMode,
        expected: String,
    },
    #[error(
        "stage `{stage}` would make {width}x{height} of the input, but JPEG allows at most 65535 \
         pixels per side"
    )]
    TooLarge {
        stage: String,
        width: u32,
        height: u32,
    },
    #[error("a sample of the input is {sample}, but stage `{stage}` takes 0 to {peak}")]
    TooBright {
        stage: String,
        sample: u16,
        peak: u32,
    },
}

/// Returns the bytes the reference writes for `stage` when fed `input`: what `input = "reference"`
/// feeds the next stage.
pub fn reference_output(stage: &Stage, input: &[u8]) -> Result<Vec<u8>, NoReference> {
    let (_, picture) = input_picture(stage, input)?;
    Ok(encode(&reference_picture(stage, &picture), &stage.output))
}

/// Returns what each stage of `pipeline` is fed with `input = "reference"`: the source itself, then
/// the reference's output of each stage before.
pub fn reference_inputs(pipeline: &Pipeline, source: &[u8]) -> Result<Vec<Vec<u8>>, NoReference> {
    let mut inputs = vec![source.to_vec()];
    for stage in pipeline
        .stages
        .iter()
        .take(pipeline.stages.len().saturating_sub(1))
    {
        let output = reference_output(stage, &inputs[inputs.len() - 1])?;
        inputs.push(output);
    }
    Ok(inputs)
}

/// Returns why `stage` can't be judged on `input`, where it can't: with what a set for timing must
/// not hold.
pub fn unfit(stage: &Stage, input: &[u8]) -> Option<NoReference> {
    let picture = match input_picture(stage, input) {
        Ok((_, picture)) => picture,
        Err(error) => return Some(error),
    };
    let peak = (1u32 << stage.input.used_bits()) - 1;
    let sample = picture
        .samples
        .iter()
        .copied()
        .max()
        .filter(|sample| u32::from(*sample) > peak)?;
    Some(NoReference::TooBright {
        stage: stage.name.clone(),
        sample,
        peak,
    })
}

/// Returns the header and the samples of the input, if it is of the kind the stage takes.
pub fn input_picture(stage: &Stage, input: &[u8]) -> Result<(Header, Picture), NoReference> {
    let (header, picture) = decode(input)?;
    if !header.mode.is(stage.input.mode) || !stage.input.formats.contains(&header.format) {
        let formats: Vec<_> = stage
            .input
            .formats
            .iter()
            .map(|format| format.title())
            .collect();
        return Err(NoReference::WrongKind {
            stage: stage.name.clone(),
            format: header.format.title(),
            found: header.mode,
            expected: format!("{} {}", stage.input.mode.as_str(), formats.join(" or ")),
        });
    }
    let (width, height) = stage.output.size.apply(picture.width, picture.height);
    if width.max(height) > u32::from(u16::MAX) {
        return Err(NoReference::TooLarge {
            stage: stage.name.clone(),
            width,
            height,
        });
    }
    Ok((header, picture))
}

/// Returns what the operations of `stage` make of a picture of the stage's input mode.
pub fn reference_picture(stage: &Stage, input: &Picture) -> Picture {
    let mut bits = stage.input.used_bits();
    let mut picture = input.clone();
    for operation in &stage.operations {
        picture = match *operation {
            Operation::Greyscale {
                luma: Luma::Bt601,
                bits: to,
            } => {
                bits = to;
                greyscale(&picture, to)
            }
            Operation::Resize {
                width,
                height,
                filter: Filter::Lanczos3,
            } => resize(&picture, width, height, bits),
            Operation::Depth { from_bits, to_bits } => {
                bits = to_bits;
                depth(&picture, from_bits, to_bits)
            }
            Operation::Rotate { clockwise_degrees } => {
                picture.turned(Turn::clockwise(clockwise_degrees))
            }
            Operation::Reencode => picture,
        };
    }
    picture
}

/// Returns the input's samples, unchanged in colour and depth, where the stage puts them in its
/// output.
pub fn input_in_place(stage: &Stage, input: &Picture) -> Picture {
    let bits = stage.input.used_bits();
    stage
        .operations
        .iter()
        .fold(input.clone(), |picture, operation| match *operation {
            Operation::Resize {
                width,
                height,
                filter: Filter::Lanczos3,
            } => resize(&picture, width, height, bits),
            Operation::Rotate { clockwise_degrees } => {
                picture.turned(Turn::clockwise(clockwise_degrees))
            }
            Operation::Greyscale { .. } | Operation::Depth { .. } | Operation::Reencode => picture,
        })
}

const fn peak(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// BT.601 luma of 8-bit RGB scaled to `bits`, to the nearest level (halves up), in exact integers.
fn greyscale(picture: &Picture, bits: u32) -> Picture {
    let level = |r: u16, g: u16, b: u16| {
        let luma = 299 * u64::from(r) + 587 * u64::from(g) + 114 * u64::from(b);
        divided_to_nearest(luma * peak(bits), 1000 * 255) as u16
    };
    let samples = picture
        .samples
        .chunks_exact(3)
        .map(|pixel| level(pixel[0], pixel[1], pixel[2]))
        .collect();
    Picture {
        width: picture.width,
        height: picture.height,
        channels: 1,
        samples,
    }
}

/// Full range to full range, to the nearest level (halves up); a sample beyond the range counts as
/// its end.
fn depth(picture: &Picture, from_bits: u32, to_bits: u32) -> Picture {
    let (from, to) = (peak(from_bits), peak(to_bits));
    picture.map(|sample| divided_to_nearest(u64::from(sample).min(from) * to, from) as u16)
}

const fn divided_to_nearest(numerator: u64, denominator: u64) -> u64 {
    (2 * numerator + denominator) / (2 * denominator)
}

/// Lanczos with three lobes, channel by channel in 16-bit samples; overshoot is cut at the range of
/// `bits`.
fn resize(picture: &Picture, width: u32, height: u32, bits: u32) -> Picture {
    let channels = picture.channels;
    let mut samples = vec![0; width as usize * height as usize * channels];
    for channel in 0..channels {
        let plane = picture
            .samples
            .iter()
            .skip(channel)
            .step_by(channels)
            .copied()
            .collect();
        let plane: ImageBuffer<GreyPixel<u16>, Vec<u16>> =
            ImageBuffer::from_raw(picture.width, picture.height, plane)
                .expect("a picture has a sample a pixel");
        let resized = image::imageops::resize(&plane, width, height, FilterType::Lanczos3);
        for (to, from) in samples
            .iter_mut()
            .skip(channel)
            .step_by(channels)
            .zip(resized.into_raw())
        {
            *to = from.min(peak(bits) as u16);
        }
    }
    Picture {
        width,
        height,
        channels,
        samples,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luma_is_bt601_at_ten_bits_with_white_at_the_peak() {
        let pixels = [
            [255, 255, 255],
            [0, 0, 0],
            [255, 0, 0],
            [0, 255, 0],
            [0, 0, 255],
            [1, 1, 1],
        ];
        let picture = Picture::rgb(6, 1, |x, _| pixels[x as usize]);
        // 1023 * 0.299 = 305.9, * 0.587 = 600.5, * 0.114 = 116.6; one of 255 is 4.01.
        assert_eq!(greyscale(&picture, 10).samples, [1023, 0, 306, 601, 117, 4]);
    }

    #[test]
    fn depth_rounds_to_the_nearest_level_over_the_full_range() {
        let picture = Picture::grey(6, 1, |x, _| [0, 2, 3, 512, 1023, 1040][x as usize]);
        // 3 * 255 / 1023 = 0.75 rounds up where a shift gives 0.
        assert_eq!(depth(&picture, 10, 8).samples, [0, 0, 1, 128, 255, 255]);
    }

    #[test]
    fn resize_keeps_a_constant_and_cuts_overshoot_at_ten_bits() {
        let edge = Picture::grey(64, 64, |x, _| if x < 32 { 0 } else { 1023 });
        let resized = resize(&edge, 100, 80, 10);
        assert_eq!(resized.size(), (100, 80));
        assert_eq!(resized.max(), 1023);
        let constant = Picture::grey(64, 64, |_, _| 700);
        assert!(
            resize(&constant, 33, 21, 10)
                .samples
                .iter()
                .all(|&sample| sample.abs_diff(700) <= 1)
        );
    }
}
