"""Invocations: answers, failures, updates, the asynchronous queue."""

import base64
import json
import re

from botocore.exceptions import ClientError

from stage import (
    arn, check, context_code, create, equal, eventually, failing, invoke, lam, name, refused, s3, updated,
    zipped,
)


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
                   "    if e.get('sleep'): time.sleep(30)\n    return [N, os.path.exists('/tmp/f')]\n", Timeout=3)
    equal("before the timeout", invoke(slow, {"write": True})[1], [1, True])
    answer, body = invoke(slow, {"sleep": True}, LogType="Tail")
    request_id = answer["ResponseMetadata"]["RequestId"]
    equal("timeout", (answer["FunctionError"], body), ("Unhandled", {"errorType": "Sandbox.Timedout",
          "errorMessage": f"RequestId: {request_id} Error: Task timed out after 3.00 seconds"}))
    tail = base64.b64decode(answer["LogResult"]).decode()
    check("timeout in the log", "Task timed out after 3.00 seconds" in tail and "Status: timeout" in tail, tail)
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
    # On a busy host the first environment may be replaced while the function settles.
    equal("warm", max(invoke(function, {})[1]["n"] for _ in range(4)) >= 2, True)
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
