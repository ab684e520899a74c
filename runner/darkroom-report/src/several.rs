//! Several runs side by side: what each is, what makes them hard to compare, their values, and the
//! differences from the first.
//!
//! Differences come from [`between`](darkroom_tables::between), as in `darkroom compare`.

use darkroom_core::cell::{Cell, Factors};
use darkroom_tables::read::{Rows, Value};
use darkroom_tables::{Between, Change};
use maud::{Markup, html};

use crate::charts::{Figure, IntervalLine, p_text, side_by_side};
use crate::number::count;
use crate::page::{document, figure_section, named, older};
use crate::pairs::in_full;
use crate::run::{PIPELINE, Run};
use crate::tables::{download, number};
use crate::unlike::unlike;

/// Rows of differences that are shown at once; more are folded.
const OPEN: usize = 60;

/// Returns the page. `changes` holds each further run against the first, in the order of the runs.
/// `findings` holds what does not match each run's journal, in words.
pub fn several(runs: &[Run], changes: &[Between], findings: &[Vec<String>]) -> String {
    let letters = letters(runs.len());
    let experiments: Vec<&str> = runs.iter().map(|run| run.about("experiment")).collect();
    let figures = figures(runs, &letters);
    document(
        &format!("{} · side by side", experiments.join(", ")),
        &html! {
            header {
                h1 { (count(runs.len(), "run")) " side by side" }
                @for (run, letter) in runs.iter().zip(&letters) {
                    p { b { (letter) } ": " (run.about("experiment")) ", measured on " (run.target_in_words()) ", run " code { (run.about("run_id")) } }
                }
                @if !runs.iter().all(Run::is_aws) {
                    p class="caution" { "Durations measured outside AWS compare code on one \
                        machine. They do not predict AWS." }
                }
            }
            main {
                (unlike_section(runs, &letters, findings))
                (answer_section(changes, &letters))
                (runs_section(runs, &letters))
                @for figure in &figures { (figure_section(figure)) }
                @for (place, found) in changes.iter().enumerate() {
                    (differences(&letters, place + 1, found))
                }
            }
        },
    )
}

fn letters(count: usize) -> Vec<String> {
    (0..count)
        .map(|place| {
            ((b'A' + (place % 26) as u8) as char)
                .to_string()
                .repeat(place / 26 + 1)
        })
        .collect()
}

fn unlike_section(runs: &[Run], letters: &[String], findings: &[Vec<String>]) -> Markup {
    let found: Vec<String> = (1..runs.len())
        .flat_map(|place| unlike((&runs[0], &letters[0]), (&runs[place], &letters[place])))
        .collect();
    let older = runs
        .iter()
        .zip(letters)
        .filter_map(|(run, letter)| Some(format!("{letter}: {}", older(run)?)));
    let unproven = findings.iter().zip(letters).flat_map(|(of_run, letter)| {
        named(of_run)
            .into_iter()
            .map(move |finding| format!("{letter} DIFFERS from its journal: {finding}"))
    });
    let found: Vec<String> = found.into_iter().chain(older).chain(unproven).collect();
    html! {
        @if !found.is_empty() {
            section id="unlike" class="caution" {
                h2 { "Before you compare them" }
                ul { @for sentence in &found { li { (sentence) } } }
            }
        }
    }
}

fn answer_section(changes: &[Between], letters: &[String]) -> Markup {
    html! {
        section id="answer" {
            h2 { "The answer" }
            @for (found, letter) in changes.iter().zip(&letters[1..]) {
                p class="answer" { (answer(found, &letters[0], letter)) }
                @if !found.notes.is_empty() || !found.only_in_one.is_empty() {
                    ul class="notes" {
                        @for note in &found.notes { li { (letter) " against " (letters[0]) ": " (note) "." } }
                        @if !found.only_in_one.is_empty() {
                            li { "Only one of " (letters[0]) " and " (letter) " has numbers of " (found.only_in_one.join(", ")) "." }
                        }
                    }
                }
            }
        }
    }
}

