//! Where the code of a generated variant comes from, and whether it is still what the model
//! answered.
//!
//! Written by `generate`, held against the code by `project` whenever a manifest names the variant.
//! Asks no model.

mod answers;
mod unedited;

pub use answers::{Ask, PROVENANCE, Provenance, REQUIREMENTS, Stopped, hash};
pub use unedited::{asks, edits};
