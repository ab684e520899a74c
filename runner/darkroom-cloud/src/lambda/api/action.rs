//! The IAM action and the ARN of each operation.

use super::super::names::Home;
use super::call::Call;
use crate::access::Question;
use http::Method;
use serde_json::Value;

/// Returns the action that a request asks for, on the function or layer that it names.
pub(super) fn of(home: &Home, method: &Method, call: &Call) -> Question {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let action = action(method.as_str(), &segments, |name| {
        call.query(name).is_some()
    });
    let resource = match segments.as_slice() {
        ["functions"] if method == Method::POST => {
            function(home, created(call).as_deref().unwrap_or("*"))
        }
        ["functions", name, ..] => function(home, name),
        ["layers", name, "versions", number, ..] => layer(home, &format!("{name}:{number}")),
        ["layers", name, ..] => layer(home, name),
        ["layers"] => call.query("Arn").unwrap_or("*").to_owned(),
        [
            "tags" | "durable-executions" | "code-signing-configs" | "resource-policy",
            arn,
            ..,
        ] => (*arn).to_owned(),
        _ => "*".to_owned(),
    };
    Question::new("lambda", action, resource)
}

fn created(call: &Call) -> Option<String> {
    let input: Value = call.input().ok()?;
    input["FunctionName"].as_str().map(str::to_owned)
}

/// Returns the ARN of a function that is named by its name, part of its ARN, or its ARN.
fn function(home: &Home, named: &str) -> String {
    let name = named
        .rsplit_once("function:")
        .map_or(named, |(_, name)| name);
    let name = name.split(':').next().unwrap_or_default();
    home.function_arn(name)
}

fn layer(home: &Home, name: &str) -> String {
    let Home { region, account_id } = home;
    format!("arn:aws:lambda:{region}:{account_id}:layer:{name}")
}

