//! Finds out, by trying, which kind of sandbox this machine allows.

use super::cgroup::{Cgroups, PROCESSES, cpu_share};
use super::handle::{Sandbox, SandboxPlan};
use super::isolation::Isolation;
use super::protocol::{Namespaces, UsageWatch};
use crate::scratch::Scratch;
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;

/// A sandbox that is not ready by then never will be.
const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// What may be used to isolate handlers; all of it unless something is being tested or is known to
/// misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Means {
    pub namespaces: bool,
    /// Isolate as an ordinary user must, even if this process is root.
    pub user_namespace_only: bool,
    pub cgroups: bool,
}

impl Default for Means {
    fn default() -> Self {
        Self {
            namespaces: true,
            user_namespace_only: false,
            cgroups: true,
        }
    }
}

/// What this machine allows, and what all sandboxes of one server share.
pub struct Host {
    pub(super) program: PathBuf,
    pub(super) namespaces: Option<Namespaces>,
    pub(super) cgroups: Cgroups,
    /// System calls can be filtered.
    pub(super) filter: bool,
    isolation: Isolation,
    /// The end of the sandbox that [`Self::probe`] tried.
    closing: Mutex<Option<JoinHandle<()>>>,
    /// Every sandbox mounts its root here, in a mount namespace of its own; on the host it stays
    /// empty.
    mount_point: Scratch,
}

impl Host {
    /// Tries the strongest sandbox first and takes the first that works. `program`'s `main` calls
    /// [`super::run_if_asked`].
    pub async fn probe(program: &Path, means: Means) -> io::Result<Self> {
        raise_descriptor_limit();
        let cgroups = if !means.cgroups {
            Cgroups::None("not to be used".to_owned())
        } else if cfg!(target_os = "linux") {
            tokio::task::spawn_blocking(Cgroups::find)
                .await
                .map_err(io::Error::other)?
        } else {
            Cgroups::None("control groups are Linux's".to_owned())
        };
        let filter = filter();
        let mut host = Self {
            program: program.to_owned(),
            namespaces: None,
            cgroups,
            filter: filter.is_ok(),
            isolation: Isolation {
                label: String::new(),
                limits: Vec::new(),
            },
            closing: Mutex::new(None),
            mount_point: Scratch::new("root")?,
        };
        let mut refusals = Vec::new();
        for candidate in candidates(means) {
            host.namespaces = candidate;
            match host.try_out().await {
                Ok(closing) => {
                    *host.closing.lock() = Some(closing);
                    host.isolation =
                        super::isolation::describe(candidate, &host.cgroups, filter, &refusals);
                    return Ok(host);
                }
                Err(error) => refusals.push(error.to_string()),
            }
        }
        Err(io::Error::other(format!(
            "cannot make a sandbox here: {}",
            refusals.join("; ")
        )))
    }

    pub fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    /// True if handlers see a file system made for them, with `/var/task`, `/opt` and a `/tmp` of
    /// their own.
    pub fn has_root(&self) -> bool {
        self.namespaces.is_some()
    }

    /// True if handlers have a loopback of their own and nothing else.
    pub fn has_network(&self) -> bool {
        self.namespaces.is_some_and(|namespaces| namespaces.network)
    }

    pub(super) fn mount_point(&self) -> &Path {
        self.mount_point.path()
    }

    /// Returns the limits that a sandbox's inner process has to imitate.
    pub(super) fn watch(&self, memory_mb: u32, nested_user: bool) -> UsageWatch {
        let (memory, cpu) = match self.cgroups {
            Cgroups::V1(_) => (false, false),
            Cgroups::V2(_) => (true, false),
            Cgroups::None(_) => (true, true),
        };
        UsageWatch {
            memory_bytes: memory.then(|| u64::from(memory_mb) << 20),
            cpu_share: cpu.then(|| cpu_share(memory_mb)),
            processes: nested_user.then_some(PROCESSES),
            hold_frozen: false,
        }
    }

    /// Waits until nothing of the trial of [`Self::probe`] runs any more.
    pub async fn settled(&self) {
        let closing = self.closing.lock().take();
        if let Some(closing) = closing {
            // A panic in it has been reported where it happened.
            let _ = closing.await;
        }
    }

    /// Makes a sandbox; returns its end, which nobody need wait for before the first invocation.
    async fn try_out(&self) -> io::Result<JoinHandle<()>> {
        let plan = SandboxPlan {
            memory_mb: 128,
            tmp_mb: 1,
            listen: vec![std::net::SocketAddrV4::new(
                crate::lambda::environment::RUNTIME_API_ADDRESS,
                9001,
            )],
            ..SandboxPlan::default()
        };
        let sandbox = tokio::time::timeout(PROBE_LIMIT, Sandbox::open(self, &plan))
            .await
            .map_err(|_| io::Error::other("it was not ready within 10 s"))??;
        Ok(tokio::spawn(sandbox.close()))
    }
}

/// Says by what system calls are filtered, or why they can't be.
#[cfg(target_os = "linux")]
fn filter() -> Result<&'static str, String> {
    super::filter::try_out().map(|()| super::filter::REFUSED)
}

#[cfg(not(target_os = "linux"))]
fn filter() -> Result<&'static str, String> {
    Err("seccomp is Linux's".to_owned())
}

/// Returns the sandboxes worth trying, strongest first. Root needs no user namespace, and without
/// one `/proc` can be mounted in more places.
fn candidates(means: Means) -> Vec<Option<Namespaces>> {
    if !cfg!(target_os = "linux") || !means.namespaces {
        return vec![None];
    }
    let with = |user, network| Some(Namespaces { user, network });
    if nix::unistd::geteuid().is_root() && !means.user_namespace_only {
        vec![with(false, true), with(true, true), with(true, false), None]
    } else {
        vec![with(true, true), with(true, false), None]
    }
}

/// Lets this process have as many descriptors as it may: an idle environment holds about eight.
fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let wanted = hard.min(1 << 20);
        // Not fatal: with few descriptors there are few environments.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard);
    }
}
