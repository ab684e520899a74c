//! The study's whole matrix: deployed, configured, tagged, and cleaned until an account is as it
//! was.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::endpoint::{Endpoint, Kind, by_the_models, names};
use super::recorder::Recorder;
use super::study::{Person, with_stand_ins};

const EXPERIMENT: &str = "darkroom:experiment";

#[test]
#[ignore = "with the other peers it takes minutes: `.ci/run` has them as a step"]
fn the_study_is_deployed_tagged_and_cleaned_on_moto() {
    the_study_is_deployed_tagged_and_cleaned(Kind::Moto);
}

#[test]
#[ignore = "with the other peers it takes minutes: `.ci/run` has them as a step"]
fn the_study_is_deployed_tagged_and_cleaned_on_ministack() {
    the_study_is_deployed_tagged_and_cleaned(Kind::Ministack);
}

fn the_study_is_deployed_tagged_and_cleaned(kind: Kind) {
    let endpoint = Endpoint::start(kind);
    let of_others = endpoint.account().plant();
    let recorder = Recorder::before(endpoint.url());
    let project = with_stand_ins();
    let person = Person::new(&project, recorder.url());

    // Once every function is in place and passes begin, the deployment is over: moto would run none
    // of the code.
    let mut run = person.start(&[
        "run",
        "manifests/llm-study.toml",
        "--target",
        "aws",
        "--yes",
    ]);
    let uploads = recorder.wait_for("/upload/", 1, || run.goes_on());
    assert!(uploads, "{kind}: nothing was measured\n{}", run.text());
    let told = run.interrupt().exits(130);
    assert!(told.contains("60 created"), "{told}");
    assert!(
        told.contains("(not AWS)"),
        "numbers of {kind} must not pass for AWS's: {told}"
    );

    let there = endpoint.account().listed();
    everything_is_as_wanted(kind, &there);
    person.cleans();
    assert_eq!(
        endpoint.account().listed(),
        of_others,
        "{kind}: nothing of ours is left, nothing of others' is touched"
    );
    requests_fit_the_models(
        kind,
        &recorder,
        &person,
        &project.root().join("policy.json"),
    );
}

/// Holds what boto3 sees against the manifest.
fn everything_is_as_wanted(kind: Kind, there: &Json) {
    let ours = |found: &&Json| found["tags"][EXPERIMENT] == "llm-study";
    let of = |what: &str| {
        there[what]
            .as_object()
            .unwrap()
            .values()
            .filter(ours)
            .collect::<Vec<_>>()
    };
    let functions = of("functions");
    assert_eq!(
        functions.len(),
        60,
        "3 variants x 2 architectures x 2 deployments x 5 stages"
    );
    for architecture in ["x86_64", "arm64"] {
        let count = functions
            .iter()
            .filter(|it| it["architectures"] == json!([architecture]))
            .count();
        assert_eq!(count, 30, "{architecture}");
    }
    let role = of("roles");
    assert_eq!(role.len(), 1, "one role, tagged");
    for function in &functions {
        assert_eq!(
            (&function["memory_mb"], &function["runtime"]),
            (&json!(512), &json!("python3.13")),
            "{function}"
        );
        assert!(
            function["tags"]["darkroom:expires-on"].is_string(),
            "{function}"
        );
        assert!(
            function["environment"]["OUTPUT_BUCKET"]
                .as_str()
                .unwrap()
                .starts_with("dkr-llm-study-"),
            "{function}"
        );
        assert!(
            function["role"]
                .as_str()
                .unwrap()
                .contains(":role/dkr-llm-study"),
            "{function}"
        );
        let policy = function["policy"].as_str().unwrap();
        assert!(
            policy.contains("s3.amazonaws.com") && policy.contains("AWS:SourceAccount"),
            "{policy}"
        );
    }
    // Layers can't be tagged: the description stands for it.
    let layers = there["layers"].as_object().unwrap().values();
    let claimed = format!("{EXPERIMENT}=llm-study ");
    let layers = layers
        .filter(|it| it["description"].as_str().unwrap().starts_with(&claimed))
        .count();
    assert_eq!(
        layers, 7,
        "one a variant and architecture, and the wrapper's"
    );
    let buckets = of("buckets");
    assert_eq!(buckets.len(), 1, "one bucket, tagged");
    let bucket = buckets[0];
    let blocked = json!({ "BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true });
    assert_eq!(bucket["public_access"], blocked, "{kind}");
    assert_eq!(
        bucket["ownership"]["Rules"][0]["ObjectOwnership"], "BucketOwnerEnforced",
        "{kind}"
    );
    let rules = bucket["notifications"]["LambdaFunctionConfigurations"]
        .as_array()
        .unwrap();
    assert_eq!(
        rules.len(),
        60,
        "every stage is started by an upload or by the stage before"
    );
}

/// Every request was one that the SDK's service models know, with parameters as they ask for.
fn requests_fit_the_models(kind: Kind, recorder: &Recorder, person: &Person<'_>, policy: &PathBuf) {
    let document = person.darkroom(&["iam-policy", "person"]);
    std::fs::write(policy, document.exits(0)).unwrap();
    let found = by_the_models(recorder.folder(), &[policy]);
    assert_eq!(found["problems"], json!([]), "{kind}");
    assert_eq!(
        found["not_allowed"],
        json!([]),
        "{kind}: called, and not in `darkroom iam-policy`"
    );
    let operations = found["operations"].as_object().unwrap();
    let called = |name: &str| {
        operations.get(name).map_or(0, |seen| {
            seen.as_object()
                .unwrap()
                .values()
                .filter_map(Json::as_u64)
                .sum::<u64>()
        })
    };
    assert!(
        called("lambda:CreateFunction") >= 60
            && called("s3:PutBucketNotificationConfiguration") >= 1,
        "{found}"
    );
    assert!(
        called("lambda:DeleteFunction") >= 60 && called("iam:DeleteRole") >= 1,
        "{found}"
    );
    assert!(
        names(&json!({ "operations": operations })).len() > 20,
        "{found}"
    );
}
