//! Two samples of one metric compared: b against its baseline a (`method.md` section 4).
//!
//! [`Samples`] → [`Comparison`]: ratio of means and of medians with intervals, effect size, p. [`holm`] and [`verdict`]
//! then judge a family of them. Which cells may be compared is decided by `darkroom-tables`.

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use serde::Serialize;

use super::interval::{MOST_RESAMPLED, Method, RESAMPLES, below, normal_quantile, percentile, quantile_interval};
use super::rank_tests::{cliffs_delta, mann_whitney, wilcoxon};
use super::summary::{mean_of_sorted, quantile_of_sorted};

/// Adjusted p below which a difference may be claimed.
pub const SIGNIFICANCE: f64 = 0.05;
/// Smallest difference of the ratio from 1 worth a claim.
pub const MIN_EFFECT: f64 = 0.02;
/// A ratio whose whole interval lies in here is equivalence.
pub const EQUIVALENT: (f64, f64) = (0.95, 1.05);
/// Resamples that share one stream of the generator.
const CHUNK: usize = 250;

/// What is compared. The inner vectors are clusters: what was measured on one image (or in one environment).
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// (a, b) of the same image and repetition, in an interleaved order.
    Paired(Vec<Vec<(f64, f64)>>),
    Independent {
        a: Vec<Vec<f64>>,
        b: Vec<Vec<f64>>,
    },
}

/// How b stands to a.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    pub paired: bool,
    pub n_a: usize,
    pub n_b: usize,
    pub ratio_mean: Option<f64>,
    pub ratio_mean_ci: Option<(f64, f64)>,
    pub ratio_median: Option<f64>,
    pub ratio_median_ci: Option<(f64, f64)>,
    /// `bootstrap` or, for large samples, `linearised`.
    pub ci_method: Option<&'static str>,
    /// Cliff's delta of b against a: 1 when every b is larger.
    pub cliffs_delta: Option<f64>,
    /// Wilcoxon's signed-rank when paired, else Mann-Whitney; `None` when a sample is empty.
    pub p: Option<f64>,
    /// Which test p is of; `None` without one.
    pub test: Option<&'static str>,
    /// Pairs without a difference, which Wilcoxon drops.
    pub n_zero: Option<usize>,
}

/// Size of Cliff's delta in words. Source: J. Romano et al., 2006.
pub fn effect_word(delta: f64) -> &'static str {
    match delta.abs() {
        d if d < 0.147 => "negligible",
        d if d < 0.33 => "small",
        d if d < 0.474 => "medium",
        _ => "large",
    }
}

/// What may be said of b.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    Lower,
    Higher,
    Equivalent,
    Inconclusive,
}

/// Judges one comparison of a family, its p adjusted by [`holm`].
pub fn verdict(p_adjusted: Option<f64>, ratio: Option<f64>, interval: Option<(f64, f64)>) -> Verdict {
    let (Some(ratio), Some((low, high))) = (ratio, interval) else {
        return Verdict::Inconclusive;
    };
    let excludes_one = high < 1.0 || low > 1.0;
    let significant = p_adjusted.is_some_and(|p| p < SIGNIFICANCE);
    if significant && excludes_one && (ratio - 1.0).abs() >= MIN_EFFECT {
        if ratio < 1.0 { Verdict::Lower } else { Verdict::Higher }
    } else if low >= EQUIVALENT.0 && high <= EQUIVALENT.1 {
        Verdict::Equivalent
    } else {
        Verdict::Inconclusive
    }
}

/// Returns the p-values of a family adjusted by Holm's method, in the same order; absent ones are not counted.
pub fn holm(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<usize> = (0..p.len()).filter(|&i| p[i].is_some()).collect();
    order.sort_by(|&i, &j| p[i].unwrap_or(1.0).total_cmp(&p[j].unwrap_or(1.0)));
    let family = order.len();
    let mut adjusted = vec![None; p.len()];
    let mut largest = 0.0f64;
    for (rank, &i) in order.iter().enumerate() {
        largest = largest.max((p[i].unwrap_or(1.0) * (family - rank) as f64).min(1.0));
        adjusted[i] = Some(largest);
    }
    adjusted
}

