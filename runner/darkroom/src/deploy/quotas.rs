//! What an account or a function can hold, checked before anything is made.

use aws_sdk_lambda::types::{AccountLimit, AccountUsage};
use std::collections::BTreeMap;

use super::apply::Archives;
use super::clients::Clients;
use super::desired::{Change, Steps};
use super::error::DeployError;

/// Lambda's limit for all environment variables of a function, as JSON, bytes. Sources: Lambda
/// quotas, "Environment variables"; the refusal that terraform-aws-github-runner #3594 quotes
/// measures them as JSON.
const ENVIRONMENT_LIMIT: usize = 4096;
/// A cold cell's functions get one more variable before each pass; this is more than it takes.
const FOR_COLD_STARTS: usize = 128;

/// Refuses variables that Lambda would not take.
pub fn environment_fits(
    function: &str,
    variables: &BTreeMap<String, String>,
) -> Result<(), DeployError> {
    let json = serde_json::to_string(variables).unwrap_or_default();
    let bytes = json.len() + FOR_COLD_STARTS;
    if bytes <= ENVIRONMENT_LIMIT {
        return Ok(());
    }
    Err(DeployError::Environment {
        function: function.to_owned(),
        bytes,
        limit: ENVIRONMENT_LIMIT,
    })
}

/// Refuses more code than the account has room for. An account that does not say how much is taken
/// for one with enough.
pub async fn code_fits(
    clients: &Clients,
    steps: &Steps,
    archives: &Archives<'_>,
) -> Result<(), DeployError> {
    let needed = new_bytes(steps, archives);
    if needed == 0 {
        return Ok(());
    }
    let Ok(settings) = clients.lambda.get_account_settings().send().await else {
        return Ok(());
    };
    let bytes = |number: i64| u64::try_from(number).ok().filter(|bytes| *bytes > 0);
    let limit = settings.account_limit().map(AccountLimit::total_code_size);
    let used = settings.account_usage().map(AccountUsage::total_code_size);
    let (Some(limit), Some(used)) = (limit.and_then(bytes), used.and_then(bytes)) else {
        return Ok(());
    };
    if used + needed <= limit {
        return Ok(());
    }
    Err(DeployError::CodeStorage {
        needed,
        used,
        limit,
    })
}

/// Returns how much code these steps add: every function and every version of a layer is stored by
/// itself.
fn new_bytes(steps: &Steps, archives: &Archives<'_>) -> u64 {
    let functions = steps
        .functions
        .iter()
        .filter(|(_, change)| matches!(change, Change::Create))
        .filter_map(|(name, _)| archives.code.get(name));
    let layers = steps
        .publish
        .iter()
        .filter_map(|layer| archives.layers.get(layer));
    functions.chain(layers).map(|archive| archive.bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_measured_as_json_with_room_for_one_more() {
        let of = |bytes: usize| BTreeMap::from([("NAME".to_owned(), "x".repeat(bytes))]);
        // {"NAME":"…"} has 11 bytes around the value.
        assert!(environment_fits("f", &of(4096 - 128 - 11)).is_ok());
        let refused = environment_fits("f", &of(4096 - 128 - 10)).unwrap_err();
        assert!(refused.to_string().contains("4097 bytes"), "{refused}");
        // What JSON escapes counts as often.
        let quotes = BTreeMap::from([("NAME".to_owned(), "\"".repeat(2000))]);
        assert!(environment_fits("f", &quotes).is_err());
    }
}
