//! The section: its sentences, then its parts, each where there is something to show.

use darkroom_tables::read::Row;
use darkroom_tables::{RatesCompared, author_name, rates_in_words, several_prompts};
use maud::{Markup, html};

use super::{code, effort, failures, matrix, outcomes};
use crate::number::figure;
use crate::run::{PIPELINE, Run};
use crate::tables::{download, number, whole_number};

/// A row of `correctness` with its author's name.
pub struct Rated<'a> {
    pub name: String,
    pub row: Row<'a>,
}

impl Rated<'_> {
    pub fn count(&self, column: &str) -> f64 {
        self.row.number(column).unwrap_or(0.0)
    }

    pub fn stage(&self) -> &str {
        self.row.text("stage").unwrap_or_default()
    }

    /// Returns the rate and its interval in percent; `None` where nothing is known.
    pub fn percent(&self, rate: &str) -> Option<[f64; 3]> {
        let of = |end: &str| Some(self.row.number(&format!("{rate}{end}"))? * 100.0);
        Some([of("")?, of("_ci_low")?, of("_ci_high")?])
    }
}

/// Says of each model how many of its pipelines are right.
pub fn sentences(run: &Run) -> Vec<String> {
    let rows = rated(run);
    let whole = rows.iter().filter(|row| row.stage() == PIPELINE);
    whole.map(sentence).collect()
}

/// The section; nothing where no model wrote a variant.
pub fn section(run: &Run) -> Markup {
    let rows = rated(run);
    let pairs: Vec<RatesCompared> = run
        .correctness_comparisons
        .iter()
        .filter_map(|row| RatesCompared::of_row(&row))
        .collect();
    html! {
        @if !rows.is_empty() {
            section id="correctness" {
                h2 { "How much of it is right" }
                @for row in rows.iter().filter(|row| row.stage() == PIPELINE) {
                    p class="answer" { (sentence(row)) }
                }
                @for said in rates_in_words(&pairs) { p { (said) } }
                (matrix::matrix(&rows))
                (outcomes::bars(&rows))
                (failures::failures(run))
                (effort::table(&rows))
                (code::side_by_side(run))
                (numbers(run, &rows, &pairs))
                p class="quiet" { "A sample is one independent set of answers. A stage without usable code counts as not right, and so does a sample that gets only some images right. Only right samples are ranked and compared below, so those times say nothing of the others." }
            }
        }
    }
}

/// Returns the rows of `correctness`; names have the prompt where there are several.
fn rated(run: &Run) -> Vec<Rated<'_>> {
    let prompt = |row: &Row<'_>| row.text("prompt").unwrap_or_default().to_owned();
    let mut prompts = run.correctness.iter().map(|row| prompt(&row));
    let first = prompts.next();
    let several = prompts.any(|prompt| Some(prompt) != first);
    let name = |row: &Row<'_>| {
        let model = row.text("model").unwrap_or_default();
        author_name(model, &prompt(row), several)
    };
    let rows = run.correctness.iter();
    rows.map(|row| Rated {
        name: name(&row),
        row,
    })
    .collect()
}

