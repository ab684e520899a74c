//! Facts of a run that measures until its intervals are narrow enough → what a look at them finds.
//!
//! [`Event`]s in, [`Look`] out. What counts is what `darkroom-tables` counts (last attempts of the right start that ended well),
//! restricted to whole blocks, and put in an order of its own, so that a look depends on the set of facts alone: a run that was
//! killed and goes on finds what it would have found.
//!
//! Every cell is measured equally often. Two kinds of cells are measured and hold nothing up: those with wrong outputs, which
//! nobody ranks, and those without any value at the first look, which more repetitions can't be expected to give one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::cell::{CellId, Start};
use crate::event::{Event, Excuse, Invocation, Look, PassKey, RunStarted, Status};
use crate::manifest::{StoppingMetric, Until};
use crate::statistics::{StoppedBy, Watched, relative_half_widths, seed_of};

/// The facts of a run as far as its stopping depends on them.
#[derive(Debug)]
pub struct Watch {
    until: Until,
    seed: u64,
    stages: Vec<String>,
    cells: Vec<Cell>,
    places: HashMap<CellId, usize>,
}

#[derive(Debug)]
struct Cell {
    id: CellId,
    cold: bool,
    /// By repetition, deployment and image.
    passes: BTreeMap<(u32, u32, String), Pass>,
}

/// The last attempt of one repetition.
#[derive(Debug, Default)]
struct Pass {
    attempt: u32,
    started_at: String,
    /// Ended, and not to be done again.
    stands: bool,
    turnaround_s: Option<f64>,
    /// A stage was of another start, or without a REPORT.
    unsure: bool,
    wrong: bool,
    /// Of each stage that ended well: its place in the order of execution, and ms.
    stages: Vec<Option<(u64, f64)>>,
}

impl Watch {
    /// Watches a run; `None` when it has a fixed number of repetitions.
    pub fn new(run: &RunStarted) -> Option<Self> {
        let until = run.until?;
        let cells: Vec<Cell> = run
            .cells
            .iter()
            .filter(|planned| planned.not_runnable.is_none())
            .map(|planned| Cell {
                id: planned.id.clone(),
                cold: planned.cell.start == Start::Cold,
                passes: BTreeMap::new(),
            })
            .collect();
        let places = cells.iter().enumerate().map(|(place, cell)| (cell.id.clone(), place)).collect();
        Some(Self { until, seed: run.seed, stages: run.stages.clone(), cells, places })
    }

