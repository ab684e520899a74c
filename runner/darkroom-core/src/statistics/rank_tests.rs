//! Rank-based tests and effect size of two samples (`method.md` section 4). All are O(n log n).

use statrs::distribution::{ContinuousCDF, Normal};

use super::stationarity::tie_sizes;

/// Largest number of differences for which Wilcoxon's distribution is computed exactly.
const EXACT_UP_TO: usize = 25;
/// Differences this close, relative to their size, are ties: logarithms round.
const TIE: f64 = 1e-12;

/// Wilcoxon's signed-rank test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wilcoxon {
    /// Two-sided; 1 when no pair differs, `None` without pairs.
    pub p: Option<f64>,
    /// Pairs that do not differ, which are dropped.
    pub n_zero: usize,
    /// Sum of the ranks of pairs where b is larger.
    pub w_plus: f64,
    pub exact: bool,
}

/// Tests pairs (a, b), on ln b - ln a when every value is positive, so that images of different
/// size weigh alike.
pub fn wilcoxon(a: &[f64], b: &[f64]) -> Wilcoxon {
    let logarithms = a.iter().chain(b).all(|&v| v > 0.0);
    let difference = |(a, b): (&f64, &f64)| if logarithms { b.ln() - a.ln() } else { b - a };
    wilcoxon_of(a.iter().zip(b).map(difference))
}

/// Tests whether differences are symmetric about 0.
pub fn wilcoxon_of(differences: impl Iterator<Item = f64>) -> Wilcoxon {
    let all: Vec<f64> = differences.collect();
    let mut d: Vec<f64> = all.iter().copied().filter(|&d| d != 0.0).collect();
    let n_zero = all.len() - d.len();
    d.sort_unstable_by(|x, y| x.abs().total_cmp(&y.abs()));
    let (m, mut w_plus, mut ties, mut has_ties) = (d.len() as f64, 0.0, 0.0, false);
    let mut rank = 0.0;
    for run in d.chunk_by(|x, y| y.abs() - x.abs() <= TIE * y.abs()) {
        let t = run.len() as f64;
        let positive = run.iter().filter(|&&d| d > 0.0).count() as f64;
        w_plus += positive * (rank + f64::midpoint(t, 1.0));
        ties += t * t * t - t;
        has_ties |= run.len() > 1;
        rank += t;
    }
    let exact = d.len() <= EXACT_UP_TO && !has_ties;
    let p = match (all.len(), d.len()) {
        (0, _) => None,
        (_, 0) => Some(1.0),
        (_, n) if exact => Some(exact_signed_rank_p(n, w_plus)),
        _ => {
            let variance = m * (m + 1.0) * (2.0 * m + 1.0) / 24.0 - ties / 48.0;
            Some(two_sided(w_plus - m * (m + 1.0) / 4.0, variance))
        }
    };
    Wilcoxon {
        p,
        n_zero,
        w_plus,
        exact,
    }
}

/// Two-sided p of W+ for `n` untied differences: twice the smaller tail of all 2^n sign patterns.
fn exact_signed_rank_p(n: usize, w_plus: f64) -> f64 {
    let total = n * (n + 1) / 2;
    let mut patterns = vec![0.0f64; total + 1];
    patterns[0] = 1.0;
    for rank in 1..=n {
        for sum in (rank..=total).rev() {
            patterns[sum] += patterns[sum - rank];
        }
    }
    let smaller = (w_plus as usize).min(total - w_plus as usize);
    let tail: f64 = patterns[..=smaller].iter().sum();
    (2.0 * tail / (n as f64).exp2()).min(1.0)
}

/// Returns the two-sided p of the Mann-Whitney U test of ascending `a` and `b`: normal, with tie
/// and continuity correction.
///
/// `None` when a sample is empty; 1 when all values are equal.
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let (n_a, n_b) = (a.len() as f64, b.len() as f64);
    let n = n_a + n_b;
    let mut both = [a, b].concat();
    both.sort_unstable_by(f64::total_cmp);
    let ties: f64 = tie_sizes(&both).map(|t| t * t * t - t).sum();
    let (below, above) = dominance(a, b);
    let u_a = below as f64 + (n_a * n_b - (below + above) as f64) / 2.0;
    let variance = n_a * n_b / 12.0 * ((n + 1.0) - ties / (n * (n - 1.0)));
    Some(two_sided(u_a - n_a * n_b / 2.0, variance))
}

/// Returns Cliff's delta of b against a, both ascending: `(#{b > a} - #{b < a}) / (n_a n_b)`.
/// `None` when one is empty.
pub fn cliffs_delta(a: &[f64], b: &[f64]) -> Option<f64> {
    let pairs = a.len() as f64 * b.len() as f64;
    let (below, above) = dominance(a, b);
    (pairs > 0.0).then(|| (above as f64 - below as f64) / pairs)
}

/// Counts pairs with b < a and with b > a; both ascending.
fn dominance(a: &[f64], b: &[f64]) -> (u64, u64) {
    let (mut below, mut above, mut less, mut up_to) = (0u64, 0u64, 0, 0);
    for value in a {
        while less < b.len() && b[less] < *value {
            less += 1;
        }
        while up_to < b.len() && b[up_to] <= *value {
            up_to += 1;
        }
        below += less as u64;
        above += (b.len() - up_to) as u64;
    }
    (below, above)
}

