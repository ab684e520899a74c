//! Whether a sample stayed the same during the run (`method.md` sections 3 and 5): trend, lag-1
//! autocorrelation, halves.
//!
//! Values come in the order of execution. A finding is a warning beside a number, never a reason to
//! drop one.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use super::summary::{mean_of_sorted, quantile_of_sorted};

/// Kendall's rank correlation of the values with their order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// Tau-b, -1 (falling) to 1 (rising).
    pub tau: f64,
    /// Two-sided, normal approximation with tie and continuity correction.
    pub p: f64,
}

/// Returns the trend of `x`; `None` for n < 3 or when all values are equal.
///
/// Source: H. B. Mann, "Nonparametric tests against trend", 1945; ties as in M. G. Kendall, "Rank
/// Correlation Methods".
pub fn trend(x: &[f64]) -> Option<Trend> {
    let n = x.len() as f64;
    if x.len() < 3 {
        return None;
    }
    let pairs = n * (n - 1.0) / 2.0;
    let mut sorted = x.to_vec();
    let falling = inversions(&mut sorted) as f64;
    let ties: Vec<f64> = tie_sizes(&sorted).collect();
    let level = ties.iter().map(|t| t * (t - 1.0) / 2.0).sum::<f64>();
    let s = pairs - level - 2.0 * falling;
    let spread = |t: f64| t * (t - 1.0) * (2.0 * t + 5.0);
    let variance = (spread(n) - ties.iter().map(|&t| spread(t)).sum::<f64>()) / 18.0;
    if variance <= 0.0 {
        return None;
    }
    let z = (s.abs() - 1.0).max(0.0) / variance.sqrt();
    let tau = s / (pairs * (pairs - level)).sqrt();
    Some(Trend {
        tau,
        p: (2.0 * Normal::standard().sf(z)).min(1.0),
    })
}

/// Returns the lag-1 autocorrelation of `x`; `None` for n < 3 or when all values are equal.
pub fn lag_one_autocorrelation(x: &[f64]) -> Option<f64> {
    if x.len() < 3 {
        return None;
    }
    let mean = mean_of_sorted(x)?;
    let variation = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    let together = x
        .windows(2)
        .map(|pair| (pair[0] - mean) * (pair[1] - mean))
        .sum::<f64>();
    Some(together / variation).filter(|r| r.is_finite())
}

/// How neighbouring values of a sample stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbours {
    /// As in a sample of independent values.
    Independent,
    /// High after high, low after low: each value tells less than an independent one would.
    Alike,
    /// High after low, low after high.
    Alternating,
}

/// Judges a lag-1 autocorrelation of n values: beyond 2 / sqrt(n) it is not chance (`method.md`
/// section 3).
pub fn neighbours(n: usize, r1: f64) -> Neighbours {
    let chance = 2.0 / (n as f64).sqrt();
    match r1 {
        r1 if r1 > chance => Neighbours::Alike,
        r1 if r1 < -chance => Neighbours::Alternating,
        _ => Neighbours::Independent,
    }
}

/// Returns median of the second half / median of the first; the middle value of an odd n is in
/// neither.
///
/// `None` for n < 2 or when the first half's median is 0.
pub fn halves_ratio(x: &[f64]) -> Option<f64> {
    let half = x.len() / 2;
    let median = |part: &[f64]| {
        let mut sorted = part.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        quantile_of_sorted(&sorted, 0.5)
    };
    let (first, second) = (median(&x[..half])?, median(&x[x.len() - half..])?);
    Some(second / first).filter(|ratio| ratio.is_finite())
}

/// Sorts `x` and returns how many pairs stood in falling order; O(n log n) by merging.
fn inversions(x: &mut [f64]) -> u64 {
    let n = x.len();
    if n < 2 {
        return 0;
    }
    let (left, right) = x.split_at_mut(n / 2);
    let mut count = inversions(left) + inversions(right);
    let mut merged = Vec::with_capacity(n);
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        if left[i] <= right[j] {
            merged.push(left[i]);
            i += 1;
        } else {
            count += (left.len() - i) as u64;
            merged.push(right[j]);
            j += 1;
        }
    }
    merged.extend_from_slice(&left[i..]);
    merged.extend_from_slice(&right[j..]);
    x.copy_from_slice(&merged);
    count
}

/// Returns the sizes of the runs of equal values in ascending `x`, 1 for a value that stands alone.
pub(super) fn tie_sizes(x: &[f64]) -> impl Iterator<Item = f64> {
    x.chunk_by(|a, b| a.total_cmp(b).is_eq())
        .map(|run| run.len() as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::worked::{A, assert_close, lognormal};

    #[test]
    fn a_rising_sample_has_a_trend_and_a_mixed_one_has_not() {
        let rising: Vec<f64> = (0..20).map(f64::from).collect();
        let found = trend(&rising).unwrap();
        assert_close(Some(found.tau), 1.0, 1e-12);
        assert!(found.p < 1e-6);
        let falling: Vec<f64> = rising.iter().map(|v| -v).collect();
        assert_close(Some(trend(&falling).unwrap().tau), -1.0, 1e-12);
        assert!(trend(&lognormal(100, 0.3, 5)).unwrap().p > 0.01);
    }

    #[test]
    fn a_sample_without_variation_has_neither_trend_nor_autocorrelation() {
        assert_eq!(trend(&[7.0, 7.0, 7.0]), None);
        assert_eq!(lag_one_autocorrelation(&[7.0, 7.0, 7.0]), None);
        assert_eq!((trend(&[1.0, 2.0]), halves_ratio(&[1.0])), (None, None));
    }

    #[test]
    fn an_alternating_sample_is_negatively_autocorrelated() {
        let alternating: Vec<f64> = (0..50)
            .map(|i| if i % 2 == 0 { 90.0 } else { 110.0 })
            .collect();
        assert_close(lag_one_autocorrelation(&alternating), -0.98, 1e-12);
    }

    #[test]
    fn the_halves_are_compared_by_their_medians() {
        assert_close(
            halves_ratio(&[100.0, 110.0, 90.0, 5.0, 50.0, 55.0, 45.0]),
            0.5,
            1e-12,
        );
        assert_close(halves_ratio(&A), 100.0 / 101.0, 1e-12);
    }

    proptest! {
        #[test]
        fn counting_by_merging_is_counting_by_pairs(x in prop::collection::vec(0i32..12, 3..60)) {
            let x: Vec<f64> = x.into_iter().map(f64::from).collect();
            let mut expected = 0;
            for i in 0..x.len() {
                expected += x[i + 1..].iter().filter(|&&later| later < x[i]).count() as u64;
            }
            prop_assert_eq!(inversions(&mut x.clone()), expected);
        }
    }
}
