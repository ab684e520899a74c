import os, io
import boto3
from PIL import Image

s3 = boto3.client('s3')


def handler(event, context):
    record = event['Records'][0]['s3']
    key = record['object']['key']
    image = Image.open(io.BytesIO(s3.get_object(Bucket=record['bucket']['name'], Key=key)['Body'].read()))
    out = io.BytesIO()
    image.save(out, 'PNG')
    name = os.path.splitext(os.path.basename(key))[0]
    s3.put_object(Bucket=os.environ['OUT'], Key=os.environ['OUTPUT_PREFIX'] + name + '.png', Body=out.getvalue())
