//! What runs leave in an account: whose it is at the beginning of one, and what goes at the end.
//!
//! Two runs of one experiment share its functions, so that only one may be under way. Neither can see the other; tags say
//! which used them last.

use darkroom_core::manifest::Manifest;
use miette::Diagnostic;

use super::Job;
use crate::command::resume::unfinished;
use crate::deploy::clean::{self, Which};
use crate::deploy::{self, Clients, DeployError, Settings};
use crate::display::count;
use crate::display::progress::Progress;
use crate::execute::Ended;
use crate::exit::Failure;
use crate::target::Target;

/// Says that this run takes over what another one deployed, unless that one is known to be over. Nothing is changed.
pub async fn say_whose(
    job: &Job<'_>,
    clients: &Clients,
    settings: &Settings,
    progress: &Progress,
) -> Result<(), Failure> {
    let last = deploy::last_run(clients, settings).await.map_err(Failure::broken)?;
    let Some(deploy::LastRun { run_id, expires_on }) = last.filter(|last| last.run_id != settings.run_id) else {
        return Ok(());
    };
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let folder = job.project.output_dir(job.manifest).join(&settings.experiment).join(&run_id);
    let is_over = folder.join("journal.ndjson").exists() && !unfinished(&folder);
    if !is_over && expires_on >= today {
        progress.step(&warning(&settings.experiment, &run_id));
    }
    Ok(())
}

fn warning(experiment: &str, run_id: &str) -> String {
    let since = began(run_id).map(|at| format!(", begun {at},")).unwrap_or_default();
    format!(
        "run {run_id} of `{experiment}`{since} left what it deployed, and this run takes it over; if that run is still under \
         way, both call the same functions now and the one that ends first removes them: stop one, and resume it later or \
         run it as another experiment"
    )
}

/// Returns when a run began, as its id says it.
fn began(run_id: &str) -> Option<String> {
    let at = jiff::civil::DateTime::strptime("%Y%m%d-%H%M%S", run_id.get(..15)?).ok()?;
    Some(at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// Removes what this run deployed once nobody needs it; otherwise says how. What a later run took over is that one's.
///
/// Returns what is left of a whole run against its will: its measurements are recorded, and someone may be billed.
pub async fn tidy(
    job: &Job<'_>,
    run_id: &str,
    target: &Target,
    ended: Option<Ended>,
    progress: &Progress,
) -> Option<Failure> {
    let Manifest { experiment, target: keys, .. } = job.manifest;
    let keep = job.keep || keys.keep.unwrap_or(target.keeps);
    if keep && target.keeps {
        return None;
    }
    let experiment = experiment.name.clone();
    let by_hand = format!("`darkroom clean {experiment} --target aws --region {}` removes", target.region);
    if keep || ended != Some(Ended::Whole) {
        progress.step(&format!("what was deployed stays; {by_hand} it"));
        return None;
    }
    let clients = target.clients();
    let made_role = target.role_arn(keys.role.as_deref()).is_none();
    let which = Which::Run { experiment: experiment.clone(), run_id: run_id.to_owned(), made_role };
    let mut found = match clean::find(&clients, &target.region, &which).await {
        Ok(found) => found,
        Err(error) => return not_all(vec![error], &by_hand),
    };
    let mut left = clean::remove(&clients, &found).await;
    progress.step(&format!("removed what was deployed: {} resources", found.count() - left.len()));
    if let Some(others) = found.spared.get(&experiment) {
        let others = count(*others as u64, "resource");
        progress.step(&format!("{others} of other runs of this experiment stay; {by_hand} them"));
    }
    left.append(&mut found.unseen);
    not_all(left, &by_hand)
}

/// Not all that a run deployed is gone, each for its own reason.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("the run is whole, and what it deployed is not all removed")]
#[diagnostic(code(run::left), help("{by_hand} what is left"))]
struct NotAll {
    by_hand: String,
    #[related]
    errors: Vec<DeployError>,
}

fn not_all(errors: Vec<DeployError>, by_hand: &str) -> Option<Failure> {
    (!errors.is_empty()).then(|| Failure::broken(NotAll { by_hand: by_hand.to_owned(), errors }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_may_be_under_way_is_named_with_its_beginning_and_what_to_do() {
        let said = warning("smoke", "20261125-040648-abcdef");
        assert!(
            said.starts_with("run 20261125-040648-abcdef of `smoke`, begun 2026-11-25 04:06:48 UTC, left"),
            "{said}"
        );
        assert!(said.contains("if that run is still under way") && said.contains("stop one"), "{said}");
        assert_eq!(began("someone's run"), None);
        assert!(warning("smoke", "check").starts_with("run check of `smoke` left"));
    }
}
