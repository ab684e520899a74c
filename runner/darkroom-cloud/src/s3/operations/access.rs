//! A bucket's policies, ownership and encryption: stored and returned, without effect.
//!
//! There is only one account, which owns everything, so none of this can change an answer.
//! Deployers set it and read it back.

use http::StatusCode;
use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::super::store::{Encryption, PublicAccess, Settings};
use super::absent::not_configured;
use super::errors::{invalid_argument, of_bucket};
use super::{Operations, on_disk};

/// The values of `ObjectOwnership`.
pub const OWNERSHIPS: [&str; 3] = [
    "BucketOwnerPreferred",
    "ObjectWriter",
    "BucketOwnerEnforced",
];

/// Longest bucket policy, in bytes.
const POLICY_BYTES: usize = 20 * 1024;

fn malformed_xml() -> S3Error {
    s3_error!(
        MalformedXML,
        "The XML you provided was not well-formed or did not validate against our published schema"
    )
}

pub async fn configure(
    this: &Operations,
    bucket: &str,
    change: impl FnOnce(&mut Settings) + Send + 'static,
) -> S3Result<()> {
    let bucket = this.bucket(bucket)?;
    on_disk(move || {
        bucket
            .configure(change)
            .map_err(|error| of_bucket(error, &bucket.name))
    })
    .await
}

fn no_content<T: Default>() -> S3Response<T> {
    S3Response::with_status(T::default(), StatusCode::NO_CONTENT)
}

pub async fn get_public_access_block(
    this: &Operations,
    request: S3Request<GetPublicAccessBlockInput>,
) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
    let bucket = this.bucket(&request.input.bucket)?;
    let Some(access) = bucket.settings().public_access else {
        let message = "The public access block configuration was not found";
        return Err(not_configured(
            "NoSuchPublicAccessBlockConfiguration",
            message,
            &bucket.name,
        ));
    };
    let blocked = PublicAccessBlockConfiguration {
        block_public_acls: Some(access.block_acls),
        block_public_policy: Some(access.block_policy),
        ignore_public_acls: Some(access.ignore_acls),
        restrict_public_buckets: Some(access.restrict_buckets),
    };
    Ok(S3Response::new(GetPublicAccessBlockOutput {
        public_access_block_configuration: Some(blocked),
    }))
}

pub async fn put_public_access_block(
    this: &Operations,
    request: S3Request<PutPublicAccessBlockInput>,
) -> S3Result<S3Response<PutPublicAccessBlockOutput>> {
    let wanted = request.input.public_access_block_configuration;
    let access = PublicAccess {
        block_acls: wanted.block_public_acls.unwrap_or(false),
        block_policy: wanted.block_public_policy.unwrap_or(false),
        ignore_acls: wanted.ignore_public_acls.unwrap_or(false),
        restrict_buckets: wanted.restrict_public_buckets.unwrap_or(false),
    };
    configure(this, &request.input.bucket, move |settings| {
        settings.public_access = Some(access);
    })
    .await?;
    Ok(S3Response::new(PutPublicAccessBlockOutput::default()))
}

pub async fn delete_public_access_block(
    this: &Operations,
    request: S3Request<DeletePublicAccessBlockInput>,
) -> S3Result<S3Response<DeletePublicAccessBlockOutput>> {
    configure(this, &request.input.bucket, |settings| {
        settings.public_access = None;
    })
    .await?;
    Ok(no_content())
}

pub async fn get_bucket_ownership_controls(
    this: &Operations,
    request: S3Request<GetBucketOwnershipControlsInput>,
) -> S3Result<S3Response<GetBucketOwnershipControlsOutput>> {
    let bucket = this.bucket(&request.input.bucket)?;
    let Some(ownership) = bucket.settings().ownership else {
        let message = "The bucket ownership controls were not found";
        return Err(not_configured(
            "OwnershipControlsNotFoundError",
            message,
            &bucket.name,
        ));
    };
    let rule = OwnershipControlsRule {
        object_ownership: ObjectOwnership::from(ownership),
    };
    let ownership_controls = Some(OwnershipControls { rules: vec![rule] });
    Ok(S3Response::new(GetBucketOwnershipControlsOutput {
        ownership_controls,
    }))
}

pub async fn put_bucket_ownership_controls(
    this: &Operations,
    request: S3Request<PutBucketOwnershipControlsInput>,
) -> S3Result<S3Response<PutBucketOwnershipControlsOutput>> {
    let ownership = match request.input.ownership_controls.rules.as_slice() {
        [rule] if OWNERSHIPS.contains(&rule.object_ownership.as_str()) => {
            rule.object_ownership.as_str().to_owned()
        }
        _ => return Err(malformed_xml()),
    };
    configure(this, &request.input.bucket, move |settings| {
        settings.ownership = Some(ownership);
    })
    .await?;
    Ok(S3Response::new(PutBucketOwnershipControlsOutput::default()))
}

