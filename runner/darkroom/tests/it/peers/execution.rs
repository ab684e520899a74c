//! What ministack can run: chains that an upload starts, with figures of its own, and calls, of
//! which it reports nothing.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::endpoint::{Endpoint, Kind, names};
use super::study::{Person, small};
use crate::story::Project;

const MANIFEST: &str = r#"
profile = false   # the look from inside needs Lambda's own runtime, which ministack has not

[experiment]
name = "peer"

[matrix]
variants = ["pillow"]
image_sets = ["photos"]
memory_mb = [1024]
architectures = ["HOST"]
trigger = ["TRIGGER"]

[repetitions]
count = 2
warm_up = 1
"#;

fn project(trigger: &str) -> Project {
    let project = small(&["pillow"]);
    project.write(
        "m.toml",
        MANIFEST
            .replace("TRIGGER", trigger)
            .replace("HOST", crate::story::HOST),
    );
    project
}

fn rows(person: &Person<'_>, table: &str) -> Vec<Json> {
    let told = person
        .darkroom(&[
            "export",
            "outputs/peer/latest",
            "--table",
            table,
            "--format",
            "json",
        ])
        .exits(0);
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
}

#[test]
#[ignore = "with the other peers it takes minutes: `.ci/run` has them as a step"]
fn a_chain_that_uploads_start_completes_on_ministack_and_yields_tables() {
    let endpoint = Endpoint::start(Kind::Ministack);
    let project = project("s3");
    let person = Person::new(&project, endpoint.url());
    let told = person
        .darkroom(&["run", "m.toml", "--target", "aws", "--yes"])
        .exits(0);
    // The one line that may name AWS so says what AWS would charge.
    let measured_on_aws = told
        .lines()
        .any(|line| line.contains("on AWS") && !line.starts_with("Would cost on AWS: "));
    assert!(told.contains("(not AWS)") && !measured_on_aws, "{told}");
    for row in rows(&person, "invocations")
        .iter()
        .filter(|row| row["counts_as"] != "warm_up")
    {
        assert_eq!(
            (&row["status"], &row["target"]),
            (&"ok".into(), &"aws-endpoint".into()),
            "{row}"
        );
        // ministack writes REPORT into the log, from which chains are read.
        assert!(
            row["duration_ms"].as_f64().unwrap() > 0.0 && row["client_ms"].is_null(),
            "{row}"
        );
    }
    let outputs = rows(&person, "outputs");
    assert_eq!(outputs.len(), 5, "the same picture twice is checked once");
    assert!(outputs.iter().all(|row| row["pass"] == true), "{outputs:?}");
    let left = endpoint.account().listed();
    assert_eq!(
        names(&left),
        BTreeSet::new(),
        "a run ends with nothing of its own left"
    );
}

#[test]
#[ignore = "with the other peers it takes minutes: `.ci/run` has them as a step"]
fn nothing_is_invented_where_ministack_reports_nothing_of_a_direct_call() {
    let endpoint = Endpoint::start(Kind::Ministack);
    let project = project("direct");
    let person = Person::new(&project, endpoint.url());
    // Its log tail has no REPORT line, and the request ids of its logs are others than those of its
    // answers: nothing proves that a start was warm, so no repetition counts.
    let told = person
        .darkroom(&["run", "m.toml", "--target", "aws", "--yes"])
        .exits(1);
    assert!(
        told.contains("INCOMPLETE") && told.contains("0 of 2 passes done ("),
        "{told}"
    );
    let calls = rows(&person, "invocations");
    assert_eq!(calls.len(), 15);
    for row in &calls {
        assert_eq!(
            (&row["status"], &row["target"]),
            (&"ok".into(), &"aws-endpoint".into()),
            "{row}"
        );
        assert!(
            row["client_ms"].as_f64().unwrap() > 0.0,
            "the runner's own clock is there: {row}"
        );
        assert!(
            row["counts_as"] == "no_report" || row["counts_as"] == "warm_up",
            "{row}"
        );
        for unknown in [
            "duration_ms",
            "billed_ms",
            "init_ms",
            "max_memory_mb",
            "cost_usd",
        ] {
            assert!(row[unknown].is_null(), "{unknown}: {row}");
        }
    }
    let outputs = rows(&person, "outputs");
    assert_eq!(outputs.len(), 5, "the same picture twice is checked once");
    assert!(outputs.iter().all(|row| row["pass"] == true), "{outputs:?}");
    let left = endpoint.account().listed();
    assert_eq!(
        names(&left),
        BTreeSet::new(),
        "a run ends with nothing of its own left"
    );
}
