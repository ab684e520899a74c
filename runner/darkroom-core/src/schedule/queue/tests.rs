//! Of what lanes take: by chance in what ends first, and by a clock that is only computed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::*;
use crate::manifest::{Order, Repetitions, StoppingMetric, Until};
use crate::schedule::simulated::{Happened, Taken, on_lanes};

fn repetitions(count: u32) -> Repetitions {
    Repetitions {
        count,
        warm_up: 1,
        deployments: 1,
        renew_environments_every: None,
        until: None,
        vary_inputs: false,
    }
}

fn shape(functions: usize, images: usize, concurrency: u32) -> CellShape {
    CellShape {
        images,
        warm: true,
        functions,
        concurrency,
    }
}

fn alone(cells: usize, images: usize) -> Vec<CellShape> {
    (0..cells).map(|cell| shape(cell, images, 1)).collect()
}

fn simulated(
    schedule: &Schedule,
    lanes: u32,
    is_complete: impl Fn(&PlannedPass) -> bool + Clone,
    mut duration_s: impl FnMut(&PassBatch, f64) -> f64,
) -> Vec<Happened> {
    let queue = schedule.queue(lanes, is_complete);
    on_lanes(queue, lanes, |starts| {
        duration_s(starts.batch, starts.now_s)
    })
}

fn taken(happened: &[Happened]) -> impl Iterator<Item = &Taken> {
    happened.iter().filter_map(|it| match it {
        Happened::Took(taken) => Some(taken),
        Happened::Alone(_) => None,
    })
}

fn by_chance(seed: u64) -> impl FnMut(&PassBatch, f64) -> f64 {
    let mut generator = ChaCha20Rng::seed_from_u64(seed);
    move |_, _| 1.0 + f64::from(generator.next_u32() % 1000)
}

#[derive(Clone, Debug)]
struct Case {
    schedule: Schedule,
    lanes: u32,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let shapes = prop::collection::vec((0_usize..4, 1_usize..4, 1_u32..4, any::<bool>()), 1..6);
    let counts = (1_u32..8, 0_u32..3, 1_u32..3);
    let renewed = prop::option::of(1_u32..5);
    (shapes, counts, renewed, 1_u32..8, any::<u64>()).prop_map(
        |(shapes, (count, warm_up, deployments), renewed, lanes, seed)| {
            let shapes = shapes
                .into_iter()
                .map(|(functions, images, concurrency, warm)| CellShape {
                    warm,
                    ..shape(functions, images, concurrency)
                });
            let repetitions = Repetitions {
                warm_up,
                deployments,
                renew_environments_every: renewed,
                ..repetitions(count)
            };
            let schedule = Schedule::new(shapes.collect(), repetitions, Order::Interleaved, seed);
            Case {
                schedule,
                lanes,
                seed,
            }
        },
    )
}

