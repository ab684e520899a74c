"""convert: the JPEG under a PNG's name."""

from objects import read_input, write_output


def handler(event, context):
    key, body = read_input(event)
    return write_output(key, body, "png")
