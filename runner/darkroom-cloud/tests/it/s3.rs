//! S3 by aws-sdk-s3.

use std::sync::{Arc, Mutex};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use darkroom_cloud::keys::Keys;
use darkroom_cloud::lineage::Lineage;
use darkroom_cloud::s3::{EventTarget, FunctionDirectory, S3, S3Config};
use tempfile::TempDir;

use crate::clients;
use crate::serving::Serving;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:thumbnail";

/// Functions and their queue, as far as S3 sees them: one function is allowed, every event is kept.
#[derive(Default)]
struct Functions(Mutex<Vec<(String, serde_json::Value)>>);

impl FunctionDirectory for Functions {
    fn allows_s3(&self, function_arn: &str, _bucket_arn: &str) -> bool {
        function_arn == FUNCTION
    }
}

impl EventTarget for Functions {
    fn invoke_async(&self, function_arn: &str, payload: Bytes, _chain: Lineage) {
        self.0.lock().unwrap().push((
            function_arn.to_owned(),
            serde_json::from_slice(&payload).unwrap(),
        ));
    }
}

/// S3 over a temporary folder.
struct Server {
    serving: Serving,
    functions: Arc<Functions>,
    s3: S3,
    folder: TempDir,
}

impl Server {
    async fn start() -> Self {
        Self::over(TempDir::new().unwrap()).await
    }

    async fn over(folder: TempDir) -> Self {
        let functions = Arc::new(Functions::default());
        let s3 = S3::open(S3Config {
            folder: folder.path().to_owned(),
            region: "us-east-1".into(),
            keys: Arc::new(Keys::open([])),
            access: None,
            functions: functions.clone(),
            events: functions.clone(),
        })
        .unwrap();
        let answering = s3.clone();
        let serving = Serving::start(move |request| {
            let s3 = answering.clone();
            async move { s3.call(request).await }
        })
        .await;
        Self {
            serving,
            functions,
            s3,
            folder,
        }
    }

    /// Starts anew over the same folder, as after a crash.
    async fn restart(self) -> Self {
        let Self {
            serving, folder, ..
        } = self;
        drop(serving);
        Self::over(folder).await
    }

    fn client(&self) -> Client {
        self.client_with("test", "test")
    }

    fn client_with(&self, key: &str, secret: &str) -> Client {
        clients::s3(&self.serving.url(), key, secret)
    }

    /// Returns the events so far: function, event name, encoded key.
    fn events(&self) -> Vec<(String, String, String)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let events = self.functions.0.lock().unwrap();
        let shown = events.iter().map(|(arn, event)| {
            let record = &event["Records"][0];
            (
                arn.clone(),
                text(&record["eventName"]),
                text(&record["s3"]["object"]["key"]),
            )
        });
        shown.collect()
    }
}

async fn put(client: &Client, key: &str, content: impl Into<ByteStream>) {
    client
        .put_object()
        .bucket("photos")
        .key(key)
        .body(content.into())
        .send()
        .await
        .unwrap();
}

async fn get(client: &Client, key: &str) -> Bytes {
    client
        .get_object()
        .bucket("photos")
        .key(key)
        .send()
        .await
        .unwrap()
        .body
        .collect()
        .await
        .unwrap()
        .into_bytes()
}

async fn with_bucket() -> (Server, Client) {
    let server = Server::start().await;
    let client = server.client();
    client
        .create_bucket()
        .bucket("photos")
        .send()
        .await
        .unwrap();
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
    let got = client
        .get_object()
        .bucket("photos")
        .key("a.png")
        .send()
        .await
        .unwrap();
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
    let error = client
        .get_object()
        .bucket("photos")
        .key("nothing")
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("NoSuchKey"));
    let error = client
        .get_object()
        .bucket("other")
        .key("nothing")
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("NoSuchBucket"));
}

fn keys(objects: &[aws_sdk_s3::types::Object]) -> Vec<&str> {
    objects.iter().filter_map(|object| object.key()).collect()
}

/// Keys that a store with paths made from keys would lose, mix up or put elsewhere.
const HARD_KEYS: [&str; 14] = [
    "a",
    "a/b",
    "a/b/",
    "a//b",
    "/a",
    "//",
    "..",
    "../up",
    "../../../../tmp/escaped",
    "./.",
    "a b+c%2Fd",
    "é☃",
    "a?b=c&d#e",
    "con\\x",
];

