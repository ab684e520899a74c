//! Reads a file that is one, and no larger than what it is for.
//!
//! Studies are copied from strangers: a FIFO in place of an image would be waited for, a link to
//! `/dev/zero` has no end, and a sparse file of 40 GB takes no room until it is read.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc::O_NONBLOCK;

/// The most that an image, a source file or what is packaged may hold, in bytes: more than Lambda
/// takes unpacked.
pub const MOST: u64 = 512 << 20;

/// Returns the bytes of a file, also of one that a link leads to. Of more than `most` bytes none is
/// kept.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = File::options()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is neither a file nor a link to one"));
    }
    let too_large = || io::Error::other(format!("it is larger than {} MB", most >> 20));
    if about.len() > most {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(about.len() as usize);
    // It may grow meanwhile.
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(too_large());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_files_of_a_fitting_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "12345678").unwrap();
        symlink("file", at("link")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        symlink("/dev/zero", at("endless")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        File::create(at("sparse"))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        let told = |name: &str, most| read(&at(name), most).map_err(|error| error.to_string());
        for name in ["file", "link"] {
            assert_eq!(told(name, 8).unwrap(), b"12345678");
            assert!(told(name, 7).unwrap_err().contains("larger than"));
        }
        for name in ["pipe", "endless", "folder"] {
            assert!(
                told(name, MOST).unwrap_err().contains("neither a file"),
                "{name}"
            );
        }
        assert!(
            told("sparse", MOST)
                .unwrap_err()
                .contains("larger than 512 MB")
        );
        let missing = read(&at("nothing"), MOST).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
