//! The checksums that S3 clients send: computed in one pass, compared with what was claimed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::checksum::ChecksumHasher;
use s3s::dto::{Checksum, ChecksumAlgorithm};
use s3s::{S3Result, s3_error};

use super::object::Checksums;

/// The name of each algorithm, in the order of [`Checksums::values`].
pub const ALGORITHMS: [&str; 5] = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"];

/// Computes the checksums that a client claims, or CRC64NVME when it claims none, as S3 does.
#[derive(Default)]
pub struct Hashes(ChecksumHasher);

impl Hashes {
    /// Returns hashers for every checksum in the headers, the algorithm header and the announced
    /// trailer.
    pub fn for_claims(
        claimed: &Checksum,
        algorithm: Option<&ChecksumAlgorithm>,
        trailer: Option<&str>,
    ) -> Self {
        let mut hashes = Self::default();
        let claimed = Checksums::from(claimed.clone());
        for (name, value) in ALGORITHMS.into_iter().zip(claimed.values()) {
            if value.is_some() {
                hashes.add(name);
            }
        }
        if let Some(algorithm) = algorithm {
            hashes.add(algorithm.as_str());
        }
        for name in trailer.unwrap_or_default().split(',') {
            hashes.add(name.trim().trim_start_matches("x-amz-checksum-"));
        }
        if hashes.is_empty() {
            hashes.add("CRC64NVME");
        }
        hashes
    }

    /// Returns a hasher for one algorithm; none for an unknown one.
    pub fn only(algorithm: &str) -> Self {
        let mut hashes = Self::default();
        hashes.add(algorithm);
        hashes
    }

    fn add(&mut self, algorithm: &str) {
        match algorithm.to_ascii_uppercase().as_str() {
            "CRC32" => self.0.crc32 = Some(s3s::crypto::Crc32::default()),
            "CRC32C" => self.0.crc32c = Some(s3s::crypto::Crc32c::default()),
            "CRC64NVME" => self.0.crc64nvme = Some(s3s::crypto::Crc64Nvme::default()),
            "SHA1" => self.0.sha1 = Some(<s3s::crypto::Sha1 as s3s::crypto::Checksum>::new()),
            "SHA256" => self.0.sha256 = Some(<s3s::crypto::Sha256 as s3s::crypto::Checksum>::new()),
            _ => {}
        }
    }

    fn is_empty(&self) -> bool {
        let ChecksumHasher {
            crc32,
            crc32c,
            sha1,
            sha256,
            crc64nvme,
            ..
        } = &self.0;
        crc32.is_none()
            && crc32c.is_none()
            && sha1.is_none()
            && sha256.is_none()
            && crc64nvme.is_none()
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finalize(self) -> Checksums {
        self.0.finalize().into()
    }
}

/// Adds the checksums that followed the body.
pub fn add_trailers(claimed: &mut Checksums, trailers: &http::HeaderMap) {
    let value = |name: &str| {
        let name = format!("x-amz-checksum-{}", name.to_ascii_lowercase());
        trailers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(|value| value.trim().to_owned())
    };
    claimed.crc32 = claimed.crc32.take().or_else(|| value("CRC32"));
    claimed.crc32c = claimed.crc32c.take().or_else(|| value("CRC32C"));
    claimed.crc64nvme = claimed.crc64nvme.take().or_else(|| value("CRC64NVME"));
    claimed.sha1 = claimed.sha1.take().or_else(|| value("SHA1"));
    claimed.sha256 = claimed.sha256.take().or_else(|| value("SHA256"));
}

/// Compares every claimed checksum with the computed one.
pub fn verify(claimed: &Checksums, computed: &Checksums) -> S3Result<()> {
    for ((name, claimed), computed) in ALGORITHMS
        .into_iter()
        .zip(claimed.values())
        .zip(computed.values())
    {
        let Some(claimed) = claimed else { continue };
        if STANDARD.decode(claimed).is_err() {
            return Err(s3_error!(
                InvalidRequest,
                "Value for x-amz-checksum-{} header is invalid.",
                name.to_ascii_lowercase()
            ));
        }
        if computed != Some(claimed) {
            return Err(s3_error!(
                BadDigest,
                "The {name} you specified did not match the calculated checksum."
            ));
        }
    }
    Ok(())
}
