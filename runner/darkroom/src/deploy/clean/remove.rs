//! Removes what was found, in an order in which an interruption leaves nothing that cannot be found
//! again.

use std::collections::BTreeSet;
use std::fmt;

use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures::stream::{self, StreamExt};

use super::find::uploads;
use super::{AT_ONCE, Found, FoundFunction, FoundLayer, FoundLogGroup, FoundRole};
use crate::deploy::clients::{Clients, patient};
use crate::deploy::error::DeployError;
use crate::deploy::log_groups;
use crate::deploy::observe::call;
use crate::deploy::patience::patiently_said;

/// How often a bucket is emptied again that turns out not to be empty.
const EMPTIED_AGAIN: u32 = 3;

/// Removes what was found, and returns why what is left is left: one error a resource, none when
/// all of it is gone.
///
/// What fails keeps nothing else from being removed, but for what leads to it. What is gone already
/// is no error.
#[must_use = "says what is left"]
pub async fn remove(clients: &Clients, found: &Found) -> Vec<DeployError> {
    let clients = &patient(clients);
    let mut left = Vec::new();
    let mut still_led_to = BTreeSet::new();
    for FoundLogGroup { name, .. } in found.log_groups.iter().filter(|group| !group.tagged) {
        if let Err(error) = remove_log_group(clients, name).await {
            left.push(error);
            still_led_to.insert(name.as_str());
        }
    }
    let (led_to, functions): (Vec<_>, Vec<_>) = found
        .functions
        .iter()
        .partition(|it| still_led_to.contains(log_groups::of_function(&it.name).as_str()));
    left.extend(led_to.into_iter().map(leads_to_its_log_group));
    let functions =
        stream::iter(functions).map(|function| remove_function(clients, &function.name));
    let functions: Vec<_> = functions.buffer_unordered(AT_ONCE).collect().await;
    left.extend(functions.into_iter().filter_map(Result::err));
    // Those without a tag once more: a late line may have made one again meanwhile.
    for FoundLogGroup { name, .. } in found
        .log_groups
        .iter()
        .filter(|it| !still_led_to.contains(it.name.as_str()))
    {
        left.extend(remove_log_group(clients, name).await.err());
    }
    for FoundRole { name, .. } in &found.roles {
        left.extend(remove_role(clients, name).await.err());
    }
    for FoundLayer { name, version, .. } in &found.layers {
        left.extend(remove_layer(clients, name, *version).await.err());
    }
    for bucket in &found.buckets {
        left.extend(remove_bucket(clients, &bucket.name).await.err());
    }
    left
}

fn leads_to_its_log_group(function: &FoundFunction) -> DeployError {
    DeployError::Call {
        operation: "removal",
        resource: format!("function {}", function.name),
        reason:
            "kept, because its log group is still there and only the function shows whose it is"
                .to_owned(),
        help: None,
    }
}

/// Removes a function. Its log group follows by its own tag; one that Lambda made has none, and
/// goes before the function whose tag leads to it.
async fn remove_function(clients: &Clients, name: &str) -> Result<(), DeployError> {
    let sent = clients
        .lambda
        .delete_function()
        .function_name(name)
        .send()
        .await;
    gone(
        sent.map(|_| ()),
        &["ResourceNotFoundException"],
        "removal",
        || format!("function {name}"),
    )
}

async fn remove_log_group(clients: &Clients, group: &str) -> Result<(), DeployError> {
    let sent = clients
        .logs
        .delete_log_group()
        .log_group_name(group)
        .send()
        .await;
    gone(
        sent.map(|_| ()),
        &["ResourceNotFoundException"],
        "removal",
        || format!("log group {group}"),
    )
}

async fn remove_layer(clients: &Clients, name: &str, version: i64) -> Result<(), DeployError> {
    let sent = clients
        .lambda
        .delete_layer_version()
        .layer_name(name)
        .version_number(version)
        .send()
        .await;
    gone(
        sent.map(|_| ()),
        &["ResourceNotFoundException"],
        "removal",
        || format!("layer {name}:{version}"),
    )
}

/// IAM removes a role only once its policies are gone. They are read, not remembered; one that
/// somebody attached is theirs, and IAM then says that it is in the way.
async fn remove_role(clients: &Clients, name: &str) -> Result<(), DeployError> {
    let resource = || format!("role {name}");
    let policies = match clients
        .iam
        .list_role_policies()
        .role_name(name)
        .send()
        .await
    {
        Ok(found) => found.policy_names().to_vec(),
        Err(error) if error.code() == Some("NoSuchEntity") => return Ok(()),
        Err(error) => return Err(call("reading", resource(), &error)),
    };
    for policy in policies {
        let sent = clients
            .iam
            .delete_role_policy()
            .role_name(name)
            .policy_name(policy)
            .send()
            .await;
        gone(
            sent.map(|_| ()),
            &["NoSuchEntity"],
            "removal of the policy",
            resource,
        )?;
    }
    let sent = clients.iam.delete_role().role_name(name).send().await;
    gone(sent.map(|_| ()), &["NoSuchEntity"], "removal", resource)
}

