//! Reading objects: GET, HEAD, their conditions, ranges and parts.

use std::fs::File;
use std::ops::Range as Bytes;
use std::path::Path;
use std::sync::Arc;

use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::super::blob::Content;
use super::super::conditions::{ReadConditions, ReadVerdict};
use super::super::hashes::{ALGORITHMS, Hashes};
use super::super::object::{Checksums, Object, now_ms, timestamp};
use super::super::store::{Bucket, StoreError};
use super::errors::{self, of_object};
use super::{Operations, on_disk, with_fields};

/// Opens the content of the object that is under `key` now. Blocks.
pub fn open(bucket: &Bucket, key: &str) -> Result<(Arc<Object>, File), StoreError> {
    with_current(bucket, key, |path, _| File::open(path))
}

/// Looks an object up and opens its blob, again if it was replaced in between (then the old blob is
/// gone).
fn with_current<T>(
    bucket: &Bucket,
    key: &str,
    open: impl Fn(&Path, &Object) -> std::io::Result<T>,
) -> Result<(Arc<Object>, T), StoreError> {
    let mut object = bucket.object(key)?;
    loop {
        let path = bucket.blobs().join(&object.blob);
        match open(&path, &object) {
            Ok(opened) => return Ok((object, opened)),
            Err(error) => {
                let current = bucket.object(key)?;
                if current.blob == object.blob {
                    return Err(StoreError::io("read", &path)(error));
                }
                object = current;
            }
        }
    }
}

/// Returns the hex MD5 of a file, and its checksum by `algorithm`. Blocks.
pub fn digest(path: &Path, algorithm: &str) -> std::io::Result<(String, Checksums)> {
    let mut file = File::open(path)?;
    let mut hashes = Hashes::only(algorithm);
    let (mut md5, mut piece) = (Md5::new(), vec![0; 256 * 1024]);
    loop {
        match std::io::Read::read(&mut file, &mut piece)? {
            0 => return Ok((hex::encode(md5.finalize()), hashes.finalize())),
            read => {
                md5.update(&piece[..read]);
                hashes.update(&piece[..read]);
            }
        }
    }
}

/// The algorithm of an object's checksum.
pub fn algorithm(object: &Object) -> &'static str {
    let known = ALGORITHMS
        .into_iter()
        .zip(object.checksums.values())
        .find(|(_, value)| value.is_some());
    known.map_or("CRC64NVME", |(name, _)| name)
}

/// Which bytes of an object are asked for.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    All,
    Range(Range),
    Part(i32),
}

/// Bytes to answer with: where they lie, and whether that is only a part of the object (206).
#[derive(Debug, Clone, PartialEq)]
struct Selection {
    bytes: Bytes<u64>,
    partial: bool,
}

impl Wanted {
    fn of(range: Option<Range>, part: Option<PartNumber>) -> S3Result<Self> {
        match (range, part) {
            (Some(_), Some(_)) => Err(s3_error!(
                InvalidRequest,
                "Cannot specify both Range header and partNumber query parameter"
            )),
            (Some(range), None) => Ok(Self::Range(range)),
            (None, Some(part)) => Ok(Self::Part(part)),
            (None, None) => Ok(Self::All),
        }
    }

    fn select(self, object: &Object) -> S3Result<Selection> {
        match self {
            Self::All => Ok(Selection {
                bytes: 0..object.size,
                partial: false,
            }),
            Self::Range(range) => {
                let bytes = range
                    .check(object.size)
                    .map_err(|_| invalid_range(range, object.size))?;
                Ok(Selection {
                    bytes,
                    partial: true,
                })
            }
            Self::Part(number) => part(number, object),
        }
    }
}

fn part(number: i32, object: &Object) -> S3Result<Selection> {
    let sizes = if object.part_sizes.is_empty() {
        std::slice::from_ref(&object.size)
    } else {
        &object.part_sizes[..]
    };
    let index = usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_sub(1))
        .filter(|index| *index < sizes.len());
    let index = index.ok_or_else(|| {
        let (asked, count) = (number.to_string(), sizes.len().to_string());
        let code = s3s::S3ErrorCode::Custom("InvalidPartNumber".into());
        let mut error =
            s3s::S3Error::with_message(code, "The requested partnumber is not satisfiable");
        error.set_status_code(http::StatusCode::RANGE_NOT_SATISFIABLE);
        with_fields(
            error,
            &[("PartNumberRequested", &asked), ("ActualPartCount", &count)],
        )
    })?;
    let start: u64 = sizes[..index].iter().sum();
    Ok(Selection {
        bytes: start..start + sizes[index],
        partial: true,
    })
}

