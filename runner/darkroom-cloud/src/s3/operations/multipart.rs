//! Multipart uploads over the wire.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::super::blob::Blob;
use super::super::conditions::ReadConditions;
use super::super::hashes::ALGORITHMS;
use super::super::incoming::{Claims, Incoming, receive};
use super::super::multipart::{CompleteError, Joined, Named, Part as Gathered, Upload};
use super::super::object::{Checksums, Object, now_ms, timestamp};
use super::super::store::Bucket;
use super::errors::{invalid_argument, no_such_upload, of_object};
use super::fields::{attributes_of, checksum_of, set_checksums};
use super::objects::{check_key, check_source, commit, header, put_condition, source};
use super::{By, Operations, internal, on_disk, reading, tags, with_fields};

pub async fn create_multipart_upload(
    this: &Operations,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let mut input = request.input;
    this.bucket(&input.bucket)?;
    check_key(&input.key)?;
    let attributes = attributes_of!(input);
    let object_tags = tags::from_header(input.tagging.as_deref())?;
    check_checksum_type(
        input.checksum_algorithm.as_ref(),
        input.checksum_type.as_ref(),
    )?;
    let mut upload = Upload::new(
        input.bucket.clone(),
        input.key.clone(),
        attributes,
        object_tags,
    );
    upload.algorithm = input
        .checksum_algorithm
        .as_ref()
        .map(|algorithm| algorithm.as_str().to_owned());
    upload.composite = match (&input.checksum_type, upload.algorithm.as_deref()) {
        (Some(kind), _) => kind.as_str() == ChecksumType::COMPOSITE,
        (None, Some(algorithm)) => algorithm != "CRC64NVME",
        (None, None) => false,
    };
    let kind = if upload.composite {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    };
    let kind = upload
        .algorithm
        .as_ref()
        .map(|_| ChecksumType::from_static(kind));
    Ok(S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(this.uploads.start(upload)),
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: kind,
        server_side_encryption: Some(ServerSideEncryption::from_static(
            ServerSideEncryption::AES256,
        )),
        ..Default::default()
    }))
}

/// CRC64NVME is always of the whole object, and a SHA never.
fn check_checksum_type(
    algorithm: Option<&ChecksumAlgorithm>,
    kind: Option<&ChecksumType>,
) -> S3Result<()> {
    let (algorithm, kind) = (
        algorithm.map(ChecksumAlgorithm::as_str),
        kind.map(ChecksumType::as_str),
    );
    match (algorithm, kind) {
        (None, Some(_)) => Err(s3_error!(
            InvalidRequest,
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
        )),
        (Some(algorithm @ "CRC64NVME"), Some(kind @ "COMPOSITE"))
        | (Some(algorithm @ ("SHA1" | "SHA256")), Some(kind @ "FULL_OBJECT")) => Err(s3_error!(
            InvalidRequest,
            "The {kind} checksum type cannot be used with the {} checksum algorithm.",
            algorithm.to_lowercase()
        )),
        (Some(algorithm), _) if !ALGORITHMS.contains(&algorithm) => Err(s3_error!(
            InvalidRequest,
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, \
             CRC64NVME, SHA1, SHA256]"
        )),
        _ => Ok(()),
    }
}

fn upload(this: &Operations, id: &str, bucket: &str, key: &str) -> S3Result<Arc<Upload>> {
    this.uploads
        .get(id, bucket, key)
        .ok_or_else(|| no_such_upload(id))
}

fn check_number(number: i32) -> S3Result<()> {
    if (1..=10_000).contains(&number) {
        return Ok(());
    }
    Err(invalid_argument(
        "Part number must be an integer between 1 and 10000, inclusive",
        "partNumber",
        &number.to_string(),
    ))
}

