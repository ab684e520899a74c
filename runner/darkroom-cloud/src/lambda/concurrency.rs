//! Counts the invocations that run at once, and decides whether another may start. Functions with
//! reserved concurrency count separately; all others share the rest of the account's pool.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Why one more invocation may not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Throttle {
    /// The function's own reservation is used up.
    Reserved,
    /// The account's unreserved pool is used up.
    Account,
}

impl Throttle {
    /// `Reason` of `TooManyRequestsException`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Reserved => "ReservedFunctionConcurrentInvocationLimitExceeded",
            Self::Account => "ConcurrentInvocationLimitExceeded",
        }
    }
}

/// What runs now.
#[derive(Debug, Default)]
struct Running {
    /// By function name; a function that runs nothing has no entry.
    by_function: HashMap<String, u32>,
    /// Those admitted under the shared pool.
    unreserved: u32,
    all: u32,
    /// Who waits for a place, by function name; `""` for the shared pool.
    waiting: HashMap<String, Arc<Notify>>,
}

/// The counters of one account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Concurrency {
    running: Arc<Mutex<Running>>,
}

/// A place for one invocation; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Permit {
    running: Arc<Mutex<Running>>,
    function: String,
    reserved: bool,
    /// Running at the moment this one was admitted, itself included: of the function, and of the
    /// account.
    pub of_function: u32,
    pub of_account: u32,
}

impl Concurrency {
    /// Takes a place for `function` if there is one.
    ///
    /// `reserved` is the function's reservation; `pool` gives what all unreserved functions share.
    pub fn admit(
        &self,
        function: &str,
        reserved: Option<u32>,
        pool: impl FnOnce() -> u32,
    ) -> Result<Permit, Throttle> {
        let mut running = lock(&self.running);
        let own = running
            .by_function
            .get(function)
            .copied()
            .unwrap_or_default();
        match reserved {
            Some(limit) if own >= limit => return Err(Throttle::Reserved),
            Some(_) => {}
            None if running.unreserved >= pool() => return Err(Throttle::Account),
            None => running.unreserved += 1,
        }
        running.all += 1;
        running.by_function.insert(function.to_owned(), own + 1);
        Ok(Permit {
            running: Arc::clone(&self.running),
            function: function.to_owned(),
            reserved: reserved.is_some(),
            of_function: own + 1,
            of_account: running.all,
        })
    }

    /// Returns what is told when a place that `function` may take gets free.
    pub fn freed(&self, function: &str, throttle: Throttle) -> Arc<Notify> {
        let key = if throttle == Throttle::Reserved {
            function
        } else {
            ""
        };
        Arc::clone(
            lock(&self.running)
                .waiting
                .entry(key.to_owned())
                .or_default(),
        )
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut running = lock(&self.running);
        running.all -= 1;
        if !self.reserved {
            running.unreserved -= 1;
        }
        if let Some(own) = running.by_function.get_mut(&self.function) {
            *own -= 1;
            if *own == 0 {
                running.by_function.remove(&self.function);
            }
        }
        let key = if self.reserved {
            self.function.as_str()
        } else {
            ""
        };
        if let Some(waiting) = running.waiting.get(key) {
            waiting.notify_one();
        }
    }
}

/// Counters are whole after every statement that changes them, so a panic elsewhere does no harm.
fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_limits_and_guarantees() {
        let concurrency = Concurrency::default();
        let first = concurrency.admit("f", Some(1), || 0).unwrap();
        assert_eq!(
            concurrency.admit("f", Some(1), || 10).unwrap_err(),
            Throttle::Reserved
        );
        drop(first);
        assert!(concurrency.admit("f", Some(1), || 0).is_ok());
    }

    #[test]
    fn unreserved_functions_share_the_pool() {
        let concurrency = Concurrency::default();
        let _one = concurrency.admit("f", None, || 2).unwrap();
        let two = concurrency.admit("g", None, || 2).unwrap();
        assert_eq!((two.of_function, two.of_account), (1, 2));
        assert_eq!(
            concurrency.admit("h", None, || 2).unwrap_err(),
            Throttle::Account
        );
        drop(two);
        assert!(concurrency.admit("h", None, || 2).is_ok());
    }

    #[tokio::test]
    async fn a_freed_place_wakes_who_waits_for_it() {
        let concurrency = Concurrency::default();
        let held = concurrency.admit("f", Some(1), || 0).unwrap();
        let freed = concurrency.freed("f", Throttle::Reserved);
        drop(held);
        freed.notified().await;
    }
}
