//! Makes the next invocation of a function a cold start: a changed configuration retires its
//! environments.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_lambda::operation::update_function_configuration::UpdateFunctionConfigurationError;
use aws_sdk_lambda::types::{Environment, LastUpdateStatus};

use super::{ExecuteError, Function, Setup};
use crate::deploy::published::{Before, PublishError, Versions};
use crate::error_text::error_message;

/// The environment variable whose value changes; handlers have no use for it.
const NONCE: &str = "DARKROOM_NONCE";
/// A configuration update takes seconds on AWS; one that takes longer than this has failed.
const PATIENCE: Duration = Duration::from_mins(2);
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Renews the environments of `function` and waits until the change is in force.
///
/// Where environments are restored from the snapshot of a version, the changed configuration becomes
/// a version of its own: AWS names no other way to have an environment restored anew.
///
/// In force means LastUpdateStatus `Successful` under a RevisionId other than the one before the
/// update: an older `Successful` can still be seen for a while after the call. Source: AWS Lambda
/// developer guide, "Lambda function states".
pub async fn renew(setup: &Setup, function: &Function, nonce: &str) -> Result<(), ExecuteError> {
    let Setup {
        control,
        control_pace: pace,
        ..
    } = setup;
    let fail = |what: &str| ExecuteError::Renew {
        function: function.name.clone(),
        reason: what.to_owned(),
    };
    pace.calls.turn().await;
    let before = control
        .get_function_configuration()
        .function_name(&function.name)
        .send()
        .await;
    let before = before.map_err(|error| fail(&error_message(&error)))?;
    let mut variables = before
        .environment()
        .and_then(|e| e.variables())
        .cloned()
        .unwrap_or_default();
    variables.insert(NONCE.to_owned(), nonce.to_owned());
    let changed = async {
        update(setup, function, variables).await?;
        in_force(setup, function, before.revision_id()).await
    };
    let waited = tokio::time::timeout(PATIENCE, changed).await;
    waited.unwrap_or_else(|_| Err(fail("the changed configuration did not take effect")))?;
    if function.qualifier.is_some() {
        let versions = Versions {
            lambda: control,
            function: &function.name,
            pace,
        };
        let published = Box::pin(published(&versions, &function.code_sha256)).await;
        published.map_err(|error| fail(&error.to_string()))?;
    }
    Ok(())
}

/// Publishes a version; once more where Lambda itself failed to take the snapshot, for a run may
/// have gone on for hours.
async fn published(versions: &Versions<'_>, code_sha256: &str) -> Result<(), PublishError> {
    let first = versions.publish(code_sha256, Before::Stays).await;
    if let Err(PublishError::Failed { .. }) = first {
        versions.publish(code_sha256, Before::Stays).await?;
        return Ok(());
    }
    first.map(|_| ())
}

/// Changes the configuration. An update that is in progress is waited for: it may be this very one,
/// whose answer was lost.
async fn update(
    setup: &Setup,
    function: &Function,
    variables: HashMap<String, String>,
) -> Result<(), ExecuteError> {
    let environment = Environment::builder()
        .set_variables(Some(variables))
        .build();
    let mut pause = FIRST_PAUSE;
    loop {
        setup.control_pace.calls.turn().await;
        let call = setup
            .control
            .update_function_configuration()
            .function_name(&function.name);
        match call.environment(environment.clone()).send().await {
            Ok(_) => return Ok(()),
            Err(error)
                if error.as_service_error().is_some_and(
                    UpdateFunctionConfigurationError::is_resource_conflict_exception,
                ) =>
            {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => {
                let reason = error_message(&error);
                return Err(ExecuteError::Renew {
                    function: function.name.clone(),
                    reason,
                });
            }
        }
    }
}

async fn in_force(
    setup: &Setup,
    function: &Function,
    before: Option<&str>,
) -> Result<(), ExecuteError> {
    let mut pause = FIRST_PAUSE;
    loop {
        setup.control_pace.get_function.turn().await;
        let now = setup
            .control
            .get_function()
            .function_name(&function.name)
            .send()
            .await
            .map_err(|error| {
                let reason = error_message(&error);
                ExecuteError::Renew {
                    function: function.name.clone(),
                    reason,
                }
            })?;
        if let Some(now) = now.configuration() {
            match now.last_update_status() {
                Some(LastUpdateStatus::Successful) if now.revision_id() != before => return Ok(()),
                Some(LastUpdateStatus::Failed) => {
                    let reason = now
                        .last_update_status_reason()
                        .unwrap_or("the update failed")
                        .to_owned();
                    return Err(ExecuteError::Renew {
                        function: function.name.clone(),
                        reason,
                    });
                }
                _ => {}
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
