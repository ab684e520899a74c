//! Control groups: the kernel limits memory, CPU quota and process count of one sandbox.
//!
//! Every sandbox gets its own group in a folder named after the server process, below the server's
//! own group. The outer process of the sandbox removes both when it ends; [`Cgroups::find`] removes
//! what a dead server left.

mod v1;
mod v2;

use super::protocol::{CgroupFiles, Freezer, MemoryUse};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// AWS's memory size that comes with one full vCPU (FACTS.md, section 4).
pub const MB_PER_VCPU: f64 = 1769.0;

/// Processes and threads of one sandbox, as AWS's `RLIMIT_NPROC`.
pub const PROCESSES: u64 = 1024;

const PREFIX: &str = "darkroom-";

/// Returns the cores that `memory_mb` buys.
pub fn cpu_share(memory_mb: u32) -> f64 {
    f64::from(memory_mb) / MB_PER_VCPU
}

/// Which control groups this process may make.
#[derive(Clone, Debug)]
pub enum Cgroups {
    V1(v1::Hierarchies),
    V2(v2::Tree),
    /// None, and why not.
    None(String),
}

impl Cgroups {
    /// Finds out by making a group, and removes what servers that have died left behind.
    pub fn find() -> Self {
        let first = match v1::Hierarchies::find(
            Path::new("/proc/self/cgroup"),
            Path::new("/proc/self/mounts"),
        ) {
            Ok(hierarchies) => return Self::V1(hierarchies),
            Err(reason) => reason,
        };
        match v2::Tree::find(
            Path::new("/proc/self/cgroup"),
            Path::new("/proc/self/mounts"),
        ) {
            Ok(tree) => Self::V2(tree),
            Err(second) => Self::None(format!("cgroup v1: {first}; cgroup v2: {second}")),
        }
    }

    /// Names what stops all processes of a group; `None` where only signals do.
    pub fn freezes(&self) -> Option<&'static str> {
        match self {
            Self::V1(hierarchies) => hierarchies
                .has_freezer()
                .then_some("the control group's freezer"),
            Self::V2(tree) => tree.has_freezer().then_some("cgroup.freeze"),
            Self::None(_) => None,
        }
    }

    /// Makes the group of one sandbox; `None` where there are none to make.
    pub fn make(&self, memory_mb: u32, tmp_mb: u32) -> io::Result<Option<Cgroup>> {
        let name = format!("environment-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        match self {
            Self::V1(hierarchies) => {
                v1::HierarchyCgroups::make(hierarchies, &name, memory_mb, tmp_mb)
                    .map(Cgroup::V1)
                    .map(Some)
            }
            Self::V2(tree) => v2::UnifiedCgroup::make(tree, &name, memory_mb, tmp_mb)
                .map(Cgroup::V2)
                .map(Some),
            Self::None(_) => Ok(None),
        }
    }
}

/// A sandbox's own `/tmp`, held open: control groups count its files as memory, which AWS does not.
#[derive(Debug)]
pub struct Tmp(OwnedFd);

impl Tmp {
    pub fn new(folder: OwnedFd) -> Self {
        Self(folder)
    }

    fn used_bytes(&self) -> io::Result<u64> {
        Ok(used_bytes(&nix::sys::statvfs::fstatvfs(&self.0)?))
    }
}

/// Returns how much of a file system is used.
#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_cast,
    reason = "these counts are narrower on macOS"
)]
pub fn used_bytes(of: &nix::sys::statvfs::Statvfs) -> u64 {
    u64::from(of.blocks()).saturating_sub(u64::from(of.blocks_free())) * of.fragment_size() as u64
}

/// Returns the number that the line of `name` has in a control group's file.
pub fn stat_line(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

static NEXT: AtomicU64 = AtomicU64::new(0);

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

/// Returns the name of this process's folder: process id and start time, which no other process
/// shares.
fn own_name() -> io::Result<String> {
    let pid = std::process::id();
    let start =
        start_time(pid).ok_or_else(|| io::Error::other("cannot read this process's start time"))?;
    Ok(format!("{PREFIX}{pid}-{start}"))
}

/// Returns when process `pid` started, in clock ticks since boot; `None` if there is no such
/// process.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// Where a group says whether all of it stands still.
pub struct Freezing {
    pub state: PathBuf,
    /// The line that says so.
    pub stands: &'static str,
    pub threads: PathBuf,
}

/// Removes groups under `parent` whose server is dead, with whatever still runs in them.
fn remove_stale(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        let Some((Ok(pid), Ok(start))) =
            owner.map(|(pid, start)| (pid.parse::<u32>(), start.parse::<u64>()))
        else {
            continue;
        };
        if start_time(pid) == Some(start) {
            continue;
        }
        for group in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            let freezer = v1::freezer(&group.path());
            if freezer.file.exists() {
                // What is frozen can't die.
                let _ = fs::write(freezer.file, freezer.thaw);
            }
            end_processes(&group.path());
            // What is still busy is left for the next start.
            let _ = fs::remove_dir(group.path());
        }
        let _ = fs::remove_dir(entry.path());
    }
}

fn end_processes(group: &Path) {
    let list = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for pid in list.lines().filter_map(|line| line.parse().ok()) {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGKILL,
        );
    }
}

/// Makes `parent/name`, also if another sandbox's end has just removed `parent`.
fn make_folder(parent: &Path, name: &str) -> io::Result<PathBuf> {
    let folder = parent.join(name);
    let mut result = Ok(());
    for _ in 0..10 {
        result = fs::create_dir_all(&folder);
        if result.is_ok() {
            break;
        }
    }
    result.map_err(|error| explain("make", &folder, &error))?;
    Ok(folder)
}

fn write(path: &Path, value: &str) -> io::Result<()> {
    fs::write(path, value).map_err(|error| explain("write", path, &error))
}

fn explain(action: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("can't {action} {}: {error}", path.display()),
    )
}
