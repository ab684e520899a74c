//! Control groups, version 1: one hierarchy a controller. Linux's cgroup-v1/memory.rst is the
//! source for the files.

use super::files::{explain, make_folder, stat_line, write};
use super::found::{own_name, remove_stale};
use super::group::{Freezing, Judgement, Tmp};
use super::share::PROCESSES;
use crate::sandbox::protocol::{CgroupFiles, Freezer, MemoryUse};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tokio::net::unix::pipe::Receiver;

const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// A short period spreads a small quota evenly: with the usual 100 ms a handler at 128 MB would run
/// 7 ms, then wait 93.
const PERIOD_US: f64 = 20_000.0;

/// The kernel accepts no quota below this.
const SMALLEST_QUOTA_US: f64 = 1_000.0;

/// How far above the memory size the kernel's wall stands. A process may write to `/tmp`, which
/// does not count on AWS but does here, so quickly that the wall must not be where the size is: a
/// write that hits it fails.
const SLACK: u64 = 64 << 20;

/// How often to look while the notice is set higher than the memory size, since what took the room
/// may have gone.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(20);

/// This process's own group in each hierarchy, and the folder below it that holds its sandboxes'
/// groups.
#[derive(Clone, Debug)]
pub struct Hierarchies {
    homes: [PathBuf; 3],
    /// Not every kernel has this hierarchy, and the others are of use without it.
    freezer: Option<PathBuf>,
    name: String,
}

impl Hierarchies {
    /// Finds the three hierarchies and proves that groups can be made in them.
    pub fn find(cgroups: &Path, mounts: &Path) -> Result<Self, String> {
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let (cgroups, mounts) = (read(cgroups)?, read(mounts)?);
        let home = |controller: &str| home_of(controller, &cgroups, &mounts);
        let homes = [
            home(CONTROLLERS[0])?,
            home(CONTROLLERS[1])?,
            home(CONTROLLERS[2])?,
        ];
        let name = own_name().map_err(|error| error.to_string())?;
        // First, since what a dead server left frozen can't be ended.
        let freezer = home("freezer")
            .ok()
            .filter(|home| prove(home, &name).is_ok());
        for home in &homes {
            prove(home, &name)
                .map_err(|error| explain("make a group in", home, &error).to_string())?;
        }
        Ok(Self {
            homes,
            freezer,
            name,
        })
    }

    pub fn has_freezer(&self) -> bool {
        self.freezer.is_some()
    }
}

/// Removes what is left in `home` and proves that a group can be made there.
fn prove(home: &Path, name: &str) -> io::Result<()> {
    remove_stale(home);
    fs::create_dir_all(home.join(name))?;
    // Another cloud of this process may have groups in it already.
    let _ = fs::remove_dir(home.join(name));
    Ok(())
}

/// Returns how a group of the freezer hierarchy is stopped.
pub fn freezer(group: &Path) -> Freezer {
    Freezer {
        file: group.join("freezer.state"),
        freeze: "FROZEN".to_owned(),
        thaw: "THAWED".to_owned(),
    }
}

/// Returns the folder of this process's own group for `controller`.
fn home_of(controller: &str, cgroups: &str, mounts: &str) -> Result<PathBuf, String> {
    let lists = |list: &str| list.split(',').any(|item| item == controller);
    let mount = mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        (fields.get(2) == Some(&"cgroup") && lists(fields.get(3)?))
            .then(|| PathBuf::from(fields[1]))
    });
    let mount = mount.ok_or_else(|| format!("no {controller} hierarchy is mounted"))?;
    let path = cgroups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        lists(controllers).then(|| path.trim_start_matches('/').to_owned())
    });
    let home = mount.join(path.unwrap_or_default());
    // In a container the path may be told as the host sees it.
    Ok(if home.is_dir() { home } else { mount })
}

/// The group of one sandbox in each hierarchy.
#[derive(Debug)]
pub struct HierarchyCgroups {
    memory: PathBuf,
    cpu: PathBuf,
    pids: PathBuf,
    freezer: Option<PathBuf>,
    leave: Vec<PathBuf>,
    memory_bytes: u64,
    tmp_bytes: u64,
    /// The notice is set higher than the memory size.
    raised: bool,
    /// Readable when usage passes the notice. An eventfd: Tokio's pipe reader is its one safe way
    /// to wait for a descriptor of another kind.
    notice: Receiver,
    /// Readable when processes wait at the wall.
    wall: Receiver,
}

