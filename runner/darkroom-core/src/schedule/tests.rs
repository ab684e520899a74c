//! Of orders, and of sessions that take a run up.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::manifest::{Order, Repetitions, StoppingMetric, Until};

/// A cell that runs one pass at a time.
fn shape(images: usize, warm: bool) -> CellShape {
    CellShape {
        images,
        warm,
        functions: 0,
        concurrency: 1,
    }
}

fn schedule(
    images: &[usize],
    (count, warm_up, deployments): (u32, u32, u32),
    order: Order,
) -> Schedule {
    let shapes = images.iter().map(|&images| shape(images, true)).collect();
    Schedule::new(
        shapes,
        Repetitions {
            count,
            warm_up,
            deployments,
            renew_environments_every: None,
            until: None,
            vary_inputs: false,
        },
        order,
        562,
    )
}

/// A session's passes, without renewals.
fn passes_of<'a>(
    session: Box<dyn Iterator<Item = Step> + 'a>,
) -> impl Iterator<Item = PlannedPass> + 'a {
    session.filter_map(|step| {
        if let Step::Pass(pass) = step {
            Some(pass)
        } else {
            None
        }
    })
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
    let shapes = vec![shape(1, true), shape(1, false)];
    let repetitions = Repetitions {
        count: 5,
        warm_up: 1,
        deployments: 1,
        renew_environments_every: Some(2),
        until: None,
        vary_inputs: false,
    };
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
    // Another session takes up in the middle of the second round: its environments are new, and
    // stay for that round.
    let rest = steps(sequential.session(|pass| pass.cell == 1 || pass.repetition < 4));
    assert_eq!(
        rest,
        [
            "c0d1i0w2",
            "c0d1i0r4",
            "renew3:[(0, 1)]",
            "c0d1i0w3",
            "c0d1i0r5"
        ]
    );

    let interleaved = Schedule::new(shapes, repetitions, Order::Interleaved, 1);
    for pass in passes_of(interleaved.session(|_| false)) {
        let round = if pass.warm_up {
            pass.repetition
        } else {
            pass.repetition.div_ceil(2)
        };
        assert_eq!(
            interleaved.round_of(&pass),
            (pass.cell == 0).then_some(round),
            "{pass:?}"
        );
    }
    let steps = steps(interleaved.session(|_| false));
    let renewals: Vec<usize> = (0..steps.len())
        .filter(|&i| steps[i].starts_with("renew"))
        .collect();
    // A warm-up and 2 x 2 passes, a renewal and as much again, a renewal, a warm-up and 2 passes.
    // Cold cells never.
    assert_eq!(renewals, [5, 11]);
    assert_eq!(
        (steps[5].as_str(), steps[6].as_str(), steps[12].as_str()),
        ("renew2:[(0, 1)]", "c0d1i0w2", "c0d1i0w3")
    );
    assert_eq!(steps.len(), 15);
}

#[test]
fn looks_come_after_whole_blocks_before_a_renewal_and_whatever_was_done_before() {
    let until = Until {
        metric: StoppingMetric::Turnaround,
        ci_half_width: 0.1,
        min: 10,
        max: 25,
    };
    let repetitions = Repetitions {
        count: 25,
        warm_up: 1,
        deployments: 1,
        renew_environments_every: Some(10),
        until: Some(until),
        vary_inputs: false,
    };
    let shapes = vec![shape(2, true); 2];
    let schedule = Schedule::new(shapes, repetitions, Order::Interleaved, 1);
    let mut all = steps(schedule.session(|_| false));
    all.retain(|step| !step.contains('p'));
    let at = |step: &str| all.iter().position(|it| it == step).unwrap();
    // A warm-up of each cell, 10 blocks of 4, the look; then the renewal of both.
    assert_eq!(
        (at("look10"), all[43].as_str()),
        (42, "renew2:[(0, 1), (1, 1)]")
    );
    let looks: Vec<&String> = all.iter().filter(|step| step.starts_with("look")).collect();
    assert_eq!(looks, ["look10", "look20", "look25"]);
    assert_eq!(all.last().unwrap(), "look25");
    let rest = steps(schedule.session(|pass| pass.repetition <= 22));
    assert_eq!(&rest[..2], ["look10", "look20"]);
    assert_eq!(
        steps(
            schedule
                .clone()
                .settled_at(20)
                .session(|pass| pass.repetition <= 20)
        ),
        [""; 0]
    );
    assert_eq!(schedule.settled_at(20).len(), 80);
}