/// Says how much is claimed to differ, of how much that was compared.
fn answer(found: &Between, first: &str, other: &str) -> String {
    let claimed: Vec<&Change> = found.rows.iter().filter(|row| row.is_claim()).collect();
    let compared = count(found.rows.len(), "comparison");
    if found.rows.is_empty() {
        return format!(
            "{other} and {first} have no measured cell in common, so they are not compared."
        );
    }
    if claimed.is_empty() {
        let equivalent = found
            .rows
            .iter()
            .filter(|row| row.verdict == "equivalent")
            .count();
        return format!(
            "{other} against {first}: no change was found in {compared}; {equivalent} equivalent \
             within 5%, the rest unclear."
        );
    }
    let of = |word: &str| claimed.iter().filter(|row| row.verdict == word).count();
    let words = ["faster", "slower", "cheaper", "dearer"];
    let told: Vec<String> = words
        .iter()
        .filter(|word| of(word) > 0)
        .map(|word| format!("{} {word}", of(word)))
        .collect();
    format!(
        "{other} against {first}: of {compared} {} claimed, {}.",
        plural(claimed.len()),
        told.join(", ")
    )
}

fn plural(count: usize) -> String {
    if count == 1 {
        "1 change is".into()
    } else {
        format!("{count} changes are")
    }
}

/// What a run says of itself under one head.
type Fact<'a> = &'a dyn Fn(&Run) -> String;

