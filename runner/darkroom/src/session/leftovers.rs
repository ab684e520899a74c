//! What runs leave in an account: whose it is at the beginning of one, and what goes at the end.
//!
//! Two runs of one experiment share its functions, so that only one may be under way. Neither can see the other; tags say
//! which used them last.

use darkroom_core::manifest::Manifest;

use super::Job;
use crate::command::resume::unfinished;
use crate::deploy::clean::{self, Found, Which};
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

/// Removes what this run deployed once nobody needs it; otherwise says how. That it stays is no failure: the measurements
/// are recorded. What a later run took over is that one's.
pub async fn tidy(job: &Job<'_>, run_id: &str, target: &Target, ended: Option<Ended>, progress: &Progress) {
    let Manifest { experiment, target: keys, .. } = job.manifest;
    let keep = job.keep || keys.keep.unwrap_or(target.keeps);
    if keep && target.keeps {
        return;
    }
    let experiment = experiment.name.clone();
    let by_hand = format!("`darkroom clean {experiment} --target aws --region {}` removes", target.region);
    if keep || ended != Some(Ended::Whole) {
        progress.step(&format!("what was deployed stays; {by_hand} it"));
        return;
    }
    let clients = target.clients();
    let made_role = target.role_arn(keys.role.as_deref()).is_none();
    let which = Which::Run { experiment: experiment.clone(), run_id: run_id.to_owned(), made_role };
    match clean::find(&clients, &target.region, &which).await {
        Ok(found) => {
            let left = clean::remove(&clients, &found).await;
            for said in outcome(&found, &left, found.spared.get(&experiment).copied().unwrap_or_default(), &by_hand) {
                progress.step(&said);
            }
        }
        Err(error) => progress.step(&format!("what was deployed stays: {error}; {by_hand} it")),
    }
}

/// Says what was removed, what is left and why, and what is not this run's.
fn outcome(found: &Found, left: &[DeployError], others: usize, by_hand: &str) -> Vec<String> {
    let mut said = vec![format!("removed what was deployed: {} resources", found.count() - left.len())];
    said.extend(found.unseen.iter().map(|error| format!("  there may be more: {error}")));
    said.extend(left.iter().map(|error| format!("  left: {error}")));
    if !left.is_empty() || !found.unseen.is_empty() {
        said.push(format!("not all that was deployed is removed, {} known to be left; {by_hand} it", left.len()));
    }
    if others > 0 {
        said.push(format!(
            "{} of other runs of this experiment stay; {by_hand} them",
            count(others as u64, "resource")
        ));
    }
    said
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

    #[test]
    fn what_is_left_is_named_with_its_cause_and_how_to_go_on() {
        let denied = |resource: &str| DeployError::Call {
            operation: "removal",
            resource: resource.into(),
            reason: "AccessDenied".into(),
            help: None,
        };
        let role = clean::FoundRole { name: "dkr-r".into(), experiment: "smoke".into() };
        let found = Found { roles: vec![role], unseen: vec![denied("layers")], ..Found::default() };
        let said = outcome(&found, &[denied("role dkr-r")], 2, "`darkroom clean smoke` removes");
        assert_eq!(
            said,
            [
                "removed what was deployed: 0 resources",
                "  there may be more: removal of layers failed: AccessDenied",
                "  left: removal of role dkr-r failed: AccessDenied",
                "not all that was deployed is removed, 1 known to be left; `darkroom clean smoke` removes it",
                "2 resources of other runs of this experiment stay; `darkroom clean smoke` removes them",
            ]
        );
        assert_eq!(outcome(&Found::default(), &[], 0, ""), ["removed what was deployed: 0 resources"]);
    }
}
