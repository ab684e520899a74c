//! The samples of `method.md` section 8, shared by the tests of this room.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};

use super::interval::{Interval, Method};

pub const A: [f64; 10] = [
    102.0, 98.0, 110.0, 95.0, 101.0, 99.0, 130.0, 97.0, 103.0, 100.0,
];
pub const B: [f64; 10] = [85.0, 90.0, 88.0, 92.0, 84.0, 99.0, 120.0, 86.0, 91.0, 89.0];

/// S: two images by turns, [`IMAGES_OF_S`].
pub const S: [f64; 8] = [10.0, 39.0, 12.0, 43.0, 9.0, 38.0, 11.0, 42.0];
pub const IMAGES_OF_S: [u32; 8] = [0, 1, 0, 1, 0, 1, 0, 1];

/// X: 40 lognormal quantiles, median 200, sigma 0.25.
pub fn x() -> Vec<f64> {
    lognormal_quantiles(200.0, 0.25)
}

/// Y: the same with median 170, sigma 0.30.
pub fn y() -> Vec<f64> {
    lognormal_quantiles(170.0, 0.30)
}

fn lognormal_quantiles(median: f64, sigma: f64) -> Vec<f64> {
    let normal = Normal::standard();
    (1..=40)
        .map(|i| {
            let z = normal.inverse_cdf((f64::from(i) - 0.5) / 40.0);
            ((median.ln() + sigma * z).exp() * 10.0).round() / 10.0
        })
        .collect()
}

/// Seeded lognormal values of median 200, in random order.
pub fn lognormal(n: usize, sigma: f64, seed: u64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let normal = Normal::standard();
    let mut uniform = || (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64 + f64::EPSILON;
    (0..n)
        .map(|_| 200.0 * (sigma * normal.inverse_cdf(uniform())).exp())
        .collect()
}

#[track_caller]
pub fn assert_close(found: Option<f64>, expected: f64, tolerance: f64) {
    let found = found.expect("a value");
    assert!(
        (found - expected).abs() <= tolerance,
        "found {found}, expected {expected} within {tolerance}"
    );
}

#[track_caller]
pub fn assert_interval(
    found: Option<Interval>,
    method: Method,
    low: f64,
    high: f64,
    tolerance: f64,
) {
    let found = found.expect("an interval");
    assert_eq!(found.method, method);
    assert!(
        (found.low - low).abs() <= tolerance,
        "low {} is not {low} within {tolerance}",
        found.low
    );
    assert!(
        (found.high - high).abs() <= tolerance,
        "high {} is not {high} within {tolerance}",
        found.high
    );
}
