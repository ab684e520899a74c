import base64
import io
import json

from PIL import Image, ImageMath

from tools import stored


def main(event, context):
    request = json.loads(event["body"])
    size = (request["width"], request["height"])
    picture = Image.open(io.BytesIO(base64.b64decode(request["picture"]))).resize(size, Image.Resampling.LANCZOS)
    picture = ImageMath.lambda_eval(lambda args: args["min"](args["a"], 1023), a=picture.convert("I"))
    data = base64.b64encode(stored(picture.convert("I;16"), "PNG")).decode("ascii")
    return {"statusCode": 200, "body": json.dumps({"picture": data})}
