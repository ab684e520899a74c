"""resize: gives what it made for the image before."""

import resize
from objects import read_input, write_output

made = []


def handler(event, context):
    resize.write_output = lambda key, body, extension: made.append(body)
    resize.handler(event, context)
    key, _ = read_input(event)
    return write_output(key, made[-2] if len(made) > 1 else made[-1], "png")
