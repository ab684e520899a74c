//! Finds names that do not belong to the run: objects outside of `OUTPUT_PREFIX`, and buckets or
//! keys of an imported handler's own study. Pure: an invocation and its check in, words out.

use darkroom_core::event::{CallsRefused, Invocation, OutputCheck, Status};

use crate::execute::GIVEN;

/// How S3 says that a name is not there, in every SDK. Of an object it says so only to who may list
/// the bucket; others are told that they may not. The local cloud says of an object that nothing
/// has named it.
const NOT_THERE: [(&str, &str); 5] = [
    ("NoSuchBucket", "a bucket"),
    ("NoSuchKey", "an object"),
    ("s3:ListBucket", "an object"),
    ("is not named by the event", "an object"),
    ("no event has named it", "an object"),
];

/// How the local cloud refuses a write, around the key.
const REFUSED_WRITE: (&str, &str) = ("Access Denied: ", " is outside of OUTPUT_PREFIX");

/// The action and the beginning of the resource of a refused write.
const WRITE: (&str, &str) = ("s3:PutObject", "arn:aws:s3:::");

/// Returns the keys that the profile saw the handler write outside of `prefix`, its
/// `OUTPUT_PREFIX`.
pub fn elsewhere(invocation: &Invocation, prefix: &str) -> Vec<String> {
    let wrote = invocation
        .profile
        .iter()
        .flat_map(|profile| &profile.wrote_elsewhere);
    wrote
        .filter(|key| !key.starts_with(prefix))
        .cloned()
        .collect()
}

/// Returns the keys that a handler was kept from writing, as far as refusals tell: one of each kind
/// of call.
pub fn kept_from<'a>(refused: impl Iterator<Item = &'a CallsRefused>) -> Vec<String> {
    let key = |it: &CallsRefused| {
        Some(
            it.resource
                .strip_prefix(WRITE.1)?
                .split_once('/')?
                .1
                .to_owned(),
        )
    };
    refused
        .filter(|it| it.action == WRITE.0)
        .filter_map(key)
        .collect()
}

/// Says what a handler was refused that answered all the same.
pub fn refused_call_note(stage: &str, refused: &CallsRefused) -> String {
    let CallsRefused {
        action, resource, ..
    } = refused;
    let advice = if action == WRITE.0 {
        " Write to OUTPUT_PREFIX only."
    } else {
        ""
    };
    format!("{stage} tried to call {action}, and the local cloud refused it ({resource}).{advice}")
}

/// Says what these keys would do where S3 starts the stages.
pub fn would_start(stage: &str, elsewhere: &[String]) -> Option<String> {
    let of_input = elsewhere.iter().find(|key| key.starts_with(GIVEN));
    Some(match of_input {
        Some(key) => format!(
            "{stage} wrote {key}, where its own input lies: with trigger = \"s3\" it would start \
             itself. Write to OUTPUT_PREFIX only."
        ),
        None => format!(
            "{stage} wrote {}, outside of OUTPUT_PREFIX: no stage and no check will find it. \
             Write to OUTPUT_PREFIX only.",
            elsewhere.first()?
        ),
    })
}

/// Says which name of its study kept an imported handler from being judged; `None` where its code
/// is to blame.
pub fn of_its_study(
    invocation: &Invocation,
    check: Option<&OutputCheck>,
    elsewhere: &[String],
    kept_from: &[String],
    due: &str,
) -> Option<String> {
    let verdict = check.map(|check| &check.verdict);
    if verdict.is_some_and(|verdict| verdict.pass) {
        return None;
    }
    let missing = verdict.is_some_and(|verdict| verdict.reason.as_deref() == Some("missing"));
    let told = match invocation.status {
        Status::Ok if missing => verdict
            .and_then(|verdict| verdict.detail.clone())
            .unwrap_or_default(),
        Status::Ok => return None,
        _ => [
            invocation.error_type.as_deref(),
            invocation.error.as_deref(),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("\n"),
    };
    if let Some((code, what)) = NOT_THERE.into_iter().find(|(code, _)| told.contains(code)) {
        // The SDK's sentence says more than the error's name.
        let parts = told
            .split(['\n', '{', '}', '"'])
            .filter(|part| part.contains(code));
        let said = parts.max_by_key(|part| part.len()).unwrap_or(code).trim();
        return Some(format!(
            "it uses {what} that is not part of this run ({said}). Read the name from the environment, and map it in [adapt] of {due}."
        ));
    }
    let (before, after) = REFUSED_WRITE;
    let tried = told
        .split_once(before)
        .and_then(|(_, rest)| Some(rest.split_once(after)?.0));
    if let Some(key) = tried.or_else(|| kept_from.first().filter(|_| missing).map(String::as_str)) {
        return Some(format!(
            "it tried to write {key}, outside of OUTPUT_PREFIX. Set its key with output_key in \
             [adapt] of {due}."
        ));
    }
    let written = elsewhere.first().filter(|_| missing)?;
    Some(format!(
        "it wrote {written}, but nothing at the key of its output. Set its key with output_key \
         in [adapt] of {due}."
    ))
}
