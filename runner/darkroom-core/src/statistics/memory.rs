//! Whether code remembers outputs: how much slower it is on new pixels.
//!
//! Times of repetitions and of probes → [`Probes`] → [`Fresh`]. Definition: `docs/method.md`, "Remembered
//! outputs".

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Chance that any of a run's honest stages is said to remember.
const FALSE_ALARM: f64 = 0.05;
/// Ratio that is never said to be a memory: caches of processors and the like.
const TOLERATED: f64 = 1.1;
/// Fewest probes that say anything.
const FEWEST: usize = 3;

/// How long a stage takes on fresh pixels, as a multiple of what it takes on those that it has
/// seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fresh {
    /// Geometric mean over the probes.
    pub ratio: f64,
    /// It is at least this, all stages of the run taken together at 95%.
    pub low: f64,
    /// `low` is beyond what an honest stage can show.
    pub remembers: bool,
    /// The one image that shows it, where all images together do not.
    pub image: Option<u32>,
}

/// Returns of each probe how much longer it took, as a logarithm: against the median of the
/// repetitions of the same image and deployment (`K`). The earliest of several is left out, as it
/// may be the one that was remembered. Repetitions come in their order.
pub fn longer<K: Copy + Eq + Hash>(repetitions: &[(K, f64)], probes: &[(K, f64)]) -> Vec<(K, f64)> {
    let mut seen: HashMap<K, Vec<f64>> = HashMap::new();
    for (key, value) in repetitions.iter().filter(|(_, value)| *value > 0.0) {
        seen.entry(*key).or_default().push(value.ln());
    }
    let medians: HashMap<K, f64> = seen
        .into_iter()
        .filter_map(|(key, mut logs)| {
            if logs.len() > 1 {
                logs.remove(0);
            }
            logs.sort_unstable_by(f64::total_cmp);
            Some((key, super::quantile_of_sorted(&logs, 0.5)?))
        })
        .collect();
    let probes = probes.iter().filter(|(_, value)| *value > 0.0);
    probes
        .filter_map(|(key, value)| Some((*key, value.ln() - medians.get(key)?)))
        .collect()
}

/// The probes of a stage: how much longer each took, as a logarithm, with its image.
///
/// Code that remembers one image of several shows it in that image alone. So each image with enough
/// probes is a test of its own, beside that of all together.
#[derive(Debug)]
pub struct Probes {
    together: Vec<f64>,
    images: BTreeMap<u32, Vec<f64>>,
}

impl Probes {
    /// Takes [`longer`]'s logarithms, each with its image.
    pub fn new(longer: impl IntoIterator<Item = (u32, f64)>) -> Self {
        let (mut together, mut images) = (Vec::new(), BTreeMap::<u32, Vec<f64>>::new());
        for (image, log) in longer {
            together.push(log);
            images.entry(image).or_default().push(log);
        }
        if images.len() == 1 {
            images.clear();
        }
        images.retain(|_, logs| logs.len() >= FEWEST);
        Self { together, images }
    }

    /// Returns how many tests of the run's are this stage's; none with fewer than 3 probes.
    pub fn tests(&self) -> usize {
        if self.together.len() < FEWEST {
            0
        } else {
            1 + self.images.len()
        }
    }

    /// Returns how much longer the stage takes on fresh pixels: all images together, or the image
    /// that shows it most clearly where they do not. `None` for fewer than 3 probes.
    ///
    /// A one-sided t interval of the mean, shared out over the `tests` that the run makes
    /// (Bonferroni). Deployments do not matter: a probe is compared with repetitions of its own.
    pub fn fresh(&self, tests: usize) -> Option<Fresh> {
        let together = fresh(&self.together, tests)?;
        if together.remembers {
            return Some(together);
        }
        let images = self.images.iter().filter_map(|(&image, logs)| {
            let image = Some(image);
            let found = fresh(logs, tests)?;
            found.remembers.then_some(Fresh { image, ..found })
        });
        let clearest = images.max_by(|a, b| a.low.total_cmp(&b.low));
        Some(clearest.unwrap_or(together))
    }
}

