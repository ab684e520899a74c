//! Deploying to the local cloud and cleaning it again, through the official SDK.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, Runtime};
use base64::Engine as _;
use darkroom::deploy::clean::{self, Which};
use darkroom::deploy::desired::Change;
use darkroom::deploy::{
    Clients, Counts, DeployError, DeploySettings, Deployment, FunctionKey, WantedFunction, deploy,
    steps,
};
use darkroom::package::{Archive, LayerPackage, Package};
use darkroom_cloud::{Config, LocalCloud};
use darkroom_core::cell::{Architecture, SnapStart, Start, Trigger};
use darkroom_core::event::FunctionDeployed;
use sha2::{Digest, Sha256};

use crate::clients::sdk_config;

/// A local cloud on a temporary folder, with clients for it.
pub struct Account {
    pub cloud: LocalCloud,
    config: SdkConfig,
    folder: tempfile::TempDir,
}

impl Account {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = env!("CARGO_BIN_EXE_darkroom").into();
        let cloud = LocalCloud::start(Config::new(program, folder.path().join("runtimes")))
            .await
            .unwrap();
        let config = sdk_config(cloud.endpoint_url(), "test", "test");
        Self {
            cloud,
            config,
            folder,
        }
    }

    pub fn clients(&self) -> Clients {
        Clients::new(&self.config)
    }

    /// Clients whose calls go elsewhere first.
    pub fn clients_at(&self, endpoint: &str) -> Clients {
        Clients::new(
            &self
                .config
                .clone()
                .into_builder()
                .endpoint_url(endpoint)
                .build(),
        )
    }

    /// Two stages, two memory sizes and two deployments of one variant whose code and dependencies
    /// are these texts.
    pub fn wanted(&self, code: &str, dependency: &str) -> Vec<WantedFunction> {
        let package = Arc::new(Package {
            variant: "fake".into(),
            architecture: Architecture::X86_64,
            runtime: "python3.13".into(),
            archive: zip(self.folder.path(), "greyscale.py", code),
            layers: vec![LayerPackage {
                name: "fake-x86_64".into(),
                archive: zip(self.folder.path(), "python/dependency.py", dependency),
            }],
            profiled: false,
            build: darkroom_core::event::Build::default(),
        });
        let mut wanted = Vec::new();
        for memory_mb in [512, 1024] {
            for deployment in 1..=2 {
                for stage in ["greyscale", "resize"] {
                    wanted.push(WantedFunction {
                        key: FunctionKey {
                            variant: "fake".into(),
                            runtime: None,
                            architecture: Architecture::X86_64,
                            memory_mb,
                            deployment,
                            trigger: Trigger::Direct,
                            start: Start::Warm,
                            snapstart: SnapStart::Off,
                            stage: stage.into(),
                        },
                        package: Arc::clone(&package),
                        handler: "greyscale.handler".into(),
                        timeout_s: 30,
                        triggered_by: None,
                        environment: std::collections::BTreeMap::new(),
                    });
                }
            }
        }
        wanted
    }

    async fn deploy(
        &self,
        want: &[WantedFunction],
    ) -> Result<(Deployment, Vec<FunctionDeployed>), DeployError> {
        let mut events = Vec::new();
        let deployment = deploy(&self.clients(), &settings(), want, &mut |event| {
            events.push(event);
        })
        .await?;
        Ok((deployment, events))
    }

    /// Returns the `RevisionId` of every function: it changes with every change.
    async fn revisions(&self) -> BTreeMap<String, String> {
        let page = self.clients().lambda.list_functions().send().await.unwrap();
        let pair = |function: &aws_sdk_lambda::types::FunctionConfiguration| {
            Some((
                function.function_name()?.to_owned(),
                function.revision_id()?.to_owned(),
            ))
        };
        page.functions().iter().filter_map(pair).collect()
    }
}

/// The local cloud's.
pub const REGION: &str = "us-east-1";

/// What is left, in words.
pub fn told(left: &[DeployError]) -> Vec<String> {
    left.iter().map(ToString::to_string).collect()
}

