//! S3, as far as pipelines, the AWS CLI and boto3 need it: buckets, objects, multipart, listings,
//! notifications.
//!
//! `s3s` reads and writes the wire and checks signatures; everything behind it is ours: a [`store`]
//! over a folder, and the operations on it. Knows functions only through the two traits of
//! [`notification`]; knows no experiment.

mod blob;
mod conditions;
mod error_document;
mod form;
mod hashes;
mod incoming;
mod listing;
mod multipart;
mod new_bucket;
pub mod notification;
mod object;
mod operations;
mod permission;
mod service;
mod settings;
mod store;
mod url;
mod wire;

pub use notification::{EventTarget, FunctionDirectory};
pub use service::{ACCOUNT_ID, OWNER_ID, S3, S3Config};
pub use store::StoreError;
pub(crate) use url::decode;
pub use url::{encode_key, parse_pairs};
