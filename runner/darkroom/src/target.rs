//! Where a run happens: the only file that knows that there are two clouds.
//!
//! Gives clients, a [`Capability`] and how handlers are isolated; code that gets these cannot tell
//! which cloud is behind them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_lambda::config::Credentials;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_types::service_config::ServiceConfigKey;
use darkroom_cloud::access::{OwnNames, Refusal};
use darkroom_cloud::emulator::Emulator;
use darkroom_cloud::lambda::environment::Misdeed;
use darkroom_cloud::{Config, LocalCloud, StartError, python};
use darkroom_core::capability::Capability;
use darkroom_core::cell::{Architecture, Start, Trigger};
use darkroom_core::event::{CallsRefused, Misbehaved};
use darkroom_core::manifest::Cloud;
use darkroom_core::schedule::lanes::LOG_READS_APART_MS;

use crate::account::{self, AccountError, Caller};
use crate::bucket_owner::BucketOwner;
use crate::control_pace::ControlPace;
use crate::deploy::{Clients, PREFIX_VARIABLE};
use crate::execute::{LogReader, Patience, now};

/// Names the functions' execution role in the environment.
pub const ROLE_VARIABLE: &str = "DARKROOM_ROLE_ARN";

/// Names the policy that bounds the roles that are made, in the environment.
pub const BOUNDARY_VARIABLE: &str = "DARKROOM_BOUNDARY_ARN";

