//! Connects uploads to the functions that they start, and refuses connections that would loop.
//!
//! The check is pure and comes before anything is deployed; the calls come after the functions
//! exist.

use std::time::Duration;

use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, LambdaFunctionConfiguration, NotificationConfiguration,
    NotificationConfigurationFilter, S3KeyFilter,
};
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::clients::Clients;
use super::deployment::DeployedFunction;
use super::desired::Have;
use super::error::DeployError;
use super::names;
use super::observe::call;
use super::patience::{is_there, patiently};
use super::wanted::{DeploySettings, WantedFunction};

/// Age at which Lambda gives up a delivery, s; the least that it takes. Its default is six hours.
const OLDEST_DELIVERY_S: i32 = 60;
/// How long the tags of a new function may be unknown where a policy asks for them (from memory:
/// seconds).
const TAGS_SETTLE: Duration = Duration::from_secs(20);
const TAGS_PAUSE: Duration = Duration::from_secs(2);
/// Functions connected at once.
const AT_ONCE: usize = 8;
/// Begins the name of our statement in a function's policy. The bucket's name follows: a function can
/// be older than the bucket, and then has a statement for the one before.
const STATEMENT: &str = "darkroom-s3";

/// Notification rules of one bucket. Source: S3 user guide, quotas (from memory).
const MOST_RULES: usize = 100;

/// What starts a function and where it writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    pub function: String,
    /// `None` when only the runner calls it.
    pub triggered_by: Option<String>,
    pub writes: String,
}

/// Returns what starts what among the wanted functions.
pub fn hooks(settings: &DeploySettings, want: &[WantedFunction]) -> Vec<Hook> {
    let hook = |wanted: &WantedFunction| Hook {
        function: names::function(&settings.experiment, &wanted.key),
        triggered_by: wanted.triggered_by.clone(),
        writes: names::output_prefix(&wanted.key),
    };
    want.iter().map(hook).collect()
}

/// Refuses prefixes that overlap, functions that would start one another in a circle, and functions
/// that the runner calls but whose outputs would start another.
pub fn refuse_loops(hooks: &[Hook]) -> Result<(), DeployError> {
    let refuse = |problem: String| Err(DeployError::Triggers { problem });
    let triggered: Vec<(&Hook, &str)> = hooks
        .iter()
        .filter_map(|hook| Some((hook, hook.triggered_by.as_deref()?)))
        .collect();
    if triggered.len() > MOST_RULES {
        return refuse(format!(
            "{} functions are started by objects of one bucket, but S3 allows {MOST_RULES} rules \
             per bucket; split the experiment",
            triggered.len()
        ));
    }
    for (index, (hook, prefix)) in triggered.iter().enumerate() {
        if let Some((other, theirs)) = triggered[..index]
            .iter()
            .find(|(_, theirs)| meet(prefix, theirs))
        {
            let (one, two) = (&hook.function, &other.function);
            return refuse(format!(
                "{one} starts at `{prefix}` and {two} at `{theirs}`, and one key can match both"
            ));
        }
    }
    for hook in hooks.iter().filter(|hook| hook.triggered_by.is_none()) {
        if let Some((other, prefix)) = triggered
            .iter()
            .find(|(_, prefix)| meet(&hook.writes, prefix))
        {
            let (one, two) = (&hook.function, &other.function);
            return refuse(format!(
                "what {one} writes under `{}` would start {two} at `{prefix}`",
                hook.writes
            ));
        }
    }
    // Whatever starts nothing that is left, or is started by nothing that is left, is in no circle.
    let mut left = triggered;
    loop {
        let before = left.len();
        let starts_one = |hook: &Hook| left.iter().any(|(_, prefix)| meet(&hook.writes, prefix));
        let started = |prefix: &str| left.iter().any(|(hook, _)| meet(&hook.writes, prefix));
        left = left
            .iter()
            .copied()
            .filter(|(hook, prefix)| starts_one(hook) && started(prefix))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        if left.len() == before {
            let names: Vec<&str> = left
                .iter()
                .map(|(hook, _)| hook.function.as_str())
                .collect();
            return refuse(format!(
                "what these functions write would start them again: {}",
                names.join(", ")
            ));
        }
    }
}

/// Returns whether one key can begin with both.
fn meet(a: &str, b: &str) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

