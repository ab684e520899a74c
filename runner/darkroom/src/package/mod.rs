//! Turns variants into deployment packages, before anything touches a cloud.
//!
//! A variant's folder and an architecture → a [`Package`]: a zip with the code and one layer with its dependencies.
//! Same inputs, same bytes, on any machine and day; cached by content under `.darkroom/packages/`. Knows nothing of
//! clouds, accounts or function names.

mod build;
mod cargo;
mod confined;
mod describe;
mod error;
mod files;
mod jpeg;
mod layer;
pub mod pins;
mod profile;
mod provenance;
mod zip;

use std::path::{Path, PathBuf};

use darkroom_core::cell::Architecture;
use darkroom_core::event::Build;
use darkroom_core::variant::Variant;

pub use build::{packaged_files, python_modules};
pub use confined::not_confined;
pub use error::{NotPackaged, PackageError};
pub use files::forbidden_files;
pub use profile::profiled;
pub use provenance::too_new;

/// A variant's code for one architecture, ready to deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    pub variant: String,
    pub architecture: Architecture,
    /// Lambda runtime, for example `python3.13`.
    pub runtime: String,
    /// The code; holds every stage's handler.
    pub archive: Archive,
    /// In the order Lambda unpacks them.
    pub layers: Vec<LayerPackage>,
    /// Whether its functions are to be configured to be looked at from inside.
    pub profiled: bool,
    /// What it was made of and by what.
    pub build: Build,
}

impl Package {
    /// Returns the handler that a function of this package is configured with, and the variables that go with it.
    pub fn entry(&self, handler: &str) -> (String, Vec<(String, String)>) {
        if self.profiled { profile::entry(&self.runtime, handler) } else { (handler.to_owned(), Vec::new()) }
    }
}

/// Dependencies of a variant for one architecture, as a Lambda layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerPackage {
    /// What the layer is called apart from any experiment, for example `pillow-x86_64`.
    pub name: String,
    pub archive: Archive,
}

/// A zip on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    pub zip: PathBuf,
    /// base64 of the sha256 of the zip: what Lambda calls `CodeSha256`.
    pub sha256_base64: String,
    /// Size of the zip, bytes.
    pub bytes: u64,
    /// Sum of the files in it, bytes.
    pub unzipped_bytes: u64,
}

/// A variant to package for one architecture.
#[derive(Clone, Debug)]
pub struct Request {
    pub variant: String,
    pub architecture: Architecture,
    /// The variant's folder, `functions/<variant>`.
    pub folder: PathBuf,
    pub spec: Variant,
}

/// Packages every request and returns the packages in the same order; blocking.
///
/// `cache_dir` is `.darkroom` of the project: what is there already is not built again. Makes every package or says
/// of each that can't be made why.
pub fn packages(cache_dir: &Path, requests: &[Request]) -> Result<Vec<Package>, Vec<PackageError>> {
    let results: Vec<Result<Package, PackageError>> = std::thread::scope(|scope| {
        let one = |request| move || build::package(cache_dir, request);
        let workers: Vec<_> = requests.iter().map(|request| scope.spawn(one(request))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
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
    if errors.is_empty() { Ok(packages) } else { Err(errors) }
}
