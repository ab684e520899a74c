//! What the gate says of a drafted variant: one pass of every image through it on the local cloud.
//!
//! A project that holds the variant → what is wrong with it, by stage, in the words that a run would record. Leaves
//! nothing behind that is not in that project's folder.

use std::collections::BTreeMap;

use darkroom_core::event::{Event, Status};

use crate::cli::Globals;
use crate::exit::Failure;
use crate::project::{self, Loaded, Project};
use crate::record::{RunDir, read};
use crate::session::{self, Begin, Job};
use crate::target;

/// Name of the experiment that the check is a run of.
const EXPERIMENT: &str = "generate-check";

/// Returns what is wrong with `variant`, by stage; empty when every output of every image passed.
pub fn verdicts(project: &Project, pipeline: &str, variant: &str) -> Result<BTreeMap<String, String>, Failure> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let text = format!(
        "[experiment]\nname = \"{EXPERIMENT}\"\npipeline = \"{pipeline}\"\n\n[matrix]\nvariants = [\"{variant}\"]\n\
         architectures = [\"{architecture}\"]\nimage_sets = [\"photos\"]\n\n[repetitions]\ncount = 1\n"
    );
    let manifest = project.root().join(format!("{EXPERIMENT}.toml"));
    std::fs::write(&manifest, text)
        .map_err(|error| Failure::broken(miette::miette!("cannot write {}: {error}", manifest.display())))?;
    let Loaded { project, manifest, known } = project::load_with(&manifest, &[]).map_err(Failure::broken)?;
    let capability = target::capability(manifest.target.cloud);
    let begin = Begin::Anew { cells: None };
    let job = Job { project: &project, manifest: &manifest, known: &known, capability: &capability, begin };
    session::run(&job, Globals { quiet: true, json: false })?;
    let run = RunDir::latest(&project.output_dir(&manifest), EXPERIMENT).map_err(Failure::broken)?;
    let facts = read(&run.join("journal.ndjson")).map_err(Failure::broken)?;
    let mut wrong = BTreeMap::new();
    for fact in facts {
        if let Some((stage, words)) = fault(&fact.map_err(Failure::broken)?) {
            wrong.entry(stage).or_insert(words);
        }
    }
    Ok(wrong)
}

/// Returns the stage that a fact finds wrong, and in which words.
fn fault(fact: &Event) -> Option<(String, String)> {
    match fact {
        Event::OutputChecked(check) if !check.verdict.pass => {
            let verdict = &check.verdict;
            let parts = [verdict.reason.as_deref(), verdict.detail.as_deref()].into_iter().flatten();
            let words = parts.collect::<Vec<_>>().join(": ");
            Some((check.stage.clone(), format!("The output of image {} is wrong: {words}", check.pass.image)))
        }
        Event::InvocationFinished(call) if !matches!(call.status, Status::Ok | Status::Throttled) => {
            let parts = [call.error_type.as_deref(), call.error.as_deref()].into_iter().flatten();
            let words = parts.collect::<Vec<_>>().join(": ");
            let kind = call.status.as_str();
            Some((call.stage.clone(), format!("The call for image {} failed ({kind}): {words}", call.pass.image)))
        }
        _ => None,
    }
}
