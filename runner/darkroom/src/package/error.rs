//! Errors of packaging, each with what to do.

use std::io;
use std::path::{Path, PathBuf};

use darkroom_core::cell::Architecture;
use miette::Diagnostic;

/// Why a variant has no package.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum PackageError {
    #[error("can't {action} {}: {source}", path.display())]
    #[diagnostic(code(package::io))]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("the link {} leads {leads}", path.display())]
    #[diagnostic(
        code(package::link),
        help("Copy its target into the variant's folder: a package holds only files from there")
    )]
    Link { path: PathBuf, leads: String },
    #[error("{} is neither a file nor a folder", path.display())]
    #[diagnostic(code(package::no_file), help("Remove it, or replace it by a file"))]
    NoFile { path: PathBuf },
    #[error("{} holds more than {most} {what}", folder.display())]
    #[diagnostic(
        code(package::too_many_files),
        help("Remove files that no handler uses, and links to folders")
    )]
    TooManyFiles {
        folder: PathBuf,
        most: usize,
        what: &'static str,
    },
    #[error("variant `{variant}` has nothing to package: no *.py file in {}", folder.display())]
    #[diagnostic(code(package::empty), help("add one handler file per stage there"))]
    Empty { variant: String, folder: PathBuf },
    #[error("variant `{variant}` names handler `{handler}`, but {} does not exist", file.display())]
    #[diagnostic(
        code(package::no_handler),
        help("add the file, or correct [handlers] in variant.toml")
    )]
    NoHandler {
        variant: String,
        handler: String,
        file: PathBuf,
    },
    #[error(
        "the {what} of variant `{variant}` for {architecture} is too large for Lambda: {bytes} bytes, at most {limit}"
    )]
    #[diagnostic(code(package::too_large), help("{help}"))]
    TooLarge {
        variant: String,
        architecture: Architecture,
        what: &'static str,
        bytes: u64,
        limit: u64,
        help: &'static str,
    },
    #[error(
        "the {what} of variant `{variant}` for {architecture} holds {file}, which is for {machine}"
    )]
    #[diagnostic(code(package::foreign_machine), help("{help}"))]
    ForeignMachine {
        variant: String,
        architecture: Architecture,
        /// `code` or `layer`.
        what: &'static str,
        file: String,
        machine: String,
        help: String,
    },
    #[error("variant `{variant}`: {} is not pinned with hashes: {line}", file.display())]
    #[diagnostic(code(package::not_pinned), help("{help}"))]
    NotPinned {
        variant: String,
        file: PathBuf,
        line: String,
        help: String,
    },
    #[error("cannot get the dependencies of variant `{variant}` for {architecture}: {reason}")]
    #[diagnostic(code(package::dependencies), help("{help}"))]
    Dependencies {
        variant: String,
        architecture: Architecture,
        reason: String,
        help: String,
    },
    #[error("cargo cannot build variant `{variant}` for {architecture}\n{output}")]
    #[diagnostic(code(package::cargo), help("{help}"))]
    Cargo {
        variant: String,
        architecture: Architecture,
        output: String,
        help: String,
    },
    #[error("cargo cannot write to its folder {}", path.display())]
    #[diagnostic(
        code(package::cargo_home),
        help("Set CARGO_HOME to a folder that you may write to, or let your user write there")
    )]
    CargoHome { path: PathBuf },
    #[error("{} names a toolchain by a path", path.display())]
    #[diagnostic(
        code(package::own_toolchain),
        help(
            "Name a channel instead, for example `channel = \"stable\"`: a compiler in the \
             variant's folder would run outside of the sandbox"
        )
    )]
    OwnToolchain { path: PathBuf },
    #[error("cargo left no regular file {} in its target folder", path.display())]
    #[diagnostic(
        code(package::no_binary),
        help("Change the build script so that it leaves cargo's own output alone")
    )]
    NoBinary { path: PathBuf },
    #[error("cannot build variant `{variant}` for {architecture} on this machine: {missing}")]
    #[diagnostic(code(package::no_target), help("{help}"))]
    NoTarget {
        variant: String,
        architecture: Architecture,
        missing: String,
        help: String,
    },
    #[error("no Python found for {}: {reason}", quoted(variants))]
    #[diagnostic(code(package::python))]
    Python {
        variants: Vec<String>,
        reason: String,
    },
    #[error("{name} can't be installed: {reason}")]
    #[diagnostic(code(package::runtime))]
    Runtime { name: String, reason: String },
    #[error("cannot reach a package index: {reason}\n{}", lists(missing, here))]
    #[diagnostic(
        code(package::offline),
        help(
            "Connect to the network and run the same command again. Behind a proxy, set https_proxy. Darkroom keeps \
             what it downloaded in .darkroom"
        )
    )]
    Offline {
        missing: Vec<String>,
        /// What needs no network any more.
        here: Vec<String>,
        reason: String,
    },
}

