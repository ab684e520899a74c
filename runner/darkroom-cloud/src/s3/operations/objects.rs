//! Writing, copying and deleting objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::super::blob::Blob;
use super::super::conditions::{ReadConditions, ReadVerdict, write_condition};
use super::super::incoming::{Claims, receive};
use super::super::object::{Attributes, Checksums, Object, now_ms, timestamp};
use super::super::store::{Bucket, StoreError, WriteCondition};
use super::errors::{self, not_implemented, of_object};
use super::fields::{attributes_of, checksum_of, set_checksums};
use super::{By, Operations, internal, on_disk, reading, tags};

pub async fn put_object(
    this: &Operations,
    request: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    // A browser's form upload arrives here too; it is told as another event.
    let event = if request.method == http::Method::POST {
        "ObjectCreated:Post"
    } else {
        "ObjectCreated:Put"
    };
    let by = By::of(&request);
    let trailer = header(&request, "x-amz-trailer");
    let S3Request {
        mut input,
        trailing_headers,
        ..
    } = request;
    let bucket = this.bucket(&input.bucket)?;
    check_key(&input.key)?;
    let condition = put_condition(input.if_match, input.if_none_match)?;
    condition
        .check(bucket.object(&input.key).ok().as_deref())
        .map_err(|error| of_object(error, &bucket.name, &input.key))?;
    let attributes = attributes_of!(input);
    let object_tags = tags::from_header(input.tagging.as_deref())?;
    let claims = Claims {
        content_length: input.content_length,
        content_md5: input.content_md5,
        checksum: checksum_of!(input),
        algorithm: input.checksum_algorithm,
        trailer,
        trailing_headers,
    };
    let incoming = receive(input.body, claims, bucket.blobs()).await?;
    let object = Object {
        key: input.key,
        blob: incoming.blob.name(),
        size: incoming.size,
        etag: hex::encode(incoming.md5),
        modified_ms: now_ms(),
        attributes,
        checksums: incoming.checksums,
        part_sizes: Vec::new(),
        tags: object_tags,
    };
    by.check_in_time(&bucket, &object.key)?;
    let object = commit(&bucket, object, incoming.blob, condition).await?;
    this.announce(
        &bucket,
        event,
        &object.key,
        Some((object.size, &object.etag)),
        &by,
    );
    let mut output = PutObjectOutput {
        e_tag: Some(ETag::Strong(object.etag.clone())),
        server_side_encryption: Some(ServerSideEncryption::from_static(
            ServerSideEncryption::AES256,
        )),
        checksum_type: object.checksums.to_wire().checksum_type,
        ..Default::default()
    };
    set_checksums!(output, object.checksums);
    Ok(S3Response::new(output))
}

/// What a write may depend on: no object there, or one with this `ETag`.
pub fn put_condition(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> S3Result<WriteCondition> {
    let header = match (&if_match, &if_none_match) {
        (Some(_), Some(_)) => "If-Match,If-None-Match",
        (Some(_), None) => "If-Match",
        _ => "If-None-Match",
    };
    match write_condition(if_match, if_none_match) {
        Some(WriteCondition::Present) | None => Err(not_implemented(header)),
        Some(condition) => Ok(condition),
    }
}

/// Reads an `If-Match` or `If-None-Match` header.
fn etag_condition(text: &str) -> ETagCondition {
    match text {
        "*" => ETagCondition::Any,
        etag => ETagCondition::ETag(ETag::Strong(etag.trim_matches('"').to_owned())),
    }
}

/// Commits on the blocking pool, and puts S3's words to what goes wrong.
pub async fn commit(
    bucket: &Arc<Bucket>,
    object: Object,
    blob: Blob,
    condition: WriteCondition,
) -> S3Result<Arc<Object>> {
    let bucket = Arc::clone(bucket);
    on_disk(move || {
        let key = object.key.clone();
        bucket
            .commit(object, blob, &condition)
            .map_err(|error| of_object(error, &bucket.name, &key))
    })
    .await
}

pub async fn copy_object(
    this: &Operations,
    request: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let by = By::of(&request);
    // `s3s` has no fields for what the target must be; S3 has.
    let [if_match, if_none_match] =
        ["if-match", "if-none-match"].map(|name| header(&request, name));
    let mut input = request.input;
    let bucket = this.bucket(&input.bucket)?;
    check_key(&input.key)?;
    let condition = put_condition(
        if_match.as_deref().map(etag_condition),
        if_none_match.as_deref().map(etag_condition),
    )?;
    let (source_bucket, source) = source(this, &input.copy_source)?;
    let conditions = ReadConditions {
        if_match: input.copy_source_if_match.as_ref(),
        if_none_match: input.copy_source_if_none_match.as_ref(),
        if_modified_since: input.copy_source_if_modified_since.as_ref(),
        if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
    };
    check_source(&conditions, &source)?;
    let replaces = |directive: Option<&str>| directive == Some("REPLACE");
    let replace = replaces(
        input
            .metadata_directive
            .as_ref()
            .map(MetadataDirective::as_str),
    );
    let replace_tags = replaces(
        input
            .tagging_directive
            .as_ref()
            .map(TaggingDirective::as_str),
    );
    let in_place = bucket.name == source_bucket.name && input.key == source.key;
    if in_place && !replace && !replace_tags && input.storage_class.is_none() {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's \
             metadata, storage class, website redirect location or encryption attributes."
        ));
    }
    let given = attributes_of!(input);
    let given_tags = tags::from_header(input.tagging.as_deref())?;
    let copied = duplicate(
        source_bucket,
        source,
        Arc::clone(&bucket),
        input.checksum_algorithm.take(),
    )
    .await?;
    let original = copied.object;
    // Redirect and storage class are never taken over.
    let attributes = if replace {
        given
    } else {
        let (website_redirect_location, storage_class) =
            (given.website_redirect_location, given.storage_class);
        Attributes {
            website_redirect_location,
            storage_class,
            ..original.attributes.clone()
        }
    };
    let object = Object {
        key: input.key,
        blob: copied.blob.name(),
        size: original.size,
        etag: copied.etag,
        modified_ms: now_ms(),
        attributes,
        checksums: copied.checksums,
        part_sizes: Vec::new(),
        tags: if replace_tags {
            given_tags
        } else {
            original.tags.clone()
        },
    };
    by.check_in_time(&bucket, &object.key)?;
    let object = commit(&bucket, object, copied.blob, condition).await?;
    this.announce(
        &bucket,
        "ObjectCreated:Copy",
        &object.key,
        Some((object.size, &object.etag)),
        &by,
    );
    let mut result = CopyObjectResult {
        e_tag: Some(ETag::Strong(object.etag.clone())),
        last_modified: Some(timestamp(object.modified_ms)),
        checksum_type: object.checksums.to_wire().checksum_type,
        ..Default::default()
    };
    set_checksums!(result, object.checksums);
    Ok(S3Response::new(CopyObjectOutput {
        copy_object_result: Some(result),
        server_side_encryption: Some(ServerSideEncryption::from_static(
            ServerSideEncryption::AES256,
        )),
        ..Default::default()
    }))
}

