//! The content of one object (or part) as an immutable file: written, kept or thrown away, read as
//! a stream.
//!
//! Knows the disk and nothing of keys, buckets or HTTP.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::Stream;

/// What is read into memory at once; a longer content is streamed in pieces of this size.
const PIECE: u64 = 512 * 1024;

/// A file that is deleted when dropped, unless it is [kept](Blob::keep).
#[derive(Debug)]
pub struct Blob {
    path: PathBuf,
    kept: bool,
}

impl Blob {
    /// Makes a new, empty blob in `folder`, opened for writing.
    pub fn create(folder: &Path) -> io::Result<(Self, File)> {
        let path = folder.join(uuid::Uuid::new_v4().simple().to_string());
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok((Self { path, kept: false }, file))
    }

    /// Makes a blob in `folder` with the content of `source`: a second name for the same immutable
    /// bytes where the file system can, else a copy.
    pub fn duplicate(source: &Path, folder: &Path) -> io::Result<Self> {
        let path = folder.join(uuid::Uuid::new_v4().simple().to_string());
        let blob = Self { path, kept: false };
        match fs::hard_link(source, &blob.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
            Err(_) => {
                fs::copy(source, &blob.path)?;
            }
        }
        Ok(blob)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file name, which the sidecar stores.
    pub fn name(&self) -> String {
        self.path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// Makes the file stay.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing can be done about a file that can't be removed; `Store::open` clears it next
            // time.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Bytes of a blob on their way out.
#[derive(Debug)]
pub enum Content {
    /// All of it.
    Whole(Bytes),
    /// Still to be read: this many bytes, from where the file stands.
    Rest(File, u64),
}

impl Content {
    /// Opens `range` of the file at `path`; a short one is read at once. Blocks.
    pub fn open(path: &Path, range: Range<u64>) -> io::Result<Self> {
        let mut file = File::open(path)?;
        if range.start > 0 {
            file.seek(SeekFrom::Start(range.start))?;
        }
        let length = range.end - range.start;
        if length > PIECE {
            return Ok(Self::Rest(file, length));
        }
        read_piece(&mut file, length).map(Self::Whole)
    }

    /// Returns the bytes as a stream; reads happen on the blocking pool.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static {
        futures::stream::unfold(Some(self), |state| async move {
            match state? {
                Content::Whole(bytes) if bytes.is_empty() => None,
                Content::Whole(bytes) => Some((Ok(bytes), None)),
                Content::Rest(_, 0) => None,
                Content::Rest(mut file, left) => {
                    let read = tokio::task::spawn_blocking(move || {
                        let piece = read_piece(&mut file, left.min(PIECE))?;
                        let left = left - piece.len() as u64;
                        Ok((piece, Content::Rest(file, left)))
                    });
                    match read
                        .await
                        .unwrap_or_else(|error| Err(io::Error::other(error)))
                    {
                        Ok((piece, rest)) => Some((Ok(piece), Some(rest))),
                        Err(error) => Some((Err(error), None)),
                    }
                }
            }
        })
    }
}

fn read_piece(file: &mut File, length: u64) -> io::Result<Bytes> {
    let mut piece = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
    file.take(length).read_to_end(&mut piece)?;
    if piece.len() as u64 == length {
        Ok(piece.into())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
