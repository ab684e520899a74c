//! How this program was built: version, commit, profile and target, as `build.rs` found them.

use serde::Serialize;

/// `darkroom --version --json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Built {
    pub version: &'static str,
    /// The commit, with `-modified` behind it if the runner's sources had been changed; `null` in
    /// builds for tests, and where the sources came without their repository.
    pub commit: Option<&'static str>,
    /// Cargo's profile: `release`, or `debug`.
    pub profile: &'static str,
    /// For example `x86_64-unknown-linux-gnu`.
    pub target: &'static str,
}

/// Returns how this program was built.
pub const fn built() -> Built {
    let commit = env!("DARKROOM_COMMIT");
    Built {
        version: env!("CARGO_PKG_VERSION"),
        commit: if commit.is_empty() {
            None
        } else {
            Some(commit)
        },
        profile: env!("DARKROOM_PROFILE"),
        target: env!("DARKROOM_TARGET"),
    }
}
