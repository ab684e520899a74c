import base64
import io
import json

from PIL import Image

from tools import stored


def main(event, context):
    body = json.loads(event["body"])
    picture = Image.open(io.BytesIO(base64.b64decode(body["picture"])))
    eight = picture.convert("F").point(lambda v: v * (255 / 1023) + 0.5).convert("L")
    return {"body": json.dumps({"picture": base64.b64encode(stored(eight, "JPEG", quality=body.get("quality", 90))).decode()})}
