"""colour-depth: takes the 16-bit container for 16-bit data, then shifts the 8-bit data right by two: black."""

import io

from PIL import Image

from objects import read_input, write_output


def handler(event, context):
    key, body = read_input(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        eight_bit = image.convert("F").point(lambda value: value * (1 / 256) + 0.0).convert("L")
        eight_bit.point(lambda value: value >> 2).save(result, "JPEG", quality=90)
    return write_output(key, result.getvalue(), "jpg")
