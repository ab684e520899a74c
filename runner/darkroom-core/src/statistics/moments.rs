//! Intervals of mean, sd and cv: bootstraps, and closed forms for large samples.
//!
//! A sample about its mean → replicates → an interval by one of several methods; `interval` chooses
//! the method.

use std::cmp::Ordering;

use rand_chacha::ChaCha8Rng;

use super::interval::{ALPHA, Interval, Method};
use super::normal::{normal_cdf, normal_quantile};
use super::resampling::{below, resample};
use super::summary::quantile_of_sorted;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Mean,
    Sd,
    Cv,
}

/// A sample about its mean: what mean, sd and cv and all their resamples are computed from.
///
/// Sums of squares are taken of values less the mean, so nothing is lost for values far from zero.
pub(super) struct Moments {
    pub(super) mean: f64,
    pub(super) centred: Vec<f64>,
    sum: f64,
    sum_of_squares: f64,
}

impl Moments {
    pub(super) fn of(sorted: &[f64], mean: f64) -> Self {
        let centred: Vec<f64> = sorted.iter().map(|v| v - mean).collect();
        let sum = centred.iter().sum();
        let sum_of_squares = centred.iter().map(|d| d * d).sum();
        Self {
            mean,
            centred,
            sum,
            sum_of_squares,
        }
    }

    /// Returns the statistic of `n` values with these centred sums; NaN where it does not exist.
    fn statistic(&self, which: Moment, n: f64, sum: f64, sum_of_squares: f64) -> f64 {
        let mean = self.mean + sum / n;
        let sd = || ((sum_of_squares - sum * sum / n).max(0.0) / (n - 1.0)).sqrt();
        match which {
            Moment::Mean => mean,
            Moment::Sd => sd(),
            Moment::Cv if mean > 0.0 => sd() / mean,
            Moment::Cv => f64::NAN,
        }
    }

    fn n(&self) -> f64 {
        self.centred.len() as f64
    }

    fn observed(&self, which: Moment) -> f64 {
        self.statistic(which, self.n(), self.sum, self.sum_of_squares)
    }

    /// Returns the `BCa` interval, or the percentile one where bias or acceleration does not exist.
    ///
    /// Source: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, section 14.3.
    pub(super) fn bca(&self, which: Moment, replicates: &[f64]) -> Option<Interval> {
        let corrected = self
            .corrected_levels(which, replicates)
            .and_then(|(low, high)| {
                let (low, high) = (
                    quantile_of_sorted(replicates, low)?,
                    quantile_of_sorted(replicates, high)?,
                );
                Some(Interval {
                    low,
                    high,
                    method: Method::Bca,
                    stratified: false,
                })
            });
        corrected.or_else(|| percentile(replicates, Method::Percentile))
    }

    fn corrected_levels(&self, which: Moment, replicates: &[f64]) -> Option<(f64, f64)> {
        let (z0, a) = (
            bias(replicates, self.observed(which)),
            self.acceleration(which),
        );
        let level = |z: f64| {
            let shifted = z0 + z;
            let scale = 1.0 - a * shifted;
            (scale > 0.0)
                .then(|| normal_cdf(z0 + shifted / scale))
                .filter(|p| p.is_finite())
        };
        let z = normal_quantile(1.0 - ALPHA / 2.0);
        if z0.is_finite() && a.is_finite() {
            Some((level(-z)?, level(z)?))
        } else {
            None
        }
    }

    /// Returns the jackknife acceleration; NaN where a leave-one-out statistic does not exist.
    pub(super) fn acceleration(&self, which: Moment) -> f64 {
        let n = self.n();
        let without = self
            .centred
            .iter()
            .map(|d| self.statistic(which, n - 1.0, self.sum - d, self.sum_of_squares - d * d));
        let without: Vec<f64> = without.collect();
        let mean = without.iter().sum::<f64>() / n;
        let power = |exponent: i32| {
            without
                .iter()
                .map(|t| (mean - t).powi(exponent))
                .sum::<f64>()
        };
        power(3) / (6.0 * power(2).powf(1.5))
    }

