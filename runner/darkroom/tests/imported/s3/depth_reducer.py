"""Ten bits to eight."""
import io
import os
import pathlib

import boto3
from PIL import Image

client = boto3.client("s3")


def handler(event, _context):
    info = event["Records"][0]["s3"]
    key = info["object"]["key"]
    picture = Image.open(io.BytesIO(client.get_object(Bucket=info["bucket"]["name"], Key=key)["Body"].read()))
    out = io.BytesIO()
    picture.convert("F").point(lambda v: v * (255 / 1023) + 0.5).convert("L").save(out, "JPEG", quality=90)
    target = "eight-bit/" + pathlib.PurePath(key).stem + ".jpg"
    client.put_object(Bucket=os.getenv("DEST_BUCKET_NAME"), Key=target, Body=out.getvalue())
    return target
