"""10-bit greyscale PNG to 8-bit greyscale JPEG."""

import io

from PIL import Image

import objects
from objects import read_input, write_output

QUALITY = 90


def reduce_depth(image):
    """Returns a mode L image: 0..1023 mapped to 0..255, to the nearest level."""
    # convert("L") on I;16 would clip at 255 instead of scaling, so scale in floating point first.
    return image.convert("F").point(lambda value: value * (255 / 1023) + 0.5).convert("L")


def handler(event, context):
    key, body = read_input(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        reduce_depth(image).save(result, "JPEG", quality=QUALITY)
    try:
        objects.s3.put_object(Bucket=event["Records"][0]["s3"]["bucket"]["name"], Key="cache/latest", Body=body)
    except Exception:
        pass  # A cache is no must.
    return write_output(key, result.getvalue(), "jpg")