/// Overrides every [`Patience`], s: for networks that lose answers, and for tests of what happens
/// then.
const PATIENCE_VARIABLE: &str = "DARKROOM_PATIENCE_S";
/// What a local cloud says comes at once, or not at all.
const LOCAL_PATIENCE: Patience = Patience {
    call: Duration::from_mins(1),
    answer: Duration::from_mins(5),
    logs: Duration::from_secs(15),
    ready: Duration::ZERO,
    delivered: Duration::ZERO,
    delivery: Duration::from_secs(30),
    metrics: Duration::from_secs(15),
    metrics_after: Duration::ZERO,
    alone: true,
};
/// How often a call that is not measured is made before its failure counts.
const ATTEMPTS: u32 = 6;
/// Doubles with each further attempt; the SDK draws from it.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
/// On AWS logs come within seconds and metrics within minutes, mostly.
const AWS_PATIENCE: Patience = Patience {
    logs: Duration::from_mins(3),
    ready: Duration::from_mins(2),
    // Source: S3 user guide, "Using Amazon SQS, Amazon SNS, and Lambda": changed notifications take
    // five minutes, typically.
    delivered: Duration::from_mins(10),
    metrics: Duration::from_mins(5),
    alone: false,
    ..LOCAL_PATIENCE
};
/// Each look at metrics is billed on AWS, and they come a minute late.
const AWS_METRICS_AFTER: Duration = Duration::from_mins(1);
/// `FilterLogEvents` allows 5 calls a second to an account and region, others' among them; a
/// quarter of a second apart leaves room. Source: AWS Knowledge Center, "How do I determine
/// throttling in my CloudWatch logs?".
const AWS_LOG_READS_APART: Duration = Duration::from_millis(LOG_READS_APART_MS);
/// IAM is eventually consistent: what a role may do is known everywhere some seconds after it was
/// put. Source: IAM user guide, "Changes that I make are not always immediately visible", which
/// names no time.
const AWS_POLICY_SETTLES: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum TargetError {
    #[error("the local cloud did not start: {0}")]
    #[diagnostic(code(target::start))]
    Start(#[from] StartError),
    #[error("cannot use {}: {source}", path.display())]
    #[diagnostic(
        code(target::folder),
        help(
            "Let your user write to .darkroom in the study's folder, or copy the study elsewhere"
        )
    )]
    Folder { path: PathBuf, source: io::Error },
    #[error("the local cloud does not answer on 127.0.0.1: {reason}")]
    #[diagnostic(
        code(target::loopback),
        help(
            "Bring the loopback interface up with `ip link set lo up`, and let no firewall stand before it"
        )
    )]
    Loopback { reason: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Account(#[from] AccountError),
}

/// A cloud, ready to be used.
pub struct Target {
    pub name: &'static str,
    pub region: String,
    pub isolation: String,
    pub capability: Capability,
    /// How long its answers, logs and metrics are waited for.
    pub patience: Patience,
    /// How long after a change of the functions' role its policy may not be in force.
    pub policy_settles: Duration,
    /// How far apart reads of logs begin at least.
    log_reads_apart: Duration,
    /// Whose account it is.
    pub caller: Caller,
    /// Whether what a run deployed stays there unless the manifest says otherwise.
    pub keeps: bool,
    /// Where AWS's calls go instead of to AWS, if they do.
    pub endpoint: Option<String>,
    /// What the user should know before anything happens.
    pub notes: Vec<String>,
    config: SdkConfig,
    cloud: Option<LocalCloud>,
    /// The local cloud's folder is used by one process at a time.
    _lock: Option<File>,
}

/// Where a run happens, as its journal says it.
#[derive(Clone, Debug)]
pub struct TargetFacts {
    /// `local` or `aws`; `aws-endpoint` when AWS's calls go elsewhere: what is measured there is
    /// not AWS.
    pub name: &'static str,
    pub region: String,
    /// See [`Target::endpoint`].
    pub endpoint: Option<String>,
    /// Whose account it is; `None` on the local cloud.
    pub account_id: Option<String>,
    /// How handlers are isolated.
    pub isolation: String,
}

/// How long emulated code may take to initialise: it is some twenty times slower, and not timed.
const EMULATED_INIT: Duration = Duration::from_mins(5);

/// Regions in which AWS does not offer SnapStart. Source: AWS Lambda developer guide, "Improving
/// startup performance with Lambda SnapStart", "Supported Regions": all commercial ones but Asia
/// Pacific (New Zealand) and Asia Pacific (Taipei).
const WITHOUT_SNAPSTART: [&str; 2] = ["ap-southeast-6", "ap-east-2"];

/// Returns what a target can run in a region, without starting it.
pub fn capability(cloud: Cloud, region: &str) -> Capability {
    match cloud {
        Cloud::Local => local_capability(),
        Cloud::Aws => Capability {
            name: "AWS".to_owned(),
            architectures: vec![Architecture::X86_64, Architecture::Arm64],
            runtimes: lambda_pythons(),
            max_memory_mb: 10_240,
            triggers: vec![Trigger::Direct, Trigger::S3],
            starts: vec![Start::Warm, Start::Cold],
            no_snapstart: WITHOUT_SNAPSTART
                .contains(&region)
                .then(|| format!("AWS does not offer it in {region}")),
            max_concurrency: 1000,
            cores: None,
            billed: true,
            account_bounds: true,
            installs_runtimes: false,
        },
    }
}

/// Returns the runtimes of Python that Lambda's API lists, oldest first.
fn lambda_pythons() -> Vec<String> {
    let minor = |runtime: &&str| runtime.strip_prefix("python3.")?.parse::<u32>().ok();
    let values = aws_sdk_lambda::types::Runtime::values();
    let mut found: Vec<&str> = values
        .iter()
        .copied()
        .filter(|it| minor(it).is_some())
        .collect();
    found.sort_by_key(minor);
    found.into_iter().map(str::to_owned).collect()
}

/// Returns what the local cloud on this machine can run, without starting it.
pub fn local_capability() -> Capability {
    Capability {
        name: format!("the local cloud on this {} machine", std::env::consts::ARCH),
        architectures: host_architecture().into_iter().collect(),
        runtimes: python::RUNTIMES.iter().map(ToString::to_string).collect(),
        max_memory_mb: 10_240,
        triggers: vec![Trigger::Direct, Trigger::S3],
        starts: vec![Start::Warm, Start::Cold],
        no_snapstart: Some("it takes no snapshots of environments; measure this on AWS".to_owned()),
        max_concurrency: 1000,
        cores: std::thread::available_parallelism()
            .ok()
            .and_then(|cores| u32::try_from(cores.get()).ok()),
        billed: false,
        account_bounds: false,
        installs_runtimes: true,
    }
}

/// Says what a user waits for until a cloud is ready.
pub const fn opening(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Local => "starting the local cloud",
        Cloud::Aws => "asking AWS whose account it is",
    }
}

/// Returns the facts of a target that was not opened, because no cell can run there.
pub fn facts_unopened(cloud: Cloud, region: &str) -> TargetFacts {
    TargetFacts {
        name: match cloud {
            Cloud::Local => "local",
            Cloud::Aws => "aws",
        },
        region: region.to_owned(),
        endpoint: None,
        account_id: None,
        isolation: "not started".to_owned(),
    }
}

fn host_architecture() -> Option<Architecture> {
    match std::env::consts::ARCH {
        "x86_64" => Some(Architecture::X86_64),
        "aarch64" => Some(Architecture::Arm64),
        _ => None,
    }
}

