//! What a run shows while it goes: one line on a terminal, a few plain lines elsewhere, nothing when asked to be quiet.
//!
//! Receives the run's facts on its own thread; never slows what is being measured.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use darkroom_core::event::{Event, Status};
use darkroom_core::spending::Spending;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::dollars;
use crate::cli::Globals;
use crate::execute::Purse;

/// Redraws a second on a terminal: calm to look at, and cheap.
const REDRAWS_PER_SECOND: u8 = 5;
/// Plain lines come no more often than this.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

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
        let style = match (globals.quiet || globals.json, io::stderr().is_terminal() && !in_ci) {
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

    /// Starts following a run, `done` of whose passes an earlier session has made.
    ///
    /// `purse` says what earlier sessions have spent; without it money is not shown.
    pub fn follow(&self, extent: Extent, done: u64, purse: Option<&Purse>) -> (mpsc::Sender<Arc<Event>>, Following) {
        let (sender, facts) = mpsc::channel::<Arc<Event>>();
        let style = self.style;
        let money = purse.map(|purse| Money { spent: purse.now(), limit_usd: purse.limit_usd });
        let thread = std::thread::spawn(move || {
            let mut view = View::new(style, extent, done, money);
            for event in facts {
                view.take(&event);
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
}

struct View {
    style: Style,
    bar: ProgressBar,
    extent: Extent,
    /// What the last look at the intervals found.
    looked: String,
    done: u64,
    before: u64,
    failed: BTreeMap<String, u64>,
    money: Option<Money>,
    begun: Option<Instant>,
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
            "{spinner} {pos} passes · {prefix}{wide_msg}"
        } else {
            "{bar:24} {pos}/{len} · {prefix}{wide_msg}"
        };
        let bar_style = ProgressStyle::with_template(template).expect("the template is well-formed");
        let bar = ProgressBar::with_draw_target(Some(extent.most), target).with_style(bar_style.progress_chars("━╸ "));
        bar.set_position(done);
        let (looked, failed) = (String::new(), BTreeMap::new());
        Self { style, bar, extent, looked, done, before: done, failed, money, begun: None, said: Instant::now() }
    }

    fn take(&mut self, event: &Event) {
        if let Some(money) = &mut self.money {
            money.spent.take(event);
        }
        match event {
            Event::InvocationFinished(invocation) => {
                let warm_up = if invocation.pass.warm_up { " (warm-up)" } else { "" };
                self.bar.set_message(format!("{}{warm_up}", invocation.pass.cell_id));
                if invocation.status != Status::Ok && !invocation.pass.warm_up {
                    *self.failed.entry(invocation.pass.cell_id.to_string()).or_default() += 1;
                }
            }
            Event::PipelineFinished(pass) if !pass.pass.warm_up && pass.again.is_none() => {
                let begun = *self.begun.get_or_insert_with(Instant::now);
                self.done += 1;
                self.bar.set_position(self.done);
                self.bar.set_prefix(format!("{}{}{}", self.left(begun), self.spent(), self.failures()));
                self.say_plainly(begun);
            }
            Event::Looked(look) => {
                let widest =
                    look.widest.map_or_else(|| "no interval".to_owned(), |share| format!("±{:.1}%", share * 100.0));
                let wider = format!("{} of {} intervals too wide", look.wider, look.samples);
                self.looked = format!("at {} repetitions {wider}, widest {widest} · ", look.repetitions);
            }
            _ => {}
        }
    }

    /// Time left, from the mean pace of this session: cells alternate, so the last few passes say little.
    fn left(&self, begun: Instant) -> String {
        let made = self.done - self.before;
        if made < 2 || self.done == self.extent.most {
            return self.looked.clone();
        }
        let pace = begun.elapsed().as_secs_f64() / (made - 1) as f64;
        let until = |total: u64| rough(pace * total.saturating_sub(self.done) as f64);
        let most = until(self.extent.most);
        if !self.extent.is_open() {
            return format!("{most} left · ");
        }
        if self.done < self.extent.least {
            return format!("{} to {most} left · ", until(self.extent.least));
        }
        format!("{}at most {most} left · ", self.looked)
    }

    /// What is billed, or would be; nothing where prices are not known.
    fn spent(&self) -> String {
        let Some(Money { spent, limit_usd }) = &self.money else { return String::new() };
        let of = limit_usd.map(|usd| format!(" of {}", dollars(usd))).unwrap_or_default();
        format!("{}{of} · ", dollars(spent.usd()))
    }

    fn failures(&self) -> String {
        match self.failed.values().sum::<u64>() {
            0 => String::new(),
            failed => format!("{failed} failed in {} · ", super::count(self.failed.len() as u64, "cell")),
        }
    }

    fn say_plainly(&mut self, begun: Instant) {
        if self.style != Style::Plain || (self.said.elapsed() < PLAIN_EVERY && self.done != self.extent.most) {
            return;
        }
        self.said = Instant::now();
        let (left, spent, failures) = (self.left(begun), self.spent(), self.failures());
        let Extent { least, most } = self.extent;
        let of = if self.extent.is_open() { format!("{least} to {most}") } else { most.to_string() };
        let text = format!("measured {} of {of} · {left}{spent}{failures}", self.done);
        super::note(text.trim_end_matches(" · "));
    }

    fn end(&self) {
        self.bar.finish_and_clear();
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
    use super::rough;

    #[test]
    fn times_are_written_as_one_says_them() {
        assert_eq!(rough(0.2), "1 s");
        assert_eq!(rough(59.0), "59 s");
        assert_eq!(rough(90.0), "2 min");
        assert_eq!(rough(4800.0), "1 h 20 min");
    }
}
