//! Adds the wrapper to a package, and says how its functions are configured for it.

use std::path::Path;

use super::super::build;
use super::super::deployable::{LayerPackage, Package};
use super::super::error::PackageError;
use super::super::zip::{Entries, Entry};

/// The same for every variant and architecture: it is Python without native parts.
const LAYER: &str = "darkroom-profile";

const WRAPPER: &str = include_str!("bootstrap.py");

const WRAPPERS_HANDLER: &str = "darkroom_profile.bootstrap.handler";

/// Names the real handler to the wrapper.
const REAL_HANDLER: &str = "DARKROOM_HANDLER";

/// Asks programs that are their own runtime for the line.
const ASKED_FOR: &str = "DARKROOM_PROFILE";

/// Returns `package` with what it takes to be looked at from inside.
pub fn profiled(cache_dir: &Path, mut package: Package) -> Result<Package, PackageError> {
    if is_python(&package.runtime) {
        let file = |contents: &str| Entry {
            contents: contents.into(),
            executable: false,
        };
        let entries = Entries::from([
            ("python/darkroom_profile/__init__.py".to_owned(), file("")),
            (
                "python/darkroom_profile/bootstrap.py".to_owned(),
                file(WRAPPER),
            ),
        ]);
        let archive = build::of_entries(cache_dir, LAYER, entries)?;
        package.layers.push(LayerPackage {
            name: LAYER.to_owned(),
            archive,
        });
    }
    package.profiled = true;
    build::check_limits(&package)?;
    Ok(package)
}

impl Package {
    /// Returns the handler that a function of this package is configured with, and the variables
    /// that go with it.
    pub fn entry(&self, handler: &str) -> (String, Vec<(String, String)>) {
        if self.profiled {
            entry(&self.runtime, handler)
        } else {
            (handler.to_owned(), Vec::new())
        }
    }
}

/// Returns the handler that Lambda is told, and the variables that go with it.
pub fn entry(runtime: &str, handler: &str) -> (String, Vec<(String, String)>) {
    if is_python(runtime) {
        (
            WRAPPERS_HANDLER.to_owned(),
            vec![(REAL_HANDLER.to_owned(), handler.to_owned())],
        )
    } else {
        (
            handler.to_owned(),
            vec![(ASKED_FOR.to_owned(), "1".to_owned())],
        )
    }
}

fn is_python(runtime: &str) -> bool {
    runtime.starts_with("python")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Archive;
    use darkroom_core::cell::Architecture;

    fn package(runtime: &str) -> Package {
        Package {
            variant: "fake".into(),
            architecture: Architecture::Arm64,
            runtime: runtime.into(),
            archive: Archive {
                zip: "x".into(),
                sha256_base64: "c".into(),
                bytes: 1,
                unzipped_bytes: 1,
            },
            layers: Vec::new(),
            profiled: false,
            build: darkroom_core::event::Build::default(),
        }
    }

    #[test]
    fn the_code_stays_as_it_was_and_the_configuration_names_the_wrapper() {
        let folder = tempfile::tempdir().unwrap();
        let plain = package("python3.13");
        assert_eq!(
            plain.entry("resize.handler"),
            ("resize.handler".into(), vec![])
        );
        let looked_at = profiled(folder.path(), plain.clone()).unwrap();
        assert_eq!(looked_at.archive, plain.archive);
        assert_eq!(looked_at.layers.len(), 1);
        let (handler, variables) = looked_at.entry("resize.handler");
        assert_eq!(handler, "darkroom_profile.bootstrap.handler");
        assert_eq!(
            variables,
            [("DARKROOM_HANDLER".into(), "resize.handler".into())]
        );
    }

    #[test]
    fn a_program_that_is_its_own_runtime_is_asked_by_a_variable() {
        let folder = tempfile::tempdir().unwrap();
        let looked_at = profiled(folder.path(), package("provided.al2023")).unwrap();
        assert!(looked_at.layers.is_empty());
        assert_eq!(
            looked_at.entry("resize"),
            (
                "resize".into(),
                vec![("DARKROOM_PROFILE".into(), "1".into())]
            )
        );
    }
}
