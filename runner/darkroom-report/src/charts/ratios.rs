//! Comparisons, one figure a factor: ratio of means with its interval, one row a pair and stage.

use std::collections::BTreeSet;

use darkroom_tables::read::Row;
use plotters::prelude::*;

use super::Figure;
use super::canvas::{colour, draw_rows};
use crate::number::{figure, interval};
use crate::run::Run;

/// Rows that one figure can hold; what is beyond stands in the table.
const ROWS: usize = 36;

/// Returns a figure for every factor that has comparisons.
pub fn figures(run: &Run) -> Vec<Figure> {
    let mut factors: Vec<&str> = Vec::new();
    for factor in run.comparisons.iter().filter_map(|row| row.text("factor")) {
        if !factors.contains(&factor) {
            factors.push(factor);
        }
    }
    factors.into_iter().filter_map(|factor| of_factor(run, factor)).collect()
}

struct Ratio {
    label: String,
    at: f64,
    ci: (f64, f64),
    sure: bool,
    told: String,
}

fn of_factor(run: &Run, factor: &str) -> Option<Figure> {
    let rows: Vec<Row<'_>> = run.comparisons.iter().filter(|row| row.text("factor") == Some(factor)).collect();
    let shown: Vec<Ratio> =
        rows.iter().filter(|row| is_headline(run, **row)).filter_map(|row| ratio(run, *row)).collect();
    let left_out = shown.len().saturating_sub(ROWS);
    let shown: Vec<Ratio> = shown.into_iter().take(ROWS).collect();
    if shown.is_empty() {
        return None;
    }
    let labels: Vec<String> = shown.iter().map(|ratio| ratio.label.clone()).collect();
    let low = shown.iter().map(|ratio| ratio.ci.0).fold(1.0, f64::min);
    let high = shown.iter().map(|ratio| ratio.ci.1).fold(1.0, f64::max);
    let room = (high - low).max(0.1) * 0.06;
    let svg = draw_rows(
        &labels,
        (low - room).max(0.0)..high + room,
        "ratio of means: below 1 the first is faster",
        |plot| {
            let rows = shown.len() as f64;
            plot.chart.draw_series([PathElement::new([(1.0, 0.0), (1.0, rows)], BLACK.mix(0.7).stroke_width(1))])?;
            plot.chart.draw_series([Rectangle::new(
                [(0.95_f64.max(low - room), 0.0), (1.05_f64.min(high + room), rows)],
                BLACK.mix(0.06).filled(),
            )])?;
            for (row, ratio) in shown.iter().enumerate() {
                let ink = if ratio.sure { colour(0) } else { colour(6) };
                plot.whisker((ratio.ci.0, ratio.at, ratio.ci.1), row as f64 + 0.5, ink.stroke_width(2))?;
                plot.tell_within((low, row as f64), (high, row as f64 + 1.0), ratio.told.clone());
            }
            Ok(())
        },
    )?;
    let more = if left_out == 0 { String::new() } else { format!(" {left_out} more pairs stand in the table.") };
    Some(Figure {
        id: format!("ratio-{factor}"),
        title: format!("Compared by {}", in_words(factor)),
        caption: format!(
            "Each row: one against the other, all else equal, with the 95% interval of the ratio. Blue: the difference is \
             claimed (Holm-adjusted p < 0.05, interval without 1, 2% or more). Grey: it is not. Shaded: within 5%.{more}"
        ),
        alternative: shown.iter().map(|ratio| ratio.told.clone()).collect::<Vec<_>>().join(". "),
        svg,
    })
}

/// One time a stage and pair: init included when both are cold, as the tables show them.
fn is_headline(run: &Run, row: Row<'_>) -> bool {
    let cold = ["cell_a", "cell_b"].iter().all(|column| {
        row.text(column).and_then(|id| run.cell(id)).is_some_and(|cell| Run::time_metric(cell) == "cold_total_ms")
    });
    match row.text("metric") {
        Some("turnaround_s") => true,
        Some("cold_total_ms") => cold,
        Some("duration_ms") => !cold,
        _ => false,
    }
}

fn ratio(run: &Run, row: Row<'_>) -> Option<Ratio> {
    let at = row.number("ratio_mean")?;
    let ci = (row.number("ratio_mean_ci_low")?, row.number("ratio_mean_ci_high")?);
    let (a, b) = (row.text("level_a")?, row.text("level_b")?);
    let verdict = row.text("verdict")?;
    let label = format!("{} · {b} / {a}{}", row.text("stage")?, context(run, row));
    let p = row.number("p_adj").map_or(String::new(), |p| format!(", adjusted p {}", p_text(p)));
    let told = format!("{label}: ratio {} {}, {verdict}{p}", figure(at), interval(Some(ci)));
    Some(Ratio { label, at, ci, sure: ["faster", "slower"].contains(&verdict), told })
}

/// What else tells this pair of cells from the others of its factor.
fn context(run: &Run, row: Row<'_>) -> String {
    let levels = |column: &str| -> BTreeSet<String> {
        let label = row.text(column).and_then(|id| run.cell(id)).map(|cell| cell.label.clone()).unwrap_or_default();
        label.replace(" MB", "\u{a0}MB").split(' ').map(str::to_owned).collect()
    };
    let (a, b) = (levels("cell_a"), levels("cell_b"));
    let shared: Vec<String> = a.intersection(&b).cloned().collect();
    if shared.is_empty() { String::new() } else { format!(" ({})", shared.join(" ")) }
}

pub fn in_words(factor: &str) -> &str {
    match factor {
        "memory_mb" => "memory size",
        "image_set" => "image set",
        other => other,
    }
}

pub fn p_text(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") }
}