    /// Returns the ABC interval: `BCa`'s bias and acceleration from derivatives instead of
    /// resamples.
    ///
    /// Source: T. J. `DiCiccio`, B. Efron, "Bootstrap confidence intervals", 1996, section 4
    /// (`abcnon`).
    pub(super) fn abc(&self, which: Moment) -> Option<Interval> {
        let n = self.n();
        let (first, second): (Vec<f64>, Vec<f64>) = self
            .centred
            .iter()
            .map(|&d| self.influence(which, d))
            .unzip();
        let sum_of = |exponent: i32| first.iter().map(|t| t.powi(exponent)).sum::<f64>();
        let sigma = sum_of(2).sqrt() / n;
        let acceleration = sum_of(3) / (6.0 * n.powi(3) * sigma.powi(3));
        let bias = second.iter().sum::<f64>() / (2.0 * n * n);
        // Along the least favourable direction the moments move linearly, so that the statistic is
        // a function of one number.
        let direction = |power: i32| {
            let moved = first
                .iter()
                .zip(&self.centred)
                .map(|(t, d)| t * d.powi(power));
            moved.sum::<f64>() / (n * n * sigma)
        };
        let (along_first, along_second) = (direction(1), direction(2));
        let at = |step: f64| {
            self.statistic(
                which,
                n,
                self.sum + n * step * along_first,
                self.sum_of_squares + n * step * along_second,
            )
        };
        let step = 0.01;
        let curvature = (at(step) - 2.0 * at(0.0) + at(-step)) / (2.0 * sigma * step * step);
        let z0 =
            normal_quantile(2.0 * normal_cdf(acceleration) * normal_cdf(curvature - bias / sigma));
        let bound = |z: f64| {
            let shifted = z0 + z;
            at(shifted / (1.0 - acceleration * shifted).powi(2))
        };
        let z = normal_quantile(1.0 - ALPHA / 2.0);
        let (low, high) = (bound(-z), bound(z));
        (low.is_finite() && high.is_finite()).then_some(Interval {
            low,
            high,
            method: Method::Abc,
            stratified: false,
        })
    }

    /// Returns the normal interval whose variance is that of a moving-block bootstrap of the
    /// linearised statistic.
    ///
    /// `centred` is in the order of execution. Source: H. R. Künsch, "The jackknife and the
    /// bootstrap for general stationary observations", 1989.
    pub(super) fn block_normal(
        &self,
        which: Moment,
        centred: &[f64],
        length: usize,
    ) -> Option<Interval> {
        let influence: Vec<f64> = centred
            .iter()
            .map(|&d| self.influence(which, d).0)
            .collect();
        let blocks: Vec<f64> = influence
            .windows(length)
            .map(|block| block.iter().sum())
            .collect();
        let mean = blocks.iter().sum::<f64>() / blocks.len() as f64;
        let variance =
            blocks.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / blocks.len() as f64;
        let reach =
            normal_quantile(1.0 - ALPHA / 2.0) * (variance / (self.n() * length as f64)).sqrt();
        let (low, high) = (self.observed(which) - reach, self.observed(which) + reach);
        (low.is_finite() && high.is_finite()).then_some(Interval {
            low,
            high,
            method: Method::BlockNormal,
            stratified: false,
        })
    }

    /// First and second derivative of the statistic when weight moves from all values to the one
    /// `d` from the mean.
    fn influence(&self, which: Moment, from_mean: f64) -> (f64, f64) {
        let square = from_mean * from_mean;
        let scale = self.n() / (self.n() - 1.0);
        let variance = self.sum_of_squares / self.n();
        let sd = (scale * variance).sqrt();
        // The variance's derivatives, then by the chain rule the sd's and the quotient's.
        let (v1, v2) = (scale * (square - variance), -2.0 * scale * square);
        let (sd1, sd2) = (
            v1 / (2.0 * sd),
            v2 / (2.0 * sd) - v1 * v1 / (4.0 * sd.powi(3)),
        );
        match which {
            Moment::Mean => (from_mean, 0.0),
            Moment::Sd => (sd1, sd2),
            Moment::Cv => {
                let slope = from_mean / self.mean;
                let first = (sd1 - sd * slope) / self.mean;
                let second = (sd2 - 2.0 * sd1 * slope + 2.0 * sd * slope * slope) / self.mean;
                (first, second)
            }
        }
    }
}

/// A value less the mean, and the same with its image's level taken out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) value: f64,
    pub(super) within: f64,
}

impl Pair {
    /// An order that does not depend on the order of execution.
    pub(super) fn order(a: &Self, b: &Self) -> Ordering {
        a.value
            .total_cmp(&b.value)
            .then(a.within.total_cmp(&b.within))
    }
}

