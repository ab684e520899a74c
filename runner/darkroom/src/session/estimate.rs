//! Estimates a run's time before it, from the same cells in the latest run.

use std::path::Path;

use darkroom_core::cost::PriceTable;
use darkroom_core::estimate::Rates;
use darkroom_core::event::Event;
use darkroom_core::manifest::Manifest;

use crate::record::{self, RunDir};

/// Reads what the latest run of the same experiment took, wherever it was; nothing when there is
/// none to be read.
pub fn rates(outputs: &Path, manifest: &Manifest, prices: Option<&PriceTable>) -> Rates {
    let Ok(latest) = RunDir::latest(outputs, &manifest.experiment.name) else {
        return Rates::default();
    };
    let Ok(mut events) = record::read(&latest.join("journal.ndjson")) else {
        return Rates::default();
    };
    let Some(Ok(Event::RunStarted(run))) = events.next() else {
        return Rates::default();
    };
    if run.pipeline != manifest.experiment.pipeline {
        return Rates::default();
    }
    Rates::of(
        [Event::RunStarted(run)]
            .into_iter()
            .chain(events.map_while(Result::ok)),
        prices,
    )
}
