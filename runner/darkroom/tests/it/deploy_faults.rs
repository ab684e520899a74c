//! What deployment does when a cloud is slow to believe itself: a scripted Lambda that answers as
//! AWS does on a bad day.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use darkroom::deploy::{
    Clients, Counts, DeployError, DeploySettings, Deployment, FunctionKey, WantedFunction, deploy,
};
use darkroom::package::{Archive, Package};
use darkroom_core::cell::{Architecture, SnapStart, Start, Trigger};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clients::sdk_config;

const ROLE: &str = "arn:aws:iam::000000000000:role/darkroom";
const BUCKET_TAGS: &str = "<Tagging><TagSet>\
    <Tag><Key>darkroom:experiment</Key><Value>smoke</Value></Tag>\
    <Tag><Key>darkroom:expires-on</Key><Value>2026-12-24</Value></Tag></TagSet></Tagging>";

/// The one function of the account, and what goes wrong with it how often.
#[derive(Debug, Default)]
struct Script {
    /// Creations refused because the role is too new.
    unknown_role: u32,
    /// The answers of creations are lost: the SDK asks again, and hears that the function is there.
    lost: bool,
    /// Updates refused because another is in progress.
    busy: u32,
    /// Reads for which a change is not in force yet.
    slow: u32,
    /// Reads after an update that still show the function as it was before it.
    stale: u32,
    /// Lambda reports this instead of the code it was given.
    wrong_code: Option<String>,
    now: Option<Function>,
    before: Option<Function>,
    pending_reads: u32,
    stale_reads: u32,
    calls: Vec<String>,
}

#[derive(Clone, Debug)]
struct Function {
    revision: u32,
    code_sha256: String,
    settings: Value,
}

impl Script {
    fn answer(&mut self, method: &Method, uri: &Uri, body: &[u8]) -> Response {
        let path = uri.path();
        // Log groups and tags have no bad day here: nothing is there, and all is taken.
        if path == "/" || path.starts_with("/2017-03-31/tags") {
            return "{\"logGroups\": []}".into_response();
        }
        if !path.starts_with("/2015-03-31/functions") {
            return bucket(method, uri);
        }
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        match (
            method.as_str(),
            path.ends_with("/code"),
            path.ends_with("/configuration"),
        ) {
            ("GET", ..) => self.read(),
            ("POST", ..) => self.create(body),
            ("PUT", true, _) => self.update("code", |function| {
                function.code_sha256 = sha256_of(&body["ZipFile"]);
            }),
            ("PUT", _, true) => self.update("configuration", |function| function.settings = body),
            _ => StatusCode::NOT_IMPLEMENTED.into_response(),
        }
    }

    fn create(&mut self, body: Value) -> Response {
        self.calls.push("create".into());
        if self.unknown_role > 0 {
            self.unknown_role -= 1;
            let why = "The role defined for the function cannot be assumed by Lambda.";
            return refused(
                StatusCode::BAD_REQUEST,
                "InvalidParameterValueException",
                why,
            );
        }
        let code_sha256 = sha256_of(&body["Code"]["ZipFile"]);
        self.now = Some(Function {
            revision: 1,
            code_sha256,
            settings: body,
        });
        self.pending_reads = self.slow;
        if self.lost {
            return refused(
                StatusCode::CONFLICT,
                "ResourceConflictException",
                "Function already exist: f",
            );
        }
        (
            StatusCode::CREATED,
            self.described("Pending", None)["Configuration"].to_string(),
        )
            .into_response()
    }

    fn update(&mut self, what: &str, change: impl FnOnce(&mut Function)) -> Response {
        self.calls.push(what.into());
        if self.busy > 0 {
            self.busy -= 1;
            let why = "The operation cannot be performed at this time. An update is in progress for resource: f";
            return refused(StatusCode::CONFLICT, "ResourceConflictException", why);
        }
        self.before = self.now.clone();
        let function = self.now.as_mut().unwrap();
        change(function);
        function.revision += 1;
        (self.pending_reads, self.stale_reads) = (self.slow, self.stale);
        self.described("Active", Some("InProgress"))["Configuration"]
            .to_string()
            .into_response()
    }

