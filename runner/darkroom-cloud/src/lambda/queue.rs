//! Asynchronous invocations: each event waits for a permit, runs, is retried if its function fails,
//! and ends at a destination.
//!
//! Events live in memory: a stop or a crash loses those that have not run. The function's current
//! version counts when an event runs, not when it arrived.

use super::clock;
use super::concurrency::{Permit, Throttle};
use super::environment::InvokeOutcome;
use super::function::EventInvokeConfig;
use super::invoker::{ChosenVersion, Event, Invoker, Recursive};
use super::limits;
use super::metrics;
use super::names::{self, FunctionRef, LATEST};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The first and the longest wait of an event that is throttled \[DOC\].
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// How an event ended, as a destination is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Success,
    RetriesExhausted,
    EventAgeExceeded,
    ZeroReservedConcurrency,
    /// AWS documents no name for this one; it is ours.
    RecursiveInvocation,
}

impl Condition {
    fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::ZeroReservedConcurrency => "ZeroReservedConcurrency",
            Self::RecursiveInvocation => "RecursiveInvocation",
        }
    }
}

/// An event on its way.
struct AsyncDelivery {
    function: FunctionRef,
    event: Event,
    came: Instant,
    /// Runs so far.
    runs: u32,
    /// What the last run came to, and the version that ran.
    last: Option<(InvokeOutcome, String)>,
}

