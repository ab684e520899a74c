//! What S3 says of a bucket that nobody configured: private, encrypted by S3, without versions.
//!
//! These can be read and not be changed; an attempt to change them is answered with `NotImplemented`.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::super::OWNER_ID;
use super::buckets::{Asked, class, owner};
use super::errors::of_object;
use super::{Operations, with_fields};

/// The owner may do everything, and nobody else anything.
fn owner_only() -> Grants {
    let grantee = Grantee {
        display_name: None,
        email_address: None,
        id: Some(OWNER_ID.to_owned()),
        type_: Type::from_static(Type::CANONICAL_USER),
        uri: None,
    };
    vec![Grant { grantee: Some(grantee), permission: Some(Permission::from_static(Permission::FULL_CONTROL)) }]
}

pub async fn get_bucket_acl(
    this: &Operations,
    request: S3Request<GetBucketAclInput>,
) -> S3Result<S3Response<GetBucketAclOutput>> {
    this.bucket(&request.input.bucket)?;
    Ok(S3Response::new(GetBucketAclOutput { grants: Some(owner_only()), owner: Some(owner()) }))
}

pub async fn get_object_acl(
    this: &Operations,
    request: S3Request<GetObjectAclInput>,
) -> S3Result<S3Response<GetObjectAclOutput>> {
    let input = request.input;
    let bucket = this.bucket(&input.bucket)?;
    bucket.object(&input.key).map_err(|error| of_object(error, &bucket.name, &input.key))?;
    Ok(S3Response::new(GetObjectAclOutput { grants: Some(owner_only()), owner: Some(owner()), ..Default::default() }))
}

pub async fn get_bucket_encryption(
    this: &Operations,
    request: S3Request<GetBucketEncryptionInput>,
) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
    this.bucket(&request.input.bucket)?;
    let by_default = ServerSideEncryptionByDefault {
        kms_master_key_id: None,
        sse_algorithm: ServerSideEncryption::from_static(ServerSideEncryption::AES256),
    };
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(by_default),
        bucket_key_enabled: Some(false),
    };
    let configuration = ServerSideEncryptionConfiguration { rules: vec![rule] };
    Ok(S3Response::new(GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) }))
}

pub async fn get_public_access_block(
    this: &Operations,
    request: S3Request<GetPublicAccessBlockInput>,
) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
    this.bucket(&request.input.bucket)?;
    let blocked = PublicAccessBlockConfiguration {
        block_public_acls: Some(true),
        block_public_policy: Some(true),
        ignore_public_acls: Some(true),
        restrict_public_buckets: Some(true),
    };
    Ok(S3Response::new(GetPublicAccessBlockOutput { public_access_block_configuration: Some(blocked) }))
}

pub async fn get_bucket_policy(
    this: &Operations,
    request: S3Request<GetBucketPolicyInput>,
) -> S3Result<S3Response<GetBucketPolicyOutput>> {
    let bucket = this.bucket(&request.input.bucket)?;
    let error = s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist");
    Err(with_fields(error, &[("BucketName", &bucket.name)]))
}

/// Every object is its only version, whose id is `null`.
pub async fn list_object_versions(
    this: &Operations,
    request: S3Request<ListObjectVersionsInput>,
) -> S3Result<S3Response<ListObjectVersionsOutput>> {
    let input = request.input;
    let asked = Asked {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref(),
        max_keys: input.max_keys,
        encoding: input.encoding_type.as_ref(),
    };
    let page = asked.page(this, &input.bucket, input.key_marker.as_deref().unwrap_or_default())?;
    let version = |object: &std::sync::Arc<super::super::object::Object>| ObjectVersion {
        key: Some(asked.encode(&object.key)),
        version_id: Some("null".to_owned()),
        is_latest: Some(true),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        last_modified: Some(super::super::object::timestamp(object.modified_ms)),
        size: i64::try_from(object.size).ok(),
        storage_class: Some(ObjectVersionStorageClass::from(class(object))),
        owner: Some(owner()),
        ..Default::default()
    };
    Ok(S3Response::new(ListObjectVersionsOutput {
        name: Some(input.bucket.clone()),
        prefix: Some(asked.encode(asked.prefix)),
        key_marker: Some(asked.encode(input.key_marker.as_deref().unwrap_or_default())),
        version_id_marker: Some(input.version_id_marker.clone().unwrap_or_default()),
        max_keys: i32::try_from(asked.max_keys()?).ok(),
        is_truncated: Some(page.next.is_some()),
        next_key_marker: page.next.as_deref().map(|next| asked.encode(next)),
        next_version_id_marker: page.next.as_ref().map(|_| "null".to_owned()),
        common_prefixes: asked.common_prefixes(&page),
        versions: (!page.objects.is_empty()).then(|| page.objects.iter().map(version).collect()),
        delimiter: asked.delimiter.map(|delimiter| asked.encode(delimiter)),
        encoding_type: input.encoding_type.clone(),
        ..Default::default()
    }))
}
