//! Confidence intervals of one sample, level 0.95, two-sided (`method.md` section 3).
//!
//! Mean, sd and cv: `BCa` bootstrap. Quantiles: order statistics, exact and without a seed. Values come in the order of
//! execution, which only r1 and the block bootstrap look at. Resampling is parallel; every chunk of resamples has its own
//! stream of the seeded generator, so the result does not depend on how many threads there are.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};
use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal};

use super::stationarity::lag_one_autocorrelation;
use super::summary::{mean_of_sorted, quantile_of_sorted};

/// Resamples of a bootstrap.
pub const RESAMPLES: usize = 10_000;
/// Below this n an interval is shown with the note `small n`.
pub const SMALL_N: usize = 10;
/// Above this n the ABC approximation takes the place of resampling: at that size it gives the same bounds to well
/// within the bootstrap's own noise, and costs n instead of 10,000 n.
pub const MOST_RESAMPLED: usize = 1_000;
/// One minus the level.
pub const ALPHA: f64 = 0.05;
/// Resamples that share one stream of the generator.
const CHUNK: usize = 250;

/// How an interval was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Bias-corrected and accelerated bootstrap.
    Bca,
    /// Its analytic approximation ("approximate bootstrap confidence"), for large samples.
    Abc,
    /// Plain percentiles of the bootstrap: bias or acceleration did not exist.
    Percentile,
    /// Percentiles of a moving-block bootstrap: the sample is autocorrelated.
    Block,
    /// Normal interval with the block bootstrap's variance, which has a closed form: for large autocorrelated samples.
    BlockNormal,
    /// All values are equal: the interval is that value.
    Degenerate,
}

impl Method {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bca => "bca",
            Self::Abc => "abc",
            Self::Percentile => "percentile",
            Self::Block => "block",
            Self::BlockNormal => "block_normal",
            Self::Degenerate => "degenerate",
        }
    }
}

/// An interval and how it was made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
    pub method: Method,
}

/// An interval of a quantile; a side is `None` where no order statistic bounds it.
pub type Bounds = (Option<f64>, Option<f64>);

/// Intervals of one sample. `None`: the statistic or its interval does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Intervals {
    pub mean: Option<Interval>,
    pub sd: Option<Interval>,
    pub cv: Option<Interval>,
    pub p50: Bounds,
    pub p90: Bounds,
    pub p95: Bounds,
    pub p99: Bounds,
    /// Lag-1 autocorrelation in the order of execution.
    pub r1: Option<f64>,
}

impl Intervals {
    /// Returns the intervals of the same sample in another unit: every value times `factor`, which is positive.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let interval = |i: Option<Interval>| i.map(|i| Interval { low: i.low * factor, high: i.high * factor, ..i });
        let bounds = |(low, high): Bounds| (low.map(|v| v * factor), high.map(|v| v * factor));
        Self {
            mean: interval(self.mean),
            sd: interval(self.sd),
            cv: self.cv,
            p50: bounds(self.p50),
            p90: bounds(self.p90),
            p95: bounds(self.p95),
            p99: bounds(self.p99),
            r1: self.r1,
        }
    }
}

/// Returns the seed of one sample's bootstrap: sha256 of the run's seed and what the sample is, joined by NUL.
pub fn seed_of(run_seed: u64, parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(run_seed.to_string());
    for part in parts {
        hash.update([0]);
        hash.update(part);
    }
    hash.finalize().into()
}

/// Returns the intervals of `values`, given in the order of execution; values that are not finite are left out.
pub fn intervals(values: &[f64], seed: [u8; 32]) -> Intervals {
    let values: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let mut sorted = values.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let r1 = lag_one_autocorrelation(&values);
    let [mean, sd, cv] = moment_intervals(&values, &sorted, r1, seed, RESAMPLES);
    Intervals {
        mean,
        sd,
        cv,
        p50: quantile_interval(&sorted, 0.5),
        p90: quantile_interval(&sorted, 0.9),
        p95: quantile_interval(&sorted, 0.95),
        p99: quantile_interval(&sorted, 0.99),
        r1,
    }
}

