//! The peers themselves: they start empty, hold what boto3 puts there, and leave no process behind.

use std::collections::BTreeSet;

use super::endpoint::{Account, Endpoint, Kind, by_the_models, names};
use super::recorder::Recorder;
use crate::processes::is_alive;

#[test]
fn a_peer_starts_empty_holds_what_is_put_there_and_leaves_no_process() {
    for kind in [Kind::Moto, Kind::Ministack] {
        let endpoint = Endpoint::start(kind);
        assert_eq!(
            names(&endpoint.account().listed()),
            BTreeSet::new(),
            "{kind}"
        );
        let recorder = Recorder::before(endpoint.url());
        let planted = names(&Account::of(recorder.url()).plant());
        assert_eq!(planted.len(), 8, "{kind}: {planted:?}");
        // boto3's own requests fit its own models: if not, it is the reader that is wrong.
        let found = by_the_models(recorder.folder(), &[]);
        assert_eq!(found["problems"], serde_json::json!([]), "{kind}");
        for operation in [
            "lambda:CreateFunction",
            "s3:PutBucketTagging",
            "iam:CreateRole",
            "logs:CreateLogGroup",
        ] {
            assert!(
                found["operations"].get(operation).is_some(),
                "{kind}: {operation} was not seen: {found}"
            );
        }
        let processes = endpoint.processes();
        drop(endpoint);
        assert_eq!(
            processes.into_iter().filter(|it| is_alive(*it)).count(),
            0,
            "{kind} left processes behind"
        );
    }
}

/// What the models are asked for must be able to be wrong.
#[test]
fn a_request_that_does_not_fit_its_model_is_found() {
    let body = r#"{"FunctionName":"has spaces","Runtime":"python2","MemorySize":64,"Timeout":"3","Code":{},"Colour":1}"#;
    let folder = tempfile::tempdir().unwrap();
    let scope = "authorization: AWS4-HMAC-SHA256 Credential=k/20261125/us-east-1/lambda/aws4_request, Signature=0";
    let of = |path: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\n{scope}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let sent = of("/2015-03-31/functions", body) + &of("/2015-03-31/functions/f/poke", "{}");
    std::fs::write(folder.path().join("1.sent"), sent).unwrap();
    let answered = "HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}".repeat(2);
    std::fs::write(folder.path().join("1.answered"), answered).unwrap();
    std::fs::write(
        folder.path().join("policy"),
        r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#,
    )
    .unwrap();
    let found = by_the_models(folder.path(), &[&folder.path().join("policy")]);
    let problems: Vec<&str> = found["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    for words in [
        "FunctionName",
        "Runtime",
        "MemorySize",
        "Timeout is '3'",
        "Role is required",
        "Colour is no member",
        "/poke",
    ] {
        assert!(
            problems.iter().any(|problem| problem.contains(words)),
            "{words}: {problems:?}"
        );
    }
    assert_eq!(
        found["not_allowed"],
        serde_json::json!(["lambda:CreateFunction"])
    );
}
