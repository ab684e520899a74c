//! Carries out [`Steps`], and checks that Lambda holds what was packaged.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    Architecture as LambdaArchitecture, Environment, FunctionCode, LayerVersionContentInput,
    Runtime, SnapStart, SnapStartApplyOn,
};
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::primitives::ByteStream;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::clients::Clients;
use super::desired::{
    self, Change, DesiredConfiguration, Have, HaveFunction, LayerId, Readiness, Steps, Want,
};
use super::error::DeployError;
use super::observe::{self, call};
use super::patience::{PATIENCE, Waits, is_there, patiently};
use super::published::{self, Before, Published, Versions};
use super::wanted::DeploySettings;
use super::{bucket, names, tags};
use crate::control_pace::ControlPace;
use crate::package::Archive;

/// Functions made or changed at once. The control plane allows about 15 calls a second; the SDK's
/// adaptive retries slow down when it says so.
const AT_ONCE: usize = 8;
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Largest zip that is sent with every function that has it, bytes; larger ones go to the bucket
/// once.
const LARGEST_IN_A_REQUEST: u64 = 1_000_000;

/// Where Lambda takes a function's code from.
#[derive(Clone)]
enum CodeSource {
    Request(Arc<[u8]>),
    Bucket { bucket: String, key: String },
}

/// A function that is in place, and what had to be done to it.
pub struct Done {
    pub name: String,
    pub arn: String,
    pub code_sha256: String,
    pub change: Change,
    /// The version that is called, where environments are restored from its snapshot.
    pub published: Option<Published>,
}

/// The zips behind what is wanted.
pub struct Archives<'a> {
    /// By function name.
    pub code: BTreeMap<String, &'a Archive>,
    pub layers: BTreeMap<LayerId, &'a Archive>,
}

/// Makes the bucket and the layers; returns the ARN of every wanted layer.
pub async fn foundations(
    clients: &Clients,
    settings: &DeploySettings,
    steps: &Steps,
    have: &Have,
    archives: &Archives<'_>,
) -> Result<BTreeMap<LayerId, String>, DeployError> {
    bucket::bring_about(clients, settings, &steps.bucket).await?;
    let published = stream::iter(&steps.publish)
        .map(|layer| async move {
            Ok((
                layer.clone(),
                publish(clients, settings, layer, archives).await?,
            ))
        })
        .buffer_unordered(AT_ONCE);
    let mut arns: BTreeMap<LayerId, String> = published.try_collect().await?;
    arns.extend(have.layers.clone());
    Ok(arns)
}

/// Creates, changes or keeps every function, several at once, and hands each to `on_done` once it
/// is proven.
pub async fn functions(
    clients: &Clients,
    steps: &Steps,
    have: &Have,
    want: &Want,
    layers: &BTreeMap<LayerId, String>,
    archives: &Archives<'_>,
    mut on_done: impl FnMut(Done),
) -> Result<(), DeployError> {
    let sources = code_sources(clients, steps, &want.bucket, archives).await?;
    let mut work = stream::iter(&want.functions)
        .map(|(name, target)| {
            let one = OneFunction {
                lambda: &clients.lambda,
                waits: &clients.waits,
                name,
                target,
                layers,
                source: sources.get(name),
            };
            one.bring_about(
                steps.functions.get(name).unwrap_or(&Change::Keep),
                have.functions.get(name),
            )
        })
        .buffer_unordered(AT_ONCE);
    while let Some(done) = work.try_next().await? {
        on_done(done);
    }
    Ok(())
}

async fn publish(
    clients: &Clients,
    settings: &DeploySettings,
    layer: &LayerId,
    archives: &Archives<'_>,
) -> Result<String, DeployError> {
    let resource = || format!("layer {}", layer.name);
    let zip = archives
        .layers
        .get(layer)
        .map(|archive| read(&archive.zip))
        .transpose()?
        .unwrap_or_default();
    let content = LayerVersionContentInput::builder()
        .zip_file(Blob::new(zip))
        .build();
    let description = tags::layer_description(&settings.experiment, &layer.sha256);
    let call_ = clients
        .lambda
        .publish_layer_version()
        .layer_name(&layer.name)
        .description(description);
    let version = call_
        .content(content)
        .send()
        .await
        .map_err(|error| call("publication", resource(), &error))?;
    let found = version
        .content()
        .and_then(|content| content.code_sha256())
        .unwrap_or_default();
    prove(resource(), &layer.sha256, found)?;
    Ok(version.layer_version_arn().unwrap_or_default().to_owned())
}

