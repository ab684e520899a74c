"""Details in which an emulator usually gives itself away, each as AWS was seen to answer."""

import base64
import hashlib
import json
import socket
import threading
import time
import urllib.error
import urllib.request
import zlib

from botocore.exceptions import ClientError

from stage import (
    ACCOUNT, arn, check, client, cloudwatch, create, ENDPOINT, equal, eventually, failing, invoke, lam, logs, name, refused,
    REGION, s3, unchecked, without_metadata,
)

MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"


def tour_provisioned_concurrency():
    function = name()
    create(function, Publish=True)
    lam.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    put, get, delete = (lam.put_provisioned_concurrency_config, lam.get_provisioned_concurrency_config,
                        lam.delete_provisioned_concurrency_config)
    refused("none is zero", "ValidationException", 400, "Value '0' at 'provisionedConcurrentExecutions' failed to satisfy "
            "constraint: Member must have value greater than or equal to 1", unchecked.put_provisioned_concurrency_config,
            FunctionName=function, Qualifier="1", ProvisionedConcurrentExecutions=0)
    for call, more in ((put, {"ProvisionedConcurrentExecutions": 1}), (get, {}), (delete, {})):
        what = call.__name__
        refused(f"{what} of no alias", "ResourceNotFoundException", 404, f"Cannot find alias arn: {arn(function)}:nope",
                call, FunctionName=function, Qualifier="nope", **more)
        refused(f"{what} of no version", "ResourceNotFoundException", 404, f"Function not found: {arn(function)}:10",
                call, FunctionName=function, Qualifier="10", **more)
    refused("put to $LATEST", "InvalidParameterValueException", 400, "Provisioned Concurrency Configs cannot be applied to "
            "unpublished function versions.", put, FunctionName=function, Qualifier="$LATEST", ProvisionedConcurrentExecutions=1)
    refused("get of $LATEST", "InvalidParameterValueException", 400, "The function resource provided must be an alias or a "
            "published version.", get, FunctionName=function, Qualifier="$LATEST")
    for qualifier in ("1", "live"):
        refused(f"none on {qualifier}", "ProvisionedConcurrencyConfigNotFoundException", 404, "No Provisioned Concurrency "
                "Config found for this function", get, FunctionName=function, Qualifier=qualifier)
        equal(f"delete none of {qualifier}", delete(FunctionName=function, Qualifier=qualifier)["ResponseMetadata"]["HTTPStatusCode"],
              204)
    equal("list", lam.list_provisioned_concurrency_configs(FunctionName=function)["ProvisionedConcurrencyConfigs"], [])
    refused("ours: there is none to have", "InvalidParameterValueException", 400, "no provisioned concurrency", put,
            FunctionName=function, Qualifier="1", ProvisionedConcurrentExecutions=1)


