//! The folder that handlers come from, and the name of their new variant.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::ImportError;
use super::request::ImportRequest;

/// Folders and files that are no part of anybody's code.
const NOT_CODE: &[&str] = &["__pycache__", "node_modules", "venv", "env", "variant.toml"];

/// Refuses a name that no variant can have, or that one has.
pub fn check_name(request: &ImportRequest<'_>) -> Result<(), ImportError> {
    let name = request.variant;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(ImportError::new(format!(
            "`{name}` cannot be a variant's name: use letters, digits, `-`, `_` and `.`"
        )));
    }
    let folder = request.project.variant_dir(name);
    if folder.exists() {
        let free = (2..1000)
            .map(|number| format!("{name}-{number}"))
            .find(|free| !request.project.variant_dir(free).exists());
        let help = format!(
            "choose another name, for example `{}`, or remove the folder",
            free.unwrap_or_default()
        );
        return Err(ImportError::new(format!("{} exists already", folder.display())).help(help));
    }
    Ok(())
}

/// Says whether a file is Python by its name.
pub fn is_python(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "py")
}

/// Returns the folder's files by their names in it.
pub fn files_of(folder: &Path) -> Result<BTreeMap<String, PathBuf>, ImportError> {
    let mut files = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(here) = pending.pop() {
        let unreadable = |error| {
            ImportError::new(format!("cannot read {}: {error}", here.display()))
                .help("name an existing folder that you can read")
        };
        for entry in fs::read_dir(&here).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.starts_with('.') || NOT_CODE.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                pending.push(path);
            } else if let Ok(inner) = path.strip_prefix(folder) {
                files.insert(inner.to_string_lossy().into_owned(), path);
            }
        }
    }
    Ok(files)
}

/// Returns the sha256 of every file, hex.
pub fn hashes(files: &BTreeMap<String, PathBuf>) -> Result<BTreeMap<String, String>, ImportError> {
    let hash = |(name, path): (&String, &PathBuf)| {
        let bytes = crate::plain_file::read(path, crate::plain_file::MOST).map_err(|error| {
            ImportError::new(format!("cannot read {}: {error}", path.display()))
        })?;
        Ok((name.clone(), hex::encode(Sha256::digest(bytes))))
    };
    files.iter().map(hash).collect()
}
