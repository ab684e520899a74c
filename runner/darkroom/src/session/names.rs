//! What handlers do under names that are not the run's: objects written outside of `OUTPUT_PREFIX`, and buckets or keys
//! that only the study of an imported handler has. Pure: an invocation and its check in, words out.

use darkroom_core::event::{Invocation, OutputCheck, Status};

use crate::execute::GIVEN;

/// How S3 says that a name is not there, in every SDK. Of an object it says so only to who may list the bucket; others
/// are told that they may not.
const NOT_THERE: [(&str, &str); 3] =
    [("NoSuchBucket", "a bucket"), ("NoSuchKey", "an object"), ("s3:ListBucket", "an object")];

/// Returns the keys that the profile saw the handler write outside of `prefix`, its `OUTPUT_PREFIX`.
pub fn elsewhere(invocation: &Invocation, prefix: &str) -> Vec<String> {
    let wrote = invocation.profile.iter().flat_map(|profile| &profile.wrote_elsewhere);
    wrote.filter(|key| !key.starts_with(prefix)).cloned().collect()
}

/// Says what these keys would do where S3 starts the stages.
pub fn would_start(stage: &str, elsewhere: &[String]) -> Option<String> {
    let of_input = elsewhere.iter().find(|key| key.starts_with(GIVEN));
    Some(match of_input {
        Some(key) => format!(
            "{stage} wrote {key}, where its input lies: with trigger = \"s3\" it would start itself. Write to OUTPUT_PREFIX only."
        ),
        None => format!(
            "{stage} wrote {}, which is outside of OUTPUT_PREFIX: no stage and no check will find it. Write to OUTPUT_PREFIX only.",
            elsewhere.first()?
        ),
    })
}

/// Says which name of its study kept an imported handler from being judged; `None` where its code is to blame.
pub fn of_its_study(
    invocation: &Invocation,
    check: Option<&OutputCheck>,
    elsewhere: &[String],
    due: &str,
) -> Option<String> {
    let verdict = check.map(|check| &check.verdict);
    if verdict.is_some_and(|verdict| verdict.pass) {
        return None;
    }
    let missing = verdict.is_some_and(|verdict| verdict.reason.as_deref() == Some("missing"));
    let told = match invocation.status {
        Status::Ok if missing => verdict.and_then(|verdict| verdict.detail.clone()).unwrap_or_default(),
        Status::Ok => return None,
        _ => [invocation.error_type.as_deref(), invocation.error.as_deref()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("\n"),
    };
    if let Some((code, what)) = NOT_THERE.into_iter().find(|(code, _)| told.contains(code)) {
        // The SDK's sentence says more than the error's name.
        let parts = told.split(['\n', '{', '}', '"']).filter(|part| part.contains(code));
        let said = parts.max_by_key(|part| part.len()).unwrap_or(code).trim();
        return Some(format!(
            "it uses {what} that is not part of this run ({said}). Read the name from the environment, and map it in [adapt] of {due}."
        ));
    }
    let written = elsewhere.first().filter(|_| missing)?;
    Some(format!(
        "it wrote {written}, and nothing where its output is due. Say its key with output_key in [adapt] of {due}."
    ))
}
