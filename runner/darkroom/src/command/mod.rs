//! One file per command. A command reads what it needs, calls other modules, and returns an outcome
//! or a failure.

pub mod aggregate;
mod calibrate;
mod cells;
mod check;
mod clean;
mod compare;
mod completions;
mod cost;
mod doctor;
mod doctor_aws;
mod export;
mod generate;
mod iam_policy;
mod import;
mod import_results;
mod init;
mod manual;
mod plan;
pub mod publish;
pub mod report;
pub mod resume;
mod run;
mod schema;
mod serve;
mod validate;
mod verify;

use darkroom_core::manifest::{Generation, Manifest};

use crate::built::built;
use crate::cli::{Cli, Command, Globals};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::project::Project;
use crate::study;

/// Carries out the command that was asked for.
pub fn run(cli: &Cli) -> Result<Outcome, Failure> {
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

/// Says which project folder a command uses, where it is not the current folder.
fn say_which(project: &Project, globals: Globals) {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    if !globals.quiet && !globals.json && here.is_ok_and(|here| here != project.root()) {
        display::note(&format!("project folder: {}", project.root().display()));
    }
}

/// Says which files that a manifest uses are another version's.
fn say_what_differs(project: &Project, manifest: &Manifest, globals: Globals) {
    if globals.quiet || globals.json {
        return;
    }
    let pipeline = &manifest.experiment.pipeline;
    let variants = manifest.matrix.variants.iter();
    let below: Vec<String> = variants
        .map(|variant| format!("functions/{variant}/"))
        .chain([
            format!("experiments/{pipeline}/pipeline.toml"),
            format!("experiments/prices/{}.toml", manifest.target.region),
        ])
        .collect();
    if let Some(said) = study::differences(project.root(), &below) {
        display::note(&said);
    }
}

/// Says which samples of models are there and not asked for any more.
fn say_what_is_left_alone(generation: &Generation, globals: Globals) {
    if generation.left_alone.is_empty() || globals.quiet || globals.json {
        return;
    }
    let names: Vec<String> = generation
        .left_alone
        .iter()
        .map(|name| format!("functions/{name}"))
        .collect();
    display::note(&format!(
        "left alone and not measured, beyond the `samples` of the manifest: {}",
        names.join(", ")
    ));
}

/// Says that a newer program made this study: what went wrong may be that.
fn say_if_newer(globals: Globals) {
    let said = Project::here()
        .ok()
        .and_then(|project| study::by_a_newer(project.root()));
    if let Some(said) = said.filter(|_| !globals.json) {
        display::note(&said);
    }
}
