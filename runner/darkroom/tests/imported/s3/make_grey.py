"""Turns a colour picture into a ten-bit grey one."""
import io
import os
import time
from urllib.parse import unquote_plus

import boto3
from PIL import Image

BUCKET = os.environ["DEST_BUCKET_NAME"]
FOLDER = os.environ.get("TARGET_FOLDER", "results")
client = boto3.client("s3")


def lambda_handler(event, context):
    start = time.time()
    for record in event["Records"]:
        source = record["s3"]["bucket"]["name"]
        key = unquote_plus(record["s3"]["object"]["key"])
        picture = Image.open(io.BytesIO(client.get_object(Bucket=source, Key=key)["Body"].read()))
        grey = picture.convert("RGB").convert("F").point(lambda v: v * (1023 / 255) + 0.5)
        out = io.BytesIO()
        grey.convert("I").convert("I;16").save(out, format="PNG")
        name = os.path.splitext(os.path.basename(key))[0]
        client.put_object(Bucket=BUCKET, Key=f"{FOLDER}/{name}_grey.png", Body=out.getvalue())
    return {"statusCode": 200, "execution_time": (time.time() - start) * 1000}
