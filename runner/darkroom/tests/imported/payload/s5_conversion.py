import base64
import io
import json
import os

import boto3
from PIL import Image

from tools import stored

s3 = boto3.client("s3")


def main(event, context):
    body = json.loads(event["body"])
    picture = Image.open(io.BytesIO(base64.b64decode(body["picture"])))
    s3.put_object(Bucket=os.environ["RESULT_BUCKET"], Key=body["output"], Body=stored(picture, "PNG"))
    return {"statusCode": 200, "body": json.dumps({"written": body["output"]})}
