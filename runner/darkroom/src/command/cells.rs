//! `darkroom cells`: lists the ids of a manifest's cells, one per line.

use darkroom_core::cell::CellId;
use darkroom_core::plan::Plan;
use darkroom_core::selection::Selection;

use crate::cli::{CellsArgs, Globals};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::{project, target};

pub fn run(args: &CellsArgs, globals: Globals) -> Result<Outcome, Failure> {
    let selection = Selection::new(&args.cells).map_err(Failure::wrong_request)?;
    let loaded = project::load(&args.manifest).map_err(Failure::wrong_request)?;
    super::say_which(&loaded.project, globals);
    if !selection.is_everything() {
        let ids: Vec<CellId> = loaded
            .manifest
            .matrix
            .cells()
            .map(|cell| cell.to_cell().id())
            .collect();
        selection.check(&ids).map_err(Failure::wrong_request)?;
    }
    let capability =
        target::capability(loaded.manifest.target.cloud, &loaded.manifest.target.region);
    let plan = Plan::new(&loaded.manifest, &loaded.known, &capability);
    let chosen = plan
        .planned_cells()
        .filter(|cell| selection.contains(&cell.id));
    if globals.json {
        display::answer_json(&chosen.collect::<Vec<_>>())?;
    } else {
        display::answer_lines(chosen.map(|cell| cell.id.to_string()))?;
    }
    Ok(Outcome::Done)
}
