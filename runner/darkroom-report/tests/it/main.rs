//! Journals made for one thing each → their tables → the page: what must stand on it, and what must
//! not.

#![allow(
    clippy::unwrap_used,
    reason = "a page that can't be made fails its test"
)]

#[path = "../../../darkroom-tables/tests/it/journal.rs"]
#[allow(dead_code, reason = "the tables' own tests use the rest of it")]
mod journal;

mod bad_input;
mod correctness;
mod first_screen;
mod matrix;
mod misleading;
mod models;
mod page;
mod panels;
mod sessions;
mod several;

use darkroom_core::cell::{Cell, Start};
use darkroom_core::event::{Event, RunStarted, Status};
use darkroom_report::{Figure, Run, figures, html};
use darkroom_tables::aggregate;
use tempfile::TempDir;

use crate::journal::{Journal, Pass, prices};

const IMAGES: [&str; 2] = ["astronaut.png", "chelsea.png"];

/// A run as its folder and as the report reads it.
struct Made {
    dir: TempDir,
    run: Run,
}

impl Made {
    fn of(journal: &Journal) -> Self {
        let dir = tempfile::tempdir().unwrap();
        aggregate(journal.facts(), &prices(), dir.path()).unwrap();
        Self {
            run: Run::read(dir.path()).unwrap(),
            dir,
        }
    }

    fn html(&self) -> String {
        html(&self.run, &[])
    }

    fn figure(&self, id: &str) -> Figure {
        figures(&self.run)
            .into_iter()
            .find(|figure| figure.id == id)
            .unwrap_or_else(|| panic!("no figure {id}"))
    }
}

/// Where a pass is in a run: what its duration may depend on.
#[derive(Clone, Copy)]
struct At {
    /// Place among all passes of its cell, from 0.
    place: u32,
    /// Place among the cells.
    cell: usize,
    /// Of the images.
    image: usize,
    deployment: u32,
}

/// A journal of ten right passes of each of these cells with their durations; cold ones have an
/// init of so many ms.
fn with_inits(cells: &[(Cell, f64)], init_ms: f64) -> Journal {
    let of_cells: Vec<Cell> = cells.iter().map(|(cell, _)| cell.clone()).collect();
    let mut journal = Journal::of(&of_cells);
    for repetition in 1..=10 {
        for (cell, ms) in cells {
            let init_ms = (cell.start == Start::Cold).then_some(init_ms);
            let ms = ms * (1.0 + 0.002 * f64::from(repetition * 7 % 5));
            journal.pass(&Pass {
                init_ms,
                ..Pass::of(cell, repetition, ms)
            });
        }
    }
    for cell in &of_cells {
        journal.check_all(cell);
    }
    journal
}

/// A journal of these cells with their durations, `repetitions` of each of two images in each
/// deployment. The noise is 2%, seeded, and the same for no two cells.
fn journal(
    cells: &[(Cell, f64)],
    repetitions: u32,
    deployments: u32,
    factor: impl Fn(At) -> f64,
) -> Journal {
    with_status(cells, repetitions, deployments, factor, |_| Status::Ok)
}

fn with_status(
    cells: &[(Cell, f64)],
    repetitions: u32,
    deployments: u32,
    factor: impl Fn(At) -> f64,
    status: impl Fn(At) -> Status,
) -> Journal {
    let mut journal = Journal::of(
        &cells
            .iter()
            .map(|(cell, _)| cell.clone())
            .collect::<Vec<_>>(),
    );
    let run = started(&mut journal);
    run.deployments = deployments;
    run.cells
        .iter_mut()
        .for_each(|cell| cell.not_runnable = None);
    let (mut draws, mut place) = (0, 0);
    for repetition in 1..=repetitions {
        for deployment in 1..=deployments {
            for (image, name) in IMAGES.into_iter().enumerate() {
                for (index, (cell, ms)) in cells.iter().enumerate() {
                    let at = At {
                        place,
                        cell: index,
                        image,
                        deployment,
                    };
                    draws += 1;
                    let jitter = 0.98 + 0.04 * random(draws);
                    let pass = Pass::of(cell, repetition, ms * jitter * factor(at));
                    journal.pass(&Pass {
                        image: name,
                        deployment,
                        status: [status(at), Status::Ok],
                        ..pass
                    });
                }
                place += 1;
            }
        }
    }
    for (cell, _) in cells {
        journal.check_all(cell);
    }
    journal
}

/// Returns the n-th of a fixed row of random numbers, 0 to 1 (splitmix64).
fn random(n: u64) -> f64 {
    let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

fn started(journal: &mut Journal) -> &mut RunStarted {
    match &mut journal.events[0] {
        Event::RunStarted(run) => run,
        other => panic!("{other:?}"),
    }
}
