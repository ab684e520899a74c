//! The headline when variants are samples of models: claims about the models, never about the
//! luckiest sample.
//!
//! Claims come from the factor `model` in `comparisons`. This file decides which cells belong
//! together: samples of one model at the same levels of everything else.

use darkroom_core::cell::Cell;
use darkroom_tables::read::Row;

use crate::answer::{Metric, Said};
use crate::number::{count, figure};
use crate::run::{CellView, PIPELINE, Run};

/// Pairs without a claim that a sentence names; of more it says how many.
const NAMED: usize = 4;

/// A model's samples at the same levels of all other factors, with the mean of each.
struct Pool<'a> {
    model: &'a str,
    /// What tells these levels from the run's others; empty where there are none.
    levels: &'a str,
    samples: Vec<(&'a CellView, f64)>,
    /// Samples of the model at these levels, with those that are not right.
    planned: usize,
}

impl Pool<'_> {
    /// Mean of the samples' means: every answer of the model weighs alike.
    fn mean(&self) -> f64 {
        self.samples.iter().map(|(_, mean)| mean).sum::<f64>() / self.samples.len() as f64
    }

    /// Says the model's mean, and how far its samples lie apart.
    fn mean_in_words(&self, metric: &Metric) -> String {
        let means = || self.samples.iter().map(|(_, mean)| *mean);
        let n = self.samples_in_words();
        let ends = [
            means().fold(f64::INFINITY, f64::min),
            means().fold(0.0, f64::max),
        ];
        let spread = match ends.map(metric.amount) {
            _ if self.samples.len() == 1 => n,
            [low, high] if low == high => format!("mean of {n}, all {low}"),
            [low, high] => format!("mean of {n}, {low} to {high}"),
        };
        format!(
            "{} {} ({spread})",
            self.model,
            metric.with_unit(self.mean())
        )
    }

    /// Says of how many of the model's samples this is: only right ones are compared.
    fn samples_in_words(&self) -> String {
        match (self.samples.len(), self.planned) {
            (n, all) if n == all => count(n, "sample"),
            (n, all) => format!("{n} of {}", count(all, "sample")),
        }
    }

    fn holds(&self, ids: &str) -> bool {
        ids.split(' ')
            .any(|id| self.samples.iter().any(|(cell, _)| cell.id == id))
    }

    fn is_alike(&self, other: &CellView) -> bool {
        levels(&self.samples[0].0.cell) == levels(&other.cell)
    }
}

/// What two cells must share to be samples at equal levels: all but the variant.
fn levels(cell: &Cell) -> Cell {
    Cell {
        variant: String::new(),
        ..cell.clone()
    }
}

/// Whether models among these cells are known by several samples, so that a cell stands for one
/// draw of its model.
pub fn are_samples(cells: &[&CellView]) -> bool {
    cells.iter().any(|cell| {
        let alike = |other: &&&CellView| {
            other.model == cell.model && other.cell.variant != cell.cell.variant
        };
        cell.model.is_some() && cells.iter().any(|other| alike(&other))
    })
}

/// Pools ranked cells by model, a set for each combination of levels, in the order of the matrix.
/// Within a set the lowest mean comes first. Cells that no model wrote are in none.
fn sets<'a>(run: &Run, ranked: &[(&'a CellView, f64)]) -> Vec<Vec<Pool<'a>>> {
    let mut sets: Vec<Vec<Pool<'a>>> = Vec::new();
    for (cell, mean) in ranked {
        let Some(model) = cell.model.as_deref() else {
            continue;
        };
        let place = sets
            .iter()
            .position(|set| set[0].is_alike(cell))
            .unwrap_or_else(|| {
                sets.push(Vec::new());
                sets.len() - 1
            });
        let set = &mut sets[place];
        if let Some(pool) = set.iter_mut().find(|pool| pool.model == model) {
            pool.samples.push((cell, *mean));
        } else {
            let levels = cell
                .label
                .strip_prefix(&cell.cell.variant)
                .unwrap_or_default()
                .trim();
            let alike = |other: &&CellView| {
                other.model == cell.model && self::levels(&other.cell) == self::levels(&cell.cell)
            };
            set.push(Pool {
                model,
                levels,
                planned: run.cells.iter().filter(alike).count(),
                samples: vec![(cell, *mean)],
            });
        }
    }
    for set in &mut sets {
        set.sort_by(|a, b| a.mean().total_cmp(&b.mean()));
    }
    sets
}

