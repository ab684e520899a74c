//! Runs a deployment: observes, compares, and makes the missing calls.

use std::collections::BTreeMap;

use darkroom_core::event::FunctionDeployed;
use tokio::time::Instant;

use super::clients::{Clients, patient};
use super::deployment::{Counts, DeployedFunction, Deployment};
use super::desired::{self, RoleStep, Steps};
use super::error::DeployError;
use super::goal::{goal, intended, layer_id};
use super::wanted::{DeploySettings, WantedFunction};
use super::{apply, log_groups, names, notifications, observe, published, quotas, role};

/// Makes every function of `want` exist as packaged, several at once, and returns them.
///
/// Calls `on_event` once for each function, as soon as Lambda reports the `CodeSha256` of the zip
/// on disk for it. Nothing is uploaded for what is already there. The first error ends it; what was
/// done until then stays, tagged, and the next deployment continues from it.
pub async fn deploy(
    clients: &Clients,
    settings: &DeploySettings,
    want: &[WantedFunction],
    on_event: &mut (dyn FnMut(FunctionDeployed) + Send),
) -> Result<Deployment, DeployError> {
    let deployed = Box::pin(deployed(clients, settings, want, on_event)).await;
    deployed.map_err(|error| error.in_region(&settings.region))
}

async fn deployed(
    clients: &Clients,
    settings: &DeploySettings,
    want: &[WantedFunction],
    on_event: &mut (dyn FnMut(FunctionDeployed) + Send),
) -> Result<Deployment, DeployError> {
    let clients = patient(clients);
    let goal = goal(settings, want)?;
    notifications::refuse_loops(&notifications::hooks(settings, want))?;
    let have = Box::pin(observe::observe(&clients, &goal)).await?;
    let steps = desired::steps(&have, &goal)?;
    let archives = archives(settings, want);
    quotas::code_fits(&clients, &steps, &archives).await?;

    // The role first: until Lambda knows it takes the longest.
    role::bring_about(&clients, &goal, &steps.role).await?;
    let policy_put = matches!(
        steps.role,
        RoleStep::Create | RoleStep::Update { policy: true, .. }
    )
    .then(Instant::now);
    let layers = apply::foundations(&clients, settings, &steps, &have, &archives).await?;
    log_groups::bring_about(&clients, settings, &goal, &have).await?;
    let by_name: BTreeMap<String, &WantedFunction> = want
        .iter()
        .map(|function| {
            (
                names::function(&settings.experiment, &function.key),
                function,
            )
        })
        .collect();
    let mut functions = BTreeMap::new();
    let mut counts = Counts {
        layers_published: steps.publish.len(),
        ..Counts::default()
    };
    let on_done = |done: apply::Done| {
        let wanted = by_name[&done.name];
        counts.add(&done.change);
        on_event(FunctionDeployed {
            code_sha256: done.code_sha256.clone(),
            version: done.published.as_ref().map(|it| it.version.clone()),
            ..intended(&settings.experiment, wanted)
        });
        let output_prefix = names::output_prefix(&wanted.key);
        let apply::Done {
            name,
            arn,
            code_sha256,
            published,
            ..
        } = done;
        let qualifier = published.map(|_| published::ALIAS);
        let triggered_by = wanted.triggered_by.clone();
        let function = DeployedFunction {
            name,
            arn,
            qualifier,
            code_sha256,
            output_prefix,
            triggered_by,
        };
        functions.insert(wanted.key.clone(), function);
    };
    apply::functions(&clients, &steps, &have, &goal, &layers, &archives, on_done).await?;
    notifications::free(&clients, &have).await?;
    notifications::connect(&clients, settings, &goal.bucket, functions.values()).await?;
    Ok(Deployment {
        bucket: goal.bucket,
        functions,
        counts,
        policy_put,
    })
}

/// Returns what [`deploy`] would do, without doing it.
pub async fn steps(
    clients: &Clients,
    settings: &DeploySettings,
    want: &[WantedFunction],
) -> Result<Steps, DeployError> {
    let goal = goal(settings, want)?;
    let have = Box::pin(observe::observe(&patient(clients), &goal)).await;
    desired::steps(
        &have.map_err(|error| error.in_region(&settings.region))?,
        &goal,
    )
}

fn archives<'a>(settings: &DeploySettings, want: &'a [WantedFunction]) -> apply::Archives<'a> {
    let mut archives = apply::Archives {
        code: BTreeMap::new(),
        layers: BTreeMap::new(),
    };
    for function in want {
        let package = &function.package;
        let name = names::function(&settings.experiment, &function.key);
        archives.code.insert(name, &package.archive);
        let layers = package
            .layers
            .iter()
            .map(|layer| (layer_id(settings, layer), &layer.archive));
        archives.layers.extend(layers);
    }
    archives
}
