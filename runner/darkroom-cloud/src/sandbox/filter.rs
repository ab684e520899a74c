//! A filter that refuses handlers the system calls that reach deep into the kernel. Linux only.
//!
//! The inner process calls [`enter`] last, when the sandbox is ready; every process that it starts
//! inherits the filter.

use super::entry::doing;
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
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

/// Reach into other processes, by `EPERM`.
const REACHING: [libc::c_long; 8] = [
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kcmp,
];

/// Holds this thread, and all that it starts from now on, to the filter.
///
/// `guarded` are the ids of threads whose limits and priorities are not to be touched: those that
/// watch over the handler, which an ordinary user's handler could otherwise blind or slow down,
/// having the same user on the host.
pub fn enter(guarded: &[u32]) -> io::Result<()> {
    let filters = [
        (denied()?, libc::EPERM),
        (guard(guarded)?, libc::EPERM),
        (foreign()?, libc::EAFNOSUPPORT),
        (unseen(), libc::ENOSYS),
        (huge_pages()?, libc::ENOMEM),
    ];
    for (rules, errno) in filters {
        doing(
            "filter system calls",
            seccompiler::apply_filter(&program(rules, errno)?).map_err(io::Error::other),
        )?;
    }
    Ok(())
}

/// Says why this machine can't filter, if it can't: by holding a thread of no other use to the
/// filter.
pub fn try_out() -> Result<(), String> {
    let tried = std::thread::spawn(|| enter(&[])).join();
    tried
        .map_err(|_| "the trial ended early".to_owned())?
        .map_err(|error| error.to_string())
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn denied() -> io::Result<Rules> {
    let mut rules: Rules = DENIED.iter().map(|call| (*call, Vec::new())).collect();
    // In a user namespace of its own a handler would be root, and the kernel's rarely trodden paths
    // open to it.
    let flag = libc::CLONE_NEWUSER as u64;
    let rule = masked(0, flag, flag)
        .and_then(|user| SeccompRule::new(vec![user]))
        .map_err(io::Error::other)?;
    rules.insert(
        libc::SYS_clone,
        vec![rule, thread_with_descriptors_of_its_own()?],
    );
    // The other way to them.
    let flag = u64::from(libc::CLOSE_RANGE_UNSHARE);
    let unshares = masked(2, flag, flag).and_then(|flags| SeccompRule::new(vec![flags]));
    rules.insert(
        libc::SYS_close_range,
        vec![unshares.map_err(io::Error::other)?],
    );
    Ok(rules)
}

/// A thread whose descriptors are not its process's holds memory (`memfd`) where `/proc/PID/fd`
/// does not show it. No library makes one.
fn thread_with_descriptors_of_its_own() -> io::Result<SeccompRule> {
    let thread = libc::CLONE_THREAD as u64;
    let both = thread | libc::CLONE_FILES as u64;
    masked(0, both, thread)
        .and_then(|flags| SeccompRule::new(vec![flags]))
        .map_err(io::Error::other)
}

/// That these bits of an argument are so.
fn masked(
    argument: u8,
    bits: u64,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Qword,
        SeccompCmpOp::MaskedEq(bits),
        value,
    )
}

fn condition(argument: u8, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

/// What reaches the threads that watch over the handler. A process may still do all this to itself
/// and to its own.
fn guard(threads: &[u32]) -> io::Result<Rules> {
    let rule = |conditions: Vec<SeccompCondition>| SeccompRule::new(conditions);
    let each = |argument: u8| {
        threads
            .iter()
            .map(move |thread| condition(argument, u64::from(*thread)))
    };
    let mut rules: Rules = REACHING.iter().map(|call| (*call, Vec::new())).collect();
    let mut refuse =
        |calls: &[libc::c_long], found: Result<Vec<SeccompRule>, seccompiler::BackendError>| {
            let found = found.map_err(io::Error::other)?;
            // No rule at all would refuse the call to everybody.
            rules.extend(
                calls
                    .iter()
                    .filter(|_| !found.is_empty())
                    .map(|call| (*call, found.clone())),
            );
            Ok::<(), io::Error>(())
        };
    let by_thread = [
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
        libc::SYS_move_pages,
        libc::SYS_migrate_pages,
    ];
    refuse(
        &by_thread,
        each(0).map(|thread| rule(vec![thread?])).collect(),
    )?;
    // Without new limits it only asks for the old ones.
    let sets = || SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0);
    refuse(
        &[libc::SYS_prlimit64],
        each(0).map(|thread| rule(vec![thread?, sets()?])).collect(),
    )?;
    // Groups and users include the threads whatever their numbers are.
    let scopes = [(libc::SYS_setpriority, 0), (libc::SYS_ioprio_set, 1)];
    for (call, process) in scopes {
        let wider = [process + 1, process + 2].map(|which| rule(vec![condition(0, which)?]));
        let threads = each(1).map(|thread| rule(vec![condition(0, process)?, thread?]));
        refuse(&[call], threads.chain(wider).collect())?;
    }
    Ok(rules)
}

