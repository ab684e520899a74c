//! The commonest failures in plain words, with the line of code that did it and the picture.
//!
//! Of every sample, the answer that it ended with is judged at each stage: the first one, or that
//! after its rounds of repair. The two are different tasks, and are never counted together.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use darkroom_tables::read::Row;
use darkroom_tables::{author_name, with_repair};
use maud::{Markup, html};

use crate::number::count;
use crate::run::Run;

/// Failures that the page tells.
const TOLD: usize = 10;
/// Letters of an error's message that it tells.
const LETTERS: usize = 240;

/// Samples of one author that failed in the same way at the same stage; the first tells the rest.
struct SharedFailure<'a> {
    author: String,
    /// Rounds of repair that were made at this stage.
    rounds: u32,
    first: Row<'a>,
    samples: usize,
}

impl<'a> SharedFailure<'a> {
    fn text(&self, column: &str) -> Option<&'a str> {
        self.first.text(column).filter(|text| !text.is_empty())
    }

    fn is_like(&self, other: &Self) -> bool {
        let how = |of: &Self| ["stage", "outcome", "detail"].map(|column| of.first.text(column));
        (&self.author, self.rounds, how(self)) == (&other.author, other.rounds, how(other))
    }
}

/// What a run's authors differ in beside the model.
struct Names {
    several_prompts: bool,
    several_repairs: bool,
}

impl Names {
    fn of(run: &Run) -> Self {
        let prompts = run.generation.iter().map(|row| row.text("prompt"));
        let repairs = run.generation.iter().map(|row| allowed(&row));
        Self {
            several_prompts: prompts.collect::<BTreeSet<_>>().len() > 1,
            several_repairs: repairs.collect::<BTreeSet<_>>().len() > 1,
        }
    }

    /// Names who was asked, as the table of rates does.
    fn author(&self, row: &Row<'_>) -> String {
        let model = row.text("model").unwrap_or_default();
        let prompt = row.text("prompt").unwrap_or_default();
        if self.several_repairs {
            author_name(
                &with_repair(model, allowed(row)),
                prompt,
                self.several_prompts,
            )
        } else {
            author_name(model, prompt, self.several_prompts)
        }
    }
}

/// Rounds of repair that a question's variant was allowed.
fn allowed(row: &Row<'_>) -> u32 {
    row.number("rounds_allowed")
        .map_or(0, |rounds| rounds as u32)
}

/// Returns the failures that most samples have, the first of each model's plan first among equals.
fn commonest(run: &Run) -> Vec<SharedFailure<'_>> {
    let names = Names::of(run);
    let mut found: Vec<SharedFailure<'_>> = Vec::new();
    for row in run.generation.iter() {
        let failed = row
            .text("outcome")
            .is_some_and(|outcome| outcome != "right");
        let last = !is_followed(run, &row);
        if !failed || !last {
            continue;
        }
        let failure = SharedFailure {
            author: names.author(&row),
            rounds: rounds(run, &row),
            first: row,
            samples: 1,
        };
        match found.iter_mut().find(|other| other.is_like(&failure)) {
            Some(other) => other.samples += 1,
            None => found.push(failure),
        }
    }
    found.sort_by_key(|failure| std::cmp::Reverse(failure.samples));
    found
}

/// Returns how often a stage of a sample was asked for again with its verdict.
fn rounds(run: &Run, row: &Row<'_>) -> u32 {
    let of_place = run
        .generation
        .iter()
        .filter(|other| sample_stage(other) == sample_stage(row));
    let rounds = of_place.filter_map(|other| other.number("round"));
    rounds.map(|round| round as u32).max().unwrap_or(0)
}

/// A stage of a sample.
fn sample_stage<'a>(row: &Row<'a>) -> [Option<&'a str>; 2] {
    [row.text("variant"), row.text("stage")]
}

/// Says whether the stage has code all the same: of another answer, before or after it.
fn is_followed(run: &Run, row: &Row<'_>) -> bool {
    let of_place = sample_stage(row);
    let is_code = row.truth("in_handler") == Some(true);
    let mut others = run
        .generation
        .iter()
        .filter(|other| sample_stage(other) == of_place);
    !is_code
        && others.any(|other| {
            let later = other.number("round") > row.number("round");
            other.truth("in_handler") == Some(true) || later
        })
}

