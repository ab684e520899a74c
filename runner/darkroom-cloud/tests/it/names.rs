//! A function that is held to names of its own: what it may read and write follows from the event
//! that it works on.

use aws_sdk_s3::primitives::ByteStream;
use darkroom_cloud::access::OwnNames;
use serde_json::json;

use crate::clients;
use crate::lambda::Stage;

/// Reads and writes what the event names backwards, which tells nothing, and says how each attempt
/// ended.
const TRIES: &str = r"
import boto3
from botocore.exceptions import ClientError
s3 = boto3.client('s3')
def attempt(call):
    try:
        call()
        return 'done'
    except ClientError as error:
        return error.response['Error']['Message']
def handler(event, context):
    names = [name[::-1] for name in event['backwards']]
    return {
        'read': {name: attempt(lambda: s3.get_object(Bucket='photos', Key=name)['Body'].read()) for name in names},
        'write': {name: attempt(lambda: s3.put_object(Bucket='photos', Key=name, Body=b'y')) for name in names},
    }
";

const NAMES: [&str; 5] = ["in/one.png", "in/two.png", "out/known", "out", "beside/k"];

async fn bucket(stage: &Stage) {
    let s3 = clients::s3(stage.cloud.endpoint_url(), "test", "test");
    s3.create_bucket().bucket("photos").send().await.unwrap();
    for name in NAMES {
        s3.put_object()
            .bucket("photos")
            .key(name)
            .body(ByteStream::from_static(b"x"))
            .send()
            .await
            .unwrap();
    }
}

/// Returns the names that could be read and those that could be written while the event tells of
/// `told`, and all messages.
async fn tried(stage: &Stage, told: &str) -> (Vec<String>, Vec<String>, String) {
    let backwards: Vec<String> = NAMES
        .iter()
        .map(|name| name.chars().rev().collect())
        .collect();
    let event = json!({ "source": format!("s3://photos/{told}"), "backwards": backwards });
    let said = stage.invoke("f", &event).await;
    let done = |what: &str| {
        let attempts = said[what].as_object().unwrap_or_else(|| panic!("{said}"));
        attempts
            .iter()
            .filter(|(_, how)| **how == "done")
            .map(|(name, _)| name.clone())
            .collect()
    };
    (done("read"), done("write"), said.to_string())
}

fn under(prefix: &str) -> OwnNames {
    OwnNames {
        prefixes: vec![prefix.to_owned()],
        called: "OUTPUT_PREFIX".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_told_by_the_present_event_and_forgotten_with_the_next() {
    let stage = Stage::new().await;
    bucket(&stage).await;
    stage.create("f", TRIES).await;
    let (read, written, _) = tried(&stage, "in/one.png").await;
    assert_eq!(
        (read.len(), written.len()),
        (NAMES.len(), NAMES.len()),
        "nobody held it to any"
    );

    stage.cloud.hold_to("f", under("out/"));
    for told in ["in/one.png", "in/two.png", "in/one.png"] {
        let (read, written, said) = tried(&stage, told).await;
        assert_eq!(
            (read, written),
            (
                vec![told.to_owned(), "out/known".to_owned()],
                vec![told.to_owned(), "out/known".to_owned()]
            )
        );
        assert!(
            said.contains("Access Denied: beside/k is outside of OUTPUT_PREFIX (out/). Write to OUTPUT_PREFIX only.")
        );
        assert!(
            said.contains("Access Denied: beside/k is not named by the event, and outside of OUTPUT_PREFIX (out/).")
        );
    }
    let refused = stage.cloud.take_refusals();
    let calls = |action: &str| {
        refused
            .iter()
            .filter(|it| it.action == action)
            .map(|it| it.calls)
            .sum::<u64>()
    };
    assert_eq!(
        (calls("s3:GetObject"), calls("s3:PutObject")),
        (9, 9),
        "{refused:?}"
    );

    // What another function made may be read where the event names it, and not be written over.
    stage.cloud.hold_to("g", under("in/"));
    let (read, written, _) = tried(&stage, "in/one.png").await;
    assert_eq!(
        (read, written),
        (
            vec!["in/one.png".to_owned(), "out/known".to_owned()],
            vec!["out/known".to_owned()]
        )
    );
    stage.cloud.stop().await;
}
