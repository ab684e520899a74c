//! The page: the answer first, then figures, wrong outputs, tables, methods. One file that loads
//! nothing.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use darkroom_core::shown;
use darkroom_tables::{Misdeed, RefusedCalls, SCHEMA_VERSION};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::answer::answer;
use crate::charts::{Figure, figures};
use crate::methods::methods;
use crate::notes;
use crate::number::count;
use crate::run::{PIPELINE, Run};
use crate::{choices, correctness, pairs, tables};

/// Returns the report as one HTML document. `findings` is what does not match the run's journal, in
/// words.
pub fn html(run: &Run, findings: &[String]) -> String {
    let title = format!("{} · {}", run.about("experiment"), run.about("run_id"));
    document(
        &title,
        &html! {
            (header(run))
            main {
                (findings_section(findings))
                (correctness::section(run))
                (answer_section(run))
                (wrong_section(run))
                (misbehaviour_section(run))
                (tables::numbers(run))
                (choices::section(run))
                @for figure in &figures(run) { (figure_section(figure)) }
                (pairs::section(run))
                (tables::whole(run))
                (methods_section(run))
            }
        },
    )
}

/// Puts a page's content into a document of its own.
pub fn document(title: &str, content: &Markup) -> String {
    let page = html! {
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
                (content)
                script { (PreEscaped(include_str!("sort.js"))) }
            }
        }
    }
    .into_string();
    // Whatever a fact brought along: a browser would turn text around by it, and no reader sees it.
    shown::text(&page).into_owned()
}

fn header(run: &Run) -> Markup {
    let shared = if run.shared.is_empty() {
        String::new()
    } else {
        format!(" · {}", run.shared.join(", "))
    };
    html! {
        header {
            h1 { (run.about("experiment")) }
            @if let Some(origin) = run.imported() {
                p { (origin) (shared) " · run " code { (run.about("run_id")) } }
                p class="caution" {
                    "Another tool measured these durations. Darkroom does not know what it did \
                     not record, and "
                    @match run.checked_by() {
                        Some(who) => { "only that study says whether outputs are right (" (who) "); \
                            Darkroom did not check them." }
                        None => "no output was checked.",
                    }
                }
            } @else {
                p { "Measured on " (run.target_in_words()) (shared) " · run " code { (run.about("run_id")) } }
            }
            @if !run.is_aws() && run.imported().is_none() {
                p class="caution" { "These durations compare code on one machine. They do not \
                    predict AWS." }
            }
            @for late in run.sessions.iter().filter_map(|session| session.late_in_words(!run.is_aws())) {
                p class="caution" { (late) "." }
            }
            @if let Some(older) = older(run) { p class="caution" { (older) } }
        }
    }
}

/// Says so where the tables are not of this version.
pub fn older(run: &Run) -> Option<String> {
    let schema = run.about("schema_version");
    (schema != SCHEMA_VERSION.to_string()).then(|| {
        format!(
            "These tables have schema {schema}, but this page has schema {SCHEMA_VERSION}: \
             missing data is not shown. Run `darkroom aggregate` to rebuild them from the \
             journal."
        )
    })
}

/// Findings that a page names of one run; of more it says how many.
const NAMED: usize = 8;

/// Returns the first findings, and how many more there are.
pub fn named(findings: &[String]) -> Vec<String> {
    let mut named: Vec<String> = findings.iter().take(NAMED).cloned().collect();
    if findings.len() > NAMED {
        named.push(format!(
            "{} more: run darkroom verify to list them",
            findings.len() - NAMED
        ));
    }
    named
}

fn findings_section(findings: &[String]) -> Markup {
    html! {
        @if !findings.is_empty() {
            section id="findings" class="caution" {
                h2 { "DIFFERS from the journal" }
                p { "The tables of this page differ from the ones that this version makes from \
                    the recorded facts. Another version made them, or someone edited them. \
                    Believe the journal; " code { "darkroom aggregate" } " \
                    rebuilds the tables." }
                ul { @for finding in named(findings) { li { (finding) } } }
            }
        }
    }
}

