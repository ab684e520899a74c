//! Where code comes from, and `UpdateFunctionCode`.

use super::super::Lambda;
use super::super::code::Code;
use super::super::error::{ApiError, ApiResult};
use super::super::function::Phase;
use super::super::limits;
use super::super::objects::ObjectError;
use super::super::validate::Violations;
use super::call::{Call, Reply};
use super::functions::{architecture_violations, begin_update, refuse_qualifier};
use super::{configuration, describe};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use std::time::Instant;

/// Code in a request: in it, or in a bucket.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CodeInput {
    zip_file: Option<String>,
    #[serde(rename = "S3Bucket")]
    bucket: Option<String>,
    #[serde(rename = "S3Key")]
    key: Option<String>,
    #[serde(rename = "S3ObjectVersion")]
    object_version: Option<String>,
    image_uri: Option<String>,
}

impl CodeInput {
    /// Gets the zip and stores it.
    pub async fn fetch(self, lambda: &Lambda) -> ApiResult<Code> {
        let zip = match (self.zip_file, self.bucket, self.key) {
            (Some(base64), None, None) => decode(&base64)?,
            (None, Some(bucket), Some(key)) => {
                from_bucket(lambda, &bucket, &key, self.object_version.as_deref()).await?
            }
            (None, None, None) if self.image_uri.is_some() => {
                return Err(ApiError::invalid(
                    "The local cloud runs functions from zip packages only, not from images.",
                ));
            }
            (None, None, None) => {
                return Err(ApiError::invalid(
                    "Please provide a source for function code.",
                ));
            }
            _ => {
                return Err(ApiError::invalid(
                    "Please do not provide other FunctionCode parameters when providing a ZipFile.",
                ));
            }
        };
        lambda.code.add(zip).await
    }
}

fn decode(base64: &str) -> ApiResult<Bytes> {
    let zip = STANDARD
        .decode(base64)
        .map_err(|_| ApiError::serialization("ZipFile is not base64"))?;
    if zip.len() > limits::ZIPPED {
        return Err(ApiError::entity_too_large(format!(
            "Zipped size must be smaller than {} bytes",
            limits::ZIPPED
        )));
    }
    Ok(zip.into())
}

async fn from_bucket(
    lambda: &Lambda,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> ApiResult<Bytes> {
    lambda
        .objects
        .get(bucket, key, version, limits::ZIPPED_FROM_S3)
        .await
        .map_err(|error| match error {
            ObjectError::Refused { code, message } => ApiError::invalid(format!(
                "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}"
            )),
            ObjectError::TooLarge => ApiError::invalid(format!(
                "Unzipped size must be smaller than {} bytes",
                limits::UNZIPPED
            )),
        })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateInput {
    architectures: Option<Vec<String>>,
    #[serde(default)]
    publish: bool,
    #[serde(default)]
    dry_run: bool,
    revision_id: Option<String>,
}

pub(crate) async fn update(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let input: UpdateInput = call.input()?;
    let source: CodeInput = call.input()?;
    let wanted = call.plain_function(&lambda.home)?;
    refuse_qualifier(&wanted)?;
    let mut found = Violations::default();
    architecture_violations(input.architectures.as_deref(), &mut found);
    found.into_result()?;
    {
        let mut records = lambda.store.read();
        let function = records.function(&lambda.home, &wanted)?;
        begin_update(&lambda.home, function, input.revision_id.as_deref())?;
    }
    let code = source.fetch(lambda).await?;
    let mut records = lambda.store.change();
    let total = records.total_code_size();
    let function = records.function(&lambda.home, &wanted)?;
    // The code took a while: another update may have come first.
    begin_update(&lambda.home, function, input.revision_id.as_deref())?;
    configuration::check_unzipped(code.unzipped, &function.latest.configuration.layers)?;
    if total + code.size > limits::TOTAL_CODE {
        return Err(ApiError::code_storage_exceeded());
    }
    let mut configured = function.latest.configuration.clone();
    if let Some(architecture) = input.architectures.and_then(|all| all.into_iter().next()) {
        configured.architecture = architecture;
    }
    let arn = lambda.home.function_arn(&function.name);
    if input.dry_run {
        let mut preview = function.latest.clone();
        preview.configuration = configured;
        preview.code = code;
        return Ok(Reply::ok(describe::configuration(
            &lambda.home,
            function,
            &preview,
            &arn,
        )));
    }
    function.latest.update(configured, code);
    if input.publish {
        let published = function.publish(None).version.clone();
        let number: u64 = published.parse().unwrap_or_default();
        if let Some(version) = function.versions.get_mut(&number) {
            version.phase = Phase::Creating(Instant::now());
        }
        let version = function
            .version(Some(&published))
            .unwrap_or(&function.latest);
        let arn = lambda.home.qualified_arn(&function.name, &published);
        return Ok(Reply::ok(describe::configuration(
            &lambda.home,
            function,
            version,
            &arn,
        )));
    }
    Ok(Reply::ok(describe::configuration(
        &lambda.home,
        function,
        &function.latest,
        &arn,
    )))
}
