//! Parts of Lambda that the local cloud does not have: function URLs, event source mappings,
//! provisioned concurrency and code signing.
//!
//! Reading finds none and removing removes none, with AWS's own words. Creating one is refused
//! after the checks that AWS makes first, so nobody believes that it exists.

use super::super::Lambda;
use super::super::error::{ApiError, ApiResult};
use super::super::names::{self, FunctionRef, LATEST, NameShape, is_plain_name};
use super::super::validate::Violations;
use super::call::{Call, Reply};
use http::Method;
use serde_json::{Value, json};

pub(crate) fn route(
    lambda: &Lambda,
    method: &Method,
    call: &Call,
    segments: &[&str],
) -> ApiResult<Reply> {
    match (method.as_str(), segments) {
        ("GET", ["functions", _, "urls"]) => no_urls(lambda, call),
        (verb, ["functions", _, "url"]) => url(lambda, call, verb),
        (verb, ["functions", _, "provisioned-concurrency"]) => provisioned(lambda, call, verb),

        ("GET", ["event-source-mappings"]) => Ok(Reply::ok(json!({ "EventSourceMappings": [] }))),
        ("POST", ["event-source-mappings"]) => create_mapping(lambda, call),
        ("GET" | "PUT" | "DELETE", ["event-source-mappings", _]) => {
            Err(ApiError::no_such_resource())
        }

        (verb, ["functions", _, "code-signing-config"]) => function_signing(lambda, call, verb),
        ("GET", ["code-signing-configs"]) => Ok(Reply::ok(json!({ "CodeSigningConfigs": [] }))),
        ("POST", ["code-signing-configs"]) => Err(ApiError::invalid(
            "The local cloud has no code signing, so it does not check signatures of code.",
        )),
        ("GET" | "PUT" | "DELETE", ["code-signing-configs", arn, ..]) => Err(ApiError::not_found(
            format!("The Lambda code signing configuration {arn} can not be found."),
        )),

        _ => Err(ApiError::unknown_operation()),
    }
}

/// Reads the function of a URL's path; a URL belongs to the function or to an alias.
fn url_function(lambda: &Lambda, call: &Call) -> ApiResult<FunctionRef> {
    let pattern = r"((?!^\d+$)^[0-9a-zA-Z-_]+$)";
    if let Some(qualifier) = call.query("Qualifier")
        && (!is_plain_name(qualifier) || qualifier.bytes().all(|byte| byte.is_ascii_digit()))
    {
        let mut found = Violations::default();
        found.pattern("qualifier", qualifier, pattern);
        found.into_result()?;
    }
    call.function(&lambda.home)
}

fn url(lambda: &Lambda, call: &Call, verb: &str) -> ApiResult<Reply> {
    let wanted = url_function(lambda, call)?;
    if matches!(verb, "GET" | "DELETE") {
        return Err(ApiError::no_such_resource());
    }
    let input: Value = call.input()?;
    let mut found = Violations::default();
    found.one_of(
        "invokeMode",
        input["InvokeMode"].as_str(),
        &["RESPONSE_STREAM", "BUFFERED"],
    );
    found.one_of("authType", input["AuthType"].as_str(), &["NONE", "AWS_IAM"]);
    found.into_result()?;
    let mut records = lambda.store.read();
    let function = records.function(&lambda.home, &wanted).map(|function| {
        wanted
            .qualifier
            .as_deref()
            .is_none_or(|qualifier| function.aliases.contains_key(qualifier))
    });
    if !function.unwrap_or(false) {
        return Err(ApiError::not_found("Function does not exist"));
    }
    if verb == "PUT" {
        return Err(ApiError::no_such_resource());
    }
    Err(ApiError::invalid(
        "The local cloud has no function URLs; call the function with Invoke.",
    ))
}

fn no_urls(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let wanted = call.plain_function(&lambda.home)?;
    if !lambda.store.read().functions.contains_key(&wanted.name) {
        return Err(ApiError::not_found("Function does not exist"));
    }
    Ok(Reply::ok(json!({ "FunctionUrlConfigs": [] })))
}

