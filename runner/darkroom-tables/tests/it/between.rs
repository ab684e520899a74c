//! Two runs compared: a run with itself, with its like, with one whose code was made slower.

use darkroom_tables::{Between, Change, aggregate, between};
use tempfile::TempDir;

use crate::journal::{Journal, Pass, cell, prices};

/// A run of two variants over two images.
struct Made {
    run_id: &'static str,
    /// By which the Rust variant's code was slowed.
    rust: f64,
    /// By which the machine was slower to everything.
    machine: f64,
    noise_seed: u64,
}

fn run(rust: f64, noise_seed: u64) -> TempDir {
    made(&Made {
        run_id: "one",
        rust,
        machine: 1.0,
        noise_seed,
    })
}

/// Returns its tables; packages of both variants are on record.
fn made(run: &Made) -> TempDir {
    let cells = [cell("pillow"), cell("rust")];
    let mut journal = Journal::of(&cells);
    journal
        .named(run.run_id)
        .packaged("rust", &format!("slowed by {}", run.rust));
    for of in &cells {
        journal.check_all(of);
    }
    let mut noise = run.noise_seed;
    for repetition in 1..=40 {
        for image in ["astronaut.png", "chelsea.png"] {
            for (of, base) in cells.iter().zip([400.0, 40.0]) {
                noise = noise
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let jitter = 1.0 + ((noise >> 33) as f64 / f64::from(u32::MAX) - 0.25) * 0.2;
                let slower = if of.variant == "rust" { run.rust } else { 1.0 };
                journal.pass(&Pass {
                    image,
                    ..Pass::of(of, repetition, base * jitter * slower * run.machine)
                });
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    aggregate(journal.facts(), &prices(), dir.path()).unwrap();
    dir
}

fn of<'a>(found: &'a Between, variant: &str, stage: &str, metric: &str) -> &'a Change {
    let mut rows = found.rows.iter().filter(|row| {
        row.cell_id.starts_with(variant) && row.stage == stage && row.metric == metric
    });
    rows.next().unwrap()
}

#[test]
fn a_run_compared_with_itself_has_not_changed() {
    let run = run(1.0, 7);
    let found = between(run.path(), run.path()).unwrap();
    assert_eq!(
        found.rows.len(),
        8,
        "two stages, turnaround and cost of two cells"
    );
    for row in &found.rows {
        assert_eq!(
            (row.verdict, row.ratio),
            ("equivalent", Some(1.0)),
            "{row:?}"
        );
    }
    assert!(found.notes.is_empty() && found.only_in_one.is_empty());
}

#[test]
fn a_variant_made_slower_is_found_with_the_right_size_and_nothing_else_is_claimed() {
    let (before, after) = (run(1.0, 7), run(1.2, 11));
    let found = between(before.path(), after.path()).unwrap();
    for stage in ["greyscale", "resize"] {
        let row = of(&found, "rust", stage, "duration_ms");
        let (low, high) = row.ratio_ci.unwrap();
        assert_eq!(row.verdict, "slower");
        assert!(low < 1.2 && 1.2 < high && high - low < 0.06, "{row:?}");
    }
    assert_eq!(
        of(&found, "rust", "pipeline", "turnaround_s").verdict,
        "slower"
    );
    assert_eq!(of(&found, "rust", "pipeline", "cost_usd").verdict, "dearer");
    let pillow = found
        .rows
        .iter()
        .filter(|row| row.cell_id.starts_with("pillow"));
    assert!(
        pillow.clone().count() == 4 && pillow.clone().all(|row| row.verdict == "equivalent"),
        "{found:?}"
    );
}

#[test]
fn what_is_claimed_of_code_that_did_not_change_is_said_to_be_of_something_else() {
    let note = |found: &Between| {
        found
            .notes
            .iter()
            .find(|note| note.contains("code and layers"))
            .cloned()
    };
    let before = run(1.0, 7);
    let after = |rust, machine| {
        made(&Made {
            run_id: "two",
            rust,
            machine,
            noise_seed: 11,
        })
    };
    let against = |later: TempDir| between(before.path(), later.path()).unwrap();
    assert_eq!(note(&against(after(1.0, 1.0))), None, "nothing is claimed");

    let found = against(after(1.2, 1.0));
    assert_eq!(
        of(&found, "rust", "resize", "duration_ms").code(),
        "changed"
    );
    assert_eq!(of(&found, "pillow", "resize", "duration_ms").code(), "same");
    assert_eq!(note(&found), None, "all that is claimed is of changed code");

    // A machine that was busier in the later run: the code of both is what it was.
    let found = against(after(1.0, 1.5));
    let said = note(&found).unwrap();
    assert!(
        said.contains("the machine, its load or the platform changed")
            && said.contains("50% slower: "),
        "{said}"
    );

    // Beside it, one variant was changed.
    let found = against(after(1.2, 1.5));
    let said = note(&found).unwrap();
    assert!(
        said.starts_with("4 of the 8 claimed changes") && said.contains("(pillow"),
        "{said}"
    );
}

#[test]
fn a_table_that_is_not_there_is_named() {
    let (whole, empty) = (run(1.0, 7), tempfile::tempdir().unwrap());
    let error = between(whole.path(), empty.path()).unwrap_err().to_string();
    assert!(error.contains("summary.parquet"), "{error}");
}
