//! Rows of `correctness`: how many of a model's samples are right, by stage and as a whole pipeline,
//! and what a right one took.
//!
//! The estimates are [`darkroom_core::statistics`]'s.

use std::collections::BTreeMap;

use darkroom_core::event::RunStarted;
use darkroom_core::outcome::{Kind, Outcome};
use darkroom_core::statistics::{Rate, pass_at_k, wilson};
use polars::prelude::{DataFrame, PolarsResult};

use super::seen::{Author, Effort, OfModel, Part};
use crate::aggregate::PIPELINE;
use crate::columns;
use crate::frames::{floats, frame, integers, texts};
use crate::summary::Correctness;

/// The k of pass@k that are shown.
const K: [u64; 4] = [1, 3, 5, 10];

/// One row: a model with a prompt at a stage.
#[derive(Clone, Debug)]
pub struct CorrectnessRow {
    pub author: Author,
    /// `None`: the pipeline.
    pub stage: Option<u32>,
    /// A sample each.
    parts: Vec<Part>,
}

impl CorrectnessRow {
    /// Samples of which something is known.
    fn judged(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.outcome.is_some())
    }

    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.parts.iter().filter_map(|part| part.outcome.as_ref())
    }

    fn count(&self, kind: Kind) -> u64 {
        let of_kind = self.outcomes().filter(|outcome| outcome.kind == kind);
        of_kind.count() as u64
    }

    fn n(&self) -> u64 {
        self.judged().count() as u64
    }

    fn unknown(&self) -> u64 {
        self.parts.len() as u64 - self.n()
    }

    fn right(&self) -> u64 {
        self.count(Kind::Right)
    }

    pub fn rate(&self) -> Option<Rate> {
        wilson(self.right(), self.n())
    }

    /// The rate of those that are right with the first answer, before any repair: the check at
    /// generation sends every wrong answer back. `None` where the answers are not known.
    fn first_rate(&self) -> Option<Rate> {
        self.effort()?;
        let first = |part: &&Part| part.effort.is_some_and(|effort| effort.repairs == 0);
        let right = self.judged().filter(|part| part.is_right()).filter(first);
        wilson(right.count() as u64, self.n())
    }

    fn pass_at(&self, k: u64) -> Option<f64> {
        pass_at_k(self.right(), self.n(), k)
    }

    fn right_partly(&self) -> u64 {
        self.judged().filter(|part| part.is_right_partly()).count() as u64
    }

    /// Images of all samples, and how many of them are right.
    fn images(&self) -> (u64, u64) {
        let images = || self.judged().flat_map(|part| part.images.values());
        let right = images().filter(|right| **right).count();
        (images().count() as u64, right as u64)
    }

    fn effort(&self) -> Option<Effort> {
        Effort::sum(self.judged().map(|part| part.effort))
    }

    /// Divides what all samples took by the right ones; `None` where none is right.
    fn per_right(&self, amount: f64) -> Option<f64> {
        let right = self.right();
        (right > 0).then(|| amount / right as f64)
    }

    /// The failure that most samples have; of several the one that comes first on the way from
    /// question to output.
    fn commonest_failure(&self) -> Option<Outcome> {
        let mut counts: BTreeMap<&Outcome, usize> = BTreeMap::new();
        let failures = self
            .outcomes()
            .filter(|outcome| outcome.kind != Kind::Right);
        for outcome in failures {
            *counts.entry(outcome).or_default() += 1;
        }
        let most = counts.values().max().copied();
        let found = counts.iter().find(|(_, count)| Some(**count) == most)?;
        Some((*found.0).clone())
    }

    /// The row as the terminal shows it.
    pub fn shown(&self, run: &RunStarted) -> Correctness {
        let rate = self.rate();
        let failures = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Right);
        let effort = self.effort();
        Correctness {
            model: self.author.model.clone(),
            prompt: self.author.prompt.clone(),
            stage: stage_name(run, self.stage).to_owned(),
            n: self.n(),
            n_unknown: self.unknown(),
            right: self.right(),
            rate: rate.map(|rate| rate.rate),
            rate_ci: rate.map(|rate| (rate.low, rate.high)),
            right_first: self.first_rate().map(|rate| rate.right),
            repairs: effort.map(|effort| effort.repairs),
            right_partly: self.right_partly(),
            pass_at: K
                .iter()
                .filter_map(|&k| Some((k, self.pass_at(k)?)))
                .collect(),
            failures: failures
                .map(|kind| (kind.as_str(), self.count(kind)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            commonest_failure: self.commonest_failure().map(|outcome| outcome.to_string()),
            tokens_per_right: effort.and_then(|effort| self.per_right(effort.tokens()? as f64)),
            cost_usd_per_right: effort.and_then(|effort| self.per_right(effort.cost_usd?)),
        }
    }
}