#[tokio::test]
async fn keys_that_look_like_paths_are_only_keys() {
    let (server, client) = with_bucket().await;
    let long = "k".repeat(1024);
    let all: Vec<&str> = HARD_KEYS.into_iter().chain([long.as_str()]).collect();
    for key in &all {
        put(&client, key, key.as_bytes().to_vec()).await;
    }
    for key in &all {
        assert_eq!(get(&client, key).await, key.as_bytes(), "{key}");
    }
    let listed = client
        .list_objects_v2()
        .bucket("photos")
        .send()
        .await
        .unwrap();
    let mut sorted = all.clone();
    sorted.sort_unstable();
    assert_eq!(keys(listed.contents()), sorted);
    let outside = std::fs::read_dir(server.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert_eq!(outside.collect::<Vec<_>>(), ["buckets"]);
}

#[tokio::test]
async fn objects_tags_and_configuration_survive_a_restart() {
    let (server, client) = with_bucket().await;
    put(&client, "a/b", b"content".to_vec()).await;
    put(&client, "a/b", b"newer".to_vec()).await;
    client
        .put_object_tagging()
        .bucket("photos")
        .key("a/b")
        .tagging(tagging("k", "v"))
        .send()
        .await
        .unwrap();
    configure(&client, Some("in/"), Some(".png")).await.unwrap();
    let server = server.restart().await;
    let client = server.client();
    assert_eq!(get(&client, "a/b").await, "newer");
    let tags = client
        .get_object_tagging()
        .bucket("photos")
        .key("a/b")
        .send()
        .await
        .unwrap();
    assert_eq!(tags.tag_set(), tagging("k", "v").tag_set());
    let blobs = std::fs::read_dir(server.folder.path().join("buckets/photos/blobs")).unwrap();
    assert_eq!(blobs.count(), 1);
    put(&client, "in/x.png", Vec::new()).await;
    assert_eq!(server.events().len(), 1);
}

fn tagging(key: &str, value: &str) -> aws_sdk_s3::types::Tagging {
    let tag = aws_sdk_s3::types::Tag::builder()
        .key(key)
        .value(value)
        .build()
        .unwrap();
    aws_sdk_s3::types::Tagging::builder()
        .tag_set(tag)
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_listing_pages_through_keys_and_rolled_up_prefixes() {
    let (_server, client) = with_bucket().await;
    for key in ["a", "b/1", "b/2", "c/1", "d"] {
        put(&client, key, Vec::new()).await;
    }
    let mut pages = client
        .list_objects_v2()
        .bucket("photos")
        .delimiter("/")
        .max_keys(2)
        .into_paginator()
        .send();
    let (mut names, mut prefixes, mut count) = (Vec::new(), Vec::new(), 0);
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        names.extend(keys(page.contents()).into_iter().map(str::to_owned));
        prefixes.extend(
            page.common_prefixes()
                .iter()
                .filter_map(|prefix| prefix.prefix().map(str::to_owned)),
        );
        count += 1;
    }
    assert_eq!(
        (names, prefixes, count),
        (
            vec!["a".into(), "d".into()],
            vec!["b/".to_owned(), "c/".into()],
            2
        )
    );
    let first = client
        .list_objects()
        .bucket("photos")
        .max_keys(2)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (keys(first.contents()), first.is_truncated()),
        (vec!["a", "b/1"], Some(true))
    );
    let rest = client
        .list_objects()
        .bucket("photos")
        .marker("b/1")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (keys(rest.contents()), rest.is_truncated()),
        (vec!["b/2", "c/1", "d"], Some(false))
    );
}

#[tokio::test]
async fn conditions_hold_for_reads_and_writes() {
    let (_server, client) = with_bucket().await;
    put(&client, "k", b"one".to_vec()).await;
    let etag = client
        .head_object()
        .bucket("photos")
        .key("k")
        .send()
        .await
        .unwrap()
        .e_tag
        .unwrap();
    let get = || client.get_object().bucket("photos").key("k");
    let status = |error: &aws_sdk_s3::error::SdkError<
        aws_sdk_s3::operation::get_object::GetObjectError,
    >| { error.raw_response().unwrap().status().as_u16() };
    assert_eq!(
        status(&get().if_none_match(&etag).send().await.unwrap_err()),
        304
    );
    assert_eq!(
        status(&get().if_match("\"other\"").send().await.unwrap_err()),
        412
    );
    get().if_match(&etag).send().await.unwrap();
    let put = || {
        client
            .put_object()
            .bucket("photos")
            .key("k")
            .body(ByteStream::from_static(b"two"))
    };
    assert_eq!(
        put().if_none_match("*").send().await.unwrap_err().code(),
        Some("PreconditionFailed")
    );
    assert_eq!(
        put().if_match("\"other\"").send().await.unwrap_err().code(),
        Some("PreconditionFailed")
    );
    put().if_match(&etag).send().await.unwrap();
}

