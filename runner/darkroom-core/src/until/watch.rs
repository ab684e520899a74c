//! The samples of a run under `until`, and the looks at them.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::cell::{CellId, Start};
use crate::event::{Event, Excuse, Invocation, Look, PassKind, RunStarted};
use crate::ledger::{AttemptId, CountsAs, Ending, Ledger};
use crate::manifest::{StoppingMetric, Until};
use crate::statistics::{Watched, relative_half_widths, seed_of};

/// The facts of a run as far as its stopping depends on them.
#[derive(Clone, Debug)]
pub struct Watch {
    until: Until,
    seed: u64,
    stages: Vec<String>,
    cells: Vec<WatchedCell>,
    ledger: Ledger,
    /// Of every attempt, by its id.
    passes: Vec<PassValues>,
}

/// A cell that is measured.
#[derive(Clone, Debug)]
struct WatchedCell {
    id: CellId,
    /// Among the run's cells.
    place: u32,
    cold: bool,
    /// Its model gave no code for a stage.
    has_gap: bool,
}

/// The values of one attempt.
#[derive(Clone, Debug, Default)]
struct PassValues {
    started_at: String,
    turnaround_s: Option<f64>,
    wrong: bool,
    rows: Vec<StageValue>,
}

#[derive(Clone, Debug)]
struct StageValue {
    stage: usize,
    /// In the order of execution.
    sequence: u64,
    ms: f64,
    ending: Ending,
}

/// What counts at a look.
#[derive(Default)]
pub(super) struct Standing {
    /// The last attempts of measured repetitions, by the place of their cell, in the plan's order.
    pub(super) passes: HashMap<u32, Vec<AttemptId>>,
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
        let cells = runnable.map(|(place, planned)| WatchedCell {
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
            self.passes.push(PassValues::default());
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
    pub(super) fn standing(&self, repetitions: u32) -> Standing {
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
    pub(super) fn values(
        &self,
        passes: &[AttemptId],
        stage: Option<usize>,
    ) -> (Vec<f64>, Vec<u32>) {
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
fn row(invocation: &Invocation) -> Option<StageValue> {
    let report = invocation.report.as_ref()?;
    let ms = report.duration_ms + report.ready_ms().unwrap_or(0.0);
    let (stage, sequence) = (invocation.stage_index as usize, invocation.sequence);
    ms.is_finite().then(|| StageValue {
        stage,
        sequence,
        ms,
        ending: Ending::from(invocation),
    })
}
