//! A function's records: versions with their states, aliases, policies and settings.
//!
//! Plain values with AWS's rules. Knows neither requests nor environments.

use super::code::Code;
use super::environment::{FunctionSpec, LogFormat};
use super::names::{Home, LATEST};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A change settles at the next look at the function, or after this time. Until then a second
/// change is refused, as on AWS, where it takes longer.
const SETTLES_AFTER: Duration = Duration::from_millis(500);

/// A function with everything that belongs to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Function {
    pub name: String,
    pub latest: Version,
    /// Published versions by number.
    pub versions: BTreeMap<u64, Version>,
    /// The number that the next published version gets; numbers are never reused.
    pub next_version: u64,
    pub aliases: BTreeMap<String, Alias>,
    pub tags: BTreeMap<String, String>,
    /// Resource policies by qualifier; the function's own under `""`.
    pub policies: BTreeMap<String, Vec<Statement>>,
    pub reserved_concurrency: Option<u32>,
    /// Asynchronous invocation settings by qualifier.
    pub event_invoke: BTreeMap<String, EventInvokeConfig>,
    /// `Allow` or `Terminate`; kept and given back, loops are not watched for.
    pub recursive_loop: Option<String>,
}

/// `$LATEST`, or a published version: code and configuration with their state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    /// `$LATEST` or the number.
    #[expect(
        clippy::struct_field_names,
        reason = "AWS calls the field so, and the store is written with it"
    )]
    pub version: String,
    pub configuration: Configuration,
    pub code: Code,
    /// `YYYY-MM-DDTHH:MM:SS.mmm+0000`
    pub last_modified: String,
    pub revision_id: String,
    /// Changes with what code and configuration say: versions of one generation are the same.
    pub generation: String,
    /// Changes with every update, even one that changes nothing: environments of another deployment
    /// are not reused.
    pub deployment: String,
    /// Not written down: a restart finds every change settled.
    #[serde(skip)]
    pub phase: Phase,
    /// Made at the first invocation of this generation.
    #[serde(skip)]
    pub spec: OnceLock<Arc<FunctionSpec>>,
}

/// What `CreateFunction` and `UpdateFunctionConfiguration` set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Configuration {
    pub runtime: String,
    pub role: String,
    pub handler: String,
    pub description: String,
    pub timeout_s: u32,
    pub memory_mb: u32,
    pub ephemeral_mb: u32,
    /// `None` when it was never given: then the API doesn't show it.
    pub environment: Option<IndexMap<String, String>>,
    pub tracing_mode: String,
    pub architecture: String,
    pub layers: Vec<LayerUse>,
    pub log_group: String,
    /// `JSON`, else `Text`.
    pub json_logs: bool,
    pub application_log_level: Option<String>,
    pub system_log_level: Option<String>,
    pub snap_start: String,
    pub dead_letter: Option<String>,
    /// Kept and given back; there is no network of that kind here.
    pub vpc: Option<Value>,
    pub kms_key_arn: Option<String>,
}

/// A layer version that a function was given. It stays usable after the layer version is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerUse {
    pub arn: String,
    pub code: Code,
}

/// Where a version is in AWS's state machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `State: Pending`.
    Creating(Instant),
    /// `LastUpdateStatus: InProgress`.
    Updating(Instant),
    /// `Active` and `Successful`.
    #[default]
    Ready,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Alias {
    pub name: String,
    pub version: String,
    pub description: String,
    pub revision_id: String,
    /// The other version and its share of the invocations, 0 to 1.
    pub additional: Option<(String, f64)>,
}

/// A statement of a resource policy, with the principal and conditions as AWS shows them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statement {
    pub sid: String,
    pub body: Value,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventInvokeConfig {
    pub maximum_retry_attempts: Option<u32>,
    pub maximum_event_age_s: Option<u32>,
    pub on_success: Option<String>,
    pub on_failure: Option<String>,
    /// Seconds since the epoch, with milliseconds.
    pub last_modified: f64,
}

