//! `darkroom init`: creates a study folder that is ready to run.

use darkroom_cloud::python;
use darkroom_core::shell::quoted;
use serde::Serialize;

use crate::advice;
use crate::cli::{Globals, InitArgs};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::study::{self, StudyPlan, Template};

/// The runtime of the variants that a study begins with.
const PYTHON: &str = "3.13";

/// `init --json`.
#[derive(Serialize)]
struct InitAnswer<'a> {
    folder: &'a std::path::Path,
    template: Template,
    files: Vec<&'static str>,
}

pub fn run(args: &InitArgs, globals: Globals) -> Result<Outcome, Failure> {
    let plan = study::plan(&args.folder, args.template).map_err(Failure::wrong_request)?;
    study::write(&plan).map_err(Failure::broken)?;
    if globals.json {
        let files = plan.paths().collect();
        display::answer_json(&InitAnswer {
            folder: &plan.folder,
            template: plan.template,
            files,
        })?;
    } else if !globals.quiet {
        display::answer(&next(&plan))?;
        if let Err(error) = python::find(PYTHON) {
            display::note(&format!("\nbefore the first run: {error}"));
        }
    }
    Ok(Outcome::Done)
}

/// Says what was made and what to do with it.
fn next(plan: &StudyPlan) -> String {
    let folder = plan.folder.display().to_string();
    let count = display::count(plan.paths().count() as u64, "file");
    let mut steps = Vec::new();
    if plan.folder != std::path::Path::new(".") {
        // A name that begins with a dash would be an option.
        let path = if folder.starts_with('-') {
            format!("./{folder}")
        } else {
            folder.clone()
        };
        steps.push(format!("  go there    `cd {}`\n", quoted(&path)));
    }
    if plan.template == Template::LlmStudy {
        let example = advice::darkroom(&["generate", "--model", "gpt-5", "--variant", "gpt-5"]);
        steps.push(format!(
            "  ask a model {example}, with OPENAI_API_KEY set; README.md has the rest\n"
        ));
    }
    steps.push(format!(
        "  measure     {}\n",
        advice::darkroom(&["run", plan.template.first_manifest()])
    ));
    format!(
        "created a study in {folder}: {count}; its README.md explains what is where\n{}",
        steps.concat()
    )
}
