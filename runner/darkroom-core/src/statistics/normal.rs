//! The standard normal distribution.

use statrs::distribution::{ContinuousCDF, Normal};

pub(super) fn normal_cdf(z: f64) -> f64 {
    Normal::standard().cdf(z)
}

/// Returns the quantile; infinite at 0 and 1, NaN where `p` is.
pub(super) fn normal_quantile(p: f64) -> f64 {
    if (0.0..=1.0).contains(&p) {
        Normal::standard().inverse_cdf(p)
    } else {
        f64::NAN
    }
}
