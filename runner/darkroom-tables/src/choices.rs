//! Rows of `summary`, `costs` and `comparisons` → the rows of `choices`: the cells on the Pareto
//! front, and the recommended memory size of each variant.
//!
//! It chooses by means, as power tuners do. Beside each choice it names the sizes that do not
//! differ by a claim. Only cells with right outputs are considered.

use std::collections::BTreeMap;

use darkroom_core::cell::Cell;
use darkroom_core::choice::{Choice, Offer, balance, choose, pareto_front};
use darkroom_core::statistics::Interval;
use polars::prelude::{DataFrame, PolarsResult};

use crate::aggregate::SummaryRow;
use crate::columns;
use crate::comparisons::ComparisonRow;
use crate::costs::CostRow;
use crate::facts::JournalFacts;
use crate::frames::{bools, cell_columns, floats, frame, integers, texts};
use crate::notes::joined;
use crate::outputs::{Outputs, output_columns};
use crate::ranks::{Comparable, comparable};

/// One row of `choices`.
#[derive(Clone, Debug, Default)]
pub struct ChoiceRow {
    cost: Option<f64>,
    cost_interval: Option<Interval>,
    turnaround: Option<f64>,
    turnaround_interval: Option<Interval>,
    on_front: Option<bool>,
    /// Cells with right outputs that differ from this one in memory only, itself included.
    sizes: usize,
    balance: Option<f64>,
    cheapest: Option<Pick>,
    fastest: Option<Pick>,
    balanced: Option<bool>,
    note: Option<String>,
}

/// Whether a size is the one to take, and if so from which other sizes, MB, that do not
/// clearly differ.
#[derive(Clone, Debug, Default)]
struct Pick {
    is_it: bool,
    not_told_from: Vec<u32>,
}

/// Returns every row of `choices`, one a cell, in the order of the plan.
pub fn choice_rows(
    facts: &JournalFacts,
    summary: &[SummaryRow],
    costs: &[CostRow],
    comparisons: &[ComparisonRow],
    outputs: &[Outputs],
) -> Vec<ChoiceRow> {
    let mut rows: Vec<ChoiceRow> = costs
        .iter()
        .map(|cost| row(cost, summary, &outputs[cost.cell as usize]))
        .collect();
    let cell = |index: usize| &facts.run.cells[index].cell;
    let mut fronts: BTreeMap<Comparable, Vec<usize>> = BTreeMap::new();
    let mut families: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, row) in rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.note.is_none())
    {
        debug_assert!(row.offer().is_some());
        fronts
            .entry(comparable(cell(index)))
            .or_default()
            .push(index);
        let alike = Cell {
            memory_mb: 0,
            ..cell(index).clone()
        };
        families
            .entry(alike.id().to_string())
            .or_default()
            .push(index);
    }
    for members in fronts.values() {
        let on_front = pareto_front(&offers(&rows, members));
        members
            .iter()
            .zip(on_front)
            .for_each(|(&index, on_front)| rows[index].on_front = Some(on_front));
    }
    for members in families.values() {
        recommend(&mut rows, members, facts, comparisons);
    }
    rows
}

impl ChoiceRow {
    fn offer(&self) -> Option<Offer> {
        Some(Offer {
            cost: self.cost?,
            time: self.turnaround?,
        })
    }
}

fn row(cost: &CostRow, summary: &[SummaryRow], outputs: &Outputs) -> ChoiceRow {
    let of = |row: &&SummaryRow| {
        row.cell == cost.cell && row.stage.is_none() && row.metric == "turnaround_s"
    };
    let turnaround = summary.iter().find(of);
    let mut row = ChoiceRow {
        cost: cost.hosting,
        cost_interval: cost.interval,
        turnaround: turnaround.and_then(|row| row.description.mean),
        turnaround_interval: turnaround.and_then(|row| row.intervals.mean),
        ..ChoiceRow::default()
    };
    let mut notes = Vec::new();
    if row.cost.is_none() {
        notes.push("no complete pass has a cost".to_owned());
    } else if turnaround.is_none() {
        notes.push("stages ran independently, so there is no turnaround to choose by".to_owned());
    } else if row.turnaround.is_none() {
        notes.push("no complete pass has a turnaround".to_owned());
    }
    match outputs.ok {
        Some(true) if outputs.remembers => {
            notes.push("remembers outputs: not recommended".to_owned());
        }
        Some(true) => {}
        Some(false) => notes.push("outputs wrong: not recommended".to_owned()),
        None => notes.push("outputs not checked: not recommended".to_owned()),
    }
    row.note = joined(&notes);
    row
}

