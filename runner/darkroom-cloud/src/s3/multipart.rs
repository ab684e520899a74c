//! Multipart uploads: parts gathered on disk until they are completed into one object, or aborted.
//!
//! Uploads live in memory and under `uploads/`; an upload that is not completed does not survive a
//! restart.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use s3s::crypto::{Checksum as _, Md5};

use super::blob::Blob;
use super::hashes::{ALGORITHMS, Hashes};
use super::incoming::Incoming;
use super::object::{Attributes, Checksums, now_ms};

/// The least that every part but the last must hold: 5 MiB.
const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;

/// All uploads in progress.
#[derive(Debug, Default)]
pub struct Uploads(Mutex<BTreeMap<String, Arc<Upload>>>);

/// One upload: what the object will be, and the parts so far.
#[derive(Debug)]
pub struct Upload {
    pub id: String,
    pub bucket: String,
    pub key: String,
    pub started_ms: i64,
    pub attributes: Attributes,
    pub tags: BTreeMap<String, String>,
    /// The checksum algorithm that the client chose, if any.
    pub algorithm: Option<String>,
    /// Whether the object's checksum is to be one of the parts' checksums.
    pub composite: bool,
    parts: Mutex<BTreeMap<i32, Arc<Part>>>,
}

/// One part as it was last uploaded.
#[derive(Debug)]
pub struct Part {
    pub number: i32,
    pub size: u64,
    pub md5: [u8; 16],
    pub checksums: Checksums,
    pub modified_ms: i64,
    blob: Blob,
}

impl Part {
    pub fn etag(&self) -> String {
        hex::encode(self.md5)
    }
}

/// A part as the completing client names it.
#[derive(Debug)]
pub struct Named {
    pub number: i32,
    /// Without quotes; `None` if the client leaves it out.
    pub etag: Option<String>,
    pub checksums: Checksums,
}

/// Why an upload can't be completed.
#[derive(Debug, thiserror::Error)]
pub enum CompleteError {
    #[error("part {number} was not found, or its ETag or checksum differs")]
    InvalidPart { number: i32, etag: String },
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    #[error("part {number} holds {size} bytes, less than the minimum")]
    EntityTooSmall {
        number: i32,
        size: u64,
        etag: String,
    },
    #[error(
        "the upload was created with {algorithm}, and the checksum of part {number} is missing"
    )]
    MissingChecksum { number: i32, algorithm: String },
    #[error("join the parts: {0}")]
    Io(#[from] io::Error),
}

/// The parts as one content.
#[derive(Debug)]
pub struct Joined {
    pub blob: Blob,
    pub size: u64,
    pub etag: String,
    pub checksums: Checksums,
    pub part_sizes: Vec<u64>,
}

impl Uploads {
    pub fn start(&self, upload: Upload) -> String {
        let id = upload.id.clone();
        self.0.lock().insert(id.clone(), Arc::new(upload));
        id
    }

    /// Returns the upload if it belongs to that bucket and key.
    pub fn get(&self, id: &str, bucket: &str, key: &str) -> Option<Arc<Upload>> {
        self.0
            .lock()
            .get(id)
            .filter(|upload| upload.bucket == bucket && upload.key == key)
            .cloned()
    }

    /// Forgets the upload; its parts go with the last one who reads them.
    pub fn remove(&self, id: &str) -> bool {
        self.0.lock().remove(id).is_some()
    }

    /// Forgets every upload of a bucket.
    pub fn remove_bucket(&self, bucket: &str) {
        self.0.lock().retain(|_, upload| upload.bucket != bucket);
    }

    /// Returns a bucket's uploads by key, then start.
    pub fn of_bucket(&self, bucket: &str) -> Vec<Arc<Upload>> {
        let mut found: Vec<_> = self
            .0
            .lock()
            .values()
            .filter(|upload| upload.bucket == bucket)
            .cloned()
            .collect();
        found.sort_by(|a, b| (&a.key, a.started_ms, &a.id).cmp(&(&b.key, b.started_ms, &b.id)));
        found
    }
}

impl Upload {
    pub fn new(
        bucket: String,
        key: String,
        attributes: Attributes,
        tags: BTreeMap<String, String>,
    ) -> Self {
        Self {
            id: uuid::Uuid::new_v4().simple().to_string(),
            bucket,
            key,
            started_ms: now_ms(),
            attributes,
            tags,
            algorithm: None,
            composite: false,
            parts: Mutex::default(),
        }
    }

