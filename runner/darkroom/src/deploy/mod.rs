//! Makes the wanted functions exist in a cloud, and proves that what runs is what was packaged.
//!
//! [`WantedFunction`]s → (what exists, observed) → [`desired::Steps`] → calls → [`Deployment`]. Idempotent: what is
//! already right is left alone. Prints nothing; every proven function goes to the caller as a
//! [`FunctionDeployed`]. Knows an endpoint through its [`Clients`], not which cloud is behind it.

mod apply;
mod bucket;
pub mod clean;
pub mod desired;
mod error;
pub mod log_groups;
pub mod names;
mod notifications;
mod observe;
mod patience;
pub mod role;
pub mod tags;

use std::collections::BTreeMap;
use std::sync::Arc;

use darkroom_core::adapt::filled;
use darkroom_core::cell::{Architecture, Start, Trigger};
use darkroom_core::event::FunctionDeployed;
use darkroom_core::prompt::BUCKET_VARIABLE;
pub use darkroom_core::prompt::PREFIX_VARIABLE;

pub use error::DeployError;
pub use patience::in_force;

use aws_sdk_cloudwatchlogs::config::retry::RetryConfig as LogsRetries;
use aws_sdk_iam::config::retry::RetryConfig as IamRetries;
use aws_sdk_lambda::config::retry::RetryConfig as LambdaRetries;
use aws_sdk_s3::config::retry::RetryConfig as S3Retries;

use tokio::time::Instant;

use self::desired::{Change, DesiredConfiguration, HaveBucket, LayerId, RoleStep, Steps, Want};
use crate::package::{LayerPackage, Package};

/// Days after which nobody misses what a run made: the date on its tags, and the age at which S3 drops objects by itself.
pub const LIFETIME_DAYS: u32 = 30;

/// How often a call to the control plane is made before its refusal counts.
const ATTEMPTS: u32 = 10;

/// The cloud to deploy to. Their retry settings don't matter: deployment sets its own.
#[derive(Clone, Debug)]
pub struct Clients {
    pub lambda: aws_sdk_lambda::Client,
    pub s3: aws_sdk_s3::Client,
    pub iam: aws_sdk_iam::Client,
    pub logs: aws_sdk_cloudwatchlogs::Client,
}

impl Clients {
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self {
            lambda: aws_sdk_lambda::Client::new(config),
            s3: aws_sdk_s3::Client::new(config),
            iam: aws_sdk_iam::Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
        }
    }
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
    /// What a trigger starts must not start at the runner's own calls too.
    pub trigger: Trigger,
    /// Renewing a cold cell's environments must not end a warm cell's.
    pub start: Start,
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
    /// 12 digits; part of the bucket's name.
    pub account_id: String,
    /// `aws`, `aws-cn`, `aws-us-gov`: the second part of every ARN.
    pub partition: String,
    /// The functions' execution role; `None`: one is made that may touch this experiment's things alone.
    pub role_arn: Option<String>,
    /// UTC date (`2026-12-24`) after which nobody misses these resources; tagged on everything that is made.
    pub expires_on: String,
    /// The run that makes or uses them; tagged on everything, so that a look says which run was the last.
    pub run_id: String,
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
    /// Prefix of the objects whose creation starts it.
    pub triggered_by: Option<String>,
}

/// Everything that was asked for, in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    pub bucket: String,
    pub functions: BTreeMap<FunctionKey, DeployedFunction>,
    pub counts: Counts,
    /// When the functions' role was made, or what it may do was changed; `None` if it was as wanted, or is the user's own.
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

/// Makes every function of `want` exist as packaged, several at once, and returns them.
///
/// Calls `on_event` once for each function, as soon as Lambda reports the `CodeSha256` of the zip on disk for it.
/// Nothing is uploaded for what is already there. The first error ends it; what was done until then stays, tagged, and
/// the next deployment goes on from it.
pub async fn deploy(
    clients: &Clients,
    settings: &DeploySettings,
    want: &[WantedFunction],
    on_event: &mut (dyn FnMut(FunctionDeployed) + Send),
) -> Result<Deployment, DeployError> {
    let deployed = Box::pin(deployed(clients, settings, want, on_event)).await;
    deployed.map_err(|error| error.in_region(&settings.region))
}

