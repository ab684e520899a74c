//! Starts whose first initialisation failed: the log tells them from warm ones, REPORT does not.
//!
//! After ten seconds the platform gives up an initialisation and makes it again, within the
//! invocation. REPORT then has no Init Duration, though the start was cold. Only such calls, which
//! are rare, are looked up in the log, outside of every time that is kept. Source: AWS Lambda
//! developer guide, "Understanding the Lambda execution environment lifecycle", "Init phase".

use darkroom_core::event::Invocation;
use tokio::time::Instant;

use super::collect_logs::{CLOCKS_APART_MS, FIRST_PAUSE, LONGEST_PAUSE};
use super::log_lines;
use super::pass::Bench;

/// A call that took so much longer than REPORT says, ms, may have waited for an initialisation.
const UNEXPLAINED_MS: f64 = 5_000.0;

/// Says whether REPORT may hide that the start was cold.
pub fn may_be_hidden(invocation: &Invocation, asked_cold: bool) -> bool {
    let unexplained_ms = |duration_ms: f64| invocation.client_ms.map(|ms| ms - duration_ms);
    let Some(report) = &invocation.report else {
        return false;
    };
    let waited = unexplained_ms(report.duration_ms).is_some_and(|ms| ms > UNEXPLAINED_MS);
    report.init_ms.is_none() && (asked_cold || waited)
}

/// Takes from the log how long a first initialisation took that failed, if there was one. A log
/// that does not come in time leaves REPORT as it is.
pub async fn look_up(bench: &Bench, invocation: &mut Invocation) {
    let (Some(report), Some(request_id)) = (&mut invocation.report, &invocation.request_id) else {
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
        let logged = log_lines::invocations(&lines.await.unwrap_or_default())
            .into_iter()
            .find(|logged| logged.request_id == *request_id)
            .and_then(|logged| logged.report);
        if let Some(logged) = logged {
            report.init_ms = logged.init_ms;
            return;
        }
        if Instant::now() >= deadline {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
