//! Models' keys, from the environment and from nowhere else.

use std::collections::BTreeMap;

use darkroom_core::models::Model;
use darkroom_core::prompt::listed;

use super::wrong::wrong;
use crate::exit::Failure;

/// Reads the keys of these models, by the models' names; says of all at once which are not set.
pub fn keys<'a>(models: &BTreeMap<&'a str, &Model>) -> Result<BTreeMap<&'a str, String>, Failure> {
    let mut keys = BTreeMap::new();
    // By variable: several models may share one.
    let mut faults: BTreeMap<&str, (KeyFault, Vec<String>)> = BTreeMap::new();
    for (name, model) in models {
        match key(model) {
            Ok(key) => {
                keys.insert(*name, key);
            }
            Err(fault) => {
                let of = faults.entry(&model.key_variable);
                let (_, titles) = of.or_insert((fault, Vec::new()));
                titles.push(model.title.clone());
            }
        }
    }
    if faults.is_empty() {
        return Ok(keys);
    }
    let exports: Vec<String> = faults
        .keys()
        .map(|variable| format!("`export {variable}=...`"))
        .collect();
    let help = format!(
        "run {} first; Darkroom reads the key from the environment only, and stores it nowhere",
        listed(&exports)
    );
    let said: Vec<String> = faults
        .iter()
        .map(|(variable, (fault, titles))| in_words(variable, *fault, titles))
        .collect();
    Err(wrong(said.join("; "), &help))
}

/// What is wrong with a variable that is to hold a key.
#[derive(Clone, Copy)]
enum KeyFault {
    Unset,
    NoKey,
}

fn in_words(variable: &str, fault: KeyFault, titles: &[String]) -> String {
    let need = if titles.len() == 1 { "needs" } else { "need" };
    match fault {
        KeyFault::Unset => format!("{variable} is not set: {} {need} a key", listed(titles)),
        KeyFault::NoKey => {
            format!("{variable} does not hold a key: it has characters that keys never have")
        }
    }
}

/// Reads a model's key from the environment; empty for a server on this machine that takes none.
fn key(model: &Model) -> Result<String, KeyFault> {
    if model.key_variable.is_empty() {
        return Ok(String::new());
    }
    let key = std::env::var(&model.key_variable).unwrap_or_default();
    let key = key.trim().to_owned();
    if key.is_empty() {
        return Err(KeyFault::Unset);
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(KeyFault::NoKey);
    }
    Ok(key)
}
