//! Publishes a version of a function, from whose snapshot environments are restored (SnapStart).
//!
//! A function that is as it must be → a version with a snapshot, the alias that is called on it, and
//! no older version that costs anything. A deployment does so, and so does a run that renews
//! environments. Knows nothing of what is wanted of a function. Source of what Lambda does: AWS
//! Lambda developer guide, "Activating and managing Lambda SnapStart", and the API reference.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::types::{SnapStartOptimizationStatus, State};

use crate::control_pace::ControlPace;
use crate::error_text::error_message;

/// The alias that is called and that notifications name: it stays while versions come and go.
pub const ALIAS: &str = "darkroom";
/// What Lambda calls the version that is not published.
const UNPUBLISHED: &str = "$LATEST";

/// How long Lambda may take to make a snapshot. Code may initialise for up to 15 minutes then.
/// Source: AWS Lambda developer guide, "Understanding the Lambda execution environment lifecycle",
/// "Init phase".
const PATIENCE: Duration = Duration::from_mins(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Reasons of a version that failed begin so where the code itself did: it cannot be initialised.
const OF_THE_CODE: &str = "FunctionError";

/// A version that the alias is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its number.
    pub version: String,
    /// Why the code could not be initialised, so that there is no snapshot; calls of it will fail.
    pub code_failed: Option<String>,
}

/// What becomes of the version that the alias was on before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// It stays until the next one: a call may still be on its way to it.
    Stays,
    Goes,
}

/// Why there is no version to call.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("{operation} failed: {reason}")]
    Call {
        operation: &'static str,
        reason: String,
    },
    #[error("Lambda could not take the snapshot of version {version}: {reason}")]
    Failed { version: String, reason: String },
    #[error("Lambda took no snapshot of version {version}, though SnapStart is on")]
    NoSnapshot { version: String },
    #[error("Lambda took more than {} minutes for the snapshot", PATIENCE.as_secs() / 60)]
    Late,
}

/// The published versions of one function.
pub struct Versions<'a> {
    pub lambda: &'a Client,
    pub function: &'a str,
    /// Before each call its turn is waited for.
    pub pace: &'a ControlPace,
}

