//! What a run would do: cells, whether this target can run them, and how much work that is.
//!
//! Manifest × Known × Capability → [`Plan`]. Pure and lazy: totals of a million cells are computed without holding them.
//! Knows nothing of order ([`crate::schedule`]) or of what was already measured.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::capability::{Capability, Demand, Obstacle};
use crate::cell::{Architecture, Cell, Start};
use crate::event::PlannedCell;
use crate::manifest::{Known, Manifest};
use crate::matrix::CellRef;
use crate::schedule::{CellShape, Schedule};

/// A manifest seen against what is known and what the target can do.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    manifest: &'a Manifest,
    known: &'a Known,
    capability: &'a Capability,
}

/// How much work a plan is. Everything but `cells` and `not_runnable` counts runnable cells only.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Cells of the matrix, runnable or not.
    pub cells: u64,
    pub runnable: u64,
    /// Sentences that say why, and how many cells each keeps from running, the most first.
    pub not_runnable: Vec<NotRunnable>,
    /// Functions to deploy: one a stage and deployment of every (variant, architecture, memory) in a runnable cell.
    pub functions: u64,
    /// Images through the whole pipeline that count.
    pub passes: u64,
    /// Images through the whole pipeline to warm environments up, in a run without interruption.
    pub warm_up_passes: u64,
    /// Stage invocations, warm-ups included, retries not.
    pub invocations: u64,
    /// Time the passes take if every invocation takes as long as its stage's timeout allows, s.
    pub longest_s: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NotRunnable {
    pub reason: String,
    pub cells: u64,
}

impl<'a> Plan<'a> {
    /// `known` must be what `manifest` was validated against.
    pub fn new(manifest: &'a Manifest, known: &'a Known, capability: &'a Capability) -> Self {
        Self { manifest, known, capability }
    }

    /// Returns every cell in matrix order with what keeps it from running here, if anything does.
    pub fn cells(&self) -> impl Iterator<Item = (CellRef<'a>, Option<Obstacle<'a>>)> + use<'a> {
        let Self { manifest, known, capability } = *self;
        manifest.matrix.cells().map(move |cell| {
            let made_for = known.variant(cell.variant).map_or(&[][..], |variant| &variant.architectures);
            (cell, capability.obstacle(&Demand::new(&cell, made_for)))
        })
    }

    /// Returns every cell as the journal remembers it.
    pub fn planned_cells(&self) -> impl Iterator<Item = PlannedCell> + use<'a> {
        let Self { known, capability, .. } = *self;
        self.cells().map(move |(cell, obstacle)| {
            let variant = known.variant(cell.variant);
            let cell = cell.to_cell();
            PlannedCell {
                id: cell.id(),
                model: variant.and_then(|variant| variant.model.clone()),
                sample: variant.and_then(|variant| variant.sample),
                not_runnable: obstacle.map(|obstacle| capability.why_not(&obstacle)),
                cell,
            }
        })
    }

    /// Returns the schedule of these cells; [`crate::schedule::PlannedPass::cell`] is a position in `cells`.
    pub fn schedule(&self, cells: &[Cell]) -> Schedule {
        let Manifest { experiment, repetitions, schedule, .. } = self.manifest;
        let shape = |cell: &Cell| CellShape {
            images: self.known.images(&experiment.pipeline, &cell.image_set).len(),
            warm: cell.start == Start::Warm,
        };
        Schedule::new(cells.iter().map(shape).collect(), repetitions.clone(), schedule.order, experiment.seed)
    }

    /// Returns the totals of the plan, without holding its cells.
    pub fn summary(&self) -> Summary {
        let pipeline = &self.manifest.experiment.pipeline;
        let stages = self.known.pipeline(pipeline).map_or(&[][..], |pipeline| &pipeline.stages);
        let longest_pass_s: f64 = stages.iter().map(|stage| f64::from(stage.timeout_s)).sum();
        let images: HashMap<&str, u64> = self.known.pipelines.get(pipeline).map_or_else(HashMap::new, |pipeline| {
            pipeline.image_sets.iter().map(|(name, set)| (name.as_str(), set.images.len() as u64)).collect()
        });
        let repetitions = &self.manifest.repetitions;
        let (count, warm_up) = (u64::from(repetitions.count), u64::from(repetitions.warm_up));
        let deployments = u64::from(repetitions.deployments);

        let mut totals = Totals::default();
        for (cell, obstacle) in self.cells() {
            totals.cells += 1;
            if let Some(obstacle) = obstacle {
                *totals.obstacles.entry(obstacle).or_default() += 1;
                continue;
            }
            totals.deployed.insert((cell.variant, cell.architecture, cell.memory_mb));
            let passes = images.get(cell.image_set).copied().unwrap_or(0) * count * deployments;
            let warm_ups = if cell.start == Start::Warm { warm_up * deployments } else { 0 };
            totals.passes += passes;
            totals.warm_up_passes += warm_ups;
            totals.longest_s += (passes + warm_ups) as f64 * longest_pass_s / f64::from(cell.concurrency.max(1));
        }
        self.summarised(&totals, stages.len() as u64)
    }

    fn summarised(&self, totals: &Totals, stages: u64) -> Summary {
        let mut not_runnable: Vec<NotRunnable> = totals
            .obstacles
            .iter()
            .map(|(obstacle, &cells)| NotRunnable { reason: self.capability.why_not(obstacle), cells })
            .collect();
        not_runnable.sort_by(|a, b| b.cells.cmp(&a.cells).then_with(|| a.reason.cmp(&b.reason)));
        let blocked: u64 = totals.obstacles.values().sum();
        let runnable = totals.cells - blocked;
        Summary {
            cells: totals.cells,
            runnable,
            not_runnable,
            functions: totals.deployed.len() as u64 * stages * u64::from(self.manifest.repetitions.deployments),
            passes: totals.passes,
            warm_up_passes: totals.warm_up_passes,
            invocations: (totals.passes + totals.warm_up_passes) * stages,
            longest_s: totals.longest_s,
        }
    }
}

