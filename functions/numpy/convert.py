"""JPEG to PNG, samples unchanged."""

import io

import numpy as np
from PIL import Image

from objects import read_input, write_output


def handler(event, context):
    key, body = read_input(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        samples = np.asarray(image)
    Image.fromarray(samples).save(result, "PNG")
    return write_output(key, result.getvalue(), "png")
