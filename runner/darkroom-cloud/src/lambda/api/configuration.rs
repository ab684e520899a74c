//! The settings that `CreateFunction` and `UpdateFunctionConfiguration` share: read, checked,
//! applied.

use super::super::error::{ApiError, ApiResult};
use super::super::function::{Configuration, LayerUse};
use super::super::limits;
use super::super::names::{self, Home};
use super::super::store::Records;
use super::super::validate::Violations;
use super::runtimes;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const ROLE_PATTERN: &str = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+";
const RESERVED_VARIABLES: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// The settings in a request; absent ones stay as they are.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ConfigurationChange {
    runtime: Option<String>,
    role: Option<String>,
    handler: Option<String>,
    description: Option<String>,
    timeout: Option<i64>,
    memory_size: Option<i64>,
    environment: Option<Environment>,
    tracing_config: Option<TracingConfig>,
    layers: Option<Vec<String>>,
    ephemeral_storage: Option<EphemeralStorage>,
    logging_config: Option<LoggingConfig>,
    snap_start: Option<SnapStart>,
    dead_letter_config: Option<DeadLetterConfig>,
    vpc_config: Option<VpcConfig>,
    #[serde(rename = "KMSKeyArn")]
    kms_key_arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    variables: Option<IndexMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TracingConfig {
    mode: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EphemeralStorage {
    size: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LoggingConfig {
    log_format: Option<String>,
    application_log_level: Option<String>,
    system_log_level: Option<String>,
    log_group: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SnapStart {
    apply_on: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeadLetterConfig {
    target_arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VpcConfig {
    subnet_ids: Option<Vec<String>>,
    security_group_ids: Option<Vec<String>>,
}

/// Returns AWS's defaults for a new function.
pub(crate) fn defaults(name: &str, architecture: String) -> Configuration {
    Configuration {
        runtime: String::new(),
        role: String::new(),
        handler: String::new(),
        description: String::new(),
        timeout_s: limits::DEFAULT_TIMEOUT_S,
        memory_mb: limits::DEFAULT_MEMORY_MB,
        ephemeral_mb: limits::DEFAULT_EPHEMERAL_MB,
        environment: None,
        tracing_mode: "PassThrough".to_owned(),
        architecture,
        layers: Vec::new(),
        log_group: format!("/aws/lambda/{name}"),
        json_logs: false,
        application_log_level: None,
        system_log_level: None,
        snap_start: "None".to_owned(),
        dead_letter: None,
        vpc: None,
        kms_key_arn: None,
    }
}

impl ConfigurationChange {
    /// Finds every violation of the model's constraints.
    pub fn violations(&self, found: &mut Violations) {
        if let Some(role) = &self.role
            && !is_role(role)
        {
            found.pattern("role", role, ROLE_PATTERN);
        }
        if let Some(handler) = &self.handler {
            found.max_length("handler", handler, limits::HANDLER);
            if handler.is_empty() || handler.contains(char::is_whitespace) {
                found.pattern("handler", handler, r"[^\s]+");
            }
        }
        if let Some(description) = &self.description {
            found.max_length("description", description, limits::DESCRIPTION);
        }
        found.range("timeout", self.timeout, &limits::TIMEOUT_S);
        found.range("memorySize", self.memory_size, &limits::MEMORY_MB);
        let size = self
            .ephemeral_storage
            .as_ref()
            .and_then(|storage| storage.size);
        found.range("ephemeralStorage.size", size, &limits::EPHEMERAL_MB);
        let mode = self
            .tracing_config
            .as_ref()
            .and_then(|tracing| tracing.mode.as_deref());
        found.one_of("tracingConfig.mode", mode, &["PassThrough", "Active"]);
        let apply_on = self
            .snap_start
            .as_ref()
            .and_then(|snap| snap.apply_on.as_deref());
        found.one_of(
            "snapStart.applyOn",
            apply_on,
            &["PublishedVersions", "None"],
        );
        self.logging_violations(found);
        self.variable_violations(found);
        self.layer_violations(found);
    }

    fn logging_violations(&self, found: &mut Violations) {
        let Some(logging) = &self.logging_config else {
            return;
        };
        found.one_of(
            "loggingConfig.logFormat",
            logging.log_format.as_deref(),
            &["JSON", "Text"],
        );
        let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
        found.one_of(
            "loggingConfig.applicationLogLevel",
            logging.application_log_level.as_deref(),
            &levels,
        );
        let levels = ["DEBUG", "INFO", "WARN"];
        found.one_of(
            "loggingConfig.systemLogLevel",
            logging.system_log_level.as_deref(),
            &levels,
        );
        if let Some(group) = &logging.log_group {
            found.max_length("loggingConfig.logGroup", group, 512);
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte);
            if group.is_empty() || !group.bytes().all(fits) {
                found.pattern("loggingConfig.logGroup", group, r"[\.\-_/#A-Za-z0-9]+");
            }
        }
    }

    /// AWS leaves the value out of this one, since variables may be secret.
    fn variable_violations(&self, found: &mut Violations) {
        let letters = |name: &str| {
            name.len() > 1
                && name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let reserved = |name: &str| RESERVED_VARIABLES.contains(&name);
        let wrong = self
            .variables()
            .is_some_and(|all| all.keys().any(|name| !letters(name) && !reserved(name)));
        if wrong {
            found.hidden(
                "environment.variables",
                "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]",
            );
        }
    }

    fn layer_violations(&self, found: &mut Violations) {
        let Some(layers) = &self.layers else { return };
        if layers.iter().any(|arn| names::layer_version(arn).is_none()) {
            let pattern = names::LAYER_VERSION_PATTERN;
            found.push(
                "layers",
                &format!("[{}]", layers.join(", ")),
                &format!(
                    "Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must \
                     have length greater than or equal to 1, Member must satisfy regular expression pattern: {pattern}, \
                     Member must not be null]"
                ),
            );
        }
    }

    fn variables(&self) -> Option<&IndexMap<String, String>> {
        self.environment.as_ref()?.variables.as_ref()
    }

    pub fn has_runtime_and_handler(&self) -> bool {
        self.runtime.is_some() && self.handler.is_some()
    }

    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// Checks what the model's constraints don't say: runtime, variables, layers; and returns the
    /// layers to use.
    pub fn check(&self, home: &Home, records: &Records) -> ApiResult<Option<Vec<LayerUse>>> {
        self.check_runtime()?;
        self.check_variables()?;
        let Some(arns) = &self.layers else {
            return Ok(None);
        };
        if arns.len() > limits::LAYERS {
            return Err(ApiError::invalid(format!(
                "Cannot reference more than {} layers.",
                limits::LAYERS
            )));
        }
        let mut layers: Vec<LayerUse> = Vec::new();
        for arn in arns {
            layers.push(find_layer(home, records, arn, &layers)?);
        }
        Ok(Some(layers))
    }

    fn check_runtime(&self) -> ApiResult<()> {
        let Some(runtime) = &self.runtime else {
            return Ok(());
        };
        if runtimes::DEPRECATED.contains(&runtime.as_str()) {
            return Err(ApiError::invalid(format!(
                "The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda \
                 functions. We recommend you use a supported runtime while creating or updating functions."
            )));
        }
        if !runtimes::CURRENT.contains(&runtime.as_str()) {
            let set = runtimes::CURRENT.join(", ");
            return Err(ApiError::invalid(format!(
                "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{set}] or be a valid ARN"
            )));
        }
        Ok(())
    }

    fn check_variables(&self) -> ApiResult<()> {
        let Some(variables) = self.variables() else {
            return Ok(());
        };
        let reserved: Vec<&str> = variables
            .keys()
            .map(String::as_str)
            .filter(|name| RESERVED_VARIABLES.contains(name))
            .collect();
        if !reserved.is_empty() {
            return Err(ApiError::invalid(format!(
                "Lambda was unable to configure your environment variables because the environment variables you have \
                 provided contains reserved keys that are currently not supported for modification. Reserved keys used \
                 in this request: {}",
                reserved.join(", ")
            )));
        }
        let json = json!(variables).to_string();
        if json.len() > limits::ENVIRONMENT {
            return Err(ApiError::invalid(format!(
                "Lambda was unable to configure your environment variables because the environment variables you have \
                 provided exceeded the 4KB limit. String measured: {json}"
            )));
        }
        Ok(())
    }

    /// Puts the settings into a configuration; `layers` are those that
    /// [`ConfigurationChange::check`] found.
    pub fn apply(self, configuration: &mut Configuration, layers: Option<Vec<LayerUse>>) {
        set(&mut configuration.runtime, self.runtime);
        set(&mut configuration.role, self.role);
        set(&mut configuration.handler, self.handler);
        set(&mut configuration.description, self.description);
        // Ranges were checked: every value fits.
        set(
            &mut configuration.timeout_s,
            self.timeout.and_then(|value| u32::try_from(value).ok()),
        );
        set(
            &mut configuration.memory_mb,
            self.memory_size.and_then(|value| u32::try_from(value).ok()),
        );
        let size = self.ephemeral_storage.and_then(|storage| storage.size);
        set(
            &mut configuration.ephemeral_mb,
            size.and_then(|value| u32::try_from(value).ok()),
        );
        set(
            &mut configuration.tracing_mode,
            self.tracing_config.and_then(|tracing| tracing.mode),
        );
        set(
            &mut configuration.snap_start,
            self.snap_start.and_then(|snap| snap.apply_on),
        );
        set(&mut configuration.layers, layers);
        if let Some(environment) = self.environment {
            configuration.environment = Some(environment.variables.unwrap_or_default());
        }
        if let Some(target) = self.dead_letter_config {
            configuration.dead_letter = target.target_arn.filter(|arn| !arn.is_empty());
        }
        if let Some(key) = self.kms_key_arn {
            configuration.kms_key_arn = Some(key).filter(|arn| !arn.is_empty());
        }
        if let Some(vpc) = self.vpc_config {
            configuration.vpc = Some(vpc.shown());
        }
        if let Some(logging) = self.logging_config {
            logging.apply(configuration);
        }
    }
}

impl LoggingConfig {
    /// Levels exist with JSON only; they default to INFO and vanish with Text.
    fn apply(self, configuration: &mut Configuration) {
        set(&mut configuration.log_group, self.log_group);
        if let Some(format) = self.log_format {
            configuration.json_logs = format == "JSON";
        }
        if configuration.json_logs {
            let default = || Some("INFO".to_owned());
            let application = configuration.application_log_level.take();
            configuration.application_log_level =
                self.application_log_level.or(application).or_else(default);
            let system = configuration.system_log_level.take();
            configuration.system_log_level = self.system_log_level.or(system).or_else(default);
        } else {
            configuration.application_log_level = None;
            configuration.system_log_level = None;
        }
    }
}

impl VpcConfig {
    fn shown(self) -> Value {
        let subnets = self.subnet_ids.unwrap_or_default();
        // As real as the subnets: the same subnets are always in the same network.
        let vpc = match subnets.as_slice() {
            [] => String::new(),
            some => format!("vpc-{}", &hex::encode(Sha256::digest(some.join(",")))[..17]),
        };
        json!({
            "SubnetIds": subnets,
            "SecurityGroupIds": self.security_group_ids.unwrap_or_default(),
            "VpcId": vpc,
            "Ipv6AllowedForDualStack": false,
        })
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn is_role(role: &str) -> bool {
    let parts: Vec<&str> = role.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts.as_slice() else {
        return false;
    };
    let name = resource.strip_prefix("role").unwrap_or_default();
    let name = name.strip_prefix('/').unwrap_or(name);
    (partition.is_empty() || partition.starts_with("aws"))
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&byte))
}

/// Finds a layer version to use, next to those already found.
fn find_layer(
    home: &Home,
    records: &Records,
    arn: &str,
    found: &[LayerUse],
) -> ApiResult<LayerUse> {
    let missing = || ApiError::invalid(format!("Layer version {arn} does not exist."));
    let wanted = names::layer_version(arn).ok_or_else(missing)?;
    if wanted.region != home.region {
        return Err(ApiError::invalid(format!(
            "Layers are not in the same region as the function. Layers are expected to be in region {}.",
            home.region
        )));
    }
    if wanted.account != home.account_id {
        return Err(ApiError::access_denied(Some(format!(
            "User is not authorized to perform: lambda:GetLayerVersion on resource: {arn}"
        ))));
    }
    let layer = records
        .layer_version(&wanted.name, wanted.version)
        .ok_or_else(missing)?;
    let same = |other: &&LayerUse| {
        names::layer_version(&other.arn).is_some_and(|other| other.name == wanted.name)
    };
    if let Some(other) = found.iter().find(same) {
        return Err(ApiError::invalid(format!(
            "Two different versions of the same layer are not allowed to be referenced in the same function. {} and \
             {arn} are versions of the same layer.",
            other.arn
        )));
    }
    Ok(LayerUse {
        arn: arn.to_owned(),
        code: layer.code.clone(),
    })
}

/// Refuses code that is larger, unzipped and with its layers, than a function may be.
pub(crate) fn check_unzipped(code: u64, layers: &[LayerUse]) -> ApiResult<()> {
    let total = code + layers.iter().map(|layer| layer.code.unzipped).sum::<u64>();
    if total > limits::UNZIPPED {
        return Err(ApiError::invalid(format!(
            "Function code combined with layers exceeds the maximum allowed size of {} bytes. The actual size is {total} bytes.",
            limits::UNZIPPED
        )));
    }
    Ok(())
}
