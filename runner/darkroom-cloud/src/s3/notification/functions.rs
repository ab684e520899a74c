//! What S3 needs from the functions that it tells.

use bytes::Bytes;

use crate::lineage::Lineage;

/// What S3 asks about a function before it accepts it as a destination.
pub trait FunctionDirectory: Send + Sync {
    /// Returns whether the function of this ARN exists and its policy lets `s3.amazonaws.com`
    /// invoke it for the bucket.
    fn allows_s3(&self, function_arn: &str, bucket_arn: &str) -> bool;
}

/// Where events go.
pub trait EventTarget: Send + Sync {
    /// Queues an asynchronous invocation (`InvocationType=Event`) that continues with `chain`.
    /// Returns at once; the queue retries.
    fn invoke_async(&self, function_arn: &str, payload: Bytes, chain: Lineage);
}
