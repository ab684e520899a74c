//! What a run would do: its cells, whether this target can run them, and how much work that is.
//!
//! Manifest × Known × Capability → [`Plan`]. Pure and lazy: it computes the totals of a million
//! cells without holding them. Knows neither the order ([`crate::schedule`]) nor earlier
//! measurements.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use crate::besides::{self, Besides, Requests};
use crate::capability::{Capability, Demand, Obstacle};
use crate::cell::{Architecture, Cell, Start};
use crate::cost::PriceTable;
use crate::estimate::{Effort, Rates, hosting_usd};
use crate::event::PlannedCell;
use crate::manifest::{Known, KnownImageSet, Manifest, Repetitions};
use crate::matrix::{CellRef, FunctionLevels};
use crate::outcome;
use crate::pipeline::Stage;
use crate::schedule::lanes::{
    self, LaneCount, LaneLimits, Load, NEW_ACCOUNT_CONCURRENCY, SharedCalls, Span,
};
use crate::schedule::{CellShape, Schedule, probes};
use crate::snapshots::Snapshots;

/// Invocations that an account may run at once unless it is new. Source: AWS Lambda developer guide,
/// "Lambda quotas".
const USUAL_CONCURRENCY: u32 = 1000;

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
    /// Functions to deploy: one a stage and deployment of every (variant, runtime, architecture,
    /// memory, trigger, start, snapstart) in a runnable cell.
    pub functions: u64,
    /// Images through the whole pipeline that count.
    pub passes: u64,
    /// Images through the whole pipeline to warm environments up, in a run without interruption.
    pub warm_up_passes: u64,
    /// Images with pixels of their own through the whole pipeline, which tell whether code
    /// remembers outputs.
    pub probes: u64,
    /// Stage invocations, warm-ups and probes included, retries not.
    pub invocations: u64,
    /// Memory sizes of runnable cells, MB, whose share of processors the target does not have: they
    /// run slower than they would on AWS.
    pub short_of_cores: Vec<u32>,
    /// What it takes if every invocation takes as long as its stage's timeout allows and no
    /// repetition is done again, one pass after another.
    pub at_most: Effort,
    /// How long that is on the run's lanes: of an account whose limit is not known yet, once as a
    /// new account and once with the usual limit. Empty where there is one lane.
    pub at_most_on_lanes: Vec<Span>,
    /// What comes beside the functions' time.
    pub besides: Besides,
}

/// What a plan takes if its passes take as long as they did before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Expected {
    /// The run that was measured.
    pub run_id: String,
    /// Where it was: `local` or `aws`.
    pub target: String,
    /// Runnable cells that it holds; `effort` is theirs alone.
    pub cells: u64,
    /// One pass after another.
    pub effort: Effort,
    /// As in [`Summary::at_most_on_lanes`].
    pub on_lanes: Vec<Span>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NotRunnable {
    pub reason: String,
    pub cells: u64,
}

impl<'a> Plan<'a> {
    /// `known` must be what `manifest` was validated against.
    pub fn new(manifest: &'a Manifest, known: &'a Known, capability: &'a Capability) -> Self {
        Self {
            manifest,
            known,
            capability,
        }
    }

