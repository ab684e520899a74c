//! `[adapt]` of a `variant.toml`: how to call handlers with their own conventions, and how to read
//! their answers.
//!
//! It sets a handler's own environment variables, makes the event that it expects, says where its
//! output goes, and where its answer holds the image and its own time. It changes no code. Pure:
//! templates and JSON in, text and values out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `[adapt]` says. What it leaves out is as the contract has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adapt {
    /// Environment name → template of its value, beside `OUTPUT_BUCKET` and `OUTPUT_PREFIX`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The event, with placeholders in its strings; absent: the transport's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Value>,
    /// Template of the key under which the output lands; absent: `{prefix}{name}.{extension}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_key: Option<String>,
    /// Where in the answer the image stands, for example `body.image_base64`; absent: `image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Where in the answer the handler says how long it took; absent: the usual names
    /// ([`USUAL_TIMES_MS`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<String>,
    /// Unit of `reported`.
    #[serde(skip_serializing_if = "is_ms")]
    pub reported_unit: TimeUnit,
    /// The same keys for single stages, where they differ.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stages: BTreeMap<String, StageAdapt>,
}

/// What differs for one stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StageAdapt {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    #[default]
    Ms,
    S,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_ms(unit: &TimeUnit) -> bool {
    *unit == TimeUnit::Ms
}

/// Placeholders of environment values.
pub const ENVIRONMENT_FACTS: &[&str] = &["bucket", "prefix", "folder", "region", "stage"];
/// Placeholders of the output's key: `name` is the input's file name without extension,
/// `input_file` with it.
pub const KEY_FACTS: &[&str] = &[
    "prefix",
    "folder",
    "region",
    "stage",
    "name",
    "extension",
    "input_key",
    "input_file",
    "input_folder",
];
/// Placeholders of the event: those of the key, and these.
pub const EVENT_FACTS: &[&str] = &["bucket", "output_key", "image"];

/// Names under which handlers usually report milliseconds, at the top of their answer or in its
/// `body`.
pub const USUAL_TIMES_MS: &[&str] = &[
    "execution_time_ms",
    "duration_ms",
    "processing_time_ms",
    "elapsed_ms",
    "elapsed_time_ms",
    "runtime_ms",
    "latency_ms",
    "time_ms",
];

/// One stage's habits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Habits {
    pub environment: BTreeMap<String, String>,
    pub event: Option<Value>,
    pub output_key: Option<String>,
    pub image: Option<String>,
    pub reported: Option<String>,
    pub reported_unit: TimeUnit,
}

impl Adapt {
    /// Returns what holds for `stage`: its own where it says something, else the variant's.
    pub fn for_stage(&self, stage: &str) -> Habits {
        let own = self.stages.get(stage).cloned().unwrap_or_default();
        let mut environment = self.environment.clone();
        environment.extend(own.environment);
        Habits {
            environment,
            event: own.event.or_else(|| self.event.clone()),
            output_key: own.output_key.or_else(|| self.output_key.clone()),
            image: own.image.or_else(|| self.image.clone()),
            reported: own.reported.or_else(|| self.reported.clone()),
            reported_unit: self.reported_unit,
        }
    }

