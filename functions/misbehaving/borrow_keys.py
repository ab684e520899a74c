import boto3


def handler(event, context):
    anybody = boto3.client("lambda", aws_access_key_id="test", aws_secret_access_key="test", aws_session_token=None)
    names = [function["FunctionName"] for function in anybody.list_functions()["Functions"]]
    raise PermissionError(f"keys of its own making open: {names}")
