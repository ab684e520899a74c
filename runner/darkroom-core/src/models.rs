//! The models that you can ask for a variant (`experiments/<pipeline>/models.toml`).
//!
//! Data only: the model's address, the variable that holds the key (never the key), the parameters,
//! the price of a token, and what to do when the model is withdrawn. Knows nothing about HTTP;
//! [`crate::models_file`] reads the text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::data_file::DataFileError;

/// Longest wait for one answer unless the file says otherwise, s. Reasoning models take minutes.
const TIMEOUT_S: u64 = 900;

/// What `models.toml` says, by the name that `--model` takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Models {
    pub models: BTreeMap<String, Model>,
    /// Entries that can't be used, and why. The others can.
    pub faults: BTreeMap<String, DataFileError>,
}

/// One model at one OpenAI-compatible endpoint.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// As people call it.
    pub title: String,
    /// What `/chat/completions` is appended to.
    pub base_url: String,
    /// What the vendor calls it in a request.
    pub id: String,
    /// Environment variable that holds the key; empty where a server on this machine takes none.
    #[serde(default)]
    pub key_variable: String,
    /// Sent along as they are.
    #[serde(default)]
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// Longest wait for one answer, retries included, s.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
    /// `None` where it is not known; then `price_unknown` says why.
    #[serde(default)]
    pub price: Option<Price>,
    #[serde(default)]
    pub price_unknown: Option<String>,
    /// What to ask instead once the vendor withdraws this model, and who decides that; absent:
    /// nothing is known.
    #[serde(default)]
    pub successor: Option<String>,
    /// Date of the last answer that somebody saw, `2026-11-29`; empty: nobody has yet. Absent:
    /// nothing is said.
    #[serde(default)]
    pub last_seen_working: Option<String>,
}

/// USD per million tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub input_usd: f64,
    /// Reasoning tokens are output.
    pub output_usd: f64,
    /// Where it was read.
    pub source: String,
    /// As of when, as exactly as the source says.
    pub date: String,
}

const fn timeout_s() -> u64 {
    TIMEOUT_S
}

impl Price {
    /// Returns what an answer cost, USD.
    pub fn cost_usd(&self, input_tokens: u64, output_tokens: u64) -> f64 {
        (input_tokens as f64 * self.input_usd + output_tokens as f64 * self.output_usd) / 1e6
    }
}

impl Model {
    /// Says whether an answer that names `answered` as its model came from the model that was
    /// asked.
    ///
    /// Vendors answer with the id itself or with a snapshot of it (`id-2026-01-31`, `id-001`: three
    /// digits or more), some with a path before it (`models/id`). Anything else is another model:
    /// they reroute requests for models that they have withdrawn.
    pub fn is_answered_by(&self, answered: &str) -> bool {
        let Some(rest) = last_segment(answered).strip_prefix(last_segment(&self.id)) else {
            return false;
        };
        let Some(snapshot) = rest.strip_prefix(['-', '@', ':']) else {
            return rest.is_empty();
        };
        let digits = snapshot.chars().filter(char::is_ascii_digit).count();
        digits >= 3 && snapshot.chars().all(|c| c.is_ascii_digit() || c == '-')
    }

    /// Returns the most tokens that an answer may have, as the parameters limit it; `None` where
    /// they don't.
    pub fn max_output_tokens(&self) -> Option<u64> {
        let limits = ["max_completion_tokens", "max_tokens"];
        limits
            .iter()
            .find_map(|name| self.parameters.get(*name)?.as_u64())
    }

    /// Returns the most that the answer to a question of so many bytes can cost, USD; `None` where
    /// the price is not known or nothing limits the answer.
    ///
    /// A token is at least one byte, so the question counts as many tokens as bytes: three to four
    /// times too many, of a small part of the cost.
    pub fn most_usd(&self, question_bytes: u64) -> Option<f64> {
        let price = self.price.as_ref()?;
        let output = match self.max_output_tokens() {
            None if price.output_usd == 0.0 => 0,
            limit => limit?,
        };
        Some(price.cost_usd(question_bytes, output))
    }

