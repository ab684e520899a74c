//! Imitates limits that the kernel does not enforce here. Memory: adds up what is used. CPU share:
//! pauses everything until its share allows more. Between invocations: pauses everything again and
//! again.
//!
//! Linux reads `/proc`; on other systems nothing is watched, and [`Isolation`](super::Isolation)
//! says so. If `/proc` cannot be read, the sandbox ends, because an unseen limit is not enforced.

use super::protocol::{FROZEN_ALLOWANCE, MemoryUse, Offence, UsageWatch};
#[cfg(target_os = "linux")]
use super::usage::{GroupReader, Reader, Usage, family};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::io;
use std::time::{Duration, Instant};

/// How often memory and CPU time are read.
const INTERVAL: Duration = Duration::from_millis(5);

/// How much CPU time may be used at once, in cores × seconds per core of share: the period of a
/// real quota.
const BURST: Duration = Duration::from_millis(20);

/// What is frozen is looked at less and less often, down to this.
const LONGEST_FROZEN_INTERVAL: Duration = Duration::from_millis(160);

/// The server is told of memory when there is so much more or less of it, in kB.
const WORTH_TELLING_KB: u64 = 1024;

/// The state of what is watched.
pub struct Watcher {
    watch: UsageWatch,
    sensor: Sensor,
    running: bool,
    frozen: Option<Frozen>,
    throttled: bool,
    /// When, and with how much CPU time used by then, the present accounting began.
    origin: Option<(Instant, Duration)>,
    stopped_until: Option<Instant>,
    told: MemoryUse,
}

/// What a look found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// Why everything must end.
    pub offence: Option<Offence>,
    /// Memory, when the server is to hear of it.
    pub memory: Option<MemoryUse>,
}

struct Frozen {
    interval: Duration,
    /// CPU time used when everything was stopped.
    cpu: Duration,
}

impl Watcher {
    pub fn new(watch: UsageWatch, sensor: Sensor) -> Self {
        let (origin, stopped_until) = (None, None);
        Self {
            watch,
            sensor,
            running: false,
            frozen: None,
            throttled: false,
            origin,
            stopped_until,
            told: MemoryUse::default(),
        }
    }

    pub fn runtime_started(&mut self, _pid: Pid) {
        self.running = true;
    }

    pub fn runtime_ended(&mut self) {
        self.running = false;
        self.frozen = None;
        self.throttled = false;
        self.origin = None;
        self.stopped_until = None;
        self.told = MemoryUse::default();
        self.sensor.forget();
    }

    /// Begins or ends to hold the CPU share. While an environment is idle nothing is held.
    pub fn throttle(&mut self, on: bool) {
        self.throttled = on;
        self.origin = None;
    }

    /// Everything has just been stopped: it is only seen to that it stays so.
    pub fn pause(&mut self) -> Finding {
        match self.sensor.read_processes() {
            Ok(usage) => {
                self.frozen = Some(Frozen {
                    interval: INTERVAL,
                    cpu: usage.cpu,
                });
                Finding::default()
            }
            Err(_) => Finding {
                offence: Some(Offence::Unwatchable),
                memory: None,
            },
        }
    }

    pub fn resume(&mut self) {
        self.frozen = None;
        self.origin = None;
        self.stopped_until = None;
    }

    /// Returns how long to wait before [`Self::look`]; `None` if there is nothing to watch.
    pub fn interval(&self) -> Option<Duration> {
        if !self.running {
            return None;
        }
        if let Some(frozen) = &self.frozen {
            return (self.watch.hold_frozen && cfg!(target_os = "linux"))
                .then_some(frozen.interval);
        }
        let watching = self.watch.memory_bytes.is_some() || self.share().is_some();
        let until = self
            .stopped_until
            .map(|until| until.saturating_duration_since(Instant::now()));
        watching.then(|| until.unwrap_or(INTERVAL).max(Duration::from_micros(100)))
    }

    fn share(&self) -> Option<f64> {
        self.watch
            .cpu_share
            .filter(|_| self.throttled || self.stopped_until.is_some())
    }

