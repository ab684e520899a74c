//! Journals in, Parquet tables and the terminal's summary out, read back with Polars.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_wrap,
    reason = "a test may panic, and counts few rows"
)]

mod between;
mod choices;
mod comparisons;
mod correctness;
mod costs;
mod counting;
mod everything;
mod files;
mod journal;
mod models;
mod outputs;
mod poor;
mod run;
mod statistics;
mod turnaround;
mod verify;
mod witnesses;

use comparisons::comparison;
use everything::everything;
use run::{Run, float, integer, rows, text, texts};
