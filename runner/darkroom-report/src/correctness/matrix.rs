//! Rates by stage and model, as text and shade.

use maud::{Markup, html};

use super::section::{Rated, names};
use crate::run::PIPELINE;

/// The strongest shade, in percent of the colour: text stays readable on it, in light and dark.
const STRONGEST: f64 = 38.0;

/// Returns the matrix: stages down, models across, as a phone is narrow.
pub fn matrix(rows: &[Rated<'_>]) -> Markup {
    let names = names(rows);
    let mut stages: Vec<&str> = Vec::new();
    for row in rows {
        if !stages.contains(&row.stage()) {
            stages.push(row.stage());
        }
    }
    let of = |name: &str, stage: &str| {
        let mut rows = rows.iter();
        rows.find(|row| row.name == name && row.stage() == stage)
    };
    html! {
        h3 { "Right samples by stage and model" }
        div class="wide" role="region" aria-label="Right samples by stage and model" tabindex="0" {
            table class="matrix" {
                caption { "Right samples of each model at each stage, with the rate and its 95% interval" }
                thead { tr { th scope="col" { "stage" } @for name in &names { th scope="col" { (name) } } } }
                tbody {
                    @for stage in stages {
                        tr class=[(stage == PIPELINE).then_some("whole")] {
                            th scope="row" { @if stage == PIPELINE { "whole pipeline" } @else { (stage) } }
                            @for name in &names { (field(of(name, stage))) }
                        }
                    }
                }
            }
        }
        p class="quiet" { "The stronger the green, the higher the rate. In brackets: its 95% interval (Wilson), which is wide for few samples." }
    }
}

fn field(row: Option<&Rated<'_>>) -> Markup {
    let known = row.and_then(|row| Some((row, row.percent("rate")?)));
    let Some((row, [rate, low, high])) = known else {
        return html! { td { "not known" } };
    };
    let shade = format!("--shade:{:.0}%", rate / 100.0 * STRONGEST);
    let unknown = row.count("n_unknown");
    // Where there was a repair, the two differ or might.
    let at_first = (row.count("repairs") > 0.0).then(|| row.count("right_first"));
    html! {
        td style=(shade) {
            b { (row.count("right")) " of " (row.count("n")) }
            span { (format!("{rate:.0}% ")) i { (format!("[{low:.0}, {high:.0}]")) } }
            @if let Some(first) = at_first { span { (first) " at first" } }
            @if unknown > 0.0 { span { (unknown) " not known" } }
        }
    }
}
