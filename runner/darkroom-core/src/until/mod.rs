//! Decides at each look whether a run's intervals are narrow enough.
//!
//! [`Event`]s in, [`Look`] out. The [`crate::ledger`] says what counts, as for the tables. A look
//! uses whole blocks only, in an order of its own, so it depends on the set of facts alone: a
//! resumed run finds what it would have found without the kill.
//!
//! Every cell is measured equally often. Three kinds of cells do not delay the end: those with wrong
//! outputs, which are never ranked, those with a stage without code, and those without any value at
//! the first look, which more repetitions will hardly give one.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::cell::{CellId, Start};
use crate::event::{Event, Excuse, Invocation, Look, PassKind, RunStarted};
use crate::ledger::{AttemptId, CountsAs, Ending, Ledger};
use crate::manifest::{StoppingMetric, Until};
use crate::statistics::{StoppedBy, Watched, relative_half_widths, seed_of};

/// The facts of a run as far as its stopping depends on them.
#[derive(Clone, Debug)]
pub struct Watch {
    until: Until,
    seed: u64,
    stages: Vec<String>,
    cells: Vec<Cell>,
    ledger: Ledger,
    /// Of every attempt, by its id.
    passes: Vec<Pass>,
}

/// A cell that is measured.
#[derive(Clone, Debug)]
struct Cell {
    id: CellId,
    /// Among the run's cells.
    place: u32,
    cold: bool,
    /// Its model gave no code for a stage.
    has_gap: bool,
}

/// The values of one attempt.
#[derive(Clone, Debug, Default)]
struct Pass {
    started_at: String,
    turnaround_s: Option<f64>,
    wrong: bool,
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    stage: usize,
    /// In the order of execution.
    sequence: u64,
    ms: f64,
    ending: Ending,
}

/// What counts at a look.
#[derive(Default)]
struct Standing {
    /// The last attempts of measured repetitions, by the place of their cell, in the plan's order.
    passes: HashMap<u32, Vec<AttemptId>>,
    /// Places of cells.
    wrong: HashSet<u32>,
}

impl Watch {
    /// Watches a run; `None` when it has a fixed number of repetitions.
    pub fn new(run: &RunStarted) -> Option<Self> {
        let until = run.until?;
        let runnable = (0..)
            .zip(&run.cells)
            .filter(|(_, planned)| planned.not_runnable.is_none());
        let cells = runnable.map(|(place, planned)| Cell {
            id: planned.id.clone(),
            place,
            cold: planned.cell.start == Start::Cold,
            has_gap: !planned.missing.is_empty(),
        });
        Some(Self {
            until,
            seed: run.seed,
            stages: run.stages.clone(),
            cells: cells.collect(),
            ledger: Ledger::new(run),
            passes: Vec::new(),
        })
    }

    /// Takes one further fact into account.
    pub fn take(&mut self, event: &Event) {
        let Some(id) = self.ledger.take(event) else {
            return;
        };
        if id as usize == self.passes.len() {
            self.passes.push(Pass::default());
        }
        let pass = &mut self.passes[id as usize];
        match event {
            Event::InvocationFinished(invocation) => pass.rows.extend(row(invocation)),
            Event::PipelineFinished(ended) => {
                pass.started_at.clone_from(&ended.started_at);
                pass.turnaround_s = ended.turnaround_s.filter(|s| s.is_finite());
            }
            Event::OutputChecked(check) => pass.wrong |= !check.verdict.pass,
            _ => {}
        }
    }