pub async fn upload_part(
    this: &Operations,
    request: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let trailer = header(&request, "x-amz-trailer");
    let S3Request {
        mut input,
        trailing_headers,
        ..
    } = request;
    let bucket = this.bucket(&input.bucket)?;
    check_number(input.part_number)?;
    let upload = upload(this, &input.upload_id, &input.bucket, &input.key)?;
    let claims = Claims {
        content_length: input.content_length,
        content_md5: input.content_md5,
        checksum: checksum_of!(input),
        // A composite checksum needs every part's, whether or not the client sends it.
        algorithm: input
            .checksum_algorithm
            .or_else(|| upload.algorithm.clone().map(ChecksumAlgorithm::from)),
        trailer,
        trailing_headers,
    };
    check_same_algorithm(&upload, &claims.checksum)?;
    let incoming = receive(input.body, claims, bucket.uploads()).await?;
    let part = take_part(this, &bucket, &upload, input.part_number, incoming)?;
    let mut output = UploadPartOutput {
        e_tag: Some(ETag::Strong(part.etag())),
        server_side_encryption: Some(ServerSideEncryption::from_static(
            ServerSideEncryption::AES256,
        )),
        ..Default::default()
    };
    set_checksums!(output, part.checksums);
    Ok(S3Response::new(output))
}

/// Adds a part, if the bucket has room for it beside its objects and the other parts that wait.
fn take_part(
    this: &Operations,
    bucket: &Bucket,
    upload: &Upload,
    number: i32,
    incoming: Incoming,
) -> S3Result<Arc<Gathered>> {
    let waiting = this.uploads.of_bucket(&bucket.name).into_iter();
    let held = waiting
        .flat_map(|upload| upload.parts())
        .map(|part| part.size)
        .sum();
    bucket
        .takes_part(held, incoming.size)
        .map_err(|error| of_object(error, &bucket.name, &upload.key))?;
    Ok(upload.add(number, incoming))
}

/// A part's checksum must be of the algorithm that the upload was created with.
fn check_same_algorithm(upload: &Upload, given: &Checksum) -> S3Result<()> {
    let given = Checksums::from(given.clone());
    let given = ALGORITHMS
        .into_iter()
        .zip(given.values())
        .find(|(_, value)| value.is_some());
    match (&upload.algorithm, given) {
        (Some(expected), Some((actual, _))) if expected != actual => Err(s3_error!(
            InvalidRequest,
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            expected.to_lowercase(),
            actual.to_lowercase()
        )),
        _ => Ok(()),
    }
}

pub async fn upload_part_copy(
    this: &Operations,
    request: S3Request<UploadPartCopyInput>,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let input = request.input;
    let bucket = this.bucket(&input.bucket)?;
    check_number(input.part_number)?;
    let upload = upload(this, &input.upload_id, &input.bucket, &input.key)?;
    let (from, object) = source(this, &input.copy_source)?;
    let conditions = ReadConditions {
        if_match: input.copy_source_if_match.as_ref(),
        if_none_match: input.copy_source_if_none_match.as_ref(),
        if_modified_since: input.copy_source_if_modified_since.as_ref(),
        if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
    };
    check_source(&conditions, &object)?;
    let range = copy_range(input.copy_source_range.as_deref(), object.size)?;
    let folder = bucket.uploads();
    let incoming = on_disk(move || {
        let opened = reading::open(&from, &object.key)
            .map_err(|error| of_object(error, &from.name, &object.key))?;
        let path = from.blobs().join(&opened.0.blob);
        copy_piece(opened.1, range, &folder).map_err(|error| internal("copy", &path, &error))
    })
    .await?;
    let part = take_part(this, &bucket, &upload, input.part_number, incoming)?;
    Ok(S3Response::new(UploadPartCopyOutput {
        copy_part_result: Some(CopyPartResult {
            e_tag: Some(ETag::Strong(part.etag())),
            last_modified: Some(timestamp(part.modified_ms)),
            ..Default::default()
        }),
        server_side_encryption: Some(ServerSideEncryption::from_static(
            ServerSideEncryption::AES256,
        )),
        ..Default::default()
    }))
}

