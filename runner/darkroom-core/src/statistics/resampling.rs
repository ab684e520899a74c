//! Resamples from the seeded generator, in parallel.
//!
//! Every chunk of resamples has its own stream of the generator, so the result does not depend on
//! the number of threads.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

/// Resamples of a bootstrap.
pub const RESAMPLES: usize = 10_000;
/// Resamples that share one stream of the generator.
const CHUNK: usize = 250;

/// Runs `one` for each of `resamples`, each chunk with its own stream of the generator.
pub(super) fn resample<T: Send>(
    seed: [u8; 32],
    resamples: usize,
    one: impl Fn(&mut ChaCha8Rng) -> T + Sync,
) -> Vec<T> {
    let chunk = |index: usize| {
        let mut random = ChaCha8Rng::from_seed(seed);
        random.set_stream(index as u64);
        (0..CHUNK.min(resamples - index * CHUNK))
            .map(|_| one(&mut random))
            .collect::<Vec<_>>()
    };
    (0..resamples.div_ceil(CHUNK))
        .into_par_iter()
        .flat_map_iter(chunk)
        .collect()
}

/// Returns a number below `n`, which is below 2^32: bias at most n / 2^32.
pub(super) fn below(random: &mut ChaCha8Rng, n: usize) -> usize {
    ((u64::from(random.next_u32()) * n as u64) >> 32) as usize
}
