//! The little that Lambda needs of S3: reading an object that holds code.

use bytes::Bytes;
use std::pin::Pin;

/// Why an object was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectError {
    /// As S3 says it: `NoSuchBucket`, `NoSuchKey`, with its message.
    Refused { code: String, message: String },
    /// Longer than the limit.
    TooLarge,
}

/// A future that a trait object can give.
pub type Reading<'a> = Pin<Box<dyn Future<Output = Result<Bytes, ObjectError>> + Send + 'a>>;

/// Reads objects; S3 implements it.
pub trait Objects: Send + Sync {
    /// Returns the whole object if it is at most `limit` bytes long.
    fn get<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        version: Option<&'a str>,
        limit: u64,
    ) -> Reading<'a>;
}

/// A world without buckets.
pub struct NoObjects;

impl Objects for NoObjects {
    fn get<'a>(
        &'a self,
        _bucket: &'a str,
        _key: &'a str,
        _version: Option<&'a str>,
        _limit: u64,
    ) -> Reading<'a> {
        let refused = ObjectError::Refused {
            code: "NoSuchBucket".to_owned(),
            message: "The specified bucket does not exist".to_owned(),
        };
        Box::pin(std::future::ready(Err(refused)))
    }
}
