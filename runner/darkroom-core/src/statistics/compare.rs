//! Two samples of one metric compared: b against its baseline a (`method.md` section 4).
//!
//! [`Samples`] → [`Comparison`]: ratio of means and of medians with intervals (`ratios`), effect
//! size, p. `claims` then judges a family of them. Which cells may be compared is decided by
//! `darkroom-tables`.

use serde::Serialize;

use super::rank_tests::{cliffs_delta, mann_whitney, wilcoxon};
use super::ratios::ratio_intervals;
use super::summary::{mean_of_sorted, quantile_of_sorted, sorted};

/// What is compared. The inner vectors are clusters: what was measured on one image (or in one
/// environment).
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

/// Compares b with its baseline a.
pub fn compare(samples: &Samples, seed: [u8; 32]) -> Comparison {
    let (a, b) = samples.flat();
    if a.is_empty() || b.is_empty() {
        return Comparison {
            paired: samples.is_paired(),
            n_a: a.len(),
            n_b: b.len(),
            ..Comparison::default()
        };
    }
    let (sorted_a, sorted_b) = (sorted(&a), sorted(&b));
    let ratio = |of: fn(&[f64]) -> Option<f64>| {
        Some(of(&sorted_b)? / of(&sorted_a)?).filter(|r| r.is_finite())
    };
    let (rank_a, rank_b) = one_of_equals(&a, &b);
    let (ranked_a, ranked_b) = (sorted(&rank_a), sorted(&rank_b));
    let (p, n_zero) = if let Samples::Paired(_) = samples {
        let test = wilcoxon(&rank_a, &rank_b);
        (test.p, Some(test.n_zero))
    } else {
        (mann_whitney(&ranked_a, &ranked_b), None)
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
        cliffs_delta: cliffs_delta(&ranked_a, &ranked_b),
        p,
        test: p.map(|_| {
            if samples.is_paired() {
                "wilcoxon"
            } else {
                "mann_whitney"
            }
        }),
        n_zero,
    }
}

/// Values this close, relative to their size, are equal: costs are sums, and sums in another order
/// round otherwise.
const EQUAL: f64 = 1e-12;

/// Returns both with one value for those that differ in their last bits only: ranks count a
/// difference as one however small it is.
fn one_of_equals(a: &[f64], b: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut all = sorted(&[a, b].concat());
    let mut before = f64::NEG_INFINITY;
    // The first of each row of equals stands for it.
    all.retain(|value| {
        let is_new = value - before > EQUAL * value.abs();
        before = *value;
        is_new
    });
    let told = |value: &f64| all[all.partition_point(|first| first <= value).max(1) - 1];
    (a.iter().map(told).collect(), b.iter().map(told).collect())
}

impl Samples {
    pub const fn is_paired(&self) -> bool {
        matches!(self, Self::Paired(_))
    }

    pub(super) fn flat(&self) -> (Vec<f64>, Vec<f64>) {
        match self {
            Self::Paired(clusters) => clusters.iter().flatten().copied().unzip(),
            Self::Independent { a, b } => (a.concat(), b.concat()),
        }
    }
}

