//! What S3 says of a bucket that belongs to its owner only and has no versions.
//!
//! These can be read and not be changed; an attempt to change them is answered with
//! `NotImplemented`.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use super::super::OWNER_ID;
use super::Operations;
use super::buckets::{Asked, algorithm, class, owner};
use super::errors::of_object;

/// The owner may do everything, and nobody else anything.
fn owner_only() -> Grants {
    let grantee = Grantee {
        display_name: None,
        email_address: None,
        id: Some(OWNER_ID.to_owned()),
        type_: Type::from_static(Type::CANONICAL_USER),
        uri: None,
    };
    vec![Grant {
        grantee: Some(grantee),
        permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
    }]
}

pub async fn get_bucket_acl(
    this: &Operations,
    request: S3Request<GetBucketAclInput>,
) -> S3Result<S3Response<GetBucketAclOutput>> {
    this.bucket(&request.input.bucket)?;
    Ok(S3Response::new(GetBucketAclOutput {
        grants: Some(owner_only()),
        owner: Some(owner()),
    }))
}

pub async fn get_object_acl(
    this: &Operations,
    request: S3Request<GetObjectAclInput>,
) -> S3Result<S3Response<GetObjectAclOutput>> {
    let input = request.input;
    let bucket = this.bucket(&input.bucket)?;
    bucket
        .object(&input.key)
        .map_err(|error| of_object(error, &bucket.name, &input.key))?;
    Ok(S3Response::new(GetObjectAclOutput {
        grants: Some(owner_only()),
        owner: Some(owner()),
        ..Default::default()
    }))
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
    let page = asked.page(
        this,
        &input.bucket,
        input.key_marker.as_deref().unwrap_or_default(),
    )?;
    let version = |object: &std::sync::Arc<super::super::object::Object>| ObjectVersion {
        key: Some(asked.encode(&object.key)),
        version_id: Some("null".to_owned()),
        is_latest: Some(true),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        last_modified: Some(super::super::object::timestamp(object.modified_ms)),
        size: i64::try_from(object.size).ok(),
        storage_class: Some(ObjectVersionStorageClass::from(class(object))),
        checksum_algorithm: algorithm(object),
        checksum_type: object.checksums.to_wire().checksum_type,
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
