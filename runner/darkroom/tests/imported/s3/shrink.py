import io
import os
import time

import boto3
from PIL import Image, ImageMath

client = boto3.client("s3")


def resizeImage(event, context):
    """Resize with Lanczos."""
    start = time.time()
    s3 = event["Records"][0]["s3"]
    bucket, key = s3["bucket"]["name"], s3["object"]["key"]
    picture = Image.open(io.BytesIO(client.get_object(Bucket=bucket, Key=key)["Body"].read()))
    small = picture.resize((800, 600), Image.LANCZOS).convert("I")
    small = ImageMath.lambda_eval(lambda args: args["min"](args["a"], 1023), a=small)
    out = io.BytesIO()
    small.convert("I;16").save(out, format="PNG")
    out.seek(0)
    client.upload_fileobj(out, os.environ["DEST_BUCKET_NAME"], os.environ["TARGET_FOLDER"] + "/small-" + key.split("/")[-1])
    return {"statusCode": 200, "execution_time": (time.time() - start) * 1000}