proptest! {
    #[test]
    fn every_planned_repetition_is_taken_exactly_once(case in cases(), complete in prop::collection::hash_set(0_usize..60, 0..30)) {
        let Case { schedule, lanes, seed } = case;
        let all: Vec<_> = schedule.passes().collect();
        let done: HashSet<_> = complete.iter().filter_map(|place| all.get(*place)).copied().collect();
        let happened = simulated(&schedule, lanes, |pass| done.contains(pass), by_chance(seed));
        let mut passes: Vec<_> = taken(&happened).flat_map(|it| it.batch.passes.clone()).collect();
        let mut planned: Vec<_> = schedule.session(|pass| done.contains(pass)).filter_map(|step| match step {
            Step::Pass(pass) => Some(pass),
            _ => None,
        }).collect();
        passes.sort();
        planned.sort();
        prop_assert_eq!(passes, planned);
    }

    #[test]
    fn functions_are_never_called_by_two_lanes_and_a_batch_is_no_larger_than_its_cell_allows(case in cases()) {
        let Case { schedule, lanes, seed } = case;
        let happened = simulated(&schedule, lanes, |_| false, by_chance(seed));
        let mut busy_until: HashMap<(usize, u32), f64> = HashMap::new();
        for Taken { batch, began_s: began, ended_s: ended, others: beside } in taken(&happened) {
            let first = batch.passes[0];
            prop_assert!(*beside < lanes as usize);
            prop_assert!(batch.passes.iter().all(|pass| (pass.cell, pass.deployment) == (first.cell, first.deployment)));
            prop_assert!(batch.passes.len() <= schedule.shapes[first.cell].concurrency as usize);
            let functions = (schedule.shapes[first.cell].functions, first.deployment);
            let free_at = busy_until.insert(functions, *ended).unwrap_or_default();
            prop_assert!(free_at <= *began, "{functions:?} were busy until {free_at}, and called at {began}");
        }
    }

    #[test]
    fn one_lane_takes_the_passes_in_the_order_of_the_schedule(case in cases()) {
        let one_each = case.schedule.shapes.iter().map(|shape| CellShape { concurrency: 1, ..*shape });
        let schedule = Schedule { shapes: one_each.collect(), ..case.schedule };
        let happened = simulated(&schedule, 1, |_| false, by_chance(case.seed));
        let order: Vec<Step> = happened.into_iter().flat_map(|it| match it {
            Happened::Took(taken) => taken.batch.passes.into_iter().map(Step::Pass).collect(),
            Happened::Alone(step) => vec![step],
        }).collect();
        prop_assert_eq!(order, schedule.session(|_| false).collect::<Vec<_>>());
    }

    #[test]
    fn a_block_begins_when_all_of_the_one_before_it_is_taken(case in cases()) {
        let one_each = case.schedule.shapes.iter().map(|shape| CellShape { concurrency: 1, ..*shape });
        let schedule = Schedule { shapes: one_each.collect(), ..case.schedule };
        let happened = simulated(&schedule, case.lanes, |_| false, by_chance(case.seed));
        let blocks: Vec<u32> = taken(&happened).flat_map(|it| &it.batch.passes).filter(|pass| !pass.warm_up).map(|pass| pass.repetition).collect();
        prop_assert!(blocks.is_sorted(), "{blocks:?}");
    }

    #[test]
    fn warm_ups_of_functions_come_before_their_passes(case in cases()) {
        let Case { schedule, lanes, seed } = case;
        let happened = simulated(&schedule, lanes, |_| false, by_chance(seed));
        let mut warmed: BTreeSet<(usize, u32)> = BTreeSet::new();
        for pass in taken(&happened).flat_map(|it| &it.batch.passes).filter(|pass| schedule.shapes[pass.cell].warm) {
            if pass.warm_up && !pass.probe {
                warmed.insert((pass.cell, pass.deployment));
            } else if schedule.repetitions.warm_up > 0 {
                prop_assert!(warmed.contains(&(pass.cell, pass.deployment)), "{pass:?}");
            }
        }
    }
}

