"""Looks into an account through boto3, which shares no code with Darkroom, and puts other people's things there.

    python account.py ENDPOINT list           every resource with its tags and settings, as JSON
    python account.py ENDPOINT logs           the same, and every line that is logged
    python account.py ENDPOINT plant          things that look like Darkroom's and are not: no tag, or another one
"""

import io
import json
import sys
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ASSUMED_BY_LAMBDA = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
BUCKET_SETTINGS = {"encryption": ("get_bucket_encryption", "ServerSideEncryptionConfiguration"),
                   "ownership": ("get_bucket_ownership_controls", "OwnershipControls"),
                   "public_access": ("get_public_access_block", "PublicAccessBlockConfiguration"),
                   "policy": ("get_bucket_policy", "Policy"), "notifications": ("get_bucket_notification_configuration", None)}


def clients(endpoint):
    config = Config(retries={"max_attempts": 0}, read_timeout=60, s3={"addressing_style": "path"})
    common = {"endpoint_url": endpoint, "region_name": "us-east-1", "config": config}
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return {name: boto3.client(name, **common, **keys) for name in ("lambda", "s3", "iam", "logs", "events", "cloudwatch")}


def pages(client, operation, key, **arguments):
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(key, [])


def pairs(tags):
    return {tag["Key"]: tag["Value"] for tag in tags}


def or_none(call, key, **arguments):
    """A setting that was never made is an error of S3's, each of a name of its own."""
    try:
        answer = call(**arguments)
        answer.pop("ResponseMetadata", None)
        return answer[key] if key else answer or None
    except ClientError as error:
        if error.response["Error"]["Code"].startswith("NoSuch") or "NotFound" in error.response["Error"]["Code"]:
            return None
        raise


def listed(account):
    lam, s3, iam, logs = (account[name] for name in ("lambda", "s3", "iam", "logs"))
    found = {"functions": {}, "layers": {}, "roles": {}, "policies": {}, "log_groups": {}, "buckets": {}}
    for function in pages(lam, "list_functions", "Functions"):
        whole = lam.get_function(FunctionName=function["FunctionName"])
        configuration = whole["Configuration"]
        found["functions"][function["FunctionName"]] = {
            "tags": whole.get("Tags", {}), "memory_mb": configuration["MemorySize"], "role": configuration["Role"],
            "architectures": configuration["Architectures"], "runtime": configuration["Runtime"], "handler": configuration["Handler"],
            "timeout_s": configuration["Timeout"], "environment": configuration.get("Environment", {}).get("Variables", {}),
            "layers": [layer["Arn"] for layer in configuration.get("Layers", [])], "code_sha256": configuration["CodeSha256"],
            "policy": or_none(lam.get_policy, "Policy", FunctionName=function["FunctionName"])}
    for layer in pages(lam, "list_layers", "Layers"):
        for version in pages(lam, "list_layer_versions", "LayerVersions", LayerName=layer["LayerName"]):
            found["layers"][f"{layer['LayerName']}:{version['Version']}"] = {"description": version.get("Description", "")}
    for role in pages(iam, "list_roles", "Roles"):
        name = role["RoleName"]
        inline = list(pages(iam, "list_role_policies", "PolicyNames", RoleName=name))
        found["roles"][name] = {
            "tags": pairs(iam.list_role_tags(RoleName=name)["Tags"]), "trust": role["AssumeRolePolicyDocument"],
            "inline": {one: iam.get_role_policy(RoleName=name, PolicyName=one)["PolicyDocument"] for one in inline},
            "attached": [one["PolicyArn"] for one in pages(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=name)]}
    for policy in pages(iam, "list_policies", "Policies", Scope="Local"):
        found["policies"][policy["PolicyName"]] = {"arn": policy["Arn"]}
    for group in pages(logs, "describe_log_groups", "logGroups"):
        found["log_groups"][group["logGroupName"]] = {
            "tags": logs.list_tags_log_group(logGroupName=group["logGroupName"])["tags"],
            "retention_days": group.get("retentionInDays")}
    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        settings = {key: or_none(getattr(s3, call), of, Bucket=name) for key, (call, of) in BUCKET_SETTINGS.items()}
        found["buckets"][name] = {
            "tags": pairs(or_none(s3.get_bucket_tagging, "TagSet", Bucket=name) or []), **settings,
            "objects": {one["Key"]: one["Size"] for one in pages(s3, "list_objects_v2", "Contents", Bucket=name)},
            "uploads": len(s3.list_multipart_uploads(Bucket=name).get("Uploads", []))}
    return found


def plant(account):
    """Puts things of other people beside Darkroom's: of its names without its tag, or with a tag that only looks like it."""
    lam, s3, iam, logs = (account[name] for name in ("lambda", "s3", "iam", "logs"))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("greyscale.py", "def handler(event, context):\n    return 'someone else'\n")
    look_alike = {"darkroom": "llm-study", "Darkroom:Experiment": "llm-study", "darkroom:experiments": "llm-study"}
    role = iam.create_role(RoleName="dkr-llm-study-of-someone", AssumeRolePolicyDocument=ASSUMED_BY_LAMBDA,
                           Tags=[{"Key": key, "Value": value} for key, value in list(look_alike.items())[:1]])["Role"]["Arn"]
    iam.put_role_policy(RoleName="dkr-llm-study-of-someone", PolicyName="dkr", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}))
    for name, tags in (("dkr-llm-study-pillow-x86_64-512-greyscale-d1-of-someone", {}), ("dkr-of-someone", look_alike)):
        lam.create_function(FunctionName=name, Runtime="python3.13", Role=role, Handler="greyscale.handler",
                            Code={"ZipFile": archive.getvalue()}, Tags=tags)
    logs.create_log_group(logGroupName="/aws/lambda/dkr-of-someone")
    logs.create_log_group(logGroupName="/aws/lambda/dkr-llm-study-whose-function-is-gone")
    lam.publish_layer_version(LayerName="dkr-llm-study-of-someone", Description="darkroom:experiment is what this is not",
                              Content={"ZipFile": archive.getvalue()})
    for bucket, tags in (("dkr-llm-study-of-someone", {}), ("dkr-of-someone", look_alike)):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="packages/kept.zip", Body=b"someone's")
        if tags:
            s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": k, "Value": v} for k, v in tags.items()]})


def main():
    endpoint, command = sys.argv[1:]
    account = clients(endpoint)
    if command == "plant":
        plant(account)
    found = listed(account)
    if command == "logs":
        found["logged"] = {group: [event["message"] for event in pages(account["logs"], "filter_log_events", "events", logGroupName=group)]
                           for group in found["log_groups"]}
    json.dump(found, sys.stdout, indent=1, sort_keys=True, default=str)


main()
