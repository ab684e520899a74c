//! Functions that start themselves: stopped after sixteen runs in a chain, counted along the chain
//! and never by time.

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Datapoint, Dimension, Statistic};
use aws_sdk_lambda::error::ProvideErrorMetadata as _;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{DestinationConfig, InvocationType, OnFailure, RecursiveLoop};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, LambdaFunctionConfiguration, NotificationConfiguration,
    NotificationConfigurationFilter, S3KeyFilter,
};
use serde_json::json;
use std::time::Duration;

use crate::clients;
use crate::lambda::Stage;

const BUCKET: &str = "photos";

/// Reads `PREFIX/NAME-NUMBER` and writes it under the next number, to `WRITES` with `put`, which is
/// defined before it.
const RELAY: &str = r"
import urllib.parse
def handler(event, context):
    key = urllib.parse.unquote_plus(event['Records'][0]['s3']['object']['key'])
    name, number = key.split('/')[1].rsplit('-', 1)
    if int(number) < LAST:
        put(f'{WRITES}{name}-{int(number) + 1}')
";

/// By an HTTP client that knows nothing of AWS and sends no trace header; `URLS` are signed before.
const PLAIN_HTTP: &str = r"
import urllib.request
def put(key):
    urllib.request.urlopen(urllib.request.Request(URLS[key], b'x', method='PUT')).read()
";

/// As most handlers do.
const BOTO3: &str = r"
import boto3
s3 = boto3.client('s3')
def put(key):
    s3.put_object(Bucket='photos', Key=key, Body=b'x')
";

/// Longer than any loop that is stopped.
const ENDLESS: u32 = 24;

struct World {
    stage: Stage,
    s3: aws_sdk_s3::Client,
    metrics: aws_sdk_cloudwatch::Client,
}

impl World {
    async fn new() -> Self {
        let stage = Stage::new().await;
        let url = stage.cloud.endpoint_url();
        let (s3, metrics) = (clients::s3(url, "test", "test"), clients::metrics(url));
        s3.create_bucket().bucket(BUCKET).send().await.unwrap();
        Self { stage, s3, metrics }
    }

    /// Creates relays, as name, prefix that starts it, and prefix that it writes under, for chains
    /// of these names.
    async fn relays(&self, chains: &[&str], last: u32, relays: &[(&str, &str, &str)]) {
        self.relays_by(PLAIN_HTTP, chains, last, relays).await;
    }

    async fn relays_by(
        &self,
        put: &str,
        chains: &[&str],
        last: u32,
        relays: &[(&str, &str, &str)],
    ) {
        let mut rules = Vec::new();
        for (name, reads, writes) in relays {
            let mut urls = serde_json::Map::new();
            for (chain, number) in chains
                .iter()
                .flat_map(|chain| (1..=last).map(move |number| (chain, number)))
            {
                let key = format!("{writes}{chain}-{number}");
                urls.insert(key.clone(), self.signed(&key).await.into());
            }
            let urls = serde_json::Value::Object(urls);
            self.create(
                name,
                &format!("URLS = {urls}\nWRITES = '{writes}'\nLAST = {last}\n{put}{RELAY}"),
            )
            .await;
            let permission = self
                .stage
                .lambda
                .add_permission()
                .function_name(*name)
                .statement_id("s3");
            permission
                .action("lambda:InvokeFunction")
                .principal("s3.amazonaws.com")
                .send()
                .await
                .unwrap();
            let prefix = FilterRule::builder()
                .name(FilterRuleName::Prefix)
                .value(*reads)
                .build();
            let key = S3KeyFilter::builder().filter_rules(prefix).build();
            let rule = LambdaFunctionConfiguration::builder()
                .lambda_function_arn(format!(
                    "arn:aws:lambda:us-east-1:000000000000:function:{name}"
                ))
                .events(Event::from("s3:ObjectCreated:*"))
                .filter(NotificationConfigurationFilter::builder().key(key).build());
            rules.push(rule.build().unwrap());
        }
        let rules = NotificationConfiguration::builder()
            .set_lambda_function_configurations(Some(rules))
            .build();
        let put = self
            .s3
            .put_bucket_notification_configuration()
            .bucket(BUCKET);
        put.notification_configuration(rules).send().await.unwrap();
    }

    /// Creates a function that runs in one environment at a time.
    async fn create(&self, name: &str, code: &str) {
        self.stage.create(name, code).await;
        let alone = self
            .stage
            .lambda
            .put_function_concurrency()
            .function_name(name);
        alone
            .reserved_concurrent_executions(1)
            .send()
            .await
            .unwrap();
    }

    async fn signed(&self, key: &str) -> String {
        let an_hour = PresigningConfig::expires_in(Duration::from_hours(1)).unwrap();
        let put = self.s3.put_object().bucket(BUCKET).key(key);
        put.presigned(an_hour).await.unwrap().uri().to_owned()
    }