/// Says of every set of equal levels which models are claimed to be better than which, or that none
/// is; then what cannot be compared, and how the code that no model wrote did. `None` where no
/// sample has right outputs.
pub fn sentences(run: &Run, ranked: &[(&CellView, f64)], metric: &Metric) -> Option<Said> {
    let sets = sets(run, ranked);
    let model = sets.first()?[0].model;
    let (compared, alone): (Vec<_>, Vec<_>) = sets.iter().partition(|set| set.len() > 1);
    let mut said: Vec<Said> = compared
        .into_iter()
        .map(|set| of_set(run, set, metric))
        .collect();
    if !alone.is_empty() {
        let why = if sets.iter().flatten().all(|pool| pool.model == model) {
            "only one model has right outputs"
        } else {
            "no other model with right outputs ran the same way"
        };
        let told = |pool: &Pool<'_>| match pool.levels {
            "" => pool.mean_in_words(metric),
            levels => format!("with {levels}, {}", pool.mean_in_words(metric)),
        };
        let alone: Vec<String> = alone.into_iter().flatten().map(told).collect();
        said.push(Said::new(
            format!("Not compared, because {why}"),
            format!(": {}.", alone.join("; ")),
        ));
    }
    let by_hand: Vec<String> = ranked
        .iter()
        .filter(|(cell, _)| cell.model.is_none())
        .map(|(cell, mean)| format!("{} {}", cell.label, metric.with_unit(*mean)))
        .collect();
    if !by_hand.is_empty() {
        said.push(Said::new(
            "Code that no model wrote",
            format!(": {}.", by_hand.join("; ")),
        ));
    }
    let mut said = said.into_iter();
    let first = said.next()?;
    Some(said.fold(first, |first, next| {
        Said::new(first.claim, format!("{} {next}", first.rest))
    }))
}

/// What the table says of two models.
enum PairOfModels {
    Claimed(Said),
    NotClaimed,
    NotCompared,
}

/// Says what is claimed of the models of one set, pair by pair.
fn of_set(run: &Run, set: &[Pool<'_>], metric: &Metric) -> Said {
    let (mut claims, mut unclear, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    let mut claimed: Vec<&str> = Vec::new();
    for (place, first) in set.iter().enumerate() {
        for other in &set[place + 1..] {
            let pair = || format!("{} and {}", first.model, other.model);
            match verdict(run, first, other, metric) {
                PairOfModels::Claimed(claim) => {
                    claims.push(claim);
                    claimed.extend([first.model, other.model]);
                }
                PairOfModels::NotClaimed => unclear.push(pair()),
                PairOfModels::NotCompared => missing.push(pair()),
            }
        }
    }
    let told = |pools: Vec<&Pool<'_>>| {
        pools
            .iter()
            .map(|pool| pool.mean_in_words(metric))
            .collect::<Vec<_>>()
            .join("; ")
    };
    let (with, no) = match set[0].levels {
        "" => (String::new(), "No"),
        levels => (format!("With {levels}: "), "no"),
    };
    let mut claims = claims.into_iter();
    let mut said = if let Some(first) = claims.next() {
        let unclear = match unclear.len() {
            0 => String::new(),
            few if few <= NAMED => {
                format!(
                    " No difference in {} was found between {}.",
                    metric.what,
                    unclear.join(", nor between ")
                )
            }
            many => format!(
                " No difference in {} was found for the other {many} pairs.",
                metric.what
            ),
        };
        let others: Vec<&Pool<'_>> = set
            .iter()
            .filter(|pool| !claimed.contains(&pool.model))
            .collect();
        let others = if others.is_empty() {
            String::new()
        } else {
            format!(" Also measured: {}.", told(others))
        };
        let further = claims.map(|claim| claim.to_string());
        let claimed: Vec<String> = std::iter::once(first.rest).chain(further).collect();
        Said::new(
            format!("{with}{}", first.claim),
            format!("{}.{unclear}{others}", claimed.join("; ")),
        )
    } else {
        let all = told(set.iter().collect());
        Said::new(
            format!(
                "{with}{no} model was found to be {} than another in {}",
                metric.word, metric.what
            ),
            format!(": {all}."),
        )
    };
    if !missing.is_empty() {
        said.rest = format!("{} Not compared: {}.", said.rest, missing.join("; "));
    }
    said
}

/// Looks two models up in the table, either way round.
fn verdict(run: &Run, first: &Pool<'_>, other: &Pool<'_>, metric: &Metric) -> PairOfModels {
    let of_models = |row: &Row<'_>| {
        row.text("factor") == Some("model")
            && row.text("stage") == Some(PIPELINE)
            && row.text("metric") == Some(metric.compared)
    };
    let sides = |row: &Row<'_>| {
        let (a, b) = (row.text("cell_a")?, row.text("cell_b")?);
        if first.holds(a) && other.holds(b) {
            Some((first, other))
        } else if other.holds(a) && first.holds(b) {
            Some((other, first))
        } else {
            None
        }
    };
    let mut rows = run.comparisons.iter().filter(of_models);
    let Some((row, (a, b))) = rows.find_map(|row| Some((row, sides(&row)?))) else {
        return PairOfModels::NotCompared;
    };
    claim(&row, a, b, metric).map_or(PairOfModels::NotClaimed, PairOfModels::Claimed)
}

