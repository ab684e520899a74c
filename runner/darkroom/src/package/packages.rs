//! Packages several variants at once.

use std::path::Path;

use super::build;
use super::deployable::{Package, Request};
use super::error::PackageError;

/// Packages every request and returns the packages in the same order; blocking.
///
/// `cache_dir` is `.darkroom` of the project: what is there already is not built again. Makes every
/// package or says of each that can't be made why. `ended` is told of each request when it is done,
/// whatever came of it.
pub fn packages(
    cache_dir: &Path,
    requests: &[Request],
    ended: &(dyn Fn(&Request) + Sync),
) -> Result<Vec<Package>, Vec<PackageError>> {
    let results: Vec<Result<Package, PackageError>> = std::thread::scope(|scope| {
        let one = |request| {
            move || {
                let package = build::package(cache_dir, request);
                ended(request);
                package
            }
        };
        let workers: Vec<_> = requests
            .iter()
            .map(|request| scope.spawn(one(request)))
            .collect();
        workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    let mut packages = Vec::new();
    let mut errors = Vec::new();
    for result in results {
        match result {
            Ok(package) => packages.push(package),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(packages)
    } else {
        Err(errors)
    }
}
