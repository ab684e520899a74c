from botocore.exceptions import ClientError

from subject import s3

told = []


def handler(event, context):
    record = event["Records"][0]["s3"]
    bucket, read = record["bucket"]["name"], []
    for key in told:
        try:
            read.append(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError:
            pass
    tried = len(told)
    told.append(record["object"]["key"])
    raise PermissionError(f"of {tried} objects of earlier events could be read: {len(read) or 'none'}")
