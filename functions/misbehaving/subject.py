"""What the handlers that do their work have in common: the output is the input."""

import os

import boto3

s3 = boto3.client("s3")


def output(name, body):
    s3.put_object(Bucket=os.environ["OUTPUT_BUCKET"], Key=os.environ["OUTPUT_PREFIX"] + name, Body=body)


def copy(event):
    record = event["Records"][0]["s3"]
    key = record["object"]["key"]
    output(key.rsplit("/", 1)[-1], s3.get_object(Bucket=record["bucket"]["name"], Key=key)["Body"].read())
