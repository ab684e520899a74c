//! `darkroom plan`: shows what a run would do and what cannot run here. Deploys nothing, writes
//! nothing.

use darkroom_core::event::PlannedCell;
use darkroom_core::manifest::{Generation, Known, Manifest};
use darkroom_core::plan::{Expected, Plan, Summary};
use serde::Serialize;

use crate::cli::{Globals, PlanArgs};
use crate::display::{
    self,
    plan::{Page, Shortest},
};
use crate::exit::{Failure, Outcome};
use crate::generate::{Batch, ToAsk};
use crate::project::{self, Loaded, Project};
use crate::results;
use crate::session::estimate;
use crate::target;

/// `plan --json`.
#[derive(Serialize)]
struct PlanAnswer {
    #[serde(flatten)]
    summary: Summary,
    expected: Option<Expected>,
    /// The same of a run that stops as soon as it may (`repetitions.until`); all else is of one
    /// that continues to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    shortest: Option<Shortest>,
    /// What models are still to be asked; absent when every variant is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    generate: Option<ToAsk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Vec<PlannedCell>>,
}

/// Returns what models are still to be asked before this can run; `None` when all is made.
fn to_ask(
    project: &Project,
    manifest: &Manifest,
    known: &Known,
    generation: &Generation,
) -> Result<Option<ToAsk>, Failure> {
    let pipeline = known.pipeline(&manifest.experiment.pipeline);
    let Some(pipeline) = pipeline.filter(|_| generation.missing().next().is_some()) else {
        return Ok(None);
    };
    let batch = Batch::of(project, pipeline, manifest, generation)?;
    Ok(Some(batch.to_ask(false)))
}

pub fn run(args: &PlanArgs, globals: Globals) -> Result<Outcome, Failure> {
    let Loaded {
        project,
        manifest,
        known,
        generation,
    } = project::load(&args.manifest).map_err(Failure::wrong_request)?;
    super::say_which(&project, globals);
    super::say_what_is_left_alone(&generation, globals);
    super::say_what_differs(&project, &manifest, globals);
    let capability = target::capability(manifest.target.cloud, &manifest.target.region);
    let prices = results::prices(&project, &manifest.target.region)?;
    let plan = Plan::new(&manifest, &known, &capability);
    let summary = plan.summary(prices.as_ref());
    let to_ask = to_ask(&project, &manifest, &known, &generation)?;
    let rates = estimate::rates(&project.output_dir(&manifest), &manifest, prices.as_ref());
    let expected = plan.expected(&rates, prices.as_ref());
    let shortest = manifest.repetitions.shortest().map(|repetitions| {
        let manifest = Manifest {
            repetitions,
            ..manifest.clone()
        };
        let plan = Plan::new(&manifest, &known, &capability);
        Shortest {
            summary: plan.summary(prices.as_ref()),
            expected: plan.expected(&rates, prices.as_ref()),
        }
    });
    if globals.json {
        let plan = (!args.summary).then(|| plan.planned_cells().collect());
        display::answer_json(&PlanAnswer {
            summary,
            expected,
            shortest,
            generate: to_ask,
            plan,
        })?;
        return Ok(Outcome::Done);
    }
    let page = Page {
        manifest: &manifest,
        target: &capability.name,
        prices: prices.as_ref(),
        summary,
        expected,
        shortest,
        generate: to_ask.map(|to_ask| {
            let command = project::generate_command(&args.manifest);
            format!("{}; run {command} first", to_ask.in_words())
        }),
    };
    if !args.summary {
        display::answer_lines(page.cells(plan.planned_cells()))?;
    }
    display::answer(&page.totals())?;
    Ok(Outcome::Done)
}