    /// Takes one further fact into account.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::InvocationFinished(invocation) => self.take_invocation(invocation),
            Event::PipelineFinished(ended) => {
                if let Some((_, pass)) = self.pass(&ended.pass) {
                    pass.started_at.clone_from(&ended.started_at);
                    pass.stands = ended.again.is_none();
                    pass.turnaround_s = ended.turnaround_s.filter(|s| s.is_finite() && ended.complete);
                }
            }
            Event::OutputChecked(check) => {
                if let Some((_, pass)) = self.pass(&check.pass) {
                    pass.wrong |= !check.verdict.pass;
                }
            }
            Event::CellsSuperseded { cells, .. } => {
                self.cells.iter_mut().filter(|cell| cells.contains(&cell.id)).for_each(|cell| cell.passes.clear());
            }
            _ => {}
        }
    }

    fn take_invocation(&mut self, invocation: &Invocation) {
        let count = self.stages.len();
        let Some((cold, pass)) = self.pass(&invocation.pass) else { return };
        pass.stages.resize(count, None);
        if invocation.status != Status::Ok {
            return;
        }
        let Some(report) = &invocation.report else {
            pass.unsure = true;
            return;
        };
        if report.init_ms.is_some() != cold {
            pass.unsure = true;
            return;
        }
        let ms = report.duration_ms + report.init_ms.unwrap_or(0.0);
        if let Some(stage) = pass.stages.get_mut(invocation.stage_index as usize) {
            *stage = Some((invocation.sequence, ms)).filter(|_| ms.is_finite());
        }
    }

    /// The pass that a fact belongs to, and whether its cell is a cold one; `None` for what does not count.
    fn pass(&mut self, key: &PassKey) -> Option<(bool, &mut Pass)> {
        let cell = &mut self.cells[*self.places.get(&key.cell_id).filter(|_| !key.warm_up)?];
        let place = (key.repetition, key.deployment, key.image.clone());
        let pass = cell.passes.entry(place).or_default();
        if key.attempt > pass.attempt {
            *pass = Pass { attempt: key.attempt, ..Pass::default() };
        }
        (key.attempt == pass.attempt).then_some((cell.cold, pass))
    }

    /// Looks at the intervals after this many whole blocks. `at` is the time.
    pub fn look(&self, repetitions: u32, at: String) -> Look {
        let rule = self.until.rule();
        let (mut excused, mut of, mut samples) = (Vec::new(), Vec::new(), Vec::new());
        for cell in &self.cells {
            if cell.passes.range(..=upto(repetitions)).any(|(_, pass)| pass.wrong && pass.stands) {
                excused.push(Excuse { cell_id: cell.id.clone(), stage: None, reason: "wrong outputs".into() });
                continue;
            }
            for stage in self.samples_of_a_cell() {
                let (values, images) = cell.values(stage, repetitions);
                let name = stage.map(|stage| self.stages[stage].clone());
                if values.is_empty() {
                    excused.push(Excuse { cell_id: cell.id.clone(), stage: name, reason: "no value".into() });
                    continue;
                }
                let column = if cell.cold && stage.is_some() { "cold_total_ms" } else { self.column() };
                let seed = seed_of(self.seed, &[cell.id.as_str(), name.as_deref().unwrap_or("pipeline"), column]);
                of.push((cell.id.clone(), name));
                samples.push(Watched { values, images, seed });
            }
        }
        let widths = relative_half_widths(&samples);
        // Without an interval is wider than any.
        let infinite = |width: Option<f64>| width.unwrap_or(f64::INFINITY);
        let widest = (0..widths.len()).reduce(|a, b| if infinite(widths[b]) > infinite(widths[a]) { b } else { a });
        let (cell_id, stage) = widest.map(|place| of[place].clone()).unzip();
        Look {
            at,
            repetitions,
            samples: widths.len() as u32,
            wider: widths.iter().filter(|&&width| !rule.is_narrow(width)).count() as u32,
            widest: widest.and_then(|place| widths[place]),
            cell_id,
            stage: stage.flatten(),
            excused,
            stopped_by: rule.decide(repetitions, &widths),
        }
    }

    /// What a cell's samples are of: the pipeline (`None`), or each stage.
    fn samples_of_a_cell(&self) -> Vec<Option<usize>> {
        match self.until.metric {
            StoppingMetric::Turnaround => vec![None],
            StoppingMetric::Duration => (0..self.stages.len()).map(Some).collect(),
        }
    }

    const fn column(&self) -> &'static str {
        match self.until.metric {
            StoppingMetric::Turnaround => "turnaround_s",
            StoppingMetric::Duration => "duration_ms",
        }
    }
}

impl Cell {
    /// The sample of a stage or of the pipeline over whole blocks, in the order of execution, and the image of each value.
    fn values(&self, stage: Option<usize>, repetitions: u32) -> (Vec<f64>, Vec<u32>) {
        let passes = self.passes.range(..=upto(repetitions)).filter(|(_, pass)| pass.stands);
        let names: BTreeSet<&str> = passes.clone().map(|((.., image), _)| image.as_str()).collect();
        let numbers: HashMap<&str, u32> = names.into_iter().zip(0..).collect();
        let number = |key: &(u32, u32, String)| numbers[key.2.as_str()];
        if let Some(stage) = stage {
            let of_stage =
                |(key, pass): (&_, &Pass)| pass.stages.get(stage).copied().flatten().map(|of| (of, number(key)));
            let mut values: Vec<((u64, f64), u32)> = passes.filter_map(of_stage).collect();
            values.sort_unstable_by_key(|((sequence, _), _)| *sequence);
            return values.into_iter().map(|((_, ms), image)| (ms, image)).unzip();
        }
        let mut values: Vec<(&str, f64, u32)> = passes
            .filter(|(_, pass)| !pass.unsure)
            .filter_map(|(key, pass)| Some((pass.started_at.as_str(), pass.turnaround_s?, number(key))))
            .collect();
        values.sort_by(|a, b| a.0.cmp(b.0));
        values.into_iter().map(|(_, s, image)| (s, image)).unzip()
    }
}