#[test]
fn a_look_sees_whole_blocks_and_nothing_is_under_way() {
    let until = Until {
        metric: StoppingMetric::Duration,
        ci_half_width: 0.02,
        min: 10,
        max: 30,
    };
    let repetitions = Repetitions {
        until: Some(until),
        ..repetitions(30)
    };
    let schedule = Schedule::new(alone(5, 2), repetitions, Order::Interleaved, 7);
    let happened = simulated(&schedule, 4, |_| false, by_chance(7));
    let mut counted = 0;
    let mut looks = Vec::new();
    for it in &happened {
        match it {
            Happened::Took(taken) => {
                counted += taken.batch.passes.iter().filter(|it| !it.warm_up).count();
            }
            Happened::Alone(Step::Look { repetitions }) => {
                assert_eq!(counted, *repetitions as usize * 10);
                looks.push(*repetitions);
            }
            Happened::Alone(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(looks, [10, 20, 30]);
}

/// Where in a run the passes of each cell begin, on average over seeds: 0 its start, 1 its end.
fn mean_places(
    cells: usize,
    lanes: u32,
    duration_s: impl Fn(usize, f64) -> f64 + Copy,
) -> Vec<f64> {
    const SEEDS: u64 = 100;
    let mut sums = vec![(0.0, 0.0); cells];
    for seed in 0..SEEDS {
        let schedule = Schedule::new(alone(cells, 3), repetitions(10), Order::Interleaved, seed);
        let mut generator = ChaCha20Rng::seed_from_u64(seed);
        let happened = simulated(
            &schedule,
            lanes,
            |_| false,
            |batch, _| {
                let noise = 0.9 + 0.2 * f64::from(generator.next_u32()) / f64::from(u32::MAX);
                duration_s(batch.passes[0].cell, noise)
            },
        );
        let end = taken(&happened).map(|it| it.began_s).fold(0.0, f64::max);
        for Taken {
            batch,
            began_s: began,
            ..
        } in taken(&happened)
        {
            let sum = &mut sums[batch.passes[0].cell];
            (sum.0, sum.1) = (sum.0 + began / end, sum.1 + 1.0);
        }
    }
    sums.into_iter().map(|(sum, n)| sum / n).collect()
}

#[test]
fn over_many_seeds_position_in_time_is_independent_of_the_variant() {
    for lanes in [2, 4, 8] {
        // Cells that are equally fast are anywhere alike.
        for place in mean_places(8, lanes, |_, noise| noise) {
            assert!((place - 0.5).abs() < 0.01, "{lanes} lanes: {place}");
        }
        // And so are those that are eight times slower than others: to one turn of 30, whoever is
        // slow or fast.
        for place in mean_places(8, lanes, |cell, noise| noise * (cell + 1) as f64) {
            assert!((place - 0.5).abs() < 1.0 / 30.0, "{lanes} lanes: {place}");
        }
    }
}

#[test]
fn a_drift_over_the_run_makes_no_difference_between_cells() {
    let (cells, lanes) = (6, 4);
    let mut means = vec![Vec::new(); cells];
    for seed in 0..60 {
        let schedule = Schedule::new(alone(cells, 3), repetitions(20), Order::Interleaved, seed);
        // Cells 3 to 5 are those of 0 to 2 again, ten times as slow; all get slower by half.
        let speed = |cell: usize| if cell < 3 { 1.0 } else { 10.0 };
        let drifted = |now: f64| 1.0 + 0.5 * now / (60.0 * 13.0);
        let happened = simulated(
            &schedule,
            lanes,
            |_| false,
            |batch, now| speed(batch.passes[0].cell) * drifted(now),
        );
        let mut of_cells: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for Taken {
            batch,
            began_s: began,
            ..
        } in taken(&happened)
        {
            let of_cell = of_cells.entry(batch.passes[0].cell).or_default();
            of_cell.push(drifted(*began));
        }
        for (cell, values) in of_cells {
            means[cell].push(values.iter().sum::<f64>() / values.len() as f64);
        }
    }
    let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let means: Vec<f64> = means.iter().map(mean).collect();
    let (least, most) = means
        .iter()
        .fold((f64::MAX, 0.0_f64), |(a, b), it| (a.min(*it), b.max(*it)));
    assert!(most / least < 1.01, "{means:?}");
}

#[test]
fn lanes_shorten_a_run_to_what_its_slowest_functions_take() {
    let schedule = Schedule::new(alone(12, 2), repetitions(10), Order::Interleaved, 1);
    let all = schedule.session(|_| false).count() as f64;
    let took = |lanes, slowest: f64| {
        let happened = simulated(
            &schedule,
            lanes,
            |_| false,
            |batch, _| {
                if batch.passes[0].cell == 0 {
                    slowest
                } else {
                    1.0
                }
            },
        );
        taken(&happened).map(|it| it.ended_s).fold(0.0, f64::max)
    };
    let one = took(1, 1.0);
    assert!((one - all).abs() < 1e-9, "{one} of {all}");
    for lanes in [2, 4, 6] {
        let ratio = one / took(lanes, 1.0);
        assert!(
            ratio > 0.8 * f64::from(lanes),
            "{lanes} lanes: {ratio} times"
        );
    }
    // Those of one cell come one after another, and hold nobody up beyond that.
    let slow = took(12, 5.0);
    assert!(slow < 1.1 * 5.0 * all / 12.0, "{slow}");
}
