//! The account's limits and usage, and settings that deployers read but that have no effect here.

use super::super::Lambda;
use super::super::error::ApiResult;
use super::super::limits;
use super::super::validate::Violations;
use super::call::{Call, Reply};
use serde::Deserialize;
use serde_json::json;

pub(crate) fn settings(lambda: &Lambda) -> Reply {
    let records = lambda.store.read();
    let reserved: u32 = records
        .functions
        .values()
        .filter_map(|function| function.reserved_concurrency)
        .sum();
    Reply::ok(json!({
        "AccountLimit": {
            "TotalCodeSize": limits::TOTAL_CODE,
            "CodeSizeUnzipped": limits::UNZIPPED,
            "CodeSizeZipped": limits::ZIPPED,
            "ConcurrentExecutions": lambda.concurrent_executions,
            "UnreservedConcurrentExecutions": lambda.concurrent_executions.saturating_sub(reserved),
        },
        "AccountUsage": {
            "TotalCodeSize": records.total_code_size(),
            "FunctionCount": records.functions.len(),
        },
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecursionInput {
    recursive_loop: Option<String>,
}

pub(crate) fn get_recursion(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let wanted = call.plain_function(&lambda.home)?;
    let mut records = lambda.store.read();
    let function = records.function(&lambda.home, &wanted)?;
    Ok(Reply::ok(
        json!({ "RecursiveLoop": function.recursive_loop.as_deref().unwrap_or("Terminate") }),
    ))
}

pub(crate) fn put_recursion(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let input: RecursionInput = call.input()?;
    let wanted = call.plain_function(&lambda.home)?;
    let mut found = Violations::default();
    if input.recursive_loop.is_none() {
        found.missing("recursiveLoop");
    }
    found.one_of(
        "recursiveLoop",
        input.recursive_loop.as_deref(),
        &["Terminate", "Allow"],
    );
    found.into_result()?;
    let mut records = lambda.store.change();
    let function = records.function(&lambda.home, &wanted)?;
    let reply = json!({ "RecursiveLoop": input.recursive_loop });
    function.recursive_loop = input.recursive_loop;
    Ok(Reply::ok(reply))
}

/// Runtimes are those of this machine; nothing updates them.
pub(crate) fn runtime_management(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let wanted = call.function(&lambda.home)?;
    lambda.store.read().function(&lambda.home, &wanted)?;
    Ok(Reply::ok(
        json!({ "UpdateRuntimeOn": "Auto", "FunctionArn": wanted.arn(&lambda.home) }),
    ))
}
