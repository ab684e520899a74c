//! How many of each model's samples are right, before any time is told: rates, outcomes, failures
//! with the code that did it, and what a right pipeline took.
//!
//! A run's tables `correctness`, `correctness_comparisons` and `generation` → a section of the page.
//! Decides and computes nothing. Names, messages and code of models are hostile text: everything is
//! escaped.

mod code;
mod effort;
mod failures;
mod matrix;
mod outcomes;
mod section;

pub use failures::pictured;
pub use section::{section, sentences};