pub fn failures(run: &Run) -> Markup {
    let all = commonest(run);
    html! {
        @if !all.is_empty() {
            h3 { "Commonest failures" }
            ol class="failures" {
                @for failure in all.iter().take(TOLD) { (item(run, failure)) }
            }
            @if all.len() > TOLD { p class="quiet" { (all.len() - TOLD) " more kinds of failure are in generation.csv." } }
        }
    }
}

fn item(run: &Run, failure: &SharedFailure<'_>) -> Markup {
    let text = |column| failure.text(column);
    let (said, line) = (text("said"), text("line"));
    let after = match failure.rounds {
        0 if allowed(&failure.first) > 0 => ", with the first answer".to_owned(),
        0 => String::new(),
        rounds => format!(", after {} of repair", count(rounds as usize, "round")),
    };
    html! {
        li {
            p {
                b { (failure.author) " · " (text("stage").unwrap_or_default()) } ": "
                (in_words(text("outcome").unwrap_or_default(), text("detail"))) ", in "
                (count(failure.samples, "sample")) (after) "."
                @if let Some(said) = said { " " q { (shortened(said)) } }
            }
            @if let Some(line) = line {
                pre class="line" { code { (shortened(line)) } }
                p class="quiet" {
                    "That is the line" @if let Some(at) = text("error_at") { " (" (at) ")" } " in " (text("variant").unwrap_or_default()) "."
                }
            }
            @if let Some((cell, png)) = picture(run, failure) {
                figure {
                    img alt=(format!("{cell}: expected, got and their difference")) src=(format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png)));
                    figcaption { "Expected, got, difference (" (cell) ")" }
                }
            }
        }
    }
}

/// Says in a sentence without its end what happened.
fn in_words(outcome: &str, detail: Option<&str>) -> String {
    let of = detail.map(shortened);
    let with = |words: &str| match &of {
        Some(detail) => format!("{words} ({detail})"),
        None => words.to_owned(),
    };
    match outcome {
        "no_answer" => "the answer is empty".to_owned(),
        "refused" => with("the model or the vendor's filter declined"),
        "cut_off" => with("the answer was cut off at the limit of tokens"),
        "no_code" => with("the answer holds no code"),
        "several_candidates" => {
            with("the answer holds several handlers, and none is marked as the one")
        }
        "does_not_parse" => with("the code is not valid Python"),
        "no_handler" => "the code defines no handler".to_owned(),
        "import_fails" => "the module cannot be imported".to_owned(),
        "raises" => match of {
            Some(kind) => format!("the handler raises {kind}"),
            None => "the handler raises an exception".to_owned(),
        },
        "times_out" => "the handler does not end in time".to_owned(),
        "out_of_memory" => "the handler needs more memory than it has".to_owned(),
        "no_output" => "the handler ends well and writes nothing".to_owned(),
        "wrong_output" => match of {
            Some(check) => format!("the output is wrong: {check}"),
            None => "the output is wrong".to_owned(),
        },
        other => with(other),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LETTERS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Returns the picture of a failure's first sample, with its cell.
fn picture<'a>(run: &'a Run, failure: &SharedFailure<'_>) -> Option<(&'a str, &'a [u8])> {
    // Of an output that is not there, it shows nothing.
    failure
        .text("outcome")
        .filter(|outcome| *outcome == "wrong_output")?;
    failure.text("picture")?;
    let (variant, stage) = (failure.text("variant")?, failure.text("stage")?);
    let of_sample = |(cell, at, _): &&(String, String, Vec<u8>)| {
        at == stage
            && run
                .cell(cell)
                .is_some_and(|cell| cell.cell.variant == variant)
    };
    let (cell, _, png) = run.pictures.iter().find(of_sample)?;
    Some((cell, png))
}

/// Says whether a picture, by its cell and stage, stands here, so that the page shows it once.
pub fn pictured(run: &Run, cell: &str, stage: &str) -> bool {
    let all = commonest(run);
    let mut told = all
        .iter()
        .take(TOLD)
        .filter(|failure| failure.text("stage") == Some(stage));
    told.any(|failure| picture(run, failure).is_some_and(|(of, _)| of == cell))
}
