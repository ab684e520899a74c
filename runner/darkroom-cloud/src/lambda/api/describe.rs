//! Records as the API shows them.

use super::super::function::{
    Alias, EventInvokeConfig, Function, Phase, Version, runtime_version_arn,
};
use super::super::names::Home;
use serde_json::{Map, Value, json};

/// Returns a function's configuration under the ARN it was asked for by.
pub(crate) fn configuration(
    home: &Home,
    function: &Function,
    version: &Version,
    arn: &str,
) -> Value {
    let mut shown = listed(function, version, arn);
    if let Value::Object(fields) = &mut shown {
        let runtime = runtime_version_arn(&home.region, &version.configuration.runtime);
        fields.insert(
            "RuntimeVersionConfig".to_owned(),
            json!({ "RuntimeVersionArn": runtime }),
        );
        add_state(fields, version.phase);
    }
    shown
}

/// Returns it as lists show it: without state and runtime version.
pub(crate) fn listed(function: &Function, version: &Version, arn: &str) -> Value {
    let configuration = &version.configuration;
    let mut logging = json!({
        "LogFormat": if configuration.json_logs { "JSON" } else { "Text" },
        "LogGroup": configuration.log_group,
    });
    if let Some(level) = &configuration.application_log_level {
        logging["ApplicationLogLevel"] = json!(level);
    }
    if let Some(level) = &configuration.system_log_level {
        logging["SystemLogLevel"] = json!(level);
    }
    let published = version.version != super::super::names::LATEST;
    let optimized = published && configuration.snap_start == "PublishedVersions";
    let mut shown = json!({
        "FunctionName": function.name,
        "FunctionArn": arn,
        "Runtime": configuration.runtime,
        "Role": configuration.role,
        "Handler": configuration.handler,
        "CodeSize": version.code.size,
        "Description": configuration.description,
        "Timeout": configuration.timeout_s,
        "MemorySize": configuration.memory_mb,
        "LastModified": version.last_modified,
        "CodeSha256": version.code.sha256_base64(),
        "Version": version.version,
        "TracingConfig": { "Mode": configuration.tracing_mode },
        "RevisionId": version.revision_id,
        "PackageType": "Zip",
        "Architectures": [configuration.architecture],
        "EphemeralStorage": { "Size": configuration.ephemeral_mb },
        "SnapStart": {
            "ApplyOn": configuration.snap_start,
            "OptimizationStatus": if optimized { "On" } else { "Off" },
        },
        "LoggingConfig": logging,
    });
    add_optional(&mut shown, version);
    shown
}

/// Adds what AWS shows only when it was given.
fn add_optional(shown: &mut Value, version: &Version) {
    let configuration = &version.configuration;
    if let Some(variables) = &configuration.environment {
        shown["Environment"] = json!({ "Variables": variables });
    }
    if !configuration.layers.is_empty() {
        let layers = configuration.layers.iter();
        shown["Layers"] = layers
            .map(|layer| json!({ "Arn": layer.arn, "CodeSize": layer.code.size }))
            .collect();
    }
    if let Some(target) = &configuration.dead_letter {
        shown["DeadLetterConfig"] = json!({ "TargetArn": target });
    }
    if let Some(vpc) = &configuration.vpc {
        shown["VpcConfig"] = vpc.clone();
    }
    if let Some(key) = &configuration.kms_key_arn {
        shown["KMSKeyArn"] = json!(key);
    }
}

fn add_state(fields: &mut Map<String, Value>, phase: Phase) {
    let mut add = |name: &str, value: &str| fields.insert(name.to_owned(), json!(value));
    match phase {
        Phase::Creating(_) => {
            add("State", "Pending");
            add("StateReason", "The function is being created.");
            add("StateReasonCode", "Creating");
        }
        Phase::Updating(_) => {
            add("State", "Active");
            add("LastUpdateStatus", "InProgress");
            add("LastUpdateStatusReason", "The function is being created.");
            add("LastUpdateStatusReasonCode", "Creating");
        }
        Phase::Ready => {
            add("State", "Active");
            add("LastUpdateStatus", "Successful");
        }
    }
}

pub(crate) fn alias(home: &Home, function: &str, alias: &Alias) -> Value {
    let mut shown = json!({
        "AliasArn": home.qualified_arn(function, &alias.name),
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    });
    if let Some((version, weight)) = &alias.additional {
        let mut weights = Map::new();
        weights.insert(version.clone(), json!(weight));
        shown["RoutingConfig"] = json!({ "AdditionalVersionWeights": weights });
    }
    shown
}

pub(crate) fn event_invoke(
    home: &Home,
    function: &str,
    qualifier: &str,
    config: &EventInvokeConfig,
) -> Value {
    let destination = |arn: &Option<String>| {
        arn.as_ref()
            .map_or(json!({}), |arn| json!({ "Destination": arn }))
    };
    let mut shown = json!({
        "FunctionArn": home.qualified_arn(function, qualifier),
        "LastModified": config.last_modified,
        "DestinationConfig": {
            "OnSuccess": destination(&config.on_success),
            "OnFailure": destination(&config.on_failure),
        },
    });
    if let Some(attempts) = config.maximum_retry_attempts {
        shown["MaximumRetryAttempts"] = json!(attempts);
    }
    if let Some(age) = config.maximum_event_age_s {
        shown["MaximumEventAgeInSeconds"] = json!(age);
    }
    shown
}
