//! Waits until the logs of a chain's functions are complete: every started invocation has its
//! REPORT, and nothing more comes.
//!
//! Knows neither the logs service nor what the lines mean for a pass.

use std::time::Duration;

use tokio::time::Instant;

use super::collect_logs::{FIRST_PAUSE, LONGEST_PAUSE};
use super::log_lines::Logged;

/// A handler can print what looks like the end of its invocation; what is really the end stays the
/// last.
pub const LOG_SETTLE_TIME: Duration = Duration::from_millis(25);

/// What was read of one function's log.
#[derive(Clone, Default)]
struct Read {
    logged: Option<Vec<Logged>>,
    /// Nothing more is due of it.
    whole: bool,
}

/// How far logs are waited for.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Stages, from the first, that are known to have run.
    pub ran: usize,
    pub patience: Duration,
    /// How long logs that are whole must stay as they are.
    pub rest: Duration,
    /// Runs of one stage beyond which nothing is waited for.
    pub most: usize,
}

/// Reads the logs of so many `stages` until each of the first that ran has its REPORT and all stay
/// as they are, or a bound is reached; returns what there is, and whether it is at rest. A log that
/// is whole is not read again before the others are.
pub async fn until_whole<E, F: Future<Output = Result<Vec<Logged>, E>>>(
    stages: usize,
    bounds: Bounds,
    read: impl Fn(usize) -> F,
) -> (Vec<Vec<Logged>>, bool) {
    let Bounds {
        ran,
        patience,
        rest,
        most,
    } = bounds;
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    let mut logs = vec![Read::default(); stages];
    loop {
        let were_whole = logs.iter().all(|log| log.whole);
        let due: Vec<usize> = (0..stages)
            .filter(|stage| were_whole || !logs[*stage].whole)
            .collect();
        let found = futures::future::join_all(due.iter().map(|stage| read(*stage))).await;
        let mut still = were_whole;
        for (stage, found) in due.into_iter().zip(found) {
            let Ok(found) = found else {
                still = false;
                continue;
            };
            still &= logs[stage].logged.as_ref() == Some(&found);
            let over = !found.is_empty() && found.iter().all(Logged::is_over);
            logs[stage] = Read {
                logged: Some(found),
                whole: stage >= ran || over,
            };
        }
        let endless = logs
            .iter()
            .any(|log| log.logged.as_ref().is_some_and(|runs| runs.len() > most));
        if still || endless || Instant::now() >= deadline {
            return (
                logs.into_iter()
                    .map(|log| log.logged.unwrap_or_default())
                    .collect(),
                still,
            );
        }
        let whole = logs.iter().all(|log| log.whole);
        tokio::time::sleep(if whole { rest } else { pause }).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::log_lines::only_begun as run;

    /// A log service that shows one stage's START at once and its REPORT from the `after`-th read
    /// on; every third read fails.
    async fn late(after: u32, patience: Duration) -> (Option<Logged>, u32) {
        let report = darkroom_core::report_line::parse_line(
            "REPORT RequestId: a\tDuration: 3.5 ms\tBilled Duration: 4 ms\tMemory Size: 512 MB\tMax Memory Used: 60 MB\t",
        );
        let report = report.unwrap().report;
        let reads = std::cell::Cell::new(0);
        let bounds = Bounds {
            ran: 1,
            patience,
            rest: LOG_SETTLE_TIME,
            most: usize::MAX,
        };
        let found = until_whole(1, bounds, |_| {
            reads.set(reads.get() + 1);
            let report = (reads.get() >= after).then(|| report.clone());
            let fails = reads.get().is_multiple_of(3);
            std::future::ready(if fails {
                Err(())
            } else {
                Ok(vec![Logged {
                    report,
                    ..run("a", 100)
                }])
            })
        });
        (found.await.0[0].first().cloned(), reads.get())
    }

    #[tokio::test]
    async fn a_report_that_is_late_is_waited_for_and_tied_to_its_invocation() {
        let (logged, reads) = late(4, Duration::from_mins(1)).await;
        let logged = logged.unwrap();
        assert_eq!(
            (
                logged.request_id.as_str(),
                logged.report.unwrap().duration_ms
            ),
            ("a", 3.5)
        );
        assert_eq!(
            reads, 5,
            "once more than the first whole one, since a handler can print an end that is none"
        );
    }

    #[tokio::test]
    async fn a_report_that_is_later_than_patience_is_missing_and_its_invocation_is_not() {
        let (logged, _) = late(u32::MAX, Duration::from_millis(100)).await;
        let logged = logged.unwrap();
        assert_eq!((logged.request_id.as_str(), logged.report), ("a", None));
    }

    #[tokio::test]
    async fn a_whole_log_is_read_again_only_once_all_are_and_shows_what_came_meanwhile() {
        let (report, reads) = (
            late(1, Duration::ZERO).await.0.unwrap().report,
            std::cell::RefCell::new(Vec::new()),
        );
        let over = |id: &str| Logged {
            report: report.clone(),
            ..run(id, 100)
        };
        let bounds = Bounds {
            ran: 2,
            patience: Duration::from_mins(1),
            rest: LOG_SETTLE_TIME,
            most: usize::MAX,
        };
        let found = until_whole(2, bounds, |stage| {
            reads.borrow_mut().push(stage);
            let times = reads.borrow().iter().filter(|read| **read == stage).count();
            std::future::ready(Ok::<_, ()>(match (stage, times) {
                (0, 1) => vec![over("a")],
                (0, _) => vec![over("a"), over("a again")],
                (_, 1..4) => vec![run("b", 200)],
                _ => vec![over("b")],
            }))
        });
        let ids: Vec<usize> = found.await.0.iter().map(Vec::len).collect();
        assert_eq!(
            ids,
            [2, 1],
            "a delivery that came while the other log was waited for"
        );
        assert_eq!(*reads.borrow(), [0, 1, 1, 1, 1, 0, 1, 0, 1]);
    }

    #[tokio::test]
    async fn a_loop_that_does_not_end_is_not_waited_for() {
        let reads = std::cell::Cell::new(0);
        let bounds = Bounds {
            ran: 1,
            patience: Duration::from_mins(1),
            rest: LOG_SETTLE_TIME,
            most: 3,
        };
        let (logged, at_rest) = until_whole(1, bounds, |_| {
            reads.set(reads.get() + 1);
            let runs = (0..reads.get())
                .map(|index| run(&index.to_string(), index))
                .collect();
            std::future::ready(Ok::<_, ()>(runs))
        })
        .await;
        assert_eq!((logged[0].len(), at_rest), (4, false));
    }
}
