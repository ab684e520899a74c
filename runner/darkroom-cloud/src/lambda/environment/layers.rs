//! One folder out of several layers, as AWS unzips them into `/opt`: in order, a later one over an
//! earlier one.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::scratch::Scratch;

/// Merged folders, each made once.
pub struct Layers {
    folder: Scratch,
    made: Mutex<HashMap<Vec<PathBuf>, PathBuf>>,
}

impl Layers {
    pub fn new() -> io::Result<Self> {
        let folder = Scratch::new("layers")?;
        Ok(Self {
            folder,
            made: Mutex::default(),
        })
    }

    /// Returns a folder with the contents of `layers`; `None` if there are none. Blocking.
    pub fn merged(&self, layers: &[PathBuf]) -> io::Result<Option<PathBuf>> {
        match layers {
            [] => Ok(None),
            [one] => Ok(Some(one.clone())),
            several => self.merge(several).map(Some),
        }
    }

    fn merge(&self, layers: &[PathBuf]) -> io::Result<PathBuf> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = made.get(layers) {
            return Ok(folder.clone());
        }
        let folder = self.folder.path().join(made.len().to_string());
        for layer in layers {
            copy_over(layer, &folder)?;
        }
        made.insert(layers.to_vec(), folder.clone());
        Ok(folder)
    }
}

/// Copies the tree at `source` over the one at `target`, by hard links where the file system
/// allows.
fn copy_over(source: &Path, target: &Path) -> io::Result<()> {
    if !target.is_dir() {
        remove(target)?;
        fs::create_dir_all(target)?;
    }
    fs::set_permissions(target, fs::metadata(source)?.permissions())?;
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_over(&from, &to)?;
            continue;
        }
        remove(&to)?;
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
        } else if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// Removes whatever is at `path`, if anything is.
fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_layer_wins_and_no_layer_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        for (layer, name, text) in [
            (&first, "python/a.py", "1"),
            (&first, "python/b.py", "1"),
            (&second, "python/b.py", "2"),
        ] {
            fs::create_dir_all(layer.join("python")).unwrap();
            fs::write(layer.join(name), text).unwrap();
        }
        let layers = Layers::new().unwrap();
        let both = [first.clone(), second];
        let merged = layers.merged(&both).unwrap().unwrap();
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        assert_eq!(read(merged.join("python/a.py")), "1");
        assert_eq!(read(merged.join("python/b.py")), "2");
        assert_eq!(read(first.join("python/b.py")), "1");
        assert_eq!(layers.merged(&both).unwrap().unwrap(), merged);
    }
}