async fn deployed(
    clients: &Clients,
    settings: &DeploySettings,
    want: &[WantedFunction],
    on_event: &mut (dyn FnMut(FunctionDeployed) + Send),
) -> Result<Deployment, DeployError> {
    let clients = patient(clients);
    let goal = goal(settings, want)?;
    notifications::refuse_loops(&notifications::hooks(settings, want))?;
    let have = Box::pin(observe::observe(&clients, &goal)).await?;
    let steps = desired::steps(&have, &goal)?;

    // The role first: until Lambda knows it takes the longest.
    role::bring_about(&clients, &goal, &steps.role).await?;
    let policy_put = matches!(steps.role, RoleStep::Create | RoleStep::Update { policy: true, .. }).then(Instant::now);
    let archives = archives(settings, want);
    let layers = apply::foundations(&clients, settings, &steps, &have, &archives).await?;
    log_groups::bring_about(&clients, settings, &goal, &have).await?;
    let by_name: BTreeMap<String, &WantedFunction> =
        want.iter().map(|function| (names::function(&settings.experiment, &function.key), function)).collect();
    let mut functions = BTreeMap::new();
    let mut counts = Counts { layers_published: steps.publish.len(), ..Counts::default() };
    let on_done = |done: apply::Done| {
        let wanted = by_name[&done.name];
        counts.add(&done.change);
        on_event(FunctionDeployed { code_sha256: done.code_sha256.clone(), ..intended(&settings.experiment, wanted) });
        let output_prefix = names::output_prefix(&wanted.key);
        let apply::Done { name, arn, code_sha256, .. } = done;
        let triggered_by = wanted.triggered_by.clone();
        let function = DeployedFunction { name, arn, code_sha256, output_prefix, triggered_by };
        functions.insert(wanted.key.clone(), function);
    };
    apply::functions(&clients, &steps, &have, &goal, &layers, &archives, on_done).await?;
    notifications::free(&clients, &have).await?;
    notifications::connect(&clients, settings, &goal.bucket, functions.values()).await?;
    Ok(Deployment { bucket: goal.bucket, functions, counts, policy_put })
}

/// The run that used an experiment's things last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    pub run_id: String,
    /// UTC date, `2026-12-24`.
    pub expires_on: String,
    /// A session of it is under way, or was killed.
    pub under_way: bool,
}

/// Reads which run used the experiment's things last; `None` if there are none. Its bucket says it: every deployment tags
/// it early, and removal takes it last.
pub async fn last_run(clients: &Clients, settings: &DeploySettings) -> Result<Option<LastRun>, DeployError> {
    let bucket = names::bucket(&settings.experiment, &settings.account_id, &settings.region);
    let found = observe::bucket(&patient(clients), &bucket).await.map_err(|error| error.in_region(&settings.region))?;
    let HaveBucket::Tagged(mut tags) = found else { return Ok(None) };
    if tags.get(tags::EXPERIMENT) != Some(&settings.experiment) {
        return Ok(None); // Deployment will refuse it.
    }
    let under_way = tags.contains_key(tags::UNDER_WAY);
    let expires_on = tags.remove(tags::EXPIRES).unwrap_or_default();
    Ok(tags.remove(tags::RUN).map(|run_id| LastRun { run_id, expires_on, under_way }))
}

/// Says on the experiment's bucket that no session of this run is under way any more.
pub async fn session_over(clients: &Clients, bucket: &str, run_id: &str) -> Result<(), DeployError> {
    bucket::session_over(&patient(clients), bucket, run_id).await
}

/// Returns what [`deploy`] would do, without doing it.
pub async fn steps(
    clients: &Clients,
    settings: &DeploySettings,
    want: &[WantedFunction],
) -> Result<Steps, DeployError> {
    let goal = goal(settings, want)?;
    let have = Box::pin(observe::observe(&patient(clients), &goal)).await;
    desired::steps(&have.map_err(|error| error.in_region(&settings.region))?, &goal)
}

impl Counts {
    fn add(&mut self, change: &Change) {
        match change {
            Change::Create => self.created += 1,
            Change::Update { code: true, .. } => self.updated += 1,
            Change::Update { configuration, .. } if !configuration.is_empty() => self.updated += 1,
            // New tags, as every run gives them, change nothing of what runs.
            Change::Update { .. } | Change::Keep => self.unchanged += 1,
        }
    }
}

