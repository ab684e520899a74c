"""A scripted tour of the local cloud with boto3: what AWS answers, this must answer.

Start the cloud with short retry delays and run the tour against it:

    darkroom serve --port 4566 --retry-delays 0.1,0.2
    python tour.py http://127.0.0.1:4566 [NAME ...]

Expectations are AWS's: names, status codes and wording as recorded from it (see lambda-facts, sections 1 to 10). Each
`tour_*` function is one chapter; NAMEs choose chapters. Prints one line a failed check; exits 1 if any failed.
"""

import base64
import hashlib
import io
import json
import re
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
import uuid
import zipfile

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

ENDPOINT = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:4566"
REGION = "us-east-1"
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/tour"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

failures = []
checks = 0
chapter = ""


def client(service, **config):
    options = {"retries": {"max_attempts": 0}, "read_timeout": 60, **config}
    return boto3.client(
        service,
        endpoint_url=ENDPOINT,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(**options),
    )


lam = client("lambda")
# Sends what boto3 itself would refuse, as other clients do.
unchecked = client("lambda", parameter_validation=False)
s3 = client("s3", s3={"addressing_style": "path"})
logs = client("logs")
cloudwatch = client("cloudwatch")
sts = client("sts")


def check(what, passed, seen=None):
    global checks
    checks += 1
    if not passed:
        failures.append(f"{chapter}: {what}: {str(seen)[:600]}")
        print("FAIL", failures[-1], flush=True)


def equal(what, seen, expected):
    check(what, seen == expected, f"seen {seen!r}, expected {expected!r}")


def refused(what, code, status, message, call, **arguments):
    """The call fails with AWS's error; `message` is a text it must hold, or a compiled pattern."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        seen = error.response
        error_code, text = seen["Error"]["Code"], seen["Error"].get("Message") or ""
        seen_status = seen["ResponseMetadata"]["HTTPStatusCode"]
        matches = message.search(text) if isinstance(message, re.Pattern) else message in text
        check(what, error_code == code and seen_status == status and matches, (error_code, seen_status, text))
        return seen
    check(what, False, f"not refused: {answer}")
    return {}


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


ECHO = zipped({"handler.py": "def handler(event, context):\n    return event\n"})
CONTEXT = """
import os, json
N = 0
def handler(event, context):
    global N
    N += 1
    return {
        "version": context.function_version, "arn": context.invoked_function_arn, "id": context.aws_request_id,
        "name": context.function_name, "memory": context.memory_limit_in_mb, "n": N, "group": context.log_group_name,
        "stream": context.log_stream_name, "remaining": context.get_remaining_time_in_millis(),
        "client": context.client_context.custom if context.client_context else None,
        "env": os.environ.get("GREETING"), "label": LABEL, "event": event,
    }
"""


def context_code(label):
    return zipped({"handler.py": f"LABEL = {label!r}\n" + CONTEXT})


def name(prefix="tour"):
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def arn(function):
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"


def create(function, code=ECHO, wait=True, **more):
    arguments = {"Runtime": "python3.13", "Role": ROLE, "Handler": "handler.handler", "Code": {"ZipFile": code}, **more}
    answer = lam.create_function(FunctionName=function, **arguments)
    if wait:
        lam.get_waiter("function_active_v2").wait(FunctionName=function)
    return answer


def updated(function):
    lam.get_waiter("function_updated_v2").wait(FunctionName=function)


def invoke(function, payload=None, **more):
    answer = lam.invoke(FunctionName=function, Payload=json.dumps(payload), **more)
    body = answer["Payload"].read()
    return answer, (json.loads(body) if body else None)


def eventually(what, look, seconds=15):
    """Looks again until there is something, for what AWS does asynchronously."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    check(what, False, "did not happen in time")
    return None


def tour_function_lifecycle():
    function = name()
    answer = create(function, wait=False, MemorySize=256, Timeout=5, Environment={"Variables": {}})
    equal("status", answer["ResponseMetadata"]["HTTPStatusCode"], 201)
    equal("state", (answer["State"], answer["StateReason"], answer["StateReasonCode"]),
          ("Pending", "The function is being created.", "Creating"))
    check("no update status yet", "LastUpdateStatus" not in answer, answer.get("LastUpdateStatus"))
    expected = {
        "FunctionName": function, "FunctionArn": arn(function), "Runtime": "python3.13", "Role": ROLE,
        "Handler": "handler.handler", "CodeSize": len(ECHO), "Description": "", "Timeout": 5, "MemorySize": 256,
        "CodeSha256": base64.b64encode(hashlib.sha256(ECHO).digest()).decode(), "Version": "$LATEST",
        "TracingConfig": {"Mode": "PassThrough"}, "PackageType": "Zip", "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512}, "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{function}"}, "Environment": {"Variables": {}},
    }
    for key, value in expected.items():
        equal(key, answer.get(key), value)
    check("LastModified", re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", answer["LastModified"]),
          answer["LastModified"])
    check("RevisionId", UUID.fullmatch(answer["RevisionId"]), answer["RevisionId"])
    check("RuntimeVersionArn", re.fullmatch(rf"arn:aws:lambda:{REGION}::runtime:[0-9a-f]{{64}}",
                                            answer["RuntimeVersionConfig"]["RuntimeVersionArn"]))
    lam.get_waiter("function_active_v2").wait(FunctionName=function)
    got = lam.get_function(FunctionName=function)
    active = got["Configuration"]
    equal("active", (active["State"], active["LastUpdateStatus"]), ("Active", "Successful"))
    check("no reason when active", "StateReason" not in active, active.get("StateReason"))
    check("the revision changed", active["RevisionId"] != answer["RevisionId"])
    check("no tags, no concurrency", "Tags" not in got and "Concurrency" not in got, got)
    equal("repository", got["Code"]["RepositoryType"], "S3")
    with urllib.request.urlopen(got["Code"]["Location"]) as response:
        equal("the code can be read back", response.read(), ECHO)
    equal("GetFunctionConfiguration is the same", without_metadata(lam.get_function_configuration(FunctionName=function)),
          active)
    refused("a second one", "ResourceConflictException", 409, f"Function already exist: {function}",
            create, function=function, wait=False)

    change = lam.update_function_configuration(FunctionName=function, Description="new", Timeout=10, MemorySize=512,
                                               Environment={"Variables": {"ENV_A": "a"}})
    equal("in progress", (change["State"], change["LastUpdateStatus"], change["LastUpdateStatusReason"],
                          change["LastUpdateStatusReasonCode"]),
          ("Active", "InProgress", "The function is being created.", "Creating"))
    refused("an update during an update", "ResourceConflictException", 409,
            f"The operation cannot be performed at this time. An update is in progress for resource: {arn(function)}",
            lam.update_function_configuration, FunctionName=function, Description="newer")
    updated(function)
    after = lam.get_function_configuration(FunctionName=function)
    equal("successful", (after["LastUpdateStatus"], after["Description"], after["Timeout"], after["MemorySize"]),
          ("Successful", "new", 10, 512))
    equal("environment", after["Environment"], {"Variables": {"ENV_A": "a"}})
    equal("three revisions", len({active["RevisionId"], change["RevisionId"], after["RevisionId"]}), 3)
    code = context_code("two")
    change = lam.update_function_code(FunctionName=function, ZipFile=code)
    equal("code in progress", change["LastUpdateStatus"], "InProgress")
    equal("new sha", change["CodeSha256"], base64.b64encode(hashlib.sha256(code).digest()).decode())
    updated(function)
    dry = lam.update_function_code(FunctionName=function, ZipFile=ECHO, DryRun=True)
    check("a dry run shows the new code", dry["CodeSha256"] != change["CodeSha256"])
    equal("and changes nothing", lam.get_function_configuration(FunctionName=function)["CodeSha256"], change["CodeSha256"])
    refused("a wrong revision (code)", "PreconditionFailedException", 412,
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve "
            "the latest Revision Id", lam.update_function_code, FunctionName=function, ZipFile=ECHO, RevisionId="wrong")
    refused("a wrong revision (configuration)", "PreconditionFailedException", 412, "GetFunction/GetAlias",
            lam.update_function_configuration, FunctionName=function, Description="x", RevisionId="wrong")
    deleted = lam.delete_function(FunctionName=function)
    equal("deleted", deleted["ResponseMetadata"]["HTTPStatusCode"], 204)
    gone = refused("gone", "ResourceNotFoundException", 404, f"Function not found: {arn(function)}",
                   lam.get_function, FunctionName=function)
    equal("Message, with a capital", (gone.get("Message"), gone.get("Type")),
          (f"Function not found: {arn(function)}", "User"))
    refused("deleted twice", "ResourceNotFoundException", 404, f"Function not found: {arn(function)}",
            lam.delete_function, FunctionName=function)


