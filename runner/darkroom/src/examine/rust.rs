//! Lines and imports of a Cargo project. Complexity and lints are not measured: clippy would have
//! to build it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use darkroom_core::event::CodeExamined;

use super::sum::{File, sum};
use crate::package::PackageRequest;

/// Looks at every `src/**/*.rs`: one binary serves every stage, so there is one row for all of
/// them.
pub fn examine(request: &PackageRequest) -> CodeExamined {
    let mut files = BTreeMap::new();
    let unreadable = collect(&request.folder, Path::new("src"), &mut files).err();
    let mut facts = sum(
        &request.variant,
        None,
        "rust",
        &files.iter().collect::<Vec<_>>(),
    );
    let note = "one program serves every stage; complexity and lints are not measured for Rust";
    let own = own_names(&request.folder, &files);
    facts.imports = facts.imports.map(|names| {
        names
            .into_iter()
            .filter(|name| !own.contains(name))
            .collect()
    });
    facts.note = Some(unreadable.map_or(note.to_owned(), |error| format!("{note}; {error}")));
    facts
}

/// What code of the project may `use` without importing anything: its modules, its package and its
/// library.
fn own_names(folder: &Path, files: &BTreeMap<String, File>) -> BTreeSet<String> {
    let stems = files
        .keys()
        .filter_map(|name| Path::new(name).file_stem()?.to_str().map(ToOwned::to_owned));
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let manifest: toml::Table = manifest.parse().unwrap_or_default();
    let name = |table: &str| {
        Some(
            manifest
                .get(table)?
                .get("name")?
                .as_str()?
                .replace('-', "_"),
        )
    };
    stems
        .chain(["package", "lib"].into_iter().filter_map(name))
        .collect()
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, File>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    for entry in fs::read_dir(root.join(folder)).map_err(failed)?.flatten() {
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(entry.path()).map_err(failed)?;
            files.insert(path.display().to_string(), file(&text));
        }
    }
    Ok(())
}

/// Counts lines by kind. A line of a block comment or with nothing but a comment is a comment.
fn file(text: &str) -> File {
    let (mut total, mut blank, mut comment, mut inside) = (0, 0, 0, false);
    let mut crates = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        total += 1;
        if line.is_empty() {
            blank += 1;
        } else if inside || line.starts_with("//") || line.starts_with("/*") {
            comment += 1;
            inside = (inside || line.starts_with("/*")) && !line.contains("*/");
        } else if let Some(path) = line
            .strip_prefix("pub ")
            .unwrap_or(line)
            .strip_prefix("use ")
        {
            let name: String = path
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if !["crate", "self", "super", ""].contains(&name.as_str()) {
                crates.insert(name);
            }
        }
    }
    let modules = Some(crates.into_iter().collect());
    File {
        total: Some(total),
        blank: Some(blank),
        comment: Some(comment),
        modules,
        ..File::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_code_comment_or_blank_and_imports_are_crates() {
        let text = "//! Says.\n\nuse std::io;\nuse image::{Rgb, png};\npub use crate::x;\n\n/* one\n   two */\nfn f() { 1 } // no\n/* a */\n";
        let file = file(text);
        assert_eq!(
            (file.total, file.blank, file.comment),
            (Some(10), Some(2), Some(4))
        );
        assert_eq!(file.modules.unwrap(), ["image", "std"]);
        assert_eq!((file.complexities, file.lints), (None, None));
    }
}
