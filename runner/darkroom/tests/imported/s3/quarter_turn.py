import io
import os

import boto3
from PIL import Image

client = boto3.client("s3")


def handler(event, context):
    """Rotates clockwise."""
    record = event["Records"][0]
    key = record["s3"]["object"]["key"]
    body = client.get_object(Bucket=record["s3"]["bucket"]["name"], Key=key)["Body"].read()
    out = io.BytesIO()
    Image.open(io.BytesIO(body)).rotate(-90, expand=True).save(out, "JPEG", quality=90)
    path, extension = os.path.splitext(os.path.basename(key))
    client.put_object(Bucket=os.environ["DEST_BUCKET_NAME"], Key="turned/" + path + ".jpg", Body=out.getvalue())
