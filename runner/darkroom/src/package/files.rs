//! The files in a variant's folder: those to package, and those that are forbidden.
//!
//! A folder → paths relative to it. A package holds only what is in the variant, so links within
//! the folder are followed, and links out of it are refused: their targets would go to AWS with the
//! code. Hidden files are ignored (except for cargo's own configuration).

use std::fs;
use std::path::{Path, PathBuf};

use super::error::PackageError;

/// More files than this are no variant: links to folders that hold each other multiply.
const MOST_FILES: usize = 20_000;
const MOST_FOLDERS: usize = 2_000;

/// Returns every file under `folder`, or the first thing that must not be there.
pub fn under(folder: &Path) -> Result<Vec<PathBuf>, PackageError> {
    let mut walk = Walk::begin(folder)?;
    walk.look_into(&PathBuf::new())?;
    match walk.refused.into_iter().next() {
        Some(refused) => Err(refused),
        None => Ok(walk.files),
    }
}

/// Returns everything under `folder` that must not be there; nothing where it can't be listed.
pub fn forbidden_files(folder: &Path) -> Vec<PackageError> {
    let Ok(mut walk) = Walk::begin(folder) else {
        return Vec::new();
    };
    match walk.look_into(&PathBuf::new()) {
        Ok(()) => walk.refused,
        Err(error) => vec![error],
    }
}

struct Walk<'a> {
    folder: &'a Path,
    /// Where the folder really is.
    root: PathBuf,
    /// Where the folders that are being looked into really are: one within itself has no end.
    within: Vec<PathBuf>,
    /// How many folders have been looked into.
    folders: usize,
    files: Vec<PathBuf>,
    refused: Vec<PackageError>,
}

impl<'a> Walk<'a> {
    fn begin(folder: &'a Path) -> Result<Self, PackageError> {
        let root = folder
            .canonicalize()
            .map_err(PackageError::io("list", folder))?;
        Ok(Self {
            folder,
            root,
            within: Vec::new(),
            folders: 0,
            files: Vec::new(),
            refused: Vec::new(),
        })
    }

    fn look_into(&mut self, relative: &Path) -> Result<(), PackageError> {
        let here = self.folder.join(relative);
        let real = here
            .canonicalize()
            .map_err(PackageError::io("list", &here))?;
        if self.within.contains(&real) {
            self.refused.push(PackageError::Link {
                path: here,
                leads: "into itself".to_owned(),
            });
            return Ok(());
        }
        self.within.push(real);
        self.folders += 1;
        if self.folders > MOST_FOLDERS {
            return Err(PackageError::TooManyFiles {
                folder: self.folder.to_owned(),
                most: MOST_FOLDERS,
                what: "folders",
            });
        }
        let mut entries = fs::read_dir(&here)
            .and_then(std::iter::Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(PackageError::io("list", &here))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = relative.join(entry.file_name());
            if !is_looked_at(&name) {
                continue;
            }
            let kind = entry
                .file_type()
                .map_err(PackageError::io("look at", &entry.path()))?;
            if kind.is_symlink() && !self.stays(&entry.path()) {
                continue;
            }
            self.take(name)?;
        }
        self.within.pop();
        Ok(())
    }

    /// Takes a file or a folder, also one that a link within the folder leads to.
    fn take(&mut self, name: PathBuf) -> Result<(), PackageError> {
        let path = self.folder.join(&name);
        let kind = fs::metadata(&path)
            .map_err(PackageError::io("look at", &path))?
            .file_type();
        if kind.is_dir() {
            return self.look_into(&name);
        }
        if !kind.is_file() {
            // Reading one would wait for ever, or never end.
            self.refused.push(PackageError::NoFile { path });
            return Ok(());
        }
        if self.files.len() == MOST_FILES {
            return Err(PackageError::TooManyFiles {
                folder: self.folder.to_owned(),
                most: MOST_FILES,
                what: "files",
            });
        }
        self.files.push(name);
        Ok(())
    }

    /// Whether a link, and every link that it leads to, ends within the folder. If not, that is
    /// noted.
    fn stays(&mut self, link: &Path) -> bool {
        let leads = match link.canonicalize() {
            Ok(end) if end.starts_with(&self.root) => return true,
            Ok(end) => format!("out of the variant's folder, to {}", end.display()),
            Err(error) => format!("nowhere: {error}"),
        };
        self.refused.push(PackageError::Link {
            path: link.to_owned(),
            leads,
        });
        false
    }
}