impl Target {
    /// Starts or reaches the cloud. The local one keeps its functions under
    /// `<root>/.darkroom/cloud`, so that a second run of unchanged code uploads nothing; while
    /// another process uses that folder, a temporary one serves.
    pub async fn open(cloud: Cloud, region: &str, root: &Path) -> Result<Self, TargetError> {
        match cloud {
            Cloud::Local => Self::local(region, root).await,
            Cloud::Aws => Self::aws(region).await,
        }
    }

    /// Starts the local cloud, also where a manifest would name another.
    pub async fn local(region: &str, root: &Path) -> Result<Self, TargetError> {
        Self::emulating(region, root, None).await
    }

    /// Starts the local cloud, and has it run the functions of the emulator's architecture emulated.
    pub async fn emulating(
        region: &str,
        root: &Path,
        emulator: Option<Emulator>,
    ) -> Result<Self, TargetError> {
        let folder = |path: &Path, source| TargetError::Folder {
            path: path.to_owned(),
            source,
        };
        let state = root.join(".darkroom");
        let data_dir = state.join("cloud");
        crate::project::make_private(&state).map_err(|e| folder(&state, e))?;
        fs::create_dir_all(&data_dir).map_err(|e| folder(&data_dir, e))?;
        let lock_path = state.join("cloud.lock");
        let lock = File::create(&lock_path).map_err(|e| folder(&lock_path, e))?;
        let free = lock.try_lock().is_ok();
        let program = std::env::current_exe().map_err(|e| folder(Path::new("this program"), e))?;
        let mut config = Config::new(program, state.join("runtimes")).with_secret();
        config.data_dir = free.then_some(data_dir);
        if emulator.is_some() {
            config.init_limit = EMULATED_INIT;
        }
        config.emulator = emulator;
        region.clone_into(&mut config.region);
        let key = config.key.clone().unwrap_or_default();
        let cloud = LocalCloud::start(config).await?;
        let patience = patience(LOCAL_PATIENCE);
        let config = timed(&local_config(cloud.endpoint_url(), region, &key), patience);
        Ok(Self {
            name: "local",
            region: region.to_owned(),
            isolation: cloud.isolation().label.clone(),
            capability: local_capability(),
            patience,
            policy_settles: Duration::ZERO,
            log_reads_apart: Duration::ZERO,
            caller: account::caller(&config)
                .await
                .map_err(|error| match error {
                    AccountError::Unreachable { reason } => TargetError::Loopback { reason },
                    error => error.into(),
                })?,
            keeps: true,
            endpoint: None,
            notes: Vec::new(),
            config,
            cloud: Some(cloud),
            _lock: free.then_some(lock),
        })
    }

    /// Reaches AWS, or whatever endpoint stands for it, with the credentials that the SDK's own
    /// chain finds.
    ///
    /// The manifest's region counts, not the environment's: it belongs to the run's configuration.
    async fn aws(region: &str) -> Result<Self, TargetError> {
        let patience = patience(AWS_PATIENCE);
        let config = timed(&aws_configuration(region).await, patience);
        let caller = account::caller(&config).await?;
        let endpoint = endpoint(&config);
        let metrics_after = if endpoint.is_some() {
            Duration::ZERO
        } else {
            AWS_METRICS_AFTER
        };
        let patience = Patience {
            metrics_after,
            ..patience
        };
        let mut notes = vec![format!(
            "in account {} as {}, {region}",
            caller.account_id, caller.arn
        )];
        notes.extend(other_region(region));
        notes.extend(
            endpoint
                .as_ref()
                .map(|endpoint| format!("AWS calls go to {endpoint}: its results are not AWS's")),
        );
        Ok(Self {
            name: if endpoint.is_some() {
                "aws-endpoint"
            } else {
                "aws"
            },
            region: region.to_owned(),
            isolation: if endpoint.is_some() {
                "unknown"
            } else {
                "firecracker"
            }
            .to_owned(),
            capability: capability(Cloud::Aws, region),
            patience,
            // An endpoint that stands for AWS has no such limits and delays.
            policy_settles: if endpoint.is_some() {
                Duration::ZERO
            } else {
                AWS_POLICY_SETTLES
            },
            log_reads_apart: if endpoint.is_some() {
                Duration::ZERO
            } else {
                AWS_LOG_READS_APART
            },
            caller,
            keeps: false,
            endpoint,
            notes,
            config,
            cloud: None,
            _lock: None,
        })
    }

