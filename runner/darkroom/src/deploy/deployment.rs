//! The result of a deployment: the functions, and what had to be done.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::desired::Change;
use super::wanted::FunctionKey;

/// A function that exists and holds what was packaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployedFunction {
    pub name: String,
    /// With the alias that is called, where there is one.
    pub arn: String,
    /// The alias that is called; `None`: the function as it is.
    pub qualifier: Option<&'static str>,
    /// `CodeSha256` as Lambda reports it; equal to the zip's on disk.
    pub code_sha256: String,
    /// `OUTPUT_PREFIX`: where its outputs land in the bucket, ends with `/`.
    pub output_prefix: String,
    /// Prefix of the objects whose creation starts it.
    pub triggered_by: Option<String>,
}

/// Everything that was asked for, in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    pub bucket: String,
    pub functions: BTreeMap<FunctionKey, DeployedFunction>,
    pub counts: Counts,
    /// When the functions' role was made, or what it may do was changed; `None` if it was as
    /// wanted, or is the user's own.
    pub policy_put: Option<Instant>,
}

/// What a deployment had to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub created: usize,
    pub updated: usize,
    pub unchanged: usize,
    pub layers_published: usize,
}

impl Counts {
    /// Counts what had to be done to one function.
    pub fn add(&mut self, change: &Change) {
        match change {
            Change::Create => self.created += 1,
            Change::Update { code: true, .. } => self.updated += 1,
            Change::Update { configuration, .. } if !configuration.is_empty() => self.updated += 1,
            // New tags, as every run gives them, change nothing of what runs.
            Change::Update { .. } | Change::Keep => self.unchanged += 1,
        }
    }
}
