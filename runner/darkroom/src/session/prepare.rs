//! Prepares a session: packages, images, deployed functions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_lambda::types::AccountLimit;
use darkroom_core::adapt::Habits;
use darkroom_core::cell::{Architecture, Input, Trigger};
use darkroom_core::event::{CodeExamined, FunctionDeployed, PackageBuilt, PlannedCell};
use darkroom_core::pipeline::{PAYLOAD_LIMIT, Pipeline, Transport, base64_bytes};

use super::configuration::Configuration;
use super::refusal::Refusal;
use super::{images, leftovers};
use crate::deploy::{self, DeploySettings, Deployment, FunctionKey, WantedFunction, names};
use crate::display::progress::Progress;
use crate::error_text::error_message;
use crate::examine;
use crate::execute::{CellUnderTest, Function, Image, event_shape};
use crate::exit::Failure;
use crate::package::{self, Package, PackageRequest};
use crate::target::{Target, TargetError};

/// By variant, architecture and the runtime that the matrix names.
pub type Packages = BTreeMap<PackageKey, Arc<Package>>;
/// See [`Packages`].
pub type PackageKey = (String, Architecture, Option<String>);
/// By image set, in the set's order.
pub type Images = BTreeMap<String, Vec<Image>>;

/// Functions in place, with the facts that prove it.
pub struct Deployed {
    pub deployment: Deployment,
    pub events: Vec<FunctionDeployed>,
}

/// Looks at the code of every variant that a cell needs; blocking.
pub fn code(configuration: Configuration<'_>, cells: &[PlannedCell]) -> Vec<CodeExamined> {
    examine::code(&cache_dir(configuration), &requests(configuration, cells))
}

fn cache_dir(configuration: Configuration<'_>) -> PathBuf {
    configuration.project.root().join(".darkroom")
}

/// Returns one request for every variant, architecture and runtime that a cell needs; none for a
/// variant without any code.
fn requests(configuration: Configuration<'_>, cells: &[PlannedCell]) -> Vec<PackageRequest> {
    let mut wanted: Vec<PackageKey> = cells.iter().map(|cell| package_key(&cell.cell)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let has_code = |(variant, ..): &PackageKey| {
        let known = configuration.known.variant(variant);
        known.is_none_or(|variant| !variant.handlers.is_empty())
    };
    wanted.retain(has_code);
    let request = |(variant, architecture, runtime): PackageKey| {
        let mut spec = configuration
            .known
            .variant(&variant)
            .expect("a valid manifest names variants that can be read")
            .clone();
        // The one rule: what the matrix names is what the code runs on.
        if let Some(runtime) = &runtime {
            spec.runtime.clone_from(runtime);
        }
        PackageRequest {
            architecture,
            folder: configuration.project.variant_dir(&variant),
            variant,
            runtime,
            spec,
            // A cloud that brings the runtimes brings Lambda's C library too.
            for_lambda: !configuration.capability.installs_runtimes,
        }
    };
    wanted.into_iter().map(request).collect()
}

fn package_key(cell: &darkroom_core::cell::Cell) -> PackageKey {
    (
        cell.variant.clone(),
        cell.architecture,
        cell.runtime.clone(),
    )
}

/// Returns the runtimes of Python that have to be installed here for the functions.
fn runtimes(configuration: Configuration<'_>, requests: &[PackageRequest]) -> Vec<String> {
    if !configuration.capability.installs_runtimes {
        return Vec::new();
    }
    let mut runtimes: Vec<String> = requests
        .iter()
        .map(|request| request.spec.runtime.clone())
        .filter(|runtime| runtime.starts_with("python"))
        .collect();
    runtimes.sort_unstable();
    runtimes.dedup();
    runtimes
}

fn under_way(left: &Mutex<Vec<String>>) -> String {
    format!(
        "packaging {}",
        left.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join(", ")
    )
}

/// Packages every variant that a cell needs; blocking.
pub fn packages(
    configuration: Configuration<'_>,
    cells: &[PlannedCell],
    progress: &Progress,
) -> Result<Packages, Failure> {
    let (cache_dir, requests) = (cache_dir(configuration), requests(configuration, cells));
    let runtimes = runtimes(configuration, &requests);
    let mut names: Vec<String> = requests.iter().map(PackageRequest::named).collect();
    progress.step(&format!("packaging {}", names.join(", ")));
    crate::project::make_private(&cache_dir).map_err(|error| {
        Failure::broken(TargetError::Folder {
            path: cache_dir.clone(),
            source: error,
        })
    })?;
    names.extend(runtimes.iter().map(|name| package::runtime_named(name)));
    let left = Mutex::new(names);
    let working = progress.working(&under_way(&left));
    let ended = |name: &str| {
        left.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|left| left != name);
        working.now(under_way(&left));
    };
    let made = package::packages(&cache_dir, &requests, &runtimes, &ended);
    drop(working);
    let mut made = made.map_err(all_of)?;
    if configuration.manifest.profile {
        let profiled = made
            .into_iter()
            .map(|package| package::profiled(&cache_dir, package));
        made = profiled
            .collect::<Result<_, _>>()
            .map_err(Failure::broken)?;
    }
    for (package, said) in made
        .iter()
        .filter_map(|package| Some((package, package::not_confined(&package.build)?)))
    {
        progress.step(&format!(
            "  {} ({}) {said}",
            package.variant, package.architecture
        ));
    }
    for (package, said) in made
        .iter()
        .filter_map(|package| Some((package, package::too_new(&package.build)?)))
    {
        progress.step(&format!(
            "  {} ({}) {said}",
            package.variant, package.architecture
        ));
    }
    if !configuration.capability.installs_runtimes {
        for package in &made {
            if let Some(said) = package::libraries_not_there(package) {
                let Package {
                    variant,
                    architecture,
                    ..
                } = package;
                progress.step(&format!("  {variant} ({architecture}) {said}"));
            }
        }
    }
    // Packages come in the order of the requests.
    let key = |request: PackageRequest| (request.variant, request.architecture, request.runtime);
    Ok(requests
        .into_iter()
        .map(key)
        .zip(made.into_iter().map(Arc::new))
        .collect())
}

