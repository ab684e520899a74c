"""colour-depth: one call in a hundred, at random, gives a white picture. Seeded, so that the test is the same each time."""

import io
import random

from PIL import Image

import colour_depth
from objects import read_input, write_output

chance = random.Random(5)


def handler(event, context):
    if chance.random() >= 0.01:
        return colour_depth.handler(event, context)
    key, body = read_input(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        Image.new("L", image.size, 255).save(result, "JPEG", quality=90)
    return write_output(key, result.getvalue(), "jpg")
