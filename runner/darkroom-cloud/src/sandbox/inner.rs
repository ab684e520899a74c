//! The innermost of our processes in a sandbox: PID 1 of its namespace. It starts and stops the
//! runtime, and tells the server how it ended.
//!
//! The kernel enforces the limits if it can; [`watch`](super::watch) imitates the others. When the
//! server's socket ends, this process exits, and the kernel ends everything else in the namespace.

use super::entry::doing;
use super::protocol::{Exit, InnerSetup, News, Offence, Order, Program, receive, send, send_with};
use super::watch::{Finding, Sensor, Watcher};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;

/// What the main thread waits for.
enum Happening {
    Order(Order),
    ServerGone,
    /// The runtime is gone and so is everything it started.
    Ended(Exit),
}

pub fn run(socket: &UnixStream, setup: &InnerSetup) -> io::Result<()> {
    let cage = Cage::enter(setup)?;
    let (sender, happenings) = mpsc::channel();
    let waits = begin_threads(socket, &sender, setup.root.is_some())?;
    #[cfg(target_os = "linux")]
    if setup.filter {
        super::filter::enter(&own_threads()?)?;
    }
    let (reader, writer) = doing("make a pipe", io::pipe())?;
    let telemetry = OwnedFd::from(writer);
    let mut descriptors = vec![reader.as_fd()];
    descriptors.extend(cage.listeners.iter().map(AsFd::as_fd));
    descriptors.extend(cage.tmp.iter().map(AsFd::as_fd));
    send_with(socket, &News::Ready, &descriptors)?;
    drop(descriptors);
    drop(reader);

    #[cfg(target_os = "linux")]
    let sensor = Sensor::new(
        cage.memory
            .map(|stat| super::usage::GroupReader::new(stat, setup.root.is_some())),
    );
    #[cfg(not(target_os = "linux"))]
    let sensor = Sensor;
    let supervisor = Supervisor {
        socket,
        setup,
        join: cage.join,
        leave: cage.leave,
        telemetry,
        waits,
    };
    drop((cage.listeners, cage.tmp));
    supervisor.serve(&happenings, sensor)
}

/// Starts the two threads that turn what the server says and what the runtime does into happenings;
/// returns where to name a runtime that is to be waited for.
///
/// Before the filter is entered, which names them: nothing that the handler starts may touch their
/// priorities or limits.
fn begin_threads(
    socket: &UnixStream,
    sender: &Sender<Happening>,
    namespaced: bool,
) -> io::Result<Sender<Pid>> {
    let (orders, from_server, from_runtime) = (socket.try_clone()?, sender.clone(), sender.clone());
    thread::spawn(move || {
        while let Ok(Some(order)) = receive(&orders) {
            if from_server.send(Happening::Order(order)).is_err() {
                return;
            }
        }
        let _ = from_server.send(Happening::ServerGone);
    });
    let (waits, runtimes) = mpsc::channel();
    thread::spawn(move || {
        for runtime in runtimes {
            let _ = from_runtime.send(Happening::Ended(wait_for_end(runtime, namespaced)));
        }
    });
    Ok(waits)
}

/// Returns the ids of this process's threads, its own first.
#[cfg(target_os = "linux")]
fn own_threads() -> io::Result<Vec<u32>> {
    let mut ids = vec![std::process::id()];
    for thread in doing(
        "list this process's threads",
        std::fs::read_dir("/proc/self/task"),
    )? {
        ids.extend(
            thread?
                .file_name()
                .to_str()
                .and_then(|id| id.parse::<u32>().ok()),
        );
    }
    ids.dedup();
    Ok(ids)
}

/// What is left in hand once the sandbox is ready.
struct Cage {
    listeners: Vec<TcpListener>,
    join: Vec<File>,
    leave: Vec<File>,
    /// Where a control group counts memory that this process watches.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "control groups are Linux's")
    )]
    memory: Option<File>,
    /// `/tmp`, if it is the sandbox's own.
    tmp: Option<File>,
}

impl Cage {
    fn enter(setup: &InnerSetup) -> io::Result<Self> {
        // Out of the terminal's reach: its Ctrl-C is for the server.
        let _ = nix::unistd::setsid();
        let open = |path: &std::path::PathBuf| {
            doing(
                format!("open {}", path.display()),
                File::options().write(true).open(path),
            )
        };
        let join = setup
            .cgroup
            .join
            .iter()
            .map(open)
            .collect::<io::Result<Vec<_>>>()?;
        let leave = setup
            .cgroup
            .leave
            .iter()
            .map(open)
            .collect::<io::Result<Vec<_>>>()?;
        let memory = setup.cgroup.memory_stat.as_ref();
        let memory = memory
            .map(|path| doing(format!("open {}", path.display()), File::open(path)))
            .transpose()?;
        let listeners = Self::isolate(setup)?;
        let tmp = setup
            .root
            .is_some()
            .then(|| doing("open /tmp", File::open("/tmp")))
            .transpose()?;
        limit_resources(setup)?;
        Ok(Self {
            listeners,
            join,
            leave,
            memory,
            tmp,
        })
    }

