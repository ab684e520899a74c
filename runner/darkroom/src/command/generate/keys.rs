//! Models' keys, from the environment and from nowhere else.

use std::collections::BTreeMap;

use darkroom_core::models::Model;
use darkroom_core::prompt::listed;

use super::wrong;
use crate::exit::Failure;

/// Reads the keys of these models, by the models' names; says of all at once which are not set.
pub fn keys<'a>(models: &BTreeMap<&'a str, &Model>) -> Result<BTreeMap<&'a str, String>, Failure> {
    let mut keys = BTreeMap::new();
    let (mut faults, mut variables) = (Vec::new(), Vec::new());
    for (name, model) in models {
        match key(model) {
            Ok(key) => {
                keys.insert(*name, key);
            }
            Err(fault) => {
                faults.push(fault);
                variables.push(format!("`export {}=...`", model.key_variable));
            }
        }
    }
    if faults.is_empty() {
        return Ok(keys);
    }
    variables.dedup();
    let help = format!(
        "run {} first; Darkroom reads the key from the environment only, and stores it nowhere",
        listed(&variables)
    );
    Err(wrong(faults.join("; "), &help))
}

/// Reads a model's key from the environment, or says what is wrong with it.
fn key(model: &Model) -> Result<String, String> {
    let variable = &model.key_variable;
    let key = std::env::var(variable).unwrap_or_default();
    let key = key.trim().to_owned();
    if key.is_empty() {
        return Err(format!(
            "{variable} is not set: {} needs a key",
            model.title
        ));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "{variable} does not hold a key: it has characters that keys never have"
        ));
    }
    Ok(key)
}
