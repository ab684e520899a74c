//! How many of each model's samples are right, before any time is told.
//!
//! A run's `correctness` table → a section of the page. Decides and computes nothing.

use darkroom_tables::read::Row;
use maud::{Markup, html};

use crate::run::{PIPELINE, Run};
use crate::tables::{download, number};

/// The section; nothing where no model wrote a variant.
pub fn section(run: &Run) -> Markup {
    let rows = || run.correctness.iter();
    html! {
        @if rows().next().is_some() {
            section id="correctness" {
                h2 { "How much of it is right" }
                @for row in rows().filter(|row| row.text("stage") == Some(PIPELINE)) {
                    p class="answer" { (sentence(&row)) }
                }
                (download("correctness", &run.correctness))
                div class="wide" role="region" aria-label="How much of it is right" tabindex="0" {
                    table class="sortable" {
                        caption { "Right samples of each model by stage, with the 95% interval of the rate (Wilson) and the chance that one of k answers is right" }
                        thead { tr { th { "model" } th { "stage" } th { "right" } th { "of" } th { "rate %" } th { "95% low" } th { "high" } th { "pass@3" } th { "pass@5" } th { "pass@10" } th { "not known" } th { "commonest failure" } } }
                        tbody { @for row in rows() { (line(&row)) } }
                    }
                }
                p class="quiet" { "A sample is one independent set of answers. A stage without usable code counts as not right. Only right samples are ranked and compared below: that says nothing of the others. Not known: not measured, or a chain that ended before this stage." }
            }
        }
    }
}

fn line(row: &Row<'_>) -> Markup {
    let text = |column| row.text(column).unwrap_or_default().to_owned();
    let percent = |column| row.number(column).map(|share| share * 100.0);
    html! {
        tr data-model=(text("model")) data-stage=(text("stage")) {
            td { (text("model")) } td { (text("stage")) }
            (number(row.number("right"))) (number(row.number("n")))
            (number(percent("rate"))) (number(percent("rate_ci_low"))) (number(percent("rate_ci_high")))
            (number(row.number("pass_at_3"))) (number(row.number("pass_at_5"))) (number(row.number("pass_at_10")))
            (number(row.number("n_unknown")))
            td class="words" { (text("commonest_failure")) }
        }
    }
}

/// Says how many whole pipelines of a model are right.
fn sentence(row: &Row<'_>) -> String {
    let count = |column| row.number(column).unwrap_or(0.0);
    let model = row.text("model").unwrap_or_default();
    let (right, n) = (count("right"), count("n"));
    let share = |column| row.number(column).map(|share| share * 100.0);
    let Some((low, high)) = share("rate_ci_low").zip(share("rate_ci_high")) else {
        return format!("{model}: no pipeline was judged.");
    };
    let why = row
        .text("commonest_failure")
        .map(|why| format!(". Commonest failure: {why}"));
    format!(
        "{model}: {right} of {n} pipelines are right (95% CI {low:.0}% to {high:.0}%){}.",
        why.unwrap_or_default()
    )
}
