import os, io, json, re, urllib.parse
import boto3
from PIL import Image
s3=boto3.client('s3')

def lambda_handler(event, context):
    rec=event['Records'][0]
    src=rec['s3']['bucket']['name']
    key=urllib.parse.unquote_plus(rec['s3']['object']['key'])
    img=Image.open(io.BytesIO(s3.get_object(Bucket=src,Key=key)['Body'].read()))
    out=img
    buf=io.BytesIO(); out.save(buf,'PNG'); buf.seek(0)
    bucket=os.environ['OUTPUT_BUCKET']
    out_key=os.environ['OUTPUT_PREFIX']+re.sub(r'\.\w+$','.png',key.rsplit('/',1)[-1])
    s3.put_object(Bucket=bucket,Key=out_key,Body=buf)
    return {'statusCode':200,'body':json.dumps({'ok':True})}
