//! Recommended memory sizes (cheapest, fastest, balanced) from the table of choices, with the sizes
//! that do not clearly differ.

use darkroom_tables::read::Row;
use maud::{Markup, html};

use crate::charts::family;
use crate::number::{figure, interval};
use crate::pairs::APART;
use crate::run::{CellView, Run};
use crate::tables::download;

/// The table's column of a pick, the word for it, and the column of sizes that do not clearly differ.
const PICKS: [(&str, &str, Option<&str>); 3] = [
    ("cheapest", "cheapest", Some("cheapest_not_told_from_mb")),
    ("fastest", "fastest", Some("fastest_not_told_from_mb")),
    ("balanced", "balanced", None),
];

/// A size to take, of cells that differ in memory only.
struct Pick<'a> {
    cell: &'a CellView,
    word: &'static str,
    row: Row<'a>,
    /// MB, by spaces; `None` where it is not tested.
    not_told_from: Option<&'a str>,
}

/// Returns the picks, those of one family together, in the order of the matrix.
fn picks(run: &Run) -> Vec<(String, Vec<Pick<'_>>)> {
    let mut families: Vec<(String, Vec<Pick<'_>>)> = Vec::new();
    for (column, word, alike) in PICKS {
        for row in run
            .choices
            .iter()
            .filter(|row| row.truth(column) == Some(true))
        {
            let Some(cell) = row.text("cell_id").and_then(|id| run.cell(id)) else {
                continue;
            };
            let pick = Pick {
                cell,
                word,
                row,
                not_told_from: alike.and_then(|alike| row.text(alike)),
            };
            let name = family(cell);
            match families.iter_mut().find(|(of, _)| *of == name) {
                Some((_, picks)) => picks.push(pick),
                None => families.push((name, vec![pick])),
            }
        }
    }
    families
}

/// Returns a sentence for each variant that has several memory sizes.
pub fn sentences(run: &Run) -> Vec<String> {
    let told = |pick: &Pick<'_>| {
        let mb = pick.cell.cell.memory_mb;
        match pick.word {
            "cheapest" => format!(
                "cheapest {mb} MB (${} per 100,000 images{})",
                cost(pick),
                alike(pick)
            ),
            "fastest" => format!("fastest {mb} MB ({} s{})", turnaround(pick), alike(pick)),
            word => format!("{word} {mb} MB (cost and turnaround weighed alike)"),
        }
    };
    let sentence = |(name, picks): (String, Vec<Pick<'_>>)| {
        let told: Vec<String> = picks.iter().map(told).collect();
        format!(
            "Memory of {name}, by means: {}{}.",
            told.join(", "),
            apart(run, &picks[0])
        )
    };
    picks(run).into_iter().map(sentence).collect()
}

/// Warns where the sizes among which one is picked were measured at different times.
fn apart(run: &Run, pick: &Pick<'_>) -> String {
    let of = family(pick.cell);
    let apart = run
        .measured()
        .any(|cell| family(cell) == of && run.is_apart(&cell.id, &pick.cell.id));
    if apart {
        format!("; {APART}")
    } else {
        String::new()
    }
}

fn cost(pick: &Pick<'_>) -> String {
    mean(
        pick.row,
        "cost_usd_per_100k",
        "cost_usd_per_100k_ci_low",
        "cost_usd_per_100k_ci_high",
    )
}

fn turnaround(pick: &Pick<'_>) -> String {
    mean(
        pick.row,
        "turnaround_s",
        "turnaround_ci_low_s",
        "turnaround_ci_high_s",
    )
}

fn mean(row: Row<'_>, column: &str, low: &str, high: &str) -> String {
    let ci = row.number(low).zip(row.number(high));
    format!(
        "{} {}",
        row.number(column).map_or("–".into(), figure),
        interval(ci)
    )
}

fn alike(pick: &Pick<'_>) -> String {
    match pick.not_told_from {
        None | Some("") => String::new(),
        Some(sizes) => format!(
            "; not clearly different from {} MB",
            sizes.replace(' ', ", ")
        ),
    }
}

/// Returns the recommendation as a table, where there is one.
pub fn section(run: &Run) -> Markup {
    let picks = picks(run);
    html! {
        @if !picks.is_empty() {
            section id="choices" {
                h2 { "Which memory size" }
                p { "By means, with their 95% intervals. Balanced: the lowest mean of cost / \
                    highest cost and turnaround / longest turnaround; it is not tested. Only \
                    sizes with right outputs are considered." }
                (download("choices", &run.choices))
                div class="wide" role="region" aria-label="Which memory size" tabindex="0" {
                    table class="sortable" {
                        caption { "Cheapest, fastest and balanced memory size of each variant" }
                        thead { tr { th { "of" } th { "pick" } th { "MB" } th { "USD per 100,000 images" } th { "turnaround, s" } th { "not \
                            clearly different from" } } }
                        tbody {
                            @for (name, picks) in &picks { @for pick in picks {
                                tr data-cell=(pick.cell.id) data-pick=(pick.word) {
                                    td { (name) } td { (pick.word) }
                                    td class="n" data-value=(pick.cell.cell.memory_mb) { (pick.cell.cell.memory_mb) }
                                    td class="n" data-value=[pick.row.number("cost_usd_per_100k")] { (cost(pick)) }
                                    td class="n" data-value=[pick.row.number("turnaround_s")] { (turnaround(pick)) }
                                    td class="words" { (told_from(pick)) }
                                }
                            } }
                        }
                    }
                }
            }
        }
    }
}

fn told_from(pick: &Pick<'_>) -> String {
    match pick.not_told_from {
        None => "not tested".into(),
        Some("") => "clearly different from every other size".into(),
        Some(sizes) => {
            format!(
                "{} MB: a difference is unclear, or too small",
                sizes.replace(' ', ", ")
            )
        }
    }
}