    /// Returns why an S3 trigger can't feed these handlers, if it can't: what S3 sends and where a
    /// chain continues are not the variant's to choose.
    pub fn not_for_triggers(&self) -> Option<&'static str> {
        let own_event =
            self.event.is_some() || self.stages.values().any(|stage| stage.event.is_some());
        let elsewhere =
            |key: &String| !key.starts_with("{prefix}") && !key.starts_with("{folder}/");
        let own_keys = self.output_key.iter().chain(
            self.stages
                .values()
                .filter_map(|stage| stage.output_key.as_ref()),
        );
        if own_event {
            Some(
                "its handlers expect their own kind of event (adapt.event), but S3 sends its \
                 notification",
            )
        } else if own_keys.clone().any(elsewhere) {
            Some(
                "its outputs land outside the prefix that starts the next stage (adapt.output_key)",
            )
        } else {
            None
        }
    }

    /// Returns the key of the first template that names something unknown, and a message about it.
    pub fn mistake(&self) -> Option<(&'static str, String)> {
        let key_facts: Vec<&str> = KEY_FACTS.to_vec();
        let event_facts: Vec<&str> = KEY_FACTS.iter().chain(EVENT_FACTS).copied().collect();
        let stages = self.stages.values();
        let environments = std::iter::once(&self.environment)
            .chain(stages.clone().map(|stage| &stage.environment));
        for value in environments.flat_map(BTreeMap::values) {
            if let Some(name) = unknown_placeholder(value, ENVIRONMENT_FACTS) {
                return Some(("environment", no_fact(name, ENVIRONMENT_FACTS)));
            }
        }
        for key in self
            .output_key
            .iter()
            .chain(stages.clone().filter_map(|stage| stage.output_key.as_ref()))
        {
            if let Some(name) = unknown_placeholder(key, &key_facts) {
                return Some(("output_key", no_fact(name, &key_facts)));
            }
            if !key.contains("{name}")
                && !key.contains("{input_file}")
                && !key.contains("{input_key}")
            {
                let message = format!(
                    "`{key}` is the same for every image: it needs {{name}} or {{input_file}}"
                );
                return Some(("output_key", message));
            }
        }
        for event in self
            .event
            .iter()
            .chain(stages.filter_map(|stage| stage.event.as_ref()))
        {
            if let Some(name) = strings(event)
                .into_iter()
                .find_map(|text| unknown_placeholder(text, &event_facts))
            {
                return Some(("event", no_fact(name, &event_facts)));
            }
        }
        None
    }
}

fn no_fact(name: &str, known: &[&str]) -> String {
    format!(
        "unknown placeholder `{{{name}}}`; known: {}",
        known.join(", ")
    )
}

fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(entries) => entries.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

fn unknown_placeholder<'a>(template: &'a str, known: &[&str]) -> Option<&'a str> {
    parts(template).find_map(|part| match part {
        Part::Placeholder(name) if !known.contains(&name) => Some(name),
        _ => None,
    })
}

enum Part<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

/// Splits a template. Only `{letters_and_underscores}` is a placeholder: braces of JSON in a string
/// are text.
fn parts(template: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (at, name) = next_placeholder(rest).unwrap_or((rest.len(), ""));
        if at > 0 {
            let (text, after) = rest.split_at(at);
            rest = after;
            return Some(Part::Text(text));
        }
        rest = &rest[name.len() + 2..];
        Some(Part::Placeholder(name))
    })
}

fn next_placeholder(text: &str) -> Option<(usize, &str)> {
    text.match_indices('{').find_map(|(at, _)| {
        let (name, _) = text[at + 1..].split_once('}')?;
        let plain = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        plain.then_some((at, name))
    })
}

/// Returns the template with its placeholders filled in; one that `facts` lacks stays as it is.
pub fn filled<'a>(template: &str, facts: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut text = String::with_capacity(template.len());
    for part in parts(template) {
        match part {
            Part::Text(plain) => text.push_str(plain),
            Part::Placeholder(name) => match facts(name) {
                Some(value) => text.push_str(value),
                None => text.extend(["{", name, "}"]),
            },
        }
    }
    text
}

