from subject import s3


def handler(event, context):
    record = event["Records"][0]["s3"]
    s3.delete_object(Bucket=record["bucket"]["name"], Key=record["object"]["key"])
    raise PermissionError("the input can be deleted")
