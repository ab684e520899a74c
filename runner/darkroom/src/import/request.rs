//! What to import, and under which name.

use std::collections::BTreeMap;
use std::path::Path;

use darkroom_core::pipeline::Transport;

use super::habits::Said;
use crate::project::Project;

/// What is to be imported.
#[derive(Clone, Debug)]
pub struct ImportRequest<'a> {
    pub project: &'a Project,
    pub folder: &'a Path,
    pub variant: &'a str,
    /// `None`: told from the code.
    pub events: Option<Transport>,
    /// `None`: the usual one with these events.
    pub pipeline: Option<&'a str>,
    /// Stage → `file.py:function`.
    pub map: &'a BTreeMap<String, String>,
    pub said: &'a Said,
    /// Pinned requirements; `None`: the folder's own if they are pinned, or a variant's here that
    /// has what is imported.
    pub requirements: Option<&'a Path>,
    pub runtime: &'a str,
    pub description: Option<&'a str>,
}
