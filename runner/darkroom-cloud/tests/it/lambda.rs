//! Lambda through the official SDK, against a whole local cloud: the way of a deployer and the way
//! of an invocation.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_lambda::error::ProvideErrorMetadata as _;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    FunctionCode, InvocationType, LastUpdateStatus, LogType, Runtime, State,
};
use darkroom_cloud::{Config, LocalCloud, StartError};
use serde_json::{Value, json};
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) const ROLE: &str = "arn:aws:iam::000000000000:role/r";

/// A cloud and a client of it.
pub(crate) struct Stage {
    pub cloud: LocalCloud,
    pub lambda: Client,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::try_with(change).await.unwrap()
    }

    async fn try_with(change: impl FnOnce(&mut Config)) -> Result<Self, StartError> {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_darkroom-sandbox"));
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("darkroom-cache");
        let mut config = Config::new(program, cache);
        change(&mut config);
        let cloud = LocalCloud::start(config).await?;
        let config = aws_sdk_lambda::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(cloud.endpoint_url())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(aws_sdk_lambda::config::retry::RetryConfig::disabled())
            .build();
        Ok(Self {
            cloud,
            lambda: Client::from_conf(config),
        })
    }

    /// Creates a Python function and answers with the state that its creation showed.
    pub async fn create(&self, name: &str, code: &str) -> State {
        let created = self
            .lambda
            .create_function()
            .function_name(name)
            .runtime(Runtime::from("python3.13"));
        let code = FunctionCode::builder()
            .zip_file(Blob::new(zip(code)))
            .build();
        // A busy machine may take longer than the three seconds that are the default.
        let created = created
            .timeout(60)
            .handler("handler.handler")
            .role(ROLE)
            .code(code)
            .send()
            .await
            .unwrap();
        created.state.unwrap()
    }

    pub async fn invoke(&self, name: &str, payload: &Value) -> Value {
        let answer = self
            .lambda
            .invoke()
            .function_name(name)
            .payload(Blob::new(payload.to_string()));
        let answer = answer.send().await.unwrap();
        serde_json::from_slice(answer.payload.unwrap().as_ref()).unwrap()
    }

    async fn revision(&self, name: &str) -> String {
        self.lambda
            .get_function_configuration()
            .function_name(name)
            .send()
            .await
            .unwrap()
            .revision_id
            .unwrap()
    }
}

fn zip(handler: &str) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .start_file("handler.py", zip::write::SimpleFileOptions::default())
        .unwrap();
    writer.write_all(handler.as_bytes()).unwrap();
    writer.finish().unwrap().into_inner()
}

