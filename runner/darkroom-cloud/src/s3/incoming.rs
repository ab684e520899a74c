//! Receives the body of a PUT, in memory if it is short, else in a blob; hashes it on the way and
//! compares with what the client claims.
//!
//! Knows bodies and checksums; knows neither keys nor the index.

use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt as _;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{Checksum, ChecksumAlgorithm, StreamingBlob};
use s3s::{S3Result, s3_error};

use super::blob::Blob;
use super::hashes::{self, Hashes};
use super::object::Checksums;
use super::operations::{internal, on_disk, with_fields};

/// Bodies up to this many bytes are held in memory until they are whole, then written at once.
const IN_MEMORY: usize = 1024 * 1024;
/// The most that one PUT or part may hold: 5 GiB, as on AWS.
const MAX_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// What the client says of its body.
#[derive(Debug, Default)]
pub struct Claims {
    pub content_length: Option<i64>,
    /// Base64 MD5.
    pub content_md5: Option<String>,
    /// Checksums given in headers; trailers come later.
    pub checksum: Checksum,
    /// `x-amz-sdk-checksum-algorithm`
    pub algorithm: Option<ChecksumAlgorithm>,
    /// `x-amz-trailer`: the checksum that will follow the body.
    pub trailer: Option<String>,
    pub trailing_headers: Option<s3s::TrailingHeaders>,
}

/// A body that has arrived whole, and is what the client said it was.
#[derive(Debug)]
pub struct Incoming {
    pub blob: Blob,
    pub size: u64,
    pub md5: [u8; 16],
    pub checksums: Checksums,
}

/// Receives `body` into a blob in `folder`.
///
/// # Errors
/// `BadDigest`, `InvalidDigest`, `XAmzContentSHA256Mismatch`, `IncompleteBody`, `EntityTooLarge`,
/// or what the disk says.
pub async fn receive(
    body: Option<StreamingBlob>,
    claims: Claims,
    folder: PathBuf,
) -> S3Result<Incoming> {
    if claims
        .content_length
        .is_some_and(|length| u64::try_from(length).is_ok_and(|length| length > MAX_BYTES))
    {
        return Err(s3_error!(
            EntityTooLarge,
            "Your proposed upload exceeds the maximum allowed size"
        ));
    }
    if Checksums::from(claims.checksum.clone())
        .values()
        .iter()
        .flatten()
        .count()
        > 1
    {
        return Err(s3_error!(
            InvalidRequest,
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        ));
    }
    let claimed_md5 = claims.content_md5.as_deref().map(decode_md5).transpose()?;
    let mut hashes = Hashes::for_claims(
        &claims.checksum,
        claims.algorithm.as_ref(),
        claims.trailer.as_deref(),
    );
    let mut md5 = Md5::new();
    let mut spool = Spool::new(folder);
    if let Some(mut body) = body {
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| body_error(&*error))?;
            md5.update(&piece);
            hashes.update(&piece);
            spool.take(piece).await?;
        }
    }
    let md5 = md5.finalize();
    if let Some(claimed) = claimed_md5.filter(|claimed| *claimed != md5) {
        let error = s3_error!(
            BadDigest,
            "The Content-MD5 you specified did not match what we received."
        );
        let (expected, calculated) = (hex::encode(claimed), STANDARD.encode(md5));
        return Err(with_fields(
            error,
            &[
                ("ExpectedDigest", &expected),
                ("CalculatedDigest", &calculated),
            ],
        ));
    }
    let checksums = hashes.finalize();
    let mut claimed = Checksums::from(claims.checksum);
    if let Some(trailers) = claims.trailing_headers.and_then(|trailers| trailers.take()) {
        hashes::add_trailers(&mut claimed, &trailers);
    }
    hashes::verify(&claimed, &checksums)?;
    let (blob, size) = spool.finish().await?;
    Ok(Incoming {
        blob,
        size,
        md5,
        checksums,
    })
}

fn decode_md5(text: &str) -> S3Result<[u8; 16]> {
    let bytes = STANDARD
        .decode(text)
        .ok()
        .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    bytes.ok_or_else(|| {
        let error = s3_error!(InvalidDigest, "The Content-MD5 you specified was invalid.");
        with_fields(error, &[("Content-MD5", text)])
    })
}

/// The signing layer reports a broken body as a stream error whose type is private; its text is all
/// there is to go by.
fn body_error(error: &(dyn std::error::Error + Send + Sync + 'static)) -> s3s::S3Error {
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        return s3s::S3Error::with_message(
            s3s::S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()),
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
        .with_status(http::StatusCode::BAD_REQUEST);
    }
    if text.contains("SignatureMismatch") {
        return s3_error!(SignatureDoesNotMatch);
    }
    s3_error!(
        IncompleteBody,
        "You did not provide the number of bytes specified by the Content-Length HTTP header."
    )
}

trait WithStatus {
    fn with_status(self, status: http::StatusCode) -> Self;
}

impl WithStatus for s3s::S3Error {
    fn with_status(mut self, status: http::StatusCode) -> Self {
        self.set_status_code(status);
        self
    }
}

/// Where a body goes while it arrives.
struct Spool {
    folder: PathBuf,
    pieces: Vec<Bytes>,
    held: usize,
    size: u64,
    file: Option<(Blob, std::fs::File)>,
}

impl Spool {
    fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            pieces: Vec::new(),
            held: 0,
            size: 0,
            file: None,
        }
    }

    async fn take(&mut self, piece: Bytes) -> S3Result<()> {
        self.held += piece.len();
        self.size += piece.len() as u64;
        if self.size > MAX_BYTES {
            return Err(s3_error!(
                EntityTooLarge,
                "Your proposed upload exceeds the maximum allowed size"
            ));
        }
        self.pieces.push(piece);
        if self.held > IN_MEMORY {
            self.flush().await
        } else {
            Ok(())
        }
    }

    async fn flush(&mut self) -> S3Result<()> {
        let pieces = std::mem::take(&mut self.pieces);
        self.held = 0;
        let (file, folder) = (self.file.take(), self.folder.clone());
        let written = on_disk(move || {
            append(file, &folder, &pieces)
                .map_err(|error| internal("write an object to", &folder, &error))
        });
        self.file = Some(written.await?);
        Ok(())
    }

    async fn finish(mut self) -> S3Result<(Blob, u64)> {
        if self.file.is_none() || !self.pieces.is_empty() {
            self.flush().await?;
        }
        let (blob, _file) = self.file.take().ok_or_else(|| s3_error!(InternalError))?;
        Ok((blob, self.size))
    }
}

fn append(
    file: Option<(Blob, std::fs::File)>,
    folder: &Path,
    pieces: &[Bytes],
) -> std::io::Result<(Blob, std::fs::File)> {
    crate::disk::has_room(folder)?;
    let (blob, mut file) = match file {
        Some(open) => open,
        None => Blob::create(folder)?,
    };
    for piece in pieces {
        file.write_all(piece)?;
    }
    Ok((blob, file))
}
