//! Groups of passes → the rows of `costs`: what 100,000 images cost in each cell, by part.

use darkroom_core::cost::{PriceTable, QUOTED_IMAGES};
use darkroom_core::event::PlannedCell;
use darkroom_core::statistics::{Interval, describe, mean_of_sorted};
use polars::prelude::{DataFrame, PolarsResult};

use crate::aggregate::{Groups, SummaryRow};
use crate::columns;
use crate::facts::JournalFacts;
use crate::frames::{cell_columns, floats, frame, integers, texts};
use crate::notes::{joined, outputs_note, sample_notes};
use crate::outputs::{Outputs, output_columns};
use crate::samples::{GroupCounts, SampleGroup};

/// One row of `costs`. USD of 100,000 images.
#[derive(Clone, Debug)]
pub struct CostRow {
    pub cell: u32,
    pub n: usize,
    pub hosting: Option<f64>,
    /// 95% interval of `hosting`, and how it was made.
    pub interval: Option<Interval>,
    pub compute: Option<f64>,
    pub init: Option<f64>,
    pub request: Option<f64>,
    pub ephemeral: Option<f64>,
    pub restore: Option<f64>,
    pub s3: Option<f64>,
    pub rank: Option<u32>,
    pub note: Option<String>,
}

/// Returns every row of `costs`, in the order of the plan.
pub fn cost_rows(
    facts: &JournalFacts,
    groups: &Groups,
    outputs: &[Outputs],
    summary: &[SummaryRow],
) -> Vec<CostRow> {
    (0u32..)
        .zip(&facts.run.cells)
        .map(|(cell, planned)| {
            let described = summary.iter().find(|row| {
                row.cell == cell && row.stage.is_none() && row.metric == "cost_usd_per_100k"
            });
            let interval = described.and_then(|row| row.intervals.mean);
            let calls_failed = groups.calls_failed(planned, &facts.run.stages);
            cost_row(
                planned,
                cell,
                groups,
                calls_failed,
                &outputs[cell as usize],
                interval,
            )
        })
        .collect()
}

fn cost_row(
    planned: &PlannedCell,
    cell: u32,
    groups: &Groups,
    calls_failed: usize,
    outputs: &Outputs,
    interval: Option<Interval>,
) -> CostRow {
    let empty = SampleGroup::default();
    let group = groups.pipelines.get(planned.id.as_str()).unwrap_or(&empty);
    let per_100k = |column: &str| {
        let mut values = group.present(column);
        values.sort_unstable_by(f64::total_cmp);
        mean_of_sorted(&values).map(|mean| mean * QUOTED_IMAGES)
    };
    let values: Vec<f64> = group.present("cost_usd");
    let description = describe(&values);
    let counts = GroupCounts {
        failed: group.failed,
        missing: group.keys.len() - description.n,
        ..GroupCounts::default()
    };
    let mut notes = sample_notes(planned, group.rows, calls_failed, counts, &description);
    notes.retain(|note| !note.contains("needs n"));
    notes.extend(outputs_note(planned, group.rows, outputs));
    CostRow {
        cell,
        n: description.n,
        hosting: per_100k("cost_usd"),
        interval,
        compute: per_100k("cost_compute_usd"),
        init: per_100k("cost_init_usd"),
        request: per_100k("cost_request_usd"),
        ephemeral: per_100k("cost_ephemeral_usd"),
        restore: per_100k("cost_restore_usd"),
        s3: per_100k("cost_s3_usd"),
        rank: None,
        note: joined(&notes),
    }
}

/// Returns the frame of `costs`.
pub fn cost_frame(
    facts: &JournalFacts,
    rows: &[CostRow],
    outputs: &[Outputs],
    prices: &PriceTable,
) -> PolarsResult<DataFrame> {
    let usd = |of: fn(&CostRow) -> Option<f64>| rows.iter().map(of);
    let cells: Vec<u32> = rows.iter().map(|row| row.cell).collect();
    let mut columns = cell_columns(facts, &cells)?;
    columns.extend([
        integers("n", rows.iter().map(|row| Some(row.n as i64))),
        floats("cost_usd_per_100k", usd(|row| row.hosting)),
        floats(
            "cost_usd_per_100k_ci_low",
            usd(|row| row.interval.map(|i| i.low)),
        ),
        floats(
            "cost_usd_per_100k_ci_high",
            usd(|row| row.interval.map(|i| i.high)),
        ),
        texts(
            "ci_method",
            rows.iter().map(|row| row.interval.map(|i| i.method())),
        ),
        floats("compute_usd_per_100k", usd(|row| row.compute)),
        floats("init_usd_per_100k", usd(|row| row.init)),
        floats("request_usd_per_100k", usd(|row| row.request)),
        floats("ephemeral_usd_per_100k", usd(|row| row.ephemeral)),
        floats("restore_usd_per_100k", usd(|row| row.restore)),
        floats("s3_usd_per_100k", usd(|row| row.s3)),
        texts("price_region", rows.iter().map(|_| Some(&prices.region))),
        texts("price_date", rows.iter().map(|_| Some(&prices.date))),
        integers("rank", rows.iter().map(|row| row.rank.map(i64::from))),
        texts("note", rows.iter().map(|row| row.note.as_ref())),
    ]);
    columns.extend(output_columns(&cells, outputs));
    frame(&columns::COSTS, columns)
}
