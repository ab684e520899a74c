//! Cost against turnaround: which cells no other beats on both, and how memory moves a variant.

use std::collections::BTreeMap;

use plotters::prelude::*;

use super::Figure;
use super::canvas::{Axes, colour, draw, upper, with_legend};
use super::runtime::marked;
use crate::number::figure as spelt;
use crate::run::{CellView, PIPELINE, Run};

struct Place<'a> {
    cell: &'a CellView,
    cost: f64,
    turnaround: f64,
    on_front: bool,
}

/// Draws cost over turnaround where there is more than one cell to choose from.
pub fn figure(run: &Run) -> Option<Figure> {
    let mut places: Vec<Place<'_>> = run
        .measured()
        .filter_map(|cell| {
            let turnaround = run.stat(cell, PIPELINE, "turnaround_s")?.mean;
            let cost = run.stat(cell, PIPELINE, "cost_usd_per_100k")?.mean;
            Some(Place { cell, cost, turnaround, on_front: false })
        })
        .collect();
    if places.len() < 2 {
        return None;
    }
    let right = |place: &Place<'_>| place.cell.outputs_ok == Some(true);
    let front: Vec<bool> =
        places.iter().map(|of| right(of) && !places.iter().any(|other| right(other) && beats(other, of))).collect();
    for (place, on_front) in places.iter_mut().zip(front) {
        place.on_front = on_front;
    }
    let several_sizes = by_memory(&places).values().any(|line| line.len() > 1);
    let axes = Axes {
        x: 0.0..upper(places.iter().map(|place| place.turnaround)) * 1.08,
        y: 0.0..upper(places.iter().map(|place| place.cost)) * 1.05,
        x_title: "mean turnaround, s",
        y_title: "USD per 100,000 images",
        height: 360,
    };
    let svg = draw(&axes, |plot| {
        for line in by_memory(&places).values().filter(|line| line.len() > 1) {
            let ink = colour(line[0].cell.colour).mix(0.6).stroke_width(2);
            plot.chart.draw_series([PathElement::new(
                line.iter().map(|p| (p.turnaround, p.cost)).collect::<Vec<_>>(),
                ink,
            )])?;
        }
        for place in &places {
            let (at, ink) = ((place.turnaround, place.cost), colour(place.cell.colour));
            plot.chart.draw_series([Circle::new(at, 5, ink.filled())])?;
            if place.on_front {
                plot.chart.draw_series([Circle::new(at, 8, BLACK.stroke_width(2))])?;
            }
            if several_sizes {
                let memory = format!("{} MB", place.cell.cell.memory_mb);
                plot.label(at, (10, -8), memory)?;
            }
            plot.tell(at, 10, told(place));
        }
        Ok(())
    })?;
    let mut legend: Vec<(RGBColor, String)> = Vec::new();
    for place in &places {
        let entry = (colour(place.cell.colour), place.cell.cell.variant.clone());
        if !legend.contains(&entry) {
            legend.push(entry);
        }
    }
    Some(Figure {
        id: "cost-turnaround".into(),
        title: "Cost against turnaround".into(),
        caption: "Each dot is a cell; a line joins one variant's memory sizes. Ringed: the Pareto front, cells whose outputs \
                  are right and that no other right one beats in both means. Neighbours may differ by noise alone: see the \
                  intervals in the tables."
            .into(),
        alternative: places.iter().map(told).collect::<Vec<_>>().join(". "),
        svg: with_legend(&svg, &legend),
    })
}

/// Whether `a` is at least as good as `b` in both and better in one.
fn beats(a: &Place<'_>, b: &Place<'_>) -> bool {
    a.cost <= b.cost && a.turnaround <= b.turnaround && (a.cost < b.cost || a.turnaround < b.turnaround)
}

fn told(place: &Place<'_>) -> String {
    format!(
        "{}: {} s, ${} per 100,000 images{}",
        marked(place.cell),
        spelt(place.turnaround),
        spelt(place.cost),
        if place.on_front { ", on the Pareto front" } else { "" }
    )
}

/// Returns places that differ in memory only, smallest first.
fn by_memory<'p>(places: &'p [Place<'p>]) -> BTreeMap<String, Vec<&'p Place<'p>>> {
    let mut lines: BTreeMap<String, Vec<&Place<'_>>> = BTreeMap::new();
    for place in places {
        let mut of = place.cell.cell.clone();
        of.memory_mb = 0;
        lines.entry(of.id().to_string()).or_default().push(place);
    }
    for line in lines.values_mut() {
        line.sort_by_key(|place| place.cell.cell.memory_mb);
    }
    lines
}
