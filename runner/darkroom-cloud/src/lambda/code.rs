//! Code and layers on disk: each zip and its unzipped folder under the zip's SHA-256, written once
//! and never again.

use super::error::{ApiError, ApiResult};
use super::limits;
use super::unzip::{self, UnzipError, unzip};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

/// A zip that the store holds, unzipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Code {
    /// SHA-256 of the zip, in hex: its name in the store.
    pub sha256: String,
    /// Size of the zip in bytes.
    pub size: u64,
    /// Size of the files in it, in bytes.
    pub unzipped: u64,
}

impl Code {
    /// Returns `CodeSha256` as the API gives it.
    pub fn sha256_base64(&self) -> String {
        STANDARD.encode(hex::decode(&self.sha256).unwrap_or_default())
    }
}

/// The folder of all code. Content-addressed, so that equal zips share one folder.
#[derive(Clone, Debug)]
pub(crate) struct CodeStore {
    folder: PathBuf,
}

impl CodeStore {
    /// Opens the store, made if need be, and removes what an interrupted write left.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(".partial-") {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(Self { folder })
    }

    /// Returns the folder that a function's code or a layer was unzipped into.
    pub fn unzipped(&self, sha256: &str) -> PathBuf {
        self.folder.join(sha256).join("unzipped")
    }

    /// Returns the zip itself.
    pub fn zip(&self, sha256: &str) -> PathBuf {
        self.folder.join(sha256).join("code.zip")
    }

    /// Stores and unzips a zip, or finds that it is there already. Off the async threads: both may
    /// take a while.
    pub async fn add(&self, zip: Bytes) -> ApiResult<Code> {
        let store = self.clone();
        let added = tokio::task::spawn_blocking(move || store.add_blocking(&zip)).await;
        added.unwrap_or_else(|_| Err(ApiError::service("the code could not be unzipped")))
    }

    fn add_blocking(&self, zip: &[u8]) -> ApiResult<Code> {
        let sha256 = hex::encode(Sha256::digest(zip));
        let record = self.folder.join(&sha256).join("code.json");
        if let Some(known) = std::fs::read(&record)
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
        {
            return Ok(known);
        }
        self.write(zip, sha256).map_err(|error| match error {
            UnzipError::Malformed(_) => ApiError::invalid(
                "Could not unzip uploaded file. Please check your file, then try to upload again.",
            ),
            UnzipError::Empty => ApiError::invalid("Uploaded file must be a non-empty zip"),
            UnzipError::TooLarge(limit) => {
                ApiError::invalid(format!("Unzipped size must be smaller than {limit} bytes"))
            }
            UnzipError::Io(error) => {
                ApiError::service(format!("The code cannot be stored: {error}"))
            }
        })
    }

    /// Writes everything beside its place and moves it there in one step: what has a name is
    /// complete.
    fn write(&self, zip: &[u8], sha256: String) -> Result<Code, UnzipError> {
        let partial = tempfile::Builder::new()
            .prefix(".partial-")
            .tempdir_in(&self.folder)?;
        readable(partial.path())?;
        let unzipped = partial.path().join("unzipped");
        std::fs::create_dir(&unzipped)?;
        let limits = unzip::Limits {
            bytes: limits::UNZIPPED,
            entries: limits::ZIP_ENTRIES,
        };
        let size = unzip(Cursor::new(zip), &unzipped, limits)?;
        std::fs::write(partial.path().join("code.zip"), zip)?;
        let code = Code {
            sha256,
            size: zip.len() as u64,
            unzipped: size,
        };
        let record = serde_json::to_vec(&code).map_err(io::Error::other)?;
        std::fs::write(partial.path().join("code.json"), record)?;
        let place = self.folder.join(&code.sha256);
        match std::fs::rename(partial.path(), &place) {
            // Another request stored the same zip meanwhile.
            Err(_) if place.join("code.json").exists() => Ok(code),
            Err(error) => Err(error.into()),
            Ok(()) => {
                // Moved away: nothing is left for the guard to remove.
                let _ = partial.keep();
                Ok(code)
            }
        }
    }
}

/// Makes a folder readable to the sandbox's user; temporary folders are private.
fn readable(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn zip_of(name: &str, content: &[u8]) -> Bytes {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        writer
            .start_file(name, zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(content).unwrap();
        writer.finish().unwrap().into_inner().into()
    }

    #[tokio::test]
    async fn the_same_zip_is_stored_once_and_found_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let zip = zip_of("handler.py", b"x");
        let store = CodeStore::open(folder.path().to_owned()).unwrap();
        let first = store.add(zip.clone()).await.unwrap();
        let again = CodeStore::open(folder.path().to_owned())
            .unwrap()
            .add(zip.clone())
            .await
            .unwrap();
        assert_eq!(first, again);
        assert_eq!(
            std::fs::read(store.unzipped(&first.sha256).join("handler.py")).unwrap(),
            b"x"
        );
        assert_eq!(std::fs::read(store.zip(&first.sha256)).unwrap(), zip);
    }

    #[tokio::test]
    async fn a_refused_zip_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let store = CodeStore::open(folder.path().to_owned()).unwrap();
        let error = store.add(zip_of("../escape", b"x")).await.unwrap_err();
        assert!(
            error
                .message
                .unwrap()
                .starts_with("Could not unzip uploaded file.")
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