    async fn upload(&self, key: &str) {
        let put = self
            .s3
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .body(b"x".to_vec().into());
        put.send().await.unwrap();
    }

    async fn is_there(&self, key: &str) -> bool {
        self.s3
            .head_object()
            .bucket(BUCKET)
            .key(key)
            .send()
            .await
            .is_ok()
    }

    /// Returns how often something happened to a function, in whole events.
    async fn count(&self, metric: &str, function: &str) -> u64 {
        let now = jiff::Timestamp::now().as_second();
        let got = self
            .metrics
            .get_metric_statistics()
            .namespace("AWS/Lambda")
            .metric_name(metric)
            .dimensions(
                Dimension::builder()
                    .name("FunctionName")
                    .value(function)
                    .build(),
            )
            .start_time(DateTime::from_secs(now - 3600))
            .end_time(DateTime::from_secs(now + 120))
            .period(60)
            .statistics(Statistic::Sum);
        got.send()
            .await
            .unwrap()
            .datapoints()
            .iter()
            .filter_map(Datapoint::sum)
            .sum::<f64>() as u64
    }

    /// Waits until a metric has come to a value, and fails if it passes it.
    async fn comes_to(&self, metric: &str, function: &str, value: u64) {
        until(async || {
            let sum = self.count(metric, function).await;
            assert!(sum <= value, "{metric} of {function} is {sum}, not {value}");
            sum >= value
        })
        .await;
    }
}

