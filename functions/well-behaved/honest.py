"""Does what every stage asks for: the output is the input."""

import os

import boto3

s3 = boto3.client("s3")


def handler(event, context):
    record = event["Records"][0]["s3"]
    key = record["object"]["key"]
    data = s3.get_object(Bucket=record["bucket"]["name"], Key=key)["Body"].read()
    s3.put_object(Bucket=os.environ["OUTPUT_BUCKET"], Key=os.environ["OUTPUT_PREFIX"] + key.rsplit("/", 1)[-1], Body=data)
    return {"success": True}
