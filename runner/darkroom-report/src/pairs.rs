//! Comparisons for a reader: ratio, interval, effect size, adjusted p, noise floor and verdict in
//! words, by factor.

use darkroom_core::statistics::SIGNIFICANCE;
use darkroom_tables::is_claim;
use darkroom_tables::read::Row;
use maud::{Markup, html};

use crate::charts::{in_words, p_text};
use crate::noise::{Floor, beside, floor};
use crate::notes::percent;
use crate::number::{count, figure};
use crate::run::{PIPELINE, Run};
use crate::tables::{download, number};

/// Rows of stages that are shown at once; more are folded.
const OPEN: usize = 40;

/// Returns the tables of every factor that has comparisons.
pub fn section(run: &Run) -> Markup {
    let factors = factors(run);
    html! {
        @if !factors.is_empty() {
            section id="comparisons" {
                h2 { "Compared, all else equal" }
                p { "Ratio: mean of the second / mean of the first; below 1 the second is faster \
                    or cheaper. A difference is claimed only if the Holm-adjusted p is below \
                    0.05, the interval excludes 1, it is 2% or more, and it is larger than the \
                    differences between environments of the same code, if there are several. \
                    Noise floor: the largest difference between deployments of the same code of \
                    either cell (outer end of the interval)." }
                (download("comparisons", &run.comparisons))
                @for factor in &factors { (of_factor(run, factor)) }
            }
        }
    }
}

/// Returns the factors in the table's order.
pub fn factors(run: &Run) -> Vec<String> {
    let mut factors: Vec<String> = Vec::new();
    for factor in run.comparisons.iter().filter_map(|row| row.text("factor")) {
        if !factors.iter().any(|known| known == factor) {
            factors.push(factor.to_owned());
        }
    }
    factors
}

fn of_factor(run: &Run, factor: &str) -> Markup {
    let rows = run
        .comparisons
        .iter()
        .filter(|row| row.text("factor") == Some(factor) && is_headline(run, *row));
    let (rows, unmeasured): (Vec<Row<'_>>, Vec<Row<'_>>) =
        rows.partition(|row| row.number("ratio_mean").is_some());
    let (whole, stages): (Vec<Row<'_>>, Vec<Row<'_>>) = rows
        .into_iter()
        .partition(|row| row.text("stage") == Some(PIPELINE));
    html! {
        h3 { "By " (in_words(factor)) }
        @if !unmeasured.is_empty() { p class="quiet" { (count(unmeasured.len(), "comparison")) " \
            with unmeasured cells, only in the downloaded table." } }
        @if !whole.is_empty() { (table(run, factor, "the whole pipeline", &whole)) }
        @if !stages.is_empty() && stages.len() <= OPEN { (table(run, factor, "each stage", &stages)) }
        @if stages.len() > OPEN {
            details class="print" { summary { "each stage (" (stages.len()) " rows)" } (table(run, factor, "each stage", &stages)) }
        }
    }
}

/// One time a stage and pair (init included when either is cold, as the tables show them),
/// turnaround and cost.
pub fn is_headline(run: &Run, row: Row<'_>) -> bool {
    let cold = ["cell_a", "cell_b"].iter().any(|column| {
        // Of models several cells, alike but for the variant.
        let first = row.text(column).and_then(|ids| ids.split(' ').next());
        first
            .and_then(|id| run.cell(id))
            .is_some_and(|cell| Run::time_metric(cell) == "cold_total_ms")
    });
    match row.text("metric") {
        Some("turnaround_s") => true,
        Some("cost_usd") => row.text("stage") == Some(PIPELINE),
        Some("cold_total_ms") => cold,
        Some("duration_ms") => !cold,
        _ => false,
    }
}

