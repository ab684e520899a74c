//! `darkroom report` and `darkroom figures`: a run's tables as a page, and its pictures as files for a paper.

use std::fs;
use std::path::{Path, PathBuf};

use darkroom_report::Run;

use crate::cli::{Globals, RunFolder};
use crate::display;
use crate::exit::{Failure, Outcome};

pub fn run(args: &RunFolder, globals: Globals) -> Result<Outcome, Failure> {
    let path = write(&args.run)?;
    if !globals.quiet {
        display::note(&format!("{}", path.display()));
    }
    Ok(Outcome::Done)
}

/// Writes `report.html` into a run's folder and returns its path.
pub fn write(run: &Path) -> Result<PathBuf, Failure> {
    let path = run.join("report.html");
    replace(&path, darkroom_report::html(&read(run)?, &[]).as_bytes())?;
    Ok(path)
}

/// Writes every figure as SVG and PNG into `figures/` of a run's folder.
pub fn figures(args: &RunFolder, globals: Globals) -> Result<Outcome, Failure> {
    let folder = args.run.join("figures");
    let made = darkroom_report::figures(&read(&args.run)?);
    fs::create_dir_all(&folder).map_err(|error| broken("make", &folder, &error))?;
    for figure in &made {
        let svg = figure.svg.replace("currentColor", "#000000");
        replace(&folder.join(format!("{}.svg", figure.id)), svg.as_bytes())?;
        let path = folder.join(format!("{}.png", figure.id));
        let png = darkroom_report::png(&figure.svg).map_err(|error| broken("draw", &path, &error))?;
        replace(&path, &png)?;
    }
    if !globals.quiet {
        display::note(&format!("{} figures, as SVG and PNG: {}/", made.len(), folder.display()));
    }
    Ok(Outcome::Done)
}

/// Reads the tables of a run's folder.
pub fn read(run: &Path) -> Result<Run, Failure> {
    if !run.is_dir() {
        return Err(Failure::wrong_request(miette::miette!("{} is not a run's folder", run.display())));
    }
    Run::read(run).map_err(|error| {
        Failure::wrong_request(miette::miette!(
            help = format!("darkroom aggregate {} makes the tables anew", run.display()),
            "{error}"
        ))
    })
}

/// Writes a file whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let part = path.with_extension("part");
    fs::write(&part, bytes).and_then(|()| fs::rename(&part, path)).map_err(|error| broken("write", path, &error))
}

fn broken(action: &str, path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::broken(miette::miette!("failed to {action} {}: {error}", path.display()))
}