/// Returns the interval of quantile `p` of ascending `x` from order statistics.
///
/// With F the cdf of Binomial(n, p): from x(l), l the largest k with F(k - 1) <= alpha/2, to x(u), u the smallest k with
/// F(k - 1) >= 1 - alpha/2. Source: W. J. Conover, "Practical Nonparametric Statistics", 3rd ed., section 3.2.
pub fn quantile_interval(x: &[f64], p: f64) -> Bounds {
    let (low, high) = quantile_ranks(x.len(), p);
    (low.map(|k| x[k - 1]), high.map(|k| x[k - 1]))
}

/// Ranks from 1 of the order statistics that bound quantile `p` of `n` values.
fn quantile_ranks(n: usize, p: f64) -> (Option<usize>, Option<usize>) {
    let Ok(binomial) = Binomial::new(p, n as u64) else { return (None, None) };
    // F(k - 1) rises with k, so both ranks are where it crosses a level.
    let crossing = |holds: &dyn Fn(f64) -> bool| partition(n, |k| holds(binomial.cdf(k as u64 - 1)));
    let low = crossing(&|f| f <= ALPHA / 2.0);
    let high = crossing(&|f| f < 1.0 - ALPHA / 2.0) + 1;
    ((low >= 1).then_some(low), (high <= n).then_some(high))
}

/// Returns how many of 1..=n satisfy `holds`, which must hold for a first part of them and for none after.
fn partition(n: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut below, mut above) = (0, n);
    while below < above {
        let middle = (below + above).div_ceil(2);
        if holds(middle) {
            below = middle;
        } else {
            above = middle - 1;
        }
    }
    below
}

/// Intervals of mean, sd and cv, from the same resamples.
fn moment_intervals(
    values: &[f64],
    sorted: &[f64],
    r1: Option<f64>,
    seed: [u8; 32],
    resamples: usize,
) -> [Option<Interval>; 3] {
    let (Some(mean), true) = (mean_of_sorted(sorted), values.len() >= 2) else { return [None; 3] };
    let n = values.len() as f64;
    let has_cv = mean > 0.0;
    if sorted.first() == sorted.last() {
        let same = |value: f64| Some(Interval { low: value, high: value, method: Method::Degenerate });
        return [same(mean), same(0.0), same(0.0).filter(|_| has_cv)];
    }
    let autocorrelated = r1.is_some_and(|r1| r1.abs() > 2.0 / n.sqrt());
    let moments = Moments::of(sorted, mean);
    let all = [Moment::Mean, Moment::Sd, Moment::Cv];
    let found = if autocorrelated {
        let block = n.cbrt().ceil() as usize;
        let centred: Vec<f64> = values.iter().map(|v| v - mean).collect();
        if values.len() > MOST_RESAMPLED {
            all.map(|which| moments.block_normal(which, &centred, block))
        } else {
            let replicates = moments.replicates(&centred, Scheme::Blocks(block), seed, resamples);
            all.map(|which| percentile(&replicates[which as usize], Method::Block))
        }
    } else if values.len() > MOST_RESAMPLED {
        all.map(|which| moments.abc(which))
    } else {
        let replicates = moments.replicates(&moments.centred, Scheme::Singles, seed, resamples);
        all.map(|which| moments.bca(which, &replicates[which as usize]))
    };
    let [mean, sd, cv] = found;
    [mean, sd, cv.filter(|_| has_cv)]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Mean,
    Sd,
    Cv,
}

/// A sample about its mean: what mean, sd and cv and all their resamples are computed from.
///
/// Sums of squares are taken of values less the mean, so nothing is lost for values far from zero.
struct Moments {
    mean: f64,
    centred: Vec<f64>,
    sum: f64,
    sum_of_squares: f64,
}

