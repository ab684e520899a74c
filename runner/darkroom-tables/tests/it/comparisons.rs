//! Cells compared within a run, and what is not claimed of them.

use darkroom_core::cell::{Architecture, Cell, Input, SnapStart, Start};
use darkroom_core::event::Restore;
use polars::prelude::DataFrame;

use crate::journal::{Journal, Pass, cell};
use crate::{Run, everything, float, integer, rows, text, texts};

/// The one row of `comparisons` of these two cells.
pub fn comparison(run: &Run, a: &Cell, b: &Cell, stage: &str, metric: &str) -> DataFrame {
    let (a, b) = (a.id().to_string(), b.id().to_string());
    rows(
        &run.table("comparisons"),
        &[
            ("cell_a", &a),
            ("cell_b", &b),
            ("stage", stage),
            ("metric", metric),
        ],
    )
}

#[test]
fn cells_that_differ_in_one_factor_are_compared_pass_by_pass() {
    let run = Run::of(&everything());
    let (pillow, rust) = (cell("pillow"), cell("rust"));
    let row = comparison(&run, &pillow, &rust, "greyscale", "duration_ms");
    assert_eq!(text(&row, "factor").unwrap(), "variant");
    assert_eq!(
        row.column("paired").unwrap().bool().unwrap().get(0),
        Some(false),
        "11 of 13 is less than 90%"
    );
    assert!(float(&row, "ratio_mean_ci_high").unwrap() < 0.12);
    assert_eq!(
        (
            text(&row, "verdict").unwrap().as_str(),
            text(&row, "effect").unwrap().as_str()
        ),
        ("faster", "large")
    );
    assert_eq!(float(&row, "cliffs_delta"), Some(-1.0));
    assert!(float(&row, "p_adj") >= float(&row, "p"));
    let cost = comparison(&run, &pillow, &rust, "pipeline", "cost_usd");
    assert_eq!(text(&cost, "verdict").unwrap(), "cheaper");
    let cold = Cell {
        start: Start::Cold,
        ..cell("rust")
    };
    let start = comparison(&run, &rust, &cold, "resize", "duration_ms");
    assert_eq!(
        start.column("paired").unwrap().bool().unwrap().get(0),
        Some(true)
    );
    assert_eq!(text(&start, "test").unwrap(), "wilcoxon");
    assert_eq!(integer(&start, "n_a"), Some(10));

    // What a user waits for: 20 ms of init and a fifth of Pillow's time, against a tenth of it.
    let whole = comparison(&run, &rust, &cold, "greyscale", "cold_total_ms");
    assert_eq!(integer(&whole, "n_b"), Some(10));
    assert!(
        (3.5..4.5).contains(&float(&whole, "ratio_mean").unwrap()),
        "{whole}"
    );
    assert!((1.9..2.1).contains(&float(&start, "ratio_mean").unwrap()));
}

#[test]
fn runtimes_are_compared_and_a_variant_with_its_own_with_each() {
    let on = |runtime: &str| Cell {
        runtime: Some(runtime.into()),
        ..cell("pillow")
    };
    let cells = [on("python3.13"), on("python3.14"), cell("rust")];
    let mut journal = Journal::of(&cells);
    for of in &cells {
        journal.check_all(of);
        for repetition in 1..=10 {
            journal.pass(&Pass::of(of, repetition, 20.0));
        }
    }
    let run = Run::of(&journal);
    let [old, new, rust] = &cells;
    for (a, b, factor) in [
        (old, new, "runtime"),
        (old, rust, "variant"),
        (new, rust, "variant"),
    ] {
        let row = comparison(&run, a, b, "pipeline", "turnaround_s");
        assert_eq!(text(&row, "factor").unwrap(), factor);
    }
    let row = comparison(&run, old, new, "pipeline", "turnaround_s");
    assert_eq!(text(&row, "level_a").unwrap(), "python3.13");
    assert_eq!(text(&row, "level_b").unwrap(), "python3.14");
    let of = |cell: &Cell| {
        let id = cell.id().to_string();
        texts(&rows(&run.table("costs"), &[("cell_id", &id)]), "runtime")
    };
    assert_eq!(of(new), ["python3.14"]);
    // No package of it was recorded, and the matrix names none.
    assert_eq!(of(rust), ["null"]);
}

