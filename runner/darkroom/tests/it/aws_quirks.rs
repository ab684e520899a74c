//! What AWS does that the local cloud does not: each story plays it between the two.
//!
//! docs/aws.md says where each was read.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_lambda::types::{LogFormat, LoggingConfig};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, Tag, Tagging};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use darkroom::deploy::clean::{self, Which};
use darkroom::deploy::{DeployError, bucket_name, deploy, session_over, tags};
use darkroom_cloud::{Config, LocalCloud};
use darkroom_core::event::{Again, Event, Invocation};
use darkroom_core::ledger::StartKind;
use serde_json::Value;

use crate::aws::{with_endpoint, with_patience};
use crate::deploy::{Account, REGION, settings, told};
use crate::injector::{Injector, Kind, Quirk, Request, response, s3_error, with_body};
use crate::runs::{COPY, each_once, facts, latest, manifest, project, run_on_aws, variant};
use crate::story::{HOST, Project};

/// A project with one variant, to be measured `count` times.
pub fn copying(count: u32) -> Project {
    let project = project();
    variant(&project, "copy", COPY);
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), count);
    project
}

pub const BOTH_TRIGGERS: &str = "matrix.trigger=[\"direct\", \"s3\"]";
/// Cold starts by both triggers.
const COLD_BY_BOTH: [&str; 9] = [
    "run",
    "m.toml",
    "--target",
    "aws",
    "--yes",
    "--set",
    BOTH_TRIGGERS,
    "--set",
    "matrix.start=[\"cold\"]",
];

/// Counted invocations of the latest run.
pub fn counted(project: &Project) -> Vec<Invocation> {
    let counted = |event| match event {
        Event::InvocationFinished(row) if !row.pass.warm_up && !row.pass.probe => Some(row),
        _ => None,
    };
    facts(&latest(project))
        .into_iter()
        .filter_map(counted)
        .collect()
}

/// us-east-1 where an organisation's policy refuses tags in the creation of a bucket.
struct OldestRegion;

impl Quirk for OldestRegion {
    fn before(&mut self, request: &Request) -> Option<String> {
        let creates = request.kind() == Kind::Storage
            && request.line().starts_with("PUT /")
            && !request.line().contains('?')
            && request.line().matches('/').count() <= 2;
        // An empty configuration is malformed, and so are tags here.
        (creates && request.body().contains("CreateBucketConfiguration"))
            .then(|| s3_error("400 Bad Request", "MalformedXML"))
    }
}

#[tokio::test]
async fn a_bucket_without_tags_of_its_own_needs_no_configuration_in_the_oldest_region() {
    let account = Account::new().await;
    let injector = Injector::with(account.cloud.endpoint_url(), 1, OldestRegion);
    let clients = account.clients_at(injector.url());
    let want = account.wanted("code", "dependency");
    let deployed = deploy(&clients, &settings(), &want, &mut |_| {}).await;
    assert_eq!(deployed.unwrap().functions.len(), want.len());
    drop(injector);
    account.cloud.stop().await;
}

/// Traced calls: a line more after REPORT, in its event or in one of its own.
#[derive(Default)]
struct Traced {
    reports: u32,
}

const TRACE: &str = "XRAY TraceId: 1-677faf89-09a6\tSegmentId: 7e44b09386b9ab35\tSampled: true\t\n";

impl Quirk for Traced {
    fn after(&mut self, request: &Request, answer: Vec<u8>) -> Vec<u8> {
        match request.kind() {
            Kind::Invoke => with_longer_tail(&answer),
            Kind::Logs => with_body(&answer, |body| self.with_traces(body)),
            _ => answer,
        }
    }
}

fn with_longer_tail(answer: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(answer);
    let longer = |line: &str| match line.split_once(": ") {
        Some((name, tail)) if name.eq_ignore_ascii_case("x-amz-log-result") => {
            let mut tail = BASE64_STANDARD.decode(tail).unwrap();
            tail.extend(TRACE.as_bytes());
            format!("{name}: {}", BASE64_STANDARD.encode(tail))
        }
        _ => line.to_owned(),
    };
    let lines: Vec<String> = text.split("\r\n").map(longer).collect();
    lines.join("\r\n").into_bytes()
}