pub async fn delete_bucket_ownership_controls(
    this: &Operations,
    request: S3Request<DeleteBucketOwnershipControlsInput>,
) -> S3Result<S3Response<DeleteBucketOwnershipControlsOutput>> {
    configure(this, &request.input.bucket, |settings| {
        settings.ownership = None;
    })
    .await?;
    Ok(no_content())
}

pub async fn get_bucket_encryption(
    this: &Operations,
    request: S3Request<GetBucketEncryptionInput>,
) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
    let kept = this.bucket(&request.input.bucket)?.settings().encryption;
    let by_default = ServerSideEncryptionByDefault {
        kms_master_key_id: kept.key_id,
        sse_algorithm: ServerSideEncryption::from(kept.algorithm),
    };
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(by_default),
        bucket_key_enabled: Some(kept.bucket_key),
    };
    let configuration = ServerSideEncryptionConfiguration { rules: vec![rule] };
    Ok(S3Response::new(GetBucketEncryptionOutput {
        server_side_encryption_configuration: Some(configuration),
    }))
}

/// Only S3's own encryption: there are no keys of KMS here.
pub async fn put_bucket_encryption(
    this: &Operations,
    request: S3Request<PutBucketEncryptionInput>,
) -> S3Result<S3Response<PutBucketEncryptionOutput>> {
    let input = request.input;
    let [rule] = input.server_side_encryption_configuration.rules.as_slice() else {
        return Err(malformed_xml());
    };
    let Some(wanted) = &rule.apply_server_side_encryption_by_default else {
        return Err(malformed_xml());
    };
    let algorithm = wanted.sse_algorithm.as_str();
    if algorithm == "AES256" && wanted.kms_master_key_id.is_some() {
        let message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse";
        return Err(invalid_argument(
            message,
            "ApplyServerSideEncryptionByDefault",
            "",
        ));
    }
    if algorithm != "AES256" {
        return Err(s3_error!(
            NotImplemented,
            "The local cloud has no KMS keys; use AES256."
        ));
    }
    let encryption = Encryption {
        bucket_key: rule.bucket_key_enabled.unwrap_or(false),
        ..Encryption::default()
    };
    configure(this, &input.bucket, move |settings| {
        settings.encryption = encryption;
    })
    .await?;
    Ok(S3Response::new(PutBucketEncryptionOutput::default()))
}

pub async fn delete_bucket_encryption(
    this: &Operations,
    request: S3Request<DeleteBucketEncryptionInput>,
) -> S3Result<S3Response<DeleteBucketEncryptionOutput>> {
    configure(this, &request.input.bucket, |settings| {
        settings.encryption = Encryption::default();
    })
    .await?;
    Ok(no_content())
}

pub async fn get_bucket_policy(
    this: &Operations,
    request: S3Request<GetBucketPolicyInput>,
) -> S3Result<S3Response<GetBucketPolicyOutput>> {
    let bucket = this.bucket(&request.input.bucket)?;
    match bucket.settings().policy {
        Some(policy) => Ok(S3Response::new(GetBucketPolicyOutput {
            policy: Some(policy),
        })),
        None => Err(not_configured(
            "NoSuchBucketPolicy",
            "The bucket policy does not exist",
            &bucket.name,
        )),
    }
}

pub async fn put_bucket_policy(
    this: &Operations,
    request: S3Request<PutBucketPolicyInput>,
) -> S3Result<S3Response<PutBucketPolicyOutput>> {
    let policy = request.input.policy;
    let malformed =
        |message: &'static str| Err(S3Error::with_message(S3ErrorCode::MalformedPolicy, message));
    if policy.len() > POLICY_BYTES {
        return malformed("Policy exceeds the maximum allowed document size.");
    }
    let parsed = Some(policy.as_str())
        .filter(|text| text.starts_with('{'))
        .map(serde_json::from_str);
    let Some(Ok(serde_json::Value::Object(parsed))) = parsed else {
        return malformed("Policies must be valid JSON and the first byte must be '{'");
    };
    if !parsed.contains_key("Statement") {
        return malformed("Missing required field Statement");
    }
    configure(this, &request.input.bucket, move |settings| {
        settings.policy = Some(policy);
    })
    .await?;
    Ok(no_content())
}

pub async fn delete_bucket_policy(
    this: &Operations,
    request: S3Request<DeleteBucketPolicyInput>,
) -> S3Result<S3Response<DeleteBucketPolicyOutput>> {
    configure(this, &request.input.bucket, |settings| {
        settings.policy = None;
    })
    .await?;
    Ok(no_content())
}
