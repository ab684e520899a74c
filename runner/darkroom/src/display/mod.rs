//! The only modules that print.

pub mod changes;
pub mod diagnostics;
mod numbers;
pub mod plan;
pub mod progress;
mod streams;
pub mod terminal;
pub mod verdicts;
mod working;

pub use numbers::{count, thousands};
pub use streams::{answer, answer_json, answer_lines, answer_text_json, colours, note, width};
