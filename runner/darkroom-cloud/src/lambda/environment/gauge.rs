//! The most memory that an environment's processes have used, as the kernel reports it.
//!
//! Reads `VmHWM` of `/proc/PID/status`: the peak since the process started, including mapped file
//! pages, but neither `/tmp` nor the page cache. The peaks of several processes are added. Memory
//! that no process has mapped is reported to this file, not read by it.

use crate::sandbox::protocol::MemoryUse;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Reads one runtime's peak, and remembers the highest of the environment.
#[derive(Default)]
pub struct MemoryGauge {
    status: Option<File>,
    children: Option<File>,
    peak_kb: u64,
    /// What belongs to no process alone, now.
    shared_kb: u64,
}

impl MemoryGauge {
    /// Begins to watch the process with this id on the host.
    pub fn watch(&mut self, pid: Option<u32>) {
        self.shared_kb = 0;
        let open = |name: &str| File::open(format!("/proc/{}/{name}", pid?)).ok();
        self.status = open("status");
        self.children = pid.and_then(|pid| open(&format!("task/{pid}/children")));
    }

    /// Takes in a peak that was told rather than read.
    pub fn take_peak(&mut self, peak_kb: u64) {
        self.peak_kb = self.peak_kb.max(peak_kb);
    }

    /// Takes in how much memory is used now, by processes that may end before [`Self::read_mb`],
    /// and by none of them.
    pub fn take(&mut self, memory: MemoryUse) {
        self.shared_kb = memory.shared;
        self.take_peak(memory.alone + memory.shared);
    }

    /// True if much of the memory belonged to no process alone when it was last counted.
    pub fn is_shared(&self) -> bool {
        self.shared_kb > 1024
    }

    /// Returns the peak so far in MB, rounded up, at most `memory_mb`; 0 where the kernel does not
    /// tell (macOS, while the runtime lives).
    pub fn read_mb(&mut self, memory_mb: u32) -> u32 {
        let mut sum = self
            .status
            .as_ref()
            .and_then(Peak::read)
            .unwrap_or_default();
        let mut list = [0; 512];
        let length = self
            .children
            .as_ref()
            .and_then(|file| file.read_at(&mut list, 0).ok())
            .unwrap_or(0);
        for pid in String::from_utf8_lossy(&list[..length]).split_whitespace() {
            let status = File::open(format!("/proc/{pid}/status"));
            sum = sum.plus(
                status
                    .ok()
                    .as_ref()
                    .and_then(Peak::read)
                    .unwrap_or_default(),
            );
        }
        // A peak has in it what was shared and mapped then, so what is shared now is set beside
        // what is alone now.
        self.peak_kb = self
            .peak_kb
            .max(sum.peak_kb)
            .max(sum.alone_kb + self.shared_kb);
        (self.peak_kb.div_ceil(1024) as u32).min(memory_mb)
    }
}

/// What `/proc/PID/status` says of one process, or of several together, in kB.
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    /// `VmHWM`.
    peak_kb: u64,
    /// `RssAnon` and `RssFile`: what it has resident now without what is shared.
    alone_kb: u64,
}

impl Peak {
    /// Returns `None` once the process has ended.
    fn read(status: &File) -> Option<Self> {
        let mut bytes = [0; 4096];
        let length = status.read_at(&mut bytes, 0).ok()?;
        let text = String::from_utf8_lossy(&bytes[..length]);
        let line = |name| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        let alone_kb = line("RssAnon:").unwrap_or(0) + line("RssFile:").unwrap_or(0);
        Some(Self {
            peak_kb: line("VmHWM:")?,
            alone_kb,
        })
    }

    fn plus(self, other: Self) -> Self {
        Self {
            peak_kb: self.peak_kb + other.peak_kb,
            alone_kb: self.alone_kb + other.alone_kb,
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_peak_of_a_live_process_is_read_and_kept_after_its_end() {
        let mut gauge = MemoryGauge::default();
        gauge.watch(Some(std::process::id()));
        let before = gauge.read_mb(10_240);
        let big = vec![1_u8; 64 << 20];
        assert!(big.iter().map(|byte| u64::from(*byte)).sum::<u64>() > 0);
        let after = gauge.read_mb(10_240);
        assert!(after >= before + 60, "{before} then {after}");
        gauge.watch(None);
        assert_eq!(gauge.read_mb(10_240), after);
        assert_eq!(gauge.read_mb(32), 32, "never more than there is");
    }
}