    /// Looks at the intervals after this many whole blocks. `at` is the time.
    pub fn look(&self, repetitions: u32, at: String) -> Look {
        let rule = self.until.rule();
        let (mut excused, mut of, mut samples) = (Vec::new(), Vec::new(), Vec::new());
        let standing = self.standing(repetitions);
        for cell in &self.cells {
            let passes = standing
                .passes
                .get(&cell.place)
                .map_or(&[][..], Vec::as_slice);
            let excuse = if cell.has_gap {
                Some("a stage without code")
            } else {
                let is_wrong = standing.wrong.contains(&cell.place);
                is_wrong.then_some("wrong outputs")
            };
            if let Some(reason) = excuse {
                excused.push(Excuse {
                    cell_id: cell.id.clone(),
                    stage: None,
                    reason: reason.into(),
                });
                continue;
            }
            for stage in self.samples_of_a_cell() {
                let (values, images) = self.values(passes, stage);
                let name = stage.map(|stage| self.stages[stage].clone());
                if values.is_empty() {
                    excused.push(Excuse {
                        cell_id: cell.id.clone(),
                        stage: name,
                        reason: "no value".into(),
                    });
                    continue;
                }
                let column = if cell.cold && stage.is_some() {
                    "cold_total_ms"
                } else {
                    self.column()
                };
                let seed = seed_of(
                    self.seed,
                    &[
                        cell.id.as_str(),
                        name.as_deref().unwrap_or("pipeline"),
                        column,
                    ],
                );
                of.push((cell.id.clone(), name));
                samples.push(Watched {
                    values,
                    images,
                    seed,
                });
            }
        }
        let widths = relative_half_widths(&samples);
        // Without an interval is wider than any.
        let infinite = |width: Option<f64>| width.unwrap_or(f64::INFINITY);
        let widest = (0..widths.len()).reduce(|a, b| {
            if infinite(widths[b]) > infinite(widths[a]) {
                b
            } else {
                a
            }
        });
        let (cell_id, stage) = widest.map(|place| of[place].clone()).unzip();
        Look {
            at,
            repetitions,
            samples: widths.len() as u32,
            wider: widths
                .iter()
                .filter(|&&width| !rule.is_narrow(width))
                .count() as u32,
            widest: widest.and_then(|place| widths[place]),
            cell_id,
            stage: stage.flatten(),
            excused,
            stopped_by: rule.decide(repetitions, &widths),
        }
    }

    /// Returns what the repetitions of whole blocks came to, and the cells that have a wrong output
    /// among it or in a probe.
    fn standing(&self, repetitions: u32) -> Standing {
        let mut standing = Standing::default();
        for (id, pass) in (0..).zip(&self.passes) {
            let of = self.ledger.repetition(id);
            let measured = of.kind == PassKind::Measured && of.number <= repetitions;
            if !self.ledger.stands(id) || !(measured || of.kind == PassKind::Probe) {
                continue;
            }
            if pass.wrong {
                standing.wrong.insert(of.cell);
            }
            if measured {
                standing.passes.entry(of.cell).or_default().push(id);
            }
        }
        for passes in standing.passes.values_mut() {
            passes.sort_by_key(|id| {
                let of = self.ledger.repetition(*id);
                (of.number, of.deployment, self.ledger.image(of.image))
            });
        }
        standing
    }

