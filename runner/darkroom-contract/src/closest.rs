//! Compares an output with every decoder's reading of its input: the closest one, and the range of
//! all.

use darkroom_core::pipeline::{Stage, Tolerance};

use crate::bias::{Bias, close_levels};
use crate::codec::decode;
use crate::decoders;
use crate::header::Header;
use crate::measure::Difference;
use crate::picture::Picture;
use crate::reference::{input_in_place, input_picture, reference_picture};

/// The reading of the input from which the output is least away.
pub struct Closest {
    pub decoder: &'static str,
    pub input: Picture,
    pub reference: Picture,
    pub difference: Difference,
    /// What all readings that were looked at span; the closest alone where it is close enough.
    pub range: Range,
}

impl Closest {
    /// Compares `output` with what `stage` should make of its input: `first` and, where that is too
    /// far by `tolerance`, the other decodings of the file `bytes`, until one is close enough. The
    /// output has the size of the reference.
    pub fn of(
        stage: &Stage,
        bytes: &[u8],
        header: &Header,
        first: Picture,
        output: &Picture,
    ) -> Self {
        let mut closest = Self::beside(stage, decoders::FIRST, first, output);
        let mut others = decoders::others(bytes, header);
        while !closest.is_close(stage)
            && let Some((decoder, input)) = others.next()
        {
            let other = Self::beside(stage, decoder, input, output);
            closest = closest.or(other, stage);
        }
        closest
    }

    fn beside(stage: &Stage, decoder: &'static str, input: Picture, output: &Picture) -> Self {
        let reference = reference_picture(stage, &input);
        let difference = Difference::between(output, &reference);
        let range = Range::of(&reference);
        Self {
            decoder,
            input,
            reference,
            difference,
            range,
        }
    }

    /// Says whether the output is right for this reading alone.
    pub fn is_close(&self, stage: &Stage) -> bool {
        broken(stage, &self.difference).is_empty()
    }

    fn or(mut self, mut other: Self, stage: &Stage) -> Self {
        if other.is_close(stage) || other.difference.mse < self.difference.mse {
            std::mem::swap(&mut self, &mut other);
        }
        self.range.widen(other.range);
        self
    }

    /// Returns by what the output is off on the whole, as code is and decoders are not.
    pub fn bias(&self, stage: &Stage, output: &Picture) -> Bias {
        Bias::between(output, &self.reference, &input_in_place(stage, &self.input))
    }
}

/// How far one output is from what the known decoders make of its input: what the limits of
/// `from_jpeg` were chosen by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distance {
    /// The decoder whose reading is closest.
    pub decoder: &'static str,
    /// Levels that a sample is off from that reading's reference.
    pub max_abs: f64,
    /// Levels that a sample lies outside the range of the readings.
    pub outside: u16,
    pub bias: Bias,
    /// Close levels of the reference that has fewest.
    pub close_levels_expected: u32,
}

/// Measures an output that has the format, mode and size that `stage` demands; `None` for any
/// other.
pub fn distance(stage: &Stage, input: &[u8], output: &[u8]) -> Option<Distance> {
    let (found, output) = decode(output).ok()?;
    let (header, first) = input_picture(stage, input).ok()?;
    if !found.mode.is(stage.output.mode)
        || output.size() != stage.output.size.apply(first.width, first.height)
    {
        return None;
    }
    let closest = Closest::of(stage, input, &header, first, &output);
    Some(Distance {
        decoder: closest.decoder,
        max_abs: closest.difference.max_abs,
        outside: closest.range.outside(&output),
        bias: closest.bias(stage, &output),
        close_levels_expected: closest.range.close_levels,
    })
}

/// Returns in words each tolerance of the stage that `difference` from one reference breaks.
pub fn broken(stage: &Stage, difference: &Difference) -> Vec<String> {
    let Tolerance {
        min_psnr_db,
        max_abs,
        max_mean_difference,
        ..
    } = stage.check;
    let mean_difference = (difference.mean_output - difference.mean_reference).abs();
    let mut broken = Vec::new();
    if let (Some(min), Some(psnr)) = (min_psnr_db, difference.psnr_db(stage.output.peak()))
        && psnr < min
    {
        broken.push(format!("PSNR {psnr:.1} dB, expected at least {min}"));
    }
    if let Some(max) = max_abs
        && difference.max_abs > max
    {
        broken.push(format!(
            "a sample is off by {} levels, allowed {max}",
            difference.max_abs
        ));
    }
    if let Some(max) = max_mean_difference
        && mean_difference > max
    {
        broken.push(format!(
            "the mean is off by {mean_difference:.1} levels, allowed {max}"
        ));
    }
    broken
}

/// The lowest and the highest that the references are, sample by sample.
pub struct Range {
    low: Vec<u16>,
    high: Vec<u16>,
    /// Of the reference with the fewest.
    pub close_levels: u32,
}

impl Range {
    fn of(reference: &Picture) -> Self {
        let samples = &reference.samples;
        Self {
            low: samples.clone(),
            high: samples.clone(),
            close_levels: close_levels(reference),
        }
    }

    fn widen(&mut self, other: Self) {
        self.low
            .iter_mut()
            .zip(other.low)
            .for_each(|(low, other)| *low = other.min(*low));
        self.high
            .iter_mut()
            .zip(other.high)
            .for_each(|(high, other)| *high = other.max(*high));
        self.close_levels = self.close_levels.min(other.close_levels);
    }

    /// Returns how many levels the sample lies outside that lies outside most; 0 where all lie
    /// inside.
    pub fn outside(&self, output: &Picture) -> u16 {
        let bounds = self.low.iter().zip(&self.high);
        let outside = output
            .samples
            .iter()
            .zip(bounds)
            .map(|(sample, (low, high))| {
                low.saturating_sub(*sample)
                    .max(sample.saturating_sub(*high))
            });
        outside.max().unwrap_or(0)
    }
}
