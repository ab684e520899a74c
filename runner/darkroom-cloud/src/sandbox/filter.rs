//! Refuses handlers the system calls that reach deep into the kernel and that no handler needs. Linux only.
//!
//! The inner process calls [`enter`] last, when the sandbox stands; all that it starts inherits the filter.

use super::entry::doing;
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::io;

/// What it refuses, for people.
pub const REFUSED: &str =
    "mounts, namespaces, ptrace, bpf, perf, io_uring, keyrings, userfaultfd, kernel modules, swap and reboot";

/// Answered by `EPERM`, as a process without rights is.
const DENIED: [libc::c_long; 26] = [
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_ptrace,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_open_by_handle_at,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
];

/// Holds this thread, and all that it starts from now on, to the filter.
pub fn enter() -> io::Result<()> {
    for (rules, errno) in [(denied()?, libc::EPERM), (unseen(), libc::ENOSYS)] {
        doing("filter system calls", seccompiler::apply_filter(&program(rules, errno)?).map_err(io::Error::other))?;
    }
    Ok(())
}

/// Says why this machine can't filter, if it can't: by holding a thread of no other use to the filter.
pub fn try_out() -> Result<(), String> {
    let tried = std::thread::spawn(enter).join();
    tried.map_err(|_| "the trial ended early".to_owned())?.map_err(|error| error.to_string())
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn denied() -> io::Result<Rules> {
    let mut rules: Rules = DENIED.iter().map(|call| (*call, Vec::new())).collect();
    // In a user namespace of its own a handler would be root, and the kernel's rarely trodden paths open to it.
    let flag = libc::CLONE_NEWUSER as u64;
    let user = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag);
    let rule = user.and_then(|user| SeccompRule::new(vec![user])).map_err(io::Error::other)?;
    rules.insert(libc::SYS_clone, vec![rule]);
    Ok(rules)
}

/// The flags of `clone3` are out of a filter's sight. Told that it does not exist, libraries take `clone`.
fn unseen() -> Rules {
    [(libc::SYS_clone3, Vec::new())].into()
}

fn program(rules: Rules, errno: i32) -> io::Result<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    let refuse = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).map_err(io::Error::other)?;
    filter.try_into().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filtered_thread_can_work_but_not_leave_its_namespaces() {
        std::thread::spawn(|| {
            enter().unwrap();
            assert_eq!(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER), Err(nix::errno::Errno::EPERM));
            assert_eq!(std::thread::spawn(|| 1).join().unwrap(), 1);
            assert!(std::process::Command::new("/bin/true").status().unwrap().success());
        })
        .join()
        .unwrap();
    }
}
