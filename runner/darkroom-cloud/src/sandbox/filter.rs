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
pub const REFUSED: &str = "mounts, namespaces, ptrace, bpf, perf, io_uring, keyrings, userfaultfd, kernel modules, swap, reboot, and sockets other \
     than UNIX, internet and netlink";

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
    for (rules, errno) in [(denied()?, libc::EPERM), (foreign()?, libc::EAFNOSUPPORT), (unseen(), libc::ENOSYS)] {
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

/// The address families that programs need. Others reach past the network namespace (vsock: the hypervisor and its other
/// guests), into seldom used parts of the kernel (`AF_ALG`, packet, CAN, Bluetooth), or both.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Sockets of other families do not exist, as on a kernel that was built without them.
fn foreign() -> io::Result<Rules> {
    let other = |family: &i32| {
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, u64::from(family.unsigned_abs()))
    };
    let others = || FAMILIES.iter().map(other).collect::<Result<Vec<_>, _>>();
    let rule = || others().and_then(SeccompRule::new).map_err(io::Error::other);
    Ok([(libc::SYS_socket, vec![rule()?]), (libc::SYS_socketpair, vec![rule()?])].into())
}

/// The flags of `clone3` are out of a filter's sight. Told that it does not exist, libraries take `clone`.
fn unseen() -> Rules {
    [(libc::SYS_clone3, Vec::new())].into()
}

/// Linux on x86-64 takes every call under a second number too (the x32 interface, where the kernel was built with it).
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;

/// Has the second numbers refused as the first ones are.
#[cfg(target_arch = "x86_64")]
fn with_second_numbers(mut rules: Rules) -> Rules {
    let second: Rules = rules.iter().map(|(call, rule)| (call | X32, rule.clone())).collect();
    rules.extend(second);
    rules
}

#[cfg(not(target_arch = "x86_64"))]
fn with_second_numbers(rules: Rules) -> Rules {
    rules
}

fn program(rules: Rules, errno: i32) -> io::Result<BpfProgram> {
    let rules = with_second_numbers(rules);
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    let refuse = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).map_err(io::Error::other)?;
    filter.try_into().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, socketpair};

    use super::*;

    #[test]
    fn a_filtered_thread_can_work_but_not_leave_its_namespaces() {
        std::thread::spawn(|| {
            enter().unwrap();
            assert_eq!(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER), Err(nix::errno::Errno::EPERM));
            assert_eq!(std::thread::spawn(|| 1).join().unwrap(), 1);
            for (family, allowed) in [
                (AddressFamily::UNIX, true),
                (AddressFamily::INET, true),
                (AddressFamily::NETLINK, true),
                (AddressFamily::VSOCK, false),
                (AddressFamily::PACKET, false),
                (AddressFamily::from_raw(38), false),
                (AddressFamily::BLUETOOTH, false),
                (AddressFamily::from_raw(45), false),
            ] {
                let kind = if family == AddressFamily::NETLINK { SocketType::RAW } else { SocketType::STREAM };
                let made = socket_with(family, kind, SocketFlags::CLOEXEC, None);
                let refused = made.err() == Some(rustix::io::Errno::AFNOSUPPORT);
                assert_eq!(refused, !allowed, "{family:?}");
            }
            let pair = |family| socketpair(family, SocketType::STREAM, SocketFlags::CLOEXEC, None);
            assert!(pair(AddressFamily::UNIX).is_ok());
            assert_eq!(pair(AddressFamily::TIPC).err(), Some(rustix::io::Errno::AFNOSUPPORT));
            assert!(std::process::Command::new("/bin/true").status().unwrap().success());
        })
        .join()
        .unwrap();
    }
}
