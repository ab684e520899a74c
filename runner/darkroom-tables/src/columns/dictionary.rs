//! All tables in reading order, and the page that explains every column.

use std::fmt::Write as _;

use super::column::Table;
use super::{
    BUILDS, CHOICES, CODE, COMPARISONS, CORRECTNESS, CORRECTNESS_COMPARISONS, COSTS, GENERATION,
    INVOCATIONS, OUTPUTS, PIPELINES, RECONCILIATION, SUMMARY,
};

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