pub fn settings() -> DeploySettings {
    DeploySettings {
        experiment: "smoke".into(),
        region: "us-east-1".into(),
        account_id: "000000000000".into(),
        bucket: "dkr-smoke-000000000000-us-east-1-an".into(),
        partition: "aws".into(),
        role_arn: Some("arn:aws:iam::000000000000:role/darkroom".into()),
        boundary: None,
        by: "arn:aws:iam::000000000000:user/me".into(),
        expires_on: "2026-12-24".into(),
        run_id: "20261125-000000-abcdef".into(),
    }
}

/// Writes a zip with one file and describes it as `package` would.
fn zip(folder: &Path, name: &str, text: &str) -> Archive {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer
        .start_file(
            name,
            zip::write::SimpleFileOptions::default().unix_permissions(0o644),
        )
        .unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    let digest = Sha256::digest(&bytes);
    let path = folder.join(format!("{}.zip", hex::encode(digest)));
    std::fs::write(&path, &bytes).unwrap();
    Archive {
        zip: path,
        sha256_base64: base64::engine::general_purpose::STANDARD.encode(digest),
        bytes: bytes.len() as u64,
        unzipped_bytes: text.len() as u64,
    }
}

#[tokio::test]
async fn a_second_deployment_of_unchanged_code_changes_nothing() {
    let account = Account::new().await;
    let want = account.wanted("code 1", "dependency 1");
    let (first, events) = account.deploy(&want).await.unwrap();
    assert_eq!(
        first.counts,
        Counts {
            created: 8,
            layers_published: 1,
            ..Counts::default()
        }
    );
    assert_eq!(first.functions.len(), 8);
    assert_eq!(events.len(), 8);
    for event in &events {
        assert_eq!(event.code_sha256, want[0].package.archive.sha256_base64);
        assert_eq!(
            event.layers_sha256,
            [want[0].package.layers[0].archive.sha256_base64.clone()]
        );
    }

    let revisions = account.revisions().await;
    assert!(
        steps(&account.clients(), &settings(), &want)
            .await
            .unwrap()
            .is_empty()
    );
    let (second, events) = account.deploy(&want).await.unwrap();
    assert_eq!(
        second.counts,
        Counts {
            unchanged: 8,
            ..Counts::default()
        }
    );
    assert_eq!(
        (second.functions, second.bucket),
        (first.functions, first.bucket)
    );
    // What runs is proven in every run, whether or not it had to be uploaded.
    assert_eq!(events.len(), 8);
    assert_eq!(account.revisions().await, revisions);
    account.cloud.stop().await;
}

#[tokio::test]
async fn a_function_is_configured_as_wanted_and_told_where_to_write() {
    let account = Account::new().await;
    let want = account.wanted("code", "dependency");
    let (deployment, _) = account.deploy(&want).await.unwrap();
    let deployed = &deployment.functions[&want[1].key];
    assert_eq!(deployed.name, "dkr-smoke-fake-x86_64-512-resize-d1");
    assert_eq!(deployed.output_prefix, "fake-x86_64-512-d1/resize/");

    let found = account
        .clients()
        .lambda
        .get_function()
        .function_name(&deployed.name)
        .send()
        .await
        .unwrap();
    let configuration = found.configuration().unwrap();
    assert_eq!(configuration.memory_size(), Some(512));
    assert_eq!(configuration.timeout(), Some(30));
    assert_eq!(configuration.handler(), Some("greyscale.handler"));
    assert_eq!(
        configuration.code_sha256(),
        Some(deployed.code_sha256.as_str())
    );
    assert_eq!(configuration.layers().len(), 1);
    let variables = configuration.environment().unwrap().variables().unwrap();
    assert_eq!(variables["OUTPUT_BUCKET"], deployment.bucket);
    assert_eq!(variables["OUTPUT_PREFIX"], deployed.output_prefix);
    assert_eq!(found.tags().unwrap()["darkroom:experiment"], "smoke");
    account.cloud.stop().await;
}

