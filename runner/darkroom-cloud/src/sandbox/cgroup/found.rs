//! The control groups that this process may make, and those that dead servers left.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::group::Cgroup;
use super::{v1, v2};

const PREFIX: &str = "darkroom-";

static NEXT: AtomicU64 = AtomicU64::new(0);

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

/// Returns the name of this process's folder: process id and start time, which no other process
/// shares.
pub(super) fn own_name() -> io::Result<String> {
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

/// Removes groups under `parent` whose server is dead, with whatever still runs in them.
pub(super) fn remove_stale(parent: &Path) {
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