    /// Returns every cell in matrix order with what keeps it from running here, if anything does.
    pub fn cells(&self) -> impl Iterator<Item = (CellRef<'a>, Option<Obstacle<'a>>)> + use<'a> {
        let Self {
            manifest,
            known,
            capability,
        } = *self;
        manifest.matrix.cells().map(move |cell| {
            let (made_for, runtime) = known
                .variant(cell.variant)
                .map_or((&[][..], ""), |variant| {
                    (&variant.architectures[..], variant.runtime.as_str())
                });
            let demand = Demand::new(&cell, made_for, runtime);
            (cell, capability.obstacle(&demand))
        })
    }

    /// Returns every cell as the journal remembers it.
    pub fn planned_cells(&self) -> impl Iterator<Item = PlannedCell> + use<'a> {
        let Self {
            known, capability, ..
        } = *self;
        self.cells().map(move |(cell, obstacle)| {
            let variant = known.variant(cell.variant);
            let cell = cell.to_cell();
            PlannedCell {
                id: cell.id(),
                model: variant.and_then(|variant| variant.model.clone()),
                sample: variant.and_then(|variant| variant.sample),
                prompt: variant.and_then(|variant| variant.prompt.clone()),
                wrong_on_purpose: variant.is_some_and(|variant| variant.wrong_on_purpose),
                missing: variant
                    .map(|variant| variant.missing.clone())
                    .unwrap_or_default(),
                not_runnable: obstacle.map(|obstacle| capability.why_not(&obstacle)),
                cell,
            }
        })
    }

    /// Returns the schedule of these cells; [`crate::schedule::PlannedPass::cell`] is a position in
    /// `cells`.
    pub fn schedule<'c>(&self, cells: &'c [Cell]) -> Schedule {
        let Manifest {
            experiment,
            repetitions,
            schedule,
            ..
        } = self.manifest;
        let mut functions: HashMap<FunctionLevels<'c>, usize> = HashMap::new();
        let shape = |cell: &'c Cell| {
            let next = functions.len();
            CellShape {
                images: self
                    .known
                    .images(&experiment.pipeline, &cell.image_set)
                    .len(),
                warm: cell.start == Start::Warm,
                functions: *functions
                    .entry(cell.borrowed().function_levels())
                    .or_insert(next),
                concurrency: cell.concurrency,
            }
        };
        Schedule::new(
            cells.iter().map(shape).collect(),
            repetitions.clone(),
            schedule.order,
            experiment.seed,
        )
    }

    /// Returns how many lanes measure these cells, in an account that may run so many invocations at
    /// once.
    pub fn lanes(&self, cells: &[Cell], account: Option<u32>) -> LaneCount {
        let functions: BTreeSet<_> = cells
            .iter()
            .map(|cell| cell.borrowed().function_levels())
            .collect();
        let concurrency = cells.iter().map(|cell| cell.concurrency).max();
        let limits = self.lane_limits(functions.len(), concurrency.unwrap_or(1), account);
        lanes::count(self.manifest.lanes(), limits)
    }

    fn lane_limits(&self, functions: usize, concurrency: u32, account: Option<u32>) -> LaneLimits {
        let functions = u32::try_from(functions).unwrap_or(u32::MAX);
        LaneLimits {
            deployments: functions.saturating_mul(self.manifest.repetitions.deployments),
            concurrency,
            account,
        }
    }

    /// Returns how long this work takes on lanes; nothing where there is one lane.
    fn spans(
        &self,
        by_functions: &HashMap<FunctionLevels<'_>, f64>,
        concurrency: u32,
        shared: SharedCalls,
    ) -> Vec<Span> {
        let longest_s = by_functions.values().copied().fold(0.0, f64::max);
        let load = Load {
            all_s: by_functions.values().sum(),
            slowest_s: longest_s / f64::from(self.manifest.repetitions.deployments.max(1)),
            // Only where an account bounds what runs at once are there limits on calls.
            shared: if self.capability.account_bounds {
                shared
            } else {
                SharedCalls::default()
            },
        };
        let span = |account| {
            let limits = self.lane_limits(by_functions.len(), concurrency, account);
            lanes::span(self.manifest.lanes(), limits, load)
        };
        let mut spans: Vec<Span> = if self.capability.account_bounds {
            [NEW_ACCOUNT_CONCURRENCY, USUAL_CONCURRENCY]
                .map(|executions| span(Some(executions)))
                .into()
        } else {
            vec![span(None)]
        };
        spans.dedup_by(|a, b| a.lanes == b.lanes);
        spans.retain(|span| span.lanes > 1);
        spans
    }

    /// Returns the totals of the plan, without holding its cells.
    pub fn summary(&self, prices: Option<&PriceTable>) -> Summary {
        let pipeline = self.known.pipeline(&self.manifest.experiment.pipeline);
        let stages = self.stages();
        let timeouts_s: Vec<u32> = stages.iter().map(|stage| stage.timeout_s).collect();
        let longest_pass_s: f64 = timeouts_s.iter().copied().map(f64::from).sum();
        let dearest_pass_usd = |cell: &CellRef, prices| -> f64 {
            let cell = cell.to_cell();
            timeouts_s
                .iter()
                .map(|&timeout_s| hosting_usd(&cell, u64::from(timeout_s) * 1000, prices))
                .sum()
        };
        let mut dearest: HashMap<(Architecture, u32), f64> = HashMap::new();
        let work = self.work();
        let mut totals = Totals::default();
        for (cell, obstacle) in self.cells() {
            totals.cells += 1;
            if let Some(obstacle) = obstacle {
                *totals.obstacles.entry(obstacle).or_default() += 1;
                continue;
            }
            let called = self.called(stages, &cell);
            let levels = cell.function_levels();
            let functions = totals.deployed.entry(levels).or_default();
            functions.extend((0..stages.len()).filter(|index| called[*index]));
            if self.capability.is_short_of_cores(cell.memory_mb) {
                totals.short_of_cores.insert(cell.memory_mb);
            }
            let Passes {
                counted,
                warm_up,
                probes,
            } = work.of(&cell);
            totals.probes += probes;
            totals.passes += counted;
            totals.warm_up_passes += warm_up;
            let calls = called.iter().filter(|called| **called).count() as u64;
            totals.invocations += (counted + warm_up + probes) * calls;
            totals
                .shared
                .add(cell.trigger, cell.start, counted + warm_up + probes, calls);
            if cell.snapstart.is_on() {
                snapped(&mut totals.snapshots, &cell, counted + probes, calls);
            }
            let passes = (counted + warm_up + probes) as f64;
            if let Some(pipeline) = pipeline {
                totals
                    .requests
                    .add(besides::of_pass(pipeline, &cell.to_cell()), passes);
            }
            let longest_s = passes * longest_pass_s / f64::from(cell.concurrency.max(1));
            totals.longest_s += longest_s;
            *totals.longest_of_functions_s.entry(levels).or_default() += longest_s;
            totals.concurrency = totals.concurrency.max(cell.concurrency);
            if let Some(prices) = prices {
                let factors = (cell.architecture, cell.memory_mb);
                totals.dearest_usd += passes
                    * *dearest
                        .entry(factors)
                        .or_insert_with(|| dearest_pass_usd(&cell, prices));
            }
        }
        self.summarised(&totals, prices)
    }

    /// Returns what the plan takes by the rates of an earlier run; `None` when it measured none of
    /// these cells.
    pub fn expected(&self, rates: &Rates, prices: Option<&PriceTable>) -> Option<Expected> {
        if rates.is_empty() {
            return None;
        }
        let work = self.work();
        let (mut cells, mut seconds, mut usd) = (0, 0.0, 0.0);
        let (mut by_functions, mut concurrency) = (HashMap::new(), 1);
        let (mut shared, stages) = (SharedCalls::default(), self.stages());
        for (cell, _) in self.cells().filter(|(_, obstacle)| obstacle.is_none()) {
            let Some((each_s, each_usd)) = rates.pass(&cell.to_cell().id()) else {
                continue;
            };
            let Passes {
                counted,
                warm_up,
                probes,
            } = work.of(&cell);
            let passes = (counted + warm_up + probes) as f64;
            cells += 1;
            let whole_s = passes * each_s / f64::from(cell.concurrency.max(1));
            seconds += whole_s;
            *by_functions.entry(cell.function_levels()).or_default() += whole_s;
            concurrency = concurrency.max(cell.concurrency);
            let called = self.called(stages, &cell).into_iter().filter(|it| *it);
            let each = called.count() as u64;
            shared.add(cell.trigger, cell.start, counted + warm_up + probes, each);
            usd += passes * each_usd;
        }
        let effort = Effort {
            seconds,
            usd: prices.map(|_| usd),
        };
        (cells > 0).then(|| Expected {
            run_id: rates.run_id.clone(),
            target: rates.target.clone(),
            cells,
            effort,
            on_lanes: self.spans(&by_functions, concurrency, shared),
        })
    }

    fn stages(&self) -> &'a [Stage] {
        let pipeline = self.known.pipeline(&self.manifest.experiment.pipeline);
        pipeline.map_or(&[][..], |pipeline| &pipeline.stages)
    }

    fn work(&self) -> Work<'a> {
        let sets = self
            .known
            .pipelines
            .get(&self.manifest.experiment.pipeline)
            .map(|pipeline| &pipeline.image_sets);
        let images =
            |(name, set): (&'a String, &'a KnownImageSet)| (name.as_str(), set.images.len() as u64);
        Work {
            images: sets.into_iter().flatten().map(images).collect(),
            repetitions: self.manifest.repetitions.clone(),
        }
    }

    /// Returns which stages of a cell are called, by stage index.
    fn called(&self, stages: &[Stage], cell: &CellRef) -> Vec<bool> {
        let names = stages.iter().map(|stage| stage.name.as_str());
        match self.known.variant(cell.variant) {
            Some(variant) => outcome::called(names, &variant.missing, cell.input),
            None => vec![true; stages.len()],
        }
    }

    fn summarised(&self, totals: &Totals, prices: Option<&PriceTable>) -> Summary {
        let mut not_runnable: Vec<NotRunnable> = totals
            .obstacles
            .iter()
            .map(|(obstacle, &cells)| NotRunnable {
                reason: self.capability.why_not(obstacle),
                cells,
            })
            .collect();
        not_runnable.sort_by(|a, b| b.cells.cmp(&a.cells).then_with(|| a.reason.cmp(&b.reason)));
        let blocked: u64 = totals.obstacles.values().sum();
        let runnable = totals.cells - blocked;
        let functions = totals.deployed.values().map(BTreeSet::len).sum::<usize>() as u64
            * u64::from(self.manifest.repetitions.deployments);
        let invocations = totals.invocations;
        let snapshots = self.snapshots(totals);
        Summary {
            cells: totals.cells,
            runnable,
            not_runnable,
            functions,
            passes: totals.passes,
            warm_up_passes: totals.warm_up_passes,
            probes: totals.probes,
            invocations,
            short_of_cores: totals.short_of_cores.iter().copied().collect(),
            at_most: Effort {
                seconds: totals.longest_s,
                usd: prices.map(|_| totals.dearest_usd),
            },
            at_most_on_lanes: self.spans(
                &totals.longest_of_functions_s,
                totals.concurrency,
                totals.shared,
            ),
            besides: Besides::new(totals.requests, invocations, functions, snapshots, prices),
        }
    }

    /// Returns the snapshots and restores of the plan: those of cold passes, and of every function
    /// one for its deployment and one for each further round of warm environments.
    fn snapshots(&self, totals: &Totals) -> Snapshots {
        let repetitions = &self.manifest.repetitions;
        let mut snapshots = totals.snapshots;
        for (&(.., memory_mb, _, start, snapstart), stages) in &totals.deployed {
            if snapstart.is_off() {
                continue;
            }
            let functions = stages.len() as u64 * u64::from(repetitions.deployments);
            let rounds = match start {
                Start::Warm => u64::from(repetitions.rounds()),
                Start::Cold => 1,
            };
            snapshots.take(memory_mb, functions * rounds);
            if start == Start::Warm {
                snapshots.restore(memory_mb, functions * rounds);
            }
        }
        snapshots
    }
}