/// Lets the bucket start every function that is triggered, as one notification configuration.
///
/// An earlier configuration of the bucket, which is the experiment's own, is replaced if it
/// differs. Each function is told not to run an event again that failed: a run of its own accord
/// minutes later would fall into another pass.
pub async fn connect(
    clients: &Clients,
    settings: &DeploySettings,
    bucket: &str,
    functions: impl Iterator<Item = &DeployedFunction>,
) -> Result<(), DeployError> {
    let triggered: Vec<(&DeployedFunction, &str)> = functions
        .filter_map(|function| Some((function, function.triggered_by.as_deref()?)))
        .collect();
    if triggered.is_empty() {
        return Ok(());
    }
    let permitted = stream::iter(&triggered)
        .map(|(function, _)| permit(clients, settings, bucket, function))
        .buffer_unordered(AT_ONCE);
    permitted.try_collect::<()>().await?;
    let wanted: Vec<LambdaFunctionConfiguration> = triggered
        .iter()
        .map(|(function, prefix)| rule(bucket, function, prefix))
        .collect::<Result<_, _>>()?;
    let resource = || format!("the notifications of bucket {bucket}");
    match clients
        .s3
        .get_bucket_notification_configuration()
        .bucket(bucket)
        .send()
        .await
    {
        Ok(found) if same(found.lambda_function_configurations(), &wanted) => return Ok(()),
        Err(error) if error.code().is_some() => return Err(call("reading", resource(), &error)),
        // Other rules, or an answer that can't be understood (moto's has another root element): the
        // bucket is ours, and to put there what is there already changes nothing.
        Ok(_) | Err(_) => {}
    }
    let configuration = NotificationConfiguration::builder()
        .set_lambda_function_configurations(Some(wanted))
        .build();
    // S3 asks Lambda whether it may start the functions, and the permissions are seconds old.
    patiently("change", resource, async || {
        let put = clients
            .s3
            .put_bucket_notification_configuration()
            .bucket(bucket);
        put.notification_configuration(configuration.clone())
            .send()
            .await
    })
    .await
    .map(|_| ())
}

/// Lets functions run again that a session stopped because they started themselves, and did not
/// live to free.
pub async fn free(clients: &Clients, have: &Have) -> Result<(), DeployError> {
    for name in have
        .functions
        .iter()
        .filter(|(_, function)| function.stopped)
        .map(|(name, _)| name)
    {
        let removed = clients
            .lambda
            .delete_function_concurrency()
            .function_name(name)
            .send()
            .await;
        removed.map_err(|error| {
            call(
                "removal of the reserved concurrency",
                format!("function {name}"),
                &error,
            )
        })?;
    }
    Ok(())
}

async fn permit(
    clients: &Clients,
    settings: &DeploySettings,
    bucket: &str,
    function: &DeployedFunction,
) -> Result<(), DeployError> {
    let resource = || format!("function {}", function.name);
    let permit = async || {
        let permission = clients
            .lambda
            .add_permission()
            .function_name(&function.name)
            .set_qualifier(function.qualifier.map(str::to_owned))
            .statement_id(format!("{STATEMENT}-{bucket}"));
        let permission = permission
            .action("lambda:InvokeFunction")
            .principal("s3.amazonaws.com")
            .source_arn(format!("arn:{}:s3:::{bucket}", settings.partition))
            .source_account(&settings.account_id);
        match permission.send().await {
            // The statement is there already; what it says never changes for a function and a bucket.
            // The same code says that something else changes the function's policy, which passes.
            Err(error) if is_there(error.code(), error.message()) => Ok(()),
            sent => sent.map(|_| ()),
        }
    };
    while_tags_settle(async || patiently("permission for S3", resource, permit).await).await?;
    let once = clients
        .lambda
        .put_function_event_invoke_config()
        .function_name(&function.name)
        .set_qualifier(function.qualifier.map(str::to_owned));
    // A delivery that was throttled for so long belongs to no pass any more.
    let once = once
        .maximum_retry_attempts(0)
        .maximum_event_age_in_seconds(OLDEST_DELIVERY_S);
    let configure = async || {
        let sent = once.clone().send().await;
        sent.map(|_| ())
            .map_err(|error| call("asynchronous configuration", resource(), &error))
    };
    while_tags_settle(configure).await
}

