//! Unpacks an untrusted zip into a fresh folder.
//!
//! It never writes outside of the folder: it refuses absolute paths and paths with `..`, writes
//! nothing through a symbolic link, and makes links last, only if they stay inside. It counts the
//! bytes that really come out of the decompressor, whatever the zip's directory claims.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use zip::ZipArchive;

/// What a zip may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of all files together.
    pub bytes: u64,
    pub entries: usize,
}

/// Why a zip was not unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnzipError {
    #[error("not a readable zip: {0}")]
    Malformed(String),
    #[error("the zip holds no file")]
    Empty,
    #[error("the unzipped files are larger than {0} bytes")]
    TooLarge(u64),
    #[error("cannot write the unzipped files: {0}")]
    Io(#[from] io::Error),
}

impl UnzipError {
    fn malformed(reason: impl std::fmt::Display) -> Self {
        Self::Malformed(reason.to_string())
    }
}

/// Unpacks `zip` into `folder`, which must be empty, and returns the bytes written.
///
/// Files become 0644, or 0755 if any execute bit is set in the zip, folders 0755, as a function
/// sees them.
pub(crate) fn unzip<R: Read + Seek>(
    zip: R,
    folder: &Path,
    limits: Limits,
) -> Result<u64, UnzipError> {
    let mut archive = ZipArchive::new(zip).map_err(UnzipError::malformed)?;
    if archive.is_empty() {
        return Err(UnzipError::Empty);
    }
    if archive.len() > limits.entries {
        return Err(UnzipError::malformed(format!(
            "more than {} entries",
            limits.entries
        )));
    }
    if archive
        .decompressed_size()
        .is_some_and(|claimed| claimed > u128::from(limits.bytes))
    {
        return Err(UnzipError::TooLarge(limits.bytes));
    }
    let links = link_paths(&mut archive)?;
    let mut written = 0;
    let mut targets = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(UnzipError::malformed)?;
        let path = inside(&entry.name().map_err(UnzipError::malformed)?)?;
        if let Some(ancestor) = path
            .ancestors()
            .skip(1)
            .find(|ancestor| links.contains(*ancestor))
        {
            return Err(UnzipError::malformed(format!(
                "a path goes through the link {}",
                ancestor.display()
            )));
        }
        if entry.is_dir() {
            fs::create_dir_all(folder.join(&path)).map_err(|error| unusable(&path, error))?;
        } else if entry.is_symlink() {
            targets.push((path, link_target(&mut entry)?));
        } else {
            let executable = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
            written += write_file(
                &mut entry,
                &folder.join(&path),
                executable,
                limits.bytes - written,
                limits.bytes,
            )?;
        }
    }
    for (path, target) in targets {
        make_link(folder, &path, &target)?;
    }
    Ok(written)
}

/// Returns where the archive's symbolic links would be, before anything is written.
fn link_paths<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
) -> Result<BTreeSet<PathBuf>, UnzipError> {
    let mut links = BTreeSet::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(UnzipError::malformed)?;
        if entry.is_symlink() {
            links.insert(inside(&entry.name().map_err(UnzipError::malformed)?)?);
        }
    }
    Ok(links)
}

/// Returns the path below the root, or refuses one that leaves it.
fn inside(name: &str) -> Result<PathBuf, UnzipError> {
    let mut path = PathBuf::new();
    if name.contains('\0') || name.contains('\\') {
        return Err(UnzipError::malformed(format!(
            "the path {name:?} holds a forbidden character"
        )));
    }
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(UnzipError::malformed(format!(
                    "the path {name:?} leaves the folder"
                )));
            }
        }
    }
    Ok(path)
}

fn write_file(
    entry: &mut impl Read,
    path: &Path,
    executable: bool,
    room: u64,
    limit: u64,
) -> Result<u64, UnzipError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| unusable(path, error))?;
    }
    let mut file = fs::File::create(path).map_err(|error| unusable(path, error))?;
    let mut written = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        // Errors on this side are the zip's: a broken stream, a wrong checksum.
        let read = entry.read(&mut buffer).map_err(UnzipError::malformed)?;
        if read == 0 {
            break;
        }
        written += read as u64;
        if written > room {
            return Err(UnzipError::TooLarge(limit));
        }
        file.write_all(&buffer[..read])?;
    }
    let mode = if executable { 0o755 } else { 0o644 };
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    Ok(written)
}

