"""The AWS CLI as a person types it, and the quick start that `darkroom serve` prints, as pasted."""

import base64
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request

from stage import ACCOUNT, ECHO, ENDPOINT, PASTED, REGION, ROLE, arn, check, context_code, equal, eventually, name

BIN = pathlib.Path(sys.executable).parent


def shell_environment():
    """The environment of a person's shell: the CLI of this interpreter first, and none of their AWS settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return {**kept, "PATH": f"{BIN}:{os.environ['PATH']}", "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}


class Shell:
    """Runs `aws` lines in a folder of its own."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.environment = {**shell_environment(), "AWS_ENDPOINT_URL": ENDPOINT, "AWS_ACCESS_KEY_ID": "darkroom",
                            "AWS_SECRET_ACCESS_KEY": "darkroom", "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}

    def run(self, line):
        return subprocess.run([f"{BIN}/aws", *shlex.split(line)], cwd=self.folder, env=self.environment, text=True,
                              capture_output=True, timeout=120)

    def aws(self, line):
        """Runs the line, which must work; returns its JSON, or its text."""
        done = self.run(line)
        check(f"aws {line}", done.returncode == 0, done.stderr or done.stdout)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    def refused(self, line, *texts):
        done = self.run(line)
        check(f"aws {line} is refused", done.returncode != 0 and all(text in done.stderr for text in texts), done)

    def write(self, file, content):
        (self.folder / file).write_bytes(content)

    def read(self, file):
        return (self.folder / file).read_bytes()


def in_shell(chapter):
    """Gives the chapter a shell in a temporary folder."""

    def tour():
        with tempfile.TemporaryDirectory() as folder:
            chapter(Shell(folder))

    return tour


def tour_quick_start():
    if PASTED is None:
        print("quick_start: skipped, no --pasted FILE was given")
        return
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["bash", "-e", PASTED], env={**shell_environment(), "TMPDIR": folder}, text=True,
                              capture_output=True, timeout=300)
        check("every pasted line works", done.returncode == 0, done)
        check("the function answers", '{"hello": "world"}' in done.stdout, done.stdout)
        check("its answer lies in the bucket", "answer.json" in done.stdout.splitlines()[-1], done.stdout)


@in_shell
def tour_cli_functions(shell):
    function = name("cli")
    shell.write("code.zip", context_code("one"))
    shell.write("next.zip", context_code("two"))
    shell.write("event.json", b'{"k": "\xc3\xa9"}')
    identity = shell.aws("sts get-caller-identity")
    equal("account", identity["Account"], ACCOUNT)
    made = shell.aws(f"lambda create-function --function-name {function} --runtime python3.13 --role {ROLE} --handler "
                     "handler.handler --zip-file fileb://code.zip --environment Variables={GREETING=hello} --tags team=a")
    equal("pending", made["State"], "Pending")
    shell.aws(f"lambda wait function-active-v2 --function-name {function}")
    answer = shell.aws(f"lambda invoke --function-name {function} --payload fileb://event.json --log-type Tail out.json")
    equal("answer", (answer["StatusCode"], answer["ExecutedVersion"]), (200, "$LATEST"))
    seen = json.loads(shell.read("out.json"))
    equal("seen inside", (seen["env"], seen["label"], seen["event"]), ("hello", "one", {"k": "é"}))
    tail = base64.b64decode(answer["LogResult"]).decode()
    check("tail", tail.startswith(f"START RequestId: {seen['id']} Version: $LATEST\n") and "REPORT RequestId:" in tail, tail)
    shell.aws(f"lambda update-function-configuration --function-name {function} --memory-size 256 --timeout 9")
    shell.aws(f"lambda wait function-updated-v2 --function-name {function}")
    first = shell.aws(f"lambda publish-version --function-name {function} --description first")
    equal("version", first["Version"], "1")
    shell.aws(f"lambda update-function-code --function-name {function} --zip-file fileb://next.zip --publish")
    shell.aws(f"lambda wait function-updated --function-name {function}")
    shell.aws(f"lambda create-alias --function-name {function} --name live --function-version 1 --routing-config "
              "AdditionalVersionWeights={2=0.0}")
    shell.aws(f"lambda invoke --function-name {function} --qualifier live out.json")
    seen = json.loads(shell.read("out.json"))
    equal("through the alias", (seen["label"], seen["version"], seen["arn"]), ("one", "1", f"{arn(function)}:live"))
    versions = shell.aws(f"lambda list-versions-by-function --function-name {function} --query Versions[].Version")
    equal("versions", versions, ["$LATEST", "1", "2"])
    tags = shell.aws(f"lambda list-tags --resource {arn(function)} --query Tags")
    equal("tags", tags, {"team": "a"})
    found = shell.aws(f"lambda list-functions --query \"Functions[?FunctionName=='{function}'].[MemorySize,Timeout]\"")
    equal("listed", found, [[256, 9]])
    shell.refused(f"lambda get-function --function-name {function}-nope", "ResourceNotFoundException",
                  f"Function not found: {arn(function)}-nope")
    shell.refused(f"lambda invoke --function-name {function} --qualifier 9 out.json", "ResourceNotFoundException")
    shell.aws(f"lambda delete-function --function-name {function}")
    shell.refused(f"lambda get-function --function-name {function}", "ResourceNotFoundException")