fn answer_section(run: &Run) -> Markup {
    let mind = notes::sentences(run, PIPELINE, |_| "turnaround_s");
    let answer = answer(run);
    html! {
        section id="answer" {
            h2 { "The answer" }
            @for sentence in &answer.first { p class="answer" { (sentence) } }
            @for sentence in &answer.then { p { (sentence) } }
            @if !mind.is_empty() { h3 { "Before you believe these turnarounds" } (notes_list(&mind)) }
            @for ((word, why), cells) in without_numbers(run) {
                details class="print" open[cells.len() <= 4] {
                    summary { (word) ", " (count(cells.len(), "cell")) ": " (why) }
                    ul { @for cell in cells { li { code { (cell) } } } }
                }
            }
        }
    }
}

fn notes_list(sentences: &[String]) -> Markup {
    html! { @if !sentences.is_empty() { ul class="notes" { @for sentence in sentences { li { (sentence) } } } } }
}

/// Returns the cells without a turnaround, by what became of them (tried or not) and the reason
/// why.
fn without_numbers(run: &Run) -> BTreeMap<(&str, &str), Vec<&str>> {
    let mut by_reason: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for cell in &run.cells {
        let (word, why) = match (&cell.failed, &cell.not_measured) {
            (Some(what), _) => ("Failed in every pass", what),
            (None, Some(why)) => ("Not measured", why),
            (None, None) => continue,
        };
        by_reason.entry((word, why)).or_default().push(&cell.id);
    }
    by_reason
}

fn wrong_section(run: &Run) -> Markup {
    let mut kinds: Vec<(String, String, String, String, usize)> = Vec::new();
    for row in run.wrong.iter() {
        let text = |column| row.text(column).unwrap_or("").to_owned();
        let (cell, stage, reason, detail) = (
            text("cell_id"),
            text("stage"),
            text("reason"),
            text("detail"),
        );
        match kinds
            .iter_mut()
            .find(|kind| (&kind.0, &kind.1, &kind.2) == (&cell, &stage, &reason))
        {
            Some(kind) => kind.4 += 1,
            None => kinds.push((cell, stage, reason, detail, 1)),
        }
    }
    html! {
        @if !kinds.is_empty() {
            section id="wrong" {
                h2 { "WRONG outputs" }
                p { "Measured like the others, but never ranked or called faster." }
                ul {
                    @for (cell, stage, reason, detail, count) in &kinds {
                        li { b { (cell) " · " (stage) } ": " (reason) ", " (count) " of the checked outputs" @if !detail.is_empty() { " (" (detail) ")" } }
                    }
                }
                @for (cell, stage, png) in run.pictures.iter().filter(|(cell, stage, _)| !correctness::pictured(run, cell, stage)) {
                    figure {
                        img alt=(format!("{cell}, {stage}: expected, got and their difference")) src=(format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png)));
                        figcaption { (cell) " · " (stage) ": expected, got, difference" }
                    }
                }
            }
        }
    }
}

/// Names what handlers did that no honest one does, and what they called and may not: nobody who
/// reads a contest should have to look for it.
fn misbehaviour_section(run: &Run) -> Markup {
    let misdeeds: Vec<Misdeed> = run.facts("misdeeds");
    let refused: Vec<RefusedCalls> = run.facts("refused_calls");
    html! {
        @if !misdeeds.is_empty() {
            section id="misdeeds" {
                h2 { "What handlers did beside their work" }
                ul { @for misdeed in &misdeeds { li { (misdeed) "." } } }
            }
        }
        @if !refused.is_empty() {
            section id="refused" {
                h2 { "Refused calls" }
                p { "Handlers may read and write only the objects of the run that their events \
                    name. They also made these calls, which were refused:" }
                ul { @for calls in &refused { li { (calls.variant) " tried to call " (calls.what()) "." } } }
            }
        }
    }
}

/// A figure with its caption, what would mislead without it, and its words.
pub fn figure_section(figure: &Figure) -> Markup {
    let alternative = format!("{}. {}", figure.title, figure.alternative);
    html! {
        section id=(figure.id) class="figure" {
            h2 { (figure.title) }
            figure {
                div class="wide" role="img" aria-label=(alternative) tabindex="0" { (PreEscaped(embedded(&figure.svg))) }
                figcaption { (figure.caption) }
            }
            (notes_list(&figure.notes))
            details { summary { "in words" } p { (figure.alternative) } }
        }
    }
}

/// Hides the drawing itself from who hears its words instead.
fn embedded(svg: &str) -> String {
    svg.replacen("<svg ", "<svg aria-hidden=\"true\" ", 1)
}

fn methods_section(run: &Run) -> Markup {
    html! {
        section id="methods" {
            h2 { "Methods" }
            p { (methods(run)) }
        }
    }
}