def without_metadata(answer):
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def tour_names_and_qualifiers():
    function = name()
    create(function, Publish=True)
    forms = [function, f"function:{function}", f"{ACCOUNT}:function:{function}", arn(function)]
    for form in forms:
        equal(form, lam.get_function_configuration(FunctionName=form)["FunctionArn"], arn(function))
        equal(f"{form}:1", lam.get_function_configuration(FunctionName=f"{form}:1")["FunctionArn"], f"{arn(function)}:1")
    got = lam.get_function_configuration(FunctionName=function, Qualifier="$LATEST")
    equal("$LATEST", (got["FunctionArn"], got["Version"]), (f"{arn(function)}:$LATEST", "$LATEST"))
    equal("qualifier twice", lam.get_function_configuration(FunctionName=f"{function}:1", Qualifier="1")["Version"], "1")
    mismatch = "The derived qualifier from the function name does not match the specified qualifier."
    for call in (lam.get_function, lam.get_function_configuration, lam.delete_function, lam.invoke):
        refused(f"mismatch {call.__name__}", "InvalidParameterValueException", 400, mismatch, call,
                FunctionName=f"{arn(function)}:$LATEST", Qualifier="1")
    pattern = "failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?"
    for wrong in ("my-function!", "*", "invalid-account:function:my-function",
                  f"arn:aws:lambda:invalid-region:{ACCOUNT}:function:my-function",
                  f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance:i-1234567890abcdef0", f"{arn('f')}:1:2",
                  "function:my-function:$LATEST:extra", f"arn:aws:lambda::{ACCOUNT}:function:f",
                  f"arn:aws:lambda:{REGION}::function:f", f"{arn('f')}:$LATES"):
        for call in (lam.get_function, lam.delete_function, lam.invoke):
            refused(f"{call.__name__} {wrong}", "ValidationException", 400,
                    f"1 validation error detected: Value '{wrong}' at 'functionName' {pattern}", call, FunctionName=wrong)
    refused("a wrong qualifier", "ValidationException", 400,
            "1 validation error detected: Value 'invalid!' at 'qualifier' failed to satisfy constraint: Member must satisfy "
            r"regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+", lam.get_function,
            FunctionName=function, Qualifier="invalid!")
    refused("a long qualifier", "ValidationException", 400, "Member must have length less than or equal to 128",
            lam.get_function, FunctionName=function, Qualifier="a" * 129)
    refused("an incomplete arn", "ResourceNotFoundException", 404, f"Function not found: {arn('function')}",
            lam.get_function, FunctionName=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function")
    refused("lower-case latest", "ResourceNotFoundException", 404, f"Function not found: {arn(function)}:$latest",
            lam.get_function, FunctionName=arn(function), Qualifier="$latest")
    refused("another region", "ResourceNotFoundException", 404,
            f"Functions from 'eu-central-1' are not reachable in this region ('{REGION}')", lam.get_function,
            FunctionName=f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:f")
    refused("another account", "AccessDeniedException", 403, "", lam.get_function,
            FunctionName=f"arn:aws:lambda:{REGION}:123456789012:function:f")
    refused("an unknown version", "ResourceNotFoundException", 404, f"Function not found: {arn(function)}:1221",
            lam.get_function, FunctionName=function, Qualifier="1221")
    refused("delete $LATEST", "InvalidParameterValueException", 400,
            "$LATEST version cannot be deleted without deleting the function.", lam.delete_function, FunctionName=function,
            Qualifier="$LATEST")
    refused("delete an alias", "InvalidParameterValueException", 400, "Deletion of aliases is not currently supported.",
            lam.delete_function, FunctionName=function, Qualifier="some-alias")
    refused("delete an unknown function's version", "ResourceNotFoundException", 404, f"Function not found: {arn('nope')}",
            lam.delete_function, FunctionName="nope", Qualifier="1")
    unknown = name("nope")
    for call in (lam.get_function, lam.get_function_configuration, lam.delete_function, lam.get_function_concurrency,
                 lam.list_versions_by_function, lam.list_aliases):
        refused(f"unknown {call.__name__}", "ResourceNotFoundException", 404, f"Function not found: {arn(unknown)}", call,
                FunctionName=unknown)
    refused("invoke says $LATEST", "ResourceNotFoundException", 404, f"Function not found: {arn(unknown)}:$LATEST",
            lam.invoke, FunctionName=unknown)
    partial = name()
    answer = create(f"{ACCOUNT}:function:{partial}", wait=False)
    equal("created by a partial arn", (answer["FunctionName"], answer["FunctionArn"]), (partial, arn(partial)))


def tour_create_validation():
    function = name()
    base = {"FunctionName": function, "Runtime": "python3.13", "Role": ROLE, "Handler": "handler.handler",
            "Code": {"ZipFile": ECHO}}

    def wrong(what, code, message, status=400, **change):
        refused(what, code, status, message, unchecked.create_function, **{**base, **change})

    wrong("role", "ValidationException", "1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint: "
          r"Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+",
          Role="r1")
    wrong("runtime", "InvalidParameterValueException", "Value non-existent-runtime at 'runtime' failed to satisfy "
          "constraint: Member must satisfy enum value set: [", Runtime="non-existent-runtime")
    wrong("runtime in capitals", "InvalidParameterValueException", "or be a valid ARN", Runtime="PYTHON3.9")
    wrong("deprecated runtime", "InvalidParameterValueException", "The runtime parameter of python3.7 is no longer supported "
          "for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or "
          "updating functions.", Runtime="python3.7")
    wrong("two architectures", "ValidationException", "Value '[x86_64, arm64]' at 'architectures' failed to satisfy "
          "constraint: Member must have length less than or equal to 1", Architectures=["x86_64", "arm64"])
    wrong("architecture in capitals", "ValidationException", "Value '[X86_64]' at 'architectures' failed to satisfy "
          "constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not "
          "be null]", Architectures=["X86_64"])
    unzip = "Could not unzip uploaded file. Please check your file, then try to upload again."
    wrong("no zip", "InvalidParameterValueException", unzip, Code={"ZipFile": b"this is no zip"})
    wrong("zip slip", "InvalidParameterValueException", unzip, Code={"ZipFile": zipped({"../../escape.py": "x"})})
    wrong("absolute path", "InvalidParameterValueException", unzip, Code={"ZipFile": zipped({"/tmp/escape.py": "x"})})
    wrong("empty zip", "InvalidParameterValueException", "Uploaded file must be a non-empty zip", Code={"ZipFile": zipped({})})
    bomb = zipped({f"zeros{number}": b"\0" * 90_000_000 for number in range(3)})
    wrong("zip bomb", "InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes",
          Code={"ZipFile": bomb})
    wrong("memory too small", "ValidationException", "Value '127' at 'memorySize' failed to satisfy constraint: Member must "
          "have value greater than or equal to 128", MemorySize=127)
    wrong("memory too large", "ValidationException", "Member must have value less than or equal to", MemorySize=40_000)
    wrong("timeout", "ValidationException", "Value '0' at 'timeout' failed to satisfy constraint: Member must have value "
          "greater than or equal to 1", Timeout=0)
    wrong("ephemeral storage", "ValidationException", "'ephemeralStorage.size'", EphemeralStorage={"Size": 100})
    wrong("two mistakes at once", "ValidationException", "2 validation errors detected: ", Timeout=0, MemorySize=1)
    wrong("name too long", "InvalidParameterValueException", f"1 validation error detected: Value '{'a' * 65}' at "
          "'functionName' failed to satisfy constraint: Member must have length less than or equal to 64",
          FunctionName="a" * 65)
    wrong("name far too long", "ValidationException", "Member must have length less than or equal to 140",
          FunctionName="a" * 141)
    wrong("name", "ValidationException", "Value 'invalid:function:name' at 'functionName' failed to satisfy constraint: "
          "Member must satisfy regular expression pattern: ", FunctionName="invalid:function:name")
    large = {"LARGE_VAR": "x" * 4096}
    wrong("environment", "InvalidParameterValueException", "Lambda was unable to configure your environment variables "
          "because the environment variables you have provided exceeded the 4KB limit. String measured: "
          + json.dumps(large, separators=(",", ":"))[:100], Environment={"Variables": large})
    wrong("reserved variable", "InvalidParameterValueException", "Reserved keys used in this request: AWS_REGION",
          Environment={"Variables": {"AWS_REGION": "x"}})
    wrong("variable name", "ValidationException", "environment.variables", Environment={"Variables": {"1A": "x"}})
    wrong("no bucket", "InvalidParameterValueException", "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 "
          "Error Message: The specified bucket does not exist", Code={"S3Bucket": name("bucket"), "S3Key": "k"})
    wrong("snap start", "ValidationException", "Value 'invalidOption' at 'snapStart.applyOn' failed to satisfy constraint: "
          "Member must satisfy enum value set: [PublishedVersions, None]", SnapStart={"ApplyOn": "invalidOption"})
    wrong("too many tags", "InvalidParameterValueException", "Number of tags exceeds resource tag limit.",
          Tags={f"k{number}": "v" for number in range(51)})
    refused("no runtime", "InvalidParameterValueException", 400, "Runtime and Handler are mandatory parameters for functions "
            "created with deployment packages.", lam.create_function, FunctionName=function, Role=ROLE, Code={"ZipFile": ECHO})
    refused("no role", "ValidationException", 400, "Value null at 'role' failed to satisfy constraint: Member must not be null",
            unchecked.create_function, FunctionName=function, Code={"ZipFile": ECHO}, Runtime="python3.13", Handler="h.h")
    wrong("zip over 50 MB", "RequestEntityTooLargeException", "Zipped size must be smaller than 52428800 bytes", status=413,
          Code={"ZipFile": b"x" * 52_428_801})
    wrong("request over 70 MB", "RequestEntityTooLargeException", "Request must be smaller than 70167211 bytes for the "
          "CreateFunction operation", status=413, Code={"ZipFile": b"x" * 53_000_000})
    fits = "x" * (4096 - len('{"V1":""}'))
    create(name(), wait=False, Environment={"Variables": {"V1": fits}})


def tour_code_from_s3():
    bucket, function = name("code"), name()
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="code.zip", Body=context_code("from-s3"))
    refused("no key", "InvalidParameterValueException", 400, "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 "
            "Error Message: The specified key does not exist.", create, function=function, wait=False,
            Code={"S3Bucket": bucket, "S3Key": "other.zip"})
    create(function, Code={"S3Bucket": bucket, "S3Key": "code.zip"})
    equal("runs", invoke(function, {})[1]["label"], "from-s3")


def tour_versions():
    function = name()
    answer = create(function, code=context_code("one"), wait=False, Publish=True)
    equal("published at creation", (answer["Version"], answer["FunctionArn"], answer["State"]),
          ("1", arn(function), "Pending"))
    lam.get_waiter("function_active_v2").wait(FunctionName=function)
    first = lam.get_function_configuration(FunctionName=function, Qualifier="1")
    latest = lam.get_function_configuration(FunctionName=function)
    check("own revisions", first["RevisionId"] != latest["RevisionId"])
    again = lam.publish_version(FunctionName=function)
    equal("nothing changed, the same again", (again["Version"], again["RevisionId"], again["ResponseMetadata"]["HTTPStatusCode"]),
          ("1", first["RevisionId"], 201))
    lam.update_function_configuration(FunctionName=function, Description="second")
    updated(function)
    latest = lam.get_function_configuration(FunctionName=function)
    refused("wrong revision", "PreconditionFailedException", 412, "GetFunction/GetAlias", lam.publish_version,
            FunctionName=function, RevisionId="wrong")
    refused("wrong sha", "InvalidParameterValueException", 400, "CodeSHA256 (some) is different from current CodeSHA256 in "
            f"$LATEST ({latest['CodeSha256']}). Please try again with the CodeSHA256 in $LATEST.", lam.publish_version,
            FunctionName=function, CodeSha256="some")
    second = lam.publish_version(FunctionName=function, Description="as published")
    equal("second", (second["Version"], second["FunctionArn"], second["State"], second["Description"]),
          ("2", f"{arn(function)}:2", "Active", "as published"))
    check("publishing renews the revision of $LATEST",
          lam.get_function_configuration(FunctionName=function)["RevisionId"] != latest["RevisionId"])
    listed = lam.list_versions_by_function(FunctionName=function)["Versions"]
    equal("listed", [(one["Version"], one["FunctionArn"]) for one in listed],
          [(version, f"{arn(function)}:{version}") for version in ("$LATEST", "1", "2")])
    check("lists have no state", "State" not in listed[0] and "LastUpdateStatus" not in listed[0], listed[0])
    third = lam.update_function_code(FunctionName=function, ZipFile=context_code("three"), Publish=True)
    equal("update and publish", (third["Version"], third["FunctionArn"], third["State"]), ("3", f"{arn(function)}:3", "Pending"))
    updated(function)
    equal("each version runs its own code", [invoke(function, {}, Qualifier=q)[1]["label"] for q in ("1", "2", "3", "$LATEST")],
          ["one", "one", "three", "three"])
    answer, body = invoke(function, {}, Qualifier="2")
    equal("executed", (answer["ExecutedVersion"], body["version"], body["arn"]), ("2", "2", f"{arn(function)}:2"))
    lam.delete_function(FunctionName=function, Qualifier="1")
    listed = lam.list_versions_by_function(FunctionName=function)["Versions"]
    equal("deleted", [one["Version"] for one in listed], ["$LATEST", "2", "3"])
    pages = lam.get_paginator("list_versions_by_function").paginate(FunctionName=function, PaginationConfig={"PageSize": 1})
    equal("pages", [one["Version"] for page in pages for one in page["Versions"]], ["$LATEST", "2", "3"])
    everything = lam.get_paginator("list_functions").paginate(FunctionVersion="ALL")
    mine = [one["FunctionArn"] for page in everything for one in page["Functions"] if one["FunctionName"] == function]
    equal("ListFunctions ALL", mine, [f"{arn(function)}:{version}" for version in ("$LATEST", "2", "3")])
    refused("not ALL", "ValidationException", 400, "Value 'invalid' at 'functionVersion' failed to satisfy constraint: "
            "Member must satisfy enum value set: [ALL]", lam.list_functions, FunctionVersion="invalid")


def tour_aliases():
    function = name()
    create(function, code=context_code("one"), Publish=True)
    lam.update_function_code(FunctionName=function, ZipFile=context_code("two"), Publish=True)
    updated(function)
    made = lam.create_alias(FunctionName=function, Name="live", FunctionVersion="1", Description="d",
                            RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    equal("made", (made["AliasArn"], made["FunctionVersion"], made["RoutingConfig"], made["ResponseMetadata"]["HTTPStatusCode"]),
          (f"{arn(function)}:live", "1", {"AdditionalVersionWeights": {"2": 0.5}}, 201))
    versions = {invoke(function, {}, Qualifier="live")[0]["ExecutedVersion"] for _ in range(40)}
    equal("weights share the invocations", versions, {"1", "2"})
    answer, body = invoke(f"{function}:live", {})
    equal("the arn as invoked", body["arn"], f"{arn(function)}:live")
    equal("ExecutedVersion tells which", answer["ExecutedVersion"], body["version"])
    lam.update_alias(FunctionName=function, Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}})
    got = lam.get_alias(FunctionName=function, Name="live")
    check("no routing any more", "RoutingConfig" not in got and got["FunctionVersion"] == "2", got)
    equal("description stays", got["Description"], "d")
    check("revision changed", got["RevisionId"] != made["RevisionId"])
    config = lam.get_function_configuration(FunctionName=function, Qualifier="live")
    equal("configuration by alias", (config["FunctionArn"], config["Version"]), (f"{arn(function)}:live", "2"))
    lam.create_alias(FunctionName=function, Name="old", FunctionVersion="1")
    equal("listed", [one["Name"] for one in lam.list_aliases(FunctionName=function)["Aliases"]], ["live", "old"])
    equal("listed by version", [one["Name"] for one in lam.list_aliases(FunctionName=function, FunctionVersion="1")["Aliases"]],
          ["old"])

    def wrong(what, code, status, message, **arguments):
        refused(what, code, status, message, unchecked.create_alias,
                **{"FunctionName": function, "Name": "new", "FunctionVersion": "1", **arguments})

    def weights(value):
        return {"RoutingConfig": {"AdditionalVersionWeights": value}}

    wrong("exists", "ResourceConflictException", 409, f"Alias already exists: {arn(function)}:live", Name="live")
    wrong("number", "ValidationException", 400, "Value '2024' at 'name' failed to satisfy constraint: Member must satisfy "
          "regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)", Name="2024")
    wrong("unknown version", "ResourceNotFoundException", 404, f"Function not found: {arn(function)}:10", FunctionVersion="10")
    wrong("unknown function", "ResourceNotFoundException", 404, f"Function not found: {arn(function)}-x:1",
          FunctionName=f"{function}-x")
    wrong("two weights", "InvalidParameterValueException", 400,
          "Number of items in AdditionalVersionWeights cannot be greater than 1", **weights({"1": 0.1, "2": 0.1}))
    wrong("too heavy", "ValidationException", 400, "Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to "
          "satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member "
          "must have value greater than or equal to 0.0, Member must not be null]", **weights({"2": 2.0}))
    wrong("negative", "ValidationException", 400, "Value '{2=-1.0}'", **weights({"2": -1.0}))
    wrong("same version", "InvalidParameterValueException", 400, "Invalid function version 1. Function version 1 is already "
          "included in routing configuration.", **weights({"1": 0.5}))
    wrong("$LATEST routed", "ValidationException", 400, "Value '{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights' "
          "failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to "
          "1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: "
          "[0-9]+]", **weights({"$LATEST": 0.5}))
    wrong("from $LATEST", "InvalidParameterValueException", 400,
          "$LATEST is not supported for an alias pointing to more than 1 version", FunctionVersion="$LATEST",
          **weights({"1": 0.5}))
    refused("unknown alias", "ResourceNotFoundException", 404, f"Cannot find alias arn: {arn(function)}:nope",
            lam.get_alias, FunctionName=function, Name="nope")
    refused("update an unknown alias", "ResourceNotFoundException", 404, f"Alias not found: {arn(function)}:nope",
            lam.update_alias, FunctionName=function, Name="nope")
    refused("wrong revision", "PreconditionFailedException", 412, "GetFunction/GetAlias", lam.update_alias,
            FunctionName=function, Name="live", RevisionId="wrong")
    refused("invoke an unknown alias", "ResourceNotFoundException", 404, f"Function not found: {arn(function)}:nope",
            lam.invoke, FunctionName=function, Qualifier="nope")
    refused("a version in use", "ResourceConflictException", 409, "", lam.delete_function, FunctionName=function, Qualifier="1")
    for _ in range(2):
        equal("delete is idempotent", lam.delete_alias(FunctionName=function, Name="old")["ResponseMetadata"]["HTTPStatusCode"], 204)


