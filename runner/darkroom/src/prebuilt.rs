//! The Rust variant's program as the release built it, for machines without a compiler. Pure.
//!
//! A release build embeds it (`build.rs` takes it from `DARKROOM_PREBUILT`; `.ci/wheel` sets that);
//! other builds have none. It belongs to exactly the sources that are embedded beside it: if a byte
//! differs, the variant must be compiled.

use std::collections::BTreeMap;
use std::path::Path;

use darkroom_core::cell::Architecture;

/// Sources by their names in the variant's folder.
pub type Sources = BTreeMap<&'static str, &'static [u8]>;

/// A program and how it was made.
#[derive(Debug)]
pub struct Prebuilt {
    /// What a package holds as `bootstrap`; of this program's own architecture.
    pub bootstrap: &'static [u8],
    /// What `rustc -vV` said, on one line.
    pub compiler: &'static str,
    /// The command that built it.
    pub command: &'static str,
}

/// What this release brings, if it is one.
pub const RELEASE: Option<Prebuilt> = include!(concat!(env!("OUT_DIR"), "/prebuilt.rs"));

/// Returns the program of these sources for an architecture, if the release brings it; `built_of`
/// are the release's own sources.
pub fn of<'a>(
    architecture: Architecture,
    built_of: Sources,
    sources: impl IntoIterator<Item = (&'a Path, &'a [u8])>,
) -> Option<Prebuilt> {
    let own = match architecture {
        Architecture::X86_64 => cfg!(target_arch = "x86_64"),
        Architecture::Arm64 => cfg!(target_arch = "aarch64"),
    };
    RELEASE.filter(|_| own && are_the_releases(built_of, sources))
}

fn are_the_releases<'a>(
    mut expected: Sources,
    sources: impl IntoIterator<Item = (&'a Path, &'a [u8])>,
) -> bool {
    let same = sources.into_iter().all(|(path, contents)| {
        path.to_str()
            .is_some_and(|path| expected.remove(path) == Some(contents))
    });
    same && expected.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study;

    #[test]
    fn a_program_stands_for_the_very_sources_that_it_was_built_of() {
        let all = study::rust_sources();
        assert!(
            all.contains_key("Cargo.lock")
                && all.contains_key("src/main.rs")
                && !all.contains_key("variant.toml")
        );
        let sources = || {
            all.iter()
                .map(|(path, contents)| (Path::new(*path), *contents))
        };
        assert!(are_the_releases(all.clone(), sources()));
        assert!(
            !are_the_releases(all.clone(), sources().skip(1)),
            "one is missing"
        );
        assert!(
            !are_the_releases(
                all.clone(),
                sources().chain([(Path::new("build.rs"), &b""[..])])
            ),
            "one more"
        );
        let edited = sources().map(|(path, contents)| {
            (
                path,
                if path == Path::new("src/main.rs") {
                    b""
                } else {
                    contents
                },
            )
        });
        assert!(!are_the_releases(all.clone(), edited));
    }
}
