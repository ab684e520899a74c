//! How many of a model's samples are right, by stage and as a whole pipeline; which models differ
//! in it; and what every answer came to.
//!
//! `seen` reads what became of every sample; `rows`, `pairs` and `generation` are the tables
//! `correctness`, `correctness_comparisons` and `generation`. Knows no times of measured calls.

mod evidence;
mod generation;
mod pairs;
mod rows;
mod seen;

pub use evidence::evidence;
pub use generation::generation_frame;
pub use pairs::{RatePair, pair_frame, rate_pairs};
pub use rows::{CorrectnessRow, correctness_frame, correctness_rows};
pub use seen::{Author, Repairs, author_name, of_models, with_repair};