    /// Returns the sample of a stage or of the pipeline in the order of execution, and the image of
    /// each value.
    fn values(&self, passes: &[AttemptId], stage: Option<usize>) -> (Vec<f64>, Vec<u32>) {
        let image = |id: AttemptId| self.ledger.image(self.ledger.repetition(id).image);
        let names: BTreeSet<&str> = passes.iter().map(|id| image(*id)).collect();
        let numbers: HashMap<&str, u32> = names.into_iter().zip(0..).collect();
        let number = |id: AttemptId| numbers[image(id)];
        let with_values = passes.iter().map(|id| (*id, &self.passes[*id as usize]));
        let Some(stage) = stage else {
            let sample =
                with_values.filter(|(id, _)| self.ledger.pass_counts_as(*id) == CountsAs::Sample);
            let mut values: Vec<(&str, f64, u32)> = sample
                .filter_map(|(id, pass)| {
                    Some((pass.started_at.as_str(), pass.turnaround_s?, number(id)))
                })
                .collect();
            values.sort_by(|a, b| a.0.cmp(b.0));
            return values.into_iter().map(|(_, s, image)| (s, image)).unzip();
        };
        let rows = with_values.flat_map(|(id, pass)| pass.rows.iter().map(move |row| (id, row)));
        let mut values: Vec<(u64, f64, u32)> = rows
            .filter(|(id, row)| {
                row.stage == stage && self.ledger.row_counts_as(*id, row.ending) == CountsAs::Sample
            })
            .map(|(id, row)| (row.sequence, row.ms, number(id)))
            .collect();
        values.sort_by_key(|(sequence, ..)| *sequence);
        values.into_iter().map(|(_, ms, image)| (ms, image)).unzip()
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

/// Returns what a stage's sample may take from an invocation; `None` where it has no time that is a
/// number.
fn row(invocation: &Invocation) -> Option<Row> {
    let report = invocation.report.as_ref()?;
    let ms = report.duration_ms + report.init_ms.unwrap_or(0.0);
    let (stage, sequence) = (invocation.stage_index as usize, invocation.sequence);
    ms.is_finite().then(|| Row {
        stage,
        sequence,
        ms,
        ending: Ending::from(invocation),
    })
}

/// Says in a sentence where a run stands to its rule; `last` is its last look.
pub fn rule_in_words(until: &Until, last: Option<&Look>) -> String {
    let target = format!(
        "±{} of the mean {}",
        asked(until.ci_half_width),
        until.metric.as_str()
    );
    let Some(look) = last else {
        return format!(
            "The intervals were not checked yet: that happens after {} repetitions.",
            until.min
        );
    };
    let n = look.repetitions;
    let widest = match (&look.cell_id, look.widest) {
        (Some(cell), Some(width)) => {
            format!(
                "; the widest is {} ({})",
                beside(width, until.ci_half_width),
                named(cell, look.stage.as_ref())
            )
        }
        (Some(cell), None) => format!("; {} has no interval", named(cell, look.stage.as_ref())),
        (None, _) => String::new(),
    };
    let excused: Vec<String> = look
        .excused
        .iter()
        .map(|excuse| {
            format!(
                "{} ({})",
                named(&excuse.cell_id, excuse.stage.as_ref()),
                excuse.reason
            )
        })
        .collect();
    let excused = if excused.is_empty() {
        String::new()
    } else {
        format!(" Ignored: {}.", excused.join(", "))
    };
    let sentence = match look.stopped_by {
        Some(StoppedBy::CiHalfWidth) => {
            format!("Stopped after {n} repetitions: every interval is within {target}{widest}.")
        }
        Some(StoppedBy::Max) => format!(
            "Stopped after {n} repetitions, the maximum: {} wider than {target}{widest}.",
            intervals(look, "is", "are")
        ),
        Some(StoppedBy::NoSample) => {
            format!(
                "Stopped after {n} repetitions: no cell has correct results that more \
                 repetitions would improve."
            )
        }
        None => format!(
            "Not finished: at {n} repetitions {} wider than {target}{widest}.",
            intervals(look, "was", "were")
        ),
    };
    sentence + &excused
}

fn named(cell: &CellId, stage: Option<&String>) -> String {
    stage.map_or_else(|| cell.to_string(), |stage| format!("{cell} {stage}"))
}

/// Says how many of a look's intervals, with the verb that fits: `1 of 2 intervals is`,
/// `the only interval is`.
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

/// A half width as a percentage beside the one that was asked for: of two significant figures, or
/// of as many as it takes to show on which side of `asked` it is: `±10.02%` beside `10%`.
pub fn beside(width: f64, asked: f64) -> String {
    const MOST: usize = 6;
    let (percent, limit) = (width * 100.0, asked * 100.0);
    let few = (1.0 - percent.abs().log10().floor()).clamp(0.0, 4.0) as usize;
    let told = (few..=MOST).map(|decimals| trimmed(format!("{percent:.decimals$}")));
    let shows_side = |text: &String| {
        text.parse::<f64>()
            .is_ok_and(|it| (it > limit) == (percent > limit))
    };
    let side = if percent > limit {
        "just above"
    } else {
        "at most"
    };
    told.into_iter().find(shows_side).map_or_else(
        || format!("{side} ±{}", self::asked(asked)),
        |text| format!("±{text}%"),
    )
}

fn trimmed(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests;