/// Names a stage, or the pipeline.
pub fn stage_name(run: &RunStarted, stage: Option<u32>) -> &str {
    stage.map_or(PIPELINE, |stage| &run.stages[stage as usize])
}

/// Returns a row for every model and prompt and every stage, the pipeline last, in the plan's
/// order.
pub fn correctness_rows(run: &RunStarted, of_models: &[OfModel]) -> Vec<CorrectnessRow> {
    let of_model = |model: &OfModel| {
        let row = |stage, parts| CorrectnessRow {
            author: model.author.clone(),
            stage,
            parts,
        };
        let of_stage = |stage: usize| {
            let samples = model.samples.iter();
            row(
                Some(stage as u32),
                samples.map(|sample| sample.stages[stage].clone()).collect(),
            )
        };
        let samples = model.samples.iter();
        let pipeline = samples.map(|sample| Part::whole(&sample.stages)).collect();
        let mut rows: Vec<_> = (0..run.stages.len()).map(of_stage).collect();
        rows.push(row(None, pipeline));
        rows
    };
    of_models.iter().flat_map(of_model).collect()
}

/// Returns the frame of `correctness`.
pub fn correctness_frame(run: &RunStarted, rows: &[CorrectnessRow]) -> PolarsResult<DataFrame> {
    let count = |of: fn(&CorrectnessRow) -> u64| rows.iter().map(move |row| Some(of(row) as i64));
    let rate = |of: fn(Rate) -> f64| rows.iter().map(move |row| row.rate().map(of));
    let first = |of: fn(Rate) -> f64| rows.iter().map(move |row| row.first_rate().map(of));
    let stages = rows.iter().map(|row| row.stage.map(i64::from));
    let mut columns = vec![
        texts("run_id", rows.iter().map(|_| Some(&run.run_id))),
        texts("model", rows.iter().map(|row| Some(&row.author.model))),
        texts("prompt", rows.iter().map(|row| Some(&row.author.prompt))),
        texts(
            "stage",
            rows.iter().map(|row| Some(stage_name(run, row.stage))),
        ),
        integers("stage_index", stages),
        integers("n", count(CorrectnessRow::n)),
        integers("n_unknown", count(CorrectnessRow::unknown)),
        integers("right", count(CorrectnessRow::right)),
        floats("rate", rate(|rate| rate.rate)),
        floats("rate_ci_low", rate(|rate| rate.low)),
        floats("rate_ci_high", rate(|rate| rate.high)),
        integers(
            "right_first",
            rows.iter()
                .map(|row| row.first_rate().map(|rate| rate.right as i64)),
        ),
        floats("rate_first", first(|rate| rate.rate)),
        floats("rate_first_ci_low", first(|rate| rate.low)),
        floats("rate_first_ci_high", first(|rate| rate.high)),
        integers("right_partly", count(CorrectnessRow::right_partly)),
        integers("images", count(|row| row.images().0)),
        integers("images_right", count(|row| row.images().1)),
    ];
    for k in K {
        let name = format!("pass_at_{k}");
        columns.push(floats(&name, rows.iter().map(|row| row.pass_at(k))));
    }
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Right) {
        let name = format!("n_{}", kind.as_str());
        let of_kind = rows.iter().map(|row| Some(row.count(kind) as i64));
        columns.push(integers(&name, of_kind));
    }
    let commonest = rows.iter().map(CorrectnessRow::commonest_failure);
    columns.push(texts(
        "commonest_failure",
        commonest.map(|outcome| outcome.map(|outcome| outcome.to_string())),
    ));
    columns.extend(effort_columns(rows));
    frame(&columns::CORRECTNESS, columns)
}

/// What the samples took together, and for each right one.
fn effort_columns(rows: &[CorrectnessRow]) -> Vec<polars::prelude::Column> {
    let effort = || rows.iter().map(|row| (row, row.effort()));
    let count = |of: fn(&Effort) -> Option<u64>| {
        effort().map(move |(_, effort)| Some(of(&effort?)? as i64))
    };
    let per_right = |of: fn(&Effort) -> Option<f64>| {
        effort().map(move |(row, effort)| row.per_right(of(&effort?)?))
    };
    vec![
        integers("asks", count(|effort| Some(effort.asks))),
        integers("repairs", count(|effort| Some(effort.repairs))),
        integers("input_tokens", count(|effort| effort.input_tokens)),
        integers("output_tokens", count(|effort| effort.output_tokens)),
        floats(
            "answer_s",
            effort().map(|(_, effort)| Some(effort?.seconds)),
        ),
        floats("cost_usd", effort().map(|(_, effort)| effort?.cost_usd)),
        floats(
            "tokens_per_right",
            per_right(|effort| Some(effort.tokens()? as f64)),
        ),
        floats("cost_usd_per_right", per_right(|effort| effort.cost_usd)),
    ]
}