/// Every call of the API: method, path without its version, action. `*` stands for a name, and what
/// follows `?` must be in the query.
///
/// Source: the API's model in botocore, 2015-03-31; the Service Authorization Reference for those
/// that IAM names otherwise.
const CALLS: &[(&str, &str, &str)] = &[
    ("POST", "functions", "CreateFunction"),
    ("GET", "functions", "ListFunctions"),
    ("GET", "functions/*", "GetFunction"),
    ("DELETE", "functions/*", "DeleteFunction"),
    ("POST", "functions/*/aliases", "CreateAlias"),
    ("GET", "functions/*/aliases", "ListAliases"),
    ("GET", "functions/*/aliases/*", "GetAlias"),
    ("PUT", "functions/*/aliases/*", "UpdateAlias"),
    ("DELETE", "functions/*/aliases/*", "DeleteAlias"),
    ("PUT", "functions/*/code", "UpdateFunctionCode"),
    (
        "GET",
        "functions/*/code-signing-config",
        "GetFunctionCodeSigningConfig",
    ),
    (
        "PUT",
        "functions/*/code-signing-config",
        "PutFunctionCodeSigningConfig",
    ),
    (
        "DELETE",
        "functions/*/code-signing-config",
        "DeleteFunctionCodeSigningConfig",
    ),
    ("GET", "functions/*/concurrency", "GetFunctionConcurrency"),
    ("PUT", "functions/*/concurrency", "PutFunctionConcurrency"),
    (
        "DELETE",
        "functions/*/concurrency",
        "DeleteFunctionConcurrency",
    ),
    (
        "GET",
        "functions/*/configuration",
        "GetFunctionConfiguration",
    ),
    (
        "PUT",
        "functions/*/configuration",
        "UpdateFunctionConfiguration",
    ),
    (
        "GET",
        "functions/*/durable-executions",
        "ListDurableExecutionsByFunction",
    ),
    (
        "POST",
        "functions/*/event-invoke-config",
        "UpdateFunctionEventInvokeConfig",
    ),
    (
        "GET",
        "functions/*/event-invoke-config",
        "GetFunctionEventInvokeConfig",
    ),
    (
        "PUT",
        "functions/*/event-invoke-config",
        "PutFunctionEventInvokeConfig",
    ),
    (
        "DELETE",
        "functions/*/event-invoke-config",
        "DeleteFunctionEventInvokeConfig",
    ),
    (
        "GET",
        "functions/*/event-invoke-config/list",
        "ListFunctionEventInvokeConfigs",
    ),
    (
        "GET",
        "functions/*/function-scaling-config",
        "GetFunctionScalingConfig",
    ),
    (
        "PUT",
        "functions/*/function-scaling-config",
        "PutFunctionScalingConfig",
    ),
    ("POST", "functions/*/invocations", "InvokeFunction"),
    ("POST", "functions/*/invoke-async", "InvokeAsync"),
    ("POST", "functions/*/policy", "AddPermission"),
    ("GET", "functions/*/policy", "GetPolicy"),
    ("DELETE", "functions/*/policy/*", "RemovePermission"),
    (
        "GET",
        "functions/*/provisioned-concurrency?List",
        "ListProvisionedConcurrencyConfigs",
    ),
    (
        "GET",
        "functions/*/provisioned-concurrency",
        "GetProvisionedConcurrencyConfig",
    ),
    (
        "PUT",
        "functions/*/provisioned-concurrency",
        "PutProvisionedConcurrencyConfig",
    ),
    (
        "DELETE",
        "functions/*/provisioned-concurrency",
        "DeleteProvisionedConcurrencyConfig",
    ),
    (
        "GET",
        "functions/*/recursion-config",
        "GetFunctionRecursionConfig",
    ),
    (
        "PUT",
        "functions/*/recursion-config",
        "PutFunctionRecursionConfig",
    ),
    (
        "POST",
        "functions/*/response-streaming-invocations",
        "InvokeFunction",
    ),
    (
        "GET",
        "functions/*/runtime-management-config",
        "GetRuntimeManagementConfig",
    ),
    (
        "PUT",
        "functions/*/runtime-management-config",
        "PutRuntimeManagementConfig",
    ),
    ("POST", "functions/*/url", "CreateFunctionUrlConfig"),
    ("GET", "functions/*/url", "GetFunctionUrlConfig"),
    ("PUT", "functions/*/url", "UpdateFunctionUrlConfig"),
    ("DELETE", "functions/*/url", "DeleteFunctionUrlConfig"),
    ("GET", "functions/*/urls", "ListFunctionUrlConfigs"),
    ("POST", "functions/*/versions", "PublishVersion"),
    ("GET", "functions/*/versions", "ListVersionsByFunction"),
    ("POST", "event-source-mappings", "CreateEventSourceMapping"),
    ("GET", "event-source-mappings", "ListEventSourceMappings"),
    ("GET", "event-source-mappings/*", "GetEventSourceMapping"),
    ("PUT", "event-source-mappings/*", "UpdateEventSourceMapping"),
    (
        "DELETE",
        "event-source-mappings/*",
        "DeleteEventSourceMapping",
    ),
    ("GET", "layers?find", "GetLayerVersion"),
    ("GET", "layers", "ListLayers"),
    ("POST", "layers/*/versions", "PublishLayerVersion"),
    ("GET", "layers/*/versions", "ListLayerVersions"),
    ("GET", "layers/*/versions/*", "GetLayerVersion"),
    ("DELETE", "layers/*/versions/*", "DeleteLayerVersion"),
    (
        "POST",
        "layers/*/versions/*/policy",
        "AddLayerVersionPermission",
    ),
    ("GET", "layers/*/versions/*/policy", "GetLayerVersionPolicy"),
    (
        "DELETE",
        "layers/*/versions/*/policy/*",
        "RemoveLayerVersionPermission",
    ),
    ("POST", "tags/*", "TagResource"),
    ("GET", "tags/*", "ListTags"),
    ("DELETE", "tags/*", "UntagResource"),
    ("GET", "account-settings", "GetAccountSettings"),
    ("POST", "code-signing-configs", "CreateCodeSigningConfig"),
    ("GET", "code-signing-configs", "ListCodeSigningConfigs"),
    ("GET", "code-signing-configs/*", "GetCodeSigningConfig"),
    ("PUT", "code-signing-configs/*", "UpdateCodeSigningConfig"),
    (
        "DELETE",
        "code-signing-configs/*",
        "DeleteCodeSigningConfig",
    ),
    (
        "GET",
        "code-signing-configs/*/functions",
        "ListFunctionsByCodeSigningConfig",
    ),
    ("POST", "capacity-providers", "CreateCapacityProvider"),
    ("GET", "capacity-providers", "ListCapacityProviders"),
    ("GET", "capacity-providers/*", "GetCapacityProvider"),
    ("PUT", "capacity-providers/*", "UpdateCapacityProvider"),
    ("DELETE", "capacity-providers/*", "DeleteCapacityProvider"),
    (
        "GET",
        "capacity-providers/*/function-versions",
        "ListFunctionVersionsByCapacityProvider",
    ),
    ("GET", "durable-executions/*", "GetDurableExecution"),
    ("DELETE", "durable-executions/*", "DeleteDurableExecution"),
    (
        "POST",
        "durable-executions/*/checkpoint",
        "CheckpointDurableExecution",
    ),
    (
        "GET",
        "durable-executions/*/history",
        "GetDurableExecutionHistory",
    ),
    (
        "POST",
        "durable-executions/*/pause",
        "PauseDurableExecution",
    ),
    (
        "POST",
        "durable-executions/*/resume",
        "ResumeDurableExecution",
    ),
    (
        "GET",
        "durable-executions/*/state",
        "GetDurableExecutionState",
    ),
    ("POST", "durable-executions/*/stop", "StopDurableExecution"),
    (
        "POST",
        "durable-execution-callbacks/*/fail",
        "SendDurableExecutionCallbackFailure",
    ),
    (
        "POST",
        "durable-execution-callbacks/*/heartbeat",
        "SendDurableExecutionCallbackHeartbeat",
    ),
    (
        "POST",
        "durable-execution-callbacks/*/succeed",
        "SendDurableExecutionCallbackSuccess",
    ),
    ("GET", "resource-policy/*", "GetResourcePolicy"),
    ("PUT", "resource-policy/*", "PutResourcePolicy"),
    ("DELETE", "resource-policy/*", "DeleteResourcePolicy"),
];

