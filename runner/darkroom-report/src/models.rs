//! The headline where variants are samples of models: what may be said of the models, never of the luckiest sample.
//!
//! Claims are those of the factor `model` in `comparisons`. Which cells belong together is decided here: samples of one model
//! at the same levels of everything else.

use darkroom_core::cell::Cell;
use darkroom_tables::read::Row;

use crate::noise::DEPLOYMENT;
use crate::number::{count, figure, interval};
use crate::run::{CellView, PIPELINE, Run};

/// A model's samples at the same levels of all other factors, with the mean of each.
pub struct Pool<'a> {
    pub name: String,
    model: &'a str,
    samples: Vec<(&'a CellView, f64)>,
}

impl Pool<'_> {
    /// Mean of the samples' means: every answer of the model weighs alike.
    fn mean(&self) -> f64 {
        self.samples.iter().map(|(_, mean)| mean).sum::<f64>() / self.samples.len() as f64
    }

    fn told(&self, value: fn(f64) -> String) -> String {
        let means = || self.samples.iter().map(|(_, mean)| *mean);
        let spread = match self.samples.len() {
            1 => "1 sample".to_owned(),
            n => match [figure(means().fold(f64::INFINITY, f64::min)), figure(means().fold(0.0, f64::max))] {
                [low, high] if low == high => format!("mean of {n} samples, all {low}"),
                [low, high] => format!("mean of {n} samples, {low} to {high}"),
            },
        };
        format!("{} {} ({spread})", self.name, value(self.mean()))
    }

    fn holds(&self, ids: &str) -> bool {
        ids.split(' ').any(|id| self.samples.iter().any(|(cell, _)| cell.id == id))
    }
}

/// Whether models among these cells are known by several samples, so that a cell stands for one draw of its model.
pub fn are_samples(cells: &[&CellView]) -> bool {
    cells.iter().any(|cell| {
        let alike = |other: &&&CellView| other.model == cell.model && other.cell.variant != cell.cell.variant;
        cell.model.is_some() && cells.iter().any(|other| alike(&other))
    })
}

/// Pools ranked cells by model and levels, in the order of the matrix; cells that no model wrote are not in it.
pub fn pools<'a>(ranked: &[(&'a CellView, f64)]) -> Vec<Pool<'a>> {
    let levels = |cell: &Cell| Cell { variant: String::new(), ..cell.clone() };
    let mut pools: Vec<Pool<'a>> = Vec::new();
    for (cell, mean) in ranked {
        let Some(model) = cell.model.as_deref() else { continue };
        let same = |pool: &&mut Pool<'_>| pool.model == model && levels(&pool.samples[0].0.cell) == levels(&cell.cell);
        if let Some(pool) = pools.iter_mut().find(same) {
            pool.samples.push((cell, *mean));
        } else {
            let rest = cell.label.strip_prefix(&cell.cell.variant).unwrap_or_default();
            pools.push(Pool { name: format!("{model}{rest}"), model, samples: vec![(cell, *mean)] });
        }
    }
    pools
}

/// Says which model is claimed to be better by a metric, or that none is; and how the code that no model wrote did.
pub fn sentence(
    run: &Run,
    ranked: &[(&CellView, f64)],
    (what, compared, word): (&str, &str, &str),
    value: fn(f64) -> String,
) -> Option<String> {
    let mut pools = pools(ranked);
    pools.sort_by(|a, b| a.mean().total_cmp(&b.mean()));
    let (first, rest) = pools.split_first()?;
    let claims: Vec<String> = rest.iter().filter_map(|other| claim(run, first, other, compared, word)).collect();
    let others = rest.iter().map(|pool| pool.told(value)).collect::<Vec<_>>().join("; ");
    let mut text = match (rest.len(), claims.len()) {
        (0, _) => format!("{what} of the only model with right outputs: {}.", first.told(value)),
        (_, 0) => format!("No model is claimed to be {word} than another in {what}: {}; {others}.", first.told(value)),
        (all, some) => {
            let unclear = match all - some {
                0 => String::new(),
                left => format!("; against {} no difference is claimed", count(left, "other")),
            };
            format!("Model {word} in {what}: {}, than {}{unclear}.", first.told(value), claims.join("; "))
        }
    };
    let by_hand: Vec<String> = ranked
        .iter()
        .filter(|(cell, _)| cell.model.is_none())
        .map(|(cell, mean)| format!("{} {}", cell.label, value(*mean)))
        .collect();
    if !by_hand.is_empty() {
        text = format!("{text} Code that no model wrote: {}.", by_hand.join("; "));
    }
    Some(text)
}

/// Says that the first model is better than the other, where the table claims it.
fn claim(run: &Run, first: &Pool<'_>, other: &Pool<'_>, compared: &str, word: &str) -> Option<String> {
    let of_models = |row: &Row<'_>| {
        row.text("factor") == Some("model")
            && row.text("stage") == Some(PIPELINE)
            && row.text("metric") == Some(compared)
    };
    let found = run.comparisons.iter().filter(of_models).find_map(|row| {
        let (a, b) = (row.text("cell_a")?, row.text("cell_b")?);
        let (ratio, low, high) =
            (row.number("ratio_mean")?, row.number("ratio_mean_ci_low")?, row.number("ratio_mean_ci_high")?);
        let opposite = if word == "faster" { "slower" } else { "dearer" };
        match row.text("verdict")? {
            verdict if verdict == word && first.holds(b) && other.holds(a) => Some((row, ratio, (low, high))),
            verdict if verdict == opposite && first.holds(a) && other.holds(b) => {
                Some((row, 1.0 / ratio, (1.0 / high, 1.0 / low)))
            }
            _ => None,
        }
    });
    let (row, ratio, ci) = found?;
    let apart =
        if row.truth("side_by_side") == Some(false) { format!("; {}", crate::pairs::APART) } else { String::new() };
    Some(format!(
        "{} (ratio {} {}; {} against {}{apart})",
        other.name,
        figure(ratio),
        interval(Some(ci)),
        count(first.samples.len(), "sample"),
        count(other.samples.len(), "sample")
    ))
}

/// Returns the rank of a cell in one metric of one stage, where it is told apart: from every other ranked cell of its kind of work a
/// difference is claimed. A sample of a model has none, for it is one draw of many.
pub fn claimed_rank(run: &Run, cell: &CellView, alike: &[&CellView], stage: &str, metric: &str) -> Option<u32> {
    let rank = run.stat(cell, stage, metric)?.rank?;
    let compared = if metric.starts_with("cost_usd") { "cost_usd" } else { metric };
    let ranked = |other: &&CellView| run.stat(other, stage, metric).is_some_and(|stat| stat.rank.is_some());
    let others: Vec<&CellView> = alike.iter().copied().filter(|other| other.id != cell.id).filter(ranked).collect();
    let told_apart = |other: &&CellView| {
        run.comparisons.iter().any(|row| {
            let (a, b) = (row.text("cell_a").unwrap_or_default(), row.text("cell_b").unwrap_or_default());
            row.text("factor") != Some(DEPLOYMENT)
                && row.text("stage") == Some(stage)
                && row.text("metric") == Some(compared)
                && row.text("verdict").is_some_and(darkroom_tables::is_claim)
                && ((a, b) == (&cell.id, &other.id) || (b, a) == (&cell.id, &other.id))
        })
    };
    let stands = !others.is_empty() && !are_samples(alike) && others.iter().all(told_apart);
    stands.then_some(rank)
}
