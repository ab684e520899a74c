//! Creates a variant: asks for each stage, sends findings of the output check back, and publishes
//! the folder.
//!
//! The first answer to each stage counts, with usable code or without. The findings of the output check can be sent back for a
//! number of rounds, which are recorded; if a round fails, the variant of the round before stays.

use std::collections::BTreeMap;
use std::path::PathBuf;

use darkroom_core::outcome::Outcome;
use darkroom_core::pipeline::Stage;

use super::asking::Asking;
use super::client::Endpoint;
use super::wish::Wish;
use crate::exit::Failure;
use crate::project::Project;
use crate::provenance::Stopped;

/// A variant that was made.
pub struct Made {
    pub folder: PathBuf,
    /// The stages that were asked for, in order; of those without code what came instead.
    pub stages: Vec<(String, Option<Outcome>)>,
    /// Why the last round of repair could not be carried through, where it could not.
    pub stopped: Option<Stopped>,
}

/// Says what the gate found wrong, by stage, in a project that holds the variant; empty when all is
/// right.
pub type Gate<'a> = &'a dyn Fn(&Project, &str) -> Result<BTreeMap<String, String>, Failure>;

/// Makes the variant; `None` when Ctrl-C came first. `say` is told of every step.
pub fn generate(
    wish: &Wish<'_>,
    endpoint: &Endpoint<'_>,
    gate: Gate<'_>,
    say: &dyn Fn(&str),
) -> Result<Option<Made>, Failure> {
    let mut asking = Asking::begin(wish, endpoint, say)?;
    for (stage, text) in wish.prompts {
        match asking.first(stage, text) {
            Err(problem) if problem.is_interrupt() => return Ok(None),
            done => done.map_err(|problem| asking.failed(problem))?,
        }
    }
    for round in 1..=wish.repair {
        asking
            .draft
            .write_provenance(&asking.provenance)
            .map_err(Failure::broken)?;
        let verdicts = gate(asking.draft.project(), wish.variant)?;
        let is_wrong = |stage: &Stage| {
            verdicts.contains_key(&stage.name) || asking.missing.contains_key(&stage.name)
        };
        if !wish.prompts.iter().any(|(stage, _)| is_wrong(stage)) {
            say("  all outputs passed the check");
            break;
        }
        match asking.repair(&verdicts, round) {
            Ok(()) => {}
            Err(problem) if problem.is_interrupt() => return Ok(None),
            Err(problem) if problem.ends_the_round() => break,
            Err(problem) => return Err(asking.failed(problem)),
        }
    }
    asking.publish().map(Some)
}
