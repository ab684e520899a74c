//! Whether each cell's outputs are right, from the tables `outputs` and `pipelines`.
//!
//! One wrong check that counts, an image that never had an output, or a stage without code makes a
//! cell wrong. Knows neither times nor the consequences for a wrong cell.

use std::collections::HashMap;
use std::path::Path;

use darkroom_core::event::{PlannedCell, RunStarted};
use darkroom_core::ledger::CountsAs;
use polars::prelude::{Column, PolarsResult};

use crate::frames::{bools, texts};
use crate::tally::tally;

/// Whether a cell's outputs are right, over all its checks that count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// `None` when none was checked.
    pub ok: Option<bool>,
    pub reason: Option<String>,
    /// Its code remembers outputs, so that its times are not those of the work.
    pub remembers: bool,
}

/// Returns whether each cell's outputs are right, in the order of the plan, from the tables
/// `outputs` and `pipelines`.
pub fn outputs(run: &RunStarted, checks: &Path, pipelines: &Path) -> PolarsResult<Vec<Outputs>> {
    let checked = checked(checks)?;
    let lost = images_lost(pipelines)?;
    let of_cell = |planned: &PlannedCell| {
        let cell = planned.id.to_string();
        let mut outputs = Outputs::default();
        for stage in &run.stages {
            if let Some(gap) = planned.missing.get(stage) {
                // A fact of the variant, whatever was measured of it.
                outputs.ok = Some(false);
                let reason = || format!("{stage}: not there: {gap}");
                outputs.reason.get_or_insert_with(reason);
                continue;
            }
            let Some((all, wrong)) = checked.get(&(cell.clone(), stage.clone())) else {
                continue;
            };
            outputs.ok = Some(outputs.ok.unwrap_or(true) && wrong.is_empty());
            // The most frequent reason of the first wrong stage; by name among equals, so that it
            // is always the same one.
            let worst = wrong
                .iter()
                .max_by_key(|&(reason, &count)| (count, std::cmp::Reverse(reason)));
            if let (None, Some((reason, count))) = (&outputs.reason, worst) {
                outputs.reason = Some(format!("{stage}: {reason} ({count} of {all})"));
            }
        }
        if let (Some(true), Some(lost)) = (outputs.ok, lost.get(&cell)) {
            let images = run
                .image_sets
                .get(&planned.cell.image_set)
                .map_or(0, Vec::len);
            outputs = Outputs {
                ok: Some(false),
                reason: Some(format!("no output of {lost} of {images} images")),
                remembers: false,
            };
        }
        outputs
    };
    Ok(run.cells.iter().map(of_cell).collect())
}

/// How many outputs were checked, and how many were wrong for each reason.
type Checked = (i64, HashMap<String, i64>);

/// Returns the checks that count by cell and stage.
fn checked(checks: &Path) -> PolarsResult<HashMap<(String, String), Checked>> {
    let mut checked: HashMap<(String, String), Checked> = HashMap::new();
    for ([cell, stage, pass, reason], count) in tally(
        checks,
        ["cell_id", "stage", "pass", "reason"],
        Some("counts"),
    )? {
        let place = (cell.unwrap_or_default(), stage.unwrap_or_default());
        let (all, wrong) = checked.entry(place).or_default();
        *all += count;
        if pass.as_deref() != Some("true") {
            *wrong
                .entry(reason.unwrap_or_else(|| "wrong".to_owned()))
                .or_default() += count;
        }
    }
    Ok(checked)
}

/// Returns of how many images every pass of a cell failed for good: nothing of the last stage could
/// be checked.
fn images_lost(pipelines: &Path) -> PolarsResult<HashMap<String, usize>> {
    let mut ended: HashMap<(String, String), bool> = HashMap::new();
    for ([cell, image, counts_as], _) in tally(pipelines, ["cell_id", "image", "counts_as"], None)?
    {
        let counts_as = counts_as.unwrap_or_default();
        let well = [
            CountsAs::Sample,
            CountsAs::NoReport,
            CountsAs::WrongStart,
            CountsAs::Proactive,
        ]
        .map(CountsAs::as_str);
        let well = well.contains(&counts_as.as_str());
        if well || counts_as == CountsAs::Failed.as_str() {
            *ended
                .entry((cell.unwrap_or_default(), image.unwrap_or_default()))
                .or_default() |= well;
        }
    }
    let mut lost: HashMap<String, usize> = HashMap::new();
    for ((cell, _), _) in ended.into_iter().filter(|(_, well)| !well) {
        *lost.entry(cell).or_default() += 1;
    }
    Ok(lost)
}

pub fn output_columns(cells: &[u32], outputs: &[Outputs]) -> [Column; 2] {
    [
        bools(
            "outputs_ok",
            cells.iter().map(|&cell| outputs[cell as usize].ok),
        ),
        texts(
            "reason",
            cells
                .iter()
                .map(|&cell| outputs[cell as usize].reason.as_ref()),
        ),
    ]
}