#[tokio::test]
async fn only_one_of_many_conditional_writers_wins() {
    let (_server, client) = with_bucket().await;
    let writers = (0..16).map(|writer: u8| {
        let put = client
            .put_object()
            .bucket("photos")
            .key("lock")
            .if_none_match("*")
            .body(ByteStream::from(vec![writer; 100_000]));
        tokio::spawn(async move { put.send().await.is_ok() })
    });
    let mut won = 0;
    for writer in writers.collect::<Vec<_>>() {
        won += usize::from(writer.await.unwrap());
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn readers_beside_writers_see_one_whole_object() {
    let (_server, client) = with_bucket().await;
    put(&client, "k", vec![0; 700_000]).await;
    let writer = {
        let client = client.clone();
        tokio::spawn(async move {
            for round in 1..20_u8 {
                put(&client, "k", vec![round; 700_000]).await;
            }
        })
    };
    for _ in 0..40 {
        let got = get(&client, "k").await;
        assert!(got.len() == 700_000 && got.iter().all(|byte| *byte == got[0]));
    }
    writer.await.unwrap();
    assert_eq!(get(&client, "k").await[0], 19);
}

#[tokio::test]
async fn ranges_give_their_part() {
    let (_server, client) = with_bucket().await;
    put(&client, "k", b"0123456789".to_vec()).await;
    let range = |range: &str| {
        client
            .get_object()
            .bucket("photos")
            .key("k")
            .range(range)
            .send()
    };
    for (asked, bytes, shown) in [
        ("bytes=2-4", "234", "2-4"),
        ("bytes=7-", "789", "7-9"),
        ("bytes=-2", "89", "8-9"),
        ("bytes=8-99", "89", "8-9"),
    ] {
        let got = range(asked).await.unwrap();
        assert_eq!(
            got.content_range(),
            Some(format!("bytes {shown}/10").as_str())
        );
        assert_eq!(got.body.collect().await.unwrap().into_bytes(), bytes);
    }
    assert_eq!(
        range("bytes=10-").await.unwrap_err().code(),
        Some("InvalidRange")
    );
    // What can't be read as one range is ignored, as recorded from AWS.
    for asked in [
        "bytes=1-0",
        "bytes=-1-",
        "bytes=0-1,3-4",
        "bytes=abc",
        "lines=1-2",
    ] {
        let got = range(asked).await.unwrap();
        assert_eq!(
            (got.content_range(), got.content_length()),
            (None, Some(10)),
            "{asked}"
        );
        assert_eq!(got.body.collect().await.unwrap().into_bytes(), "0123456789");
    }
}

#[tokio::test]
async fn a_multipart_upload_is_one_object() {
    use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
    let (server, client) = with_bucket().await;
    configure(&client, None, None).await.unwrap();
    let start = client
        .create_multipart_upload()
        .bucket("photos")
        .key("big")
        .content_type("image/png")
        .send()
        .await
        .unwrap();
    let id = start.upload_id().unwrap();
    let first: Vec<u8> = (0..5 * 1024 * 1024_u32)
        .map(|byte| (byte % 251) as u8)
        .collect();
    let mut parts = Vec::new();
    for (number, content) in [(1, first.clone()), (2, b"end".to_vec())] {
        let part = client
            .upload_part()
            .bucket("photos")
            .key("big")
            .upload_id(id)
            .part_number(number)
            .body(content.into());
        let etag = part.send().await.unwrap().e_tag.unwrap();
        parts.push(
            CompletedPart::builder()
                .part_number(number)
                .e_tag(etag)
                .build(),
        );
    }
    let complete = |parts: Vec<CompletedPart>| {
        let upload = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        client
            .complete_multipart_upload()
            .bucket("photos")
            .key("big")
            .upload_id(id)
            .multipart_upload(upload)
            .send()
    };
    let reversed = parts.iter().rev().cloned().collect();
    assert_eq!(
        complete(reversed).await.unwrap_err().code(),
        Some("InvalidPartOrder")
    );
    let done = complete(parts).await.unwrap();
    assert!(done.e_tag().unwrap().ends_with("-2\""));
    let got = client
        .get_object()
        .bucket("photos")
        .key("big")
        .send()
        .await
        .unwrap();
    assert_eq!(got.content_type(), Some("image/png"));
    assert_eq!(
        got.body.collect().await.unwrap().into_bytes(),
        [first, b"end".to_vec()].concat()
    );
    assert_eq!(
        server.events()[0].1,
        "ObjectCreated:CompleteMultipartUpload"
    );
    let left = std::fs::read_dir(server.folder.path().join("buckets/photos/uploads")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn a_copy_keeps_or_replaces_metadata() {
    use aws_sdk_s3::types::MetadataDirective;
    let (_server, client) = with_bucket().await;
    let put = client
        .put_object()
        .bucket("photos")
        .key("from/a b")
        .metadata("camera", "x100")
        .content_type("image/png");
    put.body(ByteStream::from_static(b"hello"))
        .send()
        .await
        .unwrap();
    let copy = |to: &str| {
        client
            .copy_object()
            .bucket("photos")
            .key(to)
            .copy_source("photos/from/a%20b")
    };
    copy("kept").send().await.unwrap();
    copy("replaced")
        .metadata_directive(MetadataDirective::Replace)
        .metadata("lens", "35")
        .send()
        .await
        .unwrap();
    let kept = client
        .head_object()
        .bucket("photos")
        .key("kept")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            kept.content_type(),
            kept.metadata().unwrap()["camera"].as_str()
        ),
        (Some("image/png"), "x100")
    );
    let replaced = client
        .head_object()
        .bucket("photos")
        .key("replaced")
        .send()
        .await
        .unwrap();
    assert_eq!(
        replaced.metadata().unwrap().keys().collect::<Vec<_>>(),
        ["lens"]
    );
    // The copy is its own: what becomes of the source does not touch it.
    client
        .delete_object()
        .bucket("photos")
        .key("from/a b")
        .send()
        .await
        .unwrap();
    assert_eq!(get(&client, "kept").await, "hello");
}

#[tokio::test]
async fn a_bucket_is_deleted_only_when_empty() {
    use aws_sdk_s3::types::{Delete, ObjectIdentifier};
    let (_server, client) = with_bucket().await;
    for key in ["a", "b"] {
        put(&client, key, Vec::new()).await;
    }
    let error = client
        .delete_bucket()
        .bucket("photos")
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("BucketNotEmpty"));
    let id = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let all = Delete::builder()
        .objects(id("a"))
        .objects(id("b"))
        .objects(id("never"))
        .build()
        .unwrap();
    let deleted = client
        .delete_objects()
        .bucket("photos")
        .delete(all)
        .send()
        .await
        .unwrap();
    assert_eq!((deleted.deleted().len(), deleted.errors().len()), (3, 0));
    client
        .delete_bucket()
        .bucket("photos")
        .send()
        .await
        .unwrap();
    assert!(client.head_bucket().bucket("photos").send().await.is_err());
}

#[tokio::test]
async fn a_presigned_url_works_without_keys_until_it_is_changed() {
    use aws_sdk_s3::presigning::PresigningConfig;
    let (server, client) = with_bucket().await;
    put(&client, "a b", b"hello".to_vec()).await;
    let config = PresigningConfig::expires_in(std::time::Duration::from_mins(1)).unwrap();
    let signed = client
        .get_object()
        .bucket("photos")
        .key("a b")
        .presigned(config)
        .await
        .unwrap();
    let fetch = async |uri: &str| {
        let request = http::Request::get(uri).header("host", server.serving.address.to_string());
        let response = server
            .s3
            .call(request.body(http_body_util::Empty::<Bytes>::new()).unwrap())
            .await;
        let status = response.status().as_u16();
        let body = http_body_util::BodyExt::collect(response.into_body())
            .await
            .unwrap()
            .to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let path = signed
        .uri()
        .split_once(&server.serving.address.to_string())
        .unwrap()
        .1;
    assert_eq!(fetch(path).await, (200, "hello".to_owned()));
    let (status, document) = fetch(&path.replace("a%20b", "other")).await;
    assert!(
        status == 403
            && document
                .contains("<Code>SignatureDoesNotMatch</Code><Message>The request signature we"),
        "{document}"
    );
    let (status, document) = fetch("/photos/a%20b").await;
    assert!(
        status == 403
            && document.contains("<Code>AccessDenied</Code><Message>Access Denied</Message>"),
        "{document}"
    );
}

#[tokio::test]
async fn wrong_keys_are_refused() {
    let (server, _client) = with_bucket().await;
    let error = server
        .client_with("test", "wrong")
        .list_buckets()
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
    let error = server
        .client_with("AKIAUNKNOWN", "test")
        .list_buckets()
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
}

#[tokio::test]
async fn a_large_body_for_a_bucket_that_is_not_there_still_hears_why() {
    let (_server, client) = with_bucket().await;
    let put = client
        .put_object()
        .bucket("nowhere")
        .key("k")
        .body(vec![0; 20_000_000].into());
    assert_eq!(put.send().await.unwrap_err().code(), Some("NoSuchBucket"));
}

#[tokio::test]
async fn a_wrong_checksum_stores_nothing() {
    let (server, client) = with_bucket().await;
    let put = || {
        client
            .put_object()
            .bucket("photos")
            .key("k")
            .body(ByteStream::from_static(b"x"))
    };
    let error = put().checksum_crc32("AAAAAA==").send().await.unwrap_err();
    assert_eq!(error.code(), Some("BadDigest"));
    let error = put()
        .content_md5("1B2M2Y8AsgTpgAmY7PhCfg==")
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("BadDigest"));
    assert!(
        client
            .head_object()
            .bucket("photos")
            .key("k")
            .send()
            .await
            .is_err()
    );
    assert_eq!(
        std::fs::read_dir(server.folder.path().join("buckets/photos/blobs"))
            .unwrap()
            .count(),
        0
    );
}

/// Has [`FUNCTION`] told of everything that is created or removed under the prefix and suffix.
async fn configure(
    client: &Client,
    prefix: Option<&str>,
    suffix: Option<&str>,
) -> Result<
    (),
    aws_sdk_s3::error::SdkError<
        aws_sdk_s3::operation::put_bucket_notification_configuration::PutBucketNotificationConfigurationError,
    >,
>{
    let request = client
        .put_bucket_notification_configuration()
        .bucket("photos");
    request
        .notification_configuration(notifications(&[(FUNCTION, prefix, suffix)]))
        .send()
        .await
        .map(drop)
}

fn notifications(
    rules: &[(&str, Option<&str>, Option<&str>)],
) -> aws_sdk_s3::types::NotificationConfiguration {
    use aws_sdk_s3::types::{
        Event, FilterRule, FilterRuleName, LambdaFunctionConfiguration, NotificationConfiguration,
        NotificationConfigurationFilter, S3KeyFilter,
    };
    let rule = |(arn, prefix, suffix): &(&str, Option<&str>, Option<&str>)| {
        let filters = [
            (FilterRuleName::Prefix, prefix),
            (FilterRuleName::Suffix, suffix),
        ]
        .into_iter();
        let filters = filters.filter_map(|(name, value)| {
            Some(FilterRule::builder().name(name).value((*value)?).build())
        });
        let key = S3KeyFilter::builder()
            .set_filter_rules(Some(filters.collect()))
            .build();
        LambdaFunctionConfiguration::builder()
            .lambda_function_arn(*arn)
            .events(Event::from("s3:ObjectCreated:*"))
            .events(Event::from("s3:ObjectRemoved:Delete"))
            .filter(NotificationConfigurationFilter::builder().key(key).build())
            .build()
            .unwrap()
    };
    NotificationConfiguration::builder()
        .set_lambda_function_configurations(Some(rules.iter().map(rule).collect()))
        .build()
}

#[tokio::test]
async fn functions_are_told_of_what_their_filters_let_through() {
    let (server, client) = with_bucket().await;
    configure(&client, Some("in/"), Some(".png")).await.unwrap();
    for key in ["in/my cat.png", "in/x.jpg", "out/x.png"] {
        put(&client, key, b"x".to_vec()).await;
    }
    client
        .copy_object()
        .bucket("photos")
        .key("in/é.png")
        .copy_source("photos/out/x.png")
        .send()
        .await
        .unwrap();
    client
        .delete_object()
        .bucket("photos")
        .key("in/my cat.png")
        .send()
        .await
        .unwrap();
    client
        .delete_object()
        .bucket("photos")
        .key("in/never.png")
        .send()
        .await
        .unwrap();
    let told = |event: &str, key: &str| (FUNCTION.to_owned(), event.to_owned(), key.to_owned());
    assert_eq!(
        server.events(),
        [
            told("ObjectCreated:Put", "in/my+cat.png"),
            told("ObjectCreated:Copy", "in/%C3%A9.png"),
            told("ObjectRemoved:Delete", "in/my+cat.png"),
        ]
    );
}

#[tokio::test]
async fn a_destination_must_exist_unless_that_is_skipped() {
    let (_server, client) = with_bucket().await;
    let stranger = FUNCTION.replace("thumbnail", "stranger");
    let put = |arn: &str, skip: bool| {
        let request = client
            .put_bucket_notification_configuration()
            .bucket("photos")
            .skip_destination_validation(skip);
        request
            .notification_configuration(notifications(&[(arn, None, None)]))
            .send()
    };
    let error = put(&stranger, false).await.unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        (
            Some("InvalidArgument"),
            Some("Unable to validate the following destination configurations")
        )
    );
    let error = put("no-arn", true).await.unwrap_err();
    assert_eq!(error.message(), Some("The ARN could not be parsed"));
    put(&stranger, true).await.unwrap();
}

