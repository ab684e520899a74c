//! Aliases, with weights.

use super::super::Lambda;
use super::super::error::{ApiError, ApiResult};
use super::super::function::{Alias, Function, new_id};
use super::super::limits;
use super::super::names::{Home, LATEST, is_plain_name};
use super::super::validate::Violations;
use super::call::{Call, Reply};
use super::describe;
use super::functions::check_revision;
use indexmap::IndexMap;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AliasInput {
    name: Option<String>,
    function_version: Option<String>,
    description: Option<String>,
    routing_config: Option<RoutingConfig>,
    revision_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoutingConfig {
    additional_version_weights: Option<IndexMap<String, f64>>,
}

impl AliasInput {
    fn weights(&self) -> Option<&IndexMap<String, f64>> {
        self.routing_config
            .as_ref()?
            .additional_version_weights
            .as_ref()
    }

    /// Finds violations of what both operations take.
    fn violations(&self, found: &mut Violations) {
        if let Some(description) = &self.description {
            found.max_length("description", description, limits::DESCRIPTION);
        }
        if let Some(version) = &self.function_version
            && version != LATEST
            && (version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()))
        {
            found.pattern("functionVersion", version, r"(\$LATEST|[0-9]+)");
        }
        let Some(weights) = self.weights() else {
            return;
        };
        let value = format!(
            "{{{}}}",
            weights
                .iter()
                .map(|(v, w)| format!("{v}={w:?}"))
                .collect::<Vec<_>>()
                .join(", ")
        );
        let field = "routingConfig.additionalVersionWeights";
        if weights
            .keys()
            .any(|key| key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_digit()))
        {
            let keys = "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member \
                        must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]";
            found.push(field, &value, keys);
        }
        if weights.values().any(|weight| !(0.0..=1.0).contains(weight)) {
            let values = "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member \
                          must have value greater than or equal to 0.0, Member must not be null]";
            found.push(field, &value, values);
        }
    }

    /// Returns the routing that an alias to `version` may have.
    fn routing(
        &self,
        home: &Home,
        function: &Function,
        version: &str,
    ) -> ApiResult<Option<(String, f64)>> {
        let Some(weights) = self.weights().filter(|weights| !weights.is_empty()) else {
            return Ok(None);
        };
        if weights.len() > 1 {
            return Err(ApiError::invalid(
                "Number of items in AdditionalVersionWeights cannot be greater than 1",
            ));
        }
        let Some((other, weight)) = weights.first() else {
            return Ok(None);
        };
        if version == LATEST {
            return Err(ApiError::invalid_untyped(
                "$LATEST is not supported for an alias pointing to more than 1 version",
            ));
        }
        if other == version {
            return Err(ApiError::invalid(format!(
                "Invalid function version {version}. Function version {version} is already included in routing configuration."
            )));
        }
        check_version(home, function, other)?;
        Ok(Some((other.clone(), *weight)))
    }
}

fn check_version(home: &Home, function: &Function, version: &str) -> ApiResult<()> {
    let found = version == LATEST
        || version
            .parse()
            .is_ok_and(|number: u64| function.versions.contains_key(&number));
    if found {
        Ok(())
    } else {
        Err(ApiError::function_not_found(
            &home.qualified_arn(&function.name, version),
        ))
    }
}

pub(crate) fn create(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let input: AliasInput = call.input()?;
    let mut wanted = call.plain_function(&lambda.home)?;
    let mut found = Violations::default();
    let (name, version) = (
        input.name.as_deref().unwrap_or_default(),
        input.function_version.as_deref(),
    );
    if input.name.is_none() {
        found.missing("name");
    } else {
        found.max_length("name", name, limits::QUALIFIER);
        if !is_plain_name(name) || name.bytes().all(|byte| byte.is_ascii_digit()) {
            found.pattern("name", name, "(?!^[0-9]+$)([a-zA-Z0-9-_]+)");
        }
    }
    if version.is_none() {
        found.missing("functionVersion");
    }
    input.violations(&mut found);
    found.into_result()?;
    let version = version.unwrap_or_default();
    let mut records = lambda.store.change();
    // An unknown function is reported by the version that the alias would have.
    wanted.qualifier = Some(version.to_owned());
    let function = records.function(&lambda.home, &wanted)?;
    check_version(&lambda.home, function, version)?;
    let additional = input.routing(&lambda.home, function, version)?;
    if function.aliases.contains_key(name) {
        let arn = lambda.home.qualified_arn(&function.name, name);
        return Err(ApiError::conflict(format!("Alias already exists: {arn}")));
    }
    let alias = Alias {
        name: name.to_owned(),
        version: version.to_owned(),
        description: input.description.unwrap_or_default(),
        revision_id: new_id(),
        additional,
    };
    let reply = describe::alias(&lambda.home, &function.name, &alias);
    function.aliases.insert(alias.name.clone(), alias);
    Ok(Reply::created(reply))
}