/// Repeats a call that the printed policy allows for functions with our tag only: a function that
/// was just made may not be known to have it.
async fn while_tags_settle(
    attempt: impl AsyncFn() -> Result<(), DeployError>,
) -> Result<(), DeployError> {
    let deadline = Instant::now() + TAGS_SETTLE;
    loop {
        match attempt().await {
            Err(DeployError::Call { reason, .. })
                if reason.contains("AccessDenied") && Instant::now() < deadline =>
            {
                tokio::time::sleep(TAGS_PAUSE).await;
            }
            done => return done,
        }
    }
}

fn rule(
    bucket: &str,
    function: &DeployedFunction,
    prefix: &str,
) -> Result<LambdaFunctionConfiguration, DeployError> {
    let filter = FilterRule::builder()
        .name(FilterRuleName::Prefix)
        .value(prefix)
        .build();
    let filter = S3KeyFilter::builder().filter_rules(filter).build();
    LambdaFunctionConfiguration::builder()
        .id(&function.name)
        .lambda_function_arn(&function.arn)
        .events(Event::from("s3:ObjectCreated:*"))
        .filter(
            NotificationConfigurationFilter::builder()
                .key(filter)
                .build(),
        )
        .build()
        .map_err(|error| DeployError::Call {
            operation: "change",
            resource: format!("the notifications of bucket {bucket}"),
            reason: error.to_string(),
            help: None,
        })
}

/// Returns whether both hold the same rules, in whatever order.
fn same(found: &[LambdaFunctionConfiguration], wanted: &[LambdaFunctionConfiguration]) -> bool {
    let facts = |rule: &LambdaFunctionConfiguration| {
        let filters = rule
            .filter()
            .and_then(|filter| filter.key())
            .map(S3KeyFilter::filter_rules)
            .unwrap_or_default();
        let filters: Vec<_> = filters
            .iter()
            .map(|rule| {
                let name = rule.name().map(|name| name.as_str().to_ascii_lowercase());
                (name, rule.value().map(str::to_owned))
            })
            .collect();
        (
            rule.lambda_function_arn().to_owned(),
            rule.events().to_vec(),
            filters,
        )
    };
    let sorted = |rules: &[LambdaFunctionConfiguration]| {
        let mut rules: Vec<_> = rules.iter().map(facts).collect();
        rules.sort_by(|a, b| a.0.cmp(&b.0));
        rules
    };
    sorted(found) == sorted(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(function: &str, triggered_by: Option<&str>, writes: &str) -> Hook {
        Hook {
            function: function.into(),
            triggered_by: triggered_by.map(str::to_owned),
            writes: writes.into(),
        }
    }

    fn problem(hooks: &[Hook]) -> String {
        match refuse_loops(hooks) {
            Err(DeployError::Triggers { problem }) => problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_chain_beside_functions_that_the_runner_calls_is_fine() {
        let chain = [
            hook("a", Some("upload/g/"), "g/a/"),
            hook("b", Some("g/a/"), "g/b/"),
            hook("c", Some("g/b/"), "g/c/"),
            hook("direct", None, "h/a/"),
        ];
        assert!(refuse_loops(&chain).is_ok());
    }

    #[test]
    fn prefixes_within_each_other_are_refused() {
        let problem = problem(&[hook("a", Some("in/"), "x/"), hook("b", Some("in/b/"), "y/")]);
        assert!(
            problem.contains("b starts at `in/b/` and a at `in/`"),
            "{problem}"
        );
    }

    #[test]
    fn a_function_that_would_start_itself_is_refused() {
        let problem = problem(&[hook("a", Some("in/"), "in/small/")]);
        assert!(problem.contains("start them again: a"), "{problem}");
    }

    #[test]
    fn a_circle_of_several_is_refused_and_only_its_members_are_named() {
        let circle = [
            hook("before", Some("upload/"), "a/"),
            hook("a", Some("a/"), "b/"),
            hook("b", Some("b/"), "a/again/"),
            hook("apart", Some("c/"), "d/"),
        ];
        let problem = problem(&circle);
        assert!(problem.ends_with(": a, b"), "{problem}");
    }

    #[test]
    fn outputs_of_direct_calls_must_start_nothing() {
        let problem = problem(&[hook("a", Some("in/"), "x/"), hook("direct", None, "in/")]);
        assert!(
            problem.contains("what direct writes under `in/` would start a"),
            "{problem}"
        );
    }
}
