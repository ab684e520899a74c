//! The map: which column of a foreign file holds what, and what the file does not say.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// What a column or a constant can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
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

/// Names of SAAF's attributes: `runtime` is from entering its Inspector to leaving it, ms, by the handler's own process.
/// Source: the framework's README, "Attributes Collected by Each Function", and `FaaS` Runner's `roundTripTime`.
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
    #[serde(default)]
    stages: Vec<String>,
    #[serde(default = "unknown_order")]
    order: String,
    #[serde(default = "default_region")]
    price_region: String,
    #[serde(default)]
    constants: BTreeMap<Field, toml::Value>,
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

/// A column, its unit where it is a time, and what in it means "it ended well" where it is a status.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    #[serde(rename = "column")]
    pub name: String,
    #[serde(default)]
    pub unit: Unit,
    #[serde(default = "ended_well")]
    pub ok: Vec<String>,
}

fn ended_well() -> Vec<String> {
    ["true", "True", "TRUE", "ok", "success", "200", "1"].map(str::to_owned).into()
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
    pub columns: BTreeMap<Field, Column>,
    constants: BTreeMap<Field, String>,
    values: BTreeMap<Field, BTreeMap<String, String>>,
}

/// What is wrong with a map.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    #[error("`{0}` is neither under [columns] nor under [constants]: every row needs it, and nothing is guessed")]
    Needed(&'static str),
    #[error("[columns] {field:?}: {source}")]
    Column { field: Field, source: toml::de::Error },
    #[error("[constants] {0:?}: expected a text, a number, or true or false")]
    Constant(Field),
    #[error(
        "`output_ok` says which outputs were right: `outputs_checked_by = \"…\"` must say who judged them and by what, and \
         neither stands without the other"
    )]
    Judge,
    #[error("`experiment` is the name of a folder: expected letters, digits, `-` and `_`, found `{0}`")]
    Experiment(String),
}

impl Map {
    /// Reads a map. Every field has one source: a column comes before a constant, the map before the framework's names.
    pub fn parse(text: &str) -> Result<Self, MapError> {
        let file: MapFile = toml::from_str(text)?;
        let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        if file.experiment.is_empty() || !file.experiment.chars().all(plain) {
            return Err(MapError::Experiment(file.experiment));
        }
        let mut columns = BTreeMap::new();
        for (field, value) in file.columns {
            let column = match value {
                toml::Value::String(column) => Column { name: column, unit: Unit::default(), ok: ended_well() },
                other => other.try_into().map_err(|source| MapError::Column { field, source })?,
            };
            columns.insert(field, column);
        }
        let constants = file.constants.into_iter().map(|(field, value)| match value {
            toml::Value::String(text) => Ok((field, text)),
            toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => Ok((field, value.to_string())),
            _ => Err(MapError::Constant(field)),
        });
        let constants: BTreeMap<Field, String> = constants.collect::<Result<_, _>>()?;
        if file.like == Some(Like::Saaf) {
            for (field, name) in SAAF {
                if !constants.contains_key(&field) {
                    let column = Column { name: name.into(), unit: Unit::Ms, ok: ended_well() };
                    columns.entry(field).or_insert(column);
                }
            }
        }
        let has = |field: &Field| columns.contains_key(field) || constants.contains_key(field);
        if let Some((_, name)) = NEEDED.iter().find(|(field, _)| !has(field)) {
            return Err(MapError::Needed(name));
        }
        if has(&Field::OutputOk) != file.outputs_checked_by.as_ref().is_some_and(|who| !who.trim().is_empty()) {
            return Err(MapError::Judge);
        }
        Ok(Self {
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

    /// Returns the columns that every row is taken from: no constant stands in for them.
    pub fn indispensable(&self) -> BTreeSet<&str> {
        let open = NEEDED.iter().filter(|(field, _)| !self.constants.contains_key(field));
        open.filter_map(|(field, _)| Some(self.columns.get(field)?.name.as_str())).collect()
    }

    /// Returns what a row says of a field: its column's text, else the constant; translated by `[values]`, never empty.
    pub fn value<'a>(&'a self, field: Field, row: &'a BTreeMap<String, String>) -> Option<&'a str> {
        let of_column = self.columns.get(&field).and_then(|column| row.get(&column.name)).map(|text| text.trim());
        let text = of_column.filter(|text| !text.is_empty()).or(self.constants.get(&field).map(String::as_str))?;
        Some(self.values.get(&field).and_then(|values| values.get(text)).map_or(text, String::as_str))
    }

    /// The run's `isolation`: how its rows came to be, in words.
    pub fn origin(&self) -> String {
        let place = self.measured_where.as_ref().map(|place| format!(" on {place}")).unwrap_or_default();
        format!("imported: measured by another harness{place}; duration by {}", self.measured_by.as_str())
    }
}