fn provisioned(lambda: &Lambda, call: &Call, verb: &str) -> ApiResult<Reply> {
    let wanted = call.function(&lambda.home)?;
    let mut records = lambda.store.read();
    if verb == "GET" && call.query("List").is_some() {
        records.function(&lambda.home, &wanted)?;
        return Ok(Reply::ok(json!({ "ProvisionedConcurrencyConfigs": [] })));
    }
    if verb == "PUT" {
        let input: Value = call.input()?;
        let mut found = Violations::default();
        found.range(
            "provisionedConcurrentExecutions",
            input["ProvisionedConcurrentExecutions"].as_i64(),
            &(1..=i64::MAX),
        );
        found.into_result()?;
    }
    let qualifier = wanted.qualifier.as_deref().unwrap_or(LATEST);
    if qualifier == LATEST {
        return Err(ApiError::invalid(match verb {
            "PUT" => {
                "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
            }
            _ => "The function resource provided must be an alias or a published version.",
        }));
    }
    let known = records
        .functions
        .get(&wanted.name)
        .is_some_and(|function| function.version(Some(qualifier)).is_some());
    if !known {
        let arn = wanted.arn(&lambda.home);
        return Err(if qualifier.bytes().all(|byte| byte.is_ascii_digit()) {
            ApiError::function_not_found(&arn)
        } else {
            ApiError::not_found(format!("Cannot find alias arn: {arn}"))
        });
    }
    match verb {
        "GET" => Err(ApiError::no_provisioned_concurrency()),
        "DELETE" => Ok(Reply::no_content()),
        "PUT" => Err(ApiError::invalid(
            "The local cloud has no provisioned concurrency: environments start on demand and stay warm while idle.",
        )),
        _ => Err(ApiError::unknown_operation()),
    }
}

fn create_mapping(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let input: Value = call.input()?;
    let mut found = Violations::default();
    let positions = ["LATEST", "AT_TIMESTAMP", "TRIM_HORIZON"];
    found.one_of(
        "startingPosition",
        input["StartingPosition"].as_str(),
        &positions,
    );
    if input["FunctionName"].as_str().is_none() {
        found.missing("functionName");
    }
    found.into_result()?;
    let Some(source) = input["EventSourceArn"].as_str() else {
        return Err(ApiError::invalid("Unrecognized event source."));
    };
    let service = source.split(':').nth(2).unwrap_or_default();
    if matches!(service, "kinesis" | "dynamodb") && input["StartingPosition"].is_null() {
        return Err(ApiError::invalid(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
        ));
    }
    if service == "dynamodb" && input["StartingPosition"] == "AT_TIMESTAMP" {
        return Err(ApiError::invalid(format!(
            "Unsupported starting position for arn type: {source}"
        )));
    }
    if service == "sqs" && !input["DestinationConfig"].is_null() {
        return Err(ApiError::invalid(
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ));
    }
    let name = input["FunctionName"].as_str().unwrap_or_default();
    let wanted = names::function(&lambda.home, NameShape::Namespaced, name, None)?;
    if !lambda.store.read().functions.contains_key(&wanted.name) {
        return Err(ApiError::invalid("Function does not exist"));
    }
    Err(ApiError::invalid(
        "The local cloud has no queues and streams to map. S3 notifications and asynchronous \
         invocations need no mapping.",
    ))
}

fn function_signing(lambda: &Lambda, call: &Call, verb: &str) -> ApiResult<Reply> {
    let wanted = call.function(&lambda.home)?;
    if verb == "PUT" {
        let input: Value = call.input()?;
        let arn = input["CodeSigningConfigArn"].as_str().unwrap_or_default();
        return Err(ApiError::no_code_signing(arn));
    }
    lambda.store.read().function(&lambda.home, &wanted)?;
    match verb {
        "GET" => Ok(Reply::ok(json!({ "FunctionName": wanted.name }))),
        "DELETE" => Ok(Reply::no_content()),
        _ => Err(ApiError::unknown_operation()),
    }
}
