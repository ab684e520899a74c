//! Resource policies of functions, versions and aliases.

use super::super::Lambda;
use super::super::error::{ApiError, ApiResult};
use super::super::function::{Function, Statement, new_id};
use super::super::names::{FunctionRef, Home, LATEST, is_plain_name};
use super::super::store::policy_document;
use super::super::validate::Violations;
use super::call::{Call, Reply};
use super::functions::check_revision;
use crate::wildcard;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AddInput {
    statement_id: Option<String>,
    action: Option<String>,
    principal: Option<String>,
    source_arn: Option<String>,
    source_account: Option<String>,
    event_source_token: Option<String>,
    #[serde(rename = "PrincipalOrgID")]
    principal_org_id: Option<String>,
    function_url_auth_type: Option<String>,
    revision_id: Option<String>,
}

impl AddInput {
    fn check(&self) -> ApiResult<()> {
        let mut found = Violations::default();
        statement_id(&mut found, self.statement_id.as_deref());
        match &self.action {
            None => found.missing("action"),
            Some(action) => {
                let named = action.strip_prefix("lambda:").unwrap_or_default();
                let letters =
                    !named.is_empty() && named.bytes().all(|byte| byte.is_ascii_alphabetic());
                if action != "*" && named != "*" && !letters {
                    found.pattern("action", action, r"(lambda:[*]|lambda:[a-zA-Z]+|[*])");
                }
            }
        }
        if self.principal.is_none() {
            found.missing("principal");
        }
        found.one_of(
            "functionUrlAuthType",
            self.function_url_auth_type.as_deref(),
            &["NONE", "AWS_IAM"],
        );
        found.into_result()
    }

    /// Returns the principal as a policy has it: `*`, a service, or an account's or user's ARN.
    fn principal(&self) -> ApiResult<Value> {
        let principal = self.principal.as_deref().unwrap_or_default();
        if principal == "*" {
            Ok(json!("*"))
        } else if principal.ends_with(".amazonaws.com") || principal.ends_with(".amazon.com") {
            Ok(json!({ "Service": principal }))
        } else if principal.len() == 12 && principal.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(json!({ "AWS": format!("arn:aws:iam::{principal}:root") }))
        } else if principal.starts_with("arn:aws") {
            Ok(json!({ "AWS": principal }))
        } else {
            Err(ApiError::invalid(
                "The provided principal was invalid. Please check the principal and try again.",
            ))
        }
    }

    fn condition(&self) -> Map<String, Value> {
        let mut equals = Map::new();
        let mut add = |key: &str, value: &Option<String>| {
            if let Some(value) = value {
                equals.insert(key.to_owned(), json!(value));
            }
        };
        add("AWS:SourceAccount", &self.source_account);
        add("lambda:EventSourceToken", &self.event_source_token);
        add("lambda:FunctionUrlAuthType", &self.function_url_auth_type);
        add("aws:PrincipalOrgID", &self.principal_org_id);
        let mut condition = Map::new();
        if !equals.is_empty() {
            condition.insert("StringEquals".to_owned(), Value::Object(equals));
        }
        if let Some(arn) = &self.source_arn {
            condition.insert("ArnLike".to_owned(), json!({ "AWS:SourceArn": arn }));
        }
        condition
    }
}

fn statement_id(found: &mut Violations, sid: Option<&str>) {
    match sid {
        None => found.missing("statementId"),
        Some(sid) => {
            found.max_length("statementId", sid, 100);
            if !is_plain_name(sid) {
                found.pattern("statementId", sid, "([a-zA-Z0-9-_]+)");
            }
        }
    }
}

pub(crate) fn add(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let input: AddInput = call.input()?;
    let wanted = call.function(&lambda.home)?;
    input.check()?;
    let principal = input.principal()?;
    if wanted.qualifier.as_deref() == Some(LATEST) {
        return Err(ApiError::invalid(
            "We currently do not support adding policies for $LATEST.",
        ));
    }
    let sid = input.statement_id.clone().unwrap_or_default();
    let mut body = json!({
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": input.action,
        "Resource": wanted.arn(&lambda.home),
    });
    let condition = input.condition();
    if !condition.is_empty() {
        body["Condition"] = Value::Object(condition);
    }
    let mut records = lambda.store.change();
    let Some(function) = records.functions.get_mut(&wanted.name) else {
        return Err(ApiError::function_not_found(
            &lambda.home.function_arn(&wanted.name),
        ));
    };
    function.settle();
    let key = resource(&lambda.home, function, &wanted)?;
    check_revision(
        input.revision_id.as_deref(),
        revision(function, &key),
        "GetPolicy",
    )?;
    let policy = function.policies.entry(key.clone()).or_default();
    if policy.iter().any(|statement| statement.sid == sid) {
        return Err(ApiError::conflict(format!(
            "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing \
             statement."
        )));
    }
    let reply = json!({ "Statement": body.to_string() });
    policy.push(Statement { sid, body });
    renew_revision(function, &key);
    Ok(Reply::created(reply))
}

