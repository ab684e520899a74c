//! Which run used an experiment's resources last, from the tags of its bucket.

use super::clients::{Clients, patient};
use super::desired::HaveBucket;
use super::error::DeployError;
use super::wanted::DeploySettings;
use super::{bucket, names, observe, tags};

/// The run that used an experiment's things last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    pub run_id: String,
    /// UTC date, `2026-12-24`.
    pub expires_on: String,
    /// A session of it is running, or was killed.
    pub under_way: bool,
}

/// Reads which run used the experiment's things last; `None` if there are none. Its bucket says it:
/// every deployment tags it early, and removal takes it last.
pub async fn last_run(
    clients: &Clients,
    settings: &DeploySettings,
) -> Result<Option<LastRun>, DeployError> {
    let bucket = names::bucket(&settings.experiment, &settings.account_id, &settings.region);
    let found = observe::bucket(&patient(clients), &bucket)
        .await
        .map_err(|error| error.in_region(&settings.region))?;
    let HaveBucket::Tagged(mut tags) = found else {
        return Ok(None);
    };
    if tags.get(tags::EXPERIMENT) != Some(&settings.experiment) {
        return Ok(None); // Deployment will refuse it.
    }
    let under_way = tags.contains_key(tags::UNDER_WAY);
    let expires_on = tags.remove(tags::EXPIRES).unwrap_or_default();
    Ok(tags.remove(tags::RUN).map(|run_id| LastRun {
        run_id,
        expires_on,
        under_way,
    }))
}

/// Says on the experiment's bucket that no session of this run is running any more.
pub async fn session_over(
    clients: &Clients,
    bucket: &str,
    run_id: &str,
) -> Result<(), DeployError> {
    bucket::session_over(&patient(clients), bucket, run_id).await
}
