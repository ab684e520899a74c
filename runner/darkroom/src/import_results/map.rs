//! The map: which column of a foreign file holds what, and what the file does not say.

use std::collections::{BTreeMap, BTreeSet};

use encoding_rs::Encoding;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::rows::{Said, ValueKind};
use super::words::{self, Digits, Ended};

/// What a column or a constant can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    Variant,
    Architecture,
    MemoryMb,
    ImageSet,
    Image,
    Trigger,
    Input,
    Start,
    Concurrency,
    Model,
    Sample,
    Deployment,
    Stage,
    Repetition,
    WarmUp,
    StartedAt,
    Duration,
    Billed,
    Init,
    Cold,
    MaxMemoryMb,
    Client,
    HandlerReported,
    Turnaround,
    Status,
    ErrorType,
    Error,
    RequestId,
    Environment,
    CpuModel,
    OutputOk,
}

impl Field {
    /// Returns its name as the map spells it.
    pub fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|name| Some(name.as_str()?.to_owned()))
            .unwrap_or_default()
    }
}

/// Fields that every row needs, from a column or a constant.
const NEEDED: [(Field, &str); 10] = [
    (Field::Variant, "variant"),
    (Field::Architecture, "architecture"),
    (Field::MemoryMb, "memory_mb"),
    (Field::ImageSet, "image_set"),
    (Field::Image, "image"),
    (Field::Trigger, "trigger"),
    (Field::Input, "input"),
    (Field::Start, "start"),
    (Field::Stage, "stage"),
    (Field::Duration, "duration"),
];

/// Who held the watch for `duration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasuredBy {
    Platform,
    Client,
    Handler,
}

impl MeasuredBy {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "the platform",
            Self::Client => "the client, round trip included",
            Self::Handler => "the handler itself",
        }
    }
}

/// Another framework whose names are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Like {
    /// Serverless Application Analytics Framework.
    Saaf,
}

/// Names of SAAF's attributes: `runtime` is from entering its Inspector to leaving it, ms, by the
/// handler's own process. Source: the framework's README, "Attributes Collected by Each Function",
/// and `FaaS` Runner's `roundTripTime`.
const SAAF: [(Field, &str); 6] = [
    (Field::Duration, "runtime"),
    (Field::Cold, "newcontainer"),
    (Field::Environment, "uuid"),
    (Field::CpuModel, "cpuType"),
    (Field::Client, "roundTripTime"),
    (Field::MemoryMb, "functionMemory"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MapFile {
    experiment: String,
    measured_by: MeasuredBy,
    /// In words: machine or cloud, region, when.
    measured_where: Option<String>,
    /// In words: who judged `output_ok`, and by what.
    outputs_checked_by: Option<String>,
    like: Option<Like>,
    /// A name of the WHATWG's list, for example `windows-1252`; a byte order mark in the file comes
    /// before it.
    encoding: Option<String>,
    /// What separates columns; without it the file shows it.
    delimiter: Option<String>,
    /// What comes before a number's fraction: `.` or `,`.
    decimal: Option<char>,
    /// What separates groups of three digits; nothing without it.
    thousands: Option<char>,
    /// More words for a missing value.
    #[serde(default)]
    missing: Vec<String>,
    #[serde(default)]
    stages: Vec<String>,
    #[serde(default = "unknown_order")]
    order: String,
    #[serde(default = "default_region")]
    price_region: String,
    #[serde(default)]
    constants: BTreeMap<Field, Spanned<toml::Value>>,
    #[serde(default)]
    columns: BTreeMap<Field, toml::Value>,
    #[serde(default)]
    values: BTreeMap<Field, BTreeMap<String, String>>,
}

fn unknown_order() -> String {
    "unknown".into()
}

fn default_region() -> String {
    "us-east-1".into()
}

/// A column, its unit where it is a time, and its words for success and failure where it is a
/// status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    #[serde(rename = "column")]
    pub name: String,
    #[serde(default)]
    pub unit: Unit,
    #[serde(default)]
    pub ok: Vec<String>,
    #[serde(default)]
    pub failed: Vec<String>,
}

impl Column {
    fn called(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}

/// A unit of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Ns,
    Us,
    #[default]
    Ms,
    S,
}

impl Unit {
    pub const ALL: [(Self, &str); 4] = [
        (Self::Ns, "ns"),
        (Self::Us, "us"),
        (Self::Ms, "ms"),
        (Self::S, "s"),
    ];

    pub const fn ms(self) -> f64 {
        match self {
            Self::Ns => 1e-6,
            Self::Us => 1e-3,
            Self::Ms => 1.0,
            Self::S => 1e3,
        }
    }
}

/// A map, understood.
#[derive(Clone, Debug)]
pub struct Map {
    pub experiment: String,
    pub measured_by: MeasuredBy,
    pub measured_where: Option<String>,
    pub outputs_checked_by: Option<String>,
    /// In pipeline order; empty: in the order of their first rows.
    pub stages: Vec<String>,
    pub order: String,
    pub price_region: String,
    pub encoding: Option<&'static Encoding>,
    pub delimiter: Option<u8>,
    pub digits: Digits,
    pub columns: BTreeMap<Field, Column>,
    missing: Vec<String>,
    constants: BTreeMap<Field, Said>,
    values: BTreeMap<Field, BTreeMap<String, String>>,
}

/// What is wrong with a map.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    #[error(
        "`{0}` is neither under [columns] nor under [constants]. Add it to one: every row needs \
         it, and Darkroom guesses nothing"
    )]
    Needed(&'static str),
    #[error("[columns] {field:?}: {source}")]
    Column {
        field: Field,
        source: toml::de::Error,
    },
    #[error(
        "line {line}: `{field}` is under both [columns] and [constants]. Remove one. To fill empty cells, set `\"\" = \"…\"` \
         under [values.{field}]"
    )]
    Both { line: usize, field: String },
    #[error("[constants] {0:?}: expected a text, a number, or true or false")]
    Constant(Field),
    #[error(
        "set both `output_ok` and `outputs_checked_by = \"…\"`: the first says which outputs \
         were right, the second who judged them and how"
    )]
    Judge,
    #[error(
        "`encoding` is `{0}`, an unknown encoding. Set it to \"utf-8\" or \"windows-1252\", for \
         example"
    )]
    Encoding(String),
    #[error("`delimiter` is `{0}`. Set it to one character, for example \";\" or \"\\t\"")]
    Delimiter(String),
    #[error("`{key}` is `{found}`. Set it to one of: {known}")]
    Digits {
        key: &'static str,
        found: char,
        known: &'static str,
    },
    #[error("`decimal` and `thousands` are both `{0}`. Set only one of them to it")]
    SameDigits(char),
    #[error("[columns] status: `{0}` is both under `ok` and under `failed`. Remove it from one")]
    BothEnds(String),
    #[error(
        "`experiment` is `{0}`, but it becomes a folder's name. Use only letters, digits, `-` \
         and `_`"
    )]
    Experiment(String),
}