fn table(run: &Run, factor: &str, of: &str, rows: &[Row<'_>]) -> Markup {
    let caption = format!("Comparisons by {}: {of}", in_words(factor));
    html! {
        div class="wide" role="region" aria-label=(caption) tabindex="0" {
            table class="sortable" {
                caption { (caption) }
                thead { tr { th { "what" } th { "first" } th { "second" } th { "n" } th { "ratio" } th { "95% low" } th { "high" } th { "Cliff's δ" } th { "p adj" } th { "noise floor" } th { "verdict" } } }
                tbody { @for row in rows { (pair(run, factor, *row)) } }
            }
        }
    }
}

fn pair(run: &Run, factor: &str, row: Row<'_>) -> Markup {
    let text = |column| row.text(column).unwrap_or("");
    let floor = floor_of(run, row).map(|floor| floor.apart);
    let ratio = row.number("ratio_mean");
    let verdict = text("verdict");
    html! {
        tr class=[(verdict == "wrong outputs").then_some("wrong")] data-factor=(factor) data-cell-a=(text("cell_a")) data-cell-b=(text("cell_b")) data-level-b=(text("level_b")) data-stage=(text("stage")) data-metric=(text("metric")) data-verdict=(verdict) data-medians=[medians(row)] {
            td { (what(row)) } td { (name(run, factor, row, "a")) } td { (name(run, factor, row, "b")) }
            td class="n" data-value=[row.number("n_a")] { (row.number("n_a").map_or("–".into(), |n| n.to_string())) }
            (number(ratio)) (number(row.number("ratio_mean_ci_low"))) (number(row.number("ratio_mean_ci_high")))
            td class="n" data-value=[row.number("cliffs_delta")] { (row.number("cliffs_delta").map_or("–".into(), |d| format!("{d:.2} {}", text("effect")))) }
            td class="n" data-value=[row.number("p_adj")] { (row.number("p_adj").map_or("–".into(), p_text)) }
            td class="n" data-value=[floor] { (floor.map_or_else(|| "unknown".into(), percent)) }
            td class="words" { (in_full(verdict, ratio, floor, factor)) (luck(row)) (apart(row)) }
        }
    }
}

/// The ratio of the medians and its interval, for the script that shows medians.
fn medians(row: Row<'_>) -> Option<String> {
    let of = |end: &str| row.number(&format!("ratio_median{end}"));
    let ends = of("_ci_low").zip(of("_ci_high"));
    let ends = ends.map_or(String::new(), |(low, high)| format!(" {low} {high}"));
    Some(format!("{}{ends}", of("")?))
}

/// What is compared: the stage, or which figure of the whole pipeline.
pub fn what(row: Row<'_>) -> String {
    match (row.text("stage"), row.text("metric")) {
        (Some(PIPELINE), Some("turnaround_s")) => "turnaround".into(),
        (Some(PIPELINE), Some("cost_usd")) => "cost".into(),
        (Some(stage), Some("cold_total_ms")) if row.text("factor") == Some("start") => {
            format!("{stage}, with init")
        }
        (stage, _) => stage.unwrap_or("–").into(),
    }
}

/// Returns a verdict for the two sides the other way round.
pub fn turned(verdict: &str) -> &str {
    match verdict {
        "slower" => "faster",
        "dearer" => "cheaper",
        "faster" => "slower",
        "cheaper" => "dearer",
        other => other,
    }
}

/// Says why nothing is claimed of what is sure within its environments; nothing of every other row.
fn luck(row: Row<'_>) -> String {
    let sure = row.number("p_adj").is_some_and(|p| p < SIGNIFICANCE);
    match (row.text("verdict"), row.number("p_units")) {
        (Some("inconclusive"), Some(p)) if sure && p >= SIGNIFICANCE => {
            format!(
                "; environments of the same code differ by as much (p {} over them)",
                p_text(p)
            )
        }
        _ => String::new(),
    }
}

/// What is said beside every comparison of cells that were not measured side by side.
pub const APART: &str = "measured at different times";

/// Warns where the two sides were measured at different times; nothing of every other row.
fn apart(row: Row<'_>) -> &'static str {
    match row.truth("side_by_side") {
        Some(false) => "; measured at different times, which may cause part of it",
        _ => "",
    }
}

/// Names one side: its cell, and which deployment of it where that is what differs.
fn name(run: &Run, factor: &str, row: Row<'_>, side: &str) -> String {
    let id = row
        .text(if side == "a" { "cell_a" } else { "cell_b" })
        .unwrap_or("–");
    let label = run
        .cell(id)
        .map_or_else(|| id.to_owned(), crate::charts::marked);
    let level = row
        .text(if side == "a" { "level_a" } else { "level_b" })
        .unwrap_or("–");
    if factor == crate::noise::DEPLOYMENT {
        format!("{label}, deployment {level}")
    } else if factor == "model" {
        match ["samples", "left_out"].map(|of| row.number(&format!("{of}_{side}"))) {
            [Some(of), Some(out)] if out > 0.0 => format!("{level} ({of} of {} samples)", of + out),
            _ => level.to_owned(),
        }
    } else {
        label
    }
}

/// Returns the noise floor of the two cells of a comparison.
pub fn floor_of(run: &Run, row: Row<'_>) -> Option<Floor> {
    let cells: Vec<&str> = ["cell_a", "cell_b"]
        .iter()
        .filter_map(|column| row.text(column))
        .collect();
    floor(run, &cells, row.text("stage")?, row.text("metric")?)
}

/// Says what the verdict means; of a claim also how it stands to the noise floor.
pub fn in_full(verdict: &str, ratio: Option<f64>, floor: Option<f64>, factor: &str) -> String {
    match (verdict, ratio) {
        (claim, Some(_)) if is_claim(claim) && factor == crate::noise::DEPLOYMENT => {
            format!("{claim}, although it is the same code: this run cannot resolve less than this")
        }
        (claim, Some(ratio)) if is_claim(claim) => {
            format!(
                "{claim} by {} ({})",
                percent((ratio - 1.0).abs()),
                beside(floor, ratio)
            )
        }
        ("inconclusive", _) => {
            "inconclusive: the data neither show nor exclude a difference".into()
        }
        ("equivalent", _) => "equivalent: the interval lies within 5%".into(),
        ("wrong outputs", _) => "not compared: wrong outputs".into(),
        ("remembers outputs", _) => {
            "not compared: it remembers outputs, so its times are not those of the work".into()
        }
        ("outputs not checked", _) => "not compared: outputs not checked".into(),
        (other, _) => other.to_owned(),
    }
}

/// Returns the comparison in a sentence.
pub fn comparison_in_words(run: &Run, row: Row<'_>, label: &str) -> String {
    let ci = row
        .number("ratio_mean_ci_low")
        .zip(row.number("ratio_mean_ci_high"));
    let p = row
        .number("p_adj")
        .map_or(String::new(), |p| format!(", adjusted p {}", p_text(p)));
    let effect = row
        .text("effect")
        .map_or(String::new(), |effect| format!(", {effect} effect"));
    let ratio = row.number("ratio_mean");
    let factor = row.text("factor").unwrap_or("");
    format!(
        "{label}: ratio {} {}{effect}{p}, {}",
        ratio.map_or("–".into(), figure),
        crate::number::interval(ci),
        in_full(
            row.text("verdict").unwrap_or("–"),
            ratio,
            floor_of(run, row).map(|floor| floor.apart),
            factor
        ) + &luck(row)
            + apart(row)
    )
}