fn invalid_range(range: Range, size: u64) -> s3s::S3Error {
    with_fields(
        s3_error!(InvalidRange, "The requested range is not satisfiable"),
        &[
            ("RangeRequested", &range.to_header_string()),
            ("ActualObjectSize", &size.to_string()),
        ],
    )
}

fn check(conditions: &ReadConditions<'_>, object: &Object) -> S3Result<()> {
    match conditions.judge(object, now_ms()) {
        ReadVerdict::Go => Ok(()),
        ReadVerdict::NotModified => Err(errors::not_modified(&object.etag)),
        ReadVerdict::Failed(name) => Err(errors::precondition_failed(name)),
    }
}

pub async fn get_object(
    this: &Operations,
    request: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    let input = request.input;
    let bucket = this.bucket(&input.bucket)?;
    refuse_version(input.version_id.as_deref())?;
    let wanted = Wanted::of(input.range, input.part_number)?;
    let (part_number, checksum_mode) = (input.part_number, input.checksum_mode);
    let read = on_disk(move || {
        let conditions = ReadConditions {
            if_match: input.if_match.as_ref(),
            if_none_match: input.if_none_match.as_ref(),
            if_modified_since: input.if_modified_since.as_ref(),
            if_unmodified_since: input.if_unmodified_since.as_ref(),
        };
        let object = bucket
            .object(&input.key)
            .map_err(|error| of_object(error, &bucket.name, &input.key))?;
        check(&conditions, &object)?;
        wanted.select(&object)?;
        let opened = with_current(&bucket, &input.key, |path, object| {
            let selection = wanted.select(object).map_err(std::io::Error::other)?;
            Ok((Content::open(path, selection.bytes.clone())?, selection))
        });
        opened.map_err(|error| of_object(error, &bucket.name, &input.key))
    });
    let (object, (content, selection)) = read.await?;
    let head = head(&object, &selection, part_number, checksum_mode.as_ref());
    let length = selection.bytes.end - selection.bytes.start;
    let body = Sized {
        stream: Box::pin(content.into_stream()),
        left: length,
    };
    let mut response = S3Response::new(GetObjectOutput {
        body: Some(StreamingBlob::new(body)),
        accept_ranges: head.accept_ranges,
        cache_control: head.cache_control,
        checksum_crc32: head.checksum_crc32,
        checksum_crc32c: head.checksum_crc32c,
        checksum_crc64nvme: head.checksum_crc64nvme,
        checksum_sha1: head.checksum_sha1,
        checksum_sha256: head.checksum_sha256,
        checksum_type: head.checksum_type,
        content_disposition: head.content_disposition,
        content_encoding: head.content_encoding,
        content_language: head.content_language,
        content_length: head.content_length,
        content_range: head.content_range,
        content_type: head.content_type,
        e_tag: head.e_tag,
        expires: head.expires,
        last_modified: head.last_modified,
        metadata: head.metadata,
        parts_count: head.parts_count,
        server_side_encryption: head.server_side_encryption,
        storage_class: head.storage_class,
        tag_count: i32::try_from(object.tags.len())
            .ok()
            .filter(|count| *count > 0),
        website_redirect_location: head.website_redirect_location,
        ..Default::default()
    });
    response.status = selection
        .partial
        .then_some(http::StatusCode::PARTIAL_CONTENT);
    Ok(response)
}

pub async fn head_object(
    this: &Operations,
    request: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let input = request.input;
    let bucket = this.bucket(&input.bucket)?;
    refuse_version(input.version_id.as_deref())?;
    let object = bucket
        .object(&input.key)
        .map_err(|error| of_object(error, &bucket.name, &input.key))?;
    let conditions = ReadConditions {
        if_match: input.if_match.as_ref(),
        if_none_match: input.if_none_match.as_ref(),
        if_modified_since: input.if_modified_since.as_ref(),
        if_unmodified_since: input.if_unmodified_since.as_ref(),
    };
    check(&conditions, &object)?;
    let selection = Wanted::of(input.range, input.part_number)?.select(&object)?;
    let mut response = S3Response::new(head(
        &object,
        &selection,
        input.part_number,
        input.checksum_mode.as_ref(),
    ));
    if !object.tags.is_empty() {
        // `s3s` has no field for it here.
        response.headers.insert(
            "x-amz-tagging-count",
            http::HeaderValue::from(object.tags.len()),
        );
    }
    response.status = selection
        .partial
        .then_some(http::StatusCode::PARTIAL_CONTENT);
    Ok(response)
}