impl Versions<'_> {
    /// Publishes what the function is now as a version, waits for its snapshot, and has the alias point
    /// at it. Without a change since the last version, that one stays.
    ///
    /// `code_sha256` is what the version must hold, as Lambda spells it.
    pub async fn publish(
        &self,
        code_sha256: &str,
        before: Before,
    ) -> Result<Published, PublishError> {
        let made = async {
            let version = self.new_version(code_sha256).await?;
            let code_failed = self.ready(&version).await?;
            Ok(Published {
                version,
                code_failed,
            })
        };
        let published: Published = tokio::time::timeout(PATIENCE, made)
            .await
            .unwrap_or(Err(PublishError::Late))?;
        let was = self.point(&published.version).await?;
        let stays = was.filter(|_| before == Before::Stays);
        let stay = [Some(published.version.as_str()), stays.as_deref()];
        self.remove_others(&stay).await?;
        Ok(published)
    }

    /// Publishes a version. A change that is still in progress is waited for.
    async fn new_version(&self, code_sha256: &str) -> Result<String, PublishError> {
        let mut pause = self.pace.first_pause;
        loop {
            self.pace.calls.turn().await;
            let call = self.lambda.publish_version().function_name(self.function);
            match call.code_sha256(code_sha256).send().await {
                Ok(version) => return Ok(version.version().unwrap_or_default().to_owned()),
                Err(error) if error.code() == Some("ResourceConflictException") => {}
                Err(error) => return Err(failed("publication of a version", &error)),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits until a version has its snapshot; returns why the code could not be initialised for it.
    async fn ready(&self, version: &str) -> Result<Option<String>, PublishError> {
        let mut pause = self.pace.first_pause;
        loop {
            // Of a quota of its own, unlike GetFunctionConfiguration.
            self.pace.get_function.turn().await;
            let call = self.lambda.get_function().function_name(self.function);
            let now = call.qualifier(version).send().await;
            let now = now.map_err(|error| failed("reading of a version", &error))?;
            let Some(now) = now.configuration() else {
                return Err(PublishError::NoSnapshot {
                    version: version.to_owned(),
                });
            };
            match now.state() {
                Some(State::Failed) => {
                    let reason = now.state_reason().unwrap_or("no reason was given");
                    let code = now.state_reason_code();
                    if code.is_some_and(|code| code.as_str().starts_with(OF_THE_CODE)) {
                        return Ok(Some(reason.to_owned()));
                    }
                    // Else the same version would be given back when it is published again.
                    self.remove(version).await?;
                    return Err(PublishError::Failed {
                        version: version.to_owned(),
                        reason: reason.to_owned(),
                    });
                }
                Some(State::Pending) => {}
                // An inactive one becomes active when it is called.
                _ => {
                    let status = now.snap_start().and_then(|it| it.optimization_status());
                    if status == Some(&SnapStartOptimizationStatus::On) {
                        return Ok(None);
                    }
                    return Err(PublishError::NoSnapshot {
                        version: version.to_owned(),
                    });
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Has the alias point at a version; returns the one that it pointed at before.
    async fn point(&self, version: &str) -> Result<Option<String>, PublishError> {
        self.pace.calls.turn().await;
        let found = self
            .lambda
            .get_alias()
            .function_name(self.function)
            .name(ALIAS);
        match found.send().await {
            Ok(alias) => {
                let was = alias.function_version().map(str::to_owned);
                if was.as_deref() != Some(version) {
                    self.pace.calls.turn().await;
                    let update = self
                        .lambda
                        .update_alias()
                        .function_name(self.function)
                        .name(ALIAS);
                    let sent = update.function_version(version).send().await;
                    sent.map_err(|error| failed("change of the alias", &error))?;
                }
                Ok(was)
            }
            Err(error) if error.code() == Some("ResourceNotFoundException") => {
                self.pace.calls.turn().await;
                let create = self
                    .lambda
                    .create_alias()
                    .function_name(self.function)
                    .name(ALIAS);
                let sent = create.function_version(version).send().await;
                sent.map_err(|error| failed("creation of the alias", &error))?;
                Ok(None)
            }
            Err(error) => Err(failed("reading of the alias", &error)),
        }
    }

    /// Removes every published version but these: each costs money for as long as it exists.
    async fn remove_others(&self, stay: &[Option<&str>]) -> Result<(), PublishError> {
        let mut marker = None;
        let mut others = Vec::new();
        loop {
            self.pace.calls.turn().await;
            let list = self
                .lambda
                .list_versions_by_function()
                .function_name(self.function);
            let page = list.set_marker(marker).send().await;
            let page = page.map_err(|error| failed("listing of versions", &error))?;
            let versions = page.versions().iter().filter_map(|it| it.version());
            let others_of_page = versions
                .filter(|version| *version != UNPUBLISHED && !stay.contains(&Some(*version)))
                .map(str::to_owned);
            others.extend(others_of_page);
            marker = page.next_marker().map(str::to_owned);
            if marker.is_none() {
                break;
            }
        }
        for version in others {
            self.remove(&version).await?;
        }
        Ok(())
    }

    async fn remove(&self, version: &str) -> Result<(), PublishError> {
        self.pace.calls.turn().await;
        let delete = self.lambda.delete_function().function_name(self.function);
        match delete.qualifier(version).send().await {
            Err(error) if error.code() != Some("ResourceNotFoundException") => {
                Err(failed("removal of a version", &error))
            }
            _ => Ok(()),
        }
    }
}

fn failed<E, R>(operation: &'static str, error: &SdkError<E, R>) -> PublishError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    PublishError::Call {
        operation,
        reason: error_message(error),
    }
}
