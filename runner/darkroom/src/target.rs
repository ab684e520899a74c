//! Where a run happens: the one place that knows there are two clouds.
//!
//! Gives clients, a [`Capability`] and how handlers are isolated; whoever gets these can't tell which cloud is behind.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::config::Credentials;
use darkroom_cloud::{Config, LocalCloud, StartError};
use darkroom_core::capability::Capability;
use darkroom_core::cell::{Architecture, Start, Trigger};
use darkroom_core::manifest::Cloud;

use crate::execute::Patience;

/// Overrides every [`Patience`], s: for networks that lose answers, and for tests of what happens then.
const PATIENCE_VARIABLE: &str = "DARKROOM_PATIENCE_S";
/// What a local cloud says comes at once, or not at all.
const LOCAL_PATIENCE: Patience = Patience {
    call: Duration::from_secs(60),
    answer: Duration::from_mins(5),
    logs: Duration::from_secs(15),
    metrics: Duration::from_secs(15),
};

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum TargetError {
    #[error("the local cloud did not start: {0}")]
    Start(#[from] StartError),
    #[error("cannot use {}: {source}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("runs on AWS are not ready yet")]
    #[diagnostic(help("use the local cloud: leave [target] cloud out, or say `--target local`"))]
    Aws,
}

/// A cloud, ready to be used.
pub struct Target {
    pub name: &'static str,
    pub region: String,
    pub isolation: String,
    pub capability: Capability,
    /// How long its answers, logs and metrics are waited for.
    pub patience: Patience,
    config: SdkConfig,
    cloud: Option<LocalCloud>,
    /// The local cloud's folder is used by one process at a time.
    _lock: Option<File>,
}

/// Where a run happens, as its journal says it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// `local` or `aws`.
    pub name: &'static str,
    pub region: String,
    /// How handlers are isolated.
    pub isolation: String,
}

/// Returns what a target can run, without starting it.
pub fn capability(cloud: Cloud) -> Capability {
    match cloud {
        Cloud::Local => {
            let host = host_architecture();
            Capability {
                name: format!("the local cloud on this {} machine", std::env::consts::ARCH),
                architectures: host.into_iter().collect(),
                max_memory_mb: 10_240,
                triggers: vec![Trigger::Direct, Trigger::S3],
                starts: vec![Start::Warm, Start::Cold],
                max_concurrency: 1000,
                cores: std::thread::available_parallelism().ok().and_then(|cores| u32::try_from(cores.get()).ok()),
                billed: false,
            }
        }
        Cloud::Aws => Capability {
            name: "AWS".to_owned(),
            architectures: vec![Architecture::X86_64, Architecture::Arm64],
            max_memory_mb: 10_240,
            triggers: vec![Trigger::Direct],
            starts: vec![Start::Warm, Start::Cold],
            max_concurrency: 1000,
            cores: None,
            billed: true,
        },
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
    /// Starts or reaches the cloud. The local one keeps its functions under `<root>/.darkroom/cloud`, so that a second
    /// run of unchanged code uploads nothing; while another process uses that folder, a temporary one serves.
    pub async fn open(cloud: Cloud, region: &str, root: &Path) -> Result<Self, TargetError> {
        match cloud {
            Cloud::Local => Self::local(region, root).await,
            Cloud::Aws => Err(TargetError::Aws),
        }
    }

    async fn local(region: &str, root: &Path) -> Result<Self, TargetError> {
        let folder = |path: &Path, source| TargetError::Folder { path: path.to_owned(), source };
        let state = root.join(".darkroom");
        let data_dir = state.join("cloud");
        fs::create_dir_all(&data_dir).map_err(|e| folder(&data_dir, e))?;
        let lock_path = state.join("cloud.lock");
        let lock = File::create(&lock_path).map_err(|e| folder(&lock_path, e))?;
        let free = lock.try_lock().is_ok();
        let program = std::env::current_exe().map_err(|e| folder(Path::new("this program"), e))?;
        let mut config = Config::new(program, state.join("runtimes"));
        config.data_dir = free.then_some(data_dir);
        region.clone_into(&mut config.region);
        let cloud = LocalCloud::start(config).await?;
        Ok(Self {
            name: "local",
            region: region.to_owned(),
            isolation: cloud.isolation().label.clone(),
            capability: capability(Cloud::Local),
            patience: patience(LOCAL_PATIENCE),
            config: local_config(cloud.endpoint_url(), region),
            cloud: Some(cloud),
            _lock: free.then_some(lock),
        })
    }

    /// What the journal says of where a run happens.
    pub fn facts(&self) -> Facts {
        Facts { name: self.name, region: self.region.clone(), isolation: self.isolation.clone() }
    }

    /// The functions' execution role. The local cloud checks no roles, so any well-formed ARN serves.
    pub fn role_arn(&self) -> String {
        format!("arn:aws:iam::{}:role/darkroom", darkroom_cloud::ACCOUNT_ID)
    }

    /// For calls that are not measured: the SDK retries what may pass.
    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.config)
    }

    /// For measured calls of functions that end after `longest` at the latest: one call is one call.
    pub fn measured_lambda(&self, longest: Duration) -> aws_sdk_lambda::Client {
        let limit = longest + self.patience.call;
        let config = aws_sdk_lambda::config::Builder::from(&self.config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(limit).build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        aws_sdk_lambda::Client::from_conf(config)
    }

    pub fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.config)
    }

    pub fn logs(&self) -> aws_sdk_cloudwatchlogs::Client {
        aws_sdk_cloudwatchlogs::Client::new(&self.config)
    }

    pub fn metrics(&self) -> aws_sdk_cloudwatch::Client {
        aws_sdk_cloudwatch::Client::new(&self.config)
    }

    /// Ends what was started for this run; no handler process is left after it.
    pub async fn close(self) {
        if let Some(cloud) = self.cloud {
            cloud.stop().await;
        }
    }
}

/// Returns what the environment asks for instead of a target's own patience, if it does.
fn patience(own: Patience) -> Patience {
    let asked = std::env::var(PATIENCE_VARIABLE).ok().and_then(|seconds| seconds.parse().ok());
    let asked = asked.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    asked.map_or(own, |it| Patience { call: it, answer: it, logs: it, metrics: it })
}

fn local_config(endpoint_url: &str, region: &str) -> SdkConfig {
    let credentials = Credentials::new("darkroom", "darkroom", None, None, "local cloud");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint_url)
        .region(Region::new(region.to_owned()))
        .credentials_provider(aws_sdk_lambda::config::SharedCredentialsProvider::new(credentials))
        .build()
}
