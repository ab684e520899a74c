//! The adaptive stopping rule: when enough has been measured (`method.md` section 5).
//!
//! Samples so far → how wide their intervals still are, and whether to stop. Pure. [`crate::until`]
//! decides which values are a sample, and the interval is the one that `summary` shows.
//!
//! Looking several times makes intervals slightly too narrow at the moment of stopping;
//! [`super::calibrate`] says how often they still hold the truth.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::interval::intervals;
use super::summary::{mean_of_sorted, sorted};

/// Repetitions between two looks.
pub const LOOK_EVERY: u32 = 10;

/// Why no further repetition is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    /// Every interval is as narrow as was asked.
    CiHalfWidth,
    /// As many repetitions were made as are allowed.
    Max,
    /// No cell has a value that more repetitions could make surer.
    NoSample,
}

impl StoppedBy {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CiHalfWidth => "ci_half_width",
            Self::Max => "max",
            Self::NoSample => "no_sample",
        }
    }
}

/// How often is looked, and for what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StoppingRule {
    /// Half width of a 95% interval / mean.
    pub target: f64,
    pub min: u32,
    pub max: u32,
}

impl StoppingRule {
    /// Says whether intervals are looked at after this many repetitions.
    pub const fn is_look(&self, repetitions: u32) -> bool {
        repetitions >= self.min
            && repetitions <= self.max
            && ((repetitions - self.min).is_multiple_of(LOOK_EVERY) || repetitions == self.max)
    }

    /// Decides after a look: `widths` are those of every sample, `None` where there is no interval
    /// yet.
    pub fn decide(&self, repetitions: u32, widths: &[Option<f64>]) -> Option<StoppedBy> {
        if widths.is_empty() {
            Some(StoppedBy::NoSample)
        } else if widths.iter().all(|&width| self.is_narrow(width)) {
            Some(StoppedBy::CiHalfWidth)
        } else {
            (repetitions >= self.max).then_some(StoppedBy::Max)
        }
    }

    pub fn is_narrow(&self, width: Option<f64>) -> bool {
        width.is_some_and(|width| width <= self.target)
    }
}

/// Returns (high - low) / (2 x mean) of each sample's 95% interval of the mean; `None` without an
/// interval or a positive mean.
///
/// The mean is that over this very set of images, so that the size of images holds nothing up.
pub fn relative_half_widths(samples: &[Watched]) -> Vec<Option<f64>> {
    samples
        .par_iter()
        .map(|of| relative_half_width(&of.values, &of.images, of.seed))
        .collect()
}

/// What is looked at of one stage or pipeline of a cell.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// In the order of execution.
    pub values: Vec<f64>,
    /// The image of each value, numbered.
    pub images: Vec<u32>,
    /// That of `summary`.
    pub seed: [u8; 32],
}