impl Traced {
    fn with_traces(&mut self, body: &str) -> String {
        let Ok(mut body) = serde_json::from_str::<Value>(body) else {
            return body.to_owned();
        };
        let Some(events) = body["events"].as_array_mut() else {
            return body.to_string();
        };
        let mut all = Vec::new();
        for mut event in std::mem::take(events) {
            let message = event["message"].as_str().unwrap_or_default().to_owned();
            let mut trace = event.clone();
            let is_report = message.starts_with("REPORT ");
            self.reports += u32::from(is_report);
            let in_one = is_report && self.reports.is_multiple_of(2);
            if in_one {
                event["message"] = format!("{}\n{TRACE}", message.trim_end()).into();
            }
            all.push(event);
            if is_report && !in_one {
                trace["message"] = TRACE.into();
                all.push(trace);
            }
        }
        *events = all;
        body.to_string()
    }
}

#[tokio::test]
async fn lines_after_report_hide_no_report() {
    let account = Account::new().await;
    let injector = Injector::with(account.cloud.endpoint_url(), 1, Traced::default());
    let arguments = run_on_aws(&["--set", BOTH_TRIGGERS]);
    let (project, answer) = with_endpoint(&arguments, injector.url(), copying(2)).await;
    answer.exits(0);
    each_once(&latest(&project), 8);
    let rows = counted(&project);
    assert!(
        rows.len() >= 16 && rows.iter().all(|row| row.report.is_some()),
        "{rows:?}"
    );
    drop(injector);
    account.cloud.stop().await;
}

#[tokio::test]
async fn functions_that_log_in_json_are_measured_like_others() {
    let account = Account::new().await;
    let endpoint = account.cloud.endpoint_url().to_owned();
    let run = run_on_aws(&["--keep", "--set", BOTH_TRIGGERS]);
    let (project, answer) = with_endpoint(&run, &endpoint, copying(1)).await;
    answer.exits(0);
    let lambda = account.clients().lambda;
    let functions = lambda.list_functions().send().await.unwrap();
    let json = LoggingConfig::builder().log_format(LogFormat::Json).build();
    for function in functions.functions() {
        let update = lambda.update_function_configuration();
        update
            .function_name(function.function_name().unwrap())
            .logging_config(json.clone())
            .send()
            .await
            .unwrap();
    }
    let (project, answer) = with_endpoint(&run, &endpoint, project).await;
    answer.exits(0);
    each_once(&latest(&project), 4);
    let rows = counted(&project);
    assert!(
        rows.len() >= 8 && rows.iter().all(|row| row.report.is_some()),
        "{rows:?}"
    );
    let unseen = facts(&latest(&project))
        .iter()
        .any(|event| matches!(event, Event::InvocationFinished(row) if row.request_id.is_none()));
    assert!(!unseen);
    account.cloud.stop().await;
}

/// The code initialises for longer than the platform allows, which then makes it do so again.
#[tokio::test]
async fn an_initialisation_that_takes_too_long_is_a_cold_start_and_its_cell_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_darkroom").into();
    let mut config = Config::new(program, folder.path().join("runtimes"));
    config.init_limit = Duration::from_millis(700);
    let cloud = LocalCloud::start(config).await.unwrap();
    let project = copying(1);
    project.images(&["one"]);
    // Twice a second, and the import of boto3 on a busy machine.
    let pipeline = "experiments/image-pipeline/pipeline.toml";
    let text = std::fs::read_to_string(project.root().join(pipeline)).unwrap();
    project.write(pipeline, text.replace("timeout_s = 2", "timeout_s = 60"));
    project.write(
        "functions/copy/second.py",
        format!("import time\ntime.sleep(1)\n{COPY}"),
    );
    let endpoint = cloud.endpoint_url().to_owned();
    let (project, answer) = with_endpoint(&COLD_BY_BOTH, &endpoint, project).await;
    answer.exits(0);
    each_once(&latest(&project), 2);
    let rows = counted(&project);
    let slow: Vec<&Invocation> = rows.iter().filter(|row| row.stage == "second").collect();
    assert_eq!(slow.len(), 2, "no start is taken for a wrong one: {rows:?}");
    for row in slow {
        let report = row.report.as_ref().unwrap();
        let init_ms = report.init_ms.unwrap();
        assert!((690.0..1_000.0).contains(&init_ms), "{row:?}");
        assert!(
            report.duration_ms > 900.0,
            "the second one is the invocation's: {row:?}"
        );
    }
    cloud.stop().await;
}

