//! The run over time: every pass in the order it was made; drift, cold starts and failures stand
//! out.

use plotters::prelude::*;

use super::Figure;
use super::canvas::{Axes, colour, draw};
use super::figure::Group;
use super::scale::Scale;
use crate::kinds::kinds;
use crate::number::{count, figure as spelt};
use crate::run::Run;

/// Invocations drawn at most, failures apart.
const POINTS: usize = 3_000;

struct Dot {
    minute: f64,
    ms: f64,
    variant: usize,
    kind: DotKind,
    told: String,
}

#[derive(PartialEq, Clone, Copy)]
enum DotKind {
    Counts,
    Cold,
    /// Warm-ups, repeated and superseded attempts.
    Other,
    Failed,
}

/// Draws duration of every invocation over the time of the run.
pub fn figure(run: &Run, width: u32) -> Option<Figure> {
    let first = run
        .invocations
        .iter()
        .filter_map(|row| row.time_ms("started_at"))
        .min()?;
    let every = run.invocations.rows.len().div_ceil(POINTS).max(1);
    let dots: Vec<Dot> = run
        .invocations
        .iter()
        .enumerate()
        // Failures are few, and are what one looks for here.
        .filter(|(index, row)| index % every == 0 || row.text("status") != Some("ok"))
        .filter_map(|(_, row)| {
            let cell = run.cell(row.text("cell_id")?)?;
            let ms = row
                .number("cold_total_ms")
                .or(row.number("duration_ms"))
                .or(row.number("client_ms"))
                .unwrap_or(0.0);
            let kind = match (row.text("status"), row.truth("cold"), row.text("counts_as")) {
                (Some("ok"), Some(true), _) => DotKind::Cold,
                (Some("ok"), _, Some("sample")) => DotKind::Counts,
                (Some("ok"), ..) => DotKind::Other,
                _ => DotKind::Failed,
            };
            let told = format!(
                "{} {}: {} ms, {}{}",
                cell.label,
                row.text("stage")?,
                spelt(ms),
                row.text("counts_as").unwrap_or("?"),
                row.text("error_type")
                    .map(|error| format!(", {error}"))
                    .unwrap_or_default()
            );
            let minute = (row.time_ms("started_at")? - first) as f64 / 60_000.0;
            Some(Dot {
                minute,
                ms,
                variant: cell.colour,
                kind,
                told,
            })
        })
        .collect();
    let axes = Axes {
        width,
        x: Scale::from_zero(dots.iter().map(|dot| dot.minute)),
        y: scale(run, &dots),
        x_title: "minutes since the first invocation",
        y_title: "ms",
        height: 330,
    };
    let drawing = draw(&axes, |plot| {
        for dot in &dots {
            let (at, ink) = ((dot.minute, dot.ms), colour(dot.variant));
            match dot.kind {
                DotKind::Counts => plot
                    .chart
                    .draw_series([Circle::new(at, 2, ink.mix(0.6).filled())])
                    .map(|_| ())?,
                DotKind::Other => plot
                    .chart
                    .draw_series([Circle::new(at, 2, ink.mix(0.5))])
                    .map(|_| ())?,
                DotKind::Cold => plot
                    .chart
                    .draw_series([TriangleMarker::new(at, 4, ink.filled())])
                    .map(|_| ())?,
                DotKind::Failed => plot
                    .chart
                    .draw_series([Cross::new(at, 5, BLACK.stroke_width(2))])
                    .map(|_| ())?,
            }
            plot.tell(at, 3, dot.told.clone());
        }
        Ok(())
    })?;
    let mut legend: Vec<(RGBColor, String)> = Vec::new();
    for cell in run.measured() {
        let entry = (colour(cell.colour), cell.cell.variant.clone());
        if !legend.contains(&entry) {
            legend.push(entry);
        }
    }
    let (cold, failed) = (tally(&dots, DotKind::Cold), tally(&dots, DotKind::Failed));
    let thinned = if dots.len() < run.invocations.of {
        let failures = if run.invocations.rows.len() < run.invocations.of {
            "not every failure is drawn; the tables count all"
        } else {
            "every failure is drawn"
        };
        format!(
            " {} of {} invocations are drawn, {failures}.",
            dots.len(),
            run.invocations.of
        )
    } else {
        String::new()
    };
    Some(Figure {
        id: "timeline".into(),
        group: Group::Wide,
        title: "The run over time".into(),
        caption: format!(
            "Every invocation by its start: dots are counted, rings are not (warm-ups, repeated \
             attempts), triangles are cold starts (init + duration), crosses failed. A slope or \
             a step is drift.{thinned}"
        ),
        alternative: format!(
            "{} over {} minutes, {} and {}",
            count(dots.len(), "invocation"),
            spelt(dots.iter().map(|dot| dot.minute).fold(0.0, f64::max)),
            count(cold, "cold start"),
            count(failed, "failure")
        ),
        notes: Vec::new(),
        svg: drawing.with_legend(&legend),
    })
}

/// Durations of several kinds of work (warm and cold) are told apart on a logarithmic axis only.
fn scale(run: &Run, dots: &[Dot]) -> Scale {
    let of_dots = || dots.iter().map(|dot| dot.ms);
    if kinds(run.measured(), |cell| &cell.cell).len() > 1 {
        return Scale::logarithmic(of_dots());
    }
    let mean = |cell, stage| Some(run.stat(cell, stage, Run::time_metric(cell))?.mean);
    let means = run
        .measured()
        .flat_map(|cell| run.stages.iter().filter_map(move |stage| mean(cell, stage)));
    Scale::of_levels(&means.collect::<Vec<f64>>(), of_dots())
}

fn tally(dots: &[Dot], kind: DotKind) -> usize {
    dots.iter().filter(|dot| dot.kind == kind).count()
}