@in_shell
def tour_cli_function_settings(shell):
    function, layer = name("cli"), name("layer")
    shell.write("code.zip", ECHO)
    shell.aws(f"lambda create-function --function-name {function} --runtime python3.13 --role {ROLE} --handler "
              "handler.handler --zip-file fileb://code.zip")
    shell.aws(f"lambda wait function-active --function-name {function}")
    made = shell.aws(f"lambda publish-layer-version --layer-name {layer} --zip-file fileb://code.zip")
    shell.aws(f"lambda update-function-configuration --function-name {function} --layers {made['LayerVersionArn']}")
    shell.aws(f"lambda wait function-updated-v2 --function-name {function}")
    shell.aws(f"lambda add-permission --function-name {function} --statement-id s3 --action lambda:InvokeFunction "
              f"--principal s3.amazonaws.com --source-arn arn:aws:s3:::b --source-account {ACCOUNT}")
    policy = json.loads(shell.aws(f"lambda get-policy --function-name {function}")["Policy"])
    equal("policy", policy["Statement"][0]["Principal"], {"Service": "s3.amazonaws.com"})
    shell.aws(f"lambda put-function-concurrency --function-name {function} --reserved-concurrent-executions 5")
    equal("concurrency", shell.aws(f"lambda get-function-concurrency --function-name {function}"),
          {"ReservedConcurrentExecutions": 5})
    shell.aws(f"lambda put-function-event-invoke-config --function-name {function} --maximum-retry-attempts 0")
    settings = shell.aws("lambda get-account-settings --query AccountLimit.ConcurrentExecutions")
    equal("account", settings, 1000)
    answer = shell.aws(f"lambda invoke --function-name {function} --invocation-type Event --payload '{{}}' out.json")
    equal("accepted", answer["StatusCode"], 202)
    answer = shell.aws(f"lambda invoke --function-name {function} --invocation-type DryRun out.json")
    equal("dry run", answer["StatusCode"], 204)