    fn read(&mut self) -> Response {
        if self.now.is_none() {
            return refused(
                StatusCode::NOT_FOUND,
                "ResourceNotFoundException",
                "Function not found: f",
            );
        }
        if self.stale_reads > 0 {
            self.stale_reads -= 1;
            let old = Self {
                now: self.before.clone(),
                ..Self::default()
            };
            return old
                .described("Active", Some("Successful"))
                .to_string()
                .into_response();
        }
        if self.pending_reads > 0 {
            self.pending_reads -= 1;
            let first = self.before.is_none();
            let (state, update) = if first {
                ("Pending", None)
            } else {
                ("Active", Some("InProgress"))
            };
            return self.described(state, update).to_string().into_response();
        }
        self.described("Active", Some("Successful"))
            .to_string()
            .into_response()
    }

    fn described(&self, state: &str, update: Option<&str>) -> Value {
        let function = self.now.as_ref().unwrap();
        let setting = |name: &str| function.settings[name].clone();
        json!({
            "Configuration": {
                "FunctionName": "f", "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
                "CodeSha256": self.wrong_code.as_ref().unwrap_or(&function.code_sha256),
                "RevisionId": format!("{}-{state}-{}", function.revision, update.unwrap_or("new")),
                "State": state, "LastUpdateStatus": update, "Architectures": ["x86_64"],
                "Runtime": setting("Runtime"), "Handler": setting("Handler"), "Role": setting("Role"),
                "MemorySize": setting("MemorySize"), "Timeout": setting("Timeout"), "Environment": setting("Environment"),
            },
            "Tags": {"darkroom:experiment": "smoke", "darkroom:expires-on": "2026-12-24"},
        })
    }
}

/// The experiment's bucket is there, and tagged.
fn bucket(method: &Method, uri: &Uri) -> Response {
    match (
        method.as_str(),
        uri.query().unwrap_or_default().contains("tagging"),
    ) {
        ("HEAD" | "PUT", _) => StatusCode::OK.into_response(),
        ("GET", true) => BUCKET_TAGS.into_response(),
        _ => StatusCode::NOT_IMPLEMENTED.into_response(),
    }
}

fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({"Type": "User", "message": message, "Message": message}).to_string();
    (status, [("x-amzn-errortype", code)], body).into_response()
}

fn sha256_of(zip_file: &Value) -> String {
    let base64 = base64::engine::general_purpose::STANDARD;
    base64.encode(Sha256::digest(
        base64.decode(zip_file.as_str().unwrap()).unwrap(),
    ))
}

type Shared = Arc<Mutex<Script>>;

async fn scripted(State(script): State<Shared>, method: Method, uri: Uri, body: Bytes) -> Response {
    script.lock().unwrap().answer(&method, &uri, &body)
}

/// Serves a script on a free loopback port for as long as the test's runtime lives.
async fn serve(script: Script) -> (Shared, Clients) {
    let shared = Arc::new(Mutex::new(script));
    let router = axum::Router::new()
        .fallback(scripted)
        .with_state(Arc::clone(&shared));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let clients = Clients::new(&sdk_config(&endpoint, "test", "test"));
    (shared, clients)
}