    #[cfg(target_os = "linux")]
    fn isolate(setup: &InnerSetup) -> io::Result<Vec<TcpListener>> {
        use nix::sys::prctl;
        doing(
            "follow the outer process",
            prctl::set_pdeathsig(Signal::SIGKILL),
        )?;
        let listeners = if setup.listen.is_empty() {
            Vec::new()
        } else {
            super::network::listen(&setup.listen)?
        };
        let proc = match &setup.root {
            Some(plan) => Some(super::root::enter(plan)?),
            // Without a PID namespace, orphans of the runtime must come to this process rather than
            // escape.
            None => doing("adopt orphans", prctl::set_child_subreaper(true)).map(|()| None)?,
        };
        if let Some(user) = setup.run_as {
            let user = nix::unistd::Uid::from_raw(user);
            // The runtime may open its standard output again, for example as /dev/stdout.
            doing(
                "give the log pipe away",
                nix::unistd::fchown(io::stdout(), Some(user), None),
            )?;
        }
        if let Some(proc) = proc.filter(|_| setup.nested_user) {
            super::namespaces::become_sandbox_user(&proc)?;
        }
        doing("renounce new privileges", prctl::set_no_new_privs())?;
        // Neither this process's memory nor its descriptors are for the handler to see.
        doing("hide this process", prctl::set_dumpable(false))?;
        Ok(listeners)
    }

    #[cfg(not(target_os = "linux"))]
    fn isolate(_setup: &InnerSetup) -> io::Result<Vec<TcpListener>> {
        Ok(Vec::new())
    }
}

/// Sets what AWS's environments have: 1024 descriptors, 8 MB of stack, 64 KB of locked memory; and
/// no core files.
fn limit_resources(setup: &InnerSetup) -> io::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let lower = |resource, wanted: u64| {
        let (_, hard) = getrlimit(resource)?;
        setrlimit(resource, wanted.min(hard), wanted.min(hard))
    };
    doing("limit descriptors", lower(Resource::RLIMIT_NOFILE, 1024))?;
    doing("limit the stack", lower(Resource::RLIMIT_STACK, 8 << 20))?;
    doing(
        "limit locked memory",
        lower(Resource::RLIMIT_MEMLOCK, 64 << 10),
    )?;
    doing("limit core files", lower(Resource::RLIMIT_CORE, 0))?;
    #[cfg(target_os = "linux")]
    if let Some(processes) = setup.watch.processes {
        doing("limit processes", lower(Resource::RLIMIT_NPROC, processes))?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = setup;
    Ok(())
}

struct Supervisor<'a> {
    socket: &'a UnixStream,
    setup: &'a InnerSetup,
    join: Vec<File>,
    leave: Vec<File>,
    telemetry: OwnedFd,
    /// Takes the runtime that is to be waited for.
    waits: Sender<Pid>,
}