/// Refuses programs that would not start on AWS, before anything is made there. On an endpoint that
/// stands for AWS they may start.
pub fn starts_there(target: &Target, packages: &Packages) -> Result<(), Failure> {
    if target.endpoint.is_some() || !target.capability.billed {
        return Ok(());
    }
    match too_new(packages) {
        None => Ok(()),
        Some(said) => Err(Failure::wrong_request(miette::miette!(
            help = "run `pip install cargo-zigbuild`, then run it again: Darkroom builds for \
                    Lambda's glibc with it; or build on an older system, or for musl",
            "{said}"
        ))),
    }
}

/// Says which program needs a newer glibc than Lambda's, if one does.
fn too_new(packages: &Packages) -> Option<String> {
    packages.values().find_map(|package| {
        let why = package::too_new(&package.build)?;
        let Package {
            variant,
            architecture,
            ..
        } = &**package;
        Some(format!("variant `{variant}` ({architecture}) {why}"))
    })
}

/// Returns what each package was made of, as facts.
pub fn builds(packages: &Packages) -> impl Iterator<Item = PackageBuilt> {
    packages.values().map(|package| PackageBuilt {
        at: crate::execute::now(),
        variant: package.variant.clone(),
        architecture: package.architecture,
        runtime: package.runtime.clone(),
        code_sha256: package.archive.sha256_base64.clone(),
        code_bytes: package.archive.bytes,
        unzipped_bytes: package.archive.unzipped_bytes
            + package
                .layers
                .iter()
                .map(|layer| layer.archive.unzipped_bytes)
                .sum::<u64>(),
        layers_sha256: package
            .layers
            .iter()
            .map(|layer| layer.archive.sha256_base64.clone())
            .collect(),
        build: package.build.clone(),
    })
}

/// Makes one failure of several, each with its own fix.
fn all_of(mut said: package::NotPackaged) -> Failure {
    match said.errors.pop() {
        Some(error) if said.errors.is_empty() => Failure::broken(error),
        last => {
            said.errors.extend(last);
            Failure::broken(said)
        }
    }
}