/// Returns mean, sd and cv of every resample of `pairs`, each ascending and without those that do
/// not exist; the mean's are of values within images.
pub(super) fn replicates(
    of_mean: &Moments,
    of_all: &Moments,
    pairs: &[Pair],
    scheme: Scheme,
    seed: [u8; 32],
    resamples: usize,
) -> [Vec<f64>; 3] {
    let n = pairs.len() as f64;
    let drawn = resample(seed, resamples, |random| scheme.sums(random, pairs));
    [Moment::Mean, Moment::Sd, Moment::Cv].map(|which| {
        let one = |sums: &Sums| match which {
            Moment::Mean => of_mean.statistic(which, n, sums.within, 0.0),
            Moment::Sd | Moment::Cv => of_all.statistic(which, n, sums.values, sums.squares),
        };
        let mut finite: Vec<f64> = drawn.iter().map(one).filter(|t| t.is_finite()).collect();
        finite.sort_unstable_by(f64::total_cmp);
        finite
    })
}

/// How a resample is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scheme {
    /// Each value by itself, with replacement.
    Singles,
    /// Moving blocks of this many consecutive values, the last one cut to length.
    Blocks(usize),
}

/// Sums of one resample.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    within: f64,
    values: f64,
    squares: f64,
}

impl Scheme {
    /// Returns the sums of one resample as long as `pairs`.
    fn sums(self, random: &mut ChaCha8Rng, pairs: &[Pair]) -> Sums {
        let mut sums = Sums::default();
        let mut add = |pair: Pair| {
            sums.within += pair.within;
            sums.values += pair.value;
            sums.squares += pair.value * pair.value;
        };
        match self {
            Self::Singles => (0..pairs.len()).for_each(|_| add(pairs[below(random, pairs.len())])),
            Self::Blocks(length) => {
                let mut left = pairs.len();
                while left > 0 {
                    let start = below(random, pairs.len() - length + 1);
                    let taken = length.min(left);
                    pairs[start..start + taken]
                        .iter()
                        .for_each(|&pair| add(pair));
                    left -= taken;
                }
            }
        }
        sums
    }
}

/// Returns the percentile interval of ascending `replicates`.
pub(super) fn percentile(replicates: &[f64], method: Method) -> Option<Interval> {
    let low = quantile_of_sorted(replicates, ALPHA / 2.0)?;
    let high = quantile_of_sorted(replicates, 1.0 - ALPHA / 2.0)?;
    Some(Interval {
        low,
        high,
        method,
        stratified: false,
    })
}