#[test]
fn snapstart_is_compared_by_what_a_new_environment_takes_in_all() {
    let off = Cell {
        start: Start::Cold,
        ..cell("pillow")
    };
    let on = Cell {
        snapstart: SnapStart::On,
        ..off.clone()
    };
    let mut journal = Journal::of(&[off.clone(), on.clone()]);
    for of in [&off, &on] {
        journal.check_all(of);
    }
    for repetition in 1..=10 {
        journal.pass(&Pass {
            init_ms: Some(80.0),
            ..Pass::of(&off, repetition, 20.0)
        });
        journal.pass(&Pass {
            restore: Some(Restore {
                ms: 30.0,
                billed_ms: Some(18),
            }),
            ..Pass::of(&on, repetition, 20.0)
        });
    }
    let run = Run::of(&journal);
    let row = comparison(&run, &off, &on, "greyscale", "cold_total_ms");
    assert_eq!(text(&row, "factor").unwrap(), "snapstart");
    assert_eq!(
        (
            text(&row, "level_a").unwrap(),
            text(&row, "level_b").unwrap()
        ),
        ("off".into(), "on".into())
    );
    assert!(
        (float(&row, "ratio_mean").unwrap() - 0.5).abs() < 1e-9,
        "{row}"
    );
    // Each has its own part of it, and not the other's.
    let described = |cell: &Cell, metric| {
        let row = run.summary(cell, "greyscale", metric);
        (row.height() > 0).then(|| float(&row, "mean").unwrap())
    };
    assert_eq!(described(&off, "init_ms"), Some(80.0));
    assert_eq!(described(&off, "restore_ms"), None);
    assert_eq!(described(&on, "restore_ms"), Some(30.0));
    assert_eq!(described(&on, "init_ms"), None);
    let invocations = run.table("invocations");
    let of = |cell: &Cell, column: &str| {
        let id = cell.id().to_string();
        let mut found = texts(&rows(&invocations, &[("cell_id", &id)]), column);
        found.dedup();
        found
    };
    assert_eq!(of(&off, "start_kind"), ["cold"]);
    assert_eq!(of(&on, "start_kind"), ["restored"]);
    assert_eq!(of(&on, "snapstart"), ["on"]);
}

/// Two variants of one code, deployed twice, of which each deployment had its luck.
fn lucky(levels: [[f64; 2]; 2]) -> Run {
    let cells = [cell("pillow"), cell("rust")];
    let mut journal = Journal::of(&cells);
    journal.deployments(2);
    for of in &cells {
        journal.check_all(of);
    }
    for repetition in 1..=20 {
        for (of, levels) in cells.iter().zip(levels) {
            for (deployment, level) in (1..).zip(levels) {
                let ms = (100.0 + f64::from(repetition * 7 % 5)) * level;
                journal.pass(&Pass {
                    deployment,
                    ..Pass::of(of, repetition, ms)
                });
            }
        }
    }
    Run::of(&journal)
}

#[test]
fn not_claimed_is_what_two_environments_each_came_out_apart_by_luck() {
    let row = |run: &Run| {
        comparison(
            run,
            &cell("pillow"),
            &cell("rust"),
            "greyscale",
            "duration_ms",
        )
    };
    let by_luck = row(&lucky([[1.0, 1.15], [0.95, 1.02]]));
    assert!(
        float(&by_luck, "p_adj").unwrap() < 1e-4
            && float(&by_luck, "ratio_mean_ci_high").unwrap() < 1.0
    );
    assert_eq!(
        text(&by_luck, "verdict").unwrap(),
        "inconclusive",
        "{by_luck}"
    );
    assert_eq!(
        (integer(&by_luck, "units_a"), integer(&by_luck, "units_b")),
        (Some(2), Some(2))
    );
    assert!(float(&by_luck, "p_units").unwrap() > 0.05);
    let note = text(&by_luck, "note").unwrap();
    assert!(
        note.starts_with("not claimed: 2 and 2 independent environments differ"),
        "{note}"
    );

    let by_code = row(&lucky([[1.0, 1.02], [0.49, 0.5]]));
    assert_eq!(
        (
            text(&by_code, "verdict").unwrap().as_str(),
            text(&by_code, "note")
        ),
        ("faster", None)
    );

    // The pipeline's passes ran in rounds of environments: four of each deployment.
    let run = lucky([[1.0, 1.15], [0.95, 1.02]]);
    let passes = comparison(
        &run,
        &cell("pillow"),
        &cell("rust"),
        "pipeline",
        "turnaround_s",
    );
    assert_eq!(integer(&passes, "units_a"), Some(8), "{passes}");
}

#[test]
fn reference_and_chained_input_are_never_compared() {
    let run = Run::of(&everything());
    let reference = Cell {
        input: Input::Reference,
        ..cell("rust")
    }
    .id()
    .to_string();
    let table = run.table("comparisons");
    assert_eq!(
        table.height(),
        14,
        "variant, architecture and start: two stages, turnaround and cost each; init twice"
    );
    assert!(
        texts(&table, "cell_a")
            .iter()
            .chain(&texts(&table, "cell_b"))
            .all(|cell| *cell != reference)
    );
}

