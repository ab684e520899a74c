//! The way to AWS with the local cloud standing at its end, and accounts that say no in AWS's
//! words.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use darkroom::deploy::Clients;
use darkroom_core::event::Event;
use serde_json::Value;

use crate::deploy::Account;
use crate::injector::{Injector, Plan};
use crate::runs::{COPY, manifest, project, run_on_aws, variant};
use crate::story::{Answer, HOST, Project, suggestions};
use aws_sdk_s3::types::{Tag, Tagging};
use darkroom::deploy::tags;

/// Nothing of the machine that the test runs on is to be found by the chain.
const NOBODY: [(&str, &str); 3] = [
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("AWS_CONFIG_FILE", "/nonexistent/config"),
    ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"),
];

fn ask(project: &Project, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
    let variables: Vec<(&str, &str)> = NOBODY.iter().chain(variables).copied().collect();
    project.darkroom_with(arguments, &variables)
}

/// Runs a command on another thread, because the cloud answers on this one.
pub async fn with_endpoint(
    arguments: &[&'static str],
    endpoint: &str,
    project: Project,
) -> (Project, Answer) {
    with_patience(None, arguments, endpoint, project).await
}

/// The same, with `DARKROOM_PATIENCE_S`.
pub async fn with_patience(
    seconds: Option<&'static str>,
    arguments: &[&'static str],
    endpoint: &str,
    project: Project,
) -> (Project, Answer) {
    let (arguments, endpoint) = (arguments.to_vec(), endpoint.to_owned());
    let asked = tokio::task::spawn_blocking(move || {
        let mut variables = at(&endpoint).to_vec();
        variables.extend(seconds.map(|seconds| ("DARKROOM_PATIENCE_S", seconds)));
        let answer = ask(&project, &arguments, &variables);
        (project, answer)
    });
    asked.await.unwrap()
}

/// Runs what a message suggests as it stands, on another thread.
async fn follow(line: &str, endpoint: &str, project: Project) -> (Project, Answer) {
    let (line, endpoint) = (line.to_owned(), endpoint.to_owned());
    let followed = tokio::task::spawn_blocking(move || {
        let answer = project.shell_with(
            &line,
            &NOBODY
                .iter()
                .copied()
                .chain(at(&endpoint))
                .collect::<Vec<_>>(),
        );
        (project, answer)
    });
    followed.await.unwrap()
}

/// The same, and the `--yes` that it asks for.
async fn follow_with_yes(line: &str, endpoint: &str, project: Project) -> (Project, Answer) {
    let (project, answer) = follow(line, endpoint, project).await;
    let line = format!("{line} {}", answer.exits(2).suggestion("--yes"));
    follow(&line, endpoint, project).await
}

fn at(endpoint: &str) -> [(&str, &str); 3] {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]
}

pub async fn nothing_is_left(clients: &Clients) {
    assert!(
        clients
            .lambda
            .list_functions()
            .send()
            .await
            .unwrap()
            .functions()
            .is_empty()
    );
    assert!(
        clients
            .lambda
            .list_layers()
            .send()
            .await
            .unwrap()
            .layers()
            .is_empty()
    );
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
    assert!(
        clients
            .iam
            .list_roles()
            .send()
            .await
            .unwrap()
            .roles()
            .is_empty()
    );
    assert!(
        clients
            .logs
            .describe_log_groups()
            .send()
            .await
            .unwrap()
            .log_groups()
            .is_empty()
    );
}

fn started(project: &Project) -> darkroom_core::event::RunStarted {
    let journal = project.root().join("outputs/test/latest/journal.ndjson");
    let journal = std::fs::read_to_string(journal).unwrap();
    match serde_json::from_str(journal.lines().next().unwrap()).unwrap() {
        Event::RunStarted(run) => run,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_run_goes_the_whole_way_ends_with_clean_and_is_not_called_aws() {
    let account = Account::new().await;
    let project = project();
    variant(&project, "copy", COPY);
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 2);
    let endpoint = account.cloud.endpoint_url().to_owned();
    let run = run_on_aws(&["--set", "matrix.trigger=[\"direct\", \"s3\"]"]);
    let (project, answer) = with_endpoint(&run, &endpoint, project).await;
    let answer = answer.exits(0);
    let is_not_aws = format!("{endpoint} (not AWS)");
    assert!(answer.stdout().contains(&is_not_aws), "{}", answer.stdout());
    assert!(
        answer.stderr().contains("deployed resources"),
        "{}",
        answer.stderr()
    );
    let run = started(&project);
    assert_eq!(
        (run.target.as_str(), run.endpoint),
        ("aws-endpoint", Some(endpoint.clone()))
    );
    let page =
        std::fs::read_to_string(project.root().join("outputs/test/latest/report.html")).unwrap();
    assert!(page.contains("an endpoint that is not AWS"));
    nothing_is_left(&account.clients()).await;

    // What is to stay stays, and is found.
    let keep = ["run", "m.toml", "--target", "aws", "--yes", "--keep"];
    let (project, answer) = with_endpoint(&keep, &endpoint, project).await;
    assert!(
        answer
            .exits(0)
            .stderr()
            .contains("keeping what was deployed")
    );
    // An extension asks with the cost of what it adds: one repetition of two images, and a warm-up,
    // through two stages.
    let more = [
        "run",
        "m.toml",
        "--target",
        "aws",
        "--extend",
        "repetitions.count=3",
    ];
    let (project, asked) = with_endpoint(&more, &endpoint, project).await;
    asked
        .exits(2)
        .says("bills what this session adds: 2 functions, 6 invocations;");
    let clean = ["clean", "test", "--target", "aws", "--yes"];
    let (clients, role) = (account.clients(), "dkr-test-us-east-1");
    let theirs = "arn:aws:iam::000000000000:policy/theirs";
    clients
        .iam
        .attach_role_policy()
        .role_name(role)
        .policy_arn(theirs)
        .send()
        .await
        .unwrap();
    let (project, answer) = with_endpoint(&clean, &endpoint, project).await;
    let answer = answer
        .exits(1)
        .says("resources could not be removed")
        .says("DeleteConflict")
        .says("--target aws --region us-east-1");
    let listed = answer.stdout();
    assert_eq!(
        listed
            .lines()
            .filter(|line| line.starts_with("function "))
            .count(),
        2,
        "{listed}"
    );
    assert!(
        listed.contains("role      dkr-test-us-east-1") && listed.contains("AWS bills"),
        "{listed}"
    );
    clients
        .iam
        .detach_role_policy()
        .role_name(role)
        .policy_arn(theirs)
        .send()
        .await
        .unwrap();
    let (_, answer) = with_endpoint(&clean, &endpoint, project).await;
    let listed = answer.exits(0).stdout();
    assert!(
        listed.starts_with("role      dkr-test-us-east-1") && listed.contains("removed everything"),
        "{listed}"
    );
    nothing_is_left(&account.clients()).await;
    account.cloud.stop().await;
}

/// Says on the bucket that a session of another run deployed so many days ago and has not ended.
async fn under_way(clients: &Clients, run_id: &str, days_ago: i64) {
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * (30 - days_ago));
    let expires = expires.strftime("%Y-%m-%d").to_string();
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let tagging = Tagging::builder()
        .tag_set(tag(tags::EXPERIMENT, "test"))
        .tag_set(tag(tags::RUN, run_id))
        .tag_set(tag(tags::REGION, "us-east-1"))
        .tag_set(tag(tags::EXPIRES, &expires))
        .tag_set(tag(tags::UNDER_WAY, "yes"));
    let put = clients
        .s3
        .put_bucket_tagging()
        .bucket("dkr-test-000000000000-us-east-1-an");
    put.tagging(tagging.build().unwrap()).send().await.unwrap();
}

#[tokio::test]
async fn what_another_run_uses_is_not_taken_over_unless_that_run_has_ended_or_is_old() {
    let account = Account::new().await;
    let clients = account.clients();
    let project = project();
    variant(&project, "copy", COPY);
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    let endpoint = account.cloud.endpoint_url().to_owned();
    let keep = ["run", "m.toml", "--target", "aws", "--yes", "--keep"];
    let (project, answer) = with_endpoint(&keep, &endpoint, project).await;
    answer.exits(0);
    // As from another machine, where there is no folder of the first; its bucket says that it is
    // over.
    std::fs::remove_dir_all(project.root().join("outputs")).unwrap();
    let (project, answer) = with_endpoint(&keep, &endpoint, project).await;
    assert!(!answer.exits(0).stderr().contains("did not record its end"));

    under_way(&clients, "20261125-000000-abcdef", 0).await;
    let run = ["run", "m.toml", "--target", "aws", "--yes"];
    let (project, answer) = with_endpoint(&run, &endpoint, project).await;
    answer
        .exits(2)
        .says("run 20261125-000000-abcdef of `test`, started 2026-11-25 00:00:00 UTC, may still be running")
        .says("darkroom clean test --target aws --region us-east-1");
    under_way(&clients, "20261125-000000-abcdef", 3).await;
    let (_, answer) = with_endpoint(&run, &endpoint, project).await;
    let said = answer.exits(0).stderr();
    assert!(
        said.contains("did not record its end; this run takes over")
            && said.contains("deployed resources"),
        "{said}"
    );
    nothing_is_left(&clients).await;
    account.cloud.stop().await;
}

#[tokio::test]
async fn what_is_suggested_about_a_run_under_way_leads_on() {
    let account = Account::new().await;
    let (clients, endpoint) = (account.clients(), account.cloud.endpoint_url().to_owned());
    let project = project();
    variant(&project, "copy", COPY);
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    let keep = ["run", "m.toml", "--target", "aws", "--yes", "--keep"];
    let (project, answer) = with_endpoint(&keep, &endpoint, project).await;
    answer.exits(0);
    // As if it had been killed before its last fact.
    let run = project
        .root()
        .join("outputs/test/latest")
        .canonicalize()
        .unwrap();
    let journal = std::fs::read_to_string(run.join("journal.ndjson")).unwrap();
    let (before, _) = journal.trim_end().rsplit_once('\n').unwrap();
    std::fs::write(run.join("journal.ndjson"), format!("{before}\n")).unwrap();
    under_way(&clients, run.file_name().unwrap().to_str().unwrap(), 0).await;
    let again = ["run", "m.toml", "--target", "aws", "--yes"];
    let (project, refused) = with_endpoint(&again, &endpoint, project).await;
    let resume = refused.exits(2).suggestion("darkroom resume");
    let (project, answer) = follow_with_yes(&resume, &endpoint, project).await;
    assert!(answer.exits(0).stderr().contains("deployed resources"));

    // One of another machine, of which nothing is known here.
    let (project, answer) = with_endpoint(&keep, &endpoint, project).await;
    let stays = answer.exits(0);
    under_way(&clients, "20261125-000000-abcdef", 0).await;
    let (project, refused) = with_endpoint(&again, &endpoint, project).await;
    let clean = refused.exits(2).suggestion("darkroom clean test");
    let (project, answer) = follow_with_yes(&clean, &endpoint, project).await;
    assert!(answer.exits(0).stdout().contains("removed everything"));
    nothing_is_left(&clients).await;

    let (project, answer) = with_endpoint(&keep, &endpoint, project).await;
    answer.exits(0);
    let (_, answer) =
        follow_with_yes(&stays.suggestion("darkroom clean test"), &endpoint, project).await;
    answer.exits(0);
    nothing_is_left(&clients).await;
    account.cloud.stop().await;
}

#[test]
fn what_is_suggested_where_the_control_plane_refuses_leads_on() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let account = runtime.block_on(Account::new());
    // It has a runtime of its own, and so begins outside of ours.
    let injector = Injector::new(account.cloud.endpoint_url(), 1);
    let project = project();
    variant(&project, "copy", COPY);
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    let variables: Vec<(&str, &str)> = NOBODY.iter().copied().chain(at(injector.url())).collect();
    let run = ["run", "m.toml", "--target", "aws", "--yes", "--keep"];
    injector.begin(Plan {
        gone_at: Some(1),
        ..Plan::default()
    });
    let refused = ask(&project, &run, &variables)
        .exits(1)
        .says("allow these credentials to do that");
    let doctor = project.shell_with(&refused.suggestion("darkroom doctor"), &variables);
    assert!(
        doctor.stdout().contains("permissions"),
        "{}{}",
        doctor.stdout(),
        doctor.stderr()
    );

    injector.begin(Plan::default());
    ask(&project, &run, &variables).exits(0);
    injector.begin(Plan {
        gone_at: Some(1),
        ..Plan::default()
    });
    let clean = ask(
        &project,
        &["clean", "test", "--target", "aws", "--yes"],
        &variables,
    )
    .exits(1);
    injector.begin(Plan::default());
    project
        .shell_with(&clean.suggestion("darkroom clean"), &variables)
        .exits(0);
    runtime.block_on(async {
        nothing_is_left(&account.clients()).await;
        account.cloud.stop().await;
    });
}