/// Greater than the key of every pass of these repetitions, and of no other.
const fn upto(repetitions: u32) -> (u32, u32, String) {
    (repetitions, u32::MAX, String::new())
}

/// Says in a sentence where a run stands to its rule; `last` is its last look.
pub fn told(until: &Until, last: Option<&Look>) -> String {
    let target = format!("±{} of the mean {}", asked(until.ci_half_width), until.metric.as_str());
    let Some(look) = last else {
        return format!("Not looked at the intervals yet: that is due after {} repetitions.", until.min);
    };
    let n = look.repetitions;
    let widest = match (&look.cell_id, look.widest) {
        (Some(cell), Some(width)) => {
            format!("; the widest is {} ({})", beside(width, until.ci_half_width), named(cell, look.stage.as_ref()))
        }
        (Some(cell), None) => format!("; {} has no interval", named(cell, look.stage.as_ref())),
        (None, _) => String::new(),
    };
    let excused: Vec<String> = look
        .excused
        .iter()
        .map(|excuse| format!("{} ({})", named(&excuse.cell_id, excuse.stage.as_ref()), excuse.reason))
        .collect();
    let excused = if excused.is_empty() { String::new() } else { format!(" Not waited for: {}.", excused.join(", ")) };
    let sentence = match look.stopped_by {
        Some(StoppedBy::CiHalfWidth) => {
            format!("Stopped after {n} repetitions: every interval is within {target}{widest}.")
        }
        Some(StoppedBy::Max) => format!(
            "Stopped after {n} repetitions, the most allowed: {} wider than {target}{widest}.",
            intervals(look, "is", "are")
        ),
        Some(StoppedBy::NoSample) => {
            format!("Stopped after {n} repetitions: no cell has right values that more repetitions could make surer.")
        }
        None => format!(
            "Not at its end: at {n} repetitions {} wider than {target}{widest}.",
            intervals(look, "was", "were")
        ),
    };
    sentence + &excused
}

fn named(cell: &CellId, stage: Option<&String>) -> String {
    stage.map_or_else(|| cell.to_string(), |stage| format!("{cell} {stage}"))
}

/// Says how many of a look's intervals, with the verb that fits: `1 of 2 intervals is`, `the only interval is`.
fn intervals(look: &Look, one: &str, several: &str) -> String {
    let verb = if look.wider == 1 { one } else { several };
    match (look.wider, look.samples) {
        (1, 1) => format!("the only interval {verb}"),
        (wider, samples) => format!("{wider} of {samples} intervals {verb}"),
    }
}

/// The half width that was asked for as a percentage, in full: `2%`, `0.001%`, `12.5%`.
pub fn asked(share: f64) -> String {
    trimmed(format!("{:.6}", share * 100.0)) + "%"
}

/// A half width as a percentage beside the one that was asked for: of two significant figures, or of as many as it takes to show
/// on which side of `asked` it is: `±10.02%` beside `10%`.
pub fn beside(width: f64, asked: f64) -> String {
    const MOST: usize = 6;
    let (percent, limit) = (width * 100.0, asked * 100.0);
    let few = (1.0 - percent.abs().log10().floor()).clamp(0.0, 4.0) as usize;
    let told = (few..=MOST).map(|decimals| trimmed(format!("{percent:.decimals$}")));
    let shows_side = |text: &String| text.parse::<f64>().is_ok_and(|it| (it > limit) == (percent > limit));
    let side = if percent > limit { "just above" } else { "at most" };
    told.into_iter()
        .find(shows_side)
        .map_or_else(|| format!("{side} ±{}", self::asked(asked)), |text| format!("±{text}%"))
}

fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests;
