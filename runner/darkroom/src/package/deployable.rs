//! The input and output of packaging: a variant for one architecture, and its zips.

use std::path::PathBuf;

use darkroom_core::cell::Architecture;
use darkroom_core::event::Build;
use darkroom_core::variant::Variant;

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
pub struct PackageRequest {
    pub variant: String,
    pub architecture: Architecture,
    /// Lambda runtime that the matrix names; `spec` then has it. `None`: the variant's own.
    pub runtime: Option<String>,
    /// The variant's folder, `functions/<variant>`.
    pub folder: PathBuf,
    pub spec: Variant,
    /// It is to run on Lambda's Amazon Linux, and not on this machine.
    pub for_lambda: bool,
}

impl PackageRequest {
    /// How it is called in messages.
    pub fn named(&self) -> String {
        let Self {
            variant,
            architecture,
            ..
        } = self;
        match &self.runtime {
            Some(runtime) => format!("{variant} ({architecture}, {runtime})"),
            None => format!("{variant} ({architecture})"),
        }
    }

    /// How what is made of it is called apart from any experiment, for example `pillow-x86_64`.
    pub fn plain_name(&self) -> String {
        let runtime = self.runtime.as_ref();
        let runtime = runtime.map(|runtime| format!("-{}", runtime.replace('.', "")));
        let runtime = runtime.unwrap_or_default();
        format!("{}-{}{runtime}", self.variant, self.architecture)
    }
}