/// Reads or generates every image that a cell needs, and what stages are fed with
/// `input = "reference"`.
pub fn images(configuration: Configuration<'_>, cells: &[PlannedCell]) -> Result<Images, Failure> {
    let pipeline = configuration.pipeline();
    let mut images = Images::new();
    for cell in cells {
        let set = &cell.cell.image_set;
        if !images.contains_key(set) {
            let wrong =
                |error| Failure::wrong_request(miette::miette!("image set `{set}`: {error}"));
            let read =
                images::read_set(configuration.project, &pipeline.name, set).map_err(wrong)?;
            fits_payload(pipeline, &read).map_err(wrong)?;
            images.insert(set.clone(), read);
        }
    }
    let fed_references = cells
        .iter()
        .filter(|cell| cell.cell.input == Input::Reference);
    for set in fed_references.map(|cell| &cell.cell.image_set) {
        for image in images.get(set).into_iter().flatten() {
            image.reference_inputs(pipeline).map_err(|error| {
                let name = &image.name;
                Failure::wrong_request(miette::miette!(
                    "cannot make a reference input from image `{name}`: {error}"
                ))
            })?;
        }
    }
    Ok(images)
}

/// Says which image can't be sent in a payload; those of files have been looked at with the
/// manifest.
fn fits_payload(pipeline: &Pipeline, images: &[Image]) -> Result<(), String> {
    let sent = |image: &Image| base64_bytes(image.bytes.len() as u64);
    match images
        .iter()
        .find(|image| pipeline.transport == Transport::Payload && sent(image) > PAYLOAD_LIMIT)
    {
        Some(image) => Err(format!(
            "image `{}` has {} bytes as base64, but Lambda takes at most {PAYLOAD_LIMIT} in a \
             payload",
            image.name,
            sent(image)
        )),
        None => Ok(()),
    }
}

/// Deploys one function for every stage of every (variant, runtime, architecture, memory, trigger,
/// start, deployment) that a cell needs.
pub async fn deploy(
    configuration: Configuration<'_>,
    run_id: &str,
    cells: &[PlannedCell],
    target: &Target,
    packages: &Packages,
    progress: &Progress,
) -> Result<Deployed, Failure> {
    let want = wanted(configuration, cells, packages);
    progress.step(&format!("deploying {} functions", want.len()));
    let heard = progress.clone();
    let clients = target.clients().saying(move |text| heard.step(text));
    let experiment = configuration.manifest.experiment.name.clone();
    let (account_id, region) = (&target.caller.account_id, &target.region);
    let bucket = deploy::bucket_name(&clients, &experiment, account_id, region, run_id)
        .await
        .map_err(|error| Failure::broken(error.in_region(region)))?;
    let settings = DeploySettings {
        experiment,
        bucket,
        region: target.region.clone(),
        account_id: target.caller.account_id.clone(),
        partition: target.caller.partition().to_owned(),
        role_arn: target.role_arn(configuration.manifest.target.role.as_deref()),
        boundary: crate::target::boundary_arn(),
        by: deploy::tags::by(&target.caller.arn),
        expires_on: (jiff::Timestamp::now()
            + jiff::SignedDuration::from_hours(24 * i64::from(deploy::LIFETIME_DAYS)))
        .strftime("%Y-%m-%d")
        .to_string(),
        run_id: run_id.to_owned(),
    };
    // Where what is deployed stays anyway, one process at a time uses it.
    if !target.keeps {
        let working = progress.working("asking whether another run is under way");
        let taken_over = leftovers::not_in_use(configuration, &clients, &settings).await;
        drop(working);
        if let Some(said) = taken_over? {
            progress.step(&said);
        }
    }
    let mut events = Vec::new();
    let working = progress.working("deploying");
    let deployment = Box::pin(deploy::deploy(&clients, &settings, &want, &mut |event| {
        events.push(event);
    }))
    .await;
    drop(working);
    let deployment = deployment.map_err(Failure::broken)?;
    hold_to_own_names(configuration, target, &deployment);
    let deploy::Counts {
        created,
        updated,
        unchanged,
        layers_published,
    } = deployment.counts;
    progress.step(&format!(
        "  {created} created, {updated} updated, {unchanged} unchanged, {layers_published} layers published"
    ));
    Ok(Deployed { deployment, events })
}

