//! Layers and their versions.

use super::super::Lambda;
use super::super::error::{ApiError, ApiResult};
use super::super::function::{Statement, new_id};
use super::super::limits;
use super::super::names::{self, is_plain_name};
use super::super::store::{Layer, LayerVersion, policy_document};
use super::super::validate::Violations;
use super::call::{Call, Reply};
use super::code::CodeInput;
use super::functions::check_revision;
use super::runtimes;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublishInput {
    description: Option<String>,
    content: Option<CodeInput>,
    compatible_architectures: Option<Vec<String>>,
    compatible_runtimes: Option<Vec<String>>,
    license_info: Option<String>,
}

impl PublishInput {
    fn check(&self) -> ApiResult<()> {
        let mut found = Violations::default();
        if self.content.is_none() {
            found.missing("content");
        }
        if let Some(description) = &self.description {
            found.max_length("description", description, limits::DESCRIPTION);
        }
        if let Some(license) = &self.license_info {
            found.max_length("licenseInfo", license, 512);
        }
        let known = |one: &String| {
            runtimes::KNOWN.contains(&one.as_str()) || runtimes::CURRENT.contains(&one.as_str())
        };
        if let Some(all) = self
            .compatible_runtimes
            .as_ref()
            .filter(|all| !all.iter().all(known))
        {
            let set = runtimes::CURRENT.join(", ");
            let value = format!("[{}]", all.join(", "));
            found.push(
                "compatibleRuntimes",
                &value,
                &format!("Member must satisfy enum value set: [{set}]"),
            );
        }
        let architecture = |one: &String| runtimes::ARCHITECTURES.contains(&one.as_str());
        if let Some(all) = self
            .compatible_architectures
            .as_ref()
            .filter(|all| !all.iter().all(architecture))
        {
            found.push(
                "compatibleArchitectures",
                &format!("[{}]", all.join(", ")),
                "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
            );
        }
        found.into_result()
    }
}

pub(crate) async fn publish(lambda: &Lambda, call: &Call, name: &str) -> ApiResult<Reply> {
    let name = layer_name(name)?;
    let input: PublishInput = call.input()?;
    input.check()?;
    let code = input.content.unwrap_or_default().fetch(lambda).await?;
    let mut records = lambda.store.change();
    if records.total_code_size() + code.size > limits::TOTAL_CODE {
        return Err(ApiError::code_storage_exceeded());
    }
    let new = || Layer {
        versions: std::collections::BTreeMap::new(),
        next_version: 1,
    };
    let layer = records.layers.entry(name.to_owned()).or_insert_with(new);
    let number = layer.next_version;
    layer.next_version += 1;
    let version = LayerVersion {
        number,
        code,
        description: input.description.unwrap_or_default(),
        license: input.license_info,
        created: super::super::clock::last_modified(),
        architectures: input.compatible_architectures,
        runtimes: input.compatible_runtimes,
        policy: Vec::new(),
        policy_revision: String::new(),
    };
    let reply = described(lambda, name, &version);
    layer.versions.insert(number, version);
    Ok(Reply::created(reply))
}

fn layer_name(text: &str) -> ApiResult<&str> {
    let mut found = Violations::default();
    found.max_length("layerName", text, 140);
    if names::layer(text).is_none() {
        found.pattern("layerName", text, names::LAYER_PATTERN);
    }
    found.into_result()?;
    names::layer(text).ok_or_else(ApiError::no_such_resource)
}

fn version_number(text: &str) -> ApiResult<u64> {
    match text.parse::<i64>() {
        Ok(number) if number < 1 => Err(ApiError::invalid("Layer Version Cannot be less than 1")),
        Ok(number) => Ok(number.unsigned_abs()),
        Err(_) => Err(ApiError::serialization(
            "the layer's version is not a number",
        )),
    }
}

/// Returns a layer version as lists show it.
fn listed(lambda: &Lambda, name: &str, version: &LayerVersion) -> Value {
    let mut shown = json!({
        "LayerVersionArn": format!("{}:{}", lambda.home.layer_arn(name), version.number),
        "Version": version.number,
        "Description": version.description,
        "CreatedDate": version.created,
    });
    if let Some(runtimes) = &version.runtimes {
        shown["CompatibleRuntimes"] = json!(runtimes);
    }
    if let Some(architectures) = &version.architectures {
        shown["CompatibleArchitectures"] = json!(architectures);
    }
    if let Some(license) = &version.license {
        shown["LicenseInfo"] = json!(license);
    }
    shown
}

