//! `darkroom doctor --target aws`: whose account it is, which operations are allowed, and the
//! account's limits. Changes nothing.
//!
//! It asks IAM's policy simulator for permissions. If it may not, it tries read-only calls instead,
//! and says that write calls were not tried.

use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::operation::simulate_principal_policy::SimulatePrincipalPolicyError;
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, EvaluationResult};
use aws_sdk_lambda::types::AccountLimit;
use darkroom_core::capability::NEW_ACCOUNT_MEMORY_MB;
use miette::Diagnostic;

use super::doctor::{Check, CheckState, Told};
use crate::account::{self, Caller};
use crate::advice;
use crate::deploy::Clients;
use crate::display;
use crate::error_text;
use crate::exit::Failure;
use crate::permissions::{On, PERMISSIONS, Permission, Scope};
use crate::target::{self, aws_configuration};

/// Below this, an account has what AWS gives new ones. Source: Lambda developer guide, "Lambda
/// quotas".
const USUAL_CONCURRENCY: i32 = 1000;
/// Share of the code storage from which on it is said.
const NEARLY_FULL: f64 = 0.9;

/// Looks at the account; blocking.
///
/// `experiment` is whose things are asked about: a policy may be for one alone.
pub async fn checks(region: &str, experiment: &str, told: &mut Told) -> Result<(), Failure> {
    let config = aws_configuration(region).await;
    if let Some(endpoint) = target::endpoint(&config) {
        let found =
            format!("{endpoint} stands in for AWS; its results are never labelled as AWS's");
        let mend = "unset AWS_ENDPOINT_URL (and endpoint_url in ~/.aws/config) to reach AWS itself";
        told.end(check("endpoint", CheckState::Limited, found, Some(mend)))?;
    }
    told.waits_for("finding credentials and asking STS for their account");
    let caller = match account::caller(&config).await {
        Ok(caller) => caller,
        Err(error) => {
            let mend = error.help().map(|help| help.to_string());
            return told.end(Check {
                mend,
                ..check("credentials", CheckState::Missing, error.to_string(), None)
            });
        }
    };
    told.end(credentials(&caller))?;
    told.end(region_check(region))?;
    let clients = Clients::new(&config);
    let role = std::env::var(target::ROLE_VARIABLE)
        .ok()
        .filter(|role| !role.is_empty());
    let question = Question {
        caller: &caller,
        region,
        experiment,
        role: role.as_deref(),
    };
    told.waits_for("asking IAM which operations are allowed");
    told.end(permissions(&clients, &question).await)?;
    told.waits_for("asking Lambda for the account's quotas");
    quotas(&clients, region)
        .await
        .into_iter()
        .try_for_each(|check| told.end(check))?;
    told.end(check(
        "runtimes",
        CheckState::Ok,
        "python3.13 by default, python3.14 and provided.al2023 by `runtime` in variant.toml, on \
         x86_64 and arm64; AWS has no call that lists a region's runtimes, so a refused one \
         shows only when deploying"
            .to_owned(),
        None,
    ))
}

fn check(name: &str, state: CheckState, found: String, mend: Option<&str>) -> Check {
    Check {
        name: name.to_owned(),
        state,
        found,
        details: Vec::new(),
        mend: mend.map(str::to_owned),
    }
}

fn credentials(caller: &Caller) -> Check {
    let ends = caller
        .expires
        .and_then(|end| jiff::Timestamp::try_from(end).ok());
    let ends = ends
        .map(|end| format!(", until {}", end.strftime("%Y-%m-%d %H:%M UTC")))
        .unwrap_or_default();
    let found = format!(
        "{} in account {}, from {}{ends}",
        caller.arn, caller.account_id, caller.source
    );
    if caller.arn.ends_with(":root") {
        let mend = "create a user or role with the policy that `darkroom iam-policy person` \
            prints, and use that";
        return check(
            "credentials",
            CheckState::Limited,
            format!("{found}; the root user may do everything"),
            Some(mend),
        );
    }
    check("credentials", CheckState::Ok, found, None)
}

