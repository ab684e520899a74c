//! Removes what was found, in the order that leaves nothing unfindable behind if it is cut off.

use std::collections::BTreeSet;
use std::fmt;

use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures::stream::{self, StreamExt};

use super::find::uploads;
use super::{AT_ONCE, Found, FoundFunction, FoundLayer, FoundLogGroup, FoundRole};
use crate::deploy::observe::call;
use crate::deploy::{Clients, DeployError, log_groups, patient};

/// Removes what was found, and returns why what is left is left: one error a resource, none when all of it is gone.
///
/// What fails keeps nothing else from being removed, but for what leads to it. What is gone already is no error.
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
    let (led_to, functions): (Vec<_>, Vec<_>) =
        found.functions.iter().partition(|it| still_led_to.contains(log_groups::of_function(&it.name).as_str()));
    left.extend(led_to.into_iter().map(leads_to_its_log_group));
    let functions = stream::iter(functions).map(|function| remove_function(clients, &function.name));
    let functions: Vec<_> = functions.buffer_unordered(AT_ONCE).collect().await;
    left.extend(functions.into_iter().filter_map(Result::err));
    // Those without a tag once more: a late line may have made one anew meanwhile.
    for FoundLogGroup { name, .. } in found.log_groups.iter().filter(|it| !still_led_to.contains(it.name.as_str())) {
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
        reason: "its log group is still there, and nothing but the function says whose it is".to_owned(),
        help: None,
    }
}

/// Removes a function. Its log group follows by its own tag; one that Lambda made has none, and goes before the function
/// whose tag leads to it.
async fn remove_function(clients: &Clients, name: &str) -> Result<(), DeployError> {
    let sent = clients.lambda.delete_function().function_name(name).send().await;
    gone(sent.map(|_| ()), &["ResourceNotFoundException"], "removal", || format!("function {name}"))
}

async fn remove_log_group(clients: &Clients, group: &str) -> Result<(), DeployError> {
    let sent = clients.logs.delete_log_group().log_group_name(group).send().await;
    gone(sent.map(|_| ()), &["ResourceNotFoundException"], "removal", || format!("log group {group}"))
}

async fn remove_layer(clients: &Clients, name: &str, version: i64) -> Result<(), DeployError> {
    let sent = clients.lambda.delete_layer_version().layer_name(name).version_number(version).send().await;
    gone(sent.map(|_| ()), &["ResourceNotFoundException"], "removal", || format!("layer {name}:{version}"))
}

/// IAM removes a role only once its policies are gone. They are read, not remembered; one that somebody attached is
/// theirs, and IAM then says that it is in the way.
async fn remove_role(clients: &Clients, name: &str) -> Result<(), DeployError> {
    let resource = || format!("role {name}");
    let policies = match clients.iam.list_role_policies().role_name(name).send().await {
        Ok(found) => found.policy_names().to_vec(),
        Err(error) if error.code() == Some("NoSuchEntity") => return Ok(()),
        Err(error) => return Err(call("reading", resource(), &error)),
    };
    for policy in policies {
        let sent = clients.iam.delete_role_policy().role_name(name).policy_name(policy).send().await;
        gone(sent.map(|_| ()), &["NoSuchEntity"], "removal of the policy", resource)?;
    }
    let sent = clients.iam.delete_role().role_name(name).send().await;
    gone(sent.map(|_| ()), &["NoSuchEntity"], "removal", resource)
}

/// Empties and removes a bucket. An object that can't be removed keeps no other from being removed.
async fn remove_bucket(clients: &Clients, name: &str) -> Result<(), DeployError> {
    let resource = || format!("bucket {name}");
    let mut refusal = None;
    let mut after = None;
    loop {
        let page = match clients.s3.list_objects_v2().bucket(name).set_start_after(after.clone()).send().await {
            Ok(page) => page,
            Err(error) if error.code() == Some("NoSuchBucket") => return Ok(()),
            Err(error) => return Err(call("listing", resource(), &error)),
        };
        let last = page.contents().last().and_then(|object| object.key()).map(str::to_owned);
        let keys: Result<Vec<ObjectIdentifier>, _> = page
            .contents()
            .iter()
            .filter_map(|object| object.key())
            .map(|key| ObjectIdentifier::builder().key(key).build())
            .collect();
        let delete = keys.and_then(|keys| Delete::builder().set_objects(Some(keys)).quiet(true).build());
        let refused =
            |reason: String| DeployError::Call { operation: "emptying", resource: resource(), reason, help: None };
        let delete = delete.map_err(|error| refused(error.to_string()))?;
        if delete.objects().is_empty() {
            break;
        }
        let sent = clients.s3.delete_objects().bucket(name).delete(delete).send().await;
        let sent = sent.map_err(|error| call("emptying", resource(), &error))?;
        if let Some(error) = sent.errors().first() {
            let reason = format!("{}: {}", error.key().unwrap_or("?"), error.message().unwrap_or("refused"));
            refusal = refusal.or_else(|| Some(refused(reason)));
            after = last;
        }
    }
    for (key, id) in uploads(clients, name).await? {
        let sent = clients.s3.abort_multipart_upload().bucket(name).key(&key).upload_id(id).send().await;
        gone(sent.map(|_| ()), &["NoSuchUpload", "NoSuchBucket"], "ending an upload of", resource)?;
    }
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    let sent = clients.s3.delete_bucket().bucket(name).send().await;
    gone(sent.map(|_| ()), &["NoSuchBucket"], "removal", resource)
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
