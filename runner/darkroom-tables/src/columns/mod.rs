//! Every column of every table: name, type, unit, meaning and source. Each table has a file; this
//! one holds what they share.
//!
//! The frames are built in this order and checked against it, and `outputs/README.md` is
//! [`markdown`]. Names are those of GLOSSARY.md, units end the name, and a cloud fact names its
//! OpenTelemetry attribute.

mod builds;
mod choices;
mod code;
mod comparisons;
mod correctness;
mod correctness_comparisons;
mod costs;
mod generation;
mod invocations;
mod outputs;
mod pipelines;
mod reconciliation;
mod summary;

use std::fmt::Write as _;

pub use builds::BUILDS;
pub use choices::CHOICES;
pub use code::CODE;
pub use comparisons::COMPARISONS;
pub use correctness::CORRECTNESS;
pub use correctness_comparisons::CORRECTNESS_COMPARISONS;
pub use costs::COSTS;
pub use generation::GENERATION;
pub use invocations::INVOCATIONS;
pub use outputs::OUTPUTS;
pub use pipelines::PIPELINES;
pub use reconciliation::RECONCILIATION;
pub use summary::SUMMARY;

/// Type of a column, as a reader of Parquet sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// 64-bit signed.
    Integer,
    /// 64-bit; null where there is no value, never NaN.
    Float,
    Bool,
    /// UTC, milliseconds.
    Time,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Integer => "int64",
            Self::Float => "double",
            Self::Bool => "bool",
            Self::Time => "timestamp[ms, UTC]",
        }
    }
}

/// Where a column's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The resolved manifest and the plan made of it.
    Plan,
    /// The runner's own observation: its clock, its call, its schedule.
    Runner,
    /// The platform's REPORT line, log stream or API answer.
    Platform,
    /// The contract's check of an output.
    Contract,
    /// The profile wrapper's line: what the handler's own process says. Null with
    /// `profile = false`.
    Inside,
    /// Derived from other columns by `darkroom aggregate`.
    Derived,
}

impl Source {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Runner => "runner",
            Self::Platform => "platform",
            Self::Contract => "contract",
            Self::Inside => "inside",
            Self::Derived => "derived",
        }
    }
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    /// Empty for what has none.
    pub unit: &'static str,
    pub source: Source,
    pub doc: &'static str,
}

/// One table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// File name without `.parquet`.
    pub name: &'static str,
    /// What one row is.
    pub row: &'static str,
    pub columns: &'static [Column],
}

const fn column(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    source: Source,
    doc: &'static str,
) -> Column {
    Column {
        name,
        kind,
        unit,
        source,
        doc,
    }
}

use Kind::{Bool, Integer, Text};
use Source::{Derived, Plan, Runner};

