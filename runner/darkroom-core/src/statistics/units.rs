//! Whether two samples differ by more than their independent units differ among themselves.
//!
//! Repetitions in one warm environment share its host, its place in memory and its luck: however
//! many there are, they are one sample of all that. Wilcoxon's and Mann-Whitney's tests take every
//! repetition as independent, so they mistake the luck of an environment for a difference of code.
//! Here each environment counts once. `darkroom-tables` decides what a unit is.
//!
//! Source: the unit of analysis as in S. H. Hurlbert, "Pseudoreplication and the Design of
//! Ecological Field Experiments", 1984.

use std::collections::BTreeMap;

use statrs::distribution::{ContinuousCDF, StudentsT};

/// One value, the image it was measured on, and the unit in which.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitValue {
    pub image: u32,
    pub unit: (i64, u32),
    pub value: f64,
}

/// How many units each sample has, and how surely they differ.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Units {
    pub a: usize,
    pub b: usize,
    /// Two-sided, of Welch's test on the units' mean logarithms, each image's own level taken out;
    /// `None` with fewer than two units of a side, a value that is not positive, or no spread
    /// between units at all.
    pub p: Option<f64>,
}

/// Tests b against a, unit against unit, on the images that both have.
pub fn between_units(a: &[UnitValue], b: &[UnitValue]) -> Units {
    let (images_a, images_b) = (image_means(a), image_means(b));
    let level = |image: u32| {
        Some(f64::midpoint(
            *images_a.get(&image)?,
            *images_b.get(&image)?,
        ))
    };
    let means = |rows: &[UnitValue]| {
        let centred = rows
            .iter()
            .filter_map(|row| Some((row.unit, row.value.ln() - level(row.image)?)));
        means_by(centred).into_values().collect::<Vec<f64>>()
    };
    let (means_a, means_b) = (means(a), means(b));
    let positive = a.iter().chain(b).all(|row| row.value > 0.0);
    Units {
        a: means_a.len(),
        b: means_b.len(),
        p: welch(&means_a, &means_b).filter(|_| positive),
    }
}

/// The mean logarithm of each image, every one of its values weighing alike.
fn image_means(rows: &[UnitValue]) -> BTreeMap<u32, f64> {
    means_by(rows.iter().map(|row| (row.image, row.value.ln())))
}

fn means_by<K: Ord>(values: impl Iterator<Item = (K, f64)>) -> BTreeMap<K, f64> {
    let mut sums: BTreeMap<K, (f64, usize)> = BTreeMap::new();
    for (key, value) in values {
        let (sum, n) = sums.entry(key).or_default();
        *sum += value;
        *n += 1;
    }
    sums.into_iter()
        .map(|(key, (sum, n))| (key, sum / n as f64))
        .collect()
}

/// Two-sided p of Welch's t-test; `None` with fewer than two values of a side, or no spread at all.
pub(super) fn welch(a: &[f64], b: &[f64]) -> Option<f64> {
    let moments = |x: &[f64]| {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        (
            n,
            mean,
            x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) / n,
        )
    };
    if a.len().min(b.len()) < 2 {
        return None;
    }
    let ((n_a, mean_a, error_a), (n_b, mean_b, error_b)) = (moments(a), moments(b));
    let t = (mean_b - mean_a) / (error_a + error_b).sqrt();
    let freedom = (error_a + error_b).powi(2)
        / (error_a.powi(2) / (n_a - 1.0) + error_b.powi(2) / (n_b - 1.0));
    let student = StudentsT::new(0.0, 1.0, freedom)
        .ok()
        .filter(|_| t.is_finite())?;
    Some(2.0 * student.cdf(-t.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(units: &[&[(u32, f64)]]) -> Vec<UnitValue> {
        let of_unit = |(unit, values): (u32, &&[(u32, f64)])| {
            values
                .iter()
                .map(move |&(image, value)| UnitValue {
                    image,
                    unit: (1, unit),
                    value,
                })
                .collect::<Vec<_>>()
        };
        (0..).zip(units).flat_map(of_unit).collect()
    }

    #[test]
    fn p_is_scipys_of_the_units_means() {
        // scipy.stats.ttest_ind(log([1.0, 1.2, 0.9]), log([0.7, 0.8, 0.95, 0.6]), equal_var=False):
        // p 0.060681.
        let [a, b] = [&[1.0, 1.2, 0.9][..], &[0.7, 0.8, 0.95, 0.6]].map(|values| {
            (0..)
                .zip(values)
                .map(|(unit, &value)| UnitValue {
                    image: 1,
                    unit: (1, unit),
                    value,
                })
                .collect::<Vec<_>>()
        });
        let found = between_units(&a, &b);
        assert_eq!((found.a, found.b), (3, 4));
        assert!((found.p.unwrap() - 0.060_681).abs() < 5e-7, "{found:?}");
    }

    #[test]
    fn the_luck_of_an_environment_repeated_is_no_evidence() {
        // Two environments each, 50 repetitions in each, all of one code: between environments 10%,
        // within next to nothing.
        let unit = |level: f64| {
            (0..50)
                .map(|i| (1, level * (1.0 + f64::from(i % 5) / 1e3)))
                .collect::<Vec<_>>()
        };
        let [one, two, three, four] = [1.0, 1.1, 1.12, 1.2].map(unit);
        let found = between_units(&rows(&[&one, &two]), &rows(&[&three, &four]));
        assert!(found.p.unwrap() > 0.1, "{found:?}");
        let five_times: Vec<Vec<(u32, f64)>> = [5.0, 5.5].map(unit).into();
        let found = between_units(
            &rows(&[&one, &two]),
            &rows(&[&five_times[0], &five_times[1]]),
        );
        assert!(found.p.unwrap() < 0.01, "{found:?}");
    }

    #[test]
    fn no_difference_of_environments_is_seen_in_images_of_different_size() {
        // Cold starts: every value has an environment of its own, and images differ tenfold.
        let sample = |slower: f64| -> Vec<UnitValue> {
            let value =
                |i: u32| f64::from(1 + 9 * (i % 2)) * (1.0 + f64::from(i % 7) / 100.0) * slower;
            (0..28)
                .map(|i| UnitValue {
                    image: i % 2,
                    unit: (1, i),
                    value: value(i),
                })
                .collect()
        };
        let found = between_units(&sample(1.0), &sample(1.1));
        assert!(found.a == 28 && found.p.unwrap() < 1e-6, "{found:?}");
    }

    #[test]
    fn what_cannot_be_tested_is_none() {
        let one = rows(&[&[(1, 1.0), (1, 1.1)]]);
        let two = rows(&[&[(1, 1.0)], &[(1, 1.1)]]);
        assert_eq!(
            between_units(&one, &two),
            Units {
                a: 1,
                b: 2,
                p: None
            }
        );
        assert_eq!(
            between_units(&two, &rows(&[&[(1, 0.0)], &[(1, 1.1)]])).p,
            None,
            "no logarithm"
        );
        assert_eq!(
            between_units(&two, &rows(&[&[(2, 1.0)], &[(2, 1.1)]])),
            Units::default(),
            "no image in common"
        );
        assert_eq!(between_units(&[], &[]), Units::default());
    }
}
