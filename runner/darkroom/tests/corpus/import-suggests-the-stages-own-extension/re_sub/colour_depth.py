import os, io, json, re, urllib.parse
import boto3
from PIL import Image
s3=boto3.client('s3')

def lambda_handler(event, context):
    rec=event['Records'][0]
    src=rec['s3']['bucket']['name']
    key=urllib.parse.unquote_plus(rec['s3']['object']['key'])
    img=Image.open(io.BytesIO(s3.get_object(Bucket=src,Key=key)['Body'].read()))
    import numpy as np
    out=Image.fromarray(np.rint(np.asarray(img).astype('float64')*255/1023).astype('uint8'))
    buf=io.BytesIO(); out.save(buf,'JPEG',quality=90); buf.seek(0)
    bucket=os.environ['OUTPUT_BUCKET']
    out_key=os.environ['OUTPUT_PREFIX']+re.sub(r'\.\w+$','.jpg',key.rsplit('/',1)[-1])
    s3.put_object(Bucket=bucket,Key=out_key,Body=buf)
    return {'statusCode':200,'body':json.dumps({'ok':True})}
