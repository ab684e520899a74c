//! What `summary` says of a sample, and who is ranked.

use darkroom_core::cell::{Cell, Input, Start};
use darkroom_core::statistics::describe;
use polars::prelude::DataFrame;

use crate::journal::{Journal, Pass, cell};
use crate::{Run, everything, float, integer, rows, text, texts};

#[test]
fn the_statistics_are_those_of_the_rows_marked_sample() {
    let run = Run::of(&everything());
    let rust = cell("rust");
    let wanted = [
        ("cell_id", &*rust.id().to_string()),
        ("stage", "resize"),
        ("counts_as", "sample"),
    ];
    let sample = rows(&run.table("invocations"), &wanted);
    let values: Vec<f64> = sample
        .column("duration_ms")
        .unwrap()
        .f64()
        .unwrap()
        .iter()
        .flatten()
        .collect();
    let expected = describe(&values);
    let row = run.summary(&rust, "resize", "duration_ms");
    assert_eq!(integer(&row, "n"), Some(11));
    for (column, value) in [
        ("mean", expected.mean),
        ("sd", expected.sd),
        ("cv", expected.cv),
        ("min", expected.min),
        ("p50", expected.p50),
        ("p90", expected.p90),
        ("max", expected.max),
        ("iqr", expected.iqr),
        ("mad", expected.mad),
    ] {
        assert!(value.is_some());
        assert_eq!(float(&row, column), value, "{column}");
    }
    assert_eq!((float(&row, "p95"), float(&row, "p99")), (None, None));
    assert!(text(&row, "note").unwrap().contains("p95 needs n >= 20"));
}

#[test]
fn an_outlier_is_flagged_in_its_row_and_stays_in_the_statistics() {
    let run = Run::of(&everything());
    let of_rust = rows(
        &run.table("invocations"),
        &[("cell_id", cell("rust").id().as_str())],
    );
    let flagged = of_rust
        .filter(of_rust.column("outlier").unwrap().bool().unwrap())
        .unwrap();
    assert_eq!(
        texts(&flagged, "stage"),
        ["greyscale", "resize"],
        "the 13.0 of each stage"
    );
    let row = run.summary(&cell("rust"), "greyscale", "duration_ms");
    assert_eq!(
        (integer(&row, "n_outliers"), float(&row, "max")),
        (Some(1), Some(13.0))
    );
}

#[test]
fn intervals_stand_beside_every_statistic() {
    let run = Run::of(&everything());
    let row = run.summary(&cell("rust"), "resize", "duration_ms");
    let (low, mean, high) = (
        float(&row, "mean_ci_low"),
        float(&row, "mean"),
        float(&row, "mean_ci_high"),
    );
    assert!(low < mean && mean < high, "{low:?} {mean:?} {high:?}");
    for statistic in ["sd", "cv", "p50"] {
        assert!(
            float(&row, &format!("{statistic}_ci_low"))
                < float(&row, &format!("{statistic}_ci_high"))
        );
    }
    assert_eq!(
        (float(&row, "p95_ci_low"), float(&row, "p95_ci_high")),
        (None, None),
        "there is no p95 at n = 11"
    );
    assert!(text(&row, "ci_method").unwrap().starts_with("bca"));
    assert!(
        float(&row, "r1").is_some()
            && float(&row, "trend_p_adj").is_some()
            && float(&row, "halves_ratio").is_some()
    );
    let (usd, per_100k) = (
        run.summary(&cell("rust"), "pipeline", "cost_usd"),
        run.summary(&cell("rust"), "pipeline", "cost_usd_per_100k"),
    );
    assert_eq!(
        float(&usd, "mean_ci_high").map(|v| v * 100_000.0),
        float(&per_100k, "mean_ci_high")
    );
    assert_eq!(
        run.summary.cells[1]
            .cost_usd_per_100k
            .mean_ci
            .map(|ci| ci.1),
        float(&per_100k, "mean_ci_high")
    );
    let costs = run.table("costs");
    assert_eq!(
        costs
            .column("cost_usd_per_100k_ci_high")
            .unwrap()
            .f64()
            .unwrap()
            .get(1),
        float(&per_100k, "mean_ci_high")
    );
}

#[test]
fn a_sample_that_drifts_is_noted_and_kept() {
    let pillow = cell("pillow");
    let mut journal = Journal::of(std::slice::from_ref(&pillow));
    for repetition in 1..=30 {
        journal.pass(&Pass::of(
            &pillow,
            repetition,
            100.0 + f64::from(repetition),
        ));
    }
    let row = Run::of(&journal).summary(&pillow, "greyscale", "duration_ms");
    assert_eq!(integer(&row, "n"), Some(30));
    assert!(text(&row, "note").unwrap().contains("rises over the run"));
    assert!(
        text(&row, "note")
            .unwrap()
            .contains("consecutive values resemble each other")
    );
    assert_eq!(text(&row, "ci_method").unwrap(), "block");
}

