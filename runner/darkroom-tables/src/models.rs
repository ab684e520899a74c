//! Rows of `comparisons` for the factor `model`: all samples of one LLM's answers against all of
//! another's, or to another prompt, all else equal.
//!
//! Only samples with right outputs are pooled; the row says how many were left out.
//! [`darkroom_core::statistics::compare_pools`] computes: samples are the evidence about a model,
//! invocations are not.

use std::collections::BTreeMap;

use darkroom_core::cell::Cell;
use darkroom_core::event::PlannedCell;
use darkroom_core::statistics::{FEWEST_SAMPLES, Pool, Units, compare_pools, seed_of};
use rayon::prelude::*;

use crate::aggregate::{Groups, PIPELINE};
use crate::comparisons::{ComparisonRow, MODEL, Pair, REMEMBERS, group, places};
use crate::correctness::{Author, Repairs};
use crate::facts::JournalFacts;
use crate::outputs::Outputs;
use crate::samples::SampleGroup;

/// Two models that are compared.
#[derive(Clone, Debug)]
pub struct Models {
    pub a: Side,
    pub b: Side,
}

/// One model's samples at the same levels of all other factors, as places in the plan.
#[derive(Clone, Debug)]
pub struct Side {
    author: Author,
    /// Its name: the model, with the prompt where the run has several.
    pub model: String,
    pub pooled: Vec<u32>,
    wrong: Vec<u32>,
    unchecked: Vec<u32>,
    remembering: Vec<u32>,
}

impl Side {
    fn of(author: Author, several_prompts: bool) -> Self {
        Self {
            model: author.named(several_prompts),
            author,
            pooled: Vec::new(),
            wrong: Vec::new(),
            unchecked: Vec::new(),
            remembering: Vec::new(),
        }
    }

    /// Says whether two sides differ in the model or in the prompt alone.
    fn is_comparable_with(&self, other: &Self) -> bool {
        let (a, b) = (&self.author, &other.author);
        a.rounds == b.rounds && (a.model == b.model || a.prompt == b.prompt)
    }

    /// Samples that are not pooled.
    pub fn left_out(&self) -> usize {
        self.wrong.len() + self.unchecked.len() + self.remembering.len()
    }

