//! What runs leave in an account: checks at the beginning who uses it, and removes it at the end.
//!
//! Two runs of one experiment would share its functions, so only one may run at a time. Neither
//! sees the other; tags say which used the functions last.

use std::path::Path;

use darkroom_core::event::Event;
use darkroom_core::manifest::Manifest;
use jiff::ToSpan;
use jiff::civil::Date;
use miette::Diagnostic;

use super::configuration::Configuration;
use super::refusal::Refusal;
use crate::advice;
use crate::deploy::clean::{self, Which};
use crate::deploy::{self, Clients, DeployError, DeploySettings, LIFETIME_DAYS, UNSEEN_MINUTES};
use crate::display::count;
use crate::display::progress::Progress;
use crate::execute::Ended;
use crate::exit::Failure;
use crate::record;
use crate::target::Target;

/// Days for which a session of an earlier version, which did not say when it was last seen, is taken
/// to be in progress.
const MAY_BE_UNDER_WAY_DAYS: i64 = 1;

/// Refuses to take over what another run uses, or may: of one that was killed nobody can tell.
/// Returns what to say of one that was not seen to end. Nothing is changed.
pub async fn not_in_use(
    configuration: Configuration<'_>,
    clients: &Clients,
    settings: &DeploySettings,
) -> Result<Option<String>, Failure> {
    let last = deploy::last_run(clients, settings)
        .await
        .map_err(Failure::broken)?;
    let Some(last) = last.filter(|last| last.run_id != settings.run_id) else {
        return Ok(None);
    };
    let Some(seen) = &last.under_way else {
        return Ok(None);
    };
    let folder = configuration
        .project
        .output_dir(configuration.manifest)
        .join(&settings.experiment)
        .join(&last.run_id);
    if has_ended(&folder.join("journal.ndjson")) {
        return Ok(None);
    }
    let run = named(&settings.experiment, &last.run_id);
    let DeploySettings {
        experiment, region, ..
    } = settings;
    if may_be_running(seen, &last.expires_on, jiff::Timestamp::now()) {
        return Err(Failure::wrong_request(Refusal::UnderWay {
            run,
            how_to_continue: go_on_with(&folder),
            clean: advice::clean(Some(experiment), region),
        }));
    }
    Ok(Some(format!(
        "{run} did not record its end; this run takes over what it left"
    )))
}

/// Says how to continue a run that was killed: from its folder, which may be on another machine.
fn go_on_with(folder: &Path) -> String {
    if folder.join("journal.ndjson").is_file() {
        format!(
            "continue it with {}",
            advice::darkroom(&["resume", &folder.display().to_string()])
        )
    } else {
        "resume it from its own folder".to_owned()
    }
}

/// Says whether a session that was last seen then may still run. What `seen` does not tell the date
/// tells on which what it deployed expires.
fn may_be_running(seen: &str, expires_on: &str, now: jiff::Timestamp) -> bool {
    match seen.parse::<jiff::Timestamp>() {
        Ok(seen) => now.duration_since(seen) < jiff::SignedDuration::from_mins(UNSEEN_MINUTES),
        Err(_) => is_recent(expires_on, now.to_zoned(jiff::tz::TimeZone::UTC).date()),
    }
}

/// Says whether a session that deployed so that it expires then may still run today.
fn is_recent(expires_on: &str, today: Date) -> bool {
    let deployed = expires_on
        .parse::<Date>()
        .ok()
        .and_then(|end| end.checked_sub(i64::from(LIFETIME_DAYS).days()).ok());
    // What can't be read is taken for recent.
    deployed.is_none_or(|day| {
        day.checked_add(MAY_BE_UNDER_WAY_DAYS.days())
            .is_ok_and(|last| today <= last)
    })
}

/// Says whether this journal is there and its last session came to its end.
fn has_ended(journal: &Path) -> bool {
    let last = record::read(journal).ok().and_then(Iterator::last);
    matches!(
        last,
        Some(Ok(Event::RunFinished { .. } | Event::RunInterrupted { .. }))
    )
}

fn named(experiment: &str, run_id: &str) -> String {
    let since = began(run_id)
        .map(|at| format!(", started {at},"))
        .unwrap_or_default();
    format!("run {run_id} of `{experiment}`{since}")
}

