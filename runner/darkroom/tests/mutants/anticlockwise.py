"""rotate: Pillow counts anticlockwise."""

import io

from PIL import Image

from objects import read_input, write_output


def handler(event, context):
    key, body = read_input(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        image.rotate(90, expand=True).save(result, "JPEG", quality=90)
    return write_output(key, result.getvalue(), "jpg")
