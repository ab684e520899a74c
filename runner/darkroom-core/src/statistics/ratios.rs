//! Intervals of a ratio of two samples' means and medians: hierarchical resamples, and a closed
//! form for large samples.
//!
//! Clusters are drawn first, then their values. [`Ranked`], [`Draw`] and [`Normals`] make that
//! fast, here and where samples have more levels (`hierarchy`).

use std::ops::Range;

use rand_chacha::ChaCha8Rng;

use super::compare::{Samples, median};
use super::interval::{MOST_RESAMPLED, Method, quantile_interval};
use super::moments::percentile;
use super::normal::normal_quantile;
use super::resampling::{RESAMPLES, below, resample};
use super::summary::{mean_of_sorted, sorted};

pub(super) struct RatioIntervals {
    pub(super) mean: Option<(f64, f64)>,
    pub(super) median: Option<(f64, f64)>,
    pub(super) method: &'static str,
}

/// Returns the intervals of the ratios of b to a; `None` where a sample has fewer than two values.
pub(super) fn ratio_intervals(samples: &Samples, seed: [u8; 32]) -> RatioIntervals {
    let (a, b) = samples.flat();
    if a.len().min(b.len()) < 2 {
        return RatioIntervals {
            mean: None,
            median: None,
            method: "bootstrap",
        };
    }
    let (mut means, mut medians, method) = if a.len().max(b.len()) > MOST_RESAMPLED {
        let (means, medians) = linearised_ratios(samples, seed);
        (means, medians, "linearised")
    } else {
        let (means, medians) = resampled_ratios(samples, seed);
        (means, medians, "bootstrap")
    };
    RatioIntervals {
        mean: bounds(&mut means),
        median: bounds(&mut medians),
        method,
    }
}

pub(super) fn bounds(ratios: &mut Vec<f64>) -> Option<(f64, f64)> {
    ratios.retain(|ratio| ratio.is_finite());
    ratios.sort_unstable_by(f64::total_cmp);
    percentile(ratios, Method::Percentile).map(|interval| (interval.low, interval.high))
}

