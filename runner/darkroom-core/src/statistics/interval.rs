//! Confidence intervals of one sample, level 0.95, two-sided (`method.md` section 3).
//!
//! Mean, sd and cv: `BCa` bootstrap, or a substitute (`moments`); this file chooses. The mean's
//! interval is for this very set of images (`fixed_images`); sd and cv take all values as one
//! sample. Quantiles: order statistics, exact and without a seed. Values come in the order of
//! execution, which only r1 and the block bootstrap use.

use serde::Serialize;
use sha2::{Digest, Sha256};
use statrs::distribution::{Binomial, DiscreteCDF};

use super::fixed_images::Images;
use super::moments::{Moment, Moments, Pair, Scheme, percentile, replicates};
use super::resampling::RESAMPLES;
use super::stationarity::{Neighbours, lag_one_autocorrelation, neighbours};
use super::summary::{mean_of_sorted, sorted};

/// Below this n an interval is shown with the note `small n`.
pub const SMALL_N: usize = 10;
/// Above this n the ABC approximation takes the place of resampling: at that size it gives the same
/// bounds to well within the bootstrap's own noise, and costs n instead of 10,000 n.
pub const MOST_RESAMPLED: usize = 1_000;
/// One minus the level.
pub const ALPHA: f64 = 0.05;

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
    /// Normal interval with the block bootstrap's variance, which has a closed form: for large
    /// autocorrelated samples.
    BlockNormal,
    /// All values are equal: the interval is that value.
    Degenerate,
}

/// An interval and how it was made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
    pub method: Method,
    /// Made of values with their images' levels taken out: of the mean over this very set of
    /// images.
    pub stratified: bool,
}

impl Interval {
    /// Returns the interval with both bounds further from `middle` by this factor.
    fn wider(self, middle: f64, factor: f64) -> Self {
        let moved = |bound: f64| (bound - middle).mul_add(factor, middle);
        Self {
            low: moved(self.low),
            high: moved(self.high),
            ..self
        }
    }

    /// Names the way it was made: a value of `ci_method`.
    pub const fn method(&self) -> &'static str {
        match (self.method, self.stratified) {
            (Method::Bca, false) => "bca",
            (Method::Bca, true) => "stratified_bca",
            (Method::Abc, false) => "abc",
            (Method::Abc, true) => "stratified_abc",
            (Method::Percentile, false) => "percentile",
            (Method::Percentile, true) => "stratified_percentile",
            (Method::Block, false) => "block",
            (Method::Block, true) => "stratified_block",
            (Method::BlockNormal, false) => "block_normal",
            (Method::BlockNormal, true) => "stratified_block_normal",
            (Method::Degenerate, _) => "degenerate",
        }
    }
}

/// An interval of a quantile; a side is `None` where no order statistic bounds it.
pub type Bounds = (Option<f64>, Option<f64>);

/// Intervals of one sample. `None`: the statistic or its interval does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Intervals {
    /// Degrees of freedom of the mean's interval: values less images.
    pub degrees: usize,
    /// Of the mean over this set of images.
    pub mean: Option<Interval>,
    /// Of the mean if the images are a random sample; `None` for one image.
    pub mean_of_random_images: Option<(f64, f64)>,
    pub sd: Option<Interval>,
    pub cv: Option<Interval>,
    pub p50: Bounds,
    pub p90: Bounds,
    pub p95: Bounds,
    pub p99: Bounds,
    /// Lag-1 autocorrelation in the order of execution, images' levels taken out.
    pub r1: Option<f64>,
}

