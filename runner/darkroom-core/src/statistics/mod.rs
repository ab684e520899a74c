//! Slices of measured values in, numbers out: `method.md` sections 1 to 5. The tests here are its
//! worked values.
//!
//! Every result is an `Option<f64>`: a statistic that does not exist is `None`, never NaN, 0 or a
//! sentinel. `darkroom-tables` decides which values belong to a sample.

mod calibration;
mod claims;
mod compare;
mod fixed_images;
mod hierarchy;
mod interval;
mod memory;
mod moments;
mod normal;
mod rank_tests;
mod rates;
mod ratios;
mod resampling;
mod stationarity;
mod stopping;
mod summary;
mod units;
mod variance;

pub use calibration::{Promise, Standing, calibrate};
pub use claims::{ClaimVerdict, SIGNIFICANCE, apart, effect_word, holm, verdict};
pub use compare::{Comparison, Samples, compare};
pub use hierarchy::{FEWEST_SAMPLES, Pool, compare_pools};
pub use interval::{
    Bounds, Interval, Intervals, MOST_RESAMPLED, Method, SMALL_N, intervals, quantile_interval,
    seed_of,
};
pub use memory::{Fresh, Probes, longer};
pub use rank_tests::{Wilcoxon, cliffs_delta, mann_whitney, wilcoxon, wilcoxon_of};
pub use rates::{
    Rate, RateDifference, fisher_exact, least_fisher_p, pass_at_k, rate_difference, wilson,
};
pub use stationarity::{
    Neighbours, Trend, halves_ratio, lag_one_autocorrelation, neighbours, trend,
};
pub use stopping::{LOOK_EVERY, StoppedBy, StoppingRule, Watched, relative_half_widths};
pub use summary::{
    Description, MIN_N_P95, MIN_N_P99, describe, is_outlier, mean_of_sorted, outlier_fences,
    quantile_of_sorted,
};

pub use units::{UnitValue, Units, between_units};
pub use variance::{Origin, VarianceSplit, variance_split};

#[cfg(test)]
mod worked;
