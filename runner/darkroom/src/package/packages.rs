//! Packages several variants at once, and installs what their functions run on where that is this
//! machine.

use std::path::Path;

use darkroom_cloud::python::{self, RuntimeError};

use super::build;
use super::deployable::{Package, PackageRequest};
use super::error::{NotPackaged, PackageError};
use super::offline;

/// How a runtime is called in messages.
pub fn runtime_named(runtime: &str) -> String {
    format!("Lambda's {runtime} runtime")
}

/// Packages every request and returns the packages in the same order; blocking.
///
/// `cache_dir` is `.darkroom` of the project: what is there already is not built again. `runtimes`
/// are those of Python that functions will run on here. Makes and installs all that can be, or says
/// of each that can't why. `ended` is told of each by its name when it is done, whatever came of it.
pub fn packages(
    cache_dir: &Path,
    requests: &[PackageRequest],
    runtimes: &[String],
    ended: &(dyn Fn(&str) + Sync),
) -> Result<Vec<Package>, NotPackaged> {
    let (packages, installed) = std::thread::scope(|scope| {
        let installs: Vec<_> = runtimes
            .iter()
            .map(|name| {
                scope.spawn(move || {
                    let installed = install(cache_dir, name, requests);
                    ended(&runtime_named(name));
                    installed
                })
            })
            .collect();
        let builds: Vec<_> = requests
            .iter()
            .map(|request| {
                scope.spawn(move || {
                    let package = build::package(cache_dir, request);
                    ended(&request.named());
                    package
                })
            })
            .collect();
        (all(builds), all(installs))
    });
    let names = requests.iter().map(PackageRequest::named);
    let made = names
        .zip(&packages)
        .filter(|(_, package)| package.is_ok())
        .map(|(name, _)| name);
    let there = runtimes
        .iter()
        .zip(&installed)
        .filter(|(_, installed)| installed.is_ok())
        .map(|(name, _)| runtime_named(name));
    let here: Vec<String> = made.chain(there).collect();
    let (mut made, mut errors) = (Vec::new(), Vec::new());
    for package in packages {
        match package {
            Ok(package) => made.push(package),
            Err(error) => errors.push(error),
        }
    }
    errors.extend(installed.into_iter().filter_map(Result::err));
    if errors.is_empty() {
        Ok(made)
    } else {
        Err(NotPackaged::new(errors, here))
    }
}

/// Waits for threads; a panic of one goes on here.
fn all<T>(threads: Vec<std::thread::ScopedJoinHandle<'_, T>>) -> Vec<T> {
    threads
        .into_iter()
        .map(|thread| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
        .collect()
}

/// Installs a runtime where the local cloud looks for it, if it is not there.
fn install(cache_dir: &Path, name: &str, requests: &[PackageRequest]) -> Result<(), PackageError> {
    let Err(error) = python::runtime(&cache_dir.join("runtimes"), name) else {
        return Ok(());
    };
    let reason = error.to_string();
    let of_it = requests
        .iter()
        .filter(|request| request.spec.runtime == name);
    Err(match (error, offline::reason(&reason)) {
        (RuntimeError::NotFound(_), _) => PackageError::Python {
            variants: of_it.map(|request| request.variant.clone()).collect(),
            reason,
        },
        (_, Some(reason)) => PackageError::offline(runtime_named(name), reason),
        _ => PackageError::Runtime {
            name: runtime_named(name),
            reason,
        },
    })
}
