//! How a manifest differs from the one that a run began with, in words.
//!
//! Two resolved manifests → the keys that differ. Budget and lanes are not part of a run's
//! configuration.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// Differences that are named; of more, their number.
const NAMED: usize = 5;

/// Returns every key that the two say otherwise, in order: ``repetitions.count is 20 there and 40
/// now``.
pub fn differences(there: &str, now: &str) -> Vec<String> {
    let (there, now) = (keys(there), keys(now));
    let all = there
        .keys()
        .chain(now.keys())
        .collect::<std::collections::BTreeSet<_>>();
    let said = |value: Option<&String>| value.cloned().unwrap_or_else(|| "not set".to_owned());
    let of_key = |key: &&String| {
        let (before, after) = (there.get(*key), now.get(*key));
        (before != after).then(|| format!("{key} was {} and is {} now", said(before), said(after)))
    };
    all.iter().filter_map(of_key).collect()
}

/// Returns differences as one sentence's list.
pub fn listed(differences: &[String]) -> String {
    let (named, rest) = differences.split_at(differences.len().min(NAMED));
    let more = if rest.is_empty() {
        String::new()
    } else {
        format!("; and {} more", rest.len())
    };
    format!("{}{more}", named.join("; "))
}

fn keys(text: &str) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    let table: Table = text.parse().unwrap_or_default();
    for (name, value) in table.into_iter().filter(|(name, _)| name != "budget") {
        flatten(name, value, &mut keys);
    }
    keys.remove("schedule.lanes");
    keys
}

fn flatten(name: String, value: Value, keys: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            table
                .into_iter()
                .for_each(|(key, value)| flatten(format!("{name}.{key}"), value, keys));
        }
        value => drop(keys.insert(name, value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_are_named_with_both_values_and_budget_and_lanes_are_none() {
        let there = "[repetitions]\ncount = 20\n[matrix]\nvariants = [\"a\"]\n[budget]\nusd = 1.0\n\
            [schedule]\nlanes = 4\n";
        let now = "[repetitions]\ncount = 40\nwarm_up = 1\n[matrix]\nvariants = [\"a\"]\n";
        let found = differences(there, now);
        assert_eq!(
            found,
            [
                "repetitions.count was 20 and is 40 now",
                "repetitions.warm_up was not set and is 1 now"
            ]
        );
        assert_eq!(listed(&found), found.join("; "));
        assert!(differences(there, there).is_empty());
        let many: Vec<String> = (0..7).map(|number| format!("k{number}")).collect();
        assert_eq!(listed(&many), "k0; k1; k2; k3; k4; and 2 more");
    }
}
