//! Functions: create, look at, configure, delete.

use super::super::Lambda;
use super::super::error::{ApiError, ApiResult};
use super::super::function::{Function, Phase, Version};
use super::super::limits;
use super::super::names::{self, FunctionRef, Home, LATEST, NameShape};
use super::super::store::Records;
use super::super::validate::Violations;
use super::call::{Call, Reply};
use super::code::CodeInput;
use super::configuration::{self, ConfigurationChange};
use super::{describe, runtimes, tags};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateInput {
    function_name: Option<String>,
    code: Option<CodeInput>,
    #[serde(default)]
    publish: bool,
    package_type: Option<String>,
    architectures: Option<Vec<String>>,
    tags: Option<BTreeMap<String, String>>,
}

pub(crate) async fn create(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let input: CreateInput = call.input()?;
    let settings: ConfigurationChange = call.input()?;
    let name = check_create(&lambda.home, &input, &settings)?;
    {
        let records = lambda.store.read();
        settings.check(&lambda.home, &records)?;
        check_new(&records, &name)?;
    }
    let code = input.code.unwrap_or_default().fetch(lambda).await?;
    let mut records = lambda.store.change();
    check_new(&records, &name)?;
    let layers = settings.check(&lambda.home, &records)?;
    configuration::check_unzipped(code.unzipped, layers.as_deref().unwrap_or_default())?;
    if records.total_code_size() + code.size > limits::TOTAL_CODE {
        return Err(ApiError::code_storage_exceeded());
    }
    let architecture = input.architectures.and_then(|all| all.into_iter().next());
    let mut configured =
        configuration::defaults(&name, architecture.unwrap_or_else(|| "x86_64".to_owned()));
    settings.apply(&mut configured, layers);
    let mut function = Function::new(&name, Version::new(LATEST, configured, code));
    function.tags = input.tags.unwrap_or_default();
    if input.publish {
        function.publish(None);
    }
    let arn = lambda.home.function_arn(&name);
    let shown = function
        .versions
        .values()
        .next_back()
        .unwrap_or(&function.latest);
    let reply = describe::configuration(&lambda.home, &function, shown, &arn);
    lambda.prepare(&function.latest.configuration.runtime);
    records.functions.insert(name, function);
    Ok(Reply::created(reply))
}

/// Checks everything about a new function that needs no look at the store, and returns its name.
fn check_create(
    home: &Home,
    input: &CreateInput,
    settings: &ConfigurationChange,
) -> ApiResult<String> {
    let mut found = Violations::default();
    if input.function_name.is_none() {
        found.missing("functionName");
    }
    if input.code.is_none() {
        found.missing("code");
    }
    if settings.role().is_none() {
        found.missing("role");
    }
    settings.violations(&mut found);
    architecture_violations(input.architectures.as_deref(), &mut found);
    found.one_of(
        "packageType",
        input.package_type.as_deref(),
        &["Image", "Zip"],
    );
    let text = input.function_name.as_deref().unwrap_or_default();
    if !text.is_empty() {
        names::function(home, NameShape::Function, text, None)?;
    }
    found.into_result()?;
    let wanted = names::function(home, NameShape::Function, text, None)?;
    if wanted.name.len() > limits::FUNCTION_NAME {
        return Err(ApiError::invalid(format!(
            "1 validation error detected: Value '{}' at 'functionName' failed to satisfy constraint: Member must have \
             length less than or equal to {}",
            wanted.name,
            limits::FUNCTION_NAME
        )));
    }
    if input.package_type.as_deref() == Some("Image") {
        return Err(ApiError::invalid(
            "The local cloud runs functions from zip packages only, not from images.",
        ));
    }
    if !settings.has_runtime_and_handler() {
        return Err(ApiError::invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ));
    }
    tags::check_count(input.tags.as_ref().map_or(0, BTreeMap::len))?;
    Ok(wanted.name)
}

