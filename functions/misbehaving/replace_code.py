import os

import boto3

ME, MINE = os.environ["AWS_LAMBDA_FUNCTION_NAME"], "replace-code"


def handler(event, context):
    boto3.client("lambda").update_function_code(FunctionName=ME.replace(MINE, "honest"), ZipFile=b"PK")
    raise PermissionError("a contestant's code can be replaced")
