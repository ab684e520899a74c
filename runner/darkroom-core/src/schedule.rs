//! The order of a run's passes, from the seed; and what is left of it after a journal.
//!
//! Counts and a seed → [`PlannedPass`]es. Pure and lazy: one block is held at a time, and the same seed gives the same
//! order on every machine and in every version. Knows nothing of variants or clouds: cells are numbers here.
//!
//! Interleaved is RMIT (randomised multiple interleaved trials): block r holds repetition r of every
//! (cell, deployment, image), in a fresh Fisher-Yates order. Measuring one cell after another would confound cell with hour.

use std::collections::{BTreeSet, HashSet};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};

use crate::manifest::{Order, Repetitions};

/// One image through one deployment of one cell once, not yet done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlannedPass {
    /// Position in the list of shapes that made the schedule.
    pub cell: usize,
    /// From 1.
    pub deployment: u32,
    /// Position in the cell's image set.
    pub image: usize,
    /// Warm-ups are not counted and are numbered apart.
    pub warm_up: bool,
    /// From 1.
    pub repetition: u32,
}

/// What a session does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Pass(PlannedPass),
    /// Retire the environments of these (cell, deployment): a round begins, and its warm-ups follow.
    Renew {
        of: Vec<(usize, u32)>,
        /// From 2.
        round: u32,
    },
    /// This many whole blocks are measured: look whether that is enough.
    Look {
        repetitions: u32,
    },
}

/// What the schedule needs to know of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellShape {
    /// Images in the cell's set, at least 1.
    pub images: usize,
    /// Whether warm-ups make sense: not when cold starts are what is measured.
    pub warm: bool,
}

/// The passes of a run, in order.
#[derive(Clone, Debug)]
pub struct Schedule {
    shapes: Vec<CellShape>,
    repetitions: Repetitions,
    order: Order,
    seed: u64,
}

/// One place in a block: repetition r of this is one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Slot {
    cell: usize,
    deployment: u32,
    image: usize,
}

impl Slot {
    const fn pass(self, warm_up: bool, repetition: u32) -> PlannedPass {
        PlannedPass { cell: self.cell, deployment: self.deployment, image: self.image, warm_up, repetition }
    }
}

impl Schedule {
    pub fn new(shapes: Vec<CellShape>, repetitions: Repetitions, order: Order, seed: u64) -> Self {
        Self { shapes, repetitions, order, seed }
    }

    /// Returns the same schedule for a number of repetitions that is settled.
    #[must_use]
    pub fn settled_at(self, repetitions: u32) -> Self {
        let repetitions = Repetitions { count: repetitions, until: None, ..self.repetitions };
        Self { repetitions, ..self }
    }