fn runs_section(runs: &[Run], letters: &[String]) -> Markup {
    let short = |hash: &str| hash.chars().take(12).collect::<String>();
    let facts: [(&str, Fact<'_>); 13] = [
        ("run", &|run| run.about("run_id").to_owned()),
        ("experiment", &|run| run.about("experiment").to_owned()),
        ("target", &Run::target_in_words),
        ("machine", &Run::machine),
        ("pipeline", &|run| {
            format!("{} ({})", run.about("pipeline"), run.stages.join(", "))
        }),
        ("cells measured", &|run| run.measured().count().to_string()),
        ("outputs checked", &|run| run.checked.to_string()),
        ("order, seed", &|run| {
            format!("{}, {}", run.about("order"), run.about("seed"))
        }),
        ("prices", &|run| {
            format!("{}, {}", run.about("price_region"), run.about("price_date"))
        }),
        ("Darkroom", &|run| run.about("version").to_owned()),
        ("tables' schema", &|run| {
            run.about("schema_version").to_owned()
        }),
        ("manifest sha256", &|run| {
            short(run.about("manifest_sha256"))
        }),
        ("pipeline sha256", &|run| {
            short(run.about("pipeline_sha256"))
        }),
    ];
    html! {
        section id="runs" {
            h2 { "What each run is" }
            div class="wide" role="region" aria-label="What each run is" tabindex="0" {
                table {
                    thead { tr { th { "" } @for letter in letters { th { (letter) } } } }
                    tbody { @for (name, fact) in facts { tr { th scope="row" { (name) } @for run in runs { td class="words" { (fact(run)) } } } } }
                }
            }
        }
    }
}

/// One figure for every stage, turnaround and cost, of every cell that a run has numbers of.
fn figures(runs: &[Run], letters: &[String]) -> Vec<Figure> {
    let mut cells: Vec<&Cell> = Vec::new();
    for view in runs.iter().flat_map(Run::measured) {
        if !cells.contains(&&view.cell) {
            cells.push(&view.cell);
        }
    }
    let factors = Factors::of(cells.iter().copied());
    let mut stages: Vec<&str> = Vec::new();
    for stage in runs.iter().flat_map(|run| &run.stages) {
        if !stages.contains(&stage.as_str()) {
            stages.push(stage);
        }
    }
    let lines = |stage: &str, metric: Option<&str>| -> Vec<IntervalLine> {
        let of = |cell: &&Cell| {
            let of_runs =
                runs.iter()
                    .zip(letters)
                    .enumerate()
                    .filter_map(|(place, (run, letter))| {
                        let view = run.measured().find(|view| view.cell == **cell)?;
                        let stat = run.stat(
                            view,
                            stage,
                            metric.unwrap_or_else(|| Run::time_metric(view)),
                        )?;
                        Some(IntervalLine {
                            label: format!("{} · {letter}{}", factors.label(cell), view.mark()),
                            colour: place,
                            stat,
                        })
                    });
            of_runs.collect::<Vec<_>>()
        };
        cells.iter().flat_map(of).collect()
    };
    let mut figures: Vec<Figure> = stages
        .iter()
        .filter_map(|stage| {
            side_by_side(
                &format!("runtime-{stage}"),
                &format!("Runtime of {stage}"),
                "ms",
                &lines(stage, None),
            )
        })
        .collect();
    let turnaround = lines(PIPELINE, Some("turnaround_s"));
    figures.extend(side_by_side(
        "turnaround",
        "Pipeline turnaround",
        "s",
        &turnaround,
    ));
    let cost = lines(PIPELINE, Some("cost_usd_per_100k"));
    figures.extend(side_by_side(
        "cost",
        "Hosting cost of 100,000 images",
        "USD",
        &cost,
    ));
    figures
}

fn differences(letters: &[String], place: usize, found: &Between) -> Markup {
    let (first, other) = (&letters[0], &letters[place]);
    let title = format!("{other} against {first}");
    let id = format!("differences-{other}");
    let table = html! {
        div class="wide" role="region" aria-label=(title) tabindex="0" {
            table class="sortable" {
                thead { tr { th { "cell" } th { "what" } th { "n " (first) } th { "n " (other) } th { "ratio" } th { "95% low" } th { "high" } th { "Cliff's δ" } th { "p adj" } th { "noise floor" } th { "code" } th { "verdict" } } }
                tbody { @for row in &found.rows { (difference(row)) } }
            }
        }
    };
    html! {
        section id=(id) {
            h2 { (title) }
            p { "Ratio: mean of " (other) " / mean of " (first) ", as in darkroom compare; \
                Holm-adjusted within each metric. Noise floor: the largest difference between \
                things that should be equal: a cell deployed twice in either run (outer end of \
                its interval), and cells whose code did not change between the runs." }
            (download(&id, &as_rows(found)))
            @if found.rows.len() > OPEN { details class="print" { summary { (count(found.rows.len(), "row")) } (table) } }
            @else { (table) }
        }
    }
}

fn difference(row: &Change) -> Markup {
    let what = match (row.stage.as_str(), row.metric) {
        (PIPELINE, "turnaround_s") => "turnaround",
        (PIPELINE, _) => "cost",
        (stage, _) => stage,
    };
    html! {
        tr class=[(row.verdict == "wrong outputs").then_some("wrong")] data-cell=(row.cell_id) data-stage=(row.stage) data-metric=(row.metric) {
            td { (row.cell_id) } td { (what) }
            td class="n" data-value=(row.n_a) { (row.n_a) } td class="n" data-value=(row.n_b) { (row.n_b) }
            (number(row.ratio)) (number(row.ratio_ci.map(|ci| ci.0))) (number(row.ratio_ci.map(|ci| ci.1)))
            (number(row.cliffs_delta))
            td class="n" data-value=[row.p_adjusted] { (row.p_adjusted.map_or("–".into(), p_text)) }
            td class="n" data-value=[row.noise] { (row.noise.map_or_else(|| "unknown".into(), crate::notes::percent)) }
            td { (row.code()) }
            td class="words" { (in_full(row.verdict, row.ratio, row.noise, "run")) }
        }
    }
}

/// The differences as a table to be downloaded.
fn as_rows(found: &Between) -> Rows {
    let columns = [
        "run_a",
        "run_b",
        "cell_id",
        "stage",
        "metric",
        "n_a",
        "n_b",
        "ratio_mean",
        "ratio_mean_ci_low",
        "ratio_mean_ci_high",
        "cliffs_delta",
        "p_adj",
        "verdict",
        "same_code",
    ];
    let float = |value: Option<f64>| value.map_or(Value::Null, Value::Float);
    let text = |value: &str| Value::Text(value.to_owned());
    let count = |n: usize| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    let row = |row: &Change| {
        vec![
            text(&found.run_a),
            text(&found.run_b),
            text(&row.cell_id),
            text(&row.stage),
            text(row.metric),
            count(row.n_a),
            count(row.n_b),
            float(row.ratio),
            float(row.ratio_ci.map(|ci| ci.0)),
            float(row.ratio_ci.map(|ci| ci.1)),
            float(row.cliffs_delta),
            float(row.p_adjusted),
            text(row.verdict),
            row.same_code.map_or(Value::Null, Value::Bool),
        ]
    };
    let rows: Vec<Vec<Value>> = found.rows.iter().map(row).collect();
    Rows {
        columns: columns.map(String::from).into(),
        of: rows.len(),
        rows,
    }
}
