//! Small multiples: a panel a kind of work, one colour a variant, round labels.

use darkroom_core::cell::{Cell, Start};

use crate::journal::cell;
use crate::{Made, with_inits};

fn warm_and_cold() -> Made {
    let cold = |variant: &str| Cell {
        start: Start::Cold,
        ..cell(variant)
    };
    let cells = [
        (cell("pillow"), 100.0),
        (cell("rust"), 8.0),
        (cold("pillow"), 100.0),
        (cold("rust"), 8.0),
    ];
    Made::of(&with_inits(&cells, 700.0))
}

/// The panels of a figure by their names.
fn panels(svg: &str) -> Vec<(&str, &str)> {
    let parts = svg
        .split("font-weight=\"bold\" fill=\"currentColor\">")
        .skip(1);
    parts
        .filter_map(|part| part.split_once("</text>"))
        .collect()
}

/// The texts that plotters drew as an axis' labels: numbers alone.
fn numbers(panel: &str) -> Vec<f64> {
    let texts = panel
        .split("<text")
        .skip(1)
        .filter_map(|part| part.split_once('>'));
    texts
        .filter_map(|(_, text)| text.split("</text>").next()?.trim().parse().ok())
        .collect()
}

#[test]
fn warm_and_cold_are_never_on_one_axis() {
    let made = warm_and_cold();
    for id in ["runtime-greyscale", "turnaround", "waterfall", "cost"] {
        let svg = made.figure(id).svg;
        let names: Vec<&str> = panels(&svg).iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["warm", "cold"], "{id}");
    }
    let svg = made.figure("runtime-greyscale").svg;
    let found = panels(&svg);
    let (warm, cold) = (numbers(found[0].1), numbers(found[1].1));
    assert!(
        warm.iter().all(|label| *label <= 200.0),
        "of milliseconds up to 100: {warm:?}"
    );
    assert!(
        cold.iter().any(|label| *label >= 500.0),
        "with init: {cold:?}"
    );
    for name in ["pillow", "rust"] {
        for (of, panel) in &found {
            assert!(
                panel.contains(&format!("\n{name}\n")),
                "{name} is named beside its row in {of}"
            );
        }
    }
}

#[test]
fn levels_that_differ_tenfold_have_a_logarithmic_axis_with_round_labels() {
    let svg = warm_and_cold().figure("runtime-greyscale").svg;
    let found = panels(&svg);
    assert!(
        found[0].1.contains("ms (logarithmic)"),
        "8 and 100 ms: {}",
        found[0].1
    );
    assert!(!found[1].1.contains("(logarithmic)"), "708 and 800 ms");
    let labels = numbers(found[0].1);
    assert!(labels.len() > 1, "{labels:?}");
    for label in labels {
        let digit = label / 10_f64.powf(label.log10().floor());
        assert!(
            [1.0, 2.0, 3.0, 5.0, 7.0]
                .iter()
                .any(|round| (digit - round).abs() < 1e-9),
            "{label}"
        );
    }
}

#[test]
fn a_variant_has_one_colour_in_every_panel() {
    let svg = warm_and_cold().figure("turnaround").svg;
    let found = panels(&svg);
    let colours = |panel: &str| -> Vec<String> {
        let lines = panel
            .split("<polyline")
            .skip(1)
            .map(|part| part.split("/>").next().unwrap());
        let drawn = lines.filter(|line| line.contains("stroke-width=\"2\""));
        drawn
            .map(|line| line.split("stroke=\"").nth(1).unwrap()[..7].to_owned())
            .collect()
    };
    let (warm, cold) = (colours(found[0].1), colours(found[1].1));
    assert_eq!(warm.len(), 2);
    assert_eq!(warm, cold);
    assert_ne!(warm[0], warm[1]);
}
