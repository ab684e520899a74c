//! A run's page: reading its tables, and writing the file.

use std::fs;
use std::path::Path;

use darkroom_report::Run;
use darkroom_tables::TablesError;

use crate::exit::Failure;
use crate::which_run;

/// Writes `report.html` into a run's folder, of tables that were just made from its journal;
/// returns what it says of who is faster and who is cheaper.
pub fn write(run: &Path) -> Result<Vec<String>, Failure> {
    let path = run.join("report.html");
    let run = read(run, &["report", "{}"])?;
    replace(&path, darkroom_report::html(&run, &[]).as_bytes())?;
    Ok(darkroom_report::claimed(&run))
}

/// Says what in a run's tables is not what its journal gives, or why that can't be known.
pub fn not_the_journals(run: &Path) -> Vec<String> {
    let scratch = match tempfile::tempdir() {
        Ok(scratch) => scratch,
        Err(error) => {
            return vec![format!(
                "cannot compare the tables with the journal: {error}"
            )];
        }
    };
    match super::tables_anew(run, scratch.path()) {
        Ok(found) => super::findings(&found),
        Err(failure) => vec![format!(
            "cannot compare the tables with the journal: {}",
            failure.report()
        )],
    }
}

/// Reads the tables of a run's folder.
pub fn read(run: &Path, command: &[&str]) -> Result<Run, Failure> {
    which_run::must_be_a_run(run, command)?;
    Run::read(run).map_err(|error| unreadable(run, &error))
}

pub fn unreadable(run: &Path, error: &TablesError) -> Failure {
    Failure::wrong_request(miette::miette!(help = which_run::tables_of(run), "{error}"))
}

/// Writes a file whole or not at all.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let part = path.with_extension("part");
    fs::write(&part, bytes)
        .and_then(|()| fs::rename(&part, path))
        .map_err(|error| not_done("write", path, &error))
}

pub fn not_done(action: &str, path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::broken(miette::miette!(
        "failed to {action} {}: {error}",
        path.display()
    ))
}