#[test]
fn a_round_that_was_done_before_needs_no_renewal() {
    let repetitions = Repetitions {
        count: 4,
        warm_up: 1,
        deployments: 1,
        renew_environments_every: Some(2),
        until: None,
        vary_inputs: false,
    };
    for order in [Order::Interleaved, Order::Sequential] {
        let schedule = Schedule::new(vec![shape(1, true)], repetitions.clone(), order, 1);
        let rest = steps(schedule.session(|pass| pass.repetition <= 2));
        assert_eq!(rest, ["c0d1i0w2", "c0d1i0r3", "c0d1i0r4"]);
    }
}

fn spelt(passes: impl Iterator<Item = PlannedPass>) -> Vec<String> {
    passes
        .map(|pass| {
            let kind = if pass.probe {
                "p"
            } else if pass.warm_up {
                "w"
            } else {
                "r"
            };
            format!(
                "c{}d{}i{}{kind}{}",
                pass.cell, pass.deployment, pass.image, pass.repetition
            )
        })
        .collect()
}

#[test]
fn sequential_finishes_a_cell_before_the_next() {
    let order = schedule(&[2, 1], (2, 0, 1), Order::Sequential);
    assert_eq!(
        spelt(order.passes()),
        [
            "c0d1i0r1", "c0d1i1r1", "c0d1i0r2", "c0d1i1r2", "c1d1i0r1", "c1d1i0r2"
        ]
    );
}

/// Golden: if this changes, old runs can no longer be resumed and their order no longer be
/// reproduced.
#[test]
fn the_interleaved_order_of_a_seed_never_changes() {
    let order = schedule(&[2, 2], (2, 0, 1), Order::Interleaved);
    insta::assert_snapshot!(spelt(order.passes()).join(" "));
}

