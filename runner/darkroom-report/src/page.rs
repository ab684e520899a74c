//! The page: answer first, then figures, wrong outputs, tables, methods. One file, nothing fetched.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use darkroom_tables::read::{Rows, Value};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::answer::answer;
use crate::charts::{Figure, figures};
use crate::methods::methods;
use crate::number::{count, figure};
use crate::run::Run;

/// Rows of a table shown at most; the download holds the same rows, the Parquet file all of them.
const SHOWN: usize = 2_000;

/// Returns the report as one HTML document.
pub fn html(run: &Run) -> String {
    let figures = figures(run);
    let title = format!("{} · {}", run.about("experiment"), run.about("run_id"));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                (header(run))
                main {
                    (answer_section(run))
                    (wrong_section(run))
                    (numbers_section(run))
                    @for figure in &figures { (figure_section(figure)) }
                    (tables_section(run))
                    (methods_section(run))
                }
                script { (PreEscaped(include_str!("sort.js"))) }
            }
        }
    }
    .into_string()
}

fn header(run: &Run) -> Markup {
    let shared = if run.shared.is_empty() { String::new() } else { format!(" · {}", run.shared.join(", ")) };
    html! {
        header {
            h1 { (run.about("experiment")) }
            p { "Measured on " (run.place()) (shared) " · run " code { (run.about("run_id")) } }
            @if !run.is_aws() {
                p class="caution" { "These durations compare code on one machine. They are not AWS's and predict nothing about it." }
            }
        }
    }
}

fn answer_section(run: &Run) -> Markup {
    html! {
        section id="answer" {
            h2 { "The answer" }
            @for (place, sentence) in answer(run).iter().enumerate() {
                p class=[(place < 3).then_some("answer")] { (sentence) }
            }
            @for (why, cells) in not_measured(run) {
                details {
                    summary { "Not measured, " (count(cells.len(), "cell")) ": " (why) }
                    ul { @for cell in cells { li { code { (cell) } } } }
                }
            }
        }
    }
}

/// Returns the cells without numbers, by the reason why.
fn not_measured(run: &Run) -> BTreeMap<&str, Vec<&str>> {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for cell in &run.cells {
        if let Some(why) = &cell.not_measured {
            by_reason.entry(why).or_default().push(&cell.id);
        }
    }
    by_reason
}

fn wrong_section(run: &Run) -> Markup {
    let mut kinds: Vec<(String, String, String, String, usize)> = Vec::new();
    for row in run.wrong.iter() {
        let text = |column| row.text(column).unwrap_or("").to_owned();
        let (cell, stage, reason, detail) = (text("cell_id"), text("stage"), text("reason"), text("detail"));
        match kinds.iter_mut().find(|kind| (&kind.0, &kind.1, &kind.2) == (&cell, &stage, &reason)) {
            Some(kind) => kind.4 += 1,
            None => kinds.push((cell, stage, reason, detail, 1)),
        }
    }
    html! {
        @if !kinds.is_empty() {
            section id="wrong" {
                h2 { "WRONG outputs" }
                p { "Measured like the others, shown, never ranked or called faster." }
                ul {
                    @for (cell, stage, reason, detail, count) in &kinds {
                        li { b { (cell) " · " (stage) } ": " (reason) ", " (count) " of the checked outputs" @if !detail.is_empty() { " (" (detail) ")" } }
                    }
                }
                @for (cell, stage, png) in &run.pictures {
                    figure {
                        img alt=(format!("{cell}, {stage}: expected, got and their difference")) src=(format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png)));
                        figcaption { (cell) " · " (stage) ": expected, got, difference" }
                    }
                }
            }
        }
    }
}