async fn until(holds: impl AsyncFn() -> bool) {
    let asking = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), asking)
        .await
        .expect("it holds within two minutes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_ends_after_sixteen_runs_whatever_it_speaks_http_with() {
    for put in [BOTO3, PLAIN_HTTP] {
        let world = World::new().await;
        world
            .relays_by(put, &["a", "b"], ENDLESS, &[("f", "in/", "in/")])
            .await;
        world.upload("in/a-0").await;
        world.comes_to("RecursiveInvocationsDropped", "f", 1).await;
        world.comes_to("Invocations", "f", 16).await;
        assert!(world.is_there("in/a-16").await && !world.is_there("in/a-17").await);
        assert_eq!(world.count("AsyncEventsDropped", "f").await, 1);
        assert_eq!(world.count("Errors", "f").await, 0);
        // A new chain is counted from its own beginning.
        world.upload("in/b-0").await;
        world.comes_to("RecursiveInvocationsDropped", "f", 2).await;
        world.comes_to("Invocations", "f", 32).await;
        world.stage.cloud.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_that_pass_through_one_function_at_once_are_counted_apart() {
    let world = World::new().await;
    world
        .relays(&["a", "b", "c"], 2 * ENDLESS, &[("f", "in/", "in/")])
        .await;
    tokio::join!(
        world.upload("in/a-0"),
        world.upload("in/b-0"),
        world.upload("in/c-9")
    );
    world.comes_to("RecursiveInvocationsDropped", "f", 3).await;
    world.comes_to("Invocations", "f", 48).await;
    for (last, next) in [
        ("in/a-16", "in/a-17"),
        ("in/b-16", "in/b-17"),
        ("in/c-25", "in/c-26"),
    ] {
        assert!(
            world.is_there(last).await && !world.is_there(next).await,
            "{last}"
        );
    }
    world.stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_over_three_functions_gives_each_sixteen_runs() {
    let world = World::new().await;
    world
        .relays(
            &["x"],
            3 * ENDLESS,
            &[("a", "a/", "b/"), ("b", "b/", "c/"), ("c", "c/", "a/")],
        )
        .await;
    world.upload("a/x-0").await;
    world.comes_to("RecursiveInvocationsDropped", "a", 1).await;
    for function in ["a", "b", "c"] {
        world.comes_to("Invocations", function, 16).await;
    }
    assert_eq!(world.count("RecursiveInvocationsDropped", "b").await, 0);
    world.stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_that_is_allowed_goes_on() {
    let world = World::new().await;
    world.relays(&["a"], 40, &[("f", "in/", "in/")]).await;
    let config = world
        .stage
        .lambda
        .get_function_recursion_config()
        .function_name("f");
    assert_eq!(
        config.send().await.unwrap().recursive_loop,
        Some(RecursiveLoop::Terminate)
    );
    let allow = world
        .stage
        .lambda
        .put_function_recursion_config()
        .function_name("f");
    allow
        .recursive_loop(RecursiveLoop::Allow)
        .send()
        .await
        .unwrap();
    world.upload("in/a-0").await;
    until(async || world.is_there("in/a-40").await).await;
    world.comes_to("Invocations", "f", 41).await;
    assert_eq!(world.count("RecursiveInvocationsDropped", "f").await, 0);
    world.stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_chain_and_many_uploads_are_no_loop() {
    let world = World::new().await;
    let chain = [
        ("a", "a/", "b/"),
        ("b", "b/", "c/"),
        ("c", "c/", "d/"),
        ("d", "d/", "e/"),
        ("e", "e/", "end/"),
    ];
    let names: Vec<String> = (0..20).map(|upload| upload.to_string()).collect();
    let chains: Vec<&str> = names.iter().map(String::as_str).collect();
    world.relays(&chains, 5, &chain).await;
    let uploads: Vec<String> = names.iter().map(|name| format!("a/{name}-0")).collect();
    futures::future::join_all(uploads.iter().map(|key| world.upload(key))).await;
    for (function, ..) in chain {
        world.comes_to("Invocations", function, 20).await;
        assert_eq!(
            world.count("RecursiveInvocationsDropped", function).await,
            0
        );
    }
    world.stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_goes_to_the_destination_unless_that_is_part_of_the_loop() {
    let world = World::new().await;
    let relays = [
        ("f", "in/", "in/"),
        ("one", "one/", "two/"),
        ("two", "two/", "one/"),
    ];
    world.relays(&["a"], 2 * ENDLESS, &relays).await;
    let sink = "SEEN = []\ndef handler(event, context):\n    if 'requestContext' in event: SEEN.append(event)\n    return SEEN\n";
    world.create("sink", sink).await;
    for (function, destination) in [("f", "sink"), ("one", "two")] {
        let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{destination}");
        let config = DestinationConfig::builder()
            .on_failure(OnFailure::builder().destination(arn).build())
            .build();
        let put = world
            .stage
            .lambda
            .put_function_event_invoke_config()
            .function_name(function);
        put.destination_config(config).send().await.unwrap();
    }
    tokio::join!(world.upload("in/a-0"), world.upload("one/a-0"));
    let record = world.stage.record("sink").await;
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 0);
    assert_eq!(record["requestContext"]["condition"], "RecursiveInvocation");
    assert_eq!(
        record["requestPayload"]["Records"][0]["s3"]["object"]["key"],
        "in/a-16"
    );
    world
        .comes_to("DestinationDeliveryFailures", "one", 1)
        .await;
    world.comes_to("Invocations", "two", 16).await;
    assert_eq!(world.count("RecursiveInvocationsDropped", "two").await, 0);
    world.stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_invokes_itself_asynchronously_is_stopped_too() {
    let world = World::new().await;
    let code = "import boto3, json\nclient = boto3.client('lambda')\ndef handler(event, context):\n    client.invoke(FunctionName=context.function_name, InvocationType='Event', Payload=json.dumps(event))\n";
    world.create("f", code).await;
    let sent = world
        .stage
        .lambda
        .invoke()
        .function_name("f")
        .invocation_type(InvocationType::Event);
    sent.payload(Blob::new("{}")).send().await.unwrap();
    world.comes_to("RecursiveInvocationsDropped", "f", 1).await;
    world.comes_to("Invocations", "f", 16).await;
    world.stage.cloud.stop().await;
}

/// What an SDK inside a function does: it hands on the trace header that the function was given.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_waits_is_told_of_its_loop_by_the_trace_header() {
    let world = World::new().await;
    let code =
        "import os\ndef handler(event, context):\n    return os.environ['_X_AMZN_TRACE_ID']\n";
    world.create("f", code).await;
    world.create("g", code).await;
    let call = async |function: &str, trace: &str| {
        let trace = trace.to_owned();
        let call = world
            .stage
            .lambda
            .invoke()
            .function_name(function)
            .customize();
        let sent = call.mutate_request(move |request| {
            request
                .headers_mut()
                .insert("x-amzn-trace-id", trace.clone());
        });
        let answer = sent.send().await?;
        let trace: serde_json::Value =
            serde_json::from_slice(answer.payload.unwrap().as_ref()).unwrap();
        Ok::<_, aws_sdk_lambda::error::SdkError<_, _>>(trace.as_str().unwrap().to_owned())
    };
    let mut trace = "Root=1-0-0".to_owned();
    for _ in 0..16 {
        trace = call("f", &trace).await.unwrap();
    }
    let refused = call("f", &trace).await.unwrap_err();
    assert_eq!(refused.code(), Some("RecursiveInvocationException"));
    assert!(
        refused
            .into_service_error()
            .is_recursive_invocation_exception()
    );
    assert!(
        call("g", &trace).await.is_ok(),
        "another function is not in the loop"
    );
    assert!(call("f", "Root=1-0-0").await.is_ok(), "nor is a new chain");
    assert_eq!(world.count("RecursiveInvocationsDropped", "f").await, 1);
    assert_eq!(
        world
            .stage
            .invoke("f", &json!({}))
            .await
            .as_str()
            .map(|it| it.contains("Lineage=")),
        Some(true)
    );
    world.stage.cloud.stop().await;
}
