//! What IAM calls each operation, and the ARN that it is about.

use super::super::names::Home;
use super::call::Call;
use crate::access::Question;
use http::Method;
use serde_json::Value;

/// Returns the action that a request asks for, on the function or layer that it names.
pub(super) fn of(home: &Home, method: &Method, call: &Call) -> Question {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let action = action(method.as_str(), &segments);
    let resource = match segments.as_slice() {
        ["functions"] if method == Method::POST => function(home, created(call).as_deref().unwrap_or("*")),
        ["functions", name, ..] => function(home, name),
        ["layers", name, "versions", number, ..] => layer(home, &format!("{name}:{number}")),
        ["layers", name, ..] => layer(home, name),
        ["tags", arn] => (*arn).to_owned(),
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
    let name = named.rsplit_once("function:").map_or(named, |(_, name)| name);
    let name = name.split(':').next().unwrap_or_default();
    home.function_arn(name)
}

fn layer(home: &Home, name: &str) -> String {
    let Home { region, account_id } = home;
    format!("arn:aws:lambda:{region}:{account_id}:layer:{name}")
}

/// Source: AWS Service Authorization Reference, Lambda, as remembered.
fn action(method: &str, segments: &[&str]) -> &'static str {
    match (method, segments) {
        (_, ["functions", _, "invocations" | "response-streaming-invocations"]) => "InvokeFunction",
        (_, ["functions", _, "invoke-async"]) => "InvokeAsync",
        ("POST", ["functions"]) => "CreateFunction",
        ("GET", ["functions"]) => "ListFunctions",
        ("GET", ["functions", _]) => "GetFunction",
        ("DELETE", ["functions", _]) => "DeleteFunction",
        ("GET", ["functions", _, "configuration"]) => "GetFunctionConfiguration",
        ("PUT", ["functions", _, "configuration"]) => "UpdateFunctionConfiguration",
        ("PUT", ["functions", _, "code"]) => "UpdateFunctionCode",
        ("POST", ["functions", _, "versions"]) => "PublishVersion",
        ("GET", ["functions", _, "versions"]) => "ListVersionsByFunction",
        ("POST", ["functions", _, "aliases"]) => "CreateAlias",
        ("GET", ["functions", _, "aliases"]) => "ListAliases",
        ("GET", ["functions", _, "aliases", _]) => "GetAlias",
        ("PUT", ["functions", _, "aliases", _]) => "UpdateAlias",
        ("DELETE", ["functions", _, "aliases", _]) => "DeleteAlias",
        ("POST", ["functions", _, "policy"]) => "AddPermission",
        ("GET", ["functions", _, "policy"]) => "GetPolicy",
        ("DELETE", ["functions", _, "policy", _]) => "RemovePermission",
        ("PUT", ["functions", _, "concurrency"]) => "PutFunctionConcurrency",
        ("GET", ["functions", _, "concurrency"]) => "GetFunctionConcurrency",
        ("DELETE", ["functions", _, "concurrency"]) => "DeleteFunctionConcurrency",
        ("PUT", ["functions", _, "event-invoke-config"]) => "PutFunctionEventInvokeConfig",
        ("POST", ["functions", _, "event-invoke-config"]) => "UpdateFunctionEventInvokeConfig",
        ("GET", ["functions", _, "event-invoke-config"]) => "GetFunctionEventInvokeConfig",
        ("DELETE", ["functions", _, "event-invoke-config"]) => "DeleteFunctionEventInvokeConfig",
        ("GET", ["functions", _, "event-invoke-config", "list"]) => "ListFunctionEventInvokeConfigs",
        ("GET", ["functions", _, "recursion-config"]) => "GetFunctionRecursionConfig",
        ("PUT", ["functions", _, "recursion-config"]) => "PutFunctionRecursionConfig",
        ("GET", ["layers"]) => "ListLayers",
        ("POST", ["layers", _, "versions"]) => "PublishLayerVersion",
        ("GET", ["layers", _, "versions"]) => "ListLayerVersions",
        ("GET", ["layers", _, "versions", _]) => "GetLayerVersion",
        ("DELETE", ["layers", _, "versions", _]) => "DeleteLayerVersion",
        ("POST", ["layers", _, "versions", _, "policy"]) => "AddLayerVersionPermission",
        ("POST", ["tags", _]) => "TagResource",
        ("DELETE", ["tags", _]) => "UntagResource",
        ("GET", ["tags", _]) => "ListTags",
        ("GET", ["account-settings"]) => "GetAccountSettings",
        ("POST", ["event-source-mappings"]) => "CreateEventSourceMapping",
        // Named by no policy that anybody has; only `lambda:*` allows it.
        _ => "Other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_one_arn_however_it_is_named() {
        let home = Home { region: "us-east-1".to_owned(), account_id: "000000000000".to_owned() };
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
        for named in ["f", "f:1", "000000000000:function:f", arn, &format!("{arn}:live")] {
            assert_eq!(function(&home, named), arn, "{named}");
        }
    }
}