/// Reads `bytes=first-last`, which must lie within the source.
fn copy_range(text: Option<&str>, size: u64) -> S3Result<std::ops::Range<u64>> {
    let Some(text) = text else { return Ok(0..size) };
    let bounds = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'));
    let bounds = bounds
        .and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
    match bounds {
        Some((first, last)) if first <= last && last < size => Ok(first..last + 1),
        Some((first, last)) if first <= last && first >= size => Err(s3_error!(
            InvalidRequest,
            "The specified copy range is invalid for the source object size"
        )),
        Some((first, last)) if first <= last => {
            let message = format!("Range specified is not valid for source object of size: {size}");
            Err(invalid_argument(&message, "x-amz-copy-source-range", text))
        }
        _ => {
            let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
                           zero-based offsets of the first and last bytes to copy";
            Err(invalid_argument(message, "x-amz-copy-source-range", text))
        }
    }
}

fn copy_piece(
    mut from: std::fs::File,
    range: std::ops::Range<u64>,
    folder: &std::path::Path,
) -> std::io::Result<Incoming> {
    use std::io::{Read as _, Seek as _, Write as _};

    use s3s::crypto::{Checksum as _, Md5};

    from.seek(std::io::SeekFrom::Start(range.start))?;
    let (blob, mut file) = Blob::create(folder)?;
    let (mut md5, mut piece, mut left) = (Md5::new(), vec![0; 256 * 1024], range.end - range.start);
    let mut hashes = super::super::hashes::Hashes::for_claims(&Checksum::default(), None, None);
    while left > 0 {
        let most = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = from.read(&mut piece[..most])?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        md5.update(&piece[..read]);
        hashes.update(&piece[..read]);
        file.write_all(&piece[..read])?;
        left -= read as u64;
    }
    Ok(Incoming {
        blob,
        size: range.end - range.start,
        md5: md5.finalize(),
        checksums: hashes.finalize(),
    })
}

pub async fn complete_multipart_upload(
    this: &Operations,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let by = By::of(&request);
    let host = header(&request, "host").unwrap_or_default();
    let input = request.input;
    let bucket = this.bucket(&input.bucket)?;
    let upload = upload(this, &input.upload_id, &input.bucket, &input.key)?;
    let condition = put_condition(input.if_match, input.if_none_match)?;
    let named: Vec<Named> = input
        .multipart_upload
        .and_then(|upload| upload.parts)
        .into_iter()
        .flatten()
        .map(named)
        .collect();
    if named.is_empty() {
        return Err(s3_error!(
            InvalidRequest,
            "You must specify at least one part"
        ));
    }
    let parts = upload
        .select(&named)
        .map_err(|error| not_completed(&error, &input.upload_id))?;
    let computed: u64 = parts.iter().map(|part| part.size).sum();
    if let Some(claimed) = input
        .mpu_object_size
        .filter(|claimed| u64::try_from(*claimed) != Ok(computed))
    {
        return Err(s3_error!(
            InvalidRequest,
            "The provided 'x-amz-mp-object-size' header value {claimed} does not match what was computed: {computed}"
        ));
    }
    let (joining, blobs) = (Arc::clone(&upload), bucket.blobs());
    let joined = on_disk(move || {
        joining.join(&parts, &blobs).map_err(|error| match error {
            CompleteError::Io(error) => internal("join parts in", &blobs, &error),
            other => not_completed(&other, &joining.id),
        })
    });
    let Joined {
        blob,
        size,
        etag,
        checksums,
        part_sizes,
    } = joined.await?;
    let object = Object {
        key: input.key,
        blob: blob.name(),
        size,
        etag,
        modified_ms: now_ms(),
        attributes: upload.attributes.clone(),
        checksums,
        part_sizes,
        tags: upload.tags.clone(),
    };
    by.check_in_time(&bucket, &object.key)?;
    let object = commit(&bucket, object, blob, condition).await?;
    this.uploads.remove(&upload.id);
    let created = Some((object.size, object.etag.as_str()));
    this.announce(
        &bucket,
        "ObjectCreated:CompleteMultipartUpload",
        &object.key,
        created,
        &by,
    );
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!(
            "http://{host}/{}/{}",
            bucket.name,
            super::super::url::encode_key(&object.key)
        )),
        bucket: Some(bucket.name.clone()),
        key: Some(object.key.clone()),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        checksum_type: object.checksums.to_wire().checksum_type,
        server_side_encryption: Some(ServerSideEncryption::from_static(
            ServerSideEncryption::AES256,
        )),
        ..Default::default()
    };
    set_checksums!(output, object.checksums);
    Ok(S3Response::new(output))
}

