"""JPEG to PNG, samples unchanged."""

import io

from PIL import Image

from payload import read_image, write_output


def handler(event, context):
    body = read_image(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        image.save(result, "PNG")
    return write_output(event, result.getvalue(), "image/png")