struct Copied {
    object: Arc<Object>,
    blob: Blob,
    etag: String,
    checksums: Checksums,
}

/// Makes a blob with the content of `source` in the target bucket. A copy is one part, so its
/// `ETag` and checksums are those of the whole. `algorithm` asks for another checksum than the
/// source has.
async fn duplicate(
    from: Arc<Bucket>,
    source: Arc<Object>,
    into: Arc<Bucket>,
    algorithm: Option<ChecksumAlgorithm>,
) -> S3Result<Copied> {
    on_disk(move || {
        // The source may be replaced while we look; then its new content is what is copied.
        let (object, _file) = reading::open(&from, &source.key)
            .map_err(|error| of_object(error, &from.name, &source.key))?;
        let path = from.blobs().join(&object.blob);
        let blob = Blob::duplicate(&path, &into.blobs())
            .map_err(|error| internal("copy", &path, &error))?;
        let (etag, checksums) = if object.part_sizes.is_empty() && algorithm.is_none() {
            (object.etag.clone(), object.checksums.clone())
        } else {
            let algorithm = algorithm
                .as_ref()
                .map_or_else(|| reading::algorithm(&object), |named| named.as_str());
            reading::digest(&path, algorithm).map_err(|error| internal("read", &path, &error))?
        };
        Ok(Copied {
            object,
            blob,
            etag,
            checksums,
        })
    })
    .await
}

/// Finds the object that a copy names.
pub fn source(this: &Operations, source: &CopySource) -> S3Result<(Arc<Bucket>, Arc<Object>)> {
    let CopySource::Bucket { bucket, key, .. } = source else {
        return Err(not_implemented("x-amz-copy-source"));
    };
    let bucket = this.bucket(bucket)?;
    let object = bucket
        .object(key)
        .map_err(|error| of_object(error, &bucket.name, key))?;
    Ok((bucket, object))
}

/// A copy whose conditions fail is always 412, where a read would be 304.
pub fn check_source(conditions: &ReadConditions<'_>, object: &Object) -> S3Result<()> {
    match conditions.judge(object, now_ms()) {
        ReadVerdict::Go => Ok(()),
        ReadVerdict::Failed(name) => Err(errors::precondition_failed(&format!(
            "x-amz-copy-source-{name}"
        ))),
        ReadVerdict::NotModified if conditions.if_none_match.is_some() => Err(
            errors::precondition_failed("x-amz-copy-source-If-None-Match"),
        ),
        ReadVerdict::NotModified => Err(errors::precondition_failed(
            "x-amz-copy-source-If-Modified-Since",
        )),
    }
}

pub async fn delete_object(
    this: &Operations,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let by = By::of(&request);
    let input = request.input;
    let bucket = this.bucket(&input.bucket)?;
    let condition = write_condition(input.if_match, None).unwrap_or(WriteCondition::Always);
    reading::refuse_version(input.version_id.as_deref())?;
    delete(this, &bucket, input.key, condition, &by).await?;
    Ok(S3Response::new(DeleteObjectOutput::default()))
}