fn fresh(longer: &[f64], tests: usize) -> Option<Fresh> {
    if longer.len() < FEWEST {
        return None;
    }
    let n = longer.len() as f64;
    let mean = longer.iter().sum::<f64>() / n;
    let squares = longer.iter().map(|value| (value - mean).powi(2));
    let variance = squares.sum::<f64>() / (n - 1.0);
    let t = StudentsT::new(0.0, 1.0, n - 1.0)
        .ok()?
        .inverse_cdf(1.0 - FALSE_ALARM / tests.max(1) as f64);
    let low = mean - t * (variance / n).sqrt();
    Some(Fresh {
        ratio: mean.exp(),
        low: low.exp(),
        remembers: low > TOLERATED.ln(),
        image: None,
    })
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::*;

    fn uniform(random: &mut ChaCha8Rng) -> f64 {
        f64::from(random.next_u32()) / f64::from(u32::MAX)
    }

    /// A lognormal time of this median with a spread of about 8%, and now and then a pause.
    fn time(random: &mut ChaCha8Rng, median: f64) -> f64 {
        let normal: f64 = (0..12).map(|_| uniform(random)).sum::<f64>() - 6.0;
        let pause = if uniform(random) < 0.02 { 1.5 } else { 1.0 };
        median * (0.08 * normal).exp() * pause
    }

    /// Six images of unlike size and `each` probes of every image, eight repetitions to one as the
    /// schedule has them. Probes take as many times as long as `ratio` says of their image.
    fn probes(random: &mut ChaCha8Rng, each: u32, ratio: impl Fn(u32) -> f64) -> Probes {
        let median = |image: u32| 20.0 * f64::from(1 + image);
        let repetitions: Vec<_> = (0..8 * each)
            .flat_map(|_| 0..6)
            .map(|image| (image, time(random, median(image))))
            .collect();
        let probes: Vec<_> = (0..each)
            .flat_map(|_| 0..6)
            .map(|image| (image, time(random, median(image) * ratio(image))))
            .collect();
        Probes::new(longer(&repetitions, &probes))
    }

    #[test]
    fn honest_stages_are_hardly_ever_said_to_remember() {
        let mut random = ChaCha8Rng::seed_from_u64(13);
        let (stages, runs) = (10, 400);
        for each in [1, 3, 12] {
            let mut alarm = || {
                let run: Vec<_> = (0..stages)
                    .map(|_| probes(&mut random, each, |_| 1.0))
                    .collect();
                let tests = run.iter().map(Probes::tests).sum();
                run.iter()
                    .any(|stage| stage.fresh(tests).unwrap().remembers)
            };
            let alarms = (0..runs).filter(|_| alarm()).count();
            assert!(
                alarms <= runs / 20,
                "{each} an image: {alarms} of {runs} runs"
            );
        }
    }

    #[test]
    fn one_remembered_image_of_six_is_found_and_named() {
        let mut random = ChaCha8Rng::seed_from_u64(15);
        // 100 repetitions of six images have 12 probes an image.
        let found = (0..200)
            .filter(|_| {
                let stage = probes(&mut random, 12, |image| if image == 4 { 10.0 } else { 1.0 });
                let found = stage.fresh(10 * stage.tests()).unwrap();
                found.remembers && found.image.is_none_or(|image| image == 4)
            })
            .count();
        assert!(found >= 190, "{found} of 200");
    }

    #[test]
    fn twice_as_long_on_six_fresh_images_is_found() {
        let mut random = ChaCha8Rng::seed_from_u64(14);
        let found = (0..200)
            .filter(|_| {
                let stage = probes(&mut random, 1, |_| 2.0);
                stage.fresh(10).unwrap().remembers
            })
            .count();
        assert!(found >= 190, "{found} of 200");
    }

    /// Source: method, section 8, "Fresh".
    #[test]
    fn the_worked_value() {
        let probes = [(1, 19.0), (1, 21.0), (1, 20.0)];
        let found = Probes::new(longer(&[(1, 10.0); 3], &probes));
        assert_eq!(found.tests(), 1, "one image is the same as all together");
        let found = found.fresh(5).unwrap();
        assert!(
            (found.ratio - 1.998_332).abs() < 1e-6 && (found.low - 1.634_071).abs() < 1e-6,
            "{found:?}"
        );
        assert!(found.remembers);
    }

    #[test]
    fn the_earliest_repetition_is_left_out() {
        // It takes 30 ms, and 10 once it has seen the image.
        let repetitions = [(1, 30.0), (1, 10.0), (1, 10.0), (2, 10.0)];
        let probes = [(1, 30.0), (1, 30.0), (1, 30.0), (2, 30.0), (3, 9.0)];
        let longer = longer(&repetitions, &probes);
        assert_eq!(
            longer.len(),
            4,
            "an image without repetitions has no probe that counts"
        );
        let few = Probes::new(longer[..2].iter().copied());
        assert_eq!((few.fresh(1), few.tests()), (None, 0));
        let found = Probes::new(longer);
        assert_eq!(
            found.tests(),
            2,
            "all together, and the image with three probes"
        );
        let found = found.fresh(2).unwrap();
        assert!(
            (found.ratio - 3.0).abs() < 1e-9 && (found.low - 3.0).abs() < 1e-9 && found.remembers,
            "{found:?}"
        );
    }
}