impl HierarchyCgroups {
    /// Makes the groups with no CPU quota yet. Must be called within a Tokio runtime.
    pub fn make(
        hierarchies: &Hierarchies,
        name: &str,
        memory_mb: u32,
        tmp_mb: u32,
    ) -> io::Result<Self> {
        let make = |home: &PathBuf| make_folder(&home.join(&hierarchies.name), name);
        let [memory_home, cpu_home, pids_home] = &hierarchies.homes;
        let (memory, cpu, pids) = (make(memory_home)?, make(cpu_home)?, make(pids_home)?);
        let freezer = hierarchies.freezer.as_ref().map(make).transpose()?;
        let memory_bytes = u64::from(memory_mb) << 20;
        write(&memory.join("memory.swappiness"), "0")?;
        set_wall(&memory, memory_bytes + SLACK)?;
        // Processes wait at the wall until `judge` has said whether they are really too big.
        write(&memory.join("memory.oom_control"), "1")?;
        write(&pids.join("pids.max"), &PROCESSES.to_string())?;
        write(&cpu.join("cpu.cfs_period_us"), &PERIOD_US.to_string())?;
        Ok(Self {
            notice: notice(&memory, "memory.usage_in_bytes", &memory_bytes.to_string())?,
            wall: notice(&memory, "memory.oom_control", "")?,
            leave: hierarchies
                .homes
                .iter()
                .chain(&hierarchies.freezer)
                .map(|home| home.join("tasks"))
                .collect(),
            freezer,
            memory,
            cpu,
            pids,
            memory_bytes,
            tmp_bytes: u64::from(tmp_mb) << 20,
            raised: false,
        })
    }

    pub fn folders(&self) -> Vec<PathBuf> {
        [&self.memory, &self.cpu, &self.pids]
            .into_iter()
            .chain(&self.freezer)
            .cloned()
            .collect()
    }

    pub fn freezer(&self) -> Option<Freezer> {
        self.freezer.as_deref().map(freezer)
    }

    pub fn freezing(&self) -> Option<Freezing> {
        let group = self.freezer.as_deref()?;
        Some(Freezing {
            state: group.join("freezer.state"),
            stands: "FROZEN",
            threads: group.join("tasks"),
        })
    }

    /// `tasks` moves a single thread without stopping the world, which `cgroup.procs` does for many
    /// milliseconds.
    pub fn files(&self) -> CgroupFiles {
        CgroupFiles {
            join: self
                .folders()
                .iter()
                .map(|folder| folder.join("tasks"))
                .collect(),
            leave: self.leave.clone(),
            memory_stat: None,
        }
    }

    pub fn set_cpu(&self, cores: Option<f64>) -> io::Result<()> {
        let quota = cores.map_or(-1, |cores| {
            (cores * PERIOD_US).max(SMALLEST_QUOTA_US).round() as i64
        });
        write(&self.cpu.join("cpu.cfs_quota_us"), &quota.to_string())
    }

    /// Waits until there is something to [`Self::judge`].
    pub async fn memory_exhausted(&self) {
        let look_again = async {
            if self.raised {
                tokio::time::sleep(LOOK_AGAIN).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = wait_for(&self.notice) => {}
            () = wait_for(&self.wall) => {}
            () = look_again => {}
        }
    }

    /// Finds the processes too big, or sets notice and wall to where they could be so at the
    /// earliest.
    ///
    /// What counts is anonymous memory and shared memory. Usage also has files in `/tmp` and the
    /// page cache, which AWS does not count.
    pub fn judge(&mut self, tmp: Option<&Tmp>) -> io::Result<Judgement> {
        let number = |text: &str| text.trim().parse::<u64>().map_err(io::Error::other);
        let memory = self.memory(tmp)?;
        let room = self
            .memory_bytes
            .saturating_sub((memory.alone + memory.shared) * 1024);
        let usage = self.usage()?;
        let highest = self.memory_bytes + self.tmp_bytes + SLACK;
        let limit = number(&fs::read_to_string(
            self.memory.join("memory.limit_in_bytes"),
        )?)?;
        // Counters lag behind by some pages a core. What waits at a wall that can't be raised would
        // wait for ever.
        let at_the_end = limit >= highest
            && ((usage + (1 << 20) >= limit && room < SLACK) || self.waits_at_the_wall()?);
        if room < 1 << 20 || at_the_end {
            return Ok(Judgement::OutOfMemory);
        }
        let target = (usage + room).clamp(self.memory_bytes, highest - SLACK);
        if target + SLACK > limit || target + 4 * SLACK < limit {
            // Fails if files have filled what is to be taken away, and then it is not to be.
            let _ = set_wall(&self.memory, target + SLACK);
        }
        self.raised = target > self.memory_bytes;
        self.notice = notice(&self.memory, "memory.usage_in_bytes", &target.to_string())?;
        Ok(Judgement::Raised)
    }
}

impl HierarchyCgroups {
    /// Returns the memory that counts: shared is what is on a tmpfs but not in `/tmp`.
    pub fn memory(&self, tmp: Option<&Tmp>) -> io::Result<MemoryUse> {
        let in_tmp = |tmp: Option<&Tmp>| tmp.map_or(Ok(0), Tmp::used_bytes);
        let before = in_tmp(tmp)?;
        let stat = fs::read_to_string(self.memory.join("memory.stat"))?;
        // Files may come and go between the two; what was there at either time is believed.
        let in_tmp = before.max(in_tmp(tmp)?);
        // Where `/tmp` is the host's, its files cannot be distinguished.
        let shared = tmp
            .and_then(|_| stat_line(&stat, "shmem"))
            .unwrap_or(0)
            .saturating_sub(in_tmp);
        Ok(MemoryUse {
            alone: stat_line(&stat, "rss").unwrap_or(0) / 1024,
            shared: shared / 1024,
        })
    }