pub(crate) fn get(lambda: &Lambda, call: &Call, name: &str) -> ApiResult<Reply> {
    let wanted = call.plain_function(&lambda.home)?;
    let mut records = lambda.store.read();
    let arn = lambda.home.qualified_arn(&wanted.name, name);
    let missing = || ApiError::not_found(format!("Cannot find alias arn: {arn}"));
    let function = records
        .functions
        .get_mut(&wanted.name)
        .ok_or_else(missing)?;
    let alias = function.aliases.get(name).ok_or_else(missing)?;
    Ok(Reply::ok(describe::alias(
        &lambda.home,
        &wanted.name,
        alias,
    )))
}

pub(crate) fn update(lambda: &Lambda, call: &Call, name: &str) -> ApiResult<Reply> {
    let input: AliasInput = call.input()?;
    let wanted = call.plain_function(&lambda.home)?;
    let mut found = Violations::default();
    input.violations(&mut found);
    found.into_result()?;
    let mut records = lambda.store.change();
    let arn = lambda.home.qualified_arn(&wanted.name, name);
    let missing = || ApiError::not_found(format!("Alias not found: {arn}"));
    let function = records
        .functions
        .get_mut(&wanted.name)
        .ok_or_else(missing)?;
    let alias = function.aliases.get(name).ok_or_else(missing)?.clone();
    check_revision(
        input.revision_id.as_deref(),
        &alias.revision_id,
        "GetFunction/GetAlias",
    )?;
    let version = input
        .function_version
        .clone()
        .unwrap_or_else(|| alias.version.clone());
    check_version(&lambda.home, function, &version)?;
    let additional = match input.weights() {
        Some(_) => input.routing(&lambda.home, function, &version)?,
        None => alias.additional,
    };
    let description = input.description.unwrap_or(alias.description);
    let changed = Alias {
        name: alias.name,
        version,
        description,
        revision_id: new_id(),
        additional,
    };
    let reply = describe::alias(&lambda.home, &function.name, &changed);
    function.aliases.insert(changed.name.clone(), changed);
    Ok(Reply::ok(reply))
}

/// Deletes an alias; one that isn't there is deleted already.
pub(crate) fn delete(lambda: &Lambda, call: &Call, name: &str) -> ApiResult<Reply> {
    let wanted = call.plain_function(&lambda.home)?;
    let mut records = lambda.store.change();
    let function = records.function(&lambda.home, &wanted)?;
    function.aliases.remove(name);
    function.policies.remove(name);
    function.event_invoke.remove(name);
    Ok(Reply::no_content())
}

pub(crate) fn list(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let wanted = call.plain_function(&lambda.home)?;
    let page = call.page(limits::PAGE)?;
    let mut records = lambda.store.read();
    let function = records.function(&lambda.home, &wanted)?;
    let version = call.query("FunctionVersion");
    let points = |alias: &&Alias| {
        version.is_none_or(|version| {
            alias.version == version
                || alias
                    .additional
                    .as_ref()
                    .is_some_and(|(other, _)| other == version)
        })
    };
    let shown = |alias: &Alias| {
        (
            alias.name.clone(),
            describe::alias(&lambda.home, &function.name, alias),
        )
    };
    let items = function
        .aliases
        .values()
        .filter(points)
        .map(shown)
        .collect();
    page.reply("Aliases", items)
}
