//! Writes a study's files into a folder: first it checks for everything that could fail, then it
//! writes.
//!
//! It overwrites no file, and leaves nothing behind if a write fails.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::files::{StudyFile, Template, files};
use super::stamp::{self, STAMP};

/// How many of the files that are in the way a message names.
const NAMED: usize = 5;

/// The files of a new study and their folder, which can take them.
#[derive(Debug)]
pub struct StudyPlan {
    pub folder: PathBuf,
    pub template: Template,
    pub files: Vec<&'static StudyFile>,
    /// What [`STAMP`] is to hold.
    pub stamp: String,
}

impl StudyPlan {
    /// Every file that is written, in that order.
    pub fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.files.iter().map(|file| file.path).chain([STAMP])
    }
}

/// Why a folder did not become a study.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum StudyError {
    #[error("{} cannot be a study's folder: {why}", folder.display())]
    #[diagnostic(
        code(study::name),
        help("Choose a name of letters, digits, dashes and underscores, for example study")
    )]
    Name { folder: PathBuf, why: &'static str },
    #[error("{} already holds files that a new study would overwrite: {}", folder.display(), named(found))]
    #[diagnostic(
        code(study::not_empty),
        help("{}", instead(made_by.as_deref()))
    )]
    Holds {
        folder: PathBuf,
        found: Vec<&'static str>,
        /// The version that made a study there.
        made_by: Option<String>,
    },
    #[error("{} is a file, but a study needs a folder", path.display())]
    #[diagnostic(
        code(study::file_in_the_way),
        help("Name another folder, or move the file. Nothing was written")
    )]
    InTheWay { path: PathBuf },
    #[error("cannot write to {}", path.display())]
    #[diagnostic(
        code(study::not_writable),
        help("Choose a folder that you may write to. Nothing was written")
    )]
    NotWritable { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    #[diagnostic(
        code(study::write),
        help("Name another folder, or free some space. What had been written was removed")
    )]
    Write { path: PathBuf, source: io::Error },
}

fn instead(made_by: Option<&str>) -> String {
    match made_by {
        Some(version) => format!(
            "This folder is a study already, made by Darkroom {version}: continue in it, or name a new folder. Nothing was written"
        ),
        None => "Name a new folder, or an empty one. Nothing was written".to_owned(),
    }
}

fn named(found: &[&str]) -> String {
    let first = found
        .iter()
        .take(NAMED)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match found.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first}, and {more} more"),
    }
}

/// Returns what a new study would write into `folder`, or why it can't. Changes nothing.
pub fn plan(folder: &Path, template: Template) -> Result<StudyPlan, StudyError> {
    check_name(folder)?;
    let files = files(template);
    if let Some(path) = file_in_the_way(folder, &files) {
        return Err(StudyError::InTheWay { path });
    }
    let plan = StudyPlan {
        folder: folder.to_owned(),
        template,
        stamp: stamp::text(template, &files),
        files,
    };
    let is_there = |path: &&str| folder.join(path).symlink_metadata().is_ok();
    let found: Vec<&'static str> = plan.paths().filter(is_there).collect();
    if !found.is_empty() {
        return Err(StudyError::Holds {
            folder: folder.to_owned(),
            found,
            made_by: stamp::made_by(folder),
        });
    }
    check_writable(folder, &plan.files)?;
    Ok(plan)
}

/// Refuses names that messages, manifests or tools can't spell.
fn check_name(folder: &Path) -> Result<(), StudyError> {
    let name = |why| StudyError::Name {
        folder: folder.to_owned(),
        why,
    };
    let text = folder
        .to_str()
        .ok_or_else(|| name("its name is not UTF-8"))?;
    if text.is_empty() {
        return Err(name("its name is empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(name("its name has a control character"));
    }
    Ok(())
}

/// Returns what is no folder where the study needs one.
fn file_in_the_way(folder: &Path, files: &[&'static StudyFile]) -> Option<PathBuf> {
    let is_no_folder = |path: &PathBuf| path.symlink_metadata().is_ok() && !path.is_dir();
    let above = folder
        .ancestors()
        .filter(|path| !path.as_os_str().is_empty())
        .map(Path::to_owned);
    let above: Vec<PathBuf> = above.collect();
    above
        .into_iter()
        .chain(folders(folder, files))
        .find(is_no_folder)
}

/// Returns every folder below the study's own that its files need, each once.
fn folders(folder: &Path, files: &[&'static StudyFile]) -> Vec<PathBuf> {
    let above = files
        .iter()
        .flat_map(|file| Path::new(file.path).ancestors().skip(1));
    let mut folders: Vec<PathBuf> = above
        .filter(|path| !path.as_os_str().is_empty())
        .map(|path| folder.join(path))
        .collect();
    folders.sort();
    folders.dedup();
    folders
}

/// Asks the system whether the folders that are there take new files.
fn check_writable(folder: &Path, files: &[&'static StudyFile]) -> Result<(), StudyError> {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let nearest = absolute
        .ancestors()
        .find(|path| path.is_dir())
        .map(Path::to_owned);
    let within = folders(folder, files)
        .into_iter()
        .filter(|path| path.is_dir());
    for path in nearest.into_iter().chain(within) {
        access(&path, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|error| {
            StudyError::NotWritable {
                path,
                source: error.into(),
            }
        })?;
    }
    Ok(())
}

/// Writes what was planned. On an error everything that it made is removed again.
pub fn write(plan: &StudyPlan) -> Result<(), StudyError> {
    let mut made = Made::default();
    let own = plan.files.iter().map(|file| (file.path, file.contents));
    let result = own
        .chain([(STAMP, plan.stamp.as_bytes())])
        .try_for_each(|(path, contents)| made.file(&plan.folder.join(path), contents));
    if result.is_err() {
        made.remove();
    }
    result
}

/// What was made so far, in that order.
#[derive(Default)]
struct Made {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Made {
    fn file(&mut self, path: &Path, contents: &[u8]) -> Result<(), StudyError> {
        if let Some(folder) = path.parent() {
            self.folder(folder)?;
        }
        let error = |source| StudyError::Write {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(error)?;
        self.files.push(path.to_owned());
        file.write_all(contents).map_err(error)
    }

    fn folder(&mut self, path: &Path) -> Result<(), StudyError> {
        if path.as_os_str().is_empty() || path.is_dir() {
            return Ok(());
        }
        if let Some(above) = path.parent() {
            self.folder(above)?;
        }
        fs::create_dir(path).map_err(|source| StudyError::Write {
            path: path.to_owned(),
            source,
        })?;
        self.folders.push(path.to_owned());
        Ok(())
    }

    fn remove(&self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        static FIRST: StudyFile = StudyFile {
            path: "a/b/one.txt",
            contents: b"1",
        };
        static SECOND: StudyFile = StudyFile {
            path: "a/b/one.txt/two.txt",
            contents: b"2",
        };
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("study");
        let plan = StudyPlan {
            folder: folder.clone(),
            template: Template::Smoke,
            files: vec![&FIRST, &SECOND],
            stamp: String::new(),
        };
        assert!(matches!(write(&plan), Err(StudyError::Write { .. })));
        assert!(!folder.exists());
    }

    #[test]
    fn a_message_names_a_few_files_and_counts_the_rest() {
        assert_eq!(named(&["a", "b"]), "a, b");
        assert_eq!(
            named(&["a", "b", "c", "d", "e", "f", "g"]),
            "a, b, c, d, e, and 2 more"
        );
    }
}
