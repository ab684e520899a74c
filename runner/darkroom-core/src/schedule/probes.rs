//! Which passes are probes: uncounted, with changed pixels, at random places among the repetitions.
//!
//! Shapes and the number of a block → [`PlannedPass`]es. Code that remembers outputs is fastest
//! from the second block on, so probes are there. The number of probes until the end of a block
//! depends on that block only: a run that gets more repetitions keeps its probes, and a run that
//! ends at a look has the probes of a run of that length.

use super::order::{PlannedPass, Schedule, Slot};
use super::shuffle::shuffled;

/// Counted passes of a (cell, deployment) below which nothing is probed: too few to be compared
/// with.
pub const FEWEST_PASSES: u64 = 12;
/// Probes that every (cell, deployment) with enough passes has.
const FEWEST_PROBES: u64 = 6;
/// Counted passes to one probe in a long run.
const PASSES_A_PROBE: u64 = 8;

/// Returns how many probes there are until the end of a block, for a set of this many images.
fn until(images: u64, block: u32) -> u64 {
    match u64::from(block) {
        0 | 1 => 0,
        block => FEWEST_PROBES
            .min(images * (block - 1))
            .max(images * block / PASSES_A_PROBE),
    }
}

/// Returns how many probes a (cell, deployment) has: at least 6 and one to 8 counted passes, or
/// none.
///
/// None in a run of one repetition or fewer than 12 passes, and where every repetition has pixels
/// of its own anyway.
pub fn probes(images: u64, repetitions: u32, vary_inputs: bool) -> u64 {
    let few = repetitions < 2 || images * u64::from(repetitions) < FEWEST_PASSES;
    if few || vary_inputs {
        0
    } else {
        until(images, repetitions)
    }
}

impl Schedule {
    /// Returns how many probes there are, over all cells.
    pub fn probes(&self) -> u64 {
        let all: u64 = (0..self.shapes.len())
            .map(|cell| self.probes_of(cell))
            .sum();
        all * u64::from(self.repetitions.deployments)
    }

    fn probes_of(&self, cell: usize) -> u64 {
        probes(
            self.shapes[cell].images as u64,
            self.repetitions.count,
            self.repetitions.vary_inputs,
        )
    }

    /// Returns the probes of one (cell, deployment) in a block; images take turns.
    pub(super) fn probes_in(
        &self,
        cell: usize,
        deployment: u32,
        block: u32,
    ) -> impl Iterator<Item = PlannedPass> + use<> {
        let images = self.shapes[cell].images as u64;
        let numbers = if self.probes_of(cell) == 0 {
            0..0
        } else {
            until(images, block - 1)..until(images, block)
        };
        numbers.map(move |before| {
            let slot = Slot {
                cell,
                deployment,
                image: (before % images) as usize,
            };
            PlannedPass {
                probe: true,
                ..slot.pass(true, before as u32 + 1)
            }
        })
    }

    /// Returns a block with its probes, each after a pass of its own that chance chose.
    pub(super) fn with_probes(
        &self,
        block: Vec<PlannedPass>,
        probes: Vec<PlannedPass>,
        number: u32,
    ) -> Vec<PlannedPass> {
        if probes.is_empty() {
            return block;
        }
        let places = shuffled(
            (0..block.len()).collect(),
            self.seed,
            "places of probes",
            number,
        );
        let mut probes: Vec<_> = places
            .into_iter()
            .zip(shuffled(probes, self.seed, "probes", number))
            .collect();
        probes.sort_unstable_by_key(|(place, _)| *place);
        let mut probes = probes.into_iter().peekable();
        let mut whole = Vec::with_capacity(block.len() + probes.len());
        for (place, pass) in block.into_iter().enumerate() {
            whole.push(pass);
            while let Some((_, probe)) = probes.next_if(|(after, _)| *after == place) {
                whole.push(probe);
            }
        }
        whole
    }

    /// Returns the block in which a probe stands.
    pub(super) fn block_of_probe(&self, probe: &PlannedPass) -> u32 {
        let images = self.shapes[probe.cell].images as u64;
        let (mut first, mut last) = (1, self.repetitions.count);
        while first < last {
            let middle = first + (last - first) / 2;
            if until(images, middle) >= u64::from(probe.repetition) {
                last = middle;
            } else {
                first = middle + 1;
            }
        }
        first
    }

    /// Returns the round of environments of a pass that is no warm-up.
    pub(super) fn round_of_block(&self, pass: &PlannedPass) -> u32 {
        self.repetitions.round(if pass.probe {
            self.block_of_probe(pass)
        } else {
            pass.repetition
        })
    }
}