    /// Says why [`Self::most_usd`] is not known.
    pub fn why_unbounded(&self) -> Option<String> {
        match (&self.price_unknown, self.most_usd(0)) {
            (Some(why), _) => Some(format!("price unknown: {why}")),
            (None, None) => Some("neither `max_tokens` nor `max_completion_tokens` is set".into()),
            (None, Some(_)) => None,
        }
    }

    /// Says which key holds what it can't, and why.
    pub(crate) fn mistake(&self) -> Option<(&'static str, String)> {
        const OURS: [&str; 3] = ["model", "messages", "n"];
        if !self.base_url.starts_with("https://") && !is_local(&self.base_url) {
            return Some((
                "base_url",
                "must begin with https://, or the key would be sent unencrypted".into(),
            ));
        }
        if self.id.trim().is_empty() {
            return Some(("id", "is empty".into()));
        }
        let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let needs_none = self.key_variable.is_empty() && is_local(&self.base_url);
        let is_name = !self.key_variable.is_empty() && self.key_variable.chars().all(plain);
        if !needs_none && !is_name {
            return Some((
                "key_variable",
                "must be the name of an environment variable (A-Z, 0-9 and _), never the key \
                 itself"
                    .into(),
            ));
        }
        if let Some(ours) = OURS
            .iter()
            .find(|name| self.parameters.contains_key(**name))
        {
            return Some((
                "parameters",
                format!("`{ours}` is set by Darkroom; remove it"),
            ));
        }
        if self.timeout_s == 0 {
            return Some((
                "timeout_s",
                "0 s is too short; write the seconds to wait for an answer".into(),
            ));
        }
        if self
            .successor
            .as_ref()
            .is_some_and(|successor| successor.trim().is_empty())
        {
            return Some((
                "successor",
                "is empty: write which model to ask once this one is withdrawn, or remove it"
                    .into(),
            ));
        }
        if self
            .last_seen_working
            .as_ref()
            .is_some_and(|date| !date.is_empty() && !is_date(date))
        {
            return Some((
                "last_seen_working",
                "must be a date like 2026-11-29, or empty while nobody has seen an answer".into(),
            ));
        }
        match (&self.price, &self.price_unknown) {
            (None, None) => Some((
                "price",
                "is missing: add it with source and date, or write in `price_unknown` why it is \
                 missing"
                    .into(),
            )),
            (Some(_), Some(_)) => {
                Some(("price_unknown", "there is a `price` too; remove one".into()))
            }
            (Some(price), None) => price.mistake().map(|message| ("price", message)),
            (None, Some(_)) => None,
        }
    }
}

impl Price {
    fn mistake(&self) -> Option<String> {
        let sound = |usd: f64| usd.is_finite() && usd >= 0.0;
        if !sound(self.input_usd) || !sound(self.output_usd) {
            return Some("must be USD per million tokens, 0 or more".into());
        }
        (self.source.trim().is_empty() || self.date.trim().is_empty())
            .then(|| "needs `source` and `date`".into())
    }
}

/// Whether an address is this machine's own.
pub(crate) fn is_local(base_url: &str) -> bool {
    let local = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
    local.iter().any(|start| base_url.starts_with(start))
}

/// Whether a text has the form of a date, `2026-11-29`.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let digits = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    parts.iter().all(digits) && parts.iter().map(|part| part.len()).eq([4, 2, 2])
}

