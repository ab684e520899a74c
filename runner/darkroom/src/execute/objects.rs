//! The objects that the runner itself puts into the experiment's bucket and removes, outside of the
//! timed part.
//!
//! A stage's input may be the right answer of the stage before. So it exists only from just before
//! the call until the pass is over, under a name that nobody can guess (see
//! [`given_key`](super::event_shape::given_key)), and a session begins with an empty bucket.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;

use super::{ExecuteError, Setup};
use crate::deploy::names::PACKAGES_PREFIX;
use crate::error_text::error_message;

/// Uploads what a stage is given.
pub async fn give(setup: &Setup, key: &str, bytes: &Bytes) -> Result<(), ExecuteError> {
    let put = setup
        .s3
        .put_object()
        .bucket(&setup.bucket)
        .key(key)
        .body(ByteStream::from(bytes.clone()));
    put.send()
        .await
        .map(|_| ())
        .map_err(|error| ExecuteError::Upload {
            key: key.to_owned(),
            reason: error_message(&error),
        })
}

/// Removes these objects. What can't be removed now goes when the next session begins, or with the
/// bucket.
pub async fn remove(setup: &Setup, keys: impl Iterator<Item = &str>) {
    let _ = delete(setup, keys).await;
}

/// Removes every object under a prefix. What can't be removed now goes with the bucket.
pub async fn sweep(setup: &Setup, prefix: &str) {
    let _ = removed(setup, prefix).await;
}

/// Removes what earlier sessions and their handlers left: everything but the packages. One run of
/// an experiment is running at a time, so nobody else needs it.
pub async fn begin_empty(setup: &Setup) -> Result<(), ExecuteError> {
    let bucket = setup.bucket.clone();
    removed(setup, "")
        .await
        .map_err(|reason| ExecuteError::Leftovers { bucket, reason })
}

async fn removed(setup: &Setup, prefix: &str) -> Result<(), String> {
    let mut pages = setup
        .s3
        .list_objects_v2()
        .bucket(&setup.bucket)
        .prefix(prefix)
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| error_message(&error))?;
        let keys = page.contents().iter().filter_map(|object| object.key());
        delete(setup, keys.filter(|key| !key.starts_with(PACKAGES_PREFIX))).await?;
    }
    Ok(())
}

/// Removes at most a thousand objects; fails with the first that stays.
async fn delete(setup: &Setup, keys: impl Iterator<Item = &str>) -> Result<(), String> {
    let objects: Vec<_> = keys
        .filter_map(|key| ObjectIdentifier::builder().key(key).build().ok())
        .collect();
    if objects.is_empty() {
        return Ok(());
    }
    let delete = Delete::builder()
        .quiet(true)
        .set_objects(Some(objects))
        .build()
        .map_err(|error| error.to_string())?;
    let sent = setup
        .s3
        .delete_objects()
        .bucket(&setup.bucket)
        .delete(delete)
        .send()
        .await;
    match sent
        .map_err(|error| error_message(&error))?
        .errors()
        .first()
    {
        Some(kept) => Err(format!(
            "{}: {}",
            kept.key().unwrap_or_default(),
            kept.message().unwrap_or_default()
        )),
        None => Ok(()),
    }
}
