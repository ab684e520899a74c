from subject import s3


def handler(event, context):
    bucket = event["Records"][0]["s3"]["bucket"]["name"]
    names = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    raise PermissionError(f"the bucket can be listed: {names}")
