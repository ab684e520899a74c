//! Log groups and streams: made, listed, kept for so many days, tagged, deleted.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Logs;
use super::super::store::{LogGroup, Stream};
use super::{ApiError, LogsResult, group_name, limit, object, stream_name};
use crate::s3::ACCOUNT_ID;

/// The days that a retention policy may name.
const RETENTION_DAYS: [i64; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateGroup {
    log_group_name: Option<String>,
    log_group_class: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

pub fn create_group(logs: &Logs, request: CreateGroup) -> LogsResult {
    let name = group_name(request.log_group_name, None, "logGroupName")?;
    logs.store
        .create_group(&name, request.log_group_class, request.tags)?;
    Ok(Value::Null)
}

/// A request that names a group, and perhaps a stream in it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    log_group_name: Option<String>,
    log_stream_name: Option<String>,
    retention_in_days: Option<i64>,
}

pub fn delete_group(logs: &Logs, request: Named) -> LogsResult {
    logs.store
        .delete_group(&group_name(request.log_group_name, None, "logGroupName")?)?;
    Ok(Value::Null)
}

pub fn create_stream(logs: &Logs, request: Named) -> LogsResult {
    let group = group_name(request.log_group_name, None, "logGroupName")?;
    logs.store
        .create_stream(&group, &stream_name(request.log_stream_name)?)?;
    Ok(Value::Null)
}

pub fn delete_stream(logs: &Logs, request: Named) -> LogsResult {
    let group = group_name(request.log_group_name, None, "logGroupName")?;
    logs.store
        .delete_stream(&group, &stream_name(request.log_stream_name)?)?;
    Ok(Value::Null)
}

pub fn put_retention(logs: &Logs, request: Named) -> LogsResult {
    let group = group_name(request.log_group_name, None, "logGroupName")?;
    let days = request
        .retention_in_days
        .ok_or_else(|| ApiError::constraint("retentionInDays", None, "not be null"))?;
    if !RETENTION_DAYS.contains(&days) {
        let valid: Vec<String> = RETENTION_DAYS.iter().map(i64::to_string).collect();
        let constraint = format!("satisfy enum value set: [{}]", valid.join(", "));
        return Err(ApiError::constraint(
            "retentionInDays",
            Some(&days.to_string()),
            &constraint,
        ));
    }
    logs.store.set_retention(&group, Some(days))?;
    Ok(Value::Null)
}

pub fn delete_retention(logs: &Logs, request: Named) -> LogsResult {
    logs.store.set_retention(
        &group_name(request.log_group_name, None, "logGroupName")?,
        None,
    )?;
    Ok(Value::Null)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Describe {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    descending: Option<bool>,
    limit: Option<i64>,
    next_token: Option<String>,
}

fn group_arn(logs: &Logs, name: &str) -> String {
    format!("arn:aws:logs:{}:{ACCOUNT_ID}:log-group:{name}", logs.region)
}

/// Returns the page of groups behind the token, and the next token: the last name.
fn page(
    logs: &Logs,
    request: &Describe,
    show: impl Fn(&str, &LogGroup) -> Value,
) -> Result<(Vec<Value>, Option<Value>), ApiError> {
    let most = limit(request.limit, 50, 50)?;
    let after = request.next_token.as_deref().unwrap_or_default();
    let prefix = request.log_group_name_prefix.as_deref().unwrap_or_default();
    let pattern = request
        .log_group_name_pattern
        .as_deref()
        .unwrap_or_default()
        .to_lowercase();
    Ok(logs.store.with_groups(|groups| {
        let wanted = |name: &str| {
            name > after && name.starts_with(prefix) && name.to_lowercase().contains(&pattern)
        };
        let mut found = groups.iter().filter(|(name, _)| wanted(name));
        let taken: Vec<(&String, &LogGroup)> = found.by_ref().take(most).collect();
        let next = taken
            .last()
            .filter(|_| found.next().is_some())
            .map(|(name, _)| json!(name));
        (
            taken
                .into_iter()
                .map(|(name, group)| show(name, group))
                .collect(),
            next,
        )
    }))
}

pub fn describe_groups(logs: &Logs, request: &Describe) -> LogsResult {
    if request.log_group_name_prefix.is_some() && request.log_group_name_pattern.is_some() {
        return Err(ApiError::invalid(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    let (groups, next) = page(logs, request, |name, group| {
        let arn = group_arn(logs, name);
        object([
            ("logGroupName", Some(json!(name))),
            ("creationTime", Some(json!(group.created_ms))),
            ("retentionInDays", group.retention_days.map(Value::from)),
            ("metricFilterCount", Some(json!(0))),
            ("arn", Some(json!(format!("{arn}:*")))),
            ("logGroupArn", Some(json!(arn))),
            ("storedBytes", Some(json!(0))),
            (
                "logGroupClass",
                Some(json!(group.class.as_deref().unwrap_or("STANDARD"))),
            ),
            ("deletionProtectionEnabled", Some(json!(false))),
        ])
    })?;
    Ok(object([
        ("logGroups", Some(json!(groups))),
        ("nextToken", next),
    ]))
}

pub fn list_groups(logs: &Logs, request: &Describe) -> LogsResult {
    let (groups, next) = page(logs, request, |name, group| {
        json!({
            "logGroupName": name,
            "logGroupArn": group_arn(logs, name),
            "logGroupClass": group.class.as_deref().unwrap_or("STANDARD"),
        })
    })?;
    Ok(object([
        ("logGroups", Some(json!(groups))),
        ("nextToken", next),
    ]))
}

pub fn describe_streams(logs: &Logs, request: Describe) -> LogsResult {
    if request.log_group_name.is_some() && request.log_group_identifier.is_some() {
        return Err(ApiError::invalid(
            "LogGroup name and LogGroup ARN are mutually exclusive parameters.",
        ));
    }
    let group = group_name(
        request.log_group_name,
        request.log_group_identifier,
        "logGroupName",
    )?;
    let by_time = match request.order_by.as_deref() {
        None | Some("LogStreamName") => false,
        Some("LastEventTime") if request.log_stream_name_prefix.is_some() => {
            return Err(ApiError::invalid(
                "Cannot order by LastEventTime with a logStreamNamePrefix.",
            ));
        }
        Some("LastEventTime") => true,
        Some(other) => {
            return Err(ApiError::constraint(
                "orderBy",
                Some(other),
                "satisfy enum value set: [LogStreamName, LastEventTime]",
            ));
        }
    };
    let most = limit(request.limit, 50, 50)?;
    let prefix = request.log_stream_name_prefix.unwrap_or_default();
    let mut streams = logs.store.with_group(&group, |group| {
        let wanted = group
            .streams
            .iter()
            .filter(|(name, _)| name.starts_with(&prefix));
        wanted
            .map(|(name, stream)| (name.clone(), stream.clone()))
            .collect::<Vec<_>>()
    })?;
    if by_time {
        streams.sort_by(|(a_name, a), (b_name, b)| {
            (a.last_event_ms(), a_name).cmp(&(b.last_event_ms(), b_name))
        });
    }
    if request.descending.unwrap_or(false) {
        streams.reverse();
    }
    if let Some(after) = &request.next_token {
        let at = streams.iter().position(|(name, _)| name == after);
        drop(streams.drain(..at.map_or(streams.len(), |at| at + 1)));
    }
    let more = streams.len() > most;
    streams.truncate(most);
    let next = streams.last().filter(|_| more).map(|(name, _)| json!(name));
    let shown: Vec<Value> = streams
        .iter()
        .map(|(name, stream)| show_stream(&group_arn(logs, &group), name, stream))
        .collect();
    Ok(object([
        ("logStreams", Some(json!(shown))),
        ("nextToken", next),
    ]))
}

fn show_stream(group_arn: &str, name: &str, stream: &Stream) -> Value {
    object([
        ("logStreamName", Some(json!(name))),
        ("creationTime", Some(json!(stream.created_ms))),
        (
            "firstEventTimestamp",
            stream.first_event_ms().map(Value::from),
        ),
        (
            "lastEventTimestamp",
            stream.last_event_ms().map(Value::from),
        ),
        (
            "lastIngestionTime",
            stream.last_ingestion_ms.map(Value::from),
        ),
        ("arn", Some(json!(format!("{group_arn}:log-stream:{name}")))),
        ("storedBytes", Some(json!(0))),
    ])
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tagging {
    log_group_name: Option<String>,
    resource_arn: Option<String>,
    /// A map in `TagResource`, a list of keys in `UntagLogGroup`.
    #[serde(default)]
    tags: Value,
    #[serde(default)]
    tag_keys: Vec<String>,
}

impl Tagging {
    fn group(&mut self) -> Result<String, ApiError> {
        group_name(
            self.log_group_name.take(),
            self.resource_arn.take(),
            "resourceArn",
        )
    }
}

pub fn tag(logs: &Logs, mut request: Tagging) -> LogsResult {
    let group = request.group()?;
    let added: BTreeMap<String, String> = serde_json::from_value(request.tags)
        .map_err(|_| ApiError::constraint("tags", None, "be a map of text to text"))?;
    logs.store.change_tags(&group, |tags| tags.extend(added))?;
    Ok(Value::Null)
}

pub fn untag(logs: &Logs, mut request: Tagging) -> LogsResult {
    let group = request.group()?;
    let listed = request
        .tags
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned);
    let keys: Vec<String> = request.tag_keys.iter().cloned().chain(listed).collect();
    logs.store
        .change_tags(&group, |tags| tags.retain(|key, _| !keys.contains(key)))?;
    Ok(Value::Null)
}

pub fn list_tags(logs: &Logs, mut request: Tagging) -> LogsResult {
    let tags = logs
        .store
        .with_group(&request.group()?, |group| group.tags.clone())?;
    Ok(json!({ "tags": tags }))
}
