//! `darkroom aggregate`: makes a run's tables from its journal and shows them.

use crate::cli::{Globals, RunFolder};
use crate::exit::{Failure, Outcome};
use crate::project::Project;
use crate::results;
use crate::which_run;

pub fn run(args: &RunFolder, globals: Globals) -> Result<Outcome, Failure> {
    which_run::must_be_a_run(&args.run, &["aggregate", "{}"])?;
    let path = args.run.canonicalize().map_err(|error| {
        Failure::wrong_request(miette::miette!(
            "cannot open the run {}: {error}",
            args.run.display()
        ))
    })?;
    let project = Project::of(&path.join("manifest.toml"))
        .or_else(|_| Project::here())
        .ok();
    let run = results::started(&path)?;
    let prices = results::prices_or_default(project.as_ref(), &run.region)?;
    results::show_tables(&path, &run, &prices, globals)
}
