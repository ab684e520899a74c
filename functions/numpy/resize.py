"""10-bit greyscale PNG to 800x600 with a Lanczos filter."""

import io

import numpy as np
from PIL import Image

from objects import read_input, write_output

WIDTH, HEIGHT = 800, 600
PEAK = 1023
LOBES = 3


def weights(length_in, length_out):
    """Returns which input samples each output sample takes, and with which weights: both length_out x taps."""
    ratio = length_in / length_out
    scale = max(ratio, 1.0)
    support = LOBES * scale
    centres = (np.arange(length_out) + 0.5) * ratio - 0.5
    first = np.ceil(centres - support).astype(np.int64)
    indices = first[:, None] + np.arange(int(2 * support) + 1)
    distance = (indices - centres[:, None]) / scale
    kernel = np.where(np.abs(distance) < LOBES, np.sinc(distance) * np.sinc(distance / LOBES), 0.0)
    kernel[(indices < 0) | (indices >= length_in)] = 0.0
    kernel /= kernel.sum(axis=1, keepdims=True)
    return np.clip(indices, 0, length_in - 1), kernel.astype(np.float32)


def resize_rows(samples, length_out):
    """Returns `samples` with its first axis resized to `length_out`."""
    indices, kernel = weights(samples.shape[0], length_out)
    result = np.zeros((length_out, samples.shape[1]), dtype=np.float32)
    for tap in range(indices.shape[1]):
        result += samples[indices[:, tap]] * kernel[:, tap, None]
    return result


def resize(samples):
    """Returns a uint16 array of 600 rows and 800 columns, samples 0..1023."""
    rows = resize_rows(samples.astype(np.float32), HEIGHT)
    resized = resize_rows(np.ascontiguousarray(rows.T), WIDTH).T
    # Lanczos overshoots at edges; beyond 1023 a sample would no longer be a 10-bit one.
    return np.ascontiguousarray(np.clip(np.rint(resized), 0, PEAK).astype(np.uint16))


def handler(event, context):
    key, body = read_input(event)
    result = io.BytesIO()
    with Image.open(io.BytesIO(body)) as image:
        samples = np.asarray(image)
    Image.fromarray(resize(samples)).save(result, "PNG")
    return write_output(key, result.getvalue(), "png")