#[derive(Debug, Default)]
struct Totals<'a> {
    cells: u64,
    passes: u64,
    warm_up_passes: u64,
    longest_s: f64,
    obstacles: HashMap<Obstacle<'a>, u64>,
    deployed: HashSet<(&'a str, Architecture, u32)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Trigger;
    use crate::manifest::tests::{known, manifest};

    fn local() -> Capability {
        Capability {
            name: "the local cloud on this x86_64 machine".into(),
            architectures: vec![Architecture::X86_64],
            max_memory_mb: 10_240,
            triggers: vec![Trigger::Direct],
            starts: vec![Start::Warm],
            max_concurrency: 10,
        }
    }

    /// Two variants x two architectures x two memory sizes, two images, five repetitions and one warm-up, deployed twice.
    fn summary() -> Summary {
        let mut manifest = manifest(&["pillow", "rust"], &[512, 1024]);
        manifest.matrix.architectures = Architecture::ALL.to_vec();
        manifest.repetitions.count = 5;
        manifest.repetitions.warm_up = 1;
        manifest.repetitions.deployments = 2;
        Plan::new(&manifest, &known(), &local()).summary()
    }

    #[test]
    fn totals_count_runnable_cells_and_say_why_the_others_are_not() {
        let summary = summary();
        assert_eq!((summary.cells, summary.runnable), (8, 4));
        let reason = "the local cloud on this x86_64 machine can't run arm64 code, only x86_64".to_owned();
        assert_eq!(summary.not_runnable, [NotRunnable { reason, cells: 4 }]);
        // 4 cells x 2 images x 5 repetitions x 2 deployments, through 2 stages.
        assert_eq!(summary.passes, 80);
        assert_eq!(summary.warm_up_passes, 8);
        assert_eq!(summary.invocations, 176);
        assert_eq!(summary.functions, 4 * 2 * 2);
        // Stage timeouts of 10 s and 20 s.
        assert!((summary.longest_s - 88.0 * 30.0).abs() < 1e-9);
    }

    #[test]
    fn the_schedule_holds_exactly_the_passes_that_the_summary_counts() {
        let mut manifest = manifest(&["pillow", "rust"], &[512, 1024]);
        manifest.repetitions.deployments = 2;
        let (known, capability) = (known(), local());
        let plan = Plan::new(&manifest, &known, &capability);
        let cells: Vec<Cell> =
            plan.planned_cells().filter(|cell| cell.not_runnable.is_none()).map(|planned| planned.cell).collect();
        let session: Vec<_> = plan.schedule(&cells).session(|_| false).collect();
        let warm_ups = session.iter().filter(|pass| pass.warm_up).count() as u64;
        assert_eq!(warm_ups, plan.summary().warm_up_passes);
        assert_eq!(session.len() as u64 - warm_ups, plan.summary().passes);
    }

    #[test]
    fn a_cell_that_cannot_run_is_planned_with_its_reason() {
        let mut manifest = manifest(&["pillow"], &[512]);
        manifest.matrix.architectures = Architecture::ALL.to_vec();
        let (known, capability) = (known(), local());
        let cells: Vec<_> = Plan::new(&manifest, &known, &capability).planned_cells().collect();
        assert_eq!(cells.len(), 2);
        assert_eq!(cells[0].not_runnable, None);
        assert!(cells[1].not_runnable.as_ref().unwrap().contains("can't run arm64 code"));
    }
}