/// Compares b with its baseline a.
pub fn compare(samples: &Samples, seed: [u8; 32]) -> Comparison {
    let (a, b) = samples.flat();
    if a.is_empty() || b.is_empty() {
        return Comparison { paired: samples.is_paired(), n_a: a.len(), n_b: b.len(), ..Comparison::default() };
    }
    let (sorted_a, sorted_b) = (sorted(&a), sorted(&b));
    let ratio = |of: fn(&[f64]) -> Option<f64>| Some(of(&sorted_b)? / of(&sorted_a)?).filter(|r| r.is_finite());
    let (p, n_zero) = if let Samples::Paired(_) = samples {
        let test = wilcoxon(&a, &b);
        (test.p, Some(test.n_zero))
    } else {
        (mann_whitney(&sorted_a, &sorted_b), None)
    };
    let intervals = ratio_intervals(samples, seed);
    Comparison {
        paired: samples.is_paired(),
        n_a: a.len(),
        n_b: b.len(),
        ratio_mean: ratio(mean_of_sorted),
        ratio_mean_ci: intervals.mean,
        ratio_median: ratio(median),
        ratio_median_ci: intervals.median,
        ci_method: intervals.mean.map(|_| intervals.method),
        cliffs_delta: cliffs_delta(&sorted_a, &sorted_b),
        p,
        test: p.map(|_| if samples.is_paired() { "wilcoxon" } else { "mann_whitney" }),
        n_zero,
    }
}

impl Samples {
    pub const fn is_paired(&self) -> bool {
        matches!(self, Self::Paired(_))
    }

    fn flat(&self) -> (Vec<f64>, Vec<f64>) {
        match self {
            Self::Paired(clusters) => clusters.iter().flatten().copied().unzip(),
            Self::Independent { a, b } => (a.concat(), b.concat()),
        }
    }
}

struct RatioIntervals {
    mean: Option<(f64, f64)>,
    median: Option<(f64, f64)>,
    method: &'static str,
}

fn ratio_intervals(samples: &Samples, seed: [u8; 32]) -> RatioIntervals {
    let (a, b) = samples.flat();
    if a.len().min(b.len()) < 2 {
        return RatioIntervals { mean: None, median: None, method: "bootstrap" };
    }
    let (mut means, mut medians, method) = if a.len().max(b.len()) > MOST_RESAMPLED {
        let (means, medians) = linearised_ratios(samples, seed);
        (means, medians, "linearised")
    } else {
        let (means, medians) = resampled_ratios(samples, seed);
        (means, medians, "bootstrap")
    };
    RatioIntervals { mean: bounds(&mut means), median: bounds(&mut medians), method }
}

pub(super) fn bounds(ratios: &mut Vec<f64>) -> Option<(f64, f64)> {
    ratios.retain(|ratio| ratio.is_finite());
    ratios.sort_unstable_by(f64::total_cmp);
    percentile(ratios, Method::Percentile).map(|interval| (interval.low, interval.high))
}

/// Runs `one` for every resample, each chunk with its own stream of the generator.
pub(super) fn resample<T: Send>(seed: [u8; 32], one: impl Fn(&mut ChaCha8Rng) -> T + Sync) -> Vec<T> {
    let chunk = |index: usize| {
        let mut random = ChaCha8Rng::from_seed(seed);
        random.set_stream(index as u64);
        (0..CHUNK.min(RESAMPLES - index * CHUNK)).map(|_| one(&mut random)).collect::<Vec<_>>()
    };
    (0..RESAMPLES.div_ceil(CHUNK)).into_par_iter().flat_map_iter(chunk).collect()
}

