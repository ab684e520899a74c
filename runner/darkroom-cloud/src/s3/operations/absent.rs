//! S3's answers about features that a bucket does not have here: CORS, website, replication and
//! others.
//!
//! Deployers read these before and after they make a bucket. Setting one is answered with
//! `NotImplemented`, because it would have no effect. Removing a missing one succeeds, as on S3.

use http::StatusCode;
use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use super::{Operations, with_fields};

/// 404 with the code and the wording of S3.
pub fn not_configured(code: &str, message: &'static str, bucket: &str) -> S3Error {
    let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
    let mut error = S3Error::with_message(code, message);
    error.set_status_code(StatusCode::NOT_FOUND);
    with_fields(error, &[("BucketName", bucket)])
}

/// Readers that always answer with one error.
macro_rules! absent {
    ($($name:ident($input:ty) -> $output:ty = $code:literal, $message:literal;)*) => {
        $(pub async fn $name(this: &Operations, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
            let bucket = this.bucket(&request.input.bucket)?;
            Err(not_configured($code, $message, &bucket.name))
        })*
    };
}

absent! {
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput
        = "NoSuchCORSConfiguration", "The CORS configuration does not exist";
    get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput
        = "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration";
    get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput
        = "ReplicationConfigurationNotFoundError", "The replication configuration was not found";
    get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput
        = "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket";
}

/// Readers whose empty answer is a document, and removals of what is never there.
macro_rules! empty {
    ($($name:ident($input:ty) -> $output:ty = $status:ident;)*) => {
        $(pub async fn $name(this: &Operations, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
            this.bucket(&request.input.bucket)?;
            Ok(S3Response::with_status(<$output>::default(), StatusCode::$status))
        })*
    };
}

empty! {
    get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput = OK;
    get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput)
        -> GetBucketAccelerateConfigurationOutput = OK;
    delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput = NO_CONTENT;
    delete_bucket_website(DeleteBucketWebsiteInput) -> DeleteBucketWebsiteOutput = NO_CONTENT;
    delete_bucket_replication(DeleteBucketReplicationInput) -> DeleteBucketReplicationOutput = NO_CONTENT;
}

/// The owner pays, always.
pub async fn get_bucket_request_payment(
    this: &Operations,
    request: S3Request<GetBucketRequestPaymentInput>,
) -> S3Result<S3Response<GetBucketRequestPaymentOutput>> {
    this.bucket(&request.input.bucket)?;
    Ok(S3Response::new(GetBucketRequestPaymentOutput {
        payer: Some(Payer::from_static(Payer::BUCKET_OWNER)),
    }))
}