const ECHO: &str = "def handler(event, context):\n    return event\n";
const VERSION: &str =
    "def handler(event, context):\n    return [VALUE, context.function_version]\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_created_run_and_deleted() {
    let stage = Stage::new().await;
    assert_eq!(stage.create("f", ECHO).await, State::Pending);
    let got = stage
        .lambda
        .get_function()
        .function_name("f")
        .send()
        .await
        .unwrap();
    assert_eq!(got.configuration.unwrap().state, Some(State::Active));
    let answer = stage
        .lambda
        .invoke()
        .function_name("f")
        .payload(Blob::new(r#"{"a":1}"#))
        .log_type(LogType::Tail);
    let answer = answer.send().await.unwrap();
    assert_eq!(
        (answer.status_code, answer.executed_version.as_deref()),
        (200, Some("$LATEST"))
    );
    assert_eq!(answer.payload.unwrap().as_ref(), br#"{"a": 1}"#);
    assert!(answer.log_result.is_some() && answer.function_error.is_none());
    stage
        .lambda
        .delete_function()
        .function_name("f")
        .send()
        .await
        .unwrap();
    let gone = stage
        .lambda
        .invoke()
        .function_name("f")
        .send()
        .await
        .unwrap_err();
    assert_eq!(gone.code(), Some("ResourceNotFoundException"));
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_passes_through_in_progress_and_changes_the_revision_twice() {
    let stage = Stage::new().await;
    stage.create("f", ECHO).await;
    let before = stage.revision("f").await;
    let update = stage
        .lambda
        .update_function_configuration()
        .function_name("f")
        .memory_size(256);
    let update = update.send().await.unwrap();
    assert_eq!(
        update.last_update_status,
        Some(LastUpdateStatus::InProgress)
    );
    let after = stage.revision("f").await;
    let during = update.revision_id.unwrap();
    assert!(before != during && during != after && before != after);
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_and_aliases_run_what_they_name() {
    let stage = Stage::new().await;
    stage
        .create("f", &format!("VALUE = 'one'\n{VERSION}"))
        .await;
    stage
        .lambda
        .publish_version()
        .function_name("f")
        .send()
        .await
        .unwrap();
    let code = Blob::new(zip(&format!("VALUE = 'two'\n{VERSION}")));
    stage
        .lambda
        .update_function_code()
        .function_name("f")
        .zip_file(code)
        .publish(true)
        .send()
        .await
        .unwrap();
    let alias = stage
        .lambda
        .create_alias()
        .function_name("f")
        .name("live")
        .function_version("1");
    alias.send().await.unwrap();
    assert_eq!(
        stage.invoke("f:live", &json!({})).await,
        json!(["one", "1"])
    );
    assert_eq!(stage.invoke("f:2", &json!({})).await, json!(["two", "2"]));
    assert_eq!(
        stage.invoke("f", &json!({})).await,
        json!(["two", "$LATEST"])
    );
    stage
        .lambda
        .update_alias()
        .function_name("f")
        .name("live")
        .function_version("2")
        .send()
        .await
        .unwrap();
    assert_eq!(
        stage.invoke("f:live", &json!({})).await,
        json!(["two", "2"])
    );
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_survive_a_restart_over_the_same_folder() {
    let folder = tempfile::tempdir().unwrap();
    let over = |config: &mut Config| config.data_dir = Some(folder.path().to_owned());
    let stage = Stage::with(over).await;
    stage.create("f", ECHO).await;
    stage
        .lambda
        .publish_version()
        .function_name("f")
        .send()
        .await
        .unwrap();
    stage
        .lambda
        .put_function_concurrency()
        .function_name("f")
        .reserved_concurrent_executions(7)
        .send()
        .await
        .unwrap();
    stage.cloud.stop().await;
    let stage = Stage::with(over).await;
    let got = stage
        .lambda
        .get_function()
        .function_name("f")
        .qualifier("1")
        .send()
        .await
        .unwrap();
    assert_eq!(
        got.concurrency.unwrap().reserved_concurrent_executions,
        Some(7)
    );
    assert_eq!(stage.invoke("f:1", &json!([1])).await, json!([1]));
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_event_is_tried_again_and_ends_at_its_destination() {
    let stage = Stage::with(|config| config.retry_delays = vec![Duration::from_millis(1)]).await;
    stage
        .create(
            "failing",
            "def handler(event, context):\n    raise ValueError('no')\n",
        )
        .await;
    let sink = "import json\nSEEN = []\ndef handler(event, context):\n    if 'requestContext' in event: SEEN.append(event)\n    return SEEN\n";
    stage.create("sink", sink).await;
    // One environment, so that the question below reaches the one that saw the record.
    stage
        .lambda
        .put_function_concurrency()
        .function_name("sink")
        .reserved_concurrent_executions(1)
        .send()
        .await
        .unwrap();
    let destination = aws_sdk_lambda::types::OnFailure::builder()
        .destination("arn:aws:lambda:us-east-1:000000000000:function:sink")
        .build();
    let destinations = aws_sdk_lambda::types::DestinationConfig::builder()
        .on_failure(destination)
        .build();
    let config = stage
        .lambda
        .put_function_event_invoke_config()
        .function_name("failing");
    config
        .maximum_retry_attempts(1)
        .destination_config(destinations)
        .send()
        .await
        .unwrap();
    let sent = stage
        .lambda
        .invoke()
        .function_name("failing")
        .invocation_type(InvocationType::Event);
    assert_eq!(
        sent.payload(Blob::new(r#"{"k":1}"#))
            .send()
            .await
            .unwrap()
            .status_code,
        202
    );
    let record = stage.record("sink").await;
    assert_eq!(record["requestPayload"], json!({"k": 1}));
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!(record["responsePayload"]["errorType"], "ValueError");
    stage.cloud.stop().await;
}

impl Stage {
    /// Asks the sink until it has a record. A throttled question only means that the sink is just
    /// being told.
    pub async fn record(&self, sink: &str) -> Value {
        let asking = async {
            loop {
                if let Ok(answer) = self
                    .lambda
                    .invoke()
                    .function_name(sink)
                    .payload(Blob::new("{}"))
                    .send()
                    .await
                {
                    let seen: Value =
                        serde_json::from_slice(answer.payload.unwrap().as_ref()).unwrap();
                    if let Some(record) = seen.get(0) {
                        return record.clone();
                    }
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), asking)
            .await
            .expect("a record within a minute")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clouds_stand_side_by_side_on_ports_of_their_own() {
    let (one, two) = (Stage::new().await, Stage::new().await);
    one.create("f", ECHO).await;
    assert!(
        two.lambda
            .get_function()
            .function_name("f")
            .send()
            .await
            .is_err()
    );
    assert_ne!(one.cloud.endpoint_url(), two.cloud.endpoint_url());
    assert!(one.cloud.endpoint_url().starts_with("http://127.0.0.1:"));
    one.cloud.stop().await;
    two.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_cloud_answers_nobody() {
    let stage = Stage::new().await;
    stage.create("f", ECHO).await;
    stage.invoke("f", &json!(1)).await;
    stage.cloud.stop().await;
    assert!(stage.lambda.list_functions().send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_serves_one_cloud_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let over = |config: &mut Config| config.data_dir = Some(folder.path().to_owned());
    let first = Stage::with(over).await;
    assert!(matches!(
        Stage::try_with(over).await.err(),
        Some(StartError::InUse { .. })
    ));
    first.cloud.stop().await;
    Stage::with(over).await.cloud.stop().await;
}

/// A client that waits for leave to send its body sends none when it is refused: what it sends next
/// is another request.
#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_refused_upload_is_not_taken_for_its_body() {
    use std::io::Read as _;
    let stage = Stage::new().await;
    let address = stage
        .cloud
        .endpoint_url()
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        let refused = "PUT /photos/k HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
        let next = "GET /photos/k HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream
            .write_all(format!("{refused}{next}").as_bytes())
            .unwrap();
        let mut answers = Vec::new();
        // A connection that is closed with something unread ends in an error.
        let _ = stream.read_to_end(&mut answers);
        String::from_utf8_lossy(&answers).to_ascii_lowercase()
    });
    let answers = asked.await.unwrap();
    assert!(
        answers.starts_with("http/1.1 403") && answers.contains("\r\nconnection: close\r\n"),
        "{answers}"
    );
    assert_eq!(answers.matches("http/1.1 ").count(), 1, "{answers}");
    stage.cloud.stop().await;
}
