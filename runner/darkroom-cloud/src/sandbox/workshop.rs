//! Runs an untrusted program to its end, hidden from the host. A build of a variant's code runs
//! that variant's own programs (build scripts, macros).
//!
//! Uses the same two processes as a sandbox: the outer one leaves the host's namespaces, the inner
//! one builds the root and starts the program. It has no memory limit and no control group, because
//! only the user waits for a build. Blocking.

use super::entry::{WORKSHOP_INNER, WORKSHOP_OUTER, doing};
use super::protocol::{Exit, Namespaces, News, Program, RootPlan, SANDBOX_USER, receive, send};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What to run, and what it may see beside the host's programs and libraries.
#[derive(Clone, Debug, Default)]
pub struct Job {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// The whole environment.
    pub environment: Vec<(String, String)>,
    pub directory: PathBuf,
    /// Files and folders of the host, and where they appear, read-only.
    pub seen: Vec<(PathBuf, PathBuf)>,
    /// Folders of the host that it may write to, and where they appear. As root they must be
    /// [`owner`]'s.
    pub written: Vec<(PathBuf, PathBuf)>,
    /// Size of its `/tmp`, MB.
    pub tmp_mb: u32,
}

/// Returns the user that a job runs as, where that is not the present one.
pub fn owner() -> Option<u32> {
    nix::unistd::geteuid().is_root().then_some(SANDBOX_USER)
}

/// What the outer process is told, and hands on to the inner one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    namespaces: Namespaces,
    root: RootPlan,
    program: Program,
    run_as: Option<u32>,
}

/// Runs a job to its end. `sandbox` is an executable whose `main` first calls
/// [`super::run_if_asked`].
///
/// # Errors
/// Why no sandbox is ready here: the job has not begun then.
pub fn run(sandbox: &Path, job: &Job) -> io::Result<Output> {
    if cfg!(not(target_os = "linux")) {
        return Err(io::Error::other("namespaces are Linux's"));
    }
    let mount_point = crate::scratch::Scratch::new("build")?;
    let root = RootPlan {
        mount_point: mount_point.path().to_owned(),
        binds: job.seen.clone(),
        written: job.written.clone(),
        tmp_mb: job.tmp_mb,
        ..RootPlan::default()
    };
    let program = Program {
        path: job.program.clone(),
        arguments: job.arguments.clone(),
        environment: job.environment.clone(),
        directory: job.directory.clone(),
        telemetry_variable: None,
    };
    // As strong as handlers' own; a build never shares the host's network.
    let run_as = owner();
    let namespaces = Namespaces {
        user: run_as.is_none(),
        network: true,
    };
    attempt(
        sandbox,
        &Setup {
            namespaces,
            root,
            program,
            run_as,
        },
    )
}

fn attempt(sandbox: &Path, setup: &Setup) -> io::Result<Output> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(sandbox);
    command
        .arg(WORKSHOP_OUTER)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)));
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    drop(command);
    send(&ours, setup)?;
    let output = child.wait_with_output()?;
    match receive::<News>(&ours)? {
        Some(News::Ready) => Ok(output),
        Some(News::Failed(reason)) => Err(io::Error::other(reason)),
        Some(News::NotStarted { message, .. }) => Err(io::Error::other(message)),
        _ => Err(io::Error::other("the sandbox ended before it stood")),
    }
}

/// The outer process: leaves the namespaces, waits, and ends as the job ended.
pub fn outer(socket: &UnixStream) -> io::Result<Exit> {
    let Some(setup) = receive::<Setup>(socket)? else {
        return Ok(Exit::default());
    };
    #[cfg(target_os = "linux")]
    {
        use nix::sys::{prctl, signal::Signal};
        doing("follow the parent", prctl::set_pdeathsig(Signal::SIGKILL))?;
        super::namespaces::leave(setup.namespaces)?;
    }
    let program = doing("find this program", std::env::current_exe())?;
    // The inner process reads its setup from a pipe of its own and tells the parent by this socket,
    // as descriptor 0.
    let argument = serde_json::to_string(&setup)?;
    let inner = Command::new(program)
        .args([WORKSHOP_INNER, &argument])
        .env_clear()
        .stdin(Stdio::inherit())
        .spawn();
    let status = doing("start the inner process", inner)?.wait()?;
    Ok(Exit {
        code: status.code(),
        ..Exit::default()
    })
}

/// The inner process: PID 1 of its namespace. When it ends, the kernel ends whatever the job has
/// left running.
#[cfg(target_os = "linux")]
pub fn inner(socket: &UnixStream, setup: &str) -> io::Result<Exit> {
    use nix::sys::{prctl, signal::Signal};
    use std::os::unix::process::CommandExt;
    let setup: Setup = serde_json::from_str(setup)?;
    doing(
        "follow the outer process",
        prctl::set_pdeathsig(Signal::SIGKILL),
    )?;
    let proc = super::root::enter(&setup.root)?;
    if setup.namespaces.user {
        super::namespaces::become_sandbox_user(&proc)?;
    }
    drop(proc);
    doing("renounce new privileges", prctl::set_no_new_privs())?;
    doing("hide this process", prctl::set_dumpable(false))?;
    // Nothing watches over a job, so there is nothing to guard.
    super::filter::enter(&[])?;
    let Program {
        path,
        arguments,
        environment,
        directory,
        ..
    } = &setup.program;
    let mut command = Command::new(path);
    command
        .args(arguments)
        .env_clear()
        .current_dir(directory)
        .stdin(Stdio::null());
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    if let Some(user) = setup.run_as {
        command.uid(user).gid(user);
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let (missing, message) = (
                error.kind() == io::ErrorKind::NotFound,
                format!("{}: {error}", path.display()),
            );
            send(socket, &News::NotStarted { missing, message })?;
            return Ok(Exit::default());
        }
    };
    send(socket, &News::Ready)?;
    let status = child.wait()?;
    Ok(Exit {
        code: status.code(),
        ..Exit::default()
    })
}

#[cfg(not(target_os = "linux"))]
pub fn inner(_socket: &UnixStream, _setup: &str) -> io::Result<Exit> {
    Err(io::Error::other("namespaces are Linux's"))
}