/// Deploys one function with this code and timeout.
async fn deploy_one(
    clients: &Clients,
    code: &str,
    timeout_s: u32,
) -> Result<Deployment, DeployError> {
    let folder = tempfile::tempdir().unwrap();
    let zip = folder.path().join("code.zip");
    std::fs::write(&zip, code).unwrap();
    let sha256_base64 = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(code));
    let key = FunctionKey {
        variant: "fake".into(),
        runtime: None,
        architecture: Architecture::X86_64,
        memory_mb: 512,
        deployment: 1,
        trigger: Trigger::Direct,
        start: Start::Warm,
        snapstart: SnapStart::Off,
        stage: "resize".into(),
    };
    let package = Package {
        variant: "fake".into(),
        architecture: Architecture::X86_64,
        runtime: "python3.13".into(),
        archive: Archive {
            zip,
            sha256_base64,
            bytes: code.len() as u64,
            unzipped_bytes: 1,
        },
        layers: Vec::new(),
        profiled: false,
        build: darkroom_core::event::Build::default(),
    };
    let want = WantedFunction {
        key,
        package: Arc::new(package),
        handler: "resize.handler".into(),
        timeout_s,
        triggered_by: None,
        environment: std::collections::BTreeMap::new(),
    };
    let settings = DeploySettings {
        experiment: "smoke".into(),
        region: "us-east-1".into(),
        account_id: "000000000000".into(),
        bucket: "dkr-smoke-000000000000-us-east-1-an".into(),
        partition: "aws".into(),
        role_arn: Some(ROLE.into()),
        boundary: None,
        by: "arn:aws:iam::000000000000:user/me".into(),
        expires_on: "2026-12-24".into(),
        run_id: "20261125-000000-abcdef".into(),
    };
    deploy(clients, &settings, &[want], &mut |_| {}).await
}

#[tokio::test]
async fn a_role_that_lambda_does_not_know_yet_is_waited_for() {
    let (script, clients) = serve(Script {
        unknown_role: 2,
        slow: 3,
        ..Script::default()
    })
    .await;
    let deployment = deploy_one(&clients, "code", 30).await.unwrap();
    assert_eq!(
        deployment.counts,
        Counts {
            created: 1,
            ..Counts::default()
        }
    );
    assert_eq!(script.lock().unwrap().calls, ["create", "create", "create"]);
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_not_taken_for_somebody_elses() {
    let (script, clients) = serve(Script {
        lost: true,
        slow: 2,
        ..Script::default()
    })
    .await;
    let deployment = deploy_one(&clients, "code", 30).await.unwrap();
    assert_eq!(
        deployment.counts,
        Counts {
            created: 1,
            ..Counts::default()
        }
    );
    assert_eq!(script.lock().unwrap().calls, ["create"]);
}

#[tokio::test]
async fn an_old_ready_after_an_update_is_not_believed() {
    let (script, clients) = serve(Script {
        slow: 2,
        stale: 3,
        ..Script::default()
    })
    .await;
    deploy_one(&clients, "old", 30).await.unwrap();
    let deployment = deploy_one(&clients, "new", 31).await.unwrap();
    assert_eq!(
        deployment.counts,
        Counts {
            updated: 1,
            ..Counts::default()
        }
    );
    // The second update is made only once the first is in force: AWS refuses it before.
    assert_eq!(
        script.lock().unwrap().calls,
        ["create", "code", "configuration"]
    );
}

#[tokio::test]
async fn an_update_that_meets_another_is_made_again() {
    let (script, clients) = serve(Script::default()).await;
    deploy_one(&clients, "old", 30).await.unwrap();
    script.lock().unwrap().busy = 2;
    deploy_one(&clients, "new", 30).await.unwrap();
    assert_eq!(
        script.lock().unwrap().calls,
        ["create", "code", "code", "code"]
    );
}

#[tokio::test]
async fn code_that_is_not_what_was_packaged_ends_the_deployment() {
    let (_script, clients) = serve(Script {
        wrong_code: Some("b3RoZXI=".into()),
        ..Script::default()
    })
    .await;
    let error = deploy_one(&clients, "code", 30).await.unwrap_err();
    assert!(
        matches!(&error, DeployError::CodeDiffers { found, .. } if found == "b3RoZXI="),
        "{error}"
    );
}
