//! Measures the source code: lines, imports, complexity, lints. Runs none of it.
//!
//! Packaging requests → [`CodeExamined`](darkroom_core::event::CodeExamined) facts, one per stage
//! of a Python variant, one for a whole Cargo project. Lines and imports of Python come from
//! Python's own `tokenize` and `ast`, complexity and lints from ruff, pinned and kept beside the
//! Lambda runtime. A missing value is `None`, and the note says why; a failure here never stops a
//! run.

mod python;
mod rust;
mod sum;
mod variants;

pub use variants::code;