type HeardCall = (String, Option<String>, Option<String>);

/// Notes what is asked of S3.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<HeardCall>>>);

impl Quirk for Heard {
    fn before(&mut self, request: &Request) -> Option<String> {
        if request.kind() == Kind::Storage {
            let header = |name| request.header(name).map(str::to_owned);
            self.0.lock().unwrap().push((
                request.line().to_owned(),
                header("x-amz-expected-bucket-owner"),
                header("x-amz-bucket-namespace"),
            ));
        }
        None
    }
}

#[tokio::test]
async fn every_call_names_the_owner_of_the_bucket_which_is_in_the_accounts_namespace() {
    let account = Account::new().await;
    let heard = Heard::default();
    let injector = Injector::with(account.cloud.endpoint_url(), 1, heard.clone());
    let run = run_on_aws(&["--keep", "--set", BOTH_TRIGGERS]);
    let (project, answer) = with_endpoint(&run, injector.url(), copying(1)).await;
    answer.exits(0);
    let clean = ["clean", "test", "--target", "aws", "--yes"];
    let (_, answer) = with_endpoint(&clean, injector.url(), project).await;
    answer.exits(0);
    let heard = heard.0.lock().unwrap().clone();
    let bucket = "/dkr-test-000000000000-us-east-1-an";
    let (mut made, mut others) = (0, 0);
    for (line, owner, namespace) in heard {
        if line == format!("PUT {bucket}") || line == format!("PUT {bucket}/") {
            made += 1;
            assert_eq!(namespace.as_deref(), Some("account-regional"), "{line}");
        } else if line.contains("x-id=ListBuckets") {
            assert_eq!(owner, None, "{line}");
        } else {
            others += 1;
            assert_eq!(owner.as_deref(), Some("000000000000"), "{line}");
        }
    }
    assert!(made == 1 && others > 20, "{made} {others}");
    account.cloud.stop().await;
}

/// S3 is at work on an earlier change of the bucket: what begins so is refused so often.
struct Aborted {
    left: u32,
    line: &'static str,
    query: &'static str,
}

impl Quirk for Aborted {
    fn before(&mut self, request: &Request) -> Option<String> {
        let line = request.line();
        let of_bucket = line.matches('/').count() == 1 || line.ends_with('/');
        let meant = request.kind() == Kind::Storage
            && line.starts_with(self.line)
            && line.ends_with(self.query)
            && (of_bucket || !self.query.is_empty())
            && (!self.query.is_empty() || !line.contains('?'));
        if !meant || self.left == 0 {
            return None;
        }
        self.left -= 1;
        Some(s3_error("409 Conflict", "OperationAborted"))
    }
}

#[tokio::test]
async fn a_bucket_that_s3_has_not_finished_deleting_is_waited_for_and_that_is_said() {
    let account = Account::new().await;
    let quirk = Aborted {
        left: 7,
        line: "PUT /dkr-",
        query: "",
    };
    let injector = Injector::with(account.cloud.endpoint_url(), 1, quirk);
    let said = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&said);
    let clients = account
        .clients_at(injector.url())
        .saying(move |text| hears.lock().unwrap().push(text.to_owned()));
    let want = account.wanted("code", "dependency");
    let deployed = deploy(&clients, &settings(), &want, &mut |_| {}).await;
    assert_eq!(deployed.unwrap().functions.len(), want.len());
    let said = said.lock().unwrap().clone();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("bucket dkr-smoke-") && said[0].contains("up to 60 minutes"),
        "{said:?}"
    );
    account.cloud.stop().await;
}

