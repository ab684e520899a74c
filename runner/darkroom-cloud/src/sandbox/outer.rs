//! The outermost process of a sandbox: leaves the host's namespaces, starts the inner process,
//! waits, cleans up.
//!
//! It stays in the host's PID namespace and control groups. It ends when the inner process ends, at
//! the latest when the server closes its socket or dies. If a control group holds frozen processes,
//! it thaws them then.

use super::entry::{INNER, doing};
use super::protocol::{Freezer, OuterSetup};
use std::fs::File;
use std::io::{self, Write};
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub fn run(setup: &OuterSetup) -> io::Result<()> {
    // Opened before the inner process changes the root that both share.
    let groups: Vec<_> = setup
        .cgroups
        .iter()
        .filter_map(|path| HeldCgroup::open(path))
        .collect();
    let freezer = setup.freezer.as_ref().and_then(Thaw::open);
    #[cfg(target_os = "linux")]
    if let Some(namespaces) = setup.namespaces {
        super::namespaces::leave(namespaces)?;
    }
    let program = doing("find this program", std::env::current_exe())?;
    let inner = Command::new(program)
        .arg(INNER)
        .env_clear()
        .stdin(Stdio::inherit())
        .spawn();
    let inner = doing("start the inner process", inner)?;
    wait(inner, freezer)?;
    for group in groups {
        group.remove();
    }
    Ok(())
}

/// What lets frozen processes go, held open so that it works from any root.
struct Thaw {
    file: File,
    word: String,
}

impl Thaw {
    fn open(freezer: &Freezer) -> Option<Self> {
        let file = File::options().write(true).open(&freezer.file).ok()?;
        Some(Self {
            file,
            word: freezer.thaw.clone(),
        })
    }

    fn write(mut self) {
        // Fails once the group is gone, and then nothing is frozen.
        let _ = self.file.write_all(self.word.as_bytes());
    }
}

#[cfg(target_os = "linux")]
fn wait(mut inner: Child, freezer: Option<Thaw>) -> io::Result<()> {
    if let Some(freezer) = freezer {
        wait_for_either(&mut inner)?;
        freezer.write();
    }
    inner.wait().map(drop)
}

#[cfg(not(target_os = "linux"))]
fn wait(mut inner: Child, freezer: Option<Thaw>) -> io::Result<()> {
    freezer.map(Thaw::write);
    inner.wait().map(drop)
}

/// Waits until the inner process has ended or the server has hung up, whichever is first.
///
/// By signal and not by a thread: a process whose children get another PID namespace can't have
/// threads.
#[cfg(target_os = "linux")]
fn wait_for_either(inner: &mut Child) -> io::Result<()> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::signal::{SigSet, Signal};
    use nix::sys::signalfd::{SfdFlags, SignalFd};
    let mut ends = SigSet::empty();
    ends.add(Signal::SIGCHLD);
    // Only now, since the inner process would have inherited it.
    ends.thread_block()?;
    let ended = SignalFd::with_flags(&ends, SfdFlags::SFD_CLOEXEC)?;
    if inner.try_wait()?.is_some() {
        return Ok(());
    }
    let server = io::stdin();
    // That the other end is closed is told unasked.
    let hung_up = PollFd::new(server.as_fd(), PollFlags::empty());
    let mut either = [hung_up, PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
    while let Err(error) = poll(&mut either, PollTimeout::NONE) {
        if error != nix::Error::EINTR {
            return Err(error.into());
        }
    }
    Ok(())
}

/// A control group folder, its parent, and its grandparent, held open so that they can be removed
/// from any root.
struct HeldCgroup {
    parent: nix::dir::Dir,
    name: std::ffi::OsString,
    grandparent: Option<(nix::dir::Dir, std::ffi::OsString)>,
}

impl HeldCgroup {
    fn open(path: &Path) -> Option<Self> {
        let parent_path = path.parent()?;
        let name = path.file_name()?.to_owned();
        let grandparent = parent_path.parent().and_then(|grandparent| {
            Some((
                open_folder(grandparent)?,
                parent_path.file_name()?.to_owned(),
            ))
        });
        Some(Self {
            parent: open_folder(parent_path)?,
            name,
            grandparent,
        })
    }

    /// Removes the group, and the server's group above it if this was the last one in it.
    fn remove(self) {
        use nix::unistd::{UnlinkatFlags, unlinkat};
        // A group is busy until its last process is reaped, which may take the kernel a moment.
        for _ in 0..200 {
            match unlinkat(
                &self.parent,
                self.name.as_os_str(),
                UnlinkatFlags::RemoveDir,
            ) {
                Err(nix::Error::EBUSY) => std::thread::sleep(std::time::Duration::from_millis(5)),
                _ => break,
            }
        }
        if let Some((grandparent, name)) = &self.grandparent {
            // Fails while other sandboxes of this server have groups in it, which is right.
            let _ = unlinkat(grandparent, name.as_os_str(), UnlinkatFlags::RemoveDir);
        }
    }
}

fn open_folder(path: &Path) -> Option<nix::dir::Dir> {
    use nix::fcntl::OFlag;
    let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    nix::dir::Dir::open(path, flags, nix::sys::stat::Mode::empty()).ok()
}