/// Tells a zip whose entries contradict each other, such as a file where a folder is, from a full
/// disk.
fn unusable(path: &Path, error: io::Error) -> UnzipError {
    match error.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::PermissionDenied => error.into(),
        _ => UnzipError::malformed(format!("{}: {error}", path.display())),
    }
}

fn link_target(entry: &mut impl Read) -> Result<String, UnzipError> {
    let mut target = String::new();
    entry
        .take(4096)
        .read_to_string(&mut target)
        .map_err(UnzipError::malformed)?;
    Ok(target)
}

/// Makes a link that stays inside: relative, and climbing only at its start and no further than the
/// root.
///
/// No link's folder is reached through a link, so the climb counts real folders; what follows it
/// may lead through other links, each of which stays inside by the same rule.
fn make_link(folder: &Path, path: &Path, target: &str) -> Result<(), UnzipError> {
    let depth = path.components().count().saturating_sub(1);
    let components: Vec<Component<'_>> = Path::new(target).components().collect();
    let climbs = components
        .iter()
        .take_while(|part| matches!(part, Component::ParentDir))
        .count();
    let plain = components[climbs..]
        .iter()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if target.is_empty() || target.contains('\0') || climbs > depth || !plain {
        return Err(UnzipError::malformed(format!(
            "the link {} leaves the folder",
            path.display()
        )));
    }
    let link = folder.join(path);
    if let Some(parent) = link.parent() {
        fs::create_dir_all(parent).map_err(|error| unusable(path, error))?;
    }
    symlink(target, &link).map_err(|error| unusable(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use zip::write::{SimpleFileOptions, ZipWriter};

    const LIMITS: Limits = Limits {
        bytes: 1000,
        entries: 10,
    };

    fn archive(build: impl FnOnce(&mut ZipWriter<Cursor<Vec<u8>>>)) -> Cursor<Vec<u8>> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        build(&mut writer);
        writer.finish().unwrap()
    }

    fn with_file(name: &str, content: &[u8]) -> Cursor<Vec<u8>> {
        archive(|zip| add(zip, name, content, 0o644))
    }

    fn add(zip: &mut ZipWriter<Cursor<Vec<u8>>>, name: &str, content: &[u8], mode: u32) {
        zip.start_file(name, SimpleFileOptions::default().unix_permissions(mode))
            .unwrap();
        zip.write_all(content).unwrap();
    }

    #[test]
    fn files_and_modes_come_out() {
        let folder = tempfile::tempdir().unwrap();
        let zip = archive(|zip| {
            add(zip, "bin/bootstrap", b"#!/bin/sh", 0o700);
            add(zip, "handler.py", b"x = 1", 0o600);
        });
        assert_eq!(unzip(zip, folder.path(), LIMITS).unwrap(), 14);
        let mode = |name: &str| {
            fs::metadata(folder.path().join(name))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!((mode("bin/bootstrap"), mode("handler.py")), (0o755, 0o644));
    }

    #[test]
    fn paths_that_leave_the_folder_are_refused() {
        for name in ["../out", "a/../../out", "/etc/out", "a\\..\\out"] {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join("in");
            fs::create_dir(&folder).unwrap();
            assert!(
                matches!(
                    unzip(with_file(name, b"x"), &folder, LIMITS),
                    Err(UnzipError::Malformed(_))
                ),
                "{name}"
            );
            assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "{name}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let result = unzip(with_file("zeros", &[0; 5000]), folder.path(), LIMITS);
        assert!(matches!(result, Err(UnzipError::TooLarge(1000))));
    }

    #[test]
    fn the_limit_counts_real_bytes_not_claimed_ones() {
        let mut zip = with_file("zeros", &[0; 5000]).into_inner();
        // The uncompressed size in the central directory: offset 24 of its header.
        let central = zip
            .windows(4)
            .rposition(|window| window == b"PK\x01\x02")
            .unwrap();
        zip[central + 24..central + 28].copy_from_slice(&10_u32.to_le_bytes());
        let folder = tempfile::tempdir().unwrap();
        assert!(unzip(Cursor::new(zip), folder.path(), LIMITS).is_err());
    }

    #[test]
    fn links_inside_are_made_and_links_outside_refused() {
        let link = |path: &str, target: &str| {
            archive(|zip| {
                add(zip, "lib/real.so.1", b"elf", 0o644);
                zip.add_symlink(path, target, SimpleFileOptions::default())
                    .unwrap();
            })
        };
        let folder = tempfile::tempdir().unwrap();
        unzip(link("lib/real.so", "real.so.1"), folder.path(), LIMITS).unwrap();
        assert_eq!(fs::read(folder.path().join("lib/real.so")).unwrap(), b"elf");
        for (path, target) in [
            ("l", "/etc/passwd"),
            ("l", "../out"),
            ("a/l", "../../out"),
            ("l", "lib/../../out"),
            ("l", ""),
        ] {
            let folder = tempfile::tempdir().unwrap();
            assert!(
                unzip(link(path, target), folder.path(), LIMITS).is_err(),
                "{path} -> {target}"
            );
        }
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let zip = archive(|zip| {
            zip.add_symlink("d", "e", SimpleFileOptions::default())
                .unwrap();
            add(zip, "d/file", b"x", 0o644);
        });
        assert!(matches!(
            unzip(zip, folder.path(), LIMITS),
            Err(UnzipError::Malformed(_))
        ));
    }

    #[test]
    fn garbage_and_an_empty_zip_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let garbage = unzip(
            Cursor::new(b"this is not a zip".to_vec()),
            folder.path(),
            LIMITS,
        );
        assert!(matches!(garbage, Err(UnzipError::Malformed(_))));
        assert!(matches!(
            unzip(archive(|_| ()), folder.path(), LIMITS),
            Err(UnzipError::Empty)
        ));
    }

    #[test]
    fn a_file_where_a_folder_must_be_is_a_malformed_zip() {
        let folder = tempfile::tempdir().unwrap();
        let zip = archive(|zip| {
            add(zip, "a", b"file", 0o644);
            add(zip, "a/b", b"below it", 0o644);
        });
        assert!(matches!(
            unzip(zip, folder.path(), LIMITS),
            Err(UnzipError::Malformed(_))
        ));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        /// Whatever the bytes, unpacking ends without a panic and writes nothing beside its folder.
        #[test]
        fn a_damaged_zip_stays_in_its_folder(
            name in "[a-z./\\\\]{1,12}",
            content: Vec<u8>,
            damage in proptest::collection::vec((0_usize..400, 0_u8..=255), 0..4),
        ) {
            let mut zip = with_file(&name, &content).into_inner();
            for (at, byte) in damage {
                let length = zip.len();
                zip[at % length] = byte;
            }
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join("in");
            fs::create_dir(&folder).unwrap();
            let _ = unzip(Cursor::new(zip), &folder, LIMITS);
            proptest::prop_assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn whatever_a_client_sends_is_unpacked_within_its_folder_or_refused() {
        let words = &[
            "PK\x01\x02",
            "PK\x03\x04",
            "PK\x05\x06",
            "PK\x06\x06",
            "PK\x06\x07",
            "\0\0\0\0",
            "../",
            "/",
            "\x7f\x7f\x7f\x7f",
            "a",
        ];
        let limits = Limits {
            bytes: 1 << 20,
            entries: 100,
        };
        crate::hostile::Parser {
            name: "zip",
            words,
            longest: 1 << 20,
        }
        .hold(|input| {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join("in");
            fs::create_dir(&folder).unwrap();
            let _ = unzip(Cursor::new(input), &folder, limits);
            assert_eq!(
                fs::read_dir(root.path()).unwrap().count(),
                1,
                "something beside the folder"
            );
        });
    }
}
