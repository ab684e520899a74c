//! Leaves the host's namespaces. Linux only.

use super::entry::doing;
use super::protocol::{Namespaces, SANDBOX_USER};
use nix::fcntl::{OFlag, openat};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{getegid, geteuid};
use std::fs::File;
use std::io::{self, Write};

/// Moves this process, which must have one thread, into new namespaces; its children get a PID
/// namespace of their own.
pub fn leave(namespaces: Namespaces) -> io::Result<()> {
    let mut flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    if namespaces.network {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    if namespaces.user {
        // Root inside, so that the inner process keeps its capabilities when it is executed.
        enter_user_namespace(0, &doing("open /proc", File::open("/proc"))?)?;
    }
    doing("leave the host's namespaces", unshare(flags))?;
    doing("set the host name", nix::unistd::sethostname("localhost"))
}

/// Enters a user namespace in which the sandbox's user has no rights over anything outside. `proc`
/// is `/proc`, writable.
pub fn become_sandbox_user(proc: &File) -> io::Result<()> {
    enter_user_namespace(SANDBOX_USER, proc)
}

/// Makes a user namespace in which the present user and group are `id`.
fn enter_user_namespace(id: u32, proc: &File) -> io::Result<()> {
    let (user, group) = (geteuid(), getegid());
    doing("make a user namespace", unshare(CloneFlags::CLONE_NEWUSER))?;
    let write = |name: &str, text: &str| -> io::Result<()> {
        let path = format!("self/{name}");
        let file = openat(
            proc,
            path.as_str(),
            OFlag::O_WRONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )?;
        File::from(file).write_all(text.as_bytes())
    };
    doing("forget supplementary groups", write("setgroups", "deny"))?;
    doing("map the user", write("uid_map", &format!("{id} {user} 1")))?;
    doing(
        "map the group",
        write("gid_map", &format!("{id} {group} 1")),
    )
}
