//! Makes alternative spellings one before anything else reads the manifest: singular and plural of
//! the matrix's keys, and globs of variants.

use std::collections::BTreeSet;

use globset::{Glob, GlobMatcher};

use super::mistake::{Mistake, suggestion};
use super::tree::{Node, Value};

/// Lists of the matrix: as they are called, and the other number.
pub(super) const LISTS: [(&str, &str); 9] = [
    ("variants", "variant"),
    ("runtimes", "runtime"),
    ("architectures", "architecture"),
    ("image_sets", "image_set"),
    ("trigger", "triggers"),
    ("input", "inputs"),
    ("start", "starts"),
    ("snapstart", "snapstarts"),
    ("concurrency", "concurrencies"),
];

/// Returns what a key of the matrix is called, however it was spelt.
pub(super) fn list(key: &str) -> &str {
    LISTS
        .iter()
        .find(|(_, other)| *other == key)
        .map_or(key, |(name, _)| name)
}

/// Returns what a factor is called in `include` and `exclude`, where each names one level.
fn factor(key: &str) -> &str {
    const PLURAL: [(&str, &str); 4] = [
        ("variants", "variant"),
        ("runtimes", "runtime"),
        ("architectures", "architecture"),
        ("image_sets", "image_set"),
    ];
    let name = list(key);
    PLURAL
        .iter()
        .find(|(plural, _)| *plural == name)
        .map_or(name, |(_, singular)| singular)
}

/// Gives every key of the matrix its one name. A list that stands under both is a mistake, not a
/// choice.
pub(super) fn one_name(root: &mut Node, mistakes: &mut Vec<Mistake>) {
    let Some(matrix) = root.get_mut("matrix") else {
        return;
    };
    rename(matrix, list, mistakes);
    for levels in ["include", "exclude"] {
        let items = matrix.get_mut(levels).map_or(&mut [][..], Node::items_mut);
        for item in items {
            rename(item, factor, mistakes);
        }
    }
}

fn rename(table: &mut Node, name: impl Fn(&str) -> &str, mistakes: &mut Vec<Mistake>) {
    let Value::Table(entries) = &mut table.value else {
        return;
    };
    let mut seen: Vec<(String, String)> = Vec::new();
    entries.retain_mut(|entry| {
        let (spelt, name) = (entry.key.clone(), name(&entry.key).to_owned());
        if let Some((_, before)) = seen.iter().find(|(of, _)| *of == name) {
            let message = format!("`{before}` and `{spelt}` are the same key; remove one");
            let label = "the second spelling";
            mistakes.push(
                Mistake::new("duplicate", message, &entry.key_at, label)
                    .help(format!("keep `{name}`")),
            );
            return false;
        }
        entry.key.clone_from(&name);
        seen.push((name, spelt));
        true
    });
}

/// Whether a name is a pattern: no variant's name holds such letters.
pub(super) fn is_glob(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}

/// Whether `name` is among the strings of a manifest, as it is or as one that a glob matches.
pub fn mentions(mentioned: &BTreeSet<String>, name: &str) -> bool {
    let matches = |pattern: &String| {
        is_glob(pattern) && matcher(pattern).is_ok_and(|glob| glob.is_match(name))
    };
    mentioned.contains(name) || mentioned.iter().any(matches)
}

fn matcher(pattern: &str) -> Result<GlobMatcher, globset::Error> {
    Glob::new(pattern).map(|glob| glob.compile_matcher())
}

/// Puts the names of variants in the place of the globs that match them, each once, sorted. In
/// `include` and `exclude` an entry with a glob becomes one for each variant.
pub(super) fn expand_globs(root: &mut Node, names: &BTreeSet<String>, mistakes: &mut Vec<Mistake>) {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let Some(matrix) = root.get_mut("matrix") else {
        return;
    };
    if let Some(Value::Array(items)) = matrix.get_mut("variants").map(|node| &mut node.value) {
        let mut taken: BTreeSet<String> = items
            .iter()
            .filter_map(Node::as_str)
            .filter(|name| !is_glob(name))
            .map(str::to_owned)
            .collect();
        let expand = |item: Node| {
            let found = matched(&item, &names, mistakes);
            let fresh = |name: &&str| taken.insert((*name).to_owned());
            found.map_or_else(
                || vec![item.clone()],
                |found| {
                    found
                        .into_iter()
                        .filter(fresh)
                        .map(|name| item.spelt(name))
                        .collect()
                },
            )
        };
        let found: Vec<Node> = items.iter().cloned().flat_map(expand).collect();
        // A list of nothing would be a second mistake, about a list that nobody wrote.
        if !found.is_empty() {
            *items = found;
        }
    }
    for levels in ["include", "exclude"] {
        let Some(Value::Array(items)) = matrix.get_mut(levels).map(|node| &mut node.value) else {
            continue;
        };
        let expand = |item: Node| {
            let found = item
                .entry("variant")
                .and_then(|entry| matched(&entry.node, &names, mistakes));
            found.map_or_else(
                || vec![item.clone()],
                |found| found.iter().map(|name| with_variant(&item, name)).collect(),
            )
        };
        *items = std::mem::take(items).into_iter().flat_map(expand).collect();
    }
}

/// Returns the variants that a glob matches; `None` where it is none. One that matches nothing is a
/// mistake.
fn matched<'a>(
    node: &Node,
    names: &[&'a str],
    mistakes: &mut Vec<Mistake>,
) -> Option<Vec<&'a str>> {
    let pattern = node.as_str().filter(|text| is_glob(text))?;
    let glob = match matcher(pattern) {
        Ok(glob) => glob,
        Err(error) => {
            let message = format!("`{pattern}` is not a glob: {}", error.kind());
            let help = "`*` matches anything, `?` one character, `{a,b}` either";
            mistakes.push(
                Mistake::new(
                    "bad_pattern",
                    message,
                    &node.at,
                    "expected a variant or a glob",
                )
                .help(help),
            );
            return Some(Vec::new());
        }
    };
    let found: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| glob.is_match(name))
        .collect();
    if found.is_empty() {
        let help = suggestion(pattern, names.iter().copied(), "known variants");
        let message = format!("no variant matches `{pattern}`");
        mistakes.push(
            Mistake::new(
                "unknown_variant",
                message,
                &node.at,
                "expected the name of a folder in functions/",
            )
            .help(help),
        );
    }
    Some(found)
}

fn with_variant(levels: &Node, name: &str) -> Node {
    let mut levels = levels.clone();
    if let Some(variant) = levels.get_mut("variant") {
        *variant = variant.spelt(name);
    }
    levels
}
