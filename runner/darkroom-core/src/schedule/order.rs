//! The order of the counted passes: blocks in random order, or one cell after another.

use super::shuffle::shuffled;
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
    /// A probe has pixels of its own. It is not counted either (`warm_up` is true of it) and
    /// numbered apart as well.
    pub probe: bool,
    /// From 1.
    pub repetition: u32,
}

/// What the schedule needs to know of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellShape {
    /// Images in the cell's set, at least 1.
    pub images: usize,
    /// Whether warm-ups make sense: not when cold starts are what is measured.
    pub warm: bool,
    /// Number of the functions that its passes call: cells that share them have the same.
    pub functions: usize,
    /// Passes of it that run at once, at least 1.
    pub concurrency: u32,
}

/// The passes of a run, in order.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub(super) shapes: Vec<CellShape>,
    pub(super) repetitions: Repetitions,
    pub(super) order: Order,
    pub(super) seed: u64,
}

/// One place in a block: repetition r of this is one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    pub(super) cell: usize,
    pub(super) deployment: u32,
    pub(super) image: usize,
}

impl Slot {
    pub(super) const fn pass(self, warm_up: bool, repetition: u32) -> PlannedPass {
        PlannedPass {
            cell: self.cell,
            deployment: self.deployment,
            image: self.image,
            warm_up,
            probe: false,
            repetition,
        }
    }
}

impl Schedule {
    pub fn new(shapes: Vec<CellShape>, repetitions: Repetitions, order: Order, seed: u64) -> Self {
        Self {
            shapes,
            repetitions,
            order,
            seed,
        }
    }

    /// Returns the same schedule for a number of repetitions that is settled.
    #[must_use]
    pub fn settled_at(self, repetitions: u32) -> Self {
        let repetitions = Repetitions {
            count: repetitions,
            until: None,
            ..self.repetitions
        };
        Self {
            repetitions,
            ..self
        }
    }

    /// Returns every counted pass, in the order an uninterrupted run does them.
    pub fn passes(&self) -> Box<dyn Iterator<Item = PlannedPass> + '_> {
        Box::new(self.with_their_probes().filter(|pass| !pass.probe))
    }

    /// Returns the same with the probes among them.
    pub(super) fn with_their_probes(&self) -> Box<dyn Iterator<Item = PlannedPass> + '_> {
        match self.order {
            Order::Interleaved => Box::new(self.interleaved()),
            Order::Sequential => Box::new(self.sequential()),
        }
    }

    /// Returns which round of environments a pass meets, from 1; `None` in a cell whose every start
    /// is a cold one.
    pub fn round_of(&self, pass: &PlannedPass) -> Option<u32> {
        let Repetitions { warm_up, .. } = self.repetitions;
        self.shapes[pass.cell].warm.then(|| {
            if pass.probe {
                self.repetitions.round(self.block_of_probe(pass))
            } else if pass.warm_up {
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
    /// Whatever was complete when a run stopped, this continues it: the passes done before and
    /// these together are the passes of an uninterrupted run.
    pub fn remaining<'a>(
        &'a self,
        is_complete: impl Fn(&PlannedPass) -> bool + 'a,
    ) -> impl Iterator<Item = PlannedPass> + 'a {
        self.passes().filter(move |pass| !is_complete(pass))
    }

    /// Returns one repetition of everything, in its own order, with its probes.
    pub(super) fn block(&self, repetition: u32) -> impl Iterator<Item = PlannedPass> + use<> {
        let block = shuffled(
            self.slots().collect::<Vec<Slot>>(),
            self.seed,
            "repetition",
            repetition,
        );
        let block = block
            .into_iter()
            .map(|slot| slot.pass(false, repetition))
            .collect();
        let probes = self
            .deployed()
            .flat_map(|(cell, deployment)| self.probes_in(cell, deployment, repetition));
        self.with_probes(block, probes.collect(), repetition)
            .into_iter()
    }

    fn interleaved(&self) -> impl Iterator<Item = PlannedPass> + '_ {
        (1..=self.repetitions.count).flat_map(|repetition| self.block(repetition))
    }

    fn sequential(&self) -> impl Iterator<Item = PlannedPass> + '_ {
        self.deployed().flat_map(move |(cell, deployment)| {
            (1..=self.repetitions.count).flat_map(move |repetition| {
                let images = 0..self.shapes[cell].images;
                let block = images
                    .map(|image| {
                        Slot {
                            cell,
                            deployment,
                            image,
                        }
                        .pass(false, repetition)
                    })
                    .collect();
                let probes = self.probes_in(cell, deployment, repetition).collect();
                self.with_probes(block, probes, repetition)
            })
        })
    }

    pub(super) fn deployed(&self) -> impl Iterator<Item = (usize, u32)> + use<> {
        let deployments = self.repetitions.deployments;
        (0..self.shapes.len())
            .flat_map(move |cell| (1..=deployments).map(move |deployment| (cell, deployment)))
    }

    fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.shapes
            .iter()
            .enumerate()
            .flat_map(move |(cell, shape)| {
                (1..=self.repetitions.deployments).flat_map(move |deployment| {
                    (0..shape.images).map(move |image| Slot {
                        cell,
                        deployment,
                        image,
                    })
                })
            })
    }
}
