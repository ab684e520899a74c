//! What limits handlers on this host, and how well.

use super::cgroup::{Cgroups, MB_PER_VCPU};
use super::protocol::Namespaces;

/// Lambda's largest memory size.
const LARGEST_MB: u64 = 10_240;

/// How well a limit holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// The kernel refuses or kills.
    Enforced,
    /// Watched or imitated from outside; short bursts get through.
    Approximated,
    /// Not limited.
    Absent,
}

/// One limit of the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// `memory`, `cpu`, `tmp`, `code`, `host files`, `network`, `processes`, `descriptors`, `user`,
    /// `after the answer`, `system calls`, `memory sizes`.
    pub name: &'static str,
    pub enforcement: Enforcement,
    /// By what, or why not.
    pub why: String,
}

/// All limits, with a short name for a table's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// For example `userns+netns+seccomp+cgroup1`.
    pub label: String,
    pub limits: Vec<Limit>,
}

/// Says what sandboxes of this kind hold. `filter` is what system calls are refused, or why none;
/// `refusals` are the reasons why stronger ones did not work.
pub(super) fn describe(
    namespaces: Option<Namespaces>,
    cgroups: &Cgroups,
    filter: Result<&str, String>,
    refusals: &[String],
) -> Isolation {
    let label = label(namespaces, cgroups, filter.is_ok());
    let refused = if refusals.is_empty() {
        "unknown on this system".to_owned()
    } else {
        refusals.join("; ")
    };
    let mut limits = files(namespaces, &refused);
    limits.push(network(namespaces, &refused));
    limits.extend(resources(namespaces, cgroups));
    limits.push(stillness(cgroups));
    limits.push(system_calls(filter));
    limits.extend(large_sizes(
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    ));
    Isolation { label, limits }
}

fn label(namespaces: Option<Namespaces>, cgroups: &Cgroups, filter: bool) -> String {
    let mut parts = match namespaces {
        None => vec!["plain"],
        Some(namespaces) => {
            let mut parts = vec![if namespaces.user { "userns" } else { "ns" }];
            parts.extend(namespaces.network.then_some("netns"));
            parts
        }
    };
    parts.extend(filter.then_some("seccomp"));
    parts.push(match cgroups {
        Cgroups::V1(_) => "cgroup1",
        Cgroups::V2(_) => "cgroup2",
        Cgroups::None(_) if cfg!(target_os = "linux") => "watch",
        Cgroups::None(_) => "rlimit",
    });
    parts.join("+")
}

fn limit(name: &'static str, enforcement: Enforcement, why: impl Into<String>) -> Limit {
    Limit {
        name,
        enforcement,
        why: why.into(),
    }
}

fn files(namespaces: Option<Namespaces>, refused: &str) -> Vec<Limit> {
    use Enforcement::{Absent, Enforced};
    match namespaces {
        Some(namespaces) => vec![
            limit(
                "host files",
                Enforced,
                "mount namespace with a root of its own",
            ),
            limit("code", Enforced, "/var/task and /opt are read-only binds"),
            limit("tmp", Enforced, "private tmpfs of the configured size"),
            limit(
                "leftover processes",
                Enforced,
                "PID namespace: they end with its first process",
            ),
            limit(
                "user",
                Enforced,
                if namespaces.user {
                    "user namespace, sbx_user1051; /proc is read-only"
                } else {
                    "sbx_user1051"
                },
            ),
        ],
        None => ["host files", "code", "tmp", "leftover processes", "user"]
            .map(|name| limit(name, Absent, format!("no mount namespace: {refused}")))
            .into(),
    }
}

/// Memory sizes whose CPU share is more than this machine has; `None` if it has enough for all.
fn large_sizes(cores: usize) -> Option<Limit> {
    let bought = (cores as f64 * MB_PER_VCPU) as u64;
    (bought < LARGEST_MB).then(|| {
        let why = format!(
            "sizes above {bought} MB should get more CPU than this machine's {cores} \
                cores, but get only these"
        );
        limit("memory sizes", Enforcement::Approximated, why)
    })
}

/// What is left to a handler that means harm: the kernel's own faults, reached by a system call
/// that AWS would refuse.
fn system_calls(filter: Result<&str, String>) -> Limit {
    match filter {
        Ok(refused) => {
            let why = format!(
                "seccomp refuses {refused}; reaching into other processes; huge pages; limits and priorities of Darkroom's own"
            );
            limit("system calls", Enforcement::Enforced, why)
        }
        Err(why) => limit(
            "system calls",
            Enforcement::Absent,
            format!("no seccomp filter: {why}"),
        ),
    }
}

fn network(namespaces: Option<Namespaces>, refused: &str) -> Limit {
    if namespaces.is_some_and(|namespaces| namespaces.network) {
        limit(
            "network",
            Enforcement::Enforced,
            "network namespace: only the local cloud is reachable",
        )
    } else {
        limit(
            "network",
            Enforcement::Absent,
            format!("no network namespace: {refused}"),
        )
    }
}

fn resources(namespaces: Option<Namespaces>, cgroups: &Cgroups) -> Vec<Limit> {
    use Enforcement::{Absent, Approximated, Enforced};
    let watches = cfg!(target_os = "linux");
    let mut limits = match cgroups {
        Cgroups::V1(_) => vec![
            limit(
                "memory",
                Enforced,
                "cgroup v1: killed at the size, with a hard limit 64 MB above it; shared memory \
                 counts",
            ),
            limit("cpu", Enforced, "cgroup v1 quota, 20 ms period"),
            limit("processes", Enforced, "cgroup v1 pids"),
        ],
        Cgroups::V2(_) => vec![
            limit(
                "memory",
                Approximated,
                "cgroup v2 limit for memory and /tmp together; memory and shared memory read every 5 ms",
            ),
            limit("cpu", Enforced, "cgroup v2 quota, 20 ms period"),
            limit("processes", Enforced, "cgroup v2 pids"),
        ],
        Cgroups::None(why) if watches => vec![
            limit(
                "memory",
                Approximated,
                format!("memory read every 5 ms, shared memory at first every 50 ms ({why})"),
            ),
            limit(
                "cpu",
                Approximated,
                format!("paused and continued to keep the share ({why})"),
            ),
            match namespaces {
                Some(Namespaces { user: true, .. }) => {
                    limit("processes", Enforced, "RLIMIT_NPROC in a user namespace")
                }
                _ => limit("processes", Absent, why.clone()),
            },
        ],
        Cgroups::None(why) => ["memory", "cpu", "processes"]
            .map(|name| limit(name, Absent, why.clone()))
            .into(),
    };
    limits.push(limit("descriptors", Enforced, "RLIMIT_NOFILE 1024"));
    limits
}

/// What keeps an environment still between its answer and the next invocation.
fn stillness(cgroups: &Cgroups) -> Limit {
    let name = "after the answer";
    match cgroups.freezes() {
        Some(by) => limit(name, Enforcement::Enforced, format!("frozen by {by}")),
        None if cfg!(target_os = "linux") => {
            let why = "paused by a signal, checked every 5 to 160 ms, ended after 25 ms of CPU \
                time";
            limit(name, Enforcement::Approximated, why)
        }
        None => limit(
            name,
            Enforcement::Absent,
            "paused by a signal, but a handler can undo that",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_need_more_cores_than_there_are_are_said() {
        let two = large_sizes(2).unwrap();
        assert!(
            two.why
                .starts_with("sizes above 3538 MB should get more CPU than this machine's 2 cores"),
            "{}",
            two.why
        );
        assert_eq!(large_sizes(6), None);
    }
}