/// Ratios of means and of medians over hierarchical resamples: clusters first, then values within each drawn cluster;
/// the same draw for a and b when they are paired.
fn resampled_ratios(samples: &Samples, seed: [u8; 32]) -> (Vec<f64>, Vec<f64>) {
    let ratios = match samples {
        Samples::Paired(clusters) => {
            let a = Ranked::of(clusters.iter().map(|cluster| cluster.iter().map(|pair| pair.0).collect()));
            let b = Ranked::of(clusters.iter().map(|cluster| cluster.iter().map(|pair| pair.1).collect()));
            resample(seed, |random| {
                let (mut draw_a, mut draw_b) = (Draw::of(&a), Draw::of(&b));
                // Both have the same clusters, so one place is that of a pair.
                for_each_drawn(random, &a.clusters, |place| {
                    draw_a.take(a.ranks[place]);
                    draw_b.take(b.ranks[place]);
                });
                draw_b.ratios_to(&draw_a)
            })
        }
        Samples::Independent { a, b } => {
            let (a, b) = (Ranked::of(a.iter().cloned()), Ranked::of(b.iter().cloned()));
            resample(seed, |random| {
                let (mut draw_a, mut draw_b) = (Draw::of(&a), Draw::of(&b));
                for_each_drawn(random, &a.clusters, |place| draw_a.take(a.ranks[place]));
                for_each_drawn(random, &b.clusters, |place| draw_b.take(b.ranks[place]));
                draw_b.ratios_to(&draw_a)
            })
        }
    };
    ratios.into_iter().unzip()
}

fn for_each_drawn(random: &mut ChaCha8Rng, clusters: &[Range<usize>], mut take: impl FnMut(usize)) {
    for _ in 0..clusters.len() {
        let cluster = &clusters[below(random, clusters.len())];
        for _ in 0..cluster.len() {
            take(cluster.start + below(random, cluster.len()));
        }
    }
}

/// A sample as ranks into its ascending values, so that a resample's median is found by counting.
pub(super) struct Ranked {
    sorted: Vec<f64>,
    /// Of every value, cluster after cluster.
    pub(super) ranks: Vec<u32>,
    /// Which of them each cluster holds.
    pub(super) clusters: Vec<Range<usize>>,
}

impl Ranked {
    pub(super) fn of(clusters: impl Iterator<Item = Vec<f64>>) -> Self {
        let (mut values, mut ranges) = (Vec::new(), Vec::new());
        for cluster in clusters.filter(|cluster| !cluster.is_empty()) {
            let start = values.len();
            values.extend(cluster);
            ranges.push(start..values.len());
        }
        let sorted = sorted(&values);
        let rank = |value: &f64| sorted.partition_point(|other| other.total_cmp(value).is_lt()) as u32;
        Self { ranks: values.iter().map(rank).collect(), sorted, clusters: ranges }
    }
}

/// One resample: how often each rank was drawn.
pub(super) struct Draw<'a> {
    sorted: &'a [f64],
    counts: Vec<u32>,
    n: u32,
    sum: f64,
}

impl<'a> Draw<'a> {
    pub(super) fn of(ranked: &'a Ranked) -> Self {
        Self { sorted: &ranked.sorted, counts: vec![0; ranked.sorted.len()], n: 0, sum: 0.0 }
    }

    pub(super) fn take(&mut self, rank: u32) {
        self.counts[rank as usize] += 1;
        self.n += 1;
        self.sum += self.sorted[rank as usize];
    }

    pub(super) fn ratios_to(&self, baseline: &Draw) -> (f64, f64) {
        (self.mean() / baseline.mean(), self.median() / baseline.median())
    }

    fn mean(&self) -> f64 {
        self.sum / f64::from(self.n)
    }

    /// The mean of the two middle values, which are one for an odd n.
    fn median(&self) -> f64 {
        let (lower, upper) = ((self.n - 1) / 2, self.n / 2);
        let (mut seen, mut first) = (0, None);
        for (value, &count) in self.sorted.iter().zip(&self.counts) {
            seen += count;
            if first.is_none() && seen > lower {
                first = Some(*value);
            }
            if seen > upper {
                return f64::midpoint(first.unwrap_or(*value), *value);
            }
        }
        f64::NAN
    }
}

