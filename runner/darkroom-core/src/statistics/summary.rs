//! Descriptive statistics of one sample (`method.md` section 2) and its outlier fences (section 1).
//!
//! Values → [`Description`]. Works on sorted values, so the order of rows changes no bit of the
//! result.

use serde::Serialize;

/// Smallest n for which p95 is shown: below it, it is nearly the maximum.
pub const MIN_N_P95: usize = 20;
/// Smallest n for which p99 is shown.
pub const MIN_N_P99: usize = 100;
/// Distance of the outlier fences from the quartiles, in IQR.
const FENCE_IQR: f64 = 3.0;

/// What is said of one sample. All in the unit of the values except `cv`, which is a fraction.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Description {
    /// Values used.
    pub n: usize,
    /// Values that were NaN or infinite: errors of the recording, not used.
    pub refused: usize,
    pub mean: Option<f64>,
    /// Sample standard deviation (n - 1); `None` for n < 2.
    pub sd: Option<f64>,
    /// `sd / mean`; `None` when the mean is not positive.
    pub cv: Option<f64>,
    pub min: Option<f64>,
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    /// `None` for n < [`MIN_N_P95`].
    pub p95: Option<f64>,
    /// `None` for n < [`MIN_N_P99`].
    pub p99: Option<f64>,
    pub max: Option<f64>,
    pub iqr: Option<f64>,
    /// Median absolute deviation from the median, unscaled.
    pub mad: Option<f64>,
    /// Values beyond [`outlier_fences`]. They are part of every statistic above.
    pub n_outliers: usize,
}

/// Returns the description of `values`, in any order.
pub fn describe(values: &[f64]) -> Description {
    let mut x: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    x.sort_unstable_by(f64::total_cmp);
    let n = x.len();
    let mean = mean_of_sorted(&x);
    let sd = mean.and_then(|mean| sd_about(&x, mean));
    let fences = outlier_fences(&x);
    Description {
        n,
        refused: values.len() - n,
        mean,
        sd,
        cv: coefficient_of_variation(mean, sd),
        min: x.first().copied(),
        p50: quantile_of_sorted(&x, 0.5),
        p90: quantile_of_sorted(&x, 0.9),
        p95: quantile_of_sorted(&x, 0.95).filter(|_| n >= MIN_N_P95),
        p99: quantile_of_sorted(&x, 0.99).filter(|_| n >= MIN_N_P99),
        max: x.last().copied(),
        iqr: interquartile_range(&x),
        mad: median_absolute_deviation(&x),
        n_outliers: x.iter().filter(|&&v| is_outlier(v, fences)).count(),
    }
}

/// Returns quantile `p` (0..=1) of ascending `x` by linear interpolation (Hyndman-Fan type 7);
/// `None` when empty.
///
/// Source: R. J. Hyndman, Y. Fan, "Sample Quantiles in Statistical Packages", 1996;
/// `numpy.quantile`'s default.
pub fn quantile_of_sorted(x: &[f64], p: f64) -> Option<f64> {
    let last = x.len().checked_sub(1)?;
    let h = last as f64 * p.clamp(0.0, 1.0);
    let below = (h.floor() as usize).min(last);
    let above = (below + 1).min(last);
    Some((x[above] - x[below]).mul_add(h - below as f64, x[below]))
}

/// Returns the mean in two passes: the second one adds what the first one's rounding lost. `None`
/// when empty.
///
/// The result depends on the order of summation in its last bits, so callers pass values sorted.
pub fn mean_of_sorted(x: &[f64]) -> Option<f64> {
    if x.is_empty() {
        return None;
    }
    let n = x.len() as f64;
    let first = x.iter().sum::<f64>() / n;
    Some(first + x.iter().map(|v| v - first).sum::<f64>() / n)
}

/// Returns the fences `[Q1 - 3 IQR, Q3 + 3 IQR]` of ascending `x`; `None` when empty.
pub fn outlier_fences(x: &[f64]) -> Option<(f64, f64)> {
    let (q1, q3) = (quantile_of_sorted(x, 0.25)?, quantile_of_sorted(x, 0.75)?);
    let reach = FENCE_IQR * (q3 - q1);
    Some((q1 - reach, q3 + reach))
}

