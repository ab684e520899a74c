//! What the answers of each model came to, as a stacked bar and in words.

use darkroom_core::outcome::Kind;
use maud::{Markup, html};

use super::section::{Rated, names};
use crate::number::count;
use crate::run::PIPELINE;

/// Share from which a part of a bar holds its number.
const ROOM: f64 = 0.05;

/// Returns a bar for every model: all stages of all its samples.
pub fn bars(rows: &[Rated<'_>]) -> Markup {
    html! {
        h3 { "What the answers came to" }
        @for name in names(rows) { (bar(name, rows)) }
    }
}

fn bar(name: &str, rows: &[Rated<'_>]) -> Markup {
    let of_model = || {
        let rows = rows.iter().filter(|row| row.name == name);
        rows.filter(|row| row.stage() != PIPELINE)
    };
    let sum = |column: &str| of_model().map(|row| row.count(column)).sum::<f64>();
    let known = |kind: Kind| match kind {
        Kind::Right => sum("right"),
        failure => sum(&format!("n_{}", failure.as_str())),
    };
    // Right first, then the way from output back to question: what came nearest stands nearest.
    let kinds = Kind::ALL.into_iter().rev();
    let kinds: Vec<(Kind, f64)> = kinds.map(|kind| (kind, known(kind))).collect();
    let all: f64 = kinds.iter().map(|(_, count)| count).sum();
    let unknown = sum("n_unknown");
    let parts = || kinds.iter().filter(|(_, count)| *count > 0.0);
    let told: Vec<String> = parts()
        .map(|(kind, count)| format!("{} {count}", kind.in_words()))
        .collect();
    html! {
        figure class="outcomes" {
            figcaption {
                b { (name) } ": " (count(all as usize, "answer")) " to single stages"
                @if unknown > 0.0 { "; " (unknown) " not known" }
            }
            @if all > 0.0 {
                div class="bar" role="img" aria-label=(format!("{name}: {}", told.join(", "))) {
                    @for (kind, count) in parts() {
                        span class=(format!("of-{}", kind.as_str())) style=(format!("width:{:.2}%", count / all * 100.0)) {
                            @if count / all >= ROOM { (count) }
                        }
                    }
                }
                ul class="legend" {
                    @for (kind, count) in parts() {
                        li { i class=(format!("of-{}", kind.as_str())) {} (kind.in_words()) " " (count) }
                    }
                }
            }
        }
    }
}
