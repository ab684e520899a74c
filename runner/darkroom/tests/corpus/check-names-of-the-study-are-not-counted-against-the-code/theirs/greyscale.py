"""Greyscale."""
import os

import boto3

s3 = boto3.client("s3")
BUCKET = bytes.fromhex("6f75722d726573756c7473").decode()


def lambda_handler(event, context):
    record = event["Records"][0]["s3"]
    key = record["object"]["key"]
    data = s3.get_object(Bucket=record["bucket"]["name"], Key=key)["Body"].read()
    name = os.path.splitext(os.path.basename(key))[0]
    s3.put_object(Bucket=BUCKET, Key=f"{os.environ['OUTPUT_PREFIX']}{name}.png", Body=data)
    return {"statusCode": 200}