/// Returns a layer version with its content.
fn described(lambda: &Lambda, name: &str, version: &LayerVersion) -> Value {
    let mut shown = listed(lambda, name, version);
    shown["LayerArn"] = json!(lambda.home.layer_arn(name));
    shown["Content"] = json!({
        "Location": lambda.location(&version.code, "layers", name),
        "CodeSha256": version.code.sha256_base64(),
        "CodeSize": version.code.size,
    });
    shown
}

pub(crate) fn get(lambda: &Lambda, name: &str, number: &str) -> ApiResult<Reply> {
    let (name, number) = (layer_name(name)?, version_number(number)?);
    let records = lambda.store.read();
    let version = records
        .layer_version(name, number)
        .ok_or_else(ApiError::no_such_resource)?;
    Ok(Reply::ok(described(lambda, name, version)))
}

pub(crate) fn get_by_arn(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let arn = call.query("Arn").unwrap_or_default();
    let Some(wanted) = names::layer_version(arn) else {
        let mut found = Violations::default();
        found.pattern("arn", arn, names::LAYER_VERSION_PATTERN);
        found.into_result()?;
        return Err(ApiError::no_such_resource());
    };
    let records = lambda.store.read();
    let version = records
        .layer_version(&wanted.name, wanted.version)
        .ok_or_else(ApiError::no_such_resource)?;
    Ok(Reply::ok(described(lambda, &wanted.name, version)))
}

/// Deletes a layer version; one that isn't there is deleted already. Functions that use it keep it.
pub(crate) fn delete(lambda: &Lambda, name: &str, number: &str) -> ApiResult<Reply> {
    let (name, number) = (layer_name(name)?, version_number(number)?);
    if let Some(layer) = lambda.store.change().layers.get_mut(name) {
        layer.versions.remove(&number);
    }
    Ok(Reply::no_content())
}

/// Checks the filters of both lists and tells whether a version passes them.
fn filter(call: &Call) -> ApiResult<impl Fn(&LayerVersion) -> bool> {
    let runtime = call.query("CompatibleRuntime");
    let architecture = call.query("CompatibleArchitecture");
    let mut found = Violations::default();
    if runtime.is_none_or(|runtime| !runtimes::CURRENT.contains(&runtime)) {
        found.one_of("compatibleRuntime", runtime, runtimes::KNOWN);
    }
    found.one_of(
        "compatibleArchitecture",
        architecture,
        runtimes::ARCHITECTURES,
    );
    found.into_result()?;
    let has = |all: &Option<Vec<String>>, wanted: Option<&str>| {
        wanted.is_none_or(|wanted| {
            all.as_ref()
                .is_some_and(|all| all.iter().any(|one| one == wanted))
        })
    };
    Ok(move |version: &LayerVersion| {
        has(&version.runtimes, runtime) && has(&version.architectures, architecture)
    })
}

/// Lists a layer's versions, newest first.
pub(crate) fn list_versions(lambda: &Lambda, call: &Call, name: &str) -> ApiResult<Reply> {
    let name = layer_name(name)?;
    let passes = filter(call)?;
    let page = call.page(limits::PAGE)?;
    let records = lambda.store.read();
    let versions = records
        .layers
        .get(name)
        .into_iter()
        .flat_map(|layer| layer.versions.values().rev());
    let key = |version: &LayerVersion| format!("{:020}", u64::MAX - version.number);
    let items = versions
        .filter(|version| passes(version))
        .map(|one| (key(one), listed(lambda, name, one)))
        .collect();
    page.reply("LayerVersions", items)
}

