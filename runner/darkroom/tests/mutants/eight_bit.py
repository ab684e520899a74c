"""greyscale: 8-bit luma shifted left by two, so that the lowest two bits are always zero."""

import io

from PIL import Image

from objects import read_input, write_output


def handler(event, context):
    key, body = read_input(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        grey = image.convert("RGB").convert("L").convert("F").point(lambda value: value * 4 + 0)
        grey.convert("I").convert("I;16").save(result, "PNG")
    return write_output(key, result.getvalue(), "png")