#[tokio::test]
async fn a_run_goes_on_only_where_it_was_begun() {
    let (account, other) = (Account::new().await, Account::new().await);
    let project = project();
    variant(&project, "copy", COPY);
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 2);
    let run = run_on_aws(&["--set", "budget.minutes=0.00001"]);
    let (project, answer) = with_endpoint(&run, account.cloud.endpoint_url(), project).await;
    answer.says("budget.minutes is used up");
    let said = started(&project);
    assert_eq!(said.account_id.as_deref(), Some("000000000000"));
    let resume = [
        "resume",
        "outputs/test/latest",
        "--yes",
        "--set",
        "budget.minutes=60",
    ];
    let (project, answer) = with_endpoint(&resume, other.cloud.endpoint_url(), project).await;
    let answer = answer
        .exits(2)
        .says("the run began on aws-endpoint at")
        .says("AWS_ENDPOINT_URL");
    assert!(
        answer.stderr().contains(account.cloud.endpoint_url()),
        "{}",
        answer.stderr()
    );
    nothing_is_left(&other.clients()).await;
    // The new run there has the same budget.
    let anew = answer.suggestion("darkroom run");
    let begun = project
        .root()
        .join("outputs/test/latest")
        .canonicalize()
        .unwrap();
    let (project, answer) = follow_with_yes(&anew, other.cloud.endpoint_url(), project).await;
    answer.exits(130).says("budget.minutes is used up");
    assert_ne!(
        project
            .root()
            .join("outputs/test/latest")
            .canonicalize()
            .unwrap(),
        begun
    );
    let resume = [
        "resume",
        begun.to_str().unwrap(),
        "--yes",
        "--set",
        "budget.minutes=60",
    ]
    .map(str::to_owned);
    let resume: Vec<&'static str> = resume.map(|word| &*word.leak()).to_vec();
    let (_, answer) = with_endpoint(&resume, account.cloud.endpoint_url(), project).await;
    answer.exits(0);
    nothing_is_left(&account.clients()).await;
    other.cloud.stop().await;
    account.cloud.stop().await;
}

