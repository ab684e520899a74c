//! Where the spread of a sample comes from: its images, its deployments, its environments, or the
//! repetition itself.
//!
//! A large SD from different images is not noise, and a small SD within one environment says
//! nothing about another host.

use std::collections::HashMap;
use std::hash::Hash;

use serde::Serialize;

/// Shares of a sample's variance, which add up to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct VarianceSplit {
    pub image: f64,
    /// `None` where there is one deployment.
    pub deployment: Option<f64>,
    /// Within deployments; `None` where environments are not known or each deployment has one.
    pub environment: Option<f64>,
    /// What none of these explains.
    pub repetition: f64,
}

/// Where one value of a sample was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub image: u32,
    pub deployment: i64,
    pub environment: Option<u32>,
}

/// Splits the variance of the logarithms of `values`, in the order image, deployment, environment.
///
/// Each share is omega squared (Hays 1963): the sum of squares of the level beyond what its degrees
/// of freedom would take from noise alone, over the total; a negative one is 0. `None` where a
/// value is not positive, all are equal, or too few are left over to judge noise by.
pub fn variance_split(values: &[f64], origins: &[Origin]) -> Option<VarianceSplit> {
    if values.is_empty()
        || values.len() != origins.len()
        || values.iter().any(|&value| value <= 0.0)
    {
        return None;
    }
    let n = values.len();
    let mut rest: Vec<f64> = values.iter().map(|value| value.ln()).collect();
    subtract_means(
        &mut rest,
        &Levels {
            of_value: vec![0; n],
            count: 1,
        },
    );
    let total = sum_of_squares(&rest);
    let known = origins.iter().all(|origin| origin.environment.is_some());
    let images = Levels::of(origins.iter().map(|origin| origin.image));
    let deployments = Levels::of(origins.iter().map(|origin| origin.deployment));
    let environments = Levels::of(
        origins
            .iter()
            .map(|origin| (origin.deployment, origin.environment)),
    );

    let mut explain = |levels: &Levels| {
        let before = sum_of_squares(&rest);
        subtract_means(&mut rest, levels);
        before - sum_of_squares(&rest)
    };
    let by_image = (explain(&images), images.count - 1);
    let by_deployment =
        (deployments.count > 1).then(|| (explain(&deployments), deployments.count - 1));
    let by_environment = (known && environments.count > deployments.count).then(|| {
        (
            explain(&environments),
            environments.count - deployments.count,
        )
    });

    let taken =
        by_image.1 + by_deployment.map_or(0, |of| of.1) + by_environment.map_or(0, |of| of.1);
    let left = n.checked_sub(1 + taken).filter(|left| *left > 0)?;
    if total <= f64::EPSILON * n as f64 {
        return None;
    }
    let noise = sum_of_squares(&rest) / left as f64;
    let share = |(squares, degrees): (f64, usize)| {
        ((squares - degrees as f64 * noise) / (total + noise)).max(0.0)
    };
    let (image, deployment, environment) = (
        share(by_image),
        by_deployment.map(share),
        by_environment.map(share),
    );
    let explained = image + deployment.unwrap_or(0.0) + environment.unwrap_or(0.0);
    Some(VarianceSplit {
        image,
        deployment,
        environment,
        repetition: (1.0 - explained).max(0.0),
    })
}

/// Which level of a factor each value has, numbered from 0 as they come.
struct Levels {
    of_value: Vec<usize>,
    count: usize,
}

impl Levels {
    fn of<T: Copy + Eq + Hash>(levels: impl Iterator<Item = T>) -> Self {
        let mut numbers: HashMap<T, usize> = HashMap::new();
        let mut of_value: Vec<usize> = Vec::new();
        let mut last = None;
        for level in levels {
            // Neighbours are often of one level, and a sample may hold a million values.
            let number = match (last, of_value.last()) {
                (Some(before), Some(&number)) if before == level => number,
                _ => {
                    let next = numbers.len();
                    *numbers.entry(level).or_insert(next)
                }
            };
            last = Some(level);
            of_value.push(number);
        }
        Self {
            of_value,
            count: numbers.len(),
        }
    }
}

/// Subtracts from every value the mean of the values of its level.
fn subtract_means(values: &mut [f64], levels: &Levels) {
    let mut sums = vec![(0.0, 0.0); levels.count];
    for (value, &level) in values.iter().zip(&levels.of_value) {
        let (sum, count) = &mut sums[level];
        *sum += value;
        *count += 1.0;
    }
    for (value, &level) in values.iter_mut().zip(&levels.of_value) {
        let (sum, count) = sums[level];
        *value -= sum / count;
    }
}

fn sum_of_squares(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::worked::lognormal;

    /// 2 deployments x 4 environments each x 5 images x 10 repetitions, with the spread of each
    /// level given.
    fn sample(
        image_s: f64,
        deployment_s: f64,
        environment_s: f64,
        noise_s: f64,
    ) -> (Vec<f64>, Vec<Origin>) {
        let noise = lognormal(400, noise_s.max(1e-9), 5);
        let mut origins = Vec::new();
        let mut values = Vec::new();
        for deployment in 0..2_i64 {
            for environment in 0..4_u32 {
                for image in 0..5_u32 {
                    for _ in 0..10 {
                        let level = image_s * f64::from(image)
                            + deployment_s * deployment as f64
                            + environment_s * f64::from(environment);
                        values.push(level.exp() * noise[values.len()]);
                        origins.push(Origin {
                            image,
                            deployment,
                            environment: Some(environment),
                        });
                    }
                }
            }
        }
        (values, origins)
    }

    #[test]
    fn each_level_is_blamed_for_its_own_spread() {
        let split = |image, deployment, environment, noise| {
            let (values, origins) = sample(image, deployment, environment, noise);
            let found = variance_split(&values, &origins).unwrap();
            let sum = found.image
                + found.deployment.unwrap()
                + found.environment.unwrap()
                + found.repetition;
            assert!((sum - 1.0).abs() < 1e-9, "{found:?}");
            found
        };
        assert!(split(0.5, 0.0, 0.0, 0.05).image > 0.95);
        assert!(split(0.0, 0.5, 0.0, 0.05).deployment.unwrap() > 0.95);
        assert!(split(0.0, 0.0, 0.5, 0.05).environment.unwrap() > 0.95);
        let noise = split(0.0, 0.0, 0.0, 0.3);
        assert!(noise.repetition > 0.95, "{noise:?}");
    }

    #[test]
    fn a_level_that_is_not_there_has_no_share() {
        let (values, mut origins) = sample(0.5, 0.0, 0.0, 0.1);
        for origin in &mut origins {
            (origin.deployment, origin.environment) = (1, None);
        }
        let found = variance_split(&values, &origins).unwrap();
        assert_eq!((found.deployment, found.environment), (None, None));
    }

    #[test]
    fn nothing_is_split_where_there_is_no_spread_or_nothing_left_to_judge_it_by() {
        let origin = |image| Origin {
            image,
            deployment: 1,
            environment: None,
        };
        assert_eq!(
            variance_split(&[2.0, 2.0, 2.0], &[origin(1), origin(1), origin(2)]),
            None
        );
        assert_eq!(variance_split(&[1.0, 2.0], &[origin(1), origin(2)]), None);
        assert_eq!(variance_split(&[0.0, 2.0, 3.0], &[origin(1); 3]), None);
        assert_eq!(variance_split(&[], &[]), None);
    }
}