#[tokio::test]
async fn changed_code_or_dependencies_reach_every_function_that_has_them() {
    let account = Account::new().await;
    account
        .deploy(&account.wanted("code 1", "dependency 1"))
        .await
        .unwrap();

    let want = account.wanted("code 2", "dependency 1");
    let (deployment, _) = account.deploy(&want).await.unwrap();
    assert_eq!(
        deployment.counts,
        Counts {
            updated: 8,
            ..Counts::default()
        }
    );

    let want = account.wanted("code 2", "dependency 2");
    let changes = steps(&account.clients(), &settings(), &want).await.unwrap();
    let layers = Change::Update {
        code: false,
        configuration: vec!["layers"],
        tags: false,
    };
    assert!(
        changes.functions.values().all(|change| *change == layers),
        "{changes}"
    );
    let (deployment, _) = account.deploy(&want).await.unwrap();
    assert_eq!(
        deployment.counts,
        Counts {
            updated: 8,
            layers_published: 1,
            ..Counts::default()
        }
    );

    // Going back finds the layer that is still there.
    let (deployment, _) = account
        .deploy(&account.wanted("code 1", "dependency 1"))
        .await
        .unwrap();
    assert_eq!(
        deployment.counts,
        Counts {
            updated: 8,
            ..Counts::default()
        }
    );
    account.cloud.stop().await;
}

#[tokio::test]
async fn a_large_zip_is_uploaded_once_however_many_functions_share_it() {
    let account = Account::new().await;
    // Text that hardly compresses: the hashes of numbers.
    let code: String = (0..60_000_u32)
        .map(|number| hex::encode(Sha256::digest(number.to_le_bytes())))
        .collect();
    let want = account.wanted(&code, "dependency");
    assert!(want[0].package.archive.bytes > 1_000_000);
    let (deployment, _) = account.deploy(&want).await.unwrap();
    assert_eq!(deployment.counts.created, 8);
    let stored = async || {
        let page = account
            .clients()
            .s3
            .list_objects_v2()
            .bucket(&deployment.bucket)
            .send()
            .await
            .unwrap();
        let object = |object: &aws_sdk_s3::types::Object| {
            (
                object.key().unwrap().to_owned(),
                object.last_modified().copied(),
            )
        };
        page.contents().iter().map(object).collect::<Vec<_>>()
    };
    let before = stored().await;
    assert_eq!(before.len(), 1);
    // The same code for functions that are gone is still in the bucket.
    account
        .clients()
        .lambda
        .delete_function()
        .function_name("dkr-smoke-fake-x86_64-512-resize-d1")
        .send()
        .await
        .unwrap();
    let (again, _) = account.deploy(&want).await.unwrap();
    assert_eq!(
        again.counts,
        Counts {
            created: 1,
            unchanged: 7,
            ..Counts::default()
        }
    );
    assert_eq!(stored().await, before);
    account.cloud.stop().await;
}

#[tokio::test]
async fn a_deployment_that_was_cut_off_is_completed_by_the_next() {
    let account = Account::new().await;
    let want = account.wanted("code", "dependency");
    let clients = account.clients();
    let settings = settings();
    // Whoever waits for the deployment is gone as soon as the first function is in place.
    let (first, mut cut_off) = tokio::sync::mpsc::unbounded_channel();
    let mut on_event = move |event: FunctionDeployed| {
        let _ = first.send(event);
    };
    tokio::select! {
        biased;
        _ = cut_off.recv() => {}
        _ = deploy(&clients, &settings, &want, &mut on_event) => {}
    }
    let (deployment, events) = account.deploy(&want).await.unwrap();
    assert_eq!(events.len(), 8);
    let Counts {
        created,
        updated,
        unchanged,
        layers_published,
    } = deployment.counts;
    assert_eq!((created + updated + unchanged, layers_published), (8, 0));
    assert!(unchanged >= 1, "{:?}", deployment.counts);
    account.cloud.stop().await;
}

