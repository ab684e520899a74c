//! `darkroom resume`: continues a run from its folder alone.

use std::path::{Path, PathBuf};

use darkroom_core::manifest::Override;

use super::run::carry_out;
use crate::cli::{Globals, ResumeArgs};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::project::{self, Loaded, Project};
use crate::record::{Earlier, History};
use crate::results;
use crate::session::{Configuration, Job, SessionMode, nothing_to_resume};
use crate::target;
use crate::which_run;

pub fn run(args: &ResumeArgs, globals: Globals) -> Result<Outcome, Failure> {
    let run = match &args.run {
        Some(run) => run.clone(),
        None => latest_unfinished(
            &Project::here()
                .map_err(Failure::wrong_request)?
                .root()
                .join("outputs"),
        )?,
    };
    let run = which_run::opened(&run, &["resume", "{}"])?;
    let earlier = Earlier::read(run).map_err(Failure::wrong_request)?;
    let Earlier { run, history, .. } = &earlier;
    if history.finished {
        if !globals.quiet {
            display::note(&nothing_to_resume(run, history));
        }
        return Ok(Outcome::Done);
    }
    if !globals.quiet {
        let said = "it continues with the manifest as it was when the run began; later changes \
            hold for new runs only";
        display::note(&format!("continuing {} {said}", run.display()));
    }
    // A kill may have come between an extension's record in the journal and the same in
    // manifest.toml.
    let extended = history
        .extended
        .then_some(history.run.repetitions)
        .map(|count| Override::set(&format!("repetitions.count={count}")));
    let overrides: Vec<Override> = extended
        .into_iter()
        .chain(args.set.iter().map(|argument| Override::set(argument)))
        .collect();
    let loaded = project::load_with(&run.join("manifest.toml"), &overrides)
        .map_err(Failure::wrong_request)?;
    let Loaded {
        project,
        manifest,
        known,
        ..
    } = &loaded;
    super::say_which(project, globals);
    let capability = &target::capability(manifest.target.cloud, &manifest.target.region);
    let prices = results::prices(project, &manifest.target.region)?;
    let configuration = Configuration {
        project,
        manifest,
        known,
        capability,
        prices: prices.as_ref(),
    };
    let job = Job {
        configuration,
        mode: SessionMode::GoOn(earlier),
        yes: args.yes,
        keep: args.keep,
    };
    carry_out(&job, globals)
}

/// Finds the newest run under `outputs` whose journal has no end; where all have one, the newest.
/// Run ids begin with their time, so they sort by it.
fn latest_unfinished(outputs: &Path) -> Result<PathBuf, Failure> {
    let folders = |path: &Path| {
        std::fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    let mut runs: Vec<PathBuf> = folders(outputs)
        .flat_map(|experiment| folders(&experiment).collect::<Vec<_>>())
        .filter(|run| !run.is_symlink() && run.join("journal.ndjson").is_file())
        .collect();
    runs.sort_by(|a, b| b.file_name().cmp(&a.file_name()));
    runs.iter()
        .find(|run| unfinished(run))
        .or(runs.first())
        .cloned()
        .ok_or_else(|| {
            Failure::wrong_request(miette::miette!(
                help = which_run::how_to_begin(),
                "no run under {}",
                outputs.display()
            ))
        })
}

/// Says whether a run's journal can be read and has no end yet.
fn unfinished(run: &Path) -> bool {
    History::read(&run.join("journal.ndjson")).is_ok_and(|history| !history.finished)
}