impl Map {
    /// Reads a map. Every field has one source: a column or a constant, and the map comes before
    /// the framework's names.
    pub fn parse(text: &str) -> Result<Self, MapError> {
        let file: MapFile = toml::from_str(text)?;
        let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        if file.experiment.is_empty() || !file.experiment.chars().all(plain) {
            return Err(MapError::Experiment(file.experiment));
        }
        let mut columns = BTreeMap::new();
        for (field, value) in file.columns {
            let column = match value {
                toml::Value::String(name) => Column::called(name),
                other => other
                    .try_into()
                    .map_err(|source| MapError::Column { field, source })?,
            };
            columns.insert(field, column);
        }
        if let Some((field, value)) = file
            .constants
            .iter()
            .find(|(field, _)| columns.contains_key(field))
        {
            let line = 1 + text[..value.span().start].matches('\n').count();
            return Err(MapError::Both {
                line,
                field: field.name(),
            });
        }
        let constants = file
            .constants
            .into_iter()
            .map(|(field, value)| match value.into_inner() {
                toml::Value::String(text) => Ok((
                    field,
                    Said {
                        text,
                        kind: ValueKind::Number,
                    },
                )),
                value @ (toml::Value::Integer(_)
                | toml::Value::Float(_)
                | toml::Value::Boolean(_)) => Ok((field, Said::number(&value))),
                _ => Err(MapError::Constant(field)),
            });
        let constants: BTreeMap<Field, Said> = constants.collect::<Result<_, _>>()?;
        if file.like == Some(Like::Saaf) {
            for (field, name) in SAAF {
                if !constants.contains_key(&field) {
                    columns.entry(field).or_insert(Column::called(name));
                }
            }
        }
        let has = |field: &Field| columns.contains_key(field) || constants.contains_key(field);
        if let Some((_, name)) = NEEDED.iter().find(|(field, _)| !has(field)) {
            return Err(MapError::Needed(name));
        }
        if has(&Field::OutputOk)
            != file
                .outputs_checked_by
                .as_ref()
                .is_some_and(|who| !who.trim().is_empty())
        {
            return Err(MapError::Judge);
        }
        if let Some(status) = columns.get(&Field::Status)
            && let Some(word) = status.ok.iter().find(|word| status.failed.contains(word))
        {
            return Err(MapError::BothEnds(word.clone()));
        }
        Ok(Self {
            encoding: file.encoding.map(encoding).transpose()?,
            delimiter: file.delimiter.map(delimiter).transpose()?,
            digits: digits(file.decimal, file.thousands)?,
            missing: file.missing,
            experiment: file.experiment,
            measured_by: file.measured_by,
            measured_where: file.measured_where,
            outputs_checked_by: file.outputs_checked_by,
            stages: file.stages,
            order: file.order,
            price_region: file.price_region,
            columns,
            constants,
            values: file.values,
        })
    }

