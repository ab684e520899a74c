"""What surrounds a function: notifications of S3, logs, metrics, and requests that nobody should send."""

import hashlib
import json
import time
import urllib.error
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from stage import (
    ACCOUNT, arn, check, cloudwatch, create, ENDPOINT, equal, eventually, failing, invoke, lam, logs, name,
    refused, REGION, s3, zipped,
)


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
