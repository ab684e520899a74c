"""JPEG rotated by 90 degrees clockwise."""

import io

import numpy as np
from PIL import Image

from objects import read_input, write_output

QUALITY = 90


def rotate(samples):
    """Returns the array turned 90 degrees clockwise, width and height exchanged."""
    # numpy counts anticlockwise: k = -1 is clockwise.
    return np.ascontiguousarray(np.rot90(samples, k=-1))


def handler(event, context):
    key, body = read_input(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        samples = np.asarray(image)
    Image.fromarray(rotate(samples)).save(result, "JPEG", quality=QUALITY)
    return write_output(key, result.getvalue(), "jpg")