pub(super) fn relative_half_width(values: &[f64], images: &[u32], seed: [u8; 32]) -> Option<f64> {
    let interval = intervals(values, images, seed).mean?;
    let mean = mean_of_sorted(&sorted(values)).filter(|mean| *mean > 0.0)?;
    Some((interval.high - interval.low) / (2.0 * mean)).filter(|width| width.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::interval::seed_of;
    use crate::statistics::worked::{A, assert_close, lognormal};

    const RULE: StoppingRule = StoppingRule {
        target: 0.02,
        min: 30,
        max: 400,
    };

    #[test]
    fn looks_are_at_min_every_ten_repetitions_after_it_and_at_max() {
        let looks =
            |rule: StoppingRule| (1..=500).filter(|&n| rule.is_look(n)).collect::<Vec<u32>>();
        assert_eq!(
            looks(StoppingRule {
                target: 0.1,
                min: 10,
                max: 45
            }),
            [10, 20, 30, 40, 45]
        );
        assert_eq!(
            looks(StoppingRule {
                target: 0.1,
                min: 15,
                max: 15
            }),
            [15]
        );
        assert_eq!(looks(RULE).len(), 38);
    }

    #[test]
    fn every_sample_must_be_narrow_and_max_ends_it() {
        assert_eq!(
            RULE.decide(30, &[Some(0.02), Some(0.001)]),
            Some(StoppedBy::CiHalfWidth),
            "the target itself will do"
        );
        assert_eq!(RULE.decide(30, &[Some(0.0201), Some(0.001)]), None);
        assert_eq!(
            RULE.decide(390, &[Some(0.01), None]),
            None,
            "without an interval it is not known to be narrow"
        );
        assert_eq!(RULE.decide(400, &[Some(0.01), None]), Some(StoppedBy::Max));
        assert_eq!(
            RULE.decide(400, &[Some(0.01)]),
            Some(StoppedBy::CiHalfWidth),
            "narrow at the last look"
        );
        assert_eq!(RULE.decide(30, &[]), Some(StoppedBy::NoSample));
    }

    #[test]
    fn a_width_is_half_the_summarys_interval_over_the_mean() {
        let seed = seed_of(562, &["worked"]);
        let interval = intervals(&A, &[], seed).mean.unwrap();
        assert_close(
            relative_half_width(&A, &[], seed),
            (interval.high - interval.low) / 207.0,
            1e-12,
        );
        // `method.md`: [99.5, 113.5], each bound +-0.4.
        assert_close(
            relative_half_width(&A, &[], seed),
            14.0 / 207.0,
            0.8 / 207.0,
        );
        assert_eq!(relative_half_width(&[7.0], &[], seed), None);
        assert_eq!(relative_half_width(&[7.0, 7.0], &[], seed), Some(0.0));
        assert_eq!(relative_half_width(&[0.0, 0.0], &[], seed), None);
    }

    #[test]
    fn widths_fall_with_n_as_the_methods_guide_says_whatever_the_thread_count() {
        // n ~ (1.96 cv / e)^2: cv .10 and e .02 give 97.
        let sigma = (1.0f64 + 0.1 * 0.1).ln().sqrt();
        let values = lognormal(97, sigma, 3);
        let sample = |values: &[f64], seed| Watched {
            values: values.to_vec(),
            images: Vec::new(),
            seed,
        };
        let samples = [sample(&values[..30], [1; 32]), sample(&values, [2; 32])];
        let widths = relative_half_widths(&samples);
        assert!(
            widths[0].unwrap() > 0.025 && (widths[1].unwrap() - 0.02).abs() < 0.005,
            "{widths:?}"
        );
        let one = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        assert_eq!(one.install(|| relative_half_widths(&samples)), widths);
    }
    /// Turnaround of six photographs that differ tenfold, each with a CV of 0.1: 96% of the
    /// variance is between them.
    fn six_photographs(blocks: u32) -> Watched {
        let noise = lognormal(6 * blocks as usize, 0.1, 8);
        let sizes = [1.0, 10.0, 2.0, 7.0, 3.0, 4.0];
        let values = noise
            .iter()
            .zip(sizes.iter().cycle())
            .map(|(noise, size)| noise * size)
            .collect();
        Watched {
            values,
            images: (0..6 * blocks).map(|i| i % 6).collect(),
            seed: [1; 32],
        }
    }

    #[test]
    fn the_readmes_example_of_until_comes_to_its_end_by_its_interval() {
        let readme = include_str!("../../../../README.md");
        let example = readme
            .split_once("until = {")
            .and_then(|(_, rest)| rest.split_once('}'))
            .unwrap()
            .0;
        let number = |key: &str| -> f64 {
            let after = example.split_once(&format!("{key} = ")).unwrap().1;
            after.split([',', ' ']).next().unwrap().parse().unwrap()
        };
        let rule = StoppingRule {
            target: number("ci_half_width"),
            min: number("min") as u32,
            max: number("max") as u32,
        };
        let mut looks = (1..=rule.max).filter(|&n| rule.is_look(n));
        let ended = looks.find_map(|n| {
            Some((
                n,
                rule.decide(n, &relative_half_widths(&[six_photographs(n)]))?,
            ))
        });
        assert!(
            matches!(ended, Some((30..=60, StoppedBy::CiHalfWidth))),
            "{ended:?}"
        );
        // Taken as one sample they would not be narrow enough after all 400.
        let raw = Watched {
            images: Vec::new(),
            ..six_photographs(rule.max)
        };
        assert!(relative_half_widths(&[raw])[0].unwrap() > rule.target);
    }
}
