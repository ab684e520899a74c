//! A new study folder: what it holds, and how it is written. `darkroom init` uses it.
//!
//! A template and a folder → a plan of files, or why the folder cannot take them; then the files on
//! disk. The compiler embeds every file from this repository, so there is no second copy that could
//! differ.

mod files;
mod place;
mod stamp;

pub use files::{StudyFile, Template, files, rust_sources};
pub use place::{StudyError, StudyPlan, plan, write};
pub use stamp::{STAMP, by_a_newer, differences};
