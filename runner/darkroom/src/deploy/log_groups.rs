//! The functions' log groups, made before the functions, with tags and a retention.
//!
//! Without one, Lambda makes a group at a function's first line. That group has no tag and is kept
//! forever.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::clients::Clients;
use super::desired::{Have, Want, owned};
use super::error::DeployError;
use super::names;
use super::observe::call;
use super::patience::patiently;
use super::wanted::DeploySettings;

/// Groups made at once. `CreateLogGroup`, `PutRetentionPolicy` and the tagging calls allow 5 to 10
/// calls a second; the SDK's adaptive retries slow down when it says so.
const AT_ONCE: usize = 4;

/// Days for which log lines are kept.
pub const RETENTION_DAYS: i32 = 14;

/// A log group as the account has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExistingLogGroup {
    pub name: String,
    /// Without the `:*` that `DescribeLogGroups` puts at its end.
    pub arn: String,
    pub retention_days: Option<i32>,
    pub bytes: u64,
}

/// Returns a function's log group.
pub fn of_function(function: &str) -> String {
    format!("/aws/lambda/{function}")
}

/// Returns every group whose function's name begins so.
pub async fn list(
    logs: &aws_sdk_cloudwatchlogs::Client,
    functions: &str,
) -> Result<Vec<ExistingLogGroup>, DeployError> {
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let page = logs
            .describe_log_groups()
            .log_group_name_prefix(of_function(functions))
            .set_next_token(token);
        let page = page
            .send()
            .await
            .map_err(|error| call("listing", "log groups".into(), &error))?;
        found.extend(page.log_groups().iter().filter_map(|group| {
            let arn = group.log_group_arn().or_else(|| group.arn())?;
            Some(ExistingLogGroup {
                name: group.log_group_name()?.to_owned(),
                arn: arn.trim_end_matches(":*").to_owned(),
                retention_days: group.retention_in_days(),
                bytes: group
                    .stored_bytes()
                    .and_then(|bytes| bytes.try_into().ok())
                    .unwrap_or_default(),
            })
        }));
        token = page
            .next_token()
            .filter(|token| !token.is_empty())
            .map(str::to_owned);
        if token.is_none() {
            return Ok(found);
        }
    }
}

/// Returns a group's tags; `None` if it is gone.
pub async fn tags(
    logs: &aws_sdk_cloudwatchlogs::Client,
    group: &ExistingLogGroup,
) -> Result<Option<BTreeMap<String, String>>, DeployError> {
    match logs
        .list_tags_for_resource()
        .resource_arn(&group.arn)
        .send()
        .await
    {
        Ok(found) => Ok(Some(
            found
                .tags()
                .cloned()
                .unwrap_or_default()
                .into_iter()
                .collect(),
        )),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(call(
            "reading the tags",
            format!("log group {}", group.name),
            &error,
        )),
    }
}

/// Makes the group of every wanted function. One that is there already is taken over with its
/// function; without it, only if its tags say that it is this experiment's.
pub async fn bring_about(
    clients: &Clients,
    settings: &DeploySettings,
    want: &Want,
    have: &Have,
) -> Result<(), DeployError> {
    let found = list(
        &clients.logs,
        &names::functions_prefix(&settings.experiment),
    )
    .await?;
    let found: BTreeMap<String, ExistingLogGroup> = found
        .into_iter()
        .map(|group| (group.name.clone(), group))
        .collect();
    let with_function: BTreeSet<String> = have
        .functions
        .keys()
        .map(|name| of_function(name))
        .collect();
    let work = stream::iter(want.functions.keys().map(|name| of_function(name)))
        .map(|name| {
            let (group, with_function) = (found.get(&name), with_function.contains(&name));
            async move {
                match group {
                    Some(group) => mend(clients, want, group, with_function).await,
                    None => create(clients, want, &name).await,
                }
            }
        })
        .buffer_unordered(AT_ONCE);
    work.try_collect::<()>().await
}

async fn create(clients: &Clients, want: &Want, name: &str) -> Result<(), DeployError> {
    let resource = || format!("log group {name}");
    patiently("creation", resource, async || {
        let create = clients.logs.create_log_group().log_group_name(name);
        match create
            .set_tags(Some(want.tags.clone().into_iter().collect()))
            .send()
            .await
        {
            Err(error) if error.code() == Some("ResourceAlreadyExistsException") => Ok(()),
            sent => sent.map(|_| ()),
        }
    })
    .await?;
    retain(clients, name).await
}

async fn mend(
    clients: &Clients,
    want: &Want,
    group: &ExistingLogGroup,
    with_function: bool,
) -> Result<(), DeployError> {
    let resource = || format!("log group {}", group.name);
    // One without tags is what a late log line of a removed function made: Lambda names it after
    // our function.
    if !with_function
        && let Some(tags) = tags(&clients.logs, group)
            .await?
            .filter(|tags| !tags.is_empty())
    {
        owned(resource(), &want.experiment, &tags)?;
    }
    let tag = clients.logs.tag_resource().resource_arn(&group.arn);
    let sent = tag
        .set_tags(Some(want.tags.clone().into_iter().collect()))
        .send()
        .await;
    sent.map_err(|error| call("tagging", resource(), &error))?;
    if group.retention_days == Some(RETENTION_DAYS) {
        Ok(())
    } else {
        retain(clients, &group.name).await
    }
}

async fn retain(clients: &Clients, name: &str) -> Result<(), DeployError> {
    patiently(
        "retention",
        || format!("log group {name}"),
        async || {
            clients
                .logs
                .put_retention_policy()
                .log_group_name(name)
                .retention_in_days(RETENTION_DAYS)
                .send()
                .await
        },
    )
    .await
    .map(|_| ())
}
