//! What a function's code may do with buckets and objects: each operation as IAM actions, and the
//! object names that it may use for them.
//!
//! Clients of this cloud own everything and are not checked. For a function with limited names:
//!
//! - It may read objects below its own prefixes, and objects that the current event names.
//! - It may write below its own prefixes, and over the event's objects unless they are another
//!   function's output. It may also write an object that starts a function of the same chain of
//!   events: a loop begins like this, as on AWS, and ends as there.
//! - It may write nothing between its answer and its next event, because no measured time would
//!   include that work.

use std::sync::Arc;

use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt as _;
use percent_encoding::percent_decode_str;
use s3s::access::S3AccessContext;
use s3s::dto::{CopySource, DeleteObjectsInput};
use s3s::path::{S3Path, parse_path_style, parse_virtual_hosted_style};
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Result};

use super::operations::Operations;
use super::url::decode;
use crate::access::{Access, Caller, Question};

/// Asks [`Access`] for what a request needs. Cheap to clone.
#[derive(Clone)]
pub struct Permissions {
    access: Option<Access>,
    operations: Operations,
}

/// A function's code that writes an object.
#[derive(Clone)]
pub struct Writer {
    access: Access,
    caller: Arc<Caller>,
}

impl Writer {
    /// Judges a write whose body has arrived: the code may have answered in the meantime.
    pub fn check_in_time(&self, bucket: &str, key: &str) -> S3Result<()> {
        check_in_time(
            &self.access,
            &self.caller,
            &Question::new("s3", PUT, arn(bucket, key)),
        )
        .map_err(denied)
    }
}

/// A function's code that reads one object.
pub struct Reading {
    caller: Arc<Caller>,
    bucket: String,
    key: String,
}

impl Permissions {
    pub fn new(access: Option<Access>, operations: Operations) -> Self {
        Self { access, operations }
    }

