//! Which object names a function's code may use, in addition to what its role allows: names below
//! its own prefixes, and names in the event that it works on. Pure.
//!
//! Many functions share a role, so the role's policy cannot distinguish them. Names of one event
//! end with the next event; before the first event there are none.

use std::collections::HashSet;
use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::Value;

use crate::lineage::Lineage;
use crate::s3::decode;

/// Longest text of an event that can be a name: S3's limit is 1,024 bytes, and escaping makes three
/// of one.
const LONGEST: usize = 4096;
/// How deep JSON may stand as text within JSON: a proxy's `body` is one level, a queue's message in
/// it another.
const NESTED: u32 = 3;

/// The names that are a function's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnNames {
    /// What its own names begin with.
    pub prefixes: Vec<String>,
    /// What whoever writes the function calls that; refusals name it.
    pub called: String,
}

impl OwnNames {
    pub fn hold(&self, key: &str) -> bool {
        self.prefixes
            .iter()
            .any(|prefix| key.starts_with(prefix.as_str()))
    }
}

/// What an environment works on.
#[derive(Debug)]
pub struct Work {
    event: Bytes,
    /// The runs that led here, this one included.
    pub chain: Lineage,
    /// Read out of the event when a call first asks.
    told: OnceLock<HashSet<String>>,
}

impl Work {
    pub fn new(event: Bytes, chain: Lineage) -> Self {
        Self {
            event,
            chain,
            told: OnceLock::new(),
        }
    }

    fn named_by_event(&self) -> &HashSet<String> {
        self.told.get_or_init(|| {
            let mut told = HashSet::new();
            take_text(&self.event, NESTED, &mut told);
            told
        })
    }

    /// Tells whether the event names this very object.
    pub fn names(&self, key: &str) -> bool {
        self.named_by_event().contains(key)
    }

    /// Tells whether the event names the object, a folder that it lies in, or its folder and its
    /// file apart.
    pub fn tells(&self, key: &str) -> bool {
        let told = self.named_by_event();
        told.contains(key)
            || key.match_indices('/').any(|(slash, _)| {
                let (folder, file) = (&key[..slash], &key[slash + 1..]);
                let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
                // A folder at the top is a word that any event may hold.
                told.contains(folder)
                    && (folder.contains('/') || told.contains(file) || told.contains(stem))
            })
    }
}

/// Takes every name in a JSON document.
fn take_text(document: &[u8], nested: u32, told: &mut HashSet<String>) {
    if let Ok(document) = serde_json::from_slice(document) {
        take(&document, nested, told);
    }
}

fn take(value: &Value, nested: u32, told: &mut HashSet<String>) {
    match value {
        Value::String(text) => take_names(text, nested, told),
        Value::Array(all) => all.iter().for_each(|one| take(one, nested, told)),
        Value::Object(all) => {
            for (name, one) in all {
                take_names(name, nested, told);
                take(one, nested, told);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Takes the names that one text can mean: itself, and what follows the bucket in a URL or an ARN.
fn take_names(text: &str, nested: u32, told: &mut HashSet<String>) {
    if nested > 0 && text.trim_start().starts_with(['{', '[']) {
        take_text(text.as_bytes(), nested - 1, told);
    }
    if text.len() > LONGEST {
        return;
    }
    let location = text
        .split_once("://")
        .map(|(_, rest)| rest)
        .or_else(|| text.strip_prefix("arn:aws:s3:::"));
    let location = location.map(|it| {
        if text.starts_with("http") {
            it.split(['?', '#']).next().unwrap_or(it)
        } else {
            it
        }
    });
    // In the path of a URL the bucket comes first, unless the host names it.
    let after = |text| str::split_once(text, '/').map(|(_, rest)| rest);
    let below_host = location.and_then(after);
    let below_bucket = below_host.and_then(after);
    for name in [Some(text), below_host, below_bucket].into_iter().flatten() {
        let name = name.trim_matches('/');
        if !name.is_empty() {
            told.insert(decode(name));
            told.insert(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn work(event: &Value) -> Work {
        Work::new(Bytes::from(event.to_string()), Lineage::default())
    }

    #[test]
    fn an_events_names_are_found_however_they_are_written() {
        let key = "input/first/0123/my cat+é.png";
        for event in [
            json!({ "Records": [{ "s3": { "bucket": { "name": "b" }, "object": { "key": "input/first/0123/my+cat%2B%C3%A9.png" } } }] }),
            json!({ "key": key }),
            json!({ "from": format!("s3://b/{key}"), "to": "s3://b/out.png" }),
            json!({ "from": "https://b.s3.amazonaws.com/input/first/0123/my%20cat%2B%C3%A9.png?X-Amz-Signature=1" }),
            json!({ "from": "http://127.0.0.1:1/b/input/first/0123/my%20cat%2B%C3%A9.png" }),
            json!({ "from": format!("arn:aws:s3:::b/{key}") }),
            json!({ "body": json!({ "key": key }).to_string() }),
            json!([{ "body": json!([json!({ "key": format!("/{key}") }).to_string()]).to_string() }]),
            json!({ (key): 1 }),
        ] {
            let work = work(&event);
            assert!(work.tells(key) && work.names(key), "{event}");
            assert!(
                !work.tells("input/first/0123/my cat") && !work.tells("input/first/4567/other.png"),
                "{event}"
            );
        }
    }

    #[test]
    fn a_folder_tells_what_lies_in_it_and_a_word_does_not() {
        let apart = work(&json!({ "folder": "input/first/0123/", "file": "cat.png" }));
        assert!(
            apart.tells("input/first/0123/cat.png") && !apart.names("input/first/0123/cat.png")
        );
        let top = work(&json!({ "folder": "turned", "name": "cat", "kind": "input" }));
        assert!(
            top.tells("turned/cat.jpg")
                && !top.tells("turned/dog.jpg")
                && !top.tells("input/first/0123/cat2.png")
        );
    }

    #[test]
    fn a_name_within_a_name_is_not_told() {
        let within = work(&json!({ "key": "a/first/upload/other/cat.png" }));
        assert!(!within.tells("upload/other/cat.png") && !within.tells("cat.png"));
        let spoilt = Work::new(Bytes::from_static(b"{\"key\": \"a/b"), Lineage::default());
        assert!(!spoilt.tells("a/b"));
    }

    #[test]
    fn whatever_an_event_holds_is_read_or_left() {
        let words = &[
            "{",
            "}",
            "[",
            "]",
            "\"",
            "\\\"",
            ":",
            ",",
            "s3://",
            "arn:aws:s3:::",
            "/",
            "%",
            "+",
            "\\u0000",
            "?",
            "{\\\"a\\\":\\\"",
        ];
        crate::hostile::Parser {
            name: "told",
            words,
            longest: 1 << 20,
        }
        .hold(|input| {
            let work = Work::new(Bytes::copy_from_slice(input), Lineage::default());
            work.tells("a/b/c.png");
        });
    }
}
