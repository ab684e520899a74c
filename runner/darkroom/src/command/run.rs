//! `darkroom run`: from a manifest to tables, in one direction.

use darkroom_core::manifest::Override;

use crate::cli::{Globals, RunArgs};
use crate::display::progress::Progress;
use crate::execute::Ended;
use crate::exit::{Failure, Outcome};
use crate::project::{self, Loaded};
use crate::results;
use crate::session::{self, Configuration, Job, Measured};
use crate::target;

pub fn run(args: &RunArgs, globals: Globals) -> Result<Outcome, Failure> {
    let mut overrides = project::overrides(&args.manifest);
    overrides.extend(
        args.output_dir
            .iter()
            .map(|dir| Override::option("--output-dir", "output.dir", &dir.display().to_string())),
    );
    overrides.extend(
        args.extend
            .map(|count| Override::set(&format!("repetitions.count={count}"))),
    );
    let loaded =
        project::load_with(&args.manifest.manifest, &overrides).map_err(Failure::wrong_request)?;
    let Loaded {
        project,
        manifest,
        known,
        generation,
    } = &loaded;
    super::say_which(project, globals);
    super::say_what_is_left_alone(generation, globals);
    super::say_what_differs(project, manifest, globals);
    let capability = &target::capability(manifest.target.cloud, &manifest.target.region);
    let prices = results::prices(project, &manifest.target.region)?;
    let configuration = Configuration {
        project,
        manifest,
        known,
        capability,
        prices: prices.as_ref(),
    };
    let Some(mode) = session::choose_mode(configuration, args, globals)? else {
        return Ok(Outcome::Done);
    };
    carry_out(
        &Job {
            configuration,
            mode,
            yes: args.yes,
            keep: args.keep,
        },
        globals,
    )
}

/// Carries out a session and shows its result.
///
/// The way through, as ARCHITECTURE.md draws it: `measure` packages, deploys, executes and records;
/// `show_tables` aggregates and reports.
pub fn carry_out(job: &Job<'_>, globals: Globals) -> Result<Outcome, Failure> {
    let configuration = job.configuration;
    let progress = Progress::new(globals, std::env::var_os("CI").is_some());
    let plan = configuration.plan();
    session::may_begin(job, &plan)?;
    let run = session::open_run(configuration, &job.mode, plan.planned_cells().collect())?;
    let Some(measured) = session::measure(job, &plan, &run, &progress)? else {
        return Ok(Outcome::Interrupted);
    };
    let prices = configuration
        .prices
        .cloned()
        .map_or_else(results::default_prices, Ok)?;
    let path = run.dir().path();
    let shown = results::show_tables(path, &results::started(path)?, &prices, globals)?;
    let Measured { ended, left } = measured;
    match ended {
        Ended::Whole => return left.map_or(Ok(shown), Err),
        Ended::Interrupted => progress.step("interrupted"),
        Ended::OutOfTime => progress.step("the time of budget.minutes is used up"),
        Ended::OutOfMoney => {
            let how = session::how_to_go_on(configuration, path)?;
            progress.step(&format!("budget.usd is used up; {how}"));
        }
    }
    Ok(Outcome::Interrupted)
}
