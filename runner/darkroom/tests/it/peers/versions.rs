//! A bucket in which somebody switched versions on: what is removed is still there, until its
//! versions are removed.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, Tag, Tagging, VersioningConfiguration};
use darkroom::deploy::clean::{self, Which};
use darkroom::deploy::{Clients, tags};

use super::endpoint::{Endpoint, Kind};
use crate::clients::{s3, sdk_config};
use crate::deploy::{REGION, told};

#[tokio::test]
#[ignore = "with the other peers it takes minutes: `.ci/run` has them as a step"]
async fn a_bucket_with_versions_is_emptied_of_them_too() {
    let endpoint = Endpoint::start(Kind::Moto);
    let others = Clients::new(&sdk_config(endpoint.url(), "test", "test"));
    let clients = Clients {
        s3: s3(endpoint.url(), "test", "test"),
        ..others
    };
    let bucket = "dkr-smoke-123456789012-us-east-1";
    clients
        .s3
        .create_bucket()
        .bucket(bucket)
        .send()
        .await
        .unwrap();
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let tagging = Tagging::builder()
        .tag_set(tag(tags::EXPERIMENT, "smoke"))
        .tag_set(tag("owner", "me"));
    clients
        .s3
        .put_bucket_tagging()
        .bucket(bucket)
        .tagging(tagging.build().unwrap())
        .send()
        .await
        .unwrap();
    let versions = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    clients
        .s3
        .put_bucket_versioning()
        .bucket(bucket)
        .versioning_configuration(versions)
        .send()
        .await
        .unwrap();
    for body in [&b"one"[..], b"other"] {
        clients
            .s3
            .put_object()
            .bucket(bucket)
            .key("a.png")
            .body(ByteStream::from_static(body))
            .send()
            .await
            .unwrap();
    }
    clients
        .s3
        .delete_object()
        .bucket(bucket)
        .key("a.png")
        .send()
        .await
        .unwrap();

    let found = clean::find(&clients, REGION, &Which::Everything)
        .await
        .unwrap();
    assert_eq!(
        (found.buckets.len(), found.buckets[0].objects),
        (1, 0),
        "what was removed is not listed: {found}"
    );
    assert_eq!(told(&clean::remove(&clients, &found).await), [""; 0]);
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
}