/// What is no call of Lambda is named by no policy that anybody has; only `lambda:*` allows it.
const NO_CALL: &str = "Other";

fn action(method: &str, segments: &[&str], asks: impl Fn(&str) -> bool) -> &'static str {
    let is_meant = |(of, path, _): &&(&str, &str, &str)| {
        let (path, query) = path
            .split_once('?')
            .map_or((*path, None), |(path, query)| (path, Some(query)));
        let same = |(wanted, given): (&str, &&str)| wanted == "*" || wanted == *given;
        *of == method
            && path.split('/').count() == segments.len()
            && path.split('/').zip(segments).all(same)
            && query.is_none_or(&asks)
    };
    CALLS
        .iter()
        .find(is_meant)
        .map_or(NO_CALL, |(_, _, action)| action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_one_arn_however_it_is_named() {
        let home = Home {
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
        };
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
        for named in [
            "f",
            "f:1",
            "000000000000:function:f",
            arn,
            &format!("{arn}:live"),
        ] {
            assert_eq!(function(&home, named), arn, "{named}");
        }
    }

    #[test]
    fn every_call_has_its_name() {
        let named = |method: &str, path: &str, query: &[&str]| {
            let segments: Vec<&str> = path.split('/').collect();
            action(method, &segments, |name| query.contains(&name))
        };
        for (method, path, expected) in [
            ("POST", "functions/f/invocations", "InvokeFunction"),
            (
                "POST",
                "functions/f/response-streaming-invocations",
                "InvokeFunction",
            ),
            ("POST", "functions/f/url", "CreateFunctionUrlConfig"),
            ("GET", "functions/f/urls", "ListFunctionUrlConfigs"),
            ("GET", "event-source-mappings", "ListEventSourceMappings"),
            (
                "DELETE",
                "event-source-mappings/14e0db71",
                "DeleteEventSourceMapping",
            ),
            (
                "PUT",
                "functions/f/runtime-management-config",
                "PutRuntimeManagementConfig",
            ),
            (
                "DELETE",
                "layers/l/versions/1/policy/s",
                "RemoveLayerVersionPermission",
            ),
            (
                "GET",
                "code-signing-configs/arn/functions",
                "ListFunctionsByCodeSigningConfig",
            ),
            ("POST", "functions/f/update-everything", NO_CALL),
            ("PATCH", "functions/f", NO_CALL),
            ("GET", "functions/f/", NO_CALL),
            ("GET", "", NO_CALL),
        ] {
            assert_eq!(named(method, path, &[]), expected, "{method} {path}");
        }
        assert_eq!(named("GET", "layers", &[]), "ListLayers");
        assert_eq!(named("GET", "layers", &["find"]), "GetLayerVersion");
        assert_eq!(
            named("GET", "functions/f/provisioned-concurrency", &["List"]),
            "ListProvisionedConcurrencyConfigs"
        );
        assert_eq!(
            named("GET", "functions/f/provisioned-concurrency", &[]),
            "GetProvisionedConcurrencyConfig"
        );
    }

    #[test]
    fn no_row_hides_another() {
        // A row that another one hides would never be found.
        for (index, (method, path, name)) in CALLS.iter().enumerate() {
            let (path, query) = path
                .split_once('?')
                .map_or((*path, None), |(path, query)| (path, Some(query)));
            let segments: Vec<&str> = path.split('/').collect();
            assert_eq!(
                action(method, &segments, |asked| query == Some(asked)),
                *name,
                "row {index}"
            );
        }
    }
}