/// An earlier version called the bucket otherwise, and let only that one start the functions.
#[tokio::test]
async fn functions_of_an_earlier_bucket_are_started_by_the_new_one() {
    let account = Account::new().await;
    let mut want = account.wanted("code", "dependency");
    for wanted in &mut want {
        let key = &wanted.key;
        let prefix = format!("in/{}/{}/{}/", key.memory_mb, key.deployment, key.stage);
        wanted.triggered_by = Some(prefix);
    }
    let clients = account.clients();
    let earlier = DeploySettings {
        bucket: "dkr-smoke-000000000000-us-east-1".into(),
        ..settings()
    };
    for settings in [earlier, settings()] {
        deploy(&clients, &settings, &want, &mut |_| {})
            .await
            .unwrap();
        let rules = clients
            .s3
            .get_bucket_notification_configuration()
            .bucket(&settings.bucket)
            .send()
            .await
            .unwrap();
        assert_eq!(rules.lambda_function_configurations().len(), want.len());
    }
    account.cloud.stop().await;
}

#[tokio::test]
async fn what_is_not_tagged_is_neither_changed_nor_cleaned() {
    let account = Account::new().await;
    let want = account.wanted("code", "dependency");
    let clients = account.clients();
    let theirs = "dkr-smoke-fake-x86_64-512-greyscale-d1";
    let code = std::fs::read(&want[0].package.archive.zip).unwrap();
    clients
        .lambda
        .create_function()
        .function_name(theirs)
        .role(settings().role_arn.unwrap())
        .runtime(Runtime::from("python3.13"))
        .handler("theirs.handler")
        .code(FunctionCode::builder().zip_file(Blob::new(code)).build())
        .send()
        .await
        .unwrap();
    clients
        .s3
        .create_bucket()
        .bucket("dkr-theirs")
        .send()
        .await
        .unwrap();

    let error = account.deploy(&want).await.unwrap_err();
    assert!(
        matches!(&error, DeployError::Foreign { resource, .. } if resource.contains(theirs)),
        "{error}"
    );
    // Nothing was made before that was known.
    assert_eq!(account.revisions().await.len(), 1);
    assert!(
        clean::find(&clients, REGION, &Which::Everything)
            .await
            .unwrap()
            .is_empty()
    );
    account.cloud.stop().await;
}

#[tokio::test]
async fn clean_removes_all_that_a_deployment_made_and_finds_nothing_afterwards() {
    let account = Account::new().await;
    let clients = account.clients();
    let (deployment, _) = account
        .deploy(&account.wanted("code", "dependency"))
        .await
        .unwrap();
    let other = DeploySettings {
        experiment: "other".into(),
        bucket: "dkr-other-000000000000-us-east-1-an".into(),
        ..settings()
    };
    deploy(
        &clients,
        &other,
        &account.wanted("code", "dependency"),
        &mut |_| {},
    )
    .await
    .unwrap();
    for index in 0..3 {
        let key = format!("images/{index}.jpg");
        let body = aws_sdk_s3::primitives::ByteStream::from_static(b"image");
        clients
            .s3
            .put_object()
            .bucket(&deployment.bucket)
            .key(key)
            .body(body)
            .send()
            .await
            .unwrap();
    }

    let smoke = Which::Experiment("smoke".into());
    let found = clean::find(&clients, REGION, &smoke).await.unwrap();
    assert_eq!(
        (
            found.functions.len(),
            found.layers.len(),
            found.buckets.len()
        ),
        (8, 1, 1)
    );
    assert_eq!((found.buckets[0].objects, found.buckets[0].bytes), (3, 15));
    assert_eq!(told(&clean::remove(&clients, &found).await), [""; 0]);
    assert!(
        clean::find(&clients, REGION, &smoke)
            .await
            .unwrap()
            .is_empty()
    );
    // What is gone is gone: the same removal again is no error.
    assert_eq!(told(&clean::remove(&clients, &found).await), [""; 0]);

    let rest = clean::find(&clients, REGION, &Which::Everything)
        .await
        .unwrap();
    assert_eq!(
        (rest.functions.len(), rest.layers.len(), rest.buckets.len()),
        (8, 1, 1)
    );
    assert_eq!(told(&clean::remove(&clients, &rest).await), [""; 0]);
    assert_eq!(account.revisions().await, BTreeMap::new());
    assert!(
        clients
            .lambda
            .list_layers()
            .send()
            .await
            .unwrap()
            .layers()
            .is_empty()
    );
    assert!(
        clients
            .s3
            .list_buckets()
            .send()
            .await
            .unwrap()
            .buckets()
            .is_empty()
    );
    account.cloud.stop().await;
}
