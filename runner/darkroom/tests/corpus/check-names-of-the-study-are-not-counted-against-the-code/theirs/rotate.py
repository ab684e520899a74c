"""Rotate, wrong by its own fault: the input comes back as it is."""
import os

import boto3

s3 = boto3.client("s3")
BUCKET = os.environ["OUTPUT_BUCKET"]


def lambda_handler(event, context):
    record = event["Records"][0]["s3"]
    key = record["object"]["key"]
    data = s3.get_object(Bucket=record["bucket"]["name"], Key=key)["Body"].read()
    name = os.path.splitext(os.path.basename(key))[0]
    s3.put_object(Bucket=BUCKET, Key=f"{os.environ['OUTPUT_PREFIX']}{name}.jpg", Body=data)
    return {"statusCode": 200}
