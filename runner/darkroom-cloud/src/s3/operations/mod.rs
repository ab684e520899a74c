//! The S3 operations: each takes what `s3s` read from the wire, acts on the store, and says what
//! changed.
//!
//! This file only names the operations; the rooms beside it do them.

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
mod lifecycle;
mod multipart;
mod objects;
mod reading;
mod tags;

use std::sync::Arc;

use crate::lineage::Lineage;
use bytes::Bytes;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use super::error_document::RequestIds;
use super::multipart::Uploads;
use super::notification::{Change, EventTarget, FunctionDirectory, Sequencer, payload};
use super::permission::Writer;
use super::store::{Bucket, Store, StoreError};

pub use errors::{internal, on_disk, with_fields};

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
    store: Store,
    uploads: Uploads,
    region: String,
    functions: Arc<dyn FunctionDirectory>,
    events: Arc<dyn EventTarget>,
    sequencer: Sequencer,
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

    fn bucket(&self, name: &str) -> S3Result<Arc<Bucket>> {
        self.store
            .bucket(name)
            .map_err(|error| errors::of_bucket(error, name))
    }

    /// Tells every function that the bucket's configuration names of a change.
    fn announce(
        &self,
        bucket: &Bucket,
        event: &str,
        key: &str,
        created: Option<(u64, &str)>,
        by: &By,
    ) {
        bucket.with_settings(|settings| {
            for rule in settings.notifications.matching(event, key) {
                let change = Change {
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
    ids: RequestIds,
    access_key: String,
    chain: Lineage,
    writer: Option<Writer>,
}

impl By {
    fn of<T>(request: &S3Request<T>) -> Self {
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
    fn check_in_time(&self, bucket: &Bucket, key: &str) -> S3Result<()> {
        self.writer
            .as_ref()
            .map_or(Ok(()), |writer| writer.check_in_time(&bucket.name, key))
    }
}

/// Forwards each operation to the room that does it: the S3 operation is the function's name.
macro_rules! operations {
    ($($name:ident($input:ty) -> $output:ty = $room:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Operations {
            $(async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                $room::$name(self, request).await
            })*
        }
    };
}

operations! {
    create_bucket(CreateBucketInput) -> CreateBucketOutput = buckets;
    head_bucket(HeadBucketInput) -> HeadBucketOutput = buckets;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput = buckets;
    list_buckets(ListBucketsInput) -> ListBucketsOutput = buckets;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput = buckets;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = buckets;
    get_bucket_notification_configuration(GetBucketNotificationConfigurationInput)
        -> GetBucketNotificationConfigurationOutput = buckets;
    put_bucket_notification_configuration(PutBucketNotificationConfigurationInput)
        -> PutBucketNotificationConfigurationOutput = buckets;

    put_object(PutObjectInput) -> PutObjectOutput = objects;
    copy_object(CopyObjectInput) -> CopyObjectOutput = objects;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput = objects;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = objects;

    get_object(GetObjectInput) -> GetObjectOutput = reading;
    head_object(HeadObjectInput) -> HeadObjectOutput = reading;
    get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput = reading;
    list_objects(ListObjectsInput) -> ListObjectsOutput = buckets;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = buckets;

    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput = multipart;
    upload_part(UploadPartInput) -> UploadPartOutput = multipart;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = multipart;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput = multipart;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = multipart;
    list_parts(ListPartsInput) -> ListPartsOutput = multipart;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput = multipart;

    get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput = tags;
    put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput = tags;
    delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput = tags;
    get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput = tags;
    put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput = tags;
    delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput = tags;

    get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput = defaults;
    get_object_acl(GetObjectAclInput) -> GetObjectAclOutput = defaults;
    list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput = defaults;

    get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput = access;
    put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput = access;
    delete_public_access_block(DeletePublicAccessBlockInput) -> DeletePublicAccessBlockOutput = access;
    get_bucket_ownership_controls(GetBucketOwnershipControlsInput) -> GetBucketOwnershipControlsOutput = access;
    put_bucket_ownership_controls(PutBucketOwnershipControlsInput) -> PutBucketOwnershipControlsOutput = access;
    delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput)
        -> DeleteBucketOwnershipControlsOutput = access;
    get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput = access;
    put_bucket_encryption(PutBucketEncryptionInput) -> PutBucketEncryptionOutput = access;
    delete_bucket_encryption(DeleteBucketEncryptionInput) -> DeleteBucketEncryptionOutput = access;
    get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput = access;
    put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput = access;
    delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput = access;

    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput)
        -> GetBucketLifecycleConfigurationOutput = lifecycle;
    put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput)
        -> PutBucketLifecycleConfigurationOutput = lifecycle;
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput = absent;
    get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput = absent;
    get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput = absent;
    get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput = absent;
    get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput = absent;
    get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput)
        -> GetBucketAccelerateConfigurationOutput = absent;
    get_bucket_request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput = absent;
    delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput = lifecycle;
    delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput = absent;
    delete_bucket_website(DeleteBucketWebsiteInput) -> DeleteBucketWebsiteOutput = absent;
    delete_bucket_replication(DeleteBucketReplicationInput) -> DeleteBucketReplicationOutput = absent;
}
