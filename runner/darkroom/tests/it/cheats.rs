//! Handlers that want the answer from elsewhere, or rights that a function has not: refused, named,
//! and never right.

use darkroom_core::event::{CallsRefused, Event, OutputCheck};

use crate::runs::{COPY, facts, latest, manifest, project, variant};
use crate::story::{HOST, Project};

/// Tries every call of `CALLS`, each by itself, then does its work.
fn trying(calls: &str) -> String {
    let before = format!(
        r#"
import json, urllib.request
from botocore.config import Config
from botocore.exceptions import ClientError

once = Config(retries={{"max_attempts": 1}})
cloud = {{name: boto3.client(name, config=once) for name in ("s3", "lambda", "logs", "cloudwatch", "iam", "sts")}}
said = {{}}


def attempt(name, call):
    try:
        call()
        said[name] = "allowed"
    except ClientError as error:
        said[name] = error.response["Error"]["Code"] + " " + str(error.response["ResponseMetadata"]["HTTPStatusCode"])


def calls(bucket, key):
    me = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    other = me.replace("second", "first")
    prefix = os.environ["OUTPUT_PREFIX"]
{calls}


def handler(event, context):
    record = event["Records"][0]["s3"]
    calls(record["bucket"]["name"], record["object"]["key"])
    work(event, context)
    return said
"#
    );
    COPY.replace("def handler(event, context):", "def work(event, context):") + &before
}

fn refused(project: &Project) -> Vec<CallsRefused> {
    let facts = facts(&latest(project)).into_iter();
    facts
        .filter_map(|event| {
            if let Event::CallsRefused(refused) = event {
                Some(refused)
            } else {
                None
            }
        })
        .collect()
}

fn verdicts(project: &Project, variant: &str, stage: &str) -> Vec<bool> {
    let facts = facts(&latest(project)).into_iter();
    let of = |check: &OutputCheck| {
        check.pass.cell_id.as_str().starts_with(variant) && check.stage == stage
    };
    facts
        .filter_map(|event| {
            if let Event::OutputChecked(check) = event {
                Some(check)
            } else {
                None
            }
        })
        .filter(of)
        .map(|check| check.verdict.pass)
        .collect()
}

