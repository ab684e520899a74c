//! A TOML document as a tree whose nodes know their place: in the manifest, or in a `--set`
//! argument.
//!
//! Text → [`Node`], or the place where it is not TOML. Does not know what keys mean.

use std::ops::Range;
use std::sync::Arc;

use miette::{NamedSource, SourceSpan};
use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::brackets::{Unpaired, unpaired};
use super::mistake::Mistake;
use crate::data_file;

/// A stretch of one of the texts that a manifest is made of.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub source: Arc<NamedSource<String>>,
    pub span: Range<usize>,
}

impl Place {
    pub fn source_span(&self) -> SourceSpan {
        self.span.clone().into()
    }

    /// The line where it begins, from 1.
    pub fn line(&self) -> usize {
        let before = &self.source.inner().as_bytes()[..self.span.start];
        before.split(|byte| *byte == b'\n').count()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub value: Value,
    pub at: Place,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    String(String),
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub key_at: Place,
    pub node: Node,
}

impl Node {
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    pub fn items_mut(&mut self) -> &mut [Self] {
        match &mut self.value {
            Value::Array(items) => items,
            _ => &mut [],
        }
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.value {
            Value::Table(entries) => entries
                .iter_mut()
                .find(|entry| entry.key == key)
                .map(|entry| &mut entry.node),
            _ => None,
        }
    }

    /// Takes a key out of a table, if it is there.
    pub fn remove(&mut self, key: &str) {
        if let Value::Table(entries) = &mut self.value {
            entries.retain(|entry| entry.key != key);
        }
    }

    /// Returns a string at this node's place.
    pub fn spelt(&self, text: &str) -> Self {
        Self {
            value: Value::String(text.to_owned()),
            at: self.at.clone(),
        }
    }

    pub fn as_whole(&self) -> Option<i128> {
        match self.value {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// Returns the node at a path of keys.
    pub fn get(&self, path: &[&str]) -> Option<&Node> {
        path.iter()
            .try_fold(self, |node, key| Some(&node.entry(key)?.node))
    }

    /// Replaces or adds what is at a path of keys; whatever is in the way becomes a table.
    pub fn graft(&mut self, path: &[(String, Place)], grafted: Node) {
        let Some(((key, key_at), rest)) = path.split_first() else {
            *self = grafted;
            return;
        };
        if !matches!(self.value, Value::Table(_)) {
            *self = Node {
                value: Value::Table(Vec::new()),
                at: key_at.clone(),
            };
        }
        let Value::Table(entries) = &mut self.value else {
            return;
        };
        let index = entries
            .iter()
            .position(|entry| entry.key == *key)
            .unwrap_or_else(|| {
                let node = Node {
                    value: Value::Table(Vec::new()),
                    at: key_at.clone(),
                };
                entries.push(Entry {
                    key: key.clone(),
                    key_at: key_at.clone(),
                    node,
                });
                entries.len() - 1
            });
        let entry = &mut entries[index];
        if rest.is_empty() {
            entry.key_at = key_at.clone();
        }
        entry.node.graft(rest, grafted);
    }

    /// Names the kind of value for a message, with its article.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::String(_) => "a string",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Boolean(_) => "a boolean",
            Value::Datetime(_) => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::String(text) | Value::Datetime(text) => Json::from(text.as_str()),
            Value::Integer(number) => {
                i64::try_from(*number).map_or_else(|_| Json::from(*number as f64), Json::from)
            }
            Value::Float(number) => Json::from(*number),
            Value::Boolean(truth) => Json::from(*truth),
            Value::Array(items) => items.iter().map(Self::to_json).collect(),
            Value::Table(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.node.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

/// Reads a whole document; every place where it is not TOML is a mistake. A bracket that is missing
/// is one, whatever the lines after it look like without it.
pub(super) fn document(source: &Arc<NamedSource<String>>) -> Result<Node, Vec<Mistake>> {
    let (table, errors) = DeTable::parse_recoverable(source.inner());
    if errors.is_empty() {
        return Ok(Node {
            value: table_value(source, table.get_ref(), 0),
            at: place_of(source, 0..0),
        });
    }
    if let Some(Unpaired { at, message, help }) = unpaired(source.inner()) {
        let message = format!("not TOML: {message}");
        return Err(vec![
            Mistake::new("syntax", message, &place_of(source, at), "here").help(help),
        ]);
    }
    Err(errors
        .iter()
        .map(|error| syntax(source, error, 0))
        .collect())
}

/// Reads one value that starts at `offset` of the source and goes to its end.
pub(super) fn value(source: &Arc<NamedSource<String>>, offset: usize) -> Result<Node, Mistake> {
    let text = &source.inner()[offset..];
    DeValue::parse(text)
        .map(|value| node(source, &value, offset))
        .map_err(|error| syntax(source, &error, offset))
}

fn syntax(source: &Arc<NamedSource<String>>, error: &toml::de::Error, offset: usize) -> Mistake {
    // What is missing at the end is shown at the last letter: beyond it there is nothing to point
    // at.
    let last = source
        .inner()
        .char_indices()
        .last()
        .map_or(0, |(last, _)| last);
    let span = error.span().map_or(last..last, |span| {
        (span.start + offset).min(last)..span.end + offset
    });
    let span = span.start..span.end.clamp(span.start, source.inner().len());
    let help = data_file::about_backslashes(source.inner(), span.start);
    let mistake = Mistake::new(
        "syntax",
        format!("not TOML: {}", error.message()),
        &place_of(source, span),
        "here",
    );
    match help {
        Some(help) => mistake.help(help),
        None => mistake,
    }
}

fn place_of(source: &Arc<NamedSource<String>>, span: Range<usize>) -> Place {
    Place {
        source: Arc::clone(source),
        span,
    }
}

fn node(source: &Arc<NamedSource<String>>, spanned: &Spanned<DeValue<'_>>, offset: usize) -> Node {
    let span = spanned.span();
    let at = place_of(source, span.start + offset..span.end + offset);
    let value = match spanned.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            // Beyond i128 the number is out of every range anyway.
            Value::Integer(
                i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX),
            )
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Datetime(date) => Value::Datetime(date.to_string()),
        DeValue::Array(items) => array_value(source, items, offset),
        DeValue::Table(table) => table_value(source, table, offset),
    };
    Node { value, at }
}

fn array_value(source: &Arc<NamedSource<String>>, items: &DeArray<'_>, offset: usize) -> Value {
    Value::Array(
        items
            .iter()
            .map(|item| node(source, item, offset))
            .collect(),
    )
}

fn table_value(source: &Arc<NamedSource<String>>, table: &DeTable<'_>, offset: usize) -> Value {
    let entry =
        |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| Entry {
            key: key.get_ref().to_string(),
            key_at: place_of(source, key.span().start + offset..key.span().end + offset),
            node: node(source, value, offset),
        };
    let mut entries: Vec<Entry> = table.iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.key_at.span.start);
    Value::Table(entries)
}
