//! How late the runner is when something is due: what a busy runner adds to its own times.
//!
//! A thread sleeps until a moment and tells a task of the runtime, which notes how long after that
//! moment it runs. An answer that arrives then is seen as late. Knows no passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use darkroom_core::event::RunnerLate;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Between two moments. Those that a busy machine let pass count as well: each was late.
const EVERY: Duration = Duration::from_millis(20);

/// Notes it until the session ends, in whatever way.
pub struct Lateness {
    over: Over,
    noted: JoinHandle<Vec<Duration>>,
}

/// Ends the thread when dropped.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Lateness {
    pub fn watch() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (due, mut moments) = mpsc::unbounded_channel::<Instant>();
        let is_over = over.clone();
        std::thread::spawn(move || {
            let mut at = Instant::now();
            while !is_over.load(Ordering::Relaxed) {
                at += EVERY;
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                if due.send(at).is_err() {
                    return;
                }
            }
        });
        let noted = tokio::spawn(async move {
            let mut late = Vec::new();
            while let Some(due) = moments.recv().await {
                late.push(due.elapsed());
            }
            late
        });
        Self {
            over: Over(over),
            noted,
        }
    }

    /// Returns what it noted; `None` of a session that was too short.
    pub async fn end(self) -> Option<RunnerLate> {
        drop(self.over);
        of(self.noted.await.ok()?)
    }
}

fn of(mut late: Vec<Duration>) -> Option<RunnerLate> {
    late.sort_unstable();
    let at = |share: f64| {
        let place = (share * late.len() as f64) as usize;
        late.get(place.min(late.len().saturating_sub(1)))
            .map(|late| late.as_secs_f64() * 1e3)
    };
    Some(RunnerLate {
        at: super::now(),
        p50_ms: at(0.5)?,
        p99_ms: at(0.99)?,
        most_ms: at(1.0)?,
        moments: late.len() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_all_moments() {
        let late = of((1..=200).rev().map(Duration::from_millis).collect()).unwrap();
        assert_eq!(
            (late.p50_ms, late.p99_ms, late.most_ms, late.moments),
            (101.0, 199.0, 200.0, 200)
        );
        assert_eq!(of(Vec::new()), None);
    }

    #[tokio::test]
    async fn a_runtime_that_is_held_up_is_late() {
        let lateness = Lateness::watch();
        let began = Instant::now();
        // The only thread of this runtime: nothing else runs meanwhile.
        while began.elapsed() < Duration::from_millis(200) {
            std::hint::spin_loop();
        }
        let late = lateness.end().await.unwrap();
        assert!(late.most_ms > 100.0, "{late:?}");
        assert!(late.p50_ms > 1.0, "{late:?}");
    }
}
