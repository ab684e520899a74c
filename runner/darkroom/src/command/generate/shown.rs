//! What `generate` shows: prompts, and what became of each stage of a variant.

use std::path::Path;

use darkroom_core::models::Model;
use darkroom_core::outcome::Outcome as StageOutcome;
use darkroom_core::pipeline::Stage;
use serde::Serialize;

use crate::cli::Globals;
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::generate::{self, Batch};
use crate::provenance::Stopped;

/// `generate --dry-run --json`, a list of these.
#[derive(Serialize)]
struct Asked {
    stage: String,
    /// Name of the prompt and version of Python, where a manifest declares them.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    python: Option<String>,
    /// What is sent before it as the system's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    prompt: String,
}

/// `generate --json`, a list of these.
#[derive(Serialize)]
pub struct Made {
    variant: String,
    folder: String,
    /// In the pipeline's order.
    stages: Vec<StageMade>,
    /// Why the last round of repair could not be carried through.
    #[serde(skip_serializing_if = "Option::is_none")]
    repair_stopped: Option<String>,
}

/// Of `generate --json`: one stage of a variant.
#[derive(Serialize)]
struct StageMade {
    stage: String,
    /// It has code that can be called.
    code: bool,
    /// What came instead, where it has none.
    #[serde(flatten)]
    missing: Option<StageOutcome>,
}

impl Made {
    /// Shows what became of a variant, and keeps it for `--json`. `root` is the project's.
    pub fn shown(
        variant: String,
        done: generate::Made,
        root: &Path,
        globals: Globals,
    ) -> Result<Self, Failure> {
        let folder = done.folder.strip_prefix(root).unwrap_or(&done.folder);
        let folder = folder.display().to_string();
        if let Some(stopped) = &done.stopped {
            display::note(&stopped_in_words(&variant, &folder, stopped));
        }
        let stages: Vec<StageMade> = done.stages.into_iter().map(StageMade::from).collect();
        for line in stages_in_words(&stages) {
            say(&line, globals);
        }
        if !globals.quiet && !globals.json {
            display::answer(&format!("{folder}\n"))?;
        }
        Ok(Self {
            variant,
            folder,
            stages,
            repair_stopped: done.stopped.map(|stopped| stopped.reason),
        })
    }
}

/// Returns how the command ends when these were made.
pub fn ended(made: &[Made]) -> Outcome {
    let is_whole = |made: &Made| made.stages.iter().all(|stage| stage.code);
    if made.iter().all(is_whole) {
        Outcome::Done
    } else {
        Outcome::SomeCellsFailed
    }
}

/// Says something to a person who watches.
pub fn say(text: &str, globals: Globals) {
    if !globals.quiet && !globals.json {
        display::note(text);
    }
}

impl From<(String, Option<StageOutcome>)> for StageMade {
    fn from((stage, missing): (String, Option<StageOutcome>)) -> Self {
        let code = missing.is_none();
        Self {
            stage,
            code,
            missing,
        }
    }
}

/// Returns the table of stages and what became of each, a line each.
fn stages_in_words(stages: &[StageMade]) -> Vec<String> {
    let width = stages.iter().map(|stage| stage.stage.len()).max();
    let width = width.unwrap_or(0).max("stage".len());
    let line = |stage: &StageMade| {
        let name = &stage.stage;
        match &stage.missing {
            None => format!("  {name:width$}  code"),
            Some(outcome) => format!("  {name:width$}  NOT THERE: {outcome}"),
        }
    };
    let head = format!("  {:width$}  outcome", "stage");
    let mut lines: Vec<String> = [head].into_iter().chain(stages.iter().map(line)).collect();
    let missing = stages.iter().filter(|stage| !stage.code).count();
    if missing > 0 {
        lines.push(format!(
            "  {missing} of {} without code: counted as not right",
            display::count(stages.len() as u64, "stage")
        ));
    }
    lines
}

fn stopped_in_words(variant: &str, folder: &str, stopped: &Stopped) -> String {
    let Stopped { round, reason, .. } = stopped;
    let left = match round {
        1 => "the first answers".to_owned(),
        round => format!("round {}", round - 1),
    };
    format!(
        "{variant}: repair round {round} was not done: {reason}. The variant holds {left}; \
         {folder}/provenance.toml says so."
    )
}

/// Returns what is to be known of a model before it is asked, a line each.
pub fn of_model(model: &Model) -> Vec<String> {
    let unknown = model.price_unknown.as_ref();
    let unknown = unknown.map(|why| format!("  its price is unknown: {why}"));
    let unseen = model.last_seen_working.as_deref() == Some("");
    let unseen = unseen.then(|| {
        "  nobody has seen this entry of models.toml work yet; write the date there if it does"
            .to_owned()
    });
    unknown.into_iter().chain(unseen).collect()
}

/// Prints every prompt that a manifest's missing variants are asked with.
pub fn show_all(batch: &Batch<'_>, globals: Globals) -> Result<Outcome, Failure> {
    let mut asked = Vec::new();
    let mut pages = Vec::new();
    for ((python, name), of) in batch.asked() {
        for (stage, prompt) in &of.prompts {
            pages.push(format!(
                "===== {}, prompt {name}, Python {python} =====\n{prompt}",
                stage.name
            ));
            asked.push(Asked {
                stage: stage.name.clone(),
                name: Some(name.clone()),
                python: Some(python.clone()),
                system: None,
                prompt: prompt.clone(),
            });
        }
    }
    if globals.json {
        display::answer_json(&asked)?;
    } else {
        display::answer(&pages.join("\n"))?;
    }
    Ok(Outcome::Done)
}

/// Prints the prompts of these stages.
pub fn show(
    prompts: &[(&Stage, String)],
    system: Option<&str>,
    globals: Globals,
) -> Result<Outcome, Failure> {
    if let Some(system) = system.filter(|_| !globals.json) {
        display::answer(&format!("===== system =====\n{}\n\n", system.trim_end()))?;
    }
    if globals.json {
        let of_stage = |(stage, prompt): &'_ (&'_ Stage, String)| Asked {
            stage: stage.name.clone(),
            name: None,
            python: None,
            system: system.map(str::to_owned),
            prompt: prompt.clone(),
        };
        let prompts: Vec<_> = prompts.iter().map(of_stage).collect();
        display::answer_json(&prompts)?;
    } else if let [(_, only)] = prompts {
        display::answer(only)?; // Nothing but the prompt, to the letter.
    } else {
        let page =
            |(stage, prompt): &(&Stage, String)| format!("===== {} =====\n{prompt}", stage.name);
        display::answer(&prompts.iter().map(page).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(Outcome::Done)
}
