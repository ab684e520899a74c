//! Checks whether a run's tables match its journal: rebuilds them and compares value by value.

use std::path::Path;

use darkroom_core::cost::PriceTable;
use darkroom_core::event::Event;
use serde::Serialize;

use crate::read::{self, Rows, Value, Wanted};
use crate::{TablesError, aggregate, columns};

/// What was found of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    pub table: &'static str,
    pub rows: usize,
    /// What does not match, in words; empty when everything does.
    pub differences: Vec<String>,
}

/// Differences named of one table at most; the rest are counted.
const NAMED: usize = 5;

/// Makes every table of a run again in `scratch` and compares it with the one in `run`, its
/// metadata too.
///
/// `prices` must be those the tables were made with. Fails only if the journal can't be made into
/// tables at all.
pub fn verify<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    events: impl Iterator<Item = Result<Event, E>>,
    prices: &PriceTable,
    run: &Path,
    scratch: &Path,
) -> Result<Vec<Verified>, TablesError> {
    let summary = aggregate(events, prices, scratch)?;
    let lost = summary
        .damaged
        .iter()
        .map(|damage| format!("built without unreadable facts: {damage}"));
    let lost: Vec<String> = lost.collect();
    let verified = columns::TABLES.iter().map(|table| {
        let mut found = verified(table.name, run, scratch)?;
        found.differences.extend(lost.iter().cloned());
        Ok(found)
    });
    verified.collect()
}

fn verified(table: &'static str, run: &Path, scratch: &Path) -> Result<Verified, TablesError> {
    let file = format!("{table}.parquet");
    let anew = read::read(&scratch.join(&file), Wanted::default())?;
    let differences = match read::read(&run.join(&file), Wanted::default()) {
        Ok(found) => {
            let mut differences = values(&found, &anew);
            differences.extend(metadata(&run.join(&file), &scratch.join(&file))?);
            differences
        }
        Err(error) => vec![error.to_string()],
    };
    Ok(Verified {
        table,
        rows: anew.rows.len(),
        differences,
    })
}

fn metadata(found: &Path, anew: &Path) -> Result<Vec<String>, TablesError> {
    let (found, anew) = (read::provenance(found)?, read::provenance(anew)?);
    let keys: std::collections::BTreeSet<&String> = found.keys().chain(anew.keys()).collect();
    let differing = keys
        .into_iter()
        .filter(|key| found.get(*key) != anew.get(*key));
    let told = |map: &std::collections::BTreeMap<String, String>, key: &String| {
        map.get(key)
            .map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"))
    };
    Ok(differing
        .map(|key| {
            format!(
                "metadata {key}: {} in the file, {} from the journal",
                told(&found, key),
                told(&anew, key)
            )
        })
        .collect())
}

fn values(found: &Rows, anew: &Rows) -> Vec<String> {
    if found.columns != anew.columns {
        let missing: Vec<&String> = anew
            .columns
            .iter()
            .filter(|name| !found.columns.contains(name))
            .collect();
        let other: Vec<&String> = found
            .columns
            .iter()
            .filter(|name| !anew.columns.contains(name))
            .collect();
        return vec![format!(
            "its columns differ from this version's: {missing:?} are missing, {other:?} are \
             additional"
        )];
    }
    if found.rows.len() != anew.rows.len() {
        return vec![format!(
            "{} rows, {} from the journal",
            found.rows.len(),
            anew.rows.len()
        )];
    }
    let mut named = Vec::new();
    let mut all = 0;
    for (row, (a, b)) in found.rows.iter().zip(&anew.rows).enumerate() {
        for (column, (a, b)) in anew.columns.iter().zip(a.iter().zip(b)) {
            if a != b {
                all += 1;
                if named.len() < NAMED {
                    named.push(format!(
                        "row {row}, {column}: {} in the file, {} from the journal",
                        spelt(a),
                        spelt(b)
                    ));
                }
            }
        }
    }
    if all > named.len() {
        named.push(format!("{} more values", all - named.len()));
    }
    named
}

fn spelt(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Text(text) => format!("`{text}`"),
        Value::Integer(number) | Value::Time(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
    }
}