#[test]
fn a_rank_stands_only_where_a_difference_from_each_comparable_cell_is_claimed() {
    let run = Run::of(&everything());
    let rank = |cell: &Cell| integer(&run.summary(cell, "greyscale", "duration_ms"), "rank");
    assert_eq!(
        (rank(&cell("rust")), rank(&cell("pillow"))),
        (Some(1), Some(2))
    );
    assert_eq!(
        rank(&Cell {
            input: Input::Reference,
            ..cell("rust")
        }),
        None,
        "alone in its kind of work"
    );
    assert_eq!(
        rank(&Cell {
            start: Start::Cold,
            ..cell("rust")
        }),
        None,
        "alone in its kind of work"
    );

    let cells = ["rust", "pillow", "numpy"].map(cell);
    let mut journal = Journal::of(&cells);
    for repetition in 1..=20 {
        // The two slower ones in turns.
        let slow = [100.0, 101.0];
        let turn = repetition as usize % 2;
        for (cell, ms) in cells.iter().zip([10.0, slow[turn], slow[1 - turn]]) {
            journal.pass(&Pass::of(
                cell,
                repetition,
                ms + f64::from(repetition) / 10.0,
            ));
        }
    }
    for cell in &cells {
        journal.check_all(cell);
    }
    let run = Run::of(&journal);
    let ranks = |metric: &str| {
        cells
            .each_ref()
            .map(|cell| integer(&run.summary(cell, "greyscale", metric), "rank"))
    };
    assert_eq!(
        ranks("duration_ms"),
        [Some(1), None, None],
        "the fastest is told apart from both, and they are not"
    );
}

/// Twelve repetitions and three probes of each cell: what it took on the set's image, and on pixels
/// that it had not seen.
fn probed(cells: &[(Cell, f64, f64)]) -> Run {
    let mut journal = Journal::of(
        &cells
            .iter()
            .map(|(cell, ..)| cell.clone())
            .collect::<Vec<_>>(),
    );
    for (cell, seen, fresh) in cells {
        for repetition in 1..=12 {
            let pass = Pass::of(cell, repetition, seen + f64::from(repetition % 3) / 10.0);
            journal.pass(&pass);
            (0..2).for_each(|stage| _ = journal.check(&pass, stage, None));
        }
        for repetition in 1..=3 {
            let ms = fresh + f64::from(repetition) / 10.0;
            journal.pass(&Pass {
                warm_up: true,
                probe: true,
                ..Pass::of(cell, repetition, ms)
            });
        }
    }
    Run::of(&journal)
}

#[test]
fn nothing_is_claimed_of_a_cell_that_is_faster_on_pixels_it_has_seen() {
    let (honest, cheat) = (cell("pillow"), cell("rust"));
    let run = probed(&[(honest.clone(), 100.0, 101.0), (cheat.clone(), 10.0, 30.0)]);
    let of = |cell: &Cell, stage: &str| run.summary(cell, stage, "duration_ms");
    let (right, wrong) = (of(&honest, "resize"), of(&cheat, "resize"));
    let truth = |row: &DataFrame| row.column("remembers").unwrap().bool().unwrap().get(0);
    assert_eq!((truth(&right), truth(&wrong)), (Some(false), Some(true)));
    assert_eq!(
        (
            integer(&wrong, "n"),
            integer(&wrong, "n_probe"),
            integer(&wrong, "n_warm_up")
        ),
        (Some(12), Some(3), Some(0))
    );
    assert!(
        float(&wrong, "fresh_ratio").unwrap() > 2.9 && float(&wrong, "max").unwrap() < 10.5,
        "no probe is in the sample"
    );
    assert!(
        text(&wrong, "note")
            .unwrap()
            .contains("remembers outputs, not ranked")
    );
    assert_eq!(
        integer(&run.summary(&cheat, "pipeline", "turnaround_s"), "rank"),
        None
    );
    let verdicts = texts(
        &rows(&run.table("comparisons"), &[("metric", "turnaround_s")]),
        "verdict",
    );
    assert_eq!(verdicts, ["remembers outputs"]);
    let choice = rows(&run.table("choices"), &[("cell_id", cheat.id().as_str())]);
    assert_eq!(
        choice.column("on_front").unwrap().bool().unwrap().get(0),
        None
    );
    // Two cells that remember nothing are ranked by the same numbers.
    let fair = probed(&[(honest.clone(), 100.0, 101.0), (cheat.clone(), 10.0, 10.1)]);
    assert_eq!(
        integer(&fair.summary(&cheat, "pipeline", "turnaround_s"), "rank"),
        Some(1)
    );
}

#[test]
fn code_that_remembers_one_image_of_six_is_named_with_that_image() {
    let images = ["a.png", "b.png", "c.png", "d.png", "e.png", "f.png"];
    let cheat = cell("rust");
    let mut journal = Journal::of(std::slice::from_ref(&cheat));
    for image in images {
        for repetition in 1..=24 {
            // As warm as any other's, and one of eight is a little slower or faster.
            let ms = 100.0 + 4.0 * f64::from(repetition % 8);
            let ms = if image == "d.png" { ms / 10.0 } else { ms };
            let pass = Pass {
                image,
                ..Pass::of(&cheat, repetition, ms)
            };
            journal.pass(&pass);
            (0..2).for_each(|stage| _ = journal.check(&pass, stage, None));
        }
        for repetition in 1..=6 {
            let ms = 100.0 + 4.0 * f64::from(repetition);
            let pass = Pass {
                image,
                ..Pass::of(&cheat, repetition, ms)
            };
            journal.pass(&Pass {
                warm_up: true,
                probe: true,
                ..pass
            });
        }
    }
    let run = Run::of(&journal);
    let row = run.summary(&cheat, "resize", "duration_ms");
    assert_eq!(
        row.column("remembers").unwrap().bool().unwrap().get(0),
        Some(true)
    );
    assert_eq!(text(&row, "fresh_image").as_deref(), Some("d.png"));
    assert!(
        float(&row, "fresh_ratio").unwrap() > 9.0,
        "of that image alone"
    );
    assert_eq!(
        integer(&run.summary(&cheat, "pipeline", "turnaround_s"), "rank"),
        None
    );
    let named = run.summary.cells[0].remembers.iter();
    assert!(named.clone().all(|it| it.image.as_deref() == Some("d.png")) && named.count() > 0);
}
