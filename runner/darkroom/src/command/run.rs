//! `darkroom run`: from a manifest to tables.

use std::path::PathBuf;

use darkroom_core::cell::CellId;
use darkroom_core::manifest::Override;
use darkroom_core::plan::Plan;
use darkroom_core::selection::Selection;

use super::resume::unfinished;
use crate::advice;
use crate::cli::{Globals, RunArgs};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::project::{self, Loaded};
use crate::record::{History, JournalError, RunDir, read};
use crate::session::{self, Begin, Job};
use crate::target;

pub fn run(args: &RunArgs, globals: Globals) -> Result<Outcome, Failure> {
    let mut overrides = project::overrides(&args.manifest);
    overrides.extend(
        args.output_dir.iter().map(|dir| Override::option("--output-dir", "output.dir", &dir.display().to_string())),
    );
    let loaded = project::load_with(&args.manifest.manifest, &overrides).map_err(Failure::wrong_request)?;
    let Loaded { project, manifest, known } = loaded;
    let capability = target::capability(manifest.target.cloud);
    let mut job = Job {
        project: &project,
        manifest: &manifest,
        known: &known,
        capability: &capability,
        begin: ANEW,
        yes: args.yes,
        keep: args.keep,
    };
    job.begin = begin(&job, args, globals)?;
    session::run(&job, globals)
}

const ANEW: Begin = Begin::Anew { cells: None };

/// Decides whether this is a new run, or more of an earlier one.
fn begin(job: &Job<'_>, args: &RunArgs, globals: Globals) -> Result<Begin, Failure> {
    let latest = match latest_of_same_configuration(job) {
        Ok(latest) => latest,
        Err(error) if args.resume || !args.cells.is_empty() => return Err(Failure::wrong_request(error)),
        Err(error) => {
            display::note(&format!("the latest run is damaged, and left as it is: {error}"));
            None
        }
    };
    if args.resume {
        return match latest {
            Some(run) if unfinished(&run) => Ok(Begin::GoOn { run }),
            _ => Err(Failure::wrong_request(miette::miette!(
                help = "leave out --resume to start a new run",
                "no unfinished run of this manifest in {}",
                job.project.output_dir(job.manifest).join(&job.manifest.experiment.name).display()
            ))),
        };
    }
    if args.cells.is_empty() {
        if let Some(run) = latest.filter(|run| unfinished(run))
            && !globals.quiet
        {
            display::note(&format!(
                "an earlier run of this manifest is unfinished; this is a new one. Go on with the earlier one by {}",
                advice::darkroom(&["resume", &run.display().to_string()])
            ));
        }
        return Ok(ANEW);
    }
    let cells = chosen(job, &args.cells)?;
    if let Some(run) = latest {
        return Ok(Begin::Again { run, cells });
    }
    let outputs = job.project.output_dir(job.manifest);
    if !globals.quiet && RunDir::latest(&outputs, &job.manifest.experiment.name).is_ok() {
        display::note("the latest run has another configuration: these cells become a new run of their own");
    }
    Ok(Begin::Anew { cells: Some(cells) })
}

/// Returns the cells that the patterns of `--cell` choose; each must choose some.
fn chosen(job: &Job<'_>, patterns: &[String]) -> Result<Vec<CellId>, Failure> {
    let selection = Selection::new(patterns).map_err(Failure::wrong_request)?;
    let plan = Plan::new(job.manifest, job.known, job.capability);
    let ids: Vec<CellId> = plan.planned_cells().map(|cell| cell.id).collect();
    selection.check(&ids).map_err(Failure::wrong_request)?;
    Ok(ids.into_iter().filter(|id| selection.contains(id)).collect())
}

/// Returns the experiment's latest run, when it is a run of this very configuration; an error when that can't be known.
fn latest_of_same_configuration(job: &Job<'_>) -> Result<Option<PathBuf>, JournalError> {
    let latest = RunDir::latest(&job.project.output_dir(job.manifest), &job.manifest.experiment.name);
    let Some(run) = latest.ok().filter(|run| run.join("journal.ndjson").exists()) else { return Ok(None) };
    let history = read(&run.join("journal.ndjson")).and_then(History::replay)?;
    Ok(history.filter(|history| history.run.manifest_sha256 == session::fingerprint(job)).map(|_| run))
}
