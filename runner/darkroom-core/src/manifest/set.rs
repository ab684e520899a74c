//! `--set key=value`: an argument that overrides a key of the manifest, with the same errors.

use std::sync::Arc;

use miette::NamedSource;

use super::mistake::Mistake;
use super::spelling;
use super::tree::{self, Node, Place, Value};

/// A key of the manifest with its new value, and how the user said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The option for messages, for example `--set`.
    option: String,
    /// `key=value`; the key is dotted, the value TOML or, where it can't be anything else, a bare
    /// string.
    argument: String,
}

impl Override {
    /// Takes the argument of a `--set`.
    pub fn set(argument: &str) -> Self {
        Self {
            option: "--set".to_owned(),
            argument: argument.to_owned(),
        }
    }

    /// Takes the value of an option that stands for one key, for example `--target` for
    /// `target.cloud`.
    ///
    /// `value` is taken as a string, whatever it looks like.
    pub fn option(option: &str, key: &str, value: &str) -> Self {
        let quoted = toml::Value::from(value).to_string();
        Self {
            option: option.to_owned(),
            argument: format!("{key}={quoted}"),
        }
    }

    /// Returns the argument of a `--set`; `None` where it is another option.
    pub(super) fn as_set(&self) -> Option<&str> {
        (self.option == "--set").then_some(self.argument.as_str())
    }

    /// Takes out of the manifest's text what cannot stand beside this key: `repetitions.count` beside
    /// `repetitions.until`, which an override stands in for. Before any override is applied, so that
    /// two overrides that contradict each other are a mistake.
    pub(super) fn make_room(&self, root: &mut Node) {
        let key = self.argument.split_once('=').map_or("", |(key, _)| key);
        if key.split('.').map(str::trim).eq(["repetitions", "until"])
            && let Some(repetitions) = root.get_mut("repetitions")
        {
            repetitions.remove("count");
        }
    }

    /// Replaces the key in the manifest's tree.
    pub(super) fn apply(&self, root: &mut Node) -> Result<(), Mistake> {
        let source = Arc::new(NamedSource::new(&self.option, self.argument.clone()));
        let place = |span| Place {
            source: Arc::clone(&source),
            span,
        };
        let Some((key, value)) = self.argument.split_once('=') else {
            let all = place(0..self.argument.len());
            return Err(Mistake::new(
                "set",
                "an override needs a key and a value",
                &all,
                "expected key=value",
            )
            .help("for example --set repetitions.count=10"));
        };
        let mut path = path(key, &place)?;
        if let [(table, _), (list, _), ..] = path.as_mut_slice()
            && table == "matrix"
        {
            *list = spelling::list(list).to_owned();
        }
        let start = key.len() + 1;
        let node = match tree::value(&source, start) {
            Ok(node) => node,
            Err(_) if is_bare(value) => Node {
                value: Value::String(value.trim().to_owned()),
                at: place(start..self.argument.len()),
            },
            Err(mistake) => return Err(mistake),
        };
        root.graft(&path, node);
        Ok(())
    }
}

/// Whether a value that is not TOML is a string without its quotes, rather than a list or table
/// gone wrong.
fn is_bare(value: &str) -> bool {
    let value = value.trim();
    !value.is_empty() && !value.starts_with(['[', '{', '"', '\''])
}

fn path(
    key: &str,
    place: &impl Fn(std::ops::Range<usize>) -> Place,
) -> Result<Vec<(String, Place)>, Mistake> {
    let mut start = 0;
    let mut path = Vec::new();
    for part in key.split('.') {
        let end = start + part.len();
        let name = part.trim();
        if name.is_empty() {
            return Err(Mistake::new(
                "set",
                format!("`{key}` is not a key"),
                &place(0..key.len()),
                "expected table.key",
            ));
        }
        path.push((name.to_owned(), place(start..end)));
        start = end + 1;
    }
    Ok(path)
}
