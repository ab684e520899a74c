//! Runtime of every stage: raw points, mean and its interval, one row a cell, one panel a kind of
//! work.

use plotters::prelude::*;

use super::Figure;
use super::canvas::{Drawing, colour, draw_rows};
use super::figure::Group;
use super::panels::by_kind;
use super::scale::Scale;
use crate::notes::sentences;
use crate::number::{count, figure, interval};
use crate::run::{CellView, Run, Stat};

/// Raw points drawn of one cell and stage at most.
const POINTS: usize = 240;

/// Returns one figure a stage.
pub fn figures(run: &Run, width: u32) -> Vec<Figure> {
    run.stages
        .iter()
        .filter_map(|stage| of_stage(run, stage, width))
        .collect()
}

/// A cell with its row of `summary` and some of its values.
type Sample<'a> = (&'a CellView, Stat, Vec<f64>);

fn of_stage(run: &Run, stage: &str, width: u32) -> Option<Figure> {
    let rows: Vec<Sample<'_>> = run
        .measured()
        .filter_map(|cell| {
            let metric = Run::time_metric(cell);
            Some((
                cell,
                run.stat(cell, stage, metric)?,
                points(run, cell, stage, metric),
            ))
        })
        .collect();
    let drawing = by_kind(&rows, |row| row.0, |rows, names| panel(rows, names, width))?;
    let cold = rows
        .iter()
        .any(|(cell, ..)| Run::time_metric(cell) == "cold_total_ms");
    let restored = rows.iter().any(|(cell, ..)| cell.cell.snapstart.is_on());
    Some(Figure {
        id: format!("runtime-{stage}"),
        group: Group::Runtime,
        title: format!("Runtime of {stage}"),
        caption: format!(
            "{} of each invocation (coloured), the mean and its 95% interval (dot and bar).{}",
            if run.imported().is_some() {
                "The imported duration"
            } else {
                "Lambda's own duration"
            },
            match (cold, restored) {
                (true, false) => " Cold cells: init + duration.",
                (true, true) => " Cold cells: init + duration; with SnapStart, restore + duration.",
                (false, _) => "",
            }
        ),
        alternative: rows
            .iter()
            .map(|(cell, stat, _)| runtime_in_words(cell, stat))
            .collect::<Vec<_>>()
            .join(". "),
        notes: sentences(run, stage, Run::time_metric),
        svg: drawing.svg(),
    })
}

fn panel(rows: &[&Sample<'_>], names: &[String], width: u32) -> Option<Drawing> {
    let means: Vec<f64> = rows.iter().map(|(_, stat, _)| stat.mean).collect();
    let all = rows.iter().flat_map(|(_, stat, points)| {
        let (low, high) = stat.ci.unwrap_or((stat.mean, stat.mean));
        points.iter().copied().chain([low, high])
    });
    let x = Scale::of_levels(&means, all);
    draw_rows(width, names, x, "ms", |plot| {
        for (row, (cell, stat, points)) in rows.iter().enumerate() {
            let (y, ink) = (row as f64 + 0.5, colour(cell.colour));
            for (place, &x) in points.iter().enumerate() {
                let jitter = (place % 7) as f64 / 7.0 * 0.5 - 0.25;
                plot.chart.draw_series([Circle::new(
                    (x, y + jitter),
                    2,
                    ink.mix(0.45).filled(),
                )])?;
            }
            let (low, high) = stat.ci.unwrap_or((stat.mean, stat.mean));
            plot.whisker((low, stat.mean, high), y, BLACK.stroke_width(2))?;
            plot.tell_within(
                (x.start(), row as f64),
                (x.end(), row as f64 + 1.0),
                runtime_in_words(cell, stat),
            );
        }
        Ok(())
    })
}

fn runtime_in_words(cell: &CellView, stat: &Stat) -> String {
    format!(
        "{}: mean {} ms {}, SD {}, CV {}, median {}, n = {}{}",
        marked(cell),
        figure(stat.mean),
        interval(stat.ci),
        stat.sd.map_or("–".into(), figure),
        stat.cv
            .map_or("–".into(), |cv| format!("{:.1}%", cv * 100.0)),
        figure(stat.p50),
        stat.n,
        if stat.n_failed > 0 {
            format!(", {} failed", count(stat.n_failed, "invocation"))
        } else {
            String::new()
        }
    )
}

/// A cell's label, with a word where its numbers are not those of right work.
pub fn marked(cell: &CellView) -> String {
    format!("{}{}", cell.label, cell.mark())
}

fn points(run: &Run, cell: &CellView, stage: &str, metric: &str) -> Vec<f64> {
    let of = run.invocations.iter().filter(|row| {
        row.text("cell_id") == Some(&cell.id)
            && row.text("stage") == Some(stage)
            && row.text("counts_as") == Some("sample")
    });
    let all: Vec<f64> = of.filter_map(|row| row.number(metric)).collect();
    let every = all.len().div_ceil(POINTS).max(1);
    all.into_iter().step_by(every).collect()
}
