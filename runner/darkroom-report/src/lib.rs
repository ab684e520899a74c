//! A run's tables → one self-contained HTML page, and its figures as SVG and PNG.
//!
//! [`Run`] (read from the Parquet files, so that whatever stands in the report stands in the tables) → [`figures`] and
//! [`html`]. Computes no statistic: it shows those of `summary`, `comparisons` and `costs`. Knows no cloud.

mod answer;
mod charts;
mod methods;
mod number;
mod page;
mod png;
mod run;

pub use charts::{Figure, figures};
pub use number::figure;
pub use page::html;
pub use png::png;
pub use run::{CellView, Run};
