//! `darkroom verify`: checks whether a run's tables and report match its journal.

use std::fs;
use std::os::unix::fs::symlink;

use crate::cli::{Globals, RunFolder};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::results::{self, broken, findings};
use crate::which_run;

pub fn run(args: &RunFolder, globals: Globals) -> Result<Outcome, Failure> {
    let path = which_run::opened(&args.run, &["verify", "{}"])?;
    let scratch = tempfile::tempdir().map_err(|error| broken(&error))?;
    let found = results::tables_anew(&path, scratch.path())?;
    let mut differing = findings(&found);
    // The page shows them, and no journal can make them again.
    let pictures = path.join("pictures");
    if pictures.is_dir() {
        symlink(&pictures, scratch.path().join("pictures")).map_err(|error| broken(&error))?;
    }
    let page = darkroom_report::Run::read(scratch.path())
        .map(|run| darkroom_report::html(&run, &[]))
        .map_err(|error| broken(&error))?;
    let report = match fs::read_to_string(path.join("report.html")) {
        Ok(found) if found == page => None,
        Ok(_) => Some("differs from the page made from the journal".to_owned()),
        Err(error) => Some(error.to_string()),
    };
    differing.extend(report.iter().map(|what| format!("report.html: {what}")));
    if globals.json {
        let answer = serde_json::json!({ "matches": differing.is_empty(), "tables": found, "report": report });
        let json = serde_json::to_string_pretty(&answer).expect("plain values");
        display::answer(&format!("{json}\n"))?;
    } else if !globals.quiet {
        let rows: usize = found.iter().map(|table| table.rows).sum();
        let verdict = if differing.is_empty() {
            "match the journal"
        } else {
            "do NOT all match the journal"
        };
        display::answer(&format!(
            "{} tables ({rows} rows) and report.html {verdict}\n",
            found.len()
        ))?;
    }
    for line in &differing {
        display::note(line);
    }
    Ok(if differing.is_empty() {
        Outcome::Done
    } else {
        Outcome::SomeCellsFailed
    })
}
