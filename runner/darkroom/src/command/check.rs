//! `darkroom check`: only the output check. Prints a line for each output, saves pictures of the
//! wrong ones, and exits with 1 if there are any.

use crate::checked::CheckReport;
use crate::cli::{CheckArgs, Globals};
use crate::display::progress::Progress;
use crate::display::{self, verdicts};
use crate::exit::{Failure, Outcome};
use crate::project::Project;
use crate::session::check::{CheckRequest, check};

pub fn run(args: &CheckArgs, globals: Globals) -> Result<Outcome, Failure> {
    let project = Project::here().map_err(Failure::wrong_request)?;
    super::say_which(&project, globals);
    let progress = Progress::new(globals, std::env::var_os("CI").is_some());
    let mut reports = Vec::new();
    for variant in &args.variants {
        let request = CheckRequest {
            project: &project,
            variant,
            pipeline: &args.pipeline,
            image_set: &args.image_set,
            stages: &args.stages,
            architecture: args.architecture,
            runtime: args.runtime.as_deref(),
            repetitions: args.repetitions,
            all_pictures: args.pictures,
        };
        let report = check(&request, &progress)?;
        if !globals.json && !globals.quiet {
            display::answer(&verdicts::page(&report))?;
        }
        reports.push(report);
    }
    if globals.json {
        display::answer_json(&reports)?;
    }
    Ok(if reports.iter().all(CheckReport::passed) {
        Outcome::Done
    } else {
        Outcome::SomeCellsFailed
    })
}