/// Build output, hidden files and Python's caches are in no package; `.cargo` configures a build.
fn is_looked_at(name: &Path) -> bool {
    let first = name
        .components()
        .next()
        .is_some_and(|first| first.as_os_str() == ".cargo");
    let last = name.file_name().unwrap_or_default().to_string_lossy();
    name != Path::new("target") && (first || !last.starts_with('.')) && last != "__pycache__"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A variant's folder, and beside it a file and a folder that are not its own.
    fn variant() -> (tempfile::TempDir, PathBuf) {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("variant");
        fs::create_dir_all(folder.join("lib")).unwrap();
        fs::write(folder.join("handler.py"), "x = 1").unwrap();
        fs::write(folder.join("lib/table.json"), "{}").unwrap();
        fs::write(outside.path().join("secret"), "s").unwrap();
        fs::create_dir(outside.path().join("variant-b")).unwrap();
        fs::write(outside.path().join("variant-b/secret"), "s").unwrap();
        (outside, folder)
    }

    fn names(folder: &Path) -> Vec<String> {
        under(folder)
            .unwrap()
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    #[test]
    fn links_within_the_folder_are_followed_to_files_and_folders() {
        let (_outside, folder) = variant();
        symlink("lib/table.json", folder.join("data.json")).unwrap();
        symlink("data.json", folder.join("again.json")).unwrap();
        symlink(folder.join("handler.py"), folder.join("lib/absolute.py")).unwrap();
        symlink("../handler.py", folder.join("lib/up.py")).unwrap();
        symlink("lib", folder.join("tables")).unwrap();
        let lib = ["absolute.py", "table.json", "up.py"];
        let mut expected = vec![
            "again.json".to_owned(),
            "data.json".to_owned(),
            "handler.py".to_owned(),
        ];
        expected.extend(
            ["lib", "tables"]
                .iter()
                .flat_map(|folder| lib.iter().map(move |file| format!("{folder}/{file}"))),
        );
        assert_eq!(names(&folder), expected);
        assert!(forbidden_files(&folder).is_empty());
    }

    #[test]
    fn links_that_leave_it_are_refused_however_they_are_made() {
        for (link, target) in [
            ("data.py", "/etc/hostname"),
            ("data.py", "../secret"),
            ("lib/data.py", "../../secret"),
            ("data", "/etc"),
            ("data", ".."),
            ("data", "../variant-b"),
            ("data.py", "lib/../../secret"),
            ("data.py", "/proc/self/environ"),
            (".cargo", ".."),
            ("data.py", "nothing-there"),
            ("data.py", "data.py"),
        ] {
            let (_outside, folder) = variant();
            symlink(target, folder.join(link)).unwrap();
            let error = under(&folder).unwrap_err();
            assert!(
                matches!(error, PackageError::Link { .. }),
                "{link} -> {target}: {error}"
            );
            assert_eq!(forbidden_files(&folder).len(), 1, "{link} -> {target}");
        }
    }

    #[test]
    fn chains_and_links_through_links_are_followed_to_their_end() {
        let (_outside, folder) = variant();
        symlink("../secret", folder.join("one.py")).unwrap();
        symlink("one.py", folder.join("two.py")).unwrap();
        // A folder within, by whose link a path climbs out.
        symlink("..", folder.join("lib/up")).unwrap();
        assert_eq!(
            forbidden_files(&folder).len(),
            3,
            "both files, and the folder that leads into itself"
        );
    }

    #[test]
    fn what_is_no_file_is_refused_and_what_no_package_holds_is_not_looked_at() {
        let (_outside, folder) = variant();
        for hidden in [".venv", "target", "__pycache__"] {
            fs::create_dir(folder.join(hidden)).unwrap();
            symlink("/usr/bin/python3", folder.join(hidden).join("python")).unwrap();
        }
        assert_eq!(names(&folder), ["handler.py", "lib/table.json"]);
        nix::unistd::mkfifo(&folder.join("pipe.py"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(
            under(&folder).unwrap_err(),
            PackageError::NoFile { .. }
        ));
    }

    #[test]
    fn folders_that_multiply_have_an_end() {
        let (_outside, folder) = variant();
        let mut below = "lib".to_owned();
        for level in 0..20 {
            let name = format!("level-{level}");
            fs::create_dir(folder.join(&name)).unwrap();
            for side in ["a", "b"] {
                symlink(folder.join(&below), folder.join(&name).join(side)).unwrap();
            }
            below = name;
        }
        assert!(matches!(
            under(&folder).unwrap_err(),
            PackageError::TooManyFiles { .. }
        ));
    }
}