/// Returns when a run began, as its id says it.
fn began(run_id: &str) -> Option<String> {
    let at = jiff::civil::DateTime::strptime("%Y%m%d-%H%M%S", run_id.get(..15)?).ok()?;
    Some(at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// Removes what this run deployed once nobody needs it; otherwise says how. What a later run took
/// over is that one's.
///
/// Returns what is left of a whole run against its will: its measurements are recorded, and someone
/// may be billed.
pub async fn tidy(
    configuration: Configuration<'_>,
    keep: bool,
    run_id: &str,
    target: &Target,
    ended: Option<Ended>,
    progress: &Progress,
) -> Option<Failure> {
    let Manifest {
        experiment,
        target: keys,
        ..
    } = configuration.manifest;
    let keep = keep || keys.keep.unwrap_or(target.keeps);
    if keep && target.keeps {
        return None;
    }
    let experiment = experiment.name.clone();
    let by_hand = format!(
        "{} removes",
        advice::clean(Some(&experiment), &target.region)
    );
    let heard = progress.clone();
    let clients = target.clients().saying(move |text| heard.step(text));
    if keep || ended != Some(Ended::Whole) {
        progress.step(&format!("keeping what was deployed; {by_hand} it"));
        session_over(&clients, &experiment, target, run_id, progress).await;
        return None;
    }
    let made_role = target.role_arn(keys.role.as_deref()).is_none();
    let which = Which::Run {
        experiment: experiment.clone(),
        run_id: run_id.to_owned(),
        made_role,
    };
    let working = progress.working("removing what was deployed");
    let mut found = match clean::find(&clients, &target.region, &which).await {
        Ok(found) => found,
        Err(error) => return not_all(vec![error], &by_hand, &target.region),
    };
    let mut left = clean::remove(&clients, &found).await;
    drop(working);
    progress.step(&format!(
        "removed {} deployed resources",
        found.count() - left.len()
    ));
    if let Some(others) = found.spared.get(&experiment) {
        let others = count(*others as u64, "resource");
        progress.step(&format!(
            "{others} of other runs of this experiment stay; {by_hand} them"
        ));
    }
    left.append(&mut found.unseen);
    if !left.is_empty() {
        session_over(&clients, &experiment, target, run_id, progress).await;
    }
    not_all(left, &by_hand, &target.region)
}

/// Takes the session's mark off the bucket, or says what follows where that fails.
async fn session_over(
    clients: &Clients,
    experiment: &str,
    target: &Target,
    run_id: &str,
    progress: &Progress,
) {
    let (account_id, region) = (&target.caller.account_id, &target.region);
    let over = async {
        let named = deploy::bucket_name(clients, experiment, account_id, region, run_id);
        deploy::session_over(clients, &named.await?, run_id).await
    };
    // A bucket that is not this experiment's has no mark of this run.
    if let Err(error @ DeployError::Call { .. }) = over.await {
        progress.step(&format!(
            "could not mark this run as over ({error}): on other machines, runs of `{experiment}` \
             are refused for {UNSEEN_MINUTES} minutes, or until {}",
            advice::clean(Some(experiment), region)
        ));
    }
}

/// Not all that a run deployed is gone, each for its own reason.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("the run is complete, but not everything that it deployed was removed")]
#[diagnostic(code(run::left), help("{by_hand} what is left"))]
struct NotAll {
    by_hand: String,
    #[related]
    errors: Vec<DeployError>,
}

fn not_all(errors: Vec<DeployError>, by_hand: &str, region: &str) -> Option<Failure> {
    let errors: Vec<DeployError> = errors
        .into_iter()
        .map(|error| error.in_region(region))
        .collect();
    (!errors.is_empty()).then(|| {
        Failure::broken(NotAll {
            by_hand: by_hand.to_owned(),
            errors,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_with_its_beginning() {
        let said = named("smoke", "20261125-040648-abcdef");
        assert_eq!(
            said,
            "run 20261125-040648-abcdef of `smoke`, started 2026-11-25 04:06:48 UTC,"
        );
        assert_eq!(
            named("smoke", "someone's run"),
            "run someone's run of `smoke`"
        );
    }

    #[test]
    fn a_session_that_was_not_seen_for_an_hour_is_over() {
        let now = "2026-11-25T12:00:00Z".parse().unwrap();
        let running = |seen| may_be_running(seen, "2026-12-25", now);
        assert!(running("2026-11-25T11:00:01Z") && !running("2026-11-25T11:00:00Z"));
        // Of another clock that is ahead, or of an earlier version.
        assert!(running("2026-11-25T12:10:00Z") && running("yes"));
        assert!(!may_be_running("yes", "2026-12-20", now));
    }

    #[test]
    fn a_session_of_today_or_yesterday_may_be_under_way() {
        let today = jiff::civil::date(2026, 11, 25);
        assert_eq!(
            ["2026-12-25", "2026-12-24", "2026-12-23"].map(|it| is_recent(it, today)),
            [true, true, false]
        );
        assert!(is_recent("", today));
    }
}