/// Lists the layers, each with its newest version that passes the filters.
pub(crate) fn list(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let passes = filter(call)?;
    let page = call.page(limits::PAGE)?;
    let records = lambda.store.read();
    let newest = |(name, layer): (&String, &Layer)| {
        let version = layer
            .versions
            .values()
            .rev()
            .find(|version| passes(version))?;
        let shown = json!({
            "LayerName": name,
            "LayerArn": lambda.home.layer_arn(name),
            "LatestMatchingVersion": listed(lambda, name, version),
        });
        Some((name.clone(), shown))
    };
    page.reply("Layers", records.layers.iter().filter_map(newest).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PermissionInput {
    statement_id: Option<String>,
    action: Option<String>,
    principal: Option<String>,
    organization_id: Option<String>,
}

pub(crate) fn add_permission(
    lambda: &Lambda,
    call: &Call,
    name: &str,
    number: &str,
) -> ApiResult<Reply> {
    let (name, number) = (layer_name(name)?, version_number(number)?);
    let input: PermissionInput = call.input()?;
    let mut found = Violations::default();
    let sid = input.statement_id.unwrap_or_default();
    if !is_plain_name(&sid) {
        found.pattern("statementId", &sid, "([a-zA-Z0-9-_]+)");
    }
    let action = input.action.unwrap_or_default();
    if action != "lambda:GetLayerVersion" {
        found.pattern("action", &action, "lambda:GetLayerVersion");
    }
    found.into_result()?;
    let arn = format!("{}:{number}", lambda.home.layer_arn(name));
    let mut records = lambda.store.change();
    let version = records
        .layers
        .get_mut(name)
        .and_then(|layer| layer.versions.get_mut(&number));
    let version = version
        .ok_or_else(|| ApiError::not_found(format!("Layer version {arn} does not exist.")))?;
    check_revision(
        call.query("RevisionId"),
        &version.policy_revision,
        "GetLayerPolicy",
    )?;
    if version.policy.iter().any(|statement| statement.sid == sid) {
        return Err(ApiError::conflict(format!(
            "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing \
             statement."
        )));
    }
    let principal = match input.principal.as_deref() {
        Some("*") | None => json!("*"),
        Some(account) => json!({ "AWS": format!("arn:aws:iam::{account}:root") }),
    };
    let mut body = json!({ "Sid": sid, "Effect": "Allow", "Principal": principal, "Action": action, "Resource": arn });
    if let Some(organization) = input.organization_id {
        body["Condition"] = json!({ "StringEquals": { "aws:PrincipalOrgID": organization } });
    }
    version.policy_revision = new_id();
    let reply = json!({ "Statement": body.to_string(), "RevisionId": version.policy_revision });
    version.policy.push(Statement { sid, body });
    Ok(Reply::created(reply))
}

pub(crate) fn get_policy(lambda: &Lambda, name: &str, number: &str) -> ApiResult<Reply> {
    let (name, number) = (layer_name(name)?, version_number(number)?);
    let arn = format!("{}:{number}", lambda.home.layer_arn(name));
    let records = lambda.store.read();
    let version = records.layer_version(name, number);
    let version = version
        .ok_or_else(|| ApiError::not_found(format!("Layer version {arn} does not exist.")))?;
    if version.policy.is_empty() {
        return Err(ApiError::not_found(
            "No policy is associated with the given resource.",
        ));
    }
    let (policy, revision) = (policy_document(&version.policy), &version.policy_revision);
    Ok(Reply::ok(
        json!({ "Policy": policy, "RevisionId": revision }),
    ))
}

pub(crate) fn remove_permission(
    lambda: &Lambda,
    call: &Call,
    name: &str,
    number: &str,
    sid: &str,
) -> ApiResult<Reply> {
    let (name, number) = (layer_name(name)?, version_number(number)?);
    let arn = format!("{}:{number}", lambda.home.layer_arn(name));
    let mut records = lambda.store.change();
    let version = records
        .layers
        .get_mut(name)
        .and_then(|layer| layer.versions.get_mut(&number));
    let version = version
        .ok_or_else(|| ApiError::not_found(format!("Layer version {arn} does not exist.")))?;
    let missing =
        || ApiError::not_found(format!("Statement {sid} is not found in resource policy."));
    let at = version
        .policy
        .iter()
        .position(|statement| statement.sid == sid)
        .ok_or_else(missing)?;
    check_revision(
        call.query("RevisionId"),
        &version.policy_revision,
        "GetLayerPolicy",
    )?;
    version.policy.remove(at);
    version.policy_revision = new_id();
    Ok(Reply::no_content())
}
