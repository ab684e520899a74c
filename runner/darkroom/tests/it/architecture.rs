//! ARCHITECTURE.md's invariants, as far as a test can see them: who may know whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Names of what a crate depends on, those of its tests not included.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let folders = fs::read_dir(root().join("runner")).unwrap().map(|entry| entry.unwrap().path());
    folders
        .map(|folder| {
            let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
            let names = |table: Option<&toml::Value>| table.unwrap().as_table().unwrap().keys().cloned().collect();
            (folder.file_name().unwrap().to_str().unwrap().to_owned(), names(manifest.get("dependencies")))
        })
        .collect()
}

fn ours(of: &str) -> Vec<String> {
    dependencies()[of].iter().filter(|name| name.starts_with("darkroom")).cloned().collect()
}

#[test]
fn crates_know_only_whom_they_may_know() {
    assert_eq!(ours("darkroom-core"), [""; 0]);
    assert_eq!(ours("darkroom-cloud"), [""; 0]);
    assert_eq!(ours("darkroom-contract"), ["darkroom-core"]);
    assert_eq!(ours("darkroom-tables"), ["darkroom-core"]);
    assert_eq!(ours("darkroom-report"), ["darkroom-core", "darkroom-tables"]);
    assert_eq!(
        ours("darkroom"),
        ["darkroom-cloud", "darkroom-contract", "darkroom-core", "darkroom-report", "darkroom-tables"]
    );
}

#[test]
fn only_the_binary_names_the_sdk_and_only_the_tables_name_polars() {
    let who = |name: fn(&str) -> bool| -> Vec<String> {
        let named = dependencies().into_iter().filter(|(_, names)| names.iter().any(|dependency| name(dependency)));
        named.map(|(of, _)| of).collect()
    };
    assert_eq!(who(|name| name.starts_with("aws-sdk") || name == "aws-config"), ["darkroom"]);
    assert_eq!(who(|name| name == "polars"), ["darkroom-tables"]);
}

#[test]
fn the_pure_crates_have_no_way_to_do_io_asynchronously() {
    for pure in ["darkroom-core", "darkroom-contract", "darkroom-tables"] {
        assert!(!dependencies()[pure].contains("tokio"), "{pure}");
    }
}

#[test]
fn the_measured_code_is_no_part_of_the_workspace() {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let excluded = manifest["workspace"]["exclude"].as_array().unwrap();
    assert!(excluded.iter().any(|folder| folder.as_str() == Some("functions")));
    assert!(root().join("functions/rust/Cargo.lock").is_file());
}
