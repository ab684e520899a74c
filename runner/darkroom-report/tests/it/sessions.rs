//! What a page says of a run that was taken up again, measured in part again, or measured cell
//! after cell.

use darkroom_core::cell::Cell;
use darkroom_core::event::{Event, Extension, RunnerLate};

use crate::journal::{Journal, Pass, cell};
use crate::{IMAGES, Made, random, started};

/// Measures these cells in turns, rust 30% faster than the others.
fn measure(journal: &mut Journal, cells: &[Cell], repetitions: std::ops::RangeInclusive<u32>) {
    for repetition in repetitions {
        for image in IMAGES {
            for (place, cell) in cells.iter().enumerate() {
                let jitter = 0.98 + 0.04 * random(u64::from(repetition) * 100 + place as u64);
                let ms = if cell.variant == "rust" { 70.0 } else { 100.0 };
                journal.pass(&Pass {
                    image,
                    ..Pass::of(cell, repetition, ms * jitter)
                });
            }
        }
    }
}

fn checked(mut journal: Journal, cells: &[Cell]) -> Made {
    for cell in cells {
        journal.check_all(cell);
    }
    Made::of(&journal)
}

fn section(page: &str, from: &str, to: &str) -> String {
    page[page.find(&format!("id=\"{from}\"")).unwrap()..page.find(&format!("id=\"{to}\"")).unwrap()]
        .to_owned()
}

fn methods(page: &str) -> &str {
    &page[page.find("id=\"methods\"").unwrap()..]
}

const WARNING: &str = "measured at different times";

#[test]
fn a_busy_runner_is_warned_of_beside_the_numbers() {
    let cells = [cell("pillow"), cell("rust")];
    let page = |others_under_way, p99_ms| {
        let mut journal = Journal::of(&cells);
        for repetition in 1..=12 {
            for cell in &cells {
                journal.pass(&Pass {
                    others_under_way,
                    ..Pass::of(cell, repetition, 100.0)
                });
            }
        }
        journal.events.push(Event::RunnerLate(RunnerLate {
            at: "2026-11-24T18:00:00.000Z".into(),
            p50_ms: 0.1,
            p99_ms,
            most_ms: 9.0,
            moments: 1000,
        }));
        journal.end();
        checked(journal, &cells).html()
    };
    let said = "In session 1 the runner was busy: 1% of its wake-ups were late by 3.2 ms or more.";
    assert!(page(2, 3.2).contains(said));
    assert!(!page(2, 0.9).contains("the runner was busy"));
    assert!(
        !page(0, 3.2).contains("the runner was busy"),
        "one pass at a time has the whole machine"
    );
}

#[test]
fn a_page_says_how_many_passes_were_under_way_at_once() {
    let cells = [cell("pillow"), cell("rust")];
    let methods_with = |most: u32| {
        let mut journal = Journal::of(&cells);
        for repetition in 1..=12 {
            for (cell, others_under_way) in cells.iter().zip([0, most]) {
                journal.pass(&Pass {
                    others_under_way,
                    ..Pass::of(cell, repetition, 100.0)
                });
            }
        }
        journal.end();
        methods(&checked(journal, &cells).html()).to_owned()
    };
    let said = "with up to 3 passes of other functions under way beside each";
    assert!(methods_with(3).contains(said));
    assert!(!methods_with(0).contains("under way"));
}

#[test]
fn sessions_cut_short_are_told_and_cells_that_took_turns_bring_no_warning() {
    let cells = [cell("pillow"), cell("rust")];
    let mut journal = Journal::of(&cells);
    measure(&mut journal, &cells, 1..=5);
    journal.stop("interrupted").resume();
    measure(&mut journal, &cells, 6..=10);
    journal.resume();
    measure(&mut journal, &cells, 11..=20);
    journal.end();
    let page = checked(journal, &cells).html();
    for said in [
        "in interleaved order within each session (seed 562). The run took 3 sessions. Session 1 began at 2026-11-24 18:00 \
         UTC, and was stopped by hand (Ctrl-C or SIGTERM) at 2026-11-24 18:00 UTC. Session 2 began at",
        "and was killed (its last pass began at 2026-11-24 18:01 UTC; its end was not recorded). Session 3 began at",
        "and ended as planned at 2026-11-24 18:02 UTC.",
    ] {
        assert!(
            methods(&page).contains(said),
            "{said} in {}",
            methods(&page)
        );
    }
    assert!(
        !page.contains(WARNING) && !page.contains("side by side ("),
        "all cells share all sessions"
    );
}

