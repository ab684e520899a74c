import io
import os

import boto3
from PIL import Image

client = boto3.client("s3")


def convert_handler(event, context):
    key = event["Records"][0]["s3"]["object"]["key"]
    bucket = event["Records"][0]["s3"]["bucket"]["name"]
    out = io.BytesIO()
    Image.open(io.BytesIO(client.get_object(Bucket=bucket, Key=key)["Body"].read())).save(out, "PNG")
    client.put_object(Bucket=bucket, Key="final/" + os.path.basename(key).rsplit(".", 1)[0] + ".png", Body=out.getvalue())
    return {"statusCode": 200}
