//! A cell: one level of every factor of the matrix, with a stable readable id.
//!
//! Knows the factors and how ids are spelt; not how a matrix is expanded ([`crate::manifest`]) or
//! run.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Instruction set of a function, spelt as in the Lambda API.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    #[serde(rename = "x86_64")]
    X86_64,
    Arm64,
}

/// What starts a stage: the runner's own call, or the S3 notification of its input object.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The runner invokes each stage and waits for its answer.
    Direct,
    /// An upload starts the chain; each stage's output object starts the next.
    S3,
}

/// The input of a stage.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// The output of the stage before, as the variant wrote it.
    Chained,
    /// The reference output of the stage before: the same bytes for every variant.
    Reference,
}

/// Which kind of start counts. Each invocation's REPORT line shows it; Darkroom never assumes it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    Warm,
    Cold,
}

/// Whether environments are restored from a snapshot that Lambda takes of an initialised one when a
/// version is published (Lambda SnapStart).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SnapStart {
    #[default]
    Off,
    On,
}

impl SnapStart {
    /// Whether it is off, as everywhere where nothing says otherwise.
    // By reference, for `skip_serializing_if`.
    pub const fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

macro_rules! spelt {
    ($($ty:ident { $($variant:ident => $text:literal),+ $(,)? })+) => {$(
        impl $ty {
            /// Every level, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The spelling used in manifests, ids and tables.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.as_str()) }
        }
    )+};
}
spelt! {
    Architecture { X86_64 => "x86_64", Arm64 => "arm64" }
    Trigger { Direct => "direct", S3 => "s3" }
    Input { Chained => "chained", Reference => "reference" }
    Start { Warm => "warm", Cold => "cold" }
    SnapStart { Off => "off", On => "on" }
}

/// The stable, readable name of a cell, for example `pillow.arm64.1024mb.photos.s3.warm.c1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CellId(String);

impl CellId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for CellId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<String> for CellId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One point of the matrix.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cell {
    pub variant: String,
    /// Lambda runtime that the matrix names for it, for example `python3.14`; `None`: the one of
    /// its `variant.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    pub architecture: Architecture,
    /// Lambda `MemorySize` in MB, 128..=10240.
    pub memory_mb: u32,
    pub image_set: String,
    pub trigger: Trigger,
    pub input: Input,
    pub start: Start,
    #[serde(default, skip_serializing_if = "SnapStart::is_off")]
    pub snapstart: SnapStart,
    /// Pipelines of this cell that run at once, at least 1.
    pub concurrency: u32,
}

impl Cell {
    /// Returns the id: the levels in declaration order, joined by dots.
    ///
    /// `input` is spelt only when it is `reference`, because `chained` is what a pipeline does.
    /// `runtime` is spelt only when the matrix names it, `snapstart` only when it is on.
    pub fn id(&self) -> CellId {
        let input = match self.input {
            Input::Chained => "",
            Input::Reference => ".reference",
        };
        let runtime = self.runtime.as_ref().map(|runtime| format!(".{runtime}"));
        let snapstart = if self.snapstart.is_on() {
            ".snapstart"
        } else {
            ""
        };
        CellId(format!(
            "{}{}.{}.{}mb.{}.{}{input}.{}{snapstart}.c{}",
            self.variant,
            runtime.unwrap_or_default(),
            self.architecture,
            self.memory_mb,
            self.image_set,
            self.trigger,
            self.start,
            self.concurrency
        ))
    }
}

/// Number of factors.
const FACTORS: usize = 10;

/// Which factors differ between cells: only these need saying of every one.
#[derive(Clone, Debug)]
pub struct Factors {
    differing: Vec<usize>,
    /// Levels that all the cells share, in the order of the factors.
    pub shared: Vec<String>,
}

/// Returns the levels of a cell as they are said; an empty one needs no saying.
fn levels(cell: &Cell) -> [String; FACTORS] {
    [
        cell.variant.clone(),
        cell.runtime.clone().unwrap_or_default(),
        cell.architecture.to_string(),
        format!("{} MB", cell.memory_mb),
        cell.image_set.clone(),
        cell.trigger.to_string(),
        cell.input.to_string(),
        cell.start.to_string(),
        if cell.snapstart.is_on() {
            "snapstart".to_owned()
        } else {
            String::new()
        },
        format!("concurrency {}", cell.concurrency),
    ]
}

impl Factors {
    /// Compares `cells` with each other.
    pub fn of<'a>(cells: impl Iterator<Item = &'a Cell>) -> Self {
        let all: Vec<[String; FACTORS]> = cells.map(levels).collect();
        let distinct = |factor: usize| {
            all.iter()
                .map(|cell| &cell[factor])
                .collect::<BTreeSet<_>>()
                .len()
        };
        // The variant is always said: it is what a table is read for.
        let (differing, same): (Vec<_>, Vec<_>) =
            (0..FACTORS).partition(|factor| *factor == 0 || distinct(*factor) > 1);
        let shared = all
            .first()
            .map(|cell| said(cell, &same).map(str::to_owned).collect());
        Self {
            differing,
            shared: shared.unwrap_or_default(),
        }
    }