pub async fn get_object_attributes(
    this: &Operations,
    request: S3Request<GetObjectAttributesInput>,
) -> S3Result<S3Response<GetObjectAttributesOutput>> {
    let input = request.input;
    let bucket = this.bucket(&input.bucket)?;
    let object = bucket
        .object(&input.key)
        .map_err(|error| of_object(error, &bucket.name, &input.key))?;
    // One header may hold several names.
    let names = input
        .object_attributes
        .iter()
        .flat_map(|attributes| attributes.as_str().split(','));
    let names: Vec<&str> = names.map(str::trim).collect();
    let asked = |name: &str| names.contains(&name);
    let parts = i32::try_from(object.part_sizes.len())
        .ok()
        .filter(|count| *count > 0);
    Ok(S3Response::new(GetObjectAttributesOutput {
        e_tag: asked(ObjectAttributes::ETAG).then(|| ETag::Strong(object.etag.clone())),
        object_size: i64::try_from(object.size)
            .ok()
            .filter(|_| asked(ObjectAttributes::OBJECT_SIZE)),
        storage_class: asked(ObjectAttributes::STORAGE_CLASS).then(|| class(&object)),
        checksum: (asked(ObjectAttributes::CHECKSUM) && !object.checksums.is_empty())
            .then(|| object.checksums.to_wire()),
        object_parts: parts
            .filter(|_| asked(ObjectAttributes::OBJECT_PARTS))
            .map(|count| GetObjectAttributesParts {
                total_parts_count: Some(count),
                ..Default::default()
            }),
        last_modified: Some(timestamp(object.modified_ms)),
        ..Default::default()
    }))
}

fn class(object: &Object) -> StorageClass {
    StorageClass::from(
        object
            .attributes
            .storage_class
            .clone()
            .unwrap_or_else(|| "STANDARD".to_owned()),
    )
}

/// There are no versions but the one that is there, whose id is `null`.
pub fn refuse_version(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some("null") => Ok(()),
        Some(version) => Err(errors::invalid_argument(
            "Invalid version id specified",
            "versionId",
            version,
        )),
    }
}

fn head(
    object: &Object,
    selection: &Selection,
    part: Option<PartNumber>,
    mode: Option<&ChecksumMode>,
) -> HeadObjectOutput {
    let attributes = &object.attributes;
    let whole = selection.bytes == (0..object.size);
    let checksum = if mode.is_some() && whole {
        object.checksums.to_wire()
    } else {
        Checksum::default()
    };
    let last = selection.bytes.end.saturating_sub(1);
    HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: attributes.cache_control.clone(),
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        checksum_type: checksum.checksum_type,
        content_disposition: attributes.content_disposition.clone(),
        content_encoding: attributes.content_encoding.clone(),
        content_language: attributes.content_language.clone(),
        content_length: i64::try_from(selection.bytes.end - selection.bytes.start).ok(),
        content_range: (selection.partial && object.size > 0)
            .then(|| format!("bytes {}-{last}/{}", selection.bytes.start, object.size)),
        content_type: Some(
            attributes
                .content_type
                .clone()
                .unwrap_or_else(|| "binary/octet-stream".to_owned()),
        ),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        expires: attributes.expires_ms.map(timestamp),
        last_modified: Some(timestamp(object.modified_ms)),
        metadata: Some(attributes.metadata.clone().into_iter().collect()),
        parts_count: part
            .and_then(|_| i32::try_from(object.part_sizes.len()).ok())
            .filter(|count| *count > 0),
        server_side_encryption: Some(ServerSideEncryption::from_static(
            ServerSideEncryption::AES256,
        )),
        storage_class: attributes.storage_class.clone().map(StorageClass::from),
        website_redirect_location: attributes.website_redirect_location.clone(),
        ..Default::default()
    }
}

/// A stream that knows how many bytes are left, so that the answer has a length and is not chunked.
struct Sized<S> {
    stream: S,
    left: u64,
}

impl<S: futures::Stream<Item = std::io::Result<bytes::Bytes>> + Unpin> futures::Stream
    for Sized<S>
{
    type Item = Result<bytes::Bytes, s3s::StdError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let next = std::pin::Pin::new(&mut self.stream).poll_next(context);
        next.map(|item| {
            item.map(|piece| {
                let piece = piece?;
                self.left = self.left.saturating_sub(piece.len() as u64);
                Ok(piece)
            })
        })
    }
}

impl<S: futures::Stream<Item = std::io::Result<bytes::Bytes>> + Unpin> s3s::stream::ByteStream
    for Sized<S>
{
    fn remaining_length(&self) -> s3s::stream::RemainingLength {
        usize::try_from(self.left).map_or_else(
            |_| s3s::stream::RemainingLength::unknown(),
            s3s::stream::RemainingLength::new_exact,
        )
    }
}
