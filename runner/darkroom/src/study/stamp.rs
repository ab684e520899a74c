//! `study.toml`: which Darkroom made a study, and each file as it was then.
//!
//! A study may outlive the program that made it. What its owner changed is theirs. What stands as
//! it was made and is another version's by now is said before it is measured. Reads files, writes
//! none.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::files::{StudyFile, Template, files};
use crate::advice;

/// Beside `functions/` and `experiments/`.
pub const STAMP: &str = "study.toml";

/// This program's own version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

const HEAD: &str = "\
# Which Darkroom made this study, and the sha256 of each file that decides what is measured, as it was then.
# Darkroom reads it to say which of them are another version's. It is not to be edited.
";

#[derive(Debug, Deserialize, Serialize)]
struct Stamp {
    made_by: String,
    template: Template,
    /// By path from the study's folder; hex.
    #[serde(default)]
    files: BTreeMap<String, String>,
}

/// Returns the text of the stamp of a study with these files.
pub fn text(template: Template, files: &[&StudyFile]) -> String {
    let stamp = Stamp {
        made_by: VERSION.to_owned(),
        template,
        files: files
            .iter()
            .filter(|file| decides(file.path))
            .map(|file| (file.path.to_owned(), hash(file.contents)))
            .collect(),
    };
    let table = toml::to_string(&stamp).expect("texts and a table of texts are TOML");
    format!("{HEAD}\n{table}")
}

/// Whether what is measured depends on the file. Image sets hold the hashes of their images.
fn decides(path: &str) -> bool {
    let of_a_run = path.starts_with("functions/") || path.starts_with("experiments/");
    let to_look_at = ["md", "png", "jpg"];
    let extension = Path::new(path)
        .extension()
        .and_then(|extension| extension.to_str());
    of_a_run && !extension.is_some_and(|extension| to_look_at.contains(&extension))
}

fn hash(contents: &[u8]) -> String {
    hex::encode(Sha256::digest(contents))
}

/// Returns which version made the study in this folder, if it says so.
pub fn made_by(root: &Path) -> Option<String> {
    Some(read(root)?.made_by)
}

/// A stamp that can't be read says nothing: it decides over a note, and no more.
fn read(root: &Path) -> Option<Stamp> {
    toml::from_str(&fs::read_to_string(root.join(STAMP)).ok()?).ok()
}

/// Says which files below these paths stand as another version made them, where this one's differ.
pub fn differences(root: &Path, below: &[String]) -> Option<String> {
    let stamp = read(root)?;
    if stamp.made_by == VERSION {
        return None;
    }
    let own: BTreeMap<&str, &[u8]> = files(stamp.template)
        .into_iter()
        .map(|file| (file.path, file.contents))
        .collect();
    let differs = |path: &str, hash_then: &str| {
        let untouched = || fs::read(root.join(path)).is_ok_and(|now| hash(&now) == hash_then);
        own.get(path)
            .is_some_and(|contents| hash(contents) != hash_then)
            && untouched()
    };
    let named: Vec<&str> = stamp
        .files
        .iter()
        .filter(|(path, _)| below.iter().any(|begin| path.starts_with(begin.as_str())))
        .filter(|(path, hash_then)| differs(path, hash_then))
        .map(|(path, _)| path.as_str())
        .collect();
    (!named.is_empty()).then(|| differs_in_words(&stamp.made_by, &named))
}

fn differs_in_words(made_by: &str, files: &[&str]) -> String {
    let (first, more) = (files[0], files.len() - 1);
    let named = if more == 0 {
        format!("{first} is")
    } else {
        format!("{first} and {more} more are")
    };
    let kind = if newer(made_by) { "newer" } else { "older" };
    format!(
        "Darkroom {made_by} made this study, and this is {VERSION}: {named} {kind} than this version's. \
         Darkroom measures them unchanged. For this version's files, run {} and copy them",
        advice::darkroom(&["init", &format!("study-{VERSION}")])
    )
}

/// Says so of a study that a newer program made: this one may not know what it says.
pub fn by_a_newer(root: &Path) -> Option<String> {
    let made_by = made_by(root).filter(|made_by| newer(made_by))?;
    Some(format!(
        "Darkroom {made_by} made this study, and this is {VERSION}, which may not know every key: \
         install {made_by} or newer"
    ))
}

