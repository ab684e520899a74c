//! The first screen: what was compared, where and when; who is faster and cheaper; what is WRONG;
//! what 100,000 images cost; and how far to believe it, each of its numbers with its explanation
//! below.
//!
//! Sentences come from `answer.rs`; this module arranges them, and counts what they rest on.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use darkroom_core::imported::IMPORTED;
use darkroom_core::prompt::listed;
use darkroom_tables::comparable;
use maud::{Markup, html};

use crate::answer::{DEPLOYED_ONCE, FirstSentences, Said, answer};
use crate::methods::sample_size;
use crate::noise;
use crate::notes::{self, percent};
use crate::number::{count, figure};
use crate::run::{CellView, PIPELINE, Run, Stat};
use crate::{correctness, models, page};

/// Names that a line has room for; of more it says how many.
const NAMED: usize = 4;

/// What was compared, where and when.
pub fn header(run: &Run) -> Markup {
    let run_id = || html! { " · run " code { (run.about("run_id")) } };
    html! {
        header {
            h1 { (run.about("experiment")) }
            p { (compared(run)) }
            @if let Some(origin) = run.imported() {
                p { (origin) (shared(run)) (run_id()) }
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
                p { "Measured on " (run.target_in_words()) ", " (run.times().when()) (shared(run)) (run_id()) }
            }
            @if !run.is_aws() && run.imported().is_none() {
                p class="caution" { "These durations compare code on one machine. They do not \
                    predict AWS." }
            }
            @for late in run.sessions.iter().filter_map(|session| session.late_in_words(!run.is_aws())) {
                p class="caution" { (late) "." }
            }
            @if let Some(older) = page::older(run) { p class="caution" { (older) } }
        }
    }
}

fn shared(run: &Run) -> String {
    if run.shared.is_empty() {
        String::new()
    } else {
        format!(" · {}", run.shared.join(", "))
    }
}

/// Names the variants, and says how many cells, stages and images.
fn compared(run: &Run) -> String {
    let mut variants: Vec<&str> = Vec::new();
    for cell in &run.cells {
        if !variants.contains(&cell.cell.variant.as_str()) {
            variants.push(&cell.cell.variant);
        }
    }
    let images: BTreeSet<&str> = run
        .pipelines
        .iter()
        .filter_map(|row| row.text("image"))
        .collect();
    let named = if variants.len() <= NAMED {
        let names: Vec<String> = variants.iter().map(|&name| name.to_owned()).collect();
        listed(&names)
    } else {
        count(variants.len(), "variant")
    };
    let mut sizes = vec![count(run.cells.len(), "cell")];
    for (size, thing) in [(run.stages.len(), "stage"), (images.len(), "image")] {
        if size > 0 {
            sizes.push(count(size, thing));
        }
    }
    format!("{named}: {}", sizes.join(", "))
}

/// The answer: sentences, the picture of what is wrong, cost and belief.
pub fn verdict(run: &Run) -> Markup {
    let answer = answer(run);
    let (picture, rates) = (first_picture(run), correctness::sentences(run));
    html! {
        section id="answer" {
            h2 { "The answer" }
            div class=[picture.map(|_| "with-picture")] {
                div {
                    @for sentence in rates.iter().take(NAMED) { p class="answer" { (sentence) } }
                    @if rates.len() > NAMED { p class="quiet" { a href="#correctness" { (rates.len() - NAMED) " more models" } } }
                    @for sentence in &answer.leading { (claim(run, sentence)) }
                    @if !answer.more.is_empty() {
                        p class="quiet" { a href="#more" { (count(answer.more.len(), "further sentence")) " on other kinds of work" } }
                    }
                    @for sentence in &answer.right { (of_outputs(sentence)) }
                    @if let Some(cost) = cost(run) { p { (cost) } }
                    @if let Some(times) = &answer.times { p class="caution" { (times) } }
                    (believe_line(run))
                }
                @if let Some((cell, stage, png)) = picture {
                    figure {
                        a href="#wrong" { img alt=(format!("{cell}, {stage}: expected, got and their difference")) src=(format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))); }
                        figcaption { "WRONG: " (stage) " of " (label(run, cell)) ": expected, got, difference" }
                    }
                }
            }
        }
    }
}

