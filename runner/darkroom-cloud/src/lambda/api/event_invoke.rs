//! Settings of asynchronous invocations: retries, age, destinations.

use super::super::Lambda;
use super::super::error::{ApiError, ApiResult};
use super::super::function::EventInvokeConfig;
use super::super::limits;
use super::super::names::{self, FunctionRef, LATEST};
use super::super::store::Records;
use super::super::validate::Violations;
use super::call::{Call, Reply};
use super::describe;
use serde::Deserialize;

const DESTINATION_PATTERN: &str = r"$|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    maximum_retry_attempts: Option<i64>,
    maximum_event_age_in_seconds: Option<i64>,
    destination_config: Option<DestinationConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DestinationConfig {
    on_success: Option<Destination>,
    on_failure: Option<Destination>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    destination: Option<String>,
}

impl DestinationConfig {
    fn success(&self) -> Option<&str> {
        self.on_success
            .as_ref()?
            .destination
            .as_deref()
            .filter(|arn| !arn.is_empty())
    }

    fn failure(&self) -> Option<&str> {
        self.on_failure
            .as_ref()?
            .destination
            .as_deref()
            .filter(|arn| !arn.is_empty())
    }

    /// Returns it as AWS prints it in its error.
    fn printed(&self) -> String {
        let side = |name: &str, side: &Option<Destination>| match side {
            Some(one) => format!(
                "{name}(destination={})",
                one.destination.as_deref().unwrap_or("null")
            ),
            None => "null".to_owned(),
        };
        format!(
            "DestinationConfig(onSuccess={}, onFailure={})",
            side("OnSuccess", &self.on_success),
            side("OnFailure", &self.on_failure)
        )
    }
}

impl Input {
    fn check(&self) -> ApiResult<()> {
        let mut found = Violations::default();
        found.range(
            "maximumRetryAttempts",
            self.maximum_retry_attempts,
            &limits::RETRIES,
        );
        found.range(
            "maximumEventAgeInSeconds",
            self.maximum_event_age_in_seconds,
            &limits::EVENT_AGE_S,
        );
        if let Some(config) = &self.destination_config {
            for (field, arn) in [
                ("onSuccess", config.success()),
                ("onFailure", config.failure()),
            ] {
                if let Some(arn) = arn.filter(|arn| !is_destination(arn)) {
                    found.pattern(
                        &format!("destinationConfig.{field}.destination"),
                        arn,
                        DESTINATION_PATTERN,
                    );
                }
            }
        }
        found.into_result()?;
        let nothing = self.maximum_retry_attempts.is_none()
            && self.maximum_event_age_in_seconds.is_none()
            && self.destination_config.is_none();
        if nothing {
            return Err(ApiError::invalid(
                "You must specify at least one of error handling or destination setting.",
            ));
        }
        Ok(())
    }

    fn check_destinations(
        &self,
        lambda: &Lambda,
        records: &Records,
        function: &str,
    ) -> ApiResult<()> {
        let Some(config) = &self.destination_config else {
            return Ok(());
        };
        for arn in [config.success(), config.failure()].into_iter().flatten() {
            let service = arn.split(':').nth(2).unwrap_or_default();
            if !matches!(service, "lambda" | "sqs" | "sns" | "events" | "s3") {
                return Err(ApiError::invalid(format!(
                    "The provided destination config {} is invalid.",
                    config.printed()
                )));
            }
            if service != "lambda" {
                continue; // kept and shown; deliveries fail and are counted, as there is no such service here
            }
            let target = names::function_arn(&lambda.home, arn);
            if target
                .as_ref()
                .is_some_and(|target| target.name == function)
            {
                return Err(ApiError::invalid(
                    "You can't specify the function as a destination for itself.",
                ));
            }
            if target.is_none_or(|target| !exists(records, &target)) {
                return Err(ApiError::invalid(format!(
                    "The destination ARN {arn} is invalid."
                )));
            }
        }
        Ok(())
    }

