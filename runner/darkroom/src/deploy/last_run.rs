//! Which run used an experiment's resources last, from the tags of its bucket.

use std::convert::Infallible;
use std::time::Duration;

use super::clients::{Clients, patient};
use super::desired::HaveBucket;
use super::error::DeployError;
use super::wanted::DeploySettings;
use super::{bucket, observe, tags};

/// The run that used an experiment's things last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    pub run_id: String,
    /// UTC date, `2026-12-24`.
    pub expires_on: String,
    /// A session of it is running, or was killed; when it was last seen, as far as that can be
    /// read.
    pub under_way: Option<String>,
}

/// Reads which run used the experiment's things last; `None` if there are none. Its bucket says it:
/// every deployment tags it early, and removal takes it last.
pub async fn last_run(
    clients: &Clients,
    settings: &DeploySettings,
) -> Result<Option<LastRun>, DeployError> {
    let found = observe::bucket(&patient(clients), &settings.bucket)
        .await
        .map_err(|error| error.in_region(&settings.region))?;
    let HaveBucket::Tagged(mut tags) = found else {
        return Ok(None);
    };
    if tags.get(tags::EXPERIMENT) != Some(&settings.experiment) {
        return Ok(None); // Deployment will refuse it.
    }
    let under_way = tags.remove(tags::UNDER_WAY);
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

/// A session that was not seen for so long is over.
pub const UNSEEN_MINUTES: i64 = 60;
/// How often a session says on the bucket that it is still running.
const SEEN_EVERY: Duration = Duration::from_mins(10);

/// Says on the experiment's bucket, now and again, that a session of this run is running; no more
/// once another run has taken over.
pub async fn keep_under_way(clients: &Clients, bucket: &str, run_id: &str) -> Infallible {
    let clients = patient(clients);
    loop {
        // What can't be written now may be the next time.
        let written = bucket::still_under_way(&clients, bucket, run_id).await;
        if matches!(written, Ok(false)) {
            return std::future::pending().await;
        }
        tokio::time::sleep(SEEN_EVERY).await;
    }
}
