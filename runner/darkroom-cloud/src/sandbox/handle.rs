//! The server's side of a sandbox: make it, give it orders, read its messages, close it.

use super::cgroup::{Cgroup, Judgement, Tmp, cpu_share};
use super::entry::OUTER;
use super::host::Host;
use super::protocol::MemoryUse;
use super::protocol::{self, InnerSetup, News, Order, OuterSetup, RootPlan, UsageWatch};
use rustix::net::SendFlags;
use std::io;
use std::net::{SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

/// How long a sandbox may take to go away by itself once its socket is closed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Memory is counted again when so many bytes have come or gone: counting is slow, and reading
/// usage is not.
const WORTH_COUNTING: u64 = 1 << 20;

/// Without waiting, and without a signal if the other end is gone (which Rust's programs ignore by
/// default anyway).
#[cfg(target_os = "linux")]
const AT_ONCE: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(not(target_os = "linux"))]
const AT_ONCE: SendFlags = SendFlags::DONTWAIT;

/// What a sandbox is to be.
#[derive(Clone, Debug, Default)]
pub struct SandboxPlan {
    /// Folders of the host and where they appear, read-only. Ignored where handlers see the host's
    /// file system.
    pub binds: Vec<(PathBuf, PathBuf)>,
    /// Folders inside `binds` to cover with an empty one.
    pub covers: Vec<PathBuf>,
    pub memory_mb: u32,
    pub tmp_mb: u32,
    /// Addresses to listen at in the sandbox's own network, if it gets one.
    pub listen: Vec<SocketAddrV4>,
}

/// A sandbox: its processes, its limits, what it prints. Dropping it ends every process in it.
pub struct Sandbox {
    pub control: Control,
    outer: Child,
    /// What the runtime writes to standard output and standard error.
    pub logs: pipe::Receiver,
    /// The runtime's framed log records.
    pub telemetry: pipe::Receiver,
    /// A listener for each of [`SandboxPlan::listen`]; empty without a network of its own.
    pub listeners: Vec<TcpListener>,
    pub cgroup: Option<Cgroup>,
    /// `/tmp`, if it is the sandbox's own.
    tmp: Option<Tmp>,
    memory_mb: u32,
    enforces_cpu: bool,
    out_of_memory: bool,
    /// What the control group used when memory was last counted.
    usage: u64,
}