impl Supervisor<'_> {
    fn serve(&self, happenings: &Receiver<Happening>, sensor: Sensor) -> io::Result<()> {
        let mut watcher = Watcher::new(self.setup.watch, sensor);
        let mut killed_for = None;
        loop {
            let happening = match watcher.interval() {
                None => happenings
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
                Some(interval) => happenings.recv_timeout(interval),
            };
            match happening {
                Ok(Happening::Order(order)) => {
                    let finding = self.obey(order, &mut watcher)?;
                    self.act_on(finding, &mut killed_for)?;
                }
                Ok(Happening::Ended(exit)) => {
                    watcher.runtime_ended();
                    send(
                        self.socket,
                        &News::Exited(Exit {
                            killed_for: killed_for.take(),
                            ..exit
                        }),
                    )?;
                }
                Err(RecvTimeoutError::Timeout) => {
                    let finding = watcher.look(|signal| self.signal_all(signal));
                    self.act_on(finding, &mut killed_for)?;
                }
                Ok(Happening::ServerGone) | Err(RecvTimeoutError::Disconnected) => {
                    self.signal_all(Signal::SIGKILL);
                    return Ok(());
                }
            }
        }
    }

    /// Ends everything for an offence, and tells the server what it wants to hear.
    fn act_on(&self, finding: Finding, killed_for: &mut Option<Offence>) -> io::Result<()> {
        if let Some(memory) = finding.memory {
            send(self.socket, &News::Memory(memory))?;
        }
        if finding.offence.is_some() {
            // The first one counts: what follows may come of the end.
            *killed_for = killed_for.or(finding.offence);
            self.signal_all(Signal::SIGKILL);
        }
        Ok(())
    }

    fn obey(&self, order: Order, watcher: &mut Watcher) -> io::Result<Finding> {
        match order {
            Order::Start(program) => match self.start(&program) {
                Ok(pid) => {
                    watcher.runtime_started(pid);
                    send(self.socket, &News::Started(pid.as_raw().unsigned_abs()))?;
                    // Its receiver lives as long as this process.
                    let _ = self.waits.send(pid);
                }
                Err(error) => {
                    let missing = error.kind() == io::ErrorKind::NotFound;
                    send(
                        self.socket,
                        &News::NotStarted {
                            missing,
                            message: error.to_string(),
                        },
                    )?;
                }
            },
            Order::Kill => self.signal_all(Signal::SIGKILL),
            Order::Freeze => {
                self.signal_all(Signal::SIGSTOP);
                return Ok(watcher.pause());
            }
            Order::Thaw => {
                self.signal_all(Signal::SIGCONT);
                watcher.resume();
            }
            Order::Throttle(on) => watcher.throttle(on),
        }
        Ok(Finding::default())
    }

    fn start(&self, program: &Program) -> io::Result<Pid> {
        let mut command = Command::new(&program.path);
        command
            .args(&program.arguments)
            .env_clear()
            .current_dir(&program.directory)
            .stdin(Stdio::null());
        command.envs(
            program
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        );
        if let Some(variable) = &program.telemetry_variable {
            let descriptor = self.telemetry.as_fd();
            inherit(descriptor)?;
            command.env(variable, descriptor.as_raw_fd().to_string());
        }
        if let Some(user) = self.setup.run_as {
            command.uid(user).gid(user);
        }
        if self.setup.root.is_none() {
            command.process_group(0);
        }
        // A child is born into its parent's control groups; the parent must not stay in them.
        move_self(&self.join)?;
        let spawned = command.spawn();
        move_self(&self.leave)?;
        let child = spawned?;
        Ok(Pid::from_raw(child.id().cast_signed()))
    }

    /// Sends `signal` to every process of the sandbox but this one.
    fn signal_all(&self, signal: Signal) {
        if self.setup.root.is_some() {
            // From PID 1 of a namespace this reaches all others in it, at once; fails only if there
            // are none.
            let _ = nix::sys::signal::kill(Pid::from_raw(-1), signal);
        } else {
            super::watch::signal_descendants(signal);
        }
    }
}

/// Moves the calling thread into the control groups whose `tasks` files these are.
fn move_self(files: &[File]) -> io::Result<()> {
    for mut file in files {
        doing("change the control group", file.write_all(b"0"))?;
    }
    Ok(())
}

/// Lets programs that this process executes keep `descriptor`.
fn inherit(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    doing(
        "pass a descriptor on",
        fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty())),
    )
    .map(drop)
}

/// Waits until the runtime has ended, ends what it left running, and returns how it ended.
fn wait_for_end(runtime: Pid, namespaced: bool) -> Exit {
    let mut exit = Exit::default();
    loop {
        match waitpid(Pid::from_raw(-1), None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == runtime => {
                exit = Exit {
                    code: Some(code),
                    ..exit
                };
                end_leftovers(namespaced);
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == runtime => {
                exit = Exit {
                    signal: Some(signal as i32),
                    ..exit
                };
                end_leftovers(namespaced);
            }
            Ok(_) | Err(Errno::EINTR) => {}
            // No child is left.
            Err(_) => {
                return Exit {
                    peak_kb: peak_of_children(),
                    ..exit
                };
            }
        }
    }
}

fn end_leftovers(namespaced: bool) {
    if namespaced {
        let _ = nix::sys::signal::kill(Pid::from_raw(-1), Signal::SIGKILL);
    } else {
        super::watch::signal_descendants(Signal::SIGKILL);
    }
}

/// Returns the largest resident size that any ended child has had, in kB.
fn peak_of_children() -> u64 {
    use nix::sys::resource::{UsageWho, getrusage};
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| usage.max_rss());
    let peak = u64::try_from(peak).unwrap_or(0);
    if cfg!(target_os = "macos") {
        peak / 1024
    } else {
        peak
    }
}
