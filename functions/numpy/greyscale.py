"""RGB image to 16-bit greyscale PNG holding 10-bit BT.601 luma."""

import io

import numpy as np
from PIL import Image

from objects import read_input, write_output

PEAK = 1023
# BT.601 weights, scaled from 0..255 to 0..1023.
WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32) * np.float32(PEAK / 255)


def greyscale(rgb):
    """Returns a uint16 array of samples 0..1023 from an RGB array of uint8."""
    return np.rint(rgb.astype(np.float32) @ WEIGHTS).astype(np.uint16)


def handler(event, context):
    key, body = read_input(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        rgb = np.asarray(image.convert("RGB"))
    Image.fromarray(greyscale(rgb)).save(result, "PNG")
    return write_output(key, result.getvalue(), "png")
