"""10-bit greyscale PNG to 8-bit greyscale JPEG, the arithmetic in plain Python: one sample at a time."""

import io

from PIL import Image

from objects import read_input, write_output

QUALITY = 90
PEAK_IN, PEAK_OUT = 1023, 255


def reduce_depth(image):
    """Returns a mode L image: 0..1023 mapped to 0..255, to the nearest level."""
    samples = memoryview(image.tobytes()).cast("H")
    reduced = bytearray(len(samples))
    for index in range(len(samples)):
        sample = samples[index]
        if sample > PEAK_IN:
            sample = PEAK_IN
        reduced[index] = (sample * PEAK_OUT + PEAK_IN // 2) // PEAK_IN
    return Image.frombytes("L", image.size, bytes(reduced))


def handler(event, context):
    key, body = read_input(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        reduce_depth(image).save(result, "JPEG", quality=QUALITY)
    return write_output(key, result.getvalue(), "jpg")