impl Version {
    /// Returns the record of something just created.
    pub fn new(version: &str, configuration: Configuration, code: Code) -> Self {
        Self {
            version: version.to_owned(),
            configuration,
            code,
            last_modified: super::clock::last_modified(),
            revision_id: new_id(),
            generation: new_id(),
            deployment: new_id(),
            phase: Phase::Creating(Instant::now()),
            spec: OnceLock::new(),
        }
    }

    /// Ends a creation or update that was running; the revision id changes with it, as on AWS.
    pub fn settle(&mut self) {
        if self.phase != Phase::Ready {
            self.phase = Phase::Ready;
            self.revision_id = new_id();
        }
    }

    /// Ends one that has been in progress long enough.
    pub fn settle_if_due(&mut self) {
        if let Phase::Creating(since) | Phase::Updating(since) = self.phase
            && since.elapsed() >= SETTLES_AFTER
        {
            self.settle();
        }
    }

    /// Takes new code and configuration, which may be the same as before.
    pub fn update(&mut self, configuration: Configuration, code: Code) {
        if self.configuration != configuration || self.code != code {
            self.generation = new_id();
        }
        self.configuration = configuration;
        self.code = code;
        self.last_modified = super::clock::last_modified();
        self.revision_id = new_id();
        self.deployment = new_id();
        self.phase = Phase::Updating(Instant::now());
        self.spec = OnceLock::new();
    }

    /// Returns what the environments need to run this version, made once a generation.
    pub fn spec(
        &self,
        name: &str,
        home: &Home,
        folder_of: impl Fn(&Code) -> PathBuf,
    ) -> Arc<FunctionSpec> {
        Arc::clone(
            self.spec
                .get_or_init(|| Arc::new(self.make_spec(name, home, folder_of))),
        )
    }

    fn make_spec(
        &self,
        name: &str,
        home: &Home,
        folder_of: impl Fn(&Code) -> PathBuf,
    ) -> FunctionSpec {
        let configuration = &self.configuration;
        FunctionSpec {
            arn: home.function_arn(name),
            name: name.to_owned(),
            version: self.version.clone(),
            runtime: configuration.runtime.clone(),
            runtime_version_arn: runtime_version_arn(&home.region, &configuration.runtime),
            handler: configuration.handler.clone(),
            code_dir: folder_of(&self.code),
            layer_dirs: configuration
                .layers
                .iter()
                .map(|layer| folder_of(&layer.code))
                .collect(),
            environment: configuration
                .environment
                .iter()
                .flatten()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            memory_mb: configuration.memory_mb,
            timeout_s: configuration.timeout_s,
            ephemeral_mb: configuration.ephemeral_mb,
            log_group: configuration.log_group.clone(),
            log_format: if configuration.json_logs {
                LogFormat::Json
            } else {
                LogFormat::Text
            },
            application_log_level: configuration.application_log_level.clone(),
            system_log_level: configuration.system_log_level.clone(),
            architecture: configuration.architecture.clone(),
            revision: self.deployment.clone(),
            region: home.region.clone(),
            account_id: home.account_id.clone(),
            role_arn: configuration.role.clone(),
        }
    }
}

impl Function {
    /// Returns a function without anything but its first code and configuration.
    pub fn new(name: &str, latest: Version) -> Self {
        Self {
            name: name.to_owned(),
            latest,
            versions: BTreeMap::new(),
            next_version: 1,
            aliases: BTreeMap::new(),
            tags: BTreeMap::new(),
            policies: BTreeMap::new(),
            reserved_concurrency: None,
            event_invoke: BTreeMap::new(),
            recursive_loop: None,
        }
    }

    /// Ends every change in progress: someone looks.
    pub fn settle(&mut self) {
        self.latest.settle();
        for version in self.versions.values_mut() {
            version.settle();
        }
    }

    /// Returns a version by its qualifier, which may be an alias; `None` means `$LATEST`.
    pub fn version(&self, qualifier: Option<&str>) -> Option<&Version> {
        let qualifier = qualifier.unwrap_or(LATEST);
        if qualifier == LATEST {
            return Some(&self.latest);
        }
        if let Ok(number) = qualifier.parse::<u64>() {
            return self.versions.get(&number);
        }
        let alias = self.aliases.get(qualifier)?;
        self.version(Some(&alias.version))
    }