#[tokio::test]
async fn a_named_role_is_used_and_none_is_made() {
    let account = Account::new().await;
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    let role = "target.role='arn:aws:iam::000000000000:role/of-the-lab'";
    let run = [
        "run", "m.toml", "--target", "aws", "--yes", "--keep", "--set", role,
    ];
    let (_, answer) = with_endpoint(&run, account.cloud.endpoint_url(), project).await;
    answer.exits(0);
    let clients = account.clients();
    let functions = clients.lambda.list_functions().send().await.unwrap();
    assert_eq!(functions.functions().len(), 2);
    for function in functions.functions() {
        assert_eq!(
            function.role(),
            Some("arn:aws:iam::000000000000:role/of-the-lab")
        );
    }
    assert!(
        clients
            .iam
            .list_roles()
            .send()
            .await
            .unwrap()
            .roles()
            .is_empty()
    );
    account.cloud.stop().await;
}

#[tokio::test]
async fn who_names_a_role_needs_no_permission_of_iams_for_a_run_nor_to_clean() {
    let account = Account::new().await;
    let iam = saying(|_| {
        refused(
            StatusCode::FORBIDDEN,
            "AccessDenied",
            "not authorized to perform: iam:ListRoles",
        )
    })
    .await;
    let project = project();
    variant(&project, "copy", COPY);
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    let endpoint = account.cloud.endpoint_url().to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ENDPOINT_URL_IAM", iam.as_str()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            (
                "DARKROOM_ROLE_ARN",
                "arn:aws:iam::000000000000:role/of-the-lab",
            ),
        ];
        let run = ask(
            &project,
            &["run", "m.toml", "--target", "aws", "--yes"],
            &variables,
        )
        .exits(0)
        .stderr();
        assert!(run.contains("removed 6 deployed resources"), "{run}");
        assert!(
            !run.contains("not all") && !run.contains("there may be more"),
            "{run}"
        );
        let clean = ["clean", "--target", "aws", "--yes"];
        let said = ask(&project, &clean, &variables)
            .exits(0)
            .says("roles were not checked: these credentials lack iam:ListRoles");
        assert!(
            said.stdout().contains("found nothing that Darkroom made"),
            "{}",
            said.stdout()
        );
    });
    asked.await.unwrap();
    nothing_is_left(&account.clients()).await;
    account.cloud.stop().await;
}