#[tokio::test]
async fn marks_and_buckets_are_removed_also_where_s3_is_at_work_on_them() {
    let account = Account::new().await;
    let want = account.wanted("code", "dependency");
    let clients = account.clients();
    let deployed = deploy(&clients, &settings(), &want, &mut |_| {})
        .await
        .unwrap();
    let at = |line, query| {
        let quirk = Aborted {
            left: 3,
            line,
            query,
        };
        Injector::with(account.cloud.endpoint_url(), 1, quirk)
    };
    let tagging = at("PUT /", "?tagging");
    let slow = account.clients_at(tagging.url());
    let run_id = settings().run_id;
    session_over(&slow, &deployed.bucket, &run_id)
        .await
        .unwrap();
    let tags = clients.s3.get_bucket_tagging().bucket(&deployed.bucket);
    let tags = tags.send().await.unwrap().tag_set;
    assert!(
        tags.iter().all(|tag| tag.key() != tags::UNDER_WAY),
        "{tags:?}"
    );
    let deletion = at("DELETE /dkr-", "");
    let slow = account.clients_at(deletion.url());
    let found = clean::find(&slow, REGION, &Which::Everything)
        .await
        .unwrap();
    assert_eq!(told(&clean::remove(&slow, &found).await), [""; 0]);
    let buckets = clients.s3.list_buckets().send().await.unwrap();
    assert!(buckets.buckets().is_empty());
    account.cloud.stop().await;
}

/// A stranger has the bucket: whoever names another owner is refused.
struct Strangers;

impl Quirk for Strangers {
    fn before(&mut self, request: &Request) -> Option<String> {
        (request.kind() == Kind::Storage && request.line().contains("/dkr-"))
            .then(|| s3_error("403 Forbidden", "AccessDenied"))
    }
}

#[tokio::test]
async fn a_bucket_is_adopted_only_by_owner_and_tag() {
    let account = Account::new().await;
    let want = account.wanted("code", "dependency");
    let injector = Injector::with(account.cloud.endpoint_url(), 1, Strangers);
    let strangers = account.clients_at(injector.url());
    let refused = deploy(&strangers, &settings(), &want, &mut |_| {}).await;
    let refused = refused.unwrap_err();
    assert!(
        refused.to_string().contains("belongs to another account"),
        "{refused}"
    );

    // One of the account that nobody tagged.
    let clients = account.clients();
    let create = clients.s3.create_bucket().bucket(settings().bucket);
    create.send().await.unwrap();
    let refused = deploy(&clients, &settings(), &want, &mut |_| {}).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, DeployError::Foreign { .. }), "{refused}");
    account.cloud.stop().await;
}

#[tokio::test]
async fn a_region_without_namespaces_has_buckets_that_nobody_can_guess_and_finds_them_again() {
    let account = Account::new().await;
    let clients = account.clients();
    let region = "me-central-1";
    let name = async |run_id| {
        let named = bucket_name(&clients, "smoke", "000000000000", region, run_id);
        named.await.unwrap()
    };
    let (one, two) = (
        name("20261125-000000-abcdef").await,
        name("20261125-000000-abcdee").await,
    );
    assert!(one.starts_with("dkr-smoke-") && one != two, "{one} {two}");
    // Another's, and an untagged one.
    for (bucket, experiment) in [
        ("dkr-smoke-2-x", Some("smoke-2")),
        ("dkr-smoke-y", None),
        (&*one, Some("smoke")),
    ] {
        let located = CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(region));
        let create = clients.s3.create_bucket().bucket(bucket);
        create
            .create_bucket_configuration(located.build())
            .send()
            .await
            .unwrap();
        if let Some(experiment) = experiment {
            let tag = Tag::builder()
                .key(tags::EXPERIMENT)
                .value(experiment)
                .build();
            let tagging = Tagging::builder().tag_set(tag.unwrap()).build().unwrap();
            let put = clients.s3.put_bucket_tagging().bucket(bucket);
            put.tagging(tagging).send().await.unwrap();
        }
    }
    assert_eq!(name("20261126-000000-abcdef").await, one);
    account.cloud.stop().await;
}