impl Intervals {
    /// Returns the intervals of the same sample in another unit: every value times `factor`, which
    /// is positive.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let interval = |i: Option<Interval>| {
            i.map(|i| Interval {
                low: i.low * factor,
                high: i.high * factor,
                ..i
            })
        };
        let bounds = |(low, high): Bounds| (low.map(|v| v * factor), high.map(|v| v * factor));
        Self {
            degrees: self.degrees,
            mean: interval(self.mean),
            mean_of_random_images: self
                .mean_of_random_images
                .map(|(low, high)| (low * factor, high * factor)),
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

/// Returns the seed of one sample's bootstrap: sha256 of the run's seed and what the sample is,
/// joined by NUL.
pub fn seed_of(run_seed: u64, parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(run_seed.to_string());
    for part in parts {
        hash.update([0]);
        hash.update(part);
    }
    hash.finalize().into()
}

/// Returns the intervals of `values`, given in the order of execution; values that are not finite
/// are left out.
///
/// `images` are the images they were measured on, numbered; empty where all are of one.
pub fn intervals(values: &[f64], images: &[u32], seed: [u8; 32]) -> Intervals {
    let of = |(i, value): (usize, &f64)| (*value, images.get(i).copied().unwrap_or(0));
    let (values, images): (Vec<f64>, Vec<u32>) = values
        .iter()
        .enumerate()
        .map(of)
        .filter(|(value, _)| value.is_finite())
        .unzip();
    let ascending = sorted(&values);
    let middle = mean_of_sorted(&ascending).unwrap_or_default();
    let set = Images::of(&values, &images, middle);
    let within = set.levels_out(&values, &images);
    let r1 = lag_one_autocorrelation(within.as_ref().unwrap_or(&values));
    let [mean, sd, cv] =
        moment_intervals(&values, &ascending, within.as_deref(), r1, seed, RESAMPLES);
    let further = set.further().filter(|_| within.is_some());
    let mean =
        mean.map(|interval| further.map_or(interval, |further| interval.wider(middle, further)));
    Intervals {
        degrees: values
            .len()
            .saturating_sub(if within.is_some() { set.len() } else { 1 }),
        mean,
        mean_of_random_images: set.random(),
        sd,
        cv,
        p50: quantile_interval(&ascending, 0.5),
        p90: quantile_interval(&ascending, 0.9),
        p95: quantile_interval(&ascending, 0.95),
        p99: quantile_interval(&ascending, 0.99),
        r1,
    }
}

/// Returns the interval of quantile `p` of ascending `x` from order statistics.
///
/// With F the cdf of Binomial(n, p): from x(l), l the largest k with F(k - 1) <= alpha/2, to x(u),
/// u the smallest k with F(k - 1) >= 1 - alpha/2. Source: W. J. Conover, "Practical Nonparametric
/// Statistics", 3rd ed., section 3.2.
pub fn quantile_interval(x: &[f64], p: f64) -> Bounds {
    let (low, high) = quantile_ranks(x.len(), p);
    (low.map(|k| x[k - 1]), high.map(|k| x[k - 1]))
}

/// Ranks from 1 of the order statistics that bound quantile `p` of `n` values.
fn quantile_ranks(n: usize, p: f64) -> (Option<usize>, Option<usize>) {
    let Ok(binomial) = Binomial::new(p, n as u64) else {
        return (None, None);
    };
    // F(k - 1) rises with k, so both ranks are where it crosses a level.
    let crossing =
        |holds: &dyn Fn(f64) -> bool| partition(n, |k| holds(binomial.cdf(k as u64 - 1)));
    let low = crossing(&|f| f <= ALPHA / 2.0);
    let high = crossing(&|f| f < 1.0 - ALPHA / 2.0) + 1;
    ((low >= 1).then_some(low), (high <= n).then_some(high))
}

/// Returns how many of 1..=n satisfy `holds`, which must hold for a first part of them and for none
/// after.
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

/// Intervals of mean, sd and cv, from the same resamples; the mean's is of `within` where images'
/// levels could be taken out.
fn moment_intervals(
    values: &[f64],
    ascending: &[f64],
    within: Option<&[f64]>,
    r1: Option<f64>,
    seed: [u8; 32],
    resamples: usize,
) -> [Option<Interval>; 3] {
    let (Some(mean), true) = (mean_of_sorted(ascending), values.len() >= 2) else {
        return [None; 3];
    };
    let stratified = within.is_some();
    let within = within.unwrap_or(values);
    let has_cv = mean > 0.0;
    let same = |value: f64, stratified| {
        Some(Interval {
            low: value,
            high: value,
            method: Method::Degenerate,
            stratified,
        })
    };
    if ascending.first() == ascending.last() {
        return [
            same(mean, stratified),
            same(0.0, false),
            same(0.0, false).filter(|_| has_cv),
        ];
    }
    // Values that alternate average out sooner than blocks of them would show, and no interval is
    // narrowed for that.
    let alike = r1.is_some_and(|r1| neighbours(values.len(), r1) == Neighbours::Alike);
    let blocks = alike.then(|| (values.len() as f64).cbrt().ceil() as usize);
    let large = values.len() > MOST_RESAMPLED;
    let of_all = Moments::of(ascending, mean);
    let of_mean = Moments::of(&sorted(within), mean);
    let mut pairs: Vec<Pair> = values
        .iter()
        .zip(within)
        .map(|(value, within)| Pair {
            value: value - mean,
            within: within - mean,
        })
        .collect();
    let one = |of: &Moments, which: Moment, centred: fn(&Pair) -> f64, pairs: &[Pair]| match blocks
    {
        Some(length) => of.block_normal(
            which,
            &pairs.iter().map(centred).collect::<Vec<_>>(),
            length,
        ),
        None => of.abc(which),
    };
    let found = if large {
        let sd_or_cv = |which| one(&of_all, which, |pair| pair.value, &pairs);
        [
            one(&of_mean, Moment::Mean, |pair| pair.within, &pairs),
            sd_or_cv(Moment::Sd),
            sd_or_cv(Moment::Cv),
        ]
    } else {
        if blocks.is_none() {
            pairs.sort_unstable_by(Pair::order);
        }
        let drawn = replicates(
            &of_mean,
            &of_all,
            &pairs,
            blocks.map_or(Scheme::Singles, Scheme::Blocks),
            seed,
            resamples,
        );
        [
            (&of_mean, Moment::Mean),
            (&of_all, Moment::Sd),
            (&of_all, Moment::Cv),
        ]
        .map(|(of, which)| match blocks {
            Some(_) => percentile(&drawn[which as usize], Method::Block),
            None => of.bca(which, &drawn[which as usize]),
        })
    };
    let [of_the_mean, sd, cv] = found;
    let all_equal = pairs
        .iter()
        .all(|pair| pair.within.total_cmp(&pairs[0].within).is_eq());
    let of_the_mean = if all_equal {
        same(mean, true)
    } else {
        of_the_mean.map(|it| Interval { stratified, ..it })
    };
    [of_the_mean, sd, cv.filter(|_| has_cv)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::worked::{
        A, B, IMAGES_OF_S, S, assert_close, assert_interval, lognormal, x, y,
    };

    fn of(values: &[f64]) -> Intervals {
        intervals(values, &[], seed_of(562, &["worked"]))
    }

    #[test]
    fn the_worked_bca_intervals_come_out() {
        assert_interval(of(&A).mean, Method::Bca, 99.5, 113.5, 0.4);
        assert_interval(of(&B).mean, Method::Bca, 88.2, 102.9, 0.4);
        let x = x();
        // X is ascending as the method gives it, so its order of execution must be another for
        // `BCa` to apply.
        let shuffled: Vec<f64> = (0..40).map(|i| x[i * 17 % 40]).collect();
        let found = of(&shuffled);
        assert_interval(found.mean, Method::Bca, 191.4, 223.2, 0.8);
        assert_interval(found.sd, Method::Bca, 42.24, 67.12, 0.8);
        assert_interval(found.cv, Method::Bca, 0.2080, 0.3168, 0.004);
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
        assert_eq!(
            (one.mean, one.sd, one.cv, one.p50),
            (None, None, None, (None, None))
        );
        assert_interval(of(&[7.0, 7.0, 7.0]).mean, Method::Degenerate, 7.0, 7.0, 0.0);
        assert_interval(of(&[7.0, 7.0, 7.0]).cv, Method::Degenerate, 0.0, 0.0, 0.0);
        // With two values the sd of one of them does not exist, so there is no acceleration.
        assert_eq!(of(&[1.0, 2.0]).sd.unwrap().method, Method::Percentile);
        assert_eq!(of(&[-1.0, 0.5, 0.2, -0.1]).cv, None);
    }

    #[test]
    fn the_result_depends_on_the_seed_and_on_nothing_else() {
        let run = |threads: usize, seed: [u8; 32]| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| intervals(&A, &[], seed))
        };
        let seed = seed_of(562, &["cell", "stage", "metric"]);
        assert_eq!(run(1, seed), run(3, seed));
        assert_ne!(
            run(1, seed),
            run(1, seed_of(562, &["cell", "stage", "other"]))
        );
        assert_ne!(seed_of(1, &["a", "b"]), seed_of(1, &["ab"]));
    }

    #[test]
    fn the_order_of_execution_matters_to_r1_alone() {
        let values = lognormal(60, 0.3, 7);
        let mut reversed = values.clone();
        reversed.reverse();
        let (one, two) = (of(&values), of(&reversed));
        assert_eq!(
            (one.mean, one.sd, one.cv, one.p50),
            (two.mean, two.sd, two.cv, two.p50)
        );
    }

    #[test]
    fn an_autocorrelated_sample_is_resampled_in_blocks_and_gets_a_wider_interval() {
        // A slow wave: neighbours are alike.
        let wave: Vec<f64> = (0..120)
            .map(|i| 100.0 + 10.0 * (f64::from(i) / 8.0).sin())
            .collect();
        let shuffled: Vec<f64> = (0..120).map(|i| wave[i * 47 % 120]).collect();
        let (block, single) = (of(&wave).mean.unwrap(), of(&shuffled).mean.unwrap());
        assert_eq!((block.method, single.method), (Method::Block, Method::Bca));
        assert!(
            block.high - block.low > 1.3 * (single.high - single.low),
            "{block:?} {single:?}"
        );
    }
    #[test]
    fn the_worked_interval_of_a_fixed_set_of_images_comes_out() {
        let found = intervals(&S, &IMAGES_OF_S, seed_of(562, &["worked"]));
        let mean = found.mean.unwrap();
        assert_eq!(
            (mean.method(), found.sd.unwrap().method()),
            ("stratified_bca", "bca")
        );
        // scipy's BCa of S with its images' levels taken out is [24.2, 26.8]; with 6 degrees of
        // freedom 1.25 times as far.
        assert!(
            (mean.low - 23.88).abs() < 0.2 && (mean.high - 27.12).abs() < 0.2,
            "{mean:?}"
        );
        assert_eq!(found.degrees, 6);
        // Taken for one sample the same values give an interval about seven times as wide.
        let alone = of(&S).mean.unwrap();
        assert!(
            alone.high - alone.low > 6.0 * (mean.high - mean.low),
            "{alone:?}"
        );
        assert!(found.mean_of_random_images.is_some());
    }

    #[test]
    fn an_image_set_alternates_by_design_and_that_is_no_autocorrelation() {
        // By turns a small and a large image, as in blocks of two.
        let noise = lognormal(60, 0.1, 5);
        let values: Vec<f64> = noise
            .iter()
            .enumerate()
            .map(|(i, v)| if i % 2 == 0 { *v } else { 5.0 * v })
            .collect();
        let images: Vec<u32> = (0..60).map(|i| i % 2).collect();
        assert!(of(&values).r1.unwrap() < -0.8);
        let found = intervals(&values, &images, seed_of(562, &["worked"]));
        assert!(found.r1.unwrap().abs() < 0.3);
        assert_eq!(found.mean.unwrap().method(), "stratified_bca");
    }

    #[test]
    fn values_that_alternate_narrow_no_interval() {
        let alternating: Vec<f64> = (0..60)
            .map(|i| if i % 2 == 0 { 90.0 } else { 110.0 })
            .collect();
        let found = of(&alternating);
        assert_close(found.r1, -59.0 / 60.0, 1e-9);
        // As of independent values: 1.96 x 10 / sqrt(60).
        let mean = found.mean.unwrap();
        assert_eq!(mean.method, Method::Bca);
        assert_close(Some(mean.high - mean.low), 2.0 * 2.53, 0.4);
    }

    #[test]
    fn an_image_whose_times_never_differ_has_a_mean_without_width_however_large_it_is() {
        let found = intervals(
            &[1.0, 5.0, 1.0, 5.0],
            &[0, 1, 0, 1],
            seed_of(562, &["worked"]),
        );
        assert_interval(found.mean, Method::Degenerate, 3.0, 3.0, 0.0);
        assert!(found.sd.is_some_and(|sd| sd.high > sd.low));
    }
}
