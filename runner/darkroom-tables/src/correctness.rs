//! Rows of `correctness`: how many of a model's samples are right, by stage and as a whole pipeline.
//!
//! A sample is a variant that the model wrote; what became of it at a stage is one [`Outcome`], over
//! all of its cells. Read from the tables `invocations` and `outputs` and from the plan, which knows
//! the stages without code. The estimates are [`darkroom_core::statistics`]'s. Knows no times.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use darkroom_core::event::{PlannedCell, RunStarted, Status};
use darkroom_core::ledger::CountsAs;
use darkroom_core::outcome::{Kind, Outcome};
use darkroom_core::statistics::{Rate, pass_at_k, wilson};
use polars::prelude::{DataFrame, PolarsResult};

use crate::aggregate::PIPELINE;
use crate::columns;
use crate::frames::{floats, frame, integers, texts};
use crate::summary::Correctness;
use crate::tally::tally;

/// The k of pass@k that are shown.
const K: [u64; 4] = [1, 3, 5, 10];

/// One row: a model at a stage.
#[derive(Clone, Debug)]
pub struct CorrectnessRow {
    pub model: String,
    /// `None`: the pipeline.
    pub stage: Option<u32>,
    /// What became of each sample; `None` where nothing tells.
    pub outcomes: Vec<Option<Outcome>>,
}

impl CorrectnessRow {
    fn judged(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().flatten()
    }

    fn count(&self, kind: Kind) -> u64 {
        self.judged().filter(|outcome| outcome.kind == kind).count() as u64
    }

    fn n(&self) -> u64 {
        self.judged().count() as u64
    }

    fn unknown(&self) -> u64 {
        self.outcomes.len() as u64 - self.n()
    }

    fn rate(&self) -> Option<Rate> {
        wilson(self.count(Kind::Right), self.n())
    }

    fn pass_at(&self, k: u64) -> Option<f64> {
        pass_at_k(self.count(Kind::Right), self.n(), k)
    }

    /// The failure that most samples have; of several the one that comes first on the way from
    /// question to output.
    fn commonest_failure(&self) -> Option<Outcome> {
        let mut counts: BTreeMap<&Outcome, usize> = BTreeMap::new();
        let failures = self.judged().filter(|outcome| outcome.kind != Kind::Right);
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
        Correctness {
            model: self.model.clone(),
            stage: self.stage_name(run).to_owned(),
            n: self.n(),
            n_unknown: self.unknown(),
            right: self.count(Kind::Right),
            rate: rate.map(|rate| rate.rate),
            rate_ci: rate.map(|rate| (rate.low, rate.high)),
            pass_at: K
                .iter()
                .filter_map(|&k| Some((k, self.pass_at(k)?)))
                .collect(),
            failures: failures
                .map(|kind| (kind.as_str(), self.count(kind)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            commonest_failure: self.commonest_failure().map(|outcome| outcome.to_string()),
        }
    }

    fn stage_name<'a>(&self, run: &'a RunStarted) -> &'a str {
        self.stage
            .map_or(PIPELINE, |stage| &run.stages[stage as usize])
    }
}

/// Returns a row for every model of the plan and every stage, the pipeline last, in the plan's
/// order.
pub fn correctness_rows(
    run: &RunStarted,
    checks: &Path,
    invocations: &Path,
) -> PolarsResult<Vec<CorrectnessRow>> {
    let models = samples(run);
    if models.is_empty() {
        return Ok(Vec::new());
    }
    let seen = seen(checks, invocations)?;
    let mut rows = Vec::new();
    for (model, variants) in models {
        let of_stage = |stage: &String| -> Vec<Option<Outcome>> {
            let outcome = |cells: &Vec<&PlannedCell>| of_sample(&seen, cells, stage);
            variants.iter().map(outcome).collect()
        };
        let stages: Vec<Vec<Option<Outcome>>> = run.stages.iter().map(of_stage).collect();
        let pipeline = (0..variants.len())
            .map(|sample| of_pipeline(stages.iter().map(|stage| stage[sample].as_ref())));
        let row = |stage, outcomes| CorrectnessRow {
            model: model.clone(),
            stage,
            outcomes,
        };
        let pipeline = row(None, pipeline.collect());
        rows.extend((0..).zip(stages).map(|(stage, of)| row(Some(stage), of)));
        rows.push(pipeline);
    }
    Ok(rows)
}