/// The same for large samples: the logarithm of a ratio as a mean of influence values, of which each cluster's mean is
/// drawn from its normal distribution; clusters are still resampled. Costs clusters, not values, per resample.
///
/// Source: A. C. Davison, D. V. Hinkley, "Bootstrap Methods and their Application", 1997, section 2.7.
fn linearised_ratios(samples: &Samples, seed: [u8; 32]) -> (Vec<f64>, Vec<f64>) {
    let (a, b) = samples.flat();
    let (sorted_a, sorted_b) = (sorted(&a), sorted(&b));
    let of = |statistic: Linear| -> Vec<f64> {
        let (Some(la), Some(lb)) = (statistic.of(&sorted_a), statistic.of(&sorted_b)) else { return Vec::new() };
        let parts: Vec<Vec<Normals>> = match samples {
            Samples::Paired(clusters) => {
                let difference = |&(a, b): &(f64, f64)| lb.influence(b) - la.influence(a);
                vec![clusters.iter().map(|c| Normals::of(c.iter().map(difference))).collect()]
            }
            Samples::Independent { a, b } => vec![
                a.iter().map(|cluster| Normals::of(cluster.iter().map(|&v| -la.influence(v)))).collect(),
                b.iter().map(|cluster| Normals::of(cluster.iter().map(|&v| lb.influence(v)))).collect(),
            ],
        };
        let ratio = lb.value / la.value;
        resample(seed, |random| ratio * parts.iter().map(|part| drawn_mean(random, part)).sum::<f64>().exp())
    };
    (of(Linear::Mean), of(Linear::Median))
}

#[derive(Clone, Copy)]
enum Linear {
    Mean,
    Median,
}

/// A statistic of one sample, and what each value adds to its logarithm.
struct Linearised {
    statistic: Linear,
    value: f64,
    /// Of the median: 1 / (2 density at the median).
    step: f64,
}

impl Linear {
    fn of(self, sorted: &[f64]) -> Option<Linearised> {
        let value = match self {
            Self::Mean => mean_of_sorted(sorted),
            Self::Median => median(sorted),
        };
        // The median's standard error is step / sqrt(n); its exact interval gives it without a density estimate.
        let (Some(low), Some(high)) = quantile_interval(sorted, 0.5) else { return None };
        let step = (high - low) / (2.0 * normal_quantile(0.975)) * (sorted.len() as f64).sqrt();
        value.filter(|&v| v > 0.0).map(|value| Linearised { statistic: self, value, step })
    }
}

impl Linearised {
    fn influence(&self, v: f64) -> f64 {
        match self.statistic {
            Linear::Mean => (v - self.value) / self.value,
            Linear::Median if v > self.value => self.step / self.value,
            Linear::Median if v < self.value => -self.step / self.value,
            Linear::Median => 0.0,
        }
    }
}

/// A cluster's influence values: how many, their mean, and that mean's standard error.
pub(super) struct Normals {
    pub(super) n: f64,
    pub(super) mean: f64,
    pub(super) error: f64,
}

impl Normals {
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n.max(1.0);
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        Self { n, mean, error: (variance / n.max(1.0)).sqrt() }
    }
}

fn drawn_mean(random: &mut ChaCha8Rng, clusters: &[Normals]) -> f64 {
    let (mut total, mut n) = (0.0, 0.0);
    for _ in 0..clusters.len() {
        let cluster = &clusters[below(random, clusters.len())];
        let uniform = (below(random, 1 << 31) as f64 + 0.5) / f64::from(1u32 << 31);
        total += cluster.n * (cluster.mean + cluster.error * normal_quantile(uniform));
        n += cluster.n;
    }
    total / n
}

fn median(sorted: &[f64]) -> Option<f64> {
    quantile_of_sorted(sorted, 0.5)
}

