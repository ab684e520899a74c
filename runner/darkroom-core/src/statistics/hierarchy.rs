//! Compares two models through several samples of each. The interval widens with the spread between
//! samples.
//!
//! [`Pool`]s → [`Comparison`]. A model is known only by its answers. So answers (samples) are
//! resampled first, then their deployments or environments, then images (the same for both models)
//! and their repetitions. p is Welch's, of the logarithms of the samples' means: invocations of one
//! sample are not independent evidence about its model.
//!
//! Source: A. C. Davison, D. V. Hinkley, "Bootstrap Methods and their Application", 1997, section
//! 3.8 (hierarchical data).

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;

use super::compare::Comparison;
use super::interval::MOST_RESAMPLED;
use super::rank_tests::cliffs_delta;
use super::ratios::{Draw, Normals, Ranked, bounds};
use super::resampling::{RESAMPLES, below, resample};
use super::summary::{mean_of_sorted, quantile_of_sorted, sorted};
use super::units::welch;

/// Values of one model: by sample, then by deployment (or environment), then by image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pool {
    pub samples: Vec<Vec<BTreeMap<u32, Vec<f64>>>>,
}

/// Fewest samples of each model for which anything can be said of the models.
pub const FEWEST_SAMPLES: usize = 2;

impl Pool {
    fn values_of(sample: &[BTreeMap<u32, Vec<f64>>]) -> Vec<f64> {
        sample
            .iter()
            .flat_map(BTreeMap::values)
            .flatten()
            .copied()
            .collect()
    }

    fn flat(&self) -> Vec<f64> {
        self.samples
            .iter()
            .flat_map(|sample| Self::values_of(sample))
            .collect()
    }

    /// Mean of each sample's values.
    fn means(&self) -> Vec<f64> {
        self.samples
            .iter()
            .filter_map(|sample| mean_of_sorted(&sorted(&Self::values_of(sample))))
            .collect()
    }

    fn images(&self) -> impl Iterator<Item = u32> {
        self.samples
            .iter()
            .flatten()
            .flat_map(|unit| unit.keys().copied())
    }
}

/// Compares model b with its baseline a. With fewer than [`FEWEST_SAMPLES`] of either there is a
/// ratio, and no interval or p.
pub fn compare_pools(a: &Pool, b: &Pool, seed: [u8; 32]) -> Comparison {
    let (flat_a, flat_b) = (sorted(&a.flat()), sorted(&b.flat()));
    let sizes = Comparison {
        n_a: flat_a.len(),
        n_b: flat_b.len(),
        ..Comparison::default()
    };
    if flat_a.is_empty() || flat_b.is_empty() {
        return sizes;
    }
    let ratio = |of: fn(&[f64]) -> Option<f64>| {
        Some(of(&flat_b)? / of(&flat_a)?).filter(|ratio| ratio.is_finite())
    };
    let described = Comparison {
        ratio_mean: ratio(mean_of_sorted),
        ratio_median: ratio(|x| quantile_of_sorted(x, 0.5)),
        cliffs_delta: cliffs_delta(&flat_a, &flat_b),
        ..sizes
    };
    if a.samples.len().min(b.samples.len()) < FEWEST_SAMPLES {
        return described;
    }
    let large = flat_a.len().max(flat_b.len()) > MOST_RESAMPLED;
    let (mut means, mut medians) = if large {
        approximated(a, b, seed)
    } else {
        resampled(a, b, seed)
    };
    Comparison {
        ratio_mean_ci: bounds(&mut means),
        ratio_median_ci: bounds(&mut medians),
        ci_method: Some(if large {
            "hierarchical_approximated"
        } else {
            "hierarchical"
        }),
        p: welch(&logs(&a.means()), &logs(&b.means())),
        test: Some("welch"),
        ..described
    }
}

fn logs(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value.ln()).collect()
}

