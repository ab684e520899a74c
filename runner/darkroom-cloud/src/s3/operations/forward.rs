//! Each S3 operation by its name, forwarded to the file that does it.

#![cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "two generated types for each of thirty operations"
    )
)]

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use super::{
    Operations, absent, access, buckets, defaults, lifecycle, multipart, objects, reading, tags,
};

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