/// Returns the names of the models in the order of the plan.
pub fn names<'a>(rows: &'a [Rated<'_>]) -> Vec<&'a str> {
    let mut names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    names.dedup();
    names
}

/// Says how many whole pipelines of a model are right.
fn sentence(row: &Rated<'_>) -> String {
    let name = &row.name;
    let Some([_, low, high]) = row.percent("rate") else {
        return format!("{name}: no pipeline was judged.");
    };
    let first = match row.row.number("right_first") {
        Some(first) if row.count("repairs") > 0.0 => {
            format!("; {first} with the first answers, before any repair")
        }
        _ => String::new(),
    };
    let partly = match row.count("right_partly") {
        0.0 => String::new(),
        partly => format!(". {partly} more get some images right, which does not count"),
    };
    let why = row
        .row
        .text("commonest_failure")
        .map(|why| format!(". Commonest failure: {why}"));
    format!(
        "{name}: {} of {} pipelines are right (95% CI {low:.0}% to {high:.0}%){first}{partly}{}.",
        row.count("right"),
        row.count("n"),
        why.unwrap_or_default()
    )
}

/// Every number, folded, with the files.
fn numbers(run: &Run, rows: &[Rated<'_>], pairs: &[RatesCompared]) -> Markup {
    html! {
        (download("correctness", &run.correctness))
        @if !run.correctness_comparisons.rows.is_empty() { (download("correctness_comparisons", &run.correctness_comparisons)) }
        @if !run.generation.rows.is_empty() { (download("generation", &run.generation)) }
        details {
            summary { "every rate in numbers (" (rows.len()) " rows)" }
            div class="wide" role="region" aria-label="Every rate in numbers" tabindex="0" {
                table class="sortable" {
                    caption { "Right samples of each model by stage, with the 95% interval of the rate (Wilson) and the chance that one of k answers is right" }
                    thead { tr { th { "model" } th { "stage" } th { "right" } th { "of" } th { "rate %" } th { "95% low" } th { "high" } th { "right at first" } th { "partly" } th { "pass@1" } th { "pass@3" } th { "pass@5" } th { "pass@10" } th { "not known" } th { "commonest failure" } } }
                    tbody { @for row in rows { (line(row)) } }
                }
            }
        }
        @if !pairs.is_empty() {
            details {
                summary { "models compared (" (pairs.len()) " rows)" }
                p { "Fisher's exact test, two-sided, adjusted by Holm's method: all pairs with the whole pipeline are one family, all pairs at all stages another. The difference has Newcombe's 95% interval." }
                div class="wide" role="region" aria-label="Models compared" tabindex="0" {
                    table class="sortable" {
                        thead { tr { th { "first" } th { "second" } th { "stage" } th { "right" } th { "right" } th { "difference, points" } th { "95% low" } th { "high" } th { "p adj" } th { "tests" } th { "the second is" } } }
                        tbody { @for pair in pairs { (compared(pair, several_prompts(pairs))) } }
                    }
                }
            }
        }
    }
}

fn line(rated: &Rated<'_>) -> Markup {
    let (row, [rate, low, high]) = (
        &rated.row,
        match rated.percent("rate") {
            Some(percent) => percent.map(Some),
            None => [None; 3],
        },
    );
    html! {
        tr data-model=(rated.name) data-stage=(rated.stage()) {
            td { (rated.name) } td { (rated.stage()) }
            (whole_number(row.number("right"))) (whole_number(row.number("n")))
            (number(rate)) (number(low)) (number(high))
            (whole_number(row.number("right_first"))) (whole_number(row.number("right_partly")))
            (number(row.number("pass_at_1"))) (number(row.number("pass_at_3"))) (number(row.number("pass_at_5"))) (number(row.number("pass_at_10")))
            (whole_number(row.number("n_unknown")))
            td class="words" { (row.text("commonest_failure").unwrap_or_default()) }
        }
    }
}

fn compared(pair: &RatesCompared, several_prompts: bool) -> Markup {
    let [a, b] = pair.names(several_prompts);
    let of = |counts: Option<(u64, u64)>| {
        counts.map_or_else(|| "–".to_owned(), |(right, n)| format!("{right} of {n}"))
    };
    let points = |share: f64| share * 100.0;
    html! {
        tr data-stage=(pair.stage) {
            td { (a) } td { (b) } td { (pair.stage) } td { (of(pair.right_of_a)) } td { (of(pair.right_of_b)) }
            (number(pair.difference.map(points))) (number(pair.difference_ci.map(|ci| points(ci.0)))) (number(pair.difference_ci.map(|ci| points(ci.1))))
            td class="n" data-value=[pair.p_adjusted] { (pair.p_adjusted.map_or("–".into(), figure)) }
            td class="n" data-value=(pair.tests) { (pair.tests) }
            td class="words" { (pair.verdict) }
        }
    }
}
