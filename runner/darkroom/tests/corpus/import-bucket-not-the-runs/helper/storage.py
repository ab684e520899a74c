import boto3

s3 = boto3.client('s3')


def store(key, body, bucket):
    s3.put_object(Bucket=bucket, Key=key, Body=body)
