//! Writes zips whose bytes depend only on their contents: sorted names, one date, two modes, one
//! compression.
//!
//! Entries → [`Archive`].

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::deployable::Archive;
use super::error::PackageError;

/// One file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub contents: Vec<u8>,
    pub executable: bool,
}

/// Files by their name in the archive, with `/` between folders.
pub type Entries = BTreeMap<String, Entry>;

/// Deflate level: zlib's usual compromise. Part of what an archive's bytes depend on, as is the
/// compressor's version, which Cargo.lock pins.
const LEVEL: i64 = 6;

/// Writes `entries` to `path` and returns what it wrote.
///
/// The file appears whole, by a rename. The same entries give the same bytes on any machine and
/// day.
pub fn write(path: &Path, entries: &Entries) -> Result<Archive, PackageError> {
    let bytes = bytes_of(entries).map_err(PackageError::io("compress", path))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(PackageError::io("create", folder))?;
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .map_err(PackageError::io("create a file in", folder))?;
    file.write_all(&bytes)
        .map_err(PackageError::io("write", path))?;
    file.persist(path)
        .map_err(|error| PackageError::io("create", path)(error.error))?;
    Ok(Archive {
        zip: path.to_owned(),
        sha256_base64: BASE64.encode(Sha256::digest(&bytes)),
        bytes: bytes.len() as u64,
        unzipped_bytes: entries
            .values()
            .map(|entry| entry.contents.len() as u64)
            .sum(),
    })
}

/// Reads what is at `path` back as an [`Archive`]; `None` if it is not a whole zip.
pub fn read(path: &Path) -> Option<Archive> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.read_to_end(&mut bytes).ok()?;
    let mut zip = zip::ZipArchive::new(io::Cursor::new(&bytes)).ok()?;
    let sizes: Option<Vec<u64>> = (0..zip.len())
        .map(|index| Some(zip.by_index_raw(index).ok()?.size()))
        .collect();
    Some(Archive {
        zip: path.to_owned(),
        sha256_base64: BASE64.encode(Sha256::digest(&bytes)),
        bytes: bytes.len() as u64,
        unzipped_bytes: sizes?.iter().sum(),
    })
}

/// Returns one file of a zip; `None` if either is not there.
pub fn contents(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut contents = Vec::new();
    let mut zip = zip::ZipArchive::new(File::open(path).ok()?).ok()?;
    zip.by_name(name).ok()?.read_to_end(&mut contents).ok()?;
    Some(contents)
}

fn bytes_of(entries: &Entries) -> io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
    // `DateTime::default()` is 1980-01-01 00:00, the earliest a zip can say.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL))
        .last_modified_time(DateTime::default());
    for (name, entry) in entries {
        zip.start_file(
            name.as_str(),
            options.unix_permissions(if entry.executable { 0o755 } else { 0o644 }),
        )?;
        zip.write_all(&entry.contents)?;
    }
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Entries {
        let lines: Vec<String> = (0..400)
            .map(|line| format!("line {}", line * line % 97))
            .collect();
        let entry = |contents: &str, executable| Entry {
            contents: contents.into(),
            executable,
        };
        Entries::from([
            (
                "rotate.py".to_owned(),
                entry("def handler(event, context):\n    return None\n", false),
            ),
            ("bootstrap".to_owned(), entry(&lines.join("\n"), true)),
            ("lib/empty.txt".to_owned(), entry("", false)),
        ])
    }

    /// The value was computed once, on Linux. A failure on another machine means that archives are
    /// not reproducible; one after `cargo update` means that the compressor changed and every
    /// function is uploaded again.
    #[test]
    fn the_bytes_are_the_same_on_any_machine_and_day() {
        let folder = tempfile::tempdir().unwrap();
        let archive = write(&folder.path().join("a.zip"), &entries()).unwrap();
        assert_eq!(
            archive.sha256_base64,
            "5xS+20GI73m6fyapNrCpzKkNktSpyQvErtxu3tE+MT8="
        );
    }

    #[test]
    fn names_are_sorted_dates_fixed_and_modes_one_of_two() {
        let bytes = bytes_of(&entries()).unwrap();
        let mut zip = zip::ZipArchive::new(io::Cursor::new(bytes)).unwrap();
        let mut seen = Vec::new();
        for index in 0..zip.len() {
            let file = zip.by_index(index).unwrap();
            assert_eq!(file.last_modified(), Some(DateTime::default()));
            seen.push((
                file.name().unwrap().into_owned(),
                file.unix_mode().unwrap() & 0o7777,
            ));
        }
        assert_eq!(
            seen,
            [
                ("bootstrap".into(), 0o755),
                ("lib/empty.txt".into(), 0o644),
                ("rotate.py".into(), 0o644)
            ]
        );
    }

    #[test]
    fn what_is_read_back_is_what_was_written_and_a_torn_file_is_not_a_zip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/a.zip");
        let written = write(&path, &entries()).unwrap();
        assert_eq!(read(&path), Some(written));
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(read(&path), None);
    }
}