/// Huge pages of the host's pool are counted by no memory limit. AWS has no pool either, and
/// answers so.
fn huge_pages() -> io::Result<Rules> {
    let flag = |argument: u8, flag: i32| {
        let flag = u64::from(flag.unsigned_abs());
        let set = SeccompCondition::new(
            argument,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::MaskedEq(flag),
            flag,
        );
        set.and_then(|set| SeccompRule::new(vec![set]))
            .map(|rule| vec![rule])
            .map_err(io::Error::other)
    };
    Ok([
        (libc::SYS_mmap, flag(3, libc::MAP_HUGETLB)?),
        (
            libc::SYS_memfd_create,
            flag(1, libc::MFD_HUGETLB.cast_signed())?,
        ),
        (libc::SYS_shmget, flag(2, libc::SHM_HUGETLB)?),
    ]
    .into())
}

/// The address families that programs need. Others reach past the network namespace (vsock: the
/// hypervisor and its other guests), into seldom used parts of the kernel (`AF_ALG`, packet, CAN,
/// Bluetooth), or both.
const FAMILIES: [i32; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// Sockets of other families do not exist, as on a kernel that was built without them.
fn foreign() -> io::Result<Rules> {
    let other = |family: &i32| {
        SeccompCondition::new(
            0,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Ne,
            u64::from(family.unsigned_abs()),
        )
    };
    let others = || FAMILIES.iter().map(other).collect::<Result<Vec<_>, _>>();
    let rule = || {
        others()
            .and_then(SeccompRule::new)
            .map_err(io::Error::other)
    };
    Ok([
        (libc::SYS_socket, vec![rule()?]),
        (libc::SYS_socketpair, vec![rule()?]),
    ]
    .into())
}

/// The flags of `clone3` are out of a filter's sight. Told that it does not exist, libraries take
/// `clone`.
fn unseen() -> Rules {
    [(libc::SYS_clone3, Vec::new())].into()
}

/// Linux on x86-64 takes every call under a second number too (the x32 interface, where the kernel
/// was built with it).
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;

/// Has the second numbers refused as the first ones are.
#[cfg(target_arch = "x86_64")]
fn with_second_numbers(mut rules: Rules) -> Rules {
    let second: Rules = rules
        .iter()
        .map(|(call, rule)| (call | X32, rule.clone()))
        .collect();
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
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).map_err(io::Error::other)?;
    filter.try_into().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, socketpair};

    use super::*;

    #[test]
    fn a_filtered_thread_can_work_but_not_leave_its_namespaces() {
        std::thread::spawn(|| {
            enter(&[1, 2]).unwrap();
            assert_eq!(
                nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER),
                Err(nix::errno::Errno::EPERM)
            );
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
                let kind = if family == AddressFamily::NETLINK {
                    SocketType::RAW
                } else {
                    SocketType::STREAM
                };
                let made = socket_with(family, kind, SocketFlags::CLOEXEC, None);
                let refused = made.err() == Some(rustix::io::Errno::AFNOSUPPORT);
                assert_eq!(refused, !allowed, "{family:?}");
            }
            let pair = |family| socketpair(family, SocketType::STREAM, SocketFlags::CLOEXEC, None);
            assert!(pair(AddressFamily::UNIX).is_ok());
            assert_eq!(
                pair(AddressFamily::TIPC).err(),
                Some(rustix::io::Errno::AFNOSUPPORT)
            );
            assert!(
                std::process::Command::new("/bin/true")
                    .status()
                    .unwrap()
                    .success()
            );
        })
        .join()
        .unwrap();
    }
}
