//! `darkroom report` and `darkroom figures`: a run's tables as a page, several runs' as one, and pictures as files for a paper.

use std::fs;
use std::path::{Path, PathBuf};

use darkroom_report::{Run, paper};
use darkroom_tables::TablesError;

use crate::advice;
use crate::cli::{Globals, ReportArgs, RunFolder};
use crate::display;
use crate::exit::{Failure, Outcome};

pub fn run(args: &ReportArgs, globals: Globals) -> Result<Outcome, Failure> {
    let path = match &args.runs[..] {
        [run] => {
            let path = args.output.clone().unwrap_or_else(|| run.join("report.html"));
            let read = read(run, &["report", "{}"])?;
            let findings = not_the_journals(run);
            for finding in &findings {
                display::note(finding);
            }
            replace(&path, darkroom_report::html(&read, &findings).as_bytes())?;
            path
        }
        runs => side_by_side(runs, args.output.as_deref())?,
    };
    if !globals.quiet {
        display::note(&format!("{}", path.display()));
    }
    Ok(Outcome::Done)
}

/// Writes `report.html` into a run's folder, of tables that were just made from its journal.
pub fn write(run: &Path) -> Result<(), Failure> {
    replace(&run.join("report.html"), darkroom_report::html(&read(run, &["report", "{}"])?, &[]).as_bytes())
}

/// Writes the page of several runs, beside the first unless told where, and returns its path.
fn side_by_side(runs: &[PathBuf], output: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = output.map_or_else(|| runs[0].join("side-by-side.html"), Path::to_owned);
    let all = runs.iter().map(|run| read(run, &["report", "{}"])).collect::<Result<Vec<Run>, Failure>>()?;
    let against = |run| darkroom_tables::between(&runs[0], run).map_err(|error| unreadable(run, &error));
    let changes = runs[1..].iter().map(|run| against(run)).collect::<Result<Vec<_>, Failure>>()?;
    let findings: Vec<Vec<String>> = runs.iter().map(|run| not_the_journals(run)).collect();
    replace(&path, darkroom_report::several(&all, &changes, &findings).as_bytes())?;
    Ok(path)
}

/// Says what in a run's tables is not what its journal gives, or why that can't be known.
fn not_the_journals(run: &Path) -> Vec<String> {
    let scratch = match tempfile::tempdir() {
        Ok(scratch) => scratch,
        Err(error) => return vec![format!("the tables could not be held against the journal: {error}")],
    };
    match super::verify::tables(run, scratch.path()) {
        Ok(found) => super::verify::findings(&found),
        Err(failure) => vec![format!("the tables could not be held against the journal: {}", failure.report())],
    }
}

/// Writes every figure as SVG and PNG into `figures/` of a run's folder.
pub fn figures(args: &RunFolder, globals: Globals) -> Result<Outcome, Failure> {
    let folder = args.run.join("figures");
    let made = darkroom_report::figures(&read(&args.run, &["figures", "{}"])?);
    fs::create_dir_all(&folder).map_err(|error| broken("make", &folder, &error))?;
    for figure in &made {
        let path = |kind: &str| folder.join(format!("{}.{kind}", figure.id));
        let svg = paper::svg(figure).map_err(|error| broken("draw", &path("svg"), &error))?;
        replace(&path("svg"), svg.as_bytes())?;
        let png = paper::png(figure).map_err(|error| broken("draw", &path("png"), &error))?;
        replace(&path("png"), &png)?;
    }
    if !globals.quiet {
        display::note(&format!("{} figures, as SVG and PNG: {}/", made.len(), folder.display()));
    }
    Ok(Outcome::Done)
}

/// Reads the tables of a run's folder.
pub fn read(run: &Path, command: &[&str]) -> Result<Run, Failure> {
    advice::run_folder(run, command)?;
    Run::read(run).map_err(|error| unreadable(run, &error))
}

fn unreadable(run: &Path, error: &TablesError) -> Failure {
    Failure::wrong_request(miette::miette!(help = advice::tables_of(run), "{error}"))
}

/// Writes a file whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let part = path.with_extension("part");
    fs::write(&part, bytes).and_then(|()| fs::rename(&part, path)).map_err(|error| broken("write", path, &error))
}

fn broken(action: &str, path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::broken(miette::miette!("failed to {action} {}: {error}", path.display()))
}
