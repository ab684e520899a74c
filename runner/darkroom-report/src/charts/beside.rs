//! Means of several runs, one row a cell and run.

use plotters::prelude::*;

use super::Figure;
use super::canvas::{WIDTH, colour, draw_rows};
use super::figure::Group;
use super::scale::Scale;
use crate::number::{figure as spelt, interval};
use crate::run::Stat;

/// Rows that one figure can hold; the rest is in the tables.
const ROWS: usize = 48;

/// One cell of one run.
pub struct IntervalLine {
    pub label: String,
    /// Place of the run.
    pub colour: usize,
    pub stat: Stat,
}

/// Draws means and their 95% intervals; nothing when there are none.
pub fn side_by_side(id: &str, title: &str, unit: &str, lines: &[IntervalLine]) -> Option<Figure> {
    let left_out = lines.len().saturating_sub(ROWS);
    let lines = &lines[..lines.len().min(ROWS)];
    if lines.is_empty() {
        return None;
    }
    let labels: Vec<String> = lines.iter().map(|line| line.label.clone()).collect();
    let bounds = |stat: &Stat| stat.ci.unwrap_or((stat.mean, stat.mean));
    let means: Vec<f64> = lines.iter().map(|line| line.stat.mean).collect();
    let ends = lines
        .iter()
        .flat_map(|line| <[f64; 2]>::from(bounds(&line.stat)));
    let x = Scale::of_levels(&means, ends);
    let told = |line: &IntervalLine| {
        format!(
            "{}: mean {} {unit} {}, n = {}",
            line.label,
            spelt(line.stat.mean),
            interval(line.stat.ci),
            line.stat.n
        )
    };
    let drawing = draw_rows(WIDTH, &labels, x, unit, |plot| {
        for (row, line) in lines.iter().enumerate() {
            let (low, high) = bounds(&line.stat);
            plot.whisker(
                (low, line.stat.mean, high),
                row as f64 + 0.5,
                colour(line.colour).stroke_width(2),
            )?;
            plot.tell_within(
                (x.start(), row as f64),
                (x.end(), row as f64 + 1.0),
                told(line),
            );
        }
        Ok(())
    })?;
    let more = if left_out == 0 {
        String::new()
    } else {
        format!(" {left_out} more are in the runs' own reports.")
    };
    Some(Figure {
        id: id.into(),
        group: Group::Wide,
        title: title.into(),
        caption: format!("Mean and its 95% interval in each run.{more}"),
        alternative: lines.iter().map(told).collect::<Vec<_>>().join(". "),
        notes: Vec::new(),
        svg: drawing.svg(),
    })
}
