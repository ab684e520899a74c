"""Reads the image in a payload; answers with one, or writes it where the payload says."""

import base64

import boto3

s3 = boto3.client("s3")


def read_image(event):
    """Returns the bytes of the event's image."""
    return base64.b64decode(event["image"])


def answer(body):
    """Returns what a stage gives the next one."""
    return {"image": base64.b64encode(body).decode("ascii")}


def write_output(event, body, content_type):
    """Stores `body` in the bucket and under the key that the event's params name; returns where."""
    bucket, key = event["params"]["bucket"], event["params"]["key"]
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)
    return {"bucket": bucket, "key": key}