    /// Returns the columns that every row is taken from.
    pub fn indispensable(&self) -> BTreeSet<&str> {
        let needed = NEEDED
            .iter()
            .map(|(field, _)| *field)
            .chain([Field::Status]);
        needed
            .filter_map(|field| Some(self.columns.get(&field)?.name.as_str()))
            .collect()
    }

    /// Returns what a row says of a field: its column's text or the constant, translated by
    /// `[values]`. A word for a missing value in a column is none.
    pub fn value(&self, field: Field, row: &BTreeMap<String, Said>) -> Option<Said> {
        let Some(column) = self.columns.get(&field) else {
            return Some(self.translated(field, self.constants.get(&field)?.clone()));
        };
        let said = match row.get(&column.name) {
            Some(said) => Said {
                text: said.text.trim().to_owned(),
                kind: said.kind,
            },
            None => Said::text(""),
        };
        Some(self.translated(field, said)).filter(|said| !self.is_missing(&said.text))
    }

    /// Returns the line for the status's column in which these words are successes and failures
    /// too.
    pub fn with_words(&self, ok: &[&str], failed: &[&str]) -> String {
        let column = self
            .columns
            .get(&Field::Status)
            .cloned()
            .unwrap_or_else(|| Column::called("…"));
        let all = |known: &[String], more: &[&str]| {
            let words = known.iter().map(String::as_str).chain(more.iter().copied());
            words
                .map(|word| format!("{word:?}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let (ok, failed) = (all(&column.ok, ok), all(&column.failed, failed));
        format!(
            "status = {{ column = {:?}, ok = [{ok}], failed = [{failed}] }}",
            column.name
        )
    }

    /// Says where a field comes from.
    pub fn source(&self, field: Field) -> Option<String> {
        if let Some(column) = self.columns.get(&field) {
            return Some(format!("column `{}`", column.name));
        }
        let constant = self.constants.get(&field)?.clone();
        Some(format!(
            "the map's constant `{}`",
            self.translated(field, constant).text
        ))
    }

    /// Whether rows may say it, or the map does.
    pub fn has(&self, field: Field) -> bool {
        self.columns.contains_key(&field) || self.constants.contains_key(&field)
    }

    fn translated(&self, field: Field, said: Said) -> Said {
        match self
            .values
            .get(&field)
            .and_then(|values| values.get(&said.text))
        {
            Some(text) => Said::text(text),
            None => said,
        }
    }

    fn is_missing(&self, text: &str) -> bool {
        words::is_missing(text) || self.missing.iter().any(|word| word.trim() == text)
    }

    /// Judges a status: by the map's words, then by the documented lists.
    pub fn ended(&self, word: &str) -> Ended {
        let column = self.columns.get(&Field::Status);
        let says = |words: fn(&Column) -> &Vec<String>| {
            column.is_some_and(|column| words(column).iter().any(|known| known == word))
        };
        if says(|column| &column.ok) {
            Ended::Well
        } else if says(|column| &column.failed) {
            Ended::Badly
        } else {
            words::ended(word)
        }
    }

    /// The run's `isolation`: how its rows came to be, in words.
    pub fn origin(&self) -> String {
        let place = self
            .measured_where
            .as_ref()
            .map(|place| format!(" on {place}"))
            .unwrap_or_default();
        format!(
            "imported: measured with another tool{place}; duration by {}",
            self.measured_by.as_str()
        )
    }
}

fn encoding(label: String) -> Result<&'static Encoding, MapError> {
    Encoding::for_label(label.trim().as_bytes()).ok_or(MapError::Encoding(label))
}

fn delimiter(text: String) -> Result<u8, MapError> {
    match text.as_bytes() {
        [byte] if byte.is_ascii_punctuation() || b"\t ".contains(byte) => Ok(*byte),
        b"tab" => Ok(b'\t'),
        _ => Err(MapError::Delimiter(text)),
    }
}

fn digits(decimal: Option<char>, thousands: Option<char>) -> Result<Digits, MapError> {
    const BETWEEN: &str = "\",\", \".\", \" \", \"'\", \"_\"";
    let found = Digits {
        decimal: decimal.unwrap_or('.'),
        thousands,
    };
    if !matches!(found.decimal, '.' | ',') {
        return Err(MapError::Digits {
            key: "decimal",
            found: found.decimal,
            known: "\".\", \",\"",
        });
    }
    match thousands {
        Some(between) if between == found.decimal => Err(MapError::SameDigits(between)),
        Some(between)
            if !matches!(
                between,
                ',' | '.' | ' ' | '\'' | '’' | '_' | '\u{a0}' | '\u{202f}'
            ) =>
        {
            Err(MapError::Digits {
                key: "thousands",
                found: between,
                known: BETWEEN,
            })
        }
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_one_source() {
        let map = "experiment = \"x\"\nmeasured_by = \"client\"\n[columns]\nstart = \"s\"\n[constants]\nstage = \"a\"\n\
                   start = \"warm\"\n";
        let told = Map::parse(map).unwrap_err().to_string();
        assert!(
            told.starts_with(
                "line 7: `start` is under both [columns] and [constants]. Remove one."
            ),
            "{told}"
        );
    }
}
