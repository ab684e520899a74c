//! What one session of a run does: the remaining passes, with warm-ups, renewals of environments
//! and looks between them.
//!
//! [`Schedule`] and what is complete → [`Step`]s. The schedule decides the order of passes; a
//! repetition's round does not depend on sessions.

use std::collections::{BTreeSet, HashSet};

use super::order::{PlannedPass, Schedule, Slot};
use super::shuffle::shuffled;
use crate::manifest::Order;

/// What a session does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Pass(PlannedPass),
    /// Retire the environments of these (cell, deployment): a round begins, and its warm-ups
    /// follow.
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

impl Schedule {
    /// Returns what one session of a run does: what is left, warm-ups before it, and renewals
    /// between rounds.
    ///
    /// A session starts with new environments, and so does every round after it, so every (cell,
    /// deployment) with anything left in a round is warmed up before it. Which round a repetition
    /// is of does not depend on sessions. Interleaved: all warm-ups of a round come first, in
    /// blocks of their own. Sequential: each just before its first pass.
    pub fn session<'a>(
        &'a self,
        is_complete: impl Fn(&PlannedPass) -> bool + Clone + 'a,
    ) -> Box<dyn Iterator<Item = Step> + 'a> {
        match self.order {
            Order::Interleaved => {
                let mut begun = HashSet::new();
                let rounds = (1..=self.repetitions.rounds()).flat_map(move |round| {
                    let left: BTreeSet<(usize, u32)> = self
                        .round(round, is_complete.clone())
                        .map(|pass| (pass.cell, pass.deployment))
                        .collect();
                    let warm = |at: &&(usize, u32)| self.shapes[at.0].warm;
                    let of: Vec<(usize, u32)> = left
                        .iter()
                        .filter(warm)
                        .filter(|at| begun.contains(*at))
                        .copied()
                        .collect();
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
                Box::new(
                    self.with_their_probes()
                        .filter(move |pass| !is_complete(pass))
                        .flat_map(move |pass| {
                            let round = self.round_of_block(&pass);
                            let at = (pass.cell, pass.deployment, round);
                            let last = before.replace(at);
                            let begins = last != Some(at);
                            let again = begins
                                && last.is_some_and(|(cell, deployment, _)| {
                                    (cell, deployment) == (at.0, at.1)
                                });
                            let of = vec![(pass.cell, pass.deployment)];
                            let renewal = (again && self.shapes[pass.cell].warm)
                                .then_some(Step::Renew { of, round });
                            let warm_ups = if begins {
                                self.warm_ups_of(pass.cell, pass.deployment, round)
                            } else {
                                Vec::new()
                            };
                            renewal
                                .into_iter()
                                .chain(warm_ups.into_iter().chain([pass]).map(Step::Pass))
                        }),
                )
            }
        }
    }

    /// Returns what is left of one round, interleaved.
    fn round<'a>(
        &'a self,
        round: u32,
        is_complete: impl Fn(&PlannedPass) -> bool + 'a,
    ) -> impl Iterator<Item = PlannedPass> + 'a {
        self.repetitions_of(round)
            .flat_map(|repetition| self.block(repetition))
            .filter(move |pass| !is_complete(pass))
    }

    /// The same, with a look after every block that asks for one, whatever was left of it.
    fn looked_at<'a>(
        &'a self,
        round: u32,
        is_complete: impl Fn(&PlannedPass) -> bool + Clone + 'a,
    ) -> impl Iterator<Item = Step> + 'a {
        self.repetitions_of(round).flat_map(move |repetitions| {
            let is_complete = is_complete.clone();
            let left = self
                .block(repetitions)
                .filter(move |pass| !is_complete(pass))
                .map(Step::Pass);
            let due = self
                .repetitions
                .until
                .is_some_and(|until| until.rule().is_look(repetitions));
            left.chain(due.then_some(Step::Look { repetitions }))
        })
    }

    fn repetitions_of(&self, round: u32) -> std::ops::RangeInclusive<u32> {
        let every = self
            .repetitions
            .renew_environments_every
            .unwrap_or(self.repetitions.count)
            .max(1);
        let first = (round - 1).saturating_mul(every).saturating_add(1);
        first..=first.saturating_add(every - 1).min(self.repetitions.count)
    }

    /// Warm-ups of a round: numbered on from those of the rounds before it.
    fn warm_up_blocks(
        &self,
        left: &BTreeSet<(usize, u32)>,
        round: u32,
    ) -> impl Iterator<Item = PlannedPass> + use<'_> {
        let deployed: Vec<(usize, u32)> = left
            .iter()
            .filter(|at| self.shapes[at.0].warm)
            .copied()
            .collect();
        self.warm_up_numbers(round).flat_map(move |number| {
            let block = shuffled(deployed.clone(), self.seed, "warm-up", number);
            block
                .into_iter()
                .map(move |(cell, deployment)| self.warm_up(cell, deployment, number))
        })
    }

    fn warm_ups_of(&self, cell: usize, deployment: u32, round: u32) -> Vec<PlannedPass> {
        let numbers = self
            .warm_up_numbers(round)
            .filter(|_| self.shapes[cell].warm);
        numbers
            .map(|number| self.warm_up(cell, deployment, number))
            .collect()
    }

    fn warm_up_numbers(&self, round: u32) -> std::ops::RangeInclusive<u32> {
        let before = (round - 1).saturating_mul(self.repetitions.warm_up);
        before.saturating_add(1)..=before.saturating_add(self.repetitions.warm_up)
    }

    /// Warm-ups go through the images in turn.
    fn warm_up(&self, cell: usize, deployment: u32, number: u32) -> PlannedPass {
        let image = (number as usize - 1) % self.shapes[cell].images.max(1);
        Slot {
            cell,
            deployment,
            image,
        }
        .pass(true, number)
    }
}
