//! Turns variants into deployment packages, before anything touches a cloud.
//!
//! A variant's folder and an architecture → a [`Package`]: a zip with the code and one layer with
//! its dependencies. Same inputs, same bytes, on any machine and day; cached by content under
//! `.darkroom/packages/`. Knows nothing about clouds, accounts or function names.

mod build;
mod cargo;
mod confined;
mod deployable;
mod describe;
mod elf;
mod error;
mod files;
mod jpeg;
mod layer;
mod machine;
mod offline;
mod packages;
pub mod pins;
mod profile;
mod provenance;
mod zip;

pub use build::{packaged_files, python_modules};
pub use confined::not_confined;
pub use deployable::{Archive, LayerPackage, Package, PackageRequest};
pub use error::{NotPackaged, PackageError};
pub use files::forbidden_files;
pub use machine::libraries_not_there;
pub use packages::{packages, runtime_named};
pub use profile::profiled;
pub use provenance::too_new;
