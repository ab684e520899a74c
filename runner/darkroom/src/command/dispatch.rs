//! From the command line to the command that was asked for.

use super::notes::say_if_newer;
use super::{
    aggregate, calibrate, cells, check, clean, compare, completions, cost, doctor, export,
    generate, iam_policy, import, import_results, init, manual, plan, prices, publish, report,
    resume, run, schema, serve, validate, verify,
};
use crate::built::built;
use crate::cli::{Cli, Command};
use crate::display;
use crate::exit::{Failure, Outcome};

/// Carries out the command that was asked for.
pub fn dispatch(cli: &Cli) -> Result<Outcome, Failure> {
    carry_out(cli).inspect_err(|_| say_if_newer(cli.globals))
}

fn carry_out(cli: &Cli) -> Result<Outcome, Failure> {
    let globals = cli.globals;
    match &cli.command {
        Command::Init(args) => init::run(args, globals),
        Command::Run(args) => run::run(args, globals),
        Command::Resume(args) => resume::run(args, globals),
        Command::Aggregate(args) => aggregate::run(args, globals),
        Command::Report(args) => report::run(args, globals),
        Command::Figures(args) => report::figures(args, globals),
        Command::Compare(args) => compare::run(args, globals),
        Command::Export(args) => export::run(args, globals),
        Command::Publish(args) => publish::run(args, globals),
        Command::Verify(args) => verify::run(args, globals),
        Command::Calibrate(args) => calibrate::run(args, globals),
        Command::Cost(args) => cost::run(args, globals),
        Command::Prices(args) => prices::run(args, globals),
        Command::Validate(args) => validate::run(args, globals),
        Command::Cells(args) => cells::run(args, globals),
        Command::Plan(args) => plan::run(args, globals),
        Command::Check(args) => check::run(args, globals),
        Command::Import(args) => import::run(args, globals),
        Command::ImportResults(args) => import_results::run(args, globals),
        Command::Schema => schema::run(),
        Command::Serve(args) => serve::run(args, globals),
        Command::Doctor(args) => doctor::run(args, globals),
        Command::Generate(args) => generate::run(args, globals),
        Command::Clean(args) => clean::run(args, globals),
        Command::IamPolicy(args) => iam_policy::run(args, globals),
        Command::Completions { shell } => completions::run(*shell),
        Command::Manual(args) => manual::run(args, globals),
    }
}

/// Answers `darkroom --version --json`.
pub fn version() -> Result<Outcome, Failure> {
    display::answer_json(&built())?;
    Ok(Outcome::Done)
}