def tour_what_is_not_here():
    function = name()
    create(function)
    equal("mappings", lam.list_event_source_mappings()["EventSourceMappings"], [])
    gone = "The resource you requested does not exist."
    some = "00000000-0000-0000-0000-000000000000"
    for call in (lam.get_event_source_mapping, lam.delete_event_source_mapping, lam.update_event_source_mapping):
        refused(call.__name__, "ResourceNotFoundException", 404, gone, call, UUID=some)
    invalid = "InvalidParameterValueException"
    mapping = lam.create_event_source_mapping
    refused("no source", invalid, 400, "Unrecognized event source.", mapping, FunctionName=function)
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
    stream = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s"
    refused("no function", invalid, 400, "Function does not exist", mapping, FunctionName=name("nope"), EventSourceArn=queue)
    refused("no position", invalid, 400, "Value null at 'startingPosition' failed to satisfy constraint: Member must not be "
            "null.", mapping, FunctionName=function, EventSourceArn=stream)
    refused("a wrong position", "ValidationException", 400, "Value 'invalid' at 'startingPosition' failed to satisfy "
            "constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]", mapping,
            FunctionName=function, EventSourceArn=stream, StartingPosition="invalid")
    refused("a mapping", invalid, 400, "no queues and streams", mapping, FunctionName=function, EventSourceArn=queue)
    for call in (lam.get_function_url_config, lam.delete_function_url_config):
        refused(call.__name__, "ResourceNotFoundException", 404, gone, call, FunctionName=function)
    refused("a version's URL", "ValidationException", 400, "Value '1' at 'qualifier' failed to satisfy constraint: Member must "
            r"satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)", lam.get_function_url_config,
            FunctionName=function, Qualifier="1")
    refused("a URL of nothing", "ResourceNotFoundException", 404, "Function does not exist", lam.create_function_url_config,
            FunctionName=name("nope"), AuthType="NONE")
    refused("a URL", invalid, 400, "no function URLs", lam.create_function_url_config, FunctionName=function, AuthType="NONE")
    equal("URLs", lam.list_function_url_configs(FunctionName=function)["FunctionUrlConfigs"], [])
    signing = f"arn:aws:lambda:{REGION}:{ACCOUNT}:code-signing-config:csc-00000000000000000"
    for call in (lam.get_code_signing_config, lam.delete_code_signing_config, lam.list_functions_by_code_signing_config):
        refused(call.__name__, "ResourceNotFoundException", 404,
                f"The Lambda code signing configuration {signing} can not be found.", call, CodeSigningConfigArn=signing)
    refused("signed by nobody", "CodeSigningConfigNotFoundException", 404, "The code signing configuration cannot be found. "
            f"Check that the provided configuration is not deleted: {signing}.", lam.put_function_code_signing_config,
            FunctionName=function, CodeSigningConfigArn=signing)
    answer = without_metadata(lam.get_function_code_signing_config(FunctionName=function))
    equal("not signed", answer, {"FunctionName": function})
    refused("another account has no message", "AccessDeniedException", 403, "", lam.get_function,
            FunctionName=f"arn:aws:lambda:{REGION}:123456789012:function:f")


def tour_concurrency_and_layers_again():
    function, layer = name(), name("layer")
    create(function)
    latest = lam.get_function_configuration(FunctionName=function, Qualifier="$LATEST")["FunctionArn"]
    refused("concurrency of $LATEST", "InvalidParameterValueException", 400, "This operation is permitted on Lambda functions "
            "only. Aliases and versions do not support this operation. Please specify either a function name or an "
            "unqualified function ARN.", lam.put_function_concurrency, FunctionName=latest, ReservedConcurrentExecutions=0)
    elsewhere = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:layer:{layer}:1"
    refused("a layer of another region", "InvalidParameterValueException", 400, "Layers are not in the same region as the "
            f"function. Layers are expected to be in region {REGION}.", create, function=function, wait=False,
            Layers=[elsewhere])
    layer_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{layer}"
    refused("a policy of no layer", "ResourceNotFoundException", 404, f"Layer version {layer_arn}:1 does not exist.",
            lam.get_layer_version_policy, LayerName=layer, VersionNumber=1)
    network = lam.update_function_configuration(
        FunctionName=function, VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]})["VpcConfig"]
    check("a network's id looks like one", len(network["VpcId"]) == 21 and network["VpcId"].startswith("vpc-"), network)