/// Two-sided normal p of a deviation, with continuity correction; 1 when nothing varies.
fn two_sided(deviation: f64, variance: f64) -> f64 {
    if variance <= 0.0 {
        return 1.0;
    }
    let z = (deviation.abs() - 0.5).max(0.0) / variance.sqrt();
    (2.0 * Normal::standard().sf(z)).min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::summary::sorted;
    use crate::statistics::worked::{A, B, assert_close};

    const P: [f64; 8] = [125.0, 118.0, 131.0, 140.0, 122.0, 119.0, 136.0, 128.0];
    const Q: [f64; 8] = [110.0, 121.0, 119.0, 117.0, 114.0, 124.0, 127.0, 129.0];

    #[test]
    fn the_worked_wilcoxon_of_p_and_q_is_exact() {
        let plain = wilcoxon_of(P.iter().zip(Q).map(|(p, q)| p - q));
        assert!(plain.exact);
        assert_close(Some(plain.w_plus), 30.0, 0.0);
        assert_close(plain.p, 0.109_375, 1e-12);
        assert_close(wilcoxon(&Q, &P).p, 0.109_375, 1e-12);
        // What the normal approximation would say of the same ranks.
        assert_close(Some(two_sided(30.0 - 18.0, 51.0)), 0.107_328, 5e-7);
    }

    #[test]
    fn the_worked_wilcoxon_of_a_and_b_drops_a_zero_and_is_exact_on_logarithms_only() {
        let plain = wilcoxon_of(A.iter().zip(B).map(|(a, b)| a - b));
        assert_eq!((plain.n_zero, plain.exact, plain.w_plus), (1, false, 45.0));
        assert_close(plain.p, 0.009_030, 5e-7);
        let logs = wilcoxon(&A, &B);
        assert_eq!((logs.n_zero, logs.exact, logs.w_plus), (1, true, 0.0));
        assert_close(logs.p, 0.003_906, 5e-7);
        assert_close(
            Some(two_sided(22.5, 9.0 * 10.0 * 19.0 / 24.0)),
            0.009_152,
            5e-7,
        );
    }

    #[test]
    fn pairs_that_do_not_differ_say_nothing_against_equality() {
        assert_eq!(wilcoxon(&[1.0, 2.0], &[1.0, 2.0]).p, Some(1.0));
        assert_eq!(wilcoxon(&[], &[]).p, None);
    }

    #[test]
    fn values_that_are_not_all_positive_are_compared_as_they_are() {
        let shifted = wilcoxon(&[0.0, 1.0, 2.0], &[1.0, 3.0, 5.0]);
        assert_eq!((shifted.w_plus, shifted.n_zero), (6.0, 0));
        assert_close(shifted.p, 0.25, 1e-12);
    }

    #[test]
    fn the_worked_mann_whitney_comes_out() {
        assert_close(mann_whitney(&sorted(&A), &sorted(&B)), 0.005_142, 5e-7);
        let (below, above) = dominance(&sorted(&A), &sorted(&B));
        assert_close(
            Some(below as f64 + (100 - below - above) as f64 / 2.0),
            87.5,
            0.0,
        );
        assert_eq!(mann_whitney(&[7.0, 7.0], &[7.0, 7.0]), Some(1.0));
        assert_eq!(mann_whitney(&[], &B), None);
    }

    #[test]
    fn the_worked_cliffs_deltas_come_out() {
        assert_close(cliffs_delta(&sorted(&A), &sorted(&B)), -0.75, 1e-12);
        // The method writes this pair as Cliff([1,2,2,3] against [2,2,4]): the first against the
        // second.
        assert_close(
            cliffs_delta(&[2.0, 2.0, 4.0], &[1.0, 2.0, 2.0, 3.0]),
            -0.333_333,
            5e-7,
        );
        assert_eq!(cliffs_delta(&[], &[1.0]), None);
    }

    proptest! {
        #[test]
        fn dominance_by_merging_is_dominance_by_pairs(
            a in prop::collection::vec(0i32..15, 1..40),
            b in prop::collection::vec(0i32..15, 1..40),
        ) {
            let values = |v: &[i32]| sorted(&v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
            let count = |of: fn(i32, i32) -> bool| a.iter().flat_map(|&a| b.iter().map(move |&b| of(a, b))).filter(|&x| x).count();
            let (below, above) = dominance(&values(&a), &values(&b));
            prop_assert_eq!(below, count(|a, b| b < a) as u64);
            prop_assert_eq!(above, count(|a, b| b > a) as u64);
        }

        #[test]
        fn exchanging_the_samples_turns_the_effect_and_keeps_p(
            a in prop::collection::vec(1.0f64..100.0, 1..30),
            b in prop::collection::vec(1.0f64..100.0, 1..30),
        ) {
            let (a, b) = (sorted(&a), sorted(&b));
            prop_assert!((cliffs_delta(&a, &b).unwrap() + cliffs_delta(&b, &a).unwrap()).abs() < 1e-12);
            prop_assert!((mann_whitney(&a, &b).unwrap() - mann_whitney(&b, &a).unwrap()).abs() < 1e-12);
        }
    }
}
