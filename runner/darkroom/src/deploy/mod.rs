//! Makes the wanted functions exist in a cloud, and proves that what runs is what was packaged.
//!
//! [`WantedFunction`]s → (what exists, observed) → [`desired::Steps`] → calls → [`Deployment`]. Idempotent: what is
//! already right is left alone. Prints nothing; every proven function goes to the caller as a
//! [`FunctionDeployed`]. Knows an endpoint through its [`Clients`], not which cloud is behind it.

pub mod desired;
mod error;
pub mod names;

use std::collections::BTreeMap;
use std::sync::Arc;

use darkroom_core::cell::Architecture;
use darkroom_core::event::FunctionDeployed;

pub use error::DeployError;

use crate::package::Package;

/// The cloud to deploy to. Their retry settings don't matter: deployment sets its own.
#[derive(Clone, Debug)]
pub struct Clients {
    pub lambda: aws_sdk_lambda::Client,
    pub s3: aws_sdk_s3::Client,
}

/// Which function of an experiment: one stage of one variant under one configuration, once per deployment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionKey {
    pub variant: String,
    pub architecture: Architecture,
    /// 128..=10240.
    pub memory_mb: u32,
    /// From 1.
    pub deployment: u32,
    pub stage: String,
}

/// A function that must exist.
#[derive(Clone, Debug)]
pub struct WantedFunction {
    pub key: FunctionKey,
    /// Shared by every stage, memory size and deployment of the variant on this architecture.
    pub package: Arc<Package>,
    /// For example `greyscale.handler`.
    pub handler: String,
    pub timeout_s: u32,
}

/// What holds for all functions of a deployment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Tagged on everything that is made, and part of every name.
    pub experiment: String,
    pub region: String,
    /// The functions' execution role; its account id is part of the bucket's name. Where roles are not checked
    /// (the local cloud), any well-formed ARN.
    pub role_arn: String,
    /// UTC date (`2026-12-24`) after which nobody misses these resources; tagged on everything that is made.
    pub expires_on: String,
    /// Further tags.
    pub tags: BTreeMap<String, String>,
}

/// A function that exists and holds what was packaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployedFunction {
    pub name: String,
    pub arn: String,
    /// `CodeSha256` as Lambda reports it; equal to the zip's on disk.
    pub code_sha256: String,
    /// `OUTPUT_PREFIX`: where its outputs land in the bucket, ends with `/`.
    pub output_prefix: String,
}

/// Everything that was asked for, in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    pub bucket: String,
    pub functions: BTreeMap<FunctionKey, DeployedFunction>,
    pub counts: Counts,
}

/// What a deployment had to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub created: usize,
    pub updated: usize,
    pub unchanged: usize,
    pub layers_published: usize,
}

/// Makes every function of `want` exist as packaged, several at once, and returns them.
///
/// Calls `on_event` once for each function, as soon as Lambda reports the `CodeSha256` of the zip on disk for it.
/// Nothing is uploaded for what is already there. The first error ends it; what was done until then stays, tagged, and
/// the next deployment goes on from it.
pub async fn deploy(
    clients: &Clients,
    settings: &Settings,
    want: &[WantedFunction],
    on_event: &mut (dyn FnMut(FunctionDeployed) + Send),
) -> Result<Deployment, DeployError> {
    let _ = (clients, settings, want, on_event);
    todo!("apply.rs, by 19:25")
}
