//! S3 by aws-sdk-s3.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use darkroom_cloud::s3::{Config, EventTarget, FunctionDirectory, S3};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;

pub const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:thumbnail";

/// Functions and their queue, as far as S3 sees them: one function is allowed, every event is kept.
#[derive(Default)]
struct Functions(Mutex<Vec<(String, serde_json::Value)>>);

impl FunctionDirectory for Functions {
    fn allows_s3(&self, function_arn: &str, _bucket_arn: &str) -> bool {
        function_arn == FUNCTION
    }
}

impl EventTarget for Functions {
    fn invoke_async(&self, function_arn: &str, payload: Bytes) {
        self.0.lock().unwrap().push((function_arn.to_owned(), serde_json::from_slice(&payload).unwrap()));
    }
}

/// S3 on a random loopback port over a temporary folder.
struct Server {
    address: SocketAddr,
    functions: Arc<Functions>,
    folder: TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start() -> Self {
        Self::over(TempDir::new().unwrap()).await
    }

    async fn over(folder: TempDir) -> Self {
        let functions = Arc::new(Functions::default());
        let s3 = S3::open(Config {
            folder: folder.path().to_owned(),
            region: "us-east-1".into(),
            credentials: vec![("test".into(), "test".into())],
            functions: functions.clone(),
            events: functions.clone(),
        })
        .unwrap();
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let s3 = s3.clone();
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        let s3 = s3.clone();
                        async move { Ok::<_, Infallible>(s3.call(request).await) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, functions, folder, task }
    }

    /// Starts anew over the same folder, as after a crash.
    async fn restart(self) -> Self {
        self.task.abort();
        let folder = TempDir::new().unwrap();
        std::fs::rename(self.folder.path(), folder.path()).unwrap();
        Self::over(folder).await
    }

    fn client(&self) -> Client {
        self.client_with("test", "test")
    }

    fn client_with(&self, key: &str, secret: &str) -> Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(format!("http://{}", self.address))
            .credentials_provider(Credentials::new(key, secret, None, None, "test"))
            .force_path_style(true)
            .build();
        Client::from_conf(config)
    }
}

async fn put(client: &Client, key: &str, content: impl Into<ByteStream>) {
    client.put_object().bucket("photos").key(key).body(content.into()).send().await.unwrap();
}

async fn get(client: &Client, key: &str) -> Bytes {
    client.get_object().bucket("photos").key(key).send().await.unwrap().body.collect().await.unwrap().into_bytes()
}

async fn with_bucket() -> (Server, Client) {
    let server = Server::start().await;
    let client = server.client();
    client.create_bucket().bucket("photos").send().await.unwrap();
    (server, client)
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let (_server, client) = with_bucket().await;
    let put = client
        .put_object()
        .bucket("photos")
        .key("a.png")
        .body(ByteStream::from_static(b"hello"))
        .content_type("image/png")
        .cache_control("no-cache")
        .metadata("camera", "x100")
        .send()
        .await
        .unwrap();
    assert_eq!(put.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    let got = client.get_object().bucket("photos").key("a.png").send().await.unwrap();
    assert_eq!(got.content_type(), Some("image/png"));
    assert_eq!(got.cache_control(), Some("no-cache"));
    assert_eq!(got.metadata().unwrap()["camera"], "x100");
    assert_eq!(got.content_length(), Some(5));
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "hello");
}

#[tokio::test]
async fn a_large_object_is_streamed_whole() {
    let (_server, client) = with_bucket().await;
    let content: Vec<u8> = (0..5_000_000_u32).map(|byte| (byte % 251) as u8).collect();
    put(&client, "large", content.clone()).await;
    assert_eq!(get(&client, "large").await, content);
}

#[tokio::test]
async fn an_absent_key_is_no_such_key() {
    let (_server, client) = with_bucket().await;
    let error = client.get_object().bucket("photos").key("nothing").send().await.unwrap_err();
    assert_eq!(error.code(), Some("NoSuchKey"));
    let error = client.get_object().bucket("other").key("nothing").send().await.unwrap_err();
    assert_eq!(error.code(), Some("NoSuchBucket"));
}
