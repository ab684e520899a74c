//! Distribution of turnaround: the share of passes that ended within a given time, a panel a kind of
//! work.

use plotters::prelude::*;

use super::Figure;
use super::canvas::{Axes, COLOURS, Drawing, colour, draw};
use super::figure::Group;
use super::panels::by_kind;
use super::runtime::marked;
use super::scale::Scale;
use crate::notes::sentences;
use crate::number::figure as spelt;
use crate::run::{CellView, PIPELINE, Run};

/// A cell with its turnarounds, in ascending order, s.
type Sample<'a> = (&'a CellView, Vec<f64>);

/// Draws the empirical distribution function of every cell's turnaround. A panel has at most as
/// many cells as there are colours.
pub fn figure(run: &Run, width: u32) -> Option<Figure> {
    let cells = turnarounds(run);
    let drawing = by_kind(
        &cells,
        |sample| sample.0,
        |cells, names| panels(run, cells, names, width),
    )?;
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
        id: "turnaround".into(),
        group: Group::Whole,
        title: "Pipeline turnaround".into(),
        caption:
            "Share of passes that ended within so many seconds, by the runner's own clock. Steps \
             are images of different size."
                .into(),
        alternative: words.collect::<Vec<_>>().join(". "),
        notes: sentences(run, PIPELINE, |_| "turnaround_s"),
        svg: drawing.svg(),
    })
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

/// Draws one kind of work, in several panels where it has more cells than there are colours.
fn panels(run: &Run, cells: &[&Sample<'_>], names: &[String], width: u32) -> Option<Drawing> {
    let chunks = cells.chunks(COLOURS.len()).zip(names.chunks(COLOURS.len()));
    Drawing::stacked(
        chunks.filter_map(|(cells, names)| Some((None, panel(run, cells, names, width)?))),
    )
}

fn panel(run: &Run, cells: &[&Sample<'_>], names: &[String], width: u32) -> Option<Drawing> {
    let means = cells
        .iter()
        .filter_map(|(cell, _)| Some(run.stat(cell, PIPELINE, "turnaround_s")?.mean));
    let axes = Axes {
        width,
        x: Scale::of_levels(
            &means.collect::<Vec<f64>>(),
            cells.iter().flat_map(|(_, values)| values.iter().copied()),
        ),
        y: Scale::linear(0.0, 1.0),
        x_title: "turnaround, s",
        y_title: "share of passes",
        height: 260,
    };
    let mut unnamed = 0;
    let drawing = draw(&axes, |plot| {
        let (mut ends, mut lines) = (Vec::new(), Vec::new());
        for ((cell, values), name) in cells.iter().zip(names) {
            let steps = steps(values);
            lines.extend(steps.windows(2).map(|ends| [ends[0], ends[1]]));
            plot.chart
                .draw_series([PathElement::new(steps, colour(cell.colour).stroke_width(2))])?;
            for share in [0.1, 0.25, 0.5, 0.75, 0.9] {
                let value = values[((values.len() as f64 * share) as usize).min(values.len() - 1)];
                let text = format!(
                    "{name}: {:.0}% of passes within {} s",
                    share * 100.0,
                    spelt(value)
                );
                plot.tell((value, share), 9, text);
            }
            ends.push((values[values.len() / 2], 0.5));
        }
        unnamed = plot.name_all(&ends, names, &lines)?;
        Ok(())
    })?;
    Some(if unnamed == 0 {
        drawing
    } else {
        drawing.under(&legend(cells, names))
    })
}

/// Explains colours where not every name has room beside its line.
fn legend(cells: &[&Sample<'_>], names: &[String]) -> Vec<(RGBColor, String)> {
    let entry = |((cell, _), name): (&&Sample<'_>, &String)| (colour(cell.colour), name.clone());
    cells.iter().zip(names).map(entry).collect()
}

/// The corners of the distribution function of these values, in ascending order.
fn steps(values: &[f64]) -> Vec<(f64, f64)> {
    let n = values.len() as f64;
    let mut steps = vec![(values[0], 0.0)];
    for (rank, &value) in values.iter().enumerate() {
        steps.push((value, rank as f64 / n));
        steps.push((value, (rank + 1) as f64 / n));
    }
    steps
}