def tour_layers():
    layer, function = name("layer"), name()
    content = zipped({"python/in_layer.py": "VALUE = 'from the layer'\n", "data/file.txt": "layer file"})
    made = lam.publish_layer_version(LayerName=layer, Content={"ZipFile": content}, Description="d", LicenseInfo="MIT",
                                     CompatibleRuntimes=["python3.13"], CompatibleArchitectures=["x86_64"])
    layer_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{layer}"
    equal("made", (made["LayerArn"], made["LayerVersionArn"], made["Version"], made["Content"]["CodeSize"],
                   made["Content"]["CodeSha256"]),
          (layer_arn, f"{layer_arn}:1", 1, len(content), base64.b64encode(hashlib.sha256(content).digest()).decode()))
    with urllib.request.urlopen(made["Content"]["Location"]) as response:
        equal("readable", response.read(), content)
    bare = lam.publish_layer_version(LayerName=layer, Content={"ZipFile": content})
    check("nothing compatible shown when not given", "CompatibleRuntimes" not in bare and bare["Version"] == 2, bare)
    listed = lam.list_layer_versions(LayerName=layer)["LayerVersions"]
    equal("newest first", [one["Version"] for one in listed], [2, 1])
    filtered = lam.list_layer_versions(LayerName=layer, CompatibleRuntime="python3.13")["LayerVersions"]
    equal("filtered", [one["Version"] for one in filtered], [1])
    mine = [one for page in lam.get_paginator("list_layers").paginate() for one in page["Layers"] if one["LayerName"] == layer]
    equal("latest matching", mine[0]["LatestMatchingVersion"]["Version"], 2)
    equal("by arn", lam.get_layer_version_by_arn(Arn=f"{layer_arn}:1")["Version"], 1)
    code = zipped({"handler.py": "import in_layer\ndef handler(e, c):\n    return [in_layer.VALUE, open('/opt/data/file.txt').read()]\n"})
    answer = create(function, code=code, Layers=[f"{layer_arn}:1"], wait=False)
    equal("layers shown", answer["Layers"], [{"Arn": f"{layer_arn}:1", "CodeSize": len(content)}])
    equal("layer used", invoke(function, {})[1], ["from the layer", "layer file"])
    lam.delete_layer_version(LayerName=layer, VersionNumber=1)
    lam.update_function_configuration(FunctionName=function, Description="renewed")
    updated(function)
    equal("a deleted layer version stays with its function", invoke(function, {})[1][0], "from the layer")
    for _ in range(2):
        equal("delete is idempotent", lam.delete_layer_version(LayerName=layer, VersionNumber=2)["ResponseMetadata"]["HTTPStatusCode"], 204)
    equal("none left", lam.list_layer_versions(LayerName=layer)["LayerVersions"], [])
    equal("numbers are not reused", lam.publish_layer_version(LayerName=layer, Content={"ZipFile": content})["Version"], 3)
    missing = "The resource you requested does not exist."
    refused("unknown layer", "ResourceNotFoundException", 404, missing, lam.get_layer_version, LayerName="nope", VersionNumber=1)
    refused("unknown by arn", "ResourceNotFoundException", 404, missing, lam.get_layer_version_by_arn, Arn=f"{layer_arn}:99")
    refused("version zero", "InvalidParameterValueException", 400, "Layer Version Cannot be less than 1",
            lam.get_layer_version, LayerName=layer, VersionNumber=0)
    refused("arn without version", "ValidationException", 400, f"Value '{layer_arn}' at 'arn' failed to satisfy constraint",
            lam.get_layer_version_by_arn, Arn=layer_arn)
    refused("runtime filter", "ValidationException", 400, "Value 'nope' at 'compatibleRuntime' failed to satisfy constraint: "
            "Member must satisfy enum value set: [", lam.list_layers, CompatibleRuntime="nope")
    refused("two wrong lists", "ValidationException", 400, "2 validation errors detected: Value '[a]' at "
            "'compatibleRuntimes'", lam.publish_layer_version, LayerName=layer, Content={"ZipFile": content},
            CompatibleRuntimes=["a"], CompatibleArchitectures=["b"])

    def wrong(what, message, layers, code="InvalidParameterValueException"):
        refused(what, code, 400, message, create, function=name(), wait=False, Layers=layers)

    lam.publish_layer_version(LayerName=layer, Content={"ZipFile": content})
    wrong("unknown", f"Layer version {layer_arn}:99 does not exist.", [f"{layer_arn}:99"])
    wrong("twice", "Two different versions of the same layer are not allowed to be referenced in the same function. "
          f"{layer_arn}:3 and {layer_arn}:4 are versions of the same layer.", [f"{layer_arn}:3", f"{layer_arn}:4"])
    wrong("six", "Cannot reference more than 5 layers.", [f"{layer_arn}{number}:1" for number in range(6)])
    wrong("no version", f"Value '[{layer_arn}]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: "
          "[Member must have length less than or equal to 2048", [layer_arn], "ValidationException")
    wrong("elsewhere", f"Layers are not in the same region as the function. Layers are expected to be in region {REGION}.",
          [f"{layer_arn}:3".replace(REGION, "eu-west-1")])
    added = lam.add_layer_version_permission(LayerName=layer, VersionNumber=3, StatementId="s1",
                                             Action="lambda:GetLayerVersion", Principal="*")
    equal("layer policy", json.loads(lam.get_layer_version_policy(LayerName=layer, VersionNumber=3)["Policy"])["Statement"],
          [json.loads(added["Statement"])])
    lam.remove_layer_version_permission(LayerName=layer, VersionNumber=3, StatementId="s1")


