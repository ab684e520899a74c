//! A run's tables → one self-contained HTML page, and its figures as SVG, PNG and PDF; several
//! runs' tables → one page side by side.
//!
//! [`Run`] is read from the Parquet files, so the report shows exactly what the tables hold;
//! [`figures`] and [`html`] use it. Computes no statistic: it shows those of `summary`,
//! `comparisons`, `costs` and `choices`. Knows no cloud.

mod answer;
mod charts;
mod choices;
mod correctness;
mod kinds;
mod matrix;
mod methods;
mod models;
mod noise;
mod notes;
mod number;
mod page;
mod pairs;
pub mod paper;
mod pdf;
mod run;
mod several;
mod tables;
mod unlike;
mod verdict;

pub use answer::claimed;
pub use charts::{Figure, figures, figures_of_width};
pub use number::figure;
pub use page::html;
pub use run::{CellView, Run};
pub use several::several;
