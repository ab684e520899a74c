//! The mean over a fixed set of images. What is noise depends on whether another study would use
//! the same images.
//!
//! Whoever repeats a measurement takes the same images, so differences between images are not noise
//! of the mean. The mean's interval therefore uses the values minus their image's level. A second
//! interval answers how the mean would be over other images of the kind; there an image counts
//! once, however often it was measured.

use std::collections::BTreeMap;

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::interval::ALPHA;
use super::normal::normal_quantile;
use super::summary::{mean_of_sorted, sorted};

/// The images of a sample, each with its level; made once of a sample and asked for both intervals.
pub struct Images {
    levels: BTreeMap<u32, Level>,
    n: f64,
    /// Of all values.
    mean: f64,
}

struct Level {
    n: f64,
    mean: f64,
}

impl Images {
    /// `images[i]` is the image of `values[i]`, `mean` that of all values; the order of values
    /// changes no bit of it.
    pub fn of(values: &[f64], images: &[u32], mean: f64) -> Self {
        let mut of: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for (&value, &image) in values.iter().zip(images) {
            of.entry(image).or_default().push(value);
        }
        let level = |(image, values): (u32, Vec<f64>)| {
            Some((
                image,
                Level {
                    n: values.len() as f64,
                    mean: mean_of_sorted(&sorted(&values))?,
                },
            ))
        };
        Self {
            levels: of.into_iter().filter_map(level).collect(),
            n: values.len() as f64,
            mean,
        }
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.levels.len()
    }

    /// n values less k images.
    fn degrees(&self) -> f64 {
        self.n - self.levels.len() as f64
    }

    /// Returns `values` with their images' levels taken out: mean + (value - image's mean) x sqrt(n
    /// / (n - k)), in the order given.
    ///
    /// The mean of the result has the variance MSW / n, MSW being the mean square within images of
    /// a one-way analysis of variance; where images have equally many values, that is the
    /// stratified estimator's. `None` for fewer than two images, and where an image has a single
    /// value, which says nothing of its noise. Source: W. G. Cochran, "Sampling Techniques", 3rd
    /// ed. 1977, section 5.4 (strata of equal weight for every value); residuals inflated as in A.
    /// C. Davison, D. V. Hinkley, "Bootstrap Methods and their Application", 1997, section 3.3.
    pub fn levels_out(&self, values: &[f64], images: &[u32]) -> Option<Vec<f64>> {
        if self.levels.len() < 2 || self.levels.values().any(|level| level.n < 2.0) {
            return None;
        }
        let inflated = (self.n / self.degrees()).sqrt();
        let out = |(value, image): (&f64, &u32)| {
            (value - self.levels[image].mean).mul_add(inflated, self.mean)
        };
        Some(values.iter().zip(images).map(out).collect())
    }

    /// Returns by how much a bound of the mean must be further from it than a bootstrap says, which
    /// knows no degrees of freedom: t of n - k degrees / normal quantile, at 97.5%. `None` where
    /// there is no degree of freedom.
    ///
    /// Source: T. C. Hesterberg, "What Teachers Should Know About the Bootstrap", The American
    /// Statistician 69(4), 2015, section 4.2.
    pub fn further(&self) -> Option<f64> {
        Some(t(self.degrees())? / normal_quantile(1.0 - ALPHA / 2.0))
    }

    /// Returns the 95% interval of the mean if the images are a random sample of all that could
    /// have been taken.
    ///
    /// Mean +- t of k - 1 degrees x `sqrt(k / (k - 1) x Sum (n_i (image's mean - mean))^2) / n`:
    /// each image is one witness. Where images have equally many values, that is the t-interval of
    /// the images' means. `None` for fewer than two images. Source: A. C. Cameron, D. L. Miller, "A
    /// Practitioner's Guide to Cluster-Robust Inference", J. Human Resources 50(2), 2015, sections
    /// II.B and VI.D.
    pub fn random(&self) -> Option<(f64, f64)> {
        let k = self.levels.len() as f64;
        let squares: f64 = self
            .levels
            .values()
            .map(|level| (level.n * (level.mean - self.mean)).powi(2))
            .sum();
        let reach = t(k - 1.0)? * (k / (k - 1.0) * squares).sqrt() / self.n;
        Some((self.mean - reach, self.mean + reach))
    }
}

/// The 97.5% quantile of Student's t.
fn t(degrees: f64) -> Option<f64> {
    Some(
        StudentsT::new(0.0, 1.0, degrees)
            .ok()?
            .inverse_cdf(1.0 - ALPHA / 2.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::worked::{IMAGES_OF_S, S, assert_close};

    fn of(values: &[f64], images: &[u32]) -> Images {
        Images::of(
            values,
            images,
            mean_of_sorted(&sorted(values)).unwrap_or_default(),
        )
    }

    #[test]
    fn the_worked_sample_has_the_variance_within_images() {
        let adjusted = of(&S, &IMAGES_OF_S).levels_out(&S, &IMAGES_OF_S).unwrap();
        let mean = mean_of_sorted(&sorted(&adjusted));
        assert_close(mean, 25.5, 1e-12);
        let squares: f64 = adjusted.iter().map(|value| (value - 25.5).powi(2)).sum();
        // MSW / n with MSW = 22 / 6; each value adds its square / n^2.
        assert_close(Some(squares / 64.0), 22.0 / 6.0 / 8.0, 1e-12);
    }

    #[test]
    fn an_image_counts_once_where_images_are_a_random_sample() {
        // Two images of 10.5 and 40.5: 25.5 +- 12.706 x 15.
        let (low, high) = of(&S, &IMAGES_OF_S).random().unwrap();
        assert_close(Some(low), 25.5 - 190.593, 0.001);
        assert_close(Some(high), 25.5 + 190.593, 0.001);
        let twice = |x: &[f64]| [x, x].concat();
        let images: Vec<u32> = [IMAGES_OF_S, IMAGES_OF_S].concat();
        assert_close(of(&twice(&S), &images).random().map(|ci| ci.0), low, 1e-9);
    }

    #[test]
    fn few_values_widen_the_interval() {
        assert_close(of(&S, &IMAGES_OF_S).further(), 2.4469 / 1.9600, 1e-4);
        assert_close(
            of(&vec![1.0; 100_000], &vec![1; 100_000]).further(),
            1.0,
            1e-4,
        );
    }

    #[test]
    fn one_image_and_images_measured_once_have_no_levels_to_take_out() {
        let out = |values: &[f64], images: &[u32]| of(values, images).levels_out(values, images);
        assert_eq!(
            (out(&[1.0, 2.0], &[3, 3]), out(&[1.0, 2.0], &[1, 2])),
            (None, None)
        );
        assert_eq!(
            out(&[1.0, 2.0, 3.0, 4.0, 5.0], &[1, 1, 2, 2, 3]),
            None,
            "a block that was cut off"
        );
        assert_eq!(
            (out(&[], &[]), of(&[1.0, 2.0], &[3, 3]).random()),
            (None, None)
        );
    }
}