def tour_permissions():
    function = name()
    create(function, Publish=True)
    before = lam.get_function_configuration(FunctionName=function)["RevisionId"]
    answer = lam.add_permission(FunctionName=function, StatementId="s3", Action="lambda:InvokeFunction",
                                Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::bucket", SourceAccount=ACCOUNT)
    expected = {"Sid": "s3", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "lambda:InvokeFunction", "Resource": arn(function),
                "Condition": {"StringEquals": {"AWS:SourceAccount": ACCOUNT}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"}}}
    equal("statement", json.loads(answer["Statement"]), expected)
    policy = lam.get_policy(FunctionName=function)
    equal("policy", json.loads(policy["Policy"]), {"Version": "2012-10-17", "Id": "default", "Statement": [expected]})
    check("the revision is the function's, and new",
          policy["RevisionId"] == lam.get_function_configuration(FunctionName=function)["RevisionId"] != before)
    for principal, shown in (("*", "*"), (ACCOUNT, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
                             ("lambda.amazonaws.com", {"Service": "lambda.amazonaws.com"})):
        answer = lam.add_permission(FunctionName=function, StatementId=name("s"), Action="lambda:InvokeFunction", Principal=principal)
        equal(f"principal {principal}", json.loads(answer["Statement"])["Principal"], shown)

    def wrong(what, code, status, message, **change):
        refused(what, code, status, message, lam.add_permission,
                **{"FunctionName": function, "StatementId": "new", "Action": "lambda:InvokeFunction",
                   "Principal": "s3.amazonaws.com", **change})

    wrong("same id", "ResourceConflictException", 409, "The statement id (s3) provided already exists. Please provide a new "
          "statement id, or remove the existing statement.", StatementId="s3")
    wrong("id", "ValidationException", 400, "Value 'example.com' at 'statementId' failed to satisfy constraint: Member must "
          "satisfy regular expression pattern: ([a-zA-Z0-9-_]+)", StatementId="example.com")
    wrong("principal", "InvalidParameterValueException", 400,
          "The provided principal was invalid. Please check the principal and try again.", Principal="invalid.nonaws.com")
    wrong("$LATEST", "InvalidParameterValueException", 400, "We currently do not support adding policies for $LATEST.",
          Qualifier="$LATEST")
    wrong("unknown function", "ResourceNotFoundException", 404, f"Function not found: {arn('nope')}", FunctionName="nope")
    wrong("unknown alias", "ResourceNotFoundException", 404, f"Cannot find alias arn: {arn(function)}:nope", Qualifier="nope")
    wrong("unknown version", "ResourceNotFoundException", 404, f"Function not found: {arn(function)}:42", Qualifier="42")
    wrong("revision", "PreconditionFailedException", 412, "Call the GetPolicy API to retrieve the latest Revision Id",
          RevisionId="wrong")
    lam.add_permission(FunctionName=function, StatementId="v", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
                       Qualifier="1")
    statements = json.loads(lam.get_policy(FunctionName=function, Qualifier="1")["Policy"])["Statement"]
    equal("a version has its own policy", [(one["Sid"], one["Resource"]) for one in statements], [("v", f"{arn(function)}:1")])
    lam.remove_permission(FunctionName=function, StatementId="v", Qualifier="1")
    missing = "The resource you requested does not exist."
    refused("empty policy", "ResourceNotFoundException", 404, missing, lam.get_policy, FunctionName=function, Qualifier="1")
    refused("unknown", "ResourceNotFoundException", 404, missing, lam.get_policy, FunctionName="nope")
    refused("remove from none", "ResourceNotFoundException", 404, "No policy is associated with the given resource.",
            lam.remove_permission, FunctionName=function, StatementId="v", Qualifier="1")
    refused("remove unknown", "ResourceNotFoundException", 404, "Statement nope is not found in resource policy.",
            lam.remove_permission, FunctionName=function, StatementId="nope")
    refused("remove from unknown", "ResourceNotFoundException", 404, f"No policy found for: {arn('nope')}",
            lam.remove_permission, FunctionName="nope", StatementId="s")


def tour_event_invoke_config():
    function, other = name(), name()
    create(function, Publish=True)
    create(other)
    put = lam.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=2, MaximumEventAgeInSeconds=60)
    equal("put", (put["FunctionArn"], put["MaximumRetryAttempts"], put["MaximumEventAgeInSeconds"], put["DestinationConfig"]),
          (f"{arn(function)}:$LATEST", 2, 60, {"OnSuccess": {}, "OnFailure": {}}))
    put = lam.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
    check("put replaces", "MaximumEventAgeInSeconds" not in put, put)
    changed = lam.update_function_event_invoke_config(FunctionName=function, MaximumEventAgeInSeconds=100)
    equal("update merges", (changed["MaximumRetryAttempts"], changed["MaximumEventAgeInSeconds"]), (0, 100))
    lam.put_function_event_invoke_config(FunctionName=function, Qualifier="1", MaximumRetryAttempts=1,
                                         DestinationConfig={"OnSuccess": {"Destination": arn(other)}})
    listed = lam.list_function_event_invoke_configs(FunctionName=function)["FunctionEventInvokeConfigs"]
    equal("listed", sorted(one["FunctionArn"] for one in listed), [f"{arn(function)}:$LATEST", f"{arn(function)}:1"])

    def wrong(what, code, status, message, **change):
        refused(what, code, status, message, unchecked.put_function_event_invoke_config, **{"FunctionName": function, **change})

    wrong("nothing", "InvalidParameterValueException", 400,
          "You must specify at least one of error handling or destination setting.")
    wrong("unknown", "ResourceNotFoundException", 404, "The function doesn't exist.", FunctionName="nope", MaximumRetryAttempts=1)
    wrong("itself", "InvalidParameterValueException", 400, "You can't specify the function as a destination for itself.",
          DestinationConfig={"OnSuccess": {"Destination": arn(function)}})
    wrong("unknown destination", "InvalidParameterValueException", 400, f"The destination ARN {arn('nope')} is invalid.",
          DestinationConfig={"OnSuccess": {"Destination": arn("nope")}})
    iam = arn(function).replace(":lambda:", ":iam:")
    wrong("wrong service", "InvalidParameterValueException", 400, "The provided destination config DestinationConfig("
          f"onSuccess=OnSuccess(destination={iam}), onFailure=null) is invalid.",
          DestinationConfig={"OnSuccess": {"Destination": iam}})
    wrong("wrong arn", "ValidationException", 400, "at 'destinationConfig.onFailure.destination' failed to satisfy constraint",
          DestinationConfig={"OnFailure": {"Destination": arn(function).replace(":lambda:", ":_-/!lambda:")}})
    wrong("retries", "ValidationException", 400, "Value '3' at 'maximumRetryAttempts'", MaximumRetryAttempts=3)
    lam.delete_function_event_invoke_config(FunctionName=function)
    unset = f"The function {arn(function)}:$LATEST doesn't have an EventInvokeConfig"
    for call in (lam.get_function_event_invoke_config, lam.delete_function_event_invoke_config):
        refused(f"unset {call.__name__}", "ResourceNotFoundException", 404, unset, call, FunctionName=function)
    refused("update unset", "ResourceNotFoundException", 404, unset, lam.update_function_event_invoke_config,
            FunctionName=function, MaximumRetryAttempts=1)


def tour_tags_and_account():
    function = name()
    create(function, Tags={"a": "1"})
    equal("shown", lam.get_function(FunctionName=function)["Tags"], {"a": "1"})
    lam.tag_resource(Resource=arn(function), Tags={"b": "2", "a": "3"})
    equal("merged", lam.list_tags(Resource=arn(function))["Tags"], {"a": "3", "b": "2"})
    lam.untag_resource(Resource=arn(function), TagKeys=["a", "b", "c"])
    equal("removed", lam.list_tags(Resource=arn(function))["Tags"], {})
    refused("unknown", "ResourceNotFoundException", 404, f"Function not found: {arn('nope')}", lam.list_tags, Resource=arn("nope"))
    refused("version", "InvalidParameterValueException", 400, "Tags on function aliases and versions are not supported. Please "
            "specify a function ARN.", lam.tag_resource, Resource=f"{arn(function)}:1", Tags={"a": "b"})
    refused("no arn", "ValidationException", 400, "Value 'arn:aws:something' at 'resource' failed to satisfy constraint",
            lam.tag_resource, Resource="arn:aws:something", Tags={"a": "b"})
    refused("no tags", "InvalidParameterValueException", 400, "An error occurred and the request cannot be processed.",
            lam.tag_resource, Resource=arn(function), Tags={})
    refused("no keys", "ValidationException", 400, "Value null at 'tagKeys' failed to satisfy constraint: Member must not be null",
            lam.untag_resource, Resource=arn(function), TagKeys=[])
    refused("too many", "InvalidParameterValueException", 400, "Number of tags exceeds resource tag limit.", lam.tag_resource,
            Resource=arn(function), Tags={f"k{number}": "v" for number in range(51)})
    equal("who am I", sts.get_caller_identity()["Account"], ACCOUNT)
    settings = lam.get_account_settings()
    equal("limits", sorted(settings["AccountLimit"]), ["CodeSizeUnzipped", "CodeSizeZipped", "ConcurrentExecutions",
                                                     "TotalCodeSize", "UnreservedConcurrentExecutions"])
    check("usage", settings["AccountUsage"]["FunctionCount"] >= 1 and settings["AccountUsage"]["TotalCodeSize"] > 0, settings)


def tour_concurrency():
    function = name()
    create(function, code=zipped({"handler.py": "import time\ndef handler(e, c):\n    time.sleep(e['s'])\n    return c.log_stream_name\n"}), Timeout=10)
    equal("unset", without_metadata(lam.get_function_concurrency(FunctionName=function)), {})
    equal("put", lam.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)["ReservedConcurrentExecutions"], 0)
    seen = refused("zero", "TooManyRequestsException", 429, "Rate Exceeded.", lam.invoke, FunctionName=function, Payload=b'{"s":0}')
    equal("reason", (seen.get("Reason"), seen.get("Type")), ("ReservedFunctionConcurrentInvocationLimitExceeded", "User"))
    lam.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
    equal("shown", lam.get_function(FunctionName=function)["Concurrency"], {"ReservedConcurrentExecutions": 1})
    started = threading.Thread(target=lambda: client("lambda").invoke(FunctionName=function, Payload=b'{"s":1}'))
    started.start()
    time.sleep(0.5)
    refused("one is one", "TooManyRequestsException", 429, "Rate Exceeded.", lam.invoke, FunctionName=function, Payload=b'{"s":0}')
    started.join()
    lam.delete_function_concurrency(FunctionName=function)
    streams, threads = [], []
    for _ in range(3):
        call = lambda: streams.append(client("lambda").invoke(FunctionName=function, Payload=b'{"s":0.5}')["Payload"].read())
        threads.append(threading.Thread(target=call))
        threads[-1].start()
    for thread in threads:
        thread.join()
    equal("one environment each", len(set(streams)), 3)
    refused("more than the account", "InvalidParameterValueException", 400, "Specified ReservedConcurrentExecutions for "
            "function decreases account's UnreservedConcurrentExecution below its minimum value of [100].",
            lam.put_function_concurrency, FunctionName=function, ReservedConcurrentExecutions=901)
    refused("a version", "InvalidParameterValueException", 400, "This operation is permitted on Lambda functions only. Aliases "
            "and versions do not support this operation. Please specify either a function name or an unqualified function "
            "ARN.", lam.put_function_concurrency, FunctionName=f"{arn(function)}:1", ReservedConcurrentExecutions=1)
    refused("unknown", "ResourceNotFoundException", 404, f"Function not found: {arn('nope')}:$LATEST",
            lam.put_function_concurrency, FunctionName="nope", ReservedConcurrentExecutions=1)


def tour_invoke():
    function = name()
    create(function, code=context_code("x"), Environment={"Variables": {"GREETING": "hi"}}, MemorySize=256)
    context = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
    answer, body = invoke(function, {"a": [1, "é"]}, LogType="Tail", ClientContext=context)
    request_id = answer["ResponseMetadata"]["RequestId"]
    equal("answer", (answer["StatusCode"], answer["ExecutedVersion"], answer.get("FunctionError")), (200, "$LATEST", None))
    equal("context", (body["id"], body["arn"], body["version"], body["name"], body["memory"], body["client"], body["env"]),
          (request_id, arn(function), "$LATEST", function, "256", {"k": "v"}, "hi"))
    equal("event", body["event"], {"a": [1, "é"]})
    equal("group", body["group"], f"/aws/lambda/{function}")
    check("stream", re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", body["stream"]), body["stream"])
    check("remaining", 0 < body["remaining"] <= 3000, body["remaining"])
    tail = base64.b64decode(answer["LogResult"]).decode()
    number = r"\d+(\.\d+)?"
    check("log tail", re.fullmatch(
        rf"START RequestId: {request_id} Version: \$LATEST\nEND RequestId: {request_id}\nREPORT RequestId: {request_id}\t"
        rf"Duration: {number} ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB\tMax Memory Used: \d+ MB\tInit Duration: "
        rf"{number} ms\t\n+", tail), tail)
    answer, body = invoke(function, {})
    check("warm, no log unless asked", body["n"] == 2 and "LogResult" not in answer, body)
    answer = lam.invoke(FunctionName=function)
    equal("no payload is {}", json.loads(answer["Payload"].read())["event"], {})
    dry = lam.invoke(FunctionName=function, InvocationType="DryRun")
    equal("dry run", (dry["StatusCode"], dry["Payload"].read()), (204, b""))
    event = lam.invoke(FunctionName=function, InvocationType="Event", Payload=b"{}")
    equal("event", (event["StatusCode"], event["Payload"].read()), (202, b""))
    nothing = name()
    create(nothing, code=zipped({"handler.py": "def handler(e, c):\n    pass\n"}))
    equal("nothing returned is null", lam.invoke(FunctionName=nothing)["Payload"].read(), b"null")
    refused("no JSON", "InvalidRequestContentException", 400,
            "Could not parse request body into json: Could not parse payload into json: ", lam.invoke, FunctionName=function,
            Payload=b"\x99\xeb,j\x07\xa1zYh")
    refused("type", "ValidationException", 400, "Member must satisfy enum value set: [Event, RequestResponse, DryRun]",
            lam.invoke, FunctionName=function, InvocationType="Sometimes")
    refused("client context", "InvalidRequestContentException", 400, "Client context must be a valid Base64-encoded JSON object.",
            lam.invoke, FunctionName=function, ClientContext="bm8ganNvbg==")
    refused("too large", "RequestTooLargeException", 413, "6291457 byte payload is too large for the RequestResponse "
            "invocation type (limit 6291456 bytes)", lam.invoke, FunctionName=function, Payload=b'"' + b"x" * 6291455 + b'"')
    refused("too large an event", "RequestTooLargeException", 413, "1048577 byte payload is too large for the Event "
            "invocation type (limit 1048576 bytes)", lam.invoke, FunctionName=function, InvocationType="Event",
            Payload=b'"' + b"x" * 1048575 + b'"')
    echo = name()
    create(echo)
    largest = b'"' + b"x" * 6291454 + b'"'
    equal("6 MB there and back", len(lam.invoke(FunctionName=echo, Payload=largest)["Payload"].read()), len(largest))
    stream = lam.invoke_with_response_stream(FunctionName=echo, Payload=b'{"a":1}', LogType="Tail")
    events = list(stream["EventStream"])
    equal("streamed", b"".join(one["PayloadChunk"]["Payload"] for one in events if "PayloadChunk" in one), b'{"a": 1}')
    check("complete, with log", "LogResult" in events[-1]["InvokeComplete"], events[-1])


def failing(body, **more):
    function = name()
    create(function, code=zipped({"handler.py": body}), **more)
    return function


def tour_function_errors():
    def fails(what, function, error_type, message, **more):
        answer, body = invoke(function, {}, **more)
        matches = message.search(body.get("errorMessage", "")) if isinstance(message, re.Pattern) else body.get("errorMessage") == message
        check(what, answer["StatusCode"] == 200 and answer["FunctionError"] == "Unhandled" and answer["ExecutedVersion"] == "$LATEST"
              and body.get("errorType") == error_type and matches, (answer.get("FunctionError"), body))
        return answer, body

    answer, body = fails("exception", failing("class Own(Exception): pass\ndef handler(e, c):\n    raise Own('bad')\n"), "Own", "bad",
                         LogType="Tail")
    check("stack trace and id", body["stackTrace"] and body["requestId"] == answer["ResponseMetadata"]["RequestId"], body)
    tail = base64.b64decode(answer["LogResult"]).decode()
    check("error in the log", "[ERROR] Own: bad\nTraceback (most recent call last):\n\u00a0\u00a0File \"/var/task/handler.py\", line 3, in handler\n"
          in tail, tail)
    _, body = fails("at import", failing("raise ValueError('at import')\n"), "ValueError", "at import")
    equal("no request id at import", body["requestId"], "")
    fails("missing module", failing("import nope_nope\n"), "Runtime.ImportModuleError",
          "Unable to import module 'handler': No module named 'nope_nope'")
    fails("missing handler", failing("x = 1\n"), "Runtime.HandlerNotFound", re.compile("Handler 'handler' missing on module 'handler'"))
    fails("syntax", failing("def handler(:\n"), "Runtime.UserCodeSyntaxError", re.compile("Syntax error in module 'handler'"))
    slow = failing("import os, time\nN = 0\ndef handler(e, c):\n    global N\n    N += 1\n    if e.get('write'): open('/tmp/f', 'w').write('kept')\n"
                   "    if e.get('sleep'): time.sleep(30)\n    return [N, os.path.exists('/tmp/f')]\n", Timeout=1)
    equal("before the timeout", invoke(slow, {"write": True})[1], [1, True])
    answer, body = invoke(slow, {"sleep": True}, LogType="Tail")
    request_id = answer["ResponseMetadata"]["RequestId"]
    equal("timeout", (answer["FunctionError"], body), ("Unhandled", {"errorType": "Sandbox.Timedout",
          "errorMessage": f"RequestId: {request_id} Error: Task timed out after 1.00 seconds"}))
    tail = base64.b64decode(answer["LogResult"]).decode()
    check("timeout in the log", "Task timed out after 1.00 seconds" in tail and "Status: timeout" in tail, tail)
    equal("/tmp kept, globals lost", invoke(slow, {})[1], [1, True])
    without = re.compile(r"^RequestId: [0-9a-f-]{36} Error: Runtime exited without providing a reason$")
    fails("exit 0", failing("import os\ndef handler(e, c):\n    os._exit(0)\n"), "Runtime.ExitError", without)
    fails("exit 0 at init", failing("import os\nos._exit(0)\n"), "Runtime.ExitError", without)
    fails("exit 3", failing("import os\ndef handler(e, c):\n    os._exit(3)\n"), "Runtime.ExitError",
          re.compile(r"^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 3$"))
    fails("signal", failing("import os, signal\ndef handler(e, c):\n    os.kill(os.getpid(), signal.SIGKILL)\n"), "Runtime.ExitError",
          re.compile(r"^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: signal: killed$"))
    answer, body = invoke(failing("def handler(e, c):\n    b = bytearray(400_000_000)\n    for i in range(0, len(b), 4096): b[i] = 1\n", Timeout=20), {})
    check("out of memory", body["errorType"] in ("Runtime.ExitError", "Runtime.OutOfMemory") and "signal: killed" in body["errorMessage"], body)
    fails("response too large", failing("def handler(e, c):\n    return 'x' * 7_000_000\n", MemorySize=512), "Function.ResponseSizeTooLarge",
          "Response payload size exceeded maximum allowed payload size (6291556 bytes).")
    fails("unserialisable", failing("def handler(e, c):\n    return object()\n"), "Runtime.MarshalError", re.compile("."))
    again = failing("import os\nif not os.path.exists('/tmp/second'):\n    open('/tmp/second', 'w').close()\n    raise RuntimeError('first')\ndef handler(e, c):\n    return 'well'\n")
    first, second = invoke(again, {})[1], invoke(again, {})[1]
    check("init is tried again", "well" in (first, second), (first, second))


def tour_updates_renew_environments():
    function = name()
    create(function, code=context_code("old"))
    invoke(function, {})
    equal("warm", invoke(function, {})[1]["n"], 2)
    lam.update_function_configuration(FunctionName=function, Environment={"Variables": {"GREETING": "new"}})
    updated(function)
    body = invoke(function, {})[1]
    equal("renewed by configuration", (body["n"], body["env"]), (1, "new"))
    lam.update_function_code(FunctionName=function, ZipFile=context_code("new"))
    updated(function)
    equal("renewed by code", (invoke(function, {})[1]["label"]), "new")


def tour_asynchronous():
    bucket = name("async")
    s3.create_bucket(Bucket=bucket)
    sink = name("sink")
    code = ("import boto3, json\ns3 = boto3.client('s3')\ndef handler(e, c):\n"
            f"    s3.put_object(Bucket='{bucket}', Key=e['requestPayload']['key'], Body=json.dumps(e))\n")
    create(sink, code=zipped({"handler.py": code}), Timeout=20, MemorySize=512)
    function = failing("def handler(e, c):\n    if e.get('fail'): raise ValueError(c.aws_request_id)\n    return c.aws_request_id\n")
    lam.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=1, DestinationConfig={
        "OnSuccess": {"Destination": arn(sink)}, "OnFailure": {"Destination": arn(sink)}})

    def record(key):
        def look():
            try:
                return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            except ClientError:
                return None
        return eventually(f"a record for {key}", look, 30) or {}

    sent = lam.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps({"key": "good"}))
    request_id = sent["ResponseMetadata"]["RequestId"]
    seen = record("good")
    equal("success", (seen.get("version"), seen.get("requestContext"), seen.get("responseContext"), seen.get("responsePayload"),
                      seen.get("requestPayload")),
          ("1.0", {"requestId": request_id, "functionArn": f"{arn(function)}:$LATEST", "condition": "Success", "approximateInvokeCount": 1},
           {"statusCode": 200, "executedVersion": "$LATEST"}, request_id, {"key": "good"}))
    sent = lam.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps({"key": "bad", "fail": 1}))
    request_id = sent["ResponseMetadata"]["RequestId"]
    seen = record("bad")
    equal("failure", (seen.get("requestContext", {}).get("condition"), seen.get("requestContext", {}).get("approximateInvokeCount"),
                      seen.get("responseContext")),
          ("RetriesExhausted", 2, {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}))
    equal("the same id on every try", seen.get("responsePayload", {}).get("errorMessage"), request_id)
    lam.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    lam.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps({"key": "zero"}))
    seen = record("zero")
    equal("no concurrency", (seen.get("requestContext", {}).get("condition"), seen.get("requestContext", {}).get("approximateInvokeCount")),
          ("ZeroReservedConcurrency", 0))