/// Counts the snapshots and restores of a cell's passes: in a cold one every function has a new
/// snapshot, and every call restores an environment.
fn snapped(snapshots: &mut Snapshots, cell: &CellRef, passes: u64, calls: u64) {
    if cell.start == Start::Cold {
        snapshots.take(cell.memory_mb, passes * calls);
        snapshots.restore(cell.memory_mb, passes * calls);
    }
}

/// How many passes a cell has.
struct Work<'a> {
    /// Image set → images in it.
    images: HashMap<&'a str, u64>,
    repetitions: Repetitions,
}

struct Passes {
    counted: u64,
    warm_up: u64,
    probes: u64,
}

impl Work<'_> {
    fn of(&self, cell: &CellRef) -> Passes {
        let Repetitions {
            count,
            warm_up,
            deployments,
            ..
        } = self.repetitions;
        // Each round of environments is warmed up, and of each as many as are used at once.
        let warm_up =
            u64::from(warm_up) * u64::from(self.repetitions.rounds()) * u64::from(cell.concurrency);
        let deployments = u64::from(deployments);
        let images = self.images.get(cell.image_set).copied().unwrap_or(0);
        Passes {
            counted: images * u64::from(count) * deployments,
            probes: probes(images, count, self.repetitions.vary_inputs) * deployments,
            warm_up: if cell.start == Start::Warm {
                warm_up * deployments
            } else {
                0
            },
        }
    }
}

