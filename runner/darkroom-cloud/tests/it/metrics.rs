//! CloudWatch metrics by aws-sdk-cloudwatch, and by the older protocols.

use std::sync::Arc;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, Metric, MetricDataQuery, MetricDatum, MetricStat, ScanBy, StandardUnit, Statistic,
    StatisticSet,
};
use bytes::Bytes;
use darkroom_cloud::lambda::environment::{LogSink as _, MetricSink as _};
use darkroom_cloud::logs::Logs;
use darkroom_cloud::metrics::Metrics;
use tempfile::TempDir;

use crate::clients;
use crate::serving::Serving;

struct World {
    metrics: Metrics,
    client: Client,
    _serving: Serving,
    _folder: TempDir,
}

async fn world() -> World {
    let folder = TempDir::new().unwrap();
    let metrics = Metrics::open(folder.path()).unwrap();
    let answering = Arc::new(metrics.clone());
    let serving = Serving::start_whole(move |parts, body| {
        let metrics = Arc::clone(&answering);
        async move { metrics.answer(&parts, &body) }
    })
    .await;
    let client = clients::metrics(&serving.url());
    World {
        metrics,
        client,
        _serving: serving,
        _folder: folder,
    }
}

/// The start of the minute before last: whatever the clock does, it and the next minute are
/// complete.
fn minute() -> i64 {
    (jiff::Timestamp::now().as_second() / 60 - 2) * 60
}

