//! A figure, and all figures of a run in reading order.

use super::canvas::{PANEL, WIDTH};
use super::{cost, memory, ratios, runtime, timeline, turnaround, waterfall};
use crate::run::Run;

/// A picture with its words.
#[derive(Clone, Debug)]
pub struct Figure {
    /// File name without extension, and anchor in the page.
    pub id: String,
    pub group: Group,
    pub title: String,
    /// How to read it, and what it leaves out.
    pub caption: String,
    /// What it shows, for who can't see it.
    pub alternative: String,
    /// What would mislead a reader of it, a sentence a kind.
    pub notes: Vec<String>,
    /// A whole SVG document, `currentColor` where the theme decides.
    pub svg: String,
}

/// Where a page puts a figure: beside its like, or across.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Runtime,
    /// Turnaround, where it goes, and cost.
    Whole,
    Compared,
    Memory,
    Wide,
}

/// Draws every figure as a page shows it: narrow enough for a phone where several stand side by
/// side, else as wide as a paper's text.
pub fn figures_of_page(run: &Run) -> Vec<Figure> {
    let (narrow, wide) = (figures_of_width(run, PANEL), figures(run));
    let choose = |(narrow, wide): (Figure, Figure)| match wide.group {
        Group::Wide => wide,
        _ => narrow,
    };
    narrow.into_iter().zip(wide).map(choose).collect()
}

/// Draws every figure that the run has data for, in reading order, as wide as a page shows them.
pub fn figures(run: &Run) -> Vec<Figure> {
    figures_of_width(run, WIDTH)
}

/// Draws every figure so many pixels wide. Letters are as large in each: of a narrow figure only
/// the room for marks is less.
pub fn figures_of_width(run: &Run, width: u32) -> Vec<Figure> {
    let mut figures = Vec::new();
    figures.extend(runtime::figures(run, width));
    figures.extend(turnaround::figure(run, width));
    figures.extend(waterfall::figure(run, width));
    figures.extend(ratios::figures(run, width));
    figures.extend(cost::figure(run, width));
    figures.extend(memory::figures(run, width));
    figures.extend(timeline::figure(run, width));
    figures
}
