import os

import boto3

HELPER = "darkroom-misbehaving-helper"


def handler(event, context):
    functions = boto3.client("lambda")
    with open("/var/task/subject.py", "rb") as file:
        code = file.read()
    functions.create_function(
        FunctionName=HELPER, Runtime="python3.13", Handler="subject.copy", MemorySize=3538, Code={"ZipFile": code},
        Role=f"arn:aws:iam::000000000000:role/{os.environ['AWS_LAMBDA_FUNCTION_NAME']}",
    )
    raise PermissionError("a helper with more memory can be made")
