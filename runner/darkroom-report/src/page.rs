//! The page: the answer first, then the matrix, wrong outputs, figures, tables, methods. One file that
//! loads nothing.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use darkroom_core::shown;
use darkroom_tables::{Misdeed, RefusedCalls, SCHEMA_VERSION};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::charts::{Figure, Group, figures_of_page};
use crate::methods::methods;
use crate::run::Run;
use crate::{choices, correctness, matrix, pairs, tables, verdict};

/// Returns the report as one HTML document. `findings` is what does not match the run's journal, in
/// words.
pub fn html(run: &Run, findings: &[String]) -> String {
    let title = format!("{} · {}", run.about("experiment"), run.about("run_id"));
    document(
        &title,
        &html! {
            (verdict::header(run))
            main {
                (findings_section(findings))
                (verdict::verdict(run))
                (correctness::section(run))
                (matrix::section(run))
                (tables::numbers(run))
                (verdict::believe(run))
                (wrong_section(run))
                (misbehaviour_section(run))
                (choices::section(run))
                (figures_section(run))
                (pairs::section(run))
                (tables::whole(run))
                (methods_section(run))
            }
        },
    )
}

/// What the page can do besides being read, in the order in which the parts need each other.
const SCRIPTS: [&str; 3] = [
    include_str!("sort.js"),
    include_str!("matrix.js"),
    include_str!("explore.js"),
];

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
                @for part in SCRIPTS { script { (PreEscaped(part)) } }
            }
        }
    }
    .into_string();
    // Whatever a fact brought along: a browser would turn text around by it, and no reader sees it.
    shown::text(&page).into_owned()
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

/// Sentences that warn, where there are some.
pub fn notes_list(sentences: &[String]) -> Markup {
    html! { @if !sentences.is_empty() { ul class="notes" { @for sentence in sentences { li { (sentence) } } } } }
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
    let above = verdict::first_picture(run);
    let is_above = |cell: &str, stage: &str| {
        above.is_some_and(|of| (of.0.as_str(), of.1.as_str()) == (cell, stage))
    };
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
                @for (cell, stage, png) in run.pictures.iter().filter(|(cell, stage, _)| !is_above(cell, stage) && !correctness::pictured(run, cell, stage)) {
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

/// Every figure: its like side by side, the others across.
fn figures_section(run: &Run) -> Markup {
    let figures = figures_of_page(run);
    let of = |group: Group| figures.iter().filter(move |figure| figure.group == group);
    let groups = [
        (Group::Runtime, "Runtime by stage"),
        (Group::Whole, "The whole pipeline"),
        (Group::Compared, "Compared, in pictures"),
        (Group::Memory, "The effect of memory"),
    ];
    html! {
        @for (group, title) in groups {
            @if let Some(first) = of(group).next() {
                @let is_shared = of(group).all(|figure| figure.caption == first.caption);
                h2 { (title) }
                @if is_shared { p class="quiet" { (first.caption) } }
                div class="panels" { @for figure in of(group) { (panel(figure, !is_shared)) } }
            }
        }
        @for figure in of(Group::Wide) { (figure_section(figure)) }
    }
}

/// A figure among its like, as wide as a phone; its caption may stand above them all.
fn panel(figure: &Figure, with_caption: bool) -> Markup {
    html! {
        section id=(figure.id) class="panel" {
            h3 { (figure.title) }
            figure {
                div class="drawing" role="img" aria-label=(alternative(figure)) { (PreEscaped(embedded(&figure.svg))) }
                @if with_caption { figcaption { (figure.caption) } }
            }
            @if !figure.notes.is_empty() {
                details class="print" { summary { "before you believe it" } (notes_list(&figure.notes)) }
            }
            details { summary { "in words" } p { (figure.alternative) } }
        }
    }
}

/// A figure across the page with its caption, what would mislead without it, and its words.
pub fn figure_section(figure: &Figure) -> Markup {
    html! {
        section id=(figure.id) class="figure" {
            h2 { (figure.title) }
            figure {
                div class="wide" role="img" aria-label=(alternative(figure)) tabindex="0" { (PreEscaped(embedded(&figure.svg))) }
                figcaption { (figure.caption) }
            }
            (notes_list(&figure.notes))
            details { summary { "in words" } p { (figure.alternative) } }
        }
    }
}

fn alternative(figure: &Figure) -> String {
    format!("{}. {}", figure.title, figure.alternative)
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