impl Sandbox {
    /// Makes a sandbox and waits until it is ready.
    pub async fn open(host: &Host, plan: &SandboxPlan) -> io::Result<Self> {
        let cgroup = host.cgroups.make(plan.memory_mb, plan.tmp_mb)?;
        let (ours, theirs) = BlockingStream::pair()?;
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&host.program);
        command
            .arg(OUTER)
            .env_clear()
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)));
        command
            .stdout(Stdio::from(writer.try_clone()?))
            .stderr(Stdio::from(writer));
        let outer = command.spawn().map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("can't start {}: {error}", host.program.display()),
            )
        })?;
        drop(command);

        let (outer_setup, inner_setup) = setups(host, plan, cgroup.as_ref());
        protocol::send(&ours, &outer_setup)?;
        protocol::send(&ours, &inner_setup)?;
        let mut control = Control::new(ours)?;
        match control.news().await? {
            News::Ready => {}
            News::Failed(reason) => return Err(io::Error::other(reason)),
            other => {
                return Err(io::Error::other(format!(
                    "the sandbox began with {other:?}"
                )));
            }
        }
        let mut received = std::mem::take(&mut control.descriptors).into_iter();
        let telemetry = received
            .next()
            .ok_or_else(|| io::Error::other("the sandbox sent no log pipe"))?;
        let listeners = received
            .by_ref()
            .take(inner_setup.listen.len())
            .map(TcpListener::from)
            .collect();
        let tmp = received.next().map(Tmp::new);
        Ok(Self {
            control,
            outer,
            logs: pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?,
            telemetry: pipe::Receiver::from_owned_fd(telemetry)?,
            listeners,
            cgroup,
            tmp,
            memory_mb: plan.memory_mb,
            enforces_cpu: false,
            out_of_memory: false,
            usage: 0,
        })
    }

    /// Begins or ends to hold the CPU share that the memory size buys.
    pub async fn throttle(&mut self, on: bool) -> io::Result<()> {
        if self.enforces_cpu == on {
            return Ok(());
        }
        self.enforces_cpu = on;
        match &self.cgroup {
            Some(cgroup) => cgroup.set_cpu(on.then(|| cpu_share(self.memory_mb))),
            None => self.control.order(&Order::Throttle(on)).await,
        }
    }

    /// Stops every process in the sandbox: by its control group where that can, else by a signal.
    /// Does not wait.
    pub fn freeze(&self) -> io::Result<()> {
        let held = self.cgroup.as_ref().and_then(|cgroup| cgroup.freeze(true));
        held.unwrap_or_else(|| self.control.order_now(&Order::Freeze))
    }

    /// Returns the CPU time of what its control group has not stopped yet after [`Self::freeze`].
    pub fn unsettled(&self) -> Option<Duration> {
        self.cgroup.as_ref().and_then(Cgroup::unsettled)
    }

    /// Undoes [`Self::freeze`].
    pub fn thaw(&self) -> io::Result<()> {
        let let_go = self.cgroup.as_ref().and_then(|cgroup| cgroup.freeze(false));
        let_go.unwrap_or_else(|| self.control.order_now(&Order::Thaw))
    }

    /// After [`Cgroup::memory_exhausted`]: true if the processes are too big, false if room was
    /// made for `/tmp`.
    pub fn is_out_of_memory(&mut self) -> bool {
        // Once found too big it stays so until it has ended, though it may shrink on the way.
        if !self.out_of_memory {
            let tmp = self.tmp.as_ref();
            // A group that can't be read is one that is being removed.
            self.out_of_memory = self
                .cgroup
                .as_mut()
                .is_some_and(|cgroup| cgroup.judge(tmp).ok() != Some(Judgement::Raised));
        }
        self.out_of_memory
    }

    /// True if processes were killed for using too much memory since this was last asked.
    pub fn killed_for_memory(&mut self) -> bool {
        let kernel = self.cgroup.as_mut().is_some_and(Cgroup::kernel_killed);
        std::mem::take(&mut self.out_of_memory) || kernel
    }

    /// Returns the memory that counts, if it may be more or less than at the last call; `None`
    /// where the inner process tells.
    pub fn memory(&mut self) -> Option<MemoryUse> {
        let cgroup = self.cgroup.as_ref()?;
        let usage = cgroup.usage()?;
        if usage.abs_diff(self.usage) < WORTH_COUNTING {
            return None;
        }
        self.usage = usage;
        cgroup.memory(self.tmp.as_ref())
    }

    /// Returns the host's id of the process that has `inside` as its id in the sandbox, if it still
    /// runs.
    pub fn host_pid(&self, inside: u32) -> Option<u32> {
        let inner = children(self.outer.id()?).into_iter().next()?;
        children(inner)
            .into_iter()
            .find(|pid| inner_id(*pid) == Some(inside))
    }

    /// Returns how many processes live beside the runtime, which runs: the innermost process that is
    /// ours adopts what outlives its own parent.
    pub fn detached(&self) -> usize {
        let inner = self
            .outer
            .id()
            .and_then(|outer| children(outer).into_iter().next());
        inner.map_or(0, |inner| children(inner).len().saturating_sub(1))
    }

    /// Ends every process in the sandbox and waits until none is left.
    pub async fn close(mut self) {
        // What is frozen can't end. An error means that the group is gone already.
        let _ = self.thaw();
        // The inner process takes the end of its socket as the order to end everything.
        let _ = rustix::net::shutdown(&self.control.stream, rustix::net::Shutdown::Both);
        if tokio::time::timeout(PATIENCE, self.outer.wait())
            .await
            .is_err()
        {
            // The inner process dies with the outer one, and the kernel ends the rest of its
            // namespace.
            let _ = self.outer.kill().await;
        }
    }
}