def tour_bucket_settings():
    bucket = name("settings")
    equal("created", s3.create_bucket(Bucket=bucket)["Location"], f"/{bucket}")
    s3.create_bucket(Bucket=bucket)

    def status(answer):
        return answer["ResponseMetadata"]["HTTPStatusCode"]

    blocks = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    equal("blocked by default", block, dict.fromkeys(blocks, True))
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    equal("one of four", block, {**dict.fromkeys(blocks, False), "BlockPublicAcls": True})
    for _ in range(2):
        equal("unblocked", status(s3.delete_public_access_block(Bucket=bucket)), 204)
    missing = refused("no block", "NoSuchPublicAccessBlockConfiguration", 404, "The public access block configuration was not "
                      "found", s3.get_public_access_block, Bucket=bucket)
    equal("the bucket's name", missing["Error"].get("BucketName"), bucket)

    rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    equal("owner enforced", rules, [{"ObjectOwnership": "BucketOwnerEnforced"}])
    writer = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=writer)
    equal("writer", s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"], writer)
    refused("an unknown ownership", "MalformedXML", 400, MALFORMED, s3.put_bucket_ownership_controls, Bucket=bucket,
            OwnershipControls={"Rules": [{"ObjectOwnership": "Nobody"}]})
    refused("two ownerships", "MalformedXML", 400, MALFORMED, s3.put_bucket_ownership_controls, Bucket=bucket,
            OwnershipControls={"Rules": writer["Rules"] * 2})
    equal("removed", status(s3.delete_bucket_ownership_controls(Bucket=bucket)), 204)
    refused("no ownership", "OwnershipControlsNotFoundError", 404, "The bucket ownership controls were not found",
            s3.get_bucket_ownership_controls, Bucket=bucket)

    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}

    def get():
        return s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]

    equal("encrypted by default", get(), [rule])
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [{**rule, "BucketKeyEnabled": True}]})
    equal("with a bucket key", get(), [{**rule, "BucketKeyEnabled": True}])
    equal("reset", (status(s3.delete_bucket_encryption(Bucket=bucket)), get()), (204, [rule]))
    refused("two encryptions", "MalformedXML", 400, MALFORMED, s3.put_bucket_encryption, Bucket=bucket,
            ServerSideEncryptionConfiguration={"Rules": [rule, rule]})

    refused("no policy", "NoSuchBucketPolicy", 404, "The bucket policy does not exist", s3.get_bucket_policy, Bucket=bucket)
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                                                      "Resource": f"arn:aws:s3:::{bucket}/*"}]}
    equal("put", status(s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))), 204)
    equal("policy", json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]), policy)
    refused("no JSON", "MalformedPolicy", 400, "Policies must be valid JSON and the first byte must be '{'",
            s3.put_bucket_policy, Bucket=bucket, Policy="text")
    refused("no statement", "MalformedPolicy", 400, "Missing required field Statement", s3.put_bucket_policy, Bucket=bucket,
            Policy="{}")
    equal("deleted", status(s3.delete_bucket_policy(Bucket=bucket)), 204)

    tags = {"TagSet": [{"Key": "team", "Value": "a"}]}
    equal("tagged", status(s3.put_bucket_tagging(Bucket=bucket, Tagging=tags)), 204)
    equal("tags", s3.get_bucket_tagging(Bucket=bucket)["TagSet"], tags["TagSet"])
    equal("untagged", status(s3.delete_bucket_tagging(Bucket=bucket)), 204)
    refused("no tags", "NoSuchTagSet", 404, "The TagSet does not exist", s3.get_bucket_tagging, Bucket=bucket)
    for call, code, message in (
        (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
        (s3.get_bucket_cors, "NoSuchCORSConfiguration", "The CORS configuration does not exist"),
        (s3.get_bucket_website, "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"),
        (s3.get_bucket_replication, "ReplicationConfigurationNotFoundError", "The replication configuration was not found"),
        (s3.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError",
         "Object Lock configuration does not exist for this bucket"),
    ):
        refused(call.__name__, code, 404, message, call, Bucket=bucket)
    equal("logging", "LoggingEnabled" in s3.get_bucket_logging(Bucket=bucket), False)
    equal("payer", s3.get_bucket_request_payment(Bucket=bucket)["Payer"], "BucketOwner")
    equal("versioning", "Status" in s3.get_bucket_versioning(Bucket=bucket), False)
    for call in (s3.delete_bucket_lifecycle, s3.delete_bucket_cors, s3.delete_bucket_website, s3.delete_bucket_replication):
        equal(call.__name__, status(call(Bucket=bucket)), 204)
    refused("versions are not here", "NotImplemented", 501, "", s3.put_bucket_versioning, Bucket=bucket,
            VersioningConfiguration={"Status": "Enabled"})
    refused("no bucket", "NoSuchBucket", 404, "The specified bucket does not exist", s3.get_public_access_block,
            Bucket=name("nope"))
    for rule in ({"Name": "prefix"}, {"Value": "x"}, {}):
        rules = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn("f"), "Events": ["s3:ObjectCreated:*"],
                                                   "Filter": {"Key": {"FilterRules": [rule]}}}]}
        refused(f"a rule of {rule}", "MalformedXML", 400, MALFORMED, s3.put_bucket_notification_configuration, Bucket=bucket,
                NotificationConfiguration=rules)
    refused("a place that is none", "InvalidLocationConstraint", 400, "The specified location-constraint is not valid",
            s3.create_bucket, Bucket=name("x"), CreateBucketConfiguration={"LocationConstraint": "foo"})