    fn apply(self, config: &mut EventInvokeConfig) {
        let small = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
        config.maximum_retry_attempts =
            small(self.maximum_retry_attempts).or(config.maximum_retry_attempts);
        config.maximum_event_age_s =
            small(self.maximum_event_age_in_seconds).or(config.maximum_event_age_s);
        if let Some(destinations) = self.destination_config {
            config.on_success = destinations.success().map(str::to_owned);
            config.on_failure = destinations.failure().map(str::to_owned);
        }
        config.last_modified = super::super::clock::epoch_s();
    }
}

/// The pattern above, as far as ARNs go.
fn is_destination(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, service, _region, account, _rest] = parts.as_slice() else {
        return arn.starts_with("kafka://");
    };
    partition.starts_with("aws")
        && !service.is_empty()
        && service
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && (account.is_empty() || account.len() == 12)
}

fn exists(records: &Records, wanted: &FunctionRef) -> bool {
    records
        .functions
        .get(&wanted.name)
        .is_some_and(|function| function.version(wanted.qualifier.as_deref()).is_some())
}

fn qualifier(wanted: &FunctionRef) -> &str {
    wanted.qualifier.as_deref().unwrap_or(LATEST)
}

fn not_configured(lambda: &Lambda, wanted: &FunctionRef) -> ApiError {
    let arn = wanted.arn_or_latest(&lambda.home);
    ApiError::not_found(format!(
        "The function {arn} doesn't have an EventInvokeConfig"
    ))
}

/// Replaces all settings.
pub(crate) fn put(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    change(lambda, call, |_| Ok(EventInvokeConfig::default()))
}

/// Changes the settings given and keeps the others.
pub(crate) fn update(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    change(lambda, call, |current| current.ok_or(()))
}

fn change(
    lambda: &Lambda,
    call: &Call,
    start: impl FnOnce(Option<EventInvokeConfig>) -> Result<EventInvokeConfig, ()>,
) -> ApiResult<Reply> {
    let input: Input = call.input()?;
    let wanted = call.function(&lambda.home)?;
    input.check()?;
    let mut records = lambda.store.change();
    if !exists(&records, &wanted) {
        return Err(ApiError::not_found("The function doesn't exist."));
    }
    input.check_destinations(lambda, &records, &wanted.name)?;
    let function = records.function(&lambda.home, &wanted)?;
    let key = qualifier(&wanted);
    let current = function.event_invoke.get(key).cloned();
    let mut config = start(current).map_err(|()| not_configured(lambda, &wanted))?;
    input.apply(&mut config);
    let reply = describe::event_invoke(&lambda.home, &wanted.name, key, &config);
    function.event_invoke.insert(key.to_owned(), config);
    Ok(Reply::ok(reply))
}

pub(crate) fn get(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let wanted = call.function(&lambda.home)?;
    let records = lambda.store.read();
    let key = qualifier(&wanted);
    let config = records
        .functions
        .get(&wanted.name)
        .and_then(|function| function.event_invoke.get(key));
    let config = config.ok_or_else(|| not_configured(lambda, &wanted))?;
    Ok(Reply::ok(describe::event_invoke(
        &lambda.home,
        &wanted.name,
        key,
        config,
    )))
}

pub(crate) fn delete(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let wanted = call.function(&lambda.home)?;
    let mut records = lambda.store.change();
    let function = records.functions.get_mut(&wanted.name);
    let removed = function.and_then(|function| function.event_invoke.remove(qualifier(&wanted)));
    removed.ok_or_else(|| not_configured(lambda, &wanted))?;
    Ok(Reply::no_content())
}

pub(crate) fn list(lambda: &Lambda, call: &Call) -> ApiResult<Reply> {
    let wanted = call.function(&lambda.home)?;
    let page = call.page(limits::PAGE)?;
    let records = lambda.store.read();
    let function = records.functions.get(&wanted.name);
    let function = function.ok_or_else(|| ApiError::not_found("The function doesn't exist."))?;
    let shown = |(qualifier, config): (&String, &EventInvokeConfig)| {
        (
            qualifier.clone(),
            describe::event_invoke(&lambda.home, &function.name, qualifier, config),
        )
    };
    page.reply(
        "FunctionEventInvokeConfigs",
        function.event_invoke.iter().map(shown).collect(),
    )
}
