//! The manifest: what to compare, how often, where.
//!
//! TOML text → [`Manifest`], or every mistake in it, each with its place in the text. The doc
//! comments of the types are the descriptions in the JSON Schema, and their attributes are its
//! rules. The text is checked with the same schema, so an editor and `darkroom validate` agree.
//! `validate` holds rules that need more than one value.

mod brackets;
mod check;
mod defaults;
mod entries;
mod generation;
mod keys;
mod known;
mod mistake;
mod schema;
mod set;
mod spelling;
mod tree;
mod validate;

pub use self::generation::{Declared, Generation, ModelEntry, PYTHON, generate_command, is_name};
pub use self::keys::{
    Budget, Cloud, Experiment, Lanes, Levels, Manifest, Matrix, Order, Output, Repetitions,
    Schedule, StoppingMetric, TargetKeys, Until,
};
pub use self::known::{Fault, Known, KnownImageSet, KnownPipeline, KnownVariant, Unusable};
pub use self::mistake::{InvalidManifest, Mistake, nearest};
pub use self::schema::schema_text;
pub use self::set::Override;
pub use self::spelling::mentions;
pub use self::validate::{MAX_CELLS, mentioned, validate, validate_declared, validate_made};

#[cfg(test)]
pub(crate) mod tests;