/// Everything about one function that its calls need.
struct OneFunction<'a> {
    lambda: &'a aws_sdk_lambda::Client,
    waits: &'a Waits,
    name: &'a str,
    target: &'a DesiredConfiguration,
    layers: &'a BTreeMap<LayerId, String>,
    /// Absent when its code stays as it is.
    source: Option<&'a CodeSource>,
}

impl OneFunction<'_> {
    async fn bring_about(
        self,
        change: &Change,
        have: Option<&HaveFunction>,
    ) -> Result<Done, DeployError> {
        let have = match have {
            // Someone, or a deployment that was cut off, is still changing it.
            Some(have) if have.readiness == Readiness::Changing => {
                Some(self.ready_after(None).await?)
            }
            have => have.cloned(),
        };
        let have = match (change, have) {
            (Change::Keep, Some(have)) => have,
            (
                Change::Update {
                    code,
                    configuration,
                    tags,
                },
                Some(have),
            ) => {
                self.update(have, *code, !configuration.is_empty(), *tags)
                    .await?
            }
            (_, _) => {
                let made = self.create().await?;
                let have = self.ready_after(None).await?;
                if made {
                    have
                } else {
                    self.take_over(have).await?
                }
            }
        };
        prove(
            format!("function {}", self.name),
            &self.target.code_sha256,
            &have.code_sha256,
        )?;
        let differences = desired::differences(&have, self.target, self.layers);
        if !differences.is_empty() {
            let differences = differences.join(", ");
            return Err(DeployError::ConfigurationDiffers {
                function: self.name.to_owned(),
                differences,
            });
        }
        let published = self.publish().await?;
        let arn = match &published {
            Some(_) => format!("{}:{}", have.arn, published::ALIAS),
            None => have.arn,
        };
        Ok(Done {
            name: self.name.to_owned(),
            arn,
            code_sha256: have.code_sha256,
            change: change.clone(),
            published,
        })
    }

    /// Publishes what the function is now, where environments are restored from snapshots.
    async fn publish(&self) -> Result<Option<Published>, DeployError> {
        if !self.target.snapstart {
            return Ok(None);
        }
        let sha256 = &self.target.code_sha256;
        // Boxed, for it is large and seldom there.
        let pace = ControlPace::unbounded(); // Few at once: see `AT_ONCE`.
        let versions = Versions {
            lambda: self.lambda,
            function: self.name,
            pace: &pace,
        };
        let publish = Box::pin(versions.publish(sha256, Before::Goes));
        let what = || {
            format!(
                "function {}: Lambda takes a snapshot of its initialised environment, which takes \
                 minutes",
                self.name
            )
        };
        let published = self.waits.said(what, publish).await;
        let published = published.map_err(|error| DeployError::Snapshot {
            function: self.name.to_owned(),
            reason: error.to_string(),
        })?;
        if let Some(reason) = &published.code_failed {
            self.waits.say(&format!(
                "function {}: its code could not be initialised, so there is no snapshot, and its \
                 calls will fail: {reason}",
                self.name
            ));
        }
        Ok(Some(published))
    }

    /// Makes a function as it must be of one that appeared after all had been observed.
    async fn take_over(&self, have: HaveFunction) -> Result<HaveFunction, DeployError> {
        let experiment = self
            .target
            .tags
            .get(tags::EXPERIMENT)
            .map(String::as_str)
            .unwrap_or_default();
        desired::owned(self.resource(), experiment, &have.tags)?;
        match desired::change(&have, self.target, self.layers) {
            Change::Update {
                code,
                configuration,
                tags,
            } => {
                self.update(have, code, !configuration.is_empty(), tags)
                    .await
            }
            Change::Create | Change::Keep => Ok(have),
        }
    }

    /// Returns whether this made it. `false`: it is there already, made by a call whose answer was
    /// lost, or by another.
    async fn create(&self) -> Result<bool, DeployError> {
        let target = self.target;
        patiently(
            "creation",
            || self.resource(),
            async || {
                let create = self
                    .lambda
                    .create_function()
                    .function_name(self.name)
                    .role(&target.role_arn);
                let sent = create
                    .runtime(Runtime::from(target.runtime.as_str()))
                    .handler(&target.handler)
                    .architectures(self.architecture())
                    .code(self.function_code())
                    .memory_size(signed(target.memory_mb))
                    .timeout(signed(target.timeout_s))
                    .environment(self.environment())
                    .set_layers(Some(self.layer_arns()))
                    .set_snap_start(self.snap_start())
                    .set_tags(Some(target.tags.clone().into_iter().collect()))
                    .send()
                    .await;
                match sent {
                    Err(error) if is_there(error.code(), error.message()) => Ok(false),
                    sent => sent.map(|_| true),
                }
            },
        )
        .await
    }

    async fn update(
        &self,
        have: HaveFunction,
        code: bool,
        configuration: bool,
        tags: bool,
    ) -> Result<HaveFunction, DeployError> {
        let mut have = have;
        if code {
            patiently(
                "update of the code",
                || self.resource(),
                async || {
                    let update = self.lambda.update_function_code().function_name(self.name);
                    let code = self.function_code();
                    update
                        .architectures(self.architecture())
                        .set_zip_file(code.zip_file)
                        .set_s3_bucket(code.s3_bucket)
                        .set_s3_key(code.s3_key)
                        .send()
                        .await
                        .map(|_| ())
                },
            )
            .await?;
            have = self.ready_after(have.revision_id.as_deref()).await?;
        }
        if configuration {
            patiently(
                "update of the configuration",
                || self.resource(),
                async || self.update_configuration().await,
            )
            .await?;
            have = self.ready_after(have.revision_id.as_deref()).await?;
        }
        if tags {
            let tag = self.lambda.tag_resource().resource(&have.arn);
            let sent = tag
                .set_tags(Some(self.target.tags.clone().into_iter().collect()))
                .send()
                .await;
            sent.map_err(|error| call("tagging", format!("function {}", self.name), &error))?;
        }
        Ok(have)
    }

    async fn update_configuration(
        &self,
    ) -> Result<
        (),
        aws_sdk_lambda::error::SdkError<
            aws_sdk_lambda::operation::update_function_configuration::UpdateFunctionConfigurationError,
        >,
    >{
        let target = self.target;
        let update = self
            .lambda
            .update_function_configuration()
            .function_name(self.name)
            .role(&target.role_arn);
        update
            .runtime(Runtime::from(target.runtime.as_str()))
            .handler(&target.handler)
            .memory_size(signed(target.memory_mb))
            .timeout(signed(target.timeout_s))
            .environment(self.environment())
            .set_layers(Some(self.layer_arns()))
            .set_snap_start(self.snap_start())
            .send()
            .await
            .map(|_| ())
    }

    /// Waits until the function is ready under another revision than `before`, and returns it.
    ///
    /// An older "ready" can be seen for a while after an update, so it is the changed `RevisionId`
    /// that tells.
    async fn ready_after(&self, before: Option<&str>) -> Result<HaveFunction, DeployError> {
        let not_ready = |reason: String| DeployError::NotReady {
            function: self.name.to_owned(),
            reason,
        };
        let deadline = Instant::now() + PATIENCE;
        let mut pause = SHORTEST_PAUSE;
        loop {
            let now = observe::function(self.lambda, self.name).await?;
            let renewed =
                |have: &HaveFunction| before.is_none() || have.revision_id.as_deref() != before;
            match now {
                Some(have) if have.readiness == Readiness::Ready && renewed(&have) => {
                    return Ok(have);
                }
                Some(HaveFunction {
                    readiness: Readiness::Failed(reason),
                    ..
                }) => return Err(not_ready(reason)),
                _ if Instant::now() >= deadline => {
                    return Err(not_ready(format!("not within {} s", PATIENCE.as_secs())));
                }
                _ => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Absent where nothing asks for it, as functions of before are.
    fn snap_start(&self) -> Option<SnapStart> {
        let on = SnapStart::builder().apply_on(SnapStartApplyOn::PublishedVersions);
        self.target.snapstart.then(|| on.build())
    }

    fn resource(&self) -> String {
        format!("function {}", self.name)
    }

    fn function_code(&self) -> FunctionCode {
        let code = FunctionCode::builder();
        match self.source {
            Some(CodeSource::Request(zip)) => code.zip_file(Blob::new(zip.to_vec())).build(),
            Some(CodeSource::Bucket { bucket, key }) => code.s3_bucket(bucket).s3_key(key).build(),
            None => code.build(),
        }
    }

    fn architecture(&self) -> LambdaArchitecture {
        LambdaArchitecture::from(self.target.architecture.as_str())
    }

    fn environment(&self) -> Environment {
        Environment::builder()
            .set_variables(Some(self.target.environment.clone().into_iter().collect()))
            .build()
    }

    fn layer_arns(&self) -> Vec<String> {
        self.target
            .layers
            .iter()
            .filter_map(|layer| self.layers.get(layer).cloned())
            .collect()
    }
}

fn prove(resource: String, expected: &str, found: &str) -> Result<(), DeployError> {
    if expected == found {
        return Ok(());
    }
    Err(DeployError::CodeDiffers {
        resource,
        expected: expected.to_owned(),
        found: found.to_owned(),
    })
}

/// Returns where Lambda gets the code of every function that is created or gets new code. A large
/// zip is put into the bucket, once however many functions share it and however often it is
/// deployed.
async fn code_sources(
    clients: &Clients,
    steps: &Steps,
    bucket: &str,
    archives: &Archives<'_>,
) -> Result<BTreeMap<String, CodeSource>, DeployError> {
    let uploads =
        |change: &Change| matches!(change, Change::Create | Change::Update { code: true, .. });
    let mut by_zip: BTreeMap<&Path, CodeSource> = BTreeMap::new();
    let mut sources = BTreeMap::new();
    for (name, archive) in &archives.code {
        if !steps.functions.get(name).is_some_and(uploads) {
            continue;
        }
        let zip = archive.zip.as_path();
        if !by_zip.contains_key(zip) {
            let source = if archive.bytes <= LARGEST_IN_A_REQUEST {
                CodeSource::Request(read(zip)?.into())
            } else {
                CodeSource::Bucket {
                    bucket: bucket.to_owned(),
                    key: stored(clients, bucket, archive).await?,
                }
            };
            by_zip.insert(zip, source);
        }
        sources.insert(name.clone(), by_zip[zip].clone());
    }
    Ok(sources)
}

/// Puts a zip into the bucket if it is not there, and returns its key, which is made of its
/// contents' hash.
async fn stored(clients: &Clients, bucket: &str, archive: &Archive) -> Result<String, DeployError> {
    // base64 with the characters that keys and paths can hold.
    let hash = archive.sha256_base64.replace('+', "-").replace('/', "_");
    let key = format!(
        "{}{}.zip",
        names::PACKAGES_PREFIX,
        hash.trim_end_matches('=')
    );
    let resource = || format!("package {key}");
    match clients
        .s3
        .head_object()
        .bucket(bucket)
        .key(&key)
        .send()
        .await
    {
        Ok(_) => return Ok(key),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(HeadObjectError::is_not_found) => {}
        Err(error) => return Err(call("reading", resource(), &error)),
    }
    let zip = bytes::Bytes::from(read(&archive.zip)?);
    let put = async || {
        let body = ByteStream::from(zip.clone());
        clients
            .s3
            .put_object()
            .bucket(bucket)
            .key(&key)
            .body(body)
            .send()
            .await
    };
    patiently("upload", resource, put).await?;
    Ok(key)
}

fn read(zip: &Path) -> Result<Vec<u8>, DeployError> {
    std::fs::read(zip).map_err(|source| DeployError::Package {
        zip: zip.to_owned(),
        source,
    })
}

/// The API counts in signed numbers; ours are within its limits.
fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