def tour_objects_again():
    bucket = name("objects")
    s3.create_bucket(Bucket=bucket)
    body = b"0123456789"
    s3.put_object(Bucket=bucket, Key="k", Body=body)

    def got(**more):
        answer = s3.get_object(Bucket=bucket, Key="k", **more)
        return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Body"].read(), answer.get("ContentRange")

    equal("a range", got(Range="bytes=1-3"), (206, b"123", "bytes 1-3/10"))
    equal("to the end", got(Range="bytes=8-"), (206, b"89", "bytes 8-9/10"))
    equal("the last", got(Range="bytes=-2"), (206, b"89", "bytes 8-9/10"))
    equal("more than there is", got(Range="bytes=0-100"), (206, body, "bytes 0-9/10"))
    for odd in ("bytes=1-0", "bytes=-", "0-1", "bytes=0-1,3-4", "bytes=0--1"):
        equal(f"ignored: {odd}", got(Range=odd), (200, body, None))
    for beyond in ("bytes=-0", "bytes=100-200"):
        seen = refused(beyond, "InvalidRange", 416, "The requested range is not satisfiable", s3.get_object, Bucket=bucket,
                       Key="k", Range=beyond)
        equal("how much there is", seen["Error"].get("ActualObjectSize"), "10")
    wrong = refused("an unknown version", "InvalidArgument", 400, "Invalid version id specified", s3.delete_object,
                    Bucket=bucket, Key="k", VersionId="HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD")
    check("errors have the fields of AWS's", "Resource" not in wrong["Error"], wrong["Error"])
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": "HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD"}]})
    equal("nor among many", [error["Code"] for error in deleted.get("Errors", [])], ["NoSuchVersion"])
    refused("only if absent", "PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold",
            s3.put_object, Bucket=bucket, Key="k", Body=b"", IfNoneMatch="*")
    refused("only if another", "PreconditionFailed", 412, "", s3.put_object, Bucket=bucket, Key="k", Body=b"", IfMatch='"0"')
    refused("only if present, of what is not", "NoSuchKey", 404, "", s3.put_object, Bucket=bucket, Key="x", Body=b"",
            IfMatch='"0"')
    unknown = "A header you provided implies functionality that is not implemented"
    seen = refused("If-Match: *", "NotImplemented", 501, unknown, s3.put_object, Bucket=bucket, Key="k", Body=b"", IfMatch="*")
    equal("which header", seen["Error"].get("Header"), "If-Match")
    seen = refused("both conditions", "NotImplemented", 501, unknown, s3.put_object, Bucket=bucket, Key="k", Body=b"",
                   IfMatch='"0"', IfNoneMatch="*")
    equal("which headers", seen["Error"].get("Header"), "If-Match,If-None-Match")
    equal("untouched", got()[1], body)
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4)).decode()
    equal("CRC32", s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED").get("ChecksumCRC32"), crc)
    copied = s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k", ChecksumAlgorithm="SHA256")["CopyObjectResult"]
    equal("a copy with another checksum", copied.get("ChecksumSHA256"), base64.b64encode(hashlib.sha256(body).digest()).decode())
    equal("and the same content", copied["ETag"].strip('"'), hashlib.md5(body).hexdigest())
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"0"'}):
        refused(f"a copy {condition}", "PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold",
                s3.copy_object, Bucket=bucket, Key="c", CopySource=f"{bucket}/k", **condition)
    s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k", IfMatch=copied["ETag"])
    s3.put_object(Bucket=bucket, Key="tagged", Body=b"", Tagging="a=1&b=2")
    head = s3.head_object(Bucket=bucket, Key="tagged")
    equal("tags counted", head["ResponseMetadata"]["HTTPHeaders"].get("x-amz-tagging-count"), "2")
    refused("a wrong checksum", "BadDigest", 400, "The SHA256 you specified did not match the calculated checksum.",
            s3.put_object, Bucket=bucket, Key="k", Body=body, ChecksumSHA256=base64.b64encode(b"0" * 32).decode())
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"page/{number} &", Body=b"")
    first = s3.list_objects_v2(Bucket=bucket, Prefix="page/", MaxKeys=2, StartAfter="page/0 &", EncodingType="url")
    equal("first page", ([one["Key"] for one in first["Contents"]], first["IsTruncated"], first["StartAfter"]),
          (["page/1+%26", "page/2+%26"], True, "page/0+%26"))
    second = s3.list_objects_v2(Bucket=bucket, Prefix="page/", MaxKeys=2, StartAfter="page/0 &",
                                ContinuationToken=first["NextContinuationToken"])
    equal("second page", ([one["Key"] for one in second["Contents"]], "StartAfter" in second), (["page/3 &", "page/4 &"], False))
    check("an empty delimiter is none", "Delimiter" not in s3.list_objects(Bucket=bucket, Delimiter=""))
    versions = s3.list_object_versions(Bucket=bucket, Prefix="k")["Versions"]
    equal("one version", [(one["VersionId"], one["IsLatest"], one["ChecksumAlgorithm"]) for one in versions],
          [("null", True, ["CRC32"])])
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=body)
    listed = s3.list_parts(Bucket=bucket, Key="m", UploadId=upload)["Parts"]
    equal("parts", [(one["PartNumber"], one["ETag"], "ChecksumCRC32" in one) for one in listed], [(1, part["ETag"], False)])
    refused("another part", "InvalidPart", 400, "One or more of the specified parts could not be found.",
            s3.complete_multipart_upload, Bucket=bucket, Key="m", UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": 2, "ETag": part["ETag"]}]})
    refused("no upload", "NoSuchUpload", 404, "The specified upload does not exist.", s3.upload_part, Bucket=bucket, Key="m",
            UploadId="fakeid", PartNumber=1, Body=b"")


def tour_signed_links():
    bucket, signer = name("links"), client("s3", signature_version="s3v4", s3={"addressing_style": "path"})
    s3.create_bucket(Bucket=bucket)

    def asked(method, url, body=None):
        request = urllib.request.Request(url, data=body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    put = signer.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "a b"}, ExpiresIn=60)
    equal("put", asked("PUT", put, b"hello")[0], 200)
    get = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b"}, ExpiresIn=60)
    equal("get", asked("GET", get), (200, b"hello"))
    # What boto3 signs by default in us-east-1, with the token that a function's keys have.
    old = client("s3", session_token="t/k+n=", signature_version="s3", s3={"addressing_style": "path"})
    get_v2 = old.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b"}, ExpiresIn=60)
    check("signed in the old manner", "AWSAccessKeyId" in get_v2 and "x-amz-security-token" in get_v2, get_v2)
    equal("get, signed in the old manner with a token", asked("GET", get_v2), (200, b"hello"))
    status, text = asked("GET", get_v2.replace("x-amz-security-token=t", "x-amz-security-token=u"))
    check("another token", status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in text, (status, text))
    status, text = asked("GET", get[:-1] + ("1" if get[-1] == "0" else "0"))
    check("a wrong signature", status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in text, (status, text))
    short = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b"}, ExpiresIn=1)

    def refusal():
        seen = asked("GET", short)
        return seen if seen[0] != 200 else None

    status, text = eventually("it expires", refusal, 10)
    check("expired", status == 403 and b"<Code>AccessDenied</Code>" in text and b"Request has expired" in text, (status, text))
    status, text = asked("GET", f"{ENDPOINT}/{bucket}/a%20b")
    check("unsigned", status == 403 and b"<Code>AccessDenied</Code>" in text, (status, text))


