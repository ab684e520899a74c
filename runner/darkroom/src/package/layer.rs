//! Makes a layer of a Python variant's dependencies from wheels, never from what the host has
//! installed.
//!
//! A hash-pinned requirements file, a runtime and an architecture → the files of the layer, under
//! `python/`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use darkroom_cloud::python;
use darkroom_core::cell::Architecture;

use super::deployable::PackageRequest;
use super::describe;
use super::error::PackageError;
use super::offline;
use super::pins;
use super::zip::{Entries, Entry};
use crate::advice;

/// Newest glibc of Lambda's Amazon Linux 2023 is 2.34, so wheels for it and for every older one run
/// there.
const NEWEST_GLIBC: u32 = 34;
const OLDEST_GLIBC: u32 = 5;
/// What Lambda takes of code and layers, unpacked, in bytes. Wheels that unpack to more are not
/// unpacked to their end, which may be far.
const MOST_UNPACKED: u64 = 262_144_000;

/// A requirements file and its text, which is pinned.
#[derive(Clone, Copy)]
pub struct Requirements<'a> {
    pub file: &'a Path,
    pub text: &'a str,
}

/// Returns the files of the layer that the packages of `requirements` make up for the request's
/// architecture.
///
/// Downloads wheels with pip into a temporary folder under `scratch`; pip refuses any whose hash is
/// not listed.
pub fn entries(
    scratch: &Path,
    request: &PackageRequest,
    requirements: Requirements<'_>,
) -> Result<Entries, PackageError> {
    fs::create_dir_all(scratch).map_err(PackageError::io("create", scratch))?;
    let folder =
        tempfile::tempdir_in(scratch).map_err(PackageError::io("create a folder in", scratch))?;
    let wheels = folder.path().join("wheels");
    // Downloading nothing leaves no folder.
    fs::create_dir(&wheels).map_err(PackageError::io("create", &wheels))?;
    download(folder.path(), &wheels, request, requirements)?;
    unpack_all(&wheels, MOST_UNPACKED)
}

fn download(
    scratch: &Path,
    wheels: &Path,
    request: &PackageRequest,
    requirements: Requirements<'_>,
) -> Result<(), PackageError> {
    let version = request.spec.runtime.trim_start_matches("python");
    let failed = |reason: String| match offline::reason(&reason) {
        Some(reason) => PackageError::offline(format!("the wheels of {}", request.named()), reason),
        None => PackageError::Dependencies {
            variant: request.variant.clone(),
            architecture: request.architecture,
            help: help(&reason, requirements.file),
            reason,
        },
    };
    let unfit = |reason: String| PackageError::Python {
        variants: vec![request.variant.clone()],
        reason,
    };
    let interpreter = python::find(version).map_err(|error| unfit(error.to_string()))?;
    let abi = format!("cp{}", version.replace('.', ""));
    let mut arguments: Vec<String> = [
        "download",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--no-deps",
        "--quiet",
    ]
    .map(String::from)
    .into();
    arguments.extend(["--implementation", "cp", "--python-version", version].map(String::from));
    arguments.extend(["--abi", &abi, "--abi", "abi3", "--abi", "none"].map(String::from));
    arguments.extend(
        platforms(request.architecture)
            .into_iter()
            .flat_map(|tag| ["--platform".to_owned(), tag]),
    );
    arguments.extend(["--dest".to_owned(), wheels.display().to_string()]);
    let pinned = scratch.join("requirements.txt");
    let beside = requirements.file.parent().unwrap_or(Path::new("."));
    let beside = std::path::absolute(beside).map_err(PackageError::io("find", beside))?;
    fs::write(&pinned, pins::for_pip(requirements.text, &beside))
        .map_err(PackageError::io("write", &pinned))?;
    arguments.extend(["--requirement".to_owned(), pinned.display().to_string()]);
    python::run_pip(&interpreter, scratch, &arguments).map_err(|error| failed(error.to_string()))
}

/// Says what to do where pip failed for `reason`: how to build the wheel that it did not find, if
/// that is why.
fn help(reason: &str, file: &Path) -> String {
    const MISSING: &str = "No matching distribution found for ";
    if reason.contains("Expected sha256") {
        return "a file has another hash than the requirements file, which may list no wheel of this \
            Python version and architecture. Find out why; if you trust the file, add the hash that \
            pip got"
            .to_owned();
    }
    let missing = reason.rsplit_once(MISSING).map(|(_, rest)| rest);
    let Some(package) = missing.and_then(|rest| rest.split_whitespace().next()) else {
        return "connect to a package index once, then Darkroom caches the packages; each needs a \
            wheel for CPython and manylinux, and its hash in the requirements file"
            .to_owned();
    };
    let folder = file.parent().unwrap_or(Path::new(".")).join("wheels");
    format!(
        "Darkroom installs only wheels, because building a package runs its code on this machine. If \
         {package} has no wheel for Lambda, build one where you trust its code: run {}. Then add the \
         line `--find-links wheels` to {}, and replace the hash of {package} with the one that {} prints.",
        advice::build_wheel(package, &folder),
        file.display(),
        advice::hash_wheels(&folder),
    )
}