    /// Publishes `$LATEST`, or gives back the last published version if nothing has changed since.
    pub fn publish(&mut self, description: Option<String>) -> &Version {
        let unchanged = self
            .versions
            .values()
            .next_back()
            .is_some_and(|last| last.generation == self.latest.generation);
        if !unchanged {
            let number = self.next_version;
            self.next_version += 1;
            let mut version = self.latest.clone();
            version.version = number.to_string();
            version.revision_id = new_id();
            version.spec = OnceLock::new();
            if let Some(description) = description {
                version.configuration.description = description;
            }
            self.versions.insert(number, version);
            self.latest.revision_id = new_id();
        }
        // Either there was one, or one was just inserted.
        self.versions.values().next_back().unwrap_or(&self.latest)
    }

    /// Returns the bytes of zips that count against the account: code of every version.
    pub fn code_size(&self) -> u64 {
        self.latest.code.size
            + self
                .versions
                .values()
                .map(|version| version.code.size)
                .sum::<u64>()
    }
}

/// Returns a fresh id in AWS's form.
pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Returns the ARN of a runtime's version: the same for the same runtime, as AWS's is until it
/// patches one.
pub(crate) fn runtime_version_arn(region: &str, runtime: &str) -> String {
    use sha2::{Digest, Sha256};
    format!(
        "arn:aws:lambda:{region}::runtime:{}",
        hex::encode(Sha256::digest(runtime))
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn configuration() -> Configuration {
        Configuration {
            runtime: "python3.13".to_owned(),
            role: "arn:aws:iam::000000000000:role/r".to_owned(),
            handler: "handler.handler".to_owned(),
            description: String::new(),
            timeout_s: 3,
            memory_mb: 128,
            ephemeral_mb: 512,
            environment: None,
            tracing_mode: "PassThrough".to_owned(),
            architecture: "x86_64".to_owned(),
            layers: Vec::new(),
            log_group: "/aws/lambda/f".to_owned(),
            json_logs: false,
            application_log_level: None,
            system_log_level: None,
            snap_start: "None".to_owned(),
            dead_letter: None,
            vpc: None,
            kms_key_arn: None,
        }
    }

    pub(crate) fn function() -> Function {
        let code = Code {
            sha256: "00".to_owned(),
            size: 10,
            unzipped: 20,
        };
        Function::new("f", Version::new(LATEST, configuration(), code))
    }

    #[test]
    fn settling_changes_the_revision_id_once() {
        let mut function = function();
        let created = function.latest.revision_id.clone();
        function.settle();
        let active = function.latest.revision_id.clone();
        function.settle();
        assert_ne!(created, active);
        assert_eq!(active, function.latest.revision_id);
    }

    #[test]
    fn publishing_without_a_change_gives_the_last_version_back() {
        let mut function = function();
        assert_eq!(function.publish(None).version, "1");
        assert_eq!(function.publish(None).version, "1");
        let (same, code) = (
            function.latest.configuration.clone(),
            function.latest.code.clone(),
        );
        function.latest.update(same.clone(), code.clone());
        assert_eq!(function.publish(None).version, "1");
        function.latest.update(
            Configuration {
                memory_mb: 256,
                ..same
            },
            code,
        );
        assert_eq!(function.publish(None).version, "2");
    }

    #[test]
    fn version_numbers_are_never_reused() {
        let mut function = function();
        function.publish(None);
        function.versions.clear();
        assert_eq!(function.publish(None).version, "2");
    }

    #[test]
    fn a_restart_finds_a_change_settled() {
        let mut before = function();
        before
            .latest
            .update(configuration(), before.latest.code.clone());
        let after: Function =
            serde_json::from_str(&serde_json::to_string(&before).unwrap()).unwrap();
        assert_eq!(after.latest.phase, Phase::Ready);
        assert_eq!(after.latest.generation, before.latest.generation);
    }
}
