//! Takes handlers that exist in as a variant: copied as they are, understood by reading them,
//! adapted by data.
//!
//! A folder of Python files → `functions/<variant>/` with the same bytes and a `variant.toml` that
//! says which handler serves which stage, what its environment holds, what it is called with and
//! where its output lands. What reading does not show is asked for; what can't be had without
//! editing the code is refused with its line.

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
pub use request::Request;