/// Credentials that may not read tags, and an account that is nearly full.
struct Withheld {
    tags: bool,
    full: bool,
}

impl Quirk for Withheld {
    fn after(&mut self, request: &Request, answer: Vec<u8>) -> Vec<u8> {
        let line = request.line();
        let reads = line.starts_with("GET /2015-03-31/functions/dkr-");
        if self.tags && reads && !line.contains("/configuration") {
            return with_body(&answer, without_tags);
        }
        if self.full && line.contains("/account-settings") {
            return with_body(&answer, nearly_full);
        }
        answer
    }
}

fn without_tags(body: &str) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    if body.get("Configuration").is_some() {
        body.as_object_mut().unwrap().remove("Tags");
        body["TagsError"] = serde_json::json!({
            "ErrorCode": "AccessDeniedException",
            "Message": "User: me is not authorized to perform: lambda:ListTags",
        });
    }
    body.to_string()
}

fn nearly_full(body: &str) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    body["AccountLimit"]["TotalCodeSize"] = 1_000_000.into();
    body["AccountUsage"]["TotalCodeSize"] = 999_990.into();
    body.to_string()
}

#[tokio::test]
async fn tags_that_are_withheld_are_not_taken_for_none() {
    let account = Account::new().await;
    let want = account.wanted("code", "dependency");
    let clients = account.clients();
    deploy(&clients, &settings(), &want, &mut |_| {})
        .await
        .unwrap();
    let quirk = Withheld {
        tags: true,
        full: false,
    };
    let injector = Injector::with(account.cloud.endpoint_url(), 1, quirk);
    let clients = account.clients_at(injector.url());
    let refused = deploy(&clients, &settings(), &want, &mut |_| {}).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, DeployError::Call { .. }), "{refused}");
    assert!(refused.to_string().contains("lambda:ListTags"), "{refused}");
    account.cloud.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_anything_is_made() {
    let account = Account::new().await;
    let mut want = account.wanted("code", "dependency");
    let quirk = Withheld {
        tags: false,
        full: true,
    };
    let injector = Injector::with(account.cloud.endpoint_url(), 1, quirk);
    let full = account.clients_at(injector.url());
    let refused = deploy(&full, &settings(), &want, &mut |_| {}).await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, DeployError::CodeStorage { .. }),
        "{refused}"
    );
    let long = ("NAMES".to_owned(), "x".repeat(4_000));
    want[0].environment.extend([long]);
    let clients = account.clients();
    let refused = deploy(&clients, &settings(), &want, &mut |_| {}).await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, DeployError::Environment { .. }),
        "{refused}"
    );
    let buckets = clients.s3.list_buckets().send().await.unwrap();
    assert!(buckets.buckets().is_empty());
    let roles = clients.iam.list_roles().send().await.unwrap();
    assert!(roles.roles().is_empty());
    account.cloud.stop().await;
}

/// The caller is somebody else.
struct Colleague;

impl Quirk for Colleague {
    fn after(&mut self, request: &Request, answer: Vec<u8>) -> Vec<u8> {
        if request.kind() != Kind::Identity || !request.body().contains("GetCallerIdentity") {
            return answer;
        }
        with_body(&answer, |body| {
            let (before, rest) = body.split_once("<Arn>").unwrap();
            let (_, after) = rest.split_once("</Arn>").unwrap();
            format!("{before}<Arn>arn:aws:iam::000000000000:user/colleague</Arn>{after}")
        })
    }
}

