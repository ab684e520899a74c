//! `darkroom plan`: what a run would do and what can't run here; deploys nothing, writes nothing.

use std::path::Path;

use darkroom_core::cost::PriceTable;
use darkroom_core::estimate::Rates;
use darkroom_core::event::{Event, PlannedCell};
use darkroom_core::manifest::{Cloud, Manifest};
use darkroom_core::plan::{Expected, Plan, Summary};
use serde::Serialize;

use crate::cli::{Globals, PlanArgs};
use crate::display::{
    self,
    plan::{Page, Shortest},
};
use crate::exit::{Failure, Outcome};
use crate::project::{self, Loaded, Project};
use crate::record::{self, RunDir};
use crate::target;

/// `plan --json`.
#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    summary: Summary,
    expected: Option<Expected>,
    /// The same of a run that stops as soon as it may (`repetitions.until`); all else is of one that goes on to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    shortest: Option<Shortest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Vec<PlannedCell>>,
}

pub fn run(args: &PlanArgs, globals: Globals) -> Result<Outcome, Failure> {
    let Loaded { project, manifest, known } = project::load(&args.manifest).map_err(Failure::wrong_request)?;
    let capability = target::capability(manifest.target.cloud);
    let prices = prices(&project, &manifest)?;
    let plan = Plan::new(&manifest, &known, &capability);
    let summary = plan.summary(prices.as_ref());
    let rates = rates(&project.output_dir(&manifest), &manifest, prices.as_ref());
    let expected = plan.expected(&rates, prices.as_ref());
    let shortest = manifest.repetitions.shortest().map(|repetitions| {
        let manifest = Manifest { repetitions, ..manifest.clone() };
        let plan = Plan::new(&manifest, &known, &capability);
        Shortest { summary: plan.summary(prices.as_ref()), expected: plan.expected(&rates, prices.as_ref()) }
    });
    if globals.json {
        let plan = (!args.summary).then(|| plan.planned_cells().collect());
        display::answer_json(&Answer { summary, expected, shortest, plan })?;
        return Ok(Outcome::Done);
    }
    let page =
        Page { manifest: &manifest, target: &capability.name, prices: prices.as_ref(), summary, expected, shortest };
    if !args.summary {
        display::answer_lines(page.cells(plan.planned_cells()))?;
    }
    display::answer(&page.totals())?;
    Ok(Outcome::Done)
}

/// Reads the region's prices. No table is no error: the plan then says that it knows no cost.
fn prices(project: &Project, manifest: &Manifest) -> Result<Option<PriceTable>, Failure> {
    let region = &manifest.target.region;
    let Some(text) = project.price_table(region) else { return Ok(None) };
    let wrong = |error| Failure::wrong_request(miette::miette!("experiments/prices/{region}.toml: {error}"));
    PriceTable::parse(&text).map(Some).map_err(wrong)
}

/// Reads what the latest run of the same experiment on the same target took; nothing when there is none to be read.
fn rates(outputs: &Path, manifest: &Manifest, prices: Option<&PriceTable>) -> Rates {
    let Ok(latest) = RunDir::latest(outputs, &manifest.experiment.name) else { return Rates::default() };
    let Ok(mut events) = record::read(&latest.join("journal.ndjson")) else { return Rates::default() };
    let Some(Ok(Event::RunStarted(run))) = events.next() else { return Rates::default() };
    if run.target != cloud_name(manifest.target.cloud) || run.pipeline != manifest.experiment.pipeline {
        return Rates::default();
    }
    Rates::of([Event::RunStarted(run)].into_iter().chain(events.map_while(Result::ok)), prices)
}

const fn cloud_name(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Local => "local",
        Cloud::Aws => "aws",
    }
}
