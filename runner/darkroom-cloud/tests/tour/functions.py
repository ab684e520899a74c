"""Functions: their records and states, names and qualifiers, what is refused, code from S3."""

import base64
import hashlib
import json
import re
import urllib.request

from stage import (
    ACCOUNT, arn, check, context_code, create, ECHO, equal, invoke, lam, name, refused, REGION, ROLE, s3,
    unchecked, updated, UUID, without_metadata, zipped,
)


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