#[test]
fn cells_measured_again_alone_are_named_and_every_claim_against_the_others_warns() {
    let cells = [cell("pillow"), cell("numpy"), cell("rust")];
    let mut journal = Journal::of(&cells);
    measure(&mut journal, &cells, 1..=20);
    journal.end().supersede(&cells[2]);
    measure(&mut journal, &cells[2..], 1..=20);
    journal.end();
    let made = checked(journal, &cells);
    let page = made.html();
    for said in [
        "Session 2 began at 2026-11-24 18:04 UTC, measured only rust.x86_64.512mb.photos.direct.warm.c1 again (`run --cell`; earlier values no longer count), and ended as planned at",
        "Comparisons of cells that were measured at different times are marked",
    ] {
        assert!(
            methods(&page).contains(said),
            "{said} in {}",
            methods(&page)
        );
    }
    let answer = section(&page, "answer", "numbers");
    assert!(
        answer.contains(
            "They were measured at different times, which may cause part of the difference."
        ),
        "the claim itself warns: {answer}"
    );
    assert!(
        answer.contains(
            "Some cells were measured at different times (pillow 2026-11-24 18:00 to 18:03 UTC; rust 2026-11-24 18:04"
        ),
        "{answer}"
    );
    let pairs = section(&page, "comparisons", "tables");
    let of = |a: &str, b: &str| {
        let start =
            format!("data-cell-a=\"{a}.x86_64.512mb.photos.direct.warm.c1\" data-cell-b=\"{b}.");
        pairs
            .split("<tr")
            .find(|row| row.contains(&start))
            .unwrap()
            .contains(WARNING)
    };
    assert!(of("pillow", "rust") && of("numpy", "rust") && !of("pillow", "numpy"));
    assert!(made.figure("ratio-variant").alternative.contains(WARNING));
}

#[test]
fn cells_measured_one_after_the_other_are_said_to_be() {
    let cells = [cell("pillow"), cell("rust")];
    let mut journal = Journal::of(&cells);
    started(&mut journal).order = "sequential".into();
    measure(&mut journal, &cells[..1], 1..=20);
    measure(&mut journal, &cells[1..], 1..=20);
    journal.end();
    let page = checked(journal, &cells).html();
    assert!(methods(&page).contains(
        "in sequential order (one cell after the other, so at different times) (seed 562)."
    ));
    assert!(
        !methods(&page).contains("The run took"),
        "one session that came to its end needs no telling"
    );
    let answer = section(&page, "answer", "numbers");
    assert!(
        answer.contains("Cells were measured one after the other (pillow ")
            && answer.contains(WARNING),
        "{answer}"
    );
}

#[test]
fn cells_take_turns_only_where_there_are_turns_to_take() {
    let [pillow, rust] = [cell("pillow"), cell("rust")];
    let made = |cells: &[Cell], images: &[&'static str], repetitions: u32, order: &str| {
        let mut journal = Journal::of(cells);
        started(&mut journal).order = order.into();
        for repetition in 1..=repetitions {
            for image in images {
                for cell in cells {
                    journal.pass(&Pass {
                        image,
                        ..Pass::of(cell, repetition, 100.0 + f64::from(repetition))
                    });
                }
            }
        }
        journal.end();
        checked(journal, cells).html()
    };
    let one = std::slice::from_ref(&pillow);
    let both = [pillow.clone(), rust];
    let first = &IMAGES[..1];
    for (cells, images, repetitions, order, said) in [
        (
            one,
            first,
            5,
            "interleaved",
            "in one repetition after the other.",
        ),
        (
            one,
            &IMAGES[..],
            5,
            "interleaved",
            "in an order drawn anew for each repetition (seed 562).",
        ),
        (
            one,
            &IMAGES[..],
            1,
            "interleaved",
            "in an order drawn at random once (seed 562).",
        ),
        (
            one,
            &IMAGES[..],
            5,
            "sequential",
            "in one repetition after the other.",
        ),
        (
            &both[..],
            first,
            5,
            "interleaved",
            "in interleaved order (seed 562).",
        ),
        (
            &both[..],
            first,
            1,
            "interleaved",
            "in an order drawn at random once, because each cell has one repetition (seed 562).",
        ),
    ] {
        let page = made(cells, images, repetitions, order);
        assert!(
            methods(&page).contains(said),
            "{said} in {}",
            methods(&page)
        );
        assert_eq!(
            methods(&page).contains("No cells were compared."),
            cells.len() == 1,
            "{}",
            methods(&page)
        );
        assert_eq!(
            methods(&page).contains("Ratios were bootstrapped"),
            cells.len() == 2
        );
        assert_eq!(
            methods(&page).contains("drawn anew (10,000"),
            cells.len() == 2 && images.len() == 2
        );
    }
}

