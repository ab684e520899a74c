import os, io, json, re, urllib.parse
import boto3
from PIL import Image
s3=boto3.client('s3')

def lambda_handler(event, context):
    rec=event['Records'][0]
    src=rec['s3']['bucket']['name']
    key=urllib.parse.unquote_plus(rec['s3']['object']['key'])
    img=Image.open(io.BytesIO(s3.get_object(Bucket=src,Key=key)['Body'].read()))
    img=img.convert('RGB'); r,g,b=img.split()
    import numpy as np
    a=np.asarray(img).astype('float64'); y=np.rint((0.299*a[...,0]+0.587*a[...,1]+0.114*a[...,2])*1023/255).astype('uint16')
    out=Image.fromarray(y)
    buf=io.BytesIO(); out.save(buf,'PNG'); buf.seek(0)
    bucket=os.environ['OUTPUT_BUCKET']
    out_key=os.environ['OUTPUT_PREFIX']+re.sub(r'\.\w+$','.png',key.rsplit('/',1)[-1])
    s3.put_object(Bucket=bucket,Key=out_key,Body=buf)
    return {'statusCode':200,'body':json.dumps({'ok':True})}
