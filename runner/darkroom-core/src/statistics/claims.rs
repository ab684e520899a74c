//! Judges a family of comparisons: adjusted p-values, verdicts, and the size of an effect in words.
//!
//! Figures → judgements (`method.md` section 4). How the figures were made does not matter here.

use serde::Serialize;

/// Adjusted p below which a difference may be claimed.
pub const SIGNIFICANCE: f64 = 0.05;
/// Smallest difference of the ratio from 1 worth a claim.
pub const MIN_EFFECT: f64 = 0.02;
/// A ratio whose whole interval lies in here is equivalence.
pub const EQUIVALENT: (f64, f64) = (0.95, 1.05);

/// Size of Cliff's delta in words. Source: J. Romano et al., 2006.
pub fn effect_word(delta: f64) -> &'static str {
    match delta.abs() {
        d if d < 0.147 => "negligible",
        d if d < 0.33 => "small",
        d if d < 0.474 => "medium",
        _ => "large",
    }
}

/// How far a ratio is from 1, either way: larger / smaller, less 1.
pub fn apart(ratio: f64) -> f64 {
    if ratio > 0.0 {
        ratio.max(1.0 / ratio) - 1.0
    } else {
        f64::INFINITY
    }
}

/// What may be said of b.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ClaimVerdict {
    Lower,
    Higher,
    Equivalent,
    Inconclusive,
}

/// Judges one comparison of a family, its p adjusted by [`holm`].
///
/// `p_units` is of [`super::between_units`]: where the units can be told of, a difference must also
/// be larger than theirs.
pub fn verdict(
    p_adjusted: Option<f64>,
    ratio: Option<f64>,
    interval: Option<(f64, f64)>,
    p_units: Option<f64>,
) -> ClaimVerdict {
    let (Some(ratio), Some((low, high))) = (ratio, interval) else {
        return ClaimVerdict::Inconclusive;
    };
    let excludes_one = high < 1.0 || low > 1.0;
    let significant = p_adjusted.is_some_and(|p| p < SIGNIFICANCE);
    let beyond_units = p_units.is_none_or(|p| p < SIGNIFICANCE);
    if significant && beyond_units && excludes_one && (ratio - 1.0).abs() >= MIN_EFFECT {
        if ratio < 1.0 {
            ClaimVerdict::Lower
        } else {
            ClaimVerdict::Higher
        }
    } else if low >= EQUIVALENT.0 && high <= EQUIVALENT.1 {
        ClaimVerdict::Equivalent
    } else {
        ClaimVerdict::Inconclusive
    }
}

/// Returns the p-values of a family adjusted by Holm's method, in the same order; absent ones are
/// not counted.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::worked::assert_close;

    #[test]
    fn holm_adjusts_as_the_method_says_and_leaves_out_what_is_absent() {
        let adjusted = |p: &[f64]| holm(&p.iter().copied().map(Some).collect::<Vec<_>>());
        let close = |found: Vec<Option<f64>>, expected: &[f64]| {
            assert_eq!(found.len(), expected.len());
            found
                .into_iter()
                .zip(expected)
                .for_each(|(f, &e)| assert_close(f, e, 1e-12));
        };
        close(
            adjusted(&[0.01, 0.04, 0.03, 0.005, 0.2]),
            &[0.04, 0.09, 0.09, 0.025, 0.2],
        );
        close(adjusted(&[0.02, 0.02, 0.5, 1.0]), &[0.08, 0.08, 1.0, 1.0]);
        assert_eq!(
            holm(&[Some(0.01), None, Some(0.02)]),
            [Some(0.02), None, Some(0.02)]
        );
        assert_eq!(holm(&[]), []);
    }

    #[test]
    fn a_claim_needs_significance_an_interval_without_one_and_a_size() {
        let judge = |p: f64, ratio: f64, low: f64, high: f64| {
            verdict(Some(p), Some(ratio), Some((low, high)), None)
        };
        assert_eq!(judge(0.001, 0.9, 0.85, 0.95), ClaimVerdict::Lower);
        assert_eq!(judge(0.001, 1.2, 1.1, 1.3), ClaimVerdict::Higher);
        assert_eq!(judge(0.2, 0.9, 0.85, 0.95), ClaimVerdict::Inconclusive);
        assert_eq!(judge(0.001, 0.97, 0.93, 1.01), ClaimVerdict::Inconclusive);
        assert_eq!(
            judge(0.001, 0.99, 0.985, 0.995),
            ClaimVerdict::Equivalent,
            "significant and too small to matter"
        );
        assert_eq!(judge(0.5, 1.0, 0.96, 1.04), ClaimVerdict::Equivalent);
        assert_eq!(
            verdict(Some(0.001), None, None, None),
            ClaimVerdict::Inconclusive
        );
    }

    #[test]
    fn what_differs_no_more_than_its_environments_do_is_not_claimed() {
        let judge =
            |p_units: f64| verdict(Some(1e-9), Some(0.9), Some((0.85, 0.95)), Some(p_units));
        assert_eq!(
            (judge(0.2), judge(0.01)),
            (ClaimVerdict::Inconclusive, ClaimVerdict::Lower)
        );
    }
}
