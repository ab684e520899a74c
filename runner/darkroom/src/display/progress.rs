//! Shows the progress of a run: one line on a terminal, a few plain lines elsewhere, nothing with
//! `--quiet`.
//!
//! Receives the run's facts on its own thread, so it never slows the measurement.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use darkroom_core::event::{Event, PassKind, Status};
use darkroom_core::spending::Spending;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::dollars;
use super::working::{Shown, Working};
use crate::cli::Globals;
use crate::execute::MoneyBudget;

/// Redraws a second on a terminal: calm to look at, and cheap.
const REDRAWS_PER_SECOND: u8 = 5;
/// Plain lines come no more often than this.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// The clock beside the bar goes on when nothing else does: a pass may take a minute.
const TICK: Duration = Duration::from_secs(1);
/// Before the first call: what an earlier run left in the bucket goes.
const BEGINNING: &str = "emptying the bucket, starting the first functions";
/// After the last pass. On AWS both come minutes later.
const ENDING: &str = "reading the platform's logs and metrics";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Silent,
    Plain,
    Bar,
}

/// How many passes a run will have made in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub least: u64,
    /// More than `least` where the run ends when its intervals are narrow enough.
    pub most: u64,
}

impl Extent {
    const fn is_open(self) -> bool {
        self.least < self.most
    }
}

/// Shows the steps of a run and then its progress.
#[derive(Clone)]
pub struct Progress {
    style: Style,
}

/// The thread that follows a run's facts.
pub struct Following {
    thread: JoinHandle<()>,
}

impl Following {
    /// Waits until the last fact has been shown. The sender must be gone by then.
    pub fn finish(self) {
        let _ = self.thread.join();
    }
}

impl Progress {
    /// `in_ci` is whether the environment has `CI` set.
    pub fn new(globals: Globals, in_ci: bool) -> Self {
        let style = match (
            globals.quiet || globals.json,
            io::stderr().is_terminal() && !in_ci,
        ) {
            (true, _) => Style::Silent,
            (false, true) => Style::Bar,
            (false, false) => Style::Plain,
        };
        Self { style }
    }

    /// Says what is being done now.
    pub fn step(&self, text: &str) {
        if self.style != Style::Silent {
            super::note(text);
        }
    }

    /// Shows that something is running until what is returned is dropped; `left` says what is
    /// still to be done.
    pub fn working(&self, left: &str) -> Working {
        let shown = match self.style {
            Style::Silent => Shown::Not,
            Style::Plain => Shown::Lines,
            Style::Bar => Shown::Spinner,
        };
        Working::new(shown, left)
    }