fn region_check(region: &str) -> Check {
    match target::other_region(region) {
        None => check("region", CheckState::Ok, region.to_owned(), None),
        Some(note) => check(
            "region",
            CheckState::Limited,
            note,
            Some("set [target] region in the manifest, or use --region"),
        ),
    }
}

/// Who asks to do what.
struct Question<'a> {
    caller: &'a Caller,
    region: &'a str,
    experiment: &'a str,
    /// The functions' role, where the user names one: none is made, and none of the calls that make
    /// and remove it.
    role: Option<&'a str>,
}

impl Question<'_> {
    /// Returns the operations that are called.
    fn operations(&self) -> impl Iterator<Item = &'static Permission> {
        let makes_roles = self.role.is_none();
        PERMISSIONS.iter().filter(move |permission| {
            let of_roles = matches!(
                permission.on,
                On::Roles | On::NewRoles | On::RoleTags | On::RolePolicies | On::TaggedRoles
            ) || permission.operation == "iam:ListRoles";
            makes_roles || !of_roles
        })
    }
}

async fn permissions(clients: &Clients, question: &Question<'_>) -> Check {
    let mut said = Said::default();
    let mut kinds: Vec<On> = question
        .operations()
        .map(|permission| permission.on)
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    let source = policy_source(clients, &question.caller.arn).await;
    for on in kinds {
        if let Err(why) = simulated(clients, question, source.as_deref(), on, &mut said).await {
            return tried(clients, question, &why).await;
        }
    }
    let Said {
        mut denied,
        unanswered,
        ..
    } = said;
    denied.sort();
    denied.dedup();
    let unknown = display::count(unanswered.len() as u64, "action");
    let (state, found, mend) = match (denied.len(), unanswered.len()) {
        (0, 0) => {
            let all = question.operations().count();
            let found = format!("IAM's simulator allows all {all} operations that Darkroom calls");
            return check("permissions", CheckState::Ok, found, None);
        }
        (0, _) => {
            let found = format!("IAM's simulator denies none, but gives no answer for {unknown}");
            (CheckState::Limited, found, MEND_UNANSWERED)
        }
        (count, others) => {
            let denies = display::count(count as u64, "action");
            let found = if others == 0 {
                format!("IAM's simulator denies {denies}")
            } else {
                format!("IAM's simulator denies {denies}, and gives no answer for {unknown}")
            };
            (CheckState::Missing, found, MEND_PERMISSIONS)
        }
    };
    Check {
        details: denied.into_iter().chain(unanswered).collect(),
        ..check("permissions", state, found, Some(mend))
    }
}

/// What the simulator said so far.
#[derive(Default)]
struct Said {
    /// What is denied, on what, and how.
    denied: Vec<String>,
    /// What it could not answer, and why.
    unanswered: Vec<String>,
    /// It has answered some question.
    any: bool,
}

const MEND_UNANSWERED: &str = "compare these with the policy that `darkroom iam-policy person` \
    prints: a question without an answer is no missing permission";

const MEND_PERMISSIONS: &str = "ask an administrator to attach the policy that `darkroom \
    iam-policy person` prints; docs/aws.md has the commands";

/// Asks IAM's simulator about the actions of one kind: together, and one by one where it refuses to
/// answer for all of them. An error means that it may not be asked, or answers nothing.
async fn simulated(
    clients: &Clients,
    question: &Question<'_>,
    source: Option<&str>,
    on: On,
    said: &mut Said,
) -> Result<(), String> {
    let source = source.ok_or("the caller has no policies to simulate")?;
    let mut actions: Vec<&str> = question
        .operations()
        .filter(|permission| permission.on == on)
        .flat_map(|permission| permission.actions)
        .copied()
        .collect();
    actions.sort_unstable();
    actions.dedup();
    let together = asked(clients, question, source, on, &actions).await;
    let error = match together {
        Ok(results) if !results.is_empty() => {
            said.any = true;
            for result in &results {
                take(result, said);
            }
            return Ok(());
        }
        Ok(_) => return Err("it gave no result".to_owned()),
        Err(error) if !is_of_question(&error) => return Err(error_text::error_message(&error)),
        Err(error) => error_text::error_message(&error),
    };
    for action in &actions {
        match asked(clients, question, source, on, &[action]).await {
            Ok(results) => {
                said.any |= !results.is_empty();
                for result in &results {
                    take(result, said);
                }
            }
            Err(error) => {
                let why = error_text::error_message(&error);
                said.unanswered.push(format!("{action}: no answer: {why}"));
            }
        }
    }
    if said.any { Ok(()) } else { Err(error) }
}

