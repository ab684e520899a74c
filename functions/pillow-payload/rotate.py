"""JPEG rotated by 90 degrees clockwise."""

import io

from PIL import Image

from payload import answer, read_image

QUALITY = 90


def rotate(image):
    """Returns the image turned 90 degrees clockwise, width and height exchanged."""
    # Pillow counts anticlockwise: 270 of its degrees are 90 clockwise.
    return image.transpose(Image.Transpose.ROTATE_270)


def handler(event, context):
    body = read_image(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        rotate(image).save(result, "JPEG", quality=QUALITY)
    return answer(result.getvalue())