/// Holds every function to names of its own: under `OUTPUT_PREFIX`, and where its variant says that
/// its outputs land. One whose outputs are named after its input may write anywhere: its variant
/// says no place.
fn hold_to_own_names(configuration: Configuration<'_>, target: &Target, deployment: &Deployment) {
    for (key, function) in &deployment.functions {
        let own = match habits(configuration, &key.variant, &key.stage).output_key {
            Some(template) => event_shape::known_start(
                &template,
                &function.output_prefix,
                &target.region,
                &key.stage,
            ),
            None => function.output_prefix.clone(),
        };
        if !own.is_empty() {
            let mut prefixes = vec![function.output_prefix.clone()];
            prefixes.extend((!own.starts_with(&function.output_prefix)).then_some(own));
            target.hold_to(&function.name, prefixes);
        }
    }
}

/// Waits until functions may do what their role was just told they may: a call before that could
/// fail for lack of a permission.
pub async fn role_in_force(target: &Target, deployment: &Deployment, progress: &Progress) {
    let mut working = None;
    let say = |left: std::time::Duration| {
        progress.step(&format!(
            "  waiting {:.0} s until the functions' role is known everywhere",
            left.as_secs_f64()
        ));
        working = Some(progress.working("waiting for the functions' role"));
    };
    deploy::in_force(deployment.policy_put, target.policy_settles, say).await;
    drop(working);
}

/// Refuses cells that run more at once than the account leaves to functions; nothing has been
/// changed by then. Returns how much that is, if the account tells.
pub async fn within_account_limit(
    target: &Target,
    cells: &[PlannedCell],
    progress: &Progress,
) -> Result<Option<u32>, Failure> {
    let limit = match target.lambda().get_account_settings().send().await {
        Ok(settings) => settings
            .account_limit()
            .and_then(AccountLimit::unreserved_concurrent_executions),
        Err(error) => {
            let reason = error_message(&error);
            progress.step(&format!(
                "unknown how many invocations the account may run at once: {reason}"
            ));
            None
        }
    };
    let Some(limit) = limit.and_then(|limit| u32::try_from(limit).ok()) else {
        return Ok(None);
    };
    match cells.iter().find(|cell| cell.cell.concurrency > limit) {
        None => Ok(Some(limit)),
        Some(cell) => Err(Failure::wrong_request(Refusal::AccountLimit {
            cell: cell.id.clone(),
            concurrency: cell.cell.concurrency,
            limit,
            region: target.region.clone(),
        })),
    }
}

/// Returns what the cells' functions will run, before any is touched.
pub fn intended(
    configuration: Configuration<'_>,
    cells: &[PlannedCell],
    packages: &Packages,
) -> Vec<FunctionDeployed> {
    let intended = |function: &WantedFunction| {
        deploy::intended(&configuration.manifest.experiment.name, function)
    };
    wanted(configuration, cells, packages)
        .iter()
        .map(intended)
        .collect()
}

fn wanted(
    configuration: Configuration<'_>,
    cells: &[PlannedCell],
    packages: &Packages,
) -> Vec<WantedFunction> {
    let mut want = BTreeMap::new();
    let stages = &configuration.pipeline().stages;
    for planned in cells {
        let cell = &planned.cell;
        let called = planned.called(stages.iter().map(|stage| stage.name.as_str()));
        let Some(package) = packages.get(&package_key(cell)) else {
            continue; // Its model gave no code at all.
        };
        let spec = configuration
            .known
            .variant(&cell.variant)
            .expect("a valid manifest names variants that can be read");
        for deployment in 1..=configuration.manifest.repetitions.deployments {
            let mut before = None;
            let called = stages.iter().zip(&called).filter(|(_, called)| **called);
            for (stage, _) in called {
                let key = key(cell, deployment, &stage.name);
                let handler = spec.handlers[&stage.name].clone();
                let environment = spec.adapt.for_stage(&stage.name).environment;
                let triggered_by = (cell.trigger == Trigger::S3).then(|| {
                    before
                        .as_ref()
                        .map_or_else(|| names::uploads_prefix(&key), names::output_prefix)
                });
                before = Some(key.clone());
                want.insert(
                    key.clone(),
                    WantedFunction {
                        key,
                        package: package.clone(),
                        handler,
                        timeout_s: stage.timeout_s,
                        triggered_by,
                        environment,
                    },
                );
            }
        }
    }
    want.into_values().collect()
}

