import os, io, json, urllib.parse
import boto3
from PIL import Image

s3 = boto3.client('s3')


def lambda_handler(event, context):
    rec = event['Records'][0]
    src = rec['s3']['bucket']['name']
    key = urllib.parse.unquote_plus(rec['s3']['object']['key'])
    img = Image.open(io.BytesIO(s3.get_object(Bucket=src, Key=key)['Body'].read()))
    img = img.resize((800, 600), Image.LANCZOS)
    buf = io.BytesIO()
    img.save(buf, 'PNG')
    base = os.path.splitext(os.path.basename(key))[0]
    out_key = os.environ['OUTPUT_PREFIX'] + base + '.png'
    s3.put_object(Bucket=os.environ['OUTPUT_BUCKET'], Key=out_key, Body=buf.getvalue())
    return {'statusCode': 200}
