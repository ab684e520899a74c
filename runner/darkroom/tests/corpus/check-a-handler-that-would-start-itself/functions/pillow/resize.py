"""10-bit greyscale PNG to 800x600 with a Lanczos filter."""

import io

from PIL import Image, ImageMath

import objects
from objects import read_input, write_output

SIZE = (800, 600)
PEAK = 1023


def resize(image):
    """Returns a mode I;16 image of 800x600 with samples 0..1023."""
    resized = image.resize(SIZE, Image.Resampling.LANCZOS)
    # Lanczos overshoots at edges; beyond 1023 a sample would no longer be a 10-bit one.
    clipped = ImageMath.lambda_eval(lambda args: args["min"](args["image"], PEAK), image=resized.convert("I"))
    return clipped.convert("I;16")


def handler(event, context):
    key, body = read_input(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        resize(image).save(result, "PNG")
    bucket = event["Records"][0]["s3"]["bucket"]["name"]
    objects.s3.put_object(Bucket=bucket, Key="copies/latest.png", Body=result.getvalue())
    return write_output(key, result.getvalue(), "png")
