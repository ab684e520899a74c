//! Published versions.

use super::super::Lambda;
use super::super::error::{ApiError, ApiResult};
use super::super::limits;
use super::super::validate::Violations;
use super::call::{Call, Reply};
use super::describe;
use super::functions::{check_revision, every_version, refuse_qualifier};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublishInput {
    code_sha256: Option<String>,
    description: Option<String>,
    revision_id: Option<String>,
}

pub(crate) fn publish(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let input: PublishInput = call.input()?;
    let wanted = call.plain_function(&lambda.home)?;
    refuse_qualifier(&wanted)?;
    if let Some(description) = &input.description {
        let mut found = Violations::default();
        found.max_length("description", description, limits::DESCRIPTION);
        found.into_result()?;
    }
    let mut records = lambda.store.change();
    let function = records.function(&lambda.home, &wanted)?;
    function.settle();
    check_revision(
        input.revision_id.as_deref(),
        &function.latest.revision_id,
        "GetFunction/GetAlias",
    )?;
    let current = function.latest.code.sha256_base64();
    if let Some(given) = input
        .code_sha256
        .filter(|given| !given.is_empty() && *given != current)
    {
        return Err(ApiError::invalid(format!(
            "CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with the \
             CodeSHA256 in $LATEST."
        )));
    }
    let description = input
        .description
        .filter(|description| !description.is_empty());
    let number = function.publish(description).version.clone();
    let arn = lambda.home.qualified_arn(&function.name, &number);
    let version = function.version(Some(&number)).unwrap_or(&function.latest);
    Ok(Reply::created(describe::configuration(
        &lambda.home,
        function,
        version,
        &arn,
    )))
}

pub(crate) fn list(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let wanted = call.function(&lambda.home)?;
    let page = call.page(limits::PAGE)?;
    let mut records = lambda.store.read();
    let function = records.function(&lambda.home, &wanted)?;
    function.settle();
    page.reply("Versions", every_version(&lambda.home, function))
}
