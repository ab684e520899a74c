//! `darkroom clean`: removes what runs left in a cloud, after showing it.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use darkroom_core::cost::{OF_KEEPING, PriceTable, keeping};
use darkroom_core::manifest::Cloud;
use miette::Diagnostic;

use crate::advice;
use crate::cli::{CleanArgs, Globals, TargetName};
use crate::deploy::clean::{self, Found, Left, Unneeded, Which, size};
use crate::deploy::{DeployError, UNSEEN_MINUTES, tags};
use crate::display;
use crate::display::plan::dollars;
use crate::exit::{Failure, Outcome};
use crate::project::Project;
use crate::results;
use crate::target::Target;
use crate::threads;

pub fn run(args: &CleanArgs, globals: Globals) -> Result<Outcome, Failure> {
    let root =
        Project::here().map_or_else(|_| PathBuf::from("."), |project| project.root().to_owned());
    threads::runtime()?.block_on(async {
        let cloud = match args.target {
            TargetName::Local => Cloud::Local,
            TargetName::Aws => Cloud::Aws,
        };
        let target = Target::open(cloud, &args.region, &root)
            .await
            .map_err(Failure::broken)?;
        let outcome = clean(args, globals, &target).await;
        target.close().await;
        outcome
    })
}

async fn clean(args: &CleanArgs, globals: Globals, target: &Target) -> Result<Outcome, Failure> {
    let clients = target.clients();
    let found = clean::find(&clients, &target.region, &which(args, target)).await;
    let mut found = found.map_err(|error| Failure::broken(error.in_region(&target.region)))?;
    // Whoever may not look at roles has none made: the functions have one of their own.
    let is_of_roles = |it: &DeployError| matches!(it, DeployError::RolesDenied { .. });
    let (roles, unseen): (Vec<_>, Vec<_>) = std::mem::take(&mut found.unseen)
        .into_iter()
        .partition(is_of_roles);
    let say = |text: &str| {
        if globals.quiet {
            Ok(())
        } else {
            display::answer(text)
        }
    };
    for why in roles {
        display::note(&why.to_string());
    }
    let others = left_alone(&found, args);
    if found.is_empty() && unseen.is_empty() {
        say(if others.is_empty() {
            "found nothing that Darkroom made\n"
        } else {
            "found nothing to remove\n"
        })?;
        say(&others)?;
        return Ok(Outcome::Done);
    }
    say(&found.to_string())?;
    say(&others)?;
    if target.capability.billed && !found.is_empty() {
        let project = Project::here().ok();
        let prices = project
            .map(|project| results::prices(&project, &target.region))
            .transpose()?
            .flatten();
        say(&kept(&found, &target.region, prices.as_ref()))?;
    }
    if !found.is_empty() && !args.yes && !agreed(&found, target)? {
        say("nothing was removed\n")?;
        return Ok(Outcome::Done);
    }
    let left = clean::remove(&clients, &found).await;
    if left.is_empty() && unseen.is_empty() {
        say(if others.is_empty() {
            "removed everything\n"
        } else {
            "removed everything but what was left for others\n"
        })?;
        return Ok(Outcome::Done);
    }
    Err(Failure::broken(NotClean {
        left: left.len(),
        of: found.count(),
        unseen: unseen.len(),
        again: again(args),
        errors: left
            .into_iter()
            .chain(unseen)
            .map(|error| error.in_region(&target.region))
            .collect(),
    }))
}

/// Something is left, or could not be looked for.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{left} of {of} resources could not be removed{}", if *unseen == 0 { "" } else { "; \
    some resources could not be looked up" })]
#[diagnostic(
    code(clean::left),
    help(
        "fix the errors below, then run {again}\nit finds what is left by its tags, and skips \
         what is gone"
    )
)]
struct NotClean {
    left: usize,
    of: usize,
    unseen: usize,
    again: String,
    #[related]
    errors: Vec<DeployError>,
}

/// Returns the command that continues.
fn again(args: &CleanArgs) -> String {
    let mut arguments = vec!["clean"];
    arguments.extend(args.experiment.as_deref());
    arguments.extend(args.expired.then_some("--expired"));
    arguments.extend(args.everyone.then_some("--everyone"));
    if args.target == TargetName::Aws {
        arguments.extend(["--target", "aws", "--region", &args.region]);
    }
    arguments.extend(args.yes.then_some("--yes"));
    advice::darkroom(&arguments)
}

