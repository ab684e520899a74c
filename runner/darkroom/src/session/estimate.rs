//! What is known of money and time before a run: the region's prices, and what the same cells took before.

use std::path::Path;

use darkroom_core::cost::PriceTable;
use darkroom_core::estimate::Rates;
use darkroom_core::event::Event;
use darkroom_core::manifest::Manifest;

use crate::exit::Failure;
use crate::project::Project;
use crate::record::{self, RunDir};

/// Reads the region's prices. No table is no error: what a run costs is not known then.
pub fn prices(project: &Project, manifest: &Manifest) -> Result<Option<PriceTable>, Failure> {
    let region = &manifest.target.region;
    let Some(text) = project.price_table(region) else { return Ok(None) };
    let wrong = |error| Failure::wrong_request(miette::miette!("experiments/prices/{region}.toml: {error}"));
    PriceTable::parse(&text).map(Some).map_err(wrong)
}

/// Reads what the latest run of the same experiment took, wherever it was; nothing when there is none to be read.
pub fn rates(outputs: &Path, manifest: &Manifest, prices: Option<&PriceTable>) -> Rates {
    let Ok(latest) = RunDir::latest(outputs, &manifest.experiment.name) else { return Rates::default() };
    let Ok(mut events) = record::read(&latest.join("journal.ndjson")) else { return Rates::default() };
    let Some(Ok(Event::RunStarted(run))) = events.next() else { return Rates::default() };
    if run.pipeline != manifest.experiment.pipeline {
        return Rates::default();
    }
    Rates::of([Event::RunStarted(run)].into_iter().chain(events.map_while(Result::ok)), prices)
}
