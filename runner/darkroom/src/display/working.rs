//! Shows that something is in progress: a spinner with the time on a terminal, a line every ten
//! seconds elsewhere.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two pictures of the spinner.
const TICK: Duration = Duration::from_millis(200);
/// Plain lines come no more often than this.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// How to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Not,
    Lines,
    Spinner,
}

/// Something that is running until this is dropped.
pub struct Working {
    left: Arc<Mutex<String>>,
    spinner: Option<ProgressBar>,
    lines: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Working {
    /// `left` says what is still to be done.
    pub fn new(shown: Shown, left: &str) -> Self {
        let left = Arc::new(Mutex::new(left.to_owned()));
        let spinner = (shown == Shown::Spinner).then(|| spinner(&left));
        let lines = (shown == Shown::Lines).then(|| {
            let (end, ended) = mpsc::channel();
            let left = Arc::clone(&left);
            (
                end,
                std::thread::spawn(move || {
                    say_now_and_then(&left, &ended, PLAIN_EVERY, super::note);
                }),
            )
        });
        Self {
            left,
            spinner,
            lines,
        }
    }

    /// Says what is left now.
    pub fn now(&self, left: String) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(left.clone());
        }
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
        if let Some((end, thread)) = self.lines.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}

fn spinner(left: &Mutex<String>) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed_precise}")
        .expect("the template is well-formed");
    let spinner =
        ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
    spinner.set_message(left.lock().unwrap_or_else(PoisonError::into_inner).clone());
    spinner.enable_steady_tick(TICK);
    spinner
}

/// Says what is left each time that `every` has passed, until the other end is gone.
fn say_now_and_then(
    left: &Mutex<String>,
    ended: &mpsc::Receiver<()>,
    every: Duration,
    say: impl Fn(&str),
) {
    let begun = Instant::now();
    while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        let left = left.lock().unwrap_or_else(PoisonError::into_inner).clone();
        say(&format!("  still {left} ({} s)", begun.elapsed().as_secs()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_said_until_it_is_done() {
        let left = Mutex::new("packaging rust".to_owned());
        let (end, ended) = mpsc::channel();
        let (said, heard) = mpsc::channel();
        std::thread::scope(|scope| {
            let left = &left;
            scope.spawn(move || {
                say_now_and_then(left, &ended, Duration::from_millis(1), move |line| {
                    let _ = said.send(line.to_owned());
                });
            });
            assert_eq!(heard.recv().unwrap(), "  still packaging rust (0 s)");
            *left.lock().unwrap() = "packaging numpy".to_owned();
            assert!(
                heard
                    .iter()
                    .any(|line| line.starts_with("  still packaging numpy (")),
                "{left:?}"
            );
            drop(end);
        });
    }

    #[test]
    fn it_ends_when_it_is_dropped() {
        for shown in [Shown::Not, Shown::Lines, Shown::Spinner] {
            let working = Working::new(shown, "packaging rust");
            working.now("packaging numpy".to_owned());
        }
    }
}
