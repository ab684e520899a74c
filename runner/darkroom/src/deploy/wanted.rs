//! The wanted functions, and the settings of all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use darkroom_core::cell::{Architecture, SnapStart, Start, Trigger};

use crate::package::Package;

/// Days after which nobody misses what a run made: the date on its tags, and the age at which S3
/// drops objects by itself.
pub const LIFETIME_DAYS: u32 = 30;

/// Which function of an experiment: one stage of one variant under one configuration, once per
/// deployment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionKey {
    pub variant: String,
    /// Lambda runtime that the matrix names; `None`: the variant's own.
    pub runtime: Option<String>,
    pub architecture: Architecture,
    /// 128..=10240.
    pub memory_mb: u32,
    /// From 1.
    pub deployment: u32,
    /// What a trigger starts must not start at the runner's own calls too.
    pub trigger: Trigger,
    /// Renewing a cold cell's environments must not end a warm cell's.
    pub start: Start,
    pub snapstart: SnapStart,
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
    /// Prefix of the objects whose creation starts it; `None` when the runner calls it.
    pub triggered_by: Option<String>,
    /// Environment names of its own → templates of their values.
    pub environment: BTreeMap<String, String>,
}

/// What holds for all functions of a deployment.
#[derive(Clone, Debug)]
pub struct DeploySettings {
    /// Tagged on everything that is made, and part of every name.
    pub experiment: String,
    pub region: String,
    /// 12 digits.
    pub account_id: String,
    /// The experiment's bucket, from [`bucket_name`](super::bucket_name).
    pub bucket: String,
    /// `aws`, `aws-cn`, `aws-us-gov`: the second part of every ARN.
    pub partition: String,
    /// The functions' execution role; `None`: one is made that may touch this experiment's things
    /// alone.
    pub role_arn: Option<String>,
    /// The policy that bounds a role that is made, as its ARN.
    pub boundary: Option<String>,
    /// Who deploys, as [`tags::by`](super::tags::by) gives it.
    pub by: String,
    /// UTC date (`2026-12-24`) after which nobody misses these resources; tagged on everything that
    /// is made.
    pub expires_on: String,
    /// The run that makes or uses them; tagged on everything, so that a look says which run was the
    /// last.
    pub run_id: String,
}
