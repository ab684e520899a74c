//! Finds the run that was meant: refuses a folder that is not a run, and suggests the command with
//! the most likely run.
//!
//! Reads the project's folders; changes nothing. [`crate::advice`] spells the commands.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::advice;
use crate::exit::Failure;
use crate::project::Project;

/// Returns how to begin a run: with a manifest of the project that the user is in.
pub fn how_to_begin() -> String {
    let Some(manifest) = Project::here()
        .ok()
        .and_then(|project| first_manifest(project.root()))
    else {
        return "write a manifest and run it: README.md shows one".to_owned();
    };
    format!(
        "start one, for example with {}",
        advice::darkroom(&["run", &manifest.display().to_string()])
    )
}

/// The manifest for a first result, or the first that is there.
fn first_manifest(root: &Path) -> Option<PathBuf> {
    let is_manifest = |path: &PathBuf| {
        let text = fs::read_to_string(path)
            .ok()
            .filter(|_| path.extension().is_some_and(|end| end == "toml"));
        text.and_then(|text| text.parse::<toml::Table>().ok())
            .is_some_and(|table| table.contains_key("matrix"))
    };
    let here = std::env::current_dir().ok()?;
    let mut manifests: Vec<PathBuf> = [root.join("manifests"), here.clone(), root.to_owned()]
        .iter()
        .flat_map(|folder| {
            fs::read_dir(folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
        })
        .filter(is_manifest)
        .collect();
    manifests.sort_by_key(|path| (!path.ends_with("smoke.toml"), path.clone()));
    let first = manifests.into_iter().next()?;
    Some(
        first
            .strip_prefix(&here)
            .map_or(first.clone(), Path::to_owned),
    )
}

/// A run's folder that is there but cannot be opened.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot open the run {}: {source}", run.display())]
#[diagnostic(help("check that you may read this folder"))]
struct CannotOpen {
    run: PathBuf,
    source: io::Error,
}

/// Returns the whole path of a run's folder. Refuses other folders as [`must_be_a_run`] does.
pub fn opened(folder: &Path, command: &[&str]) -> Result<PathBuf, Failure> {
    must_be_a_run(folder, command)?;
    folder.canonicalize().map_err(|source| {
        Failure::wrong_request(CannotOpen {
            run: folder.to_owned(),
            source,
        })
    })
}

/// Refuses what is no run's folder, and suggests `command` with the run that is most likely meant
/// in the place of `{}`.
pub fn must_be_a_run(folder: &Path, command: &[&str]) -> Result<(), Failure> {
    if is_run(folder) || folder.join("summary.parquet").is_file() {
        return Ok(());
    }
    let shown = folder.display();
    let what = if folder.exists() {
        format!("{shown} is not a run: it has no journal.ndjson")
    } else {
        format!("{shown} is not a run: it does not exist")
    };
    let help = match nearest_run(folder) {
        Some(run) => {
            let run = run.display().to_string();
            let command: Vec<&str> = command
                .iter()
                .map(|word| if *word == "{}" { &run } else { *word })
                .collect();
            format!(
                "name a run's folder, for example {}",
                advice::darkroom(&command)
            )
        }
        None => format!("no run yet; {}", how_to_begin()),
    };
    Err(Failure::wrong_request(miette::miette!(
        help = help,
        "{what}"
    )))
}

/// Returns what to do about a run's tables that can't be read.
pub fn tables_of(run: &Path) -> String {
    if is_run(run) {
        format!(
            "rebuild them with {}",
            advice::darkroom(&["aggregate", &run.display().to_string()])
        )
    } else {
        "its journal is missing, so its tables cannot be rebuilt: copy the whole folder of the \
         run"
        .to_owned()
    }
}

fn is_run(folder: &Path) -> bool {
    folder.join("journal.ndjson").is_file()
}

/// Looks for a run around what was named: within it, above it, then the project's newest.
fn nearest_run(named: &Path) -> Option<PathBuf> {
    let within = newest(named).or_else(|| folders(named).iter().find_map(|inner| newest(inner)));
    let above = || {
        named
            .ancestors()
            .skip(1)
            .find(|folder| is_run(folder))
            .map(Path::to_owned)
    };
    let beside = || newest(named.parent()?);
    let outputs = || {
        let outputs = Project::here().ok()?.root().join("outputs");
        let runs = folders(&outputs)
            .into_iter()
            .filter_map(|experiment| newest(&experiment));
        let run = runs.max_by_key(|run| run.file_name().map(ToOwned::to_owned))?;
        let here = std::env::current_dir().ok()?;
        Some(run.strip_prefix(here).map_or(run.clone(), Path::to_owned))
    };
    within.or_else(above).or_else(beside).or_else(outputs)
}

/// Returns an experiment's newest run. Run ids begin with their time.
fn newest(experiment: &Path) -> Option<PathBuf> {
    folders(experiment)
        .into_iter()
        .filter(|run| is_run(run) && !run.is_symlink())
        .max()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_that_is_meant_is_within_above_or_beside() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = folder.path().join("outputs/e");
        for run in ["20260101-000000-aa", "20260102-000000-bb"] {
            fs::create_dir_all(experiment.join(run).join("pictures")).unwrap();
            fs::write(experiment.join(run).join("journal.ndjson"), "").unwrap();
        }
        let newest = experiment.join("20260102-000000-bb");
        for named in [
            "outputs",
            "outputs/e",
            "outputs/e/nope",
            "outputs/e/20260102-000000-bb/pictures",
        ] {
            assert_eq!(
                nearest_run(&folder.path().join(named)).as_ref(),
                Some(&newest),
                "{named}"
            );
        }
    }
}