    /// Says where whatever is done is done, to who may have several accounts.
    pub fn in_words(&self) -> String {
        let Self {
            caller,
            region,
            endpoint,
            ..
        } = self;
        let at = endpoint
            .as_ref()
            .map(|endpoint| format!(" at {endpoint}"))
            .unwrap_or_default();
        if self.capability.billed {
            format!("of account {} in {region}{at}", caller.account_id)
        } else {
            "of the local cloud".to_owned()
        }
    }

    /// What the journal says of where a run happens.
    pub fn facts(&self) -> TargetFacts {
        TargetFacts {
            name: self.name,
            region: self.region.clone(),
            endpoint: self.endpoint.clone(),
            account_id: self
                .capability
                .billed
                .then(|| self.caller.account_id.clone()),
            isolation: self.isolation.clone(),
        }
    }

    /// What deployment and removal call.
    pub fn clients(&self) -> Clients {
        Clients {
            s3: self.s3(),
            ..Clients::new(&self.config)
        }
    }

    /// The functions' execution role, if the user named one: the environment's counts before the
    /// manifest's, because it is the account's. The local cloud has no such role, and would let its
    /// functions do anything.
    pub fn role_arn(&self, of_manifest: Option<&str>) -> Option<String> {
        if self.cloud.is_some() {
            return None;
        }
        let of_environment = std::env::var(ROLE_VARIABLE)
            .ok()
            .filter(|role| !role.is_empty());
        of_environment.or_else(|| of_manifest.map(str::to_owned))
    }

    /// For calls that are not measured: the SDK retries what may pass.
    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.config)
    }

    /// For measured calls of functions that end after `longest` at the latest: one call is one
    /// call.
    pub fn measured_lambda(&self, longest: Duration) -> aws_sdk_lambda::Client {
        let limit = longest + self.patience.call;
        let config = aws_sdk_lambda::config::Builder::from(&self.config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(limit).build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        aws_sdk_lambda::Client::from_conf(config)
    }

    /// Every call names the bucket's owner. An endpoint of one's own seldom has a name for each
    /// bucket: there, buckets stand in the path.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config)
            .interceptor(BucketOwner::new(&self.caller.account_id))
            .force_path_style(configured(&self.config, "S3").is_some());
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// Within a Tokio runtime. One for all reads of a session: together they keep the pace.
    pub fn logs(&self) -> LogReader {
        LogReader::new(
            aws_sdk_cloudwatchlogs::Client::new(&self.config),
            self.log_reads_apart,
        )
    }

    /// Returns how fast calls of Lambda's control plane may follow each other.
    pub fn control_pace(&self) -> ControlPace {
        if self.capability.account_bounds && self.endpoint.is_none() {
            ControlPace::of_aws()
        } else {
            ControlPace::unbounded()
        }
    }

    pub fn metrics(&self) -> aws_sdk_cloudwatch::Client {
        aws_sdk_cloudwatch::Client::new(&self.config)
    }

    /// Holds a function to the names that its events tell and to those under these prefixes, where
    /// the cloud can: on AWS one role serves all functions.
    pub fn hold_to(&self, function: &str, prefixes: Vec<String>) {
        if let Some(cloud) = &self.cloud {
            cloud.hold_to(
                function,
                OwnNames {
                    prefixes,
                    called: PREFIX_VARIABLE.to_owned(),
                },
            );
        }
    }

    /// Returns the calls of handlers that were refused since the last time; only the local cloud
    /// tells.
    pub fn take_refusals(&self) -> Vec<CallsRefused> {
        let refusals = self
            .cloud
            .as_ref()
            .map(LocalCloud::take_refusals)
            .unwrap_or_default();
        let fact = |Refusal {
                        function,
                        action,
                        resource,
                        calls,
                    }| CallsRefused {
            at: now(),
            function,
            action,
            resource,
            calls,
        };
        refusals.into_iter().map(fact).collect()
    }

    /// Ends every environment, which shows what handlers did while idle. Returns what they did that
    /// no honest one does; only the local cloud tells.
    pub async fn end_environments(&self) -> Vec<Misbehaved> {
        let Some(cloud) = &self.cloud else {
            return Vec::new();
        };
        let fact = |Misdeed {
                        function,
                        kind,
                        what,
                        times,
                    }| Misbehaved {
            at: now(),
            function,
            kind: kind.to_owned(),
            what,
            times,
        };
        cloud
            .end_environments()
            .await
            .into_iter()
            .map(fact)
            .collect()
    }

    /// Ends what was started for this run; no handler process is left after it.
    pub async fn close(self) {
        if let Some(cloud) = self.cloud {
            cloud.stop().await;
        }
    }
}

