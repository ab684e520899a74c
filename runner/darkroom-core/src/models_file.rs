//! Reads `models.toml` entry by entry: one that is wrong says so, and the others can be used.
//!
//! Text → [`Models`], or why the text as a whole is no such file. Knows keys and their places; what
//! a model is, [`crate::models`] knows.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::data_file::{DataFile, DataFileError};
use crate::models::{Model, Models, is_local};

/// Keys that every model has, with what each is.
const REQUIRED: [(&str, &str); 4] = [
    ("title", "the name for people"),
    ("base_url", "the address before /chat/completions"),
    ("id", "the vendor's name for it in a request"),
    (
        "key_variable",
        "the environment variable that holds the key",
    ),
];

/// Keys that a model may have besides.
const KNOWN: [&str; 6] = [
    "parameters",
    "timeout_s",
    "price",
    "price_unknown",
    "successor",
    "last_seen_working",
];

const HELP: &str = "see the entries of experiments/image-pipeline/models.toml; `successor` and \
    `parameters` are optional";

impl Models {
    /// Returns the models that `text` describes. `file` is its name for messages.
    ///
    /// An entry with an unknown key, a key that would travel in clear, a price without a source, or
    /// no price without a reason is a fault of that entry; what is no TOML is one of the file.
    pub fn parse(file: &str, text: &str) -> Result<Self, DataFileError> {
        let file = DataFile { name: file, text };
        let mut read = Self::default();
        for (key, value) in file.table()? {
            let not_models = |message: &str| {
                let help = "write each model as [models.NAME]".to_owned();
                file.error(key.span(), key.get_ref(), message, Some(help))
            };
            if key.get_ref() != "models" {
                return Err(not_models("unknown key: this file has `models` only"));
            }
            let DeValue::Table(entries) = value.into_inner() else {
                return Err(not_models("is no table"));
            };
            for (name, value) in entries {
                let entry = Entry { file, name, value };
                let name = entry.name.get_ref().to_string();
                match entry.read() {
                    Ok(model) => drop(read.models.insert(name, model)),
                    Err(fault) => drop(read.faults.insert(name, fault)),
                }
            }
        }
        Ok(read)
    }
}

/// One entry, where it stands.
struct Entry<'a> {
    file: DataFile<'a>,
    name: Spanned<Cow<'a, str>>,
    value: Spanned<DeValue<'a>>,
}

impl Entry<'_> {
    fn read(&self) -> Result<Model, DataFileError> {
        let DeValue::Table(table) = self.value.get_ref() else {
            return Err(self.fault(None, "is no table", Some(HELP)));
        };
        let lacks = lacks(table);
        if !lacks.is_empty() {
            let lacks = format!("lacks {}", lacks.join(", "));
            return Err(self.fault(None, &lacks, Some(HELP)));
        }
        let model = Model::deserialize(ValueDeserializer::from(self.value.clone()));
        let model = model.map_err(|error| self.unlike_a_model(table, &error))?;
        match model.mistake() {
            Some((key, message)) => Err(self.fault(Some(key), &message, None)),
            None => Ok(model),
        }
    }

    /// Returns an error about a key of the entry, or about the entry as a whole.
    fn fault(&self, key: Option<&str>, message: &str, help: Option<&str>) -> DataFileError {
        let name = self.name.get_ref();
        let (said, at) = match key {
            Some(key) => (format!("models.{name}.{key}"), self.where_set(key)),
            None => (format!("models.{name}"), self.name.span()),
        };
        self.file
            .error(at, &said, message, help.map(ToOwned::to_owned))
    }

    /// Returns where a key of the entry is set, or else where the entry begins.
    fn where_set(&self, key: &str) -> Range<usize> {
        let table = self.value.get_ref().as_table();
        let found = table.and_then(|table| table.iter().find(|(at, _)| at.get_ref() == key));
        found.map_or_else(|| self.name.span(), |(at, value)| stretch(at, value))
    }

    fn unlike_a_model(&self, table: &DeTable<'_>, error: &toml::de::Error) -> DataFileError {
        let name = self.name.get_ref();
        let at = error.span().unwrap_or(0..0).start;
        let key = table
            .iter()
            .find(|(key, value)| stretch(key, value).contains(&at));
        let said = match key {
            Some((key, _)) => format!("models.{name}.{}", key.get_ref()),
            None => format!("models.{name}"),
        };
        self.file.not_so(error, &said)
    }
}

