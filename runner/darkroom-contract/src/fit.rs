//! Finds an output that is exactly wrong: it is another linear function of the decoded input than
//! the one asked for.
//!
//! Decoders differ from sample to sample, so no decoder's right output is an exact linear function
//! of another decoder's samples. If an output is, to the rounding, it was made from that decoding.
//! Its weights, scale and offset are then known, and so is the mistake, however small. The numbers:
//! experiments/image-pipeline/README.md, "Differences between JPEG decoders
//! are not errors".

use std::collections::HashSet;

use darkroom_core::pipeline::{Luma, Operation, Stage};

use crate::bias::solved;
use crate::codec::Undecodable;
use crate::decoders::each_decoding;
use crate::picture::Picture;
use crate::reference::input_in_place;

/// Levels that a sample may lie off the plane: half for rounding, the rest for a plane that few
/// samples hold.
const ROUNDING: f64 = 0.75;
/// Fewer colours may lie on a plane by chance.
const FEWEST_COLOURS: usize = 64;
/// Levels by which the plane is somewhere off what was asked for. A decoder with a coarse transform
/// (`JDCT_IFAST`) cuts off where others round, half a level.
const OFF: f64 = 0.9;
/// Levels by which an offset is more than samples cut off instead of rounded.
const OFFSET: f64 = 0.75;
/// A pull to what was asked for, a pixel: it decides where the colours of the picture do not vary.
const RIDGE: f64 = 1e-4;

/// What a stage asks of each sample: the sum of the input's channels, each times its weight.
struct Asked {
    /// Of a sample's range: the output's peak by the input's.
    scale: f64,
    /// Before the scale.
    weights: Vec<f64>,
}

impl Asked {
    /// `None` where a sample is not made of one pixel alone, or has several channels.
    fn by(stage: &Stage) -> Option<Self> {
        let mut asked = Self {
            scale: 1.0,
            weights: vec![1.0],
        };
        let peak = |bits: u32| f64::from((1u32 << bits) - 1);
        let mut bits = stage.input.used_bits();
        for operation in &stage.operations {
            match *operation {
                Operation::Greyscale {
                    luma: Luma::Bt601,
                    bits: to,
                } => {
                    asked.weights = vec![0.299, 0.587, 0.114];
                    asked.scale *= peak(to) / peak(bits);
                    bits = to;
                }
                Operation::Depth { from_bits, to_bits } => {
                    asked.scale *= peak(to_bits) / peak(from_bits);
                    bits = to_bits;
                }
                Operation::Rotate { .. } | Operation::Reencode => {}
                Operation::Resize { .. } => return None,
            }
        }
        Some(asked)
    }

    fn value(&self, pixel: &[u16]) -> f64 {
        let sum: f64 = pixel
            .iter()
            .zip(&self.weights)
            .map(|(&sample, weight)| f64::from(sample) * weight)
            .sum();
        sum * self.scale
    }
}

/// Returns in words by which straight function of a reading of `input` the output was made, where
/// it is not the one that `stage` asks for. The output is more than a rounding from what each
/// reading should give, and has its size.
pub fn mistake(
    stage: &Stage,
    input: &[u8],
    output: &Picture,
) -> Result<Option<String>, Undecodable> {
    let Some(asked) = Asked::by(stage) else {
        return Ok(None);
    };
    let mistakes = each_decoding(input)?.filter_map(|(_, reading)| {
        let reading = input_in_place(stage, &reading);
        let fits = reading.size() == output.size()
            && reading.channels == asked.weights.len()
            && output.channels == 1;
        let fit = || {
            Fit {
                asked: &asked,
                reading: &reading,
                output,
                peak: stage.output.peak() as u16,
            }
            .mistake()
        };
        fits.then(fit).flatten()
    });
    Ok({ mistakes }.next())
}

/// An output over one reading of its input.
struct Fit<'a> {
    asked: &'a Asked,
    reading: &'a Picture,
    output: &'a Picture,
    peak: u16,
}