    /// Returns every counted pass, in the order an uninterrupted run does them.
    pub fn passes(&self) -> Box<dyn Iterator<Item = PlannedPass> + '_> {
        match self.order {
            Order::Interleaved => Box::new(self.interleaved()),
            Order::Sequential => Box::new(self.sequential()),
        }
    }

    /// Returns which round of environments a pass meets, from 1; `None` in a cell whose every start is a cold one.
    pub fn round_of(&self, pass: &PlannedPass) -> Option<u32> {
        let Repetitions { warm_up, .. } = self.repetitions;
        self.shapes[pass.cell].warm.then(|| {
            if pass.warm_up {
                (pass.repetition - 1) / warm_up.max(1) + 1
            } else {
                self.repetitions.round(pass.repetition)
            }
        })
    }

    /// Returns how many passes count, over all cells.
    pub fn len(&self) -> u64 {
        let images: u64 = self.shapes.iter().map(|shape| shape.images as u64).sum();
        images * u64::from(self.repetitions.deployments) * u64::from(self.repetitions.count)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns what is left when some passes are complete, in the same order.
    ///
    /// Whatever was complete when a run stopped, this continues it: the passes done before and these together are the
    /// passes of an uninterrupted run.
    pub fn remaining<'a>(
        &'a self,
        is_complete: impl Fn(&PlannedPass) -> bool + 'a,
    ) -> impl Iterator<Item = PlannedPass> + 'a {
        self.passes().filter(move |pass| !is_complete(pass))
    }

    /// Returns what one session of a run does: what is left, warm-ups before it, and renewals between rounds.
    ///
    /// A session starts with new environments, and so does every round after it, so every (cell, deployment) with anything
    /// left in a round is warmed up before it. Which round a repetition is of does not depend on sessions.
    /// Interleaved: all warm-ups of a round come first, in blocks of their own. Sequential: each just before its first pass.
    pub fn session<'a>(
        &'a self,
        is_complete: impl Fn(&PlannedPass) -> bool + Clone + 'a,
    ) -> Box<dyn Iterator<Item = Step> + 'a> {
        match self.order {
            Order::Interleaved => {
                let mut begun = HashSet::new();
                let rounds = (1..=self.repetitions.rounds()).flat_map(move |round| {
                    let left: BTreeSet<(usize, u32)> =
                        self.round(round, is_complete.clone()).map(|pass| (pass.cell, pass.deployment)).collect();
                    let warm = |at: &&(usize, u32)| self.shapes[at.0].warm;
                    let of: Vec<(usize, u32)> =
                        left.iter().filter(warm).filter(|at| begun.contains(*at)).copied().collect();
                    begun.extend(left.iter().copied());
                    let renewal = (!of.is_empty()).then_some(Step::Renew { of, round });
                    let warm_ups = self.warm_up_blocks(&left, round).map(Step::Pass);
                    let passes = self.looked_at(round, is_complete.clone());
                    renewal.into_iter().chain(warm_ups).chain(passes)
                });
                Box::new(rounds)
            }
            Order::Sequential => {
                let mut before: Option<(usize, u32, u32)> = None;
                Box::new(self.remaining(is_complete).flat_map(move |pass| {
                    let round = self.repetitions.round(pass.repetition);
                    let at = (pass.cell, pass.deployment, round);
                    let last = before.replace(at);
                    let begins = last != Some(at);
                    let again = begins && last.is_some_and(|(cell, deployment, _)| (cell, deployment) == (at.0, at.1));
                    let of = vec![(pass.cell, pass.deployment)];
                    let renewal = (again && self.shapes[pass.cell].warm).then_some(Step::Renew { of, round });
                    let warm_ups =
                        if begins { self.warm_ups_of(pass.cell, pass.deployment, round) } else { Vec::new() };
                    renewal.into_iter().chain(warm_ups.into_iter().chain([pass]).map(Step::Pass))
                }))
            }
        }
    }

    /// Returns what is left of one round, interleaved.
    fn round<'a>(
        &'a self,
        round: u32,
        is_complete: impl Fn(&PlannedPass) -> bool + 'a,
    ) -> impl Iterator<Item = PlannedPass> + 'a {
        self.repetitions_of(round).flat_map(|repetition| self.block(repetition)).filter(move |pass| !is_complete(pass))
    }

    /// The same, with a look after every block that asks for one, whatever was left of it.
    fn looked_at<'a>(
        &'a self,
        round: u32,
        is_complete: impl Fn(&PlannedPass) -> bool + Clone + 'a,
    ) -> impl Iterator<Item = Step> + 'a {
        self.repetitions_of(round).flat_map(move |repetitions| {
            let is_complete = is_complete.clone();
            let left = self.block(repetitions).filter(move |pass| !is_complete(pass)).map(Step::Pass);
            let due = self.repetitions.until.is_some_and(|until| until.rule().is_look(repetitions));
            left.chain(due.then_some(Step::Look { repetitions }))
        })
    }

    fn repetitions_of(&self, round: u32) -> std::ops::RangeInclusive<u32> {
        let every = self.repetitions.renew_environments_every.unwrap_or(self.repetitions.count).max(1);
        let first = (round - 1).saturating_mul(every).saturating_add(1);
        first..=first.saturating_add(every - 1).min(self.repetitions.count)
    }

    /// Returns one repetition of everything, in its own order.
    fn block(&self, repetition: u32) -> impl Iterator<Item = PlannedPass> + use<> {
        let block = shuffled(self.slots().collect::<Vec<Slot>>(), self.seed, "repetition", repetition);
        block.into_iter().map(move |slot| slot.pass(false, repetition))
    }

    fn interleaved(&self) -> impl Iterator<Item = PlannedPass> + '_ {
        (1..=self.repetitions.count).flat_map(|repetition| self.block(repetition))
    }

    fn sequential(&self) -> impl Iterator<Item = PlannedPass> + '_ {
        self.shapes.iter().enumerate().flat_map(move |(cell, shape)| {
            (1..=self.repetitions.deployments).flat_map(move |deployment| {
                (1..=self.repetitions.count).flat_map(move |repetition| {
                    (0..shape.images).map(move |image| Slot { cell, deployment, image }.pass(false, repetition))
                })
            })
        })
    }

    /// Warm-ups of a round: numbered on from those of the rounds before it.
    fn warm_up_blocks(&self, left: &BTreeSet<(usize, u32)>, round: u32) -> impl Iterator<Item = PlannedPass> + use<'_> {
        let deployed: Vec<(usize, u32)> = left.iter().filter(|at| self.shapes[at.0].warm).copied().collect();
        self.warm_up_numbers(round).flat_map(move |number| {
            let block = shuffled(deployed.clone(), self.seed, "warm-up", number);
            block.into_iter().map(move |(cell, deployment)| self.warm_up(cell, deployment, number))
        })
    }

    fn warm_ups_of(&self, cell: usize, deployment: u32, round: u32) -> Vec<PlannedPass> {
        let numbers = self.warm_up_numbers(round).filter(|_| self.shapes[cell].warm);
        numbers.map(|number| self.warm_up(cell, deployment, number)).collect()
    }

    fn warm_up_numbers(&self, round: u32) -> std::ops::RangeInclusive<u32> {
        let before = (round - 1).saturating_mul(self.repetitions.warm_up);
        before.saturating_add(1)..=before.saturating_add(self.repetitions.warm_up)
    }

    /// Warm-ups go through the images in turn.
    fn warm_up(&self, cell: usize, deployment: u32, number: u32) -> PlannedPass {
        let image = (number as usize - 1) % self.shapes[cell].images.max(1);
        Slot { cell, deployment, image }.pass(true, number)
    }

    fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.shapes.iter().enumerate().flat_map(move |(cell, shape)| {
            (1..=self.repetitions.deployments)
                .flat_map(move |deployment| (0..shape.images).map(move |image| Slot { cell, deployment, image }))
        })
    }
}