/// Empties and removes a bucket. An object that can't be removed keeps no other from being removed.
async fn remove_bucket(clients: &Clients, name: &str) -> Result<(), DeployError> {
    let resource = || format!("bucket {name}");
    let mut refusal = empty(clients, name).await?;
    for (key, id) in uploads(clients, name).await? {
        let sent = clients
            .s3
            .abort_multipart_upload()
            .bucket(name)
            .key(&key)
            .upload_id(id)
            .send()
            .await;
        gone(
            sent.map(|_| ()),
            &["NoSuchUpload", "NoSuchBucket"],
            "ending an upload of",
            resource,
        )?;
    }
    for again in 0..=EMPTIED_AGAIN {
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let attempt = async || match clients.s3.delete_bucket().bucket(name).send().await {
            Err(error) if error.code() == Some("NoSuchBucket") => Ok(true),
            Err(error) if error.code() == Some("BucketNotEmpty") && again < EMPTIED_AGAIN => {
                Ok(false)
            }
            sent => sent.map(|_| true),
        };
        if patiently_said(&clients.waits, "removal", resource, attempt).await? {
            return Ok(());
        }
        // A function was still writing, or somebody has switched versions on: then removed objects
        // are still there.
        refusal = empty(clients, name).await?;
        refusal = refusal.or(remove_versions(clients, name).await?);
    }
    Ok(())
}

/// Removes every object; returns why one is left, if one is.
async fn empty(clients: &Clients, name: &str) -> Result<Option<DeployError>, DeployError> {
    let mut refusal = None;
    let mut after = None;
    loop {
        let page = match clients
            .s3
            .list_objects_v2()
            .bucket(name)
            .set_start_after(after.clone())
            .send()
            .await
        {
            Ok(page) => page,
            Err(error) if error.code() == Some("NoSuchBucket") => return Ok(refusal),
            Err(error) => return Err(call("listing", format!("bucket {name}"), &error)),
        };
        let keys: Vec<(&str, Option<&str>)> = page
            .contents()
            .iter()
            .filter_map(|object| Some((object.key()?, None)))
            .collect();
        let Some((last, _)) = keys.last() else {
            return Ok(refusal);
        };
        if let Some(why) = remove_objects(clients, name, &keys).await? {
            after = Some((*last).to_owned());
            refusal = refusal.or(Some(why));
        }
    }
}

/// Removes what a bucket with versions keeps of removed objects; returns why some is left, if some
/// is.
async fn remove_versions(
    clients: &Clients,
    name: &str,
) -> Result<Option<DeployError>, DeployError> {
    let mut refusal = None;
    let (mut key, mut version) = (None, None);
    loop {
        let page = clients
            .s3
            .list_object_versions()
            .bucket(name)
            .set_key_marker(key)
            .set_version_id_marker(version);
        let page = match page.send().await {
            Ok(page) => page,
            // An endpoint that has no versions has none to remove.
            Err(error) if matches!(error.code(), Some("NoSuchBucket" | "NotImplemented")) => {
                return Ok(refusal);
            }
            Err(error) => {
                return Err(call(
                    "listing",
                    format!("versions in bucket {name}"),
                    &error,
                ));
            }
        };
        let versions = page
            .versions()
            .iter()
            .filter_map(|it| Some((it.key()?, it.version_id())));
        let markers = page
            .delete_markers()
            .iter()
            .filter_map(|it| Some((it.key()?, it.version_id())));
        let all: Vec<(&str, Option<&str>)> = versions.chain(markers).collect();
        if !all.is_empty() {
            refusal = refusal.or(remove_objects(clients, name, &all).await?);
        }
        (key, version) = (
            page.next_key_marker().map(str::to_owned),
            page.next_version_id_marker().map(str::to_owned),
        );
        if !page.is_truncated().unwrap_or(false) || key.is_none() {
            return Ok(refusal);
        }
    }
}

/// Removes these objects, each by key and, where it has one, version; returns why one is left, if
/// one is.
async fn remove_objects(
    clients: &Clients,
    name: &str,
    objects: &[(&str, Option<&str>)],
) -> Result<Option<DeployError>, DeployError> {
    let resource = || format!("bucket {name}");
    let refused = |reason: String| DeployError::Call {
        operation: "emptying",
        resource: resource(),
        reason,
        help: None,
    };
    let one = |(key, version): &(&str, Option<&str>)| {
        ObjectIdentifier::builder()
            .key(*key)
            .set_version_id(version.map(str::to_owned))
            .build()
    };
    let objects: Result<Vec<ObjectIdentifier>, _> = objects.iter().map(one).collect();
    let delete = objects.and_then(|objects| {
        Delete::builder()
            .set_objects(Some(objects))
            .quiet(true)
            .build()
    });
    let delete = delete.map_err(|error| refused(error.to_string()))?;
    let sent = clients
        .s3
        .delete_objects()
        .bucket(name)
        .delete(delete)
        .send()
        .await;
    let sent = sent.map_err(|error| call("emptying", resource(), &error))?;
    let why = sent.errors().first().map(|error| {
        refused(format!(
            "{}: {}",
            error.key().unwrap_or("?"),
            error.message().unwrap_or("refused")
        ))
    });
    Ok(why)
}

/// Turns "it is not there" into success: that is what removal is for.
fn gone<E, R>(
    sent: Result<(), aws_sdk_lambda::error::SdkError<E, R>>,
    not_there: &[&str],
    operation: &'static str,
    resource: impl FnOnce() -> String,
) -> Result<(), DeployError>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: fmt::Debug + 'static,
{
    match sent {
        Err(error) if !error.code().is_some_and(|code| not_there.contains(&code)) => {
            Err(call(operation, resource(), &error))
        }
        _ => Ok(()),
    }
}