/// Every stage and the pipeline, each with mean, SD and CV: what the study asks for.
fn numbers_section(run: &Run) -> Markup {
    let stage_rows = run.stages.iter().flat_map(|stage| {
        run.measured().map(move |cell| (stage.as_str(), cell, run.stat(cell, stage, Run::time_metric(cell)), "ms"))
    });
    let whole = run.measured().map(|cell| ("turnaround", cell, run.stat(cell, "pipeline", "turnaround_s"), "s"));
    let cost = run
        .measured()
        .map(|cell| ("cost of 100,000 images", cell, run.stat(cell, "pipeline", "cost_usd_per_100k"), "USD"));
    let rows: Vec<_> = stage_rows.chain(whole).chain(cost).collect();
    let number = |value: Option<f64>| html! { td class="n" data-value=[value] { (value.map_or("–".into(), figure)) } };
    html! {
        section id="numbers" {
            h2 { "In numbers" }
            div class="wide" {
                table class="sortable" {
                    thead { tr { th { "what" } th { "cell" } th { "unit" } th { "n" } th { "mean" } th { "95% low" } th { "high" } th { "SD" } th { "CV %" } th { "median" } th { "p95" } th { "rank" } } }
                    tbody {
                        @for (what, cell, stat, unit) in &rows {
                            @if let Some(stat) = stat {
                                tr class=[(cell.outputs_ok == Some(false)).then_some("wrong")] data-cell=(cell.id) {
                                    td { (what) } td { (crate::charts::marked(cell)) } td { (unit) }
                                    td class="n" data-value=(stat.n) { (stat.n) }
                                    (number(Some(stat.mean))) (number(stat.ci.map(|ci| ci.0))) (number(stat.ci.map(|ci| ci.1)))
                                    (number(stat.sd)) (number(stat.cv.map(|cv| cv * 100.0))) (number(Some(stat.p50))) (number(stat.p95))
                                    td class="n" { (stat.rank.map_or("–".into(), |rank| rank.to_string())) }
                                }
                            }
                        }
                    }
                }
            }
            p class="quiet" { "n counts images × repetitions × deployments; images differ in size, so SD and CV are not noise alone. Rank: among cells of the same image set, trigger, input, start and concurrency with right outputs." }
        }
    }
}

fn figure_section(figure: &Figure) -> Markup {
    let alternative = format!("{}. {}", figure.title, figure.alternative);
    html! {
        section id=(figure.id) {
            h2 { (figure.title) }
            figure {
                div class="wide" role="img" aria-label=(alternative) { (PreEscaped(embedded(&figure.svg))) }
                figcaption { (figure.caption) }
            }
            details { summary { "in words" } p { (figure.alternative) } }
        }
    }
}

/// Lets the page's width decide the picture's.
fn embedded(svg: &str) -> String {
    svg.replacen("<svg ", "<svg aria-hidden=\"true\" ", 1)
}

fn tables_section(run: &Run) -> Markup {
    html! {
        section id="tables" {
            h2 { "Tables" }
            p { "Every column is explained in outputs/README.md. The Parquet files beside this page hold the same rows, and " code { "invocations" } ", " code { "pipelines" } " and " code { "outputs" } " besides." }
            (table("summary", &run.summary))
            (table("comparisons", &run.comparisons))
            (table("costs", &run.costs))
        }
    }
}

fn table(name: &str, rows: &Rows) -> Markup {
    let address = format!("data:text/csv;base64,{}", BASE64_STANDARD.encode(rows.csv()));
    html! {
        details {
            summary { (name) " (" (rows.rows.len()) " rows)" }
            p { a download=(format!("{name}.csv")) href=(address) { "Download as CSV" } @if rows.rows.len() > SHOWN { " · the first " (SHOWN) " are shown" } }
            div class="wide" {
                table class="sortable" {
                    thead { tr { @for column in &rows.columns { th { (column) } } } }
                    tbody {
                        @for row in rows.rows.iter().take(SHOWN) {
                            tr { @for value in row { (shown(value)) } }
                        }
                    }
                }
            }
        }
    }
}

fn shown(value: &Value) -> Markup {
    match value {
        Value::Null => html! { td {} },
        Value::Text(text) => html! { td { (text) } },
        Value::Bool(truth) => html! { td { (truth) } },
        Value::Integer(number) | Value::Time(number) => html! { td class="n" data-value=(number) { (number) } },
        Value::Float(number) => html! { td class="n" data-value=(number) { (figure(*number)) } },
    }
}

fn methods_section(run: &Run) -> Markup {
    html! {
        section id="methods" {
            h2 { "Methods" }
            p { (methods(run)) }
        }
    }
}
