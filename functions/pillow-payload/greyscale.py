"""RGB image to 16-bit greyscale PNG holding 10-bit BT.601 luma."""

import io

from PIL import Image

from payload import answer, read_image

PEAK = 1023


def greyscale(image):
    """Returns a mode I;16 image with samples 0..1023."""
    # Mode F holds BT.601 luma (299 R + 587 G + 114 B) / 1000 unrounded; mode L would round it to 8 bits first.
    luma = image.convert("RGB").convert("F")
    # F to I cuts the fraction off, so adding a half rounds to the nearest level.
    return luma.point(lambda value: value * (PEAK / 255) + 0.5).convert("I").convert("I;16")


def handler(event, context):
    body = read_image(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        greyscale(image).save(result, "PNG")
    return answer(result.getvalue())
