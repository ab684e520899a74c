//! How long the intervals of a study take: `cargo bench -p darkroom-core --bench intervals`.
//!
//! 100 cells x 6 metrics x 10,000 resamples of 100 repetitions each; aim: under 5 s on 2 cores.
//! Beside it the same draws in a bare loop on one core, and one sample just below and just above
//! the size where resampling gives way to ABC.

use std::hint::black_box;
use std::time::Instant;

use darkroom_core::statistics::{MOST_RESAMPLED, intervals, seed_of};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

const SAMPLES: u64 = 100 * 6;
const RESAMPLES: usize = 10_000;

#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and reports"
)]
fn main() {
    let samples: Vec<Vec<f64>> = (0..SAMPLES).map(|seed| sample(100, seed)).collect();
    let started = Instant::now();
    let found = samples
        .par_iter()
        .enumerate()
        .filter_map(|(i, x)| intervals(x, &[], seed_of(i as u64, &["bench"])).mean);
    let count = found.count();
    let study_s = started.elapsed().as_secs_f64();
    println!(
        "{count} samples of 100   {study_s:8.2} s on {} threads",
        rayon::current_num_threads()
    );

    let started = Instant::now();
    for (i, x) in samples.iter().take(60).enumerate() {
        black_box(bare(x, i as u64));
    }
    let bare_s = started.elapsed().as_secs_f64() * SAMPLES as f64 / 60.0;
    println!("bare draws and sums    {bare_s:8.2} s on 1 thread (a tenth of them, times ten)");
    println!("study / bare           {:8.2}", study_s / bare_s);

    for n in [MOST_RESAMPLED, MOST_RESAMPLED + 1] {
        let x = sample(n, 1);
        let started = Instant::now();
        let method = intervals(&x, &[], seed_of(1, &["one"]))
            .mean
            .map(|interval| interval.method());
        println!(
            "one sample of {n:5}    {:8.4} s {}",
            started.elapsed().as_secs_f64(),
            method.unwrap_or("none")
        );
    }
}

fn bare(x: &[f64], seed: u64) -> f64 {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut largest = 0.0f64;
    for _ in 0..RESAMPLES {
        let draw = |_| x[((u64::from(random.next_u32()) * x.len() as u64) >> 32) as usize];
        largest = largest.max((0..x.len()).map(draw).sum());
    }
    largest
}

/// Skewed values in random order.
fn sample(n: usize, seed: u64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || f64::from(random.next_u32()) / f64::from(u32::MAX);
    (0..n)
        .map(|_| 100.0 * (0.3 * ((0..12).map(|_| uniform()).sum::<f64>() - 6.0)).exp())
        .collect()
}
