//! Reads the current state of what is wanted. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types::{
    Concurrency, FunctionConfiguration, LastUpdateStatus, Runtime, SnapStartApplyOn, State,
    TagsError,
};
use aws_sdk_s3::operation::head_bucket::HeadBucketError;
use darkroom_core::capability::NEW_ACCOUNT_MEMORY_MB;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::clients::Clients;
use super::desired::{Have, HaveBucket, HaveFunction, LayerId, Readiness, Want};
use super::error::DeployError;
use super::{role, tags};
use crate::error_text::error_message;

/// Calls that run at once: `GetFunction` allows 100 a second.
const AT_ONCE: usize = 16;

/// Returns what is there of `want`.
pub async fn observe(clients: &Clients, want: &Want) -> Result<Have, DeployError> {
    let (role, bucket, layers, functions) = futures::try_join!(
        role::observe(clients, want),
        bucket(clients, &want.bucket),
        layers(clients, want),
        functions(clients, want)
    )?;
    Ok(Have {
        bucket,
        role,
        layers,
        functions,
    })
}

/// Returns the function as it is now; `None` if there is none of this name.
pub async fn function(
    lambda: &aws_sdk_lambda::Client,
    name: &str,
) -> Result<Option<HaveFunction>, DeployError> {
    match lambda.get_function().function_name(name).send().await {
        Ok(found) => match found.tags_error() {
            Some(withheld) => Err(tags_withheld(name, withheld)),
            None => Ok(Some(have(&found))),
        },
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(call("reading", format!("function {name}"), &error)),
    }
}

/// A function whose tags these credentials may not read may well be Darkroom's. Source: Lambda's API
/// reference, `GetFunction`, `TagsError`.
fn tags_withheld(name: &str, withheld: &TagsError) -> DeployError {
    DeployError::Call {
        operation: "reading the tags",
        resource: format!("function {name}"),
        reason: format!("{}: {}", withheld.error_code(), withheld.message()),
        help: Some(
            "allow these credentials lambda:ListTags: without tags, nobody knows whether Darkroom \
             made the function"
                .to_owned(),
        ),
    }
}

/// Returns an SDK error as a [`DeployError`], with what there is to do about it where that is
/// known.
pub fn call<E, R>(operation: &'static str, resource: String, error: &SdkError<E, R>) -> DeployError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    let help = match error.code() {
        Some("AccessDeniedException" | "AccessDenied") => Some(
            "allow these credentials to do that; `darkroom doctor --target aws` lists the \
             permissions it needs",
        ),
        Some("ExpiredTokenException" | "ExpiredToken") => {
            Some("log in again, then run it again: it continues where it stopped")
        }
        Some("TooManyRequestsException") => {
            Some("run it again; something else used up the account's rate limit")
        }
        Some("CodeStorageExceededException") => {
            Some("remove old functions and layers: `darkroom clean --target aws`")
        }
        _ => None,
    };
    let help = help
        .map(str::to_owned)
        .or_else(|| of_memory(error.code()?, error.message()?));
    DeployError::Call {
        operation,
        resource,
        reason: error_message(error),
        help,
    }
}

pub async fn bucket(clients: &Clients, name: &str) -> Result<HaveBucket, DeployError> {
    let resource = || format!("bucket {name}");
    match clients.s3.head_bucket().bucket(name).send().await {
        Ok(_) => {}
        Err(error)
            if error
                .as_service_error()
                .is_some_and(HeadBucketError::is_not_found) =>
        {
            return Ok(HaveBucket::Absent);
        }
        // A HEAD has no body to say more than its status.
        Err(error)
            if error
                .raw_response()
                .is_some_and(|response| response.status().as_u16() == 403) =>
        {
            let found = "it belongs to another account, or these credentials may not read it (403)"
                .to_owned();
            return Err(DeployError::Foreign {
                resource: resource(),
                found,
            });
        }
        Err(error) => return Err(call("reading", resource(), &error)),
    }
    match clients.s3.get_bucket_tagging().bucket(name).send().await {
        Ok(tagging) => {
            let pairs = tagging
                .tag_set()
                .iter()
                .map(|tag| (tag.key().to_owned(), tag.value().to_owned()));
            Ok(HaveBucket::Tagged(pairs.collect()))
        }
        // What HEAD saw was a bucket that had been removed a moment ago.
        Err(error) if error.code() == Some("NoSuchBucket") => Ok(HaveBucket::Absent),
        Err(error) if error.code() == Some("NoSuchTagSet") => {
            let objects = clients
                .s3
                .list_objects_v2()
                .bucket(name)
                .max_keys(1)
                .send()
                .await;
            let objects = objects.map_err(|error| call("listing", resource(), &error))?;
            Ok(HaveBucket::Untagged {
                empty: objects.contents().is_empty(),
            })
        }
        Err(error) => Err(call("reading the tags", resource(), &error)),
    }
}

/// Returns what there is to do where an account may not have functions of so much memory.
fn of_memory(code: &str, message: &str) -> Option<String> {
    let refused = matches!(
        code,
        "InvalidParameterValueException" | "ValidationException"
    );
    (refused && message.to_lowercase().contains("memorysize")).then(|| {
        format!(
            "lower [matrix] memory_mb, or ask AWS support for more: new accounts have functions \
             of {NEW_ACCOUNT_MEMORY_MB} MB at most"
        )
    })
}

async fn functions(
    clients: &Clients,
    want: &Want,
) -> Result<BTreeMap<String, HaveFunction>, DeployError> {
    let found = stream::iter(want.functions.keys())
        .map(|name| async move { Ok((name.clone(), function(&clients.lambda, name).await?)) })
        .buffer_unordered(AT_ONCE);
    found
        .try_filter_map(|(name, found)| async move { Ok(found.map(|found| (name, found))) })
        .try_collect()
        .await
}

