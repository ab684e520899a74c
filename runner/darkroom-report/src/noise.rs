//! The noise floor: how much the same code differed when deployed under another name. Shown beside
//! every claimed effect.

use darkroom_core::statistics::apart;
use darkroom_tables::is_claim;

use crate::notes::percent;
use crate::number::interval;
use crate::run::Run;

/// Factor of the comparisons of a cell with itself.
pub const DEPLOYMENT: &str = "deployment";

/// The largest difference of identical code in one metric of one stage (or the pipeline).
#[derive(Clone, Debug)]
pub struct Floor {
    /// The outer end of the 95% interval of the ratio of the means, larger / smaller, less 1: what
    /// the two can be apart and still be the same; without an interval the ratio itself.
    pub apart: f64,
    /// Of the means.
    pub ratio: f64,
    /// The cell that it was seen in.
    pub cell: String,
    /// The 95% interval of that ratio, as the table has it.
    pub ci: Option<(f64, f64)>,
    /// Whether the comparison claims a difference, which no code can have made.
    pub claimed: bool,
}

/// Returns the floor among these cells (all, when none is named); `None` where each was deployed
/// once.
pub fn floor(run: &Run, cells: &[&str], stage: &str, metric: &str) -> Option<Floor> {
    let twins = run.comparisons.iter().filter(|row| {
        row.text("factor") == Some(DEPLOYMENT)
            && row.text("stage") == Some(stage)
            && row.text("metric") == Some(metric)
    });
    let of = twins.filter(|row| {
        cells.is_empty() || row.text("cell_a").is_some_and(|cell| cells.contains(&cell))
    });
    let floors = of.filter_map(|row| {
        let ratio = row.number("ratio_mean")?;
        let ci = row
            .number("ratio_mean_ci_low")
            .zip(row.number("ratio_mean_ci_high"));
        Some(Floor {
            apart: ci.map_or_else(|| apart(ratio), |(low, high)| apart(low).max(apart(high))),
            ratio,
            cell: row.text("cell_a")?.to_owned(),
            ci,
            claimed: row.text("verdict").is_some_and(is_claim),
        })
    });
    floors.max_by(|a, b| a.apart.total_cmp(&b.apart))
}

/// Whether no cell was deployed twice, so that nobody knows the floor of anything.
pub fn is_unknown(run: &Run) -> bool {
    let mut factors = run.comparisons.iter().filter_map(|row| row.text("factor"));
    !factors.any(|factor| factor == DEPLOYMENT)
}

/// Says how a ratio stands to how far what is the same came out apart, in a few words; for every
/// claimed ratio.
pub fn beside(floor: Option<f64>, ratio: f64) -> String {
    match floor {
        None => "noise floor unknown, deployed once".into(),
        Some(floor) if apart(ratio) <= floor => {
            format!(
                "not above the noise floor of {}: it may come from the host",
                percent(floor)
            )
        }
        Some(floor) => format!("noise floor {}", percent(floor)),
    }
}

/// Says how far identical code came out apart in turnaround, or why that is not known.
pub fn sentence(run: &Run) -> Option<String> {
    let Some(floor) = floor(run, &[], crate::run::PIPELINE, "turnaround_s") else {
        run.measured().find(|cell| {
            run.stat(cell, crate::run::PIPELINE, "turnaround_s")
                .is_some()
        })?;
        return Some(
            "Each cell was deployed once, so the effect of the host on a difference is unknown. \
             Set repetitions.deployments = 2 to measure it."
                .into(),
        );
    };
    let cell = run
        .cell(&floor.cell)
        .map_or(floor.cell.as_str(), |cell| &cell.label);
    let ratio = floor
        .ci
        .map(|ci| format!(", ratio within {}", interval(Some(ci))))
        .unwrap_or_default();
    let told_apart = if floor.claimed {
        " The test even claims this difference, so this run cannot resolve a smaller one."
    } else {
        ""
    };
    Some(format!(
        "Noise floor: the same code deployed twice differed by {} in mean turnaround, by its \
         interval up to {} ({cell}{ratio}). A difference up to that size may come from the host, \
         not the code.{told_apart}",
        percent(apart(floor.ratio)),
        percent(floor.apart)
    ))
}
