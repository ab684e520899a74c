//! Chooses the environment for an invocation: the free one that was used last, or a new one.
//!
//! A pool belongs to one version of one function at one revision; a new revision retires it. An
//! environment that has answered but not yet asked for the next event gets a moment, before a
//! second one is started.

use super::run::{Environment, Settling};
use super::types::FunctionSpec;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long to wait for an environment that has answered and is about to be free.
const ABOUT_TO_BE_FREE: Duration = Duration::from_millis(20);

/// All pools, by function and version.
#[derive(Default)]
pub struct Pools {
    pools: Mutex<HashMap<Key, Arc<Pool>>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    function_arn: String,
    version: String,
}

/// The environments of one revision.
pub struct Pool {
    revision: String,
    state: Mutex<PoolState>,
    freed: Notify,
}

#[derive(Default)]
struct PoolState {
    /// The one used last is at the end.
    idle: Vec<Idle>,
    /// Have answered, are not free yet.
    finishing: usize,
    /// Invocations that wait for one of those.
    waiting: usize,
    retired: bool,
}

struct Idle {
    environment: Environment,
    since: Instant,
}

impl Pools {
    /// Returns the pool of `spec`'s revision, and the idle environments of an older one, which are
    /// to be closed.
    pub fn of(&self, spec: &FunctionSpec) -> (Arc<Pool>, Vec<Environment>) {
        let key = Key {
            function_arn: spec.arn.clone(),
            version: spec.version.clone(),
        };
        let mut pools = lock(&self.pools);
        if let Some(pool) = pools
            .get(&key)
            .filter(|pool| pool.revision == spec.revision)
        {
            return (Arc::clone(pool), Vec::new());
        }
        let pool = Arc::new(Pool {
            revision: spec.revision.clone(),
            state: Mutex::default(),
            freed: Notify::new(),
        });
        let old = pools.insert(key, Arc::clone(&pool));
        (pool, old.map(|old| old.retire()).unwrap_or_default())
    }

    /// Retires every pool of a function; returns the idle environments, which are to be closed.
    pub fn retire(&self, function_arn: &str) -> Vec<Environment> {
        let mut pools = lock(&self.pools);
        let retired = pools.extract_if(|key, _| key.function_arn == function_arn);
        retired.flat_map(|(_, pool)| pool.retire()).collect()
    }

    /// Retires every pool.
    pub fn retire_all(&self) -> Vec<Environment> {
        lock(&self.pools)
            .drain()
            .flat_map(|(_, pool)| pool.retire())
            .collect()
    }

    /// Freezes what has been idle for `freeze_after`, and takes out what has been idle for
    /// `reap_after` and what does not stand still.
    ///
    /// Returns what is to be closed, and whether anything idle still runs.
    pub fn tidy(
        &self,
        freeze_after: Option<Duration>,
        reap_after: Duration,
    ) -> (Vec<Environment>, bool) {
        let pools: Vec<Arc<Pool>> = lock(&self.pools).values().cloned().collect();
        let (mut reaped, mut awake) = (Vec::new(), false);
        for pool in pools {
            let mut state = lock(&pool.state);
            for idle in state
                .idle
                .extract_if(.., |idle| idle.since.elapsed() >= reap_after)
            {
                reaped.push(idle.environment);
            }
            let Some(freeze_after) = freeze_after else {
                continue;
            };
            let works_on = |idle: &mut Idle| {
                if idle.since.elapsed() < freeze_after {
                    awake = true;
                    return false;
                }
                idle.environment.freeze();
                let settling = idle.environment.settles();
                awake |= settling == Settling::NotYet;
                settling == Settling::Never
            };
            let working = state.idle.extract_if(.., works_on);
            reaped.extend(working.map(|idle| idle.environment));
        }
        (reaped, awake)
    }
}

impl Pool {
    /// Returns a free environment, or `None` if one has to be made.
    pub async fn take(&self) -> Option<Environment> {
        let deadline = tokio::time::Instant::now() + ABOUT_TO_BE_FREE;
        loop {
            let freed = self.freed.notified();
            {
                let mut state = lock(&self.state);
                if let Some(idle) = state.idle.pop() {
                    return Some(idle.environment);
                }
                if state.finishing <= state.waiting {
                    return None;
                }
                state.waiting += 1;
            }
            let in_time = tokio::time::timeout_at(deadline, freed).await.is_ok();
            lock(&self.state).waiting -= 1;
            if !in_time {
                return self.take_idle();
            }
        }
    }

    /// Returns an environment that is free right now.
    pub fn take_idle(&self) -> Option<Environment> {
        lock(&self.state).idle.pop().map(|idle| idle.environment)
    }

    /// Notes that an environment has answered and will soon be given back.
    pub fn finishing(&self) {
        lock(&self.state).finishing += 1;
    }

    /// Takes an environment back after [`Self::finishing`]; returns it if it is to be closed.
    pub fn give_back(&self, environment: Environment) -> Option<Environment> {
        let mut state = lock(&self.state);
        state.finishing -= 1;
        if state.retired || !environment.is_usable() {
            return Some(environment);
        }
        state.idle.push(Idle {
            environment,
            since: Instant::now(),
        });
        drop(state);
        self.freed.notify_one();
        None
    }

    fn retire(&self) -> Vec<Environment> {
        let mut state = lock(&self.state);
        state.retired = true;
        state.idle.drain(..).map(|idle| idle.environment).collect()
    }
}

/// Locks; nothing panics while it holds one of these, and the state would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
