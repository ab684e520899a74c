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
mod settings;
mod store;
mod url;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::access::Access;
use crate::keys::Keys;

pub use notification::{EventTarget, FunctionDirectory};
pub use store::StoreError;
pub(crate) use url::decode;
pub use url::{encode_key, parse_pairs};

/// The account that owns every bucket.
pub const ACCOUNT_ID: &str = "000000000000";
/// The canonical user id of that account, as S3 shows it beside objects and in events.
pub const OWNER_ID: &str = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a";

/// What the service is started with.
pub struct S3Config {
    /// Everything is kept under this folder.
    pub folder: PathBuf,
    pub region: String,
    /// Who is let in.
    pub keys: Arc<Keys>,
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
    pub fn open(config: S3Config) -> Result<Self, StoreError> {
        let store = store::Store::open(&config.folder)?;
        let region = config.region.clone();
        let core =
            operations::Operations::new(store, config.region, config.functions, config.events);
        let wire = wire::Wire::new(core.clone(), config.keys, config.access, region);
        Ok(Self { core, wire })
    }

    /// Answers one HTTP request. Never fails: what goes wrong is an S3 error document.
    pub async fn call<B>(&self, request: http::Request<B>) -> http::Response<s3s::Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        self.wire
            .call(request.map(s3s::Body::http_body_unsync))
            .await
    }

    /// Returns the content of an object, for the other services of this cloud (a function's zip).
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], [`StoreError::NoSuchKey`], or what the disk says.
    pub async fn object(&self, bucket: &str, key: &str) -> Result<Bytes, StoreError> {
        self.core.object_bytes(bucket, key).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By method, target and body: XML, listings, and URLs signed by a key that anybody knows.
    #[test]
    fn whatever_a_client_sends_is_answered() {
        let words = &[
            "PUT /b1b/k?",
            "POST /b1b/k?",
            "POST /b1b?",
            "GET /b1b?",
            "delete=",
            "uploads=",
            "uploadId=",
            "notification=",
            "tagging=",
            "lifecycle=",
            "list-type=2",
            "max-keys=",
            "-1",
            "continuation-token=",
            "\n",
            "<Delete>",
            "<Object>",
            "<Key>",
            "</Key>",
            "</Object>",
            "</Delete>",
            "<Tagging>",
            "<![CDATA[",
            "]]>",
            "<!DOCTYPE x [<!ENTITY a \"b\">]>",
            "&a;",
            "&#0;",
            "<a b='",
            "X-Amz-Expires=",
            "%",
            "&",
        ];
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let functions = Arc::new(crate::bridges::Functions::default());
        let config = S3Config {
            folder: folder.path().to_owned(),
            region: "us-east-1".to_owned(),
            keys: Arc::new(Keys::open([])),
            access: None,
            functions: functions.clone(),
            events: functions,
        };
        let s3 = S3::open(config).unwrap();
        // Without its checks, so that everything is read; and with them, for what they read.
        let open = s3s::service::S3ServiceBuilder::new(s3.core.clone()).build();
        let empty = || {
            http::Request::put("/b1b")
                .header("host", "127.0.0.1")
                .body(s3s::Body::empty())
                .unwrap()
        };
        assert!(
            runtime
                .block_on(open.call(empty()))
                .unwrap()
                .status()
                .is_success()
        );
        crate::hostile::Parser {
            name: "s3",
            words,
            longest: 1 << 20,
        }
        .hold(|input| {
            let (line, body) = input.split_at(
                input
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .unwrap_or(input.len()),
            );
            let line = String::from_utf8_lossy(line);
            let (method, target) = line.split_once(' ').unwrap_or(("GET", &line));
            let body = Bytes::copy_from_slice(body.get(1..).unwrap_or_default());
            let request = || {
                let request = http::Request::builder()
                    .method(method)
                    .uri(target)
                    .header("host", "127.0.0.1");
                request.body(s3s::Body::from(body.clone()))
            };
            // What is no request at all never gets here.
            let (Ok(first), Ok(second)) = (request(), request()) else {
                return;
            };
            runtime.block_on(async {
                let _ = open.call(first).await;
                s3.wire.call(second).await;
            });
        });
    }
}
