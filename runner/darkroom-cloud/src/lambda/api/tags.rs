//! Tags of functions.

use super::super::Lambda;
use super::super::error::{ApiError, ApiResult};
use super::super::function::new_id;
use super::super::limits;
use super::super::names::{self, FunctionRef};
use super::super::validate::Violations;
use super::call::{Call, Reply};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

const RESOURCE_PATTERN: &str = r"arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AddInput {
    tags: Option<BTreeMap<String, String>>,
}

/// Reads the ARN of a function that may have tags.
fn resource(lambda: &Lambda, arn: &str) -> ApiResult<FunctionRef> {
    let wanted = names::function_arn(&lambda.home, arn).filter(|_| arn.contains(":function:"));
    let Some(wanted) = wanted else {
        let mut found = Violations::default();
        found.pattern("resource", arn, RESOURCE_PATTERN);
        found.into_result()?;
        return Err(ApiError::no_such_resource());
    };
    if wanted.qualifier.is_some() {
        return Err(ApiError::invalid(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        ));
    }
    Ok(wanted)
}

pub(crate) fn check_count(count: usize) -> ApiResult<()> {
    if count > limits::TAGS {
        return Err(ApiError::invalid(
            "Number of tags exceeds resource tag limit.",
        ));
    }
    Ok(())
}

pub(crate) fn add(lambda: &Lambda, call: &Call, arn: &str) -> ApiResult<Reply> {
    let wanted = resource(lambda, arn)?;
    let tags = call.input::<AddInput>()?.tags.unwrap_or_default();
    let mut records = lambda.store.change();
    let function = records.function(&lambda.home, &wanted)?;
    if tags.is_empty() {
        return Err(ApiError::invalid(
            "An error occurred and the request cannot be processed.",
        ));
    }
    let mut all = function.tags.clone();
    all.extend(tags);
    check_count(all.len())?;
    function.tags = all;
    function.latest.revision_id = new_id();
    Ok(Reply::no_content())
}

pub(crate) fn remove(lambda: &Lambda, call: &Call, arn: &str) -> ApiResult<Reply> {
    let wanted = resource(lambda, arn)?;
    let keys: Vec<&String> = call
        .query
        .iter()
        .filter(|(name, _)| name == "tagKeys")
        .map(|(_, key)| key)
        .collect();
    if keys.is_empty() {
        let mut found = Violations::default();
        found.missing("tagKeys");
        found.into_result()?;
    }
    let mut records = lambda.store.change();
    let function = records.function(&lambda.home, &wanted)?;
    function.tags.retain(|key, _| !keys.contains(&key));
    function.latest.revision_id = new_id();
    Ok(Reply::no_content())
}

pub(crate) fn list(lambda: &Lambda, arn: &str) -> ApiResult<Reply> {
    let wanted = resource(lambda, arn)?;
    let mut records = lambda.store.read();
    let function = records.function(&lambda.home, &wanted)?;
    Ok(Reply::ok(json!({ "Tags": function.tags })))
}