    pub fn usage(&self) -> io::Result<u64> {
        let text = fs::read_to_string(self.memory.join("memory.usage_in_bytes"))?;
        text.trim().parse().map_err(io::Error::other)
    }

    fn waits_at_the_wall(&self) -> io::Result<bool> {
        let control = fs::read_to_string(self.memory.join("memory.oom_control"))?;
        Ok(stat_line(&control, "under_oom") == Some(1))
    }
}

/// Waits for an eventfd.
async fn wait_for(event: &Receiver) {
    // An error can only mean that the runtime is shutting down.
    while event.readable().await.is_ok() {
        if event.try_read(&mut [0; 8]).is_ok() {
            return;
        }
    }
}

/// Sets the limit for memory, and for memory and swap together where swap is counted.
fn set_wall(memory: &Path, bytes: u64) -> io::Result<()> {
    let both = memory.join("memory.memsw.limit_in_bytes");
    let bytes = bytes.to_string();
    if both.exists() {
        // The smaller of the two must be set first when they shrink, the larger when they grow.
        let _ = write(&both, &bytes);
        write(&memory.join("memory.limit_in_bytes"), &bytes)?;
        write(&both, &bytes)
    } else {
        write(&memory.join("memory.limit_in_bytes"), &bytes)
    }
}

/// Returns a descriptor that becomes readable when what `file` tells of happens.
#[cfg(target_os = "linux")]
fn notice(memory: &Path, file: &str, argument: &str) -> io::Result<Receiver> {
    use rustix::event::{EventfdFlags, eventfd};
    use std::os::fd::AsRawFd;
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let file = fs::File::open(memory.join(file))?;
    let line = format!("{} {} {argument}", event.as_raw_fd(), file.as_raw_fd());
    write(&memory.join("cgroup.event_control"), &line)?;
    Receiver::from_owned_fd_unchecked(event)
}

#[cfg(not(target_os = "linux"))]
fn notice(_memory: &Path, _file: &str, _argument: &str) -> io::Result<Receiver> {
    Err(io::Error::other("control groups are Linux's"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CGROUPS: &str = "4:memory:/jobs/one\n2:cpu,cpuacct:/jobs\n1:pids:/gone\n0::/\n";

    #[test]
    fn homes_are_the_mount_and_the_own_path_where_it_exists() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["memory/jobs/one", "cpu,cpuacct/jobs", "pids"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        let at = folder.path().display();
        let mounts = format!(
            "cgroup {at}/memory cgroup rw,relatime,memory 0 0\ncgroup {at}/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
             cgroup {at}/pids cgroup rw,pids 0 0\ncgroup2 {at}/unified cgroup2 rw 0 0\n"
        );
        assert_eq!(
            home_of("memory", CGROUPS, &mounts).unwrap(),
            folder.path().join("memory/jobs/one")
        );
        assert_eq!(
            home_of("cpu", CGROUPS, &mounts).unwrap(),
            folder.path().join("cpu,cpuacct/jobs")
        );
        assert_eq!(
            home_of("pids", CGROUPS, &mounts).unwrap(),
            folder.path().join("pids")
        );
        assert_eq!(
            home_of("freezer", CGROUPS, &mounts).unwrap_err(),
            "no freezer hierarchy is mounted"
        );
    }
}
