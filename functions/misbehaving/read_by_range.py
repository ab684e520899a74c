import boto3
from botocore.exceptions import ClientError

s3 = boto3.client("s3")


def ask_for_nonsense(request, **_):
    request.headers["Range"] = "nonsense"


s3.meta.events.register("before-sign.s3", ask_for_nonsense)


def handler(event, context):
    bucket = event["Records"][0]["s3"]["bucket"]["name"]
    ways = {
        "a list": lambda: s3.list_objects_v2(Bucket=bucket),
        "the bucket's policy": lambda: s3.get_bucket_policy(Bucket=bucket),
        "another's object": lambda: s3.get_object(Bucket=bucket, Key="input/hang/image"),
        "tags": lambda: s3.get_object_tagging(Bucket=bucket, Key=event["Records"][0]["s3"]["object"]["key"]),
    }
    seen = []
    for name, read in ways.items():
        try:
            read()
            seen.append(name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                seen.append(f"{name} ({error})")
    raise PermissionError(f"seen by a range that nobody can read: {seen or 'nothing'}")
