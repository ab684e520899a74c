//! The figures of a report: what each shows, in words too, and which runs have it.
//!
//! Axes and marks are drawn by plotters; what it lacks (values on hover, colours that follow the
//! page's theme, a text alternative) is added to its SVG by [`canvas`].

mod beside;
mod canvas;
mod cost;
mod figure;
mod memory;
mod panels;
mod ratios;
mod runtime;
mod scale;
mod timeline;
mod turnaround;
mod waterfall;

pub use beside::{IntervalLine, side_by_side};
pub use canvas::{WIDTH as PAGE_PIXELS, escape};
pub use figure::{Figure, Group, figures, figures_of_page, figures_of_width};
pub use memory::family;
pub use ratios::{in_words, p_text};
pub use runtime::marked;
