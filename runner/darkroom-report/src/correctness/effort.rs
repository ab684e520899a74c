//! What a right pipeline took: questions, tokens, time and money.

use maud::{Markup, html};

use super::section::Rated;
use crate::run::PIPELINE;
use crate::tables::number;

/// Returns the table; nothing of runs whose journal does not say what was asked.
pub fn table(rows: &[Rated<'_>]) -> Markup {
    let whole = || {
        let rows = rows.iter().filter(|row| row.stage() == PIPELINE);
        rows.filter(|row| row.row.number("asks").is_some())
    };
    html! {
        @if whole().next().is_some() {
            h3 { "What a right pipeline took" }
            div class="wide" role="region" aria-label="What a right pipeline took" tabindex="0" {
                table class="sortable" {
                    caption { "Questions, tokens, time and money of each model's samples, and for each right pipeline" }
                    thead { tr { th { "model" } th { "right" } th { "of" } th { "tokens per right one" } th { "USD per right one" } th { "questions" } th { "of these repairs" } th { "tokens in" } th { "tokens out" } th { "answering, s" } th { "USD" } } }
                    tbody { @for row in whole() { (line(row)) } }
                }
            }
            p class="quiet" { "All samples' questions and answers, right or not, divided by the right ones; – where none is right, or the endpoint or models.toml does not say. Answers that were put aside with --ask-again are not counted." }
        }
    }
}

fn line(row: &Rated<'_>) -> Markup {
    let whole = |column| match row.row.number(column) {
        Some(count) => html! { td class="n" data-value=(count) { (count) } },
        None => number(None),
    };
    html! {
        tr {
            td { (row.name) } (whole("right")) (whole("n"))
            (number(row.row.number("tokens_per_right"))) (number(row.row.number("cost_usd_per_right")))
            (whole("asks")) (whole("repairs"))
            (whole("input_tokens")) (whole("output_tokens"))
            (number(row.row.number("answer_s"))) (number(row.row.number("cost_usd")))
        }
    }
}
