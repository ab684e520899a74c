//! Starts of which REPORT does not tell everything: the log does.
//!
//! An environment may have been initialised before the call; then `INIT_START` stands long before
//! START. And after ten seconds the platform gives up an initialisation and makes it again, within
//! the invocation; REPORT then has no Init Duration, though the start was cold. Only calls of which
//! REPORT says that their environment is new, or that may be such a start, are looked up, outside
//! of every time that is kept. Source: AWS Lambda developer guide, "Understanding the Lambda
//! execution environment lifecycle", "Init phase".

use darkroom_core::event::{Invocation, PassKind};
use tokio::time::Instant;

use super::collect_logs::{CLOCKS_APART_MS, FIRST_PAUSE, LONGEST_PAUSE};
use super::log_lines::{self, Logged};
use super::pass::Bench;

/// A call that took so much longer than REPORT says, ms, may have waited for an initialisation.
const UNEXPLAINED_MS: f64 = 5_000.0;
/// Filters the lines with which initialisations and restores begin, of both formats of logs.
const INITS: &str = "?\"INIT_START \" ?\"platform.initStart\" ?\"RESTORE_START \" \
                     ?\"platform.restoreStart\"";
/// In the error of a call that these credentials may not make.
const DENIED: &str = "AccessDenied";
/// An environment that is not called does not live as long as this, ms.
const LONGEST_IDLE_MS: i64 = 3_600_000;

/// Says whether the log may tell another start than REPORT.
pub fn may_be_hidden(invocation: &Invocation, asked_cold: bool) -> bool {
    let Some(report) = &invocation.report else {
        return false;
    };
    if report.ready_ms().is_some() {
        // A warm-up's start decides nothing.
        return invocation.pass.kind() != PassKind::WarmUp;
    }
    let unexplained_ms = invocation.client_ms.map(|ms| ms - report.duration_ms);
    asked_cold || unexplained_ms.is_some_and(|ms| ms > UNEXPLAINED_MS)
}

/// Takes from the log what REPORT does not tell of a start: how long a first initialisation took
/// that failed, and when an initialisation began. A log that does not come in time leaves REPORT as
/// it is.
pub async fn look_up(bench: &Bench, invocation: &mut Invocation) {
    let Some(request_id) = invocation.request_id.clone() else {
        return;
    };
    let Ok(sent) = invocation.started_at.parse::<jiff::Timestamp>() else {
        return;
    };
    let since_ms = sent.as_millisecond() - CLOCKS_APART_MS;
    let deadline = Instant::now() + bench.setup.patience.logs;
    let mut pause = FIRST_PAUSE;
    loop {
        let lines = bench.setup.logs.lines(&invocation.function, since_ms, None);
        let lines = match lines.await {
            // Nothing comes of waiting for what these credentials may not read.
            Err(reason) if reason.contains(DENIED) => return,
            lines => lines.unwrap_or_default(),
        };
        let logged = log_lines::invocations(&lines)
            .into_iter()
            .find(|logged| logged.request_id == request_id && logged.is_over());
        if let Some(mut logged) = logged {
            complete(bench, &invocation.function, &mut logged).await;
            if let (Some(report), Some(told)) = (&mut invocation.report, &logged.report) {
                report.init_ms = report.init_ms.or(told.init_ms);
            }
            invocation.init_to_start_ms = logged.init_to_start_ms;
            return;
        }
        if Instant::now() >= deadline {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Looks further back for the beginning of an initialisation, where what was read of the log does
/// not reach to it: the environment stood ready for longer.
pub async fn complete(bench: &Bench, function: &str, logged: &mut Logged) {
    let is_new = |logged: &Logged| {
        logged
            .report
            .as_ref()
            .is_some_and(|r| r.ready_ms().is_some())
    };
    if !is_new(logged) || logged.init_to_start_ms.is_some() || logged.init_failed {
        return;
    }
    let since_ms = logged.started_ms - LONGEST_IDLE_MS;
    let deadline = Instant::now() + bench.setup.patience.logs;
    // An error is no answer: without this line an environment that stood ready looks cold.
    let lines = loop {
        let read = bench
            .setup
            .logs
            .lines(function, since_ms, Some(INITS))
            .await;
        match read {
            Ok(lines) => break lines,
            // A log that can't be read leaves it unknown.
            Err(reason) if reason.contains(DENIED) || Instant::now() >= deadline => return,
            Err(_) => tokio::time::sleep(LONGEST_PAUSE).await,
        }
    };
    logged.init_to_start_ms = log_lines::began_ms(&lines, &logged.stream, logged.is_restored())
        .filter(|began_ms| *began_ms <= logged.started_ms)
        .map(|began_ms| (logged.started_ms - began_ms) as f64);
}
