//! Each reason to be careful is said beside its number when it is so, and only then.

use darkroom_core::cell::Cell;
use darkroom_core::event::{Event, Status};

use crate::journal::{Journal, Pass, cell, environment_seen};
use crate::{IMAGES, Made, journal, started, with_status};

const SAYINGS: [(&str, &str); 9] = [
    ("unchecked", "Outputs were not checked"),
    ("survivors", "Means include only successful invocations"),
    ("single", "A single measurement"),
    ("small", "With fewer than 10 measurements"),
    ("equal", "All values are equal"),
    ("drift", "Not stationary"),
    (
        "autocorrelated",
        "Consecutive measurements resemble each other",
    ),
    (
        "deployments",
        "The same code deployed under another name differed",
    ),
    ("images", "Most of the spread is not noise"),
];
const ENVIRONMENTS: &str = "Environments of one deployment differed";

fn two() -> [(Cell, f64); 2] {
    [(cell("pillow"), 100.0), (cell("rust"), 50.0)]
}

/// What is said beside the runtime of the first stage.
fn said(made: &Made) -> Vec<&'static str> {
    let notes = made.figure("runtime-greyscale").notes.join("\n");
    let page = made.html();
    let mut said = Vec::new();
    for (name, saying) in SAYINGS {
        if notes.contains(saying) {
            assert!(
                page.contains(saying),
                "{saying} is of the figure and not on the page"
            );
            said.push(name);
        }
    }
    said
}

#[test]
fn of_a_sound_sample_nothing_is_said() {
    assert_eq!(said(&Made::of(&journal(&two(), 40, 2, |_| 1.0))), [""; 0]);
}

#[test]
fn drift_is_said_with_its_direction_and_size() {
    let made = Made::of(&journal(&two(), 40, 1, |at| {
        1.0 + f64::from(at.place) * 0.005
    }));
    let said = said(&made);
    assert!(said.contains(&"drift"), "{said:?}");
    let notes = made.figure("runtime-greyscale").notes.join("\n");
    assert!(
        notes.contains("pillow (rose over the run, Kendall's tau 0.9"),
        "{notes}"
    );
    assert!(notes.contains("above the first's"), "{notes}");
}

#[test]
fn autocorrelation_without_a_trend_is_said_as_such() {
    let made = Made::of(&journal(&two(), 40, 1, |at| {
        1.0 + 0.3 * (f64::from(at.place) / 2.5).sin()
    }));
    assert_eq!(said(&made), ["autocorrelated"]);
}

#[test]
fn failures_are_counted_beside_the_mean_of_the_survivors() {
    let failing = |at: crate::At| {
        if at.place % 10 == 3 {
            Status::FunctionError
        } else {
            Status::Ok
        }
    };
    let made = Made::of(&with_status(&two(), 40, 1, |_| 1.0, failing));
    assert_eq!(said(&made), ["survivors"]);
    assert!(made.figure("runtime-greyscale").notes[0].contains("pillow (8 of 80 failed)"));
    assert!(made.html().contains("Before you believe these turnarounds"));
}

#[test]
fn few_measurements_are_called_few_and_one_is_called_one() {
    let few = said(&Made::of(&journal(&two(), 4, 1, |_| 1.0)));
    assert!(
        few.contains(&"small") && !few.contains(&"single"),
        "{few:?}"
    );
    let mut journal = Journal::of(&[cell("pillow")]);
    journal
        .pass(&crate::journal::Pass::of(&cell("pillow"), 1, 100.0))
        .check_all(&cell("pillow"));
    assert_eq!(said(&Made::of(&journal)), ["single"]);
}

#[test]
fn equal_values_are_not_taken_for_certainty() {
    let mut journal = Journal::of(&[cell("pillow")]);
    for repetition in 1..=20 {
        journal.pass(&crate::journal::Pass::of(
            &cell("pillow"),
            repetition,
            100.0,
        ));
    }
    journal.check_all(&cell("pillow"));
    assert_eq!(said(&Made::of(&journal)), ["equal"]);
}