#[test]
fn without_credentials_every_command_says_how_to_get_them() {
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    for arguments in [
        vec!["clean", "--target", "aws"],
        vec!["run", "m.toml", "--target", "aws", "--yes"],
    ] {
        ask(&project, &arguments, &[])
            .exits(1)
            .says("no AWS credentials found")
            .says("aws sso login");
    }
    let doctor = ask(&project, &["doctor", "--target", "aws"], &[])
        .exits(1)
        .stdout();
    let doctor = doctor.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        doctor.contains("missing credentials no AWS credentials found"),
        "{doctor}"
    );
}

#[test]
fn a_profile_that_is_not_there_is_named() {
    let project = project();
    project.write("config", "[profile lab]\nregion = us-east-1\n");
    let path = project.root().join("config").display().to_string();
    let home = project.root().display().to_string();
    let misspelt = [
        ("AWS_CONFIG_FILE", path.as_str()),
        ("AWS_PROFILE", "lba"),
        ("HOME", home.as_str()),
    ];
    let doctor = ask(&project, &["doctor", "--target", "aws"], &misspelt)
        .exits(1)
        .stdout();
    assert!(
        doctor.contains("the AWS profile `lba` provides no credentials"),
        "{doctor}"
    );
}

#[test]
fn an_sso_profile_without_a_session_says_to_log_in() {
    let project = project();
    let config = "[profile lab]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = R\n\
                  [sso-session s]\nsso_region = us-east-1\nsso_start_url = https://example.awsapps.com/start\n";
    project.write("config", config);
    let path = project.root().join("config").display().to_string();
    let home = project.root().display().to_string();
    let lab = [
        ("AWS_CONFIG_FILE", path.as_str()),
        ("AWS_PROFILE", "lab"),
        ("HOME", home.as_str()),
    ];
    let doctor = ask(&project, &["doctor", "--target", "aws"], &lab)
        .exits(1)
        .stdout();
    assert!(
        doctor.contains("no SSO session, or it has expired"),
        "{doctor}"
    );
    assert!(doctor.contains("fix: log in: `aws sso login`"), "{doctor}");
}

