//! Distribution of turnaround: which share of passes was over within how long.

use plotters::prelude::*;

use super::Figure;
use super::canvas::{Axes, colour, draw, upper, with_legend};
use super::runtime::marked;
use crate::number::figure as spelt;
use crate::run::{CellView, PIPELINE, Run};

/// Returns the turnarounds of every cell that has some, in ascending order, s.
fn turnarounds<'a>(run: &'a Run) -> Vec<(&'a CellView, Vec<f64>)> {
    let of = |cell: &'a CellView| {
        let rows = run.pipelines.iter().filter(|row| row.text("cell_id") == Some(&cell.id));
        let sample = rows.filter(|row| row.text("counts_as") == Some("sample"));
        let mut values: Vec<f64> = sample.filter_map(|row| row.number("turnaround_s")).collect();
        values.sort_by(f64::total_cmp);
        (!values.is_empty()).then_some((cell, values))
    };
    run.measured().filter_map(of).collect()
}

/// Draws the empirical distribution function of every cell's turnaround.
pub fn figure(run: &Run) -> Option<Figure> {
    let cells = turnarounds(run);
    let most = upper(cells.iter().flat_map(|(_, values)| values.iter().copied()));
    if cells.is_empty() {
        return None;
    }
    let axes = Axes { x: 0.0..most, y: 0.0..1.0, x_title: "turnaround, s", y_title: "share of passes", height: 330 };
    let svg = draw(&axes, |plot| {
        for (place, (cell, values)) in cells.iter().enumerate() {
            let n = values.len() as f64;
            let mut steps = vec![(values[0], 0.0)];
            for (rank, &value) in values.iter().enumerate() {
                steps.push((value, rank as f64 / n));
                steps.push((value, (rank + 1) as f64 / n));
            }
            plot.chart.draw_series([PathElement::new(steps, colour(place).stroke_width(2))])?;
            for share in [0.1, 0.25, 0.5, 0.75, 0.9] {
                let value = values[((n * share) as usize).min(values.len() - 1)];
                let text = format!("{}: {:.0}% of passes within {} s", marked(cell), share * 100.0, spelt(value));
                plot.tell((value, share), 9, text);
            }
        }
        Ok(())
    })?;
    let legend: Vec<_> = cells.iter().enumerate().map(|(place, (cell, _))| (colour(place), marked(cell))).collect();
    let words = cells.iter().filter_map(|(cell, _)| {
        let stat = run.stat(cell, PIPELINE, "turnaround_s")?;
        Some(format!("{}: median {} s, mean {} s, n = {}", marked(cell), spelt(stat.p50), spelt(stat.mean), stat.n))
    });
    Some(Figure {
        id: "turnaround".into(),
        title: "Pipeline turnaround".into(),
        caption:
            "Share of passes that were over within so many seconds, by the runner's own clock. Steps are images of \
                  different size."
                .into(),
        alternative: words.collect::<Vec<_>>().join(". "),
        svg: with_legend(&svg, &legend),
    })
}
