//! The outermost process of a sandbox: leaves the host's namespaces, starts the inner process, waits, cleans up.
//!
//! It stays in the host's PID namespace and control groups. It ends when the inner process ends, which happens at the
//! latest when the server closes its socket or dies.

use super::entry::{INNER, doing};
use super::protocol::OuterSetup;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

pub fn run(setup: &OuterSetup) -> io::Result<()> {
    // Opened before the inner process changes the root that both share.
    let groups: Vec<_> = setup.cgroups.iter().filter_map(|path| Group::open(path)).collect();
    #[cfg(target_os = "linux")]
    if let Some(namespaces) = setup.namespaces {
        super::namespaces::leave(namespaces)?;
    }
    let program = doing("find this program", std::env::current_exe())?;
    let inner = Command::new(program).arg(INNER).env_clear().stdin(Stdio::inherit()).spawn();
    let mut inner = doing("start the inner process", inner)?;
    inner.wait()?;
    for group in groups {
        group.remove();
    }
    Ok(())
}

/// A control group folder, its parent, and its grandparent, held open so that they can be removed from any root.
struct Group {
    parent: nix::dir::Dir,
    name: std::ffi::OsString,
    grandparent: Option<(nix::dir::Dir, std::ffi::OsString)>,
}

impl Group {
    fn open(path: &Path) -> Option<Self> {
        let parent_path = path.parent()?;
        let name = path.file_name()?.to_owned();
        let grandparent = parent_path
            .parent()
            .and_then(|grandparent| Some((open_folder(grandparent)?, parent_path.file_name()?.to_owned())));
        Some(Self { parent: open_folder(parent_path)?, name, grandparent })
    }

    /// Removes the group, and the server's group above it if this was the last one in it.
    fn remove(self) {
        use nix::unistd::{UnlinkatFlags, unlinkat};
        // A group is busy until its last process is reaped, which may take the kernel a moment.
        for _ in 0..200 {
            match unlinkat(&self.parent, self.name.as_os_str(), UnlinkatFlags::RemoveDir) {
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