def tour_logs_again():
    group = f"/tour/{name()}"
    logs.create_log_group(logGroupName=group)
    refused("again", "ResourceAlreadyExistsException", 400, "The specified log group already exists", logs.create_log_group,
            logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    now = int(time.time() * 1000)
    lines = ["alpha one", "beta two", '{"level": "ERROR", "n": 7}', "alpha ERROR three"]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[
        {"timestamp": now + at, "message": line} for at, line in enumerate(lines)])

    def found(pattern):
        return [one["message"] for one in logs.filter_log_events(logGroupName=group, filterPattern=pattern)["events"]]

    equal("one word", found("alpha"), [lines[0], lines[3]])
    equal("both words", found("alpha ERROR"), [lines[3]])
    equal("either word", found("?one ?two"), lines[:2])
    equal("not that word", found("alpha -ERROR"), [lines[0]])
    equal("a phrase", found('"beta two"'), [lines[1]])
    equal("a JSON field", found('{ $.level = "ERROR" }'), [lines[2]])
    equal("a JSON number", found("{ $.n > 6 }"), [lines[2]])
    page = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True, limit=3)
    equal("a page", [one["message"] for one in page["events"]], lines[:3])
    rest = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True, nextToken=page["nextForwardToken"])
    equal("the next", [one["message"] for one in rest["events"]], lines[3:])
    end = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True, nextToken=rest["nextForwardToken"])
    equal("at the end the token stays", (end["events"], end["nextForwardToken"]), ([], rest["nextForwardToken"]))
    refused("prefix and pattern", "InvalidParameterException", 400, "LogGroup name prefix and LogGroup name pattern are mutually "
            "exclusive parameters.", logs.describe_log_groups, logGroupNamePrefix="/a", logGroupNamePattern="a")
    refused("name and identifier", "InvalidParameterException", 400, "LogGroup name and LogGroup ARN are mutually exclusive "
            "parameters.", logs.describe_log_streams, logGroupName=group, logGroupIdentifier=group)
    refused("a long name", "InvalidParameterException", 400, "Invalid LogGroup or LogStream, both must have length less than or "
            "equal to 512.", logs.create_log_group, logGroupName="a" * 513)
    refused("no such stream", "ResourceNotFoundException", 400, "The specified log stream does not exist.", logs.get_log_events,
            logGroupName=group, logStreamName="nope")
    stream = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True)["logStreams"][0]
    equal("times", (stream["firstEventTimestamp"], stream["lastEventTimestamp"]), (now, now + 3))
    check("no token of old", "uploadSequenceToken" not in stream, stream)
    logs.delete_log_group(logGroupName=group)
    refused("gone", "ResourceNotFoundException", 400, "The specified log group does not exist.", logs.delete_log_group,
            logGroupName=group)