#[test]
fn spread_is_said_to_be_of_images_or_of_deployments_where_it_is() {
    let images = |at: crate::At| [1.0, 3.0][at.image];
    assert!(said(&Made::of(&journal(&two(), 40, 2, images))).contains(&"images"));
    let hosts = |at: crate::At| if at.deployment == 2 { 1.3 } else { 1.0 };
    let said = said(&Made::of(&journal(&two(), 40, 2, hosts)));
    assert!(
        said.contains(&"deployments") && !said.contains(&"images"),
        "{said:?}"
    );
}

#[test]
fn spread_is_said_to_be_of_environments_where_it_is() {
    let round = |at: crate::At| if (at.place / 20) % 2 == 1 { 1.3 } else { 1.0 };
    for apart in [false, true] {
        let mut journal = journal(&two(), 40, 1, |at| if apart { round(at) } else { 1.0 });
        let invocations: Vec<(u64, u64)> = journal
            .events
            .iter()
            .filter_map(|event| match event {
                Event::InvocationFinished(of) => {
                    Some((of.sequence, u64::from(of.pass.repetition - 1) / 10))
                }
                _ => None,
            })
            .collect();
        journal.events.extend(
            invocations
                .iter()
                .map(|(at, round)| environment_seen(*at, &format!("environment-{round}"))),
        );
        let notes = Made::of(&journal)
            .figure("runtime-greyscale")
            .notes
            .join("\n");
        assert_eq!(notes.contains(ENVIRONMENTS), apart, "{notes}");
    }
}

#[test]
fn work_that_nobody_checked_is_never_called_right() {
    let mut journal = journal(&two(), 40, 1, |_| 1.0);
    journal
        .events
        .retain(|event| !matches!(event, Event::OutputChecked(_)));
    let made = Made::of(&journal);
    assert_eq!(said(&made), ["unchecked"]);
    let page = made.html();
    assert!(
        page.contains("No output was checked, so nothing is known to be right"),
        "the answer"
    );
    assert!(
        page.contains("pillow (unchecked)") && page.contains("not compared: outputs not checked")
    );
    assert!(!page.contains("meet the contract") && !page.contains("(WRONG)"));
}

#[test]
fn a_claim_against_the_lowest_mean_is_never_no_difference() {
    // Failed passes of the large image make rust's mean the lower one; where both have a pass, pillow
    // is faster.
    let cells = [(cell("pillow"), 93.0), (cell("rust"), 100.0)];
    let large = |at: crate::At| if at.image == 1 { 20.0 } else { 1.0 };
    let fails = |at: crate::At| {
        if at.cell == 1 && at.place % 10 == 1 {
            Status::FunctionError
        } else {
            Status::Ok
        }
    };
    let page = Made::of(&with_status(&cells, 15, 1, large, fails)).html();
    let screen = &page[page.find("id=\"answer\"").unwrap()..page.find("id=\"matrix\"").unwrap()];
    assert!(!screen.contains("No difference in turnaround"), "{screen}");
    for said in [
        "<b>No cell is best by turnaround</b>: rust has the lowest mean (1.",
        "but over the passes that are compared pillow takes 6.",
        "% less time than it (95% CI 6.",
        "FAILED in some passes: rust (3 of 30)",
    ] {
        assert!(screen.contains(said), "{said} in {screen}");
    }
}

#[test]
fn every_claim_has_the_noise_floor_beside_it() {
    let hosts = |at: crate::At| if at.deployment == 2 { 1.085 } else { 1.0 };
    let page = Made::of(&journal(&two(), 40, 2, hosts)).html();
    let floors = page.matches("(noise floor 8").count();
    let claims = [" by 50% (", " by 49% ("]
        .iter()
        .map(|claim| page.matches(claim).count())
        .sum::<usize>();
    assert!(
        floors >= 4 && claims >= 4,
        "{floors} floors, {claims} claims"
    );
    assert!(page.contains("Noise floor: the same code deployed twice differed by 8."));
    assert!(
        page.contains("so this run cannot resolve a smaller one"),
        "the floor is itself claimed"
    );
    assert!(page.contains("Gold: the noise floor"));

    let once = Made::of(&journal(&two(), 40, 1, |_| 1.0)).html();
    assert!(
        once.contains("(noise floor unknown, deployed once)")
            && once.contains("the effect of the host on a difference is unknown")
    );
    assert!(once.contains("Each cell was deployed once, so the noise floor is unknown."));
}