/// Where a model's values lie in a list of clusters, one a (sample, unit, image).
struct Layout {
    /// By sample, unit, and place among the images of both models.
    clusters: Vec<Vec<Vec<Option<usize>>>>,
}

impl Layout {
    fn of(pool: &Pool, images: &BTreeSet<u32>) -> Self {
        let mut next = 0;
        let mut place = |has: bool| {
            next += usize::from(has);
            has.then(|| next - 1)
        };
        let samples = pool.samples.iter().map(|sample| {
            let units = sample.iter().map(|unit| {
                let has = |image: &u32| unit.get(image).is_some_and(|values| !values.is_empty());
                images.iter().map(|image| place(has(image))).collect()
            });
            units.collect()
        });
        Self {
            clusters: samples.collect(),
        }
    }

    /// Draws samples and their units, and names the clusters of the drawn images.
    fn draw(
        &self,
        random: &mut ChaCha8Rng,
        images: &[usize],
        mut take: impl FnMut(&mut ChaCha8Rng, usize),
    ) {
        for _ in 0..self.clusters.len() {
            let sample = &self.clusters[below(random, self.clusters.len())];
            for _ in 0..sample.len() {
                let unit = &sample[below(random, sample.len())];
                for &image in images {
                    if let Some(cluster) = unit[image] {
                        take(random, cluster);
                    }
                }
            }
        }
    }
}

/// Values by cluster, in the order of [`Layout`].
fn clusters(pool: &Pool) -> impl Iterator<Item = &Vec<f64>> {
    pool.samples
        .iter()
        .flatten()
        .flat_map(BTreeMap::values)
        .filter(|values| !values.is_empty())
}

fn draw_images(random: &mut ChaCha8Rng, count: usize) -> Vec<usize> {
    (0..count).map(|_| below(random, count)).collect()
}

fn resampled(a: &Pool, b: &Pool, seed: [u8; 32]) -> (Vec<f64>, Vec<f64>) {
    let images: BTreeSet<u32> = a.images().chain(b.images()).collect();
    let (layout_a, layout_b) = (Layout::of(a, &images), Layout::of(b, &images));
    let (ranked_a, ranked_b) = (
        Ranked::of(clusters(a).cloned()),
        Ranked::of(clusters(b).cloned()),
    );
    let side = |random: &mut ChaCha8Rng,
                layout: &Layout,
                ranked: &Ranked,
                draw: &mut Draw,
                images: &[usize]| {
        layout.draw(random, images, |random, cluster| {
            let range = &ranked.clusters[cluster];
            (0..range.len())
                .for_each(|_| draw.take(ranked.ranks[range.start + below(random, range.len())]));
        });
    };
    let ratios = resample(seed, RESAMPLES, |random| {
        let drawn = draw_images(random, images.len());
        let (mut draw_a, mut draw_b) = (Draw::of(&ranked_a), Draw::of(&ranked_b));
        side(random, &layout_a, &ranked_a, &mut draw_a, &drawn);
        side(random, &layout_b, &ranked_b, &mut draw_b, &drawn);
        draw_b.ratios_to(&draw_a)
    });
    ratios.into_iter().unzip()
}

/// The same for large pools, at a cost that does not grow with n: of the mean each cluster's own
/// mean is drawn from its normal distribution; of the median each cluster stands for itself by a
/// few evenly spaced values, which makes the interval slightly too wide.
fn approximated(a: &Pool, b: &Pool, seed: [u8; 32]) -> (Vec<f64>, Vec<f64>) {
    let images: BTreeSet<u32> = a.images().chain(b.images()).collect();
    let (layout_a, layout_b) = (Layout::of(a, &images), Layout::of(b, &images));
    let normals = |pool: &Pool| {
        clusters(pool)
            .map(|values| Normals::of(values.iter().copied()))
            .collect::<Vec<_>>()
    };
    let (normals_a, normals_b) = (normals(a), normals(b));
    let side = |random: &mut ChaCha8Rng, layout: &Layout, normals: &[Normals], images: &[usize]| {
        let (mut total, mut n) = (0.0, 0.0);
        layout.draw(random, images, |random, cluster| {
            let cluster = &normals[cluster];
            total += cluster.n * cluster.draw(random);
            n += cluster.n;
        });
        total / n
    };
    let means = resample(seed, RESAMPLES, |random| {
        let drawn = draw_images(random, images.len());
        let of_a = side(random, &layout_a, &normals_a, &drawn);
        side(random, &layout_b, &normals_b, &drawn) / of_a
    });
    (means, resampled(&thinned(a), &thinned(b), seed).1)
}

