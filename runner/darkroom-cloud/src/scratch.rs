//! Temporary folders that are always removed: at the end, or by the next local cloud after a `kill
//! -9`.
//!
//! Each holds a file that is locked as long as its owner lives; the kernel releases the lock in any
//! case. Only their owner can read them (0700), because they hold objects, code and logs. Folders
//! of other users are ignored: anyone can put a FIFO or a link under one of our names into the
//! system's temporary folder.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::libc::{O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK};

/// Name of the locked file within a folder.
const HELD: &str = ".held";
/// Every folder's name begins so.
const PREFIX: &str = "darkroom-";

/// A temporary folder of this process.
#[derive(Debug)]
pub struct Scratch {
    folder: tempfile::TempDir,
    _held: File,
}

impl Scratch {
    /// Makes an empty folder whose name says what it is for.
    pub fn new(purpose: &str) -> io::Result<Self> {
        let folder = private_folder(&format!("{PREFIX}{purpose}-"))?;
        // Locked before it has the name that others look for, so that nobody takes it for left
        // behind.
        let unnamed = folder.path().join(".making");
        let held = File::create(&unnamed)?;
        held.lock()?;
        fs::rename(unnamed, folder.path().join(HELD))?;
        Ok(Self {
            folder,
            _held: held,
        })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Makes a temporary folder that only this user may enter, and that is removed when dropped.
pub fn private_folder(prefix: &str) -> io::Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
}

/// Removes what processes that were killed have left in the system's temporary folder. What can't
/// be removed stays.
pub fn sweep() {
    sweep_in(&std::env::temp_dir());
}

fn sweep_in(temporary: &Path) {
    let Ok(entries) = fs::read_dir(temporary) else {
        return;
    };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if ours
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
            && is_left_behind(&entry.path())
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether the folder is this user's, has a holder's file and nobody holds it.
fn is_left_behind(folder: &Path) -> bool {
    open_own(folder, O_DIRECTORY)
        .is_some_and(|folder| folder.metadata().is_ok_and(|it| it.is_dir()))
        && open_own(&folder.join(HELD), 0)
            .filter(|file| file.metadata().is_ok_and(|it| it.is_file()))
            .is_some_and(|file| file.try_lock().is_ok())
}

/// Opens what is there without following a link or waiting, if it is this user's.
fn open_own(path: &Path, flags: i32) -> Option<File> {
    let file = File::options()
        .read(true)
        .custom_flags(flags | O_NOFOLLOW | O_NONBLOCK)
        .open(path)
        .ok()?;
    let own = file.metadata().ok()?.uid() == nix::unistd::geteuid().as_raw();
    own.then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_holds_is_swept_and_what_is_held_or_not_ours_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let made = |name: &str, held: bool| {
            let folder = temporary.path().join(name);
            fs::create_dir_all(folder.join("deep")).unwrap();
            let file = File::create(folder.join(HELD)).unwrap();
            held.then(|| file.lock().unwrap());
            (folder, file)
        };
        let (left, _) = made("darkroom-layers-a", false);
        let (held, _guard) = made("darkroom-layers-b", true);
        let (other, _) = made("something-else", false);
        let unmarked = temporary.path().join("darkroom-root-c");
        fs::create_dir(&unmarked).unwrap();
        sweep_in(temporary.path());
        assert!(!left.exists());
        assert!(held.exists() && other.exists() && unmarked.exists());
    }

    #[test]
    fn a_folder_is_held_while_its_owner_lives_and_gone_after() {
        let scratch = Scratch::new("test").unwrap();
        let path = scratch.path().to_owned();
        assert!(path.is_dir() && !is_left_behind(&path));
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_is_its_owners_alone() {
        let scratch = Scratch::new("test").unwrap();
        assert_eq!(
            fs::metadata(scratch.path()).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    /// As another user's `mkfifo /tmp/darkroom-trap/.held` does: it must not hold up whoever
    /// sweeps.
    #[test]
    fn traps_hold_up_nobody_and_stay() {
        let temporary = tempfile::tempdir().unwrap();
        let elsewhere = temporary.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join(HELD), "").unwrap();
        let trap = |name: &str| {
            let folder = temporary.path().join(format!("{PREFIX}{name}"));
            fs::create_dir(&folder).unwrap();
            folder
        };
        let fifo = trap("fifo");
        nix::unistd::mkfifo(&fifo.join(HELD), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let link = trap("link");
        std::os::unix::fs::symlink(elsewhere.join(HELD), link.join(HELD)).unwrap();
        let device = trap("device");
        std::os::unix::fs::symlink("/dev/zero", device.join(HELD)).unwrap();
        let folder = trap("folder");
        fs::create_dir(folder.join(HELD)).unwrap();
        let socket = trap("socket");
        let _listener = std::os::unix::net::UnixListener::bind(socket.join(HELD)).unwrap();
        let linked = temporary.path().join(format!("{PREFIX}linked"));
        std::os::unix::fs::symlink(&elsewhere, &linked).unwrap();
        let mut traps = vec![fifo, link, device, folder, socket, linked];
        if nix::unistd::geteuid().is_root() {
            let others = trap("others");
            fs::write(others.join(HELD), "").unwrap();
            std::os::unix::fs::chown(&others, Some(1051), Some(1051)).unwrap();
            let others_file = trap("others-file");
            fs::write(others_file.join(HELD), "").unwrap();
            std::os::unix::fs::chown(others_file.join(HELD), Some(1051), Some(1051)).unwrap();
            traps.extend([others, others_file]);
        }
        sweep_in(temporary.path());
        for trap in traps {
            assert!(trap.symlink_metadata().is_ok(), "{}", trap.display());
        }
        assert!(elsewhere.join(HELD).exists());
    }
}
