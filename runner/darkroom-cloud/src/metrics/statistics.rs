//! Sums of observations, and the statistics that CloudWatch makes of them. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Distinct values that one sum keeps exactly; more are kept to 1%, as CloudWatch does.
const EXACT_VALUES: usize = 500;

/// Everything that was observed in one minute (or in several that were [merged](Sum::merge)).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    pub count: f64,
    #[serde(rename = "sum")]
    pub total: f64,
    pub minimum: f64,
    pub maximum: f64,
    /// How often each value was seen; the key is the bits of the value in an order that is the
    /// value's.
    values: BTreeMap<u64, f64>,
    /// Some observations came as statistics: of those no single value is known, and so no
    /// percentile.
    blurred: bool,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            count: 0.0,
            total: 0.0,
            minimum: f64::INFINITY,
            maximum: f64::NEG_INFINITY,
            values: BTreeMap::new(),
            blurred: false,
        }
    }
}

impl Sum {
    /// Adds a value that was seen `count` times.
    pub fn add(&mut self, value: f64, count: f64) {
        self.bounds(value, value);
        self.count += count;
        self.total += value * count;
        let key = if self.values.len() < EXACT_VALUES {
            order(value)
        } else {
            order(coarse(value))
        };
        *self.values.entry(key).or_insert(0.0) += count;
    }

    /// Adds observations of which only these statistics are known.
    pub fn add_statistics(&mut self, count: f64, sum: f64, minimum: f64, maximum: f64) {
        if minimum.total_cmp(&maximum).is_eq() && count > 0.0 {
            self.add(minimum, count);
            return;
        }
        self.bounds(minimum, maximum);
        self.count += count;
        self.total += sum;
        self.blurred = true;
    }

    pub fn merge(&mut self, other: &Self) {
        self.bounds(other.minimum, other.maximum);
        self.count += other.count;
        self.total += other.total;
        self.blurred |= other.blurred;
        for (value, count) in &other.values {
            *self.values.entry(*value).or_insert(0.0) += count;
        }
    }

    fn bounds(&mut self, minimum: f64, maximum: f64) {
        self.minimum = self.minimum.min(minimum);
        self.maximum = self.maximum.max(maximum);
    }

    /// Returns a statistic by CloudWatch's name: `Sum`, `p99`, `p99.9`, ...; `None` if nothing was
    /// observed, if single values are not known, for percentiles of what is not all positive, or
    /// for a name that there is not.
    pub fn statistic(&self, name: &str) -> Option<f64> {
        if self.count <= 0.0 {
            return None;
        }
        match name {
            "SampleCount" => Some(self.count),
            "Sum" => Some(self.total),
            "Average" => Some(self.total / self.count),
            "Minimum" => Some(self.minimum),
            "Maximum" => Some(self.maximum),
            "IQM" => self.trimmed_mean(25.0, 75.0),
            _ => percentile_of(name).and_then(|percent| self.percentile(percent)),
        }
    }

    /// Returns the smallest value that at least `percent` of the observations do not exceed.
    fn percentile(&self, percent: f64) -> Option<f64> {
        if self.blurred || self.minimum < 0.0 {
            return None;
        }
        let rank = self.count * percent / 100.0;
        let mut seen = 0.0;
        for (value, count) in &self.values {
            seen += count;
            if seen >= rank {
                return Some(value_of(*value));
            }
        }
        Some(self.maximum)
    }

    fn trimmed_mean(&self, low: f64, high: f64) -> Option<f64> {
        let (low, high) = (self.percentile(low)?, self.percentile(high)?);
        let kept = self
            .values
            .iter()
            .map(|(value, count)| (value_of(*value), *count))
            .filter(|(value, _)| (low..=high).contains(value));
        let (sum, count) = kept.fold((0.0, 0.0), |(sum, total), (value, count)| {
            (sum + value * count, total + count)
        });
        (count > 0.0).then(|| sum / count)
    }
}

/// Tells whether CloudWatch has a statistic of this name, as far as it is made here.
pub fn is_statistic(name: &str) -> bool {
    matches!(
        name,
        "SampleCount" | "Sum" | "Average" | "Minimum" | "Maximum" | "IQM"
    ) || percentile_of(name).is_some()
}

fn percentile_of(name: &str) -> Option<f64> {
    let percent: f64 = name.strip_prefix('p')?.parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent)
}

/// Maps a finite number to bits that sort as the number does.
fn order(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 0 {
        bits | 1 << 63
    } else {
        !bits
    }
}

fn value_of(order: u64) -> f64 {
    f64::from_bits(if order >> 63 == 1 {
        order & !(1 << 63)
    } else {
        !order
    })
}

/// Rounds to the nearest of values that are 1% apart.
fn coarse(value: f64) -> f64 {
    if value.abs() < f64::MIN_POSITIVE {
        return 0.0;
    }
    let step = 1.01_f64.ln();
    ((value.abs().ln() / step).round() * step)
        .exp()
        .copysign(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> Sum {
        let mut sum = Sum::default();
        for value in values {
            sum.add(*value, 1.0);
        }
        sum
    }

    #[test]
    fn the_plain_statistics() {
        let sum = of(&[4.0, -1.0, 3.0]);
        for (name, value) in [
            ("SampleCount", 3.0),
            ("Sum", 6.0),
            ("Average", 2.0),
            ("Minimum", -1.0),
            ("Maximum", 4.0),
        ] {
            assert_eq!(sum.statistic(name), Some(value), "{name}");
        }
        let positive = of(&[4.0, 1.0, 3.0]);
        assert_eq!(
            (positive.statistic("p50"), positive.statistic("p100")),
            (Some(3.0), Some(4.0))
        );
        assert_eq!(
            sum.statistic("p50"),
            None,
            "CloudWatch has no percentiles where a value is negative"
        );
        assert_eq!(sum.statistic("p101"), None);
        assert_eq!(sum.statistic("Mode"), None);
    }

    #[test]
    fn nothing_observed_has_no_statistic() {
        assert_eq!(Sum::default().statistic("Sum"), None);
        assert_eq!(Sum::default().statistic("p50"), None);
    }

    #[test]
    fn statistics_alone_give_no_percentile() {
        let mut sum = of(&[1.0]);
        sum.add_statistics(4.0, 10.0, 1.0, 4.0);
        assert_eq!(sum.statistic("Sum"), Some(11.0));
        assert_eq!(sum.statistic("p50"), None);
    }

    #[test]
    fn many_distinct_values_stay_bounded_and_close() {
        let values: Vec<f64> = (1..=100_000).map(f64::from).collect();
        let sum = of(&values);
        assert!(
            sum.values.len() < EXACT_VALUES + 1200,
            "{}",
            sum.values.len()
        );
        let p90 = sum.statistic("p90").unwrap();
        assert!((p90 / 90_000.0 - 1.0).abs() < 0.011, "{p90}");
    }

    proptest! {
        #[test]
        fn order_sorts_as_numbers_do(a in -1e300_f64..1e300, b in -1e300_f64..1e300) {
            prop_assert_eq!(Some(order(a).cmp(&order(b))), a.partial_cmp(&b));
            prop_assert_eq!(value_of(order(a)).to_bits(), (a + 0.0).to_bits());
        }

        #[test]
        fn merging_is_adding(a in prop::collection::vec(-100.0_f64..100.0, 1..20), b in prop::collection::vec(-100.0_f64..100.0, 1..20)) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            let all = of(&[a, b].concat());
            for name in ["SampleCount", "Minimum", "Maximum", "p50", "p99"] {
                prop_assert_eq!(merged.statistic(name), all.statistic(name));
            }
        }
    }
}