fn key(cell: &darkroom_core::cell::Cell, deployment: u32, stage: &str) -> FunctionKey {
    FunctionKey {
        variant: cell.variant.clone(),
        runtime: cell.runtime.clone(),
        architecture: cell.architecture,
        memory_mb: cell.memory_mb,
        deployment,
        trigger: cell.trigger,
        start: cell.start,
        snapstart: cell.snapstart,
        stage: stage.to_owned(),
    }
}

fn habits(configuration: Configuration<'_>, variant: &str, stage: &str) -> Habits {
    configuration
        .known
        .variant(variant)
        .map(|variant| variant.adapt.for_stage(stage))
        .unwrap_or_default()
}

/// Puts cells, images and deployed functions together.
pub fn cells_under_test(
    configuration: Configuration<'_>,
    cells: &[PlannedCell],
    deployment: &Deployment,
    images: Images,
) -> Result<Vec<CellUnderTest>, Failure> {
    let images: BTreeMap<String, Arc<[Image]>> = images
        .into_iter()
        .map(|(set, images)| (set, images.into()))
        .collect();
    let function = |planned: &PlannedCell, number: u32, stage: &str| {
        let deployed = deployment
            .functions
            .get(&key(&planned.cell, number, stage))
            .ok_or_else(|| {
                Failure::broken(miette::miette!(
                    "stage `{stage}` of {} was not deployed",
                    planned.id
                ))
            })?;
        Ok(Function {
            name: deployed.name.clone(),
            qualifier: deployed.qualifier,
            code_sha256: deployed.code_sha256.clone(),
            output_prefix: deployed.output_prefix.clone(),
            triggered_by: deployed.triggered_by.clone(),
            habits: habits(configuration, &planned.cell.variant, stage),
        })
    };
    let stages = &configuration.pipeline().stages;
    let under_test = |planned: &PlannedCell| {
        let called = planned.called(stages.iter().map(|stage| stage.name.as_str()));
        let of_number = |number| {
            let stages = stages.iter().zip(&called);
            stages
                .map(|(stage, called)| {
                    called
                        .then(|| function(planned, number, &stage.name))
                        .transpose()
                })
                .collect()
        };
        let deployments = (1..=configuration.manifest.repetitions.deployments)
            .map(of_number)
            .collect::<Result<_, Failure>>()?;
        let images = images[&planned.cell.image_set].clone();
        Ok(CellUnderTest {
            id: planned.id.clone(),
            cell: planned.cell.clone(),
            images,
            deployments,
        })
    };
    cells.iter().map(under_test).collect()
}

#[cfg(test)]
mod tests {
    use darkroom_core::event::Build;

    use super::*;
    use crate::package::Archive;

    #[test]
    fn a_program_for_a_newer_glibc_than_lambdas_is_named() {
        let package = |glibc: Option<&str>| {
            let archive = Archive {
                zip: "x.zip".into(),
                sha256_base64: String::new(),
                bytes: 1,
                unzipped_bytes: 1,
            };
            let build = Build {
                glibc: glibc.map(str::to_owned),
                ..Build::default()
            };
            let package = Package {
                variant: "rust".into(),
                architecture: Architecture::X86_64,
                runtime: "provided.al2023".into(),
                archive,
                layers: Vec::new(),
                profiled: false,
                build,
            };
            let key = (package.variant.clone(), package.architecture, None);
            Packages::from([(key, Arc::new(package))])
        };
        assert_eq!(too_new(&package(None)), None);
        assert_eq!(too_new(&package(Some("2.34"))), None);
        let said = too_new(&package(Some("2.39"))).unwrap();
        assert!(
            said.starts_with("variant `rust` (x86_64) needs glibc 2.39"),
            "{said}"
        );
    }
}