/// Returns the clients with retries that pace themselves by the account's rate limits.
fn patient(clients: &Clients) -> Clients {
    let lambda = clients.lambda.config().to_builder();
    let lambda = lambda.retry_config(LambdaRetries::adaptive().with_max_attempts(ATTEMPTS)).build();
    let s3 = clients.s3.config().to_builder().retry_config(S3Retries::standard().with_max_attempts(ATTEMPTS)).build();
    let iam =
        clients.iam.config().to_builder().retry_config(IamRetries::standard().with_max_attempts(ATTEMPTS)).build();
    let logs =
        clients.logs.config().to_builder().retry_config(LogsRetries::adaptive().with_max_attempts(ATTEMPTS)).build();
    Clients {
        lambda: aws_sdk_lambda::Client::from_conf(lambda),
        s3: aws_sdk_s3::Client::from_conf(s3),
        iam: aws_sdk_iam::Client::from_conf(iam),
        logs: aws_sdk_cloudwatchlogs::Client::from_conf(logs),
    }
}

fn goal(settings: &DeploySettings, want: &[WantedFunction]) -> Result<Want, DeployError> {
    let bucket = names::bucket(&settings.experiment, &settings.account_id, &settings.region);
    let tags = tags::of(settings);
    let (role_arn, role) = role::wanted(settings, &bucket)?;
    let functions = want.iter().map(|function| {
        let package = &function.package;
        let (handler, variables) = package.entry(&function.handler);
        let target = DesiredConfiguration {
            code_sha256: package.archive.sha256_base64.clone(),
            architecture: package.architecture,
            runtime: package.runtime.clone(),
            handler,
            memory_mb: function.key.memory_mb,
            timeout_s: function.timeout_s,
            role_arn: role_arn.clone(),
            layers: package.layers.iter().map(|layer| layer_id(settings, layer)).collect(),
            environment: environment(settings, function, &bucket).into_iter().chain(variables).collect(),
            tags: tags.clone(),
        };
        (names::function(&settings.experiment, &function.key), target)
    });
    let functions = functions.collect();
    Ok(Want { experiment: settings.experiment.clone(), functions, tags, bucket, role })
}

/// Returns where the function is to write, in the names of the contract and in its own.
fn environment(settings: &DeploySettings, function: &WantedFunction, bucket: &str) -> BTreeMap<String, String> {
    let prefix = names::output_prefix(&function.key);
    let mut environment =
        BTreeMap::from([(BUCKET_VARIABLE.to_owned(), bucket.to_owned()), (PREFIX_VARIABLE.to_owned(), prefix.clone())]);
    let fact = |name: &str| match name {
        "bucket" => Some(bucket),
        "prefix" => Some(prefix.as_str()),
        "folder" => Some(prefix.trim_end_matches('/')),
        "region" => Some(settings.region.as_str()),
        "stage" => Some(function.key.stage.as_str()),
        _ => None,
    };
    let own = function.environment.iter().map(|(name, template)| (name.clone(), filled(template, fact)));
    environment.extend(own);
    environment
}

fn layer_id(settings: &DeploySettings, layer: &LayerPackage) -> LayerId {
    let name = names::layer(&settings.experiment, &layer.name);
    LayerId { name, sha256: layer.archive.sha256_base64.clone() }
}

fn archives<'a>(settings: &DeploySettings, want: &'a [WantedFunction]) -> apply::Archives<'a> {
    let mut archives = apply::Archives { code: BTreeMap::new(), layers: BTreeMap::new() };
    for function in want {
        let package = &function.package;
        let name = names::function(&settings.experiment, &function.key);
        archives.code.insert(name, &package.archive);
        let layers = package.layers.iter().map(|layer| (layer_id(settings, layer), &layer.archive));
        archives.layers.extend(layers);
    }
    archives
}

/// Returns what the journal will say of a function once it is in place, to be looked at before anything is done.
pub fn intended(experiment: &str, wanted: &WantedFunction) -> FunctionDeployed {
    let package = &wanted.package;
    FunctionDeployed {
        at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        function: names::function(experiment, &wanted.key),
        variant: wanted.key.variant.clone(),
        architecture: wanted.key.architecture,
        memory_mb: wanted.key.memory_mb,
        deployment: wanted.key.deployment,
        stage: wanted.key.stage.clone(),
        runtime: package.runtime.clone(),
        handler: wanted.handler.clone(),
        code_sha256: package.archive.sha256_base64.clone(),
        layers_sha256: package.layers.iter().map(|layer| layer.archive.sha256_base64.clone()).collect(),
        code_bytes: package.archive.bytes,
    }
}
