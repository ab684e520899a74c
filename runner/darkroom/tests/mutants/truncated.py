"""colour-depth: the file's second half is lost."""

import colour_depth
from objects import write_output

colour_depth.write_output = lambda key, body, extension: write_output(key, body[: len(body) // 2], extension)
handler = colour_depth.handler
