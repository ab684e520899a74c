//! The result of an import: which handler serves which stage, shown as a page and written as a
//! folder.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use darkroom_core::adapt::Adapt;
use serde::Serialize;

use super::error::ImportError;

/// What would be written.
#[derive(Clone, Debug, Serialize)]
pub struct Import {
    pub variant: String,
    pub pipeline: String,
    pub mapping: Vec<Serves>,
    /// Files that Python can't read, each with its line and Python's words.
    pub unparsed: Vec<String>,
    pub notes: Vec<String>,
    /// Where it will be.
    pub folder: PathBuf,
    #[serde(skip)]
    pub(super) toml: String,
    /// Name in the variant's folder → file.
    #[serde(skip)]
    pub(super) files: BTreeMap<String, PathBuf>,
    pub adapt: Adapt,
}

/// Which handler serves a stage.
#[derive(Clone, Debug, Serialize)]
pub struct Serves {
    pub stage: String,
    pub handler: String,
    /// Words that the guess stands on; empty where it was said.
    pub because: Vec<String>,
    /// What will keep it from being imported by Lambda, if it is known.
    pub error: Option<String>,
}

/// Writes the variant, whole or not at all.
pub fn write(import: &Import) -> Result<(), ImportError> {
    let part = import
        .folder
        .with_file_name(format!(".{}.part", import.variant));
    let written = copy(import, &part).and_then(|()| fs::rename(&part, &import.folder));
    written.map_err(|error| {
        let _ = fs::remove_dir_all(&part);
        ImportError::new(format!("cannot write {}: {error}", import.folder.display()))
    })
}

fn copy(import: &Import, to: &Path) -> std::io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    for (name, from) in &import.files {
        let file = to.join(name);
        fs::create_dir_all(file.parent().unwrap_or(to))?;
        fs::copy(from, file)?;
    }
    fs::write(to.join("variant.toml"), &import.toml)
}

/// The decision as a page for a person who is to agree with it.
pub fn page(import: &Import) -> String {
    let mut text = String::new();
    for told in &import.unparsed {
        let _ = writeln!(
            text,
            "{told}; stages that need it will be measured as failing code"
        );
    }
    let _ = writeln!(text, "{} · {}", import.variant, import.pipeline);
    let width = import
        .mapping
        .iter()
        .map(|serves| serves.stage.len())
        .max()
        .unwrap_or(0);
    for Serves {
        stage,
        handler,
        because,
        ..
    } in &import.mapping
    {
        let why = if because.is_empty() {
            "as said".to_owned()
        } else {
            because.join(", ")
        };
        let _ = writeln!(text, "  {stage:width$}  {handler}  ({why})");
    }
    for (name, value) in &import.adapt.environment {
        let _ = writeln!(text, "  {name} = {value}");
    }
    let stages = import.adapt.stages.iter();
    for (stage, key) in stages.filter_map(|(stage, own)| Some((stage, own.output_key.as_ref()?))) {
        let _ = writeln!(text, "  {stage} writes {key}");
    }
    for note in &import.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}