/// Says whether `value` lies beyond its sample's fences. A flag only: no value is ever removed for
/// it.
pub fn is_outlier(value: f64, fences: Option<(f64, f64)>) -> bool {
    fences.is_some_and(|(low, high)| value < low || value > high)
}

fn sd_about(x: &[f64], mean: f64) -> Option<f64> {
    let degrees = x.len().checked_sub(1).filter(|&d| d > 0)? as f64;
    Some((x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / degrees).sqrt())
}

fn coefficient_of_variation(mean: Option<f64>, sd: Option<f64>) -> Option<f64> {
    let mean = mean.filter(|&m| m > 0.0)?;
    sd.map(|sd| sd / mean)
}

fn interquartile_range(x: &[f64]) -> Option<f64> {
    Some(quantile_of_sorted(x, 0.75)? - quantile_of_sorted(x, 0.25)?)
}

fn median_absolute_deviation(x: &[f64]) -> Option<f64> {
    let median = quantile_of_sorted(x, 0.5)?;
    let mut deviations: Vec<f64> = x.iter().map(|v| (v - median).abs()).collect();
    deviations.sort_unstable_by(f64::total_cmp);
    quantile_of_sorted(&deviations, 0.5)
}

/// Returns the values, ascending.
pub(super) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::worked::{A, B, assert_close, x, y};

    #[test]
    fn the_worked_values_of_a_and_b_come_out() {
        for (sample, mean, sd, cv, median, p90, p95, p99, iqr, mad) in [
            (
                &A, 103.5, 10.168_033, 0.098_242, 100.5, 112.0, 121.0, 128.2, 4.5, 2.5,
            ),
            (
                &B, 92.4, 10.595_597, 0.114_671, 89.5, 101.1, 110.55, 118.11, 5.25, 3.0,
            ),
        ] {
            let d = describe(sample);
            let s = sorted(sample);
            assert_eq!(d.n, 10);
            assert_close(d.mean, mean, 1e-12);
            assert_close(d.sd, sd, 5e-7);
            assert_close(d.cv, cv, 5e-7);
            assert_close(d.p50, median, 1e-12);
            assert_close(d.p90, p90, 1e-9);
            assert_close(quantile_of_sorted(&s, 0.95), p95, 1e-9);
            assert_close(quantile_of_sorted(&s, 0.99), p99, 1e-9);
            assert_close(d.iqr, iqr, 1e-12);
            assert_close(d.mad, mad, 1e-12);
        }
    }

    #[test]
    fn the_worked_values_of_x_and_y_come_out() {
        for (sample, mean, sd, cv, median, p95) in [
            (x(), 206.135, 51.861_198, 0.251_589, 200.0, 294.43),
            (y(), 177.555, 53.817_869, 0.303_105, 170.0, 270.43),
        ] {
            let d = describe(&sample);
            assert_eq!(d.n, 40);
            assert_close(d.mean, mean, 1e-9);
            assert_close(d.sd, sd, 5e-7);
            assert_close(d.cv, cv, 5e-7);
            assert_close(d.p50, median, 1e-9);
            assert_close(d.p95, p95, 1e-9);
        }
    }

    #[test]
    fn zeros_have_a_cv_and_a_mad_of_zero() {
        let zeros = [3.0, 0.0, 0.0, 1.0, 0.0];
        let d = describe(&zeros);
        assert_close(d.mean, 0.8, 1e-12);
        assert_close(d.sd, 1.303_840, 5e-7);
        assert_close(d.cv, 1.629_801, 5e-7);
        assert_close(d.p50, 0.0, 0.0);
        assert_close(quantile_of_sorted(&sorted(&zeros), 0.95), 2.6, 1e-12);
        assert_close(d.mad, 0.0, 0.0);
    }

    #[test]
    fn one_value_has_a_mean_but_no_spread() {
        let d = describe(&[5.0]);
        assert_eq!(
            (d.n, d.mean, d.p50, d.min, d.max),
            (1, Some(5.0), Some(5.0), Some(5.0), Some(5.0))
        );
        assert_eq!(
            (d.sd, d.cv, d.iqr, d.mad),
            (None, None, Some(0.0), Some(0.0))
        );
    }

    #[test]
    fn equal_values_have_a_spread_of_exactly_zero() {
        let d = describe(&[7.0, 7.0, 7.0]);
        assert_eq!((d.sd, d.cv), (Some(0.0), Some(0.0)));
        let d = describe(&[0.1; 10]);
        assert_eq!((d.mean, d.sd, d.cv), (Some(0.1), Some(0.0), Some(0.0)));
    }

    #[test]
    fn nothing_has_no_statistics() {
        assert_eq!(describe(&[]), Description::default());
    }

    #[test]
    fn the_spread_of_large_numbers_is_not_lost_to_rounding() {
        assert_close(describe(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]).sd, 1.0, 1e-12);
    }

    #[test]
    fn nan_and_infinity_are_refused_and_counted() {
        let d = describe(&[1.0, f64::NAN, 3.0, f64::INFINITY, f64::NEG_INFINITY]);
        assert_eq!((d.n, d.refused, d.mean), (2, 3, Some(2.0)));
    }

    #[test]
    fn a_mean_that_is_not_positive_has_no_cv() {
        assert_eq!(describe(&[-1.0, 1.0]).cv, None);
        assert_eq!(describe(&[-3.0, -1.0]).cv, None);
    }

    #[test]
    fn high_percentiles_wait_for_enough_values() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(describe(&values[..19]).p95, None);
        assert!(describe(&values[..20]).p95.is_some());
        assert_eq!(describe(&values[..99]).p99, None);
        assert!(describe(&values).p99.is_some());
    }

    #[test]
    fn an_outlier_is_flagged_and_still_counted_in_the_mean() {
        let mut values = vec![100.0, 101.0, 102.0, 103.0, 104.0];
        values.push(1000.0);
        let d = describe(&values);
        assert_eq!(d.n_outliers, 1);
        assert_eq!(d.n, 6);
        assert_close(d.mean, 1510.0 / 6.0, 1e-9);
        // A's 130 lies beyond Q3 + 3 IQR = 102.75 + 13.5.
        assert_eq!(describe(&A).n_outliers, 1);
    }

    proptest! {
        #[test]
        fn the_order_of_rows_changes_no_bit(values in prop::collection::vec(0.1f64..1e6, 0..60)) {
            let mut reversed = values.clone();
            reversed.reverse();
            prop_assert_eq!(describe(&values), describe(&reversed));
        }

        #[test]
        fn scaling_scales_the_values_and_leaves_the_cv(values in prop::collection::vec(1.0f64..1e5, 2..60), scale in 0.01f64..100.0) {
            let plain = describe(&values);
            let scaled = describe(&values.iter().map(|v| v * scale).collect::<Vec<_>>());
            for (a, b) in [(plain.mean, scaled.mean), (plain.sd, scaled.sd), (plain.p50, scaled.p50), (plain.p90, scaled.p90)] {
                let (a, b) = (a.unwrap() * scale, b.unwrap());
                prop_assert!((a - b).abs() <= 1e-9 * (1.0 + a.abs()), "{} {}", a, b);
            }
            prop_assert!((plain.cv.unwrap() - scaled.cv.unwrap()).abs() < 1e-9);
        }

        #[test]
        fn quantiles_rise_and_stay_within_the_sample(values in prop::collection::vec(-1e6f64..1e6, 1..60)) {
            let s = sorted(&values);
            let mut before = f64::NEG_INFINITY;
            for p in 0..=20 {
                let q = quantile_of_sorted(&s, f64::from(p) / 20.0).unwrap();
                prop_assert!(q >= before - 1e-9 && q >= s[0] - 1e-9 && q <= s[s.len() - 1] + 1e-9);
                before = q;
            }
        }
    }
}
