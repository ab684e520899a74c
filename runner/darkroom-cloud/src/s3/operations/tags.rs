//! Tags of objects and buckets.

use std::collections::BTreeMap;
use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::super::error_document::NoContent;
use super::super::new_bucket::NewTags;
use super::super::url::parse_pairs;
use super::errors::{invalid_argument, of_bucket, of_object};
use super::{Operations, on_disk, with_fields};

/// Reads `x-amz-tagging`: `a=1&b=2`.
pub fn from_header(header: Option<&str>) -> S3Result<BTreeMap<String, String>> {
    let header = header.unwrap_or_default();
    let pairs = parse_pairs(header);
    if (1..pairs.len()).any(|index| pairs[..index].iter().any(|(key, _)| *key == pairs[index].0)) {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag \
                       name duplicates.";
        return Err(invalid_argument(message, "x-amz-tagging", header));
    }
    checked(pairs, 10)
}

fn from_set(set: TagSet, most: usize) -> S3Result<BTreeMap<String, String>> {
    checked(
        set.into_iter()
            .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()))
            .collect(),
        most,
    )
}

/// Checks the tags that come with the creation of a bucket.
pub fn of_new_bucket(NewTags(tags): NewTags) -> S3Result<BTreeMap<String, String>> {
    checked(tags, 50)
}

fn checked(pairs: Vec<(String, String)>, most: usize) -> S3Result<BTreeMap<String, String>> {
    if pairs.len() > most {
        let code = s3s::S3ErrorCode::Custom("BadRequest".into());
        let mut error =
            s3s::S3Error::with_message(code, format!("Object tags cannot be greater than {most}"));
        error.set_status_code(http::StatusCode::BAD_REQUEST);
        return Err(error);
    }
    let mut tags = BTreeMap::new();
    for (key, value) in pairs {
        if key.is_empty() || key.chars().count() > 128 {
            return Err(with_fields(
                s3_error!(InvalidTag, "The TagKey you have provided is invalid"),
                &[("TagKey", &key)],
            ));
        }
        if key.starts_with("aws:") {
            let error = s3_error!(InvalidTag, "Your TagKey cannot be prefixed with aws:");
            return Err(with_fields(error, &[("TagKey", &key)]));
        }
        if value.chars().count() > 256 {
            return Err(with_fields(
                s3_error!(InvalidTag, "The TagValue you have provided is invalid"),
                &[("TagKey", &key)],
            ));
        }
        if tags.insert(key.clone(), value).is_some() {
            let error = s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key");
            return Err(with_fields(error, &[("TagKey", &key)]));
        }
    }
    Ok(tags)
}

fn to_set(tags: &BTreeMap<String, String>) -> TagSet {
    tags.iter()
        .map(|(key, value)| Tag {
            key: Some(key.clone()),
            value: Some(value.clone()),
        })
        .collect()
}

pub async fn get_object_tagging(
    this: &Operations,
    request: S3Request<GetObjectTaggingInput>,
) -> S3Result<S3Response<GetObjectTaggingOutput>> {
    let input = request.input;
    let bucket = this.bucket(&input.bucket)?;
    let object = bucket
        .object(&input.key)
        .map_err(|error| of_object(error, &bucket.name, &input.key))?;
    Ok(S3Response::new(GetObjectTaggingOutput {
        tag_set: to_set(&object.tags),
        version_id: None,
    }))
}

pub async fn put_object_tagging(
    this: &Operations,
    request: S3Request<PutObjectTaggingInput>,
) -> S3Result<S3Response<PutObjectTaggingOutput>> {
    let tags = from_set(request.input.tagging.tag_set, 10)?;
    set_object_tags(this, &request.input.bucket, request.input.key, tags).await?;
    Ok(S3Response::new(PutObjectTaggingOutput::default()))
}

pub async fn delete_object_tagging(
    this: &Operations,
    request: S3Request<DeleteObjectTaggingInput>,
) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
    set_object_tags(
        this,
        &request.input.bucket,
        request.input.key,
        BTreeMap::new(),
    )
    .await?;
    Ok(S3Response::with_status(
        DeleteObjectTaggingOutput::default(),
        http::StatusCode::NO_CONTENT,
    ))
}

async fn set_object_tags(
    this: &Operations,
    bucket: &str,
    key: String,
    tags: BTreeMap<String, String>,
) -> S3Result<()> {
    let bucket = this.bucket(bucket)?;
    on_disk(move || {
        let amended = bucket.amend(&key, |object| object.tags = tags);
        amended
            .map(drop)
            .map_err(|error| of_object(error, &bucket.name, &key))
    })
    .await
}

pub async fn get_bucket_tagging(
    this: &Operations,
    request: S3Request<GetBucketTaggingInput>,
) -> S3Result<S3Response<GetBucketTaggingOutput>> {
    let bucket = this.bucket(&request.input.bucket)?;
    let tags = bucket.settings().tags;
    if tags.is_empty() {
        return Err(with_fields(
            s3_error!(NoSuchTagSet, "The TagSet does not exist"),
            &[("BucketName", &bucket.name)],
        ));
    }
    Ok(S3Response::new(GetBucketTaggingOutput {
        tag_set: to_set(&tags),
    }))
}

pub async fn put_bucket_tagging(
    this: &Operations,
    request: S3Request<PutBucketTaggingInput>,
) -> S3Result<S3Response<PutBucketTaggingOutput>> {
    let tags = from_set(request.input.tagging.tag_set, 50)?;
    set_bucket_tags(this, &request.input.bucket, tags).await?;
    let mut response = S3Response::new(PutBucketTaggingOutput::default());
    response.extensions.insert(NoContent);
    Ok(response)
}

pub async fn delete_bucket_tagging(
    this: &Operations,
    request: S3Request<DeleteBucketTaggingInput>,
) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
    set_bucket_tags(this, &request.input.bucket, BTreeMap::new()).await?;
    Ok(S3Response::with_status(
        DeleteBucketTaggingOutput::default(),
        http::StatusCode::NO_CONTENT,
    ))
}

async fn set_bucket_tags(
    this: &Operations,
    bucket: &str,
    tags: BTreeMap<String, String>,
) -> S3Result<()> {
    let bucket = this.bucket(bucket)?;
    on_disk(move || {
        let changed = Arc::clone(&bucket).configure(|settings| settings.tags = tags);
        changed.map_err(|error| of_bucket(error, &bucket.name))
    })
    .await
}
