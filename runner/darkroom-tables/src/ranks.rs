//! Decides which cells may be ranked together, and ranks them.
//!
//! `summary`, `costs` and the claims of `comparisons` → ranks. Without a claimed difference there
//! is no rank.

use std::collections::{HashMap, HashSet};

use darkroom_core::cell::{Cell, Input, SnapStart, Start, Trigger};
use darkroom_core::event::PlannedCell;

use crate::aggregate::SummaryRow;
use crate::comparisons::{ComparisonRow, is_claim};
use crate::costs::CostRow;
use crate::facts::JournalFacts;
use crate::outputs::Outputs;

/// The cost as it is compared, and the same for 100,000 images.
const COST: &str = "cost_usd";
const PER_100K: &str = "cost_usd_per_100k";

/// The levels that two cells must share to be ranked against each other.
pub type Comparable = (String, Trigger, Input, Start, SnapStart, u32);

pub fn comparable(cell: &Cell) -> Comparable {
    (
        cell.image_set.clone(),
        cell.trigger,
        cell.input,
        cell.start,
        cell.snapstart,
        cell.concurrency,
    )
}

/// Gives the rows of `summary` and `costs` their ranks: 1 is the lowest mean. A rank stands only
/// where a difference from every other cell of the same kind of work with right outputs is claimed,
/// and never beside samples of a model: each is one draw of many. Cells that remember outputs have
/// none: their times are not those of the work.
pub fn rank(
    facts: &JournalFacts,
    outputs: &[Outputs],
    comparisons: &[ComparisonRow],
    summary: &mut [SummaryRow],
    costs: &mut [CostRow],
) {
    let cells = &facts.run.cells;
    let claims: HashSet<Claim> = comparisons.iter().filter_map(claim).collect();
    let sampled = sampled(cells);
    let may = |cell: u32| {
        let of = comparable(&cells[cell as usize].cell);
        let Outputs { ok, remembers, .. } = &outputs[cell as usize];
        (*ok == Some(true) && !remembers && !sampled.contains(&of)).then_some(of)
    };
    let means = summary.iter().enumerate().filter_map(|(row, of)| {
        Some(Member {
            row,
            cell: of.cell,
            of: (may(of.cell)?, of.stage, of.metric),
            value: of.description.mean?,
        })
    });
    for (row, rank) in ranks(means, &claims) {
        summary[row].rank = Some(rank);
    }
    let hosting = costs.iter().enumerate().filter_map(|(row, of)| {
        Some(Member {
            row,
            cell: of.cell,
            of: (may(of.cell)?, None, PER_100K),
            value: of.hosting?,
        })
    });
    for (row, rank) in ranks(hosting, &claims) {
        costs[row].rank = Some(rank);
    }
}

/// That two cells (the earlier in the plan first) differ in a metric of a stage, or of the
/// pipeline.
type Claim = (Option<u32>, &'static str, u32, u32);

fn claim(row: &ComparisonRow) -> Option<Claim> {
    let is_of_cells = row.models.is_none() && row.pair.a != row.pair.b;
    let (low, high) = (row.pair.a.min(row.pair.b), row.pair.a.max(row.pair.b));
    (is_of_cells && is_claim(row.verdict)).then_some((row.stage, row.metric, low, high))
}

/// Kinds of work in which a model is known by several samples.
fn sampled(cells: &[PlannedCell]) -> HashSet<Comparable> {
    let mut variants: HashMap<(Comparable, &str), HashSet<&str>> = HashMap::new();
    for planned in cells {
        if let Some(model) = &planned.model {
            variants
                .entry((comparable(&planned.cell), model))
                .or_default()
                .insert(&planned.cell.variant);
        }
    }
    variants
        .into_iter()
        .filter(|(_, variants)| variants.len() > 1)
        .map(|((kind, _), _)| kind)
        .collect()
}

/// A row that may have a rank among those of the same kind of work, stage and metric.
struct Member {
    row: usize,
    cell: u32,
    of: (Comparable, Option<u32>, &'static str),
    value: f64,
}

/// Returns rows with their ranks.
fn ranks(members: impl Iterator<Item = Member>, claims: &HashSet<Claim>) -> Vec<(usize, u32)> {
    let mut groups: HashMap<_, Vec<Member>> = HashMap::new();
    for member in members {
        groups.entry(member.of.clone()).or_default().push(member);
    }
    let mut ranked = Vec::new();
    for group in groups.values().filter(|group| group.len() > 1) {
        for one in group {
            let told_apart = |other: &Member| {
                let (_, stage, metric) = one.of;
                let metric = if metric == PER_100K { COST } else { metric };
                claims.contains(&(
                    stage,
                    metric,
                    one.cell.min(other.cell),
                    one.cell.max(other.cell),
                ))
            };
            if group
                .iter()
                .filter(|other| other.cell != one.cell)
                .all(told_apart)
            {
                let better = group.iter().filter(|other| other.value < one.value).count();
                ranked.push((one.row, better as u32 + 1));
            }
        }
    }
    ranked
}
