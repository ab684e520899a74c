//! Imports existing handlers as a variant: copies them unchanged, reads their code, and describes
//! them by data.
//!
//! A folder of Python files → `functions/<variant>/` with the same bytes and a `variant.toml` that
//! says which handler serves which stage, its environment, its event and where its output goes. It
//! asks for what the code does not show, and refuses, with the line, what would need an edit of the
//! code.

mod decision;
mod error;
mod folder;
mod habits;
mod mapping;
mod plan;
mod request;
mod requirements;
mod scan;
mod stages;

pub use decision::{Import, Serves, page, write};
pub use error::ImportError;
pub use habits::Said;
pub use plan::plan;
pub use request::ImportRequest;