impl Moments {
    fn of(sorted: &[f64], mean: f64) -> Self {
        let centred: Vec<f64> = sorted.iter().map(|v| v - mean).collect();
        let sum = centred.iter().sum();
        let sum_of_squares = centred.iter().map(|d| d * d).sum();
        Self { mean, centred, sum, sum_of_squares }
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

    /// Returns mean, sd and cv of every resample of `centred`, each ascending and without those that do not exist.
    fn replicates(&self, centred: &[f64], scheme: Scheme, seed: [u8; 32], resamples: usize) -> [Vec<f64>; 3] {
        let chunk = |index: usize| {
            let mut random = ChaCha8Rng::from_seed(seed);
            random.set_stream(index as u64);
            let count = CHUNK.min(resamples - index * CHUNK);
            (0..count).map(|_| scheme.sums(&mut random, centred)).collect::<Vec<_>>()
        };
        let sums: Vec<(f64, f64)> = (0..resamples.div_ceil(CHUNK)).into_par_iter().flat_map_iter(chunk).collect();
        [Moment::Mean, Moment::Sd, Moment::Cv].map(|which| {
            let all = sums.iter().map(|&(sum, squares)| self.statistic(which, self.n(), sum, squares));
            let mut finite: Vec<f64> = all.filter(|t| t.is_finite()).collect();
            finite.sort_unstable_by(f64::total_cmp);
            finite
        })
    }

    /// Returns the `BCa` interval, or the percentile one where bias or acceleration does not exist.
    ///
    /// Source: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, section 14.3.
    fn bca(&self, which: Moment, replicates: &[f64]) -> Option<Interval> {
        let corrected = self.corrected_levels(which, replicates).and_then(|(low, high)| {
            let (low, high) = (quantile_of_sorted(replicates, low)?, quantile_of_sorted(replicates, high)?);
            Some(Interval { low, high, method: Method::Bca })
        });
        corrected.or_else(|| percentile(replicates, Method::Percentile))
    }

    fn corrected_levels(&self, which: Moment, replicates: &[f64]) -> Option<(f64, f64)> {
        let (z0, a) = (bias(replicates, self.observed(which)), self.acceleration(which));
        let level = |z: f64| {
            let shifted = z0 + z;
            let scale = 1.0 - a * shifted;
            (scale > 0.0).then(|| normal_cdf(z0 + shifted / scale)).filter(|p| p.is_finite())
        };
        let z = normal_quantile(1.0 - ALPHA / 2.0);
        if z0.is_finite() && a.is_finite() { Some((level(-z)?, level(z)?)) } else { None }
    }

    /// Returns the jackknife acceleration; NaN where a leave-one-out statistic does not exist.
    fn acceleration(&self, which: Moment) -> f64 {
        let n = self.n();
        let without =
            self.centred.iter().map(|d| self.statistic(which, n - 1.0, self.sum - d, self.sum_of_squares - d * d));
        let without: Vec<f64> = without.collect();
        let mean = without.iter().sum::<f64>() / n;
        let power = |exponent: i32| without.iter().map(|t| (mean - t).powi(exponent)).sum::<f64>();
        power(3) / (6.0 * power(2).powf(1.5))
    }

    /// Returns the ABC interval: `BCa`'s bias and acceleration from derivatives instead of resamples.
    ///
    /// Source: T. J. `DiCiccio`, B. Efron, "Bootstrap confidence intervals", 1996, section 4 (`abcnon`).
    fn abc(&self, which: Moment) -> Option<Interval> {
        let n = self.n();
        let (first, second): (Vec<f64>, Vec<f64>) = self.centred.iter().map(|&d| self.influence(which, d)).unzip();
        let sum_of = |exponent: i32| first.iter().map(|t| t.powi(exponent)).sum::<f64>();
        let sigma = sum_of(2).sqrt() / n;
        let acceleration = sum_of(3) / (6.0 * n.powi(3) * sigma.powi(3));
        let bias = second.iter().sum::<f64>() / (2.0 * n * n);
        // Along the least favourable direction the moments move linearly, so that the statistic is a function of one number.
        let direction = |power: i32| {
            let moved = first.iter().zip(&self.centred).map(|(t, d)| t * d.powi(power));
            moved.sum::<f64>() / (n * n * sigma)
        };
        let (along_first, along_second) = (direction(1), direction(2));
        let at = |step: f64| {
            self.statistic(which, n, self.sum + n * step * along_first, self.sum_of_squares + n * step * along_second)
        };
        let step = 0.01;
        let curvature = (at(step) - 2.0 * at(0.0) + at(-step)) / (2.0 * sigma * step * step);
        let z0 = normal_quantile(2.0 * normal_cdf(acceleration) * normal_cdf(curvature - bias / sigma));
        let bound = |z: f64| {
            let shifted = z0 + z;
            at(shifted / (1.0 - acceleration * shifted).powi(2))
        };
        let z = normal_quantile(1.0 - ALPHA / 2.0);
        let (low, high) = (bound(-z), bound(z));
        (low.is_finite() && high.is_finite()).then_some(Interval { low, high, method: Method::Abc })
    }

    /// Returns the normal interval whose variance is that of a moving-block bootstrap of the linearised statistic.
    ///
    /// `centred` is in the order of execution. Source: H. R. Künsch, "The jackknife and the bootstrap for general
    /// stationary observations", 1989.
    fn block_normal(&self, which: Moment, centred: &[f64], length: usize) -> Option<Interval> {
        let influence: Vec<f64> = centred.iter().map(|&d| self.influence(which, d).0).collect();
        let blocks: Vec<f64> = influence.windows(length).map(|block| block.iter().sum()).collect();
        let mean = blocks.iter().sum::<f64>() / blocks.len() as f64;
        let variance = blocks.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / blocks.len() as f64;
        let reach = normal_quantile(1.0 - ALPHA / 2.0) * (variance / (self.n() * length as f64)).sqrt();
        let (low, high) = (self.observed(which) - reach, self.observed(which) + reach);
        (low.is_finite() && high.is_finite()).then_some(Interval { low, high, method: Method::BlockNormal })
    }

    /// First and second derivative of the statistic when weight moves from all values to the one `d` from the mean.
    fn influence(&self, which: Moment, from_mean: f64) -> (f64, f64) {
        let square = from_mean * from_mean;
        let scale = self.n() / (self.n() - 1.0);
        let variance = self.sum_of_squares / self.n();
        let sd = (scale * variance).sqrt();
        // The variance's derivatives, then by the chain rule the sd's and the quotient's.
        let (v1, v2) = (scale * (square - variance), -2.0 * scale * square);
        let (sd1, sd2) = (v1 / (2.0 * sd), v2 / (2.0 * sd) - v1 * v1 / (4.0 * sd.powi(3)));
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

/// How a resample is drawn.
#[derive(Clone, Copy, Debug)]
enum Scheme {
    /// Each value by itself, with replacement.
    Singles,
    /// Moving blocks of this many consecutive values, the last one cut to length.
    Blocks(usize),
}

impl Scheme {
    /// Returns the sum and the sum of squares of one resample as long as `centred`.
    fn sums(self, random: &mut ChaCha8Rng, centred: &[f64]) -> (f64, f64) {
        let (mut sum, mut squares) = (0.0, 0.0);
        let mut add = |d: f64| {
            sum += d;
            squares += d * d;
        };
        match self {
            Self::Singles => (0..centred.len()).for_each(|_| add(centred[below(random, centred.len())])),
            Self::Blocks(length) => {
                let mut left = centred.len();
                while left > 0 {
                    let start = below(random, centred.len() - length + 1);
                    let taken = length.min(left);
                    centred[start..start + taken].iter().for_each(|&d| add(d));
                    left -= taken;
                }
            }
        }
        (sum, squares)
    }
}

/// Returns a number below `n`, which is below 2^32: bias at most n / 2^32.
pub(super) fn below(random: &mut ChaCha8Rng, n: usize) -> usize {
    ((u64::from(random.next_u32()) * n as u64) >> 32) as usize
}

/// Returns the percentile interval of ascending `replicates`.
pub(super) fn percentile(replicates: &[f64], method: Method) -> Option<Interval> {
    let low = quantile_of_sorted(replicates, ALPHA / 2.0)?;
    let high = quantile_of_sorted(replicates, 1.0 - ALPHA / 2.0)?;
    Some(Interval { low, high, method })
}

/// Returns z0: the normal quantile of the share of replicates below the observed value, equal ones counting half.
fn bias(replicates: &[f64], observed: f64) -> f64 {
    // Equal up to the rounding of sums taken in another order.
    let tolerance = 1e-12 * observed.abs();
    let below = replicates.partition_point(|&t| t < observed - tolerance);
    let up_to = replicates.partition_point(|&t| t <= observed + tolerance);
    let share = (below as f64 + 0.5 * (up_to - below) as f64) / replicates.len() as f64;
    normal_quantile(share)
}

pub(super) fn normal_cdf(z: f64) -> f64 {
    Normal::standard().cdf(z)
}

/// Returns the standard normal quantile; infinite at 0 and 1, NaN where `p` is.
pub(super) fn normal_quantile(p: f64) -> f64 {
    if (0.0..=1.0).contains(&p) { Normal::standard().inverse_cdf(p) } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::worked::{A, B, assert_close, lognormal, sorted, x, y};

    fn of(values: &[f64]) -> Intervals {
        intervals(values, seed_of(562, &["worked"]))
    }

    #[track_caller]
    fn assert_interval(found: Option<Interval>, method: Method, low: f64, high: f64, tolerance: f64) {
        let found = found.expect("an interval");
        assert_eq!(found.method, method);
        assert!((found.low - low).abs() <= tolerance, "low {} is not {low} within {tolerance}", found.low);
        assert!((found.high - high).abs() <= tolerance, "high {} is not {high} within {tolerance}", found.high);
    }

    #[test]
    fn the_worked_bca_intervals_come_out() {
        assert_interval(of(&A).mean, Method::Bca, 99.5, 113.5, 0.4);
        assert_interval(of(&B).mean, Method::Bca, 88.2, 102.9, 0.4);
        let x = x();
        // X is ascending as the method gives it, so its order of execution must be another for `BCa` to apply.
        let shuffled: Vec<f64> = (0..40).map(|i| x[i * 17 % 40]).collect();
        let found = of(&shuffled);
        assert_interval(found.mean, Method::Bca, 191.4, 223.2, 0.8);
        assert_interval(found.sd, Method::Bca, 42.24, 67.12, 0.8);
        assert_interval(found.cv, Method::Bca, 0.2080, 0.3168, 0.004);
    }

    #[test]
    fn the_worked_percentile_interval_is_another_one() {
        let mean = mean_of_sorted(&sorted(&A)).unwrap();
        let moments = Moments::of(&sorted(&A), mean);
        let [means, ..] = moments.replicates(&moments.centred, Scheme::Singles, seed_of(1, &[]), RESAMPLES);
        assert_interval(percentile(&means, Method::Percentile), Method::Percentile, 98.7, 110.3, 0.4);
    }

    #[test]
    fn the_worked_accelerations_come_out() {
        let s = sorted(&A);
        let moments = Moments::of(&s, mean_of_sorted(&s).unwrap());
        assert_close(Some(moments.acceleration(Moment::Mean)), 0.103_791, 5e-7);
        assert_close(Some(moments.acceleration(Moment::Cv)), 0.138_640, 5e-7);
    }

    #[test]
    fn the_ranks_of_a_quantiles_interval_are_the_methods() {
        for (n, p, low, high) in [
            (10, 0.5, 2, 9),
            (20, 0.5, 6, 15),
            (50, 0.5, 18, 33),
            (100, 0.5, 40, 61),
            (200, 0.5, 86, 115),
            (100, 0.95, 90, 100),
            (500, 0.95, 465, 485),
            (500, 0.99, 490, 500),
        ] {
            assert_eq!(quantile_ranks(n, p), (Some(low), Some(high)), "n {n} p {p}");
        }
    }

    #[test]
    fn a_sample_too_small_for_a_quantile_has_no_two_sided_interval_of_it() {
        for (n, p) in [(6, 0.5), (72, 0.95), (368, 0.99)] {
            let two_sided = |n| matches!(quantile_ranks(n, p), (Some(_), Some(_)));
            assert!(!two_sided(n - 1) && two_sided(n), "n {n} p {p}");
        }
        assert_eq!(quantile_ranks(0, 0.5), (None, None));
        assert_eq!(quantile_ranks(1, 0.5), (None, None));
    }

    #[test]
    fn the_worked_median_intervals_come_out() {
        assert_eq!(of(&A).p50, (Some(97.0), Some(110.0)));
        assert_eq!(of(&B).p50, (Some(85.0), Some(99.0)));
        assert_eq!(of(&x()).p50, (Some(180.1), Some(222.1)));
        assert!(of(&y()).p50.0.is_some());
    }

    #[test]
    fn degenerate_samples_have_the_intervals_the_method_gives_them() {
        assert_eq!(of(&[]), Intervals::default());
        let one = of(&[5.0]);
        assert_eq!((one.mean, one.sd, one.cv, one.p50), (None, None, None, (None, None)));
        assert_interval(of(&[7.0, 7.0, 7.0]).mean, Method::Degenerate, 7.0, 7.0, 0.0);
        assert_interval(of(&[7.0, 7.0, 7.0]).cv, Method::Degenerate, 0.0, 0.0, 0.0);
        // With two values the sd of one of them does not exist, so there is no acceleration.
        assert_eq!(of(&[1.0, 2.0]).sd.unwrap().method, Method::Percentile);
        assert_eq!(of(&[-1.0, 0.5, 0.2, -0.1]).cv, None);
    }

    #[test]
    fn the_result_depends_on_the_seed_and_on_nothing_else() {
        let run = |threads: usize, seed: [u8; 32]| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| intervals(&A, seed))
        };
        let seed = seed_of(562, &["cell", "stage", "metric"]);
        assert_eq!(run(1, seed), run(3, seed));
        assert_ne!(run(1, seed), run(1, seed_of(562, &["cell", "stage", "other"])));
        assert_ne!(seed_of(1, &["a", "b"]), seed_of(1, &["ab"]));
    }

    #[test]
    fn the_order_of_execution_matters_to_r1_alone() {
        let values = lognormal(60, 0.3, 7);
        let mut reversed = values.clone();
        reversed.reverse();
        let (one, two) = (of(&values), of(&reversed));
        assert_eq!((one.mean, one.sd, one.cv, one.p50), (two.mean, two.sd, two.cv, two.p50));
    }

    #[test]
    fn an_autocorrelated_sample_is_resampled_in_blocks_and_gets_a_wider_interval() {
        // A slow wave: neighbours are alike.
        let wave: Vec<f64> = (0..120).map(|i| 100.0 + 10.0 * (f64::from(i) / 8.0).sin()).collect();
        let shuffled: Vec<f64> = (0..120).map(|i| wave[i * 47 % 120]).collect();
        let (block, single) = (of(&wave).mean.unwrap(), of(&shuffled).mean.unwrap());
        assert_eq!((block.method, single.method), (Method::Block, Method::Bca));
        assert!(block.high - block.low > 1.3 * (single.high - single.low), "{block:?} {single:?}");
    }

    #[test]
    fn the_analytic_interval_of_a_large_sample_is_the_resampled_one() {
        let values = lognormal(MOST_RESAMPLED, 0.4, 11);
        let s = sorted(&values);
        let moments = Moments::of(&s, mean_of_sorted(&s).unwrap());
        let replicates = moments.replicates(&moments.centred, Scheme::Singles, seed_of(3, &[]), 40_000);
        for which in [Moment::Mean, Moment::Sd, Moment::Cv] {
            let (abc, bca) = (moments.abc(which).unwrap(), moments.bca(which, &replicates[which as usize]).unwrap());
            let width = bca.high - bca.low;
            assert!((abc.low - bca.low).abs() < 0.05 * width, "{which:?} {abc:?} {bca:?}");
            assert!((abc.high - bca.high).abs() < 0.05 * width, "{which:?} {abc:?} {bca:?}");
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
        let replicates = moments.replicates(&centred, Scheme::Blocks(length), seed_of(4, &[]), RESAMPLES);
        for which in [Moment::Mean, Moment::Sd, Moment::Cv] {
            let resampled = percentile(&replicates[which as usize], Method::Block).unwrap();
            let closed = moments.block_normal(which, &centred, length).unwrap();
            let width = resampled.high - resampled.low;
            assert!((closed.low - resampled.low).abs() < 0.1 * width, "{which:?} {closed:?} {resampled:?}");
            assert!((closed.high - resampled.high).abs() < 0.1 * width, "{which:?} {closed:?} {resampled:?}");
        }
        assert_eq!(of(&values).mean.unwrap().method, Method::BlockNormal);
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
                let replicates = moments.replicates(&moments.centred, Scheme::Singles, seed_of(i as u64, &[]), 1_000);
                let mean = moments.bca(Moment::Mean, &replicates[0]).unwrap();
                let (low, high) = quantile_interval(&s, 0.5);
                let median = low.unwrap() <= true_median && true_median <= high.unwrap();
                (mean.low <= true_mean && true_mean <= mean.high, median)
            })
            .collect();
        let share =
            |of: fn(&(bool, bool)) -> bool| covered.iter().filter(|c| of(c)).count() as f64 / SIMULATIONS as f64;
        let (mean, median) = (share(|c| c.0), share(|c| c.1));
        assert!((0.925..=0.98).contains(&mean), "mean covered {mean}");
        assert!((0.925..=0.98).contains(&median), "median covered {median}");
    }
}