    /// Judges a request by its operation, path and headers; [`Self::check_deletion`] judges the
    /// keys in a body.
    pub fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(caller) = context.extensions_mut().get::<Arc<Caller>>().cloned() else {
            return Ok(());
        };
        let operation = context.s3_op().name();
        let bucket = context.s3_path().get_bucket_name();
        // S3 says of a bucket that is not there that it is not, before it asks who may.
        let absent = bucket.is_some_and(|bucket| !self.operations.has_bucket(bucket))
            && operation != "CreateBucket";
        if absent || operation == "DeleteObjects" {
            return Ok(());
        }
        for asked in questions(operation, context.s3_path(), context.headers()) {
            self.judge(&caller, &asked)?;
        }
        if let Some(access) = self.access.clone() {
            context.extensions_mut().insert(Writer { access, caller });
        }
        Ok(())
    }

    /// Judges every key that is to be deleted; one that may not be refuses them all.
    pub fn check_deletion(&self, request: &S3Request<DeleteObjectsInput>) -> S3Result<()> {
        let Some(caller) = request.extensions.get::<Arc<Caller>>() else {
            return Ok(());
        };
        let bucket = &request.input.bucket;
        let keys = request
            .input
            .delete
            .objects
            .iter()
            .map(|object| arn(bucket, &object.key));
        keys.map(|arn| Question::new("s3", "DeleteObject", arn))
            .try_for_each(|asked| self.judge(caller, &asked))
    }

    /// Judges the reading of one object, by a request that [`names_an_object_alone`].
    pub fn check_reading(
        &self,
        request: &S3Request<Body>,
        bucket_in_host: Option<&str>,
    ) -> S3Result<()> {
        let Some(caller) = request.extensions.get::<Arc<Caller>>() else {
            return Ok(());
        };
        let Some((bucket, key)) = object_of(&request.uri, bucket_in_host) else {
            return Err(denied("Access Denied".to_owned()));
        };
        self.judge(
            caller,
            &Question::new("s3", "GetObject", arn(&bucket, &key)),
        )
    }

    /// Judges the upload of one object.
    pub fn put(&self, caller: Option<&Caller>, bucket: &str, key: &str) -> S3Result<()> {
        caller.map_or(Ok(()), |caller| {
            self.judge(caller, &Question::new("s3", PUT, arn(bucket, key)))
        })
    }

    /// Returns what a request of a function's code reads, if it reads an object.
    pub fn reading<B>(request: &Request<B>, bucket_in_host: Option<&str>) -> Option<Reading> {
        let caller = request.extensions().get::<Arc<Caller>>()?;
        if *request.method() != Method::GET && *request.method() != Method::HEAD {
            return None;
        }
        let path = request.uri().path().trim_start_matches('/');
        let (bucket, key) = match bucket_in_host {
            Some(bucket) => (bucket.to_owned(), decode(path)),
            None => path
                .split_once('/')
                .map(|(bucket, key)| (decode(bucket), decode(key)))?,
        };
        (!key.is_empty()).then(|| Reading {
            caller: Arc::clone(caller),
            bucket,
            key,
        })
    }

    /// Turns "no such key" into a refusal for a function that may not list: S3 does not tell it
    /// what is there.
    ///
    /// Source: Amazon S3 API reference, `GetObject`, "Permissions".
    pub async fn hide_absence(
        &self,
        response: Response<Body>,
        reading: &Reading,
    ) -> Response<Body> {
        let listing = Question::new("s3", "ListBucket", format!("{ARN}{}", reading.bucket));
        let Some(access) = &self.access else {
            return response;
        };
        let Err(message) = access.allows(&reading.caller, &listing) else {
            return response;
        };
        let (parts, body) = response.into_parts();
        let Ok(text) = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
        else {
            return Response::from_parts(parts, Body::empty());
        };
        if String::from_utf8_lossy(&text).contains("<Code>NoSuchBucket</Code>") {
            return Response::from_parts(parts, Body::from(text));
        }
        let asked = Question::new("s3", "GetObject", arn(&reading.bucket, &reading.key));
        // Who is held to names may read this one: that nothing is there yet is no attempt at
        // anything.
        if access.own_names(&reading.caller.function_name).is_none() {
            access.count(&reading.caller, &asked);
        }
        let refused = denied(message).to_http_response();
        refused.unwrap_or_else(|_| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::FORBIDDEN;
            response
        })
    }

    /// Judges a call by the role first: what that refuses is refused in AWS's words.
    fn judge(&self, caller: &Caller, asked: &Question) -> S3Result<()> {
        let Some(access) = &self.access else {
            return Ok(());
        };
        access.judge(caller, asked).map_err(denied)?;
        check_in_time(access, caller, asked).map_err(denied)?;
        self.judge_name(access, caller, asked)
            .inspect_err(|_| access.count(caller, asked))
            .map_err(denied)
    }

    /// Judges the name of an object; the error is a message that says what to do.
    fn judge_name(&self, access: &Access, caller: &Caller, asked: &Question) -> Result<(), String> {
        let Some((bucket, key)) = asked
            .resource
            .strip_prefix(ARN)
            .and_then(|object| object.split_once('/'))
        else {
            return Ok(());
        };
        let Some(own) = access.own_names(&caller.function_name) else {
            return Ok(());
        };
        if own.hold(key) {
            return Ok(());
        }
        let work = caller.work();
        let reads = asked.action == "s3:GetObject";
        let allowed = work.as_deref().is_some_and(|work| {
            if reads {
                return work.tells(key);
            }
            let its_input = || work.names(key) && !access.is_of_another(&caller.function_name, key);
            its_input()
                || self
                    .operations
                    .starts_one_of(bucket, key, |function| work.chain.runs(function) > 0)
        });
        if allowed {
            return Ok(());
        }
        let (key, their_name) = (shortened(key), &own.called);
        let outside = format!("outside of {their_name} ({})", own.prefixes.join(", "));
        Err(match (reads, work) {
            (false, _) => format!("Access Denied: {key} is {outside}. Write to {their_name} only."),
            (true, Some(_)) => {
                format!("Access Denied: {key} is not named by the event, and {outside}.")
            }
            (true, None) => {
                format!("Access Denied: {key} is {outside}, and no event has named it yet.")
            }
        })
    }
}