#[test]
fn what_a_role_does_not_allow_is_refused_in_each_services_form_and_named_in_the_run() {
    let project = project();
    let calls = r#"
    s3, functions, logs, metrics, iam, sts = (cloud[name] for name in ("s3", "lambda", "logs", "cloudwatch", "iam", "sts"))
    attempt("list", lambda: s3.list_objects_v2(Bucket=bucket))
    attempt("list buckets", lambda: s3.list_buckets())
    attempt("delete", lambda: s3.delete_object(Bucket=bucket, Key=key))
    attempt("delete many", lambda: s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]}))
    attempt("guess", lambda: s3.get_object(Bucket=bucket, Key="input/second/guessed.png"))
    attempt("no bucket", lambda: s3.get_object(Bucket="no-such-bucket-here", Key="k"))
    attempt("package", lambda: s3.get_object(Bucket=bucket, Key="packages/x.zip"))
    attempt("package by range", lambda: s3.get_object(Bucket=bucket, Key="packages/x.zip", Range="nonsense"))
    ranging = boto3.client("s3", config=once)
    ranging.meta.events.register("before-sign.s3", lambda request, **_: request.headers.add_header("Range", "nonsense"))
    attempt("list by range", lambda: ranging.list_objects_v2(Bucket=bucket))
    attempt("tags by range", lambda: ranging.get_object_tagging(Bucket=bucket, Key=key))
    attempt("read by range", lambda: ranging.get_object(Bucket=bucket, Key=key))
    attempt("url", lambda: functions.create_function_url_config(FunctionName=other, AuthType="NONE"))
    attempt("mappings", lambda: functions.list_event_source_mappings())
    attempt("create", lambda: functions.create_function(FunctionName="helper", Runtime="python3.13", Handler="a.b",
        Role="arn:aws:iam::000000000000:role/any", Code={"ZipFile": b"PK" + bytes(18)}))
    attempt("code", lambda: functions.get_function(FunctionName=other))
    attempt("invoke", lambda: functions.invoke(FunctionName=other, Payload=b"{}"))
    attempt("write log", lambda: logs.create_log_stream(logGroupName="/aws/lambda/" + other, logStreamName="forged"))
    attempt("read log", lambda: logs.filter_log_events(logGroupName="/aws/lambda/" + other))
    attempt("own log", lambda: logs.put_log_events(logGroupName="/aws/lambda/" + me,
        logStreamName=os.environ["AWS_LAMBDA_LOG_STREAM_NAME"], logEvents=[{"timestamp": 1, "message": "REPORT"}]))
    attempt("metric", lambda: metrics.put_metric_data(Namespace="AWS/Lambda", MetricData=[{"MetricName": "Errors", "Value": 1}]))
    attempt("role", lambda: iam.list_roles())
    attempt("who", lambda: sts.get_caller_identity())
    other_keys = dict(aws_access_key_id="test", aws_secret_access_key="test", aws_session_token=None)
    attempt("as another", lambda: boto3.client("lambda", config=once, **other_keys).get_function(FunctionName=other))
    attempt("list as another", lambda: boto3.client("s3", config=once, **other_keys).list_objects_v2(Bucket=bucket))
    expected = {
        "list": "AccessDenied 403", "list buckets": "AccessDenied 403", "delete": "AccessDenied 403",
        "delete many": "AccessDenied 403", "guess": "AccessDenied 403", "no bucket": "NoSuchBucket 404",
        "package by range": "AccessDenied 403", "list by range": "AccessDenied 403", "tags by range": "AccessDenied 403",
        "read by range": "allowed", "url": "AccessDeniedException 403", "mappings": "AccessDeniedException 403",
        "package": "AccessDenied 403", "create": "AccessDeniedException 403", "code": "AccessDeniedException 403",
        "invoke": "AccessDeniedException 403", "write log": "AccessDeniedException 400",
        "read log": "AccessDeniedException 400", "own log": "AccessDeniedException 400",
        "metric": "AccessDenied 403", "role": "AccessDenied 403", "who": "allowed",
        "as another": "UnrecognizedClientException 403", "list as another": "InvalidAccessKeyId 403",
    }
    assert said == expected, {name: said[name] for name in said if said[name] != expected[name]}
"#;
    variant(&project, "copy", &trying(calls));
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    let told = project.darkroom(&["run", "m.toml"]).exits(0).told();
    let refused = refused(&project);
    let calls = |action: &str| {
        refused
            .iter()
            .filter(|it| it.action == action)
            .map(|it| it.calls)
            .sum::<u64>()
    };
    // A warm-up at least, and a repetition of each of two images.
    for (action, each) in [
        ("lambda:CreateFunction", 1),
        ("lambda:GetFunction", 1),
        ("lambda:CreateFunctionUrlConfig", 1),
        ("lambda:ListEventSourceMappings", 1),
        ("s3:DeleteObject", 2),
        ("iam:ListRoles", 1),
    ] {
        assert!(
            calls(action) >= 3 * each && calls(action) % each == 0,
            "{action}: {refused:?}"
        );
    }
    let shown = told
        .split("REFUSED copy tried to call")
        .nth(1)
        .expect("refused calls are shown");
    assert!(
        shown.contains(" lambda:CreateFunction ") && shown.contains(" iam:ListRoles "),
        "{told}"
    );
    let page = std::fs::read_to_string(latest(&project).join("report.html")).unwrap();
    assert!(page.contains("Refused calls") && page.contains("lambda:CreateFunction"));
}

