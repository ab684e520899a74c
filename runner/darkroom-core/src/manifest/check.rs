//! Checks a document against the schema: unknown keys, wrong types, unknown values, ranges, lists.
//!
//! It collects every mistake and removes wrong values from the tree, so that the rest can be
//! checked further. Knows the words of JSON Schema that [`super::schema`] uses; not what the keys
//! mean.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::mistake::{Mistake, suggestion};
use super::tree::{Entry, Node, Place, Value};

/// Checks `node`, which is at `path` (empty for the document). Returns whether it can stay.
pub(super) fn check(
    node: &mut Node,
    schema: &Json,
    path: &str,
    mistakes: &mut Vec<Mistake>,
) -> bool {
    let expected = Expected { schema, path };
    if let Some(alternatives) = schema["anyOf"].as_array() {
        let kind = match node.value {
            Value::Table(_) => "object",
            Value::String(_) => "string",
            Value::Integer(_) => "integer",
            _ => return expected.wrong_kind(node, mistakes),
        };
        return match alternatives.iter().find(|one| one["type"] == kind) {
            Some(one) => check(node, one, path, mistakes),
            None => expected.wrong_kind(node, mistakes),
        };
    }
    if let Some(choices) = expected.choices() {
        return expected.check_choice(node, &choices, mistakes);
    }
    match (schema["type"].as_str(), &mut node.value) {
        (Some("object"), Value::Table(_)) => expected.check_table(node, mistakes),
        (Some("array"), Value::Array(_)) => expected.check_list(node, mistakes),
        (Some("boolean"), Value::Boolean(_)) => true,
        (Some("string"), Value::String(text)) => expected.check_text(text, &node.at, mistakes),
        (Some("integer" | "number"), Value::Integer(number)) => {
            expected.check_range(*number as f64, &node.at, mistakes)
        }
        (Some("number"), Value::Float(number)) => expected.check_range(*number, &node.at, mistakes),
        _ => expected.wrong_kind(node, mistakes),
    }
}

/// What a schema asks of the value at a path.
struct Expected<'a> {
    schema: &'a Json,
    path: &'a str,
}

impl<'a> Expected<'a> {
    fn check_table(&self, node: &mut Node, mistakes: &mut Vec<Mistake>) -> bool {
        self.check_required(node, mistakes);
        let properties = &self.schema["properties"];
        let Value::Table(entries) = &mut node.value else {
            return false;
        };
        entries.retain_mut(|entry| {
            if let Some(schema) = properties.get(&entry.key) {
                return check(
                    &mut entry.node,
                    schema,
                    &joined(self.path, &entry.key),
                    mistakes,
                );
            }
            mistakes.push(self.unknown_key(entry));
            false
        });
        true
    }