/// Returns the wheel platforms that run on Lambda, best first.
fn platforms(architecture: Architecture) -> Vec<String> {
    let machine = match architecture {
        Architecture::X86_64 => "x86_64",
        Architecture::Arm64 => "aarch64",
    };
    let mut tags: Vec<String> = (OLDEST_GLIBC..=NEWEST_GLIBC)
        .rev()
        .map(|minor| format!("manylinux_2_{minor}_{machine}"))
        .collect();
    tags.extend(
        ["manylinux2014", "manylinux2010", "manylinux1"].map(|name| format!("{name}_{machine}")),
    );
    tags
}

/// Returns the files of every wheel in a folder. A file that two wheels bring is the later wheel's,
/// by name. Together they unpack to `most` bytes at most.
fn unpack_all(folder: &Path, most: u64) -> Result<Entries, PackageError> {
    let listing = fs::read_dir(folder).map_err(PackageError::io("list", folder))?;
    let mut wheels: Vec<PathBuf> = listing.flatten().map(|entry| entry.path()).collect();
    wheels.sort();
    let mut entries = Entries::new();
    let mut left = most;
    for wheel in wheels {
        unpack(&wheel, &mut left, &mut entries).map_err(PackageError::io("unpack", &wheel))?;
    }
    Ok(entries)
}

fn unpack(wheel: &Path, left: &mut u64, entries: &mut Entries) -> io::Result<()> {
    let mut zip = zip::ZipArchive::new(File::open(wheel)?)?;
    for index in 0..zip.len() {
        let mut file = zip.by_index(index)?;
        let name = file.name()?.into_owned();
        if file.enclosed_name().is_none() {
            return Err(io::Error::other(format!(
                "it holds `{name}`, a path out of it"
            )));
        }
        let Some(place) = describe::layer_place(&name) else {
            continue;
        };
        let executable = file.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        let mut contents = Vec::new();
        let read = (&mut file).take(*left + 1).read_to_end(&mut contents)? as u64;
        *left = left.checked_sub(read).ok_or_else(|| {
            io::Error::other("its packages are larger than Lambda's 250 MB of code and layers")
        })?;
        entries.insert(
            place,
            Entry {
                contents,
                executable,
            },
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_for_lambdas_glibc_and_older_are_taken_newest_first() {
        let tags = platforms(Architecture::Arm64);
        assert_eq!(
            tags.first().map(String::as_str),
            Some("manylinux_2_34_aarch64")
        );
        assert!(
            tags.contains(&"manylinux_2_17_aarch64".to_owned())
                && tags.contains(&"manylinux2014_aarch64".to_owned())
        );
        assert!(tags.iter().all(|tag| tag.ends_with("aarch64")));
    }

    #[test]
    fn a_wheel_is_unpacked_without_what_only_an_installer_needs() {
        let folder = tempfile::tempdir().unwrap();
        let plain = |text: &str, executable| Entry {
            contents: text.into(),
            executable,
        };
        let wheel = Entries::from([
            ("pkg/__init__.py".to_owned(), plain("x = 1", false)),
            ("pkg/native.so".to_owned(), plain("elf", true)),
            (
                "pkg-1.0.data/scripts/tool".to_owned(),
                plain("#!python", true),
            ),
            (
                "pkg-1.0.dist-info/METADATA".to_owned(),
                plain("Name: pkg", false),
            ),
        ]);
        super::super::zip::write(&folder.path().join("pkg-1.0-py3-none-any.whl"), &wheel).unwrap();
        let entries = unpack_all(folder.path(), MOST_UNPACKED).unwrap();
        let names: Vec<&str> = entries.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "python/pkg-1.0.dist-info/METADATA",
                "python/pkg/__init__.py",
                "python/pkg/native.so"
            ]
        );
        assert!(
            entries["python/pkg/native.so"].executable
                && !entries["python/pkg/__init__.py"].executable
        );
        let error = unpack_all(folder.path(), 7).unwrap_err().to_string();
        assert!(error.contains("larger than Lambda's"), "{error}");
    }

    #[test]
    fn where_there_is_no_wheel_it_is_said_how_to_build_one() {
        let file = Path::new("functions/my own/requirements.txt");
        let said = help(
            "fails with exit status: 1: ERROR: No matching distribution found for dual-core==1.0",
            file,
        );
        for part in [
            "`pip wheel dual-core==1.0 --no-deps --wheel-dir 'functions/my own/wheels'`",
            "`--find-links wheels` to functions/my own/requirements.txt",
            "`pip hash 'functions/my own/wheels'/*.whl`",
        ] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        assert!(help("fails: no network", file).contains("connect to a package index once"));
    }
}