    /// Reads what the sandbox uses; stops or continues it by `signal_all`.
    pub fn look(&mut self, signal_all: impl Fn(Signal)) -> Finding {
        let read = if self.frozen.is_some() {
            self.sensor.read_processes()
        } else {
            self.sensor.read()
        };
        let Ok(usage) = read else {
            return Finding {
                offence: Some(Offence::Unwatchable),
                memory: None,
            };
        };
        if self.frozen.is_some() {
            return Finding {
                offence: self.hold(&usage, signal_all),
                memory: None,
            };
        }
        if self
            .stopped_until
            .is_some_and(|until| Instant::now() >= until)
        {
            self.stopped_until = None;
            signal_all(Signal::SIGCONT);
        }
        let used = usage.anonymous_bytes + usage.shared_bytes;
        if self.watch.memory_bytes.is_some_and(|limit| used > limit) {
            return Finding {
                offence: Some(Offence::OutOfMemory),
                memory: None,
            };
        }
        self.hold_share(&usage, signal_all);
        Finding {
            offence: None,
            memory: self.worth_telling(&usage),
        }
    }

    /// Stops again what was frozen and has woken up; a signal from a timer or from anywhere may
    /// have done it.
    fn hold(&mut self, usage: &Usage, signal_all: impl Fn(Signal)) -> Option<Offence> {
        let frozen = self.frozen.as_mut()?;
        let used = usage.cpu.saturating_sub(frozen.cpu);
        if used > FROZEN_ALLOWANCE {
            return Some(Offence::WorkedWhileFrozen {
                cpu_ms: used.as_millis() as u64,
            });
        }
        if usage.awake {
            signal_all(Signal::SIGSTOP);
            frozen.interval = INTERVAL;
        } else {
            frozen.interval = (frozen.interval * 2).min(LONGEST_FROZEN_INTERVAL);
        }
        None
    }

    /// Stops everything for as long as it has run ahead of its share.
    fn hold_share(&mut self, usage: &Usage, signal_all: impl Fn(Signal)) {
        let Some(share) = self
            .share()
            .filter(|_| self.stopped_until.is_none() && self.throttled)
        else {
            return;
        };
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

    fn worth_telling(&mut self, usage: &Usage) -> Option<MemoryUse> {
        let memory = MemoryUse {
            alone: usage.anonymous_bytes / 1024,
            shared: usage.shared_bytes / 1024,
        };
        let far = |one: u64, other: u64| one.abs_diff(other) >= WORTH_TELLING_KB;
        if !far(memory.alone, self.told.alone) && !far(memory.shared, self.told.shared) {
            return None;
        }
        self.told = memory;
        Some(memory)
    }
}

/// Where what a sandbox uses is read.
#[cfg(target_os = "linux")]
pub struct Sensor {
    processes: Reader,
    /// Counts memory better, where there is one.
    group: Option<GroupReader>,
}

#[cfg(target_os = "linux")]
impl Sensor {
    pub fn new(group: Option<GroupReader>) -> Self {
        Self {
            processes: Reader::default(),
            group,
        }
    }

    fn read(&mut self) -> io::Result<Usage> {
        let Some(group) = &self.group else {
            return self.processes.read();
        };
        let (anonymous_bytes, shared_bytes) = group.read()?;
        Ok(Usage {
            anonymous_bytes,
            shared_bytes,
            ..Usage::default()
        })
    }

    fn read_processes(&mut self) -> io::Result<Usage> {
        self.processes.read()
    }

    fn forget(&mut self) {
        self.processes = Reader::default();
    }
}

/// Nothing can be read.
#[cfg(not(target_os = "linux"))]
pub struct Sensor;

#[cfg(not(target_os = "linux"))]
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    anonymous_bytes: u64,
    shared_bytes: u64,
    cpu: Duration,
    awake: bool,
}

#[cfg(not(target_os = "linux"))]
impl Sensor {
    fn read(&mut self) -> io::Result<Usage> {
        Ok(Usage::default())
    }

    fn read_processes(&mut self) -> io::Result<Usage> {
        Ok(Usage::default())
    }

    fn forget(&mut self) {}
}

#[cfg(not(target_os = "linux"))]
fn family() -> Vec<Pid> {
    let me = std::process::id().to_string();
    let listing = std::process::Command::new("/usr/bin/pgrep")
        .args(["-P", &me])
        .output();
    let text = listing
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    text.lines()
        .filter_map(|line| line.trim().parse().ok())
        .map(Pid::from_raw)
        .collect()
}

/// Sends `signal` to every descendant and its process group; for hosts without PID namespaces.
pub fn signal_descendants(signal: Signal) {
    for pid in family() {
        // A group leader's group may hold processes whose parent is gone; both calls fail
        // harmlessly for what has ended.
        let _ = nix::sys::signal::killpg(pid, signal);
        let _ = nix::sys::signal::kill(pid, signal);
    }
}