/// The picture that stands in the first screen: the first one that stands nowhere else.
pub fn first_picture(run: &Run) -> Option<&(String, String, Vec<u8>)> {
    let mut pictures = run.pictures.iter();
    pictures.find(|(cell, stage, _)| !correctness::pictured(run, cell, stage))
}

fn label<'a>(run: &'a Run, cell: &'a str) -> &'a str {
    run.cell(cell).map_or(cell, |cell| &cell.label)
}

/// A sentence on who is better: what it claims is bold, what that stands on is not. That a cell was
/// deployed once stands in the line on belief, where it is true of all.
fn claim(run: &Run, said: &Said) -> Markup {
    let rest = if noise::is_unknown(run) {
        said.rest.replace(DEPLOYED_ONCE, "")
    } else {
        said.rest.clone()
    };
    html! { p class="answer" { b { (said.claim) } (rest) } }
}

/// A sentence on outputs, in alarm where something is wrong.
fn of_outputs(sentence: &str) -> Markup {
    let alarms = ["WRONG", "FAILED", "REMEMBERS"]
        .iter()
        .any(|word| sentence.contains(word));
    html! { p class=[alarms.then_some("caution")] { (sentence) } }
}

/// Says what 100,000 images cost in cells with right outputs: in the plan's order, or cheapest first
/// where each is ranked. Where cells are samples of models the sentences have the models' costs: the
/// luckiest sample is no headline.
fn cost(run: &Run) -> Option<String> {
    if models::are_samples(&run.cells.iter().collect::<Vec<_>>()) {
        return None;
    }
    let mut costs: Vec<(&CellView, Stat)> = run
        .measured()
        .filter(|cell| cell.may_be_ranked())
        .filter_map(|cell| Some((cell, run.stat(cell, PIPELINE, "cost_usd_per_100k")?)))
        .collect();
    let kind = comparable(&costs.first()?.0.cell);
    let is_in_the_rank =
        |(cell, stat): &(&CellView, Stat)| stat.rank.is_some() && comparable(&cell.cell) == kind;
    if costs.iter().all(is_in_the_rank) {
        costs.sort_by(|a, b| a.1.mean.total_cmp(&b.1.mean));
    }
    let more = match costs.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; {more} more in the table below"),
    };
    let named: Vec<String> = costs
        .iter()
        .take(NAMED)
        .map(|(cell, stat)| format!("{} ${}", cell.label, figure(stat.mean)))
        .collect();
    Some(format!(
        "{}: {}{more}{}.",
        whose_cost(run),
        named.join(", "),
        s3(run)
    ))
}

/// Begins the sentence on cost: only AWS's own times give what AWS charges.
fn whose_cost(run: &Run) -> &'static str {
    match run.about("target") {
        "aws" => "100,000 images cost",
        "local" => "At AWS's prices and this machine's times, 100,000 images would cost",
        IMPORTED => "At AWS's prices and the imported times, 100,000 images would cost",
        _ => "At AWS's prices and these times (not AWS's), 100,000 images would cost",
    }
}

/// Says what S3 requests cost besides, where each cell pays the same. Nobody knows which requests
/// imported rows made.
fn s3(run: &Run) -> String {
    if run.imported().is_some() {
        return String::new();
    }
    let all: Vec<f64> = run
        .costs
        .iter()
        .filter_map(|row| row.number("s3_usd_per_100k"))
        .collect();
    match all.first().map(|usd| figure(*usd)) {
        Some(usd) if all[0] > 0.0 && all.iter().all(|other| figure(*other) == usd) => {
            format!("; S3 requests of each: ${usd} more")
        }
        Some(_) if all.iter().any(|usd| *usd > 0.0) => "; S3 requests come on top".to_owned(),
        _ => String::new(),
    }
}

/// One thing that belief rests on: its anchor, a few words, and what it means.
struct Ground {
    id: &'static str,
    short: String,
    meaning: String,
}

/// What belief rests on, in one line; each part leads to its explanation.
fn believe_line(run: &Run) -> Markup {
    let grounds = grounds(run);
    html! {
        p class="grounds" {
            "How far to believe it: "
            @for (place, ground) in grounds.iter().enumerate() {
                @if place > 0 { " · " }
                a href=(format!("#{}", ground.id)) { (ground.short) }
            }
        }
    }
}