#[derive(Debug, Default)]
struct Totals<'a> {
    cells: u64,
    passes: u64,
    warm_up_passes: u64,
    probes: u64,
    longest_s: f64,
    longest_of_functions_s: HashMap<FunctionLevels<'a>, f64>,
    /// The highest of a cell.
    concurrency: u32,
    shared: SharedCalls,
    dearest_usd: f64,
    requests: Requests,
    /// Of cold passes.
    snapshots: Snapshots,
    short_of_cores: BTreeSet<u32>,
    obstacles: HashMap<Obstacle<'a>, u64>,
    /// Stages that are called, by what functions of theirs are deployed for.
    deployed: HashMap<FunctionLevels<'a>, BTreeSet<usize>>,
    invocations: u64,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cell::Trigger;
    use crate::manifest::Lanes;
    use crate::manifest::tests::{known, manifest};
    use crate::schedule::Step;
    use crate::schedule::lanes::LaneBound;

    pub(crate) fn local() -> Capability {
        Capability {
            name: "the local cloud on this x86_64 machine".into(),
            architectures: vec![Architecture::X86_64],
            runtimes: vec!["python3.13".into(), "python3.14".into()],
            max_memory_mb: 10_240,
            triggers: vec![Trigger::Direct],
            starts: vec![Start::Warm],
            no_snapstart: Some("it takes no snapshots".into()),
            max_concurrency: 10,
            cores: None,
            billed: false,
            account_bounds: false,
            installs_runtimes: true,
        }
    }

    fn prices() -> PriceTable {
        PriceTable::parse(include_str!("../../../experiments/prices/us-east-1.toml")).unwrap()
    }

    /// Two variants x two architectures x two memory sizes, two images, five repetitions and one
    /// warm-up, deployed twice.
    fn summary() -> Summary {
        let mut manifest = manifest(&["pillow", "rust"], &[512, 1024]);
        manifest.matrix.architectures = Architecture::ALL.to_vec();
        manifest.repetitions.count = 5;
        manifest.repetitions.warm_up = 1;
        manifest.repetitions.deployments = 2;
        Plan::new(&manifest, &known(), &local()).summary(Some(&prices()))
    }

    #[test]
    fn totals_count_runnable_cells_and_say_why_the_others_are_not() {
        let summary = summary();
        assert_eq!((summary.cells, summary.runnable), (8, 4));
        let reason =
            "the local cloud on this x86_64 machine cannot run arm64 code, only x86_64".to_owned();
        assert_eq!(summary.not_runnable, [NotRunnable { reason, cells: 4 }]);
        // 4 cells x 2 images x 5 repetitions x 2 deployments, through 2 stages.
        assert_eq!(summary.passes, 80);
        assert_eq!(summary.warm_up_passes, 8);
        assert_eq!(summary.invocations, 176);
        assert_eq!(summary.functions, 4 * 2 * 2);
        // Stage timeouts of 10 s and 20 s.
        assert!((summary.at_most.seconds - 88.0 * 30.0).abs() < 1e-9);
        // 44 passes with 0.5 GB and 44 with 1 GB, 30 s each at $0.0000166667 a GB-second, and 176
        // requests.
        let usd = 44.0 * 1.5 * 30.0 * 0.000_016_666_7 + 176.0 * 0.20 / 1e6;
        assert!(
            (summary.at_most.usd.unwrap() - usd).abs() < 1e-9,
            "{summary:?}"
        );
        // A pass: an input put, and of each of 2 stages a GET and a PUT by its handler and three
        // looks by the runner.
        assert!(
            (summary.besides.s3_puts - 88.0 * 3.0).abs() < 1e-9,
            "{summary:?}"
        );
        assert!(
            (summary.besides.s3_gets - 88.0 * 8.0).abs() < 1e-9,
            "{summary:?}"
        );
        assert_eq!(
            (summary.besides.log_bytes, summary.besides.metrics),
            (176 * 1_100, 16 * 4 * 14)
        );
    }

    #[test]
    fn the_schedule_holds_exactly_the_passes_that_the_summary_counts() {
        let mut manifest = manifest(&["pillow", "rust"], &[512, 1024]);
        manifest.repetitions.deployments = 2;
        manifest.repetitions.renew_environments_every = Some(2);
        let (known, capability) = (known(), local());
        let plan = Plan::new(&manifest, &known, &capability);
        let cells: Vec<Cell> = plan
            .planned_cells()
            .filter(|cell| cell.not_runnable.is_none())
            .map(|planned| planned.cell)
            .collect();
        let schedule = plan.schedule(&cells);
        let session: Vec<_> = schedule
            .session(|_| false)
            .filter_map(|step| {
                if let Step::Pass(pass) = step {
                    Some(pass)
                } else {
                    None
                }
            })
            .collect();
        let warm_ups = session.iter().filter(|pass| pass.warm_up).count() as u64;
        // 4 cells in 2 deployments, warmed up once in each of 2 rounds of 2 and 1 repetitions.
        assert_eq!((warm_ups, plan.summary(None).warm_up_passes), (16, 16));
        assert_eq!(session.len() as u64 - warm_ups, plan.summary(None).passes);
    }

    #[test]
    fn as_many_environments_are_warmed_up_as_are_used_at_once() {
        let mut manifest = manifest(&["pillow"], &[512]);
        manifest.matrix.concurrency = vec![1, 4];
        manifest.repetitions.warm_up = 3;
        let summary = Plan::new(&manifest, &known(), &local()).summary(None);
        assert_eq!(summary.warm_up_passes, 3 + 3 * 4);
        // 2 images x 3 repetitions in both cells; four at a time take a quarter of the time.
        assert!(
            (summary.at_most.seconds - (9.0 + 18.0 / 4.0) * 30.0).abs() < 1e-9,
            "{summary:?}"
        );
    }

    #[test]
    fn lanes_shorten_a_plan_as_far_as_account_and_slowest_functions_let_them() {
        let mut manifest = manifest(&["pillow", "rust"], &[512, 1024, 2048, 3072, 4096, 5120]);
        let known = known();
        let span = |manifest: &Manifest, capability: &Capability| {
            let summary = Plan::new(manifest, &known, capability).summary(None);
            let of = |span: &Span| (span.lanes, span.bound, span.seconds);
            let spans: Vec<_> = summary.at_most_on_lanes.iter().map(of).collect();
            (summary.at_most.seconds, spans)
        };
        let (one_s, spans) = span(&manifest, &local());
        assert_eq!(spans, [], "the local cloud has one lane");
        manifest.schedule.lanes = Some(Lanes::Fixed(3));
        let (_, spans) = span(&manifest, &local());
        assert_eq!(spans, [(3, LaneBound::Asked, one_s / 3.0)]);
        manifest.schedule.lanes = Some(Lanes::Auto);
        let aws = Capability {
            account_bounds: true,
            ..local()
        };
        let (_, spans) = span(&manifest, &aws);
        assert_eq!(
            spans,
            [
                (8, LaneBound::Account, one_s / 8.0),
                (12, LaneBound::Deployments, one_s / 12.0)
            ]
        );
        manifest.matrix.trigger = vec![Trigger::S3];
        let triggered = Capability {
            triggers: vec![Trigger::S3],
            ..aws
        };
        manifest.repetitions.deployments = 10;
        let summary = Plan::new(&manifest, &known, &triggered).summary(None);
        let (_, spans) = span(&manifest, &triggered);
        let reads = summary.invocations * lanes::LOG_READS;
        assert_eq!(
            spans.last(),
            Some(&(64, LaneBound::Logs, reads as f64 / 4.0))
        );
    }

    #[test]
    fn memory_sizes_that_need_more_cores_than_there_are_are_named() {
        let manifest = manifest(&["pillow"], &[1769, 3538, 3539, 10_240]);
        let (known, capability) = (
            known(),
            Capability {
                cores: Some(2),
                ..local()
            },
        );
        assert_eq!(
            Plan::new(&manifest, &known, &capability)
                .summary(None)
                .short_of_cores,
            [3539, 10_240]
        );
        assert_eq!(
            Plan::new(&manifest, &known, &local())
                .summary(None)
                .short_of_cores,
            [0; 0]
        );
    }

    #[test]
    fn a_cell_that_cannot_run_is_planned_with_its_reason() {
        let mut manifest = manifest(&["pillow"], &[512]);
        manifest.matrix.architectures = Architecture::ALL.to_vec();
        let (known, capability) = (known(), local());
        let cells: Vec<_> = Plan::new(&manifest, &known, &capability)
            .planned_cells()
            .collect();
        assert_eq!(cells.len(), 2);
        assert_eq!(cells[0].not_runnable, None);
        assert!(
            cells[1]
                .not_runnable
                .as_ref()
                .unwrap()
                .contains("cannot run arm64 code")
        );
    }
}
