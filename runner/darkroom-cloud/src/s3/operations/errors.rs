//! Store errors as S3 errors, with the extra fields that S3 puts into the error document.

use std::path::Path;

use http::{HeaderMap, HeaderValue};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

pub use super::super::error_document::with_fields;
use super::super::store::StoreError;

pub fn no_such_bucket(bucket: &str) -> S3Error {
    with_fields(
        s3_error!(NoSuchBucket, "The specified bucket does not exist"),
        &[("BucketName", bucket)],
    )
}

pub fn no_such_key(key: &str) -> S3Error {
    with_fields(
        s3_error!(NoSuchKey, "The specified key does not exist."),
        &[("Key", key)],
    )
}

pub fn no_such_upload(id: &str) -> S3Error {
    let error = s3_error!(
        NoSuchUpload,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    );
    with_fields(error, &[("UploadId", id)])
}

pub fn precondition_failed(condition: &str) -> S3Error {
    let error = s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold"
    );
    with_fields(error, &[("Condition", condition)])
}

/// `InvalidArgument` with the name and value of the argument, as S3 gives them.
pub fn invalid_argument(message: &str, name: &str, value: &str) -> S3Error {
    with_fields(
        S3Error::with_message(S3ErrorCode::InvalidArgument, message.to_owned()),
        &[("ArgumentName", name), ("ArgumentValue", value)],
    )
}

/// A header or value that S3 answers with 501.
pub fn not_implemented(header: &str) -> S3Error {
    let error = s3_error!(
        NotImplemented,
        "A header you provided implies functionality that is not implemented"
    );
    let fields: &[(&str, &str)] = match header {
        "If-None-Match" => &[
            ("Header", header),
            (
                "additionalMessage",
                "We don't accept the provided value of If-None-Match header for this API",
            ),
        ],
        "If-Match" => &[
            ("Header", header),
            (
                "additionalMessage",
                "We don't accept the provided value of If-Match header for this API",
            ),
        ],
        "If-Match,If-None-Match" => &[
            ("Header", header),
            (
                "additionalMessage",
                "Multiple conditional request headers present in the request",
            ),
        ],
        _ => &[("Header", header)],
    };
    with_fields(error, fields)
}

/// 304, with the headers that a client compares.
pub fn not_modified(etag: &str) -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&format!("\"{etag}\"")) {
        headers.insert(http::header::ETAG, value);
    }
    error.set_headers(headers);
    error
}

/// Says what the disk said; the text is for the person who runs the local cloud.
pub fn internal(action: &str, path: &Path, error: &std::io::Error) -> S3Error {
    s3_error!(
        InternalError,
        "We encountered an internal error: {action} {}: {error}",
        path.display()
    )
}

pub fn of_bucket(error: StoreError, bucket: &str) -> S3Error {
    match error {
        StoreError::NoSuchBucket => no_such_bucket(bucket),
        StoreError::BucketExists => with_fields(
            s3_error!(
                BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it."
            ),
            &[("BucketName", bucket)],
        ),
        StoreError::BucketNotEmpty => with_fields(
            s3_error!(
                BucketNotEmpty,
                "The bucket you tried to delete is not empty"
            ),
            &[("BucketName", bucket)],
        ),
        other => of_object(other, bucket, ""),
    }
}

pub fn of_object(error: StoreError, bucket: &str, key: &str) -> S3Error {
    match error {
        StoreError::NoSuchKey => no_such_key(key),
        StoreError::Precondition(condition) => precondition_failed(condition),
        StoreError::Io {
            action,
            path,
            source,
        } => internal(action, &path, &source),
        StoreError::Full { .. } => {
            let mut full =
                S3Error::with_message(S3ErrorCode::Custom("BucketFull".into()), error.to_string());
            full.set_status_code(http::StatusCode::INSUFFICIENT_STORAGE);
            full
        }
        StoreError::Corrupt { .. } => {
            s3_error!(InternalError, "We encountered an internal error: {error}")
        }
        StoreError::NoSuchBucket | StoreError::BucketExists | StoreError::BucketNotEmpty => {
            of_bucket(error, bucket)
        }
    }
}

/// Runs what blocks on the disk where it may block.
pub async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> S3Result<T> + Send + 'static,
) -> S3Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(s3_error!(
                InternalError,
                "We encountered an internal error: {error}"
            ))
        })
}