def tour_throttled_events_wait():
    bucket = name("waiting")
    s3.create_bucket(Bucket=bucket)
    code = ("import boto3, time\ns3 = boto3.client('s3')\ndef handler(e, c):\n    began = time.time()\n    time.sleep(0.1)\n"
            f"    s3.put_object(Bucket='{bucket}', Key=str(e['n']), Body=f'{{began}} {{time.time()}}')\n")
    function = failing(code, Timeout=20, MemorySize=512)
    lam.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
    for number in range(6):
        lam.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps({"n": number}))
    eventually("all six run", lambda: s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 6, 30)
    spans = []
    for one in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        began, ended = s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read().split()
        spans.append((float(began), float(ended)))
    spans.sort()
    check("one at a time", all(earlier[1] <= later[0] for earlier, later in zip(spans, spans[1:])), spans)


def tour_s3_notifications():
    bucket, function = name("events"), name()
    s3.create_bucket(Bucket=bucket)
    code = ("import boto3, json\ns3 = boto3.client('s3')\ndef handler(e, c):\n    r = e['Records'][0]\n"
            "    s3.put_object(Bucket=r['s3']['bucket']['name'], Key='out/' + str(r['s3']['object']['size']), Body=json.dumps(e))\n")
    create(function, code=zipped({"handler.py": code}), Timeout=20, MemorySize=512)
    wanted = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn(function), "Events": ["s3:ObjectCreated:*"],
              "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".txt"}]}}}]}
    refused("not allowed yet", "InvalidArgument", 400, "Unable to validate the following destination configurations",
            s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration=wanted)
    lam.add_permission(FunctionName=function, StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com",
                       SourceArn=f"arn:aws:s3:::{bucket}", SourceAccount=ACCOUNT)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
    s3.put_object(Bucket=bucket, Key="in/ignored.bin", Body=b"12345678")
    s3.put_object(Bucket=bucket, Key="in/a b&c.txt", Body=b"1234567")

    def look():
        try:
            return json.loads(s3.get_object(Bucket=bucket, Key="out/7")["Body"].read())
        except ClientError:
            return None
    seen = (eventually("an event", look, 30) or {"Records": [{}]})["Records"][0]
    if seen:
        equal("record", (seen["eventSource"], seen["eventName"], seen["awsRegion"], seen["eventVersion"], seen["s3"]["bucket"]["name"],
                         seen["s3"]["object"]["key"], seen["s3"]["object"]["size"], seen["s3"]["object"]["eTag"]),
              ("aws:s3", "ObjectCreated:Put", REGION, "2.1", bucket, "in/a+b%26c.txt", 7, hashlib.md5(b"1234567").hexdigest()))
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    check("filtered", "out/8" not in keys, keys)


