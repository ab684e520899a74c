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

use super::deployable::Request;
use super::describe;
use super::error::PackageError;
use super::offline;
use super::zip::{Entries, Entry};

/// Newest glibc of Lambda's Amazon Linux 2023 is 2.34, so wheels for it and for every older one run
/// there.
const NEWEST_GLIBC: u32 = 34;
const OLDEST_GLIBC: u32 = 5;

/// What pip asks for.
const NEEDED: &str = "connect to a package index once, then Darkroom caches the packages; each needs a wheel \
                      for CPython and manylinux, and its hash in the requirements file";

/// Returns the files of the layer that the packages of `requirements` make up for the request's
/// architecture.
///
/// Downloads wheels with pip into a temporary folder under `scratch`; pip refuses any whose hash is
/// not listed.
pub fn entries(
    scratch: &Path,
    request: &Request,
    requirements: &Path,
) -> Result<Entries, PackageError> {
    fs::create_dir_all(scratch).map_err(PackageError::io("create", scratch))?;
    let folder =
        tempfile::tempdir_in(scratch).map_err(PackageError::io("create a folder in", scratch))?;
    let wheels = folder.path().join("wheels");
    download(folder.path(), &wheels, request, requirements)?;
    unpack_all(&wheels)
}

fn download(
    scratch: &Path,
    wheels: &Path,
    request: &Request,
    requirements: &Path,
) -> Result<(), PackageError> {
    let version = request.spec.runtime.trim_start_matches("python");
    let failed = |reason: String| match offline::reason(&reason) {
        Some(reason) => PackageError::offline(format!("the wheels of {}", request.named()), reason),
        None => PackageError::Dependencies {
            variant: request.variant.clone(),
            architecture: request.architecture,
            reason,
            help: NEEDED.to_owned(),
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
    arguments.extend([
        "--requirement".to_owned(),
        requirements.display().to_string(),
    ]);
    python::run_pip(&interpreter, scratch, &arguments).map_err(|error| failed(error.to_string()))
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
/// by name.
fn unpack_all(folder: &Path) -> Result<Entries, PackageError> {
    let listing = fs::read_dir(folder).map_err(PackageError::io("list", folder))?;
    let mut wheels: Vec<PathBuf> = listing.flatten().map(|entry| entry.path()).collect();
    wheels.sort();
    let mut entries = Entries::new();
    for wheel in wheels {
        unpack(&wheel, &mut entries).map_err(PackageError::io("unpack", &wheel))?;
    }
    Ok(entries)
}

fn unpack(wheel: &Path, entries: &mut Entries) -> io::Result<()> {
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
        file.read_to_end(&mut contents)?;
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
        let entries = unpack_all(folder.path()).unwrap();
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
    }
}
