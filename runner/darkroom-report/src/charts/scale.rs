//! An axis: from 0, or logarithmic where levels differ tenfold, with labels at round numbers.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// From this ratio of the largest level to the smallest on, an axis is logarithmic.
const TENFOLD: f64 = 10.0;
/// Part of an axis that stays free beyond the outermost value.
const ROOM: f64 = 0.05;

/// What a chart's axis is.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    start: f64,
    end: f64,
    is_logarithmic: bool,
}

impl Scale {
    /// From 0 to a little more than the largest value.
    pub fn from_zero(values: impl Iterator<Item = f64>) -> Self {
        let most = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let end = if most > 0.0 { most * (1.0 + ROOM) } else { 1.0 };
        Self::linear(0.0, end)
    }

    pub const fn linear(start: f64, end: f64) -> Self {
        Self {
            start,
            end,
            is_logarithmic: false,
        }
    }

    /// From a little less than the smallest value to a little more than the largest; from 0 where
    /// none is positive.
    pub fn logarithmic(values: impl Iterator<Item = f64>) -> Self {
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| value.is_finite() && *value > 0.0) {
            (least, most) = (least.min(value), most.max(value));
        }
        if most <= 0.0 {
            return Self::linear(0.0, 1.0);
        }
        let room = (most / least).max(1.1).powf(ROOM);
        Self {
            start: least / room,
            end: most * room,
            is_logarithmic: true,
        }
    }

    /// Logarithmic where the largest of the levels (the means of what is drawn) is ten times the
    /// smallest or more; otherwise from 0.
    pub fn of_levels(levels: &[f64], values: impl Iterator<Item = f64>) -> Self {
        let most = levels.iter().copied().fold(0.0, f64::max);
        let least = levels.iter().copied().fold(f64::INFINITY, f64::min);
        if least > 0.0 && most / least >= TENFOLD {
            Self::logarithmic(values)
        } else {
            Self::from_zero(values)
        }
    }

    pub const fn start(&self) -> f64 {
        self.start
    }

    pub const fn end(&self) -> f64 {
        self.end
    }

    /// What an axis says behind its unit: that distances on it are ratios.
    pub const fn in_words(&self) -> &'static str {
        if self.is_logarithmic {
            " (logarithmic)"
        } else {
            ""
        }
    }

    /// How far along the axis a value lies, 0 to 1.
    fn share(&self, value: f64) -> f64 {
        let share = if self.is_logarithmic {
            (value.max(self.start) / self.start).ln() / (self.end / self.start).ln()
        } else {
            (value - self.start) / (self.end - self.start)
        };
        if share.is_finite() { share } else { 0.0 }
    }

    /// Returns at most so many round numbers within the axis.
    fn labels(&self, most: usize) -> Vec<f64> {
        let (low, high) = (self.start.min(self.end), self.start.max(self.end));
        if most == 0 || high <= low {
            return Vec::new();
        }
        if self.is_logarithmic {
            let found = logarithmic_labels(low, high, most);
            if found.len() > 1 {
                return found;
            }
        }
        linear_labels(low, high, most)
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear_labels(low: f64, high: f64, most: usize) -> Vec<f64> {
    let power = ((high - low) / most as f64).log10().floor();
    let steps = (0..3).flat_map(|more| [1.0, 2.0, 5.0].map(|step| (step, power + f64::from(more))));
    let of = |(step, power): (f64, f64)| -> Vec<f64> {
        let size = step * 10_f64.powf(power);
        let (first, last) = (
            (low / size).ceil() as i64,
            (high / size + 1e-9).floor() as i64,
        );
        // Divided, not multiplied, for steps below 1: 3 / 10 is 0.3, and 3 × 0.1 is not.
        let at = |place: i64| {
            let whole = place as f64 * step;
            if power < 0.0 {
                whole / 10_f64.powf(-power)
            } else {
                whole * 10_f64.powf(power)
            }
        };
        (first..=last).map(at).collect()
    };
    steps
        .map(of)
        .find(|labels| labels.len() <= most)
        .unwrap_or_default()
}

/// Multiples of 1, 2 and 5; of a short axis more numbers, of a long one fewer, at last every second
/// decade or third.
fn logarithmic_labels(low: f64, high: f64, most: usize) -> Vec<f64> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let of = |within: &[f64], every: usize| -> Vec<f64> {
        let numbers = decades.clone().step_by(every).flat_map(|decade| {
            within.iter().map(move |digit| {
                if decade < 0 {
                    digit / 10_f64.powi(-decade)
                } else {
                    digit * 10_f64.powi(decade)
                }
            })
        });
        numbers
            .filter(|value| *value >= low && *value <= high)
            .collect()
    };
    let usual = of(&[1.0, 2.0, 5.0], 1);
    if (3..=most).contains(&usual.len()) {
        return usual;
    }
    let dense = [
        &[1.0, 2.0, 3.0, 5.0, 7.0][..],
        &[1.0, 2.0, 5.0],
        &[1.0, 3.0],
        &[1.0],
    ];
    let tried = dense.into_iter().map(|within| of(within, 1));
    let sparse = (2..8).map(|every| of(&[1.0], every));
    tried
        .chain(sparse)
        .find(|labels| labels.len() <= most)
        .unwrap_or_default()
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (self.share(*value) * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        self.labels(hint.bold_points())
    }

    fn range(&self) -> Range<f64> {
        self.start..self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_round_numbers() {
        let ratios = Scale::logarithmic([0.088, 2.1].into_iter());
        assert_eq!(ratios.labels(8), [0.1, 0.2, 0.5, 1.0, 2.0]);
        let close = Scale::logarithmic([0.94, 1.06].into_iter());
        assert_eq!(close.labels(4), [0.95, 1.0, 1.05]);
        let wide = Scale::logarithmic([0.02, 9_000.0].into_iter());
        assert_eq!(wide.labels(6), [0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0]);
        let times = Scale::from_zero([0.61].into_iter());
        assert_eq!(times.labels(8), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
        assert_eq!(
            Scale::from_zero([700.0].into_iter()).labels(4),
            [0.0, 200.0, 400.0, 600.0]
        );
    }

    #[test]
    fn no_axis_has_more_labels_than_room_and_each_lies_on_it() {
        for most in 0..9 {
            for (low, high) in [
                (0.001, 0.002),
                (0.5, 3.0),
                (1.0, 1.001),
                (7.0, 7.0),
                (1e-9, 1e9),
            ] {
                for scale in [
                    Scale::logarithmic([low, high].into_iter()),
                    Scale::linear(low, high),
                ] {
                    let labels = scale.labels(most);
                    assert!(labels.len() <= most, "{labels:?}");
                    let on_it =
                        |label: &f64| scale.start <= *label && *label <= scale.end * (1.0 + 1e-9);
                    assert!(labels.iter().all(on_it), "{labels:?} of {scale:?}");
                }
            }
        }
    }

    #[test]
    fn an_axis_is_logarithmic_from_tenfold_levels_on_and_otherwise_from_zero() {
        let values = || [20.0, 700.0].into_iter();
        assert_eq!(
            Scale::of_levels(&[70.0, 700.0], values()).in_words(),
            " (logarithmic)"
        );
        let linear = Scale::of_levels(&[71.0, 700.0], values());
        assert_eq!((linear.start(), linear.in_words()), (0.0, ""));
        let empty = Scale::of_levels(&[], std::iter::empty());
        assert_eq!((empty.start(), empty.end()), (0.0, 1.0));
    }

    #[test]
    fn half_as_long_lies_as_far_from_1_as_twice_as_long() {
        let scale = Scale::logarithmic([0.25, 4.0].into_iter());
        let at = |value: f64| scale.map(&value, (0, 1000));
        assert_eq!(at(1.0) - at(0.5), at(2.0) - at(1.0));
        assert_eq!(at(0.0), 0, "what has no logarithm lies at the edge");
    }
}