#[tokio::test]
async fn clean_leaves_what_others_made_and_what_a_session_uses_unless_it_is_named() {
    let account = Account::new().await;
    let endpoint = account.cloud.endpoint_url().to_owned();
    let theirs = Injector::with(&endpoint, 1, Colleague);
    let run = ["run", "m.toml", "--target", "aws", "--yes", "--keep"];
    let (project, answer) = with_endpoint(&run, theirs.url(), copying(1)).await;
    answer.exits(0);
    let clean = ["clean", "--target", "aws", "--yes"];
    let (project, answer) = with_endpoint(&clean, &endpoint, project).await;
    let said = answer.exits(0).stdout();
    assert!(
        said.starts_with("found nothing to remove\nleft      test  (4 resources"),
        "{said}"
    );
    assert!(
        said.contains("made by arn:aws:iam::000000000000:user/colleague"),
        "{said}"
    );
    assert!(
        said.contains("`darkroom clean test --target aws --region us-east-1`"),
        "{said}"
    );

    // A session of the colleague's own.
    let clients = account.clients();
    let bucket = "dkr-test-000000000000-us-east-1-an";
    let tagged = clients.s3.get_bucket_tagging().bucket(bucket).send().await;
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let mark = Tag::builder()
        .key(tags::UNDER_WAY)
        .value(now)
        .build()
        .unwrap();
    let tagging = Tagging::builder()
        .set_tag_set(Some(tagged.unwrap().tag_set))
        .tag_set(mark);
    let put = clients.s3.put_bucket_tagging().bucket(bucket);
    put.tagging(tagging.build().unwrap()).send().await.unwrap();
    let everyone = ["clean", "--target", "aws", "--yes", "--everyone"];
    let (project, answer) = with_endpoint(&everyone, theirs.url(), project).await;
    let said = answer.exits(0).stdout();
    assert!(
        said.contains("a session is running (last seen 20"),
        "{said}"
    );
    assert!(said.starts_with("found nothing to remove"), "{said}");

    let named = ["clean", "test", "--target", "aws", "--yes"];
    let (_, answer) = with_endpoint(&named, &endpoint, project).await;
    assert!(answer.exits(0).stdout().contains("removed everything"));
    let functions = clients.lambda.list_functions().send().await.unwrap();
    assert!(functions.functions().is_empty());
    account.cloud.stop().await;
}

/// A role, a key and a function that are not ready when the first calls come.
#[derive(Default)]
struct NotReady {
    calls: u32,
}