pub(super) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::interval::seed_of;
    use crate::statistics::worked::{A, B, assert_close, lognormal, x, y};

    fn pairs(a: &[f64], b: &[f64]) -> Samples {
        Samples::Paired(vec![a.iter().copied().zip(b.iter().copied()).collect()])
    }

    fn independent(a: &[f64], b: &[f64]) -> Samples {
        Samples::Independent { a: vec![a.to_vec()], b: vec![b.to_vec()] }
    }

    fn seed() -> [u8; 32] {
        seed_of(562, &["comparison"])
    }

    #[track_caller]
    fn assert_bounds(found: Option<(f64, f64)>, low: f64, high: f64, tolerance: f64) {
        let (l, h) = found.expect("an interval");
        assert!((l - low).abs() <= tolerance && (h - high).abs() <= tolerance, "[{l}, {h}] is not [{low}, {high}]");
    }

    #[test]
    fn the_worked_comparison_of_a_and_b_comes_out() {
        let paired = compare(&pairs(&A, &B), seed());
        assert_close(paired.ratio_mean, 0.892_754, 5e-7);
        assert_close(paired.ratio_median, 0.890_547, 5e-7);
        assert_bounds(paired.ratio_mean_ci, 0.857, 0.929, 0.005);
        assert_close(paired.cliffs_delta, -0.75, 1e-12);
        assert_close(paired.p, 0.003_906, 5e-7);
        assert_eq!(paired.n_zero, Some(1));
        let apart = compare(&independent(&A, &B), seed());
        assert_bounds(apart.ratio_mean_ci, 0.818, 0.976, 0.005);
        assert_close(apart.p, 0.005_142, 5e-7);
    }

    #[test]
    fn the_worked_comparison_of_x_and_y_comes_out() {
        let found = compare(&independent(&x(), &y()), seed());
        assert_close(found.ratio_mean, 0.861_353, 5e-7);
        assert_bounds(found.ratio_mean_ci, 0.763, 0.971, 0.006);
        assert_close(found.ratio_median, 0.85, 1e-9);
        assert_bounds(found.ratio_median_ci, 0.732, 0.987, 0.01);
        assert_close(found.cliffs_delta, -0.325, 1e-12);
        assert_close(found.p, 0.012_523, 5e-7);
    }

    #[test]
    fn holm_adjusts_as_the_method_says_and_leaves_out_what_is_absent() {
        let adjusted = |p: &[f64]| holm(&p.iter().copied().map(Some).collect::<Vec<_>>());
        let close = |found: Vec<Option<f64>>, expected: &[f64]| {
            assert_eq!(found.len(), expected.len());
            found.into_iter().zip(expected).for_each(|(f, &e)| assert_close(f, e, 1e-12));
        };
        close(adjusted(&[0.01, 0.04, 0.03, 0.005, 0.2]), &[0.04, 0.09, 0.09, 0.025, 0.2]);
        close(adjusted(&[0.02, 0.02, 0.5, 1.0]), &[0.08, 0.08, 1.0, 1.0]);
        assert_eq!(holm(&[Some(0.01), None, Some(0.02)]), [Some(0.02), None, Some(0.02)]);
        assert_eq!(holm(&[]), []);
    }

    #[test]
    fn a_claim_needs_significance_an_interval_without_one_and_a_size() {
        let judge = |p: f64, ratio: f64, low: f64, high: f64| verdict(Some(p), Some(ratio), Some((low, high)));
        assert_eq!(judge(0.001, 0.9, 0.85, 0.95), Verdict::Lower);
        assert_eq!(judge(0.001, 1.2, 1.1, 1.3), Verdict::Higher);
        assert_eq!(judge(0.2, 0.9, 0.85, 0.95), Verdict::Inconclusive);
        assert_eq!(judge(0.001, 0.97, 0.93, 1.01), Verdict::Inconclusive);
        assert_eq!(judge(0.001, 0.99, 0.985, 0.995), Verdict::Equivalent, "significant and too small to matter");
        assert_eq!(judge(0.5, 1.0, 0.96, 1.04), Verdict::Equivalent);
        assert_eq!(verdict(Some(0.001), None, None), Verdict::Inconclusive);
    }

    #[test]
    fn a_sample_compared_with_itself_is_equivalent() {
        let found = compare(&pairs(&x(), &x()), seed());
        assert_eq!((found.ratio_mean, found.ratio_mean_ci, found.p), (Some(1.0), Some((1.0, 1.0)), Some(1.0)));
        assert_eq!(verdict(found.p, found.ratio_mean, found.ratio_mean_ci), Verdict::Equivalent);
    }

    #[test]
    fn an_empty_sample_has_no_comparison_and_a_zero_baseline_no_ratio() {
        let nothing = compare(&independent(&[], &B), seed());
        assert_eq!((nothing.ratio_mean, nothing.p, nothing.cliffs_delta), (None, None, None));
        let zero = compare(&independent(&[0.0, 0.0, 0.0], &[1.0, 2.0, 3.0]), seed());
        assert_eq!((zero.ratio_mean, zero.ratio_mean_ci), (None, None));
    }

    #[test]
    fn scaling_both_samples_leaves_ratio_effect_and_p() {
        let scaled = |values: &[f64]| values.iter().map(|v| v * 8.0).collect::<Vec<_>>();
        let (plain, eight) = (compare(&pairs(&A, &B), seed()), compare(&pairs(&scaled(&A), &scaled(&B)), seed()));
        assert_eq!((plain.ratio_mean, plain.ratio_mean_ci), (eight.ratio_mean, eight.ratio_mean_ci));
        assert_eq!((plain.cliffs_delta, plain.n_zero), (eight.cliffs_delta, eight.n_zero));
        assert!((plain.p.unwrap() - eight.p.unwrap()).abs() < 1e-12);
    }

    #[test]
    fn images_that_differ_widen_an_independent_interval_and_not_a_paired_one() {
        let image = |scale: f64, seed: u64| lognormal(30, 0.05, seed).iter().map(|v| v * scale).collect::<Vec<_>>();
        let a: Vec<Vec<f64>> = (1..=6).map(|i| image(f64::from(i), i as u64)).collect();
        let b: Vec<Vec<f64>> = (1..=6).map(|i| image(0.8 * f64::from(i), 100 + i as u64)).collect();
        let paired = a.iter().zip(&b).map(|(a, b)| a.iter().copied().zip(b.iter().copied()).collect()).collect();
        let paired = compare(&Samples::Paired(paired), seed()).ratio_mean_ci.unwrap();
        let apart = compare(&Samples::Independent { a, b }, seed()).ratio_mean_ci.unwrap();
        assert!(apart.1 - apart.0 > 5.0 * (paired.1 - paired.0), "{apart:?} {paired:?}");
    }

    #[test]
    fn the_linearised_intervals_of_a_large_sample_are_the_resampled_ones() {
        let image = |scale: f64, seed: u64| lognormal(300, 0.3, seed).iter().map(|v| v * scale).collect::<Vec<_>>();
        let a: Vec<Vec<f64>> = (1..=3).map(|i| image(1.0 + 0.1 * f64::from(i), i as u64)).collect();
        let b: Vec<Vec<f64>> = (1..=3).map(|i| image(0.9 + 0.1 * f64::from(i), 50 + i as u64)).collect();
        let paired = a.iter().zip(&b).map(|(a, b)| a.iter().copied().zip(b.iter().copied()).collect()).collect();
        for samples in [Samples::Paired(paired), Samples::Independent { a, b }] {
            let (mut means, mut medians) = resampled_ratios(&samples, seed());
            let (mut linear_means, mut linear_medians) = linearised_ratios(&samples, seed());
            for (exact, linear, tolerance) in
                [(&mut means, &mut linear_means, 0.1), (&mut medians, &mut linear_medians, 0.25)]
            {
                let (exact, linear) = (bounds(exact).unwrap(), bounds(linear).unwrap());
                let width = exact.1 - exact.0;
                assert!((exact.0 - linear.0).abs() < tolerance * width, "{exact:?} {linear:?}");
                assert!((exact.1 - linear.1).abs() < tolerance * width, "{exact:?} {linear:?}");
            }
        }
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| compare(&independent(&x(), &y()), seed()))
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn identical_variants_are_told_apart_as_seldom_as_promised() {
        const SIMULATIONS: u64 = 2_000;
        let rejected = (0..SIMULATIONS).filter(|i| {
            let (a, b) = (lognormal(40, 0.3, 2 * i), lognormal(40, 0.3, 2 * i + 1));
            wilcoxon(&a, &b).p.unwrap() < SIGNIFICANCE
        });
        let share = rejected.count() as f64 / SIMULATIONS as f64;
        assert!((0.03..=0.07).contains(&share), "{share}");
    }
}