    /// Starts following a run, `done` of whose passes an earlier session has made.
    ///
    /// `budget` says what earlier sessions have spent; without it money is not shown. `billed`:
    /// somebody is sent a bill.
    pub fn follow(
        &self,
        extent: Extent,
        done: u64,
        budget: Option<&MoneyBudget>,
        billed: bool,
    ) -> (mpsc::Sender<Arc<Event>>, Following) {
        let (sender, facts) = mpsc::channel::<Arc<Event>>();
        let style = self.style;
        let money = budget.map(|budget| Money {
            spent: budget.now(),
            limit_usd: budget.limit_usd,
            billed,
        });
        let thread = std::thread::spawn(move || {
            let mut view = View::new(style, extent, done, money);
            loop {
                match facts.recv_timeout(PLAIN_EVERY) {
                    Ok(event) => view.take(&event),
                    Err(RecvTimeoutError::Timeout) => view.say_still(),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            view.end();
        });
        (sender, Following { thread })
    }
}

/// What the run has cost so far, beside what it may.
struct Money {
    spent: Spending,
    limit_usd: Option<f64>,
    /// Whether somebody is sent a bill.
    billed: bool,
}

struct View {
    style: Style,
    bar: ProgressBar,
    extent: Extent,
    /// What is under way.
    now: String,
    /// What the last look at the intervals found.
    looked: String,
    done: u64,
    before: u64,
    /// Warm-up passes of this session.
    warm_ups: u64,
    failed: BTreeMap<String, u64>,
    money: Option<Money>,
    begun: Option<Instant>,
    started: Instant,
    said: Instant,
}

impl View {
    fn new(style: Style, extent: Extent, done: u64, money: Option<Money>) -> Self {
        let target = match style {
            Style::Bar => ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND),
            _ => ProgressDrawTarget::hidden(),
        };
        // Of a total that nobody knows there is no share to draw.
        let template = if extent.is_open() {
            "{spinner} {pos} passes · {prefix}{wide_msg} {elapsed_precise}"
        } else {
            "{bar:24} {pos}/{len} · {prefix}{wide_msg} {elapsed_precise}"
        };
        let bar_style =
            ProgressStyle::with_template(template).expect("the template is well-formed");
        let bar = ProgressBar::with_draw_target(Some(extent.most), target)
            .with_style(bar_style.progress_chars("━╸ "));
        bar.set_position(done);
        if style == Style::Bar {
            bar.set_message(BEGINNING);
            bar.enable_steady_tick(TICK);
        }
        let (looked, failed) = (String::new(), BTreeMap::new());
        let said = Instant::now();
        Self {
            style,
            bar,
            extent,
            now: BEGINNING.to_owned(),
            looked,
            done,
            before: done,
            warm_ups: 0,
            failed,
            money,
            begun: None,
            started: said,
            said,
        }
    }

    fn take(&mut self, event: &Event) {
        if let Some(money) = &mut self.money {
            money.spent.take(event);
        }
        match event {
            Event::InvocationFinished(invocation) => {
                let kind = match invocation.pass.kind() {
                    PassKind::Probe => " (probe)",
                    PassKind::WarmUp => " (warm-up)",
                    PassKind::Measured => "",
                };
                self.is_at(format!("{}{kind}", invocation.pass.cell_id));
                if invocation.status != Status::Ok && !invocation.pass.warm_up {
                    *self
                        .failed
                        .entry(invocation.pass.cell_id.to_string())
                        .or_default() += 1;
                }
            }
            Event::PipelineFinished(pass) if pass.pass.probe => {}
            Event::PipelineFinished(pass) if pass.pass.warm_up => {
                self.warm_ups += 1;
                self.say_warming_up();
            }
            Event::PipelineFinished(pass) if pass.again.is_none() => {
                let begun = *self.begun.get_or_insert_with(Instant::now);
                self.done += 1;
                self.bar.set_position(self.done);
                self.bar.set_prefix(format!(
                    "{}{}{}",
                    self.left(begun),
                    self.spent(),
                    self.failures()
                ));
                self.say_plainly(begun);
                if self.done == self.extent.most {
                    self.is_at(ENDING.to_owned());
                }
            }
            Event::Looked(look) => {
                let widest = look.widest.map_or_else(
                    || "no interval".to_owned(),
                    |share| format!("±{:.2}%", share * 100.0),
                );
                let wider = format!("{} of {} intervals too wide", look.wider, look.samples);
                self.looked = format!(
                    "at {} repetitions {wider}, widest {widest} · ",
                    look.repetitions
                );
                if look.stopped_by.is_some() {
                    self.is_at(ENDING.to_owned());
                }
            }
            _ => {}
        }
    }

    fn is_at(&mut self, now: String) {
        self.bar.set_message(now.clone());
        self.now = now;
    }

    /// For who reads lines: nothing has happened for a while.
    fn say_still(&mut self) {
        if self.style == Style::Plain && self.said.elapsed() >= PLAIN_EVERY {
            super::note(&format!(
                "  still running: {} ({} s)",
                self.now,
                self.started.elapsed().as_secs()
            ));
        }
    }

    /// Time left, from the mean pace of this session: cells alternate, so the last few passes say
    /// little.
    fn left(&self, begun: Instant) -> String {
        let made = self.done - self.before;
        if made < 2 || self.done == self.extent.most {
            return self.looked.clone();
        }
        let pace = begun.elapsed().as_secs_f64() / (made - 1) as f64;
        let left = left(pace, self.done, self.extent);
        if self.done < self.extent.least {
            format!("{left} · ")
        } else {
            format!("{}{left} · ", self.looked)
        }
    }

    /// What is billed, or would be; nothing where prices are not known.
    fn spent(&self) -> String {
        let Some(Money {
            spent,
            limit_usd,
            billed,
        }) = &self.money
        else {
            return String::new();
        };
        match (limit_usd, billed) {
            (Some(usd), true) => format!("{} of {} spent · ", dollars(spent.usd()), dollars(*usd)),
            (Some(usd), false) => format!(
                "budget.usd {} of {} · ",
                dollars(spent.usd()),
                dollars(*usd)
            ),
            (None, true) => format!("{} spent · ", dollars(spent.usd())),
            // Nobody bills it, and nothing stops by it: the summary says once what AWS would
            // charge.
            (None, false) => String::new(),
        }
    }

    fn failures(&self) -> String {
        match self.failed.values().sum::<u64>() {
            0 => String::new(),
            failed => format!(
                "{failed} failed in {} · ",
                super::count(self.failed.len() as u64, "cell")
            ),
        }
    }

    fn say_plainly(&mut self, begun: Instant) {
        if self.style != Style::Plain
            || (self.said.elapsed() < PLAIN_EVERY && self.done != self.extent.most)
        {
            return;
        }
        self.said = Instant::now();
        let (left, spent, failures) = (self.left(begun), self.spent(), self.failures());
        let text = format!(
            "{} · {left}{spent}{failures}",
            measured(self.done, self.extent)
        );
        super::note(text.trim_end_matches(" · "));
    }

    /// Warm-ups come before the first repetition and count for nothing: without a word the run
    /// seems to stand still.
    fn say_warming_up(&mut self) {
        if self.done == self.before {
            self.bar.set_prefix(format!(
                "warming up, {} so far · ",
                super::count(self.warm_ups, "uncounted pass")
            ));
        }
        if self.style == Style::Plain && (self.warm_ups == 1 || self.said.elapsed() >= PLAIN_EVERY)
        {
            self.said = Instant::now();
            super::note(&format!(
                "warming up: {} so far",
                super::count(self.warm_ups, "uncounted pass")
            ));
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Says how many passes were measured, of how many: with an open end the least only until it is
/// reached.
fn measured(done: u64, Extent { least, most }: Extent) -> String {
    if least == most {
        format!("measured {done} of {most}")
    } else if done < least {
        format!("measured {done} of {least} to {most}")
    } else {
        format!("measured {done} of at most {most}")
    }
}

/// Says how long is left at this pace, in seconds a pass.
fn left(pace: f64, done: u64, extent: Extent) -> String {
    let until = |total: u64| rough(pace * total.saturating_sub(done) as f64);
    let (least, most) = (until(extent.least), until(extent.most));
    if !extent.is_open() {
        format!("{most} left")
    } else if done >= extent.least {
        format!("at most {most} left")
    } else if least == most {
        format!("about {most} left")
    } else {
        format!("{least} to {most} left")
    }
}

/// Writes seconds the way one says them: `40 s`, `3 min`, `1 h 20 min`.
fn rough(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match seconds {
        s if s < 59.5 => format!("{:.0} s", s.max(1.0)),
        s if s < 3570.0 => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::{Extent, left, measured, rough};

    #[test]
    fn an_open_end_is_never_a_range_of_one_or_below_what_was_measured() {
        let extent = Extent {
            least: 180,
            most: 216,
        };
        assert_eq!(measured(100, extent), "measured 100 of 180 to 216");
        assert_eq!(measured(191, extent), "measured 191 of at most 216");
        assert_eq!(measured(3, Extent { least: 6, most: 6 }), "measured 3 of 6");
        assert_eq!(left(1.0, 0, extent), "3 min to 4 min left");
        assert_eq!(left(0.9, 0, extent), "about 3 min left");
        assert_eq!(left(1.0, 191, extent), "at most 25 s left");
        for done in 0..216 {
            for tenths in 1..40 {
                let text = left(f64::from(tenths) / 10.0, done, extent);
                if let Some((low, high)) = text.trim_end_matches(" left").split_once(" to ") {
                    assert!(low != high, "{text}");
                }
            }
        }
    }

    #[test]
    fn times_are_written_as_one_says_them() {
        assert_eq!(rough(0.2), "1 s");
        assert_eq!(rough(59.0), "59 s");
        assert_eq!(rough(90.0), "2 min");
        assert_eq!(rough(4800.0), "1 h 20 min");
    }
}
