//! The S3 operations: each takes what `s3s` read from the wire, acts on the store, and says what
//! changed.
//!
//! `forward` names the operations; the files beside it do them.

#![cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "two generated types for each of thirty operations"
    )
)]

mod absent;
mod access;
mod buckets;
mod defaults;
mod errors;
mod fields;
mod forward;
mod lifecycle;
mod multipart;
mod objects;
mod reading;
mod shared;
mod tags;

pub use errors::{internal, on_disk, with_fields};
pub use shared::{By, Operations};
