//! Every column of every table: name, type, unit, meaning and source. Each table has a file;
//! `shared.rs` holds the columns that several have.
//!
//! The frames are built in this order and checked against it, and `outputs/README.md` is
//! [`markdown`]. Names are those of GLOSSARY.md, units end the name, and a cloud fact names its
//! OpenTelemetry attribute.

mod builds;
mod choices;
mod code;
mod column;
mod comparisons;
mod correctness;
mod correctness_comparisons;
mod costs;
mod dictionary;
mod generation;
mod invocations;
mod outputs;
mod pipelines;
mod reconciliation;
mod shared;
mod summary;

pub use builds::BUILDS;
pub use choices::CHOICES;
pub use code::CODE;
pub use column::{Column, Kind, Source, Table};
pub use comparisons::COMPARISONS;
pub use correctness::CORRECTNESS;
pub use correctness_comparisons::CORRECTNESS_COMPARISONS;
pub use costs::COSTS;
pub use dictionary::{TABLES, markdown};
pub use generation::GENERATION;
pub use invocations::INVOCATIONS;
pub use outputs::OUTPUTS;
pub use pipelines::PIPELINES;
pub use reconciliation::RECONCILIATION;
pub use summary::SUMMARY;

// For the tables' files.
use column::column;
use shared::{
    ARCHITECTURE, ATTEMPT, CELL_ID, CONCURRENCY, DEPLOYMENT, ENVIRONMENT_ROUND, IMAGE, IMAGE_SET,
    INPUT, MEMORY_MB, MODEL, NOTE, OUTPUTS_OK, PROMPT, RANK, REASON, REPETITION, RUN_ID, RUNTIME,
    SAMPLE, SNAPSTART, STAGE, STAGE_INDEX, STAGE_OR_PIPELINE, STAGE_OR_PIPELINE_INDEX, START,
    TARGET, TRIGGER, VARIANT, WARM_UP,
};