/// What `run --extend` builds on.
#[test]
fn more_repetitions_are_further_blocks_after_the_same_ones() {
    let order = |count| spelt(schedule(&[2, 3], (count, 0, 2), Order::Interleaved).passes());
    let (few, many) = (order(2), order(5));
    assert_eq!(few, many[..few.len()]);
    assert_eq!(many.len(), 5 * 2 * (2 + 3));
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
    let shapes = vec![shape(1, false), shape(1, true)];
    let repetitions = Repetitions {
        count: 1,
        warm_up: 2,
        deployments: 1,
        renew_environments_every: None,
        until: None,
        vary_inputs: false,
    };
    for order in [Order::Interleaved, Order::Sequential] {
        let schedule = Schedule::new(shapes.clone(), repetitions.clone(), order, 1);
        let warm_ups = |cell| {
            passes_of(schedule.session(|_| false)).filter(move |it| it.warm_up && it.cell == cell)
        };
        assert_eq!((warm_ups(0).count(), warm_ups(1).count()), (0, 2));
        assert_eq!(
            spelt(passes_of(schedule.session(|pass| pass.cell == 1))),
            ["c0d1i0r1"]
        );
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
    let chi2: f64 = firsts
        .iter()
        .map(|&n| (f64::from(n) - expected).powi(2) / expected)
        .sum();
    assert!(chi2 < 16.27, "{firsts:?}");
}

fn probes_of(schedule: &Schedule) -> Vec<String> {
    spelt(passes_of(schedule.session(|_| false)).filter(|pass| pass.probe))
}

#[test]
fn a_run_with_enough_passes_has_probes_and_one_with_fewer_has_none() {
    for (images, count, probes) in [
        (6, 2, 6),
        (2, 6, 6),
        (1, 12, 6),
        (6, 100, 75),
        (1, 100, 12),
        (12, 1, 0),
        (1, 11, 0),
    ] {
        for order in [Order::Interleaved, Order::Sequential] {
            let schedule = schedule(&[images], (count, 1, 1), order);
            assert_eq!(
                probes_of(&schedule).len(),
                probes,
                "{images} images, {count} repetitions"
            );
            assert_eq!(schedule.probes(), probes as u64);
            assert_eq!(
                schedule.len(),
                images as u64 * u64::from(count),
                "probes are not counted"
            );
        }
    }
}

#[test]
fn every_deployment_probes_its_images_in_turn_from_the_second_block_on() {
    let schedule = schedule(&[6, 6], (3, 0, 2), Order::Interleaved);
    let all: Vec<_> = passes_of(schedule.session(|_| false)).collect();
    let first = all.iter().position(|pass| pass.probe).unwrap();
    assert!(
        all[..first]
            .iter()
            .filter(|pass| pass.repetition == 1)
            .count()
            == 24,
        "the first block comes before"
    );
    for cell in 0..2 {
        for deployment in 1..=2 {
            let here = all
                .iter()
                .filter(|pass| pass.probe && (pass.cell, pass.deployment) == (cell, deployment));
            let mut images: Vec<_> = here.map(|pass| (pass.repetition, pass.image)).collect();
            images.sort_unstable();
            assert_eq!(images, (1..=6).zip(0..6).collect::<Vec<_>>());
        }
    }
}

#[test]
fn probes_that_were_done_are_passed_over_and_more_repetitions_keep_them() {
    let order = |count| schedule(&[6, 2], (count, 0, 1), Order::Interleaved);
    let few: Vec<_> = passes_of(order(6).session(|_| false)).collect();
    let many: Vec<_> = passes_of(order(20).session(|_| false))
        .take(few.len())
        .collect();
    assert_eq!(few, many);
    let half = order(6);
    let rest = passes_of(half.session(|pass| pass.probe && pass.repetition <= 2))
        .filter(|pass| pass.probe);
    assert_eq!(spelt(rest).len(), 4 + 4);
}

#[test]
fn where_every_repetition_has_pixels_of_its_own_there_are_no_probes() {
    let repetitions = Repetitions {
        count: 20,
        vary_inputs: true,
        ..Repetitions::default()
    };
    let schedule = Schedule::new(vec![shape(6, true)], repetitions, Order::Interleaved, 1);
    assert_eq!(probes_of(&schedule), [""; 0]);
}

#[test]
fn a_probe_meets_the_round_of_environments_of_its_block() {
    let repetitions = Repetitions {
        count: 12,
        renew_environments_every: Some(4),
        ..Repetitions::default()
    };
    for order in [Order::Interleaved, Order::Sequential] {
        let schedule = Schedule::new(vec![shape(1, true)], repetitions.clone(), order, 1);
        let mut block = 0;
        for pass in passes_of(schedule.session(|_| false)) {
            if pass.probe {
                assert_eq!(
                    schedule.round_of(&pass),
                    Some((block - 1) / 4 + 1),
                    "{pass:?} in block {block}"
                );
            } else if !pass.warm_up {
                block = pass.repetition;
            }
        }
    }
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
        let shapes: Vec<_> = images.iter().map(|&images| shape(images, true)).collect();
        let schedule = Schedule::new(shapes, Repetitions { count, warm_up: 0, deployments, renew_environments_every: None, until: None, vary_inputs: false }, order, seed);
        let mut expected = Vec::new();
        for (cell, &images) in images.iter().enumerate() {
            for deployment in 1..=deployments { for image in 0..images { for repetition in 1..=count {
                expected.push(PlannedPass { cell, deployment, image, warm_up: false, probe: false, repetition });
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
        images in prop::collection::vec(1_usize..4, 1..4), count in 1_u32..7, deployments in 1_u32..3,
        order in any_order(), seed: u64, sessions in prop::collection::vec(0_usize..12, 0..6),
        renew_environments_every in prop::option::of(1_u32..5),
    ) {
        let shapes: Vec<_> = images.iter().map(|&images| shape(images, true)).collect();
        let schedule = Schedule::new(shapes, Repetitions { count, warm_up: 1, deployments, renew_environments_every, until: None, vary_inputs: false }, order, seed);
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
        let shapes = vec![shape(2, true); 3];
        let schedule = Schedule::new(shapes, Repetitions { count: 4, warm_up: 0, deployments: 1, renew_environments_every: None, until: None, vary_inputs: false }, order, seed);
        let all: Vec<_> = schedule.passes().collect();
        let done: HashSet<_> = complete.iter().map(|&index| all[index]).collect();
        let expected: Vec<_> = all.iter().filter(|pass| !done.contains(pass)).copied().collect();
        prop_assert_eq!(schedule.remaining(|pass| done.contains(pass)).collect::<Vec<_>>(), expected);
    }
}
