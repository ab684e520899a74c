//! Which processes there are, so that a test can tell that none is left behind.

use std::collections::BTreeSet;
use std::fs;

/// A process by id and start time, which no later process with the same id shares.
pub type Process = (u32, u64);

/// Returns a process's parent and its start time.
fn parent_and_start(pid: u32) -> Option<(u32, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.nth(1)?.parse().ok()?, fields.nth(17)?.parse().ok()?))
}

pub fn is_alive(process: Process) -> bool {
    parent_and_start(process.0).is_some_and(|(_, start)| start == process.1)
}

pub fn descendants(root: u32) -> BTreeSet<Process> {
    let pids = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let all: Vec<(u32, u32, u64)> = pids
        .filter_map(|pid| parent_and_start(pid).map(|(parent, start)| (pid, parent, start)))
        .collect();
    let (mut found, mut parents) = (BTreeSet::new(), vec![root]);
    while let Some(parent) = parents.pop() {
        for (pid, _, start) in all.iter().filter(|one| one.1 == parent) {
            if found.insert((*pid, *start)) {
                parents.push(*pid);
            }
        }
    }
    found
}
