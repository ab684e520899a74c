//! The code of models side by side, stage by stage, folded.

use darkroom_tables::read::Row;
use maud::{Markup, html};

use crate::run::Run;

/// Models whose code stands side by side.
const BESIDE: usize = 4;
/// Letters of one file that the page shows; `generation.csv` has all.
const LETTERS: usize = 20_000;

/// Returns a fold for every stage with code of two models or more: of each the first sample that is
/// right there, or else the first with code.
pub fn side_by_side(run: &Run) -> Markup {
    let stages: Vec<(&String, Vec<Row<'_>>)> = run
        .stages
        .iter()
        .map(|stage| (stage, of_stage(run, stage)))
        .filter(|(_, rows)| rows.len() > 1)
        .collect();
    html! {
        @if !stages.is_empty() {
            h3 { "Code side by side" }
            @for (stage, rows) in &stages {
                details {
                    summary { (stage) }
                    div class="beside" { @for row in rows.iter().take(BESIDE) { (file(row)) } }
                    @if rows.len() > BESIDE { p class="quiet" { (rows.len() - BESIDE) " more models are in generation.csv." } }
                }
            }
        }
    }
}

/// Returns one handler of each model and prompt, in the order of the journal.
fn of_stage<'a>(run: &'a Run, stage: &str) -> Vec<Row<'a>> {
    let mut chosen: Vec<Row<'a>> = Vec::new();
    let of_stage = run.generation.iter().filter(|row| {
        let code = row.truth("in_handler") == Some(true) && row.text("code").is_some();
        code && row.text("stage") == Some(stage)
    });
    let author = |row: &Row<'a>| [row.text("model"), row.text("prompt")];
    let is_right = |row: &Row<'_>| row.text("outcome") == Some("right");
    for row in of_stage {
        match chosen
            .iter_mut()
            .find(|known| author(known) == author(&row))
        {
            Some(known) if is_right(&row) && !is_right(known) => *known = row,
            Some(_) => {}
            None => chosen.push(row),
        }
    }
    chosen
}

fn file(row: &Row<'_>) -> Markup {
    let code = row.text("code").unwrap_or_default();
    let (shown, more) = match code.char_indices().nth(LETTERS) {
        Some((at, _)) => (&code[..at], true),
        None => (code, false),
    };
    let became = row.text("outcome").unwrap_or("not known").replace('_', " ");
    let variant = row.text("variant").unwrap_or_default();
    html! {
        figure {
            figcaption { b { (variant) } ": " (became) }
            pre tabindex="0" aria-label=(format!("code of {variant}")) { code { (shown) } }
            @if more { p class="quiet" { "The rest is in generation.csv." } }
        }
    }
}