/// Answers every call by what was asked: the `Action` of a form, or the path.
type Says = fn(&str) -> Response;

async fn saying(says: Says) -> String {
    saying_all(move |asked| {
        let form = asked
            .split('&')
            .find_map(|pair| pair.strip_prefix("Action="));
        says(form.unwrap_or(asked))
    })
    .await
}

/// The same, by all of the form, or the path.
async fn saying_all(says: impl Fn(&str) -> Response + Clone + Send + Sync + 'static) -> String {
    let answer = move |uri: axum::http::Uri, body: Bytes| async move {
        let body = String::from_utf8_lossy(&body).into_owned();
        says(if body.contains("Action=") {
            &body
        } else {
            uri.path()
        })
    };
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    endpoint
}

fn xml(status: StatusCode, text: &str) -> Response {
    (status, [("content-type", "text/xml")], text.to_owned()).into_response()
}

fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    let error = format!(
        "<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    xml(
        status,
        &format!("<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"),
    )
}

fn who(arn: &str) -> Response {
    let identity = format!("<Arn>{arn}</Arn><UserId>U</UserId><Account>123456789012</Account>");
    xml(
        StatusCode::OK,
        &format!(
            "<GetCallerIdentityResponse><GetCallerIdentityResult>{identity}</GetCallerIdentityResult></GetCallerIdentityResponse>"
        ),
    )
}

async fn doctor(says: Says) -> (i32, BTreeMap<String, Value>) {
    doctor_at(saying(says).await).await
}