fn newer(version: &str) -> bool {
    let numbers = |version: &str| -> Option<Vec<u64>> {
        version.split('.').map(|part| part.parse().ok()).collect()
    };
    match (numbers(version), numbers(VERSION)) {
        (Some(theirs), Some(own)) => theirs.cmp(&own) == Ordering::Greater,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A study of another version, whose `functions/pillow/rotate.py` and `variant.toml` differed.
    fn study(made_by: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let then: [(&str, &[u8]); 3] = [
            ("functions/pillow/rotate.py", b"as it was"),
            ("functions/pillow/variant.toml", b"as it was, too"),
            ("functions/gone/rotate.py", b"no version has it"),
        ];
        let of_now = files(Template::Smoke)
            .into_iter()
            .find(|file| file.path == "functions/pillow/resize.py")
            .unwrap();
        let mut all: BTreeMap<String, String> = then
            .iter()
            .map(|(path, contents)| ((*path).to_owned(), hash(contents)))
            .collect();
        all.insert(of_now.path.to_owned(), hash(of_now.contents));
        for (path, contents) in then.into_iter().chain([(of_now.path, of_now.contents)]) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        let stamp = Stamp {
            made_by: made_by.to_owned(),
            template: Template::Smoke,
            files: all,
        };
        fs::write(root.path().join(STAMP), toml::to_string(&stamp).unwrap()).unwrap();
        root
    }

    #[test]
    fn files_that_another_version_made_and_nobody_edited_are_named() {
        let root = study("0.1.0");
        let below = |of: &str| differences(root.path(), &[of.to_owned()]);
        let said = below("functions/pillow/").unwrap();
        assert!(
            said.starts_with(&format!(
                "Darkroom 0.1.0 made this study, and this is {VERSION}: functions/pillow/rotate.py and 1 more are older"
            )),
            "{said}"
        );
        assert_eq!(below("functions/rust/"), None, "it is not used");
        // What its owner changed is theirs.
        fs::write(root.path().join("functions/pillow/rotate.py"), "mine").unwrap();
        let said = below("functions/pillow/").unwrap();
        assert!(
            said.contains(": functions/pillow/variant.toml is older"),
            "{said}"
        );
        fs::remove_file(root.path().join("functions/pillow/variant.toml")).unwrap();
        assert_eq!(below("functions/pillow/"), None);
    }

    #[test]
    fn a_study_of_this_version_or_of_nobody_has_nothing_to_say() {
        let root = study(VERSION);
        let all = ["functions/".to_owned()];
        assert_eq!(differences(root.path(), &all), None);
        fs::write(root.path().join(STAMP), "made_by = ").unwrap();
        assert_eq!(differences(root.path(), &all), None);
        fs::remove_file(root.path().join(STAMP)).unwrap();
        assert_eq!(differences(root.path(), &all), None);
    }

    #[test]
    fn a_newer_program_is_told_by_its_numbers() {
        let root = study("99.10.0");
        assert!(by_a_newer(root.path()).unwrap().contains("99.10.0"));
        let said = differences(root.path(), &["functions/".to_owned()]).unwrap();
        assert!(said.contains("newer than this version's"), "{said}");
        assert_eq!(by_a_newer(study("0.1.0").path()), None);
        assert_eq!(by_a_newer(study("tomorrow").path()), None);
    }

    #[test]
    fn a_stamp_names_what_decides_a_run_and_nothing_else() {
        let text = text(Template::Smoke, &files(Template::Smoke));
        let stamp: Stamp = toml::from_str(&text).unwrap();
        assert_eq!(stamp.made_by, VERSION);
        for path in [
            "functions/pillow/requirements.txt",
            "functions/rust/Cargo.lock",
            "experiments/image-pipeline/pipeline.toml",
            "experiments/prices/us-east-1.toml",
        ] {
            assert!(stamp.files.contains_key(path), "{path}");
        }
        for path in ["README.md", "functions/rust/README.md", "docs/aws.md"] {
            assert!(!stamp.files.contains_key(path), "{path}");
        }
    }
}
