//! The only source of chance in a schedule: shuffles from a seed that stay the same on every
//! machine and in every version.
//!
//! Changing any number here changes the order of published runs.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};

/// Fisher-Yates (Durstenfeld) from the generator of (seed, purpose, block).
///
/// Spelt out here because the order of a published run must never change with a release of `rand`,
/// which does not promise that its `shuffle` stays the same.
pub(super) fn shuffled<T>(mut items: Vec<T>, seed: u64, purpose: &str, block: u32) -> Vec<T> {
    let mut generator = generator(seed, purpose, block);
    for last in (1..items.len()).rev() {
        let chosen = below(&mut generator, last as u64 + 1);
        items.swap(
            last,
            usize::try_from(chosen).expect("it is at most `last`, a usize"),
        );
    }
    items
}

/// `ChaCha20` keyed by sha256 of what the numbers are for: blocks do not depend on one another or
/// on their order.
fn generator(seed: u64, purpose: &str, block: u32) -> ChaCha20Rng {
    let key = Sha256::new()
        .chain_update(b"darkroom schedule\0")
        .chain_update(purpose.as_bytes())
        .chain_update(b"\0")
        .chain_update(seed.to_le_bytes())
        .chain_update(block.to_le_bytes())
        .finalize();
    ChaCha20Rng::from_seed(key.into())
}

/// Returns a uniform number in `0..bound`, without the bias of a plain remainder.
fn below(generator: &mut ChaCha20Rng, bound: u64) -> u64 {
    let biased_from = u64::MAX - u64::MAX % bound;
    loop {
        let drawn = generator.next_u64();
        if drawn < biased_from {
            return drawn % bound;
        }
    }
}
