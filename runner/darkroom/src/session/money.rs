//! The budget of a run: what it has spent, whether a session may begin, and whether a person agrees
//! to the cost.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Mutex;

use darkroom_core::plan::Plan;
use darkroom_core::spending::Spending;

use super::configuration::Configuration;
use super::configuration::with_count;
use super::estimate;
use super::job::Job;
use super::mode::SessionMode;
use super::refusal::Refusal;
use crate::advice;
use crate::display::plan::{dollars, spelt};
use crate::display::{self, count};
use crate::execute::MoneyBudget;
use crate::exit::Failure;
use crate::record::History;

/// Says how the run at `path` continues, which has just spent its money.
pub fn how_to_go_on(configuration: Configuration<'_>, path: &Path) -> Result<String, Failure> {
    let history = History::read(&path.join("journal.ndjson")).map_err(Failure::wrong_request)?;
    let spent = budget(configuration, &history).map_or(0.0, |budget| budget.now().usd());
    Ok(mend(
        path,
        spent.max(configuration.manifest.budget.usd.unwrap_or_default()),
    ))
}

/// Says how a run continues that has spent this much: with twice as much, for example.
fn mend(run: &Path, spent_usd: f64) -> String {
    let more = format!("budget.usd={:.5}", 2.0 * spent_usd + 0.000_005);
    let resume = advice::darkroom(&["resume", &run.display().to_string(), "--set", &more]);
    format!("raise the budget, for example to twice as much with {resume}")
}

/// Returns what the run has spent in all its sessions, with what it may; `None` where prices are
/// not known.
pub fn budget(configuration: Configuration<'_>, history: &History) -> Option<MoneyBudget> {
    let prices = configuration.prices?.clone();
    let spent = Spending::new(
        &history.run,
        configuration.pipeline(),
        prices,
        history.billed.clone(),
    );
    Some(MoneyBudget {
        spent: Mutex::new(spent),
        limit_usd: configuration.manifest.budget.usd,
    })
}

/// Refuses a session whose budget can't be kept to or is used up, and one that costs money and that
/// nobody agrees to. Nothing has happened yet.
pub fn may_begin(job: &Job<'_>, plan: &Plan<'_>) -> Result<(), Failure> {
    let Job {
        configuration,
        mode,
        ..
    } = job;
    let asked = configuration.capability.billed && !job.yes;
    if configuration.manifest.budget.usd.is_none() && !asked {
        return Ok(()); // Nobody needs to know what was spent.
    }
    let earlier = mode.earlier();
    let spent = earlier.and_then(|earlier| budget(*configuration, &earlier.history));
    if configuration.manifest.budget.usd.is_some() {
        within_budget(job, plan, spent.as_ref())?;
    }
    if asked {
        agreed(&offer(job, plan, spent.as_ref()))?;
    }
    Ok(())
}

fn within_budget(
    job: &Job<'_>,
    plan: &Plan<'_>,
    spent: Option<&MoneyBudget>,
) -> Result<(), Failure> {
    let configuration = job.configuration;
    let region = configuration.manifest.target.region.clone();
    let Some(prices) = configuration.prices else {
        return Err(Failure::wrong_request(Refusal::UnknownPrices { region }));
    };
    if prices.snapstart().is_none() && takes_snapshots(plan) {
        return Err(Failure::wrong_request(Refusal::NoSnapStartPrice { region }));
    }
    let limit = configuration.manifest.budget.usd.unwrap_or_default();
    let again = job.mode.earlier();
    match spent.filter(|budget| budget.is_empty()) {
        None => Ok(()),
        Some(budget) => {
            let spent_usd = budget.now().usd();
            Err(Failure::wrong_request(Refusal::BudgetSpent {
                spent_usd,
                limit_usd: limit,
                help: again.map_or_else(String::new, |earlier| {
                    mend(&earlier.run, limit.max(spent_usd))
                }),
            }))
        }
    }
}

/// Whether environments of any cell that can run are restored from snapshots.
fn takes_snapshots(plan: &Plan<'_>) -> bool {
    plan.cells()
        .any(|(cell, obstacle)| obstacle.is_none() && cell.snapstart.is_on())
}

/// Returns how many repetitions an extension adds; `None` of every other session, and of one that
/// continues with an extension.
fn added(job: &Job<'_>) -> Option<u32> {
    match &job.mode {
        SessionMode::Extend { from, .. } => job
            .configuration
            .manifest
            .repetitions
            .count
            .checked_sub(*from)
            .filter(|more| *more > 0),
        _ => None,
    }
}

/// Says what a session is about to do and what that costs.
fn offer(job: &Job<'_>, plan: &Plan<'_>, spent: Option<&MoneyBudget>) -> String {
    let configuration = job.configuration;
    let prices = configuration.prices;
    let added = added(job).map(|count| with_count(configuration.manifest, count));
    let plan = added.as_ref().map_or(*plan, |manifest| {
        configuration.with_manifest(manifest).plan()
    });
    let summary = plan.summary(prices);
    let what = match (&added, spent) {
        (Some(_), _) => "what this session adds",
        (None, Some(_)) => "this run, including earlier sessions",
        (None, None) => "this run",
    };
    let rates = estimate::rates(
        &configuration.project.output_dir(configuration.manifest),
        configuration.manifest,
        prices,
    );
    let mut text = format!(
        "{} bills {what}: {}, {}; at most {}, if every invocation took its stage's whole timeout.",
        configuration.capability.name,
        count(summary.functions, "function"),
        count(summary.invocations, "invocation"),
        spelt(&summary.at_most),
    );
    let (beside, unknown) = summary.besides.usd();
    if prices.is_some() {
        let apart: Vec<&str> = unknown.into_iter().chain(["data transfer"]).collect();
        let _ = write!(
            text,
            " S3 requests, logs and metrics add about {}; not counting {}.",
            dollars(beside),
            apart.join(", ")
        );
    }
    if let Some(expected) = plan.expected(&rates, prices) {
        let cells = format!("{} of {}", expected.cells, count(summary.runnable, "cell"));
        let _ = write!(
            text,
            " At the speed of run {} ({}), {cells}: {}.",
            expected.run_id,
            expected.target,
            spelt(&expected.effort)
        );
    }
    if let Some(budget) = spent {
        let _ = write!(text, " Spent so far: {}.", dollars(budget.now().usd()));
    }
    match configuration.manifest.budget.usd {
        Some(usd) => {
            let _ = write!(text, " The run stops when {} are spent.", dollars(usd));
        }
        None => text.push_str(" No budget.usd is set, so nothing stops it."),
    }
    text
}

/// Asks the person at the terminal; where there is none, someone must have said `--yes`.
fn agreed(offer: &str) -> Result<(), Failure> {
    let refused = || {
        Failure::wrong_request(Refusal::NotAgreed {
            offer: offer.to_owned(),
        })
    };
    if !io::stdin().is_terminal() {
        return Err(refused());
    }
    display::note(offer);
    display::note("Continue? [y/N]");
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::broken(miette::miette!("can't ask: {error}")))?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(refused()),
    }
}
