//! Measures the source code: lines, imports, complexity, lints. Runs none of it.
//!
//! Packaging requests → [`CodeExamined`] facts, one per stage of a Python variant, one for a whole
//! Cargo project. Lines and imports of Python come from Python's own `tokenize` and `ast`,
//! complexity and lints from ruff, pinned and kept beside the Lambda runtime. A missing value is
//! `None`, and the note says why; a failure here never stops a run.

mod python;
mod rust;
mod sum;

use std::collections::BTreeSet;
use std::path::Path;

use darkroom_core::event::CodeExamined;
use darkroom_core::variant::Build;

use crate::package::Request;

/// Looks at every variant among `requests` once; blocking.
///
/// `cache_dir` is `.darkroom` of the project, where ruff is installed the first time.
pub fn code(cache_dir: &Path, requests: &[Request]) -> Vec<CodeExamined> {
    let mut seen = BTreeSet::new();
    let once = requests
        .iter()
        .filter(|request| seen.insert(request.variant.as_str()));
    once.flat_map(|request| match &request.spec.build {
        Build::Python { .. } => python::examine(cache_dir, request),
        Build::Cargo { .. } => vec![rust::examine(request)],
    })
    .collect()
}