/// Refuses, and counts, a write by code that is held to names and has answered.
fn check_in_time(access: &Access, caller: &Caller, asked: &Question) -> Result<(), String> {
    let writes = asked.action.strip_prefix("s3:") == Some(PUT);
    if !writes || !caller.has_answered() || access.own_names(&caller.function_name).is_none() {
        return Ok(());
    }
    let late = Question {
        action: format!("{} after its answer", asked.action),
        resource: asked.resource.clone(),
    };
    access.count(caller, &late);
    Err(
        "Access Denied: the invocation has already answered. Write every output before the \
        handler returns."
            .to_owned(),
    )
}

/// IAM's action for a write.
const PUT: &str = "PutObject";

/// Longest key that a message shows, characters.
const SHOWN: usize = 200;

fn shortened(key: &str) -> String {
    let mut start: String = key.chars().take(SHOWN).collect();
    if start.len() < key.len() {
        start.push('…');
    }
    start
}

/// Tells whether a request is for an object and nothing about it: no tags, no attributes, no parts
/// of an upload.
pub fn names_an_object_alone(uri: &Uri, bucket_in_host: Option<&str>) -> bool {
    let harmless = |name: &str| {
        let of_the_answer =
            name.starts_with("response-") || matches!(name, "x-id" | "versionId" | "partNumber");
        let of_signing = name.starts_with("X-Amz-")
            || matches!(name, "AWSAccessKeyId" | "Signature" | "Expires");
        name.is_empty() || of_the_answer || of_signing
    };
    let query = uri.query().unwrap_or_default();
    query
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or_default())
        .all(harmless)
        && object_of(uri, bucket_in_host).is_some()
}

/// Returns bucket and key, read as `s3s` reads them.
fn object_of(uri: &Uri, bucket_in_host: Option<&str>) -> Option<(String, String)> {
    let path = percent_decode_str(uri.path()).decode_utf8().ok()?;
    let path = match bucket_in_host {
        Some(bucket) => parse_virtual_hosted_style(Some(bucket), &path),
        None => parse_path_style(&path),
    };
    match path {
        Ok(S3Path::Object { bucket, key }) => Some((bucket.into(), key.into())),
        _ => None,
    }
}

fn denied(message: String) -> S3Error {
    S3Error::with_message(S3ErrorCode::AccessDenied, message)
}

/// What the ARN of every bucket and object begins with.
const ARN: &str = "arn:aws:s3:::";

fn arn(bucket: &str, key: &str) -> String {
    format!("{ARN}{bucket}/{key}")
}

/// Returns what an operation needs to be allowed. Source: Amazon S3 user guide, "Required
/// permissions for Amazon S3 API operations".
fn questions(operation: &str, path: &S3Path, headers: &HeaderMap) -> Vec<Question> {
    let resource = match path {
        S3Path::Root => "*".to_owned(),
        S3Path::Bucket { bucket } => format!("{ARN}{bucket}"),
        S3Path::Object { bucket, key } => arn(bucket, key),
    };
    let mut asked = vec![Question::new("s3", action(operation), resource.clone())];
    if matches!(operation, "CopyObject" | "UploadPartCopy")
        && let Some(source) = headers
            .get("x-amz-copy-source")
            .and_then(|source| source.to_str().ok())
    {
        // What can't be read is no source of anything: the operation itself refuses it.
        if let Ok(CopySource::Bucket { bucket, key, .. }) = CopySource::parse(source) {
            asked.push(Question::new("s3", "GetObject", arn(&bucket, &key)));
        }
    }
    for (header, action) in [
        ("x-amz-tagging", "PutObjectTagging"),
        ("x-amz-acl", "PutObjectAcl"),
    ] {
        if headers.contains_key(header) && matches!(path, S3Path::Object { .. }) {
            asked.push(Question::new("s3", action, resource.clone()));
        }
    }
    asked
}

