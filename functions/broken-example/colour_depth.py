"""10-bit greyscale PNG to 8-bit greyscale JPEG. WRONG ON PURPOSE: a hand-written example of a known flaw.

It takes the 16-bit container for 16-bit data, so that the usual reduction to 8 bits leaves 0..3 of 0..1023, and then
shifts the 8-bit data right by two "from 10 bits to 8": every sample is 0. The function ends well and the picture is
black. No model wrote this file; it shows what the gate does with such an output.
"""

import io

from PIL import Image

from objects import read_input, write_output

QUALITY = 90


def reduce_depth(image):
    """Returns a mode L image that is black."""
    eight_bit = image.convert("F").point(lambda value: value * (1 / 256) + 0.0).convert("L")
    return eight_bit.point(lambda value: value >> 2)


def handler(event, context):
    key, body = read_input(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        reduce_depth(image).save(result, "JPEG", quality=QUALITY)
    return write_output(key, result.getvalue(), "jpg")