/// Every way to write and to read under names that are nobody's business but others'; and under its
/// own.
const NAMES: &str = r#"
    said.clear()
    import re, urllib.error
    s3, name = boto3.client("s3", config=Config(signature_version="s3v4", retries={"max_attempts": 1})), key.rsplit("/", 1)[-1]
    first = prefix.replace("/second/", "/first/")
    source, guess = {"Bucket": bucket, "Key": key}, {"Bucket": bucket, "Key": first + "guess.png"}

    def send(request):
        try:
            urllib.request.urlopen(request).read()
        except urllib.error.HTTPError as error:
            code = re.search("<Code>(.*?)</Code>", error.read().decode())[1]
            raise ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": error.code}}, "send")

    def signed(method, where):
        verb = {"put_object": "PUT", "get_object": "GET"}[method]
        url = s3.generate_presigned_url(method, Params={"Bucket": bucket, "Key": where})
        send(urllib.request.Request(url, b"x" if verb == "PUT" else None, method=verb))

    def form(where):
        post = s3.generate_presigned_post(bucket, where)
        parts = [*post["fields"].items(), ("file", "x")]
        body = "".join(f'--b\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n' for field, value in parts)
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        send(urllib.request.Request(post["url"], (body + "--b--\r\n").encode(), headers))

    def put(where):
        s3.put_object(Bucket=bucket, Key=where, Body=b"x")

    def upload(where):
        parts = s3.create_multipart_upload(Bucket=bucket, Key=where)["UploadId"]
        etag = s3.upload_part(Bucket=bucket, Key=where, PartNumber=1, UploadId=parts, Body=b"x")["ETag"]
        s3.complete_multipart_upload(
            Bucket=bucket, Key=where, UploadId=parts, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}
        )

    def part_of(other):
        parts = s3.create_multipart_upload(Bucket=bucket, Key=prefix + "parts")["UploadId"]
        s3.upload_part_copy(Bucket=bucket, Key=prefix + "parts", PartNumber=1, UploadId=parts, CopySource=other)

    def get(where):
        s3.get_object(Bucket=bucket, Key=where)["Body"].read()

    for what, where in {"own": prefix + "own", "deep": prefix + "a/b/own"}.items():
        for way in (put, upload, form, get):
            attempt(f"{way.__name__} {what}", lambda: way(where))
        for way in ("put_object", "get_object"):
            attempt(f"{way} {what}", lambda: signed(way, where))
    attempt("copy own", lambda: s3.copy_object(Bucket=bucket, Key=prefix + "copy", CopySource=source))
    attempt("part own", lambda: part_of(source))
    attempt("look", lambda: s3.head_object(Bucket=bucket, Key=key))
    allowed = set(said)
    assert all(said[name] == "allowed" for name in allowed), said

    others = ["output/other/x.jpg", prefix[:-1] + "x", prefix[:-1], first + name, key, "input/second/x.png", PLACE + "x.png", "x"]
    for where in others:
        for way in (put, upload, form):
            attempt(f"{way.__name__} {where}", lambda: way(where))
        attempt(f"signed {where}", lambda: signed("put_object", where))
        attempt(f"copy {where}", lambda: s3.copy_object(Bucket=bucket, Key=where, CopySource=source))
    for where in [*others, first + "guess.png", *told]:
        if where != key and where != first + name:
            attempt(f"get {where}", lambda: get(where))
            attempt(f"look {where}", lambda: s3.head_object(Bucket=bucket, Key=where))
            attempt(f"read signed {where}", lambda: signed("get_object", where))
    attempt("copy from", lambda: s3.copy_object(Bucket=bucket, Key=prefix + "x", CopySource=guess))
    attempt("part from", lambda: part_of(guess))
    told.append(key)
    wrong = {name: code for name, code in said.items() if name not in allowed and code.split(" ")[1:] != ["403"]}
    assert not wrong and len(said) > 60, (wrong, len(said))
"#;

/// What a handler learnt from earlier events, and what it can read before the first.
const BEFORE: &str = r#"
told, PLACE = [], "upload/nobody/"
try:
    s3.get_object(Bucket=os.environ["OUTPUT_BUCKET"], Key="input/first/x.png")
    raise SystemExit("something can be read before any event")
except s3.exceptions.ClientError as error:
    assert "no event has named it yet" in str(error), error
"#;