/// Says whether the simulator refused the question, and not who asked. Sources: API reference,
/// errors of `SimulatePrincipalPolicy`; for actions that "require different authorization
/// information" the report of an audit.
fn is_of_question(error: &SdkError<SimulatePrincipalPolicyError>) -> bool {
    matches!(
        error.code(),
        Some("InvalidInput" | "PolicyEvaluation" | "ValidationError")
    )
}

/// Takes one result. One that lacks what a condition of a policy asks for is no answer.
fn take(result: &EvaluationResult, said: &mut Said) {
    let decision = result.eval_decision().as_str();
    if decision == "allowed" {
        return;
    }
    let on = result.eval_resource_name().unwrap_or("*");
    let action = result.eval_action_name();
    let missing = result.missing_context_values();
    if missing.is_empty() {
        said.denied.push(format!("{action} on {on}: {decision}"));
    } else {
        let missing = missing.join(", ");
        let why = format!("a policy depends on {missing}, which only a real call has");
        said.unanswered
            .push(format!("{action} on {on}: no answer: {why}"));
    }
}

/// Asks about these actions, to the last page.
async fn asked(
    clients: &Clients,
    question: &Question<'_>,
    source: &str,
    on: On,
    actions: &[&str],
) -> Result<Vec<EvaluationResult>, SdkError<SimulatePrincipalPolicyError>> {
    let Question {
        caller,
        region,
        experiment,
        role,
    } = *question;
    let scope = Scope {
        partition: caller.partition(),
        account: &caller.account_id,
        region,
        experiment,
    };
    let resources = role
        .filter(|_| on == On::PassedRole)
        .map_or_else(|| scope.resources(on), |role| vec![role.to_owned()]);
    let context = |key: &str, value: &str| {
        let entry = ContextEntry::builder()
            .context_key_name(key)
            .context_key_values(value);
        entry.context_key_type(ContextKeyTypeEnum::String).build()
    };
    let names = actions.iter().map(|action| (*action).to_owned()).collect();
    let asked = clients
        .iam
        .simulate_principal_policy()
        .policy_source_arn(source)
        .set_action_names(Some(names))
        .set_resource_arns(Some(resources))
        .context_entries(context("iam:PassedToService", "lambda.amazonaws.com"))
        .context_entries(context("aws:ResourceTag/darkroom:experiment", experiment))
        .context_entries(context("aws:RequestTag/darkroom:experiment", experiment));
    let asked = match target::boundary_arn() {
        Some(arn) => asked.context_entries(context("iam:PermissionsBoundary", &arn)),
        None => asked,
    };
    let mut pages = asked.into_paginator().send();
    let mut results = Vec::new();
    while let Some(page) = pages.next().await {
        results.extend(page?.evaluation_results.unwrap_or_default());
    }
    Ok(results)
}

/// Returns the user or role whose policies decide; a session is its role's. Its ARN leaves the
/// role's path out, which IAM knows: roles of Identity Center have one.
async fn policy_source(clients: &Clients, arn: &str) -> Option<String> {
    let source = source_without_path(arn)?;
    let Some((_, role)) = source.split_once(":role/").filter(|_| source != arn) else {
        return Some(source);
    };
    let found = clients.iam.get_role().role_name(role).send().await;
    let found = found
        .ok()
        .and_then(|found| Some(found.role()?.arn().to_owned()));
    Some(found.unwrap_or(source))
}