/// Says which of the two sides of a row is better, where the row claims it.
fn claim(row: &Row<'_>, a: &Pool<'_>, b: &Pool<'_>, metric: &Metric) -> Option<Said> {
    let (ratio, low, high) = (
        row.number("ratio_mean")?,
        row.number("ratio_mean_ci_low")?,
        row.number("ratio_mean_ci_high")?,
    );
    let verdict = row.text("verdict")?;
    let (better, worse, [times, low, high]) = match verdict {
        _ if verdict == metric.word => (b, a, [1.0 / ratio, 1.0 / high, 1.0 / low]),
        "slower" | "dearer" => (a, b, [ratio, low, high]),
        _ => return None,
    };
    let samples = match (better.samples.len(), worse.samples.len()) {
        _ if better.planned > better.samples.len() || worse.planned > worse.samples.len() => {
            let [better, worse] = [better, worse].map(Pool::samples_in_words);
            format!("right: {better} against {worse}")
        }
        (n, m) if n == m => format!("{} each", count(n, "sample")),
        (n, m) => format!("{} against {m}", count(n, "sample")),
    };
    let range = match [low, high].map(figure) {
        [low, high] if low == high => low,
        [low, high] => format!("{low} to {high}"),
    };
    let apart = if row.truth("side_by_side") == Some(false) {
        format!("; {}", crate::pairs::APART)
    } else {
        String::new()
    };
    Some(Said::new(
        format!(
            "{} is {} times {} than {}",
            better.model,
            figure(times),
            metric.in_words,
            worse.model,
        ),
        format!(
            " ({} against {}; 95% CI {range} times; {samples}{apart})",
            (metric.amount)(better.mean()),
            metric.with_unit(worse.mean()),
        ),
    ))
}

/// Says how many of the planned samples are not among the ranked ones, and why; a sentence with a
/// space before it, or none.
pub fn left_out(planned: &[&CellView], ranked: &[(&CellView, f64)]) -> String {
    let samples: Vec<&CellView> = planned
        .iter()
        .copied()
        .filter(|cell| cell.model.is_some())
        .collect();
    let is_ranked = |cell: &CellView| ranked.iter().any(|(other, _)| other.id == cell.id);
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for cell in samples.iter().filter(|cell| !is_ranked(cell)) {
        let why = match cell {
            _ if cell.failed.is_some() => "failed in every pass",
            _ if cell.not_measured.is_some() => "not measured",
            _ if cell.outputs_ok == Some(false) => "with wrong outputs",
            _ if cell.outputs_ok.is_none() => "with outputs that were not checked",
            _ if !cell.remembers.is_empty() => "that remember outputs",
            _ => "without a value",
        };
        match reasons.iter_mut().find(|(reason, _)| *reason == why) {
            Some((_, count)) => *count += 1,
            None => reasons.push((why, 1)),
        }
    }
    let all: usize = reasons.iter().map(|(_, count)| count).sum();
    if all == 0 {
        return String::new();
    }
    let told: Vec<String> = reasons
        .iter()
        .map(|(why, count)| format!("{count} {why}"))
        .collect();
    format!(
        " Left out: {all} of {} ({}).",
        count(samples.len(), "sample"),
        told.join(", ")
    )
}
