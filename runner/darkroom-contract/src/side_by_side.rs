//! One picture for people: expected, got, and difference. No verdict depends on it.

use darkroom_core::pipeline::{Format, Mode, OutputSpec, SizeRule, Stage};

use crate::closest::Closest;
use crate::codec::{decode, encode};
use crate::picture::Picture;
use crate::reference::{input_picture, reference_picture};

/// Longest side of one of the three panels, pixels.
const PANEL: u32 = 480;
/// Between the panels, pixels, and its colour: one that no grey picture holds.
const GAP: u32 = 8;
const GAP_COLOUR: [u16; 3] = [40, 90, 160];

/// Returns a PNG of three panels side by side, each scaled down to fit: expected | got | their
/// difference.
///
/// Samples are shown by the range that the stage promises, so that an output of another depth looks
/// as wrong as it is. The difference is amplified until its largest is white; it is left blank
/// where the two have not one size, and so is a panel whose picture can't be had. `None` if neither
/// picture can.
pub fn side_by_side(stage: &Stage, input: &[u8], output: Option<&[u8]>) -> Option<Vec<u8>> {
    let got = output
        .and_then(|bytes| decode(bytes).ok())
        .map(|(_, picture)| picture);
    let expected = expected(stage, input, got.as_ref());
    let any = expected.as_ref().or(got.as_ref())?;
    let blank = Picture::rgb(any.width, any.height, hatched);
    let peak = stage.output.peak();
    let difference = expected
        .as_ref()
        .zip(got.as_ref())
        .and_then(|(expected, got)| difference(expected, got));
    let shown = |picture: Option<&Picture>| {
        picture.map_or_else(
            || shrunk(&blank, 255, mean),
            |picture| shrunk(picture, peak, mean),
        )
    };
    let difference = difference.map_or_else(
        || shrunk(&blank, 255, mean),
        |(picture, largest)| {
            // Of many samples in one point the largest is shown: one bad sample must be seen.
            shrunk(&picture, u32::from(largest.max(1)), largest_of)
        },
    );
    let panels = [shown(expected.as_ref()), shown(got.as_ref()), difference];
    let output = OutputSpec {
        format: Format::Png,
        mode: Mode::Rgb8,
        bits: None,
        size: SizeRule::Unchanged,
        quality: None,
        quality_within: None,
    };
    Some(encode(&beside(&panels), &output))
}

/// Returns what the stage should make of its input; of a JPEG, by the decoder that comes closest to
/// what there is.
fn expected(stage: &Stage, input: &[u8], got: Option<&Picture>) -> Option<Picture> {
    let (header, picture) = input_picture(stage, input).ok()?;
    let expected = reference_picture(stage, &picture);
    match got.filter(|got| got.size() == expected.size() && got.channels == expected.channels) {
        Some(got) => Some(Closest::of(stage, input, &header, picture, got).reference),
        None => Some(expected),
    }
}

fn hatched(x: u32, y: u32) -> [u16; 3] {
    if ((x + y) / 12).is_multiple_of(2) {
        [70, 70, 70]
    } else {
        [95, 95, 95]
    }
}

/// Returns where two pictures of one shape differ, and the largest difference.
fn difference(expected: &Picture, got: &Picture) -> Option<(Picture, u16)> {
    if expected.size() != got.size() || expected.channels != got.channels {
        return None;
    }
    let samples: Vec<u16> = expected
        .samples
        .iter()
        .zip(&got.samples)
        .map(|(a, b)| a.abs_diff(*b))
        .collect();
    let largest = samples.iter().copied().max().unwrap_or(0);
    Some((
        Picture {
            samples,
            ..*expected
        },
        largest,
    ))
}

fn mean(samples: &mut dyn Iterator<Item = u16>) -> u32 {
    let (mut sum, mut n) = (0u64, 0u64);
    for sample in samples {
        sum += u64::from(sample);
        n += 1;
    }
    (sum / n.max(1)) as u32
}

fn largest_of(samples: &mut dyn Iterator<Item = u16>) -> u32 {
    samples.max().unwrap_or(0).into()
}

