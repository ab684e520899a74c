"""10-bit greyscale PNG to 8-bit greyscale JPEG."""

import io

import numpy as np
from PIL import Image

from objects import read_input, write_output

QUALITY = 90
PEAK_IN, PEAK_OUT = 1023, 255


def reduce_depth(samples):
    """Returns a uint8 array: 0..1023 mapped to 0..255, to the nearest level."""
    wide = np.minimum(samples, PEAK_IN).astype(np.uint32)
    return ((wide * PEAK_OUT + PEAK_IN // 2) // PEAK_IN).astype(np.uint8)


def handler(event, context):
    key, body = read_input(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        samples = np.asarray(image)
    Image.fromarray(reduce_depth(samples)).save(result, "JPEG", quality=QUALITY)
    return write_output(key, result.getvalue(), "jpg")
