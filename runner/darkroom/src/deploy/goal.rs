//! The goal of a deployment: the configuration of every wanted function. Pure.

use std::collections::BTreeMap;

use darkroom_core::adapt::filled;
use darkroom_core::event::FunctionDeployed;
use darkroom_core::prompt::{BUCKET_VARIABLE, PREFIX_VARIABLE};

use super::desired::{DesiredConfiguration, LayerId, Want};
use super::error::DeployError;
use super::wanted::{DeploySettings, WantedFunction};
use super::{names, quotas, role, tags};
use crate::package::LayerPackage;

/// Returns what must be there.
pub fn goal(settings: &DeploySettings, want: &[WantedFunction]) -> Result<Want, DeployError> {
    let bucket = settings.bucket.clone();
    let tags = tags::of(settings);
    let (role_arn, role) = role::wanted(settings, &bucket)?;
    let functions = want.iter().map(|function| {
        let package = &function.package;
        let (handler, variables) = package.entry(&function.handler);
        let target = DesiredConfiguration {
            code_sha256: package.archive.sha256_base64.clone(),
            architecture: package.architecture,
            runtime: package.runtime.clone(),
            handler,
            memory_mb: function.key.memory_mb,
            timeout_s: function.timeout_s,
            role_arn: role_arn.clone(),
            layers: package
                .layers
                .iter()
                .map(|layer| layer_id(settings, layer))
                .collect(),
            snapstart: function.key.snapstart.is_on(),
            environment: environment(settings, function, &bucket)
                .into_iter()
                .chain(variables)
                .collect(),
            tags: tags.clone(),
        };
        let name = names::function(&settings.experiment, &function.key);
        quotas::environment_fits(&name, &target.environment)?;
        Ok((name, target))
    });
    let functions = functions.collect::<Result<_, DeployError>>()?;
    Ok(Want {
        experiment: settings.experiment.clone(),
        account_id: settings.account_id.clone(),
        boundary: settings.boundary.clone(),
        functions,
        tags,
        bucket,
        role,
    })
}

/// Returns where the function is to write, in the names of the contract and in its own.
fn environment(
    settings: &DeploySettings,
    function: &WantedFunction,
    bucket: &str,
) -> BTreeMap<String, String> {
    let prefix = names::output_prefix(&function.key);
    let mut environment = BTreeMap::from([
        (BUCKET_VARIABLE.to_owned(), bucket.to_owned()),
        (PREFIX_VARIABLE.to_owned(), prefix.clone()),
    ]);
    let fact = |name: &str| match name {
        "bucket" => Some(bucket),
        "prefix" => Some(prefix.as_str()),
        "folder" => Some(prefix.trim_end_matches('/')),
        "region" => Some(settings.region.as_str()),
        "stage" => Some(function.key.stage.as_str()),
        _ => None,
    };
    let own = function
        .environment
        .iter()
        .map(|(name, template)| (name.clone(), filled(template, fact)));
    environment.extend(own);
    environment
}

/// Returns what identifies a layer: its name in the experiment, and what it holds.
pub fn layer_id(settings: &DeploySettings, layer: &LayerPackage) -> LayerId {
    let name = names::layer(&settings.experiment, &layer.name);
    LayerId {
        name,
        sha256: layer.archive.sha256_base64.clone(),
    }
}

/// Returns what the journal will say of a function once it is in place, to be looked at before
/// anything is done.
pub fn intended(experiment: &str, wanted: &WantedFunction) -> FunctionDeployed {
    let package = &wanted.package;
    FunctionDeployed {
        at: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
            .to_string(),
        function: names::function(experiment, &wanted.key),
        variant: wanted.key.variant.clone(),
        architecture: wanted.key.architecture,
        memory_mb: wanted.key.memory_mb,
        deployment: wanted.key.deployment,
        stage: wanted.key.stage.clone(),
        runtime: package.runtime.clone(),
        handler: wanted.handler.clone(),
        code_sha256: package.archive.sha256_base64.clone(),
        layers_sha256: package
            .layers
            .iter()
            .map(|layer| layer.archive.sha256_base64.clone())
            .collect(),
        code_bytes: package.archive.bytes,
        version: None,
    }
}