fn named(mut part: CompletedPart) -> Named {
    Named {
        number: part.part_number.unwrap_or(0),
        checksums: Checksums::from(checksum_of!(part)),
        etag: part.e_tag.map(ETag::into_value),
    }
}

fn not_completed(error: &CompleteError, upload: &str) -> s3s::S3Error {
    match error {
        CompleteError::InvalidPart { number, etag } => with_fields(
            s3_error!(
                InvalidPart,
                "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified \
                 entity tag may not match the part's entity tag."
            ),
            &[
                ("UploadId", upload),
                ("PartNumber", &number.to_string()),
                ("ETag", etag),
            ],
        ),
        CompleteError::InvalidPartOrder => with_fields(
            s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order. Parts must be ordered by part number."
            ),
            &[("UploadId", upload)],
        ),
        CompleteError::MissingChecksum { number, algorithm } => s3_error!(
            InvalidRequest,
            "The upload was created using a {algorithm} checksum. The complete request must include the checksum for each \
             part. It was missing for part {number} in the request."
        ),
        CompleteError::EntityTooSmall { number, size, etag } => with_fields(
            s3_error!(
                EntityTooSmall,
                "Your proposed upload is smaller than the minimum allowed size"
            ),
            &[
                ("ProposedSize", &size.to_string()),
                ("MinSizeAllowed", &(5 * 1024 * 1024).to_string()),
                ("PartNumber", &number.to_string()),
                ("ETag", etag),
            ],
        ),
        CompleteError::Io(error) => {
            s3_error!(InternalError, "We encountered an internal error: {error}")
        }
    }
}

pub async fn abort_multipart_upload(
    this: &Operations,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let input = request.input;
    this.bucket(&input.bucket)?;
    let upload = upload(this, &input.upload_id, &input.bucket, &input.key)?;
    this.uploads.remove(&upload.id);
    on_disk(move || {
        drop(upload);
        Ok(())
    })
    .await?;
    Ok(S3Response::with_status(
        AbortMultipartUploadOutput::default(),
        http::StatusCode::NO_CONTENT,
    ))
}