/// Returns the models of the plan with the cells of each of their samples.
fn samples(run: &RunStarted) -> Vec<(String, Vec<Vec<&PlannedCell>>)> {
    let mut models: Vec<(String, Vec<Vec<&PlannedCell>>)> = Vec::new();
    for planned in run.cells.iter().filter(|cell| cell.not_runnable.is_none()) {
        let Some(model) = &planned.model else {
            continue;
        };
        let place = models.iter().position(|(name, _)| name == model);
        let place = place.unwrap_or_else(|| {
            models.push((model.clone(), Vec::new()));
            models.len() - 1
        });
        let variants = &mut models[place].1;
        let of_variant =
            |cells: &&mut Vec<&PlannedCell>| cells[0].cell.variant == planned.cell.variant;
        match variants.iter_mut().find(of_variant) {
            Some(cells) => cells.push(planned),
            None => variants.push(vec![planned]),
        }
    }
    models
}

/// What was seen of a cell and stage, with how often.
type Seen = HashMap<(String, String), BTreeMap<Outcome, i64>>;

/// Returns the outcomes of calls that failed for good and of outputs that were checked.
fn seen(checks: &Path, invocations: &Path) -> PolarsResult<Seen> {
    let mut seen = Seen::new();
    let mut add = |cell: Option<String>, stage: Option<String>, outcome, count| {
        let place = (cell.unwrap_or_default(), stage.unwrap_or_default());
        *seen.entry(place).or_default().entry(outcome).or_default() += count;
    };
    let by = ["cell_id", "stage", "pass", "reason"];
    for ([cell, stage, pass, reason], count) in tally(checks, by, Some("counts"))? {
        let verdict = (pass.as_deref() == Some("true"), reason.as_deref());
        if let Some(outcome) = Outcome::of_ending(Status::Ok, None, Some(verdict)) {
            add(cell, stage, outcome, count);
        }
    }
    let by = ["cell_id", "stage", "counts_as", "status", "error_type"];
    for ([cell, stage, counts_as, status, error_type], count) in tally(invocations, by, None)? {
        if counts_as.as_deref() != Some(CountsAs::Failed.as_str()) {
            continue;
        }
        let status = Status::ALL
            .into_iter()
            .find(|of| Some(of.as_str()) == status.as_deref());
        let outcome = status.and_then(|of| Outcome::of_ending(of, error_type.as_deref(), None));
        if let Some(outcome) = outcome {
            add(cell, stage, outcome, count);
        }
    }
    Ok(seen)
}

/// Returns what became of a sample at a stage: right where everything that was seen of it is; else
/// the failure that comes first on the way, the most frequent of its kind.
fn of_sample(seen: &Seen, cells: &[&PlannedCell], stage: &String) -> Option<Outcome> {
    if let Some(gap) = cells.iter().find_map(|cell| cell.missing.get(stage)) {
        return Some(gap.clone());
    }
    let mut found: BTreeMap<&Outcome, i64> = BTreeMap::new();
    for cell in cells {
        let of_cell = seen.get(&(cell.id.to_string(), stage.clone()));
        for (outcome, count) in of_cell.into_iter().flatten() {
            *found.entry(outcome).or_default() += count;
        }
    }
    let first = found.keys().next()?.kind;
    let of_kind = found.iter().filter(|(outcome, _)| outcome.kind == first);
    let worst = of_kind.max_by_key(|(outcome, count)| (**count, std::cmp::Reverse(**outcome)))?;
    Some((*worst.0).clone())
}

/// Returns what became of a whole pipeline: right where every stage is; else what its first stage
/// that is not right came to; `None` where only part of it is known.
fn of_pipeline<'a>(stages: impl Iterator<Item = Option<&'a Outcome>>) -> Option<Outcome> {
    let stages: Vec<_> = stages.collect();
    let failed = stages.iter().flatten().find(|of| of.kind != Kind::Right);
    if let Some(failed) = failed {
        return Some((*failed).clone());
    }
    let whole = stages.iter().all(Option::is_some);
    whole.then_some(Kind::Right.into())
}

/// Returns the frame of `correctness`.
pub fn correctness_frame(run: &RunStarted, rows: &[CorrectnessRow]) -> PolarsResult<DataFrame> {
    let count = |of: fn(&CorrectnessRow) -> u64| rows.iter().map(move |row| Some(of(row) as i64));
    let rate = |of: fn(Rate) -> f64| rows.iter().map(move |row| row.rate().map(of));
    let mut columns = vec![
        texts("run_id", rows.iter().map(|_| Some(&run.run_id))),
        texts("model", rows.iter().map(|row| Some(&row.model))),
        texts("stage", rows.iter().map(|row| Some(row.stage_name(run)))),
        integers(
            "stage_index",
            rows.iter().map(|row| row.stage.map(i64::from)),
        ),
        integers("n", count(CorrectnessRow::n)),
        integers("n_unknown", count(CorrectnessRow::unknown)),
        integers("right", count(|row| row.count(Kind::Right))),
        floats("rate", rate(|rate| rate.rate)),
        floats("rate_ci_low", rate(|rate| rate.low)),
        floats("rate_ci_high", rate(|rate| rate.high)),
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
    frame(&columns::CORRECTNESS, columns)
}