#[test]
fn a_stage_uses_the_names_that_its_event_and_its_prefix_tell_and_no_other() {
    let project = project();
    let calls = trying(NAMES).replace("\n\ndef change", &format!("\n{BEFORE}\n\ndef change"));
    variant(&project, "copy", &calls);
    let pipeline = "experiments/image-pipeline/pipeline.toml";
    let stages = std::fs::read_to_string(project.root().join(pipeline)).unwrap();
    project.write(
        pipeline,
        stages.replace("timeout_s = 2\n", "timeout_s = 60\n"),
    );
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    let told = project.darkroom(&["run", "m.toml"]).exits(0).told();
    let refused = told
        .split("REFUSED copy tried to call")
        .nth(1)
        .expect("refused calls are shown");
    for action in [" s3:PutObject ", " s3:GetObject "] {
        assert!(refused.contains(action), "{action}: {told}");
    }
    assert!(
        told.contains("/output/other/x.jpg)"),
        "the first key is named: {told}"
    );
}

/// Answers first and writes then: anew, again and again, and by uploads that began before the
/// answer and end after it.
const LATE: &str = r#"
import http.client, threading, time, urllib.parse
from botocore.config import Config
from botocore.exceptions import ClientError

once = boto3.client("s3", config=Config(signature_version="s3v4", retries={"max_attempts": 1}))


def begun(bucket, key):
    url = urllib.parse.urlsplit(once.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key}))
    connection = http.client.HTTPConnection(url.netloc)
    connection.putrequest("PUT", f"{url.path}?{url.query}")
    connection.putheader("Content-Length", "1")
    connection.endheaders()
    return connection


def later(event, context, bucket, uploads):
    for upload in uploads:
        time.sleep(0.002)
        upload.send(b"x")
        said = upload.getresponse()
        assert said.status in (200, 403), said.read()
    while True:
        try:
            work(event, context)
        except ClientError:
            return


def handler(event, context):
    bucket, prefix = event["Records"][0]["s3"]["bucket"]["name"], os.environ["OUTPUT_PREFIX"]
    uploads = [begun(bucket, f"{prefix}late-{number}") for number in range(8)]
    threading.Thread(target=later, args=(event, context, bucket, uploads)).start()
"#;

#[test]
fn work_after_the_answer_is_not_written_and_named() {
    let project = project();
    let late = COPY.replace("def handler(event, context):", "def work(event, context):") + LATE;
    variant(&project, "late", &late);
    variant(&project, "copy", COPY);
    manifest(&project, "\"copy\", \"late\"", &format!("\"{HOST}\""), 3);
    let told = project.darkroom(&["run", "m.toml"]).exits(1).told();
    assert!(
        told.contains("REFUSED late tried to call")
            && told.contains(" s3:PutObject after its answer "),
        "{told}"
    );
    assert!(!told.contains("REFUSED copy"), "{told}");
}

/// Looks whether its output is there before it makes it, and gives an upload up.
const CAREFUL: &str = r#"
    s3, own = cloud["s3"], prefix + "parts"
    attempt("look", lambda: s3.head_object(Bucket=bucket, Key=prefix + "not-there"))
    parts = s3.create_multipart_upload(Bucket=bucket, Key=own)["UploadId"]
    attempt("give up", lambda: s3.abort_multipart_upload(Bucket=bucket, Key=own, UploadId=parts))
    assert said == {"look": "403 403", "give up": "allowed"}, said
"#;

#[test]
fn looking_for_an_own_object_and_giving_an_upload_up_are_no_refused_calls() {
    let project = project();
    variant(&project, "copy", &trying(CAREFUL));
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    let told = project.darkroom(&["run", "m.toml"]).exits(0).told();
    assert!(!told.contains("REFUSED"), "{told}");
}

#[test]
fn a_variant_can_not_start_the_chain_of_another() {
    let project = project();
    variant(&project, "copy", COPY);
    let intrudes = r#"
    s3 = cloud["s3"]
    group = prefix.split("/")[0].replace("intrudes", "copy")
    places = [f"upload/{group}/", f"{group}/first/", f"{group}/second/", "upload/"]
    for place in places:
        attempt(place, lambda: s3.put_object(Bucket=bucket, Key=place + "x.png", Body=b"x"))
    assert said == {place: "AccessDenied 403" for place in places}, said
"#;
    variant(&project, "intrudes", &trying(intrudes));
    manifest(
        &project,
        "\"copy\", \"intrudes\"",
        &format!("\"{HOST}\""),
        2,
    );
    project
        .darkroom(&["run", "m.toml", "--set", "matrix.trigger=[\"s3\"]"])
        .exits(0);
}

