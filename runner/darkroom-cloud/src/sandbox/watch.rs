//! Imitates, from inside a sandbox, limits that the kernel does not hold here: memory by adding up what is resident,
//! CPU share by stopping everything for as long as it has run ahead of its share.
//!
//! Linux reads `/proc`; elsewhere nothing is watched, and [`Isolation`](super::Isolation) says so.

use super::protocol::Watch;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// How often memory and CPU time are read.
const INTERVAL: Duration = Duration::from_millis(5);

/// How much CPU time may be used at once, in cores × seconds per core of share: the period of a real quota.
const BURST: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    OutOfMemory,
}

/// The state of what is watched.
pub struct Watcher {
    watch: Watch,
    running: bool,
    paused: bool,
    throttled: bool,
    /// When, and with how much CPU time used by then, the present accounting began.
    origin: Option<(Instant, Duration)>,
    stopped_until: Option<Instant>,
}

impl Watcher {
    pub fn new(watch: Watch) -> Self {
        Self { watch, running: false, paused: false, throttled: false, origin: None, stopped_until: None }
    }

    pub fn runtime_started(&mut self, _pid: Pid) {
        self.running = true;
    }

    pub fn runtime_ended(&mut self) {
        *self = Self::new(self.watch);
    }

    /// Begins or ends to hold the CPU share. While an environment is idle nothing is held.
    pub fn throttle(&mut self, on: bool) {
        self.throttled = on;
        self.origin = None;
    }

    /// Looks at nothing: all is stopped.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    pub fn resume(&mut self) {
        self.paused = false;
        self.origin = None;
        self.stopped_until = None;
    }

    /// Returns how long to wait before [`Self::look`]; `None` if there is nothing to watch.
    pub fn interval(&self) -> Option<Duration> {
        let watching = self.running && !self.paused && (self.watch.memory_bytes.is_some() || self.share().is_some());
        let until = self.stopped_until.map(|until| until.saturating_duration_since(Instant::now()));
        watching.then(|| until.unwrap_or(INTERVAL).max(Duration::from_micros(100)))
    }

    fn share(&self) -> Option<f64> {
        self.watch.cpu_share.filter(|_| self.throttled || self.stopped_until.is_some())
    }

    /// Reads what the sandbox uses; stops or continues it by `signal_all`.
    pub fn look(&mut self, signal_all: impl Fn(Signal)) -> Verdict {
        if self.stopped_until.is_some_and(|until| Instant::now() >= until) {
            self.stopped_until = None;
            signal_all(Signal::SIGCONT);
        }
        let usage = usage();
        if self.watch.memory_bytes.is_some_and(|limit| usage.resident_bytes > limit) {
            return Verdict::OutOfMemory;
        }
        if let Some(share) = self.share().filter(|_| self.stopped_until.is_none() && self.throttled) {
            let now = Instant::now();
            let (since, used) = *self.origin.get_or_insert((now, usage.cpu));
            let allowed = (now - since + BURST).mul_f64(share);
            let ahead = usage.cpu.saturating_sub(used).saturating_sub(allowed);
            if !ahead.is_zero() {
                self.stopped_until = Some(now + ahead.div_f64(share));
                signal_all(Signal::SIGSTOP);
            } else if usage.cpu.saturating_sub(used) < (now - since).mul_f64(share) {
                // Time not used is not saved up.
                self.origin = Some((now, usage.cpu));
            }
        }
        Verdict::Fine
    }
}

/// What all processes below this one use together.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    resident_bytes: u64,
    cpu: Duration,
}

#[cfg(target_os = "linux")]
fn usage() -> Usage {
    let mut sum = Usage::default();
    for pid in descendants() {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let pages = read("statm").split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
        sum.resident_bytes += pages * rustix::param::page_size() as u64;
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for thread in threads {
            let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0);
            sum.cpu += Duration::from_nanos(nanoseconds);
        }
    }
    sum
}

#[cfg(not(target_os = "linux"))]
fn usage() -> Usage {
    Usage::default()
}

/// Returns every process that descends from this one.
#[cfg(target_os = "linux")]
fn descendants() -> Vec<i32> {
    let me = i32::try_from(std::process::id()).unwrap_or(1);
    let parent_of = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it is in brackets and may hold anything.
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<i32>().ok()
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let parents: Vec<(i32, i32)> = processes.filter_map(|pid| Some((pid, parent_of(pid)?))).collect();
    let mut family = vec![me];
    loop {
        let more: Vec<i32> = parents
            .iter()
            .filter(|(pid, parent)| family.contains(parent) && !family.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            family.remove(0);
            return family;
        }
        family.extend(more);
    }
}

#[cfg(not(target_os = "linux"))]
fn descendants() -> Vec<i32> {
    let me = std::process::id().to_string();
    let listing = std::process::Command::new("/usr/bin/pgrep").args(["-P", &me]).output();
    let text = listing.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

/// Sends `signal` to every descendant and its process group; for hosts without PID namespaces.
pub fn signal_descendants(signal: Signal) {
    for pid in descendants() {
        // A group leader's group may hold processes whose parent is gone; both calls fail harmlessly for what has ended.
        let _ = nix::sys::signal::killpg(Pid::from_raw(pid), signal);
        let _ = nix::sys::signal::kill(Pid::from_raw(pid), signal);
    }
}