fn metric(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Metric {
    let dimensions = dimensions
        .iter()
        .map(|(name, value)| Dimension::builder().name(*name).value(*value).build());
    Metric::builder()
        .namespace(namespace)
        .metric_name(name)
        .set_dimensions(Some(dimensions.collect()))
        .build()
}

#[tokio::test]
async fn what_lambda_records_is_summed_per_minute() {
    let World {
        metrics,
        client,
        _serving,
        _folder,
    } = world().await;
    let start = minute();
    for (at, value) in [(0, 10.0), (59_999, 30.0), (60_000, 5.0)] {
        metrics.put(
            "AWS/Lambda",
            "Duration",
            &[("FunctionName", "resize")],
            value,
            "Milliseconds",
            start * 1000 + at,
        );
    }
    let got = client
        .get_metric_statistics()
        .namespace("AWS/Lambda")
        .metric_name("Duration")
        .dimensions(
            Dimension::builder()
                .name("FunctionName")
                .value("resize")
                .build(),
        )
        .start_time(DateTime::from_secs(start))
        .end_time(DateTime::from_secs(start + 120))
        .period(60)
        .statistics(Statistic::Sum)
        .statistics(Statistic::Average)
        .statistics(Statistic::SampleCount)
        .send()
        .await
        .unwrap();
    let points: Vec<_> = got
        .datapoints()
        .iter()
        .map(|point| {
            (
                point.timestamp().unwrap().secs() - start,
                point.sum(),
                point.average(),
            )
        })
        .collect();
    assert_eq!(
        points,
        [(0, Some(40.0), Some(20.0)), (60, Some(5.0), Some(5.0))]
    );
    assert_eq!(
        got.datapoints()[0].unit(),
        Some(&StandardUnit::Milliseconds)
    );
    // Dimensions must be the same, not a part of them.
    let none = client
        .get_metric_statistics()
        .namespace("AWS/Lambda")
        .metric_name("Duration")
        .start_time(DateTime::from_secs(start))
        .end_time(DateTime::from_secs(start + 120))
        .period(60)
        .statistics(Statistic::Sum)
        .send()
        .await
        .unwrap();
    assert!(none.datapoints().is_empty());
}

#[tokio::test]
async fn put_data_come_back_as_statistics_percentiles_and_formulas() {
    let World {
        client,
        _serving,
        _folder,
        ..
    } = world().await;
    let start = minute();
    let datum = |name: &str| {
        MetricDatum::builder()
            .metric_name(name)
            .timestamp(DateTime::from_secs(start))
    };
    client
        .put_metric_data()
        .namespace("App")
        .metric_data(
            datum("pixels")
                .set_values(Some((1..=100).map(f64::from).collect()))
                .build(),
        )
        .metric_data(datum("errors").value(4.0).unit(StandardUnit::Count).build())
        .metric_data(
            datum("set")
                .statistic_values(
                    StatisticSet::builder()
                        .sample_count(2.0)
                        .sum(8.0)
                        .minimum(1.0)
                        .maximum(7.0)
                        .build(),
                )
                .build(),
        )
        .send()
        .await
        .unwrap();
    let query = |id: &str, name: &str, statistic: &str| {
        let of = MetricStat::builder()
            .metric(metric("App", name, &[]))
            .period(60)
            .stat(statistic)
            .build();
        MetricDataQuery::builder().id(id).metric_stat(of).build()
    };
    let got = client
        .get_metric_data()
        .metric_data_queries(query("p", "pixels", "p90"))
        .metric_data_queries(query("errors", "errors", "Sum"))
        .metric_data_queries(query("set", "set", "Average"))
        .metric_data_queries(
            MetricDataQuery::builder()
                .id("ratio")
                .expression("errors / set * 100")
                .build(),
        )
        .start_time(DateTime::from_secs(start))
        .end_time(DateTime::from_secs(start + 60))
        .scan_by(ScanBy::TimestampAscending)
        .send()
        .await
        .unwrap();
    let values: Vec<_> = got
        .metric_data_results()
        .iter()
        .map(|result| (result.id().unwrap(), result.values().to_vec()))
        .collect();
    assert_eq!(
        values,
        [
            ("p", vec![90.0]),
            ("errors", vec![4.0]),
            ("set", vec![4.0]),
            ("ratio", vec![100.0])
        ]
    );
    assert_eq!(
        got.metric_data_results()[0].timestamps(),
        [DateTime::from_secs(start)]
    );
}

#[tokio::test]
async fn metrics_are_listed_by_name_and_dimension() {
    let World {
        metrics,
        client,
        _serving,
        _folder,
    } = world().await;
    for function in ["a", "b"] {
        metrics.put(
            "AWS/Lambda",
            "Invocations",
            &[("FunctionName", function)],
            1.0,
            "Count",
            minute() * 1000,
        );
    }
    let listed = client
        .list_metrics()
        .namespace("AWS/Lambda")
        .metric_name("Invocations")
        .send()
        .await
        .unwrap();
    assert_eq!(listed.metrics().len(), 2);
    let filter = aws_sdk_cloudwatch::types::DimensionFilter::builder()
        .name("FunctionName")
        .value("b")
        .build();
    let listed = client
        .list_metrics()
        .dimensions(filter)
        .send()
        .await
        .unwrap();
    assert_eq!(
        listed.metrics(),
        [metric(
            "AWS/Lambda",
            "Invocations",
            &[("FunctionName", "b")]
        )]
    );
}

#[tokio::test]
async fn wrong_data_are_refused_by_name() {
    let World {
        client,
        _serving,
        _folder,
        ..
    } = world().await;
    let put = client
        .put_metric_data()
        .metric_data(MetricDatum::builder().metric_name("m").value(1.0).build());
    let error = put.namespace("AWS/Lambda").send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
    assert!(
        error
            .into_service_error()
            .is_invalid_parameter_value_exception()
    );
    let both = MetricDatum::builder()
        .metric_name("m")
        .value(1.0)
        .values(1.0)
        .build();
    let error = client
        .put_metric_data()
        .namespace("App")
        .metric_data(both)
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterCombination"));
}

#[tokio::test]
async fn a_large_put_arrives_compressed_and_is_read() {
    let World {
        client,
        _serving,
        _folder,
        ..
    } = world().await;
    let data = (0..900).map(|index| {
        MetricDatum::builder()
            .metric_name(format!("metric-number-{index}"))
            .value(1.0)
            .build()
    });
    client
        .put_metric_data()
        .namespace("App")
        .set_metric_data(Some(data.collect()))
        .send()
        .await
        .unwrap();
    let mut pages = client
        .list_metrics()
        .namespace("App")
        .into_paginator()
        .send();
    let mut count = 0;
    while let Some(page) = pages.next().await {
        count += page.unwrap().metrics().len();
    }
    assert_eq!(count, 900);
}

#[tokio::test]
async fn the_older_protocols_are_served_too() {
    let World {
        metrics,
        _serving,
        _folder,
        ..
    } = world().await;
    let (parts, ()) = http::Request::post("/").body(()).unwrap().into_parts();
    let form = "Action=PutMetricData&Version=2010-08-01&Namespace=App&MetricData.member.1.MetricName=m&MetricData.member.1.Value=2.5";
    let response = metrics.answer(&parts, &Bytes::from(form));
    assert_eq!(response.status(), 200);
    assert!(response.body().starts_with(b"<PutMetricDataResponse "));
    let json = http::Request::post("/")
        .header("x-amz-target", "GraniteServiceVersion20100801.ListMetrics");
    let (parts, ()) = json.body(()).unwrap().into_parts();
    let response = metrics.answer(&parts, &Bytes::from_static(b"{\"Namespace\":\"App\"}"));
    let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["Metrics"][0]["MetricName"], "m");
}

