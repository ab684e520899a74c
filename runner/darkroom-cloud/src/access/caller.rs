//! An environment of a function as the sender of requests, and the keys it signs with.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::names::Work;
use super::question::Question;
use crate::ACCOUNT_ID;

/// An environment of a function, as whose code a request is judged.
#[derive(Debug)]
pub struct Caller {
    pub function_arn: String,
    pub function_name: String,
    pub(super) role_arn: String,
    /// What it works on; nothing while it is initialised.
    pub(super) work: Mutex<Option<Arc<Work>>>,
    /// It has answered, and the next event has not come.
    pub(super) has_answered: AtomicBool,
}

/// The keys a handler signs with.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
}

impl Default for Credentials {
    fn default() -> Self {
        let text = || "test".to_owned();
        Self {
            access_key_id: text(),
            secret_access_key: text(),
            session_token: text(),
        }
    }
}

impl Caller {
    /// Says what the environment works on from now on.
    pub(crate) fn works_on(&self, work: Option<Work>) {
        *self.work.lock().unwrap_or_else(PoisonError::into_inner) = work.map(Arc::new);
        self.has_answered.store(false, Ordering::Release);
    }

    /// Says that the code has answered: what it sends from now on is in no time that was measured.
    pub(crate) fn answers(&self) {
        self.has_answered.store(true, Ordering::Release);
    }

    pub(crate) fn has_answered(&self) -> bool {
        self.has_answered.load(Ordering::Acquire)
    }

    pub(crate) fn work(&self) -> Option<Arc<Work>> {
        self.work
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns the session that the function's code acts as.
    pub fn session_arn(&self) -> String {
        let role = self.role_arn.rsplit('/').next().unwrap_or_default();
        format!(
            "arn:aws:sts::{ACCOUNT_ID}:assumed-role/{role}/{}",
            self.function_name
        )
    }

    pub(super) fn denial_message(&self, asked: &Question, why: &str) -> String {
        let (
            who,
            Question {
                action, resource, ..
            },
        ) = (self.session_arn(), asked);
        format!("User: {who} is not authorized to perform: {action} on resource: {resource} {why}")
    }
}