fn action(operation: &str) -> &str {
    match operation {
        "HeadObject" | "SelectObjectContent" => "GetObject",
        "CopyObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload" => "PutObject",
        "ListParts" => "ListMultipartUploadParts",
        "ListMultipartUploads" => "ListBucketMultipartUploads",
        "ListObjects" | "ListObjectsV2" | "HeadBucket" => "ListBucket",
        "ListObjectVersions" => "ListBucketVersions",
        "ListBuckets" => "ListAllMyBuckets",
        "DeleteBucketTagging" => "PutBucketTagging",
        "GetBucketNotificationConfiguration" => "GetBucketNotification",
        "PutBucketNotificationConfiguration" => "PutBucketNotification",
        "GetBucketLifecycleConfiguration" => "GetLifecycleConfiguration",
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => "PutLifecycleConfiguration",
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "PutBucketEncryption" | "DeleteBucketEncryption" => "PutEncryptionConfiguration",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => "PutBucketPublicAccessBlock",
        "DeleteBucketOwnershipControls" => "PutBucketOwnershipControls",
        // The others are called by the same name.
        same => same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(operation: &str, headers: &[(&'static str, &'static str)]) -> Vec<String> {
        let path = S3Path::Object {
            bucket: "b".into(),
            key: "a/k".into(),
        };
        let named = headers.iter().map(|(name, value)| {
            (
                http::HeaderName::from_static(name),
                http::HeaderValue::from_static(value),
            )
        });
        let all = questions(operation, &path, &named.collect());
        all.into_iter()
            .map(|it| format!("{} {}", it.action, it.resource))
            .collect()
    }

    #[test]
    fn looking_is_reading_and_parts_are_writing() {
        assert_eq!(
            asked("HeadObject", &[]),
            ["s3:GetObject arn:aws:s3:::b/a/k"]
        );
        assert_eq!(
            asked("UploadPart", &[]),
            ["s3:PutObject arn:aws:s3:::b/a/k"]
        );
        assert_eq!(
            asked("DeleteObject", &[]),
            ["s3:DeleteObject arn:aws:s3:::b/a/k"]
        );
    }

    #[test]
    fn a_copy_reads_its_source_and_tags_need_a_right_of_their_own() {
        let copy = asked(
            "CopyObject",
            &[
                ("x-amz-copy-source", "/other/in%20put.png?versionId=1"),
                ("x-amz-tagging", "a=b"),
            ],
        );
        assert_eq!(
            copy,
            [
                "s3:PutObject arn:aws:s3:::b/a/k",
                "s3:GetObject arn:aws:s3:::other/in put.png",
                "s3:PutObjectTagging arn:aws:s3:::b/a/k"
            ]
        );
    }

    #[test]
    fn an_object_alone_is_told_from_what_is_said_of_it_and_from_its_bucket() {
        let alone =
            |uri: &str, host: Option<&str>| names_an_object_alone(&uri.parse().unwrap(), host);
        assert!(alone("/bucket/a/k", None) && alone("/k", Some("bucket")));
        assert!(alone(
            "/bucket/k?x-id=GetObject&versionId=1&response-content-type=a",
            None
        ));
        assert!(alone("/bucket/k?X-Amz-Algorithm=A&X-Amz-Signature=0", None));
        for uri in [
            "/",
            "/bucket",
            "/bucket/",
            "/bucket/k?tagging",
            "/bucket/k?x-id=1&uploadId=1",
            "/bucket/k?%74agging",
        ] {
            assert!(!alone(uri, None), "{uri}");
        }
        assert!(!alone("/", Some("bucket")) && !alone("/?list-type=2", Some("bucket")));
    }
}