fn source_without_path(arn: &str) -> Option<String> {
    let mut parts = arn.splitn(6, ':');
    let (partition, service, account, resource) =
        (parts.nth(1)?, parts.next()?, parts.nth(1)?, parts.next()?);
    match (service, resource.split('/').collect::<Vec<_>>().as_slice()) {
        ("sts", ["assumed-role", role, ..]) => {
            Some(format!("arn:{partition}:iam::{account}:role/{role}"))
        }
        ("iam", ["user" | "role", ..]) => Some(arn.to_owned()),
        _ => None,
    }
}

/// Tries a call of every service that only reads, because the simulator can't be asked.
async fn tried(clients: &Clients, question: &Question<'_>, why: &str) -> Check {
    let mut refused = Vec::new();
    let mut note = |name: &str, answer: Result<(), String>| {
        refused.extend(answer.err().map(|why| format!("{name}: {why}")));
    };
    note(
        "lambda:ListFunctions",
        done(clients.lambda.list_functions().max_items(1).send().await),
    );
    note(
        "lambda:ListLayers",
        done(clients.lambda.list_layers().max_items(1).send().await),
    );
    note(
        "s3:ListBuckets",
        done(clients.s3.list_buckets().max_buckets(1).send().await),
    );
    note(
        "logs:DescribeLogGroups",
        done(clients.logs.describe_log_groups().limit(1).send().await),
    );
    let calls = if question.role.is_some() { 4 } else { 5 };
    if question.role.is_none() {
        note(
            "iam:ListRoles",
            done(clients.iam.list_roles().max_items(1).send().await),
        );
    }
    if refused.is_empty() {
        let found = format!("read calls are allowed; write calls were not tried ({why})");
        return check(
            "permissions",
            CheckState::Limited,
            found,
            Some(MEND_SIMULATOR),
        );
    }
    let found = format!("{} of {calls} read-only calls are refused", refused.len());
    Check {
        details: refused,
        ..check(
            "permissions",
            CheckState::Missing,
            found,
            Some(MEND_PERMISSIONS),
        )
    }
}

const MEND_SIMULATOR: &str = "allow iam:SimulatePrincipalPolicy to check all of them, or compare \
    with what `darkroom iam-policy person` prints";

async fn quotas(clients: &Clients, region: &str) -> Vec<Check> {
    let settings = match clients.lambda.get_account_settings().send().await {
        Ok(settings) => settings,
        Err(error) => {
            let found = format!("not known: {}", error_text::error_message(&error));
            return vec![check(
                "quotas",
                CheckState::Missing,
                found,
                Some(MEND_PERMISSIONS),
            )];
        }
    };
    let (limit, usage) = (settings.account_limit(), settings.account_usage());
    let whole = limit.map_or(
        0,
        aws_sdk_lambda::types::AccountLimit::concurrent_executions,
    );
    let free = limit
        .and_then(AccountLimit::unreserved_concurrent_executions)
        .unwrap_or(whole);
    let total = limit.map_or(0, aws_sdk_lambda::types::AccountLimit::total_code_size);
    let used = usage.map_or(0, aws_sdk_lambda::types::AccountUsage::total_code_size);
    vec![
        concurrency(free),
        memory(whole),
        storage(used, total, region),
    ]
}

fn concurrency(free: i32) -> Check {
    if free >= USUAL_CONCURRENCY {
        return check(
            "concurrency",
            CheckState::Ok,
            format!("{free} concurrent executions"),
            None,
        );
    }
    let found = format!(
        "{free} concurrent executions: cells that need more are refused before anything is deployed"
    );
    let mend = "ask for more in Service Quotas, AWS Lambda, Concurrent executions (new accounts \
        have 10)";
    check("concurrency", CheckState::Limited, found, Some(mend))
}