/// Returns the key of the policy meant: `""` for the function, else the version or alias, which
/// must exist.
fn resource(home: &Home, function: &Function, wanted: &FunctionRef) -> ApiResult<String> {
    let Some(qualifier) = wanted
        .qualifier
        .as_deref()
        .filter(|qualifier| *qualifier != LATEST)
    else {
        return Ok(String::new());
    };
    if function.version(Some(qualifier)).is_some() {
        return Ok(qualifier.to_owned());
    }
    let arn = wanted.arn(home);
    let alias = is_plain_name(qualifier) && qualifier.parse::<u64>().is_err();
    Err(if alias {
        ApiError::not_found(format!("Cannot find alias arn: {arn}"))
    } else {
        ApiError::function_not_found(&arn)
    })
}

/// A policy's revision is that of the function, version or alias that it belongs to.
fn revision<'a>(function: &'a Function, key: &str) -> &'a str {
    if let Some(alias) = function.aliases.get(key) {
        return &alias.revision_id;
    }
    let qualifier = Some(key).filter(|key| !key.is_empty());
    function
        .version(qualifier)
        .map(|version| version.revision_id.as_str())
        .unwrap_or_default()
}

fn renew_revision(function: &mut Function, key: &str) {
    if let Some(alias) = function.aliases.get_mut(key) {
        alias.revision_id = new_id();
    } else if let Some(version) = key
        .parse()
        .ok()
        .and_then(|number: u64| function.versions.get_mut(&number))
    {
        version.revision_id = new_id();
    } else {
        function.latest.revision_id = new_id();
    }
}

pub(crate) fn get(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let wanted = call.function(&lambda.home)?;
    let mut records = lambda.store.read();
    let function = records
        .functions
        .get_mut(&wanted.name)
        .ok_or_else(ApiError::no_such_resource)?;
    function.settle();
    let key =
        resource(&lambda.home, function, &wanted).map_err(|_| ApiError::no_such_resource())?;
    let policy = function
        .policies
        .get(&key)
        .filter(|policy| !policy.is_empty());
    let policy = policy.ok_or_else(ApiError::no_such_resource)?;
    Ok(Reply::ok(
        json!({ "Policy": policy_document(policy), "RevisionId": revision(function, &key) }),
    ))
}

pub(crate) fn remove(lambda: &Lambda, call: &Call, sid: &str) -> ApiResult<Reply> {
    let wanted = call.function(&lambda.home)?;
    let mut records = lambda.store.change();
    let Some(function) = records.functions.get_mut(&wanted.name) else {
        return Err(ApiError::not_found(format!(
            "No policy found for: {}",
            wanted.arn(&lambda.home)
        )));
    };
    function.settle();
    let key = resource(&lambda.home, function, &wanted)?;
    let current = revision(function, &key).to_owned();
    let Some(policy) = function
        .policies
        .get_mut(&key)
        .filter(|policy| !policy.is_empty())
    else {
        return Err(ApiError::not_found(
            "No policy is associated with the given resource.",
        ));
    };
    let missing =
        || ApiError::not_found(format!("Statement {sid} is not found in resource policy."));
    let at = policy
        .iter()
        .position(|statement| statement.sid == sid)
        .ok_or_else(missing)?;
    check_revision(call.query("RevisionId"), &current, "GetPolicy")?;
    policy.remove(at);
    renew_revision(function, &key);
    Ok(Reply::no_content())
}

/// Tells whether a policy lets an AWS service invoke for a source, as S3 asks before it takes a
/// notification.
pub(crate) fn allows(
    policy: &[Statement],
    service: &str,
    source_arn: &str,
    source_account: &str,
) -> bool {
    policy.iter().any(|statement| {
        let body = &statement.body;
        let principal = &body["Principal"];
        let action = body["Action"].as_str().unwrap_or_default();
        let condition = &body["Condition"];
        let account = condition["StringEquals"]["AWS:SourceAccount"].as_str();
        let arn = condition["ArnLike"]["AWS:SourceArn"].as_str();
        (principal == "*" || principal["Service"] == service)
            && matches!(
                action,
                "*" | "lambda:*" | "lambda:InvokeFunction" | "lambda:Invoke"
            )
            && account.is_none_or(|account| account == source_account)
            && arn.is_none_or(|pattern| wildcard::matches(pattern, source_arn))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(principal: &Value, condition: &Value) -> Vec<Statement> {
        let body = json!({ "Principal": principal, "Action": "lambda:InvokeFunction", "Condition": condition });
        vec![Statement {
            sid: "s".to_owned(),
            body,
        }]
    }

    #[test]
    fn a_service_may_invoke_for_the_sources_its_statement_names() {
        let bucket = "arn:aws:s3:::photos";
        let service = json!({ "Service": "s3.amazonaws.com" });
        let allowed =
            |policy: &[Statement]| allows(policy, "s3.amazonaws.com", bucket, "000000000000");
        assert!(allowed(&statement(&service, &json!({}))));
        assert!(allowed(&statement(
            &json!("*"),
            &json!({ "ArnLike": { "AWS:SourceArn": "arn:aws:s3:::ph*" } })
        )));
        assert!(!allowed(&statement(
            &service,
            &json!({ "ArnLike": { "AWS:SourceArn": "arn:aws:s3:::other" } })
        )));
        assert!(!allowed(&statement(
            &service,
            &json!({ "StringEquals": { "AWS:SourceAccount": "111111111111" } })
        )));
        assert!(!allowed(&statement(
            &json!({ "Service": "sns.amazonaws.com" }),
            &json!({})
        )));
        assert!(!allowed(&[]));
    }
}