def tour_logs_and_metrics():
    function = failing("def handler(e, c):\n    print('a line')\n    if e.get('fail'): raise ValueError('x')\n")
    answer, _ = invoke(function, {})
    request_id = answer["ResponseMetadata"]["RequestId"]
    invoke(function, {"fail": True})
    group = f"/aws/lambda/{function}"

    def look():
        events = logs.filter_log_events(logGroupName=group).get("events", [])
        return events if sum(one["message"].startswith("REPORT") for one in events) == 2 else None
    events = eventually("two reports", look) or []
    messages = [one["message"] for one in events]
    check("init first", messages and messages[0].startswith("INIT_START Runtime Version: python:3.13"), messages[:1])
    check("the lines of one invocation", f"START RequestId: {request_id} Version: $LATEST\n" in messages and "a line\n" in messages
          and f"END RequestId: {request_id}\n" in messages, messages)
    streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
    equal("one stream an environment", len(streams), 1)

    def metric(metric_name):
        now = time.time()
        found = cloudwatch.get_metric_statistics(Namespace="AWS/Lambda", MetricName=metric_name, StartTime=now - 600, EndTime=now + 60,
                                                 Period=60, Statistics=["Sum"], Dimensions=[{"Name": "FunctionName", "Value": function}])
        return sum(point["Sum"] for point in found["Datapoints"])
    eventually("two invocations counted", lambda: metric("Invocations") == 2)
    equal("one error", metric("Errors"), 1)


