//! Reserved concurrency.

use super::super::Lambda;
use super::super::error::{ApiError, ApiResult};
use super::super::limits;
use super::super::validate::Violations;
use super::call::{Call, Reply};
use super::functions::functions_only;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutInput {
    reserved_concurrent_executions: Option<i64>,
}

pub(crate) fn put(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let input: PutInput = call.input()?;
    let wanted = call.plain_function(&lambda.home)?;
    let mut found = Violations::default();
    match input.reserved_concurrent_executions {
        None => found.missing("reservedConcurrentExecutions"),
        value => found.range("reservedConcurrentExecutions", value, &(0..=i64::MAX)),
    }
    found.into_result()?;
    if wanted.qualifier.is_some() {
        return Err(functions_only());
    }
    let reserved = input.reserved_concurrent_executions.unwrap_or_default();
    let mut records = lambda.store.change();
    if !records.functions.contains_key(&wanted.name) {
        return Err(ApiError::function_not_found(
            &wanted.arn_or_latest(&lambda.home),
        ));
    }
    let others = records
        .functions
        .values()
        .filter(|function| function.name != wanted.name);
    let others: i64 = others
        .filter_map(|function| function.reserved_concurrency)
        .map(i64::from)
        .sum();
    let pool = i64::from(lambda.concurrent_executions);
    // A small pool (a new account's, or a test's) keeps what it can.
    let least = i64::from(limits::MIN_UNRESERVED).min(pool);
    if reserved > 0 && pool - others - reserved < least {
        return Err(ApiError::invalid_untyped(format!(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below \
             its minimum value of [{least}]."
        )));
    }
    let function = records.function(&lambda.home, &wanted)?;
    function.reserved_concurrency = u32::try_from(reserved).ok();
    Ok(Reply::ok(
        json!({ "ReservedConcurrentExecutions": reserved }),
    ))
}

pub(crate) fn get(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let wanted = call.plain_function(&lambda.home)?;
    let mut records = lambda.store.read();
    let function = records.function(&lambda.home, &wanted)?;
    Ok(Reply::ok(match function.reserved_concurrency {
        Some(reserved) => json!({ "ReservedConcurrentExecutions": reserved }),
        None => json!({}),
    }))
}

pub(crate) fn delete(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let wanted = call.plain_function(&lambda.home)?;
    let mut records = lambda.store.change();
    records
        .function(&lambda.home, &wanted)?
        .reserved_concurrency = None;
    Ok(Reply::no_content())
}