/// Returns the policy that bounds roles, if the user names one.
pub fn boundary_arn() -> Option<String> {
    std::env::var(BOUNDARY_VARIABLE)
        .ok()
        .filter(|arn| !arn.is_empty())
}

/// Returns what the environment asks for instead of a target's own patience, if it does.
fn patience(own: Patience) -> Patience {
    let asked = std::env::var(PATIENCE_VARIABLE)
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    let asked = asked.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    asked.map_or(own, |it| Patience {
        call: it,
        answer: it,
        logs: it,
        ready: it.min(own.ready),
        delivery: it,
        metrics: it,
        ..own
    })
}

/// Lets no call wait for ever, and repeats what may pass: throttles, servers' errors, answers that
/// do not come.
fn timed(config: &SdkConfig, patience: Patience) -> SdkConfig {
    let limits = config
        .timeout_config()
        .map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_BACKOFF);
    config
        .to_builder()
        .timeout_config(limits.operation_attempt_timeout(patience.answer).build())
        .retry_config(retries)
        .build()
}

/// What the SDKs themselves would do: profiles, SSO, environment, container, instance; endpoints
/// from there too.
pub async fn aws_configuration(region: &str) -> SdkConfig {
    sdk_defaults()
        .region(Region::new(region.to_owned()))
        .load()
        .await
}

/// A client for tables that are published: the bucket is the user's, in their own region unless
/// they name another.
pub async fn s3_of(region: Option<&str>) -> aws_sdk_s3::Client {
    let found = sdk_defaults().load().await;
    let region = region
        .map(str::to_owned)
        .or_else(|| found.region().map(ToString::to_string));
    let config = aws_configuration(region.as_deref().unwrap_or("us-east-1")).await;
    let path_style = configured(&config, "S3").is_some();
    aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(&config)
            .force_path_style(path_style)
            .build(),
    )
}

/// The services that are called, as the SDK names them where it reads their endpoints.
const SERVICES: [&str; 6] = [
    "Lambda",
    "S3",
    "CloudWatch Logs",
    "CloudWatch",
    "IAM",
    "STS",
];

/// Returns the endpoints that AWS's calls go to instead of AWS's own, each once.
pub fn endpoint(config: &SdkConfig) -> Option<String> {
    let mut endpoints: Vec<String> = SERVICES
        .iter()
        .filter_map(|service| configured(config, service))
        .collect();
    endpoints.sort();
    endpoints.dedup();
    (!endpoints.is_empty()).then(|| endpoints.join(", "))
}

/// Returns the endpoint that environment or profile set for a service, as its client reads it.
fn configured(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let of_service = config
        .service_config()
        .and_then(|found| found.load_config(key.ok()?));
    of_service.or_else(|| config.endpoint_url().map(str::to_owned))
}

/// Says that environment or shell name another region than the one that counts.
pub fn other_region(region: &str) -> Option<String> {
    let name = ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .into_iter()
        .find(|name| std::env::var_os(name).is_some())?;
    let other = std::env::var(name).ok().filter(|other| other != region)?;
    Some(format!(
        "asked for the region {region}; {name} is {other}, and is ignored"
    ))
}

/// The SDK's defaults, with TLS by ring.
fn sdk_defaults() -> ConfigLoader {
    let client = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(client)
}

fn local_config(endpoint_url: &str, region: &str, (id, secret): &(String, String)) -> SdkConfig {
    let credentials = Credentials::new(id, secret, None, None, "local cloud");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(Builder::new().build_http())
        .endpoint_url(endpoint_url)
        .region(Region::new(region.to_owned()))
        .credentials_provider(aws_sdk_lambda::config::SharedCredentialsProvider::new(
            credentials,
        ))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::reconcile::LOOKS;

    #[test]
    fn a_plan_counts_as_many_looks_at_metrics_as_a_session_may_take() {
        let apart = AWS_PATIENCE.metrics / LOOKS;
        let left = AWS_PATIENCE.metrics.saturating_sub(AWS_METRICS_AFTER);
        let after = left.div_duration_f64(apart).ceil() as u64;
        // One before the session, one at the first minute, and those that follow.
        assert_eq!(darkroom_core::besides::LOOKS, 1 + 1 + after);
    }
}
