import os

from botocore.exceptions import ClientError

from subject import s3

PREFIX = os.environ["OUTPUT_PREFIX"]
# Its own variant's other outputs, a neighbour's outputs, what it shares a beginning with, inputs, uploads, the root.
PLACES = [
    PREFIX.replace("write-beside", "hang"),
    PREFIX.replace("misbehaving", "well-behaved"),
    PREFIX.rstrip("/") + "-more/",
    "input/write-beside/",
    "upload/" + PREFIX,
    "",
]


def handler(event, context):
    written = []
    for place in PLACES:
        try:
            s3.put_object(Bucket=os.environ["OUTPUT_BUCKET"], Key=place + "left-here", Body=b"x")
            written.append(place)
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
    raise PermissionError(f"written beside OUTPUT_PREFIX: {written or 'nothing'}")