impl Fit<'_> {
    fn mistake(&self) -> Option<String> {
        let colours: HashSet<&[u16]> = self.free().map(|(pixel, _)| pixel).take(1 << 16).collect();
        if colours.len() < FEWEST_COLOURS {
            return None;
        }
        self.scaled().or_else(|| self.weighted())
    }

    fn pixels(&self) -> impl Iterator<Item = (&[u16], f64)> {
        let samples = self.output.samples.iter().map(|&sample| f64::from(sample));
        self.reading
            .samples
            .chunks_exact(self.reading.channels)
            .zip(samples)
    }

    /// The pixels whose sample was not cut at an end of its range.
    fn free(&self) -> impl Iterator<Item = (&[u16], f64)> {
        self.pixels()
            .filter(|&(_, sample)| sample > 0.0 && sample < f64::from(self.peak))
    }

    /// Says whether every sample is what `made` makes of its pixel, to the rounding and cut at the
    /// ends of the range, and that is not what was asked for.
    fn is(&self, made: impl Fn(&[u16]) -> f64) -> bool {
        let peak = f64::from(self.peak);
        self.pixels()
            .all(|(pixel, sample)| (sample - made(pixel).clamp(0.0, peak)).abs() <= ROUNDING)
            && self
                .free()
                .any(|(pixel, _)| (made(pixel) - self.asked.value(pixel)).abs() >= OFF)
    }

    /// The right weights with another scale or an offset, by least squares.
    fn scaled(&self) -> Option<String> {
        let Asked { scale, weights } = self.asked;
        let mean = self.means(|pixel| vec![self.asked.value(pixel)]);
        let (mut square, mut product) = (0.0, 0.0);
        for (pixel, sample) in self.free() {
            let from_mean = self.asked.value(pixel) - mean[0];
            square += from_mean * from_mean;
            product += from_mean * (sample - mean[1]);
        }
        let gain = if square > 0.0 { product / square } else { 1.0 };
        let offset = mean[1] - gain * mean[0];
        if !self.is(|pixel| gain * self.asked.value(pixel) + offset) {
            return None;
        }
        let moved = in_words(offset);
        // What a gain changes at the top of the range is less than a rounding: then it is none.
        if (gain - 1.0).abs() * f64::from(self.peak) < OFFSET {
            return Some(format!("every sample is {}", moved?));
        }
        let asked = match (weights.len(), (*scale - 1.0).abs() < f64::EPSILON) {
            (_, true) => "1 was".to_owned(),
            _ => format!(
                "{}/{:.0} = {scale:.3} was",
                self.peak,
                f64::from(self.peak) / scale
            ),
        };
        let moved = moved.map_or_else(String::new, |moved| format!(", then {moved}"));
        Some(format!(
            "scaled by {:.3} where {asked} asked for{moved}",
            gain * scale
        ))
    }

    /// Other weights, by least squares of what the output is off by.
    fn weighted(&self) -> Option<String> {
        let &[red, green, blue] = self.asked.weights.as_slice() else {
            return None;
        };
        let channels = |pixel: &[u16]| pixel.iter().map(|&sample| f64::from(sample)).collect();
        let mean = self.means(channels);
        let off = |(pixel, sample): (&[u16], f64)| sample - self.asked.value(pixel);
        let mean_off =
            mean[3] - self.asked.scale * (red * mean[0] + green * mean[1] + blue * mean[2]);
        let (mut products, mut with_off, mut n) = ([[0.0; 3]; 3], [0.0; 3], 0.0);
        for (pixel, sample) in self.free() {
            let colour = [0, 1, 2].map(|channel| f64::from(pixel[channel]) - mean[channel]);
            for row in 0..3 {
                for column in 0..3 {
                    products[row][column] += colour[row] * colour[column];
                }
                with_off[row] += colour[row] * (off((pixel, sample)) - mean_off);
            }
            n += 1.0;
        }
        for (channel, row) in products.iter_mut().enumerate() {
            row[channel] += RIDGE * n;
        }
        let slopes = solved(products, with_off);
        let plane = |colour: [f64; 3]| {
            (0..3)
                .map(|channel| slopes[channel] * colour[channel])
                .sum::<f64>()
        };
        let offset = mean_off - plane([mean[0], mean[1], mean[2]]);
        let colour = |pixel: &[u16]| [0, 1, 2].map(|channel| f64::from(pixel[channel]));
        if !self.is(|pixel| self.asked.value(pixel) + plane(colour(pixel)) + offset) {
            return None;
        }
        let scale = self.asked.scale;
        let [r, g, b] = [
            red + slopes[0] / scale,
            green + slopes[1] / scale,
            blue + slopes[2] / scale,
        ];
        let moved = in_words(offset).map_or_else(String::new, |moved| format!(", then {moved}"));
        Some(format!(
            "weights {r:.3}, {g:.3}, {b:.3} where {red}, {green}, {blue} were asked for{moved}"
        ))
    }

    /// Returns the means of what `of_pixel` gives, then of the samples.
    fn means(&self, of_pixel: impl Fn(&[u16]) -> Vec<f64>) -> Vec<f64> {
        let (mut sums, mut n) = (Vec::new(), 0.0);
        for (pixel, sample) in self.free() {
            let mut values = of_pixel(pixel);
            values.push(sample);
            sums.resize(values.len(), 0.0);
            sums.iter_mut()
                .zip(values)
                .for_each(|(sum, value)| *sum += value);
            n += 1.0;
        }
        sums.iter().map(|sum: &f64| sum / n).collect()
    }
}