#[test]
fn nothing_is_claimed_of_wrong_unchecked_or_unmeasured_cells() {
    let (pillow, rust, numpy) = (cell("pillow"), cell("rust"), cell("numpy"));
    let arm = Cell {
        architecture: Architecture::Arm64,
        ..cell("pillow")
    };
    let mut journal = Journal::of(&[pillow.clone(), rust.clone(), numpy.clone(), arm.clone()]);
    for repetition in 1..=20 {
        for (cell, ms) in [(&pillow, 100.0), (&rust, 10.0), (&numpy, 50.0)] {
            journal.pass(&Pass::of(cell, repetition, ms + f64::from(repetition)));
        }
    }
    journal
        .check_all(&pillow)
        .check(&Pass::of(&rust, 1, 0.0), 1, Some("blank"));
    let run = Run::of(&journal);
    let verdict = |b: &Cell| {
        let row = comparison(&run, &pillow, b, "greyscale", "duration_ms");
        assert_eq!(float(&row, "p_adj"), None);
        text(&row, "verdict").unwrap()
    };
    assert_eq!(
        (verdict(&rust).as_str(), verdict(&numpy).as_str()),
        ("wrong outputs", "outputs not checked")
    );
    assert_eq!(verdict(&arm), "not measured");
    assert!(
        float(
            &comparison(&run, &pillow, &rust, "greyscale", "duration_ms"),
            "p"
        )
        .is_some()
    );
    let row = comparison(&run, &pillow, &arm, "greyscale", "duration_ms");
    assert!(
        text(&row, "note")
            .unwrap()
            .contains("cannot run here: this host is x86_64")
    );
    assert_eq!(
        (integer(&row, "n_b"), float(&row, "ratio_mean")),
        (Some(0), None)
    );
    assert!(
        run.summary
            .comparisons
            .iter()
            .all(|c| c.p_adjusted.is_none()),
        "{:?}",
        run.summary.comparisons
    );
}

#[test]
fn the_same_code_deployed_twice_is_compared_and_its_share_of_the_variance_told() {
    let pillow = cell("pillow");
    let mut journal = Journal::of(std::slice::from_ref(&pillow));
    journal.deployments(2).check_all(&pillow);
    for repetition in 1..=20 {
        for (deployment, slower) in [(1, 1.0), (2, 1.3)] {
            for image in ["astronaut.png", "chelsea.png"] {
                let ms = (100.0 + f64::from(repetition % 5)) * slower;
                journal.pass(&Pass {
                    image,
                    deployment,
                    ..Pass::of(&pillow, repetition, ms)
                });
            }
        }
    }
    let run = Run::of(&journal);
    let twin = [
        ("factor", "deployment"),
        ("metric", "duration_ms"),
        ("stage", "resize"),
    ];
    let row = rows(&run.table("comparisons"), &twin);
    assert_eq!(
        (
            text(&row, "level_a").as_deref(),
            text(&row, "level_b").as_deref()
        ),
        (Some("1"), Some("2"))
    );
    assert!((float(&row, "ratio_mean").unwrap() - 1.3).abs() < 1e-9);
    assert_eq!(text(&row, "verdict").as_deref(), Some("slower"));
    let summary = run.summary(&pillow, "resize", "duration_ms");
    assert!(float(&summary, "variance_deployment").unwrap() > 0.9);
    assert_eq!(
        float(&summary, "variance_environment"),
        None,
        "no environment is known"
    );
}

#[test]
fn repetitions_of_different_times_are_no_pairs() {
    let (pillow, rust) = (cell("pillow"), cell("rust"));
    let mut journal = Journal::of(&[pillow.clone(), rust.clone()]);
    for repetition in 1..=12 {
        journal.pass(&Pass::of(
            &pillow,
            repetition,
            100.0 + f64::from(repetition),
        ));
        journal.pass(&Pass::of(&rust, repetition, 50.0 + f64::from(repetition)));
    }
    let of = |journal: &Journal| {
        let row = comparison(
            &Run::of(journal),
            &pillow,
            &rust,
            "greyscale",
            "duration_ms",
        );
        (
            row.column("paired").unwrap().bool().unwrap().get(0),
            text(&row, "test").unwrap(),
        )
    };
    assert_eq!(of(&journal), (Some(true), "wilcoxon".to_owned()));
    journal.resume().supersede(&rust);
    for repetition in 1..=12 {
        journal.pass(&Pass::of(&rust, repetition, 50.0 + f64::from(repetition)));
    }
    assert_eq!(
        of(&journal),
        (Some(false), "mann_whitney".to_owned()),
        "one was measured again alone"
    );
}
