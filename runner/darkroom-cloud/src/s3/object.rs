//! What is known of one object, apart from its bytes: the value that the index holds and the
//! sidecar file stores.
//!
//! Plain data. Knows neither the disk nor the wire.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3s::dto::{Checksum, ChecksumType, Timestamp};
use serde::{Deserialize, Serialize};

/// One stored object. Immutable: a new PUT makes a new one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// The key as the client gave it: any UTF-8 of 1 to 1024 bytes.
    pub key: String,
    /// File name of the content under the bucket's `blobs/`. Never derived from the key.
    pub blob: String,
    /// Bytes of content.
    pub size: u64,
    /// Hex MD5, or `<hex>-<parts>` after a multipart upload; without quotes.
    pub etag: String,
    /// When it was written, in milliseconds since the epoch.
    pub modified_ms: i64,
    pub attributes: Attributes,
    pub checksums: Checksums,
    /// Sizes of the parts of a multipart upload, in order; empty otherwise.
    #[serde(default)]
    pub part_sizes: Vec<u64>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// The headers that a client may give with an object and gets back with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Attributes {
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub content_disposition: Option<String>,
    pub content_language: Option<String>,
    pub cache_control: Option<String>,
    /// `Expires`, in milliseconds since the epoch.
    pub expires_ms: Option<i64>,
    pub website_redirect_location: Option<String>,
    pub storage_class: Option<String>,
    /// `x-amz-meta-*` without that prefix.
    pub metadata: BTreeMap<String, String>,
}

/// Base64 checksums as S3 keeps them beside the `ETag`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checksums {
    pub crc32: Option<String>,
    pub crc32c: Option<String>,
    pub crc64nvme: Option<String>,
    pub sha1: Option<String>,
    pub sha256: Option<String>,
    /// A checksum of the parts' checksums (`<base64>-<parts>`), not of the whole content.
    #[serde(default)]
    pub composite: bool,
}

impl Checksums {
    /// Returns the wire form, with its type.
    pub fn to_wire(&self) -> Checksum {
        let kind = if self.composite {
            ChecksumType::COMPOSITE
        } else {
            ChecksumType::FULL_OBJECT
        };
        let mut wire = Checksum::default();
        wire.checksum_crc32.clone_from(&self.crc32);
        wire.checksum_crc32c.clone_from(&self.crc32c);
        wire.checksum_crc64nvme.clone_from(&self.crc64nvme);
        wire.checksum_sha1.clone_from(&self.sha1);
        wire.checksum_sha256.clone_from(&self.sha256);
        wire.checksum_type = (!self.is_empty()).then(|| ChecksumType::from_static(kind));
        wire
    }

    pub fn is_empty(&self) -> bool {
        self.values().iter().all(Option::is_none)
    }

    /// Returns the five values in a fixed order: CRC32, CRC32C, CRC64NVME, SHA1, SHA256.
    pub fn values(&self) -> [Option<&str>; 5] {
        [
            self.crc32.as_deref(),
            self.crc32c.as_deref(),
            self.crc64nvme.as_deref(),
            self.sha1.as_deref(),
            self.sha256.as_deref(),
        ]
    }
}

impl From<Checksum> for Checksums {
    fn from(wire: Checksum) -> Self {
        Self {
            crc32: wire.checksum_crc32,
            crc32c: wire.checksum_crc32c,
            crc64nvme: wire.checksum_crc64nvme,
            sha1: wire.checksum_sha1,
            sha256: wire.checksum_sha256,
            composite: false,
        }
    }
}

/// Returns the wall clock in milliseconds since the epoch.
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}

/// Returns the S3 form of a time: whole seconds, as S3 shows them everywhere.
pub fn timestamp(milliseconds: i64) -> Timestamp {
    let seconds = u64::try_from(milliseconds.div_euclid(1000)).unwrap_or(0);
    Timestamp::from(UNIX_EPOCH + Duration::from_secs(seconds))
}