    /// Names a cell among the others by what differs, for example `pillow arm64 512 MB`.
    pub fn label(&self, cell: &Cell) -> String {
        let levels = levels(cell);
        said(&levels, &self.differing).collect::<Vec<_>>().join(" ")
    }
}

fn said<'a>(levels: &'a [String; FACTORS], factors: &'a [usize]) -> impl Iterator<Item = &'a str> {
    let levels = factors.iter().map(|factor| levels[*factor].as_str());
    levels.filter(|level| !level.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_of_the_levels_in_order() {
        let mut cell = Cell {
            variant: "pillow".into(),
            runtime: None,
            architecture: Architecture::Arm64,
            memory_mb: 1024,
            image_set: "photos".into(),
            trigger: Trigger::S3,
            input: Input::Chained,
            start: Start::Warm,
            snapstart: SnapStart::Off,
            concurrency: 1,
        };
        assert_eq!(cell.id().as_str(), "pillow.arm64.1024mb.photos.s3.warm.c1");
        cell.trigger = Trigger::Direct;
        cell.input = Input::Reference;
        assert_eq!(
            cell.id().as_str(),
            "pillow.arm64.1024mb.photos.direct.reference.warm.c1"
        );
        cell.runtime = Some("python3.14".into());
        assert_eq!(
            cell.id().as_str(),
            "pillow.python3.14.arm64.1024mb.photos.direct.reference.warm.c1"
        );
        cell.snapstart = SnapStart::On;
        assert_eq!(
            cell.id().as_str(),
            "pillow.python3.14.arm64.1024mb.photos.direct.reference.warm.snapstart.c1"
        );
    }

    #[test]
    fn snapstart_is_said_only_where_it_is_on() {
        let off = Cell {
            variant: "pillow".into(),
            runtime: None,
            architecture: Architecture::X86_64,
            memory_mb: 512,
            image_set: "photos".into(),
            trigger: Trigger::Direct,
            input: Input::Chained,
            start: Start::Cold,
            snapstart: SnapStart::Off,
            concurrency: 1,
        };
        let on = Cell {
            snapstart: SnapStart::On,
            ..off.clone()
        };
        let factors = Factors::of([&off, &on].into_iter());
        assert_eq!(
            [factors.label(&off), factors.label(&on)],
            ["pillow", "pillow snapstart"]
        );
        let without = serde_json::to_string(&off).unwrap();
        assert!(
            !without.contains("snapstart"),
            "journals stay as they were: {without}"
        );
        assert_eq!(serde_json::from_str::<Cell>(&without).unwrap(), off);
    }

    #[test]
    fn a_runtime_is_said_where_the_matrix_names_it_and_only_there() {
        let own = Cell {
            variant: "rust".into(),
            runtime: None,
            architecture: Architecture::X86_64,
            memory_mb: 512,
            image_set: "photos".into(),
            trigger: Trigger::Direct,
            input: Input::Chained,
            start: Start::Warm,
            snapstart: SnapStart::Off,
            concurrency: 1,
        };
        let named = |runtime: &str| Cell {
            variant: "pillow".into(),
            runtime: Some(runtime.into()),
            ..own.clone()
        };
        let (old, new) = (named("python3.13"), named("python3.14"));
        let factors = Factors::of([&old, &new, &own].into_iter());
        assert_eq!(factors.label(&new), "pillow python3.14");
        assert_eq!(factors.label(&own), "rust");
        let alike = Factors::of([&own, &own].into_iter());
        assert!(!alike.shared.contains(&String::new()), "{:?}", alike.shared);
        let without = serde_json::to_string(&own).unwrap();
        assert!(
            !without.contains("runtime"),
            "journals stay as they were: {without}"
        );
        assert_eq!(serde_json::from_str::<Cell>(&without).unwrap(), own);
    }
}