pub async fn list_parts(
    this: &Operations,
    request: S3Request<ListPartsInput>,
) -> S3Result<S3Response<ListPartsOutput>> {
    let input = request.input;
    this.bucket(&input.bucket)?;
    let upload = upload(this, &input.upload_id, &input.bucket, &input.key)?;
    let after = input.part_number_marker.unwrap_or(0);
    let most = usize::try_from(input.max_parts.unwrap_or(1000))
        .unwrap_or(0)
        .min(1000);
    let mut parts = upload.parts();
    parts.retain(|part| part.number > after);
    let truncated = parts.len() > most;
    parts.truncate(most);
    let wire = |part: &Arc<super::super::multipart::Part>| {
        let mut wire = Part {
            part_number: Some(part.number),
            size: i64::try_from(part.size).ok(),
            e_tag: Some(ETag::Strong(part.etag())),
            last_modified: Some(timestamp(part.modified_ms)),
            ..Default::default()
        };
        // Shown where the upload was to have checksums; else what is kept of a part is ours alone.
        if upload.algorithm.is_some() {
            set_checksums!(wire, part.checksums);
        }
        wire
    };
    Ok(S3Response::new(ListPartsOutput {
        next_part_number_marker: Some(parts.last().map_or(0, |part| part.number)),
        parts: (!parts.is_empty()).then(|| parts.iter().map(wire).collect()),
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        is_truncated: Some(truncated),
        max_parts: i32::try_from(most).ok(),
        part_number_marker: Some(after),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        owner: Some(super::buckets::owner()),
        initiator: Some(Initiator {
            display_name: None,
            id: Some(super::super::OWNER_ID.to_owned()),
        }),
        checksum_algorithm: upload.algorithm.clone().map(ChecksumAlgorithm::from),
        ..Default::default()
    }))
}

pub async fn list_multipart_uploads(
    this: &Operations,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
    let input = request.input;
    this.bucket(&input.bucket)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let most = usize::try_from(input.max_uploads.unwrap_or(1000))
        .unwrap_or(0)
        .min(1000);
    let (key_marker, id_marker) = (
        input.key_marker.clone().unwrap_or_default(),
        input.upload_id_marker.clone(),
    );
    let mut uploads = this.uploads.of_bucket(&input.bucket);
    uploads.retain(|upload| upload.key.starts_with(&prefix));
    let behind = uploads
        .iter()
        .position(|upload| id_marker.as_ref() == Some(&upload.id) && upload.key == key_marker);
    match behind {
        Some(index) => drop(uploads.drain(..=index)),
        None => uploads.retain(|upload| upload.key > key_marker),
    }
    let delimiter = input
        .delimiter
        .clone()
        .filter(|delimiter| !delimiter.is_empty());
    let mut common_prefixes: Vec<String> = Vec::new();
    if let Some(delimiter) = &delimiter {
        uploads.retain(|upload| {
            let Some(end) = upload.key[prefix.len()..].find(delimiter.as_str()) else {
                return true;
            };
            let rolled = &upload.key[..prefix.len() + end + delimiter.len()];
            if !key_marker.starts_with(rolled)
                && common_prefixes.last().is_none_or(|last| last != rolled)
            {
                common_prefixes.push(rolled.to_owned());
            }
            false
        });
    }
    let truncated = uploads.len() > most;
    uploads.truncate(most);
    let wire = |upload: &Arc<Upload>| MultipartUpload {
        key: Some(upload.key.clone()),
        upload_id: Some(upload.id.clone()),
        initiated: Some(timestamp(upload.started_ms)),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        owner: Some(super::buckets::owner()),
        initiator: Some(Initiator {
            display_name: None,
            id: Some(super::super::OWNER_ID.to_owned()),
        }),
        checksum_algorithm: upload.algorithm.clone().map(ChecksumAlgorithm::from),
        ..Default::default()
    };
    let last = uploads.last().filter(|_| truncated);
    Ok(S3Response::new(ListMultipartUploadsOutput {
        next_key_marker: last.map(|upload| upload.key.clone()),
        next_upload_id_marker: last.map(|upload| upload.id.clone()),
        uploads: (!uploads.is_empty()).then(|| uploads.iter().map(wire).collect()),
        common_prefixes: (!common_prefixes.is_empty()).then(|| {
            common_prefixes
                .into_iter()
                .map(|prefix| CommonPrefix {
                    prefix: Some(prefix),
                })
                .collect()
        }),
        delimiter,
        bucket: Some(input.bucket),
        is_truncated: Some(truncated),
        key_marker: Some(key_marker),
        upload_id_marker: Some(id_marker.unwrap_or_default()),
        max_uploads: i32::try_from(most).ok(),
        prefix: input.prefix,
        ..Default::default()
    }))
}
