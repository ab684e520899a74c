//! Means of several runs, one row a cell and run.

use plotters::prelude::*;

use super::Figure;
use super::canvas::{WIDTH, colour, draw_rows, upper};
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
    let most = upper(lines.iter().map(|line| bounds(&line.stat).1));
    let told = |line: &IntervalLine| {
        format!(
            "{}: mean {} {unit} {}, n = {}",
            line.label,
            spelt(line.stat.mean),
            interval(line.stat.ci),
            line.stat.n
        )
    };
    let drawing = draw_rows(WIDTH, &labels, 0.0..most, unit, |plot| {
        for (row, line) in lines.iter().enumerate() {
            let (low, high) = bounds(&line.stat);
            plot.whisker(
                (low, line.stat.mean, high),
                row as f64 + 0.5,
                colour(line.colour).stroke_width(2),
            )?;
            plot.tell_within((0.0, row as f64), (most, row as f64 + 1.0), told(line));
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
        title: title.into(),
        caption: format!("Mean and its 95% interval in each run.{more}"),
        alternative: lines.iter().map(told).collect::<Vec<_>>().join(". "),
        notes: Vec::new(),
        svg: drawing.svg(),
    })
}