@in_shell
def tour_cli_objects(shell):
    bucket = name("cli")
    big = bytes(range(256)) * 4096 * 20
    shell.write("small.txt", b"hello")
    shell.write("big.bin", big)
    shell.aws(f"s3 mb s3://{bucket}")
    shell.aws(f"s3 cp small.txt s3://{bucket}/a/small.txt")
    shell.aws(f"s3 cp big.bin s3://{bucket}/a/big.bin")
    shell.aws(f"s3 cp s3://{bucket}/a/big.bin back.bin")
    equal("in parts and back", shell.read("back.bin") == big, True)
    listed = shell.aws(f"s3 ls s3://{bucket} --recursive")
    check("listed", "5 a/small.txt" in listed and f"{len(big)} a/big.bin" in listed, listed)
    shell.aws(f"s3 mv s3://{bucket}/a/small.txt s3://{bucket}/b/moved.txt")
    url = shell.aws(f"s3 presign s3://{bucket}/b/moved.txt --expires-in 60").strip()
    with urllib.request.urlopen(url) as response:
        equal("presigned", response.read(), b"hello")
    (shell.folder / "tree" / "in").mkdir(parents=True)
    shell.write("tree/in/x.txt", b"x")
    shell.aws(f"s3 sync tree s3://{bucket}/tree")
    shell.aws(f"s3api get-object --bucket {bucket} --key b/moved.txt --range bytes=1-3 part.txt")
    equal("range", shell.read("part.txt"), b"ell")
    head = shell.aws(f"s3api head-object --bucket {bucket} --key a/big.bin")
    equal("head", head["ContentLength"], len(big))
    keys = shell.aws(f"s3api list-objects-v2 --bucket {bucket} --query Contents[].Key")
    equal("keys", keys, ["a/big.bin", "b/moved.txt", "tree/in/x.txt"])
    shell.refused(f"s3api get-object --bucket {bucket} --key nope out", "NoSuchKey", "The specified key does not exist.")
    shell.refused(f"s3 ls s3://{bucket}-nope", "NoSuchBucket")
    shell.refused(f"s3 rb s3://{bucket}", "BucketNotEmpty")
    shell.aws(f"s3 rb s3://{bucket} --force")


@in_shell
def tour_cli_logs_and_metrics(shell):
    function = name("cli")
    shell.write("code.zip", ECHO)
    shell.aws(f"lambda create-function --function-name {function} --runtime python3.13 --role {ROLE} --handler "
              "handler.handler --zip-file fileb://code.zip")
    shell.aws(f"lambda wait function-active-v2 --function-name {function}")
    shell.aws(f"lambda invoke --function-name {function} out.json")
    group = f"/aws/lambda/{function}"
    streams = shell.aws(f"logs describe-log-streams --log-group-name {group} --query logStreams[].logStreamName")
    equal("one environment", len(streams), 1)
    found = shell.aws(f"logs filter-log-events --log-group-name {group} --filter-pattern REPORT --query events[].message")
    check("REPORT", len(found) == 1 and found[0].startswith("REPORT RequestId: "), found)
    got = shell.aws(f"logs get-log-events --log-group-name {group} --log-stream-name '{streams[0]}' --start-from-head "
                    "--query events[].message")
    check("in order", got[0].startswith("INIT_START") and got[1].startswith("START"), got)
    shell.aws(f"logs put-retention-policy --log-group-name {group} --retention-in-days 7")
    groups = shell.aws(f"logs describe-log-groups --log-group-name-prefix {group} --query logGroups[].retentionInDays")
    equal("retention", groups, [7])
    listed = shell.aws(f"cloudwatch list-metrics --namespace AWS/Lambda --metric-name Invocations --dimensions "
                       f"Name=FunctionName,Value={function} --query Metrics[].Dimensions")
    check("listed", [{"Name": "FunctionName", "Value": function}] in listed, listed)
    now = int(time.time())
    line = (f"cloudwatch get-metric-statistics --namespace AWS/Lambda --metric-name Invocations --statistics Sum --period 60 "
            f"--dimensions Name=FunctionName,Value={function} --start-time {now - 600} --end-time {now + 120} "
            "--query Datapoints[].Sum")
    eventually("counted", lambda: shell.aws(line) == [1.0])
    shell.aws("cloudwatch put-metric-data --namespace Own --metric-name M --value 3 --unit Count")