/// `None` for what cutting off instead of rounding does.
fn in_words(offset: f64) -> Option<String> {
    let direction = if offset > 0.0 { "high" } else { "low" };
    (offset.abs() > OFFSET).then(|| format!("{:.1} levels too {direction}", offset.abs()))
}

#[cfg(test)]
mod tests {
    use darkroom_core::pipeline::{Format, Pipeline};

    use super::*;
    use crate::codec::decode;
    use crate::generate;

    const PIPELINE: &str = include_str!("../../../experiments/image-pipeline/pipeline.toml");

    fn stage(name: &str) -> Stage {
        Pipeline::parse("pipeline.toml", PIPELINE)
            .unwrap()
            .stage(name)
            .unwrap()
            .1
            .clone()
    }

    fn said(stage: &Stage, input: &[u8], made: impl Fn(&[u16]) -> f64) -> Option<String> {
        let reading = input_in_place(stage, &decode(input).unwrap().1);
        let samples = reading
            .samples
            .chunks_exact(reading.channels)
            .map(|pixel| made(pixel).round() as u16)
            .collect();
        let output = Picture {
            width: reading.width,
            height: reading.height,
            channels: 1,
            samples,
        };
        mistake(stage, input, &output).unwrap()
    }

    fn luma(pixel: &[u16], [red, green, blue]: [f64; 3]) -> f64 {
        f64::from(pixel[0]) * red + f64::from(pixel[1]) * green + f64::from(pixel[2]) * blue
    }

    const BT601: [f64; 3] = [0.299, 0.587, 0.114];
    const SCALE: f64 = 1023.0 / 255.0;

    #[test]
    fn each_mistake_of_a_greyscale_is_named() {
        let (stage, input) = (stage("greyscale"), generate(562, 64, 48, Format::Jpeg));
        let said = |made: &dyn Fn(&[u16]) -> f64| said(&stage, &input, made);
        // The scale is found to some thousandths: samples are rounded.
        let four = |said: Option<String>| {
            let said = said.unwrap();
            assert!(said.starts_with("scaled by 4.00"), "{said}");
            assert!(
                said.ends_with(" where 1023/255 = 4.012 was asked for"),
                "{said}"
            );
        };
        four(said(&|pixel| luma(pixel, BT601) * 4.0));
        four(said(&|pixel| (luma(pixel, BT601) * 4.0).floor()));
        let two_digits = "weights 0.300, 0.590, 0.110 where 0.299, 0.587, 0.114 were asked for";
        assert_eq!(
            said(&|pixel| luma(pixel, [0.30, 0.59, 0.11]) * SCALE).as_deref(),
            Some(two_digits)
        );
        let higher = said(&|pixel| (luma(pixel, BT601) * SCALE).round() + 2.0);
        assert_eq!(
            higher.as_deref(),
            Some("every sample is 2.0 levels too high")
        );
        let lower = said(&|pixel| (luma(pixel, BT601) * SCALE * 0.98 - 3.0).max(0.0)).unwrap();
        assert!(
            lower.starts_with("scaled by 3.9") && lower.contains("levels too low"),
            "{lower}"
        );
    }

    #[test]
    fn what_is_no_straight_function_of_a_reading_is_not_named() {
        let (stage, input) = (stage("greyscale"), generate(562, 64, 48, Format::Jpeg));
        assert_eq!(
            said(&stage, &input, |pixel| luma(pixel, BT601).round() * SCALE),
            None
        );
        assert_eq!(
            said(&stage, &input, |pixel| (luma(pixel, BT601) / 255.0)
                .powf(1.1)
                * 1023.0),
            None
        );
    }

    #[test]
    fn a_picture_of_few_colours_names_nothing() {
        let stage = stage("greyscale");
        let input = generate(562, 7, 9, Format::Png);
        assert_eq!(said(&stage, &input, |pixel| luma(pixel, BT601) * 4.0), None);
    }

    #[test]
    fn mistakes_of_a_stage_of_one_channel_are_named() {
        let stage = stage("convert");
        let mut grey = Picture::grey(48, 64, |x, y| (40 + 2 * x + y) as u16);
        grey.samples[7] = 90;
        let mut output = stage.output.clone();
        (output.format, output.quality) = (Format::Jpeg, Some(95));
        let input = crate::encode(&grey, &output);
        let said =
            |made: &dyn Fn(f64) -> f64| said(&stage, &input, |pixel| made(f64::from(pixel[0])));
        assert_eq!(
            said(&|sample| sample + 1.0).as_deref(),
            Some("every sample is 1.0 levels too high")
        );
        assert_eq!(
            said(&|sample| sample * 0.98).as_deref(),
            Some("scaled by 0.980 where 1 was asked for")
        );
        assert_eq!(
            said(&|sample| sample - 2.0).as_deref(),
            Some("every sample is 2.0 levels too low")
        );
    }
}