const RUN_ID: Column = column("run_id", Text, "", Plan, "the run");
const CELL_ID: Column = column(
    "cell_id",
    Text,
    "",
    Plan,
    "the cell: its levels in order, joined by dots",
);
const VARIANT: Column = column("variant", Text, "", Plan, "folder under `functions/`");
const ARCHITECTURE: Column = column(
    "architecture",
    Text,
    "",
    Plan,
    "`x86_64` or `arm64`; `host.arch`",
);
const MEMORY_MB: Column = column(
    "memory_mb",
    Integer,
    "MB",
    Plan,
    "configured memory; `faas.max_memory` (theirs is in bytes)",
);
const IMAGE_SET: Column = column(
    "image_set",
    Text,
    "",
    Plan,
    "folder under the experiment's `image-sets/`",
);
const IMAGE: Column = column("image", Text, "", Plan, "image within the set");
const TRIGGER: Column = column(
    "trigger",
    Text,
    "",
    Plan,
    "`direct` or `s3`; `faas.trigger` (`other`, `datasource` there)",
);
const INPUT: Column = column(
    "input",
    Text,
    "",
    Plan,
    "`chained`: a stage gets the output of the stage before; `reference`: the same reference \
     bytes for every variant",
);
const START: Column = column(
    "start",
    Text,
    "",
    Plan,
    "start kind the cell asks for: `warm` or `cold`",
);
const CONCURRENCY: Column = column(
    "concurrency",
    Integer,
    "",
    Plan,
    "pipelines of the cell that run at once",
);
const MODEL: Column = column(
    "model",
    Text,
    "",
    Plan,
    "LLM that wrote the variant; null if none did",
);
const SAMPLE: Column = column(
    "sample",
    Integer,
    "",
    Plan,
    "number of the independent answer of that model; null if no model wrote it",
);
const PROMPT: Column = column(
    "prompt",
    Text,
    "",
    Plan,
    "name of the prompt that the model was asked with: `plain` is the standard one, `unknown` \
     that of imported results; null if no model wrote it",
);
const TARGET: Column = column(
    "target",
    Text,
    "",
    Plan,
    "`local` or `aws`: where the durations come from; `imported`: another tool measured them",
);
const DEPLOYMENT: Column = column(
    "deployment",
    Integer,
    "",
    Plan,
    "which deployment of the same code under another name, from 1",
);
const STAGE: Column = column("stage", Text, "", Plan, "stage of the pipeline");
const STAGE_INDEX: Column = column(
    "stage_index",
    Integer,
    "",
    Plan,
    "position of the stage, \
    from 0",
);
const WARM_UP: Column = column(
    "warm_up",
    Bool,
    "",
    Plan,
    "an uncounted pass: before the first repetition of a round, beside the last ones of a cell \
     that runs several at once, or a probe; numbered separately",
);
const REPETITION: Column = column(
    "repetition",
    Integer,
    "",
    Plan,
    "from 1; warm-ups are numbered separately from repetitions",
);
const ATTEMPT: Column = column(
    "attempt",
    Integer,
    "",
    Runner,
    "try of that repetition, from 1; only the last one counts",
);
const ENVIRONMENT_ROUND: Column = column(
    "environment_round",
    Integer,
    "",
    Plan,
    "round of environments, from 1: `repetitions.renew_environments_every` renews them between \
     rounds, and a resumed session has new ones too; null in cold cells",
);
const OUTPUTS_OK: Column = column(
    "outputs_ok",
    Bool,
    "",
    Derived,
    "every checked output of the cell passed, and no image failed each time; false: the numbers \
     belong to wrong work and are never ranked; null: none was checked",
);
const REASON: Column = column(
    "reason",
    Text,
    "",
    Derived,
    "first failed check by stage if `outputs_ok` is false",
);
const RANK: Column = column(
    "rank",
    Integer,
    "",
    Derived,
    "rank by the mean, 1 = lowest, among cells of the same image set, trigger, input, start and \
     concurrency whose outputs passed; null unless `comparisons` claims a difference from each \
     of them, and null beside samples of a model",
);
const NOTE: Column = column(
    "note",
    Text,
    "",
    Derived,
    "read this before you use the row; null if there is nothing to say",
);

/// The tables in reading order.
pub const TABLES: [&Table; 13] = [
    &CORRECTNESS,
    &CORRECTNESS_COMPARISONS,
    &SUMMARY,
    &COMPARISONS,
    &COSTS,
    &CHOICES,
    &PIPELINES,
    &INVOCATIONS,
    &OUTPUTS,
    &GENERATION,
    &CODE,
    &BUILDS,
    &RECONCILIATION,
];

/// Returns `outputs/README.md`.
pub fn markdown() -> String {
    let mut page = String::from(PREFACE);
    for table in TABLES {
        let _ = write!(
            page,
            "\n## `{}.parquet`\n\nOne row is {}.\n\n",
            table.name, table.row
        );
        page.push_str("| column | type | unit | source | meaning |\n|---|---|---|---|---|\n");
        for c in table.columns {
            let doc = c.doc.replace('|', "\\|");
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {doc} |",
                c.name,
                c.kind.as_str(),
                c.unit,
                c.source.as_str()
            );
        }
    }
    page
}

const PREFACE: &str = include_str!("../preface.md");

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_data_dictionary_in_outputs_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../outputs/README.md");
        if std::env::var_os("DARKROOM_BLESS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == markdown(),
            "outputs/README.md is stale: run DARKROOM_BLESS=1 cargo nextest run -p darkroom-tables"
        );
    }

    #[test]
    fn a_column_is_named_once_in_its_table_and_ends_in_its_unit() {
        for table in TABLES {
            let mut seen = HashSet::new();
            for column in table.columns {
                assert!(
                    seen.insert(column.name),
                    "{}.{} twice",
                    table.name,
                    column.name
                );
                let suffix = match column.unit {
                    "ms" => "_ms",
                    "s" => "_s",
                    "MB" => "_mb",
                    "dB" => "_db",
                    "USD" => "_usd",
                    _ => "",
                };
                let named = column.name.ends_with(suffix)
                    || column.name.contains(&format!("{suffix}_per_"));
                assert!(
                    named,
                    "{}.{} does not say {}",
                    table.name, column.name, column.unit
                );
            }
        }
    }
}
