//! Connects the services: S3 calls Lambda, Lambda reads from S3, and a handler calls the whole
//! cloud.
//!
//! Each service knows the others only through small traits. This file joins them, with weak
//! references where a cycle would keep itself alive.

use crate::lambda::environment::ServeConnection;
use crate::lambda::{Lambda, ObjectError, Objects, Reading};
use crate::lineage::Lineage;
use crate::s3::{EventTarget, FunctionDirectory, S3, StoreError};
use crate::server::{self, Services};
use bytes::Bytes;
use std::sync::{Arc, OnceLock, Weak};
use tokio::sync::watch;

/// Lambda as S3 sees it. Empty until Lambda is there, which it is before the first request.
#[derive(Clone, Default)]
pub(crate) struct Functions(Arc<OnceLock<Weak<Lambda>>>);

impl Functions {
    pub fn set(&self, lambda: &Arc<Lambda>) {
        // Set once, at the start.
        let _ = self.0.set(Arc::downgrade(lambda));
    }

    fn lambda(&self) -> Option<Arc<Lambda>> {
        self.0.get()?.upgrade()
    }
}

impl FunctionDirectory for Functions {
    fn allows_s3(&self, function_arn: &str, bucket_arn: &str) -> bool {
        let may =
            |lambda: Arc<Lambda>| lambda.may_invoke(function_arn, "s3.amazonaws.com", bucket_arn);
        self.lambda().is_some_and(|lambda| may(lambda).is_ok())
    }
}

impl EventTarget for Functions {
    fn invoke_async(&self, function_arn: &str, payload: Bytes, chain: Lineage) {
        if let Some(lambda) = self.lambda()
            && let Err(reason) = lambda.invoke_event(function_arn, payload, chain)
        {
            tracing::warn!("an event for {function_arn} was dropped: {reason:?}");
        }
    }
}

/// Buckets as Lambda sees them.
pub(crate) struct Buckets(pub S3);

impl Objects for Buckets {
    fn get<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        _version: Option<&'a str>,
        limit: u64,
    ) -> Reading<'a> {
        Box::pin(async move {
            let content = self.0.object(bucket, key).await.map_err(object_error)?;
            if content.len() as u64 > limit {
                Err(ObjectError::TooLarge)
            } else {
                Ok(content)
            }
        })
    }
}

fn object_error(error: StoreError) -> ObjectError {
    let (code, message) = match error {
        StoreError::NoSuchBucket => (
            "NoSuchBucket",
            "The specified bucket does not exist".to_owned(),
        ),
        StoreError::NoSuchKey => ("NoSuchKey", "The specified key does not exist.".to_owned()),
        other => ("InternalError", other.to_string()),
    };
    ObjectError::Refused {
        code: code.to_owned(),
        message,
    }
}

/// The cloud as a handler's connection reaches it, without a detour over the port.
#[derive(Clone, Default)]
pub(crate) struct Inside(Arc<OnceLock<(Weak<Services>, watch::Receiver<bool>)>>);

impl Inside {
    pub fn set(&self, services: &Arc<Services>, stopped: watch::Receiver<bool>) {
        // Set once, at the start.
        let _ = self.0.set((Arc::downgrade(services), stopped));
    }

    pub fn serve(&self) -> ServeConnection {
        let inside = self.clone();
        Arc::new(move |stream, working| {
            if let Some((services, stopped)) = inside.0.get()
                && let Some(services) = services.upgrade()
            {
                tokio::spawn(server::serve(
                    stream,
                    services,
                    stopped.clone(),
                    Some(working),
                ));
            }
        })
    }
}