/// Returns the event with the placeholders in all its strings filled in.
pub fn filled_event<'a>(event: &Value, facts: &impl Fn(&str) -> Option<&'a str>) -> Value {
    match event {
        Value::String(text) => Value::String(filled(text, facts)),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| filled_event(item, facts)).collect())
        }
        Value::Object(entries) => Value::Object(
            entries
                .iter()
                .map(|(key, value)| (key.clone(), filled_event(value, facts)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Returns what is at `path` (`body.image`) of an answer; a string on the way is read as JSON.
pub fn value_at(answer: &Value, path: &str) -> Option<Value> {
    fn walk(here: &Value, steps: &[&str]) -> Option<Value> {
        let [step, rest @ ..] = steps else {
            return Some(here.clone());
        };
        match here {
            Value::String(text) => walk(&serde_json::from_str(text).ok()?, steps),
            Value::Object(entries) => walk(entries.get(*step)?, rest),
            Value::Array(items) => walk(items.get(step.parse::<usize>().ok()?)?, rest),
            _ => None,
        }
    }
    walk(answer, &path.split('.').collect::<Vec<_>>())
}

/// Returns the `body` of an answer, also where it is JSON in a string.
fn body_of(answer: &Value) -> Option<Value> {
    match answer.get("body")? {
        Value::String(text) => serde_json::from_str(text).ok(),
        body => Some(body.clone()),
    }
}

impl Habits {
    /// Returns the image in an answer, base64 as the handler gave it. A data URL's head is cut off.
    pub fn image_in(&self, answer: &Value) -> Option<String> {
        let Value::String(image) = value_at(answer, self.image.as_deref().unwrap_or("image"))?
        else {
            return None;
        };
        match image.split_once(";base64,") {
            Some((head, bytes)) if head.starts_with("data:") => Some(bytes.to_owned()),
            _ => Some(image),
        }
    }

    /// Returns the time that a handler claims for itself in its answer, ms; only what is a finite
    /// number, not negative.
    pub fn reported_ms(&self, answer: &Value) -> Option<f64> {
        let number = |value: Value| match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let found = if let Some(path) = &self.reported {
            number(value_at(answer, path)?)?
                * if self.reported_unit == TimeUnit::S {
                    1e3
                } else {
                    1.0
                }
        } else {
            let usual = |of: &Value| USUAL_TIMES_MS.iter().find_map(|name| of.get(name).cloned());
            number(usual(answer).or_else(|| usual(&body_of(answer)?))?)?
        };
        (found.is_finite() && found >= 0.0).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn braces_of_json_are_text_and_names_are_filled_in() {
        let facts = |name: &str| match name {
            "image" => Some("QUJD"),
            "name" => Some("cat"),
            _ => None,
        };
        assert_eq!(
            filled(r#"{"img": "{image}", "n": {"a": 1}}"#, facts),
            r#"{"img": "QUJD", "n": {"a": 1}}"#
        );
        assert_eq!(
            filled("out/{name}_grey.{what}", facts),
            "out/cat_grey.{what}"
        );
        let event = json!({ "body": "{\"image\": \"{image}\"}", "options": { "quality": 90, "tags": ["{name}"] } });
        let expected = json!({ "body": "{\"image\": \"QUJD\"}", "options": { "quality": 90, "tags": ["cat"] } });
        assert_eq!(filled_event(&event, &facts), expected);
    }

    #[test]
    fn answers_are_looked_into_also_where_a_body_is_json_in_a_string() {
        let habits = Habits {
            image: Some("body.data.image".into()),
            ..Habits::default()
        };
        let answer = json!({ "statusCode": 200, "body": "{\"data\": {\"image\": \"QUJD\"}, \"execution_time_ms\": 12.5}" });
        assert_eq!(habits.image_in(&answer).as_deref(), Some("QUJD"));
        assert_eq!(habits.reported_ms(&answer), Some(12.5));
        let seconds = Habits {
            reported: Some("took".into()),
            reported_unit: TimeUnit::S,
            ..Habits::default()
        };
        assert_eq!(seconds.reported_ms(&json!({ "took": "0.25" })), Some(250.0));
        assert_eq!(seconds.reported_ms(&json!({ "took": -1 })), None);
        assert_eq!(
            Habits::default().reported_ms(&json!({ "duration_ms": "soon" })),
            None
        );
        let url = json!({ "image": "data:image/png;base64,QUJD" });
        assert_eq!(Habits::default().image_in(&url).as_deref(), Some("QUJD"));
    }

    #[test]
    fn a_template_that_names_what_nobody_knows_is_a_mistake() {
        let mistake = |adapt: Adapt| {
            adapt
                .mistake()
                .map_or_else(String::new, |(key, message)| format!("{key}: {message}"))
        };
        let wrong = Adapt {
            output_key: Some("x/{nmae}.png".into()),
            ..Adapt::default()
        };
        assert!(mistake(wrong).starts_with("output_key: unknown placeholder `{nmae}`"));
        let same = Adapt {
            output_key: Some("x/result.png".into()),
            ..Adapt::default()
        };
        assert!(mistake(same).contains("same for every image"));
        let environment = BTreeMap::from([("BUCKET".to_owned(), "{buckt}".to_owned())]);
        assert!(
            mistake(Adapt {
                environment,
                ..Adapt::default()
            })
            .starts_with("environment: unknown placeholder `{buckt}`")
        );
        assert!(
            mistake(Adapt {
                event: Some(json!({ "a": ["{img}"] })),
                ..Adapt::default()
            })
            .starts_with("event: unknown placeholder `{img}`")
        );
        assert_eq!(
            mistake(Adapt {
                event: Some(json!({ "a": "{\"x\": \"{image}\"}" })),
                ..Adapt::default()
            }),
            ""
        );
    }
}