def tour_metrics_again():
    namespace = name("Tour")
    now = int(time.time()) // 60 * 60
    for value in (1, 3, 5):
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[
            {"MetricName": "M", "Value": value, "Unit": "Count", "Timestamp": now, "Dimensions": [{"Name": "D", "Value": "d"}]}])
    metric = {"Namespace": namespace, "MetricName": "M", "Dimensions": [{"Name": "D", "Value": "d"}]}
    seen = cloudwatch.get_metric_statistics(**metric, StartTime=now - 60, EndTime=now + 60, Period=60,
                                            Statistics=["Sum", "Average", "Minimum", "Maximum", "SampleCount"])["Datapoints"]
    equal("statistics", [(one["Sum"], one["Average"], one["Minimum"], one["Maximum"], one["SampleCount"], one["Unit"])
                         for one in seen], [(9.0, 3.0, 1.0, 5.0, 3.0, "Count")])
    queries = [{"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
               {"Id": "half", "Expression": "m / 2"},
               {"Id": "p50", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "p50"}}]
    results = cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=now - 60, EndTime=now + 60)["MetricDataResults"]
    values = {one["Id"]: one["Values"] for one in results}
    equal("math", values.get("half"), [4.5])
    check("not returned", "m" not in values, values)
    check("a percentile", values.get("p50") and 2.9 <= values["p50"][0] <= 3.1, values)
    other = {**metric, "Dimensions": []}
    seen = cloudwatch.get_metric_statistics(**other, StartTime=now - 60, EndTime=now + 60, Period=60, Statistics=["Sum"])
    equal("other dimensions are another metric", seen["Datapoints"], [])


