//! CloudWatch Logs by aws-sdk-cloudwatchlogs.

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatchlogs::types::{InputLogEvent, OrderBy};
use darkroom_cloud::lambda::environment::LogSink as _;
use darkroom_cloud::logs::Logs;
use tempfile::TempDir;

use crate::serving::Serving;

const GROUP: &str = "/aws/lambda/resize";
const STREAM: &str = "2026/11/24/[$LATEST]0123456789abcdef0123456789abcdef";

struct World {
    logs: Logs,
    client: Client,
    _serving: Serving,
    _folder: TempDir,
}

async fn world() -> World {
    let folder = TempDir::new().unwrap();
    let logs = Logs::open(folder.path(), "us-east-1").unwrap();
    let answering = logs.clone();
    let serving = Serving::start_whole(move |parts, body| {
        let logs = answering.clone();
        async move { logs.answer(&parts, body).await }
    })
    .await;
    let config = aws_sdk_cloudwatchlogs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("us-east-1"))
        .endpoint_url(serving.url())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .build();
    World {
        logs,
        client: Client::from_conf(config),
        _serving: serving,
        _folder: folder,
    }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[tokio::test]
async fn what_a_function_logs_is_read_by_stream_and_found_by_request_id() {
    let World {
        logs,
        client,
        _serving,
        _folder,
    } = world().await;
    let now = now_ms();
    for id in 0..3 {
        logs.append(
            GROUP,
            STREAM,
            now + id,
            &format!("START RequestId: id-{id} Version: $LATEST\n"),
        );
        logs.append(
            GROUP,
            STREAM,
            now + id,
            &format!("REPORT RequestId: id-{id}\tDuration: 1.00 ms\t\n"),
        );
    }
    let got = client
        .get_log_events()
        .log_group_name(GROUP)
        .log_stream_name(STREAM)
        .start_from_head(true)
        .send()
        .await
        .unwrap();
    assert_eq!(got.events().len(), 6);
    assert_eq!(
        got.events()[0].message(),
        Some("START RequestId: id-0 Version: $LATEST\n")
    );
    assert_eq!(got.events()[5].timestamp(), Some(now + 2));
    let found = client
        .filter_log_events()
        .log_group_name(GROUP)
        .filter_pattern("REPORT \"id-1\"")
        .send()
        .await
        .unwrap();
    let messages: Vec<_> = found
        .events()
        .iter()
        .filter_map(|event| event.message())
        .collect();
    assert_eq!(messages, ["REPORT RequestId: id-1\tDuration: 1.00 ms\t\n"]);
    assert_eq!(found.events()[0].log_stream_name(), Some(STREAM));
}