async fn layers(clients: &Clients, want: &Want) -> Result<BTreeMap<LayerId, String>, DeployError> {
    let names: BTreeSet<&String> = want.layers().into_iter().map(|layer| &layer.name).collect();
    let mut found = BTreeMap::new();
    for name in names {
        let wanted: Vec<&LayerId> = want
            .layers()
            .into_iter()
            .filter(|layer| layer.name == *name)
            .collect();
        let claimed = versions_of(clients, &want.experiment, name).await?;
        for layer in wanted {
            // The description says which version it is; what counts is what Lambda says of its
            // contents.
            for (number, _) in claimed.iter().filter(|(_, sha256)| *sha256 == layer.sha256) {
                if let Some(arn) = proven(clients, layer, *number).await? {
                    found.insert(layer.clone(), arn);
                    break;
                }
            }
        }
    }
    Ok(found)
}

/// Returns number and claimed sha256 of every version of a layer, newest first.
async fn versions_of(
    clients: &Clients,
    experiment: &str,
    name: &str,
) -> Result<Vec<(i64, String)>, DeployError> {
    let mut versions = Vec::new();
    let mut marker = None;
    loop {
        let page = clients
            .lambda
            .list_layer_versions()
            .layer_name(name)
            .set_marker(marker)
            .send()
            .await;
        let page = match page {
            Ok(page) => page,
            Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(versions),
            Err(error) => return Err(call("listing", format!("layer {name}"), &error)),
        };
        versions.extend(page.layer_versions().iter().filter_map(|version| {
            let sha256 = tags::layer_sha256(experiment, version.description()?)?;
            Some((version.version(), sha256.to_owned()))
        }));
        marker = page.next_marker().map(str::to_owned);
        if marker.is_none() {
            return Ok(versions);
        }
    }
}

async fn proven(
    clients: &Clients,
    layer: &LayerId,
    number: i64,
) -> Result<Option<String>, DeployError> {
    let version = clients
        .lambda
        .get_layer_version()
        .layer_name(&layer.name)
        .version_number(number)
        .send()
        .await;
    let version = version
        .map_err(|error| call("reading", format!("layer {}:{number}", layer.name), &error))?;
    let same =
        version.content().and_then(|content| content.code_sha256()) == Some(layer.sha256.as_str());
    Ok(version
        .layer_version_arn()
        .filter(|_| same)
        .map(str::to_owned))
}

fn have(found: &GetFunctionOutput) -> HaveFunction {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let sorted = |map: &std::collections::HashMap<String, String>| {
        map.clone().into_iter().collect::<BTreeMap<_, _>>()
    };
    let tags = found.tags().map(sorted).unwrap_or_default();
    let Some(configuration) = found.configuration() else {
        return HaveFunction {
            tags,
            ..HaveFunction::default()
        };
    };
    HaveFunction {
        arn: text(configuration.function_arn()),
        code_sha256: text(configuration.code_sha256()),
        architectures: configuration
            .architectures()
            .iter()
            .map(|it| it.as_str().to_owned())
            .collect(),
        runtime: text(configuration.runtime().map(Runtime::as_str)),
        handler: text(configuration.handler()),
        memory_mb: configuration
            .memory_size()
            .and_then(|size| size.try_into().ok())
            .unwrap_or_default(),
        timeout_s: configuration
            .timeout()
            .and_then(|timeout| timeout.try_into().ok())
            .unwrap_or_default(),
        role_arn: text(configuration.role()),
        layer_arns: configuration
            .layers()
            .iter()
            .map(|layer| text(layer.arn()))
            .collect(),
        snapstart: configuration.snap_start().and_then(|it| it.apply_on())
            == Some(&SnapStartApplyOn::PublishedVersions),
        environment: configuration
            .environment()
            .and_then(|it| it.variables())
            .map(sorted)
            .unwrap_or_default(),
        tags,
        revision_id: configuration.revision_id().map(str::to_owned),
        readiness: readiness(configuration),
        stopped: found
            .concurrency()
            .and_then(Concurrency::reserved_concurrent_executions)
            == Some(0),
    }
}

/// Source: AWS Lambda developer guide, "Lambda function states". `Inactive` functions become active
/// by themselves.
fn readiness(configuration: &FunctionConfiguration) -> Readiness {
    let reason = |text: Option<&str>| text.unwrap_or("no reason was given").to_owned();
    match (configuration.state(), configuration.last_update_status()) {
        (Some(State::Failed), _) => Readiness::Failed(reason(configuration.state_reason())),
        (_, Some(LastUpdateStatus::Failed)) => {
            Readiness::Failed(reason(configuration.last_update_status_reason()))
        }
        (Some(State::Pending), _) | (_, Some(LastUpdateStatus::InProgress)) => Readiness::Changing,
        _ => Readiness::Ready,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_size_that_an_account_may_not_have_is_told_from_other_wrong_parameters() {
        let why = "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 3008";
        let help = of_memory("InvalidParameterValueException", why).unwrap();
        assert!(
            help.contains("3008 MB at most") && help.contains("[matrix] memory_mb"),
            "{help}"
        );
        assert!(
            of_memory(
                "ValidationException",
                "Value '10240' at 'memorySize' failed to satisfy constraint"
            )
            .is_some()
        );
        assert_eq!(
            of_memory(
                "InvalidParameterValueException",
                "The role can't be assumed by Lambda."
            ),
            None
        );
        assert_eq!(of_memory("AccessDeniedException", why), None);
    }
}