    fn check_required(&self, node: &Node, mistakes: &mut Vec<Mistake>) {
        let required = self.schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Json::as_str);
        for key in required.filter(|key| node.entry(key).is_none()) {
            let missing = joined(self.path, key);
            let description = self.schema["properties"][key]["description"]
                .as_str()
                .unwrap_or_default();
            let what = description.lines().next().unwrap_or_default();
            let mistake = Mistake::new(
                "missing_key",
                format!("`{missing}` is missing"),
                &node.at,
                format!("no `{key}` here"),
            );
            mistakes.push(mistake.help(format!(
                "{key}: {}",
                lower_first(what.trim_end_matches('.'))
            )));
        }
    }

    fn unknown_key(&self, entry: &Entry) -> Mistake {
        let table = if self.path.is_empty() {
            "a manifest".to_owned()
        } else {
            format!("`{}`", self.path)
        };
        let keys = self.schema["properties"]
            .as_object()
            .into_iter()
            .flat_map(|map| map.keys().map(String::as_str));
        Mistake::new(
            "unknown_key",
            format!("unknown key `{}`", entry.key),
            &entry.key_at,
            format!("not a key of {table}"),
        )
        .help(suggestion(&entry.key, keys, "known keys"))
    }

    fn check_list(&self, node: &mut Node, mistakes: &mut Vec<Mistake>) -> bool {
        let Value::Array(items) = &mut node.value else {
            return false;
        };
        if items.is_empty() && self.schema["minItems"].as_u64().unwrap_or(0) > 0 {
            mistakes.push(
                Mistake::new(
                    "empty_list",
                    format!("`{}` is empty", self.path),
                    &node.at,
                    "expected at least one level",
                )
                .help("a matrix with an empty list has no cells"),
            );
            return false;
        }
        // An item with a mistake anywhere inside goes as a whole: half an `exclude` would exclude
        // too much.
        items.retain_mut(|item| {
            let before = mistakes.len();
            check(item, &self.schema["items"], self.path, mistakes) && mistakes.len() == before
        });
        if self.schema["uniqueItems"].as_bool().unwrap_or(false) {
            self.check_unique(items, mistakes);
        }
        true
    }

    fn check_unique(&self, items: &[Node], mistakes: &mut Vec<Mistake>) {
        let mut seen = HashSet::new();
        for item in items {
            let value = item.to_json();
            if !seen.insert(value.to_string()) {
                let message = format!("duplicate level {} in `{}`", shown(&value), self.path);
                mistakes.push(
                    Mistake::new("duplicate", message, &item.at, "named before")
                        .help("name it once"),
                );
            }
        }
    }

    /// The spellings a value may have, where there is a fixed list of them.
    fn choices(&self) -> Option<Vec<&'a str>> {
        let spelt = |list: &'a Json| {
            list.as_array()
                .map(|list| list.iter().filter_map(Json::as_str).collect::<Vec<_>>())
        };
        let of_one = |one: &'a Json| match one["const"].as_str() {
            Some(text) => vec![text],
            None => spelt(&one["enum"]).unwrap_or_default(),
        };
        let alternatives = || {
            self.schema["oneOf"]
                .as_array()
                .map(|all| all.iter().flat_map(of_one).collect())
        };
        spelt(&self.schema["enum"]).or_else(alternatives)
    }

    fn check_choice(&self, node: &Node, choices: &[&str], mistakes: &mut Vec<Mistake>) -> bool {
        let Some(text) = node.as_str() else {
            return self.wrong_kind(node, mistakes);
        };
        if choices.contains(&text) {
            return true;
        }
        mistakes.push(
            Mistake::new(
                "unknown_value",
                format!("unknown value `{text}` for `{}`", self.path),
                &node.at,
                format!("expected {}", alternatives(choices)),
            )
            .help(suggestion(text, choices.iter().copied(), "known values")),
        );
        false
    }

    /// No name, path or id of a manifest holds a control character: it is a backslash gone wrong.
    fn check_text(&self, text: &str, at: &Place, mistakes: &mut Vec<Mistake>) -> bool {
        let Some(control) = text.chars().find(|letter| letter.is_control()) else {
            return true;
        };
        let message = format!("`{}` holds {}", self.path, named_control(control));
        let written = at.source.inner().get(at.span.clone()).unwrap_or_default();
        let help = match written
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
        {
            Some(inner) if inner.contains('\\') && !inner.contains(['"', '\'', '\n']) => format!(
                "In double quotes a backslash begins an escape. Use single quotes ('{inner}') or forward slashes (\"{}\").",
                inner.replace('\\', "/")
            ),
            _ => "Use single quotes, in which a backslash is a backslash, or forward slashes."
                .to_owned(),
        };
        let label = "expected text without control characters";
        mistakes.push(Mistake::new("control_character", message, at, label).help(help));
        false
    }

    fn check_range(&self, number: f64, at: &Place, mistakes: &mut Vec<Mistake>) -> bool {
        let bound = |word: &str| self.schema[word].as_f64();
        let low = bound("minimum").is_none_or(|minimum| number >= minimum)
            && bound("exclusiveMinimum").is_none_or(|minimum| number > minimum);
        let high = bound("maximum").is_none_or(|maximum| number <= maximum)
            && bound("exclusiveMaximum").is_none_or(|maximum| number < maximum);
        if low && high {
            return true;
        }
        let message = format!(
            "{} is out of range for `{}`",
            shown(&Json::from(number)),
            self.path
        );
        mistakes.push(Mistake::new(
            "out_of_range",
            message,
            at,
            format!("expected {}", self.described()),
        ));
        false
    }

    fn wrong_kind(&self, node: &Node, mistakes: &mut Vec<Mistake>) -> bool {
        let message = format!("`{}` is {}", self.path, node.kind());
        mistakes.push(Mistake::new(
            "wrong_type",
            message,
            &node.at,
            format!("expected {}", self.described()),
        ));
        false
    }

    /// What the schema asks for, in words.
    fn described(&self) -> String {
        if let Some(choices) = self.choices() {
            return alternatives(&choices);
        }
        if let Some(alternatives) = self.schema["anyOf"].as_array() {
            let of_one = |schema| Expected { schema, ..*self }.described();
            let words: Vec<String> = alternatives.iter().map(of_one).collect();
            return words.join(" or ");
        }
        match self.schema["type"].as_str() {
            Some("object") => "a table".to_owned(),
            Some("array") => {
                let item = Expected {
                    schema: &self.schema["items"],
                    path: self.path,
                };
                format!("a list, each item {}", item.described())
            }
            Some("integer") => format!("a whole number{}", self.range()),
            Some("number") => format!("a number{}", self.range()),
            Some("boolean") => "true or false".to_owned(),
            _ => "a string".to_owned(),
        }
    }

    fn range(&self) -> String {
        let bound = |word: &str| self.schema.get(word).map(shown);
        if let (Some(low), Some(high)) = (bound("exclusiveMinimum"), bound("exclusiveMaximum")) {
            return format!(" between {low} and {high}");
        }
        match (
            bound("minimum"),
            bound("maximum"),
            bound("exclusiveMinimum"),
        ) {
            (Some(low), Some(high), _) => format!(" from {low} to {high}"),
            (Some(low), None, _) => format!(" of at least {low}"),
            (_, _, Some(low)) => format!(" above {low}"),
            _ => String::new(),
        }
    }
}

/// A control character as a person knows it, and how TOML writes it.
fn named_control(control: char) -> String {
    match control {
        '\n' => "a line break (`\\n`)".to_owned(),
        '\t' => "a tab (`\\t`)".to_owned(),
        '\r' => "a carriage return (`\\r`)".to_owned(),
        '\u{8}' => "a backspace (`\\b`)".to_owned(),
        '\u{c}' => "a form feed (`\\f`)".to_owned(),
        '\u{1b}' => "an escape character (`\\e`)".to_owned(),
        other => format!("the control character U+{:04X}", u32::from(other)),
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn alternatives(choices: &[&str]) -> String {
    choices
        .iter()
        .map(|choice| format!("\"{choice}\""))
        .collect::<Vec<_>>()
        .join(" or ")
}

/// A value as it would stand in the manifest: whole numbers without a fraction.
fn shown(value: &Json) -> String {
    match value.as_f64() {
        Some(number) if number.fract() == 0.0 && number.abs() < 9e15 => format!("{number:.0}"),
        _ => value.to_string(),
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}