impl Quirk for NotReady {
    fn before(&mut self, request: &Request) -> Option<String> {
        if request.kind() != Kind::Invoke {
            return None;
        }
        self.calls += 1;
        let (status, code) = match self.calls {
            1 => ("403 Forbidden", "AccessDeniedException"),
            2 => ("502 Bad Gateway", "KMSAccessDeniedException"),
            3 => ("502 Bad Gateway", "ResourceNotReadyException"),
            _ => return None,
        };
        let header = format!("x-amzn-errortype: {code}\r\n");
        Some(response(status, &header, r#"{"Message": "not yet"}"#))
    }
}

#[tokio::test]
async fn a_first_warm_up_that_is_refused_is_tried_again_and_that_is_said() {
    let account = Account::new().await;
    let injector = Injector::with(account.cloud.endpoint_url(), 1, NotReady::default());
    let run = ["run", "m.toml", "--target", "aws", "--yes"];
    let (project, answer) = with_endpoint(&run, injector.url(), copying(1)).await;
    let said = answer.exits(0).stderr();
    assert!(said.contains("its first warm-up failed: "), "{said}");
    assert!(said.contains("ResourceNotReadyException"), "{said}");
    each_once(&latest(&project), 2);
    let refused = facts(&latest(&project)).into_iter().filter(|event| {
        matches!(event, Event::InvocationFinished(row) if row.pass.warm_up && row.error.is_some())
    });
    assert_eq!(refused.count(), 3, "every refusal is a row");
    account.cloud.stop().await;
}

/// Calls until a function is gone, all of them throttled, and calls after that.
struct Gone {
    until: u32,
    after: Arc<Mutex<u32>>,
}

impl Quirk for Gone {
    fn before(&mut self, request: &Request) -> Option<String> {
        if request.kind() != Kind::Invoke {
            return None;
        }
        if self.until == 1 {
            self.until = 0;
            let header = "x-amzn-errortype: ResourceNotFoundException\r\n";
            let body = r#"{"Message": "Function not found"}"#;
            return Some(response("404 Not Found", header, body));
        }
        if self.until == 0 {
            *self.after.lock().unwrap() += 1;
        }
        self.until = self.until.saturating_sub(1);
        let header = "x-amzn-errortype: TooManyRequestsException\r\n";
        let body = r#"{"Reason":"ConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}"#;
        Some(response("429 Too Many Requests", header, body))
    }
}

#[tokio::test]
async fn after_an_error_that_ends_the_session_no_lane_begins_another_attempt() {
    let account = Account::new().await;
    let after = Arc::default();
    let quirk = Gone {
        // Four warm-ups, then some attempts of the four lanes, which would have eight each.
        until: 12,
        after: Arc::clone(&after),
    };
    let injector = Injector::with(account.cloud.endpoint_url(), 1, quirk);
    let run = run_on_aws(&[
        "--set",
        "repetitions.deployments=4",
        "--set",
        "schedule.lanes=4",
    ]);
    let (_, answer) = with_endpoint(&run, injector.url(), copying(1)).await;
    let said = answer.exits(1).stderr();
    assert!(said.contains("cannot be called any more"), "{said}");
    let after = *after.lock().unwrap();
    assert!(after <= 3, "{after} calls more than were under way: {said}");
    account.cloud.stop().await;
}

/// Notifications that work late: the first uploads start nothing.
struct LateNotifications {
    uploads: u32,
}

impl Quirk for LateNotifications {
    fn before(&mut self, request: &Request) -> Option<String> {
        let line = request.line();
        let put = request.kind() == Kind::Storage && line.starts_with("PUT ");
        // As if it had come, and nothing had been told of it.
        let lost = put && line.contains("/upload/") && self.uploads > 0;
        self.uploads -= u32::from(lost);
        lost.then(|| response("200 OK", "etag: \"x\"\r\n", ""))
    }
}

#[tokio::test]
async fn notifications_that_work_late_cost_warm_ups_and_no_measured_pass() {
    let account = Account::new().await;
    let quirk = LateNotifications { uploads: 2 };
    let injector = Injector::with(account.cloud.endpoint_url(), 1, quirk);
    let trigger = "matrix.trigger=[\"s3\"]";
    let run = [
        "run", "m.toml", "--target", "aws", "--yes", "--set", trigger,
    ];
    let patience = Some("3");
    let (project, answer) = with_patience(patience, &run, injector.url(), copying(2)).await;
    let said = answer.exits(0).stderr();
    assert!(
        said.contains("S3 did not start stage `first` within 3 s"),
        "{said}"
    );
    each_once(&latest(&project), 4);
    let rows = facts(&latest(&project))
        .into_iter()
        .filter_map(|event| match event {
            Event::PipelineFinished(pass) if !pass.pass.warm_up => Some(pass.pass.attempt),
            _ => None,
        });
    assert!(
        rows.clone().all(|attempt| attempt == 1),
        "no measured pass was lost"
    );
    account.cloud.stop().await;
}

/// Environments that the platform initialised ahead of the calls that they serve: the first of
/// every function by seconds, the second by more than is read of a log at first.
#[derive(Default)]
struct Ahead {
    streams: HashMap<String, Vec<String>>,
}

/// How long before START the initialisation of an environment began, ms, in their order.
const AHEAD_MS: [i64; 2] = [6_000, 600_000];

impl Quirk for Ahead {
    fn after(&mut self, request: &Request, answer: Vec<u8>) -> Vec<u8> {
        if request.kind() != Kind::Logs {
            return answer;
        }
        let asked: Value = serde_json::from_str(&request.body()).unwrap_or_default();
        with_body(&answer, |body| self.moved(&asked, body))
    }
}

impl Ahead {
    fn moved(&mut self, asked: &Value, body: &str) -> String {
        let Ok(mut body) = serde_json::from_str::<Value>(body) else {
            return body.to_owned();
        };
        let group = asked["logGroupName"].as_str().unwrap_or_default();
        let since_ms = asked["startTime"].as_i64().unwrap_or_default();
        let streams = self.streams.entry(group.to_owned()).or_default();
        let Some(events) = body["events"].as_array_mut() else {
            return body.to_string();
        };
        events.retain_mut(|event| {
            let stream = event["logStreamName"].as_str().unwrap().to_owned();
            if !streams.contains(&stream) {
                streams.push(stream.clone());
            }
            let nth = streams.iter().position(|known| *known == stream);
            let ahead_ms = nth.and_then(|nth| AHEAD_MS.get(nth));
            let begins = event["message"]
                .as_str()
                .unwrap()
                .starts_with("INIT_START ");
            let Some(ahead_ms) = ahead_ms.filter(|_| begins) else {
                return true;
            };
            let began_ms = event["timestamp"].as_i64().unwrap() - ahead_ms;
            event["timestamp"] = began_ms.into();
            began_ms >= since_ms
        });
        body.to_string()
    }
}

#[tokio::test]
async fn starts_in_environments_that_stood_ready_are_no_cold_samples_and_no_wrong_starts() {
    let account = Account::new().await;
    let injector = Injector::with(account.cloud.endpoint_url(), 1, Ahead::default());
    let project = copying(2);
    project.images(&["one"]);
    let (project, answer) = with_endpoint(&COLD_BY_BOTH, injector.url(), project).await;
    let said = answer.exits(0).stdout();
    assert!(
        said.contains("whose environment the platform had initialised before the call"),
        "{said}"
    );
    each_once(&latest(&project), 4);
    let facts = facts(&latest(&project));
    let mut cells = HashSet::new();
    for event in &facts {
        let Event::PipelineFinished(pass) = event else {
            continue;
        };
        if let Some(again) = pass.again {
            assert_eq!(again, Again::Proactive, "{pass:?}");
            cells.insert(&pass.pass.cell_id);
        }
    }
    assert_eq!(cells.len(), 2, "with each trigger: {cells:?}");

    let rows = counted(&project);
    let ready = rows
        .iter()
        .filter(|row| StartKind::of_invocation(row) == Some(StartKind::Proactive));
    let gaps_ms: Vec<i64> = ready
        .map(|row| row.init_to_start_ms.unwrap() as i64)
        .collect();
    assert!(gaps_ms.iter().any(|ms| *ms > 600_000), "{gaps_ms:?}");
    // The last attempt of every repetition is a cold start, and the log says so too.
    for row in &rows {
        let init_ms = row.report.as_ref().unwrap().init_ms.unwrap();
        let ready_ms = row.init_to_start_ms.unwrap() - init_ms;
        assert!(ready_ms > -2.0, "{row:?}");
    }
    let last = |row: &&Invocation| {
        let of = |other: &Invocation| {
            (&other.pass.cell_id, other.pass.repetition) == (&row.pass.cell_id, row.pass.repetition)
        };
        rows.iter()
            .filter(|other| of(other))
            .all(|other| other.pass.attempt <= row.pass.attempt)
    };
    let cold = rows.iter().filter(last).map(StartKind::of_invocation);
    let cold: Vec<_> = cold.collect();
    assert_eq!(cold, [Some(StartKind::Cold); 8]);
    drop(injector);
    account.cloud.stop().await;
}
