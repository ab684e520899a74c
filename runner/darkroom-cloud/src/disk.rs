//! Stops writing before the disk is full, with an error that says so.

use std::io;
use std::path::Path;

/// What stays free, in bytes: a full disk would end the journal, and much else on the machine.
pub const RESERVE: u64 = 512 << 20;

/// Fails where the disk that `path` is on has less than [`RESERVE`] free.
pub fn has_room(path: &Path) -> io::Result<()> {
    leaves(path, RESERVE)
}

/// A disk that can't be asked has room: writing will tell.
pub fn leaves(path: &Path, reserve: u64) -> io::Result<()> {
    let Ok(disk) = nix::sys::statvfs::statvfs(path) else {
        return Ok(());
    };
    #[allow(
        clippy::useless_conversion,
        clippy::unnecessary_cast,
        reason = "their width depends on the system"
    )]
    let free = (disk.blocks_available() as u64).saturating_mul(disk.fragment_size() as u64);
    if free >= reserve {
        return Ok(());
    }
    let message = format!(
        "only {} MB are free on the disk of {}: the local cloud stops writing below {} MB. Free \
         some space and run again",
        free >> 20,
        path.display(),
        reserve >> 20
    );
    Err(io::Error::new(io::ErrorKind::StorageFull, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_room_is_written_to_and_one_without_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(leaves(folder.path(), 1).is_ok());
        let error = leaves(folder.path(), u64::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("stops writing below"), "{error}");
        assert!(leaves(Path::new("/nowhere"), u64::MAX).is_ok());
    }
}