fn offers(rows: &[ChoiceRow], members: &[usize]) -> Vec<Offer> {
    members
        .iter()
        .filter_map(|&index| rows[index].offer())
        .collect()
}

/// Marks the memory sizes to take among cells that differ in memory only.
fn recommend(
    rows: &mut [ChoiceRow],
    members: &[usize],
    facts: &JournalFacts,
    comparisons: &[ComparisonRow],
) {
    let offers = offers(rows, members);
    let balance = balance(&offers);
    let Some(Choice {
        cheapest,
        fastest,
        balanced,
    }) = choose(&offers)
    else {
        return;
    };
    let several = members.len() > 1;
    for (place, &index) in members.iter().enumerate() {
        let pick = |chosen: usize, metric: &str| Pick {
            is_it: place == chosen,
            not_told_from: if place == chosen {
                alike(index, members, metric, facts, comparisons)
            } else {
                Vec::new()
            },
        };
        let row = &mut rows[index];
        row.sizes = members.len();
        if several {
            row.balance = Some(balance[place]);
            row.cheapest = Some(pick(cheapest, "cost_usd"));
            row.fastest = Some(pick(fastest, "turnaround_s"));
            row.balanced = Some(place == balanced);
        } else {
            row.note = Some(
                "the only memory size of this variant with right outputs: nothing to choose from"
                    .to_owned(),
            );
        }
    }
}

/// Returns the memory sizes, MB, of other members from which no comparison claims a difference.
fn alike(
    chosen: usize,
    members: &[usize],
    metric: &str,
    facts: &JournalFacts,
    comparisons: &[ComparisonRow],
) -> Vec<u32> {
    let claimed = |other: usize| {
        comparisons
            .iter()
            .any(|row| row.claims_difference_between(chosen as u32, other as u32, metric))
    };
    let others = members
        .iter()
        .copied()
        .filter(|&other| other != chosen && !claimed(other));
    let mut sizes: Vec<u32> = others
        .map(|other| facts.run.cells[other].cell.memory_mb)
        .collect();
    sizes.sort_unstable();
    sizes
}

/// Returns the frame of `choices`.
pub fn choice_frame(
    facts: &JournalFacts,
    rows: &[ChoiceRow],
    outputs: &[Outputs],
) -> PolarsResult<DataFrame> {
    let float = |name: &str, of: fn(&ChoiceRow) -> Option<f64>| floats(name, rows.iter().map(of));
    let truth = |name: &str, of: fn(&ChoiceRow) -> Option<bool>| bools(name, rows.iter().map(of));
    let sizes = |name: &str, of: fn(&ChoiceRow) -> Option<&Pick>| {
        let spelt = |pick: &Pick| {
            let sizes: Vec<String> = pick.not_told_from.iter().map(u32::to_string).collect();
            sizes.join(" ")
        };
        texts(
            name,
            rows.iter()
                .map(move |row| of(row).filter(|pick| pick.is_it).map(spelt)),
        )
    };
    let cells: Vec<u32> = (0u32..).take(rows.len()).collect();
    let mut columns = cell_columns(facts, &cells)?;
    columns.extend([
        float("turnaround_s", |row| row.turnaround),
        float("turnaround_ci_low_s", |row| {
            row.turnaround_interval.map(|i| i.low)
        }),
        float("turnaround_ci_high_s", |row| {
            row.turnaround_interval.map(|i| i.high)
        }),
        float("cost_usd_per_100k", |row| row.cost),
        float("cost_usd_per_100k_ci_low", |row| {
            row.cost_interval.map(|i| i.low)
        }),
        float("cost_usd_per_100k_ci_high", |row| {
            row.cost_interval.map(|i| i.high)
        }),
        truth("on_front", |row| row.on_front),
        integers(
            "memory_sizes",
            rows.iter().map(|row| Some(row.sizes as i64)),
        ),
        float("balance", |row| row.balance),
        truth("cheapest", |row| {
            row.cheapest.as_ref().map(|pick| pick.is_it)
        }),
        truth("fastest", |row| row.fastest.as_ref().map(|pick| pick.is_it)),
        truth("balanced", |row| row.balanced),
        sizes("cheapest_not_told_from_mb", |row| row.cheapest.as_ref()),
        sizes("fastest_not_told_from_mb", |row| row.fastest.as_ref()),
        texts("note", rows.iter().map(|row| row.note.as_ref())),
    ]);
    columns.extend(output_columns(&cells, outputs));
    frame(&columns::CHOICES, columns)
}