#[test]
fn who_writes_to_another_name_is_told_where_to_write() {
    let project = project();
    variant(
        &project,
        "copy",
        &COPY.replace("os.environ[\"OUTPUT_PREFIX\"]", "\"output/\""),
    );
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    let shown = project.darkroom(&["run", "m.toml"]).exits(1).stdout();
    let line = shown.lines().find(|line| line.starts_with("FAILED copy."));
    let line = line.unwrap_or_else(|| panic!("{shown}"));
    for said in [
        " · second: ",
        "Access Denied: output/",
        "is outside of OUTPUT_PREFIX (copy-",
        "/second/). Write to OUTPUT_PREFIX only.",
    ] {
        assert!(line.contains(said), "{said} is missing from {line}");
    }
}

/// Copies what lies where the reference input of the next stage lay, under the names that such a
/// cheat can think of.
const LOOKS_FOR_THE_ANSWER: &str = r#"
import os
import boto3
from botocore.exceptions import ClientError

s3 = boto3.client("s3")
seen = []


def handler(event, context):
    record = event["Records"][0]["s3"]
    bucket, key = record["bucket"]["name"], record["object"]["key"]
    name = key.rsplit("/", 1)[-1]
    seen.append(name)
    prefix = os.environ["OUTPUT_PREFIX"]
    guesses = [f"input/second/{known}" for known in seen] + [prefix + known for known in seen[:-1]]
    guesses += [prefix.replace("cheat", "copy") + name, prefix.replace("/first/", "/second/") + name]
    for guess in guesses:
        try:
            body = s3.get_object(Bucket=bucket, Key=guess)["Body"].read()
        except ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDenied", error
            continue
        s3.put_object(Bucket=os.environ["OUTPUT_BUCKET"], Key=prefix + name, Body=body)
        return
    s3.put_object(Bucket=os.environ["OUTPUT_BUCKET"], Key=prefix + name, Body=b"nothing found")
"#;

#[test]
fn the_reference_of_the_next_stage_cannot_be_copied() {
    let project = project();
    variant(&project, "cheat", COPY);
    project.write("functions/cheat/first.py", LOOKS_FOR_THE_ANSWER);
    project.write(
        "m.toml",
        "[experiment]\nname = \"test\"\n\n[matrix]\nvariants = [\"copy\", \"cheat\"]\nimage_sets = [\"photos\"]\n\
         input = [\"reference\"]\n\n[repetitions]\ncount = 3\nwarm_up = 1\n",
    );
    project.darkroom(&["run", "m.toml"]).exits(1);
    let wrong = verdicts(&project, "cheat", "first");
    assert!(
        !wrong.is_empty() && wrong.iter().all(|pass| !pass),
        "{wrong:?}"
    );
    for (variant, stage) in [("copy", "first"), ("copy", "second"), ("cheat", "second")] {
        let right = verdicts(&project, variant, stage);
        assert!(
            !right.is_empty() && right.iter().all(|pass| *pass),
            "{variant} {stage}: {right:?}"
        );
    }
    assert!(
        refused(&project)
            .iter()
            .any(|it| it.action == "s3:GetObject"),
        "{:?}",
        refused(&project)
    );
}

/// Keeps its first output in the bucket under a name of its own, and says at the next start whether
/// it is there.
const KEEPS: &str = r#"
kept = os.environ["OUTPUT_PREFIX"] + "kept"
try:
    s3.get_object(Bucket=os.environ["OUTPUT_BUCKET"], Key=kept)
    raise SystemExit("an earlier run left something")
except s3.exceptions.ClientError as error:
    assert error.response["Error"]["Code"] == "AccessDenied", error
s3.put_object(Bucket=os.environ["OUTPUT_BUCKET"], Key=kept, Body=b"x")
"#;

#[test]
fn what_an_earlier_run_kept_in_the_bucket_is_gone() {
    let project = project();
    variant(
        &project,
        "copy",
        &COPY.replace("\n\ndef change", &format!("\n{KEEPS}\n\ndef change")),
    );
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    for _ in 0..2 {
        project.darkroom(&["run", "m.toml"]).exits(0);
    }
}
