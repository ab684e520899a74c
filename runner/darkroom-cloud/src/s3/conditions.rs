//! Conditional requests: whether a read or a copy may continue. Pure. Order of precedence as in RFC
//! 9110, 13.2.2.

use s3s::dto::{ETag, ETagCondition, Timestamp};

use super::object::{Object, timestamp};
use super::store::WriteCondition;

/// The four conditional headers of a read.
#[expect(clippy::struct_field_names, reason = "the names of the headers")]
#[derive(Debug, Default)]
pub struct ReadConditions<'a> {
    pub if_match: Option<&'a ETagCondition>,
    pub if_none_match: Option<&'a ETagCondition>,
    pub if_modified_since: Option<&'a Timestamp>,
    pub if_unmodified_since: Option<&'a Timestamp>,
}

/// What the conditions come to.
#[derive(Debug, PartialEq, Eq)]
pub enum ReadVerdict {
    Go,
    /// 304: the client has this one already.
    NotModified,
    /// 412: the named header does not hold.
    Failed(&'static str),
}

impl ReadConditions<'_> {
    /// Judges `object` at the time `now_ms`.
    pub fn judge(&self, object: &Object, now_ms: i64) -> ReadVerdict {
        match (self.if_match, self.if_unmodified_since) {
            (Some(condition), _) if !matches(condition, object) => {
                return ReadVerdict::Failed("If-Match");
            }
            (None, Some(since)) if modified_after(object, since) => {
                return ReadVerdict::Failed("If-Unmodified-Since");
            }
            _ => {}
        }
        match (self.if_none_match, self.if_modified_since) {
            (Some(condition), _) if matches(condition, object) => ReadVerdict::NotModified,
            // A date to come is no date that S3 could have sent, and is ignored.
            (None, Some(since))
                if !modified_after(object, since) && *since <= timestamp(now_ms) =>
            {
                ReadVerdict::NotModified
            }
            _ => ReadVerdict::Go,
        }
    }
}

/// Returns the condition of a write, or `None` for a header that S3 does not implement
/// (`If-None-Match: "etag"`).
pub fn write_condition(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> Option<WriteCondition> {
    match (if_match, if_none_match) {
        (None, None) => Some(WriteCondition::Always),
        (None, Some(ETagCondition::Any)) => Some(WriteCondition::Absent),
        (Some(ETagCondition::Any), None) => Some(WriteCondition::Present),
        (Some(ETagCondition::ETag(etag)), None) => Some(WriteCondition::Matches(etag.into_value())),
        (_, Some(_)) => None,
    }
}

fn matches(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(ETag::Strong(etag) | ETag::Weak(etag)) => *etag == object.etag,
    }
}

/// HTTP dates have whole seconds, and so has an object's age as far as they are concerned.
fn modified_after(object: &Object, since: &Timestamp) -> bool {
    timestamp(object.modified_ms) > *since
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const NOW_MS: i64 = 9_000_000;

    fn object() -> Object {
        Object {
            key: "k".into(),
            blob: String::new(),
            size: 0,
            etag: "abc".into(),
            modified_ms: 1_000_900,
            attributes: super::super::object::Attributes::default(),
            checksums: super::super::object::Checksums::default(),
            part_sizes: Vec::new(),
            tags: std::collections::BTreeMap::new(),
        }
    }

    fn at(seconds: u64) -> Timestamp {
        (UNIX_EPOCH + Duration::from_secs(seconds)).into()
    }

    fn etag(value: &str) -> ETagCondition {
        ETagCondition::ETag(ETag::Strong(value.to_owned()))
    }

    #[test]
    fn no_condition_always_goes() {
        assert_eq!(
            ReadConditions::default().judge(&object(), NOW_MS),
            ReadVerdict::Go
        );
    }

    #[test]
    fn a_matching_etag_outranks_a_date_that_fails() {
        let (matching, early) = (etag("abc"), at(999));
        let both = ReadConditions {
            if_match: Some(&matching),
            if_unmodified_since: Some(&early),
            ..Default::default()
        };
        assert_eq!(both.judge(&object(), NOW_MS), ReadVerdict::Go);
        let date = ReadConditions {
            if_unmodified_since: Some(&early),
            ..Default::default()
        };
        assert_eq!(
            date.judge(&object(), NOW_MS),
            ReadVerdict::Failed("If-Unmodified-Since")
        );
    }

    #[test]
    fn dates_compare_in_whole_seconds() {
        let same = at(1000);
        let since = ReadConditions {
            if_modified_since: Some(&same),
            ..Default::default()
        };
        assert_eq!(since.judge(&object(), NOW_MS), ReadVerdict::NotModified);
        let earlier = at(999);
        let since = ReadConditions {
            if_modified_since: Some(&earlier),
            ..Default::default()
        };
        assert_eq!(since.judge(&object(), NOW_MS), ReadVerdict::Go);
    }

    #[test]
    fn a_different_etag_outranks_an_unmodified_date() {
        let (other, late) = (etag("other"), at(5000));
        let both = ReadConditions {
            if_none_match: Some(&other),
            if_modified_since: Some(&late),
            ..Default::default()
        };
        assert_eq!(both.judge(&object(), NOW_MS), ReadVerdict::Go);
    }

    #[test]
    fn a_write_knows_only_the_star_of_if_none_match() {
        assert_eq!(
            write_condition(None, Some(ETagCondition::Any)),
            Some(WriteCondition::Absent)
        );
        assert_eq!(write_condition(None, Some(etag("abc"))), None);
        assert_eq!(
            write_condition(Some(etag("abc")), None),
            Some(WriteCondition::Matches("abc".into()))
        );
    }

    #[test]
    fn a_date_to_come_is_ignored() {
        let future = at(9_001);
        let since = ReadConditions {
            if_modified_since: Some(&future),
            ..Default::default()
        };
        assert_eq!(since.judge(&object(), NOW_MS), ReadVerdict::Go);
    }
}
