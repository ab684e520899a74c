//! A run's tables in S3: one dataset of many runs, the same objects when published again, nothing
//! else touched.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use darkroom_cloud::{Config, LocalCloud};

use crate::story::Project;

fn publish(project: &Project, endpoint: &str, to: &str, keys: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
    command
        .args(["publish", "outputs/old/latest", to])
        .current_dir(project.root())
        .env_clear();
    command
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", project.root())
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_REGION", "us-east-1");
    if keys {
        command
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test");
    }
    command.output().unwrap()
}

fn says(output: &Output, code: i32, words: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    let flat: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(words), "{words}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_published_as_partitions_and_replaced_by_publishing_again() {
    let project = Project::new();
    project.write("rows.csv", "who,what,ms\na,one,10\na,one,12\n");
    project.write("map.toml", crate::bad_input::MAP);
    project
        .darkroom(&["import-results", "rows.csv", "--map", "map.toml"])
        .exits(0);
    let program = Path::new(env!("CARGO_BIN_EXE_darkroom")).to_owned();
    let cloud = LocalCloud::start(Config::new(program, project.root().join("runtimes")))
        .await
        .unwrap();
    let endpoint = cloud.endpoint_url().to_owned();
    let s3 = crate::clients::s3(&endpoint, "test", "test");

    says(
        &publish(&project, &endpoint, "s3://tables/all", true),
        1,
        "no bucket `tables`",
    );
    s3.create_bucket().bucket("tables").send().await.unwrap();
    s3.put_object()
        .bucket("tables")
        .key("all/summary/theirs")
        .body("x".to_owned().into_bytes().into())
        .send()
        .await
        .unwrap();
    says(
        &publish(&project, &endpoint, "s3://tables/all", false),
        1,
        "no AWS credentials found",
    );
    says(
        &publish(&project, &endpoint, "tables/all", true),
        2,
        "write s3://BUCKET",
    );

    let keys = async || {
        let listed = s3.list_objects_v2().bucket("tables").send().await.unwrap();
        listed
            .contents()
            .iter()
            .filter_map(|object| object.key().map(str::to_owned))
            .collect::<Vec<String>>()
    };
    says(
        &publish(&project, &endpoint, "s3://tables/all", true),
        0,
        "s3://tables/all/summary/experiment=old/run=",
    );
    let first = keys().await;
    // What is no run is refused with a command that publishes one.
    let refused = project
        .darkroom(&["publish", "outputs", "s3://tables/all"])
        .exits(2);
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    project
        .shell_with(&refused.suggestion("darkroom publish"), &variables)
        .exits(0);
    says(
        &publish(&project, &endpoint, "s3://tables/all", true),
        0,
        "part-0.parquet",
    );
    assert_eq!(
        keys().await,
        first,
        "the same objects, and what others wrote is still there"
    );
    assert!(first.contains(&"all/summary/theirs".to_owned()));
    assert_eq!(first.len(), darkroom_tables::columns::TABLES.len() + 1);
    for key in first.iter().filter(|key| key.ends_with(".parquet")) {
        let table = key.split('/').nth(1).unwrap();
        let got = s3
            .get_object()
            .bucket("tables")
            .key(key)
            .send()
            .await
            .unwrap()
            .body
            .collect()
            .await
            .unwrap();
        let here = fs::read(
            project
                .root()
                .join("outputs/old/latest")
                .join(format!("{table}.parquet")),
        )
        .unwrap();
        assert_eq!(got.into_bytes(), here, "{key}");
    }
    cloud.stop().await;
}
