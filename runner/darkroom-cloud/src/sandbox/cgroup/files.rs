//! Control groups' files: read, written, made, with what to say when that fails.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Returns how much of a file system is used.
#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_cast,
    reason = "these counts are narrower on macOS"
)]
pub fn used_bytes(of: &nix::sys::statvfs::Statvfs) -> u64 {
    u64::from(of.blocks()).saturating_sub(u64::from(of.blocks_free())) * of.fragment_size() as u64
}

/// Returns the number that the line of `name` has in a control group's file.
pub fn stat_line(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

/// Makes `parent/name`, also if another sandbox's end has just removed `parent`.
pub(super) fn make_folder(parent: &Path, name: &str) -> io::Result<PathBuf> {
    let folder = parent.join(name);
    let mut result = Ok(());
    for _ in 0..10 {
        result = fs::create_dir_all(&folder);
        if result.is_ok() {
            break;
        }
    }
    result.map_err(|error| explain("make", &folder, &error))?;
    Ok(folder)
}

pub(super) fn write(path: &Path, value: &str) -> io::Result<()> {
    fs::write(path, value).map_err(|error| explain("write", path, &error))
}

pub(super) fn explain(action: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("can't {action} {}: {error}", path.display()),
    )
}
