//! Makes a run's tables from its journal alone, and shows them: the end of `aggregate`, a session
//! and an import.

use std::io;
use std::path::Path;

use darkroom_core::cell::Input;
use darkroom_core::cost::PriceTable;
use darkroom_core::event::{Event, RunStarted};
use darkroom_core::imported::IMPORTED;
use darkroom_tables::{MissingStage, StageSummary, Summary, TablesError};

use crate::advice;
use crate::cli::Globals;
use crate::display::progress::Progress;
use crate::display::{self, terminal};
use crate::exit::{Failure, Outcome};
use crate::record::{complete, read};

/// Reason of an interruption by `budget.usd`, as journals have it.
pub const OUT_OF_MONEY: &str = "budget.usd";

/// How a run's last session ended.
#[derive(Clone, Copy)]
enum End {
    Finished,
    OutOfMoney,
    Unknown,
}

/// Makes every table of the run at `path`, with its costs at these prices, and shows its summary.
pub fn show_tables(
    path: &Path,
    run: &RunStarted,
    prices: &PriceTable,
    globals: Globals,
) -> Result<Outcome, Failure> {
    let journal = path.join("journal.ndjson");
    let mut end = End::Unknown;
    let progress = Progress::new(globals, std::env::var_os("CI").is_some());
    let working = progress.working("making the tables and the report");
    let facts = complete(&journal)
        .map_err(Failure::wrong_request)?
        .inspect(|fact| match fact {
            Ok(Event::RunFinished { .. }) => end = End::Finished,
            Ok(Event::RunInterrupted { reason, .. }) if reason == OUT_OF_MONEY => {
                end = End::OutOfMoney;
            }
            Ok(Event::RunInterrupted { .. } | Event::CellsSuperseded { .. }) => end = End::Unknown,
            _ => {}
        });
    let summary = darkroom_tables::aggregate(facts, prices, path).map_err(|error| match error {
        TablesError::Journal(error) => Failure::wrong_request(miette::miette!("{error}")),
        error => Failure::broken(miette::miette!("cannot build the tables: {error}")),
    })?;
    let claims = super::page::write(path)?;
    drop(working);
    show(&summary, &claims, globals)?;
    for damage in &summary.damaged {
        display::note(&format!("DAMAGED, left out of every table: {damage}"));
    }
    if globals.quiet || globals.json {
        // What casts doubt on the numbers is said to whoever asked for no summary, too.
        let differences = terminal::differences(&summary.reconciliation);
        differences.lines().for_each(display::note);
    }
    if run.target == IMPORTED {
        // Nothing was planned, so nothing is missing.
        return Ok(if summary.has_failures() {
            Outcome::SomeCellsFailed
        } else {
            Outcome::Done
        });
    }
    let unfinished = say_what_is_missing(path, run, &summary, end, globals);
    Ok(if summary.has_failures() || unfinished {
        Outcome::SomeCellsFailed
    } else {
        Outcome::Done
    })
}

/// Returns what the journal of the run at `path` says that the run is.
pub fn started(path: &Path) -> Result<RunStarted, Failure> {
    let journal = path.join("journal.ndjson");
    let first = read(&journal)
        .and_then(|mut facts| facts.next().transpose())
        .map_err(Failure::wrong_request)?;
    match first {
        Some(Event::RunStarted(run)) => Ok(run),
        _ => Err(Failure::wrong_request(miette::miette!(
            "{} holds no run",
            journal.display()
        ))),
    }
}

/// Says which cells have fewer measurements than the run plans, and how to continue; returns
/// whether there are any.
fn say_what_is_missing(
    path: &Path,
    run: &RunStarted,
    summary: &Summary,
    end: End,
    globals: Globals,
) -> bool {
    let mut lines = Vec::new();
    let settled = summary
        .last_look
        .as_ref()
        .filter(|look| look.stopped_by.is_some())
        .map(|look| look.repetitions);
    let repetitions = run
        .until
        .map_or(run.repetitions, |until| settled.unwrap_or(until.min));
    let runnable = summary
        .cells
        .iter()
        .filter(|cell| cell.not_runnable.is_none())
        .count();
    for cell in summary
        .cells
        .iter()
        .filter(|cell| cell.not_runnable.is_none())
    {
        let images = run.image_sets.get(&cell.cell.image_set).map_or(0, Vec::len);
        let planned = images * repetitions as usize * run.deployments as usize;
        // After a failure the stages behind it have fewer, and the failure says why.
        let failed: usize = cell.stages.iter().map(|stage| stage.n_failed).sum();
        // A stage without code is never called, nor is what comes behind it in a chain.
        let is_gap = |stage: &&StageSummary| {
            let here =
                |of: &MissingStage| of.variant == cell.cell.variant && of.stage == stage.stage;
            summary.missing.iter().any(here)
        };
        let gap = cell.stages.iter().position(|stage| is_gap(&stage));
        let end = match cell.cell.input {
            Input::Chained => gap.unwrap_or(cell.stages.len()),
            Input::Reference => cell.stages.len(),
        };
        let due = cell.stages[..end].iter().filter(|stage| !is_gap(stage));
        let fewest = match due.map(|stage| stage.time_ms.n).min() {
            None if gap.is_some() => continue,
            fewest => fewest.unwrap_or(0),
        };
        // Nor can the runner make the platform start a cold environment; a cell without any is
        // not measured all the same.
        let ready = cell.passes_proactive;
        if fewest + failed + ready < planned || (fewest == 0 && ready > 0) {
            let ahead = if ready > 0 {
                format!("; {ready} in environments that were initialised before the call")
            } else {
                String::new()
            };
            lines.push(format!(
                "INCOMPLETE {}: {fewest} of {planned} passes done ({}){ahead}",
                cell.cell_id,
                product(images, repetitions, run.deployments)
            ));
        }
    }
    if lines.len() > 1
        && lines.len() == runnable
        && summary.cells.iter().all(|cell| cell.passes == 0)
        && !summary.has_failures()
    {
        // Of a run that was stopped at once, one line says as much as one for every cell.
        lines = vec![format!(
            "INCOMPLETE no cell has a finished pass ({})",
            display::count(runnable as u64, "cell")
        )];
    }
    match end {
        End::Finished => {}
        // Who ends the session says with how much more it continues.
        End::OutOfMoney => lines.push("unfinished: its budget.usd is spent".to_owned()),
        End::Unknown => {
            lines.push(format!(
                "unfinished; continue with {}",
                advice::darkroom(&["resume", &path.display().to_string()])
            ));
        }
    }
    if !globals.quiet {
        for line in &lines {
            display::note(line);
        }
    }
    !lines.is_empty()
}

/// Says what a number of passes is made of: `2 repetitions x 6 images`.
fn product(images: usize, repetitions: u32, deployments: u32) -> String {
    let deployments = match deployments {
        1 => String::new(),
        several => format!(" x {several} deployments"),
    };
    let of = |number: u64, noun: &str| display::count(number, noun);
    format!(
        "{} x {}{deployments}",
        of(repetitions.into(), "repetition"),
        of(images as u64, "image")
    )
}

fn show(summary: &Summary, claims: &[String], globals: Globals) -> Result<(), Failure> {
    if globals.json {
        let json = serde_json::to_string_pretty(summary).expect("a summary is plain values");
        return display::answer(&format!("{json}\n"));
    }
    if globals.quiet {
        return Ok(());
    }
    let look = terminal::Look {
        colours: display::colours(&io::stdout()),
        width: display::width(),
    };
    display::answer(&terminal::summary(summary, claims, look))
}
