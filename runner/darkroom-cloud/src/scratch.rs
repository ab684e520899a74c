//! Temporary folders that outlive no one: removed when done with, and by the next local cloud after a `kill -9`.
//!
//! Each holds a locked file for as long as its owner lives; the kernel lets go of it when the owner is gone, however.

use std::fs::{self, File};
use std::io;
use std::path::Path;

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
        let folder = tempfile::Builder::new().prefix(&format!("{PREFIX}{purpose}-")).tempdir()?;
        // Locked before it has the name that others look for, so that nobody takes it for left behind.
        let unnamed = folder.path().join(".making");
        let held = File::create(&unnamed)?;
        held.lock()?;
        fs::rename(unnamed, folder.path().join(HELD))?;
        Ok(Self { folder, _held: held })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes what processes that were killed have left in the system's temporary folder. What can't be removed stays.
pub fn sweep() {
    sweep_in(&std::env::temp_dir());
}

fn sweep_in(temporary: &Path) {
    let Ok(entries) = fs::read_dir(temporary) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) && is_left_behind(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether the folder has a holder's file and nobody holds it.
fn is_left_behind(folder: &Path) -> bool {
    File::open(folder.join(HELD)).is_ok_and(|file| file.try_lock().is_ok())
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
}
