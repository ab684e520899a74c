//! Where a generated variant's code comes from, and whether it is still what the model answered.
//!
//! `generate` writes it; `project` compares it with the code whenever a manifest names the variant.
//! Asks no model.

mod answers;
mod asked;
mod unedited;

pub use answers::{Answered, Ask, PROVENANCE, Provenance, REQUIREMENTS, Stopped, hash};
pub use asked::asked;
pub use unedited::{asks, edits};
