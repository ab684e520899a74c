//! Where a sandbox's own processes start: the outer one makes the namespaces, the inner one runs in
//! them.
//!
//! Both are this program, run again with a secret word as first argument and the server's socket as
//! standard input. They must stay small: no async runtime, no log, nothing of the host kept open.
//!
//! The outer process closes all inherited descriptors except its standard streams (from a shell's
//! `exec 40<file`, a service manager, a CI agent), so programs that it starts do not get them.

use super::protocol::{Exit, InnerSetup, News, OuterSetup, receive, send};
use super::{inner, outer, workshop};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

/// First argument of the process that makes namespaces and waits for the inner one.
pub const OUTER: &str = "__darkroom-sandbox-outer";
/// First argument of the process that starts and stops the runtime.
pub const INNER: &str = "__darkroom-sandbox-inner";

/// The same two for a job of [`super::workshop`].
pub const WORKSHOP_OUTER: &str = "__darkroom-workshop-outer";
pub const WORKSHOP_INNER: &str = "__darkroom-workshop-inner";

/// Becomes one of a sandbox's own processes if this program was started to be one.
///
/// Returns `None` in an ordinary start. The `main` of
/// [`EnvironmentsConfig::sandbox_program`](crate::lambda::environment::EnvironmentsConfig) calls
/// this before anything else, while the process has a single thread, and exits with the code it
/// gives.
pub fn run_if_asked() -> Option<ExitCode> {
    let role = std::env::args_os().nth(1)?;
    match role.to_str()? {
        OUTER => {
            close_inherited();
            Some(own_code(&reporting(run_outer)))
        }
        INNER => Some(own_code(&reporting(run_inner))),
        WORKSHOP_OUTER => {
            close_inherited();
            Some(job_code(reporting(workshop::outer)))
        }
        WORKSHOP_INNER => {
            let setup = std::env::args().nth(2).unwrap_or_default();
            Some(job_code(reporting(|socket| {
                workshop::inner(socket, &setup)
            })))
        }
        _ => None,
    }
}

/// Lets no descriptor but the standard streams reach the inner process, and so the handler: a
/// folder's would be a way out of the new root.
///
/// By `close_range` where the kernel has it (Linux 5.11), else one by one, as `/proc/self/fd` lists
/// them; whatever their numbers are.
fn close_inherited() {
    close_fds::set_fds_cloexec(3, &[]);
}

/// Returns the server's socket, which is this process's standard input.
fn control_socket() -> io::Result<UnixStream> {
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Runs `role` and tells the server if it fails.
fn reporting<T>(role: impl FnOnce(&UnixStream) -> io::Result<T>) -> io::Result<T> {
    let socket = control_socket()?;
    role(&socket).inspect_err(|error| {
        // If the server is gone too, nobody is left to be told.
        let _ = send(&socket, &News::Failed(error.to_string()));
    })
}

fn own_code(ended: &io::Result<()>) -> ExitCode {
    if ended.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A job's own exit code, handed on.
fn job_code(ended: io::Result<Exit>) -> ExitCode {
    let code = ended
        .ok()
        .and_then(|exit| exit.code)
        .and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

fn run_outer(socket: &UnixStream) -> io::Result<()> {
    let Some(setup) = receive::<OuterSetup>(socket)? else {
        return Ok(());
    };
    outer::run(&setup)
}

fn run_inner(socket: &UnixStream) -> io::Result<()> {
    let Some(setup) = receive::<InnerSetup>(socket)? else {
        return Ok(());
    };
    inner::run(socket, &setup)
}

/// Adds to an error what was being done.
pub fn doing<T, E: Into<io::Error>>(
    what: impl std::fmt::Display,
    result: Result<T, E>,
) -> io::Result<T> {
    result.map_err(|error| {
        let error = error.into();
        io::Error::new(error.kind(), format!("can't {what}: {error}"))
    })
}