/// What the line leads to, with all that could mislead a reader.
pub fn believe(run: &Run) -> Markup {
    let FirstSentences { more, then, .. } = answer(run);
    let mind = notes::sentences(run, PIPELINE, |_| "turnaround_s");
    html! {
        section id="believe" {
            h2 { "How far to believe it" }
            dl {
                @for ground in grounds(run) { dt id=(ground.id) { (ground.short) } dd { (ground.meaning) } }
            }
            @if !more.is_empty() { h3 id="more" { "Other kinds of work" } }
            @for sentence in &more { p { (sentence) } }
            @for sentence in &then { p { (sentence) } }
            @if !mind.is_empty() { h3 { "Before you believe these turnarounds" } (page::notes_list(&mind)) }
            @for ((word, why), cells) in without_numbers(run) {
                details class="print" open[cells.len() <= 4] {
                    summary { (word) ", " (count(cells.len(), "cell")) ": " (why) }
                    ul { @for cell in cells { li { code { (cell) } } } }
                }
            }
        }
    }
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

fn grounds(run: &Run) -> Vec<Ground> {
    let mut grounds = vec![
        Ground {
            id: "believe-n",
            short: sample_size(run),
            meaning: "How many measurements a mean stands on: images × repetitions × \
                deployments, for each stage and cell. With more of them intervals get narrower."
                .into(),
        },
        environments(run),
        deployments(run),
        noise_floor(run),
        outputs(run),
    ];
    if !run.is_aws() && run.imported().is_none() {
        grounds.push(Ground {
            id: "believe-machine",
            short: "one machine, not AWS".into(),
            meaning: "Times are this machine's. A factor between two variants can differ on \
                AWS; run the same manifest there before you rely on it."
                .into(),
        });
    }
    grounds
}

/// Counts the environments that the values come from, of each stage and cell.
fn environments(run: &Run) -> Ground {
    let mut of_function: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for row in run.invocations.iter() {
        let sample = row.text("counts_as") == Some("sample");
        if let (true, Some(cell), Some(stage), Some(environment)) = (
            sample,
            row.text("cell_id"),
            row.text("stage"),
            row.text("environment_id"),
        ) {
            of_function
                .entry((cell, stage))
                .or_default()
                .insert(environment);
        }
    }
    let sizes: Vec<usize> = of_function.values().map(BTreeSet::len).collect();
    let at_least = if run.invocations.rows.len() < run.invocations.of {
        "at least "
    } else {
        ""
    };
    let short = match (sizes.iter().min(), sizes.iter().max()) {
        (Some(1), Some(1)) if at_least.is_empty() => "1 environment of each function".to_owned(),
        (Some(fewest), Some(most)) if fewest == most => {
            format!("{at_least}{} of each stage", count(*most, "environment"))
        }
        (Some(fewest), Some(most)) => {
            format!("{at_least}{fewest} to {most} environments of each stage")
        }
        _ => "environments unknown".to_owned(),
    };
    Ground {
        id: "believe-environments",
        short,
        meaning: "An environment is one started process that serves many calls. Environments of \
            the same code can differ, so a mean over one of them is partly luck."
            .into(),
    }
}

fn deployments(run: &Run) -> Ground {
    let numbers: BTreeSet<u32> = run
        .pipelines
        .iter()
        .filter_map(|row| row.number("deployment").map(|number| number as u32))
        .collect();
    let short = match numbers.len() {
        0 | 1 => "deployed once".to_owned(),
        times => format!("{times} deployments"),
    };
    Ground {
        id: "believe-deployments",
        short,
        meaning: "The same code deployed again can land on another host. Deployed once, \
            differences between hosts are not covered."
            .into(),
    }
}

fn noise_floor(run: &Run) -> Ground {
    let short = noise::floor(run, &[], PIPELINE, "turnaround_s").map_or_else(
        || "noise floor unknown".to_owned(),
        |floor| format!("noise floor {}", percent(floor.apart)),
    );
    Ground {
        id: "believe-noise",
        short,
        meaning: "How far the same code, deployed twice, came out apart in mean turnaround (outer \
            end of the 95% interval). A smaller difference may come from the host."
            .into(),
    }
}

fn outputs(run: &Run) -> Ground {
    let short = match run.checked {
        0 => "no output checked".to_owned(),
        some => format!("{} checked", count(some, "output")),
    };
    Ground {
        id: "believe-outputs",
        short,
        meaning: "Outputs that were compared with the contract. A cell with one wrong output is \
            WRONG: its times are shown, and never ranked."
            .into(),
    }
}