/// What is missing and what is not, a line each.
fn lists(missing: &[String], here: &[String]) -> String {
    let here = if here.is_empty() {
        "nothing yet".to_owned()
    } else {
        here.join(", ")
    };
    format!("missing: {}\nalready here: {here}", missing.join(", "))
}

/// Several variants have no package, each for its own reason.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("cannot package variants, for {} reasons", errors.len())]
#[diagnostic(code(package::several))]
pub struct NotPackaged {
    #[related]
    pub errors: Vec<PackageError>,
}

impl NotPackaged {
    /// Takes the errors in their order; a machine without a Python or a network is said once, with
    /// all that waits for it. `here` is what could be made.
    pub fn new(errors: Vec<PackageError>, here: Vec<String>) -> Self {
        let mut said = Self { errors: Vec::new() };
        for error in errors {
            if !said
                .errors
                .iter_mut()
                .any(|earlier| earlier.takes_in(&error))
            {
                said.errors.push(error);
            }
        }
        let mut here = Some(here);
        for error in &mut said.errors {
            if let PackageError::Offline { here: theirs, .. } = error {
                *theirs = here.take().unwrap_or_default();
            }
        }
        said
    }
}

impl PackageError {
    /// Something could not be fetched, for nothing answered.
    pub(super) fn offline(missing: String, reason: String) -> Self {
        Self::Offline {
            missing: vec![missing],
            here: Vec::new(),
            reason,
        }
    }

    /// Returns true if this error now says the other as well.
    fn takes_in(&mut self, other: &Self) -> bool {
        let (own, theirs) = match (self, other) {
            (
                Self::Python { variants, reason },
                Self::Python {
                    variants: theirs,
                    reason: other,
                },
            ) if reason == other => (variants, theirs),
            // pip and cargo have different words for the same.
            (
                Self::Offline { missing, .. },
                Self::Offline {
                    missing: theirs, ..
                },
            ) => (missing, theirs),
            _ => return false,
        };
        for name in theirs {
            if !own.contains(name) {
                own.push(name.clone());
            }
        }
        true
    }

    /// Returns a function that turns an I/O error into one that says what was done to which file.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_python_is_said_once_for_all_variants_and_other_errors_each() {
        let python = |variant: &str, reason: &str| PackageError::Python {
            variants: vec![variant.into()],
            reason: reason.into(),
        };
        let empty = || PackageError::Empty {
            variant: "e".into(),
            folder: "f".into(),
        };
        let said = NotPackaged::new(
            vec![
                python("a", "none"),
                empty(),
                python("b", "none"),
                python("c", "old"),
                empty(),
            ],
            Vec::new(),
        );
        let texts: Vec<_> = said.errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 4, "{texts:?}");
        assert_eq!(texts[0], "no Python found for `a`, `b`: none");
        assert_eq!(texts[2], "no Python found for `c`: old");
    }

    #[test]
    fn a_missing_network_is_said_once_with_what_is_missing_and_what_is_here() {
        let offline = |what: &str, reason: &str| PackageError::offline(what.into(), reason.into());
        let said = NotPackaged::new(
            vec![
                offline("the wheels of a", "no name server"),
                offline("the crates of b", "refused"),
                offline("the wheels of a", "no name server"),
            ],
            vec!["c (x86_64)".into()],
        );
        let texts: Vec<_> = said.errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            ["cannot reach a package index: no name server\n\
              missing: the wheels of a, the crates of b\nalready here: c (x86_64)"]
        );
    }
}