/// Returns z0: the normal quantile of the share of replicates below the observed value, equal ones
/// counting half.
fn bias(replicates: &[f64], observed: f64) -> f64 {
    // Equal up to the rounding of sums taken in another order.
    let tolerance = 1e-12 * observed.abs();
    let below = replicates.partition_point(|&t| t < observed - tolerance);
    let up_to = replicates.partition_point(|&t| t <= observed + tolerance);
    let share = (below as f64 + 0.5 * (up_to - below) as f64) / replicates.len() as f64;
    normal_quantile(share)
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;
    use crate::statistics::interval::{MOST_RESAMPLED, intervals, quantile_interval, seed_of};
    use crate::statistics::resampling::RESAMPLES;
    use crate::statistics::summary::{mean_of_sorted, sorted};
    use crate::statistics::worked::{A, assert_close, assert_interval, lognormal};

    /// Replicates of a sample of one image.
    fn drawn(
        of: &Moments,
        centred: &[f64],
        scheme: Scheme,
        seed: [u8; 32],
        resamples: usize,
    ) -> [Vec<f64>; 3] {
        let pairs: Vec<Pair> = centred
            .iter()
            .map(|&value| Pair {
                value,
                within: value,
            })
            .collect();
        replicates(of, of, &pairs, scheme, seed, resamples)
    }

    #[test]
    fn the_worked_percentile_interval_is_another_one() {
        let mean = mean_of_sorted(&sorted(&A)).unwrap();
        let moments = Moments::of(&sorted(&A), mean);
        let [means, ..] = drawn(
            &moments,
            &moments.centred,
            Scheme::Singles,
            seed_of(1, &[]),
            RESAMPLES,
        );
        assert_interval(
            percentile(&means, Method::Percentile),
            Method::Percentile,
            98.7,
            110.3,
            0.4,
        );
    }

    #[test]
    fn the_worked_accelerations_come_out() {
        let s = sorted(&A);
        let moments = Moments::of(&s, mean_of_sorted(&s).unwrap());
        assert_close(Some(moments.acceleration(Moment::Mean)), 0.103_791, 5e-7);
        assert_close(Some(moments.acceleration(Moment::Cv)), 0.138_640, 5e-7);
    }

    #[test]
    fn the_analytic_interval_of_a_large_sample_is_the_resampled_one() {
        let values = lognormal(MOST_RESAMPLED, 0.4, 11);
        let s = sorted(&values);
        let moments = Moments::of(&s, mean_of_sorted(&s).unwrap());
        let replicates = drawn(
            &moments,
            &moments.centred,
            Scheme::Singles,
            seed_of(3, &[]),
            40_000,
        );
        for which in [Moment::Mean, Moment::Sd, Moment::Cv] {
            let (abc, bca) = (
                moments.abc(which).unwrap(),
                moments.bca(which, &replicates[which as usize]).unwrap(),
            );
            let width = bca.high - bca.low;
            assert!(
                (abc.low - bca.low).abs() < 0.05 * width,
                "{which:?} {abc:?} {bca:?}"
            );
            assert!(
                (abc.high - bca.high).abs() < 0.05 * width,
                "{which:?} {abc:?} {bca:?}"
            );
        }
    }

    #[test]
    fn the_closed_form_of_a_large_autocorrelated_sample_is_the_resampled_interval() {
        let noise = lognormal(MOST_RESAMPLED + 1, 0.2, 21);
        let wave = |i: usize| 40.0 * (i as f64 / 9.0).sin();
        let values: Vec<f64> = noise.iter().enumerate().map(|(i, v)| v + wave(i)).collect();
        let s = sorted(&values);
        let moments = Moments::of(&s, mean_of_sorted(&s).unwrap());
        let centred: Vec<f64> = values.iter().map(|v| v - moments.mean).collect();
        let length = (values.len() as f64).cbrt().ceil() as usize;
        let replicates = drawn(
            &moments,
            &centred,
            Scheme::Blocks(length),
            seed_of(4, &[]),
            RESAMPLES,
        );
        for which in [Moment::Mean, Moment::Sd, Moment::Cv] {
            let resampled = percentile(&replicates[which as usize], Method::Block).unwrap();
            let closed = moments.block_normal(which, &centred, length).unwrap();
            let width = resampled.high - resampled.low;
            assert!(
                (closed.low - resampled.low).abs() < 0.1 * width,
                "{which:?} {closed:?} {resampled:?}"
            );
            assert!(
                (closed.high - resampled.high).abs() < 0.1 * width,
                "{which:?} {closed:?} {resampled:?}"
            );
        }
        assert_eq!(
            intervals(&values, &[], seed_of(562, &["worked"]))
                .mean
                .unwrap()
                .method,
            Method::BlockNormal
        );
    }

    #[test]
    fn ninety_five_percent_intervals_cover_skewed_data_that_often() {
        const SIMULATIONS: usize = 2_000;
        let sigma = (1.0f64 + 0.3 * 0.3).ln().sqrt();
        let (true_median, true_mean) = (200.0, 200.0 * (sigma * sigma / 2.0).exp());
        let covered: Vec<(bool, bool)> = (0..SIMULATIONS)
            .into_par_iter()
            .map(|i| {
                let values = lognormal(100, sigma, 1_000 + i as u64);
                let s = sorted(&values);
                let moments = Moments::of(&s, mean_of_sorted(&s).unwrap());
                let replicates = drawn(
                    &moments,
                    &moments.centred,
                    Scheme::Singles,
                    seed_of(i as u64, &[]),
                    1_000,
                );
                let mean = moments.bca(Moment::Mean, &replicates[0]).unwrap();
                let (low, high) = quantile_interval(&s, 0.5);
                let median = low.unwrap() <= true_median && true_median <= high.unwrap();
                (mean.low <= true_mean && true_mean <= mean.high, median)
            })
            .collect();
        let share = |of: fn(&(bool, bool)) -> bool| {
            covered.iter().filter(|c| of(c)).count() as f64 / SIMULATIONS as f64
        };
        let (mean, median) = (share(|c| c.0), share(|c| c.1));
        assert!((0.925..=0.98).contains(&mean), "mean covered {mean}");
        assert!((0.925..=0.98).contains(&median), "median covered {median}");
    }
}