#[test]
fn an_unfinished_run_says_so_and_one_measured_again_whole_needs_no_warning() {
    let cells = [cell("pillow"), cell("rust")];
    let mut journal = Journal::of(&cells);
    measure(&mut journal, &cells, 1..=3);
    journal.stop("budget.minutes");
    let page = checked(journal, &cells).html();
    assert!(
        methods(&page)
            .contains("The run took 1 session. Session 1 began at 2026-11-24 18:00 UTC, and stopped at the end of its time"),
        "{}",
        methods(&page)
    );
    let mut journal = Journal::of(&cells);
    measure(&mut journal, &cells, 1..=3);
    journal.end().supersede(&cells[0]);
    if let Some(darkroom_core::event::Event::CellsSuperseded { cells: again, .. }) =
        journal.events.last_mut()
    {
        again.push(cells[1].id());
    }
    measure(&mut journal, &cells, 1..=3);
    journal.end();
    let page = checked(journal, &cells).html();
    assert!(
        methods(&page)
            .contains("measured all cells again (`run --cell`; earlier values no longer count)")
    );
    assert!(!page.contains(WARNING));
}

#[test]
fn an_extension_of_another_day_is_told_by_its_session_and_no_single_day_is_named() {
    let cells = [cell("pillow"), cell("rust")];
    let mut journal = Journal::of(&cells);
    started(&mut journal).not_checked = vec![
        "greyscale: that it is rounded".into(),
        "resize: its filter".into(),
    ];
    measure(&mut journal, &cells, 1..=3);
    journal.end();
    journal.events.push(Event::RunExtended(Extension {
        at: "2026-11-25T18:00:00.000Z".into(),
        from: 3,
        to: 5,
        manifest_sha256: "ab".repeat(32),
    }));
    let before = journal.events.len();
    measure(&mut journal, &cells, 4..=5);
    for event in &mut journal.events[before..] {
        if let Event::PipelineFinished(pass) = event {
            pass.started_at = pass.started_at.replace("11-24", "11-25");
        }
    }
    journal.end();
    let page = checked(journal, &cells).html();
    for said in [
        "were measured from 2026-11-24 to 2026-11-25 (UTC) with Darkroom",
        "Session 2 began at 2026-11-25 18:00 UTC, added repetitions 4 to 5 of every cell, and ended as planned at",
        "The prompts also ask for what no check can test: that it is rounded (greyscale); its filter (resize).",
    ] {
        assert!(
            methods(&page).contains(said),
            "{said} in {}",
            methods(&page)
        );
    }
    assert!(!methods(&page).contains("measured on ") && !methods(&page).contains("was extended"));
}

#[test]
fn cells_measured_again_beside_one_that_failed_are_not_all_cells() {
    let cells = [cell("pillow"), cell("rust"), cell("numpy")];
    let mut journal = Journal::of(&cells);
    measure(&mut journal, &cells[..2], 1..=3);
    journal.stop("interrupted").supersede(&cells[0]);
    if let Some(Event::CellsSuperseded { cells: again, .. }) = journal.events.last_mut() {
        again.push(cells[1].id());
    }
    measure(&mut journal, &cells[..2], 1..=3);
    journal.stop("only some cells were asked for");
    let page = checked(journal, &cells[..2]).html();
    assert!(
        !methods(&page).contains("measured all cells again"),
        "{}",
        methods(&page)
    );
    assert!(
        methods(&page).contains("UTC; other cells were still unfinished."),
        "{}",
        methods(&page)
    );
}
