//! The control group of one sandbox, whichever version the kernel has.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use super::files::{used_bytes, write};
use super::{v1, v2};
use crate::sandbox::protocol::{CgroupFiles, Freezer, MemoryUse};

/// The control group of one sandbox.
#[derive(Debug)]
pub enum Cgroup {
    V1(v1::HierarchyCgroups),
    V2(v2::UnifiedCgroup),
}

/// What to do about a group that uses a lot of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Files took the room, which AWS does not count: the limit was set again.
    Raised,
    /// The processes themselves are too big.
    OutOfMemory,
}

impl Cgroup {
    /// Folders to remove in the end.
    pub fn folders(&self) -> Vec<PathBuf> {
        match self {
            Self::V1(group) => group.folders(),
            Self::V2(group) => vec![group.folder.clone()],
        }
    }

    pub fn files(&self) -> CgroupFiles {
        match self {
            Self::V1(group) => group.files(),
            Self::V2(group) => group.files(),
        }
    }

    /// Returns what stops every process of the group, if this kernel has it.
    pub fn freezer(&self) -> Option<Freezer> {
        match self {
            Self::V1(group) => group.freezer(),
            Self::V2(group) => group.freezer(),
        }
    }

    /// Stops every process of the group, or lets all continue; `None` if this kernel can't.
    ///
    /// Unlike a signal, this can't be undone from inside.
    pub fn freeze(&self, on: bool) -> Option<io::Result<()>> {
        let freezer = self.freezer()?;
        Some(write(
            &freezer.file,
            if on { &freezer.freeze } else { &freezer.thaw },
        ))
    }

    /// Returns the CPU time of the group's threads while some are still on their way to a stop, which
    /// [`Self::freeze`] does not wait for; `None` once all stand still.
    ///
    /// What is in the middle of a system call goes on to its end, and a call may take a second.
    pub fn unsettled(&self) -> Option<Duration> {
        let freezing = match self {
            Self::V1(group) => group.freezing()?,
            Self::V2(group) => group.freezing(),
        };
        let state = fs::read_to_string(&freezing.state).ok()?;
        if state.lines().any(|line| line == freezing.stands) {
            return None;
        }
        let threads = fs::read_to_string(&freezing.threads).ok()?;
        let used = threads.lines().map(|thread| {
            let times = fs::read_to_string(format!("/proc/{thread}/schedstat")).ok()?;
            times.split(' ').next()?.parse::<u64>().ok()
        });
        Some(Duration::from_nanos(used.flatten().sum()))
    }

    /// Sets the CPU quota to `cores`, or lifts it.
    pub fn set_cpu(&self, cores: Option<f64>) -> io::Result<()> {
        match self {
            Self::V1(group) => group.set_cpu(cores),
            Self::V2(group) => group.set_cpu(cores),
        }
    }

    /// Waits until the group may be too big; for ever where the kernel decides by itself.
    pub async fn memory_exhausted(&self) {
        match self {
            Self::V1(group) => group.memory_exhausted().await,
            Self::V2(_) => std::future::pending().await,
        }
    }

    /// Decides what [`Self::memory_exhausted`] meant.
    pub fn judge(&mut self, tmp: Option<&Tmp>) -> io::Result<Judgement> {
        match self {
            Self::V1(group) => group.judge(tmp),
            Self::V2(_) => Ok(Judgement::OutOfMemory),
        }
    }

    /// Returns the bytes that the group uses in all, `/tmp` included; `None` where the inner
    /// process watches.
    pub fn usage(&self) -> Option<u64> {
        match self {
            Self::V1(group) => group.usage().ok(),
            Self::V2(_) => None,
        }
    }

    /// Returns the memory that counts, `/tmp` not included; `None` where the inner process tells.
    pub fn memory(&self, tmp: Option<&Tmp>) -> Option<MemoryUse> {
        match self {
            Self::V1(group) => group.memory(tmp).ok(),
            Self::V2(_) => None,
        }
    }

    /// True if the kernel itself has killed for memory since this was last asked.
    pub fn kernel_killed(&mut self) -> bool {
        match self {
            Self::V1(_) => false,
            Self::V2(group) => group.kernel_killed(),
        }
    }
}

impl Drop for Cgroup {
    /// The sandbox's outer process removes the group too; whichever comes after the last process
    /// succeeds.
    fn drop(&mut self) {
        for folder in self.folders() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Where a group says whether all of it stands still.
pub struct Freezing {
    pub state: PathBuf,
    /// The line that says so.
    pub stands: &'static str,
    pub threads: PathBuf,
}

/// A sandbox's own `/tmp`, held open: control groups count its files as memory, which AWS does not.
#[derive(Debug)]
pub struct Tmp(OwnedFd);

impl Tmp {
    pub fn new(folder: OwnedFd) -> Self {
        Self(folder)
    }

    pub(super) fn used_bytes(&self) -> io::Result<u64> {
        Ok(used_bytes(&nix::sys::statvfs::fstatvfs(&self.0)?))
    }
}
