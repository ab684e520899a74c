//! Models compared through their samples, and image sets through their images.

use darkroom_core::cell::Cell;
use darkroom_core::event::Event;
use polars::prelude::DataFrame;

use crate::journal::{Journal, Pass, cell};
use crate::{Run, float, integer, rows, text, texts};

/// Samples as (variant, model, level of their durations in ms); those of level 0 are wrong.
fn journal(samples: &[(&str, &str, f64)]) -> Journal {
    let cells: Vec<Cell> = samples.iter().map(|(variant, ..)| cell(variant)).collect();
    let mut journal = Journal::of(&cells);
    if let Some(Event::RunStarted(run)) = journal.events.first_mut() {
        for (planned, (number, (_, model, _))) in run.cells.iter_mut().zip((1..).zip(samples)) {
            planned.model = Some((*model).into());
            planned.sample = Some(number);
        }
    }
    for repetition in 1..=10 {
        for (index, (cell, (_, _, level))) in cells.iter().zip(samples).enumerate() {
            for (image, size) in [("astronaut.png", 1.0), ("chelsea.png", 4.0)] {
                let noise = 1.0 + 0.004 * f64::from((repetition * 7 + index as u32 * 5) % 11);
                let pass = Pass::of(cell, repetition, level.max(1.0) * size * noise);
                journal.pass(&Pass { image, ..pass });
            }
        }
    }
    for (cell, (_, _, level)) in cells.iter().zip(samples) {
        if *level == 0.0 {
            journal.check(&Pass::of(cell, 1, 0.0), 1, Some("blank"));
        } else {
            journal.check_all(cell);
        }
    }
    journal
}

/// The row of the factor `model` in a metric of the whole pipeline.
fn row(run: &Run, metric: &str) -> DataFrame {
    rows(
        &run.table("comparisons"),
        &[
            ("factor", "model"),
            ("stage", "pipeline"),
            ("metric", metric),
        ],
    )
}

#[test]
fn a_model_without_an_effect_of_its_own_is_inconclusive_however_sure_each_sample_is() {
    let samples = [
        ("gpt.1", "gpt", 100.0),
        ("gpt.2", "gpt", 150.0),
        ("gpt.3", "gpt", 60.0),
        ("opus.1", "opus", 160.0),
        ("opus.2", "opus", 70.0),
        ("opus.3", "opus", 110.0),
    ];
    let run = Run::of(&journal(&samples));
    let found = row(&run, "turnaround_s");
    assert_eq!(
        (
            text(&found, "level_a").unwrap(),
            text(&found, "level_b").unwrap()
        ),
        ("gpt".into(), "opus".into())
    );
    assert_eq!(text(&found, "verdict").unwrap(), "inconclusive");
    assert_eq!(
        (
            integer(&found, "samples_a"),
            integer(&found, "left_out_a"),
            integer(&found, "n_a")
        ),
        (Some(3), Some(0), Some(60))
    );
    assert_eq!(
        (text(&found, "test").unwrap().as_str(), text(&found, "note")),
        ("welch", None)
    );
    assert!(
        float(&found, "ratio_mean_ci_low").unwrap() < 0.8
            && float(&found, "ratio_mean_ci_high").unwrap() > 1.3
    );
    assert_eq!(text(&found, "cell_a").unwrap().split(' ').count(), 3);
    // Of single samples much can be claimed: each is what it is.
    let variants = rows(&run.table("comparisons"), &[("factor", "variant")]);
    assert!(
        texts(&variants, "verdict")
            .iter()
            .all(|word| ["faster", "slower", "cheaper", "dearer"].contains(&word.as_str()))
    );
}

#[test]
fn a_model_whose_every_sample_is_faster_is_faster_and_cheaper() {
    let samples = [
        ("gpt.1", "gpt", 100.0),
        ("gpt.2", "gpt", 104.0),
        ("gpt.3", "gpt", 97.0),
        ("opus.1", "opus", 50.0),
        ("opus.2", "opus", 52.0),
        ("opus.3", "opus", 47.0),
    ];
    let run = Run::of(&journal(&samples));
    assert_eq!(
        text(&row(&run, "turnaround_s"), "verdict").unwrap(),
        "faster"
    );
    assert_eq!(text(&row(&run, "cost_usd"), "verdict").unwrap(), "cheaper");
}

#[test]
fn wrong_samples_are_counted_and_left_out_and_one_sample_tells_nothing_of_its_model() {
    let samples = [
        ("gpt.1", "gpt", 100.0),
        ("gpt.2", "gpt", 0.0),
        ("gpt.3", "gpt", 102.0),
        ("opus.1", "opus", 50.0),
        ("llama.1", "llama", 0.0),
    ];
    let run = Run::of(&journal(&samples));
    let table = row(&run, "turnaround_s");
    let levels: Vec<String> = texts(&table, "level_b");
    let of = |a: &str, b: &str| rows(&table, &[("level_a", a), ("level_b", b)]);
    assert_eq!(levels, ["opus", "llama", "llama"]);
    let found = of("gpt", "opus");
    assert_eq!(
        (integer(&found, "samples_a"), integer(&found, "left_out_a")),
        (Some(2), Some(1))
    );
    assert_eq!(
        text(&found, "note").unwrap(),
        "1 of 3 samples of gpt left out: outputs wrong; one sample of opus: one answer does not show how the model varies"
    );
    assert_eq!(
        (
            text(&found, "verdict").unwrap().as_str(),
            float(&found, "ratio_mean_ci_low")
        ),
        ("inconclusive", None)
    );
    assert!(
        (float(&found, "ratio_mean").unwrap() - 0.5).abs() < 0.03,
        "wrong samples are not in it"
    );
    let found = of("gpt", "llama");
    assert_eq!(
        (
            text(&found, "verdict").unwrap().as_str(),
            float(&found, "ratio_mean")
        ),
        ("wrong outputs", None)
    );
}

#[test]
fn image_sets_are_compared_by_their_images_and_said_to_be_heavier_not_slower() {
    let (small, large) = (
        cell("rust"),
        Cell {
            image_set: "large".into(),
            ..cell("rust")
        },
    );
    let mut journal = Journal::of(&[small.clone(), large.clone()]);
    for repetition in 1..=12 {
        for (index, image) in ["astronaut.png", "chelsea.png", "rocket.png"]
            .into_iter()
            .enumerate()
        {
            let ms = 100.0 + 10.0 * index as f64 + f64::from(repetition * 5 % 7);
            journal.pass(&Pass {
                image,
                ..Pass::of(&small, repetition, ms)
            });
            journal.pass(&Pass {
                image,
                ..Pass::of(&large, repetition, ms * 5.0)
            });
        }
    }
    let run = Run::of(journal.check_all(&small).check_all(&large));
    let found = rows(
        &run.table("comparisons"),
        &[("factor", "image_set"), ("metric", "turnaround_s")],
    );
    assert_eq!(
        found.column("paired").unwrap().bool().unwrap().get(0),
        Some(false),
        "one name is not one image"
    );
    assert_eq!(text(&found, "test").unwrap(), "mann_whitney");
    assert_eq!(text(&found, "verdict").unwrap(), "heavier");
    assert!(
        text(&found, "note")
            .unwrap()
            .contains("how heavy the two image sets are for the same code")
    );
}