/// Returns the picture in 8-bit RGB with `peak` as white, each of its points made of a block by
/// `of_block`.
fn shrunk(
    picture: &Picture,
    peak: u32,
    of_block: fn(&mut dyn Iterator<Item = u16>) -> u32,
) -> Picture {
    let step = picture.width.max(picture.height).div_ceil(PANEL).max(1);
    let (width, height) = (picture.width.div_ceil(step), picture.height.div_ceil(step));
    Picture::rgb(width, height, |x, y| {
        let channel = |channel: usize| {
            let rows = y * step..((y + 1) * step).min(picture.height);
            let mut block = rows.flat_map(|y| {
                let columns = x * step..((x + 1) * step).min(picture.width);
                columns.map(move |x| picture.pixel(x, y)[channel])
            });
            (u64::from(of_block(&mut block)) * 255 / u64::from(peak)).min(255) as u16
        };
        match picture.channels {
            1 | 2 => [channel(0); 3],
            _ => [channel(0), channel(1), channel(2)],
        }
    })
}

fn beside(panels: &[Picture]) -> Picture {
    let height = panels.iter().map(|panel| panel.height).max().unwrap_or(1);
    let width = panels.iter().map(|panel| panel.width + GAP).sum::<u32>() - GAP;
    let mut samples: Vec<u16> = GAP_COLOUR
        .into_iter()
        .cycle()
        .take(width as usize * height as usize * 3)
        .collect();
    let mut left = 0;
    for panel in panels {
        for y in 0..panel.height {
            let to = (y as usize * width as usize + left as usize) * 3;
            let from = y as usize * panel.width as usize * 3;
            let length = panel.width as usize * 3;
            samples[to..to + length].copy_from_slice(&panel.samples[from..from + length]);
        }
        left += panel.width + GAP;
    }
    Picture {
        width,
        height,
        channels: 3,
        samples,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkroom_core::pipeline::Pipeline;

    const PIPELINE: &str = include_str!("../../../experiments/image-pipeline/pipeline.toml");

    fn shown(output: Option<&[u8]>) -> Picture {
        let pipeline = Pipeline::parse("pipeline.toml", PIPELINE).unwrap();
        let source = crate::generate(562, 64, 48, Format::Png);
        decode(&side_by_side(&pipeline.stages[0], &source, output).unwrap())
            .unwrap()
            .1
    }

    fn panel(picture: &Picture, index: u32) -> Vec<u16> {
        let left = index * (64 + GAP);
        (0..48)
            .flat_map(|y| (left..left + 64).map(move |x| (x, y)))
            .map(|(x, y)| picture.pixel(x, y)[0])
            .collect()
    }

    #[test]
    fn a_right_output_looks_as_expected_and_one_wrong_sample_is_white_in_the_difference() {
        let pipeline = Pipeline::parse("pipeline.toml", PIPELINE).unwrap();
        let source = crate::generate(562, 64, 48, Format::Png);
        let right = crate::reference_output(&pipeline.stages[0], &source).unwrap();
        let picture = shown(Some(&right));
        assert_eq!(picture.size(), (3 * 64 + 2 * GAP, 48));
        assert_eq!(panel(&picture, 0), panel(&picture, 1));
        assert!(panel(&picture, 2).iter().all(|&sample| sample == 0));

        let mut wrong = decode(&right).unwrap().1;
        wrong.samples[64 * 10 + 5] ^= 3;
        let picture = shown(Some(&encode(&wrong, &pipeline.stages[0].output)));
        assert_eq!(
            panel(&picture, 2)
                .iter()
                .enumerate()
                .filter(|(_, s)| **s > 0)
                .collect::<Vec<_>>(),
            [(645, &255)]
        );
    }

    #[test]
    fn what_can_not_be_decoded_is_hatched() {
        let picture = shown(Some(b"no image"));
        assert_eq!(panel(&picture, 1), panel(&picture, 2));
        assert_ne!(panel(&picture, 0), panel(&picture, 1));
        assert_eq!(panel(&picture, 1), panel(&shown(None), 1));
    }
}
