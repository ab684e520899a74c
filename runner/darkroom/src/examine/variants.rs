//! The variants of a run, each looked at once.

use std::collections::BTreeSet;
use std::path::Path;

use darkroom_core::event::CodeExamined;
use darkroom_core::variant::Build;

use super::{python, rust};
use crate::package::PackageRequest;

/// Looks at every variant among `requests` once; blocking.
///
/// `cache_dir` is `.darkroom` of the project, where ruff is installed the first time.
pub fn code(cache_dir: &Path, requests: &[PackageRequest]) -> Vec<CodeExamined> {
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