fn last_segment(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const COMMITTED: &str = include_str!("../../../experiments/image-pipeline/models.toml");
    /// A file with one model.
    pub(crate) const ONE: &str = r#"
[models.scripted]
title = "Scripted"
base_url = "http://127.0.0.1:1/v1"
id = "scripted-model"
key_variable = "SCRIPTED_KEY"
price = { input_usd = 2.0, output_usd = 8.0, source = "made up", date = "2026-11-24" }
successor = "none"
"#;

    #[test]
    fn the_committed_models_are_those_of_the_study_and_their_successors() {
        let models = Models::parse("models.toml", COMMITTED).unwrap().models;
        for vendors in [
            "deepseek",
            "gemini-2.5-pro",
            "gemini-3.8-flash",
            "gpt-5",
            "gpt-6.1-sol",
        ] {
            assert_eq!(
                models[vendors].last_seen_working.as_deref(),
                Some(""),
                "{vendors}: until somebody asks with a key and writes the date"
            );
        }
    }

    #[test]
    fn a_server_on_this_machine_needs_no_key_and_any_other_does() {
        let keyless = ONE.replace("key_variable = \"SCRIPTED_KEY\"\n", "");
        let at = |address: &str| {
            let lines = keyless.lines().map(|line| match line.split_once(" = ") {
                Some(("base_url", _)) => format!("base_url = \"{address}\"\n"),
                _ => format!("{line}\n"),
            });
            Models::parse("models.toml", &lines.collect::<String>())
        };
        assert_eq!(
            at("http://127.0.0.1:8431/v1").unwrap().models["scripted"].key_variable,
            ""
        );
        let refused = at("https://vendor.example/v1").unwrap().faults["scripted"].to_string();
        assert!(refused.contains("lacks `key_variable`"), "{refused}");
    }

    #[test]
    fn the_most_that_an_answer_can_cost_needs_a_price_and_a_limit() {
        let model = |line: &str| {
            let text = ONE.replace("successor =", &format!("{line}\nsuccessor ="));
            Models::parse("models.toml", &text).unwrap().models["scripted"].clone()
        };
        let limited = model("parameters = { max_tokens = 1000 }");
        assert_eq!(
            limited.most_usd(500),
            Some((500.0 * 2.0 + 1000.0 * 8.0) / 1e6)
        );
        assert_eq!(limited.why_unbounded(), None);
        let unlimited = model("parameters = { temperature = 0.5 }");
        assert_eq!(unlimited.most_usd(500), None);
        assert!(unlimited.why_unbounded().unwrap().contains("max_tokens"));
        let mut free = unlimited;
        free.price.as_mut().unwrap().output_usd = 0.0;
        assert_eq!(free.most_usd(500), Some(500.0 * 2.0 / 1e6));
        let mut unknown = limited;
        (unknown.price, unknown.price_unknown) = (None, Some("private".into()));
        assert_eq!(unknown.why_unbounded().unwrap(), "price unknown: private");
    }

    #[test]
    fn an_answer_costs_its_tokens() {
        let price = Models::parse("models.toml", ONE).unwrap().models["scripted"]
            .price
            .clone()
            .unwrap();
        assert!((price.cost_usd(1_000, 500) - 0.006).abs() < 1e-12);
    }

    #[test]
    fn a_snapshot_is_the_model_and_a_successor_is_not() {
        let mut model = Models::parse("models.toml", ONE).unwrap().models["scripted"].clone();
        for (asked, answered, same) in [
            ("gpt-5", "gpt-5", true),
            ("gpt-5", "gpt-5-2025-08-07", true),
            ("gpt-5", "gpt-5-mini", false),
            ("gpt-5", "gpt-5.1", false),
            ("gpt-5", "gpt-50", false),
            ("gpt-5", "gpt-5-2", false),
            ("gemini-2.5-pro", "models/gemini-2.5-pro", true),
            ("gemini-2.5-pro", "gemini-2.5-pro-001", true),
            ("gemini-2.5-pro", "gemini-3.8-flash", false),
        ] {
            asked.clone_into(&mut model.id);
            assert_eq!(
                model.is_answered_by(answered),
                same,
                "{asked} answered by {answered}"
            );
        }
    }
}
