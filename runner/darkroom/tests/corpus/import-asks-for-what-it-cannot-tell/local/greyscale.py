import boto3

s3 = boto3.client("s3", endpoint_url="http://localhost:4566", aws_access_key_id="test")


def handler(event, context):
    return work(event, s3)