/// An account that runs less at once than is usual is likely a new one.
fn memory(whole_concurrency: i32) -> Check {
    let note = format!(
        "not checked: new accounts refuse functions above {NEW_ACCOUNT_MEMORY_MB} MB, and AWS \
         has no call that tells"
    );
    if whole_concurrency >= USUAL_CONCURRENCY {
        return check("memory", CheckState::Ok, note, None);
    }
    let found = format!("{note}; {whole_concurrency} concurrent executions suggest a new account");
    let mend = format!(
        "keep [matrix] memory_mb at {NEW_ACCOUNT_MEMORY_MB} or below, or ask AWS support for more"
    );
    check("memory", CheckState::Limited, found, Some(&mend))
}

fn storage(used: i64, total: i64, region: &str) -> Check {
    let gb = |bytes: i64| bytes as f64 / 1e9;
    let found = format!(
        "{:.2} of {:.0} GB of code storage used",
        gb(used),
        gb(total)
    );
    if total > 0 && used as f64 >= NEARLY_FULL * total as f64 {
        let mend = format!(
            "remove old functions and layers: {}",
            advice::clean(None, region)
        );
        return check("code storage", CheckState::Limited, found, Some(&mend));
    }
    check("code storage", CheckState::Ok, found, None)
}

fn done<T, E, R>(sent: Result<T, SdkError<E, R>>) -> Result<(), String>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    sent.map(|_| ())
        .map_err(|error| error_text::error_message(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sessions_policies_are_its_roles() {
        let source = |arn: &str| source_without_path(arn);
        let session = "arn:aws:sts::123456789012:assumed-role/Research/me@example.org";
        assert_eq!(
            source(session).as_deref(),
            Some("arn:aws:iam::123456789012:role/Research")
        );
        let user = "arn:aws:iam::123456789012:user/me";
        assert_eq!(source(user).as_deref(), Some(user));
        assert_eq!(source("arn:aws:iam::123456789012:root"), None);
    }

    #[test]
    fn who_names_a_role_is_not_asked_for_what_makes_and_removes_roles() {
        let caller = Caller {
            account_id: "123456789012".into(),
            arn: "arn:aws:iam::123456789012:user/me".into(),
            source: "EnvironmentVariable".into(),
            expires: None,
        };
        let asked = |role| {
            let question = Question {
                caller: &caller,
                region: "us-east-1",
                experiment: "smoke",
                role,
            };
            question
                .operations()
                .map(|it| it.operation)
                .filter(|it| it.starts_with("iam:"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            asked(Some("arn:aws:iam::1:role/r")),
            ["iam:SimulatePrincipalPolicy", "iam:PassRole"]
        );
        assert!(asked(None).len() > 8 && asked(None).contains(&"iam:CreateRole"));
    }

    #[test]
    fn quotas_that_would_stop_a_run_are_said_with_their_mend() {
        let new_account = concurrency(10);
        assert_eq!(new_account.state, CheckState::Limited);
        assert!(
            new_account.found.starts_with("10 concurrent executions"),
            "{new_account:?}"
        );
        assert_eq!(concurrency(1000).state, CheckState::Ok);
        assert_eq!(
            (memory(10).state, memory(1000).state),
            (CheckState::Limited, CheckState::Ok)
        );
        assert!(
            memory(1000).found.contains("above 3008 MB"),
            "the note is there for everybody"
        );
        assert_eq!(
            storage(74_000_000_000, 80_530_636_800, "us-east-1").state,
            CheckState::Limited
        );
        assert_eq!(
            storage(1, 80_530_636_800, "us-east-1").state,
            CheckState::Ok
        );
    }

    #[test]
    fn the_root_user_is_warned_of() {
        let caller = Caller {
            account_id: "123456789012".into(),
            arn: "arn:aws:iam::123456789012:root".into(),
            source: "EnvironmentVariable".into(),
            expires: None,
        };
        let check = credentials(&caller);
        assert_eq!(check.state, CheckState::Limited);
        assert!(check.mend.is_some_and(|mend| mend.contains("iam-policy")));
    }
}
