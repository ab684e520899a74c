//! `darkroom verify`: whether a run's tables and report are what its journal says.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use darkroom_tables::Verified;

use crate::advice;
use crate::cli::{Globals, RunFolder};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::project::Project;
use crate::record::complete;

pub fn run(args: &RunFolder, globals: Globals) -> Result<Outcome, Failure> {
    advice::run_folder(&args.run, &["verify", "{}"])?;
    let path = args.run.canonicalize().map_err(|error| {
        Failure::wrong_request(miette::miette!("cannot open the run {}: {error}", args.run.display()))
    })?;
    let scratch = tempfile::tempdir().map_err(|error| broken(&error))?;
    let found = tables(&path, scratch.path())?;
    let mut differing = findings(&found);
    // The page shows them, and no journal can make them anew.
    let pictures = path.join("pictures");
    if pictures.is_dir() {
        symlink(&pictures, scratch.path().join("pictures")).map_err(|error| broken(&error))?;
    }
    let page = darkroom_report::Run::read(scratch.path())
        .map(|run| darkroom_report::html(&run, &[]))
        .map_err(|error| broken(&error))?;
    let report = match fs::read_to_string(path.join("report.html")) {
        Ok(found) if found == page => None,
        Ok(_) => Some("not the page that the journal gives".to_owned()),
        Err(error) => Some(error.to_string()),
    };
    differing.extend(report.iter().map(|what| format!("report.html: {what}")));
    if globals.json {
        let answer = serde_json::json!({ "matches": differing.is_empty(), "tables": found, "report": report });
        let json = serde_json::to_string_pretty(&answer).expect("plain values");
        display::answer(&format!("{json}\n"))?;
    } else if !globals.quiet {
        let rows: usize = found.iter().map(|table| table.rows).sum();
        let verdict = if differing.is_empty() { "match the journal" } else { "do NOT all match the journal" };
        display::answer(&format!("{} tables ({rows} rows) and report.html {verdict}\n", found.len()))?;
    }
    for line in &differing {
        display::note(line);
    }
    Ok(if differing.is_empty() { Outcome::Done } else { Outcome::SomeCellsFailed })
}

/// Makes every table of the run at `path` anew in `scratch`, and says of each whether it is the one that the run has.
pub fn tables(path: &Path, scratch: &Path) -> Result<Vec<Verified>, Failure> {
    let project = Project::of(&path.join("manifest.toml")).or_else(|_| Project::here()).ok();
    let run = super::aggregate::started(path)?;
    let prices = super::aggregate::prices(project.as_ref(), &run.region)?;
    let facts = complete(&path.join("journal.ndjson")).map_err(Failure::wrong_request)?;
    darkroom_tables::verify(facts, &prices, path, scratch).map_err(|error| broken(&error))
}

/// Returns what does not match, with the table's name; what is so of every table (its metadata are the same) once.
pub fn findings(found: &[Verified]) -> Vec<String> {
    let of_all = |what: &String| found.len() > 1 && found.iter().all(|table| table.differences.contains(what));
    let mut findings = Vec::new();
    for (place, table) in found.iter().enumerate() {
        for what in &table.differences {
            match of_all(what) {
                true if place == 0 => findings.push(format!("every table: {what}")),
                true => {}
                false => findings.push(format!("{}.parquet: {what}", table.table)),
            }
        }
    }
    findings
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::broken(miette::miette!("the tables could not be made anew: {error}"))
}
