//! Tables of the page: those for reading, and the run's own tables, each with its download.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use darkroom_tables::read::{Formulas, Rows, Value};
use maud::{Markup, html};

use crate::notes::notes;
use crate::number::figure;
use crate::run::Run;

/// Rows of a table shown at most; the download holds all of them.
const SHOWN: usize = 2_000;

/// Every stage and the pipeline, each with mean, SD and CV: what the study asks for.
pub fn numbers(run: &Run) -> Markup {
    let stages = run.stages.iter().flat_map(|stage| {
        run.measured().map(move |cell| {
            (
                stage.as_str(),
                cell,
                stage.as_str(),
                Run::time_metric(cell),
                "ms",
            )
        })
    });
    let whole = run
        .measured()
        .map(|cell| ("turnaround", cell, "pipeline", "turnaround_s", "s"));
    let cost = run.measured().map(|cell| {
        (
            "cost of 100,000",
            cell,
            "pipeline",
            "cost_usd_per_100k",
            "USD",
        )
    });
    let rows = stages
        .chain(whole)
        .chain(cost)
        .filter_map(|(what, cell, stage, metric, unit)| {
            let (stat, row) = (
                run.stat(cell, stage, metric)?,
                run.summary_row(cell, stage, metric)?,
            );
            Some((what, cell, stage, metric, stat, row, unit))
        });
    html! {
        section id="numbers" {
            h2 { "In numbers" }
            (download("summary", &run.summary))
            details {
                summary { "each mean with its interval, SD, CV, quantiles and rank" }
                div class="wide" role="region" aria-label="In numbers" tabindex="0" {
                table class="sortable" {
                    caption { "Mean with its 95% interval (for these images), SD and CV of every stage, of turnaround and of cost" }
                    thead { tr { th { "what" } th { "cell" } th { "n" } th { "mean" } th { "95% low" } th { "high" } th { "SD" } th { "CV %" } th { "median" } th { "p95" } th { "rank" } th { "mind" } } }
                    tbody {
                        @for (what, cell, stage, metric, stat, row, unit) in rows {
                            tr class=[(cell.outputs_ok == Some(false)).then_some("wrong")] data-cell=(cell.id) data-stage=(stage) data-metric=(metric) {
                                td { (what) ", " (unit) } td { (crate::charts::marked(cell)) }
                                td class="n" data-value=(stat.n) { (stat.n) }
                                (number(Some(stat.mean))) (number(stat.ci.map(|ci| ci.0))) (number(stat.ci.map(|ci| ci.1)))
                                (number(stat.sd)) (number(stat.cv.map(|cv| cv * 100.0))) (number(Some(stat.p50))) (number(stat.p95))
                                td class="n" { (stat.rank.map_or("–".into(), |rank| rank.to_string())) }
                                td class="words" { (notes(cell, row).into_iter().map(|note| note.short).collect::<Vec<_>>().join("; ")) }
                            }
                        }
                    }
                }
            }
            p class="quiet" { "n = images × repetitions × deployments. The images differ in \
                size, so SD and CV include that. Rank: among cells of the same image set, \
                trigger, input, start, SnapStart and concurrency with right outputs; only if a difference \
                from each of them is claimed, and never for a sample of a model. p95 from n = 20 \
                on. Mind: read this before you use the row." }
            }
        }
    }
}

/// The run's own tables, whole.
pub fn whole(run: &Run) -> Markup {
    html! {
        section id="tables" {
            h2 { "Tables" }
            p { "Every column is explained in outputs/README.md. The Parquet files beside this page hold the same rows, and " code { "invocations" } ", " code { "pipelines" } ", " code { "outputs" } ", " code { "code" } " and " code { "builds" } " besides." }
            (folded("summary", &run.summary, &html! { p { a href="#numbers" { "Its download" } } }))
            @if !run.comparisons.rows.is_empty() { (folded("comparisons", &run.comparisons, &html! { p { a href="#comparisons" { "Its download" } } })) }
            (folded("costs", &run.costs, &download("costs", &run.costs)))
            @if !run.choices.rows.is_empty() { (folded("choices", &run.choices, &html! { p { a href="#choices" { "Its download" } } })) }
        }
    }
}

/// Offers a table as a file, from the page itself.
pub fn download(name: &str, rows: &Rows) -> Markup {
    let address = format!(
        "data:text/csv;base64,{}",
        BASE64_STANDARD.encode(rows.csv(Formulas::Harmless))
    );
    html! {
        p class="download" { a download=(format!("{name}.csv")) href=(address) { "Download " (name) ".csv" } " (every column, " (rows.rows.len()) " rows)" }
    }
}

/// A table as it is, folded; its file is offered once a page.
fn folded(name: &str, rows: &Rows, file: &Markup) -> Markup {
    html! {
        details {
            summary { (name) " (" (rows.rows.len()) " rows)" }
            (file)
            @if rows.rows.len() > SHOWN { p { "The first " (SHOWN) " are shown." } }
            div class="wide" role="region" aria-label=(name) tabindex="0" {
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

/// A number's cell: rounded for the reader, in full for sorting and for who checks.
pub fn number(value: Option<f64>) -> Markup {
    html! { td class="n" data-value=[value] { (value.map_or("–".into(), figure)) } }
}

/// A count's cell: whole, and never with decimals.
pub fn whole_number(value: Option<f64>) -> Markup {
    html! { td class="n" data-value=[value] { (value.map_or("–".into(), |count| format!("{count:.0}"))) } }
}

fn shown(value: &Value) -> Markup {
    match value {
        Value::Null => html! { td {} },
        Value::Text(text) => html! { td { (text) } },
        Value::Bool(truth) => html! { td { (truth) } },
        Value::Integer(number) | Value::Time(number) => {
            html! { td class="n" data-value=(number) { (number) } }
        }
        Value::Float(number) => html! { td class="n" data-value=(number) { (figure(*number)) } },
    }
}
