//! Fields that many generated inputs and outputs share without sharing a type.

/// Takes the headers that are kept with an object out of an input.
macro_rules! attributes_of {
    ($input:ident) => {
        $crate::s3::object::Attributes {
            content_type: $input.content_type.take(),
            content_encoding: $crate::s3::operations::objects::content_encoding(
                $input.content_encoding.take(),
            ),
            content_disposition: $input.content_disposition.take(),
            content_language: $input.content_language.take(),
            cache_control: $input.cache_control.take(),
            expires_ms: $input
                .expires
                .as_ref()
                .map($crate::s3::operations::objects::milliseconds),
            website_redirect_location: $input.website_redirect_location.take(),
            storage_class: $crate::s3::operations::objects::storage_class(
                $input.storage_class.take(),
            )?,
            metadata: $crate::s3::operations::objects::metadata($input.metadata.take())?,
        }
    };
}

/// Takes the checksums that a client claims out of an input or a part.
macro_rules! checksum_of {
    ($input:ident) => {
        s3s::dto::Checksum {
            checksum_crc32: $input.checksum_crc32.take(),
            checksum_crc32c: $input.checksum_crc32c.take(),
            checksum_crc64nvme: $input.checksum_crc64nvme.take(),
            checksum_sha1: $input.checksum_sha1.take(),
            checksum_sha256: $input.checksum_sha256.take(),
            checksum_type: None,
        }
    };
}

/// Sets the five checksums of an output to those of an object or a part.
macro_rules! set_checksums {
    ($output:expr, $checksums:expr) => {{
        let checksum = $checksums.to_wire();
        $output.checksum_crc32 = checksum.checksum_crc32;
        $output.checksum_crc32c = checksum.checksum_crc32c;
        $output.checksum_crc64nvme = checksum.checksum_crc64nvme;
        $output.checksum_sha1 = checksum.checksum_sha1;
        $output.checksum_sha256 = checksum.checksum_sha256;
    }};
}

pub(super) use {attributes_of, checksum_of, set_checksums};