async fn doctor_at(endpoint: String) -> (i32, BTreeMap<String, Value>) {
    let (_, answer) = with_endpoint(
        &["doctor", "--target", "aws", "--json"],
        &endpoint,
        project(),
    )
    .await;
    let checks: Vec<Value> = serde_json::from_str(&answer.stdout()).unwrap();
    let missing = checks.iter().any(|check| check["state"] == "missing");
    answer.exits(i32::from(missing));
    let named = checks
        .into_iter()
        .map(|check| (check["name"].as_str().unwrap().to_owned(), check));
    (i32::from(missing), named.collect())
}

#[tokio::test]
async fn every_reason_why_credentials_do_not_work_has_its_sentence_and_its_mend() {
    const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
    let cases: [(Says, &str, &str); 4] = [
        (
            |_| {
                refused(
                    FORBIDDEN,
                    "ExpiredToken",
                    "The security token included in the request is expired",
                )
            },
            "have expired",
            "log in again",
        ),
        (
            |_| {
                refused(
                    FORBIDDEN,
                    "InvalidClientTokenId",
                    "The security token included in the request is invalid.",
                )
            },
            "rejects these credentials",
            "access key",
        ),
        (
            |_| {
                refused(
                    FORBIDDEN,
                    "SignatureDoesNotMatch",
                    "Signature expired: 20261125T000000Z is now earlier than 20261125T010000Z",
                )
            },
            "clock is too far",
            "set the clock",
        ),
        (
            |_| {
                refused(
                    FORBIDDEN,
                    "RegionDisabledException",
                    "STS is not activated in this region",
                )
            },
            "cannot be used",
            "[target] region",
        ),
    ];
    for (says, found, mend) in cases {
        let (code, checks) = doctor(says).await;
        let check = &checks["credentials"];
        assert_eq!(
            (code, check["state"].as_str()),
            (1, Some("missing")),
            "{check}"
        );
        assert!(check["found"].as_str().unwrap().contains(found), "{check}");
        assert!(check["mend"].as_str().unwrap().contains(mend), "{check}");
    }
}

#[tokio::test]
async fn doctor_asks_the_simulator_and_names_what_is_denied() {
    let (code, checks) = doctor(|asked| match asked {
        "GetCallerIdentity" => who("arn:aws:sts::123456789012:assumed-role/Research/me"),
        "SimulatePrincipalPolicy" => {
            let one = |action: &str, decision: &str| {
                format!(
                    "<member><EvalActionName>{action}</EvalActionName><EvalResourceName>*</EvalResourceName>\
                     <EvalDecision>{decision}</EvalDecision></member>"
                )
            };
            let results = one("lambda:CreateFunction", "implicitDeny") + &one("s3:PutObject", "allowed");
            let result = format!("<IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults>");
            xml(
                StatusCode::OK,
                &format!("<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult>{result}</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"),
            )
        }
        _ => "{\"AccountLimit\": {\"ConcurrentExecutions\": 10, \"UnreservedConcurrentExecutions\": 10, \"TotalCodeSize\": 100}, \
              \"AccountUsage\": {\"TotalCodeSize\": 95}}"
            .into_response(),
    })
    .await;
    assert_eq!(code, 1);
    let permissions = &checks["permissions"];
    assert_eq!(permissions["found"], "IAM's simulator denies 1 action");
    assert_eq!(
        permissions["details"][0],
        "lambda:CreateFunction on *: implicitDeny"
    );
    assert_eq!(checks["concurrency"]["state"], "limited");
    assert_eq!(checks["code storage"]["state"], "limited");

    let mend = |check: &str, begin: &str| {
        let mend = checks[check]["mend"].as_str().unwrap();
        suggestions(mend, begin)[0].to_owned()
    };
    let policy = project()
        .shell(&mend("permissions", "darkroom iam-policy person"))
        .exits(0)
        .stdout();
    assert!(serde_json::from_str::<Value>(&policy).unwrap()["Statement"].is_array());
    let account = Account::new().await;
    let clean = mend("code storage", "darkroom clean --target aws");
    let (_, answer) = follow(&clean, account.cloud.endpoint_url(), project()).await;
    assert!(
        answer
            .exits(0)
            .stdout()
            .contains("found nothing that Darkroom made")
    );
    account.cloud.stop().await;
}

