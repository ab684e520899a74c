//! Runs invocations: finds the version, acquires a permit, hands over to the environments, counts.
//!
//! Synchronous calls, the queue and S3 all come through here. Once begun, an invocation runs to its
//! end even if the caller hangs up, as on AWS.

use super::code::{Code, CodeStore};
use super::concurrency::{Concurrency, Permit, Throttle};
use super::environment::{Environments, FunctionSpec, InvokeOutcome, InvokeRequest, MetricSink};
use super::error::{ApiError, ApiResult};
use super::function::Function;
use super::limits;
use super::metrics;
use super::names::{FunctionRef, Home};
use super::store::FunctionStore;
use crate::lineage::Lineage;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// What running an invocation needs.
pub(crate) struct Invoker {
    pub home: Home,
    pub store: Arc<FunctionStore>,
    pub code: CodeStore,
    pub environments: Arc<Environments>,
    pub metrics: Arc<dyn MetricSink>,
    pub concurrency: Concurrency,
    /// Concurrent executions of the account.
    pub pool: u32,
    /// The waits before each further run of an asynchronous invocation that failed; the last one
    /// repeats.
    pub retry_delays: Vec<Duration>,
    /// True once the cloud stops: nothing waits any longer.
    pub stopped: watch::Receiver<bool>,
}

/// A version that was chosen to run.
#[derive(Clone)]
pub(crate) struct ChosenVersion {
    pub function: String,
    /// As invoked: a version, an alias, or nothing.
    pub qualifier: Option<String>,
    pub spec: Arc<FunctionSpec>,
    pub reserved: Option<u32>,
}

/// What an invocation brings.
#[derive(Clone)]
pub(crate) struct Event {
    pub request_id: String,
    pub payload: Bytes,
    pub client_context: Option<String>,
    /// The runs that led to it; with its own once it is taken.
    pub chain: Lineage,
}

/// The function has run as often in this chain as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recursive;

impl Invoker {
    /// Chooses the version to run; an alias with weights draws one.
    pub fn resolve(&self, wanted: &FunctionRef) -> ApiResult<ChosenVersion> {
        let missing = || ApiError::function_not_found(&wanted.arn_or_latest(&self.home));
        let mut records = self.store.read();
        let function = records
            .functions
            .get_mut(&wanted.name)
            .ok_or_else(missing)?;
        function.settle();
        let drawn = draw(function, wanted.qualifier.as_deref());
        let version = function.version(drawn).ok_or_else(missing)?;
        let folder_of = |code: &Code| self.code.unzipped(&code.sha256);
        Ok(ChosenVersion {
            function: function.name.clone(),
            qualifier: wanted.qualifier.clone(),
            spec: version.spec(&function.name, &self.home, folder_of),
            reserved: function.reserved_concurrency,
        })
    }

    /// Adds a run of the function to a chain. One run too many is refused and counted, unless the
    /// function allows loops.
    pub fn lengthen(&self, function: &str, chain: &mut Lineage) -> Result<(), Recursive> {
        if self.ends(function, chain) {
            tracing::warn!(
                "{function} ran {} times in one chain of events that it is part of, so the next \
                 event is dropped, as on AWS. To let it run, set RecursiveLoop=Allow with \
                 PutFunctionRecursionConfig.",
                limits::RUNS_IN_CHAIN
            );
            metrics::asynchronous(
                &*self.metrics,
                function,
                "RecursiveInvocationsDropped",
                1.0,
                "Count",
            );
            return Err(Recursive);
        }
        chain.add(function);
        Ok(())
    }

    /// Tells whether a chain of events may not start the function again.
    pub fn ends(&self, function: &str, chain: &Lineage) -> bool {
        let allowed = || {
            let records = self.store.read();
            let found = records.functions.get(function);
            found.is_some_and(|found| found.recursive_loop.as_deref() == Some("Allow"))
        };
        chain.runs(function) >= limits::RUNS_IN_CHAIN && !allowed()
    }