/// Ratios of means and of medians over hierarchical resamples: clusters first, then values within
/// each drawn cluster; the same draw for a and b when they are paired.
fn resampled_ratios(samples: &Samples, seed: [u8; 32]) -> (Vec<f64>, Vec<f64>) {
    let ratios = match samples {
        Samples::Paired(clusters) => {
            let a = Ranked::of(
                clusters
                    .iter()
                    .map(|cluster| cluster.iter().map(|pair| pair.0).collect()),
            );
            let b = Ranked::of(
                clusters
                    .iter()
                    .map(|cluster| cluster.iter().map(|pair| pair.1).collect()),
            );
            resample(seed, RESAMPLES, |random| {
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
            resample(seed, RESAMPLES, |random| {
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
        let rank =
            |value: &f64| sorted.partition_point(|other| other.total_cmp(value).is_lt()) as u32;
        Self {
            ranks: values.iter().map(rank).collect(),
            sorted,
            clusters: ranges,
        }
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
        Self {
            sorted: &ranked.sorted,
            counts: vec![0; ranked.sorted.len()],
            n: 0,
            sum: 0.0,
        }
    }

    pub(super) fn take(&mut self, rank: u32) {
        self.counts[rank as usize] += 1;
        self.n += 1;
        self.sum += self.sorted[rank as usize];
    }

    pub(super) fn ratios_to(&self, baseline: &Draw) -> (f64, f64) {
        (
            self.mean() / baseline.mean(),
            self.median() / baseline.median(),
        )
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

/// The same for large samples: the logarithm of a ratio as a mean of influence values, of which
/// each cluster's mean is drawn from its normal distribution; clusters are still resampled. Costs
/// clusters, not values, per resample.
///
/// Source: A. C. Davison, D. V. Hinkley, "Bootstrap Methods and their Application", 1997, section
/// 2.7.
fn linearised_ratios(samples: &Samples, seed: [u8; 32]) -> (Vec<f64>, Vec<f64>) {
    let (a, b) = samples.flat();
    let (sorted_a, sorted_b) = (sorted(&a), sorted(&b));
    let of = |statistic: Linear| -> Vec<f64> {
        let (Some(la), Some(lb)) = (statistic.of(&sorted_a), statistic.of(&sorted_b)) else {
            return Vec::new();
        };
        let parts: Vec<Vec<Normals>> = match samples {
            Samples::Paired(clusters) => {
                let difference = |&(a, b): &(f64, f64)| lb.influence(b) - la.influence(a);
                vec![
                    clusters
                        .iter()
                        .map(|c| Normals::of(c.iter().map(difference)))
                        .collect(),
                ]
            }
            Samples::Independent { a, b } => vec![
                a.iter()
                    .map(|cluster| Normals::of(cluster.iter().map(|&v| -la.influence(v))))
                    .collect(),
                b.iter()
                    .map(|cluster| Normals::of(cluster.iter().map(|&v| lb.influence(v))))
                    .collect(),
            ],
        };
        let ratio = lb.value / la.value;
        resample(seed, RESAMPLES, |random| {
            ratio
                * parts
                    .iter()
                    .map(|part| drawn_mean(random, part))
                    .sum::<f64>()
                    .exp()
        })
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
        // The median's standard error is step / sqrt(n); its exact interval gives it without a
        // density estimate.
        let (Some(low), Some(high)) = quantile_interval(sorted, 0.5) else {
            return None;
        };
        let step = (high - low) / (2.0 * normal_quantile(0.975)) * (sorted.len() as f64).sqrt();
        value.filter(|&v| v > 0.0).map(|value| Linearised {
            statistic: self,
            value,
            step,
        })
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
    mean: f64,
    error: f64,
}

impl Normals {
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n.max(1.0);
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        Self {
            n,
            mean,
            error: (variance / n.max(1.0)).sqrt(),
        }
    }

    /// Draws the cluster's mean from its normal distribution.
    pub(super) fn draw(&self, random: &mut ChaCha8Rng) -> f64 {
        let uniform = (below(random, 1 << 31) as f64 + 0.5) / f64::from(1u32 << 31);
        self.mean + self.error * normal_quantile(uniform)
    }
}

fn drawn_mean(random: &mut ChaCha8Rng, clusters: &[Normals]) -> f64 {
    let (mut total, mut n) = (0.0, 0.0);
    for _ in 0..clusters.len() {
        let cluster = &clusters[below(random, clusters.len())];
        total += cluster.n * cluster.draw(random);
        n += cluster.n;
    }
    total / n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::interval::seed_of;
    use crate::statistics::worked::lognormal;

    #[test]
    fn the_linearised_intervals_of_a_large_sample_are_the_resampled_ones() {
        let image = |scale: f64, seed: u64| {
            lognormal(300, 0.3, seed)
                .iter()
                .map(|v| v * scale)
                .collect::<Vec<_>>()
        };
        let a: Vec<Vec<f64>> = (1..=3)
            .map(|i| image(1.0 + 0.1 * f64::from(i), i as u64))
            .collect();
        let b: Vec<Vec<f64>> = (1..=3)
            .map(|i| image(0.9 + 0.1 * f64::from(i), 50 + i as u64))
            .collect();
        let paired = a
            .iter()
            .zip(&b)
            .map(|(a, b)| a.iter().copied().zip(b.iter().copied()).collect())
            .collect();
        let seed = seed_of(562, &["comparison"]);
        for samples in [Samples::Paired(paired), Samples::Independent { a, b }] {
            let (mut means, mut medians) = resampled_ratios(&samples, seed);
            let (mut linear_means, mut linear_medians) = linearised_ratios(&samples, seed);
            for (exact, linear, tolerance) in [
                (&mut means, &mut linear_means, 0.1),
                (&mut medians, &mut linear_medians, 0.25),
            ] {
                let (exact, linear) = (bounds(exact).unwrap(), bounds(linear).unwrap());
                let width = exact.1 - exact.0;
                assert!(
                    (exact.0 - linear.0).abs() < tolerance * width,
                    "{exact:?} {linear:?}"
                );
                assert!(
                    (exact.1 - linear.1).abs() < tolerance * width,
                    "{exact:?} {linear:?}"
                );
            }
        }
    }
}