pub(super) fn median(sorted: &[f64]) -> Option<f64> {
    quantile_of_sorted(sorted, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::statistics::claims::{ClaimVerdict, SIGNIFICANCE, verdict};
    use crate::statistics::interval::seed_of;
    use crate::statistics::worked::{A, B, assert_close, lognormal, x, y};

    fn pairs(a: &[f64], b: &[f64]) -> Samples {
        Samples::Paired(vec![a.iter().copied().zip(b.iter().copied()).collect()])
    }

    fn independent(a: &[f64], b: &[f64]) -> Samples {
        Samples::Independent {
            a: vec![a.to_vec()],
            b: vec![b.to_vec()],
        }
    }

    fn seed() -> [u8; 32] {
        seed_of(562, &["comparison"])
    }

    #[track_caller]
    fn assert_bounds(found: Option<(f64, f64)>, low: f64, high: f64, tolerance: f64) {
        let (l, h) = found.expect("an interval");
        assert!(
            (l - low).abs() <= tolerance && (h - high).abs() <= tolerance,
            "[{l}, {h}] is not [{low}, {high}]"
        );
    }

    #[test]
    fn a_value_that_differs_in_its_last_bit_does_not_count_as_different() {
        let (cost, again): (Vec<f64>, Vec<f64>) = (1..=12)
            .map(f64::from)
            .map(|n| (n * 0.1 + n * 0.2, n * 0.3))
            .unzip();
        assert!(cost != again, "sums round otherwise");
        let paired = compare(&pairs(&cost, &again), seed());
        assert_eq!((paired.n_zero, paired.p), (Some(12), Some(1.0)));
        assert_eq!(paired.cliffs_delta, Some(0.0));
        assert_eq!(
            compare(&independent(&cost, &again), seed()).cliffs_delta,
            Some(0.0)
        );
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
    fn a_sample_compared_with_itself_is_equivalent() {
        let found = compare(&pairs(&x(), &x()), seed());
        assert_eq!(
            (found.ratio_mean, found.ratio_mean_ci, found.p),
            (Some(1.0), Some((1.0, 1.0)), Some(1.0))
        );
        assert_eq!(
            verdict(found.p, found.ratio_mean, found.ratio_mean_ci, None),
            ClaimVerdict::Equivalent
        );
    }

    #[test]
    fn an_empty_sample_has_no_comparison_and_a_zero_baseline_no_ratio() {
        let nothing = compare(&independent(&[], &B), seed());
        assert_eq!(
            (nothing.ratio_mean, nothing.p, nothing.cliffs_delta),
            (None, None, None)
        );
        let zero = compare(&independent(&[0.0, 0.0, 0.0], &[1.0, 2.0, 3.0]), seed());
        assert_eq!((zero.ratio_mean, zero.ratio_mean_ci), (None, None));
    }

    #[test]
    fn scaling_both_samples_leaves_ratio_effect_and_p() {
        let scaled = |values: &[f64]| values.iter().map(|v| v * 8.0).collect::<Vec<_>>();
        let (plain, eight) = (
            compare(&pairs(&A, &B), seed()),
            compare(&pairs(&scaled(&A), &scaled(&B)), seed()),
        );
        assert_eq!(
            (plain.ratio_mean, plain.ratio_mean_ci),
            (eight.ratio_mean, eight.ratio_mean_ci)
        );
        assert_eq!(
            (plain.cliffs_delta, plain.n_zero),
            (eight.cliffs_delta, eight.n_zero)
        );
        assert!((plain.p.unwrap() - eight.p.unwrap()).abs() < 1e-12);
    }

    #[test]
    fn images_that_differ_widen_an_independent_interval_and_not_a_paired_one() {
        let image = |scale: f64, seed: u64| {
            lognormal(30, 0.05, seed)
                .iter()
                .map(|v| v * scale)
                .collect::<Vec<_>>()
        };
        let a: Vec<Vec<f64>> = (1..=6).map(|i| image(f64::from(i), i as u64)).collect();
        let b: Vec<Vec<f64>> = (1..=6)
            .map(|i| image(0.8 * f64::from(i), 100 + i as u64))
            .collect();
        let paired = a
            .iter()
            .zip(&b)
            .map(|(a, b)| a.iter().copied().zip(b.iter().copied()).collect())
            .collect();
        let paired = compare(&Samples::Paired(paired), seed())
            .ratio_mean_ci
            .unwrap();
        let apart = compare(&Samples::Independent { a, b }, seed())
            .ratio_mean_ci
            .unwrap();
        assert!(
            apart.1 - apart.0 > 5.0 * (paired.1 - paired.0),
            "{apart:?} {paired:?}"
        );
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
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
