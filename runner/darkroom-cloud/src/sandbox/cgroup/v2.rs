//! Control groups, version 2: one tree for all controllers. Linux's cgroup-v2.rst is the source for
//! the files.
//!
//! A group with processes of its own can't hand controllers to groups below it, except the root. So
//! the sandboxes' groups go below the server's own group if that works, else below the root of the
//! tree if it may be written.

use super::files::{explain, make_folder, write};
use super::found::{own_name, remove_stale};
use super::group::Freezing;
use super::share::PROCESSES;
use crate::sandbox::protocol::{CgroupFiles, Freezer};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];
const PERIOD_US: f64 = 20_000.0;
const SMALLEST_QUOTA_US: f64 = 1_000.0;

/// Where this process's sandboxes' groups go.
#[derive(Clone, Debug)]
pub struct Tree {
    folder: PathBuf,
}

impl Tree {
    /// Finds a place where groups with all three controllers can be made, and proves it by making
    /// one.
    pub fn find(cgroups: &Path, mounts: &Path) -> Result<Self, String> {
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let (cgroups, mounts) = (read(cgroups)?, read(mounts)?);
        let mount = mounts.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            (fields.get(2) == Some(&"cgroup2")).then(|| PathBuf::from(fields[1]))
        });
        let mount = mount.ok_or("not mounted")?;
        let own = cgroups
            .lines()
            .find_map(|line| line.strip_prefix("0::/"))
            .unwrap_or_default();
        let name = own_name().map_err(|error| error.to_string())?;
        let mut reasons = Vec::new();
        for home in [mount.join(own), mount] {
            match Self::try_below(&home, &name) {
                Ok(tree) => return Ok(tree),
                Err(reason) => reasons.push(reason.to_string()),
            }
        }
        reasons.dedup();
        Err(reasons.join("; "))
    }

    pub fn has_freezer(&self) -> bool {
        self.folder.join("cgroup.freeze").exists()
    }

    fn try_below(home: &Path, name: &str) -> io::Result<Self> {
        let offered = fs::read_to_string(home.join("cgroup.controllers"))
            .map_err(|error| explain("read the controllers of", home, &error))?;
        if let Some(missing) = CONTROLLERS
            .iter()
            .find(|wanted| !offered.split_whitespace().any(|c| c == **wanted))
        {
            return Err(io::Error::other(format!(
                "{} has no {missing} controller",
                home.display()
            )));
        }
        remove_stale(home);
        let all = CONTROLLERS
            .map(|controller| format!("+{controller}"))
            .join(" ");
        write(&home.join("cgroup.subtree_control"), &all)?;
        let folder = home.join(name);
        fs::create_dir_all(&folder).map_err(|error| explain("make", &folder, &error))?;
        write(&folder.join("cgroup.subtree_control"), &all)?;
        Ok(Self { folder })
    }
}

/// The group of one sandbox.
#[derive(Debug)]
pub struct UnifiedCgroup {
    pub folder: PathBuf,
    kills: u64,
}

impl UnifiedCgroup {
    /// Makes the group with no CPU quota yet.
    ///
    /// Files in `/tmp` count as memory here, which they do not on AWS. So the kernel's limit leaves
    /// room for a full `/tmp`, and the inner process watches what processes have resident (see
    /// [`super::super::watch`]).
    pub fn make(tree: &Tree, name: &str, memory_mb: u32, tmp_mb: u32) -> io::Result<Self> {
        let folder = make_folder(&tree.folder, name)?;
        // The folder above may have been made again.
        let all = CONTROLLERS
            .map(|controller| format!("+{controller}"))
            .join(" ");
        write(&tree.folder.join("cgroup.subtree_control"), &all)?;
        let bytes = u64::from(memory_mb + tmp_mb) << 20;
        write(&folder.join("memory.max"), &bytes.to_string())?;
        let swap = folder.join("memory.swap.max");
        if swap.exists() {
            write(&swap, "0")?;
        }
        write(&folder.join("pids.max"), &PROCESSES.to_string())?;
        Ok(Self { folder, kills: 0 })
    }

    pub fn files(&self) -> CgroupFiles {
        CgroupFiles {
            join: vec![self.folder.join("cgroup.procs")],
            leave: Vec::new(),
            memory_stat: Some(self.folder.join("memory.stat")),
        }
    }

    /// Stops the inner process with the rest. The server lets it go before it orders anything, and
    /// the outer process when the server is gone.
    pub fn freezer(&self) -> Option<Freezer> {
        let file = self.folder.join("cgroup.freeze");
        // Linux has it since 5.2.
        file.exists().then(|| Freezer {
            file,
            freeze: "1".to_owned(),
            thaw: "0".to_owned(),
        })
    }

    pub fn freezing(&self) -> Freezing {
        Freezing {
            state: self.folder.join("cgroup.events"),
            stands: "frozen 1",
            threads: self.folder.join("cgroup.threads"),
        }
    }

    pub fn set_cpu(&self, cores: Option<f64>) -> io::Result<()> {
        let quota = cores.map_or_else(
            || "max".to_owned(),
            |cores| ((cores * PERIOD_US).max(SMALLEST_QUOTA_US).round() as u64).to_string(),
        );
        write(
            &self.folder.join("cpu.max"),
            &format!("{quota} {PERIOD_US}"),
        )
    }

    pub fn kernel_killed(&mut self) -> bool {
        let events = fs::read_to_string(self.folder.join("memory.events")).unwrap_or_default();
        let kills = events
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok())
            .unwrap_or(0);
        std::mem::replace(&mut self.kills, kills) < kills
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a cgroup2 mount with `controllers`.
    fn tree(controllers: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cgroup.controllers"), controllers).unwrap();
        folder
    }

    #[test]
    fn limits_are_written_as_the_kernel_reads_them() {
        let folder = tree("cpuset cpu io memory pids\n");
        let tree = Tree::try_below(folder.path(), "darkroom-test").unwrap();
        let mut group = UnifiedCgroup::make(&tree, "environment-0", 442, 512).unwrap();
        group.set_cpu(Some(0.25)).unwrap();
        let read = |name: &str| fs::read_to_string(group.folder.join(name)).unwrap();
        assert_eq!(read("memory.max"), ((442_u64 + 512) << 20).to_string());
        assert_eq!(read("cpu.max"), "5000 20000");
        assert_eq!(read("pids.max"), "1024");
        group.set_cpu(None).unwrap();
        assert_eq!(
            fs::read_to_string(group.folder.join("cpu.max")).unwrap(),
            "max 20000"
        );
        fs::write(
            group.folder.join("memory.events"),
            "low 0\noom 1\noom_kill 1\n",
        )
        .unwrap();
        assert!(group.kernel_killed());
        assert!(!group.kernel_killed());
    }

    #[test]
    fn a_tree_without_the_memory_controller_is_refused_by_name() {
        let folder = tree("hugetlb\n");
        let reason = Tree::try_below(folder.path(), "darkroom-test")
            .unwrap_err()
            .to_string();
        assert!(reason.ends_with("has no memory controller"), "{reason}");
    }
}
