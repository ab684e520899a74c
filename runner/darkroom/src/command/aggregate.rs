//! `darkroom aggregate`: makes a run's tables from its journal and shows them.

use crate::cli::{Globals, RunFolder};
use crate::exit::{Failure, Outcome};
use crate::project::Project;
use crate::results;
use crate::which_run;

pub fn run(args: &RunFolder, globals: Globals) -> Result<Outcome, Failure> {
    let path = which_run::opened(&args.run, &["aggregate", "{}"])?;
    let project = Project::of(&path.join("manifest.toml"))
        .or_else(|_| Project::here())
        .ok();
    let run = results::started(&path)?;
    let prices = results::prices_or_default(project.as_ref(), &run.region)?;
    results::show_tables(&path, &run, &prices, globals)
}