    /// Ids of the pooled cells, or of the others where none is pooled.
    pub fn cells(&self, facts: &JournalFacts) -> String {
        let cells = if self.pooled.is_empty() {
            self.all().collect()
        } else {
            self.pooled.clone()
        };
        cells
            .iter()
            .map(|&cell| facts.run.cells[cell as usize].id.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn all(&self) -> impl Iterator<Item = u32> {
        self.pooled
            .iter()
            .chain(&self.wrong)
            .chain(&self.unchecked)
            .chain(&self.remembering)
            .copied()
    }

    fn notes(&self) -> Vec<String> {
        let Self {
            author: _,
            model,
            pooled,
            wrong,
            unchecked,
            remembering,
        } = self;
        let all = pooled.len() + self.left_out();
        let left_out = |samples: &Vec<u32>, why: &str| {
            (!samples.is_empty()).then(|| {
                format!(
                    "{} of {all} samples of {model} left out: {why}",
                    samples.len()
                )
            })
        };
        let few = pooled.len() < FEWEST_SAMPLES && !pooled.is_empty();
        let one = few.then(|| {
            format!("one sample of {model}: one answer does not show how the model varies")
        });
        let remembering = left_out(remembering, "remembers outputs");
        [
            left_out(wrong, "outputs wrong"),
            left_out(unchecked, "outputs not checked"),
            remembering,
            one,
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Models {
    /// Why nothing may be said; `None` when something may.
    pub fn barred(&self) -> Option<&'static str> {
        let none = [&self.a, &self.b]
            .into_iter()
            .find(|side| side.pooled.is_empty())?;
        Some(match none {
            Side { wrong, .. } if !wrong.is_empty() => "wrong outputs",
            Side { unchecked, .. } if !unchecked.is_empty() => "outputs not checked",
            _ => REMEMBERS,
        })
    }
}

/// Returns a row for every two models of the plan, at equal levels of everything else, in every
/// metric.
pub fn model_rows(
    facts: &JournalFacts,
    groups: &Groups,
    outputs: &[Outputs],
) -> Vec<ComparisonRow> {
    pairs(facts, outputs)
        .into_par_iter()
        .flat_map_iter(|models| rows_of(facts, groups, &models))
        .collect()
}

fn pairs(facts: &JournalFacts, outputs: &[Outputs]) -> Vec<Models> {
    // Alike but for the variant; models in the order of the plan.
    let mut alike: BTreeMap<String, Vec<Side>> = BTreeMap::new();
    let several_prompts = Author::several_prompts(&facts.run);
    let repairs = Repairs::new(&facts.asked);
    let runnable = (0u32..)
        .zip(&facts.run.cells)
        .filter(|(_, planned)| planned.not_runnable.is_none());
    for (place, planned) in runnable {
        let Some(author) = Author::of(planned, &repairs) else {
            continue;
        };
        let levels = Cell {
            variant: String::new(),
            ..planned.cell.clone()
        };
        let sides = alike
            .entry(levels.id().to_string() + levels.input.as_str())
            .or_default();
        let at = sides
            .iter()
            .position(|side| side.author == author)
            .unwrap_or_else(|| {
                sides.push(Side::of(author, several_prompts));
                sides.len() - 1
            });
        let side = &mut sides[at];
        match outputs[place as usize].ok {
            Some(true) if outputs[place as usize].remembers => side.remembering.push(place),
            Some(true) => side.pooled.push(place),
            Some(false) => side.wrong.push(place),
            None => side.unchecked.push(place),
        }
    }
    let mut pairs = Vec::new();
    for sides in alike.values() {
        for (i, a) in sides.iter().enumerate() {
            let others = sides[i + 1..].iter().filter(|b| a.is_comparable_with(b));
            pairs.extend(others.map(|b| Models {
                a: a.clone(),
                b: b.clone(),
            }));
        }
    }
    let first = |side: &Side| side.all().min();
    pairs.sort_by_key(|models| (first(&models.a), first(&models.b)));
    pairs
}

fn rows_of(facts: &JournalFacts, groups: &Groups, models: &Models) -> Vec<ComparisonRow> {
    let planned = |cell: u32| &facts.run.cells[cell as usize];
    let (Some(a), Some(b)) = (models.a.all().min(), models.b.all().min()) else {
        return Vec::new();
    };
    let notes = [models.a.notes(), models.b.notes()].concat();
    let row = |(stage, metric): (Option<u32>, &'static str)| {
        let pool = |side: &Side| Pool {
            samples: side
                .pooled
                .iter()
                .filter_map(|&cell| sample(facts, groups, planned(cell), stage, metric))
                .collect(),
        };
        let name = stage.map_or(PIPELINE, |stage| &facts.run.stages[stage as usize]);
        let (id_a, id_b) = (planned(a).id.as_str(), planned(b).id.as_str());
        let seed = seed_of(facts.run.seed, &["models", id_a, id_b, name, metric]);
        ComparisonRow {
            pair: Pair {
                factor: MODEL,
                a,
                b,
                deployments: None,
            },
            stage,
            metric,
            units: Units::default(),
            comparison: compare_pools(&pool(&models.a), &pool(&models.b), seed),
            p_adjusted: None,
            verdict: "inconclusive",
            note: (!notes.is_empty()).then(|| notes.join("; ")),
            side_by_side: None,
            models: Some(models.clone()),
        }
    };
    places(facts, &planned(a).cell, &planned(b).cell)
        .into_iter()
        .map(row)
        .collect()
}

/// Values of one sample by environment (where all are known, else by deployment) and image; `None`
/// without any.
fn sample(
    facts: &JournalFacts,
    groups: &Groups,
    cell: &PlannedCell,
    stage: Option<u32>,
    metric: &str,
) -> Option<Vec<BTreeMap<u32, Vec<f64>>>> {
    let group: &SampleGroup = group(facts, groups, cell, stage)?;
    let by_environment = group.knows_environments();
    let mut rows: Vec<_> = group
        .keys
        .iter()
        .zip(group.values.get(metric)?)
        .enumerate()
        .collect();
    rows.sort_by_key(|(_, (key, _))| **key);
    let mut units: BTreeMap<i64, BTreeMap<u32, Vec<f64>>> = BTreeMap::new();
    for (row, (key, value)) in rows {
        let environment = group
            .environments
            .get(row)
            .copied()
            .flatten()
            .filter(|_| by_environment);
        let unit = environment.map_or(key.deployment, i64::from);
        if let Some(value) = value {
            units
                .entry(unit)
                .or_default()
                .entry(key.image)
                .or_default()
                .push(*value);
        }
    }
    (!units.is_empty()).then(|| units.into_values().collect())
}
