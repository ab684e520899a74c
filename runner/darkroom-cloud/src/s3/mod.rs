//! S3, as far as pipelines, the AWS CLI and boto3 need it: buckets, objects, multipart, listings, notifications.
//!
//! `s3s` reads and writes the wire and checks signatures; everything behind it is ours: a [`store`] over a folder, and
//! the operations on it. Knows functions only through the two traits of [`notification`]; knows no experiment.

mod blob;
mod conditions;
mod form;
mod hashes;
mod incoming;
mod listing;
mod multipart;
pub mod notification;
mod object;
mod operations;
mod permission;
mod settings;
mod store;
mod url;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use crate::access::Access;
use crate::server::signature::Keys;
use bytes::Bytes;

pub use notification::{EventTarget, FunctionDirectory};
pub use store::StoreError;
pub use url::{encode_key, parse_pairs};

/// The account that owns every bucket.
pub const ACCOUNT_ID: &str = "000000000000";
/// The canonical user id of that account, as S3 shows it beside objects and in events.
pub const OWNER_ID: &str = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a";

/// What the service is started with.
pub struct Config {
    /// Everything is kept under this folder.
    pub folder: PathBuf,
    pub region: String,
    /// Access key and secret of every client that is let in.
    pub credentials: Vec<(String, String)>,
    /// What the code of functions may call; `None` where there are none.
    pub access: Option<Access>,
    pub functions: Arc<dyn FunctionDirectory>,
    pub events: Arc<dyn EventTarget>,
}

/// The S3 service. Cheap to clone.
#[derive(Clone)]
pub struct S3 {
    core: operations::Operations,
    wire: wire::Wire,
}

impl S3 {
    /// Opens the service over what the folder holds. Blocks while it reads the index.
    pub fn open(config: Config) -> Result<Self, StoreError> {
        let store = store::Store::open(&config.folder)?;
        let region = config.region.clone();
        let environments = config.access.as_ref().map(Access::issued).unwrap_or_default();
        let keys = Arc::new(Keys { clients: config.credentials, environments });
        let core = operations::Operations::new(store, config.region, config.functions, config.events);
        let wire = wire::Wire::new(core.clone(), keys, config.access, region);
        Ok(Self { core, wire })
    }

    /// Answers one HTTP request. Never fails: what goes wrong is an S3 error document.
    pub async fn call<B>(&self, request: http::Request<B>) -> http::Response<s3s::Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        self.wire.call(request.map(s3s::Body::http_body_unsync)).await
    }

    /// Returns the content of an object, for the other services of this cloud (a function's zip).
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], [`StoreError::NoSuchKey`], or what the disk says.
    pub async fn object(&self, bucket: &str, key: &str) -> Result<Bytes, StoreError> {
        self.core.object_bytes(bucket, key).await
    }
}