#[test]
fn a_claim_within_the_noise_floor_is_said_to_be_perhaps_the_hosts() {
    let close = [(cell("pillow"), 100.0), (cell("rust"), 90.0)];
    let hosts = |at: crate::At| if at.deployment == 2 { 1.3 } else { 1.0 };
    let page = Made::of(&journal(&close, 40, 2, hosts)).html();
    assert!(
        page.contains("not above the noise floor of 3"),
        "beside the claim"
    );
    let quiet = Made::of(&journal(&close, 40, 2, |_| 1.0)).html();
    assert!(!quiet.contains("not above the noise floor"));
}

#[test]
fn inconclusive_is_never_worded_as_no_difference() {
    let alike = [(cell("pillow"), 100.0), (cell("rust"), 101.0)];
    let page = Made::of(&journal(&alike, 3, 1, |at| {
        [1.0, [0.7, 1.4][at.place as usize % 2]][at.cell]
    }))
    .html();
    assert!(page.contains("inconclusive: the data neither show nor exclude a difference"));
    for wrong in [
        "no difference from",
        "not different",
        "are the same",
        "no significant",
    ] {
        assert!(!page.to_lowercase().contains(wrong), "{wrong}");
    }
}

#[test]
fn a_cell_that_remembers_outputs_is_named_and_is_nobody_s_winner() {
    let mut journal = journal(&two(), 12, 1, |_| 1.0);
    let probe = |cell: &Cell, repetition, ms| Pass {
        warm_up: true,
        probe: true,
        image: IMAGES[0],
        ..Pass::of(cell, repetition, ms + f64::from(repetition) / 10.0)
    };
    for repetition in 1..=3 {
        journal
            .pass(&probe(&cell("pillow"), repetition, 100.0))
            .pass(&probe(&cell("rust"), repetition, 150.0));
    }
    let page = Made::of(&journal).html();
    assert!(
        page.contains("REMEMBERS OUTPUTS, so it is not ranked: rust"),
        "{page}"
    );
    assert!(
        page.contains("Only pillow has right outputs and computes each anew"),
        "{page}"
    );
    assert!(
        page.contains(
            "0 warm-ups, 12 probes with their own pixels, 0 invocations with the wrong start"
        ),
        "{page}"
    );
    assert!(
        page.contains("rust (REMEMBERS)") && !page.contains("pillow (REMEMBERS)"),
        "{page}"
    );
}

#[test]
fn where_nothing_can_be_claimed_the_reason_is_the_true_one() {
    let page = |cells: &[(Cell, f64)]| {
        let mut journal = Journal::of(
            &cells
                .iter()
                .map(|(cell, _)| cell.clone())
                .collect::<Vec<_>>(),
        );
        started(&mut journal)
            .cells
            .iter_mut()
            .for_each(|cell| cell.not_runnable = None);
        for (cell, ms) in cells {
            journal.pass(&Pass {
                image: IMAGES[0],
                ..Pass::of(cell, 1, *ms)
            });
        }
        for (cell, _) in cells {
            journal.check_all(cell);
        }
        Made::of(&journal).html()
    };
    let once = page(&two());
    assert!(
        once.contains("there are too few measurements for an interval."),
        "{once}"
    );
    assert!(
        !once.contains("every other cell differs from it in several factors"),
        "{once}"
    );
    let alone = page(&two()[..1]);
    assert!(
        alone.contains("Only pillow was measured, so its turnaround is not compared"),
        "{alone}"
    );
    assert!(!alone.contains("has right outputs"), "{alone}");
}
