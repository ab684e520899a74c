//! A mean over a set of images: what is noise depends on whether another study would use the same images.
//!
//! An image set is fixed: who measures again takes the same images, so what lies between them is no noise of the mean. The mean's
//! interval is therefore made of the values less their image's level. The other question, how the mean would come out over
//! other images of the kind, has an interval of its own, in which an image counts once, however often it was measured.

use std::collections::{BTreeMap, BTreeSet};

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::interval::ALPHA;
use super::normal::normal_quantile;
use super::summary::{mean_of_sorted, sorted};

/// Returns `values` with their images' levels taken out: mean + (value - image's mean) x sqrt(n / (n - k)), in the order given.
///
/// n values of k images (`images[i]` is that of `values[i]`). The mean of the result has the variance MSW / n, MSW being the mean
/// square within images of a one-way analysis of variance; where images have equally many values, that is the stratified
/// estimator's. `None` for fewer than two images, and where an image has a single value, which says nothing of its noise. Source: W. G. Cochran, "Sampling
/// Techniques", 3rd ed. 1977, section 5.4 (strata of equal weight for every value); residuals inflated as in A. C. Davison,
/// D. V. Hinkley, "Bootstrap Methods and their Application", 1997, section 3.3.
pub fn levels_out(values: &[f64], images: &[u32]) -> Option<Vec<f64>> {
    let levels = levels(values, images);
    if levels.len() < 2 || levels.values().any(|level| level.n < 2.0) {
        return None;
    }
    let mean = mean_of_sorted(&sorted(values))?;
    let n = values.len() as f64;
    let inflated = (n / (n - levels.len() as f64)).sqrt();
    Some(values.iter().zip(images).map(|(value, image)| (value - levels[image].mean).mul_add(inflated, mean)).collect())
}

/// Returns by how much a bound of the mean of n values within k images must be further from it than a bootstrap says, which knows
/// no degrees of freedom: t of n - k degrees / normal quantile, at 97.5%.
///
/// Source: T. C. Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69(4), 2015, section 4.2.
pub fn for_few_degrees(n: usize, images: &[u32]) -> f64 {
    let k = images.iter().collect::<BTreeSet<_>>().len();
    let t = StudentsT::new(0.0, 1.0, n.saturating_sub(k) as f64).map(|t| t.inverse_cdf(1.0 - ALPHA / 2.0));
    t.map_or(1.0, |t| t / normal_quantile(1.0 - ALPHA / 2.0))
}

/// Returns the 95% interval of the mean if the images are a random sample of all that could have been taken.
///
/// Mean +- t of k - 1 degrees x `sqrt(k / (k - 1) x Sum (n_i (image's mean - mean))^2) / n`: each image is one witness. Where images have
/// equally many values, that is the t-interval of the images' means. `None` for fewer than two images. Source: A. C. Cameron,
/// D. L. Miller, "A Practitioner's Guide to Cluster-Robust Inference", J. Human Resources 50(2), 2015, sections II.B and VI.D.
pub fn random_images(values: &[f64], images: &[u32]) -> Option<(f64, f64)> {
    let levels = levels(values, images);
    let mean = mean_of_sorted(&sorted(values))?;
    let k = levels.len() as f64;
    let t = StudentsT::new(0.0, 1.0, k - 1.0).ok()?.inverse_cdf(1.0 - ALPHA / 2.0);
    let squares: f64 = levels.values().map(|level| (level.n * (level.mean - mean)).powi(2)).sum();
    let reach = t * (k / (k - 1.0) * squares).sqrt() / values.len() as f64;
    Some((mean - reach, mean + reach))
}

struct Level {
    n: f64,
    mean: f64,
}

/// The level of every image, by its number; the order of values changes no bit of it.
fn levels(values: &[f64], images: &[u32]) -> BTreeMap<u32, Level> {
    let mut of: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (&value, &image) in values.iter().zip(images) {
        of.entry(image).or_default().push(value);
    }
    let level = |(image, values): (u32, Vec<f64>)| {
        Some((image, Level { n: values.len() as f64, mean: mean_of_sorted(&sorted(&values))? }))
    };
    of.into_iter().filter_map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::worked::{IMAGES_OF_S, S, assert_close};

    #[test]
    fn the_worked_sample_has_the_variance_within_images() {
        let adjusted = levels_out(&S, &IMAGES_OF_S).unwrap();
        let mean = mean_of_sorted(&sorted(&adjusted));
        assert_close(mean, 25.5, 1e-12);
        let squares: f64 = adjusted.iter().map(|value| (value - 25.5).powi(2)).sum();
        // MSW / n with MSW = 22 / 6; each value adds its square / n^2.
        assert_close(Some(squares / 64.0), 22.0 / 6.0 / 8.0, 1e-12);
    }

    #[test]
    fn an_image_counts_once_where_images_are_a_random_sample() {
        // Two images of 10.5 and 40.5: 25.5 +- 12.706 x 15.
        let (low, high) = random_images(&S, &IMAGES_OF_S).unwrap();
        assert_close(Some(low), 25.5 - 190.593, 0.001);
        assert_close(Some(high), 25.5 + 190.593, 0.001);
        let twice = |x: &[f64]| [x, x].concat();
        let images: Vec<u32> = [IMAGES_OF_S, IMAGES_OF_S].concat();
        assert_close(random_images(&twice(&S), &images).map(|ci| ci.0), low, 1e-9);
    }

    #[test]
    fn few_values_widen_the_interval() {
        assert_close(Some(for_few_degrees(8, &IMAGES_OF_S)), 2.4469 / 1.9600, 1e-4);
        assert_close(Some(for_few_degrees(100_000, &[1, 2])), 1.0, 1e-4);
    }

    #[test]
    fn one_image_and_images_measured_once_have_no_levels_to_take_out() {
        assert_eq!((levels_out(&[1.0, 2.0], &[3, 3]), levels_out(&[1.0, 2.0], &[1, 2])), (None, None));
        assert_eq!(levels_out(&[1.0, 2.0, 3.0, 4.0, 5.0], &[1, 1, 2, 2, 3]), None, "a block that was cut off");
        assert_eq!((levels_out(&[], &[]), random_images(&[1.0, 2.0], &[3, 3])), (None, None));
    }
}
