//! Where turnaround goes: the pass of each cell whose turnaround is the median, stage by stage.

use std::collections::BTreeMap;

use darkroom_tables::read::Row;
use plotters::prelude::*;

use super::Figure;
use super::canvas::{Drawing, colour, draw_rows};
use super::figure::Group;
use super::panels::by_kind;
use super::runtime::marked;
use super::scale::Scale;
use crate::number::figure as spelt;
use crate::run::{CellView, Run};

/// A stretch of a pass: seconds from its start, which part it is, what it is called.
struct Stretch {
    from: f64,
    to: f64,
    part: usize,
    /// Waiting for S3 within a stage, where the profile tells.
    light: bool,
    told: String,
}

/// A cell, its median turnaround and where that goes.
type MedianPass<'a> = (&'a CellView, f64, Vec<Stretch>);

const WAIT: usize = 6;
const INIT: usize = 5;

/// Draws one row a cell: init and duration of each stage in turn, and what lies between them.
pub fn figure(run: &Run, width: u32) -> Option<Figure> {
    let rows: Vec<MedianPass<'_>> = run
        .measured()
        .filter_map(|cell| stretches(run, cell))
        .collect();
    let drawing = by_kind(&rows, |row| row.0, |rows, names| panel(rows, names, width))?;
    let mut legend: Vec<_> = run
        .stages
        .iter()
        .enumerate()
        .map(|(index, stage)| (colour(index % INIT), stage.clone()))
        .collect();
    if rows
        .iter()
        .any(|(.., stretches)| stretches.iter().any(|stretch| stretch.part == INIT))
    {
        legend.push((colour(INIT), "init or restore (new environment)".into()));
    }
    legend.push((colour(WAIT), "between: calls, triggers, polling".into()));
    Some(Figure {
        id: "waterfall".into(),
        group: Group::Whole,
        title: "Where turnaround goes".into(),
        caption: "Each cell's pass with the median turnaround. Coloured: what Lambda reports for \
            each stage. Lighter: S3 calls within a stage, where the profile shows them. Grey: \
            the rest of the runner's clock; for a direct call the call itself, for an S3 trigger \
            the delay of the hop by two hosts' clocks."
            .into(),
        alternative: rows
            .iter()
            .map(|(cell, turnaround, stretches)| {
                let named: f64 = stretches
                    .iter()
                    .filter(|s| s.part != WAIT)
                    .map(|s| s.to - s.from)
                    .sum();
                format!(
                    "{}: {} s, of which {} s in functions",
                    marked(cell),
                    spelt(*turnaround),
                    spelt(named)
                )
            })
            .collect::<Vec<_>>()
            .join(". "),
        notes: Vec::new(),
        svg: drawing.with_legend(&legend),
    })
}

/// Draws one kind of work.
fn panel(rows: &[&MedianPass<'_>], names: &[String], width: u32) -> Option<Drawing> {
    let x = Scale::from_zero(rows.iter().map(|(_, turnaround, _)| *turnaround));
    draw_rows(
        width,
        names,
        x,
        "s since the first call or the upload",
        |plot| {
            for (place, (_, _, stretches)) in rows.iter().enumerate() {
                for stretch in stretches {
                    let (top, bottom) = (place as f64 + 0.2, place as f64 + 0.8);
                    let strength = if stretch.part == WAIT {
                        0.35
                    } else if stretch.light {
                        0.55
                    } else {
                        1.0
                    };
                    let fill = colour(stretch.part).mix(strength);
                    plot.bar(
                        (stretch.from, top),
                        (stretch.to, bottom),
                        fill,
                        stretch.told.clone(),
                    )?;
                }
            }
            Ok(())
        },
    )
}

/// Returns the stretches of the cell's median pass.
fn stretches<'a>(run: &'a Run, cell: &'a CellView) -> Option<MedianPass<'a>> {
    let sample = run.pipelines.iter().filter(|row| {
        row.text("cell_id") == Some(&cell.id) && row.text("counts_as") == Some("sample")
    });
    let mut passes: Vec<(f64, Row<'_>)> = sample
        .filter_map(|row| Some((row.number("turnaround_s")?, row)))
        .collect();
    passes.sort_by(|a, b| a.0.total_cmp(&b.0));
    // With every k-th row read, a pass may lack invocations: the nearest to the median that has all
    // of them serves.
    let middle = passes.len() / 2;
    let mut order: Vec<usize> = (0..passes.len()).collect();
    order.sort_by_key(|place| place.abs_diff(middle));
    order.into_iter().take(200).find_map(|place| {
        let (turnaround, pass) = passes[place];
        let stages = invocations(run, cell, pass)?;
        Some((cell, turnaround, lay_out(run, turnaround, &stages)))
    })
}

/// Returns the pass's invocation of every stage, or nothing when one is not among the rows read.
fn invocations<'a>(run: &'a Run, cell: &CellView, pass: Row<'_>) -> Option<Vec<Row<'a>>> {
    let same = |row: &Row<'_>| {
        row.text("cell_id") == Some(&cell.id)
            && row.text("counts_as") == Some("sample")
            && ["image", "deployment", "repetition", "attempt"]
                .iter()
                .all(|key| row.value(key) == pass.value(key))
    };
    let found: BTreeMap<u32, Row<'_>> = run
        .invocations
        .iter()
        .filter(same)
        .filter_map(|row| Some((row.number("stage_index")? as u32, row)))
        .collect();
    (found.len() == run.stages.len()).then(|| found.into_values().collect())
}

fn lay_out(run: &Run, turnaround: f64, stages: &[Row<'_>]) -> Vec<Stretch> {
    let mut at = 0.0;
    let mut stretches = Vec::new();
    for (index, row) in stages.iter().enumerate() {
        let stage = &run.stages[index];
        let seconds = |column: &str| row.number(column).map(|ms| ms / 1000.0);
        let (init, duration) = (
            // An environment is initialised or restored, never both.
            seconds("init_ms").or(seconds("restore_ms")).unwrap_or(0.0),
            seconds("duration_ms").unwrap_or(0.0),
        );
        // A hop's delay holds the init that the hop caused.
        let wait = match (seconds("client_ms"), seconds("trigger_delay_ms")) {
            (Some(client), _) => client - init - duration,
            (None, Some(delay)) => delay - init,
            _ => 0.0,
        };
        let s3 = seconds("s3_ms").map_or(0.0, |s3| s3.min(duration));
        let mut push = |length: f64, part: usize, light: bool, told: String| {
            if length > 0.0 {
                stretches.push(Stretch {
                    from: at,
                    to: at + length,
                    part,
                    light,
                    told,
                });
                at += length;
            }
        };
        push(
            wait,
            WAIT,
            false,
            format!("before {stage}: {} s", spelt(wait)),
        );
        push(
            init,
            INIT,
            false,
            format!("{stage}: init or restore {} s", spelt(init)),
        );
        push(
            s3,
            index % INIT,
            true,
            format!("{stage}: in S3 calls {} s", spelt(s3)),
        );
        push(
            duration - s3,
            index % INIT,
            false,
            format!("{stage}: {} s, S3 calls apart", spelt(duration - s3)),
        );
    }
    if turnaround > at {
        let rest = turnaround - at;
        stretches.push(Stretch {
            from: at,
            to: turnaround,
            part: WAIT,
            light: false,
            told: format!("rest: {} s", spelt(rest)),
        });
    }
    stretches
}
