import boto3
s3 = boto3.client('s3')
def put(k, d):
    s3.put_object(Bucket='my-out', Key=k, Body=d) if d else None
