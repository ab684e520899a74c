"""Greyscale."""
import base64
import json
import time

from tools import opened, stored


def main(event, context):
    began = time.perf_counter()
    request = json.loads(event["body"])
    raw = base64.b64decode(request["picture"])
    picture = opened(base64.b64encode(raw)).convert("RGB").convert("F").point(lambda v: v * (1023 / 255) + 0.5)
    data = base64.b64encode(stored(picture.convert("I").convert("I;16"), "PNG")).decode()
    took = (time.perf_counter() - began) * 1000
    return {"statusCode": 200, "body": json.dumps({"picture": data, "took_ms": round(took, 3)})}