def tour_bad_requests():
    def raw(method, path, headers=None, body=b""):
        request = urllib.request.Request(ENDPOINT + path, data=body or None, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, dict(response.headers), response.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def signed(method, path, body, host=None):
        request = AWSRequest(method, ENDPOINT + path, data=body, headers={"Host": host or ENDPOINT.split("//")[1]})
        SigV4Auth(Credentials("test", "test"), "lambda", REGION).add_auth(request)
        return dict(request.headers)

    wrong = boto3.client("lambda", endpoint_url=ENDPOINT, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="wrong")
    refused("a wrong secret", "InvalidSignatureException", 403, "The request signature we calculated does not match the "
            "signature you provided.", wrong.list_functions)
    wrong = boto3.client("s3", endpoint_url=ENDPOINT, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="wrong")
    refused("a wrong secret for S3", "SignatureDoesNotMatch", 403, "The request signature we calculated does not match the "
            "signature you provided.", wrong.list_buckets)
    status, headers, body = raw("GET", "/2015-03-31/functions", {"Authorization": "AWS4-HMAC-SHA256 nonsense"})
    equal("a broken signature", (status, headers.get("x-amzn-errortype")), (400, "IncompleteSignatureException"))
    status, headers, body = raw("GET", "/2015-03-31/functions")
    equal("unsigned", (status, json.loads(body)["message"]), (403, "Missing Authentication Token"))
    status, _, body = raw("GET", "/2015-03-31/functions", {"Host": "evil.example"})
    equal("another host", status, 403)
    status, _, body = raw("GET", "/2015-03-31/functions", signed("GET", "/2015-03-31/functions", b"", "attacker.example"))
    equal("another host, signed", status, 403)
    for method, path, data in (("POST", "/2015-03-31/functions", b"{"), ("GET", "/2015-03-31/nothing", b""), ("PATCH", "/2015-03-31/functions/f", b""),
                               ("GET", "/2015-03-31/functions/%2e%2e%2f%2e%2e%2fetc", b""), ("POST", "/2015-03-31/functions", b"[1]"),
                               ("POST", "/2015-03-31/functions", b'{"FunctionName": 5}'), ("GET", "/2018-10-31/layers/a/versions/x", b""),
                               ("GET", "/2015-03-31/functions?MaxItems=x", b""), ("GET", "/2015-03-31/functions/%ff%fe", b"")):
        status, headers, body = raw(method, path, signed(method, path, data), data)
        names = {key.lower() for key in headers}
        check(f"{method} {path} {data!r}", 400 <= status < 500 and "x-amzn-errortype" in names, (status, headers, body[:200]))


def main():
    global chapter
    chosen = sys.argv[2:]
    for key, tour in list(globals().items()):
        if key.startswith("tour_") and (not chosen or any(part in key for part in chosen)):
            chapter = key.removeprefix("tour_")
            started = time.monotonic()
            try:
                tour()
            except Exception:
                check("goes through", False, traceback.format_exc(limit=-3))
            print(f"{chapter}: {time.monotonic() - started:.1f} s", flush=True)
    print(f"{checks - len(failures)} of {checks} checks passed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
