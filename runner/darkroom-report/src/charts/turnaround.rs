//! Distribution of turnaround: the share of passes that ended within a given time.

use plotters::prelude::*;

use super::Figure;
use super::canvas::{Axes, COLOURS, colour, draw, upper};
use super::runtime::marked;
use crate::notes::sentences;
use crate::number::figure as spelt;
use crate::run::{CellView, PIPELINE, Run};

/// A cell with its turnarounds, in ascending order, s.
type Sample<'a> = (&'a CellView, Vec<f64>);

/// Draws the empirical distribution function of every cell's turnaround; where there are more cells
/// than colours, one figure a variant.
pub fn figures(run: &Run, width: u32) -> Vec<Figure> {
    let cells = turnarounds(run);
    let most = upper(cells.iter().flat_map(|(_, values)| values.iter().copied()));
    let mut groups: Vec<(Option<&str>, Vec<Sample<'_>>)> = Vec::new();
    let apart = cells.len() > COLOURS.len();
    for sample in cells {
        let group = apart.then_some(sample.0.cell.variant.as_str());
        match groups
            .iter_mut()
            .find(|(of, members)| *of == group && members.len() < COLOURS.len())
        {
            Some((_, members)) => members.push(sample),
            None => groups.push((group, vec![sample])),
        }
    }
    let numbered = groups.iter().enumerate();
    let mut figures: Vec<Figure> = numbered
        .filter_map(|(place, (variant, cells))| {
            of_cells(run, place, *variant, cells, (most, width))
        })
        .collect();
    if let Some(first) = figures.first_mut() {
        first.notes = sentences(run, PIPELINE, |_| "turnaround_s");
    }
    figures
}

fn turnarounds<'a>(run: &'a Run) -> Vec<Sample<'a>> {
    let of = |cell: &'a CellView| {
        let rows = run
            .pipelines
            .iter()
            .filter(|row| row.text("cell_id") == Some(&cell.id));
        let sample = rows.filter(|row| row.text("counts_as") == Some("sample"));
        let mut values: Vec<f64> = sample
            .filter_map(|row| row.number("turnaround_s"))
            .collect();
        values.sort_by(f64::total_cmp);
        (!values.is_empty()).then_some((cell, values))
    };
    run.measured().filter_map(of).collect()
}

fn of_cells(
    run: &Run,
    place: usize,
    variant: Option<&str>,
    cells: &[Sample<'_>],
    (most, width): (f64, u32),
) -> Option<Figure> {
    let (x_title, y_title) = ("turnaround, s", "share of passes");
    let axes = Axes {
        width,
        x: 0.0..most,
        y: 0.0..1.0,
        x_title,
        y_title,
        height: 330,
    };
    let drawing = draw(&axes, |plot| {
        for (place, (cell, values)) in cells.iter().enumerate() {
            let n = values.len() as f64;
            let mut steps = vec![(values[0], 0.0)];
            for (rank, &value) in values.iter().enumerate() {
                steps.push((value, rank as f64 / n));
                steps.push((value, (rank + 1) as f64 / n));
            }
            plot.chart
                .draw_series([PathElement::new(steps, colour(place).stroke_width(2))])?;
            for share in [0.1, 0.25, 0.5, 0.75, 0.9] {
                let value = values[((n * share) as usize).min(values.len() - 1)];
                let text = format!(
                    "{}: {:.0}% of passes within {} s",
                    marked(cell),
                    share * 100.0,
                    spelt(value)
                );
                plot.tell((value, share), 9, text);
            }
        }
        Ok(())
    })?;
    let legend: Vec<_> = cells
        .iter()
        .enumerate()
        .map(|(place, (cell, _))| (colour(place), marked(cell)))
        .collect();
    let words = cells.iter().filter_map(|(cell, _)| {
        let stat = run.stat(cell, PIPELINE, "turnaround_s")?;
        Some(format!(
            "{}: median {} s, mean {} s, n = {}",
            marked(cell),
            spelt(stat.p50),
            spelt(stat.mean),
            stat.n
        ))
    });
    Some(Figure {
        id: if place == 0 {
            "turnaround".into()
        } else {
            format!("turnaround-{}", place + 1)
        },
        title: variant.map_or("Pipeline turnaround".into(), |variant| {
            format!("Pipeline turnaround: {variant}")
        }),
        caption:
            "Share of passes that ended within so many seconds, by the runner's own clock. Steps \
             are images of different size."
                .into(),
        alternative: words.collect::<Vec<_>>().join(". "),
        notes: Vec::new(),
        svg: drawing.with_legend(&legend),
    })
}
