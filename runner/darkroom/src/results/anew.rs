//! Rebuilds a run's tables from its journal, and lists what differs.

use std::path::Path;

use darkroom_tables::Verified;

use crate::exit::Failure;
use crate::project::Project;
use crate::record::complete;

/// Makes every table of the run at `path` anew in `scratch`, and says of each whether it is the one
/// that the run has.
pub fn tables_anew(path: &Path, scratch: &Path) -> Result<Vec<Verified>, Failure> {
    let project = Project::of(&path.join("manifest.toml"))
        .or_else(|_| Project::here())
        .ok();
    let run = super::started(path)?;
    let prices = super::prices_or_default(project.as_ref(), &run.region)?;
    let facts = complete(&path.join("journal.ndjson")).map_err(Failure::wrong_request)?;
    darkroom_tables::verify(facts, &prices, path, scratch).map_err(|error| broken(&error))
}

/// Returns what does not match, with the table's name; what is so of every table (its metadata are
/// the same) once.
pub fn findings(found: &[Verified]) -> Vec<String> {
    let of_all = |what: &String| {
        found.len() > 1 && found.iter().all(|table| table.differences.contains(what))
    };
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

pub fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::broken(miette::miette!("cannot rebuild the tables: {error}"))
}
