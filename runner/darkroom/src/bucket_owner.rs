//! Tells S3 with every call whose bucket is meant, so that a bucket of another account with the same
//! name is refused instead of used.
//!
//! Source: S3 user guide, "Verifying bucket ownership with bucket owner condition": a wrong owner is
//! answered with 403; making a bucket and listing buckets take no owner.

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

const HEADER: &str = "x-amz-expected-bucket-owner";

/// Adds the owner to the calls of a client of S3.
#[derive(Clone, Debug)]
pub struct BucketOwner {
    account_id: String,
}

impl BucketOwner {
    pub fn new(account_id: &str) -> Self {
        Self {
            account_id: account_id.to_owned(),
        }
    }
}

impl Intercept for BucketOwner {
    fn name(&self) -> &'static str {
        "BucketOwner"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        if takes_owner(request.method(), request.uri()) {
            let headers = request.headers_mut();
            headers.insert(HEADER, self.account_id.clone());
        }
        Ok(())
    }
}

/// Says whether a call is of a bucket that is there. The SDK names the operation in the query of all
/// calls that nothing else tells apart.
fn takes_owner(method: &str, uri: &str) -> bool {
    let query = uri.split_once('?').map(|(_, query)| query);
    let makes_bucket = method == "PUT" && query.is_none();
    let lists_buckets = query.is_some_and(|query| query.contains("x-id=ListBuckets"));
    !makes_bucket && !lists_buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_making_and_listing_buckets_take_no_owner() {
        assert!(!takes_owner("PUT", "http://b.s3.amazonaws.com/"));
        assert!(!takes_owner(
            "GET",
            "http://s3/?prefix=dkr-&x-id=ListBuckets"
        ));
        assert!(takes_owner("PUT", "http://s3/b?tagging"));
        assert!(takes_owner("PUT", "http://s3/b/k?x-id=PutObject"));
        assert!(takes_owner("DELETE", "http://s3/b"));
        assert!(takes_owner("HEAD", "http://s3/b"));
    }
}
