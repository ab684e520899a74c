//! JSON objects → named texts. Also finds what a plain parser accepts silently: duplicate keys, and
//! Python's `NaN`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::rows::{Said, ValueKind, as_seen, has_invisible};

/// Why a value is no row.
pub const NO_OBJECT: &str =
    "not a JSON object. Write each row as an object, such as {\"ms\": 101.5}";

/// A JSON value that knows which of its keys stood twice.
#[derive(Debug)]
pub enum Json {
    Null,
    /// A text, or a number or truth as JSON spells it.
    Leaf(Said),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Reads one value. Python writes a missing number as `NaN`, which JSON has not.
pub fn parse(text: &str) -> Result<Json, serde_json::Error> {
    serde_json::from_str(text).or_else(|error| match without_nan(text) {
        Some(text) => serde_json::from_str(&text),
        None => Err(error),
    })
}

/// Reads values that follow each other without commas, as jq prints them; `None` where anything
/// else stands there.
pub fn stream(text: &str) -> Option<Vec<Json>> {
    let plain = without_nan(text);
    let values =
        serde_json::Deserializer::from_str(plain.as_deref().unwrap_or(text)).into_iter::<Json>();
    values.collect::<Result<_, _>>().ok()
}

/// Returns the text with `null` for `NaN` and texts for infinities; `None` where it has neither.
fn without_nan(text: &str) -> Option<String> {
    const WORDS: [(&str, &str); 3] = [
        ("NaN", "null"),
        ("-Infinity", "\"-Infinity\""),
        ("Infinity", "\"Infinity\""),
    ];
    let (mut out, mut rest, mut quoted, mut found) =
        (String::with_capacity(text.len()), text, false, false);
    while let Some(letter) = rest.chars().next() {
        let word = WORDS
            .iter()
            .find(|(word, _)| !quoted && rest.starts_with(word));
        let taken = match (word, letter) {
            (Some((word, instead)), _) => {
                out.push_str(instead);
                found = true;
                rest = &rest[word.len()..];
                continue;
            }
            (None, '\\') if quoted => {
                letter.len_utf8() + rest[1..].chars().next().map_or(0, char::len_utf8)
            }
            _ => letter.len_utf8(),
        };
        quoted ^= letter == '"';
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    found.then_some(out)
}

impl Json {
    /// Returns an object's values by dotted name; a null is an empty text. Lists and objects say
    /// only what they are.
    pub fn flat(&self) -> Result<BTreeMap<String, Said>, String> {
        let Self::Object(_) = self else {
            return Err(NO_OBJECT.into());
        };
        let mut fields = BTreeMap::new();
        self.put("", &mut fields)?;
        fields.remove("");
        Ok(fields)
    }

    /// Adds the names, as they are seen, that hold characters without a width.
    pub fn mended(&self, names: &mut BTreeSet<String>) {
        let Self::Object(members) = self else { return };
        for (key, value) in members {
            if has_invisible(key) {
                names.insert(format!("`{}`", as_seen(key)));
            }
            value.mended(names);
        }
    }

    fn put(&self, name: &str, fields: &mut BTreeMap<String, Said>) -> Result<(), String> {
        let said = match self {
            Self::Leaf(said) => said.clone(),
            Self::Array(_) => Said {
                text: String::new(),
                kind: ValueKind::List,
            },
            Self::Null => Said::text(""),
            Self::Object(members) => {
                members.iter().try_for_each(|(key, value)| {
                    let key = as_seen(key);
                    let name = if name.is_empty() {
                        key
                    } else {
                        format!("{name}.{key}")
                    };
                    value.put(&name, fields)
                })?;
                Said {
                    text: String::new(),
                    kind: ValueKind::Object,
                }
            }
        };
        let twice = fields.insert(name.to_owned(), said).is_some();
        if twice {
            Err(format!(
                "two keys are called `{name}`. Rename or remove one"
            ))
        } else {
            Ok(())
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyJson)
    }
}

struct AnyJson;

impl<'de> Visitor<'de> for AnyJson {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Leaf(Said::text(if truth { "true" } else { "false" })))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Leaf(Said::number(&number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Leaf(Said::number(&number)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Leaf(Said::number(&number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Leaf(Said::text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element()? {
            found.push(item);
        }
        Ok(Json::Array(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut found = Vec::new();
        while let Some(member) = members.next_entry()? {
            found.push(member);
        }
        Ok(Json::Object(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(text: &str) -> Result<Vec<(String, String)>, String> {
        let fields = parse(text).unwrap().flat()?;
        Ok(fields
            .into_iter()
            .map(|(name, said)| (name, said.text))
            .collect())
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_wherever_it_stands() {
        for text in [
            r#"{"ms": 1, "ms": 2}"#,
            r#"{"a": {"ms": 1, "ms": 1}}"#,
            r#"{"a.b": 1, "a": {"b": 2}}"#,
            r#"{"ms": null, "ms": 2}"#,
            r#"{"ms": 2, "ms": null}"#,
        ] {
            assert!(
                flat(text).unwrap_err().starts_with("two keys are called `"),
                "{text}"
            );
        }
    }

    #[test]
    fn keys_are_what_is_seen_of_them() {
        let text = "{\"\u{feff}ms\u{200b}\": 1, \" a\u{a0}b \": {\"\u{ad}c\": 2}}";
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(
            flat(text).unwrap(),
            [pair("a b", ""), pair("a b.c", "2"), pair("ms", "1")]
        );
        let mut names = BTreeSet::new();
        parse(text).unwrap().mended(&mut names);
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["`c`", "`ms`"]);
        assert_eq!(
            flat("{\"ms\": 1, \"ms\u{200b}\": 2}").unwrap_err(),
            "two keys are called `ms`. Rename or remove one"
        );
    }

    #[test]
    fn pythons_nan_is_a_null_and_only_outside_of_texts() {
        let found = flat(r#"{"a": NaN, "b": "NaN \" NaN", "c": -Infinity, "d": 512.0}"#).unwrap();
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(
            found,
            [
                pair("a", ""),
                pair("b", "NaN \" NaN"),
                pair("c", "-Infinity"),
                pair("d", "512")
            ]
        );
        assert!(parse("{\"a\": Nope}").is_err());
    }
}
