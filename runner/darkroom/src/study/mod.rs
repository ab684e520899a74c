//! A new study folder: what it holds, and writing it. `darkroom init` asks.
//!
//! A template and a folder → a plan of files, or why the folder can't take them; then the files on
//! disk. Every file is one of this repository, embedded by the compiler: there is no second copy
//! that could differ.

mod files;
mod place;

pub use files::{File, Template, files, rust_sources};
pub use place::{Plan, StudyError, plan, write};