pub async fn delete_objects(
    this: &Operations,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let by = By::of(&request);
    let input = request.input;
    let bucket = this.bucket(&input.bucket)?;
    let quiet = input.delete.quiet.unwrap_or(false);
    if input.delete.objects.is_empty() || input.delete.objects.len() > 1000 {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        ));
    }
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for object in input.delete.objects {
        let condition = write_condition(object.e_tag.map(ETagCondition::ETag), None)
            .unwrap_or(WriteCondition::Always);
        if let Some(version) = object.version_id.filter(|version| version != "null") {
            failed.push(Error {
                code: Some("NoSuchVersion".to_owned()),
                message: Some("The specified version does not exist.".to_owned()),
                key: Some(object.key),
                version_id: Some(version),
            });
            continue;
        }
        match delete(this, &bucket, object.key.clone(), condition, &by).await {
            Ok(()) if quiet => {}
            Ok(()) => deleted.push(DeletedObject {
                key: Some(object.key),
                ..Default::default()
            }),
            Err(error) => failed.push(Error {
                code: Some(error.code().as_str().to_owned()),
                message: error.message().map(str::to_owned),
                key: Some(object.key),
                ..Default::default()
            }),
        }
    }
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: (!deleted.is_empty()).then_some(deleted),
        errors: (!failed.is_empty()).then_some(failed),
        ..Default::default()
    }))
}

/// Deletes one object. Deleting what is not there is no error, and no event.
async fn delete(
    this: &Operations,
    bucket: &Arc<Bucket>,
    key: String,
    condition: WriteCondition,
    by: &By,
) -> S3Result<()> {
    let (inner, name) = (Arc::clone(bucket), key.clone());
    let removed = on_disk(move || {
        inner
            .remove(&name, &condition)
            .map_err(|error: StoreError| of_object(error, &inner.name, &name))
    });
    if removed.await?.is_some() {
        this.announce(bucket, "ObjectRemoved:Delete", &key, None, by);
    }
    Ok(())
}

/// Refuses a key that S3 refuses: longer than 1024 bytes (the path check does not see keys of
/// forms), or none.
pub fn check_key(key: &str) -> S3Result<()> {
    if key.len() > 1024 {
        return Err(super::with_fields(
            s3_error!(KeyTooLongError, "Your key is too long"),
            &[("Size", &key.len().to_string()), ("MaxSizeAllowed", "1024")],
        ));
    }
    if key.is_empty() {
        return Err(errors::invalid_argument(
            "Object key must not be empty",
            "key",
            "",
        ));
    }
    Ok(())
}

pub fn header<T>(request: &S3Request<T>, name: &str) -> Option<String> {
    request
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

/// `aws-chunked` says how the body was sent, not what it holds; S3 does not keep it.
pub fn content_encoding(given: Option<String>) -> Option<String> {
    let given = given?;
    let kept: Vec<&str> = given
        .split(',')
        .map(str::trim)
        .filter(|encoding| !encoding.is_empty() && *encoding != "aws-chunked")
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// User metadata may come to 2 KB in all.
pub fn metadata(given: Option<Metadata>) -> S3Result<BTreeMap<String, String>> {
    let metadata: BTreeMap<String, String> = given.into_iter().flatten().collect();
    let size: usize = metadata
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if size > 2048 {
        return Err(super::with_fields(
            s3_error!(
                MetadataTooLarge,
                "Your metadata headers exceed the maximum allowed metadata size"
            ),
            &[("Size", &size.to_string()), ("MaxSizeAllowed", "2048")],
        ));
    }
    Ok(metadata)
}

/// Returns the storage class to show; STANDARD is shown by its absence.
pub fn storage_class(given: Option<StorageClass>) -> S3Result<Option<String>> {
    const KNOWN: [&str; 9] = [
        "STANDARD",
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER",
        "DEEP_ARCHIVE",
        "GLACIER_IR",
        "EXPRESS_ONEZONE",
    ];
    let Some(class) = given else { return Ok(None) };
    if !KNOWN.contains(&class.as_str()) {
        return Err(errors::with_fields(
            s3_error!(
                InvalidStorageClass,
                "The storage class you specified is not valid"
            ),
            &[("StorageClassRequested", class.as_str())],
        ));
    }
    Ok((class.as_str() != "STANDARD").then(|| class.as_str().to_owned()))
}

pub fn milliseconds(at: &Timestamp) -> i64 {
    let mut seconds = Vec::new();
    // Formatting into memory does not fail; a time that S3 could not have sent counts as the epoch.
    let _ = at.format(TimestampFormat::EpochSeconds, &mut seconds);
    let seconds = std::str::from_utf8(&seconds)
        .ok()
        .and_then(|text| text.parse::<f64>().ok());
    (seconds.unwrap_or(0.0) * 1000.0) as i64
}