#[tokio::test]
async fn overlapping_rules_are_refused() {
    let (_server, client) = with_bucket().await;
    let rules = notifications(&[
        (FUNCTION, Some("in/"), None),
        (FUNCTION, Some("in/a/"), None),
    ]);
    let error = client
        .put_bucket_notification_configuration()
        .bucket("photos")
        .notification_configuration(rules)
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("InvalidArgument"));
    assert!(
        error.message().unwrap().contains("ambiguously defined"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_functions_code_is_read_from_a_bucket() {
    use darkroom_cloud::s3::StoreError;
    let (server, client) = with_bucket().await;
    put(&client, "code.zip", b"zip".to_vec()).await;
    assert_eq!(server.s3.object("photos", "code.zip").await.unwrap(), "zip");
    assert!(matches!(
        server.s3.object("photos", "other").await,
        Err(StoreError::NoSuchKey)
    ));
    assert!(matches!(
        server.s3.object("other", "code.zip").await,
        Err(StoreError::NoSuchBucket)
    ));
}

#[tokio::test]
async fn a_virtual_hosted_request_reaches_its_bucket() {
    use aws_sdk_s3::presigning::PresigningConfig;
    let (server, client) = with_bucket().await;
    put(&client, "k", b"hello".to_vec()).await;
    let config = client
        .config()
        .to_builder()
        .force_path_style(false)
        .endpoint_url("http://localhost:9")
        .build();
    let config = (
        Client::from_conf(config),
        PresigningConfig::expires_in(std::time::Duration::from_mins(1)).unwrap(),
    );
    let signed = config
        .0
        .get_object()
        .bucket("photos")
        .key("k")
        .presigned(config.1)
        .await
        .unwrap();
    let path = signed
        .uri()
        .strip_prefix("http://photos.localhost:9")
        .unwrap();
    let request = http::Request::get(path).header("host", "photos.localhost:9");
    let response = server
        .s3
        .call(request.body(http_body_util::Empty::<Bytes>::new()).unwrap())
        .await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_nothing_behind() {
    use aws_sdk_s3::presigning::PresigningConfig;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (server, client) = with_bucket().await;
    let config = PresigningConfig::expires_in(std::time::Duration::from_mins(1)).unwrap();
    let signed = client
        .put_object()
        .bucket("photos")
        .key("k")
        .presigned(config)
        .await
        .unwrap();
    let address = server.serving.address.to_string();
    let path = signed.uri().split_once(&address).unwrap().1;
    let mut stream = tokio::net::TcpStream::connect(server.serving.address)
        .await
        .unwrap();
    let head = format!("PUT {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 9000000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![7; 3_000_000]).await.unwrap();
    stream.shutdown().await.unwrap();
    // The server closes its side once it is done with the request.
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    assert!(
        client
            .head_object()
            .bucket("photos")
            .key("k")
            .send()
            .await
            .is_err()
    );
    let blobs = server.folder.path().join("buckets/photos/blobs");
    assert_eq!(std::fs::read_dir(blobs).unwrap().count(), 0);
}
