//! A run's folder: `outputs/<experiment>/<run id>/`, its lock, and the `latest` link beside it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Why a run's folder can't be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RunDirError {
    #[error("cannot {action} {}: {source}", path.display())]
    #[diagnostic(
        code(run::folder),
        help("Free some space, let your user write there, or name another folder in [output] dir")
    )]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{} is not a run: it has no journal.ndjson", path.display())]
    #[diagnostic(code(run::not_a_run))]
    NotARun { path: PathBuf },
    #[error("{} is in use by another darkroom process; wait until it ends", path.display())]
    #[diagnostic(code(run::in_use))]
    InUse { path: PathBuf },
    #[error("no run of `{experiment}` in {}", outputs.display())]
    #[diagnostic(code(run::none))]
    NoRun {
        experiment: String,
        outputs: PathBuf,
    },
}

/// A run's folder, held by this process alone as long as the value lives.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    _lock: File,
}

impl RunDir {
    /// Makes the folder of a new run.
    pub fn create(outputs: &Path, experiment: &str, run_id: &str) -> Result<Self, RunDirError> {
        let path = outputs.join(experiment).join(run_id);
        fs::create_dir_all(&path).map_err(|source| RunDirError::Io {
            action: "create",
            path: path.clone(),
            source,
        })?;
        Self::hold(path)
    }

    /// Takes hold of an earlier run's folder.
    pub fn open(path: &Path) -> Result<Self, RunDirError> {
        let path = path
            .canonicalize()
            .map_err(|source| io_error("open", path, source))?;
        if !path.join("journal.ndjson").is_file() {
            return Err(RunDirError::NotARun { path });
        }
        Self::hold(path)
    }

    fn hold(path: PathBuf) -> Result<Self, RunDirError> {
        let file = path.join(".lock");
        let lock = File::create(&file).map_err(|source| io_error("create", &file, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(RunDirError::InUse { path }),
            Err(TryLockError::Error(source)) => Err(io_error("lock", &file, source)),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.ndjson")
    }

    pub fn manifest(&self) -> PathBuf {
        self.path.join("manifest.toml")
    }

    /// Writes a file of the run whole, or not at all.
    pub fn write(&self, name: &str, text: &str) -> Result<(), RunDirError> {
        let (part, path) = (
            self.path.join(format!(".{name}.part")),
            self.path.join(name),
        );
        fs::write(&part, text)
            .and_then(|()| fs::rename(&part, &path))
            .map_err(|source| io_error("write", &path, source))
    }

    /// Points `outputs/<experiment>/latest` at this run.
    pub fn link_latest(&self) -> Result<(), RunDirError> {
        let (Some(experiment), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Ok(());
        };
        let (part, link) = (experiment.join(".latest.part"), experiment.join("latest"));
        let _ = fs::remove_file(&part);
        symlink(Path::new(name), &part)
            .and_then(|()| fs::rename(&part, &link))
            .map_err(|source| io_error("link", &link, source))
    }

    /// Returns where the latest run of `experiment` is.
    pub fn latest(outputs: &Path, experiment: &str) -> Result<PathBuf, RunDirError> {
        let link = outputs.join(experiment).join("latest");
        link.canonicalize().map_err(|_| RunDirError::NoRun {
            experiment: experiment.to_owned(),
            outputs: outputs.to_owned(),
        })
    }
}

#[cfg(unix)]
fn symlink(to: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, link)
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> RunDirError {
    RunDirError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_held_by_one_process_and_found_as_the_latest() {
        let outputs = tempfile::tempdir().unwrap();
        let run = RunDir::create(outputs.path(), "smoke", "r1").unwrap();
        fs::write(run.journal(), "").unwrap();
        run.link_latest().unwrap();
        run.link_latest().unwrap();
        let latest = RunDir::latest(outputs.path(), "smoke").unwrap();
        assert!(matches!(
            RunDir::open(&latest),
            Err(RunDirError::InUse { .. })
        ));
        drop(run);
        assert!(RunDir::open(&latest).is_ok());
        assert!(RunDir::latest(outputs.path(), "full").is_err());
    }
}