impl Invoker {
    /// Accepts an event for a function that exists. It runs when there is a permit.
    pub fn enqueue(self: &Arc<Self>, function: FunctionRef, event: Event) {
        metrics::asynchronous(
            &*self.metrics,
            &function.name,
            "AsyncEventsReceived",
            1.0,
            "Count",
        );
        let invoker = Arc::clone(self);
        let delivery = AsyncDelivery {
            function,
            event,
            came: Instant::now(),
            runs: 0,
            last: None,
        };
        tokio::spawn(async move {
            let mut stopped = invoker.stopped.clone();
            tokio::select! {
                () = deliver(&invoker, delivery) => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        });
    }

    fn settings(&self, function: &FunctionRef) -> EventInvokeConfig {
        let records = self.store.read();
        let found = records.functions.get(&function.name);
        let key = function.qualifier.as_deref().unwrap_or(LATEST);
        found
            .and_then(|found| found.event_invoke.get(key))
            .cloned()
            .unwrap_or_default()
    }

    fn retry_delay(&self, runs: u32) -> Duration {
        let at = (runs.saturating_sub(1) as usize).min(self.retry_delays.len().saturating_sub(1));
        self.retry_delays.get(at).copied().unwrap_or_default()
    }
}

/// Takes an event to its end.
async fn deliver(invoker: &Arc<Invoker>, mut delivery: AsyncDelivery) {
    // Further tries of one event are one link of its chain.
    if let Err(Recursive) = invoker.lengthen(&delivery.function.name, &mut delivery.event.chain) {
        return finish(invoker, &delivery, Condition::RecursiveInvocation);
    }
    loop {
        let (target, permit) = match acquire_permit(invoker, &delivery).await {
            Ok(found) => found,
            Err(Some(condition)) => return finish(invoker, &delivery, condition),
            // The function is gone: there is nobody to tell.
            Err(None) => return dropped(invoker, &delivery),
        };
        let age = delivery.came.elapsed().as_secs_f64() * 1000.0;
        metrics::asynchronous(
            &*invoker.metrics,
            &delivery.function.name,
            "AsyncEventAge",
            age,
            "Milliseconds",
        );
        let version = target.spec.version.clone();
        let Ok(outcome) = invoker
            .run(target, permit, delivery.event.clone(), None)
            .await
        else {
            return dropped(invoker, &delivery);
        };
        delivery.runs += 1;
        let failed = outcome.function_error.is_some();
        delivery.last = Some((outcome, version));
        if !failed {
            return finish(invoker, &delivery, Condition::Success);
        }
        let allowed = invoker.settings(&delivery.function).maximum_retry_attempts;
        if delivery.runs > allowed.unwrap_or(*limits::RETRIES.end() as u32) {
            return finish(invoker, &delivery, Condition::RetriesExhausted);
        }
        tokio::time::sleep(invoker.retry_delay(delivery.runs)).await;
    }
}

/// Waits for a permit to run. Fails with how the event ends instead, or with nothing if its
/// function is gone.
async fn acquire_permit(
    invoker: &Arc<Invoker>,
    delivery: &AsyncDelivery,
) -> Result<(ChosenVersion, Permit), Option<Condition>> {
    let mut backoff = FIRST_BACKOFF;
    loop {
        let target = invoker.resolve(&delivery.function).map_err(|_| None)?;
        let longest = invoker.settings(&delivery.function).maximum_event_age_s;
        let longest = u64::from(longest.unwrap_or(*limits::EVENT_AGE_S.end() as u32));
        if delivery.came.elapsed() >= Duration::from_secs(longest) {
            return Err(Some(Condition::EventAgeExceeded));
        }
        if target.reserved == Some(0) {
            return Err(Some(Condition::ZeroReservedConcurrency));
        }
        match invoker.admit(&target) {
            Ok(permit) => return Ok((target, permit)),
            Err(throttle) => wait(invoker, &target, throttle, backoff).await,
        }
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

/// Waits until a permit is freed. The backoff is for what frees none: a reservation that was raised
/// or removed.
async fn wait(invoker: &Invoker, target: &ChosenVersion, throttle: Throttle, backoff: Duration) {
    let freed = invoker.concurrency.freed(&target.function, throttle);
    let _ = tokio::time::timeout(backoff, freed.notified()).await;
}

fn dropped(invoker: &Invoker, delivery: &AsyncDelivery) {
    metrics::asynchronous(
        &*invoker.metrics,
        &delivery.function.name,
        "AsyncEventsDropped",
        1.0,
        "Count",
    );
}

/// Tells the destination, if there is one for this end.
fn finish(invoker: &Arc<Invoker>, delivery: &AsyncDelivery, condition: Condition) {
    let settings = invoker.settings(&delivery.function);
    let destination = if condition == Condition::Success {
        settings.on_success
    } else {
        dropped(invoker, delivery);
        dead_letter(invoker, delivery);
        settings.on_failure
    };
    let Some(destination) = destination else {
        return;
    };
    let target = names::function_arn(&invoker.home, &destination);
    let chain = &delivery.event.chain;
    if let Some(target) = target
        .as_ref()
        .filter(|target| invoker.ends(&target.name, chain))
    {
        // What is dropped there would be told to a destination again, without end.
        let (function, target) = (&delivery.function.name, &target.name);
        tracing::warn!(
            "the record of {function} is lost: its destination {target} is part of the loop"
        );
        metrics::asynchronous(
            &*invoker.metrics,
            function,
            "DestinationDeliveryFailures",
            1.0,
            "Count",
        );
    } else if let Some(target) = target.filter(|target| invoker.resolve(target).is_ok()) {
        let payload = record(invoker, delivery, condition).to_string().into();
        let request_id = super::function::new_id();
        invoker.enqueue(
            target,
            Event {
                request_id,
                payload,
                client_context: None,
                chain: chain.clone(),
            },
        );
    } else {
        // A queue, a topic, a bus: there is none here.
        let function = &delivery.function.name;
        tracing::warn!(
            "the destination {destination} of {function} is not in the local cloud: the record is lost"
        );
        metrics::asynchronous(
            &*invoker.metrics,
            function,
            "DestinationDeliveryFailures",
            1.0,
            "Count",
        );
    }
}

/// Dead-letter queues are queues or topics: there are none here, and the loss is counted as AWS
/// counts a failed delivery.
fn dead_letter(invoker: &Invoker, delivery: &AsyncDelivery) {
    let records = invoker.store.read();
    let function = records.functions.get(&delivery.function.name);
    let configured =
        function.is_some_and(|function| function.latest.configuration.dead_letter.is_some());
    drop(records);
    if configured {
        metrics::asynchronous(
            &*invoker.metrics,
            &delivery.function.name,
            "DeadLetterErrors",
            1.0,
            "Count",
        );
    }
}

/// Returns what a destination gets \[LS\].
fn record(invoker: &Invoker, delivery: &AsyncDelivery, condition: Condition) -> Value {
    let mut record = json!({
        "version": "1.0",
        "timestamp": clock::iso(),
        "requestContext": {
            "requestId": delivery.event.request_id,
            "functionArn": delivery.function.arn_or_latest(&invoker.home),
            "condition": condition.name(),
            "approximateInvokeCount": delivery.runs,
        },
        "requestPayload": parsed(&delivery.event.payload),
    });
    if let Some((outcome, version)) = &delivery.last {
        record["responseContext"] = json!({ "statusCode": 200, "executedVersion": version });
        if let Some(error) = &outcome.function_error {
            record["responseContext"]["functionError"] = json!(error);
        }
        record["responsePayload"] = parsed(&outcome.payload);
    }
    record
}

fn parsed(payload: &[u8]) -> Value {
    serde_json::from_slice(payload).unwrap_or_else(|_| json!(String::from_utf8_lossy(payload)))
}
