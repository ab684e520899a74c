//! Finds rows that are somewhere else in a file than expected, and says what to do. Pure.

use std::collections::BTreeSet;

use super::json::Json;
use super::map::Map;

/// Says why a JSON value that is a whole file is not one row, where it holds rows in another way.
pub fn not_a_row(item: &Json, map: &Map) -> Option<String> {
    let Json::Object(members) = item else {
        return None;
    };
    let records = "In pandas, write it with `orient=\"records\"`";
    let named = |key: &str| {
        map.columns
            .values()
            .any(|column| column.name == key || column.name.starts_with(&format!("{key}.")))
    };
    let list = |key: &str| {
        members
            .iter()
            .any(|(name, value)| name == key && matches!(value, Json::Array(_)))
    };
    if list("columns") && list("data") {
        return Some(format!(
            "it lists its columns separately from its rows. {records}"
        ));
    }
    let by_number = |value: &Json| match value {
        Json::Object(rows) => {
            !rows.is_empty()
                && rows
                    .iter()
                    .all(|(key, _)| key.bytes().all(|byte| byte.is_ascii_digit()))
        }
        _ => false,
    };
    if !members.is_empty() && members.iter().all(|(_, value)| by_number(value)) {
        return Some(format!(
            "it holds one object per column, not one per row. {records}"
        ));
    }
    if members.iter().any(|(key, _)| named(key)) {
        return None;
    }
    let rows = members.iter().find_map(|(key, value)| match value {
        Json::Array(items) if items.iter().any(|item| matches!(item, Json::Object(_))) => Some(key),
        _ => None,
    });
    rows.map(|key| format!("its rows are in the list `{key}`. Save this list as a file of its own"))
}

/// Says how columns that are missing may be meant by names that are there; one sentence each.
pub fn meant(missing: &[&str], there: &BTreeSet<String>) -> Vec<String> {
    if let [only] = there.iter().collect::<Vec<_>>().as_slice()
        && let Some(between) = separator(only, missing)
    {
        return vec![format!(
            "if `{between}` separates the columns, set `delimiter = \"{between}\"` at the top of the map"
        )];
    }
    let bare = |name: &str| name.trim_matches(['"', '\'']).trim().to_owned();
    if there
        .iter()
        .any(|name| bare(name) != *name && missing.contains(&bare(name).as_str()))
    {
        return vec![
            "write the quotes as `\"`, right after the delimiter, without a space".to_owned(),
        ];
    }
    let plain = |name: &str| {
        name.to_lowercase()
            .replace(|letter: char| !letter.is_alphanumeric(), "")
    };
    let alike = |name: &&str| {
        let near = there
            .iter()
            .find(|other| plain(other) == plain(name) && !plain(name).is_empty())?;
        Some(format!("`{near}` for `{name}`"))
    };
    let pairs: Vec<String> = missing.iter().filter_map(alike).collect();
    if pairs.is_empty() {
        Vec::new()
    } else {
        vec![format!("in the map, write {}", pairs.join(", "))]
    }
}

/// Returns the sign that takes a header apart into all of these names.
fn separator(header: &str, names: &[&str]) -> Option<char> {
    let signs: BTreeSet<char> = header
        .chars()
        .filter(|sign| sign.is_ascii_punctuation() || *sign == ' ')
        .collect();
    signs.into_iter().find(|sign| {
        let parts: Vec<&str> = header.split(*sign).map(str::trim).collect();
        names.len() > 1 && names.iter().all(|name| parts.contains(name))
    })
}

#[cfg(test)]
mod tests {
    use super::super::json::parse;
    use super::*;

    const MAP: &str = "experiment = \"x\"\nmeasured_by = \"client\"\n[constants]\nvariant = \"a\"\n\
        architecture = \"arm64\"\nmemory_mb = 512\nimage_set = \"s\"\nimage = \"i\"\ntrigger = \"direct\"\n\
        input = \"chained\"\nstart = \"warm\"\nstage = \"one\"\n[columns]\nduration = \"run.ms\"\n";

    #[test]
    fn rows_in_another_shape_are_named_and_one_row_is_one() {
        let map = Map::parse(MAP).unwrap();
        let said = |text: &str| not_a_row(&parse(text).unwrap(), &map);
        assert!(
            said(r#"{"info": 1, "results": [{"ms": 1}]}"#)
                .unwrap()
                .contains("list `results`")
        );
        assert!(
            said(r#"{"columns": ["ms"], "data": [[1]]}"#)
                .unwrap()
                .contains("orient=\"records\"")
        );
        assert!(
            said(r#"{"run": {"0": 1, "1": 2}}"#)
                .unwrap()
                .contains("one object per column")
        );
        assert_eq!(said(r#"{"run": {"ms": 1}, "tags": [{"a": 1}]}"#), None);
        assert_eq!(said(r#"{"other": 1}"#), None);
    }

    #[test]
    fn names_that_are_nearly_there_are_named() {
        let there = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<BTreeSet<String>>()
        };
        assert_eq!(
            meant(&["ms", "Mem MB"], &there(&["MS", "mem_mb"])),
            ["in the map, write `MS` for `ms`, `mem_mb` for `Mem MB`"]
        );
        assert!(meant(&["ms", "mb"], &there(&["ms:mb:x"]))[0].contains("delimiter = \":\""));
        assert!(meant(&["ms"], &there(&["\"ms\""]))[0].contains("quotes"));
        assert!(meant(&["ms"], &there(&["duration"])).is_empty());
    }
}