    /// Adds a part, replacing one of the same number.
    pub fn add(&self, number: i32, incoming: Incoming) -> Arc<Part> {
        let Incoming {
            blob,
            size,
            md5,
            checksums,
        } = incoming;
        let part = Arc::new(Part {
            number,
            size,
            md5,
            checksums,
            modified_ms: now_ms(),
            blob,
        });
        self.parts.lock().insert(number, Arc::clone(&part));
        part
    }

    /// Returns the parts by number.
    pub fn parts(&self) -> Vec<Arc<Part>> {
        self.parts.lock().values().cloned().collect()
    }

    /// Finds the named parts and checks their order and sizes.
    pub fn select(&self, named: &[Named]) -> Result<Vec<Arc<Part>>, CompleteError> {
        if named
            .windows(2)
            .any(|pair| pair[0].number >= pair[1].number)
        {
            return Err(CompleteError::InvalidPartOrder);
        }
        let parts = named
            .iter()
            .map(|named| self.find(named))
            .collect::<Result<Vec<_>, _>>()?;
        match parts[..parts.len().saturating_sub(1)]
            .iter()
            .find(|part| part.size < MIN_PART_BYTES)
        {
            Some(part) => Err(CompleteError::EntityTooSmall {
                number: part.number,
                size: part.size,
                etag: part.etag(),
            }),
            None => Ok(parts),
        }
    }

    fn find(&self, named: &Named) -> Result<Arc<Part>, CompleteError> {
        let number = named.number;
        let part = self.parts.lock().get(&number).cloned();
        let same = |part: &Arc<Part>| {
            let etag = named.etag.as_ref().is_none_or(|etag| *etag == part.etag());
            let pairs = named
                .checksums
                .values()
                .into_iter()
                .zip(part.checksums.values());
            etag && pairs
                .into_iter()
                .all(|(claimed, stored)| claimed.is_none() || claimed == stored)
        };
        let invalid = || CompleteError::InvalidPart {
            number,
            etag: named.etag.clone().unwrap_or_default(),
        };
        let part = part.filter(same).ok_or_else(invalid)?;
        match &self.algorithm {
            Some(algorithm) if self.composite && named.checksums.is_empty() => {
                Err(CompleteError::MissingChecksum {
                    number,
                    algorithm: algorithm.to_lowercase(),
                })
            }
            _ => Ok(part),
        }
    }

    /// Writes the parts one after the other as a new blob in `folder`. Blocks.
    pub fn join(&self, parts: &[Arc<Part>], folder: &Path) -> Result<Joined, CompleteError> {
        let algorithm = self.algorithm.as_deref().unwrap_or("CRC64NVME");
        let mut hashes = (!self.composite).then(|| Hashes::only(algorithm));
        let mut md5 = Md5::new();
        let (blob, mut file) = Blob::create(folder)?;
        for part in parts {
            md5.update(&part.md5);
            append(&part.blob, &mut file, hashes.as_mut())?;
        }
        let checksums = match hashes {
            Some(hashes) => hashes.finalize(),
            None => composite(algorithm, parts),
        };
        Ok(Joined {
            blob,
            size: parts.iter().map(|part| part.size).sum(),
            etag: format!("{}-{}", hex::encode(md5.finalize()), parts.len()),
            checksums,
            part_sizes: parts.iter().map(|part| part.size).collect(),
        })
    }
}

fn append(part: &Blob, file: &mut File, hashes: Option<&mut Hashes>) -> io::Result<()> {
    let mut source = File::open(part.path())?;
    let Some(hashes) = hashes else {
        return io::copy(&mut source, file).map(drop);
    };
    let mut piece = vec![0; 256 * 1024];
    loop {
        match source.read(&mut piece)? {
            0 => return Ok(()),
            read => {
                hashes.update(&piece[..read]);
                file.write_all(&piece[..read])?;
            }
        }
    }
}

/// Returns the checksum of the parts' raw checksums, `<base64>-<parts>`; empty if a part has none
/// of that algorithm.
fn composite(algorithm: &str, parts: &[Arc<Part>]) -> Checksums {
    let Some(index) = ALGORITHMS.iter().position(|name| *name == algorithm) else {
        return Checksums::default();
    };
    let mut hashes = Hashes::only(algorithm);
    for part in parts {
        match part.checksums.values()[index].and_then(|value| STANDARD.decode(value).ok()) {
            Some(raw) => hashes.update(&raw),
            None => return Checksums::default(),
        }
    }
    let mut checksums = hashes.finalize();
    let count = parts.len();
    for value in [
        &mut checksums.crc32,
        &mut checksums.crc32c,
        &mut checksums.crc64nvme,
        &mut checksums.sha1,
        &mut checksums.sha256,
    ]
    .into_iter()
    .flatten()
    {
        *value = format!("{value}-{count}");
    }
    checksums.composite = true;
    checksums
}
