//! Makes the next invocation of a function a cold one: a changed configuration retires its environments.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::DisplayErrorContext;
use aws_sdk_lambda::types::{Environment, LastUpdateStatus};

use super::{ExecuteError, Function};

/// The environment variable whose value changes; handlers have no use for it.
const NONCE: &str = "DARKROOM_NONCE";
/// A configuration update takes seconds on AWS; one that takes longer than this has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// Renews the environments of `function` and waits until the change is in force.
///
/// In force means LastUpdateStatus `Successful` under a RevisionId other than the one before the update: an older
/// `Successful` can still be seen for a while after the call.
/// Source: AWS Lambda developer guide, "Lambda function states".
pub async fn renew(control: &Client, function: &Function, nonce: &str) -> Result<(), ExecuteError> {
    let fail = |what: &str| ExecuteError::Renew { function: function.name.clone(), reason: what.to_owned() };
    let before = control.get_function_configuration().function_name(&function.name).send().await;
    let before = before.map_err(|error| fail(&DisplayErrorContext(error).to_string()))?;
    let mut variables = before.environment().and_then(|e| e.variables()).cloned().unwrap_or_default();
    variables.insert(NONCE.to_owned(), nonce.to_owned());
    control
        .update_function_configuration()
        .function_name(&function.name)
        .environment(Environment::builder().set_variables(Some(variables)).build())
        .send()
        .await
        .map_err(|error| fail(&DisplayErrorContext(error).to_string()))?;
    let waited = tokio::time::timeout(PATIENCE, in_force(control, function, before.revision_id())).await;
    waited.unwrap_or_else(|_| Err(fail("the changed configuration did not come into force")))
}

async fn in_force(control: &Client, function: &Function, before: Option<&str>) -> Result<(), ExecuteError> {
    let mut pause = Duration::from_millis(2);
    loop {
        let now = control.get_function().function_name(&function.name).send().await.map_err(|error| {
            let reason = DisplayErrorContext(error).to_string();
            ExecuteError::Renew { function: function.name.clone(), reason }
        })?;
        if let Some(now) = now.configuration() {
            match now.last_update_status() {
                Some(LastUpdateStatus::Successful) if now.revision_id() != before => return Ok(()),
                Some(LastUpdateStatus::Failed) => {
                    let reason = now.last_update_status_reason().unwrap_or("the update failed").to_owned();
                    return Err(ExecuteError::Renew { function: function.name.clone(), reason });
                }
                _ => {}
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}