/// The text of a key with its value, where they stand together.
fn stretch(key: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> Range<usize> {
    let start = key.span().start;
    start..value.span().end.max(key.span().end)
}

/// Says which keys an entry lacks: all of them at once, where reading would stop at the first. None
/// while it has an unknown one: a key that is misspelt is told as that, not as missing.
fn lacks(table: &DeTable<'_>) -> Vec<String> {
    let has = |key: &str| table.keys().any(|own| own.get_ref() == key);
    let is_known = |key: &str| KNOWN.contains(&key) || REQUIRED.iter().any(|(own, _)| *own == key);
    if !table.keys().all(|key| is_known(key.get_ref())) {
        return Vec::new();
    }
    let address = table.iter().find(|(key, _)| key.get_ref() == "base_url");
    let address = address.and_then(|(_, value)| value.get_ref().as_str());
    let needs_key = !address.is_some_and(is_local);
    let named = REQUIRED
        .iter()
        .filter(|(key, _)| !has(key) && (*key != "key_variable" || needs_key));
    let mut lacks: Vec<String> = named
        .map(|(key, what)| format!("`{key}` ({what})"))
        .collect();
    if !has("price") && !has("price_unknown") {
        lacks.push("`price` (or `price_unknown`: why it is unknown)".to_owned());
    }
    lacks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::tests::ONE;

    fn fault(text: &str, name: &str) -> String {
        let models = Models::parse("models.toml", text).unwrap();
        assert!(!models.models.contains_key(name), "it is refused");
        models.faults[name].to_string()
    }

    #[test]
    fn all_that_an_entry_lacks_is_said_at_once_of_that_entry_and_the_others_can_be_used() {
        let without_successor = ONE.replace("successor = \"none\"\n", "");
        let text = format!(
            "{without_successor}\n[models.\"new-5.1\"]\ntitle = \"New\"\n\n[models.other]\nid = \"o\"\nprice_unknown = \"private\"\n"
        );
        assert_eq!(
            fault(&text, "new-5.1"),
            "models.toml:9: models.new-5.1: lacks `base_url` (the address before /chat/completions), `id` (the vendor's name for it in a request), `key_variable` (the environment variable that holds the key), `price` (or \
             `price_unknown`: why it is unknown)"
        );
        assert_eq!(
            fault(&text, "other"),
            "models.toml:12: models.other: lacks `title` (the name for people), `base_url` (the address before /chat/completions), `key_variable` (the environment variable that holds the key)"
        );
        let models = Models::parse("models.toml", &text).unwrap();
        assert_eq!(models.models.keys().collect::<Vec<_>>(), ["scripted"]);
        assert_eq!(
            models.models["scripted"].successor, None,
            "it may be missing"
        );
    }

    #[test]
    fn a_mistake_is_told_with_file_line_and_key() {
        let cases = [
            (
                "http://127.0.0.1:1/v1",
                "http://example.org/v1",
                ":4: models.scripted.base_url: must begin with https://",
            ),
            (
                "SCRIPTED_KEY",
                "sk-canary",
                ":6: models.scripted.key_variable: ",
            ),
            (
                "successor = \"none\"",
                "successor = \" \"",
                ":8: models.scripted.successor: is empty",
            ),
            (
                "date = \"2026-11-24\"",
                "date = \"\"",
                ":7: models.scripted.price: needs `source` and `date`",
            ),
            (
                "price = {",
                "# price = {",
                ":2: models.scripted: lacks `price` (or `price_unknown`",
            ),
            (
                "successor =",
                "parameters = { n = 2 }\nsuccessor =",
                ":8: models.scripted.parameters: `n` is set by Darkroom",
            ),
            (
                "title =",
                "titel =",
                ":3: models.scripted.titel: unknown field `titel`",
            ),
            (
                "\"Scripted\"",
                "3",
                ":3: models.scripted.title: invalid type: integer `3`",
            ),
            (
                "input_usd = 2.0",
                "input_usd = \"2\"",
                ":7: models.scripted.price: invalid type",
            ),
            (
                "successor =",
                "last_seen_working = \"yesterday\"\nsuccessor =",
                ":8: models.scripted.last_seen_working: must be a date like 2026-11-29",
            ),
        ];
        for (from, to, expected) in cases {
            assert!(ONE.contains(from), "the test replaces nothing");
            let other = ONE.replace("scripted", "other");
            let text = ONE.replacen(from, to, 1) + &other;
            let message = fault(&text, "scripted");
            assert!(message.contains(expected), "{to}: {message}");
            let models = Models::parse("models.toml", &text).unwrap().models;
            assert_eq!(models.keys().collect::<Vec<_>>(), ["other"]);
        }
        assert_eq!(
            fault("models.scripted = 3\n", "scripted"),
            "models.toml:1: models.scripted: is no table"
        );
    }

    #[test]
    fn what_is_no_models_file_at_all_is_said_of_the_file() {
        let said = |text: &str| Models::parse("models.toml", text).unwrap_err().to_string();
        let unfinished = format!("{ONE}[models.other\n");
        assert!(said(&unfinished).starts_with("models.toml:9: "));
        assert_eq!(
            said(&format!("{ONE}[model.other]\n")),
            "models.toml:9: model: unknown key: this file has `models` only"
        );
        assert_eq!(said("models = 3\n"), "models.toml:1: models: is no table");
        assert_eq!(Models::parse("models.toml", "").unwrap(), Models::default());
    }
}