/// IAM answers for one action at a time, on two pages; for one action not at all, and for one only
/// in a real call.
fn one_by_one(asked: &str) -> Response {
    if asked.contains("Action=GetCallerIdentity") {
        return who("arn:aws:iam::123456789012:user/me");
    }
    if !asked.contains("Action=SimulatePrincipalPolicy") {
        return "{\"AccountLimit\": {\"ConcurrentExecutions\": 1000, \"UnreservedConcurrentExecutions\": 1000, \"TotalCodeSize\": 100}, \
                \"AccountUsage\": {\"TotalCodeSize\": 5}}"
            .into_response();
    }
    let several = "actions that require different authorization information";
    let action = asked
        .split('&')
        .find_map(|pair| pair.strip_prefix("ActionNames.member.1="))
        .unwrap()
        .replace("%3A", ":");
    if asked.contains("ActionNames.member.2=") || action == "lambda:InvokeFunction" {
        return refused(StatusCode::BAD_REQUEST, "InvalidInput", several);
    }
    let one = |decision: &str, more: &str| {
        format!(
            "<member><EvalActionName>{action}</EvalActionName><EvalResourceName>arn</EvalResourceName>\
             <EvalDecision>{decision}</EvalDecision>{more}</member>"
        )
    };
    let last = asked.contains("Marker=");
    let missing = "<MissingContextValues><member>aws:SourceIp</member></MissingContextValues>";
    let results = match action.as_str() {
        "s3:PutObject" if last => one("explicitDeny", ""),
        "s3:DeleteBucket" if last => one("implicitDeny", missing),
        _ => one("allowed", ""),
    };
    let page = if last {
        "<IsTruncated>false</IsTruncated>"
    } else {
        "<IsTruncated>true</IsTruncated><Marker>next</Marker>"
    };
    xml(
        StatusCode::OK,
        &format!(
            "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult>{page}<EvaluationResults>{results}</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
        ),
    )
}

#[tokio::test]
async fn a_question_that_the_simulator_refuses_is_asked_by_action_and_is_no_missing_permission() {
    let (code, checks) = doctor_at(saying_all(one_by_one).await).await;
    assert_eq!(code, 1);
    let permissions = &checks["permissions"];
    assert_eq!(
        permissions["found"],
        "IAM's simulator denies 1 action, and gives no answer for 2 actions"
    );
    let details: Vec<&str> = permissions["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|detail| detail.as_str().unwrap())
        .collect();
    assert_eq!(details[0], "s3:PutObject on arn: explicitDeny");
    let unanswered = |action: &str, why: &str| {
        details
            .iter()
            .any(|detail| detail.starts_with(action) && detail.contains(why))
    };
    assert!(
        unanswered("lambda:InvokeFunction: no answer", "different"),
        "{details:?}"
    );
    assert!(
        unanswered("s3:DeleteBucket on arn: no answer", "aws:SourceIp"),
        "{details:?}"
    );
    assert_eq!(details.len(), 3);
}

#[tokio::test]
async fn where_the_simulator_may_not_be_asked_what_reads_is_tried() {
    let (code, checks) = doctor(|asked| match asked {
        "GetCallerIdentity" => who("arn:aws:iam::123456789012:user/me"),
        _ => refused(
            StatusCode::FORBIDDEN,
            "AccessDenied",
            "not authorized to perform",
        ),
    })
    .await;
    assert_eq!(code, 1);
    assert_eq!(checks["permissions"]["state"], "missing");
    assert_eq!(
        checks["permissions"]["found"],
        "5 of 5 read-only calls are refused"
    );
    assert_eq!(checks["credentials"]["state"], "ok");
}

#[test]
fn policies_are_json_that_names_the_experiment() {
    let project = Project::new();
    let scope = [
        "--experiment",
        "smoke",
        "--account",
        "123456789012",
        "--region",
        "eu-central-1",
    ];
    for who in ["person", "functions", "trust"] {
        let arguments: Vec<&str> = ["iam-policy", who].into_iter().chain(scope).collect();
        let policy: Value =
            serde_json::from_str(&project.darkroom(&arguments).exits(0).stdout()).unwrap();
        assert_eq!(policy["Version"], "2012-10-17");
        assert_eq!(
            policy.to_string().contains("dkr-smoke-"),
            who != "trust",
            "{policy}"
        );
    }
}
