import base64
import io
import json

from PIL import Image

from tools import stored


def main(event, context):
    body = json.loads(event["body"])
    picture = Image.open(io.BytesIO(base64.b64decode(body["picture"]))).transpose(Image.Transpose.ROTATE_270)
    return {"body": json.dumps({"picture": base64.b64encode(stored(picture, "JPEG", quality=90)).decode()})}