    /// Takes a place for the target, or says why there is none and counts the throttle.
    pub fn admit(&self, target: &ChosenVersion) -> Result<Permit, Throttle> {
        let admitted = self
            .concurrency
            .admit(&target.function, target.reserved, || self.unreserved());
        if admitted.is_err() {
            metrics::throttled(&*self.metrics, target);
        }
        admitted
    }

    /// Returns what functions without a reservation share.
    fn unreserved(&self) -> u32 {
        let records = self.store.read();
        let reserved: u32 = records
            .functions
            .values()
            .filter_map(|function| function.reserved_concurrency)
            .sum();
        self.pool
            .saturating_sub(reserved)
            .max(limits::MIN_UNRESERVED.min(self.pool))
    }

    /// Runs an invocation that has its place; `stream` takes the pieces of a streamed answer as
    /// they come. Goes on to the end by itself if the caller stops waiting.
    pub async fn run(
        self: &Arc<Self>,
        target: ChosenVersion,
        permit: Permit,
        event: Event,
        stream: Option<mpsc::Sender<Bytes>>,
    ) -> ApiResult<InvokeOutcome> {
        let (answer, answered) = oneshot::channel();
        let invoker = Arc::clone(self);
        tokio::spawn(async move {
            let invoked_arn = FunctionRef {
                name: target.function.clone(),
                qualifier: target.qualifier.clone(),
            };
            let request = InvokeRequest {
                request_id: event.request_id,
                payload: event.payload,
                invoked_arn: invoked_arn.arn(&invoker.home),
                client_context: event.client_context,
                chain: event.chain,
                stream,
            };
            let outcome = invoker
                .environments
                .invoke(Arc::clone(&target.spec), request)
                .await;
            let (report, failed) = (outcome.report.clone(), outcome.function_error.is_some());
            let running = (permit.of_function, permit.of_account);
            drop(permit);
            // A caller that hung up hears nothing; the invocation counts all the same.
            let _ = answer.send(outcome);
            metrics::invoked(&*invoker.metrics, &target, &report, failed, running);
        });
        // The sender is only lost if the environments panicked, which is ours to answer for.
        answered
            .await
            .map_err(|_| ApiError::service("The invocation was lost. Please try again."))
    }
}

/// Returns the qualifier to run: an alias's other version as often as its weight says, else what
/// was asked for.
fn draw<'a>(function: &'a Function, qualifier: Option<&'a str>) -> Option<&'a str> {
    let alias = qualifier.and_then(|name| function.aliases.get(name));
    match alias.and_then(|alias| alias.additional.as_ref()) {
        Some((other, weight)) if fraction() < *weight => Some(other),
        _ => qualifier,
    }
}

/// Returns a number drawn evenly from 0 to 1, 1 excluded: the low 53 bits of a random id, all of
/// them random.
fn fraction() -> f64 {
    const BITS: u64 = 1 << 53;
    let (_, low) = uuid::Uuid::new_v4().as_u64_pair();
    (low % BITS) as f64 / BITS as f64
}

#[cfg(test)]
mod tests {
    use super::super::function::{Alias, tests::function};
    use super::*;

    fn with_alias(weight: f64) -> Function {
        let mut function = function();
        let alias = Alias {
            name: "live".to_owned(),
            version: "1".to_owned(),
            description: String::new(),
            revision_id: String::new(),
            additional: Some(("2".to_owned(), weight)),
        };
        function.aliases.insert(alias.name.clone(), alias);
        function
    }

    #[test]
    fn weights_of_nothing_and_all_are_exact() {
        for _ in 0..100 {
            assert_eq!(draw(&with_alias(0.0), Some("live")), Some("live"));
            assert_eq!(draw(&with_alias(1.0), Some("live")), Some("2"));
            assert_eq!(draw(&with_alias(1.0), Some("1")), Some("1"));
        }
    }
}