#[tokio::test]
async fn forward_tokens_read_on_and_stay_at_the_end() {
    let World {
        logs,
        client,
        _serving,
        _folder,
    } = world().await;
    for index in 0..5 {
        logs.append("g", "s", now_ms(), &index.to_string());
    }
    let page = |token: Option<String>| {
        client
            .get_log_events()
            .log_group_name("g")
            .log_stream_name("s")
            .start_from_head(true)
            .limit(2)
            .set_next_token(token)
            .send()
    };
    let (mut seen, mut token) = (Vec::new(), None);
    loop {
        let got = page(token.clone()).await.unwrap();
        seen.extend(
            got.events()
                .iter()
                .filter_map(|event| event.message().map(str::to_owned)),
        );
        let next = got.next_forward_token().map(str::to_owned);
        if next == token {
            break;
        }
        token = next;
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4"]);
    logs.append("g", "s", now_ms(), "later");
    let got = page(token).await.unwrap();
    assert_eq!(got.events()[0].message(), Some("later"));
}

#[tokio::test]
async fn without_a_start_the_latest_events_come_first_and_backward_tokens_go_back() {
    let World {
        logs,
        client,
        _serving,
        _folder,
    } = world().await;
    for index in 0..5 {
        logs.append("g", "s", now_ms(), &index.to_string());
    }
    let get = client
        .get_log_events()
        .log_group_name("g")
        .log_stream_name("s")
        .limit(2);
    let last = get.clone().send().await.unwrap();
    let messages = |events: &[aws_sdk_cloudwatchlogs::types::OutputLogEvent]| {
        events
            .iter()
            .filter_map(|event| event.message().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(messages(last.events()), ["3", "4"]);
    let before = get
        .next_token(last.next_backward_token().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(messages(before.events()), ["1", "2"]);
}

#[tokio::test]
async fn a_search_pages_through_streams_in_order_of_time() {
    let World {
        logs,
        client,
        _serving,
        _folder,
    } = world().await;
    let start = now_ms();
    for index in 0..20 {
        logs.append(
            "g",
            if index % 2 == 0 { "a" } else { "b" },
            start + index,
            &format!("event {index:02}"),
        );
    }
    let mut pages = client
        .filter_log_events()
        .log_group_name("g")
        .limit(3)
        .into_paginator()
        .send();
    let mut seen = Vec::new();
    while let Some(page) = pages.next().await {
        seen.extend(
            page.unwrap()
                .events
                .unwrap()
                .into_iter()
                .map(|event| event.message.unwrap()),
        );
    }
    assert_eq!(
        seen,
        (0..20)
            .map(|index| format!("event {index:02}"))
            .collect::<Vec<_>>()
    );
    let part = client
        .filter_log_events()
        .log_group_name("g")
        .start_time(start + 5)
        .end_time(start + 7)
        .send()
        .await
        .unwrap();
    assert_eq!(part.events().len(), 3);
}

#[tokio::test]
async fn groups_and_streams_come_and_go() {
    let World {
        client,
        _serving,
        _folder,
        ..
    } = world().await;
    client
        .create_log_group()
        .log_group_name("g1")
        .tags("team", "photo")
        .send()
        .await
        .unwrap();
    client
        .create_log_group()
        .log_group_name("g2")
        .send()
        .await
        .unwrap();
    let error = client
        .create_log_group()
        .log_group_name("g1")
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("ResourceAlreadyExistsException"));
    client
        .put_retention_policy()
        .log_group_name("g1")
        .retention_in_days(7)
        .send()
        .await
        .unwrap();
    let error = client
        .put_retention_policy()
        .log_group_name("g1")
        .retention_in_days(8)
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterException"));
    let groups = client
        .describe_log_groups()
        .log_group_name_prefix("g")
        .send()
        .await
        .unwrap();
    let shown: Vec<_> = groups
        .log_groups()
        .iter()
        .map(|group| (group.log_group_name().unwrap(), group.retention_in_days()))
        .collect();
    assert_eq!(shown, [("g1", Some(7)), ("g2", None)]);
    let arn = groups.log_groups()[0].log_group_arn().unwrap();
    let tags = client
        .list_tags_for_resource()
        .resource_arn(arn)
        .send()
        .await
        .unwrap();
    assert_eq!(tags.tags().unwrap()["team"], "photo");
    client
        .delete_log_group()
        .log_group_name("g1")
        .send()
        .await
        .unwrap();
    let error = client
        .describe_log_streams()
        .log_group_name("g1")
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        (
            Some("ResourceNotFoundException"),
            Some("The specified log group does not exist.")
        )
    );
}

#[tokio::test]
async fn put_events_must_be_in_order_and_streams_list_the_latest_first() {
    let World {
        client,
        _serving,
        _folder,
        ..
    } = world().await;
    client
        .create_log_group()
        .log_group_name("g")
        .send()
        .await
        .unwrap();
    for stream in ["old", "new"] {
        client
            .create_log_stream()
            .log_group_name("g")
            .log_stream_name(stream)
            .send()
            .await
            .unwrap();
    }
    let event = |at, message: &str| {
        InputLogEvent::builder()
            .timestamp(at)
            .message(message)
            .build()
            .unwrap()
    };
    let put = |stream: &str| {
        client
            .put_log_events()
            .log_group_name("g")
            .log_stream_name(stream)
    };
    let now = now_ms();
    let error = put("old")
        .log_events(event(now, "b"))
        .log_events(event(now - 1, "a"))
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterException"));
    put("old")
        .log_events(event(now - 1000, "x"))
        .send()
        .await
        .unwrap();
    put("new").log_events(event(now, "y")).send().await.unwrap();
    let ancient = put("new")
        .log_events(event(1, "ancient"))
        .log_events(event(now, "kept"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        ancient
            .rejected_log_events_info()
            .unwrap()
            .too_old_log_event_end_index(),
        Some(1)
    );
    let streams = client
        .describe_log_streams()
        .log_group_name("g")
        .order_by(OrderBy::LastEventTime)
        .descending(true)
        .send()
        .await
        .unwrap();
    let names: Vec<_> = streams
        .log_streams()
        .iter()
        .filter_map(|stream| stream.log_stream_name())
        .collect();
    assert_eq!(names, ["new", "old"]);
}

#[tokio::test]
async fn a_page_holds_a_megabyte_at_most_and_the_next_goes_on() {
    let World {
        logs,
        client,
        _serving,
        _folder,
    } = world().await;
    for index in 0..5 {
        logs.append(
            "g",
            "s",
            now_ms(),
            &format!("{index}{}", "x".repeat(300_000)),
        );
    }
    let get = client
        .get_log_events()
        .log_group_name("g")
        .log_stream_name("s");
    let first = |events: &[aws_sdk_cloudwatchlogs::types::OutputLogEvent]| {
        events
            .iter()
            .map(|event| event.message().unwrap()[..1].to_owned())
            .collect::<Vec<_>>()
    };
    let last = get.clone().send().await.unwrap();
    assert_eq!(first(last.events()), ["2", "3", "4"]);
    let before = get
        .clone()
        .next_token(last.next_backward_token().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(first(before.events()), ["0", "1"]);
    let head = get.start_from_head(true).send().await.unwrap();
    assert_eq!(first(head.events()), ["0", "1", "2"]);
}