pub(crate) fn architecture_violations(architectures: Option<&[String]>, found: &mut Violations) {
    let Some(architectures) = architectures else {
        return;
    };
    let value = format!("[{}]", architectures.join(", "));
    if architectures.len() > 1 {
        found.push(
            "architectures",
            &value,
            "Member must have length less than or equal to 1",
        );
    } else if architectures.is_empty() {
        found.push(
            "architectures",
            &value,
            "Member must have length greater than or equal to 1",
        );
    }
    if architectures
        .iter()
        .any(|one| !runtimes::ARCHITECTURES.contains(&one.as_str()))
    {
        found.push(
            "architectures",
            &value,
            "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
        );
    }
}

fn check_new(records: &Records, name: &str) -> ApiResult<()> {
    if records.functions.contains_key(name) {
        return Err(ApiError::conflict(format!(
            "Function already exist: {name}"
        )));
    }
    Ok(())
}

pub(crate) fn get(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let wanted = call.function(&lambda.home)?;
    let mut records = lambda.store.read();
    let function = records.function(&lambda.home, &wanted)?;
    function.settle();
    let version = find_version(&lambda.home, function, &wanted)?;
    let mut reply = json!({
        "Configuration": describe::configuration(&lambda.home, function, version, &wanted.arn(&lambda.home)),
        "Code": { "RepositoryType": "S3", "Location": lambda.location(&version.code, "snapshots", &function.name) },
    });
    if !function.tags.is_empty() {
        reply["Tags"] = json!(function.tags);
    }
    if let Some(reserved) = function.reserved_concurrency {
        reply["Concurrency"] = json!({ "ReservedConcurrentExecutions": reserved });
    }
    Ok(Reply::ok(reply))
}

pub(crate) fn get_configuration(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let wanted = call.function(&lambda.home)?;
    let mut records = lambda.store.read();
    let function = records.function(&lambda.home, &wanted)?;
    function.settle();
    let version = find_version(&lambda.home, function, &wanted)?;
    Ok(Reply::ok(describe::configuration(
        &lambda.home,
        function,
        version,
        &wanted.arn(&lambda.home),
    )))
}

/// Returns the version meant, or AWS's error, which names the qualifier.
pub(crate) fn find_version<'a>(
    home: &Home,
    function: &'a Function,
    wanted: &FunctionRef,
) -> ApiResult<&'a Version> {
    let missing = || ApiError::function_not_found(&wanted.arn(home));
    function
        .version(wanted.qualifier.as_deref())
        .ok_or_else(missing)
}

pub(crate) fn list(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let mut found = Violations::default();
    found.one_of("functionVersion", call.query("FunctionVersion"), &["ALL"]);
    found.into_result()?;
    let all = call.query("FunctionVersion").is_some();
    let page = call.page(limits::PAGE)?;
    let mut records = lambda.store.read();
    let mut items = Vec::new();
    for function in records.functions.values_mut() {
        function.settle();
        if all {
            items.extend(every_version(&lambda.home, function));
        } else {
            let arn = lambda.home.function_arn(&function.name);
            items.push((
                function.name.clone(),
                describe::listed(function, &function.latest, &arn),
            ));
        }
    }
    page.reply("Functions", items)
}