/// Says what it costs to keep what was found.
fn kept(found: &Found, region: &str, prices: Option<&PriceTable>) -> String {
    let (stored, logged) = (found.stored_bytes(), found.logged_bytes());
    let month = prices.map(|prices| keeping(stored, logged, prices));
    let cost = |usd: Option<f64>, at_most: &str| {
        usd.map_or_else(
            || format!("price unknown for {region}"),
            |usd| format!("{at_most}{} a month", dollars(usd)),
        )
    };
    let source = prices
        .map(|prices| match prices.unconfirmed(OF_KEEPING) {
            Some(keys) => format!(" (prices of {}; unconfirmed: {keys})", prices.date),
            None => format!(" (prices of {})", prices.date),
        })
        .unwrap_or_default();
    format!(
        "If you keep it, AWS bills per month: storage of {} in S3, {}; storage of {} of logs, \
         {}{source}. Functions, layers and roles cost nothing while nobody calls them; {} of \
         code count against Lambda's code storage.\n",
        size(stored),
        cost(month.and_then(|month| month.s3), ""),
        size(logged),
        cost(month.and_then(|month| month.logs), "at most "),
        size(found.code_bytes())
    )
}

/// Says which experiments are left alone, why, and how to remove them all the same.
fn left_alone(found: &Found, args: &CleanArgs) -> String {
    let mut said = String::new();
    for (experiment, left) in &found.left {
        let count = found.spared.get(experiment).copied().unwrap_or_default();
        let resources = display::count(count as u64, "resource");
        let why = match &left.seen {
            Some(seen) => format!("a session is running (last seen {seen})"),
            None => format!("made by {}", owners(left)),
        };
        let mut clean = vec!["clean", experiment];
        if args.target == TargetName::Aws {
            clean.extend(["--target", "aws", "--region", &args.region]);
        }
        let _ = writeln!(
            said,
            "left      {experiment}  ({resources}; {why}); {} removes it",
            advice::darkroom(&clean)
        );
    }
    said
}

fn owners(left: &Left) -> String {
    let owner = |by: &String| {
        if by.is_empty() {
            "an earlier version of Darkroom".to_owned()
        } else {
            by.clone()
        }
    };
    left.by.iter().map(owner).collect::<Vec<_>>().join(", ")
}

/// Returns what is meant. What others own or use is meant only by name; on this machine nobody else
/// has anything.
fn which(args: &CleanArgs, target: &Target) -> Which {
    if let Some(name) = &args.experiment {
        return Which::Experiment(name.clone());
    }
    let now = jiff::Timestamp::now();
    let unseen = jiff::SignedDuration::from_mins(UNSEEN_MINUTES);
    let since = now - unseen;
    Which::Unneeded(Unneeded {
        by: (target.capability.billed && !args.everyone).then(|| tags::by(&target.caller.arn)),
        expired_before: args.expired.then(|| now.strftime("%Y-%m-%d").to_string()),
        running_since: (target.capability.billed)
            .then(|| since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
    })
}

/// Asks the person at the terminal; where there is none, someone must have said `--yes`.
fn agreed(found: &Found, target: &Target) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::wrong_request(miette::miette!(
            help = "add `--yes` to remove it",
            "nothing was removed: there is no terminal to ask for confirmation"
        )));
    }
    let unreadable = |error: io::Error| Failure::broken(miette::miette!("can't ask: {error}"));
    let resources = display::count(found.count() as u64, "resource");
    display::note(&format!("Remove {resources} {}? [y/N]", target.in_words()));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(unreadable)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::clean::{FoundBucket, FoundLogGroup};

    #[test]
    fn what_keeping_costs_is_said_in_dollars_a_month_or_that_no_price_is_known() {
        let (name, experiment) = ("dkr-b".to_owned(), "smoke".to_owned());
        let bucket = FoundBucket {
            name,
            experiment,
            objects: 1,
            uploads: 0,
            bytes: 10 * 1024 * 1024 * 1024,
        };
        let (name, experiment) = ("/aws/lambda/dkr-a".to_owned(), "smoke".to_owned());
        let group = FoundLogGroup {
            name,
            experiment,
            tagged: true,
            bytes: 512 * 1024 * 1024,
        };
        let found = Found {
            buckets: vec![bucket],
            log_groups: vec![group],
            ..Found::default()
        };
        let table = include_str!("../../../../experiments/prices/us-east-1.toml");
        let said = kept(&found, "us-east-1", PriceTable::parse(table).ok().as_ref());
        assert!(
            said.contains(
                "10.7 GB in S3, $0.23 a month; storage of 536.9 MB of logs, at most $0.0150 a month"
            ),
            "{said}"
        );
        assert!(said.contains("prices of 2026-11-25"), "{said}");
        let said = kept(&found, "sa-east-1", None);
        assert_eq!(
            said.matches("price unknown for sa-east-1").count(),
            2,
            "{said}"
        );
        assert!(!said.contains('$'), "{said}");
    }
}
