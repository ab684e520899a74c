"""What all chapters of the tour share: clients, checks, and small functions to run.

Expectations are AWS's: names, status codes and wording as recorded from it (see FACTS.md, sections 1 to 10).
"""

import argparse
import io
import json
import re
import time
import uuid
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

_parser = argparse.ArgumentParser()
_parser.add_argument("endpoint", nargs="?", default="http://127.0.0.1:4566")
_parser.add_argument("--pasted", help="a file with what `darkroom serve` printed")
_parser.add_argument("names", nargs="*", default=[])
_arguments = _parser.parse_args()
ENDPOINT = _arguments.endpoint
PASTED = _arguments.pasted
NAMES = _arguments.names
REGION = "us-east-1"
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/tour"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

failures = []
checks = 0
chapter = ""


def client(service, session_token=None, **config):
    options = {"retries": {"max_attempts": 0}, "read_timeout": 60, **config}
    return boto3.client(
        service,
        endpoint_url=ENDPOINT,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        aws_session_token=session_token,
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


def without_metadata(answer):
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def failing(body, **more):
    function = name()
    create(function, code=zipped({"handler.py": body}), **more)
    return function
