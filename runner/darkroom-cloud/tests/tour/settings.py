"""What is set beside a function: permissions, asynchronous settings, tags, concurrency."""

import json
import threading
import time

from stage import (
    ACCOUNT, arn, check, client, create, equal, lam, name, refused, sts, unchecked, without_metadata, zipped,
)


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