#[tokio::test]
async fn metrics_embedded_in_log_lines_are_recorded() {
    let World {
        metrics,
        client,
        _serving,
        _folder,
    } = world().await;
    let folder = TempDir::new().unwrap();
    let logs = Logs::open(folder.path(), "us-east-1")
        .unwrap()
        .with_embedded_metrics(metrics);
    let line = serde_json::json!({
        "_aws": { "Timestamp": minute() * 1000, "CloudWatchMetrics": [
            { "Namespace": "Embedded", "Dimensions": [["Stage"]], "Metrics": [{ "Name": "pixels", "Unit": "Count" }] },
        ] },
        "Stage": "resize",
        "pixels": 480_000,
    });
    logs.append("g", "s", minute() * 1000, &line.to_string());
    let listed = client
        .list_metrics()
        .namespace("Embedded")
        .send()
        .await
        .unwrap();
    assert_eq!(
        listed.metrics(),
        [metric("Embedded", "pixels", &[("Stage", "resize")])]
    );
}

#[tokio::test]
async fn periods_begin_at_the_start_and_units_are_kept_apart() {
    let World {
        metrics,
        client,
        _serving,
        _folder,
    } = world().await;
    let start = minute() - 420;
    for (at, unit) in [
        (-1, "Seconds"),
        (0, "Seconds"),
        (299, "Seconds"),
        (300, "Seconds"),
        (300, "Bytes"),
    ] {
        metrics.put("App", "m", &[], 1.0, unit, (start + at) * 1000);
    }
    let get = client
        .get_metric_statistics()
        .namespace("App")
        .metric_name("m")
        .period(300)
        .statistics(Statistic::Sum);
    // The start is rounded down to its minute, not to the period.
    let get = get
        .start_time(DateTime::from_secs(start + 59))
        .end_time(DateTime::from_secs(start + 600));
    let got = get.send().await.unwrap();
    let mut points: Vec<_> = got
        .datapoints()
        .iter()
        .map(|point| {
            (
                point.unit().unwrap().as_str(),
                point.timestamp().unwrap().secs() - start,
                point.sum().unwrap(),
            )
        })
        .collect();
    points.sort_by_key(|(unit, at, _)| (unit.to_owned(), *at));
    assert_eq!(
        points,
        [
            ("Bytes", 300, 1.0),
            ("Seconds", 0, 2.0),
            ("Seconds", 300, 1.0)
        ]
    );
}
