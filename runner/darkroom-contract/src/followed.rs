//! Whether an output follows the pixels of its own input. Code that stores outputs returns an old
//! one for a changed image.
//!
//! Two images differ by tiles ([`crate::with_own_pixels`]), so right outputs differ by a known
//! pattern. The slope of a regression says how much of the pattern an output shows, whatever else
//! is wrong with it.

use darkroom_core::pipeline::Stage;

use crate::codec::decode;
use crate::picture::Picture;
use crate::reference::{input_picture, reference_picture};

/// Clusters across and down. Code and decoders are off by whole areas, so samples are not
/// independent.
const CLUSTERS: (usize, usize) = (16, 12);
/// An output that may show this much of the pattern follows it. Kept outputs show nothing, those of
/// another pattern little. Code that loses a level of three shows two thirds.
const ENOUGH: f64 = 0.5;
/// Standard errors that are given away. Tiles move by chance, so the share of right code is next to
/// never that far off, however far the output is off within a tolerance; more would let kept
/// outputs hide under areas that are brighter and darker.
const ERRORS: f64 = 2.0;

/// How much of the difference between two inputs an output shows: 1 as the reference does, 0
/// nothing of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Followed {
    pub share: f64,
    /// Of `share`, robust to errors of whole areas (a sandwich estimator over clusters: Liang and
    /// Zeger 1986).
    pub standard_error: f64,
}

impl Followed {
    /// Measures what `stage` wrote when it was given `given`. `own` is what the reference feeds the
    /// stage of the image with own pixels, `plain` the same of the image without. `None` if nothing
    /// can be told: other sizes, or inputs that don't differ.
    pub fn of(
        stage: &Stage,
        given: &[u8],
        own: &[u8],
        plain: &[u8],
        output: &[u8],
    ) -> Option<Self> {
        let made = |input| {
            Some(reference_picture(
                stage,
                &input_picture(stage, input).ok()?.1,
            ))
        };
        let (expected, plain) = (made(given)?, made(plain)?);
        let own = if own == given { None } else { Some(made(own)?) };
        let (_, output) = decode(output).ok()?;
        let own = own.as_ref().unwrap_or(&expected);
        let alike = |other: &Picture| {
            other.size() == expected.size() && other.channels == expected.channels
        };
        (alike(own) && alike(&plain) && alike(&output))
            .then(|| Self::between(&expected, own, &plain, &output))?
    }

    fn between(
        expected: &Picture,
        own: &Picture,
        plain: &Picture,
        output: &Picture,
    ) -> Option<Self> {
        let difference = |a: &Picture, b: &Picture| -> Vec<f64> {
            a.samples
                .iter()
                .zip(&b.samples)
                .map(|(a, b)| f64::from(*a) - f64::from(*b))
                .collect()
        };
        let (pattern, off) = (
            centred(difference(own, plain)),
            centred(difference(output, expected)),
        );
        let squares: f64 = pattern.iter().map(|step| step * step).sum();
        if squares == 0.0 {
            return None;
        }
        let slope = pattern
            .iter()
            .zip(&off)
            .map(|(step, off)| step * off)
            .sum::<f64>()
            / squares;
        let mut clusters = vec![0.0; CLUSTERS.0 * CLUSTERS.1];
        let (width, height) = (expected.width as usize, expected.height as usize);
        for (at, (step, off)) in pattern.iter().zip(&off).enumerate() {
            let pixel = at / expected.channels;
            let (x, y) = (pixel % width, pixel / width);
            clusters[y * CLUSTERS.1 / height * CLUSTERS.0 + x * CLUSTERS.0 / width] +=
                (off - slope * step) * step;
        }
        let spread: f64 = clusters.iter().map(|sum| sum * sum).sum();
        Some(Self {
            share: 1.0 + slope,
            standard_error: spread.sqrt() / squares,
        })
    }

    /// Says whether the output can be of its own input. Where it is unclear, it can.
    pub fn is_possible(&self) -> bool {
        self.share + ERRORS * self.standard_error >= ENOUGH
    }
}

fn centred(mut values: Vec<f64>) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    for value in &mut values {
        *value -= mean;
    }
    values
}