def tour_long_and_odd_payloads():
    function = failing("def handler(event, context):\n    return 'x' * event['n']\n", MemorySize=512)
    stream = lam.invoke_with_response_stream(FunctionName=function, Payload=b'{"n": 300000}')
    payload = b"".join(one["PayloadChunk"]["Payload"] for one in stream["EventStream"] if "PayloadChunk" in one)
    equal("all of a long answer", len(payload), 300_002)
    answer, body = invoke(failing("def handler(e, c):\n    return e\n"), None)
    equal("no payload is null", body, None)
    refused("not JSON", "InvalidRequestContentException", 400, "Could not parse request body into json", lam.invoke,
            FunctionName=function, Payload=b"not json")


def tour_clients_that_hang_up():
    function = failing("import time\nN = 0\ndef handler(event, context):\n    global N\n    N += 1\n    time.sleep(event or 0)\n    return N\n")
    invoke(function, 0)
    host, port = ENDPOINT.removeprefix("http://").split(":")
    half = b"POST /2015-03-31/functions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n{"
    for sent in (half, half[:40], b"\x16\x03\x01", b"GET /"):
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.sendall(sent)
    hasty = client("lambda", read_timeout=0.3)
    try:
        hasty.invoke(FunctionName=function, Payload=b"1")
        check("it was hasty", False)
    except Exception as error:
        check("hung up", "timeout" in str(error).lower() or "timed out" in str(error).lower(), error)
    equal("the next one is answered", eventually("answered", lambda: invoke(function, 0)[1], 15) is not None, True)


def tour_malformed_requests():
    host, port = ENDPOINT.removeprefix("http://").split(":")

    def raw(sent):
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            seen = b""
            while chunk := connection.recv(65536):
                seen += chunk
        return seen

    for sent in (b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
                 b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"x: y\r\n" * 1000 + b"\r\n",
                 b"PUT /b/k HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"):
        seen = raw(sent)
        status = seen.split(b" ", 2)[1:2]
        check(f"{sent[:30]!r}", status and status[0][:1] == b"4", seen[:300])
        check(f"{sent[:30]!r} has an AWS body", b"x-amzn-errortype" in seen.lower() or b"<Error>" in seen, seen[:300])


def tour_many_at_once():
    function = failing("def handler(event, context):\n    return event\n")
    lam.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=4)
    outcomes = []
    crowd = client("lambda", max_pool_connections=100)

    def ask(number):
        try:
            outcomes.append(json.loads(crowd.invoke(FunctionName=function, Payload=str(number))["Payload"].read()) == number)
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    equal("each has an answer", len(outcomes), 200)
    check("its own, or a throttle", set(outcomes) <= {True, "TooManyRequestsException"} and True in outcomes, set(map(str, outcomes)))