/// The server's end of the socket to the inner process.
pub struct Control {
    stream: UnixStream,
    buffer: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

impl Control {
    fn new(stream: BlockingStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: UnixStream::from_std(stream)?,
            buffer: Vec::new(),
            descriptors: Vec::new(),
        })
    }

    /// Gives an order. An error means that the sandbox is gone, which [`Self::news`] says too.
    pub async fn order(&self, order: &Order) -> io::Result<()> {
        let frame = protocol::encode(order)?;
        let mut sent = self.send_now(&frame)?;
        while sent < frame.len() {
            self.stream.writable().await?;
            match self.stream.try_write(&frame[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives a short order without waiting; an error if it does not fit the socket now.
    pub fn order_now(&self, order: &Order) -> io::Result<()> {
        let frame = protocol::encode(order)?;
        if self.send_now(&frame)? == frame.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    /// Writes past Tokio, which would first wait to be told that the socket can be written.
    fn send_now(&self, frame: &[u8]) -> io::Result<usize> {
        match rustix::net::send(&self.stream, frame, AT_ONCE) {
            Ok(count) => Ok(count),
            Err(rustix::io::Errno::AGAIN) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for what happens next in the sandbox. Loses nothing if the wait is given up.
    pub async fn news(&mut self) -> io::Result<News> {
        loop {
            if let Some(news) = protocol::take(&mut self.buffer)? {
                return Ok(news);
            }
            self.stream.readable().await?;
            let (stream, buffer, descriptors) =
                (&self.stream, &mut self.buffer, &mut self.descriptors);
            let read = stream.try_io(Interest::READABLE, || {
                protocol::read_available(stream, buffer, descriptors)
            });
            match read {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the sandbox ended",
                    ));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns what has happened in the sandbox, if anything has, without waiting.
    pub fn news_now(&mut self) -> io::Result<Option<News>> {
        if let Some(news) = protocol::take(&mut self.buffer)? {
            return Ok(Some(news));
        }
        match protocol::read_available(&self.stream, &mut self.buffer, &mut self.descriptors) {
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the sandbox ended",
            )),
            Ok(_) => protocol::take(&mut self.buffer),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Says to both processes what this host and `plan` make of them.
fn setups(host: &Host, plan: &SandboxPlan, cgroup: Option<&Cgroup>) -> (OuterSetup, InnerSetup) {
    let namespaces = host.namespaces;
    let nested_user = namespaces.is_some_and(|namespaces| namespaces.user);
    let root = namespaces.map(|_| RootPlan {
        mount_point: host.mount_point().to_owned(),
        binds: plan.binds.clone(),
        written: Vec::new(),
        covers: plan.covers.clone(),
        tmp_mb: plan.tmp_mb,
        same_user: nested_user,
    });
    let run_as = (namespaces.is_some() && !nested_user).then_some(protocol::SANDBOX_USER);
    let outer = OuterSetup {
        namespaces,
        cgroups: cgroup.map(Cgroup::folders).unwrap_or_default(),
        freezer: cgroup.and_then(Cgroup::freezer),
    };
    let inner = InnerSetup {
        root,
        listen: plan
            .listen
            .iter()
            .copied()
            .filter(|_| host.has_network())
            .collect(),
        run_as,
        nested_user,
        filter: host.filter,
        cgroup: cgroup.map(Cgroup::files).unwrap_or_default(),
        watch: UsageWatch {
            hold_frozen: outer.freezer.is_none(),
            ..host.watch(plan.memory_mb, nested_user)
        },
    };
    (outer, inner)
}

/// Returns the direct children of a process, oldest first.
pub fn children(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let list = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        found.extend(
            list.split_whitespace()
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
    }
    found
}

/// Returns a process's id in the innermost PID namespace that it is in.
fn inner_id(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let ids = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    ids.split_whitespace().last()?.parse().ok()
}
