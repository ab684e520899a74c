//! The state that all operations share, and who asked for one.

use std::sync::Arc;

use crate::lineage::Lineage;
use bytes::Bytes;
use s3s::{S3Request, S3Result};

use super::super::error_document::RequestIds;
use super::super::multipart::Uploads;
use super::super::notification::{
    EventTarget, FunctionDirectory, ObjectChange, Sequencer, payload,
};
use super::super::permission::Writer;
use super::super::store::{Bucket, Store, StoreError};
use super::{errors, reading};

/// The events of an object that is made.
const MADE: [&str; 4] = [
    "ObjectCreated:Put",
    "ObjectCreated:Post",
    "ObjectCreated:Copy",
    "ObjectCreated:CompleteMultipartUpload",
];

/// The state that all operations share. Cheap to clone.
#[derive(Clone)]
pub struct Operations(Arc<Shared>);

pub struct Shared {
    pub(super) store: Store,
    pub(super) uploads: Uploads,
    pub(super) region: String,
    pub(super) functions: Arc<dyn FunctionDirectory>,
    pub(super) events: Arc<dyn EventTarget>,
    pub(super) sequencer: Sequencer,
}

impl std::ops::Deref for Operations {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Operations {
    pub fn new(
        store: Store,
        region: String,
        functions: Arc<dyn FunctionDirectory>,
        events: Arc<dyn EventTarget>,
    ) -> Self {
        let (uploads, sequencer) = (Uploads::default(), Sequencer::default());
        Self(Arc::new(Shared {
            store,
            uploads,
            region,
            functions,
            events,
            sequencer,
        }))
    }

    pub async fn object_bytes(&self, bucket: &str, key: &str) -> Result<Bytes, StoreError> {
        let (bucket, key) = (self.store.bucket(bucket)?, key.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            let (object, mut file) = reading::open(&bucket, &key)?;
            let mut content = Vec::with_capacity(usize::try_from(object.size).unwrap_or(0));
            let read = std::io::Read::read_to_end(&mut file, &mut content);
            read.map(|_| Bytes::from(content))
                .map_err(StoreError::io("read", &bucket.blobs().join(&object.blob)))
        });
        read.await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    pub fn has_bucket(&self, name: &str) -> bool {
        self.store.bucket(name).is_ok()
    }

    /// Tells whether an object that is made under this key starts a function whose name `is_one`.
    pub fn starts_one_of(&self, bucket: &str, key: &str, is_one: impl Fn(&str) -> bool) -> bool {
        let Ok(bucket) = self.store.bucket(bucket) else {
            return false;
        };
        let function = |arn: &str| arn.split(':').nth(6).is_some_and(&is_one);
        bucket.with_settings(|settings| {
            let started = |event| {
                settings
                    .notifications
                    .matching(event, key)
                    .any(|rule| function(&rule.function_arn))
            };
            MADE.into_iter().any(started)
        })
    }

    pub(super) fn bucket(&self, name: &str) -> S3Result<Arc<Bucket>> {
        self.store
            .bucket(name)
            .map_err(|error| errors::of_bucket(error, name))
    }

    /// Tells every function that the bucket's configuration names of a change.
    pub(super) fn announce(
        &self,
        bucket: &Bucket,
        event: &str,
        key: &str,
        created: Option<(u64, &str)>,
        by: &By,
    ) {
        bucket.with_settings(|settings| {
            for rule in settings.notifications.matching(event, key) {
                let change = ObjectChange {
                    event,
                    bucket: &bucket.name,
                    region: &settings.region,
                    key,
                    created,
                    sequencer: self.sequencer.next(),
                    at: jiff::Timestamp::now(),
                    request_id: &by.ids.request_id,
                    host_id: &by.ids.host_id,
                    principal_id: &by.access_key,
                };
                self.events.invoke_async(
                    &rule.function_arn,
                    payload(&change, &rule.id),
                    by.chain.clone(),
                );
            }
        });
    }
}

/// Who asked for a change, under which request id, and in which chain of events.
#[derive(Clone)]
pub struct By {
    pub(super) ids: RequestIds,
    pub(super) access_key: String,
    pub(super) chain: Lineage,
    pub(super) writer: Option<Writer>,
}

impl By {
    pub(super) fn of<T>(request: &S3Request<T>) -> Self {
        Self {
            ids: request
                .extensions
                .get::<RequestIds>()
                .cloned()
                .unwrap_or_default(),
            access_key: request
                .credentials
                .as_ref()
                .map(|credentials| credentials.access_key.clone())
                .unwrap_or_default(),
            chain: request
                .extensions
                .get::<Lineage>()
                .cloned()
                .unwrap_or_default(),
            writer: request.extensions.get::<Writer>().cloned(),
        }
    }

    /// Judges a write by a function's code, just before it is kept.
    pub(super) fn check_in_time(&self, bucket: &Bucket, key: &str) -> S3Result<()> {
        self.writer
            .as_ref()
            .map_or(Ok(()), |writer| writer.check_in_time(&bucket.name, key))
    }
}