/// Lists `$LATEST` and the published versions, each under its qualified ARN, with keys that ascend.
pub(crate) fn every_version(home: &Home, function: &Function) -> Vec<(String, Value)> {
    let numbered = function
        .versions
        .iter()
        .map(|(number, version)| (*number, version));
    let all = std::iter::once((0, &function.latest)).chain(numbered);
    all.map(|(number, version)| {
        let arn = home.qualified_arn(&function.name, &version.version);
        // No name has a byte below `-`, so a space keeps a function's versions before the next
        // function.
        (
            format!("{} {number:020}", function.name),
            describe::listed(function, version, &arn),
        )
    })
    .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Revision {
    revision_id: Option<String>,
}

pub(crate) fn update_configuration(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let revision: Revision = call.input()?;
    let settings: ConfigurationChange = call.input()?;
    let wanted = call.plain_function(&lambda.home)?;
    refuse_qualifier(&wanted)?;
    let mut found = Violations::default();
    settings.violations(&mut found);
    found.into_result()?;
    let mut records = lambda.store.change();
    records.function(&lambda.home, &wanted)?;
    let layers = settings.check(&lambda.home, &records)?;
    let function = records.function(&lambda.home, &wanted)?;
    begin_update(&lambda.home, function, revision.revision_id.as_deref())?;
    let mut configured = function.latest.configuration.clone();
    settings.apply(&mut configured, layers);
    configuration::check_unzipped(function.latest.code.unzipped, &configured.layers)?;
    let code = function.latest.code.clone();
    function.latest.update(configured, code);
    let arn = lambda.home.function_arn(&function.name);
    Ok(Reply::ok(describe::configuration(
        &lambda.home,
        function,
        &function.latest,
        &arn,
    )))
}

/// Refuses an update while another is running, or one that was meant for another revision.
pub(crate) fn begin_update(
    home: &Home,
    function: &mut Function,
    revision: Option<&str>,
) -> ApiResult<()> {
    function.latest.settle_if_due();
    match function.latest.phase {
        Phase::Ready => {}
        Phase::Creating(_) => {
            return Err(ApiError::conflict(
                "The operation cannot be performed at this time. The function is currently in the following state: Pending",
            ));
        }
        Phase::Updating(_) => {
            return Err(ApiError::conflict(format!(
                "The operation cannot be performed at this time. An update is in progress for resource: {}",
                home.function_arn(&function.name)
            )));
        }
    }
    check_revision(
        revision,
        &function.latest.revision_id,
        "GetFunction/GetAlias",
    )
}

pub(crate) fn check_revision(given: Option<&str>, current: &str, call: &str) -> ApiResult<()> {
    if given.is_some_and(|given| given != current) {
        return Err(ApiError::precondition(call));
    }
    Ok(())
}

/// Refuses a version or alias where only the function itself can be meant.
pub(crate) fn refuse_qualifier(wanted: &FunctionRef) -> ApiResult<()> {
    match wanted.qualifier.as_deref() {
        None | Some(LATEST) => Ok(()),
        Some(_) => Err(functions_only()),
    }
}

pub(crate) fn functions_only() -> ApiError {
    ApiError::invalid(
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please \
         specify either a function name or an unqualified function ARN.",
    )
}

pub(crate) fn delete(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let wanted = call.function(&lambda.home)?;
    if wanted.qualifier.as_deref() == Some(LATEST) {
        return Err(ApiError::invalid(
            "$LATEST version cannot be deleted without deleting the function.",
        ));
    }
    let number = wanted.qualifier.as_deref().map(str::parse::<u64>);
    let alias = wanted
        .qualifier
        .as_deref()
        .is_some_and(names::is_plain_name)
        && matches!(number, Some(Err(_)));
    if alias {
        return Err(ApiError::invalid(
            "Deletion of aliases is not currently supported.",
        ));
    }
    let unqualified = FunctionRef {
        name: wanted.name,
        qualifier: None,
    };
    let mut records = lambda.store.change();
    let function = records.function(&lambda.home, &unqualified)?;
    match number {
        Some(Ok(number)) => delete_version(function, number)?,
        Some(Err(_)) => return Err(ApiError::function_not_found(&unqualified.arn(&lambda.home))),
        None => {
            records.functions.remove(&unqualified.name);
            drop(records);
            lambda.forget(&unqualified.name);
        }
    }
    Ok(Reply::no_content())
}

fn delete_version(function: &mut Function, number: u64) -> ApiResult<()> {
    let text = number.to_string();
    let uses = |alias: &&super::super::function::Alias| {
        alias.version == text
            || alias
                .additional
                .as_ref()
                .is_some_and(|(version, _)| *version == text)
    };
    let aliases: Vec<&str> = function
        .aliases
        .values()
        .filter(uses)
        .map(|alias| alias.name.as_str())
        .collect();
    if !aliases.is_empty() {
        return Err(ApiError::conflict(format!(
            "Unable to delete version because the following aliases reference it: [{}]",
            aliases.join(", ")
        )));
    }
    function.versions.remove(&number);
    function.policies.remove(&text);
    function.event_invoke.remove(&text);
    Ok(())
}
