//! Leaves the host's namespaces. Linux only.

use super::entry::doing;
use super::protocol::{Namespaces, SANDBOX_USER};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use std::fs;
use std::io;

/// Moves this process, which must have one thread, into new namespaces; its children get a PID namespace of their own.
pub fn leave(namespaces: Namespaces) -> io::Result<()> {
    let mut flags =
        CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    if namespaces.network {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    if namespaces.user {
        // Root inside, so that the inner process keeps its capabilities when it is executed.
        enter_user_namespace(0)?;
    }
    doing("leave the host's namespaces", unshare(flags))?;
    doing("set the host name", nix::unistd::sethostname("localhost"))
}

/// Enters a user namespace in which the sandbox's user has no rights over anything outside.
pub fn become_sandbox_user() -> io::Result<()> {
    enter_user_namespace(SANDBOX_USER)
}

/// Makes a user namespace in which the present user and group are `id`.
fn enter_user_namespace(id: u32) -> io::Result<()> {
    let (user, group) = (geteuid(), getegid());
    doing("make a user namespace", unshare(CloneFlags::CLONE_NEWUSER))?;
    doing("forget supplementary groups", fs::write("/proc/self/setgroups", "deny"))?;
    doing("map the user", fs::write("/proc/self/uid_map", format!("{id} {user} 1")))?;
    doing("map the group", fs::write("/proc/self/gid_map", format!("{id} {group} 1")))
}