/// Fisher-Yates (Durstenfeld) from the generator of (seed, purpose, block).
///
/// Spelt out here because the order of a published run must never change with a release of `rand`, which does not
/// promise that its `shuffle` stays the same.
fn shuffled<T>(mut items: Vec<T>, seed: u64, purpose: &str, block: u32) -> Vec<T> {
    let mut generator = generator(seed, purpose, block);
    for last in (1..items.len()).rev() {
        let chosen = below(&mut generator, last as u64 + 1);
        items.swap(last, usize::try_from(chosen).expect("it is at most `last`, a usize"));
    }
    items
}

/// `ChaCha20` keyed by sha256 of what the numbers are for: blocks do not depend on one another or on their order.
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::manifest::{StoppingMetric, Until};

    fn schedule(images: &[usize], (count, warm_up, deployments): (u32, u32, u32), order: Order) -> Schedule {
        let shapes = images.iter().map(|&images| CellShape { images, warm: true }).collect();
        Schedule::new(
            shapes,
            Repetitions { count, warm_up, deployments, renew_environments_every: None, until: None },
            order,
            562,
        )
    }

    /// A session's passes, without renewals.
    fn passes_of<'a>(session: Box<dyn Iterator<Item = Step> + 'a>) -> impl Iterator<Item = PlannedPass> + 'a {
        session.filter_map(|step| if let Step::Pass(pass) = step { Some(pass) } else { None })
    }

    fn steps(session: Box<dyn Iterator<Item = Step> + '_>) -> Vec<String> {
        let spelt_step = |step: Step| match step {
            Step::Pass(pass) => spelt([pass].into_iter()).remove(0),
            Step::Renew { of, round } => format!("renew{round}:{of:?}"),
            Step::Look { repetitions } => format!("look{repetitions}"),
        };
        session.map(spelt_step).collect()
    }

    #[test]
    fn environments_are_renewed_and_warmed_up_between_rounds_whatever_was_done_before() {
        let shapes = vec![CellShape { images: 1, warm: true }, CellShape { images: 1, warm: false }];
        let repetitions =
            Repetitions { count: 5, warm_up: 1, deployments: 1, renew_environments_every: Some(2), until: None };
        let sequential = Schedule::new(shapes.clone(), repetitions.clone(), Order::Sequential, 1);
        let warm: Vec<String> = steps(sequential.session(|pass| pass.cell == 1));
        let all = [
            "c0d1i0w1",
            "c0d1i0r1",
            "c0d1i0r2",
            "renew2:[(0, 1)]",
            "c0d1i0w2",
            "c0d1i0r3",
            "c0d1i0r4",
            "renew3:[(0, 1)]",
            "c0d1i0w3",
            "c0d1i0r5",
        ];
        assert_eq!(warm, all);
        // Another session takes up in the middle of the second round: its environments are new, and stay for that round.
        let rest = steps(sequential.session(|pass| pass.cell == 1 || pass.repetition < 4));
        assert_eq!(rest, ["c0d1i0w2", "c0d1i0r4", "renew3:[(0, 1)]", "c0d1i0w3", "c0d1i0r5"]);

        let interleaved = Schedule::new(shapes, repetitions, Order::Interleaved, 1);
        for pass in passes_of(interleaved.session(|_| false)) {
            let round = if pass.warm_up { pass.repetition } else { pass.repetition.div_ceil(2) };
            assert_eq!(interleaved.round_of(&pass), (pass.cell == 0).then_some(round), "{pass:?}");
        }
        let steps = steps(interleaved.session(|_| false));
        let renewals: Vec<usize> = (0..steps.len()).filter(|&i| steps[i].starts_with("renew")).collect();
        // A warm-up and 2 x 2 passes, a renewal and as much again, a renewal, a warm-up and 2 passes. Cold cells never.
        assert_eq!(renewals, [5, 11]);
        assert_eq!(
            (steps[5].as_str(), steps[6].as_str(), steps[12].as_str()),
            ("renew2:[(0, 1)]", "c0d1i0w2", "c0d1i0w3")
        );
        assert_eq!(steps.len(), 15);
    }

    #[test]
    fn looks_come_after_whole_blocks_before_a_renewal_and_whatever_was_done_before() {
        let until = Until { metric: StoppingMetric::Turnaround, ci_half_width: 0.1, min: 10, max: 25 };
        let repetitions = Repetitions {
            count: 25,
            warm_up: 1,
            deployments: 1,
            renew_environments_every: Some(10),
            until: Some(until),
        };
        let shapes = vec![CellShape { images: 2, warm: true }; 2];
        let schedule = Schedule::new(shapes, repetitions, Order::Interleaved, 1);
        let all = steps(schedule.session(|_| false));
        let at = |step: &str| all.iter().position(|it| it == step).unwrap();
        // A warm-up of each cell, 10 blocks of 4, the look; then the renewal of both.
        assert_eq!((at("look10"), all[43].as_str()), (42, "renew2:[(0, 1), (1, 1)]"));
        let looks: Vec<&String> = all.iter().filter(|step| step.starts_with("look")).collect();
        assert_eq!(looks, ["look10", "look20", "look25"]);
        assert_eq!(all.last().unwrap(), "look25");
        let rest = steps(schedule.session(|pass| pass.repetition <= 22));
        assert_eq!(&rest[..2], ["look10", "look20"]);
        assert_eq!(steps(schedule.clone().settled_at(20).session(|pass| pass.repetition <= 20)), [""; 0]);
        assert_eq!(schedule.settled_at(20).len(), 80);
    }

    #[test]
    fn a_round_that_was_done_before_needs_no_renewal() {
        let repetitions =
            Repetitions { count: 4, warm_up: 1, deployments: 1, renew_environments_every: Some(2), until: None };
        for order in [Order::Interleaved, Order::Sequential] {
            let schedule = Schedule::new(vec![CellShape { images: 1, warm: true }], repetitions.clone(), order, 1);
            let rest = steps(schedule.session(|pass| pass.repetition <= 2));
            assert_eq!(rest, ["c0d1i0w2", "c0d1i0r3", "c0d1i0r4"]);
        }
    }

    fn spelt(passes: impl Iterator<Item = PlannedPass>) -> Vec<String> {
        passes
            .map(|pass| {
                let kind = if pass.warm_up { "w" } else { "r" };
                format!("c{}d{}i{}{kind}{}", pass.cell, pass.deployment, pass.image, pass.repetition)
            })
            .collect()
    }

    #[test]
    fn sequential_finishes_a_cell_before_the_next() {
        let order = schedule(&[2, 1], (2, 0, 1), Order::Sequential);
        assert_eq!(spelt(order.passes()), ["c0d1i0r1", "c0d1i1r1", "c0d1i0r2", "c0d1i1r2", "c1d1i0r1", "c1d1i0r2"]);
    }

    /// Golden: if this changes, old runs can no longer be resumed and their order no longer be reproduced.
    #[test]
    fn the_interleaved_order_of_a_seed_never_changes() {
        let order = schedule(&[2, 2], (2, 0, 1), Order::Interleaved);
        insta::assert_snapshot!(spelt(order.passes()).join(" "));
    }

    #[test]
    fn warm_ups_run_before_the_first_repetition_in_either_order() {
        for order in [Order::Interleaved, Order::Sequential] {
            let schedule = schedule(&[2, 3], (2, 3, 2), order);
            let mut warmed: HashMap<(usize, u32), u32> = HashMap::new();
            for pass in passes_of(schedule.session(|_| false)) {
                let seen = warmed.entry((pass.cell, pass.deployment)).or_default();
                if pass.warm_up {
                    *seen += 1;
                    assert_eq!(pass.repetition, *seen);
                } else {
                    assert_eq!(*seen, 3, "{pass:?} came before its warm-ups");
                }
            }
            assert_eq!(warmed.len(), 4);
        }
    }

    #[test]
    fn cold_cells_and_finished_cells_are_not_warmed_up() {
        let shapes = vec![CellShape { images: 1, warm: false }, CellShape { images: 1, warm: true }];
        let repetitions =
            Repetitions { count: 1, warm_up: 2, deployments: 1, renew_environments_every: None, until: None };
        for order in [Order::Interleaved, Order::Sequential] {
            let schedule = Schedule::new(shapes.clone(), repetitions.clone(), order, 1);
            let warm_ups =
                |cell| passes_of(schedule.session(|_| false)).filter(move |it| it.warm_up && it.cell == cell);
            assert_eq!((warm_ups(0).count(), warm_ups(1).count()), (0, 2));
            assert_eq!(spelt(passes_of(schedule.session(|pass| pass.cell == 1))), ["c0d1i0r1"]);
            assert_eq!(schedule.session(|_| true).count(), 0);
        }
    }

    #[test]
    fn a_position_is_equally_likely_for_every_pass() {
        const BLOCKS: u32 = 4_000;
        let order = schedule(&[4], (BLOCKS, 0, 1), Order::Interleaved);
        let mut firsts = [0_u32; 4];
        for block in order.passes().collect::<Vec<_>>().chunks(4) {
            firsts[block[0].image] += 1;
        }
        // Chi-square with 3 degrees of freedom: 16.27 is the 0.1% point, and the seed is fixed.
        let expected = f64::from(BLOCKS) / 4.0;
        let chi2: f64 = firsts.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
        assert!(chi2 < 16.27, "{firsts:?}");
    }

    fn any_order() -> impl Strategy<Value = Order> {
        prop_oneof![Just(Order::Interleaved), Just(Order::Sequential)]
    }

    proptest! {
        #[test]
        fn an_order_is_a_permutation_of_every_planned_pass(
            images in prop::collection::vec(1_usize..4, 1..5), count in 1_u32..5, deployments in 1_u32..3,
            order in any_order(), seed: u64,
        ) {
            let shapes: Vec<_> = images.iter().map(|&images| CellShape { images, warm: true }).collect();
            let schedule = Schedule::new(shapes, Repetitions { count, warm_up: 0, deployments, renew_environments_every: None, until: None }, order, seed);
            let mut expected = Vec::new();
            for (cell, &images) in images.iter().enumerate() {
                for deployment in 1..=deployments { for image in 0..images { for repetition in 1..=count {
                    expected.push(PlannedPass { cell, deployment, image, warm_up: false, repetition });
                }}}
            }
            let mut passes: Vec<_> = schedule.passes().collect();
            prop_assert_eq!(passes.len() as u64, schedule.len());
            if order == Order::Interleaved {
                let block = passes.len() / count as usize;
                for (index, pass) in passes.iter().enumerate() {
                    prop_assert_eq!(pass.repetition as usize, index / block + 1, "blocks come one after another");
                }
            }
            passes.sort();
            expected.sort();
            prop_assert_eq!(passes, expected);
        }

        #[test]
        fn a_run_killed_at_any_moments_and_resumed_is_the_uninterrupted_run(
            images in prop::collection::vec(1_usize..4, 1..4), count in 1_u32..4, deployments in 1_u32..3,
            order in any_order(), seed: u64, sessions in prop::collection::vec(0_usize..12, 0..6),
            renew_environments_every in prop::option::of(1_u32..5),
        ) {
            let shapes: Vec<_> = images.iter().map(|&images| CellShape { images, warm: true }).collect();
            let schedule = Schedule::new(shapes, Repetitions { count, warm_up: 1, deployments, renew_environments_every, until: None }, order, seed);
            let mut done: Vec<PlannedPass> = Vec::new();
            for survived in sessions {
                let complete: HashSet<_> = done.iter().copied().collect();
                done.extend(schedule.remaining(|pass| complete.contains(pass)).take(survived));
            }
            let complete: HashSet<_> = done.iter().copied().collect();
            let counted = passes_of(schedule.session(|pass| complete.contains(pass))).filter(|pass| !pass.warm_up);
            done.extend(counted);
            prop_assert_eq!(done, schedule.passes().collect::<Vec<_>>());
        }

        #[test]
        fn passes_complete_out_of_order_are_not_done_again(
            order in any_order(), seed: u64, complete in prop::collection::hash_set(0_usize..24, 0..24),
        ) {
            let shapes = vec![CellShape { images: 2, warm: true }; 3];
            let schedule = Schedule::new(shapes, Repetitions { count: 4, warm_up: 0, deployments: 1, renew_environments_every: None, until: None }, order, seed);
            let all: Vec<_> = schedule.passes().collect();
            let done: HashSet<_> = complete.iter().map(|&index| all[index]).collect();
            let expected: Vec<_> = all.iter().filter(|pass| !done.contains(pass)).copied().collect();
            prop_assert_eq!(schedule.remaining(|pass| done.contains(pass)).collect::<Vec<_>>(), expected);
        }
    }
}