/// Fewest values that a cluster is thinned to.
const FEWEST: usize = 4;

/// Keeps evenly spaced values of each cluster, so that about [`MOST_RESAMPLED`] remain.
fn thinned(pool: &Pool) -> Pool {
    let kept = (MOST_RESAMPLED / clusters(pool).count().max(1)).max(FEWEST);
    let thin = |values: &Vec<f64>| {
        let sorted = sorted(values);
        let at = |i: usize| quantile_of_sorted(&sorted, (i as f64 + 0.5) / kept as f64);
        if sorted.len() <= kept {
            sorted
        } else {
            (0..kept).filter_map(at).collect()
        }
    };
    let unit = |unit: &BTreeMap<u32, Vec<f64>>| {
        unit.iter()
            .map(|(&image, values)| (image, thin(values)))
            .collect()
    };
    Pool {
        samples: pool
            .samples
            .iter()
            .map(|sample| sample.iter().map(unit).collect())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::claims::{ClaimVerdict, verdict};
    use crate::statistics::compare::{Samples, compare};
    use crate::statistics::interval::seed_of;
    use crate::statistics::worked::lognormal;

    const IMAGES: [f64; 3] = [1.0, 3.0, 10.0];

    /// A model whose samples have these levels: two deployments, three images, `n` repetitions of
    /// each.
    fn pool(levels: &[f64], n: usize, seed: u64) -> Pool {
        let unit = |level: f64, seed: u64| -> BTreeMap<u32, Vec<f64>> {
            let image = |(image, size): (u32, f64)| {
                let noise = lognormal(n, 0.05, seed * 100 + u64::from(image));
                (image, noise.iter().map(|v| v * level * size).collect())
            };
            (0u32..).zip(IMAGES).map(image).collect()
        };
        let sample = |(i, &level): (usize, &f64)| {
            let seed = seed * 1_000 + i as u64 * 10;
            vec![unit(level, seed), unit(level, seed + 1)]
        };
        Pool {
            samples: levels.iter().enumerate().map(sample).collect(),
        }
    }

    fn said(found: &Comparison) -> ClaimVerdict {
        verdict(found.p, found.ratio_mean, found.ratio_mean_ci, None)
    }

    fn seed() -> [u8; 32] {
        seed_of(562, &["models"])
    }

    #[test]
    fn inconclusive_are_models_that_differ_less_than_their_samples_do() {
        // No effect of the model, samples a factor of two apart, drawn from the same levels; by
        // chance b has the higher ones.
        let (a, b) = (pool(&[1.0, 1.3, 0.7], 10, 1), pool(&[1.5, 0.9, 1.1], 10, 2));
        let found = compare_pools(&a, &b, seed());
        assert_eq!(said(&found), ClaimVerdict::Inconclusive, "{found:?}");
        // Pooled as if every invocation were a witness, the same values would be called different.
        let naive = |pool: &Pool| clusters(pool).cloned().collect::<Vec<_>>().concat();
        let naive = compare(
            &Samples::Independent {
                a: vec![naive(&a)],
                b: vec![naive(&b)],
            },
            seed(),
        );
        let width = |c: &Comparison| c.ratio_mean_ci.map(|(low, high)| high - low).unwrap();
        assert_eq!(naive.ratio_mean, found.ratio_mean);
        assert!(width(&found) > 1.1 * width(&naive), "{found:?} {naive:?}");
    }

    #[test]
    fn a_model_whose_every_sample_is_faster_is_called_so() {
        let found = compare_pools(
            &pool(&[1.0, 1.02, 0.98], 10, 1),
            &pool(&[0.5, 0.52, 0.49], 10, 2),
            seed(),
        );
        assert_eq!(said(&found), ClaimVerdict::Lower, "{found:?}");
        assert!((found.ratio_mean.unwrap() - 0.503).abs() < 0.02);
        assert_eq!(
            (found.n_a, found.n_b, found.ci_method),
            (180, 180, Some("hierarchical"))
        );
    }

    #[test]
    fn an_interval_widens_with_the_spread_between_samples_and_not_with_that_of_images() {
        let width = |a: &[f64], b: &[f64]| {
            let (low, high) = compare_pools(&pool(a, 10, 1), &pool(b, 10, 2), seed())
                .ratio_mean_ci
                .unwrap();
            high - low
        };
        let alike = width(&[1.0, 1.0, 1.0], &[1.0, 1.0, 1.0]);
        let apart = width(&[0.8, 1.0, 1.2], &[0.8, 1.0, 1.2]);
        assert!(
            alike < 0.1,
            "images a factor of ten apart are the same for both: {alike}"
        );
        assert!(apart > 3.0 * alike, "{apart} {alike}");
    }

    #[test]
    fn one_sample_has_a_ratio_and_tells_nothing_of_its_model() {
        let found = compare_pools(&pool(&[1.0], 10, 1), &pool(&[0.5, 0.5], 10, 2), seed());
        assert!((found.ratio_mean.unwrap() - 0.5).abs() < 0.02);
        assert_eq!(
            (found.ratio_mean_ci, found.p, found.ci_method),
            (None, None, None)
        );
        assert_eq!(said(&found), ClaimVerdict::Inconclusive);
        assert_eq!(
            compare_pools(&Pool::default(), &pool(&[0.5, 0.5], 2, 2), seed()).ratio_mean,
            None
        );
    }

    #[test]
    fn models_without_an_effect_are_called_different_as_seldom_as_promised() {
        let claimed = (0..400u64).filter(|i| {
            let levels = |seed: u64| lognormal(3, 0.3, seed);
            let (a, b) = (levels(2 * i), levels(2 * i + 1));
            welch(&logs(&a), &logs(&b)).unwrap() < 0.05
        });
        // At most 5%: Welch's test is cautious with three values.
        let claimed = claimed.count();
        assert!((4..=28).contains(&claimed), "{claimed} of 400");
    }

    #[test]
    fn the_approximated_intervals_of_large_pools_are_the_resampled_ones() {
        let (a, b) = (
            pool(&[1.0, 1.2, 0.9, 1.1], 130, 1),
            pool(&[0.8, 1.0, 0.7, 0.9], 130, 2),
        );
        assert_eq!(
            compare_pools(&a, &b, seed()).ci_method,
            Some("hierarchical_approximated")
        );
        let (exact, near) = (resampled(&a, &b, seed()), approximated(&a, &b, seed()));
        for (mut exact, mut near, tolerance) in [(exact.0, near.0, 0.05), (exact.1, near.1, 0.15)] {
            let (exact, near) = (bounds(&mut exact).unwrap(), bounds(&mut near).unwrap());
            let most = tolerance * (exact.1 - exact.0);
            assert!(
                (exact.0 - near.0).abs() < most && (exact.1 - near.1).abs() < most,
                "{exact:?} {near:?}"
            );
        }
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let (a, b) = (pool(&[1.0, 1.2], 5, 1), pool(&[0.8, 1.0], 5, 2));
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| compare_pools(&a, &b, seed()))
        };
        assert_eq!(run(1), run(3));
    }
}
